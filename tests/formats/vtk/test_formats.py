"""Files of the VTK family: what is written is read back bit for bit, and a damaged file is never half a mesh."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import pyvista as pv
from hypothesis import HealthCheck, given, settings

from helpers.formats.loaders import parallel_grid
from helpers.formats.meshes import assert_same, grids
from tramontane.errors import FormatError
from tramontane.formats import read_mesh, read_meshes, stored_units, write_mesh, write_meshes
from tramontane.formats.readers import result_files


@pytest.mark.parametrize("suffix", [".vtu", ".vtk", ".vtkhdf", ".vtm"])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mesh=grids())
def test_any_mesh_comes_back_bit_for_bit(tmp_path: Path, suffix: str, mesh: pv.UnstructuredGrid) -> None:
    write_mesh(mesh, tmp_path / f"mesh{suffix}")
    assert_same(read_mesh(tmp_path / f"mesh{suffix}"), mesh)


@pytest.mark.parametrize("suffix", [".vtp", ".vtu", ".vtk", ".vtkhdf", ".vtm"])
def test_units_travel_with_the_fields(tmp_path: Path, suffix: str) -> None:
    mesh = pv.Sphere(theta_resolution=8, phi_resolution=8)
    mesh["σ_vM"] = mesh.points[:, 0] ** 2
    file = tmp_path / f"part{suffix}"
    write_mesh(mesh, file, units={"σ_vM": "Pa", "wall shear": "N/m²"})
    read = read_mesh(file)
    assert stored_units(read) == {"σ_vM": "Pa", "wall shear": "N/m²"}
    assert read.area == pytest.approx(mesh.area, rel=1e-12)
    assert stored_units(mesh) == {}  # what was given stays as it was
    assert stored_units(pv.Sphere()) == {}


def test_paraviews_own_reader_sees_the_same(tmp_path: Path) -> None:
    mesh = pv.ImageData(dimensions=(3, 3, 3)).cast_to_unstructured_grid()
    mesh["temperature"] = 300.0 + mesh.points[:, 2]
    write_mesh(mesh, tmp_path / "part.vtu", units={"temperature": "K"})
    assert_same(pv.read(tmp_path / "part.vtu"), mesh)


def test_blocks_of_a_vtm_keep_their_names_and_units(tmp_path: Path) -> None:
    surface, volume = pv.Sphere(), pv.ImageData(dimensions=(3, 3, 3)).cast_to_unstructured_grid()
    for mesh in (surface, volume):
        mesh["pressure"] = np.arange(mesh.n_points) / 7
    for _ in range(2):  # the second time it replaces itself
        assert write_meshes({"surface": surface, "volume": volume}, tmp_path / "a.vtm", units={"pressure": "Pa"}) == [
            tmp_path / "a.vtm"
        ]
    read = read_meshes(tmp_path / "a.vtm")
    assert list(read) == ["surface", "volume"]
    assert_same(read["surface"], surface)
    assert_same(read["volume"], volume)
    assert stored_units(read["volume"]) == {"pressure": "Pa"}
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a", "a.vtm"]
    with pytest.raises(FormatError, match=r"a\.vtm: holds 2 blocks \(surface, volume\)"):
        read_mesh(tmp_path / "a.vtm")
    next((tmp_path / "a").glob("*.vtu")).unlink()
    with pytest.raises(FormatError, match=r"a\.vtm: cannot be read"):
        read_meshes(tmp_path / "a.vtm")


def test_meshes_that_do_not_fit_the_suffix_are_written_beside_it(tmp_path: Path) -> None:
    meshes = {"surface": pv.Sphere(), "volume": pv.ImageData(dimensions=(2, 2, 2)).cast_to_unstructured_grid()}
    names = [file.name for file in write_meshes(meshes, tmp_path / "result.vtu")]
    assert names == ["result.vtu", "result-surface.vtu"]
    assert read_mesh(tmp_path / "result.vtu").volume == pytest.approx(1)
    names = [file.name for file in write_meshes(meshes, tmp_path / "skin.vtp")]
    assert names == ["skin.vtp", "skin-volume.vtu"]
    assert read_mesh(tmp_path / "skin-volume.vtu").volume == pytest.approx(1)


@pytest.mark.parametrize("suffix", [".vtu", ".vtp", ".vtk", ".vtkhdf", ".vtm"])
def test_a_damaged_file_is_an_error_in_one_line(tmp_path: Path, suffix: str, capfd: pytest.CaptureFixture[str]) -> None:
    mesh = pv.Sphere(theta_resolution=20, phi_resolution=20)
    mesh["pressure"] = np.random.default_rng(0).random(mesh.n_points)
    file = tmp_path / f"part{suffix}"
    write_mesh(mesh, file)
    content = file.read_bytes()
    spoilt = [content[: int(share * len(content))] for share in (0, 0.02, 0.3, 0.5, 0.8, 0.99)]
    spoilt += [b"not a mesh\n" * 40, content[: len(content) // 3] + content[-len(content) // 3 :]]
    for damaged in spoilt:
        file.write_bytes(damaged)
        with pytest.raises(FormatError) as error:
            read_mesh(file)
        assert str(error.value).startswith(f"{file}: ")
        assert "\n" not in str(error.value)
        assert str(error.value).endswith(("again", "path"))
    assert capfd.readouterr() == ("", "")  # VTK's own chatter stays off the screen


def test_cells_of_points_that_do_not_exist_are_refused(tmp_path: Path) -> None:
    bad = pv.UnstructuredGrid(np.array([3, 0, 1, 7]), np.array([pv.CellType.TRIANGLE]), np.eye(3))
    write_mesh(bad, tmp_path / "bad.vtu")
    with pytest.raises(FormatError, match=r"bad\.vtu: a cell has point 7, points are 0 to 2"):
        read_mesh(tmp_path / "bad.vtu")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_points_that_are_not_finite_are_named(tmp_path: Path, value: float) -> None:
    mesh = pv.Sphere()
    mesh.points[[5, 9], 1] = value
    write_mesh(mesh, tmp_path / "part.vtp")
    with pytest.raises(FormatError, match=r"part\.vtp: 2 of 842 points are not finite, the first is point 5"):
        read_mesh(tmp_path / "part.vtp")


def test_what_a_format_cannot_hold_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    volume = pv.ImageData(dimensions=(2, 2, 2)).cast_to_unstructured_grid()
    with pytest.raises(FormatError, match=r"a\.vtp: \.vtp holds surfaces only; choose \.vtu"):
        write_mesh(volume, tmp_path / "a.vtp")
    with pytest.raises(FormatError, match=r"a\.msh: \.msh is not written as a mesh; choose one of \.vtp"):
        write_mesh(volume, tmp_path / "a.msh")
    volume["a<b"] = np.zeros(8)
    with pytest.raises(FormatError, match=r"/a\.vtu: \.vtu cannot hold '<' in the name 'a<b'; rename it"):
        write_mesh(volume, tmp_path / "a.vtu")
    volume.rename_array("a<b", "grad/x")
    with pytest.raises(FormatError, match="cannot hold '/' in the name 'grad/x'"):
        write_mesh(volume, tmp_path / "a.vtkhdf")
    volume.rename_array("grad/x", "{0}")  # VTK's writer would take the whole process down
    with pytest.raises(FormatError, match=r"cannot hold '\{' in the name '\{0\}'"):
        write_mesh(volume, tmp_path / "a.vtk")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "part.vtu"
    mesh = pv.ImageData(dimensions=(2, 2, 2)).cast_to_unstructured_grid()
    write_mesh(mesh, file)
    before = file.read_bytes()
    mesh['quote"'] = np.zeros(8)
    with pytest.raises(FormatError):
        write_mesh(mesh, file)
    assert file.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["part.vtu"]


def test_a_missing_file_and_an_unknown_suffix(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"none\.vtu: there is no such file"):
        read_mesh(tmp_path / "none.vtu")
    (tmp_path / "a.msh").write_text("x")
    with pytest.raises(FormatError, match=r"a\.msh: \.msh is not read as a mesh; convert it to one of"):
        read_mesh(tmp_path / "a.msh")


@pytest.mark.parametrize("suffix", [".vti", ".vtr", ".vts"])
def test_structured_grids_are_read(tmp_path: Path, suffix: str) -> None:
    image = pv.ImageData(dimensions=(4, 3, 5), spacing=(0.1, 0.2, 0.3))
    image.cell_data["pressure"] = np.arange(image.n_cells, dtype=np.float32)
    grid = {".vti": image, ".vtr": image.cast_to_rectilinear_grid(), ".vts": image.cast_to_structured_grid()}[suffix]
    grid.save(tmp_path / f"flow{suffix}")
    mesh = read_mesh(tmp_path / f"flow{suffix}")
    assert mesh.volume == pytest.approx(0.3 * 0.4 * 1.2)
    centres = mesh.cell_centers().points
    order = np.lexsort(centres.T)  # x runs fastest, as in the image
    assert np.array_equal(mesh.cell_data["pressure"][order], np.arange(image.n_cells))


def test_pieces_of_a_parallel_file_are_joined(tmp_path: Path) -> None:
    mesh = read_mesh(parallel_grid(tmp_path))
    assert (mesh.n_cells, mesh.n_points) == (24, 63)
    assert mesh.volume == pytest.approx(24.0)
    assert mesh.array_names == ["pressure"]
    assert np.allclose(mesh.cell_data["pressure"], mesh.cell_centers().points[:, 0])
    assert mesh.extract_surface(algorithm="geometry").area == pytest.approx(2 * (6 * 2 + 6 * 2 + 2 * 2))


def test_pieces_of_a_parallel_surface_are_joined(tmp_path: Path) -> None:
    whole = pv.Plane(i_size=2.0, j_size=1.0, i_resolution=4, j_resolution=2)
    whole.clear_data()
    whole.point_data["pressure"] = whole.points[:, 0].astype(np.float32)
    for number, invert in enumerate((False, True)):
        whole.clip("x", invert=invert).save(tmp_path / f"wall_{number}.vtp")
    (tmp_path / "wall.pvtp").write_text(
        '<VTKFile type="PPolyData" version="1.0" byte_order="LittleEndian"><PPolyData GhostLevel="0">'
        '<PPoints><PDataArray type="Float32" Name="Points" NumberOfComponents="3"/></PPoints>'
        '<PPointData><PDataArray type="Float32" Name="pressure"/></PPointData>'
        '<Piece Source="wall_0.vtp"/><Piece Source="wall_1.vtp"/></PPolyData></VTKFile>'
    )
    mesh = read_mesh(tmp_path / "wall.pvtp")
    assert isinstance(mesh, pv.PolyData)
    assert (mesh.n_cells, mesh.n_points) == (8, 15)
    assert mesh.area == pytest.approx(2.0)
    assert np.allclose(mesh.point_data["pressure"], mesh.points[:, 0])


def test_pieces_are_no_cases_of_their_own(tmp_path: Path) -> None:
    parallel_grid(tmp_path)
    assert [file.name for file in result_files(sorted(tmp_path.iterdir()))] == ["flow.pvtu"]


def test_a_missing_piece_is_named(tmp_path: Path) -> None:
    file = parallel_grid(tmp_path)
    (tmp_path / "flow_1.vtu").unlink()
    with pytest.raises(FormatError, match="flow"):
        read_mesh(file)
