"""Tables as spreadsheets of any country save them, and what is said of those that mean two things."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import pyvista as pv

from tramontane.dataset.audit.report import inspect_path
from tramontane.dataset.ingest.run import ingest
from tramontane.errors import FormatError
from tramontane.formats.collection import open_collection
from tramontane.formats.results import Collection
from tramontane.formats.tables.table import read_head
from tramontane.units import Quantity


def table(folder: Path, text: str, encoding: str = "utf-8") -> Collection:
    file = folder / "designs.csv"
    file.write_bytes(text.encode(encoding))
    return open_collection(file)


def column(collection: Collection, name: str) -> list[float]:
    return [row[name].value for row in collection.table.values()]


def test_a_torque_in_newton_metres(tmp_path: Path) -> None:
    rows = "1,101.2,4.8,4.8576\n2,64.4,4.79,3.0848\n3,81.2,2.69,2.1843\n"
    dataset = ingest(
        _file(tmp_path, "id,speed [rpm],width [mm],torque [Nm]\n" + rows), tmp_path / "out", test=0, validation=0
    )
    assert [dataset.qoi(name)["torque"] for name in dataset.names] == pytest.approx([4.8576, 3.0848, 2.1843])
    assert dataset.contract.qoi["torque"].unit == "N*m"
    assert dataset.contract.qoi["torque"].shown == "N*m"
    assert dataset.assumed_units == {}


def test_units_of_engineers_in_a_header(tmp_path: Path) -> None:
    heads = "id,rot [U/min],angle [Grad],mu [mPas],p [pa],Q [cfm],h [W/mK],T_max [C]\n"
    dataset = ingest(_file(tmp_path, heads + "1,60,90,4.8,101.2,100,4.8,24.85\n2,30,45,4.79,64.4,64.4,4.79,23\n"),
                   tmp_path / "out", test=0, validation=0)  # fmt: skip
    assert dataset.parameters("1") == pytest.approx({
        "rot": 6.283185307, "angle": 1.570796327, "mu": 4.8e-3, "p": 101.2, "Q": 0.0471947443, "h": 4.8,
    })  # fmt: skip
    assert dataset.qoi("1")["T_max"] == pytest.approx(298.0)
    assert dataset.contract.qoi["T_max"].unit == "K"
    assert dataset.contract.qoi["T_max"].shown == "degC"


@pytest.mark.parametrize("label", ["", "unit", "Einheit", "[-]"])
def test_a_line_of_units_below_the_header(tmp_path: Path, label: str) -> None:
    head = "id,speed,length,drag\n" if label else "speed,length,drag\n"
    units = f"{label},km/h,[mm],kN\n" if label else "km/h,mm,kN\n"
    first, second = ("a,", "b,") if label else ("", "")
    text = f"{head}{units}{first}364.3,4800.0,0.98318\n{second}231.8,4790.0,0.39732\n"
    dataset = ingest(_file(tmp_path, text), tmp_path / "out", test=0, validation=0)
    assert [dataset.parameters(each)["speed"] for each in dataset.names] == pytest.approx([101.1944, 64.3889], rel=1e-5)
    assert [dataset.parameters(each)["length"] for each in dataset.names] == pytest.approx([4.8, 4.79])
    assert [dataset.qoi(each)["drag"] for each in dataset.names] == pytest.approx([983.18, 397.32])
    assert "line 2 holds the units" in " ".join(open_collection(tmp_path / "designs.csv").notes)


def test_a_unit_behind_a_name(tmp_path: Path) -> None:
    file = _file(tmp_path, "id,width_mm,speed_m_s,drag_kN\n1,4800,101.2,0.0048576\n2,4790,64.4,0.0030848\n")
    dataset = ingest(file, tmp_path / "out", test=0, validation=0)
    assert dataset.parameters("1") == pytest.approx({"width_mm": 4.8, "speed_m_s": 101.2})
    assert dataset.qoi("1") == pytest.approx({"drag_kN": 4.8576})
    assert dataset.contract.qoi["drag_kN"].shown == "kN"
    assert dataset.assumed_units == {}
    assert "width_mm in mm, speed_m_s in m/s, drag_kN in kN" in " ".join(open_collection(file).notes)


def test_units_with_plain_powers(tmp_path: Path) -> None:
    heads = "id,ratio [-],rho [kg/m3],area [mm2],flow [m3/h],T [degC],max_stress [N/mm2]\n"
    rows = "1,2,1.1,101,3.6,20,5.7\n2,3,1.2,102,7.2,30,6.4\n"
    dataset = ingest(_file(tmp_path, heads + rows), tmp_path / "out", test=0, validation=0)  # fmt: skip
    assert dataset.parameters("1") == pytest.approx({"ratio": 2, "rho": 1.1, "area": 101e-6, "flow": 1e-3, "T": 293.15})
    assert dataset.qoi("1")["max_stress"] == pytest.approx(5.7e6)
    assert dataset.contract.parameters["T"].unit == "degC"
    assert dataset.contract.parameters["T"].low == pytest.approx(293.15)
    dataset.contract.to_toml(tmp_path / "contract.toml")
    assert "low = 20.0" in (tmp_path / "contract.toml").read_text()
    assert type(dataset.contract).from_toml(tmp_path / "contract.toml").parameters == dataset.contract.parameters


def test_a_german_table_of_windows(tmp_path: Path) -> None:
    text = ("sep=;\r\nid;Datum;Geschwindigkeit [km/h];Länge [mm];drag [N];\r\n"
            "1;05.01.2024;364,320;4800,000;983,178;\r\n2;06.01.2024;231,840;4790,000;397,317;\r\n")  # fmt: skip
    collection = table(tmp_path, text, "cp1252")
    assert collection.table["1"] == {
        "Geschwindigkeit": Quantity(364.32, "km/h"), "Länge": Quantity(4800.0, "mm"),
        "qoi.drag": Quantity(983.178, "N"),
    }  # fmt: skip
    notes = " ".join(collection.notes)
    assert "cp1252" in notes
    assert "left out, since they hold no numbers: Datum" in notes


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ('id,length [mm],drag [N]\n1,"4,800.0","983.2"\n2,"1,110","24.8"\n', [4800, 1110]),
        ('id,length [mm],drag [N]\n1,"1,234,800",9\n2,"1,110",8\n', [1234800, 1110]),
        ("id;length [mm];drag [N]\n1;4 800,0;983,2\n2;1\u202f110,5;24,8\n", [4800, 1110.5]),
        ("id;length [mm];drag [N]\n1;4\u00a0800,0;983,2\n2;1\u00a0110;24,8\n", [4800, 1110]),
        ("id;length [mm];drag [N]\n1;4'800.0;983.2\n2;1’110.0;24.8\n", [4800, 1110]),
        ("id;length [mm];drag [N]\n1;4.800,0;983,2\n2;1.110;24,8\n", [4800, 1110]),
        ("id\tlength [mm]\tdrag [N]\n1\t1,5E+03\t983,2\n2\t1.5e3\t24\n".replace("1.5e3", "1500"), [1500, 1500]),
        ("id;length [mm];drag [N]\n1;1.234;983\n2;2.345;24\n", [1.234, 2.345]),
        ("id;length [mm];drag [N]\n1;1,234;983\n2;2,345;24\n", [1.234, 2.345]),
        ("id,length [mm],drag [N]\n1,1.5D+03,9\n2,2.5D-01,8\n", [1500, 0.25]),
        ("id,length [mm],drag [N]\n1,\u22124.80,9\n2,\u20132.69,8\n", [-4.8, -2.69]),
    ],
)
def test_numbers_of_every_country(tmp_path: Path, text: str, values: list[float]) -> None:
    assert column(table(tmp_path, text), "length") == pytest.approx(values)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('id,length,drag\n1,"4,800",9\n2,"1,110",8\n', "line 2, column 'length': '4,800' has a comma"),
        ("id;length;drag\n1;4,800;9.5\n2;1,110;8.5\n", "'4,800' has a decimal comma, .*'9.5' a decimal point"),
        ("id;length;drag\n1;4.800;9,5\n2;1.110;8,5\n", "'9,5' has a decimal comma, .*'4.800' a decimal point"),
        ("id,speed [km/h],drag\nx,m/s,N\na,1,2\n", "line 2 holds units, and so does the header of column"),
        ("id,torque [kn],drag\na,1,2\n", "column 'torque .kn.': unit 'kn' may be kilonewton or knots"),
    ],
)
def test_what_means_two_things_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(FormatError, match=rf"designs\.csv: .*{message}"):
        table(tmp_path, text)
    with pytest.raises(FormatError, match=message):  # inspect says the same
        inspect_path(tmp_path / "designs.csv")


def test_what_people_put_around_a_table(tmp_path: Path) -> None:
    text = ("Test series 3,,\n"
            "Inputs,,Results\n"
            'id,"speed\n[m/s]",drag [N]\n'
            "1,10,1.0\n2,20,2.0\n"
            'id,"speed\n[m/s]",drag [N]\n'
            "3,30,6.0\n4,40,7.0\n,,\n"
            "Mean,25,4\nMax,40,7\n")  # fmt: skip
    collection = table(tmp_path, text)
    assert [*collection.table] == ["1", "2", "3", "4"]
    assert collection.table["4"] == {"speed": Quantity(40.0, "m/s"), "qoi.drag": Quantity(7.0, "N")}
    notes = " ".join(collection.notes)
    for words in ("a title above", "merged cells above", "repeats the header", "(Mean) sums up", "(Max) sums up"):
        assert words in notes
    # A design that is called so is one.
    kept = table(tmp_path, "id,speed [m/s],drag [N]\na,10,1\nb,20,2\nmin,5,8\nmax,90,3\n")
    assert [*kept.table] == ["a", "b", "min", "max"]


def test_other_separators_and_remarks_above(tmp_path: Path) -> None:
    collection = table(tmp_path, "# made by hand\n# 2024\nid|speed [m/s]|Traînée [N]\n1|30|5\n2|31|6\n")
    assert collection.table["2"] == {"speed": Quantity(31.0, "m/s"), "qoi.Traînée": Quantity(6.0, "N")}
    with pytest.raises(FormatError, match=r"has one column, .*separate columns by commas"):
        table(tmp_path, "speed drag\n30 5\n31 6\n")


def test_a_workbook_and_text_in_utf16(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "designs.xlsx", "w") as book:
        book.writestr("xl/workbook.xml", "<workbook/>")
    for path in (tmp_path / "designs.xlsx", tmp_path):
        with pytest.raises(FormatError, match=r"designs\.xlsx: is a workbook .* save the sheet .* as CSV"):
            open_collection(path)
    with pytest.raises(FormatError, match="is a workbook"):
        inspect_path(tmp_path / "designs.xlsx")
    (tmp_path / "designs.xlsx").rename(tmp_path / "designs.csv")  # renaming makes no CSV
    with pytest.raises(FormatError, match="is a workbook"):
        open_collection(tmp_path / "designs.csv")
    assert column(table(tmp_path, "id\tLänge [mm]\tdrag [N]\n1\t4,8\t9\n", "utf-16"), "Länge") == [4.8]


@pytest.mark.parametrize(
    ("head", "name", "unit"),
    [
        ("speed [m/s]", "speed", "m/s"), ("speed (m/s)", "speed", "m/s"), ("h [W/(m K)]", "h", "W/(m*K)"),
        ("speed / (m/s)", "speed", "m/s"), ("Geschwindigkeit in km/h", "Geschwindigkeit", "km/h"),
        ("speed, m/s", "speed", "m/s"), ("width / mm", "width", "mm"), ("T (°C)", "T", "degC"), ("Cd [-]", "Cd", ""),
        ("qoi: drag [kN]", "qoi.drag", "kN"), ("L / D", "L / D", None), ("flow, inlet", "flow, inlet", None),
        ("drop in pressure", "drop in pressure", None),
    ],
)  # fmt: skip
def test_a_header_says_its_unit(tmp_path: Path, head: str, name: str, unit: str | None) -> None:
    assert read_head(tmp_path / "designs.csv", head) == (name, unit)


def test_paths_of_windows_in_a_table(tmp_path: Path) -> None:
    (tmp_path / "stl").mkdir()
    for name in ("part.stl", "other.stl"):
        pv.Cube().triangulate().save(tmp_path / "stl" / name)
    collection = table(tmp_path, "geometry [mm],speed [m/s],drag [N]\nstl\\part.stl,1,2\nSTL\\Other.STL,2,3\n")
    assert [source.name for source in collection.sources] == ["part", "Other"]
    assert [source.read().geometry for source in collection.sources] == [
        tmp_path / "stl" / "part.stl", tmp_path / "stl" / "other.stl",
    ]  # fmt: skip


def test_a_case_file_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    pv.Sphere().save(tmp_path / "a" / "surface.vtp")
    (tmp_path / "a" / "case.json").write_text('{"parameters": {"speed": "5 m/s"}}', encoding="utf-8-sig")
    [source] = open_collection(tmp_path / "a").sources
    assert source.read().parameters == {"speed": Quantity(5.0, "m/s")}


def test_plaid_sets_in_parquet_are_named(tmp_path: Path) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    (tmp_path / "data").mkdir()
    for file in ("data/all_samples-00000-of-00002.parquet", "data/all_samples-00001-of-00002.parquet"):
        pq.write_table(pa.table({"sample": pa.array([b"\x80\x04"], pa.binary())}), tmp_path / file)
    for path in (tmp_path, tmp_path / "data", tmp_path / "data" / "all_samples-00000-of-00002.parquet"):
        with pytest.raises(FormatError, match="as Hugging Face delivers PLAID sets"):
            open_collection(path)


def _file(folder: Path, text: str) -> Path:
    file = folder / "designs.csv"
    file.write_text(text, encoding="utf-8")
    return file
