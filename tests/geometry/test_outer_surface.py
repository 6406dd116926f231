"""The outer surface that is found by looking at the surface alone is the one that VTK finds by looking at all faces."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import pyvista as pv

from tramontane.geometry.outer_surface import outer_surface


def block(side: int = 12) -> pv.UnstructuredGrid:
    """Hexahedra, numbered at random."""
    grid = pv.ImageData(dimensions=(side + 1, side, side)).cast_to_unstructured_grid()
    hexahedra = grid.cells_dict[pv.CellType.VOXEL][:, [0, 1, 3, 2, 4, 5, 7, 6]]
    rng = np.random.default_rng(0)
    names = rng.permutation(grid.n_points)
    points = np.empty_like(grid.points)
    points[names] = grid.points + 0.2 * rng.standard_normal(grid.points.shape)
    return pv.UnstructuredGrid({pv.CellType.HEXAHEDRON: rng.permutation(names[hexahedra])}, points)


def without(mesh: pv.UnstructuredGrid, center: tuple[float, ...], radius: float) -> pv.UnstructuredGrid:
    far = np.linalg.norm(mesh.cell_centers().points - center, axis=1) > radius
    return mesh.extract_cells(np.flatnonzero(far))


def wedges_and_pyramids(count: int = 6) -> pv.UnstructuredGrid:
    """A bar of hexahedra, some cut into two wedges, some into six pyramids."""
    grid = pv.ImageData(dimensions=(count + 1, count + 1, count + 1)).cast_to_unstructured_grid()
    bricks = grid.cells_dict[pv.CellType.VOXEL][:, [0, 1, 3, 2, 4, 5, 7, 6]]
    points, cells, types = [*grid.points], [], []
    faces = [(0, 3, 2, 1), (4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7)]
    for number, brick in enumerate(bricks):
        column = number % (count * count) % 3  # cut alike along z, so that faces meet
        if column == 0:
            cells += [[6, *brick[[0, 1, 3, 4, 5, 7]]], [6, *brick[[1, 2, 3, 5, 6, 7]]]]
            types += [13, 13]
        elif column == 1:
            points.append(grid.points[brick].mean(axis=0))
            cells += [[5, *brick[list(face)], len(points) - 1] for face in faces]
            types += [14] * 6
        else:
            cells.append([8, *brick])
            types.append(12)
    return pv.UnstructuredGrid(np.concatenate(cells), np.array(types), np.array(points, dtype=np.float32))


def turned(mesh: pv.UnstructuredGrid) -> pv.UnstructuredGrid:
    """Every third hexahedron numbered the wrong way round."""
    cells = mesh.cells_dict[pv.CellType.HEXAHEDRON].copy()
    cells[::3] = cells[::3][:, [4, 5, 6, 7, 0, 1, 2, 3]]
    return pv.UnstructuredGrid({pv.CellType.HEXAHEDRON: cells}, mesh.points)


def with_a_baffle(mesh: pv.UnstructuredGrid) -> pv.UnstructuredGrid:
    """Two halves that touch and share no points."""
    left = mesh.cell_centers().points[:, 0] < 6
    return pv.merge([mesh.extract_cells(np.flatnonzero(side)) for side in (left, ~left)], merge_points=False)


SUBJECTS = {
    "hexahedra": block(),
    "a cavity": without(block(), (6, 5, 5), 2.5),
    "one cell is missing": without(block(), tuple(block().cell_centers().points[700]), 1e-6),
    "tetrahedra": without(block(), (6, 5, 5), 2.5).triangulate(),
    "wedges and pyramids": wedges_and_pyramids(),
    "cells of both hands": turned(block()),
    "a baffle": with_a_baffle(block()),
    "two cells in one place": pv.merge([block(3), block(3).extract_cells([4])], merge_points=True),
    "one cell": block(3).extract_cells([0]),
    "all cells twice": pv.merge([block(3), block(3)], merge_points=True),
}


def corners(surface: pv.PolyData) -> Counter[tuple[bytes, ...]]:
    """Each face by its corners, in any order."""
    points = np.round(np.asarray(surface.points, dtype=np.float64), 6)
    return Counter(tuple(sorted(points[corner].tobytes() for corner in face)) for face in surface.irregular_faces)


@pytest.mark.parametrize("mesh", SUBJECTS.values(), ids=SUBJECTS)
def test_it_is_what_vtk_finds(mesh: pv.UnstructuredGrid) -> None:
    surface, expected = outer_surface(mesh, many=0), outer_surface(mesh, many=1 << 40)
    assert corners(surface) == corners(expected)
    assert surface.n_points == len(np.unique(np.concatenate([[], *surface.irregular_faces])))


@pytest.mark.parametrize("mesh", [SUBJECTS["a cavity"], SUBJECTS["tetrahedra"]])
def test_its_faces_look_outward(mesh: pv.UnstructuredGrid) -> None:
    assert outer_surface(mesh, many=0).triangulate().volume == pytest.approx(mesh.volume, rel=1e-3)


def test_only_cells_at_the_surface_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    extract = pv.UnstructuredGrid.extract_surface
    monkeypatch.setattr(pv.UnstructuredGrid, "extract_surface",
                        lambda self, **options: (sizes.append(self.n_cells), extract(self, **options))[1])  # fmt: skip
    outer_surface(block(), many=0)
    assert sizes == [12 * 11 * 11 - 10 * 9 * 9]


def test_other_kinds_of_cells_are_left_to_vtk() -> None:
    for mesh in (pv.ImageData(dimensions=(4, 4, 4)), pv.ImageData(dimensions=(4, 4, 4)).cast_to_unstructured_grid()):
        assert outer_surface(mesh, many=0).n_cells == 6 * 9
