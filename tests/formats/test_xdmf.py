"""XDMF after the examples of its documentation, as VTK and as meshio (which FEniCS users have) write it.

No file of FEniCS or of another solver was read.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from helpers.formats.damage import assert_cut_off_is_said, assert_flips_do_no_harm, assert_others_are_refused
from helpers.formats.xdmf_files import POINTS, TETRAHEDRA, grid, item, write, write_with_vtk
from tramontane.errors import FormatError
from tramontane.formats.readers import file_reader
from tramontane.formats.xdmf.reader import read_xdmf


@pytest.mark.parametrize("binary", [False, True])
def test_a_grid(tmp_path: Path, binary: bool) -> None:
    file = write(tmp_path / "body.xdmf", grid(folder=tmp_path if binary else None))
    assert file_reader(file) is read_xdmf
    results = read_xdmf(file)
    assert list(results.meshes) == ["volume"]
    volume = results.meshes["volume"]
    assert volume.points == pytest.approx(POINTS)
    assert volume.cells.reshape(2, 5)[:, 1:].tolist() == TETRAHEDRA.tolist()
    assert volume.volume == pytest.approx(1 / 6 + 1 / 3)
    assert volume.point_data["temperature"] == pytest.approx(300 + POINTS[:, 0])
    assert volume.point_data["velocity"] == pytest.approx(2 * POINTS)
    assert volume.cell_data["heat"].tolist() == [5, 7]
    assert results.extra == {}
    assert len(results.files) == (6 if binary else 1)


def test_the_last_of_several_steps(tmp_path: Path) -> None:
    steps = "".join(grid(time) for time in (0.0, 0.5, 1.5))
    file = write(
        tmp_path / "body.xmf", f'<Grid GridType="Collection" CollectionType="Temporal" Name="t">{steps}</Grid>'
    )
    results = read_xdmf(file)
    assert results.meshes["volume"].point_data["temperature"] == pytest.approx(301.5 + POINTS[:, 0])
    assert results.extra == {"time": {"value": 1.5, "step": 3, "steps": 3}}


def test_faces_beside_cells_are_the_surface(tmp_path: Path) -> None:
    triangles = item(np.array([[0, 2, 1], [0, 1, 3]]))
    faces = (
        '<Grid Name="wall" GridType="Uniform"><Topology TopologyType="Triangle" NumberOfElements="2">'
        f'{triangles}</Topology><Geometry GeometryType="XYZ">{item(POINTS)}</Geometry></Grid>'
    )
    results = read_xdmf(write(tmp_path / "body.xdmf", grid(), faces))
    assert results.meshes["volume"].n_cells == 2
    assert results.meshes["surface"].area == pytest.approx(1)
    assert results.meshes["surface"].n_points == 4


def test_what_vtk_writes_is_read(tmp_path: Path) -> None:
    mesh = write_with_vtk(tmp_path / "grid.xmf")
    results = read_xdmf(tmp_path / "grid.xmf")
    volume = results.meshes["volume"]
    assert volume.volume == pytest.approx(8)
    assert volume.point_data["pressure"] == pytest.approx(mesh.points[:, 0])
    assert [file.name for file in results.files] == ["grid.xmf", "grid.h5"]


def test_what_meshio_writes_is_read(tmp_path: Path) -> None:
    meshio = pytest.importorskip("meshio", reason="meshio is not installed; pip install meshio h5py")
    pytest.importorskip("h5py", reason="h5py is not installed; pip install h5py")
    file = tmp_path / "steps.xdmf"
    before = Path.cwd()
    os.chdir(tmp_path)  # it names its HDF5 file from where it runs
    try:
        with meshio.xdmf.TimeSeriesWriter(file.name) as writer:
            writer.write_points_cells(POINTS, [("tetra", TETRAHEDRA)])
            for time in (0.0, 0.5, 1.0):
                writer.write_data(time, point_data={"temperature": 300 + time + POINTS[:, 0]})
    finally:
        os.chdir(before)
    results = read_xdmf(file)
    assert list(results.meshes) == ["volume"]
    assert results.meshes["volume"].n_cells == 2  # the mesh that the steps refer to is not a second one
    assert results.meshes["volume"].point_data["temperature"] == pytest.approx(301 + POINTS[:, 0])
    assert results.extra["time"] == {"value": 1.0, "step": 3, "steps": 3}


def test_damage(tmp_path: Path) -> None:
    write_with_vtk(tmp_path / "grid.xmf")
    file, heavy = tmp_path / "grid.xmf", tmp_path / "grid.h5"
    assert_cut_off_is_said(read_xdmf, file, shares=(0.1, 0.5, 0.9))
    assert_cut_off_is_said(read_xdmf, file, heavy, shares=(0.1, 0.5, 0.99))
    assert_flips_do_no_harm(read_xdmf, file)
    assert_flips_do_no_harm(read_xdmf, file, heavy)
    assert_others_are_refused(read_xdmf, tmp_path / "other.xdmf")
    heavy.unlink()
    with pytest.raises(FormatError, match=r"grid\.xmf: its data are missing \(.*grid\.h5\); copy that file, too"):
        read_xdmf(file)


def test_a_binary_file_that_is_cut_off_and_an_xml_that_would_grow(tmp_path: Path) -> None:
    file = write(tmp_path / "body.xdmf", grid(folder=tmp_path))
    assert_cut_off_is_said(read_xdmf, file, tmp_path / "points.bin", shares=(0.5, 0.99))
    file.write_text('<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><Xdmf>&b;</Xdmf>')
    with pytest.raises(FormatError, match=r"body\.xdmf: defines XML entities"):
        read_xdmf(file)


MESH = """<Grid Name="mesh" GridType="Uniform">
<Topology TopologyType="Tetrahedron" NumberOfElements="2" NodesPerElement="4">
<DataItem Dimensions="2 4" NumberType="Int" Format="XML">0 1 2 3 1 2 3 4</DataItem></Topology>
<Geometry GeometryType="XYZ"><DataItem Dimensions="5 3" NumberType="Float" Precision="8" Format="XML">
0 0 0 1 0 0 0 1 0 0 0 1 1 1 1</DataItem></Geometry></Grid>"""
POINTERS = (
    "xpointer(/Xdmf/Domain/Grid[@GridType='Uniform'][1]/*[self::Topology or self::Geometry])",
    "xpointer(/Xdmf/Domain/Grid[@Name='mesh']/*[self::Topology or self::Geometry])",
    "xpointer(//Grid[@Name='mesh']/*[self::Topology or self::Geometry])",
)


def fenics(file: Path, functions: dict[str, str], *, pointer: str = POINTERS[0], protocol: str = "https") -> Path:
    """As dolfinx writes functions: each a series of three steps that include the mesh; values are those of the step."""
    series = []
    for name, center in functions.items():
        kind, count = ("Vector", 3) if center == "Node" else ("Scalar", 1)
        rows = {"Node": 5, "Cell": 2}.get(center, 8)
        steps = [
            f'<Grid Name="{name}" GridType="Uniform"><xi:include xpointer="{pointer}" /><Time Value="{step / 2}"/>'
            f'<Attribute Name="{name}" AttributeType="{kind}" Center="{center}"><DataItem Dimensions="{rows} {count}" '
            f'Format="XML">{" ".join(str(100 * step + value) for value in range(rows * count))}</DataItem></Attribute>'
            "</Grid>"
            for step in range(3)
        ]
        series.append(f'<Grid Name="{name}" GridType="Collection" CollectionType="Temporal">{"".join(steps)}</Grid>')
    file.write_text(
        '<?xml version="1.0"?><!DOCTYPE Xdmf SYSTEM "Xdmf.dtd" []><Xdmf Version="3.0" '
        f'xmlns:xi="{protocol}://www.w3.org/2001/XInclude"><Domain>{MESH}{"".join(series)}</Domain></Xdmf>'
    )
    return file


@pytest.mark.parametrize("pointer", POINTERS)
@pytest.mark.parametrize("protocol", ["http", "https"])
def test_a_mesh_that_is_included(tmp_path: Path, protocol: str, pointer: str) -> None:
    results = read_xdmf(fenics(tmp_path / "u.xdmf", {"u": "Node"}, protocol=protocol, pointer=pointer))
    volume = results.meshes["volume"]
    assert (volume.n_points, volume.n_cells) == (5, 2)
    assert np.array_equal(volume.point_data["u"], 200.0 + np.arange(15).reshape(5, 3))
    assert results.extra["time"] == {"value": 1.0, "step": 3, "steps": 3}
    assert not results.warnings


@pytest.mark.parametrize("protocol", ["http", "https"])
def test_several_functions_are_fields_of_one_mesh(tmp_path: Path, protocol: str) -> None:
    results = read_xdmf(fenics(tmp_path / "u.xdmf", {"u": "Node", "c": "Cell", "w": "Node"}, protocol=protocol))
    volume = results.meshes["volume"]
    assert (volume.n_points, volume.n_cells) == (5, 2)
    assert volume.point_data["u"].max() == volume.point_data["w"].max() == 214.0
    assert volume.cell_data["c"].tolist() == [200.0, 201.0]
    assert not results.warnings


def test_a_checkpoint_is_named_as_left_out(tmp_path: Path) -> None:
    results = read_xdmf(fenics(tmp_path / "u.xdmf", {"u": "Node", "stress": "Other"}))
    assert results.meshes["volume"].array_names == ["u"]
    assert results.warnings[0].startswith(f"{tmp_path / 'u.xdmf'}: field stress is left out, its values are neither at")


def test_a_mesh_that_is_not_there_cannot_be_included(tmp_path: Path) -> None:
    pointer = "xpointer(/Xdmf/Domain/Grid[@Name='other']/*[self::Topology or self::Geometry])"
    with pytest.raises(FormatError, match=r"u\.xdmf: includes .xpointer.* which it does not have"):
        read_xdmf(fenics(tmp_path / "u.xdmf", {"u": "Node"}, pointer=pointer))
