"""VTU files read without VTK are what VTK reads; what is not known is left to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvista as pv
from vtkmodules.vtkCommonCore import vtkStringArray
from vtkmodules.vtkIOXML import vtkXMLUnstructuredGridReader, vtkXMLUnstructuredGridWriter

from helpers.formats.meshes import mixed
from helpers.fuzzing.fuzz_subjects import grid as with_polyhedra
from tramontane.errors import FormatError
from tramontane.formats import read_mesh, write_mesh
from tramontane.formats.vtk.vtu_appended import read_vtu
from tramontane.geometry.mesh_arrays import mesh_to_arrays

KINDS = ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]


def subject(copies: int = 1) -> pv.UnstructuredGrid:
    """Cells of many kinds with arrays of all types, values that are not finite, texts and an active vector."""
    mesh = pv.merge([mixed().translate((50.0 * k, 0, 0)) for k in range(copies)], merge_points=False)
    rng = np.random.default_rng(0)
    for kind in KINDS:
        mesh.point_data[f"at points, {kind}"] = (100 * rng.random(mesh.n_points)).astype(kind)
        mesh.cell_data[f"at cells, {kind}"] = (100 * rng.random((mesh.n_cells, 3))).astype(kind)
    mesh.cell_data["holes"] = np.where(rng.random(mesh.n_cells) < 0.1, np.nan, np.inf)
    mesh.point_data["Geschwindigkeit m/s é"] = rng.random((mesh.n_points, 3))
    mesh.point_data.active_vectors_name = "Geschwindigkeit m/s é"
    notes = vtkStringArray()  # PyVista takes plain letters only
    notes.SetName("note")
    for text in ("Straße", "", "b"):
        notes.InsertNextValue(text)
    mesh.GetFieldData().AddArray(notes)
    mesh.field_data["TimeValue"] = np.array([0.25])
    mesh.point_data.VTKObject.GetArray("at points, f4").SetComponentName(0, "first")
    return mesh


def write(file: Path, mesh: pv.UnstructuredGrid, *, packed: bool = True, wide: bool = True, block: int = 32768) -> Path:
    writer = vtkXMLUnstructuredGridWriter()
    writer.SetInputData(mesh)
    writer.SetFileName(str(file))
    writer.SetDataModeToAppended()
    writer.EncodeAppendedDataOff()
    writer.SetCompressorTypeToZLib() if packed else writer.SetCompressorTypeToNone()
    (writer.SetHeaderTypeToUInt64 if wide else writer.SetHeaderTypeToUInt32)()
    writer.SetBlockSize(block)
    writer.Write()
    return file


def by_vtk(file: Path) -> pv.UnstructuredGrid:
    reader: Any = vtkXMLUnstructuredGridReader()
    reader.SetFileName(str(file))
    reader.Update()
    return pv.wrap(reader.GetOutput())


def assert_same(mesh_read: pv.UnstructuredGrid, expected: pv.UnstructuredGrid) -> None:
    one, other = mesh_to_arrays(mesh_read), mesh_to_arrays(expected)
    assert one.active == other.active
    assert one.texts == other.texts
    parts = [({"points": one.points}, {"points": other.points}), (one.cells, other.cells)]
    for mine, theirs in [*parts, *((one.data[at], other.data[at]) for at in other.data)]:
        assert list(mine) == list(theirs)
        for name, values in theirs.items():
            assert mine[name].dtype == values.dtype
            assert mine[name].shape == values.shape
            assert mine[name].tobytes() == values.tobytes(), name
    for mine, theirs in (
        (mesh_read.GetPointData(), expected.GetPointData()),
        (mesh_read.GetCellData(), expected.GetCellData()),
    ):
        for index in range(theirs.GetNumberOfArrays()):
            assert mine.GetArray(index).GetClassName() == theirs.GetArray(index).GetClassName()
            assert mine.GetArray(index).GetComponentName(0) == theirs.GetArray(index).GetComponentName(0)
    assert mesh_read.GetCells().GetClassName() == expected.GetCells().GetClassName()
    assert mesh_read.GetPoints().GetData().GetName() == expected.GetPoints().GetData().GetName()


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("block", [1024, 32768])
def test_it_is_what_vtk_reads(tmp_path: Path, packed: bool, wide: bool, block: int) -> None:
    file = write(tmp_path / "mesh.vtu", subject(30), packed=packed, wide=wide, block=block)
    mesh_read = read_vtu(file)
    assert mesh_read is not None
    assert_same(mesh_read, by_vtk(file))


def test_a_file_that_several_threads_read(tmp_path: Path) -> None:
    mesh = pv.ImageData(dimensions=(81, 80, 80)).cast_to_unstructured_grid()
    mesh.cell_data["noise"] = np.random.default_rng(0).random((mesh.n_cells, 3))
    file = write(tmp_path / "mesh.vtu", mesh)
    assert file.stat().st_size > 8 << 20
    mesh_read = read_vtu(file)
    assert mesh_read is not None
    assert_same(mesh_read, by_vtk(file))


def test_it_reads_what_we_write_with_its_units(tmp_path: Path) -> None:
    mesh = subject()
    write_mesh(mesh, tmp_path / "mesh.vtu", units={"holes": "Pa"})
    mesh_read = read_vtu(tmp_path / "mesh.vtu")
    assert mesh_read is not None
    assert "Pa" in str(mesh_read.field_data["tramontane_units"])
    assert_same(mesh_read, by_vtk(tmp_path / "mesh.vtu"))


def test_what_is_not_known_is_left_to_vtk(tmp_path: Path) -> None:
    mesh = subject()
    file = write(tmp_path / "polyhedra.vtu", with_polyhedra())
    assert read_vtu(file) is None
    assert read_mesh(file).n_cells == with_polyhedra().n_cells
    for name, change in {
        "ascii": lambda writer: writer.SetDataModeToAscii(),
        "binary": lambda writer: writer.SetDataModeToBinary(),
        "base64": lambda writer: writer.EncodeAppendedDataOn(),
        "lz4": lambda writer: writer.SetCompressorTypeToLZ4(),
        "big": lambda writer: writer.SetByteOrderToBigEndian(),
        "pieces": lambda writer: writer.SetNumberOfPieces(2),
    }.items():
        writer = vtkXMLUnstructuredGridWriter()
        writer.SetInputData(mesh)
        writer.SetFileName(str(tmp_path / f"{name}.vtu"))
        writer.SetDataModeToAppended()
        writer.EncodeAppendedDataOff()
        change(writer)
        writer.Write()
        assert read_vtu(tmp_path / f"{name}.vtu") is None, name
        assert_same(read_mesh(tmp_path / f"{name}.vtu"), by_vtk(tmp_path / f"{name}.vtu"))


@pytest.mark.parametrize("packed", [True, False])
def test_damage_is_left_to_vtk(tmp_path: Path, packed: bool) -> None:
    mesh = pv.ImageData(dimensions=(4, 4, 4)).cast_to_unstructured_grid()
    mesh.cell_data["pressure"] = np.random.default_rng(0).random(mesh.n_cells)
    file = write(tmp_path / "mesh.vtu", mesh, packed=packed, block=1024)
    whole, rng = file.read_bytes(), np.random.default_rng(1)
    head = whole.index(b"_", whole.index(b"<AppendedData")) + 1
    for keep in rng.integers(0, len(whole) - 12, 60):
        file.write_bytes(whole[:keep])
        assert read_vtu(file) is None
    read = 0
    for place in [*rng.integers(0, head, 150), *rng.integers(head, len(whole) - 12, 250)]:
        file.write_bytes(whole[:place] + bytes([whole[place] ^ int(rng.integers(1, 256))]) + whole[place + 1 :])
        mesh_read = read_vtu(file)
        if mesh_read is not None:  # a name, a value, or the range that a file states of its own
            read += 1
            assert (mesh_read.n_points, mesh_read.n_cells) == (mesh.n_points, mesh.n_cells)
            assert not packed or place < head or np.array_equal(mesh_read.points, mesh.points)
    assert read < 400
    # A packed value that was changed is found by its checksum, a list of cells that cannot be by what reads it.
    ids = head + int(whole[whole.index(b'Name="connectivity"') :].split(b'offset="')[1].split(b'"')[0])
    file.write_bytes(whole[: ids + 60] + b"\x7f" + whole[ids + 61 :])
    with pytest.raises(FormatError, match=r"mesh\.vtu: "):
        read_mesh(file)


def test_sizes_that_cannot_be_take_no_memory(tmp_path: Path) -> None:
    mesh = pv.ImageData(dimensions=(4, 4, 4)).cast_to_unstructured_grid()
    for packed in (True, False):
        file = write(tmp_path / "mesh.vtu", mesh, packed=packed)
        whole = file.read_bytes()
        head = whole.index(b"_", whole.index(b"<AppendedData")) + 1
        for word in range(3 if packed else 1):
            for value in (2**20, 2**40, 2**62, 2**64 - 1):
                at = head + 8 * word
                file.write_bytes(whole[:at] + value.to_bytes(8, "little") + whole[at + 8 :])
                mesh_read = read_vtu(file)
                # The size of whole blocks does not matter where there is but one, which is not.
                assert (
                    mesh_read is None
                    if word != 1
                    else mesh_read is None or np.array_equal(mesh_read.points, mesh.points)
                )
        for count in (b"0", b"-1", b"9" * 9, b"9" * 30):
            for old in (b'NumberOfPoints="64"', b'NumberOfCells="27"'):
                assert old in whole
                file.write_bytes(whole.replace(old, old.split(b'"')[0] + b'"' + count + b'"'))
                assert read_vtu(file) is None
