"""The package as a whole: what it exports, what an import costs, what a notebook shows of its objects."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import pyvista as pv
from typer.testing import CliRunner

import tramontane
from helpers.ellipsoids import ellipsoid
from tramontane.case import Case
from tramontane.cli import app
from tramontane.contract import Contract
from tramontane.dataset import Dataset
from tramontane.design import Design
from tramontane.errors import DatasetError, FormatError, TramontaneError
from tramontane.evaluation.report import FieldFigures, QoiFigures, Report

OPTIONAL = ("httpx", "fastapi", "uvicorn", "sqlalchemy", "nicegui", "pyarrow", "h5py", "s3fs", "ngsolve", "netgen",
            "pandas", "prometheus_client", "jwt", "pg8000", "ansys")  # fmt: skip


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_exported_names() -> None:
    assert sorted(tramontane.__all__) == [
        "Case", "Contract", "Dataset", "Design", "Hybrid", "Report", "Simulator", "Surrogate", "TramontaneError",
        "check_with", "connect", "cross_validate", "evaluate", "fit", "ingest", "predict_table",
    ]  # fmt: skip
    assert all(getattr(tramontane, name).__name__ == name for name in tramontane.__all__)
    assert all(getattr(tramontane, name).__doc__ for name in tramontane.__all__)


def test_import_loads_nothing_heavy() -> None:
    code = "import sys, json, tramontane; print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    loaded = set(json.loads(run(code)))
    assert "tramontane" in loaded
    assert not loaded & {"torch", "vtk", "vtkmodules", "pyvista", "zarr", "scipy", "numpy", "pydantic", "ngsolve"}


def test_a_saved_surrogate_is_asked_without_what_only_fitting_needs() -> None:
    code = "import sys, tramontane.surrogate; print(tramontane.surrogate.Surrogate); print('sklearn' in sys.modules)"
    assert run(code).splitlines()[-1] == "False"


def test_a_server_starts_without_what_only_fitting_and_rare_formats_need() -> None:
    code = "import sys, tramontane.http.run, tramontane.page.mount; print(sorted(sys.modules))"
    assert not {"trimesh", "networkx", "scipy.stats", "scipy.optimize", "sklearn"} & set(ast.literal_eval(run(code)))


def test_the_version_is_told() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.output) == (0, f"tramontane {tramontane.__version__}\n")


def test_help_needs_nothing_that_is_optional() -> None:
    block = f"import sys\nfor name in {OPTIONAL}: sys.modules[name] = None\n"
    text = run(block + "import pydoc, tramontane; print(pydoc.render_doc(tramontane, renderer=pydoc.plaintext))")
    assert all(f"{name}" in text for name in tramontane.__all__)
    code = (
        "import tramontane\ntry: tramontane.connect('http://127.0.0.1:1')\n"
        "except tramontane.TramontaneError as error: print(error)"
    )
    assert "asking a server needs httpx" in run(block + code)


# --- what is seen of an object


@pytest.fixture
def two_ellipsoids(tmp_path: Path) -> Dataset:
    from tramontane.dataset.ingest.run import ingest
    from tramontane.formats import write_case

    for index in range(4):
        write_case(ellipsoid(f"{index}", (1.0, 0.8 - 0.1 * index, 0.6), 10.0 + index), tmp_path / "r" / f"{index}")
    return ingest(tmp_path / "r", tmp_path / "d", test=1, validation=0)


def test_objects_say_what_they_are(two_ellipsoids: Dataset) -> None:
    case = two_ellipsoids.case("0")
    assert repr(case).startswith("<Case 0: Design(surface of ")
    for domain in case.meshes:
        assert f"  {domain}: {case.meshes[domain].n_points} points" in repr(case)
    assert all(f"{name} = " in repr(case) for name in case.qoi)
    assert repr(Design("part.stl", load="500 N")) == "Design(part.stl, load=500 N)"
    assert repr(Design(load="500 N")) == "Design(load=500 N)"
    text = repr(two_ellipsoids)
    assert text.startswith(f"<Dataset {two_ellipsoids.path}: 4 cases (")
    assert "1 test" in text
    contract = two_ellipsoids.contract
    assert repr(contract) == str(contract)
    assert all(name in repr(contract) for name in [*contract.parameters, *contract.qoi])
    assert max(len(repr(each).splitlines()) for each in (case, two_ellipsoids, contract)) < 8
    assert repr(Contract()) == "<Contract cases>\n  inputs: the geometry alone"


def test_a_dataset_is_a_mapping_of_cases(two_ellipsoids: Dataset, tmp_path: Path) -> None:
    assert len(two_ellipsoids) == 4
    assert list(two_ellipsoids) == two_ellipsoids.names
    assert "0" in two_ellipsoids
    assert "9" not in two_ellipsoids
    assert two_ellipsoids["2"].qoi == two_ellipsoids.qoi("2")
    with pytest.raises(DatasetError, match="9"):
        two_ellipsoids["9"]
    empty = Dataset.create(tmp_path / "empty", Contract())
    assert len(empty) == 0
    assert empty  # it is there, empty or not


def report() -> Report:
    field = FieldFigures(unit="Pa", relative_l2=0.03, median=0.02, worst=0.05, worst_case="b", mean_absolute=1.0,
                         baselines={"mean": 0.4, "nearest": 0.2}, each=[0.01, 0.05])  # fmt: skip
    qoi = QoiFigures(unit="N", how="regressed", relative=0.02, mean_of_cases=0.02, mean_absolute=0.1, r2=0.99,
                     baselines={"mean": 0.3}, baselines_r2={"mean": 0.0},
                     predicted=[1.0, 2.0], true=[1.1, 2.0])  # fmt: skip
    return Report(model="kriging", data="x", split="test", cases=["a", "b"], training_cases=8, seconds_per_case=0.1,
                  fields={"surface/pressure": field}, qoi={"drag": qoi})  # fmt: skip


def test_a_report_says_its_figures() -> None:
    assert repr(report()).splitlines() == [
        "<Report kriging: 2 cases of split test>",
        "  surface/pressure: 3 % relative L2 (best baseline 20 %)",
        "  drag: 2 % (best baseline 30 %)",
    ]


# --- pandas


def test_without_pandas_the_error_says_what_to_do(two_ellipsoids: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    for ask in (two_ellipsoids.to_pandas, report().to_pandas):
        with pytest.raises(TramontaneError, match=r"to_pandas needs pandas .* pip install pandas"):
            ask()


def test_a_dataset_becomes_a_frame(two_ellipsoids: Dataset) -> None:
    pytest.importorskip("pandas")
    frame = two_ellipsoids.to_pandas()
    assert list(frame.index) == two_ellipsoids.names
    assert frame.index.name == "case"
    for name in two_ellipsoids:
        for key, value in (two_ellipsoids.parameters(name) | two_ellipsoids.qoi(name)).items():
            assert frame.loc[name, key] == value
    assert set(frame.attrs["units"]) == set(frame.columns)
    for key, spec in two_ellipsoids.contract.qoi.items():
        assert frame.attrs["units"][key] == spec.unit
    assert list(two_ellipsoids.to_pandas("test").index) == two_ellipsoids.splits["test"]
    with pytest.raises(DatasetError, match="has no split 'other'"):
        two_ellipsoids.to_pandas("other")


def test_a_report_of_the_first_version_is_read() -> None:
    now = report()
    then = now.model_dump_json().replace("baselines", "nulls")
    assert type(now).model_validate_json(then) == now


def test_a_report_becomes_a_frame() -> None:
    pytest.importorskip("pandas")
    frame = report().to_pandas()
    assert frame.loc["surface/pressure", "relative_error"] == 0.03
    assert frame.loc["drag", "r2"] == 0.99
    assert frame.loc["drag", "baseline mean"] == 0.3
    each = report().to_pandas(by_case=True)
    assert list(each.index) == ["a", "b"]
    assert list(each["drag predicted"]) == [1.0, 2.0]
    assert list(each["surface/pressure"]) == [0.01, 0.05]
    assert each.attrs["units"]["drag true"] == "N"


# --- cases as files


@pytest.mark.parametrize("name", ["folder", "case.vtm"])
def test_a_case_is_saved_and_read_back(name: str, two_ellipsoids: Dataset, tmp_path: Path) -> None:
    case = two_ellipsoids.case("1")
    written = case.save(tmp_path / name)
    assert all(file.is_file() for file in written)
    again = Case.read(tmp_path / name)
    assert again.qoi == case.qoi
    assert again.qoi_units == case.qoi_units
    assert again.design.parameters.keys() == case.design.parameters.keys()
    assert again.meshes.keys() == case.meshes.keys()
    for domain, mesh in case.meshes.items():
        np.testing.assert_array_equal(again.meshes[domain].points, mesh.points)
        for field in case.field_names(domain):
            np.testing.assert_array_equal(again.field_values(domain, field), case.field_values(domain, field))
            assert again.field_units[field] == case.field_units[field]
    assert pv.read(tmp_path / "folder/surface.vtp" if name == "folder" else tmp_path / name).bounds
    with pytest.raises(FormatError, match="exists"):
        case.save(tmp_path / name)
    with pytest.raises(FormatError, match="no such file or folder"):
        Case.read(tmp_path / "nothing")


def test_one_mesh_is_a_file(tmp_path: Path) -> None:
    surface = pv.Sphere()
    surface.cell_data["pressure"] = np.arange(surface.n_cells, dtype=float)
    case = Case("ball", Design(speed="3 m/s"), {"surface": surface}, {"drag": 2.0}, {"pressure": "Pa"}, {"drag": "N"})
    assert [file.name for file in case.save(tmp_path / "ball.vtp")] == ["ball.vtp", "ball.json"]
    again = Case.read(tmp_path / "ball.vtp")
    assert again.qoi == {"drag": 2.0}
    assert again.design.parameters["speed"] == (3.0, "m/s")
    np.testing.assert_array_equal(again.field_values("surface", "pressure"), surface.cell_data["pressure"])
    case.meshes["volume"] = pv.ImageData(dimensions=(2, 2, 2)).cast_to_unstructured_grid()
    with pytest.raises(FormatError, match=r"\.vtu holds one mesh, case ball has surface, volume; save it as \.vtm"):
        case.save(tmp_path / "other.vtu")
