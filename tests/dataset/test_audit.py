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
from rich.console import Console

from helpers.ellipsoids import ellipsoid
from tramontane.case import Case
from tramontane.contract import Contract, FieldSpec, QoiSpec
from tramontane.dataset.audit.facts import about
from tramontane.dataset.audit.outliers import Odd, explained_sizes, odd_sizes, unit_mix_up
from tramontane.dataset.audit.report import Audit, Problem, Report, audit, inspect_path, print_report, rows_of
from tramontane.dataset.ingest.inference import ContractInference, contract_facts
from tramontane.errors import DatasetError, FormatError
from tramontane.formats import read_case, write_case, write_mesh
from tramontane.units import Quantity


def some(count: int = 5) -> list[Case]:
    """Ellipsoids 0 to 4, each of its own size."""
    return [ellipsoid(str(i), (1.0 - 0.05 * i, 0.8, 0.6), 100.0 + 10 * i) for i in range(count)]


def problems(result: Audit) -> list[tuple[str, str, str]]:
    return [(problem.severity, problem.case, problem.place) for problem in result.problems]


def test_good_cases_have_no_problems_and_their_ranges_are_kept() -> None:
    result = audit(some())
    assert result.problems == []
    result.raise_if_bad()
    assert result.cases == ["0", "1", "2", "3", "4"]
    pressure = result.fields["surface/pressure"]
    assert pressure["2"][:3] == ("point", 1, "Pa")
    assert max(fact.high for fact in pressure.values()) == pytest.approx(140 * 2.12, rel=0.02)
    assert min(result.parameters["load"].values()) == 100
    assert result.units["load"] == "N"
    assert result.domains["volume"]["0"].cells == some(1)[0].meshes["volume"].n_cells
    assert result.geometry["0"].closed


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


def _at_rest(case: Case) -> None:
    case.meshes["volume"].point_data["displacement"][:] = 0


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
    ("spoil", "expected", "message"),
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
        (lambda case: case.design.parameters.update(speed=Quantity(5, "m/s")), ("warning", "3", "parameter speed"),
         "case 3: parameter speed is in 1 of 5 cases only; it is left out; add it to all"),
        (lambda case: case.qoi.pop("mass"), ("error", "3", "QoI mass"), "case 3: QoI mass is missing"),
        (lambda case: case.qoi.update(mass=float("inf")), ("error", "3", "QoI mass"), "case 3: QoI mass is inf"),
        (lambda case: case.qoi_units.update(mass="N"), ("error", "3", "QoI mass"), "QoI mass is in N, in other cases"),
        (_no_geometry, ("error", "3", "geometry"), "case 3: geometry is missing; 4 other cases have it, add its STL"),
        (_inside_out, ("warning", "3", "geometry"), "case 3: geometry: the surface was inside out and turned"),
        (_millimetres, ("error", "3", "geometry"), "times as long as domain surface; check the length unit of both"),
        (_scale, ("warning", "3", "field surface/pressure"),
         "as large as in the median of the other cases; check its unit"),
        (_constant, ("warning", "3", "field volume/displacement"), "is 1, 2, 3 everywhere; check the export"),
        (_at_rest, ("warning", "3", "field volume/displacement"),
         "is 0, 0, 0 everywhere; check the export, or leave it out (a wall at rest)"),
        (_both, ("warning", "3", "domain surface"), "pressure stands at points and at cells, the cells' is taken"),
    ],
)  # fmt: skip
def test_the_odd_one_out_is_named(spoil: Callable[[Case], Any], expected: tuple[str, str, str], message: str) -> None:
    cases = some()
    spoil(cases[3])
    result = audit(cases)
    assert expected in problems(result)
    assert all(problem.case == "3" for problem in result.problems)
    assert any(message in str(problem) for problem in result.problems), [str(problem) for problem in result.problems]
    if expected[0] == "error":
        with pytest.raises(DatasetError, match="case 3: "):
            result.raise_if_bad()
    else:
        result.compare()  # raises nothing


def test_a_field_at_points_beside_one_at_cells_is_a_warning() -> None:
    cases = some(3)
    for case in cases:
        _mixed(case)
    result = audit(cases)
    assert problems(result) == [("warning", "", "domain volume")]
    assert str(result.problems[0]).startswith(
        "in all cases: has fields at points (displacement) and at cells (pressure)"
    )


def test_what_is_said_of_most_cases_is_said_once_and_of_the_set() -> None:
    cases = some(9)
    for case in cases:
        file = f"runs/{case.name}/beam.frd"
        case.provenance.sources = {"beam.frd": f"{case.name}"}
        case.provenance.extra["warnings"] = [f"{file}: states no units"] + ["ran on a Monday"] * (int(case.name) < 5)
    cases[0].provenance.extra["warnings"] = [f"{cases[0].name}: odd", "ran on a Monday"]
    result = audit(cases)
    assert [(problem.case, problem.message) for problem in result.problems] == [
        ("0", "0: odd"),
        ("", "in 5 of 9 cases: ran on a Monday"),
        ("", "in all cases but 0: beam.frd: states no units"),
    ]
    assert [row.state for row in rows_of(result)] == ["warning"] + ["ok"] * 8


def test_components_that_are_round_off_are_left_out() -> None:
    cases = some(4)
    for number, case in enumerate(cases):
        case.qoi |= {
            "force_x_TIP": 3e-15,
            "force_y_TIP": 40.0 + number,
            "force_z_TIP": 0.0,
            "flow_x": 1e-12,
            "max": 1e-9,
        }
        case.qoi_units |= {name: "N" for name in case.qoi if name.startswith("force")}
    result = audit(cases)
    assert [problem.message for problem in result.problems if problem.place == "QoIs"] == [
        "force_x_TIP, force_z_TIP: zero but for round-off in all cases, beside other components; left out (a contract "
        "that names them keeps them)"
    ]
    assert {"force_x_TIP", "force_z_TIP"} == result.rare
    inference = ContractInference()
    for case in cases:
        inference.add(result.facts[case.name], contract_facts(case, None))
    assert {"force_y_TIP", "flow_x", "max"} < set(inference.contract().qoi)
    assert not result.rare & set(inference.contract().qoi)
    kept = Audit()
    for case in cases:
        kept.add(case)
    kept.compare(Contract(qoi={"force_x_TIP": QoiSpec(unit="N"), "force_z_TIP": QoiSpec(unit="N")}))
    assert not kept.rare


def test_a_case_is_named_once() -> None:
    assert about("a 1", "runs/a 1/beam.frd: states no units") == "runs/a 1/beam.frd: states no units"
    assert about("017", "runs/017.vtu: is cut off") == "runs/017.vtu: is cut off"
    assert about("017", "case 017 (surface.vtp): is open") == "case 017 (surface.vtp): is open"
    assert about("17", "runs/017.vtu: is cut off") == "case 17: runs/017.vtu: is cut off"
    assert about("017", "has modes") == "case 017: has modes"


def test_the_first_error_is_raised_with_the_number_of_the_others() -> None:
    cases = some()
    _nan(cases[1])
    _drop(cases[3])
    with pytest.raises(DatasetError, match=r"^case 1: field surface/pressure is NaN .* \(and 1 more; `tramontane insp"):
        audit(cases).raise_if_bad()
    result = Audit(problems=[Problem("warning", "1", "geometry", "has holes")])
    result.raise_if_bad()


def test_parameters_in_other_units_of_the_same_dimension_are_alike() -> None:
    cases = some(3)
    cases[1].design.parameters["load"] = Quantity(0.11, "kN")
    result = audit(cases)
    assert result.problems == []
    assert result.parameters["load"] == pytest.approx({"0": 100, "1": 110, "2": 120})


def test_bad_cases_are_named_with_their_first_error() -> None:
    cases = some()
    _nan(cases[1])
    _drop(cases[1])
    _scale(cases[3])
    bad = audit(cases).bad_cases()
    assert list(bad) == ["1"]
    assert "field surface/pressure is NaN or infinite at 2 of 162 places" in bad["1"]


def test_a_surface_that_stands_for_the_geometry_is_checked_like_one() -> None:
    cases = some()
    for case in cases:
        case.design.geometry = None
    assert audit(cases).problems == []
    surface = cases[3].meshes["surface"].extract_cells(range(300)).extract_surface(algorithm="dataset_surface")
    cases[3].meshes["surface"] = surface
    (problem,) = audit(cases).problems
    assert (problem.severity, problem.case, problem.place) == ("warning", "3", "open surface")
    assert "which stands for the geometry: the surface has holes" in problem.message


# -- convergence ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"residuals": {"Ux": 2e-3, "p": 1e-5}}, "the residual of Ux is 0.002 (1 of 2 are above 0.001)"),
        ({"residuals": {"Ux": [1.0, 0.1, 1e-6], "p": [1.0, 0.5]}}, "the residual of p is 0.5 (1 of 2 are above 0.001)"),
        ({"residuals": {"Ux": 5.0, "p": float("nan")}}, "the residual of p is nan (2 of 2 are above 0.001)"),
        ({"converged": False}, "its solver says that the run did not converge"),
        ({"residuals": {"Ux": 1e-5}, "converged": False}, "its solver says that the run did not converge"),
    ],
)
def test_a_run_that_did_not_converge_is_a_warning(extra: dict[str, Any], message: str) -> None:
    cases = some(3)
    cases[1].provenance.extra |= extra
    (problem,) = audit(cases).problems
    assert (problem.severity, problem.case, problem.place) == ("warning", "1", "convergence")
    assert message in problem.message


@pytest.mark.parametrize("extra", [{"residuals": {"Ux": 1e-3}}, {"converged": True}, {"residuals": None}, {}])
def test_a_run_that_converged_or_does_not_say_is_none(extra: dict[str, Any]) -> None:
    cases = some(3)
    cases[1].provenance.extra |= extra
    assert audit(cases).problems == []


def test_a_mesh_that_failed_its_program_s_checks_is_a_warning() -> None:
    cases = some(3)
    for case, failed in zip(cases, (0, 2, 0), strict=False):
        case.provenance.extra["mesh_quality"] = {"failed_checks": failed, "max_skewness": 5.25}
    (problem,) = audit(cases).problems
    assert (problem.severity, problem.case, problem.place) == ("warning", "1", "mesh")
    assert "its mesh failed 2 of its program's checks (max skewness 5.25); mesh it again" in problem.message


def test_what_a_reader_warned_of_is_reported() -> None:
    cases = some(3)
    cases[1].provenance.extra["warnings"] = ["surface.vtp: patch inlet has no faces"]
    assert [str(problem) for problem in audit(cases).problems] == ["case 1: surface.vtp: patch inlet has no faces"]


# -- sizes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("factor", "unit", "words"),
    [
        (1000.0, "Pa", "as between kPa and Pa"),
        (1.05e-3, "Pa", "as between kPa and Pa"),
        (6900.0, "Pa", "as between psi and Pa"),
        (1e6, "MPa", "as between MPa and Pa"),
        (1000.0, "m", "as between m and mm"),
        (25.4, "mm", "as between in and mm"),
        (0.0254, "m", "as between m and in"),
        (57.0, "deg", "as between rad and deg"),
        (1 / 57.3, "", "as between rad and deg"),
        (1e3, "N", "as between kN and N"),
        (1e9, "m^3", "as between m^3 and mm^3"),
        (1000.0, "1/s", "as between thousands and ones"),
        (13.0, "Pa", ""),
        (1000.0, "no such unit", "as between thousands and ones"),
    ],
)
def test_a_factor_is_named_after_the_units_that_it_stands_between(factor: float, unit: str, words: str) -> None:
    assert unit_mix_up(Odd(factor, 0.0), unit) == words


def _numbered(sizes: list[float]) -> dict[str, float]:
    return {str(index): size for index, size in enumerate(sizes)}


def test_sizes_that_stand_apart_are_odd_and_long_tails_are_not() -> None:
    rng = np.random.default_rng(0)
    sizes = np.exp(rng.normal(0.0, 0.3, 50))
    assert odd_sizes(_numbered(list(sizes))) == {}
    sizes[[4, 9]] *= [25.4, 1e-3]
    odd = odd_sizes(_numbered(list(sizes)))
    assert odd["4"].factor == pytest.approx(25.4, rel=1)
    assert odd["9"].factor == pytest.approx(1e-3, rel=1)
    assert list(odd) == ["4", "9"]
    # Five of any spread below a factor of 30: a thousand is seen all the same.
    assert list(odd_sizes(_numbered([1.0, 3.0, 9.0, 27.0, 3000.0]))) == ["4"]
    assert odd_sizes(_numbered([1.0, 3.0, 9.0, 27.0, 81.0])) == {}
    # Numbers spread evenly down to zero: the smallest of a hundred is no error.
    for seed in range(40):
        assert odd_sizes(_numbered(list(np.random.default_rng(seed).uniform(0, 1, 100))), small=False) == {}
    # Two levels of an experiment are no exceptions from each other.
    assert odd_sizes(_numbered([1.0] * 6 + [1000.0] * 4)) == {}
    assert odd_sizes(_numbered([1.0, 1000.0])) == {}


@pytest.mark.parametrize("law", [{"speed": 2.0}, None])
def test_a_law_of_the_parameters_explains_a_wide_range(law: dict[str, float] | None) -> None:
    rng = np.random.default_rng(0)
    speed = _numbered(list(10 ** rng.uniform(0, 3, 40)))
    pressure = {case: 0.6 * value**2 * float(rng.uniform(0.8, 1.2)) for case, value in speed.items()}
    pressure["7"] *= 1000
    assert odd_sizes(pressure) == {}  # hidden among six decades
    odd = odd_sizes(explained_sizes(pressure, {"speed": speed}, law))
    assert list(odd) == ["7"]
    assert unit_mix_up(odd["7"], "Pa") == "as between kPa and Pa"


def test_parameters_and_qoi_in_a_wrong_unit_are_named() -> None:
    cases = some(12)
    cases[3].design.parameters["half_width"] = Quantity(800.0, "m")
    cases[5].qoi["mass"] *= 1000
    result = audit(cases)
    assert problems(result) == [("warning", "3", "parameter half_width"), ("warning", "5", "QoI mass")]
    assert "half_width = 800 m is 1000 times as large as in the median of the other cases" in str(result.problems[0])
    assert "check its unit (as between m and mm)" in str(result.problems[0])
    assert "(as between kg and g)" in str(result.problems[1])


def test_one_value_that_is_far_too_large_is_seen_though_the_mean_size_is_not() -> None:
    cases = some(12)
    pressure = cases[3].meshes["surface"].point_data["pressure"]
    pressure[7] = 40 * pressure.max()
    (problem,) = audit(cases).problems
    assert (problem.case, problem.place) == ("3", "field surface/pressure")
    assert "its largest value, 1.104e+04 Pa, is 40 times as large" in problem.message


def test_a_field_from_another_zero_is_named() -> None:
    cases = some(8)
    for number, case in enumerate(cases):
        height = case.meshes["surface"].points[:, 2]
        kelvin = 0.0 if number == 5 else 273.15
        case.meshes["surface"].point_data["temperature"] = 90.0 + number + 5 * height + kelvin
        case.field_units["temperature"] = "K"
    (problem,) = audit(cases).problems
    assert (problem.case, problem.place) == ("5", "field surface/temperature")
    assert "(as between degC and K); check its zero" in problem.message


def test_a_case_in_millimetres_among_others_in_metres_is_named_once() -> None:
    cases = some()
    assert isinstance(cases[3].design.geometry, pv.PolyData)
    for mesh in (*cases[3].meshes.values(), cases[3].design.geometry):
        mesh.points *= 1000
    (problem, *others) = [problem for problem in audit(cases).problems if "m long" not in problem.message]
    assert (problem.severity, problem.case, problem.place, others) == ("error", "3", "scale", [])
    assert "domain surface and domain volume and geometry are 919.3 times as long as in the median" in problem.message
    assert "check the length unit (as between m and mm)" in problem.message


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
    assert "warning: units assumed from names, since nothing states them: load in N; " in text
    assert text.endswith("0 errors, 1 warnings\n")


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
    with pytest.raises(FormatError, match="nowhere: does not exist; check the path"):
        inspect_path(tmp_path / "nowhere")


# -- the set -------------------------------------------------------------------------------------------------------


def test_a_set_has_one_table_with_a_line_a_case(folder: Path) -> None:
    document = json.loads((folder / "3" / "case.json").read_text())
    (folder / "3" / "case.json").write_text(json.dumps(document | {"residuals": {"Ux": 0.04}}))
    (folder / "1" / "surface.vtp").write_text("")
    shutil.copytree(folder / "0", folder / "5")
    report = inspect_path(folder)
    rows = {each.case: each for each in rows_of(report.audit)}
    assert [each.state for each in rows.values()] == ["ok", "error", "ok", "warning", "ok", "warning"]
    assert (rows["1"].points, rows["1"].geometry) == (None, "")
    assert (rows["0"].points, rows["0"].geometry, rows["0"].copies) == (162 + 81, "closed", ("5",))
    assert rows["0"].length == pytest.approx(2 * 0.99, rel=0.01)
    text = printed(report)
    assert row(text, "3") == ["3", "warning", "243", "closed", "1.683 m", "0.04", "", "convergence"]
    assert row(text, "5")[1:] == ["warning", "243", "closed", "1.98 m", "", "0", "files"]
    assert row(text, "1")[1:] == ["error", "", "", "", "", "", "files"]
    assert "3 of 6 cases without findings\n" in text


def test_of_a_large_set_only_cases_with_findings_are_printed(tmp_path: Path) -> None:
    for case in some(1):
        for index in range(40):
            case.design.parameters["load"] = Quantity(100.0 + index, "N")
            case.meshes["surface"].point_data["pressure"] *= 1.01
            case.meshes["volume"].point_data["displacement"] *= 1.01
            case.name = f"{index:02d}"
            write_case(case, tmp_path / "cases" / case.name)
    (tmp_path / "cases" / "07" / "case.json").write_text("{")
    text = printed(inspect_path(tmp_path / "cases"))
    assert row(text, "07")[1] == "error"
    assert "│ 08 " not in text
    assert "39 of 40 cases without findings, not shown" in text
    assert "40 of 40" not in text


def test_every_field_with_bad_numbers_is_named_though_reading_stops_at_the_first(folder: Path) -> None:
    for name, array in (("surface.vtp", "pressure"), ("volume.vtu", "displacement")):
        mesh = pv.read(folder / "2" / name)
        mesh[array][5] = np.inf
        write_mesh(mesh, folder / "2" / name)
    report = inspect_path(folder)
    assert problems(report.audit) == [
        ("error", "2", "field surface/pressure"), ("error", "2", "field volume/displacement"),
    ]  # fmt: skip
    assert "case 2 (surface.vtp): field surface/pressure is NaN or infinite at 1 of 162 places" in printed(report)
    assert report.read_again is not None
    assert np.isinf(report.read_again("2").meshes["surface"]["pressure"][5])
    alone = inspect_path(folder / "2")
    assert len(alone.audit.problems) == 2


def test_missing_cases_are_named(folder: Path) -> None:
    for name in ("1", "3"):
        shutil.move(folder / name, folder / f"run_{name}")
    for number in (4, 5):
        shutil.copytree(folder / "0", folder / f"run_{number}")
    (folder / "failed").mkdir()
    (folder / "failed" / "run_6.json").write_text(json.dumps({"reason": "the mesh is tangled", "parameters": {}}))
    (folder / "failed" / "run_7.json").write_text("[")
    problems_found = [problem for problem in inspect_path(folder).audit.problems if problem.place != "files"]
    assert [(problem.severity, problem.case, problem.place) for problem in problems_found] == [
        ("warning", "run_6", "failed"), ("warning", "run_7", "failed"), ("warning", "run_2", "numbering"),
    ]  # fmt: skip
    assert "its simulation failed (the mesh is tangled); see" in problems_found[0].message
    assert "the reason cannot be read" in problems_found[1].message


def test_numbers_that_are_far_from_complete_have_no_gaps(folder: Path) -> None:
    for name in ("1", "2", "3"):
        shutil.move(folder / name, folder / f"{int(name) * 17}")
    assert inspect_path(folder).audit.problems == []


def test_a_case_without_a_line_in_the_table_is_named(folder: Path) -> None:
    (folder / "table.csv").write_text("case,qoi: drag [N]\n0,1\n1,1.1\n2,1.2\n3,1.3\n")
    (problem,) = inspect_path(folder).audit.problems
    assert (problem.case, problem.place) == ("4", "QoI drag")
    (folder / "table.csv").write_text("case,load\n0,1\n1,1\n2,1\n3,1\n")
    (problem,) = inspect_path(folder).audit.problems
    assert (problem.severity, problem.case, problem.place) == ("warning", "4", "table")


def test_a_folder_of_files_is_a_set_of_cases(tmp_path: Path) -> None:
    for case in some():
        write_mesh(case.meshes["surface"], tmp_path / f"{case.name}.vtp", units=case.field_units)
    report = inspect_path(tmp_path)
    assert report.kind == "folder of files"
    assert report.audit.cases == ["0", "1", "2", "3", "4"]
    assert [(each.state, each.geometry) for each in rows_of(report.audit)] == [("ok", "closed")] * 5
    assert "folder of files, 5 readable" in printed(report)
