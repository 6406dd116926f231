"""An audit reports the odd one out by name; an inspection prints what is there and never stops at one bad case."""

from __future__ import annotations

import gc
import io
import json
import shutil
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvista as pv
from conftest import ellipsoid
from rich.console import Console

from tramontane.case import Case
from tramontane.contract import Contract, FieldSpec
from tramontane.dataset.audit import Audit, Problem, Report, audit, inspect_path, print_report
from tramontane.errors import DatasetError, FormatError
from tramontane.formats import read_case, write_case, write_mesh
from tramontane.units import Quantity


def some(count: int = 5) -> list[Case]:
    """Ellipsoids 0 to 4, each of its own size."""
    return [ellipsoid(str(i), (1.0 - 0.05 * i, 0.8, 0.6), 100.0 + 10 * i) for i in range(count)]


def problems(found: Audit) -> list[tuple[str, str, str]]:
    return [(problem.severity, problem.case, problem.place) for problem in found.problems]


def test_good_cases_have_no_problems_and_their_ranges_are_kept() -> None:
    found = audit(some())
    assert found.problems == []
    found.raise_if_bad()
    assert found.cases == ["0", "1", "2", "3", "4"]
    pressure = found.fields["surface/pressure"]
    assert pressure["2"][:3] == ("point", 1, "Pa")
    assert max(fact.high for fact in pressure.values()) == pytest.approx(140 * 2.12, rel=0.02)
    assert min(found.parameters["load"].values()) == 100
    assert found.units["load"] == "N"
    assert found.domains["volume"]["0"].cells == some(1)[0].meshes["volume"].n_cells
    assert found.geometry["0"].closed


def test_one_case_at_a_time_is_in_memory() -> None:
    alive: list[Any] = []

    def stream() -> Iterator[Case]:
        for case in some(3):
            alive.append(weakref.ref(case.meshes["volume"]))
            yield case
            case.meshes.clear()
            gc.collect()
            assert not any(ref() for ref in alive)

    assert len(audit(stream()).cases) == 3


def _drop(case: Case) -> None:
    case.meshes["volume"].point_data.clear()


def _to_cells(case: Case) -> None:
    case.meshes["surface"] = case.meshes["surface"].point_data_to_cell_data()


def _components(case: Case) -> None:
    mesh = case.meshes["volume"]
    mesh.point_data["displacement"] = mesh.point_data["displacement"][:, :2]


def _nan(case: Case) -> None:
    case.meshes["surface"].point_data["pressure"][[3, 8]] = np.nan


def _scale(case: Case) -> None:
    case.meshes["surface"].point_data["pressure"] *= 1000


def _constant(case: Case) -> None:
    case.meshes["volume"].point_data["displacement"][:] = [1, 2, 3]


def _both(case: Case) -> None:
    case.meshes["surface"] = case.meshes["surface"].point_data_to_cell_data(pass_point_data=True)


def _mixed(case: Case) -> None:
    case.meshes["volume"].cell_data["pressure"] = np.arange(case.meshes["volume"].n_cells) + 1.0


def _no_geometry(case: Case) -> None:
    case.design.geometry = None


def _inside_out(case: Case) -> None:
    assert isinstance(case.design.geometry, pv.PolyData)
    case.design.geometry = case.design.geometry.flip_faces()


def _millimetres(case: Case) -> None:
    assert isinstance(case.design.geometry, pv.PolyData)
    case.design.geometry.points *= 1000


@pytest.mark.parametrize(
    ("spoil", "expected", "said"),
    [
        (_drop, ("error", "3", "field volume/displacement"),
         "case 3: field volume/displacement is missing; 4 other cases have it, export it"),
        (_to_cells, ("error", "3", "field surface/pressure"),
         "case 3: field surface/pressure is cell data, in other cases point data; export all alike"),
        (_components, ("error", "3", "field volume/displacement"),
         "case 3: field volume/displacement is of 2 components, in other cases of 3; export all alike"),
        (lambda case: case.field_units.update(pressure="K"), ("error", "3", "field surface/pressure"),
         "case 3: field surface/pressure is in K, in other cases in Pa"),
        (_nan, ("error", "3", "field surface/pressure"),
         "field surface/pressure is NaN or infinite at 2 of 162 places, the first is 3"),
        (lambda case: case.meshes.pop("volume"), ("error", "3", "domain volume"),
         "case 3: domain volume is missing; 4 other cases have it, add volume.vtu"),
        (lambda case: case.design.parameters.pop("load"), ("error", "3", "parameter load"),
         "case 3: parameter load is missing; 4 other cases have it, add it to its JSON or the CSV"),
        (lambda case: case.design.parameters.update(load=Quantity(5, "m")), ("error", "3", "parameter load"),
         "case 3: parameter load = 5 m has the wrong unit"),
        (lambda case: case.design.parameters.update(speed=Quantity(5, "m/s")), ("error", "3", "parameter speed"),
         "case 3: parameter speed is in 1 of 5 cases only; remove it, or add it to all"),
        (lambda case: case.qoi.pop("mass"), ("error", "3", "QoI mass"), "case 3: QoI mass is missing"),
        (lambda case: case.qoi.update(mass=float("inf")), ("error", "3", "QoI mass"), "case 3: QoI mass is inf"),
        (lambda case: case.qoi_units.update(mass="N"), ("error", "3", "QoI mass"), "QoI mass is in N, in other cases"),
        (_no_geometry, ("error", "3", "geometry"), "case 3: geometry is missing; 4 other cases have it, add its STL"),
        (_inside_out, ("warning", "3", "geometry"), "case 3: geometry: the surface was inside out and turned"),
        (_millimetres, ("warning", "3", "geometry"), "times as long as domain surface; check the length unit of both"),
        (_scale, ("warning", "3", "field surface/pressure"),
         "as large as in the median of the other cases; check its unit"),
        (_constant, ("warning", "3", "field volume/displacement"), "is 1, 2, 3 everywhere; check the export"),
        (_both, ("warning", "3", "domain surface"), "pressure stands at points and at cells, the cells' is taken"),
    ],
)  # fmt: skip
def test_the_odd_one_out_is_named(spoil: Callable[[Case], Any], expected: tuple[str, str, str], said: str) -> None:
    cases = some()
    spoil(cases[3])
    found = audit(cases)
    assert expected in problems(found)
    assert all(problem.case == "3" for problem in found.problems)
    assert any(said in str(problem) for problem in found.problems), [str(problem) for problem in found.problems]
    if expected[0] == "error":
        with pytest.raises(DatasetError, match="case 3: "):
            found.raise_if_bad()
    else:
        found.compare()  # raises nothing


def test_a_field_at_points_beside_one_at_cells_is_a_warning() -> None:
    cases = some(3)
    for case in cases:
        _mixed(case)
    found = audit(cases)
    assert problems(found) == [("warning", name, "domain volume") for name in "012"]
    assert "has fields at points (displacement) and at cells (pressure)" in str(found.problems[0])


def test_the_first_error_is_raised_with_the_number_of_the_others() -> None:
    cases = some()
    _nan(cases[1])
    _drop(cases[3])
    with pytest.raises(DatasetError, match=r"^case 1: field surface/pressure is NaN .* \(and 1 more; `tramontane insp"):
        audit(cases).raise_if_bad()
    found = Audit(problems=[Problem("warning", "1", "geometry", "has holes")])
    found.raise_if_bad()


def test_parameters_in_other_units_of_the_same_dimension_are_alike() -> None:
    cases = some(3)
    cases[1].design.parameters["load"] = Quantity(0.11, "kN")
    found = audit(cases)
    assert found.problems == []
    assert found.parameters["load"] == pytest.approx({"0": 100, "1": 110, "2": 120})


# -- inspect -------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for case in some():
        write_case(case, tmp_path / "cases" / case.name)
    return tmp_path / "cases"


def printed(report: Report) -> str:
    out = io.StringIO()
    print_report(report, Console(file=out, width=200))
    return out.getvalue()


def row(text: str, name: str) -> list[str]:
    """The cells of the line of a table that starts with a name."""
    (line,) = [line for line in text.splitlines() if line.startswith(f"│ {name} ")]
    return [cell.strip() for cell in line.strip("│").split("│")]


def test_a_folder_is_printed_with_units_and_ranges(folder: Path) -> None:
    for case in folder.iterdir():
        document = json.loads((case / "case.json").read_text())
        document["parameters"]["load"] = document["parameters"]["load"]["value"]
        (case / "case.json").write_text(json.dumps(document))
    text = printed(inspect_path(folder))
    assert f"{folder}: folder of cases, 5 readable" in text
    assert "computed by analytic 1" in text
    assert row(text, "surface/pressure")[1:4] == ["points", "1", "Pa"]
    assert row(text, "volume/displacement")[1:4] == ["points", "3", "m"]
    assert row(text, "load") == ["load", "N (assumed from the name)", "100", "140"]
    assert row(text, "half_length") == ["half_length", "m", "0.8", "1"]
    assert row(text, "mass")[1] == "kg"
    assert "geometry: 5 of 5 closed, area" in text
    assert "domain surface: 162 points, 320 cells, within (-0.9898, -0.7919, -0.6) to" in text
    assert text.endswith("0 errors, 0 warnings\n")


def test_bad_cases_among_good_ones_are_reported_and_do_not_stop_it(folder: Path) -> None:
    file = folder / "1" / "volume.vtu"
    file.write_bytes(file.read_bytes()[:1000])
    (folder / "3" / "case.json").write_text("{")
    shutil.copytree(folder / "2", folder / "5")
    (folder / "half").mkdir()
    pv.Cube().save(folder / "half" / "body.stl")
    (folder / "table.csv").write_text("case,mesh_size [mm]\n0,1\n2,1\n4,1\n5,1\n9,1\n")
    report = inspect_path(folder)
    assert report.audit.cases == ["0", "2", "4", "5"]
    assert problems(report.audit) == [
        ("error", "1", "files"), ("error", "3", "files"), ("warning", "5", "files"),
        ("warning", "9", "table"), ("warning", "half", "files"),
    ]  # fmt: skip
    text = printed(report)
    assert f"error: {file}: is cut off" in text
    assert "case.json: cannot be read as JSON" in text
    assert "case 5: has the same mesh files as case 2" in text
    assert text.endswith("2 errors, 3 warnings\n")


def test_a_folder_whose_cases_are_all_bad_is_printed(folder: Path) -> None:
    for case in folder.iterdir():
        (case / "case.json").write_text("{")
    text = printed(inspect_path(folder))
    assert "folder of cases, 0 readable" in text
    assert "5 errors" in text


def test_many_problems_of_a_kind_are_counted(tmp_path: Path) -> None:
    for case in some(8):
        assert isinstance(case.design.geometry, pv.PolyData)
        case.design.geometry = case.design.geometry.extract_cells(range(300)).extract_surface(algorithm=None)
        write_case(case, tmp_path / "cases" / case.name)
    text = printed(inspect_path(tmp_path / "cases"))
    assert text.count("the surface has holes") == 5
    assert "warning: geometry: 3 more of these, in 5, 6, 7" in text
    assert "geometry: 0 of 8 closed" in text


def test_a_contract_in_the_folder_is_obeyed(folder: Path) -> None:
    fields = {"surface": {"pressure": FieldSpec(unit="Pa", location="point", components=1)}}
    Contract(length_unit="mm", fields=fields).to_toml(folder / "contract.toml")
    for report in (inspect_path(folder), inspect_path(folder / "2")):
        assert list(report.audit.fields) == ["surface/pressure"]
        assert report.audit.domains["surface"]["2"].high[0] == pytest.approx(0.9e-3, rel=0.02)
        assert report.audit.geometry["2"].bounds[1][0] == pytest.approx(0.9e-3, rel=0.02)
        assert report.audit.problems == []


def test_one_case_one_mesh_and_one_geometry(folder: Path, tmp_path: Path) -> None:
    (folder / "table.csv").write_text("case,extra [mm]\n2,7\n")
    case = inspect_path(folder / "2")
    assert (case.kind, case.audit.cases) == ("case", ["2"])
    assert row(printed(case), "extra") == ["extra", "mm", "7", "7"]

    mesh = read_case(folder / "2").meshes["surface"]
    mesh["pressure"][4] = np.nan
    mesh["velocity"] = mesh.points.copy()
    mesh["patch"] = np.arange(mesh.n_points)
    write_mesh(mesh, tmp_path / "part.vtp", units={"pressure": "kPa"})
    report = inspect_path(tmp_path / "part.vtp")
    text = printed(report)
    assert report.kind == "mesh"
    assert row(text, "part/pressure")[3] == "kPa"
    assert row(text, "part/velocity")[3] == "m/s (assumed from the name)"
    assert "arrays of whole numbers, no fields: part/patch" in text
    assert "part/pressure is NaN or infinite at 1 of 162 places, the first is 4" in text

    report = inspect_path(folder / "2" / "geometry.stl")
    assert report.kind == "geometry"
    assert "geometry: 1 of 1 closed" in printed(report)


def test_what_cannot_be_read_at_all_is_an_error(folder: Path, tmp_path: Path) -> None:
    (folder / "2" / "case.json").write_text("{")
    with pytest.raises(FormatError, match=r"case\.json: cannot be read as JSON"):
        inspect_path(folder / "2")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FormatError, match="holds no case"):
        inspect_path(tmp_path / "empty")
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(FormatError, match=r"notes\.txt: \.txt is not read"):
        inspect_path(tmp_path / "notes.txt")
    with pytest.raises(FormatError, match="is no folder"):
        inspect_path(tmp_path / "nowhere")
