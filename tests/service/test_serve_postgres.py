"""Jobs and tokens in a real PostgreSQL: the same behaviour as in a file, a kill included."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.serving import Running, part, until
from tramontane.service.access.tokens import create_token, list_tokens, revoke_token
from tramontane.service.database import open_database

pytest.importorskip("pg8000", reason="its driver is missing: pip install 'tramontane[postgres]'")


def programs() -> Path | None:
    """Where initdb and postgres are: Debian keeps them off the path."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or [Path(shutil.which("initdb") or "/none")]
    return places[-1].parent if places[-1].is_file() else None


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """URL of a cluster of its own, of a user without privileges: PostgreSQL does not run as root."""
    folder_of_programs = programs()
    if folder_of_programs is None:
        pytest.skip("PostgreSQL is not installed; on Debian: apt-get install postgresql")
    root = os.geteuid() == 0
    if root and "postgres" not in {entry.pw_name for entry in pwd.getpwall()}:
        pytest.skip("there is no user postgres to run PostgreSQL as")
    user = {"user": "postgres", "group": "postgres", "extra_groups": []} if root else {}
    folder = Path(tempfile.mkdtemp(prefix="tramontane-pg-", dir="/tmp"))  # a socket's path must be short
    if root:
        shutil.chown(folder, "postgres", "postgres")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    try:
        subprocess.run(
            [folder_of_programs / "initdb", "-D", folder / "data", "-U", "tramontane", "--auth=trust", "--no-sync"],
            check=True, capture_output=True, cwd=folder, timeout=120, **user,  # type: ignore[call-overload]
        )  # fmt: skip
        control = [folder_of_programs / "pg_ctl", "-D", folder / "data", "-w", "-l", folder / "log"]
        options = f"-p {port} -c listen_addresses=127.0.0.1 -k {folder}"
        subprocess.run([*control, "-o", options, "start"], check=True, stdout=subprocess.DEVNULL, cwd=folder,
                       timeout=120, **user)  # type: ignore[call-overload]  # fmt: skip
        try:
            yield f"postgresql://tramontane@127.0.0.1:{port}/postgres"
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], check=True, stdout=subprocess.DEVNULL, cwd=folder,
                           timeout=120, **user)  # type: ignore[call-overload]  # fmt: skip
    finally:
        shutil.rmtree(folder)


def test_tokens(database: str) -> None:
    engine, sessions = open_database(database)
    token = create_token(sessions, "Zoë", scope="read", rate=5)
    identity = token.split("_")[1]
    (row,) = [row for row in list_tokens(sessions) if row.id == identity]
    assert (row.name, row.scope, row.rate, row.revoked) == ("Zoë", "read", 5, None)
    revoke_token(sessions, identity)
    assert next(row for row in list_tokens(sessions) if row.id == identity).revoked is not None
    engine.dispose()
    open_database(database)[0].dispose()  # the tables are there already


def test_a_killed_server_goes_on_from_the_database(database: str, saved: Path, tmp_path: Path) -> None:
    _, sessions = open_database(database)
    token = create_token(sessions, "somebody", scope="predict")
    headers = {"authorization": f"Bearer {token}"}
    with Running(saved.parent, tmp_path / "state", "--database", database) as server:
        server.http.headers.update(headers)
        geometry = server.upload(part(tmp_path).read_bytes()).json()["hash"]
        designs = [{"geometry": geometry, "parameters": {"load": f"{150 + k} N"}} for k in range(25)]
        job = server.http.post("/v1/jobs", json={"model": "model", "designs": designs, "cells": 4000}).json()["id"]
        until(lambda: server.http.get(f"/v1/jobs/{job}").json()["done"] >= 2)
        server.end(signal.SIGKILL)
    assert not (tmp_path / "state" / "serve.db").exists()
    with Running(saved.parent, tmp_path / "state", "--database", database) as server:
        server.http.headers.update(headers)
        path = f"/v1/jobs/{job}/designs"
        before = [each for each in server.http.get(path).json()["designs"] if each["state"] == "done"]
        until(lambda: server.http.get(f"/v1/jobs/{job}").json()["state"] == "done")
        after = server.http.get(path).json()["designs"]
        assert len(before) >= 2
        assert [after[each["index"]] for each in before] == before
        peaks = [each["summary"]["qoi"]["peak_pressure"]["value"] for each in after]
        assert peaks == sorted(peaks)
        assert len(set(peaks)) == 25
    with sessions() as session:
        session.get_bind().dispose()  # type: ignore[union-attr]


def test_a_database_that_is_away_is_said(saved: Path) -> None:
    from tramontane.errors import TramontaneError

    with pytest.raises(TramontaneError, match=r"cannot be used .*check the URL") as error:
        open_database("postgresql://anna:secret@127.0.0.1:1/none")
    assert "secret" not in str(error.value)
