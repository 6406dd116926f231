"""A geometry or a parameter in another unit than those trained on: the unit is guessed and offered, never applied."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import pyvista as pv

from tramontane.dataset.ingest.run import ingest
from tramontane.design import Design
from tramontane.errors import ContractError, FormatError, GeometryError, UnitError
from tramontane.notice import Notice
from tramontane.service.predictions.designs import warned
from tramontane.surrogate import Surrogate
from tramontane.surrogate.fit import fit
from tramontane.surrogate.tables import predict_table
from tramontane.surrogate.unit_guess import guess_length, guess_parameter


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Surrogate:
    """Boxes of 0.9 to 1.2 m at 30 to 50 m/s."""
    folder = tmp_path_factory.mktemp("boxes")
    lines = ["stl [m],speed [m/s],drag [N]"]
    for number, length in enumerate(np.linspace(0.9, 1.2, 10)):
        box(folder / f"{number}.stl", length)
        speed = 30 + 20 * ((3 * number) % 10) / 9
        lines.append(f"{number}.stl,{speed},{0.01 * length * speed**2}")
    (folder / "boxes.csv").write_text("\n".join(lines))
    return fit(ingest(folder / "boxes.csv", folder / "out", test=1, validation=0))


def box(file: Path, length: float) -> Path:
    pv.Cube(x_length=length, y_length=length / 2, z_length=length / 4).triangulate().save(file)
    return file


def test_a_geometry_in_millimetres_is_offered_its_unit(trained: Surrogate, tmp_path: Path) -> None:
    part = box(tmp_path / "part.stl", 1184.0)
    guess = ("is the geometry in mm? Read in m it is 1184 m long, in mm 1.184 m, and training parts are 0.9 to 1.2 m: "
             "add --unit mm (length_unit)")  # fmt: skip
    with pytest.raises(GeometryError, match=re.escape(f"check its unit and place; {guess}")):
        trained.simulate(Design(part, speed="40 m/s"))
    right = trained.simulate(Design(part, length_unit="mm", speed="40 m/s"))
    assert [*map(str, right.notices)] == []
    same = trained.simulate(Design(box(tmp_path / "metres.stl", 1.184), speed="40 m/s"))
    assert right.qoi["drag"] == pytest.approx(same.qoi["drag"], rel=1e-3)
    # And as the API says it, whose designs hold meshes in metres.
    mesh = trained.check(Design(part, speed="40 m/s")).surface
    notices = trained.notices(trained.check(Design(mesh, length_unit="m", speed="40 m/s")))
    assert str(notices[-1]) == guess
    answers = [warned(notice) for notice in notices]
    assert [(each.input, each.suggested_unit) for each in answers if each.suggested_unit] == [("geometry", "mm")]


def test_the_command_line_takes_a_unit(trained: Surrogate, tmp_path: Path) -> None:
    trained.save(tmp_path / "model")
    part = box(tmp_path / "part.stl", 1184.0)

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tramontane", "predict", "model", *words, "--set", "speed=40m/s"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    wrong, right = run(part.name), run(part.name, "--unit", "mm")
    assert "add --unit mm" in " ".join(wrong.stderr.split())
    assert right.returncode == 0, right.stderr
    assert "Warning" not in right.stderr
    refused = run(part.name, "--unit", "kg")
    assert refused.returncode == 2
    assert "'kg' is no unit of length" in refused.stderr


def test_a_table_of_designs_takes_a_unit(trained: Surrogate, tmp_path: Path) -> None:
    box(tmp_path / "part.stl", 1184.0)
    (tmp_path / "t.csv").write_text("stl,speed\npart.stl,40\n")
    with pytest.raises(FormatError, match="is the geometry in mm"):
        predict_table(trained, tmp_path / "t.csv")
    [right] = predict_table(trained, tmp_path / "t.csv", length_unit="mm")
    assert right.verdict == "inside"


def test_a_speed_in_kilometres_an_hour_is_offered_its_unit(trained: Surrogate, tmp_path: Path) -> None:
    part = box(tmp_path / "part.stl", 1.1)
    case = trained.simulate(Design(part, speed=144))
    assert [*map(str, case.notices)][-1] == 'is speed in km/h? 144 km/h is 40 m/s: write speed="144 km/h"'
    assert [*map(str, trained.simulate(Design(part, speed="144 km/h")).notices)] == []


def test_nothing_is_guessed_of_what_fits_no_unit() -> None:
    low, high = np.array([0.9, 0.4, 0.2]), np.array([1.2, 0.6, 0.3])
    assert guess_length(np.array([3.0, 1.5, 0.8]), low, high, "m") is None  # merely larger
    assert guess_length(np.array([1100.0, 3.0, 0.8]), low, high, "m") is None  # of another shape
    guess = guess_length(np.array([0.0011, 0.0005, 0.00025]), low, high, "mm")
    assert guess is not None
    assert guess.suggested_unit == "m"
    flat = guess_length(np.array([1100.0, 500.0, 0.0]), np.array([0.9, 0.4, 0.0]), np.array([1.2, 0.6, 0.0]), "m")
    assert flat is not None
    assert guess_parameter(Notice("range", "parameters.speed", 55.0, 30.0, 50.0, "m/s")) is None
    assert guess_parameter(Notice("range", "parameters.speed", 9000.0, 30.0, 50.0, "m/s")) is None
    load = guess_parameter(Notice("range", "parameters.load", 0.5, 100.0, 900.0, "N"))
    assert load is not None
    assert load.suggested_unit == "kN"


def test_a_unit_of_length_is_asked_for(trained: Surrogate, tmp_path: Path) -> None:
    with pytest.raises(UnitError, match="'s' is no unit of length"):
        Design("part.stl", length_unit="s", speed=1)
    (tmp_path / "part.step").write_text("ISO-10303-21;")
    with pytest.raises(ContractError, match="a STEP file states its own length unit"):
        trained.check(Design(tmp_path / "part.step", length_unit="mm", speed=40))
