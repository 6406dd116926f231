"""What happens to a server that is not its clients' doing: a full disk, a database that is held, a stop."""

from __future__ import annotations

import re
import signal
import socket
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from helpers.forked import COMMAND
from helpers.serving import Running, inputs, part, until
from tramontane.service.problems import without_paths

# Limits as in test_serve_hostile, and a model that takes as long as a file says.
_PROGRAM = """
import resource, sys, time
from pathlib import Path
from tramontane.http.run import serve
from tramontane.service.settings import Settings
from tramontane.surrogate import Surrogate

models, state = Path(sys.argv[2]), Path(sys.argv[6])
limits = dict(entry.split("=") for entry in sys.argv[7:])
if size := int(limits.pop("file_size", 0)):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
simulate, pause = Surrogate.simulate, float(limits.pop("pause", 0))

def slow(*given, **more):
    time.sleep(pause)
    return simulate(*given, **more)

Surrogate.simulate = slow
settings = Settings(models=models, state=state, port=0,
                    **{key: type(getattr(Settings, key, 1))(float(value)) for key, value in limits.items()})
serve(settings, lambda line: print(line, flush=True))
"""
_SLEEP = "lambda self: __import__('time').sleep(50)"


def start(models: Path, state: Path, **limits: float) -> Running:
    options = [f"{key}={value}" for key, value in limits.items()]
    return Running(models, state, *options, code=_PROGRAM)


def job(server: Running, identity: str) -> dict[str, Any]:
    return dict(server.http.get(f"/v1/jobs/{identity}").json())


def submit(server: Running, geometry: str, count: int, **more: Any) -> str:
    designs = [{"geometry": geometry, "parameters": {"load": f"{150 + k} N"}} for k in range(count)]
    answer = server.http.post("/v1/jobs", json={"model": "model", "designs": designs, **more})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def test_a_full_disk_stops_a_job_that_keeps_cases_and_it_is_resumed(saved: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    with start(saved.parent, state, file_size=400_000) as server:
        geometry = server.upload(part(tmp_path).read_bytes()).json()["hash"]
        identity = submit(server, geometry, 2, cells=20_000, keep=True)
        stopped = until(lambda: state if (state := job(server, identity))["state"] == "stopped" else None)
        assert (stopped["failed"], stopped["waiting"]) == (0, 2)
        assert "resume the job" in stopped["reason"]
        assert str(tmp_path) not in stopped["reason"]
        assert not list((state / "jobs" / identity).glob("*"))
    with start(saved.parent, state) as server:
        assert server.http.post(f"/v1/jobs/{identity}/resume").status_code == 200
        done = until(lambda: state if (state := job(server, identity))["state"] == "done" else None)
        assert (done["done"], done["failed"]) == (2, 0)


def test_a_database_that_is_held_delays_an_answer_and_loses_none(saved: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    with start(saved.parent, state, pause=1.5, database_seconds=0.2) as server:
        geometry = server.upload(part(tmp_path).read_bytes()).json()["hash"]
        identity = submit(server, geometry, 1, cells=500)
        holder = sqlite3.connect(state / "serve.db", timeout=20, isolation_level=None)
        until(lambda: job(server, identity)["state"] == "running")
        holder.execute("BEGIN EXCLUSIVE")
        try:
            until(lambda: "an answer waits for the database" in server.log.read_text())
            # Who asks meanwhile is told to come back; nothing is said to be the program's fault.
            refused = server.http.post("/v1/jobs", json={"model": "model", "cells": 500, "designs": [
                {"geometry": geometry, "parameters": {"load": 200}}]})  # fmt: skip
            assert (refused.status_code, inputs(refused)) == (503, {})
            assert int(refused.headers["retry-after"]) >= 1
        finally:
            holder.execute("ROLLBACK")
            holder.close()
        done = until(lambda: state if (state := job(server, identity))["state"] == "done" else None)
        assert (done["done"], done["failed"]) == (1, 0)


def test_a_question_whose_asker_has_gone_is_not_answered(saved: Path, tmp_path: Path) -> None:
    with start(saved.parent, tmp_path / "state", pause=3600, workers=1, stop_seconds=1) as server:
        geometry = server.upload(part(tmp_path).read_bytes()).json()["hash"]

        def waiting() -> int:
            text = server.http.get("/metrics").text
            return int(float(re.search(r"^tramontane_predictions_waiting (\S+)", text, re.MULTILINE)[1]))  # type: ignore[index]

        def ask(load: int) -> socket.socket:
            body = f'{{"geometry": "{geometry}", "parameters": {{"load": {load}}}, "cells": 500}}'
            host, _, port = server.url.removeprefix("http://").rpartition(":")
            connection = socket.create_connection((host, int(port)))
            head = f"POST /v1/models/model/predict HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
            connection.sendall(f"{head}content-length: {len(body)}\r\n\r\n{body}".encode())
            return connection

        first, second, same = ask(200), ask(300), ask(300)
        until(lambda: waiting() == 2)  # two of them ask the same
        second.close()
        ask(400).close()
        until(lambda: waiting() == 2)
        same.close()  # now nobody asks it any more
        until(lambda: waiting() == 1)
        first.close()
        until(lambda: waiting() == 0)


def test_a_stop_does_not_wait_for_a_prediction_without_end(saved: Path, tmp_path: Path) -> None:
    with start(saved.parent, tmp_path / "state", pause=3600, stop_seconds=1) as server:
        geometry = server.upload(part(tmp_path).read_bytes()).json()["hash"]
        identity = submit(server, geometry, 1, cells=500)
        until(lambda: job(server, identity)["state"] == "running")
        assert server.end(signal.SIGTERM) == 0  # within the minute that it is given
    with start(saved.parent, tmp_path / "state") as server:
        until(lambda: job(server, identity)["state"] == "done")


def test_a_stop_does_not_wait_for_the_process_that_is_to_read_uploads(saved: Path, tmp_path: Path) -> None:
    slow = f"from tramontane.service.geometries.uploads import Geometries\nGeometries.prepare = {_SLEEP}\n"
    with Running(saved.parent, tmp_path / "state", code=slow + COMMAND) as server:
        assert server.end(signal.SIGTERM) == 0
    assert "ended while" not in server.log.read_text()


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("/srv/models/bracket/model.safetensors: is missing", "model.safetensors: is missing"),
        ("no '/var/lib/tramontane/jobs/3/.0.partial/surface.vtp' (full)", "no 'surface.vtp' (full)"),
        ("[Errno 13] Permission denied: '/state/incoming/f3'", "[Errno 13] Permission denied: 'f3'"),
        ("C:\\\\Users\\\\anna\\\\part.stl: open", "part.stl: open"),
        ("send the file to /v1/geometries", "send the file to /v1/geometries"),
        ("get one from https://login.example.com/realms/acme/x", "get one from https://login.example.com/realms/acme/x"),
        ("120 km/h, 3 kg/m/s and 1/(m s)", "120 km/h, 3 kg/m/s and 1/(m s)"),
        ("field surface/pressure/x is new", "field surface/pressure/x is new"),
        ("two\nlines", "two lines"),
    ],
)  # fmt: skip
def test_messages_name_files_and_not_where_they_are(message: str, shown: str) -> None:
    assert without_paths(message.replace("\\\\", "\\")) == shown


def test_nothing_that_a_client_is_told_says_where_the_server_keeps_its_files(saved: Path, tmp_path: Path) -> None:
    with start(saved.parent, tmp_path / "a state") as server:
        body = part(tmp_path).read_bytes()
        open_body = body[:80] + (int.from_bytes(body[80:84], "little") - 9).to_bytes(4, "little") + body[84 + 9 * 50 :]
        nan = bytearray(body)
        nan[96:108] = b"\xff" * 12
        for content, name in (
            (open_body, "open.stl"), (bytes(nan), "nan.stl"), (b"solid a\nfacet normal 0 0 z\n", "text.stl"),
            (body[:200], "cut.stl"), (b"v 0 0 0\nf 1 2 3\n", "part.obj"), (b"ply\nformat ascii 1.0\n", "part.ply"),
            (b"ISO-10303-21;", "part.step"), (b"x", "part.zip"), (b"v 0 0 0\n", "no faces.obj"),
        ):  # fmt: skip
            answer = server.upload(content, name)
            assert answer.status_code < 500, answer.text
            for secret in (str(tmp_path), "incoming", "a state", "Traceback"):
                assert secret not in answer.text
        stored = server.upload(open_body, "open.stl").json()
        assert stored["warnings"]
        answer = server.predict(stored["hash"], parameters={"load": 300}, cells=500)
        assert str(tmp_path) not in answer.text
        deep = b'{"parameters": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
        for path in ("/v1/models/model/predict", "/v1/jobs", "/v1/trainings"):
            answer = server.http.post(path, content=deep, headers={"content-type": "application/json"})
            assert 400 <= answer.status_code < 500, answer.text
            inputs(answer)
        for path in (
            "/v1/models/%2e%2e%2f%2e%2e", "/v1/jobs/%00", "/v1/geometries/" + "f" * 64, "/v1/trainings/x", "/nowhere",
            "/page/buffers/x", "/page/pictures/..%2f..", "/v1/jobs/x/designs/0?format=vtu",
        ):  # fmt: skip
            answer = server.http.get(path)
            assert 400 <= answer.status_code < 500, (path, answer.status_code)
            assert str(tmp_path) not in answer.text
        assert "Traceback" not in server.log.read_text()
