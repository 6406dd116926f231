"""Finite elements as VTK cells, and the outer surface of a mesh of them.

Faces of an element are numbered as Abaqus and CalculiX do (S1, S2, ...), so that their named surfaces can be found
again. Wedges keep the finite-element order of nodes, in which VTK's volumes are positive; VTK's own surface of linear
wedges would point inwards, which is one reason for an own one here. The other is that VTK leaves out mid-nodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyvista as pv
from numpy.typing import NDArray

Ids = NDArray[np.int64]

_HEX = ((0, 1), (1, 2), (2, 3), (3, 0), (4, 5), (5, 6), (6, 7), (7, 4), (0, 4), (1, 5), (2, 6), (3, 7))
_TET = ((0, 1), (1, 2), (2, 0), (0, 3), (1, 3), (2, 3))
_WEDGE = ((0, 1), (1, 2), (2, 0), (3, 4), (4, 5), (5, 3), (0, 3), (1, 4), (2, 5))
_PYRAMID = ((0, 1), (1, 2), (2, 3), (3, 0), (0, 4), (1, 4), (2, 4), (3, 4))
# Corners of the faces S1, S2, ..., so turned that their normals point outwards.
_HEX_FACES = ((0, 3, 2, 1), (4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7))
_TET_FACES = ((0, 2, 1), (0, 1, 3), (1, 2, 3), (2, 0, 3))
_WEDGE_FACES = ((0, 2, 1), (3, 4, 5), (0, 1, 4, 3), (1, 2, 5, 4), (2, 0, 3, 5))
_PYRAMID_FACES = ((0, 3, 2, 1), (0, 1, 4), (1, 2, 4), (2, 3, 4), (3, 0, 4))


def _with_middles(faces: Sequence[Sequence[int]], edges: Sequence[tuple[int, int]]) -> tuple[tuple[int, ...], ...]:
    corners = 1 + max(max(face) for face in faces)
    middle = {frozenset(edge): corners + index for index, edge in enumerate(edges)}
    return tuple(
        (*face, *(middle[frozenset(pair)] for pair in zip(face, (*face[1:], face[0]), strict=True))) for face in faces
    )


# For each solid cell of VTK: the nodes of each face (corners, then the middles of its edges), and the corners' counts.
_SOLID_FACES: dict[int, tuple[tuple[int, ...], ...]] = {
    pv.CellType.HEXAHEDRON: _HEX_FACES,
    pv.CellType.TETRA: _TET_FACES,
    pv.CellType.WEDGE: _WEDGE_FACES,
    pv.CellType.PYRAMID: _PYRAMID_FACES,
    pv.CellType.QUADRATIC_HEXAHEDRON: _with_middles(_HEX_FACES, _HEX),
    pv.CellType.QUADRATIC_TETRA: _with_middles(_TET_FACES, _TET),
    pv.CellType.QUADRATIC_WEDGE: _with_middles(_WEDGE_FACES, _WEDGE),
    pv.CellType.QUADRATIC_PYRAMID: _with_middles(_PYRAMID_FACES, _PYRAMID),
}
_SHELL_FACES: dict[int, tuple[tuple[int, ...], ...]] = {
    pv.CellType.TRIANGLE: (tuple(range(3)),),
    pv.CellType.QUAD: (tuple(range(4)),),
    pv.CellType.QUADRATIC_TRIANGLE: (tuple(range(6)),),
    pv.CellType.QUADRATIC_QUAD: (tuple(range(8)),),
    pv.CellType.BIQUADRATIC_QUAD: (tuple(range(9)),),
}
_EDGES: dict[int, tuple[tuple[int, int], ...]] = {
    pv.CellType.QUADRATIC_HEXAHEDRON: _HEX,
    pv.CellType.QUADRATIC_TETRA: _TET,
    pv.CellType.QUADRATIC_WEDGE: _WEDGE,
    pv.CellType.QUADRATIC_PYRAMID: _PYRAMID,
    pv.CellType.QUADRATIC_TRIANGLE: _TET[:3],
    pv.CellType.QUADRATIC_QUAD: _HEX[:4],
    pv.CellType.QUADRATIC_EDGE: ((0, 1),),
}
SOLIDS, SHELLS = frozenset(_SOLID_FACES), frozenset(_SHELL_FACES)
# A face of so many nodes in triangles (whose last corner stands twice) and quadrilaterals, with a corner at each node.
_PIECES: dict[int, tuple[tuple[int, int, int, int], ...]] = {
    3: ((0, 1, 2, 2),),
    4: ((0, 1, 2, 3),),
    6: ((0, 3, 5, 5), (3, 1, 4, 4), (5, 4, 2, 2), (3, 4, 5, 5)),
    8: ((0, 4, 7, 7), (4, 1, 5, 5), (5, 2, 6, 6), (6, 3, 7, 7), (4, 5, 6, 7)),
    9: ((0, 4, 8, 7), (4, 1, 5, 8), (8, 5, 2, 6), (7, 8, 6, 3)),
}
_CORNERS = {3: 3, 4: 4, 6: 3, 8: 4, 9: 4}


@dataclass(frozen=True)
class Elements:
    """Elements of one shape.

    Attributes:
        cell: VTK's number of the shape.
        numbers: ``(m,)``, as the program numbers them.
        nodes: ``(m, k)`` index of each node in the mesh's points, in VTK's order.
    """

    cell: int
    numbers: Ids
    nodes: Ids


@dataclass(frozen=True)
class Skin:
    """The outer surface of solid elements, and shells: polygons that share the mesh's nodes.

    Attributes:
        mesh: Without fields.
        source: ``(points,)`` which of the mesh's points each is.
        numbers: ``(cells,)`` number of the element that a cell is a face of.
        faces: ``(cells,)`` which face of it: 1 for S1; 0 for a shell.
        corners: ``(cells, 4)`` the mesh's points at the corners of that face (a triangle's last one stands twice).
        covered: For each block of shells that lie on faces of solids, and therefore are no cells of their own: numbers
            of its elements, and the code of the face each lies on.
        codes: ``(cells,)`` the same code for each cell.
    """

    mesh: pv.PolyData
    source: Ids
    numbers: Ids
    faces: Ids
    corners: Ids
    covered: Sequence[tuple[Ids, NDArray[np.uint64]]]
    codes: NDArray[np.uint64]


def index_of(numbers: Ids, wanted: Ids) -> Ids:
    """Where each wanted number stands in ``numbers``, -1 where it does not."""
    if len(numbers) == 0:
        return np.full(wanted.shape, -1, dtype=np.int64)
    low, high = int(numbers.min()), int(numbers.max())
    if high - low < 4 * len(numbers) + 1024:  # nearly without gaps: a table is quicker than a search
        table = np.full(high - low + 1, -1, dtype=np.int64)
        table[numbers - low] = np.arange(len(numbers))
        inside = (wanted >= low) & (wanted <= high)
        return np.where(inside, table[np.clip(wanted, low, high) - low], -1)
    order = np.argsort(numbers, kind="stable")
    place = np.minimum(np.searchsorted(numbers, wanted, sorter=order), len(numbers) - 1)
    index: Ids = order[place]
    return np.where(numbers[index] == wanted, index, -1)


def make_grid(points: NDArray[Any], blocks: Sequence[Elements]) -> tuple[pv.UnstructuredGrid, Ids]:
    """The elements as one grid of the points that they use, and which of the given points these are."""
    source, new = _used(len(points), [block.nodes for block in blocks])
    grid = pv.UnstructuredGrid()
    grid.points = points[source]
    sizes = np.concatenate([np.full(len(block.nodes), block.nodes.shape[1]) for block in blocks])
    connectivity = np.concatenate([new[block.nodes].ravel() for block in blocks])
    types = np.concatenate([np.full(len(block.nodes), block.cell, dtype=np.uint8) for block in blocks])
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    cells = pv.core.cell.CellArray.from_arrays(offsets, connectivity)
    grid.SetCells(pv.convert_array(types, deep=True), cells)
    return grid, source


def elements_of(grid: pv.UnstructuredGrid, numbers: Ids | None = None) -> list[Elements]:
    """A grid's cells by shape, numbered from 0 where no numbers are given."""
    numbers = np.arange(grid.n_cells) if numbers is None else numbers
    types, offsets, connectivity = (
        np.asarray(grid.celltypes),
        np.asarray(grid.offset),
        np.asarray(grid.cell_connectivity),
    )
    blocks = []
    for cell in np.unique(types).tolist():
        which = np.flatnonzero(types == cell)
        sizes = offsets[which + 1] - offsets[which]
        for size in np.unique(sizes).tolist():
            same = which[sizes == size]
            nodes = connectivity[offsets[same][:, None] + np.arange(size)]
            blocks.append(Elements(int(cell), numbers[same], nodes.astype(np.int64)))
    return blocks


def make_skin(points: NDArray[Any], blocks: Sequence[Elements]) -> Skin:
    """The faces that belong to one solid element only, and the shells that do not lie on a solid's face.

    Args:
        points: ``(n, 3)``, all of the mesh.
        blocks: Its elements; those that are neither solids nor shells do not matter.
    """
    # A face is known by the sum of its nodes' random 64-bit numbers, whatever its order: no rows need be sorted, and
    # among 10 million faces two differing ones are taken for one with a chance of 3e-6.
    random = np.random.default_rng(0).integers(1, 2**63, len(points), dtype=np.uint64)
    parts: list[tuple[NDArray[np.uint64], Elements, int, tuple[int, ...]]] = []
    for block in blocks:
        for face, nodes in enumerate(_SOLID_FACES.get(block.cell, ()), start=1):
            parts.append((_face_codes(random, block.nodes[:, nodes[: _CORNERS[len(nodes)]]]), block, face, nodes))
    chosen: list[tuple[NDArray[np.uint64], Elements, int, tuple[int, ...], Ids]] = []
    solid = np.concatenate([part[0] for part in parts]) if parts else np.empty(0, dtype=np.uint64)
    outer, at = _occur_once(solid), 0
    for codes, block, face, nodes in parts:
        rows = np.flatnonzero(outer[at : at + len(codes)])
        at += len(codes)
        chosen.append((codes[rows], block, face, nodes, rows))
    solid, covered = np.unique(solid) if any(block.cell in SHELLS for block in blocks) else solid[:0], []
    for block in blocks:
        for nodes in _SHELL_FACES.get(block.cell, ()):
            codes = _face_codes(random, block.nodes[:, nodes[: _CORNERS[len(nodes)]]])
            on_solid = np.isin(codes, solid)
            if on_solid.any():
                covered.append((block.numbers[on_solid], codes[on_solid]))
            rows = np.flatnonzero(~on_solid)
            chosen.append((codes[rows], block, 0, nodes, rows))
    return _polygons(points, chosen, covered)


def fill_middles(blocks: Sequence[Elements], values: NDArray[np.float64]) -> None:
    """Give nodes amid edges that have no values (NaN) the mean of the edge's ends, in place.

    Args:
        blocks: Elements; those of first order have no such nodes.
        values: ``(n, components)`` at all nodes.
    """
    for block in blocks:
        edges = _EDGES.get(block.cell, ())
        corners = block.nodes.shape[1] - len(edges)
        for place, (first, last) in enumerate(edges, start=corners):
            lacks = np.isnan(values[block.nodes[:, place]]).any(axis=1)
            nodes = block.nodes[lacks]
            values[nodes[:, place]] = (values[nodes[:, first]] + values[nodes[:, last]]) / 2


def with_data(mesh: Any, source: Ids, data: Mapping[str, NDArray[Any]]) -> Any:
    """The mesh, with each field's values at the points that it was made of."""
    whole = len(source) and np.array_equal(source, np.arange(len(source)))
    for name, values in data.items():
        mesh.point_data[name] = values if whole and len(values) == len(source) else values[source]
    return mesh


def _polygons(points: NDArray[Any], chosen: Sequence[Any], covered: list[Any]) -> Skin:
    quads, numbers, faces, corners, keys = [], [], [], [], []
    for codes, block, face, nodes, rows in chosen:
        of_face = block.nodes[np.ix_(rows, nodes)]
        count = _CORNERS[len(nodes)]
        for piece in _PIECES[len(nodes)]:
            quads.append(of_face[:, piece])
            numbers.append(block.numbers[rows])
            faces.append(np.full(len(rows), face))
            corners.append(of_face[:, [0, 1, 2, count - 1]])
            keys.append(codes)
    empty = np.empty((0, 4), dtype=np.int64)
    quad, corner = np.concatenate([empty, *quads]), np.concatenate([empty, *corners])
    number, face = (np.concatenate([np.empty(0, dtype=np.int64), *each]) for each in (numbers, faces))
    code = np.concatenate([np.empty(0, dtype=np.uint64), *keys])
    first = ~_repeats(quad)  # an element whose nodes fall together has faces with fewer corners
    sizes = first.sum(axis=1)
    real = sizes >= 3
    quad, first, sizes = quad[real], first[real], sizes[real]
    source, new = _used(len(points), [quad])
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    mesh = pv.PolyData()
    mesh.points = points[source]
    mesh.SetPolys(pv.core.cell.CellArray.from_arrays(offsets, new[quad[first]]))
    return Skin(mesh, source, number[real], face[real], corner[real], covered, code[real])


def _face_codes(random: NDArray[np.uint64], corners: Ids) -> NDArray[np.uint64]:
    """A number for each face that does not depend on its corners' order; 0 where fewer than three differ."""
    again = _repeats(corners)
    codes: NDArray[np.uint64] = np.where(again, np.uint64(0), random[corners]).sum(axis=1, dtype=np.uint64)
    codes[(~again).sum(axis=1) < 3] = 0
    return codes


def _repeats(rows: Ids) -> NDArray[np.bool_]:
    """Where an entry of a row stands in it before."""
    again = np.zeros(rows.shape, dtype=bool)
    for column in range(1, rows.shape[1]):
        again[:, column] = (rows[:, :column] == rows[:, column, None]).any(axis=1)
    return again


def _occur_once(codes: NDArray[np.uint64]) -> NDArray[np.bool_]:
    order = np.argsort(codes)
    ordered = codes[order]
    differs = np.ones(len(codes) + 1, dtype=bool)
    differs[1:-1] = ordered[1:] != ordered[:-1]
    single = np.empty(len(codes), dtype=bool)
    single[order] = differs[:-1] & differs[1:] & (ordered != 0)
    return single


def _used(count: int, arrays: Sequence[Ids]) -> tuple[Ids, Ids]:
    """The points that occur, in order, and each point's place among them."""
    used = np.zeros(count, dtype=bool)
    for array in arrays:
        used[array.ravel()] = True
    return np.flatnonzero(used), np.cumsum(used) - 1
