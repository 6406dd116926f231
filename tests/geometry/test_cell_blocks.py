"""Cells measured block by block are what VTK measures of the whole mesh, wherever the cuts lie."""

from __future__ import annotations

import numpy as np
import pytest
import pyvista as pv

from helpers.formats.meshes import mixed
from tramontane.geometry.cell_blocks import Cells

RANDOM = np.random.default_rng(0)


def polyhedra(count: int = 5) -> pv.UnstructuredGrid:
    """Boxes made of faces, between hexahedra: every second one has an edge twice as long."""
    points, stream, types = [], [], []
    faces = [[0, 3, 2, 1], [4, 5, 6, 7], [0, 1, 5, 4], [1, 2, 6, 5], [2, 3, 7, 6], [3, 0, 4, 7]]
    corners = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]], float)
    for number in range(count):
        first = 8 * number
        points.append(corners * [1 + number % 2, 1, 1] + [3 * number, 0, 0])
        if number % 3 == 2:
            stream += [8, *(first + np.arange(8))]
            types.append(12)
        else:
            body = [6] + [entry for face in faces for entry in (4, *(first + place for place in face))]
            stream += [len(body), *body]
            types.append(42)
    return pv.UnstructuredGrid(np.array(stream), np.array(types), np.concatenate(points))


def poly() -> pv.PolyData:
    """A mesh of vertices, lines, triangles, quads and polygons."""
    return pv.PolyData(RANDOM.random((12, 3)), verts=[1, 3], lines=[3, 0, 1, 2],
                       faces=[3, 0, 1, 2, 4, 4, 5, 6, 7, 3, 8, 9, 10], strips=[5, 0, 1, 2, 3, 4])  # fmt: skip


@pytest.mark.parametrize("mesh", [mixed(), poly(), pv.Sphere(), mixed().triangulate()],
                         ids=["mixed", "poly", "sphere", "tetrahedra"])  # fmt: skip
@pytest.mark.parametrize("block", [1, 3, 1000])
def test_blocks_measure_what_vtk_measures_of_the_whole(mesh: pv.DataSet, block: int) -> None:
    cells = Cells(mesh, block)
    sized, centers = mesh.compute_cell_sizes(), mesh.cell_centers().points
    expected = np.max([np.abs(np.asarray(sized[key])) for key in ("Length", "Area", "Volume")], axis=0)
    count = 0
    for part in cells:
        dimensions, sizes, middles = cells.measure(part)
        assert sizes == pytest.approx(expected[part.slice], rel=1e-6)
        assert np.allclose(middles, centers[part.slice], atol=1e-6)
        assert ((dimensions > 0) == (sizes > 0)).all()
        count += len(sizes)
    assert count == len(cells) == mesh.n_cells


@pytest.mark.parametrize("block", [1, 2, 1000])
def test_polyhedra_have_their_own_faces_in_every_block(block: int) -> None:
    mesh = polyhedra()
    cells = Cells(mesh, block)
    measured = [cells.measure(part) for part in cells]
    lengths = 1.0 + np.arange(5) % 2
    assert np.concatenate([sizes for _, sizes, _ in measured]) == pytest.approx(lengths)
    middles = np.concatenate([centers for _, _, centers in measured])
    assert middles == pytest.approx(np.column_stack([3 * np.arange(5) + lengths / 2, *[np.full(5, 0.5)] * 2]))


def test_means_over_a_cells_points_are_the_same_in_every_cut() -> None:
    mesh = pv.ImageData(dimensions=(4, 4, 4)).cast_to_unstructured_grid()
    for block in (1, 5, 1000):
        cells = Cells(mesh, block)
        means = np.concatenate([part.means(np.asarray(mesh.points)) for part in cells])
        assert np.allclose(means, mesh.cell_centers().points)


@pytest.mark.parametrize("kind", ["hexahedra", "tetrahedra"])
def test_warped_cells_are_measured_as_vtk_measures_them(kind: str) -> None:
    grid = pv.ImageData(dimensions=(28, 29, 30), offset=(100, 0, 0)).cast_to_unstructured_grid()
    cells = grid.cells_dict[pv.CellType.VOXEL][:, [0, 1, 3, 2, 4, 5, 7, 6]]
    points = grid.points + 0.08 * np.random.default_rng(0).standard_normal(grid.points.shape).astype(np.float32)
    mesh = pv.UnstructuredGrid({pv.CellType.HEXAHEDRON: cells}, points)
    mesh = mesh if kind == "hexahedra" else mesh.triangulate()
    assert mesh.n_cells > 1 << 14  # several portions
    [block] = Cells(mesh)
    dimensions, sizes, centers = Cells(mesh).measure(block)
    assert (dimensions == 3).all()
    assert np.allclose(sizes, np.abs(mesh.compute_cell_sizes().cell_data["Volume"]), rtol=1e-9, atol=1e-12)
    assert np.allclose(centers, mesh.cell_centers().points, atol=1e-4)
    assert sizes.sum() == pytest.approx(mesh.extract_surface(algorithm="geometry").triangulate().volume, rel=1e-3)


def test_flat_solids_have_no_size() -> None:
    flat = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]] * 2, np.float32)
    cells = Cells(pv.UnstructuredGrid({pv.CellType.HEXAHEDRON: np.arange(8)[None]}, flat))
    dimensions, sizes, _ = cells.measure(next(iter(cells)))
    assert (dimensions.tolist(), sizes.tolist()) == ([0], [0.0])
