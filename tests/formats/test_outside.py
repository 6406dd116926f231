"""Files that name other files lead nowhere out of their folder; bombs, which unpack to far too much, are refused."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from helpers.formats import xdmf_files
from helpers.fuzzing.fuzz_subjects import ball, vtk_blocks, vtkhdf
from tramontane.errors import FormatError
from tramontane.formats import read_mesh
from tramontane.formats.arrays import read_arrays
from tramontane.formats.cgns.reader import read_cgns
from tramontane.formats.cgns.tree import open_tree
from tramontane.formats.collection import read_file
from tramontane.formats.ensight.reader import read_ensight
from tramontane.formats.isolation.checks import beside
from tramontane.formats.isolation.isolated import memory_for
from tramontane.formats.vtk.meshes import read_meshes
from tramontane.formats.xdmf.reader import read_xdmf

OUTSIDE = ["../../../etc/hostname", "/etc/hostname", "parts/../../secret", "..\\secret", "C:/secret"]
REFUSED = r"names a file outside of its folder \(.*\), which is not read; put that file beside"


@pytest.mark.parametrize("name", [*OUTSIDE, "a\0b"])
def test_what_lies_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(FormatError, match=rf"list\.vtm: {REFUSED} list\.vtm, and name it so"):
        beside(tmp_path / "list.vtm", name)


def test_what_lies_below_is_found_also_through_someones_own_link(tmp_path: Path) -> None:
    assert beside(tmp_path / "list.vtm", "./parts/..\\parts/a.vtu") == tmp_path / "parts" / "a.vtu"
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "here").mkdir()
    file = xdmf_files.write(tmp_path / "here" / "body.xdmf", xdmf_files.grid(folder=tmp_path / "elsewhere"))
    for heavy in (tmp_path / "elsewhere").iterdir():
        (tmp_path / "here" / heavy.name).symlink_to(heavy)
    assert read_xdmf(file).meshes["volume"].n_cells == 2


@pytest.mark.parametrize("name", OUTSIDE)
def test_files_of_an_xdmf(tmp_path: Path, name: str) -> None:
    file = xdmf_files.write(tmp_path / "body.xdmf", xdmf_files.grid(folder=tmp_path))
    file.write_text(file.read_text().replace("temperature.bin", name))
    with pytest.raises(FormatError, match=rf"body\.xdmf: {REFUSED}"):
        read_xdmf(file)


@pytest.mark.parametrize("name", OUTSIDE)
def test_ensight(tmp_path: Path, name: str) -> None:
    file = tmp_path / "flow.case"
    file.write_text(f"FORMAT\ntype: ensight gold\nGEOMETRY\nmodel: {name}\n")
    with pytest.raises(FormatError, match=rf"flow\.case: {REFUSED}"):
        read_ensight(file)


@pytest.mark.parametrize("name", ["../elsewhere/body.vtp", "&#46;./elsewhere/body.vtp"])
def test_pieces_of_a_vtm(tmp_path: Path, name: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    ball().save(tmp_path / "elsewhere" / "body.vtp")
    (tmp_path / "here").mkdir()
    file = vtk_blocks(tmp_path / "here").path
    assert sorted(read_meshes(file)) == ["surface", "volume"]
    whole = file.read_text()
    file.write_text(whole.replace("body/body_1.vtp", name))
    assert file.read_text() != whole
    with pytest.raises(FormatError, match=rf"body\.vtm: {REFUSED}"):
        read_meshes(file)
    file.write_text(whole.replace("<VTKFile", '<!DOCTYPE a [<!ENTITY b "../elsewhere/body.vtp">]><VTKFile'))
    with pytest.raises(FormatError, match=r"body\.vtm: defines XML entities"):
        read_meshes(file)


@pytest.mark.parametrize("kind", ["link", "external", "virtual"])
def test_hdf5(tmp_path: Path, kind: str) -> None:
    h5py = pytest.importorskip("h5py")
    file = vtkhdf(tmp_path).path
    assert read_mesh(file).n_points > 0
    with h5py.File(file, "a") as root:
        data, name = root["VTKHDF/PointData"], "pressure"
        count, kept = len(data[name]), data[name].dtype
        del data[name]
        if kind == "link":
            data[name] = h5py.ExternalLink("/tmp/other.h5", "/x")
        elif kind == "external":
            data.create_dataset(name, (count,), kept, external=[("../../etc/hostname", 0, 8 * count)])
        else:
            layout = h5py.VirtualLayout((count,), kept)
            layout[:] = h5py.VirtualSource("../other.h5", "x", (count,))
            data.create_virtual_dataset(name, layout)
    with pytest.raises(FormatError, match=rf"body\.vtkhdf: {REFUSED}"):
        read_mesh(file)
    cgns = file.rename(tmp_path / "body.cgns")
    for read in (read_cgns, read_file):
        with pytest.raises(FormatError, match=rf"body\.cgns: {REFUSED}"):
            read(cgns)


# -- bombs ---------------------------------------------------------------------------------------------------------


def test_a_compressed_vtu(tmp_path: Path) -> None:
    """Its blocks of zeros, 32 MB each, are the same 32 kB two hundred times over."""
    size, count = 1 << 25, 200
    block = zlib.compress(bytes(size), 9)
    head = struct.pack(f"<{3 + count}Q", count, size, 0, *[len(block)] * count)
    points = size * count // 24
    text = (
        '<VTKFile type="UnstructuredGrid" version="1.0" byte_order="LittleEndian" header_type="UInt64" '
        'compressor="vtkZLibDataCompressor"><UnstructuredGrid>'
        f'<Piece NumberOfPoints="{points}" NumberOfCells="0"><Points>'
        '<DataArray type="Float64" NumberOfComponents="3" format="appended" offset="0"/></Points><Cells>'
        '<DataArray type="Int64" Name="connectivity" format="ascii"></DataArray>'
        '<DataArray type="Int64" Name="offsets" format="ascii"></DataArray>'
        '<DataArray type="UInt8" Name="types" format="ascii"></DataArray></Cells></Piece></UnstructuredGrid>'
        '<AppendedData encoding="raw">_'
    )
    file = tmp_path / "bomb.vtu"
    file.write_bytes(text.encode() + head + block * count + b"</AppendedData></VTKFile>")
    assert memory_for(file.stat().st_size) < size * count
    with pytest.raises(FormatError, match=r"bomb\.vtu: cannot be read"):
        read_mesh(file)


def test_compressed_hdf5(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    file = vtkhdf(tmp_path).path
    count = 3 * 10**8
    with h5py.File(file, "a") as root:
        top = root["VTKHDF"]
        del top["Points"]
        top.create_dataset("Points", (count, 3), np.float64, chunks=(1 << 16, 3), compression="gzip")
        top["NumberOfPoints"][...] = count
    assert file.stat().st_size < 300_000
    with pytest.raises(FormatError, match=r"body\.vtkhdf: cannot be read"):
        read_mesh(file)


def test_cgns_with_h5py(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "mesh.cgns", "w") as root:
        node = root.create_group("Coordinates")
        node.create_dataset(" data", (10**9,), np.float64, chunks=(1 << 16,), compression="gzip")
    with (
        pytest.raises(FormatError, match=r"mesh\.cgns: /Coordinates/ data claims 8000000000 bytes in a file of \d+"),
        open_tree(tmp_path / "mesh.cgns") as tree,
    ):
        tree.values(tree.root["Coordinates"])


def test_arrays_of_numpy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tramontane.formats.arrays.memory_for", lambda size: (1 << 20) + 20 * size)
    file = tmp_path / "bomb.npz"
    np.savez_compressed(file, a=np.zeros(10**7))
    with pytest.raises(FormatError, match=r"bomb\.npz: unpacks to 80000\d+ bytes from \d{5}; "):
        read_arrays(file)
    np.savez_compressed(file, a=np.arange(5.0))
    assert read_arrays(file)["a"].tolist() == [0, 1, 2, 3, 4]
    np.save(tmp_path / "a.npy", np.arange(5.0))
    assert read_arrays(tmp_path / "a.npy")[""].tolist() == [0, 1, 2, 3, 4]
    content = (tmp_path / "a.npy").read_bytes()
    lie = content.replace(b"(5,), }" + b" " * 18, b"(5000000000000000000,), }")
    assert lie != content
    (tmp_path / "a.npy").write_bytes(lie)
    with pytest.raises(
        FormatError, match=r"a\.npy: is cut off or damaged \(an array of 40000000000000000000 bytes in 168\)"
    ):
        read_arrays(tmp_path / "a.npy")


def test_a_vtm_is_probed_with_its_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pieces count for the bounds."""
    sizes: list[int] = []
    monkeypatch.setattr(
        "tramontane.formats.isolation.isolated.memory_for", lambda size: sizes.append(size) or memory_for(size)
    )
    file = vtk_blocks(tmp_path).path
    read_meshes(file)
    assert sizes == [sum(each.stat().st_size for each in tmp_path.rglob("*") if each.is_file())]
