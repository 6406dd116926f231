"""The documents as text: their commands are ones that the program has, their links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer

import tramontane
from helpers.pages import PAGES, ROOT, commands
from tramontane.cli import app

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
