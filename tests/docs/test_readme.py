"""What the README says is so: its commands and its Python run, its figures are those of the results."""

from __future__ import annotations

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from helpers.pages import GALLERY, ROOT, blocks, commands, section
from tramontane.case import Case
from tramontane.cli import app

README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the README starts from: ``results/`` and ``part.stl``."""
    path = tmp_path_factory.mktemp("readme")
    runpy.run_path(str(GALLERY / "cantilevers.py"))["write_cantilevers"](path / "results", 16)
    last = path / "results" / "015"
    (last / "geometry.stl").rename(path / "part.stl")
    shutil.rmtree(last)
    return path


@pytest.fixture(scope="module")
def model(folder: Path) -> Path:
    """The model that the five commands leave, each of them run as it is written."""
    listed = commands(section(README, "Five commands"))
    assert [words[0] for words in listed] == ["inspect", "ingest", "train", "evaluate", "predict"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for words in listed:
            done = CliRunner().invoke(app, words)
            assert done.exit_code == 0, (words, done.output)
            if words[0] == "evaluate":
                assert "baseline" in done.output
    return folder / "model"


def test_the_five_commands_lead_from_a_folder_to_an_answer(model: Path) -> None:
    case = Case.read(model.parent / "answer.vtm")
    assert set(case.meshes) == {"surface", "volume"}
    largest = Case.read(model.parent / "results" / "014").qoi["max_von_mises"]
    assert 0.1 < case.field_values("volume", "von_mises").max() / largest < 10


def test_the_python_runs(folder: Path) -> None:
    (snippet,) = blocks(README, "python")
    assert len([line for line in snippet.splitlines() if line]) == 6  # the import, and five lines
    place = folder / "python"
    place.mkdir()
    (place / "results").symlink_to(folder / "results")
    (place / "part.stl").symlink_to(folder / "part.stl")
    # A machine that cannot draw ends a process that tries: what `plot` is asked for is looked at instead.
    shown = "import pyvista\npyvista.DataSet.plot = lambda mesh, **options: print('shown', options['scalars'])\n"
    done = subprocess.run(
        [sys.executable, "-c", shown + snippet], cwd=place, capture_output=True, text=True, check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "<Report classical: 3 cases of split test>" in done.stdout
    assert done.stdout.endswith("shown von_mises\n")


def test_the_server_starts_with_the_command_that_is_written(model: Path, tmp_path: Path) -> None:
    pytest.importorskip("fastapi", reason="pip install 'tramontane[serve]'")
    from helpers.serving import Running

    ((command, models),) = commands(section(README, "A server and a page"))
    assert (command, models) == ("serve", "models/")
    (model.parent / "models").mkdir(exist_ok=True)
    shutil.copytree(model, model.parent / "models" / "beam")
    with Running(model.parent / models, tmp_path / "state") as server:
        assert [each["name"] for each in server.http.get("/v1/models").json()["models"]] == ["beam"]


def test_the_make_targets_and_extras_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    pages = README + (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert set(re.findall(r"(?:^|`)make ([a-z]+)", pages, re.MULTILINE)) <= targets
    extras = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    named = {extra for group in re.findall(r'pip install "\.\[([\w,]+)\]"', pages) for extra in group.split(",")}
    assert named <= extras


def test_the_figures_are_those_of_the_results() -> None:
    table = section(README, "How good is it?")
    rows = [[cell.strip(" *") for cell in line.split("|")[1:-1]] for line in table.splitlines() if "| " in line][1:]
    figures = {row[0].rsplit(": ", 1)[-1]: row[1:] for row in rows}
    report = json.loads((ROOT / "benchmarks/results/bracket-auto.json").read_text(encoding="utf-8"))
    for key, kind, name, error in (
        ("displacement in the volume", "fields", "volume/displacement", "relative_l2"),
        ("von Mises stress in the volume", "fields", "volume/von_mises", "relative_l2"),
        ("largest von Mises stress", "qoi", "max_von_mises", "relative"),
    ):
        of = report[kind][name]
        values = [of[error], *(of["baselines"][each] for each in ("mean", "nearest", "parameters"))]
        assert figures[key] == [f"{100 * value:.1f}" for value in values]
    lines = json.loads((ROOT / "benchmarks/results/accuracy-ahmed.json").read_text(encoding="utf-8"))["table"]
    head, *body = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if "---" not in line]
    by_model = {row[0].split(": ")[-1]: dict(zip(head, row, strict=True)) for row in body if row[1] == "32"}
    models = ("classical", "mean", "nearest", "kriging on true parameters")
    for key, column in (
        ("surface pressure", "surface/pressure"),
        ("wall shear stress", "surface/wall_shear_stress"),
        ("velocity", "volume/velocity"),
        ("drag", "drag"),
    ):
        assert figures[key] == [by_model[model][column] for model in models]
