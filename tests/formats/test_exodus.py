"""Exodus II, written by the Exodus library as MOOSE and Sierra call it; no file of theirs was read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import pyvista as pv

from helpers.formats.damage import assert_cut_off_is_said, assert_flips_do_no_harm, assert_others_are_refused
from helpers.formats.exodus_files import write_bar
from tramontane.formats.exodus.reader import read_exodus
from tramontane.formats.readers import file_reader
from tramontane.formats.results import patches_of


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_bar(tmp_path / "bar.e")


def test_blocks_are_one_volume_and_side_sets_the_patches_of_its_surface(file: Path) -> None:
    assert file_reader(file) is read_exodus
    results = read_exodus(file)
    volume, surface = results.meshes["volume"], results.meshes["surface"]
    assert volume.n_points == 13  # where blocks meet, their nodes are the same
    assert volume.volume == pytest.approx(2 + 1 / 3)
    assert volume.celltypes.tolist() == [pv.CellType.HEXAHEDRON, pv.CellType.HEXAHEDRON, pv.CellType.PYRAMID]
    patches, names = patches_of(surface)  # type: ignore[misc]
    assert names == ["fixed", "front"]
    areas = surface.compute_cell_sizes()["Area"]
    assert [areas[patches == index].sum() for index in (0, 1)] == pytest.approx([1, 2])
    assert results.extra == {"time": {"value": 1.5, "step": 3, "steps": 3}, "title": "a bar"}
    assert results.files == [file]


def test_the_last_step_with_vectors_and_tensors_put_together(file: Path) -> None:
    results = read_exodus(file)
    volume = results.meshes["volume"]
    assert sorted(volume.point_data.keys()) == ["displacement", "temperature"]
    x = volume.points[:, 0]
    assert volume.point_data["displacement"] == pytest.approx(np.stack([3 * x, 6 * x, 9 * x], axis=1))
    assert volume.point_data["temperature"] == pytest.approx(303 + x)
    assert sorted(volume.cell_data.keys()) == ["stress", "von_mises"]
    assert volume.cell_data["stress"].tolist() == [
        [30, 60, 90, 120, 150, 180], [7] * 6, [-3, -6, -9, -12, -15, -18],
    ]  # fmt: skip
    front = results.meshes["surface"]
    assert front.point_data["temperature"] == pytest.approx(303 + front.points[:, 0])


def test_what_vtk_writes_is_read(tmp_path: Path) -> None:
    from vtkmodules.vtkIOExodus import vtkExodusIIWriter

    grid = pv.ImageData(dimensions=(4, 3, 3)).cast_to_unstructured_grid()
    grid.point_data["temperature"] = 300 + grid.points[:, 1].astype(float)
    grid.cell_data["density"] = np.arange(grid.n_cells, dtype=float)
    writer = vtkExodusIIWriter()
    writer.SetInputData(grid)
    writer.SetFileName(str(tmp_path / "grid.exo"))
    writer.Write()
    volume = read_exodus(tmp_path / "grid.exo").meshes["volume"]
    assert volume.volume == pytest.approx(12)
    assert volume.point_data["temperature"] == pytest.approx(300 + volume.points[:, 1])
    assert volume.cell_data["density"].tolist() == list(range(12))


def test_damage(file: Path, tmp_path: Path) -> None:
    assert_cut_off_is_said(read_exodus, file, shares=(0.1, 0.5, 0.8, 0.97))
    assert_flips_do_no_harm(read_exodus, file)
    assert_others_are_refused(read_exodus, tmp_path / "other.e")


def test_the_last_of_the_meshes_of_an_adaptive_run(tmp_path: Path) -> None:
    """MOOSE writes out.e, out.e-s002, ... where the mesh changes, each with the times that it had."""
    write_bar(tmp_path / "early.e").rename(tmp_path / "out.e")
    write_bar(tmp_path / "late.e").rename(tmp_path / "out.e-s002")
    write_bar(tmp_path / "later.e").rename(tmp_path / "out.e-s010")
    results = read_exodus(tmp_path / "out.e")
    assert results.files == [tmp_path / "out.e-s010"]
    assert "its mesh changes with time, the last mesh is in out.e-s010, which is read" in results.warnings[0]
