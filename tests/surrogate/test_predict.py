"""Predictions for what is at hand: a case's results, a case of a dataset, a table of designs."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import pyvista as pv

from helpers.beam_tables import write_beams
from helpers.ellipsoids import ellipsoid
from tramontane.contract import Contract
from tramontane.dataset import Dataset
from tramontane.dataset.ingest.run import ingest
from tramontane.design import Design
from tramontane.surrogate import Surrogate
from tramontane.surrogate.fit import fit
from tramontane.surrogate.places import default_mesh

Run = Callable[..., str]


def answers(output: str) -> dict[str, float]:
    """QoIs that a prediction printed, in the units that it printed."""
    pairs = re.findall(r"^(\w+) = ([-+.\de]+)", output, re.M)
    return {name: float(value) for name, value in pairs}


@pytest.fixture(scope="module")
def shapes(kriging: Surrogate, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the family by kriging."""
    path = tmp_path_factory.mktemp("models") / "kriging"
    kriging.save(path)
    return path


# -- results -----------------------------------------------------------------------------------------------------------


def test_a_case_is_a_design_and_set_changes_its_parameter(
    run: Run, shapes: Path, family: Path, dataset: Dataset
) -> None:
    name = dataset.splits["test"][0]
    case, load = family / name, dataset.parameters(name)["load"]
    output = run("predict", shapes, case, "--cells", 500)
    assert f"{name}: load = {load:.6g} N" in output
    assert f"{name}: load = 250 N" in run("predict", shapes, case, "--set", "load=250", "--cells", 500)
    for option in ("--mesh", "--on"):  # what it was called before
        assert f"{case}: is a folder; name a mesh file in it" in run("predict", shapes, case, option, case, code=2)
    itself = answers(output)
    assert itself["charge"] == pytest.approx(dataset.qoi(name)["charge"], rel=0.05)
    assert answers(run("predict", shapes, case, "--set", f"load={load} N", "--cells", 500)) == itself
    # Linear in the load, whose unit may be another.
    doubled = answers(run("predict", shapes, case, "--set", f"load={2 * load / 1000}kN", "--cells", 500))
    assert doubled["charge"] == pytest.approx(2 * itself["charge"], rel=0.02)
    assert doubled["mass"] == pytest.approx(itself["mass"])
    # The same of the folder, of a file of the case, and of the dataset.
    assert answers(run("predict", shapes, family, "--case", name, "--cells", 500)) == itself
    stored = answers(run("predict", shapes, dataset.path, "--case", name, "--cells", 500))
    assert stored == pytest.approx(itself, rel=1e-3)


def test_a_case_without_a_geometry_file_has_its_surface(run: Run, shapes: Path, tmp_path: Path) -> None:
    body = ellipsoid("body", (0.8, 0.7, 0.6), 300.0)
    (tmp_path / "new").mkdir()
    body.meshes["surface"].save(tmp_path / "new" / "surface.vtp")
    output = run("predict", shapes, tmp_path / "new", "--set", "load=300N", "--cells", 500)
    assert answers(output)["mass"] == pytest.approx(body.qoi["mass"], rel=1e-3)
    assert "'load' is missing" in run("predict", shapes, tmp_path / "new", code=2)


def test_open_walls_are_warned_of_where_the_training_cases_were_closed(run: Run, shapes: Path, tmp_path: Path) -> None:
    def wall(scale: float) -> pv.PolyData:
        body = ellipsoid("body", (0.8 * scale, 0.7, 0.6), 1.0).meshes["surface"]
        return body.extract_cells(range(4, body.n_cells)).extract_surface(algorithm="dataset_surface")

    (tmp_path / "new").mkdir()
    wall(1.0).save(tmp_path / "new" / "surface.vtp")
    output = run("predict", shapes, tmp_path / "new", "--set", "load=300N", "--cells", 500)
    assert "the surface has holes" in output
    lines = ["wall,load [N],qoi:drag [N]"]
    for number in range(8):
        wall(1 + 0.05 * number).save(tmp_path / f"{number}.vtp")
        lines.append(f"{number}.vtp,{100 + 7 * number},{number + 3}")
    (tmp_path / "walls.csv").write_text("\n".join(lines))
    run("train", tmp_path / "walls.csv", "-o", tmp_path / "model")
    output = run("predict", tmp_path / "model", tmp_path / "new", "--set", "load=110N")
    assert "holes" not in output
    assert "drag = " in output


def test_which_case_is_meant_is_asked(run: Run, shapes: Path, family: Path, dataset: Dataset, tmp_path: Path) -> None:
    for source in (family, dataset.path):
        output = run("predict", shapes, source, code=2)
        assert re.search(r"holds 16 cases \(\d+, .* and 10 more\); choose one with --case", output)
        assert re.search(r"has no case x; it has \d+", run("predict", shapes, source, "--case", "x", code=2))
    assert f"{tmp_path / 'none'}: does not exist" in run("predict", shapes, tmp_path / "none", code=2)
    assert "or the results of a case" in run("predict", shapes, "--set", "load=1N", code=2)
    assert "name the dataset or folder" in run("predict", shapes, "--case", "003", code=2)
    ellipsoid("a", (1, 1, 1), 1.0).meshes["surface"].save(tmp_path / "a.stl")
    assert "is a geometry, and holds no case 3" in run("predict", shapes, tmp_path / "a.stl", "--case", "3", code=2)


def test_lengths_are_in_the_unit_that_the_model_learned(run: Run, tmp_path: Path) -> None:
    # A deck states no unit: the contract said millimetres in training, and nothing is said beside the new case.
    for number, (load, width) in enumerate(np.random.default_rng(0).uniform((100, 0.5), (500, 1), (8, 2)).tolist()):
        folder = tmp_path / "runs" / f"{number}"
        folder.mkdir(parents=True)
        pv.Cube(x_length=1000 * width, y_length=900, z_length=800).triangulate().save(folder / "surface.stl")
        (folder / "case.json").write_text(
            f'{{"parameters": {{"load": {load}}}, "qoi": {{"mass": {{"value": {width}, "unit": "kg"}}}}}}'
        )
    (tmp_path / "contract.toml").write_text(
        'length_unit = "mm"\n[parameters.load]\nunit = "N"\nlow = 100\nhigh = 500\n[qoi.mass]\nunit = "kg"\n'
    )
    run("ingest", tmp_path / "runs", "-o", tmp_path / "store", "--contract", tmp_path / "contract.toml", "--test", 1,
        "--validation", 0)  # fmt: skip
    run("train", tmp_path / "store", "-o", tmp_path / "model")
    output = run("predict", tmp_path / "model", tmp_path / "runs" / "3")
    assert "Warning" not in output
    assert Surrogate.load(tmp_path / "model").contract.length_unit == "mm"


def test_a_large_body_gets_no_more_cells_than_a_small_one() -> None:
    sizes = []
    for scale in (1.0, 60.0):
        body = ellipsoid("body", (0.8, 0.7, 0.6), 1.0).meshes["surface"].scale(scale)
        sizes.append(default_mesh(body, Contract(), "surface", template=np.zeros((1, 3)), cells=2000).n_cells)
    assert sizes[0] == sizes[1]
    assert 1000 < sizes[0] < 8000


# -- tables ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def beams(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of deflections from parameters alone."""
    root = tmp_path_factory.mktemp("beams")
    fit(ingest(write_beams(root / "beams.csv"), root / "store", test=5, validation=0)).save(root / "model")
    return root / "model"


def read(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t" if file.suffix == ".tsv" else ","))


def test_a_table_of_designs_is_answered_line_by_line(run: Run, beams: Path, tmp_path: Path) -> None:
    table = tmp_path / "designs.csv"
    table.write_text(
        "beam;note;length [m];inertia [cm^4];force [N];deflection [mm]\n"
        "a;first;1,0;5;200;9\nb;;0,8;4;300;9\nfar;too long;4,0;5;200;9\nbad;;;5;200;9\n"
    )
    output = run("predict", beams, table, "--set", "modulus=150GPa", "-o", tmp_path / "out" / "answers.csv")
    rows = read(tmp_path / "out" / "answers.csv")
    assert [row["beam"] for row in rows] == ["a", "b", "far", "bad"]
    assert [row["note"] for row in rows] == ["first", "", "too long", ""]
    for row, (length, inertia, force) in zip(rows, [(1, 5, 200), (0.8, 4, 300)], strict=False):
        low, value, high = (float(row[f"predicted deflection{end} [mm]"]) for end in (" low", "", " high"))
        assert value == pytest.approx(1e3 * force * length**3 / (3 * 150e9 * inertia * 1e-8), rel=1e-3)
        assert low <= value <= high
    assert [row["verdict"] for row in rows] == ["inside", "inside", "outside", "failed"]
    assert "length = 4000 mm lies outside" in rows[2]["remarks"]
    assert "line 5, column 'length [m]': is empty" in rows[3]["remarks"]
    assert rows[3]["predicted deflection [mm]"] == ""
    assert "4 designs: 2 inside, 0 edge, 1 outside, 1 failed" in output
    # An answer can be asked again, and is written as its suffix says; its own columns are replaced.
    again = tmp_path / "again.tsv"
    run("predict", beams, tmp_path / "out" / "answers.csv", "--set", "modulus=150GPa", "-o", again)
    assert [row | {"remarks": ""} for row in read(again)] == [row | {"remarks": ""} for row in rows]
    # So it is where other processes predict.
    run("predict", beams, table, "--set", "modulus=150GPa", "-o", tmp_path / "far.csv", "--on", "local?cores=1")
    assert read(tmp_path / "far.csv") == rows
    assert not list(tmp_path.glob(".*"))


def test_a_table_of_parquet(run: Run, beams: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {"length [m]": [1.0, 0.8], "inertia [cm^4]": [5.0, 4.0], "force [N]": [200.0, 300.0],
               "modulus [GPa]": [150.0, 100.0], "who": ["Anna", None]}  # fmt: skip
    pq.write_table(pa.table(columns), tmp_path / "designs.parquet")
    run("predict", beams, tmp_path / "designs.parquet", "-o", tmp_path / "answers.parquet")
    table_read = pq.read_table(tmp_path / "answers.parquet").to_pydict()
    assert table_read["force [N]"] == [200.0, 300.0]
    expected = [
        1e3 * f * x**3 / (3 * e * 1e9 * i * 1e-8) for x, i, f, e in zip(*list(columns.values())[:4], strict=True)
    ]
    assert table_read["predicted deflection [mm]"] == pytest.approx(expected, rel=1e-3)
    assert table_read["verdict"] == ["inside", "inside"]


def test_a_table_names_geometry_files(run: Run, shapes: Path, tmp_path: Path) -> None:
    sizes = [(0.8, 0.7, 0.6), (0.9, 0.6, 0.7), (0.8, 0.7, 3.0)]
    for number, axes in enumerate(sizes):
        body = ellipsoid("body", axes, 1.0).meshes["surface"]
        body.points *= 1000
        body.save(tmp_path / f"{number}.stl")
    table = tmp_path / "designs.csv"
    table.write_text(
        "part,stl [mm],load\nslow,0.stl,150\nfast,0.stl,300\nother,1.stl,300\nhigh,2.stl,300\nno,9.stl,1\n"
    )
    output = run("predict", shapes, table, "--cells", 500, "-o", tmp_path / "answers.csv")
    rows = {row["part"]: row for row in read(tmp_path / "answers.csv")}
    surrogate = Surrogate.load(shapes)
    for name, axes, load in (("slow", sizes[0], 150), ("fast", sizes[0], 300), ("other", sizes[1], 300)):
        shown = {qoi: spec.shown for qoi, spec in surrogate.contract.qoi.items()}
        alone = surrogate.simulate(Design(ellipsoid("x", axes, 1.0).meshes["surface"], load=f"{load} N"), cells=500)
        answers_of = {qoi: float(rows[name][f"predicted {qoi} [{unit}]"]) for qoi, unit in shown.items()}
        assert answers_of == pytest.approx(alone.qoi, rel=1e-3)
        interval = alone.qoi_intervals["charge"]
        assert interval.low < alone.qoi["charge"] < interval.high
        assert float(rows[name]["predicted charge high [N*m]"]) == pytest.approx(interval.high)
        assert float(rows[name]["predicted charge low [N*m]"]) == pytest.approx(interval.low)
        assert rows[name]["verdict"] == "inside"
    assert rows["high"]["verdict"] == "outside"
    assert "m long in z" in rows["high"]["remarks"]
    assert "there is no file" in rows["no"]["remarks"]
    assert "5 designs: 3 inside, 0 edge, 1 outside, 1 failed" in output
    # One line of it as a design of its own.
    one = answers(run("predict", shapes, table, "--case", "fast", "--cells", 500))
    assert one["charge"] == pytest.approx(float(rows["fast"]["predicted charge [N*m]"]), rel=1e-3)


def test_a_table_that_cannot_be_answered(run: Run, beams: Path, shapes: Path, tmp_path: Path) -> None:
    table = tmp_path / "designs.csv"
    table.write_text("length [m],force [N]\n1,200\n2,300\n")
    assert "none of its 2 designs can be predicted; the first: parameter 'modulus' is missing" in run(
        "predict", beams, table, code=2
    )
    assert "has no column of geometry files" in run("predict", shapes, table, code=2)
    both = ("--set", "modulus=70GPa", "--set", "inertia=3cm^4")
    assert "a table is written as one of .csv" in run("predict", beams, table, *both, "-o", tmp_path / "x.vtu", code=2)
    assert "a table is answered with a table" in run("predict", beams, table, *both, "--json", "x.json", code=2)
