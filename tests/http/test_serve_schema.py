"""The OpenAPI document against the server itself: whatever it says can be asked is asked, in every wrong way, too."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.serving import Running, part


@pytest.fixture(scope="module")
def server(saved: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    state = tmp_path_factory.mktemp("schema") / "state"
    with Running(saved.parent, state) as running:
        running.upload(part(state.parent).read_bytes())
        yield running


def test_the_server_keeps_to_its_document(server: Running, tmp_path: Path) -> None:
    # Which parameters a model knows, and in which units, stands in its contract, not in the document: what fits the
    # document may still be refused.
    # One worker: two that parse at once can hit a fault of CPython ("AST constructor recursion depth mismatch").
    program = str(Path(sys.executable).with_name("st"))
    ended = subprocess.run(
        [program, "run", f"{server.url}/openapi.json", "--exclude-checks", "positive_data_acceptance", "--seed", "1",
         "--max-examples", "10", "--phases", "examples,coverage,fuzzing", "--no-color", "--workers", "1"],
        capture_output=True, text=True, check=False, timeout=300, cwd=tmp_path,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout[-6000:]
    assert server.http.get("/healthz").status_code == 200
    log = server.log.read_text()
    assert '"level": "error"' not in log


def test_the_document_is_complete_and_loads_nothing_from_elsewhere(server: Running) -> None:
    document = server.http.get("/openapi.json").json()
    operations = [
        (method, path, each) for path, methods in document["paths"].items() for method, each in methods.items()
    ]
    assert len(operations) >= 15
    for method, path, operation in operations:
        assert operation["description"], (method, path)
        for status, response in operation["responses"].items():
            if status[0] == "4":
                assert list(response["content"]) == ["application/problem+json"], (method, path, status)
    for page in ("/docs", "/redoc"):
        assert server.http.get(page).status_code == 404
