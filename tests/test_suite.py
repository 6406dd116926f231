"""The tests themselves: none leans on another's file, and what is skipped is told in few lines."""

from __future__ import annotations

import ast
from types import SimpleNamespace

from helpers import TESTS
from helpers.order import LONGEST_FIRST
from helpers.skips import folded

FILES = sorted(TESTS.rglob("*.py"))


def test_no_test_imports_from_a_test_file() -> None:
    names = {file.stem for file in FILES if file.name.startswith("test_")} | {"conftest"}
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            modules = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not names & {part for module in modules for part in module.split(".")}, file


def test_a_program_that_is_missing_is_told_once() -> None:
    missing = "Skipped: OpenFOAM is not installed; apt-get install openfoam"
    reports = [SimpleNamespace(longrepr=(f"tests/test_{name}.py", 7, missing)) for name in "abc"]
    reports.append(SimpleNamespace(longrepr=("tests/test_d.py", 9, "Skipped: no image is named")))
    assert folded(reports) == [
        "SKIPPED [1] no image is named",
        "SKIPPED [3] OpenFOAM is not installed; apt-get install openfoam",
    ]


def test_files_that_begin_first_are_there() -> None:
    assert [name for name in LONGEST_FIRST if not (TESTS / name).is_file()] == []
