"""Who may ask: tokens, scopes, limits, other sites' pages, and what every answer carries."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from helpers.forked import run
from helpers.serving import Running, inputs, part, until
from tramontane.errors import TramontaneError
from tramontane.service.access.tokens import create_token, list_tokens, revoke_token
from tramontane.service.database import open_database
from tramontane.service.server import Server
from tramontane.service.settings import Settings


class Guarded:
    """A server with a token of each scope."""

    def __init__(self, running: Running, state: Path) -> None:
        self.running, self.url = running, running.url
        self.sessions = open_database(Settings(models=state, state=state).database_url)[1]

    def token(self, scope: str, **limits: int) -> str:
        made = create_token(self.sessions, f"somebody who may {scope}", scope=scope, **limits)
        until(lambda: self.ask("GET", "/v1/models", made).status_code == 200)  # the server looks every two seconds
        return made

    def ask(self, method: str, path: str, token: str | None, **request: object) -> httpx.Response:
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        return self.running.http.request(method, path, headers=headers, **request)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def guarded(saved: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    state = tmp_path_factory.mktemp("guarded") / "state"
    made = run("token", "create", "the first", "--state", str(state), "--scope", "admin")
    assert made.returncode == 0, made.stderr
    with Running(saved.parent, state, "--host", "0.0.0.0") as running:
        yield Guarded(running, state)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1"])
def test_it_does_not_start_where_others_reach_it_without_a_token(saved: Path, tmp_path: Path, host: str) -> None:
    ended = run("serve", str(saved), "--host", host, "--port", "0", "--state", str(tmp_path / "state"))
    assert ended.returncode == 2
    assert "can be reached by others, and there is no token" in ended.stderr
    assert "tramontane token create" in ended.stderr


def test_a_token_is_shown_once_and_stored_as_a_hash(tmp_path: Path) -> None:
    state = tmp_path / "state"
    token = run("token", "create", "Anna", "--state", str(state), "--rate", "60").stdout.strip()
    _, identity, secret = token.split("_", 2)
    assert len(secret) >= 43  # 256 bits
    assert all(secret.encode() not in file.read_bytes() for file in state.iterdir())
    assert run("token", "list", "--state", str(state)).stdout.split() == [identity, "predict", "Anna"]
    assert run("token", "revoke", identity, "--state", str(state)).returncode == 0
    assert run("token", "list", "--state", str(state)).stdout.split()[-1] == "revoked"
    unknown = run("token", "revoke", "0000", "--state", str(state))
    assert (unknown.returncode, "is not known" in unknown.stderr) == (2, True)


def test_scopes(guarded: Guarded, tmp_path: Path) -> None:
    read, predict, admin = (guarded.token(scope) for scope in ("read", "predict", "admin"))
    content = part(tmp_path).read_bytes()
    for path in ("/v1/models", "/v1/jobs", "/metrics"):
        missing = guarded.ask("GET", path, None)
        assert (missing.status_code, missing.headers["www-authenticate"]) == (401, "Bearer")
        assert inputs(missing) == {}
    forged = read.rpartition("_")[0] + "_" + predict.rpartition("_")[2]
    for wrong in (forged, "tmt_0_0", "x", "tmt_", read + "x"):
        assert guarded.ask("GET", "/v1/models", wrong).status_code == 401
    assert guarded.ask("GET", "/healthz", None).json()["status"] == "ok"
    assert guarded.ask("GET", "/v1/models", read).status_code == 200
    assert guarded.ask("POST", "/v1/geometries?name=a.stl", read, content=content).status_code == 403
    stored = guarded.ask("POST", "/v1/geometries?name=a.stl", predict, content=content)
    assert stored.status_code == 201
    request = {"geometry": stored.json()["hash"], "parameters": {"load": 300}, "cells": 500}
    assert guarded.ask("POST", "/v1/models/model/predict", read, json=request).status_code == 403
    assert guarded.ask("POST", "/v1/models/model/predict", predict, json=request).status_code == 200
    assert guarded.ask("GET", "/v1/geometries", read).status_code == 403
    listed = guarded.ask("GET", "/v1/geometries", predict).json()["geometries"]
    assert stored.json() in listed
    home = f"/v1/geometries/{stored.json()['hash']}"
    assert guarded.ask("DELETE", home, predict).status_code == 403
    assert guarded.ask("GET", home, read).json() == stored.json()
    assert guarded.ask("DELETE", home, admin).status_code == 204
    assert guarded.ask("GET", home, read).status_code == 404
    assert guarded.ask("GET", "/v1/tokens", predict).status_code == 403
    assert guarded.ask("POST", "/v1/models/reload", predict).status_code == 403
    assert guarded.ask("POST", "/v1/models/reload", admin).status_code == 200
    shown = guarded.ask("GET", "/v1/tokens", admin)
    assert {each["scope"] for each in shown.json()["tokens"]} == {"read", "predict", "admin"}
    assert "hash" not in shown.text


def test_jobs_are_their_owners_alone(guarded: Guarded, tmp_path: Path) -> None:
    mine, other, admin = guarded.token("predict"), guarded.token("predict"), guarded.token("admin")
    stored = guarded.ask("POST", "/v1/geometries?name=a.stl", mine, content=part(tmp_path).read_bytes()).json()
    designs = [{"geometry": stored["hash"], "parameters": {"load": 300}}]
    job = guarded.ask("POST", "/v1/jobs", mine, json={"model": "model", "designs": designs, "cells": 500}).json()["id"]
    assert guarded.ask("GET", f"/v1/jobs/{job}", mine).status_code == 200
    assert guarded.ask("GET", f"/v1/jobs/{job}", admin).status_code == 200
    assert guarded.ask("GET", f"/v1/jobs/{job}", other).status_code == 404
    assert guarded.ask("POST", f"/v1/jobs/{job}/cancel", other).status_code == 404
    assert guarded.ask("GET", "/v1/jobs", other).json() == {"jobs": []}


def test_a_revoked_token_ends(guarded: Guarded) -> None:
    token, admin = guarded.token("predict"), guarded.token("admin")
    identity = token.split("_")[1]
    assert guarded.ask("DELETE", f"/v1/tokens/{identity}", admin).status_code == 204
    until(lambda: guarded.ask("GET", "/v1/models", token).status_code == 401)
    assert guarded.ask("DELETE", "/v1/tokens/none", admin).status_code == 404
    another = guarded.token("read")
    revoke_token(guarded.sessions, another.split("_")[1])
    until(lambda: guarded.ask("GET", "/v1/models", another).status_code == 401)
    assert sum(row.revoked is not None for row in list_tokens(guarded.sessions)) >= 2


def test_limits_of_a_token(guarded: Guarded, tmp_path: Path) -> None:
    slow = guarded.token("predict", rate=60, upload_bytes=1000)
    answers = [guarded.ask("GET", "/v1/models", slow) for _ in range(30)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(refused) >= 15  # six at once, and one a second
    assert int(refused[0].headers["retry-after"]) >= 1
    assert inputs(refused[0]) == {}
    # Others are not held up by it.
    small = guarded.token("predict", upload_bytes=1000)
    answer = guarded.ask("POST", "/v1/geometries?name=a.stl", small, content=part(tmp_path).read_bytes())
    assert (answer.status_code, inputs(answer)) == (413, {"body": "byte"})


def test_pages_of_other_sites_are_kept_out(guarded: Guarded) -> None:
    http, token = guarded.running.http, guarded.token("read")
    auth = {"authorization": f"Bearer {token}"}
    assert inputs(http.get("/v1/models", headers=auth | {"origin": "https://evil.example"})) == {"header.origin": None}
    own = http.get("/v1/models", headers=auth | {"origin": guarded.url})
    assert own.status_code == 200
    assert not [name for name in own.headers if name.startswith("access-control")]
    preflight = http.options("/v1/models", headers={"origin": "https://evil.example",
                                                     "access-control-request-method": "POST"})  # fmt: skip
    assert preflight.status_code == 403
    # A name that somebody else made to point here.
    assert inputs(http.get("/v1/models", headers=auth | {"host": "evil.example"})) == {"header.host": None}


def test_headers_of_every_answer(guarded: Guarded) -> None:
    for answer in (guarded.ask("GET", "/healthz", None), guarded.ask("GET", "/v1/models", None)):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert answer.headers["cache-control"] == "no-store"
        assert "server" not in answer.headers
        assert len(answer.headers["x-request-id"]) == 16


def test_metrics_count_by_route(guarded: Guarded) -> None:
    token = guarded.token("read")
    for path in ("/v1/models/none", "/v1/models/nothing", "/nowhere/at/all"):
        guarded.ask("GET", path, token)
    text = guarded.ask("GET", "/metrics", token).text
    line = next(line for line in text.splitlines() if 'route="/v1/models/{model}",status="404"' in line)
    assert float(line.split()[-1]) == 2.0
    assert "nothing" not in text
    assert "tramontane_models 1.0" in text
    assert "process_resident_memory_bytes" in text


def test_the_log_has_one_line_of_json_a_request(saved: Path, tmp_path: Path) -> None:
    import json

    state = tmp_path / "state"
    with Running(saved, state, program=[sys.executable, "-m", "tramontane"]) as running:
        identity = running.http.get("/v1/models").headers["x-request-id"]
        assert running.end(signal.SIGTERM) == 0
    lines = [json.loads(line) for line in (tmp_path / "state.log").read_text().splitlines()]
    (line,) = [line for line in lines if line.get("id") == identity]
    assert (line["method"], line["path"], line["status"], line["client"]) == ("GET", "/v1/models", 200, "127.0.0.1")
    assert line["milliseconds"] >= 0


def test_two_servers_do_not_share_their_files(saved: Path, tmp_path: Path) -> None:
    with Running(saved, tmp_path / "state"):
        second = run("serve", str(saved), "--port", "0", "--state", str(tmp_path / "state"))
        assert (second.returncode, "another server runs" in second.stderr) == (2, True)


def test_a_port_that_is_taken_is_said(saved: Path, tmp_path: Path) -> None:
    with Running(saved, tmp_path / "state") as running:
        port = running.url.rpartition(":")[2]
        second = run("serve", str(saved), "--port", port, "--state", str(tmp_path / "other"))
        assert (second.returncode, "give another --port" in second.stderr) == (2, True)


def test_a_database_that_is_none_is_said(saved: Path, tmp_path: Path) -> None:
    for url in ("nonsense", "sqlite:////nowhere/at/all.db", "postgresql://127.0.0.1:1/none"):
        with pytest.raises(TramontaneError, match=r"--database|cannot be used"):
            Server(Settings(models=saved, state=tmp_path / "state", database=url))
