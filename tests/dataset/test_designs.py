"""A table that is the whole data set: what its columns are, and what is said of a table that is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvista as pv

from tramontane.contract import Contract
from tramontane.dataset import Dataset
from tramontane.dataset.audit.report import inspect_path
from tramontane.dataset.ingest.run import infer_contract, ingest
from tramontane.errors import DatasetError, FormatError, TramontaneError
from tramontane.formats.collection import open_collection
from tramontane.units import Quantity

BEAMS = """beam,force [N],length [mm],set,deflection [mm]
a,100,1000,train,1.5
b,200,1000,train,3
c,300,1200,test,7.8
d,150,900,val,1.6
"""


def write(folder: Path, text: str, name: str = "designs.csv") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def bodies(folder: Path, count: int = 8) -> Path:
    """Boxes as STL in millimetres, and a table beside their folder."""
    (folder / "shapes").mkdir(parents=True)
    lines = ["stl [mm];speed [km/h];drag [N];note"]
    for number in range(count):
        side = 100.0 * (number % (count - 1) + 1)
        pv.Cube(x_length=side, y_length=50, z_length=20).triangulate().save(folder / "shapes" / f"box{number}.stl")
        lines.append(f"shapes/box{number}.stl;{36 * (1 + number % (count - 1))};{side / 8:.1f};none".replace(".", ","))
    text = "\n".join(lines).replace(",stl", ".stl")
    return write(folder, text)


def test_each_column_finds_its_place(tmp_path: Path) -> None:
    dataset = ingest(write(tmp_path, BEAMS), tmp_path / "out")
    assert dataset.names == ["a", "b", "c", "d"]
    assert dataset.splits == {"train": ["a", "b"], "validation": ["d"], "test": ["c"]}
    assert dataset.parameters("c") == {"force": 300.0, "length": pytest.approx(1.2)}
    assert dataset.qoi("c") == {"deflection": pytest.approx(7.8e-3)}
    contract = dataset.contract
    assert contract.fields == {}
    assert {name: spec.role for name, spec in contract.parameters.items()} == dict.fromkeys(
        ("force", "length"), "operating"
    )  # there is no geometry that would say a length
    assert contract.qoi["deflection"].unit == "m"
    assert dataset.verify() == []
    assert dataset.statistics() == {}
    assert not dataset.has_geometry("a")
    assert dataset.case("a").meshes == {}


def test_geometry_files_beside_the_table(tmp_path: Path) -> None:
    table = bodies(tmp_path / "set")
    collection = open_collection(tmp_path / "set")  # the folder that holds it is the same
    assert collection.layout == "table"
    assert [source.name for source in collection.sources][:2] == ["box0", "box1"]
    assert collection.table["box1"] == {"speed": Quantity(72.0, "km/h"), "qoi.drag": Quantity(25.0, "N")}
    assert any("note" in sentence and "no numbers" in sentence for sentence in collection.notes)
    dataset = ingest(table, tmp_path / "out", test=3, validation=0)
    assert np.ptp(dataset.geometry("box1").points, axis=0) == pytest.approx([0.2, 0.05, 0.02])
    assert dataset.contract.length_unit == "mm"  # of files to come
    # The last is the first once more: the two are in one split.
    homes = [split for split, names in dataset.splits.items() if {"box0", "box7"} & set(names)]
    assert len(homes) == 1
    audit = inspect_path(tmp_path / "set").audit
    assert audit.duplicate_groups() == [["box0", "box7"]]
    assert "has the geometry and the parameters and the QoIs of case box0" in "".join(map(str, audit.problems))


def test_a_table_beside_results_is_not_the_data_set(tmp_path: Path) -> None:
    write(tmp_path, BEAMS)
    assert open_collection(tmp_path).layout == "table"
    (tmp_path / "a").mkdir()
    pv.Sphere().save(tmp_path / "a" / "surface.vtp")
    write(tmp_path, "case,speed,qoi:drag\na,1,2\n")
    assert open_collection(tmp_path).layout == "folder of cases"
    write(tmp_path, "case,shape,speed,qoi:drag\na,a/surface.vtp,1,2\n")
    assert open_collection(tmp_path).layout == "table"
    pv.Sphere().cast_to_unstructured_grid().save(tmp_path / "a" / "volume.vtu")
    write(tmp_path, "case,speed,qoi:drag\na,1,2\n")
    assert open_collection(tmp_path).layout == "folder of cases"
    flow = tmp_path / "flow"
    (flow / "system").mkdir(parents=True)
    (flow / "constant" / "polyMesh").mkdir(parents=True)
    (flow / "system" / "controlDict").write_text("application simpleFoam;")
    write(flow, BEAMS)
    assert open_collection(flow).layout == "case"


def test_parquet_is_read_as_csv_is(tmp_path: Path) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns: dict[str, Any] = {
        "name": ["a", "b"], "speed [m/s]": pa.array([1, 2]), "on": [True, False], "cd": pa.array([0.3, 0.1 + 0.2]),
    }  # fmt: skip
    pq.write_table(pa.table(columns), tmp_path / "designs.parquet")
    collection = open_collection(tmp_path / "designs.parquet")
    assert collection.table["b"] == {
        "speed": Quantity(2.0, "m/s"), "on": Quantity(0.0, None), "qoi.cd": Quantity(0.1 + 0.2, None),
    }  # fmt: skip
    whole = (tmp_path / "designs.parquet").read_bytes()
    for end in (0, 4, len(whole) // 2, len(whole) - 1):
        (tmp_path / "designs.parquet").write_bytes(whole[:end])
        with pytest.raises(FormatError, match=r"designs\.parquet: cannot be read as Parquet"):
            open_collection(tmp_path / "designs.parquet")


def test_what_is_missing_costs_its_case_and_is_named(tmp_path: Path) -> None:
    table = bodies(tmp_path / "set")
    lines = table.read_text().splitlines()
    lines[1] = lines[1].replace("box0", "gone")
    lines[2] = "shapes/box1.stl;72;;"
    lines[3] = "shapes/box2.stl;fast;1;"
    lines[4] = ";72;1;"
    lines[5] = "shapes/box4.stl;inf;1;"
    table.write_text("\n".join(lines))
    audit = inspect_path(table).audit
    reasons = "\n".join(audit.bad_cases().values())
    for words in (
        "line 2, column 'stl [mm]': there is no file",
        "line 3, column 'drag [N]': is empty",
        "line 4, column 'speed [km/h]': 'fast' is no number",
        "line 5, column 'stl [mm]': is empty",
        "line 6, column 'speed [km/h]': is inf; write a finite number",
    ):
        assert words in reasons
    assert len(audit.bad_cases()) == 5
    dataset = ingest(table, tmp_path / "out", test=1, validation=0)
    assert len(dataset.names) == 3
    with pytest.raises(DatasetError, match=r"designs\.csv: line 2.*and 4 more"):
        ingest(table, tmp_path / "strict", strict=True)
    # A contract that does not ask for a column does not mind what is missing in it.
    contract = dataset.contract.model_copy(update={"qoi": {}})
    speeds = ingest(table, tmp_path / "speeds", contract=contract, test=1, validation=0)
    assert len(speeds.names) == 4


def test_a_person_says_which_columns_are_results(tmp_path: Path) -> None:
    table = write(tmp_path, "a,b,tip\n1,2,3\n2,2,5\n3,4,7\n4,4,8\n")
    with pytest.raises(FormatError, match=r"not said by their names \(a, b, tip\).*\[parameters.tip\].*\[qoi.tip\]"):
        ingest(table, tmp_path / "out")
    infer_contract(table).to_toml(tmp_path / "contract.toml")
    text = (tmp_path / "contract.toml").read_text()
    (tmp_path / "contract.toml").write_text(text.replace("[parameters.tip]", "[qoi.tip]"))
    contract = Contract.from_toml(tmp_path / "contract.toml")
    dataset = ingest(table, tmp_path / "out", contract=contract)
    assert list(dataset.contract.parameters) == ["a", "b"]
    assert dataset.qoi("3") == {"tip": 7.0}
    stated = ingest(write(tmp_path, "a,b,qoi:tip\n1,2,3\n2,2,5\n3,4,7\n"), tmp_path / "stated")
    assert stated.qoi("2") == {"tip": 5.0}


@pytest.mark.parametrize(
    ("heads", "results"),
    [
        ("speed,yaw,drag,lift", "drag lift"),
        ("load,max_von_mises,mass", "max_von_mises mass"),
        ("force,length,deflection", "deflection"),  # what a force is depends on where it stands
        ("speed,cd,force_x", "cd force_x"),
        ("speed,force_x,force_y", "force_x force_y"),
        ("force,length,tip", ""),
        ("x,y,z,drag", "drag"),
        ("x1,x2,y", "y"),
        ("angle,qoi:force,drag", "force"),
    ],
)
def test_results_are_told_by_their_names(tmp_path: Path, heads: str, results: str) -> None:
    count = heads.count(",") + 1
    table = write(tmp_path, f"{heads}\n" + "\n".join(",".join([str(row)] * count) for row in range(1, 4)))
    row = open_collection(table).table["1"]
    assert [key.removeprefix("qoi.") for key in row if key.startswith("qoi.")] == results.split()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("case,load [blorg],drag\na,1,2\n", r"column 'load \[blorg\]': unit 'blorg' is not known"),
        ("case,load [m(],drag\na,1,2\n", r"unit 'm\(' is not known"),
        ("case,load,load\na,1,2\n", "two columns 'load' and 'load'"),
        ("case,load,qoi:load\na,1,2\n", "two columns 'load' and 'qoi:load'"),
        ("case,load,drag\na,1,2\na,2,3\n", "line 3, column 'case': is the second one of case a, after line 2"),
        ("case,load,drag\na,1,2\n,2,3\n", "line 3, column 'case': the case has no name"),
        ("case;load;drag\na;1,5;2.5\n", "line 2, column 'load': '1,5' has a decimal comma, line 2, column 'drag': "),
        ('case,load,drag\na,"1,500",2\n', "line 2, column 'load': '1,500' has a comma"),
        ("case,load,drag\na,1\n", "line 2 has 2 columns, the first line 3"),
        ("case,load,drag\n", "has no rows"),
        ("", "has no rows"),
        ("case,split,drag\na,train,1\nb,perhaps,2\n", "line 3, column 'split': 'perhaps' is none of train"),
        ("case,split,drag\na,test,1\n", "leaves no case to train on"),
        ("one,two,drag\na.stl,b.stl,1\n", "'one' and 'two' both name geometry files"),
    ],
)
def test_a_table_that_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(TramontaneError, match=rf"designs\.csv: .*{message}"):
        ingest(write(tmp_path, text), tmp_path / "out")


def test_a_changed_shape_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = bodies(tmp_path / "set")
    with monkeypatch.context() as patch:
        patch.setattr(Dataset, "create", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            ingest(table, tmp_path / "out")
    pv.Cube(x_length=77, y_length=50, z_length=20).triangulate().save(tmp_path / "set" / "shapes" / "box1.stl")
    dataset = ingest(table, tmp_path / "out", test=1, validation=0)
    assert np.ptp(dataset.geometry("box1").points[:, 0]) == pytest.approx(0.077)
