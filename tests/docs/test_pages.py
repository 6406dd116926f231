"""The documents as text: their commands are ones that the program has, their links lead somewhere."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer

import tramontane
from helpers.pages import PAGES, ROOT, blocks, commands
from tramontane.cli import app
from tramontane.contract import Contract
from tramontane.contract.toml import HEAD

yaml = pytest.importorskip("yaml")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_and_option_is_known(page: Path) -> None:
    for words in commands(page.read_text(encoding="utf-8")):
        command, rest = typer.main.get_command(app), list(words)
        while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
            name = rest.pop(0)
            assert name in command.commands, f"{page}: there is no command {name}"
            command = command.commands[name]
        if not hasattr(command, "commands"):
            command.make_context(command.name, rest)  # parses, runs nothing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_pictures_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page}: {target} is not there"


_FLOW = """
[parameters.speed]
unit = "m/s"
low = 10.0
high = 40.0

[fields.surface.pressure]
unit = "Pa"

[fields.surface.wall_shear_stress]
unit = "Pa"
components = 3
"""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_snippets_are_of_their_language(page: Path, tmp_path: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for snippet in blocks(text, "python"):
        compile(snippet, str(page), "exec")
    for snippet in blocks(text, "json"):
        json.loads(snippet)
    for snippet in blocks(text, "toml"):
        (tmp_path / "contract.toml").write_text(_FLOW + snippet, encoding="utf-8")
        assert Contract.from_toml(tmp_path / "contract.toml").qoi


def test_the_example_in_a_contracts_head_can_be_taken_as_it_is(tmp_path: Path) -> None:
    example = "\n".join(line.removeprefix("#   ") for line in HEAD.splitlines() if line.startswith("#   "))
    (tmp_path / "contract.toml").write_text(_FLOW + example, encoding="utf-8")
    (qoi,) = Contract.from_toml(tmp_path / "contract.toml").qoi.values()
    assert qoi.definition is not None
    assert qoi.definition.per == {"speed": 2.0}


def test_the_reference_lists_what_is_there() -> None:
    text = (ROOT / "docs/reference/api.rst").read_text(encoding="utf-8")
    names = re.findall(r"^   (\w[\w.]*)$", text, re.MULTILINE)
    assert set(tramontane.__all__) <= set(names)
    for name in names:
        home, _, last = f"tramontane.{name}".rpartition(".")
        assert hasattr(importlib.import_module(home), last), f"{name} is not there"


def test_one_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert citation["version"] == project["version"] == tramontane.__version__
    assert citation["license"] == project["license"]
    assert f"({project['version']})" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("length", "code"), [(72, 0), (73, 1)])
def test_the_hook_bounds_a_commits_subject(length: int, code: int, tmp_path: Path) -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    entry = next(hook["entry"] for hook in hooks if hook["id"] == "commit-subject")
    (tmp_path / "message").write_text("é" * length + "\n\n" + "x" * 100 + "\n", encoding="utf-8")
    words = [sys.executable, "-c", entry.split('-c "', 1)[1].removesuffix('"'), str(tmp_path / "message")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert ("72 are allowed" in done.stderr) == bool(code)
