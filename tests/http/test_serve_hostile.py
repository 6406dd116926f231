"""What clients do to servers: too much, too slowly, without end. The server says so, and serves the others."""

from __future__ import annotations

import contextlib
import os
import resource
import select
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from helpers.serving import Running, inputs, part, until
from tramontane.service.settings import Settings

# `tramontane serve` takes few of its limits from the command line; these tests need small ones.
_SMALL = """
import dataclasses, sys
from pathlib import Path
from tramontane.http.run import serve
from tramontane.service.settings import MIB, Settings

models, state = sys.argv[2], sys.argv[6]
limits = dict(entry.split("=") for entry in sys.argv[7:])
settings = Settings(models=Path(models), state=Path(state), port=0,
                    **{key: type(getattr(Settings, key, 1))(float(value)) for key, value in limits.items()})
serve(settings, lambda line: print(line, flush=True))
"""


def small(models: Path, state: Path, **limits: float) -> Running:
    options = [f"{key}={value}" for key, value in limits.items()]
    return Running(models, state, *options, code=_SMALL)


def address(server: Running) -> tuple[str, int]:
    host, _, port = server.url.removeprefix("http://").rpartition(":")
    return host, int(port)


def head(path: str, **headers: object) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "host: 127.0.0.1", *(f"{key}: {value}" for key, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def answer_of(connection: socket.socket) -> bytes:
    connection.settimeout(60)
    received = b""
    while b"\r\n\r\n" not in received and (part_ := connection.recv(65536)):
        received += part_
    return received


@pytest.fixture(scope="module")
def server(saved: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Uploads of 3 MB and 5,000 triangles, bodies of 100 kB, patience of two seconds, 60 connections."""
    state = tmp_path_factory.mktemp("hostile") / "state"
    limits = {"upload_bytes": 3e6, "triangles": 5000, "body_bytes": 1e5, "patience": 2, "connections": 60}
    with small(saved.parent, state, **limits) as running:
        yield running


@pytest.fixture(scope="module")
def geometry(server: Running, tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(server.upload(part(tmp_path_factory.mktemp("parts")).read_bytes()).json()["hash"])


def test_two_gigabytes_are_refused_before_they_come(server: Running) -> None:
    with socket.create_connection(address(server)) as connection:
        connection.sendall(head("/v1/geometries?name=a.stl", **{"content-length": 2 << 30}))
        answer = answer_of(connection)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"application/problem+json" in answer
    assert b"connection: close" in answer.lower()


def test_what_does_not_say_its_length_is_counted(server: Running) -> None:
    sent = 0

    def stream() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(2000):
            sent += 1 << 20
            yield bytes(1 << 20)

    with httpx.Client(base_url=server.url, timeout=60) as http:
        try:
            answer = http.post("/v1/geometries?name=a.stl", content=stream())
            assert (answer.status_code, inputs(answer)) == (413, {"body": "byte"})
        except httpx.TransportError:
            pass  # closed before this client had read the answer
    assert sent < 200 << 20
    assert not list((server.log.with_suffix("") / "incoming").iterdir())


@pytest.mark.parametrize("announced", [True, False])
def test_a_json_body_has_a_limit(server: Running, announced: bool) -> None:
    body = b'{"parameters": {"load": "' + b"1" * 200_000 + b'"}}'
    content = body if announced else iter([body])
    answer = server.http.post("/v1/models/model/predict", content=content, headers={"content-type": "application/json"})
    assert (answer.status_code, inputs(answer)) == (413, {"body": "byte"})


def test_an_stl_of_too_many_triangles_is_counted_before_it_is_parsed(server: Running) -> None:
    many = 20_000
    triangles = np.zeros(many, dtype=[("corners", "<f4", 12), ("attribute", "<u2")])
    triangles["corners"] = np.random.default_rng(0).normal(size=(many, 12))
    content = bytes(80) + many.to_bytes(4, "little") + triangles.tobytes()
    answer = server.upload(content)
    assert (answer.status_code, inputs(answer)) == (413, {"body": None})
    assert "20000 triangles, 5000 are the most" in answer.json()["detail"]
    text = "\n".join(f"v {a} {b} {c}" for a, b, c in triangles["corners"][:, :3])
    faces = "\n".join(f"f {k + 1} {k + 2} {k + 3}" for k in range(6000))
    answer = server.upload(f"{text}\n{faces}\n".encode(), "a.obj")
    assert answer.status_code == 413


def test_the_default_limits_hold_ten_million_triangles_off() -> None:
    defaults = Settings(models=Path("models"))
    assert defaults.upload_bytes < 84 + 50 * 10_000_000
    assert defaults.triangles < 10_000_000


def test_a_client_that_stops_reading_holds_nobody_up(server: Running, geometry: str) -> None:
    request = (
        f'{{"geometry": "{geometry}", "parameters": {{"load": 300}}, "cells": 200000, "format": "npz", '
        '"domains": ["surface"]}'
    ).encode()
    ask = {"content-type": "application/json", "content-length": len(request)}
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(address(server))
        connection.sendall(head("/v1/models/model/predict", **ask) + request)
        # It reads nothing of an answer of several megabytes, and others are served meanwhile.
        for load in range(300, 305):
            assert server.predict(geometry, parameters={"load": load}, cells=500).status_code == 200
        closed = threading.Event()

        def wait() -> None:
            try:
                while connection.recv(1 << 16):
                    pass
            except OSError:
                pass
            closed.set()

        # Once its patience is over, the server has dropped it: what it reads then ends early.
        until(lambda: open_connections(server) <= 2)
        threading.Thread(target=wait, daemon=True).start()
        assert closed.wait(60)


def sockets_of(server: Running) -> int:
    """Sockets that the server's process holds."""
    sockets = 0
    for entry in Path(f"/proc/{server.process.pid}/fd").iterdir():
        try:
            sockets += os.readlink(entry).startswith("socket:")
        except OSError:
            continue
    return sockets


def open_connections(server: Running) -> int:
    """Connections that the server's process holds, besides the one it listens on."""
    return sockets_of(server) - idle_sockets[server.url]


idle_sockets: dict[str, int] = {}


@pytest.fixture(autouse=True)
def _count_idle(server: Running) -> None:
    """How many sockets the process has when nobody but the test's own client is connected."""
    if server.url not in idle_sockets:
        server.http.get("/healthz")
        idle_sockets[server.url] = 0
        idle_sockets[server.url] = open_connections(server) - 1


def test_an_upload_that_does_not_go_on_is_dropped(server: Running) -> None:
    with socket.create_connection(address(server)) as connection:
        connection.sendall(head("/v1/geometries?name=a.stl", **{"content-length": 1000}) + b"solid")
        connection.settimeout(60)
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(100) == b""
    assert until(lambda: not list((server.log.with_suffix("") / "incoming").iterdir()))


def test_many_idle_connections_do_not_keep_others_out(server: Running, geometry: str) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = 600
    if most < count + 100:
        pytest.skip(f"this machine allows {most} open files")
    idle = [socket.create_connection(address(server)) for _ in range(count)]
    try:
        with httpx.Client(base_url=server.url, timeout=60) as http:
            for _ in range(5):
                assert http.get("/v1/models").status_code == 200
        assert until(lambda: open_connections(server) <= 70)
    finally:
        for connection in idle:
            connection.close()
    assert server.predict(geometry, parameters={"load": 300}, cells=500).status_code == 200


def test_ten_thousand_connections_are_held_off_and_others_are_served(saved: Path, tmp_path: Path) -> None:
    count, limit = 10_000, Settings(models=Path("models")).connections
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < count + 500:
        pytest.skip(f"this machine allows {most} open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    opened: list[socket.socket] = []
    statuses: list[int] = []
    done = threading.Event()
    try:
        with Running(saved.parent, tmp_path / "state") as running:
            geometry = running.upload(part(tmp_path).read_bytes()).json()["hash"]
            before = sockets_of(running)

            def ask() -> None:
                while not done.is_set():
                    with httpx.Client(base_url=running.url, timeout=60) as http:
                        statuses.append(http.get("/v1/models").status_code)
                        request = {"geometry": geometry, "parameters": {"load": 100 + len(statuses)}, "cells": 500}
                        statuses.append(http.post("/v1/models/model/predict", json=request).status_code)

            other = threading.Thread(target=ask)
            other.start()
            try:
                for _ in range(count):
                    opened.append(socket.create_connection(address(running), timeout=60))
                assert until(lambda: len(statuses) >= 6)
            finally:
                done.set()
                other.join()
            assert set(statuses) == {200}
            assert until(lambda: sockets_of(running) - before <= limit)
            assert until(lambda: closed(opened) >= count - limit)
            # Those that came last are served as if nobody else were there.
            opened[-1].sendall(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
            assert answer_of(opened[-1]).startswith(b"HTTP/1.1 200 ")
    finally:
        for connection in opened:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (now, most))


def closed(connections: list[socket.socket]) -> int:
    """How many of some connections that nobody asked anything on were closed by the server."""
    waiting = select.poll()
    for connection in connections:
        waiting.register(connection, select.POLLIN)
    return len(waiting.poll(0))


def test_a_head_that_never_ends_is_refused(server: Running) -> None:
    with socket.create_connection(address(server)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nx: " + b"y" * 100_000)
        assert answer_of(connection).startswith(b"HTTP/1.1 400 ")


def test_a_queue_that_is_full_says_when_to_come_back(saved: Path, tmp_path: Path) -> None:
    with small(saved.parent, tmp_path / "state", workers=1, queue=1) as running:
        geometry = running.upload(part(tmp_path).read_bytes()).json()["hash"]
        answers: list[httpx.Response] = []

        def ask(load: int) -> None:
            with httpx.Client(base_url=running.url, timeout=120) as http:
                request = {"geometry": geometry, "parameters": {"load": load}, "cells": 100_000}
                answers.append(http.post("/v1/models/model/predict", json=request))

        threads = [threading.Thread(target=ask, args=(200 + k,)) for k in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        refused = [answer for answer in answers if answer.status_code == 503]
        assert {answer.status_code for answer in answers} == {200, 503}
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)


def test_a_full_disk_is_said_and_the_server_goes_on(saved: Path, tmp_path: Path) -> None:
    # A bound on the size of any file that the process writes stands for a disk that is full.
    limited = (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))\n"
        "from tramontane.cli import main\n"
        "main()\n"
    )
    state = tmp_path / "state"
    with Running(saved.parent, state, code=limited) as running:
        full = running.upload(b"solid a\n" + bytes(2_000_000))
        assert (full.status_code, inputs(full)) == (507, {})
        assert not list((state / "incoming").iterdir())
        geometry = running.upload(part(tmp_path).read_bytes()).json()["hash"]
        assert running.predict(geometry, parameters={"load": 300}, cells=500).status_code == 200
        # Jobs' designs do not fit into the database any more.
        many = [{"geometry": geometry, "parameters": {"load": f"{load} N"}} for load in range(5000)]
        job = running.http.post("/v1/jobs", json={"model": "model", "designs": many, "cells": 500})
        assert job.status_code == 507, job.text
        assert running.predict(geometry, parameters={"load": 301}, cells=500).status_code == 200


def test_a_parser_that_takes_too_much_is_ended(saved: Path, tmp_path: Path) -> None:
    faces = "\n".join(f"v {k % 97} {k % 89} {k % 83}\nf {k + 1} {k // 2 + 1} {k // 3 + 1}" for k in range(60_000))
    with small(saved.parent, tmp_path / "state", upload_memory=4e6) as running:
        answer = running.upload(faces.encode(), "a.obj")
        assert (answer.status_code, inputs(answer)) == (422, {"body": None})
    with small(saved.parent, tmp_path / "state", upload_seconds=0.1) as running:
        answer = running.upload(faces.encode(), "a.obj")
        assert (answer.status_code, "was not read within" in answer.text) == (422, True)
        assert str(tmp_path) not in answer.text
