"""Units that nobody stated: a warning wherever data are looked at, and confirmed before anything is trained on them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import pyvista as pv

from tramontane.contract import Contract
from tramontane.dataset import Dataset
from tramontane.dataset.audit.report import inspect_path
from tramontane.dataset.ingest.run import RECORD, infer_contract, ingest
from tramontane.errors import DatasetError
from tramontane.formats.collection import open_collection
from tramontane.surrogate.fit import fit

ASSUMED = "units assumed from names, since nothing states them: drag in N, speed in m/s; "


def designs(folder: Path, head: str, count: int = 12) -> Path:
    file = folder / "designs.csv"
    rows = (f"{n},{10 + n},{1 + n % 3},{0.3 * (10 + n) ** 2 * (1 + n % 3):.4f}" for n in range(count))
    file.write_text("\n".join([head, *rows]))
    return file


def test_an_assumed_unit_is_a_warning_and_training_asks_for_it(tmp_path: Path) -> None:
    file = designs(tmp_path, "id,speed,width [m],drag")
    problems = inspect_path(file).audit.problems
    assert [(p.severity, p.place) for p in problems if str(p).startswith(ASSUMED)] == [("warning", "units")]
    dataset = ingest(file, tmp_path / "set", test=2, validation=0)
    assert Dataset.open(tmp_path / "set").assumed_units == {"drag": "N", "speed": "m/s"}
    record = json.loads((tmp_path / "set" / RECORD).read_text())
    assert record["assumed_units"] == {"drag": "N", "speed": "m/s"}
    assert not record["units_confirmed"]
    assert any(warning.startswith(ASSUMED) for warning in record["warnings"])
    with pytest.raises(DatasetError, match=r"units are assumed from names: drag in N, speed in m/s; .*--assume-units"):
        fit(dataset)
    assert fit(dataset, assume_units=True).contract.qoi["drag"].unit == "N"


def test_a_contract_or_the_flag_confirms(tmp_path: Path) -> None:
    file = designs(tmp_path, "id,speed,width [m],drag")
    assert ingest(file, tmp_path / "said", assume_units=True).assumed_units == {}
    assert json.loads((tmp_path / "said" / RECORD).read_text())["units_confirmed"]
    infer_contract(file).to_toml(tmp_path / "c.toml")
    text = (tmp_path / "c.toml").read_text().replace('unit = "m/s"', 'unit = "km/h"')
    (tmp_path / "c.toml").write_text(text)
    dataset = ingest(file, tmp_path / "stated", contract=Contract.from_toml(tmp_path / "c.toml"), test=2, validation=0)
    assert dataset.assumed_units == {}
    assert dataset.parameters("0")["speed"] == pytest.approx(10 / 3.6)
    fit(dataset)


def test_what_is_stated_is_not_asked_for(tmp_path: Path) -> None:
    file = designs(tmp_path, "id,speed [m/s],width_mm,drag (N)")
    assert [p for p in inspect_path(file).audit.problems if p.place == "units"] == []
    assert ingest(file, tmp_path / "set").assumed_units == {}
    # A name by which nothing is assumed is a plain number, and no coefficient is a force.
    plain = ingest(designs(tmp_path, "id,x1,x2,drag_coefficient"), tmp_path / "plain")
    assert plain.assumed_units == {}


def test_the_command_line_says_it_once_and_takes_the_flag(tmp_path: Path) -> None:
    file = designs(tmp_path, "id,speed,width [m],drag")

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tramontane", *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    refused = run("train", file.name, "-o", "model")
    assert refused.returncode == 2
    assert refused.stdout.count(ASSUMED) == 1
    assert "confirm them with --assume-units" in refused.stderr
    assert "Traceback" not in refused.stderr
    trained = run("train", file.name, "-o", "model", "--assume-units")
    assert trained.returncode == 0, trained.stderr
    assert "Units assumed from names, as confirmed: drag in N, speed in m/s" in trained.stdout


def test_geometry_of_a_table_without_a_unit_is_a_warning(tmp_path: Path) -> None:
    for side in (1200, 1300):
        pv.Cube(x_length=side).triangulate().save(tmp_path / f"{side}.stl")
    (tmp_path / "t.csv").write_text("stl,speed [m/s],drag [N]\n1200.stl,1,2\n1300.stl,2,3\n")
    messages = [str(problem) for problem in inspect_path(tmp_path / "t.csv").audit.problems if problem.place == "units"]
    assert len(messages) == 1
    assert "taken to be in m, since nothing states their unit: the parts are 1200 to 1300 m long" in messages[0]
    (tmp_path / "t.csv").write_text("stl [mm],speed [m/s],drag [N]\n1200.stl,1,2\n1300.stl,2,3\n")
    assert [p for p in inspect_path(tmp_path / "t.csv").audit.problems if p.place == "units"] == []


def test_a_unit_that_does_not_fit_its_name_is_a_warning(tmp_path: Path) -> None:
    file = designs(tmp_path, "id,acceleration [g],width [m],torque [nm]")
    messages = " ".join(map(str, inspect_path(file).audit.problems))
    assert (
        "QoI torque is stated in nm, which is [length], where one would expect N*m; check it, or write Nm" in messages
    )
    assert "parameter acceleration is stated in g, which is [mass], where one would expect m/s^2" in messages


def case_of(folder: Path, fields: dict[str, object]) -> dict[str, str]:
    """Units of the fields of a mesh that states none."""
    mesh = pv.Sphere(theta_resolution=8, phi_resolution=8).cast_to_unstructured_grid()
    for name, value in fields.items():
        mesh.point_data[name] = np.broadcast_to(
            np.asarray(value, dtype=float), (mesh.n_points, np.size(value))
        ).squeeze()
    folder.mkdir()
    mesh.save(folder / "volume.vtu")
    audit = inspect_path(folder).audit
    assert [problem for problem in audit.problems if problem.place == "units"]
    return {key.split("/")[1]: fact.unit for key, of in audit.fields.items() for fact in of.values()}


def test_pressure_over_density_is_not_called_pascal(tmp_path: Path) -> None:
    """What foamToVTK writes of an incompressible run: p is in m^2/s^2, whatever the name suggests."""
    wind = [10.0, 0.0, 0.0]
    assert case_of(tmp_path / "flow", {"p": 40.0, "U": wind, "k": 0.1}) == {"p": "m^2/s^2", "U": "m/s", "k": ""}
    assert case_of(tmp_path / "hot", {"p": 101325.0, "U": wind, "T": 300.0})["p"] == "Pa"  # a compressible one
    [source] = open_collection(tmp_path / "flow").sources
    assert "read the case's own folder" in " ".join(map(str, inspect_path(tmp_path / "flow").audit.problems))
    assert source.read().units == {}


def test_u_of_a_structure_is_a_displacement(tmp_path: Path) -> None:
    assert case_of(tmp_path / "bar", {"U": [1e-3, 0.0, 0.0], "stress": [1e6] * 6})["U"] == "m"
