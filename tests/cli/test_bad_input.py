"""Bad input ends in one line that names the file, the field and the cure, exit code 2, and nothing half-written."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import pyvista as pv
from typer.testing import CliRunner

from helpers.ellipsoids import ellipsoid
from tramontane.cli import app, main
from tramontane.contract import Contract
from tramontane.dataset import Dataset

Run = Callable[..., str]


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command that must fail, and gives the one line it says."""

    def run(*words: object) -> str:
        monkeypatch.setattr(sys, "argv", ["tramontane", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        message = capsys.readouterr().err.strip()
        assert ended.value.code == 2, message
        assert message.startswith("Error: "), message
        assert message.count("\n") == 0, message
        assert "Traceback" not in message
        return message

    return run


@pytest.fixture
def cases(family: Path, tmp_path: Path) -> Path:
    """A copy of the family that a test may spoil."""
    return Path(shutil.copytree(family, tmp_path / "cases"))


def spoil(cases: Path, name: str, domain: str, change: Callable[[pv.DataSet], None]) -> None:
    file = next((cases / name).glob(f"{domain}.vt*"))
    mesh = pv.read(file)
    change(mesh)
    mesh.save(file)


def test_a_budget_is_read_before_the_results_are(refused: Run, cases: Path) -> None:
    assert "budget '1x' is not a duration" in refused("train", cases, "--budget", "1x")
    assert not cases.with_name("cases.dataset").exists()


def test_an_empty_folder(refused: Run, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "holds no case" in refused("ingest", empty, "-o", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_vtu_cut_off_in_the_middle(refused: Run, cases: Path, tmp_path: Path) -> None:
    file = cases / "004" / "volume.vtu"
    content = file.read_bytes()
    for share in (0.0, 0.3, 0.6, 0.99):
        file.write_bytes(content[: int(share * len(content))])
        message = refused("ingest", cases, "--strict", "-o", tmp_path / "out")
        assert str(file) in message
        assert not list(tmp_path.glob("*out*"))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite(refused: Run, cases: Path, tmp_path: Path, value: float) -> None:
    def change(mesh: pv.DataSet) -> None:
        mesh.point_data["pressure"][7] = value

    spoil(cases, "005", "surface", change)
    message = refused("ingest", cases, "--strict", "-o", tmp_path / "out")
    assert "005" in message
    assert "surface/pressure" in message
    assert "is NaN or infinite at 1 of" in message
    assert not list(tmp_path.glob("*out*"))


def test_a_field_missing_in_one_case(refused: Run, cases: Path, tmp_path: Path) -> None:
    spoil(cases, "006", "volume", lambda mesh: mesh.point_data.remove("displacement"))
    message = refused("ingest", cases, "--strict", "-o", tmp_path / "out")
    assert "006" in message
    assert "volume.vtu" in message
    assert "field volume/displacement is missing" in message


def test_cell_data_in_one_case_and_point_data_in_the_others(refused: Run, cases: Path, tmp_path: Path) -> None:
    file = cases / "003" / "surface.vtp"
    pv.read(file).point_data_to_cell_data().save(file)
    message = refused("ingest", cases, "--strict", "-o", tmp_path / "out")
    assert "003" in message
    assert "surface.vtp" in message
    assert "cell data, in other cases point data" in message


def test_parameters_missing_for_one_case(refused: Run, cases: Path, tmp_path: Path) -> None:
    file = cases / "002" / "case.json"
    document = json.loads(file.read_text())
    del document["parameters"]["load"]
    file.write_text(json.dumps(document))
    message = refused("ingest", cases, "--strict", "-o", tmp_path / "out")
    assert "002" in message
    assert "case.json" in message
    assert "parameter load is missing" in message


def test_a_contract_that_asks_for_what_is_not_there(
    refused: Run, cases: Path, dataset: Dataset, tmp_path: Path
) -> None:
    fields = {**dataset.contract.fields, "volume": {"heat": dataset.contract.fields["volume"]["displacement"]}}
    contract: Contract = dataset.contract.model_copy(update={"fields": fields})
    contract.to_toml(tmp_path / "contract.toml")
    message = refused("ingest", cases, "--contract", tmp_path / "contract.toml", "-o", tmp_path / "out")
    assert "field volume/heat is missing" in message


def part(path: Path, change: Callable[[pv.PolyData], pv.PolyData] = lambda mesh: mesh) -> Path:
    change(ellipsoid("part", (0.8, 0.7, 0.6), 1.0).meshes["surface"]).save(path)
    return path


def predict(monkeypatch: pytest.MonkeyPatch, *words: object) -> None:
    monkeypatch.setattr(sys, "argv", ["tramontane", "predict", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0


def test_an_stl_with_holes_is_predicted_with_a_warning(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = part(
        tmp_path / "holes.stl",
        lambda mesh: mesh.extract_cells(range(5, mesh.n_cells)).extract_surface(algorithm="dataset_surface"),
    )
    predict(monkeypatch, saved, file, "--set", "load=300N", "--cells", 500, "-o", tmp_path / "result.vtu")
    out = capsys.readouterr()
    assert "holes" in out.err
    assert "peak_pressure = " in out.out
    assert pv.read(tmp_path / "result.vtu").point_data["displacement"].shape[1] == 3


def test_an_stl_inside_out_is_turned_and_gives_the_same(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = []
    for file in (
        part(tmp_path / "good.stl"),
        part(tmp_path / "inside_out.stl", lambda mesh: mesh.flip_faces()),
    ):
        predict(monkeypatch, saved, file, "--set", "load=300N", "--cells", 500)
        answers.append(capsys.readouterr())
    assert "inside out" in answers[1].err
    numbers = [
        {
            line.split(" = ")[0]: float(line.split(" = ")[1].split()[0])
            for line in answer.out.splitlines()
            if " = " in line
        }
        for answer in answers
    ]
    assert numbers[1] == pytest.approx(numbers[0], rel=0.05)


@pytest.mark.parametrize(
    "content", [b"", b"solid x\nfacet normal 0 0 1\n", bytes(84) + b"xyz", b"\x00" * 80 + b"\xff" * 4]
)
def test_a_broken_stl(refused: Run, saved: Path, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "broken.stl"
    file.write_bytes(content)
    assert str(file) in refused("predict", saved, file, "--set", "load=300N")


def test_a_parameter_in_the_wrong_unit_or_missing(refused: Run, saved: Path, tmp_path: Path) -> None:
    file = part(tmp_path / "part.stl")
    assert "'load' = 5 m has the wrong unit" in refused("predict", saved, file, "--set", "load=5m")
    assert "'load' is missing" in refused("predict", saved, file)
    assert "speed is not known" in refused("predict", saved, file, "--set", "load=5N", "--set", "speed=3")


def test_a_model_directory_with_a_changed_byte(refused: Run, saved: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(saved, tmp_path / "model"))
    content = bytearray((copy / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (copy / "model.safetensors").write_bytes(content)
    message = refused("predict", copy, part(tmp_path / "part.stl"), "--set", "load=1N")
    assert "model.safetensors: has changed" in message


def test_a_model_of_a_newer_format_version(refused: Run, saved: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(saved, tmp_path / "model"))
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps(manifest | {"format_version": 99}))
    assert "format version 99" in refused("predict", copy, part(tmp_path / "part.stl"), "--set", "load=1N")


def test_a_dataset_whose_contract_differs_from_the_models(
    refused: Run, saved: Path, dataset: Dataset, cases: Path, tmp_path: Path
) -> None:
    for folder in cases.iterdir():
        spoil(cases, folder.name, "surface", lambda mesh: mesh.rename_array("pressure", "temperature"))
    from tramontane.dataset.ingest.run import ingest

    ingest(cases, tmp_path / "other")
    message = refused("evaluate", saved, tmp_path / "other")
    assert "field surface/pressure is missing" in message
    assert "surface/temperature is new" in message


def test_a_dataset_that_is_there_is_not_overwritten(refused: Run, cases: Path, dataset: Dataset) -> None:
    assert "exists" in refused("ingest", cases, "-o", dataset.path)
    assert Dataset.open(dataset.path).verify() == []


def test_files_that_the_system_refuses_are_named_and_nothing_is_left(
    refused: Run, saved: Path, dataset: Dataset, family: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, a folder where a file is wanted, a name too long: one line, and no file of no bytes."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "file").touch()
    assert "out: cannot be written (is a directory); it is a folder; name a file" in refused(
        "evaluate", saved, dataset.path, "--json", out
    )
    assert "choose a shorter name" in refused("inspect", family, "--write-contract", out / f"{300 * 'c'}.toml")
    assert "a part of that path is a file" in refused("train", dataset.path, "-o", out / "file" / "model", "--steps", 1)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    for words in (
        ("evaluate", saved, dataset.path, "--json", out / "new" / "r.json"),
        ("inspect", family, "--write-contract", out / "new" / "c.toml"),
        ("predict", saved, family / dataset.splits["train"][0], "--json", out / "new" / "p.json"),
    ):
        assert "cannot be written (no space left on device); make room there" in refused(*words)
    assert not list((out / "new").iterdir())


@pytest.mark.parametrize(
    "words",
    [
        ("predict", "m", "p.stl", "--cells", "0"), ("predict", "m", "p.stl", "--cells", "-5"),
        ("generate", "bracket", "-n", "0"), ("generate", "bracket", "--workers", "0"),
        ("train", "d", "--steps", "0"), ("train", "d", "--batch-size", "0"), ("ingest", "r", "--test", "-1"),
    ],
)  # fmt: skip
def test_a_number_that_cannot_be_is_refused_by_its_option(words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == 2
    assert words[-2] in done.output
    assert "should be greater than or equal to" in re.sub(r"[\s│]+", " ", done.output)
