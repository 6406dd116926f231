"""A folder of cases: what somebody's solver wrote comes out in SI, with where each unit came from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvista as pv

from helpers.ellipsoids import ellipsoid
from helpers.formats.meshes import CUBE, POLYHEDRON
from tramontane.case import Case, Provenance
from tramontane.contract import Contract, FieldSpec, ParameterSpec, QoiSpec
from tramontane.design import Design
from tramontane.errors import ContractError, FormatError
from tramontane.formats import find_cases, read_case, read_table, write_case, write_mesh
from tramontane.units import Quantity, si_unit


def plate(pressure: Any = (1.0, 2.0, 3.0), *, dtype: Any = np.float64) -> pv.PolyData:
    """One triangle with a pressure at its points."""
    mesh = pv.PolyData.from_regular_faces(np.array([[0, 0, 0], [2, 0, 0], [0, 3, 0]], dtype), [[0, 1, 2]])
    mesh.point_data["pressure"] = np.array(pressure, dtype)
    return mesh


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A case as a solver left it: numbers without units, entries of its own."""
    case = tmp_path / "cases" / "017"
    case.mkdir(parents=True)
    write_mesh(plate(), case / "surface.vtp")
    pv.Cube().triangulate().save(case / "body.stl")
    document = {
        "parameters": {"load": 500.0, "slant_angle": {"value": 25.0, "unit": "deg"}, "stiffness": 3.0},
        "qoi": {"drag": {"value": 2.0, "unit": "kN"}, "lift": 7.0},
        "solver": "simpleFoam",
        "version": "1912",
        "cells": 91108,
    }
    (case / "case.json").write_text(json.dumps(document))
    return case


def test_a_written_case_is_read_back_as_it_was(tmp_path: Path) -> None:
    case = ellipsoid("007", (0.9, 0.7, 0.5), 250.0)
    case.provenance.extra = {"seconds": 1.5, "residuals": np.array([0.1, 0.2])}
    write_case(case, tmp_path / "007")
    assert sorted(file.name for file in (tmp_path / "007").iterdir()) == [
        "case.json", "geometry.stl", "surface.vtp", "volume.vtu",
    ]  # fmt: skip
    read = read_case(tmp_path / "007")
    for domain, mesh in case.meshes.items():
        assert np.array_equal(read.meshes[domain].points, mesh.points)
        for name in case.field_names(domain):
            assert np.array_equal(read.field_values(domain, name), case.field_values(domain, name))
    assert read.name == "007"
    assert read.design.parameters == case.design.parameters
    assert read.qoi == case.qoi
    assert read.field_units == case.field_units
    assert read.qoi_units == {name: si_unit(unit) for name, unit in case.qoi_units.items()}
    assert (read.provenance.solver, read.provenance.version) == ("analytic", "1")
    assert read.provenance.extra == {"seconds": 1.5, "residuals": [0.1, 0.2]}  # a moment is in N*m, which is SI
    assert read.design.geometry == tmp_path / "007" / "geometry.stl"
    write_case(read, tmp_path / "again")  # with a file as its geometry
    assert (tmp_path / "again" / "geometry.stl").read_bytes() == read.design.geometry.read_bytes()


def test_units_are_stated_or_assumed_and_the_case_is_in_si(folder: Path) -> None:
    case = read_case(folder)
    assert case.design.parameters == {
        "load": Quantity(500.0, "N"), "slant_angle": Quantity(25.0, "deg"), "stiffness": Quantity(3.0, ""),
    }  # fmt: skip
    assert case.qoi == {"drag": 2000.0, "lift": 7.0}
    assert case.qoi_units == {"drag": "N", "lift": "N"}
    assert case.field_units == {"pressure": "Pa"}
    assert case.provenance.extra == {
        "cells": 91108, "assumed_units": {"pressure": "Pa", "load": "N", "lift": "N"}, "shown_units": {"drag": "kN"},
    }  # fmt: skip
    assert (case.provenance.solver, case.provenance.version) == ("simpleFoam", "1912")
    assert case.design.geometry == folder / "body.stl"
    assert case.provenance.sources == {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in ("surface.vtp", "body.stl", "case.json")
    }


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_fields_stated_unit_is_obeyed_and_its_type_kept(folder: Path, dtype: Any) -> None:
    write_mesh(plate((1, 2, 3), dtype=dtype), folder / "surface.vtp", units={"pressure": "kPa"})
    case = read_case(folder)
    values = case.field_values("surface", "pressure")
    assert values.dtype == dtype
    assert values.tolist() == [1000, 2000, 3000]
    assert case.field_units == {"pressure": "Pa"}


def contract(**changes: Any) -> Contract:
    base = Contract(
        length_unit="mm",
        parameters={"load": ParameterSpec(unit="kN", low=0, high=1)},
        fields={"surface": {"pressure": FieldSpec(unit="MPa", location="point", components=1)}},
        qoi={"lift": QoiSpec(unit="N")},
    )
    return base.model_copy(update=changes)


def test_a_contract_gives_the_units_and_says_what_is_read(folder: Path) -> None:
    mesh = plate()
    mesh.point_data["scratch"] = np.zeros(3)
    write_mesh(mesh, folder / "surface.vtp")
    write_mesh(plate(), folder / "debug.vtp")
    case = read_case(folder, contract=contract())
    assert case.meshes["surface"].bounds[1] == pytest.approx(2e-3)
    assert case.field_values("surface", "pressure") == pytest.approx([1e6, 2e6, 3e6])
    assert case.field_names("surface") == {"pressure": "point"}
    assert list(case.meshes) == ["surface"]
    assert case.design.parameters == {"load": Quantity(500.0, "kN")}
    assert case.qoi == {"lift": 7.0}
    assert "assumed_units" not in case.provenance.extra


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"parameters": {"yaw": ParameterSpec(unit="deg", low=0, high=1)}}, r"case\.json: parameter yaw is missing"),
        ({"qoi": {"moment": QoiSpec(unit="N*m")}}, r"case\.json: QoI moment is missing"),
        ({"qoi": {"drag": QoiSpec(unit="Pa")}}, r"case\.json: QoI drag is in kN, the contract says Pa"),
        ({"fields": {"volume": {}}}, r"017: domain volume is missing; add volume\.vtu"),
        ({"fields": {"surface": {"heat": FieldSpec(unit="W", location="cell", components=1)}}},
         r"017: field surface/heat is missing; export it"),
        ({"fields": {"surface": {"pressure": FieldSpec(unit="Pa", location="cell", components=1)}}},
         r"017: field surface/pressure is not cell data, as the contract says"),
        ({"fields": {"surface": {"pressure": FieldSpec(unit="Pa", location="point", components=3)}}},
         r"017: field surface/pressure has 1 components, the contract says 3"),
    ],
)  # fmt: skip
def test_what_a_contract_names_must_be_there(folder: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ContractError, match=message):
        read_case(folder, contract=contract(**changes))


def test_polyhedra_survive(folder: Path, tmp_path: Path) -> None:
    grid = pv.UnstructuredGrid(
        np.array([len(POLYHEDRON), *POLYHEDRON]), [pv.CellType.POLYHEDRON], np.array(CUBE, float)
    )
    grid.cell_data["velocity"] = np.array([[1.0, 2.0, 3.0]])
    write_mesh(grid, folder / "volume.vtu")
    write_case(read_case(folder), tmp_path / "copy")
    copy = read_case(tmp_path / "copy").meshes["volume"]
    assert copy.celltypes.tolist() == [pv.CellType.POLYHEDRON]
    assert copy.volume == pytest.approx(1)
    assert copy.get_cell(0).n_faces == 6


def test_a_surface_of_lines_and_a_table_without_meshes(tmp_path: Path) -> None:
    line = pv.Line()
    line.point_data.clear()
    line.point_data["p"] = np.array([1.0, 2.0])
    write_case(Case("a", Design(line, speed="2 m/s"), {"surface": line}, field_units={"p": "Pa"}), tmp_path / "a")
    read = read_case(tmp_path / "a")
    assert read.meshes["surface"].n_lines == 1
    assert list(read.meshes) == ["surface"]
    assert read.design.geometry == tmp_path / "a" / "geometry.vtp"
    write_case(Case("b", Design(speed=2), {}, {"drag": 3.0}), tmp_path / "b")
    assert read_case(tmp_path / "b").qoi == {"drag": 3.0}
    assert [case.name for case in find_cases(tmp_path)] == ["a", "b"]


# -- tables --------------------------------------------------------------------------------------------------------


def test_a_csv_serves_the_whole_folder(folder: Path) -> None:
    (folder / "case.json").write_text('{"qoi": {"drag": 2.0}}')
    (folder.parent / "table.csv").write_text(
        "case, load [kN], qoi:lift [N], thickness (mm), mass\n017, 0.5, 7, 3, 1.5 kg\n018,1,2,,\n", encoding="utf-8-sig"
    )
    table = read_table(folder.parent)
    assert table["018"] == {"load": Quantity(1.0, "kN"), "qoi.lift": Quantity(2.0, "N")}
    case = read_case(folder, table=table)
    assert case.design.parameters == {
        "load": Quantity(0.5, "kN"), "thickness": Quantity(3.0, "mm"), "mass": Quantity(1.5, "kg"),
    }  # fmt: skip
    assert case.qoi == {"drag": 2.0, "lift": 7.0}
    named = contract(parameters={}, fields={}, qoi={"mass": QoiSpec(unit="g")})
    assert read_case(folder, table=table, contract=named).qoi == {"mass": 1.5}


def test_several_csv_files_are_joined_by_case(folder: Path) -> None:
    (folder.parent / "inputs.csv").write_text("case;load [N]\n017;500\n")
    (folder.parent / "results.csv").write_text("case\tqoi.lift\n017\t7\n")
    assert read_table(folder.parent) == {"017": {"load": Quantity(500.0, "N"), "qoi.lift": Quantity(7.0, None)}}
    assert read_table(folder) == {}
    (folder.parent / "more.csv").write_text("case;load [N]\n017;501\n")
    with pytest.raises(FormatError, match=r"more\.csv: load of case 017 stands in another CSV file"):
        read_table(folder.parent)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("case,load\n", "has no rows"),
        ("case,load\n017,1,2\n", "line 2 has 3 columns, the first line 2"),
        ("case,load\n017,high\n", "line 2, load = 'high' is not a number"),
        ("case,load\n017,nan\n", "line 2, load"),
        ("case,load [blorg]\n017,1\n", r"column 'load \[blorg\]': unit 'blorg' is not known"),
        ("case,load\n017,1\n017,2\n", "line 3 is the second one of case 017"),
        ("case,load,load\n017,1,2\n", "has two columns load"),
        ("case,load,\n017,1,2\n", "has a column without a name"),
        ("name,load\nrun17,1\n", r"name no case of this folder \(the first is 'run17'\)"),
    ],
)
def test_a_csv_that_is_wrong(folder: Path, text: str, message: str) -> None:
    (folder.parent / "table.csv").write_text(text)
    with pytest.raises(FormatError, match=message):
        read_table(folder.parent)


# -- finding -------------------------------------------------------------------------------------------------------


def test_cases_are_found_below_a_root_or_at_it(folder: Path) -> None:
    root = folder.parent
    write_case(read_case(folder), root / "002")
    (root / ".003.partial").mkdir()
    (root / "plots").mkdir()
    write_mesh(plate(), root / "mean.vtp")  # a stray file makes the root no case
    assert find_cases(root) == [root / "002", root / "017"]
    assert find_cases(folder) == [folder]


def test_the_blocks_of_a_vtm_are_no_case(tmp_path: Path) -> None:
    write_mesh(plate(), tmp_path / "run" / "surface.vtm")
    assert find_cases(tmp_path / "run") == [tmp_path / "run"]
    case = read_case(tmp_path / "run")
    assert list(case.meshes) == ["surface"]
    assert sorted(case.provenance.sources) == ["surface.vtm", "surface/surface_0.vtp"]


def test_a_folder_without_cases(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="holds no case; each case is a folder with meshes such as"):
        find_cases(tmp_path)
    with pytest.raises(FormatError, match="is no folder"):
        find_cases(tmp_path / "none")
    with pytest.raises(FormatError, match="there is no such folder"):
        read_case(tmp_path / "none")


# -- bad input -----------------------------------------------------------------------------------------------------


def _edit(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        document = json.loads((folder / "case.json").read_text())
        change(document)
        (folder / "case.json").write_text(json.dumps(document))

    return spoil


def _cut(folder: Path) -> None:
    file = folder / "surface.vtp"
    file.write_bytes(file.read_bytes()[:-300])


def _set(values: Any) -> Callable[[Path], None]:
    return lambda folder: write_mesh(plate(values), folder / "surface.vtp")


def _two_units(folder: Path) -> None:
    write_mesh(plate(), folder / "volume.vtu", units={"pressure": "m^2/s^2"})


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_cut, r"surface\.vtp: is cut off .*; write or copy it again$"),
        (_set((1, np.nan, np.inf)),
         r"surface\.vtp: field surface/pressure is NaN or infinite at 2 of 3 places, the first is 1; run"),
        (lambda folder: (folder / "case.json").write_text('{"parameters": {"load": 5'),
         r"case\.json: cannot be read as JSON .* mend it or write it again"),
        (_edit(lambda d: d["parameters"].update(load="high")), r"case\.json: parameter load = 'high' is not a number"),
        (_edit(lambda d: d["parameters"].update(load=True)), r"case\.json: parameter load = True is no number"),
        (_edit(lambda d: d["parameters"].update(load=[1])), r"case\.json: parameter load = \[1\] is no number"),
        (_edit(lambda d: d["parameters"].update(load="3 blorg")), r"case\.json: unit 'blorg' is not known"),
        (_edit(lambda d: d["qoi"].update(drag=float("nan"))), r"case\.json: QoI drag is nan; write a finite number"),
        (_edit(lambda d: d.update(parameters=[1, 2])), r"case\.json: 'parameters' is not a table"),
        (lambda folder: (folder / "other.json").write_text('{"qoi": {"lift": 3}}'),
         r"other\.json: 'qoi' stands in case\.json, too; keep one"),
        (lambda folder: pv.Cube().save(folder / "wing.stl"), r"017: holds 2 geometry files \(body\.stl, wing\.stl\)"),
        (lambda folder: write_mesh(plate(), folder / "surface.vtk"), r"surface\.vtp: domain surface stands in another"),
        (lambda folder: write_mesh(plate(), folder / "surface.vtp", units={"pressure": "blorg"}),
         r"surface\.vtp: field surface/pressure: unit 'blorg' is not known"),
        (_two_units, r"volume\.vtu: field volume/pressure is in m\^2/s\^2, on another domain in Pa"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_that_names_the_file(folder: Path, spoil: Callable[[Path], Any], message: str) -> None:
    spoil(folder)
    with pytest.raises(FormatError, match=message) as error:
        read_case(folder)
    assert "\n" not in str(error.value)
    assert "017" in str(error.value)


def test_whole_numbers_are_no_fields_and_stay(folder: Path) -> None:
    mesh = plate()
    mesh.cell_data["patch"] = np.array([4])
    write_mesh(mesh, folder / "surface.vtp")
    case = read_case(folder)
    assert case.meshes["surface"].cell_data["patch"].tolist() == [4]
    assert case.field_units == {"pressure": "Pa"}


def test_a_case_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    case = ellipsoid("a", (1, 1, 1), 1.0)
    write_case(case, tmp_path / "a")
    with pytest.raises(FormatError, match="exists; a case is not overwritten"):
        write_case(case, tmp_path / "a")
    case.qoi["mass"] = float("nan")
    with pytest.raises(FormatError, match="case a holds a number that is not finite"):
        write_case(case, tmp_path / "b")
    case.qoi["mass"], case.design = 1.0, Design(tmp_path / "lost.stl")
    with pytest.raises(FormatError, match=r"lost\.stl: there is no such file; the case's design names it"):
        write_case(case, tmp_path / "b")
    case.design, case.provenance = Design(), Provenance(extra={"run": object()})
    with pytest.raises(FormatError, match="or what JSON cannot hold"):
        write_case(case, tmp_path / "b")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]
