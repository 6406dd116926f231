"""Meshes of all kinds of cells, and whether two are the same."""

from __future__ import annotations

import numpy as np
import pyvista as pv
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pyvista import examples

CUBE = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]]
CUBE_FACES = [[0, 3, 2, 1], [4, 5, 6, 7], [0, 1, 5, 4], [1, 2, 6, 5], [2, 3, 7, 6], [3, 0, 4, 7]]
POLYHEDRON = [len(CUBE_FACES), *(entry for face in CUBE_FACES for entry in (len(face), *face))]
CELLS = {  # corners, or a polyhedron's faces, on the corners of a cube
    pv.CellType.VERTEX: [6],
    pv.CellType.LINE: [0, 6],
    pv.CellType.TRIANGLE: [0, 1, 2],
    pv.CellType.TETRA: [0, 1, 3, 4],
    pv.CellType.PYRAMID: [0, 1, 2, 3, 5],
    pv.CellType.WEDGE: [0, 1, 3, 4, 5, 7],
    pv.CellType.HEXAHEDRON: [0, 1, 2, 3, 4, 5, 6, 7],
    pv.CellType.POLYHEDRON: POLYHEDRON,
}
NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters='/.<>&"{}'), min_size=1, max_size=8)
DTYPES = st.sampled_from([np.float32, np.float64, np.int32, np.int64, np.uint8])


@st.composite
def fields(draw: st.DrawFn, count: int) -> dict[str, np.ndarray]:
    names = draw(st.lists(NAMES.filter(lambda name: name.strip() == name), max_size=3, unique=True))
    values = {}
    for name in names:
        components = draw(st.sampled_from([1, 2, 3, 6, 9]))
        shape = (count,) if components == 1 else (count, components)
        values[name] = draw(arrays.arrays(draw(DTYPES), shape))
    return values


@st.composite
def grids(draw: st.DrawFn) -> pv.UnstructuredGrid:
    """A mesh of one to eight cells of any types, or of one point and none."""
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    kinds = draw(st.lists(st.sampled_from(list(CELLS)), min_size=1, max_size=8))
    if draw(st.booleans()) and len(kinds) == 1:
        mesh = pv.UnstructuredGrid(np.array([1, 0]), np.array([pv.CellType.VERTEX]), np.zeros((1, 3), dtype))
    else:
        shift = draw(arrays.arrays(dtype, 3, elements=st.floats(-1e3, 1e3, width=32)))
        cells = [entry for kind in kinds for entry in (len(CELLS[kind]), *CELLS[kind])]
        mesh = pv.UnstructuredGrid(np.array(cells), np.array(kinds, np.uint8), np.array(CUBE, dtype) + shift)
    for name, values in draw(fields(mesh.n_points)).items():
        mesh.point_data[name] = values
    for name, values in draw(fields(mesh.n_cells)).items():
        mesh.cell_data[name] = values
    return mesh


def assert_same(read: pv.DataSet, written: pv.DataSet) -> None:
    assert read.points.dtype == written.points.dtype
    assert read.points.tobytes() == written.points.tobytes()
    if isinstance(written, pv.UnstructuredGrid):
        assert np.array_equal(read.celltypes, written.celltypes)
        assert np.array_equal(read.cells, written.cells)
        assert np.array_equal(read.polyhedron_faces, written.polyhedron_faces)
    else:
        assert np.array_equal(read.faces, written.faces)
    for mine, theirs in ((read.point_data, written.point_data), (read.cell_data, written.cell_data)):
        assert sorted(mine.keys()) == sorted(theirs.keys())
        for name in theirs.keys():  # noqa: SIM118 (PyVista's data does not iterate over its names)
            a, b = np.asarray(mine[name]), np.asarray(theirs[name])
            assert (a.dtype, a.shape) == (b.dtype, b.shape)
            assert a.tobytes() == b.tobytes()


def mixed() -> pv.UnstructuredGrid:
    """Tetrahedra, hexahedra, wedges, pyramids, second-order tetrahedra, triangles, quads, a strip, lines, points."""
    parts = [
        examples.cells.Tetrahedron(), examples.cells.Hexahedron(), examples.cells.Wedge(), examples.cells.Pyramid(),
        examples.cells.QuadraticTetrahedron(), examples.cells.Triangle(), examples.cells.Quadrilateral(),
        examples.cells.TriangleStrip(), examples.cells.Polygon(), examples.cells.PolyLine(), examples.cells.Vertex(),
        examples.cells.Voxel(), examples.cells.Pixel(),
    ]  # fmt: skip
    moved = [part.translate((2.0 * place, place, 0)) for place, part in enumerate(parts)]
    return pv.merge(moved, merge_points=False)
