"""Tecplot in text: as one of the CGNS tools writes it, and after the examples of Tecplot's Data Format Guide.

No file that Tecplot itself or a solver's own writer made was read.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import pyvista as pv

from helpers.formats.damage import assert_cut_off_is_said, assert_flips_do_no_harm
from helpers.formats.programs import need, run, run_saturne
from helpers.formats.tecplot_files import LATER, WALL
from tramontane.errors import FormatError
from tramontane.formats.cgns.reader import read_cgns
from tramontane.formats.readers import file_reader
from tramontane.formats.results import Results, patches_of
from tramontane.formats.tecplot import read_tecplot


def test_zones_of_the_last_time_with_shared_points_and_values_at_cells(tmp_path: Path) -> None:
    file = tmp_path / "plate.dat"
    file.write_text(WALL + LATER)
    assert file_reader(file) is read_tecplot
    results = read_tecplot(file)
    surface = results.meshes["surface"]
    assert surface.area == pytest.approx(1)
    assert surface.cell_data["pressure"].tolist() == [10, 20]
    assert surface.cell_data["wall_shear_stress"].tolist() == [0.5, -0.625]
    assert surface.point_data["velocity"].tolist() == [[1.5, 1, 0], [1.5, 2, 0], [1.5, 3, 0], [1.5, 4, 0]]
    assert (results.length_unit, results.units) == ("mm", {"surface/pressure": "kPa"})
    assert results.extra == {"time": {"value": 1.25, "step": 2, "steps": 2}}
    assert patches_of(surface) is None  # one zone alone is no patch
    file.write_text(WALL)
    assert read_tecplot(file).meshes["surface"].point_data["pressure"].tolist() == [1, 2, 3, 4]


def test_bricks_with_fewer_corners_and_a_patch_for_each_zone_of_faces(tmp_path: Path) -> None:
    """A cube, and a pyramid and a wedge on it, whose doubled corners Tecplot writes as bricks."""
    corners = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1], [0.5, 0.5, 2],
               [2, 0, 0], [2, 1, 0]]  # fmt: skip
    # The wedge has its edge at x = 2: two of its triangles are 2 6 10 and 3 7 11 (from 1).
    bricks = [[5, 6, 7, 8, 9, 9, 9, 9], [1, 2, 3, 4, 5, 6, 7, 8], [2, 6, 10, 10, 3, 7, 11, 11]]
    rows = "\n".join(" ".join(map(str, [*corner, sum(corner)])) for corner in corners)
    lines = "\n".join(" ".join(map(str, brick)) for brick in bricks)
    sheet = "\n".join(" ".join(map(str, [*corners[index], sum(corners[index])])) for index in (0, 1, 3, 2))
    (tmp_path / "part.tec").write_text(
        f'VARIABLES = X, Y, Z, Density\nZONE T="bulk" N=11, E=3, F=FEPOINT, ET=BRICK\n{rows}\n{lines}\n'
        f'ZONE T="bottom" I=2 J=2 F=POINT\n{sheet}\n'
        f'ZONE T="top" N=4, E=1, F=FEPOINT, ET=QUADRILATERAL\n{rows.splitlines()[4]}\n'
        + "\n".join(rows.splitlines()[5:8])
        + "\n1 2 3 4\n"
    )
    results = read_tecplot(tmp_path / "part.tec")
    volume, surface = results.meshes["volume"], results.meshes["surface"]
    assert sorted(volume.celltypes.tolist()) == [pv.CellType.HEXAHEDRON, pv.CellType.WEDGE, pv.CellType.PYRAMID]
    assert volume.n_points == 11
    assert abs(volume.compute_cell_sizes()["Volume"]).sum() == pytest.approx(1 + 1 / 3 + 1 / 2)
    assert volume.point_data["density"] == pytest.approx(volume.points.sum(axis=1))
    patches, names = patches_of(surface)  # type: ignore[misc]
    assert [names[index] for index in patches] == ["bottom", "top"]
    assert surface.compute_cell_sizes()["Area"].tolist() == pytest.approx([1, 1])
    assert surface.point_data["density"] == pytest.approx(surface.points.sum(axis=1))


def test_what_a_cgns_tool_writes_is_read(tmp_path: Path) -> None:
    need("cgns_to_tecplot", "cgns-convert")
    folder = run_saturne(tmp_path, "cgns")
    run(["cgns_to_tecplot", "-a", "results.cgns", "results.dat"], folder)
    results, source = read_tecplot(folder / "results.dat"), read_cgns(folder / "results.cgns")
    volume = results.meshes["volume"]
    assert volume.volume == pytest.approx(2, rel=1e-5)
    assert volume.points == pytest.approx(source.meshes["volume"].points, abs=1e-5)
    # The tool averages the first step's cells to points, one variable after the other.
    text = (folder / "results.dat").read_text()
    written = np.array(text[text.index("\n", text.index("ZONE")) :].split(), float)[: 10 * 60].reshape(10, 60)
    assert volume.point_data["velocity"] == pytest.approx(written[3:6].T)
    assert volume.point_data["pressure"].tolist() == written[6].tolist()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("VARIABLES = A B\nZONE I=2\n1 2\n3 4\n", r"x\.tec: zone zone 1 has no variables X and Y"),
        ("VARIABLES = X Y\nZONE N=3 E=1 ET=FEPOLYGON F=FEPOINT\n1 2\n", "line 2: zone zone 1 is of kind FEPOLYGON"),
        ("VARIABLES = X Y\nZONE N=3 E=1 ET=TRIANGLE F=FEPOINT\n0 0 1 0 0 1\n1 2 4\n", "an element has node 4"),
        ("VARIABLES = X Y\nZONE N=a E=1 ET=TRIANGLE F=FEPOINT\n0 0\n", "a size is no number"),
        ("VARIABLES = X Y\nZONE E=1 ET=TRIANGLE F=FEPOINT\n0 0\n", "does not say its nodes and elements"),
        ("VARIABLES = X Y\nZONE I=2 VARSHARELIST=([1]=7)\n1 2\n", "shares with zone 7, which does not come before"),
        ("VARIABLES = X Y\nZONE I=99999999999\n1 2\n", "has 2 numbers, 199999999998 belong to it"),
        ("VARIABLES = X Y\nZONE I=3\n1 2\n9999999999*1\n", "has more numbers than the 6 that belong to it"),
        ("VARIABLES = X Y\nZONE I=2 SOLUTIONTIME=soon\n1 2\n3 4\n", "its time is no number"),
        ("ZONE I=2\n1 2\n", "a zone before the names of VARIABLES"),
        ('TITLE = "nothing"\n', "holds no zone"),
        ("#!TDV112 and so on", "is Tecplot's binary kind, which is not read; export it as text"),
        ("once upon a time", "is no Tecplot file"),
        ("", "is empty"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "x.tec"
    file.write_text(text)
    with pytest.raises(FormatError, match=message) as error:
        read_tecplot(file)
    assert str(error.value).startswith(f"{file}: ")


def test_damage(tmp_path: Path) -> None:
    file = tmp_path / "plate.dat"
    file.write_text(WALL)
    assert_cut_off_is_said(read_tecplot, file, shares=tuple(np.linspace(0.1, 0.98, 30)))
    assert_flips_do_no_harm(read_tecplot, file, tries=200)


def test_a_dat_of_another_program_is_not_taken_for_one_of_tecplots(tmp_path: Path) -> None:
    for text in ("1 2 3\n4 5 6\n", '(0 "FOAM to Fluent data File")\n', " displacements (vx,vy,vz) for set NALL\n", ""):
        (tmp_path / "other.dat").write_text(text)
        assert file_reader(tmp_path / "other.dat") is None
    (tmp_path / "figure.plt").write_text('set title "zones"\nplot "a.dat"\n')
    assert file_reader(tmp_path / "figure.plt") is None


def brick(time: str, *, strand: int = 1, value: str = "300", name: str = "v") -> str:
    """A zone of one brick, its temperature from a value on."""
    return (
        f'ZONE T="{name}", STRANDID={strand}, SOLUTIONTIME={time}, NODES=8, ELEMENTS=1, DATAPACKING=BLOCK, '
        f"ZONETYPE=FEBRICK\n0 1 1 0 0 1 1 0\n0 0 1 1 0 0 1 1\n0 0 0 0 2 2 2 2\n1 2 3 4 5 6 7 8\n8*{value}\n"
        "1 2 3 4 5 6 7 8\n"
    )


HEAD = 'TITLE = "t"\nVARIABLES = "X", "Y", "Z", "P [Pa]", "T"\n'
PLATE = """ZONE T="wall", STRANDID=0, SOLUTIONTIME=0, NODES=4, ELEMENTS=1, DATAPACKING=POINT, ZONETYPE=FEQUADRILATERAL
0 0 0 1 1
1 0 0 1 1
1 1 0 1 1
0 1 0 1 1
1 2 3 4
"""


def read(tmp_path: Path, *zones: str, head: str = HEAD) -> Results:
    file = tmp_path / "zones.dat"
    file.write_text(head + "".join(zones))
    return read_tecplot(file)


def test_a_static_zone_belongs_to_every_time(tmp_path: Path) -> None:
    results = read(tmp_path, PLATE, brick("0.1"), brick("0.2", value="310"))
    assert results.meshes["volume"].point_data["T"].tolist() == [310.0] * 8
    assert results.meshes["surface"].n_cells == 1
    patches = patches_of(results.meshes["surface"])
    assert patches is not None
    assert patches[1] == ["wall"]
    assert results.extra["time"] == {"value": 0.2, "step": 2, "steps": 2}
    assert not results.warnings


def test_zones_that_are_all_of_strand_0_are_steps(tmp_path: Path) -> None:
    results = read(tmp_path, brick("0.1", strand=0), brick("0.2", strand=0, value="310"))
    assert results.meshes["volume"].n_cells == 1
    assert results.meshes["volume"].point_data["T"].max() == 310.0


def test_a_zone_that_ends_before_the_last_time_is_said(tmp_path: Path) -> None:
    results = read(tmp_path, brick("0.1", strand=1), brick("0.1", strand=2, name="porous"), brick("0.2", strand=1))
    assert results.meshes["volume"].n_cells == 1
    assert results.warnings[0].endswith("zone porous has no values at the last time, 0.2; it is left out")


def test_exponents_as_fortran_prints_them(tmp_path: Path) -> None:
    results = read(tmp_path, brick("1.0D-01", value="3.1D+02"), brick("2.0d-01", value="1.5-103"))
    assert results.extra["time"]["value"] == 0.2
    assert results.meshes["volume"].point_data["T"].tolist() == [1.5e-103] * 8
    assert read(tmp_path, brick("1", value="3.1D+02")).meshes["volume"].point_data["T"].max() == 310.0


def test_two_variables_of_one_name_and_two_units(tmp_path: Path) -> None:
    head = HEAD.replace('"T"', '"P [bar]"')
    mesh = read(tmp_path, brick("0.1"), head=head).meshes["volume"]
    values = {name: mesh.point_data[name].max() for name in mesh.point_data.keys()}  # noqa: SIM118
    assert sorted(values.values()) == [8.0, 300.0]
    assert len(values) == 2
