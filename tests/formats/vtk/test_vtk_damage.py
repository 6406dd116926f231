"""What VTK's readers take for whole: legacy files that end too soon, cells that cannot be, texts that are none."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import pyvista as pv

from helpers.fuzzing.fuzz_subjects import grid, vtk_legacy
from tramontane.errors import FormatError
from tramontane.formats import read_mesh
from tramontane.formats.isolation.isolated import memory_for
from tramontane.formats.vtk import legacy


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("version", [42, 51])
@pytest.mark.parametrize("surface", [False, True])
def test_a_legacy_file_that_ends_amid_an_array(tmp_path: Path, binary: bool, version: int, surface: bool) -> None:
    file = vtk_legacy(binary, version, surface=surface)(tmp_path).path
    whole = file.read_bytes()
    legacy.check_legacy(file)
    # Between an array's header line and the end of its values.
    arrays = [
        match.end() for match in re.finditer(rb"^(?:POINTS|SCALARS|velocity) .*\n(?:LOOKUP_TABLE .*\n)?", whole, re.M)
    ]
    assert len(arrays) >= 2
    for start in arrays:
        for keep in (0, 1, 20, 60):
            file.write_bytes(whole[: start + keep])
            with pytest.raises(
                FormatError, match=r"body\.vtk: is cut off \(its \S+ ?\S* should have \d+ (values|bytes), "
            ):
                read_mesh(file)
    file.write_bytes(whole)
    assert read_mesh(file).n_points == (grid().n_points if not surface else read_mesh(file).n_points)


@pytest.mark.parametrize("portion", [7, 97])
@pytest.mark.parametrize("binary", [False, True])
def test_portions_of_any_size_give_the_same_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, binary: bool, portion: int
) -> None:
    file = vtk_legacy(binary, 51)(tmp_path).path
    whole = file.read_bytes()
    monkeypatch.setattr(legacy, "_PORTION", portion)
    legacy.check_legacy(file)
    file.write_bytes(whole[: whole.rindex(b"velocity 3") + 80])
    with pytest.raises(FormatError, match="its FIELD velocity should have"):
        legacy.check_legacy(file)


@pytest.mark.parametrize("binary", [False, True])
def test_other_kinds_of_grids_are_whole(tmp_path: Path, binary: bool) -> None:
    for mesh in (image := pv.ImageData(dimensions=(3, 4, 5)), image.cast_to_rectilinear_grid(),
                 image.cast_to_structured_grid()):  # fmt: skip
        mesh.point_data["temperature"] = np.arange(60.0)
        mesh.cell_data["stress"] = np.zeros((24, 9))
        mesh.save(tmp_path / "grid.vtk", binary=binary)
        assert read_mesh(tmp_path / "grid.vtk").n_cells == 24
        whole = (tmp_path / "grid.vtk").read_bytes()
        (tmp_path / "grid.vtk").write_bytes(whole[:-40])
        with pytest.raises(FormatError, match="is cut off"):
            read_mesh(tmp_path / "grid.vtk")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (" 12 ", " 15 ", "a cell of type PENTAGONAL_PRISM has 8 points"),
        (" 12 ", " 66 ", "holds cells of unknown type 66"),
        (" 42 ", " 12 ", "a cell of type HEXAHEDRON has 0 points"),
    ],
)
def test_cells_that_cannot_be(tmp_path: Path, old: str, new: str, message: str) -> None:
    """VTK's filters end the program on these."""
    corners = "0 0 0  1 0 0  1 1 0  0 1 0  0 0 1  1 0 1  1 1 1  0 1 1"
    ids, ends = ("", "0") if "42" in old else ("0 1 2 3 4 5 6 7", "8")
    (tmp_path / "cell.vtu").write_text(
        '<VTKFile type="UnstructuredGrid" version="1.0"><UnstructuredGrid><Piece NumberOfPoints="8" NumberOfCells="1">'
        f'<Points><DataArray type="Float64" NumberOfComponents="3" format="ascii">{corners}</DataArray></Points><Cells>'
        f'<DataArray type="Int64" Name="connectivity" format="ascii">{ids}</DataArray>'
        f'<DataArray type="Int64" Name="offsets" format="ascii"> {ends} </DataArray>'
        f'<DataArray type="UInt8" Name="types" format="ascii">{old}</DataArray>'
        "</Cells></Piece></UnstructuredGrid></VTKFile>"
    )
    file = tmp_path / "cell.vtu"
    if "12" in old:
        assert read_mesh(file).volume == pytest.approx(1)
    file.write_text(file.read_text().replace(f">{old}<", f">{new}<"))
    with pytest.raises(FormatError, match=rf"cell\.vtu: {message}"):
        read_mesh(file)


def test_a_polyhedron_whose_faces_are_of_other_points(tmp_path: Path) -> None:
    mesh = grid()
    mesh.save(tmp_path / "body.vtu", binary=False)
    text = (tmp_path / "body.vtu").read_text()
    assert text.count(" 0 3 2 1 ") == 1
    (tmp_path / "body.vtu").write_text(text.replace(" 0 3 2 1 ", " 0 3 2 9 "))
    with pytest.raises(FormatError, match=r"body\.vtu: the faces of a polyhedron have points that it has not"):
        read_mesh(tmp_path / "body.vtu")


def test_a_text_that_is_not_utf_8_is_kept_as_far_as_it_can(tmp_path: Path) -> None:
    mesh = grid()
    mesh.save(tmp_path / "body.vtk", binary=False)
    content = (tmp_path / "body.vtk").read_bytes()
    assert content.count(b"a%20box") == 1
    (tmp_path / "body.vtk").write_bytes(content.replace(b"a%20box", b"Stra\xdfe"))
    assert list(read_mesh(tmp_path / "body.vtk").field_data["title"]) == ["Stra�e"]


def test_a_bomb_is_within_the_bound_of_memory(tmp_path: Path) -> None:
    """A file of some kilobytes whose blocks claim, and compress to, more than reading it may take."""
    assert memory_for(10_000) < 4.3e9
    points = 6 * 10**8
    (tmp_path / "bomb.vtu").write_text(
        '<VTKFile type="UnstructuredGrid" version="1.0"><UnstructuredGrid>'
        f'<Piece NumberOfPoints="{points}" NumberOfCells="0"><Points>'
        '<DataArray type="Float64" NumberOfComponents="3" format="ascii">0 0 0</DataArray></Points><Cells>'
        '<DataArray type="Int64" Name="connectivity" format="ascii"></DataArray>'
        '<DataArray type="Int64" Name="offsets" format="ascii"></DataArray>'
        '<DataArray type="UInt8" Name="types" format="ascii"></DataArray>'
        "</Cells></Piece></UnstructuredGrid></VTKFile>"
    )
    with pytest.raises(FormatError, match=r"bomb\.vtu: cannot be read"):
        read_mesh(tmp_path / "bomb.vtu")
