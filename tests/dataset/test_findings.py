"""What is found in cases reaches the person: in `inspect` and in `ingest` alike, once, and with all names."""

from __future__ import annotations

import io
import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvista as pv
from rich.console import Console
from typer.testing import CliRunner

from helpers.ellipsoids import ellipsoid, write_family
from helpers.formats.fluent_files import write_duct
from helpers.formats.lammps_files import LEANING
from tramontane.cli import app
from tramontane.contract import Contract
from tramontane.dataset.audit import report
from tramontane.dataset.audit.facts import examine
from tramontane.dataset.audit.report import inspect_path, print_report
from tramontane.dataset.ingest import run
from tramontane.dataset.ingest.run import RECORD, infer_contract, ingest
from tramontane.dataset.ingest.staging import case_geometry
from tramontane.errors import FormatError
from tramontane.formats.assemble import assemble
from tramontane.formats.collection import open_collection
from tramontane.formats.folder import read_case, read_results, write_case
from tramontane.formats.readers import known_formats
from tramontane.formats.results import CaseSource, Collection, Results


def wide() -> tuple[Console, io.StringIO]:
    page = io.StringIO()
    return Console(file=page, width=1000), page


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    return write_family(tmp_path / "cases", 8)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each case was read from its files."""
    counter: Counter[str] = Counter()

    def counted(source: CaseSource) -> CaseSource:
        def read() -> Results:
            counter[source.name] += 1
            return source.read()

        return replace(source, read=read)

    def open_counted(*args: Any, **options: Any) -> Collection:
        collection = open_collection(*args, **options)
        return replace(collection, sources=[counted(source) for source in collection.sources])

    for module in (report, run):
        monkeypatch.setattr(module, "open_collection", open_counted)
    return counter


def edit(case: Path, **parameters: str | None) -> None:
    """Change, add or (None) remove parameters of a case."""
    document = json.loads((case / "case.json").read_text())
    for name, value in parameters.items():
        if value is None:
            del document["parameters"][name]
        else:
            document["parameters"][name] = value
    (case / "case.json").write_text(json.dumps(document))


def test_a_parameter_that_few_cases_have_is_left_out_and_the_cases_stay(cases: Path, tmp_path: Path) -> None:
    for name in ("002", "003"):
        edit(cases / name, humidity="0.4")
    edit(cases / "005", load=None)
    console, page = wide()
    dataset = ingest(cases, tmp_path / "out", test=1, validation=1, console=console)
    assert dataset.names == ["000", "001", "002", "003", "004", "006", "007"]
    assert "humidity" not in dataset.contract.parameters
    assert "load" in dataset.contract.parameters
    assert dataset.verify() == []
    for name in dataset.names:  # what the contract does not name would be an error in a prediction
        assert set(dataset.contract.values(dataset.case(name).design)) == set(dataset.contract.parameters)
    output = page.getvalue()
    assert "left out: case 005 (case.json): parameter load is missing; 7 other cases have it" in output
    for name in ("002", "003"):
        sentence = f"case {name} (case.json): parameter humidity is in 2 of 8 cases only; it is left out; add it to all"
        assert sentence in output
        assert sentence in json.loads((tmp_path / "out" / RECORD).read_text())["warnings"]
    assert "humidity" not in infer_contract(cases).parameters


def test_ingest_names_every_field_that_is_not_finite_as_inspect_does(cases: Path, tmp_path: Path) -> None:
    for domain, field, place in (("surface.vtp", "pressure", 3), ("volume.vtu", "displacement", 5)):
        mesh = pv.read(cases / "004" / domain)
        mesh.point_data[field][place] = np.nan
        mesh.save(cases / "004" / domain)
    console, page = wide()
    print_report(inspect_path(cases), console)
    ingest(cases, tmp_path / "out", test=1, validation=1, console=console)
    (left_out,) = json.loads((tmp_path / "out" / RECORD).read_text())["left_out"].values()
    for text in (page.getvalue().partition("left out:")[0], page.getvalue().partition("left out:")[2], left_out):
        assert "field surface/pressure is NaN or infinite at 1 of" in text
        assert "field volume/displacement is NaN or infinite at 1 of" in text


def test_copies_are_said_by_both(cases: Path, tmp_path: Path) -> None:
    shutil.rmtree(cases / "006")
    shutil.copytree(cases / "002", cases / "006")
    console, page = wide()
    print_report(inspect_path(cases), console)
    sentence = "case 006: has the same mesh files as case 002; leave one of them out"
    assert page.getvalue().count(sentence) == 1
    ingest(cases, tmp_path / "out", test=1, validation=1, console=console)
    assert page.getvalue().count(sentence) == 2


def test_half_models_without_a_geometry_are_said_once(tmp_path: Path) -> None:
    for index in range(5):
        case = ellipsoid(f"{index}", (1.0 - 0.05 * index, 0.8, 0.6), 100.0 + 10 * index)
        half = case.meshes["surface"].clip("y", origin=(0, 0, 0))
        case.meshes["surface"] = pv.PolyData(half.points, half.faces).clean()
        case.meshes["surface"].point_data["pressure"] = np.asarray(case.meshes["surface"].points[:, 0], np.float64)
        case.design.geometry = None
        write_case(case, tmp_path / "cases" / f"{index}")
    console, page = wide()
    print_report(inspect_path(tmp_path / "cases"), console)
    output = page.getvalue()
    assert output.count("domain surface stands for the geometry and is open") == 1
    assert "in 5 of 5 cases, domain surface stands for the geometry" in output
    assert "open edges" not in output


def test_a_readers_warnings_are_printed(tmp_path: Path) -> None:
    (tmp_path / "box.lammpstrj").write_text(LEANING.format(bounds="0 3.5 -1\n1 6 0.5\n1 4 1"))
    console, page = wide()
    print_report(inspect_path(tmp_path / "box.lammpstrj"), console)
    assert "box.lammpstrj: does not say its units (dump_modify units yes); name them in a contract" in page.getvalue()


def test_a_file_that_is_not_read_is_told_which_are(tmp_path: Path) -> None:
    (tmp_path / "notes.docx").write_text("x")
    (tmp_path / "table.dat").write_text("no Tecplot file")
    with pytest.raises(
        FormatError, match=r"notes\.docx: \.docx is not read as results; convert it to one of \.vtp"
    ) as error:
        open_collection(tmp_path / "notes.docx")
    assert all(suffix in str(error.value) for suffix in known_formats())
    with pytest.raises(
        FormatError, match=r"table\.dat: does not look like results in any format with the suffix \.dat"
    ):
        open_collection(tmp_path / "table.dat")
    with pytest.raises(FormatError, match="nothing: does not exist; check the path"):
        open_collection(tmp_path / "nothing")


def test_a_case_is_called_by_its_file_without_all_of_the_suffix(tmp_path: Path) -> None:
    file = write_duct(tmp_path)
    pv.Cube().triangulate().save(tmp_path / "duct.stl")
    (source,) = open_collection(file).sources
    assert source.name == "duct"
    assert source.read().geometry == tmp_path / "duct.stl"
    (tmp_path / "table.csv").write_text("case,speed [m/s]\nduct,3\nother,4\n")
    (tmp_path / "duct.stl").unlink()
    for suffix in (".cas.h5", ".dat.h5"):
        shutil.copy(tmp_path / f"duct{suffix}", tmp_path / f"other{suffix}")
    collection = open_collection(tmp_path)
    assert [source.name for source in collection.sources] == ["duct", "other"]
    assert collection.table["other"]["speed"].value == 4


# -- the unit of a geometry ------------------------------------------------------------------------------------------


def cube(size: float) -> pv.PolyData:
    mesh = pv.Cube(x_length=size, y_length=size, z_length=size).triangulate()
    mesh.clear_data()
    return mesh


@pytest.mark.parametrize("stated", [True, False])
def test_a_mesh_that_is_the_geometry_is_scaled_like_the_others(tmp_path: Path, stated: bool) -> None:
    results = Results(meshes={"surface": cube(200)}, geometry=cube(200), length_unit="mm" if stated else None)
    case = assemble("a", tmp_path, results, length_unit="m" if stated else "mm")
    assert case.meshes["surface"].bounds == pytest.approx([-0.1, 0.1] * 3)
    assert isinstance(case.design.geometry, pv.PolyData)
    assert case.design.geometry.bounds == pytest.approx([-0.1, 0.1] * 3)
    assert examine(case).problems == ()
    assert results.geometry.bounds[1] == pytest.approx(100)  # the reader's own is not changed


def test_a_geometry_file_is_in_the_unit_of_the_results_beside_it(tmp_path: Path) -> None:
    cube(200).save(tmp_path / "part.stl")
    results = Results(meshes={"surface": cube(200)}, geometry=tmp_path / "part.stl", length_unit="mm")
    case = assemble("a", tmp_path, results)
    assert case.provenance.extra == {"geometry_unit": "mm"}
    shape = case_geometry(case)
    assert shape is not None
    assert shape.volume == pytest.approx(0.2**3)
    assert examine(case).problems == ()
    # Written and read again, it says so itself.
    write_case(case, tmp_path / "out")
    again = read_case(tmp_path / "out")
    assert case_geometry(again).volume == pytest.approx(0.2**3)  # type: ignore[union-attr]
    assert examine(again).problems == ()


def test_a_contract_says_the_unit_of_geometry_files_unless_the_case_does(tmp_path: Path) -> None:
    cube(200).save(tmp_path / "part.stl")
    contract = Contract(length_unit="mm")
    results = Results(geometry=tmp_path / "part.stl", length_unit="m")
    case = assemble("a", tmp_path, results, contract=contract)
    assert case.provenance.extra == {}
    assert case_geometry(case, "mm").volume == pytest.approx(0.2**3)  # type: ignore[union-attr]
    results.extra["geometry_unit"] = "cm"
    case = assemble("a", tmp_path, results, contract=contract)
    assert case_geometry(case, "mm").volume == pytest.approx(2.0**3)  # type: ignore[union-attr]


@pytest.mark.parametrize("unit", ["kg", "furlongs per pint", 3])
def test_a_unit_of_the_geometry_that_is_none(tmp_path: Path, unit: object) -> None:
    cube(200).save(tmp_path / "part.stl")
    (tmp_path / "case.json").write_text(json.dumps({"geometry_unit": unit}))
    with pytest.raises(FormatError, match=r"case\.json: geometry_unit"):
        assemble("a", tmp_path, read_results(tmp_path))


def test_the_contract_that_is_inferred_says_the_unit_of_the_geometry_files(tmp_path: Path) -> None:
    for index in range(3):
        folder = tmp_path / "cases" / f"{index}"
        folder.mkdir(parents=True)
        cube(200 + index).save(folder / "part.stl")
        (folder / "case.json").write_text(
            json.dumps({"geometry_unit": "mm", "qoi": {"drag": "3 N"}, "parameters": {"speed": f"{index + 1} m/s"}})
        )
    assert infer_contract(tmp_path / "cases").length_unit == "mm"


def test_a_contract_is_written_of_what_inspect_has_read(cases: Path, tmp_path: Path, reads: Counter[str]) -> None:
    (cases / "003" / "surface.vtp").write_text("no mesh")
    expected = infer_contract(cases)
    reads.clear()
    written = tmp_path / "c.toml"
    result = CliRunner().invoke(app, ["inspect", str(cases), "--write-contract", str(written)], env={"COLUMNS": "300"})
    assert result.exit_code == 0, result.output
    assert reads == {f"{number:03d}": 1 for number in range(8)}
    assert Contract.from_toml(written) == expected
    assert "left out" in result.output
    assert "003" in result.output.partition("left out")[2]

    # A contract in the folder names fields and cases otherwise: what is written is of the cases without it.
    expected.to_toml(cases / "contract.toml")
    result = CliRunner().invoke(app, ["inspect", str(cases), "--write-contract", str(written)])
    assert result.exit_code == 0, result.output
    assert Contract.from_toml(written) == expected
