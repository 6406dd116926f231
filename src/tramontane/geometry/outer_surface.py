"""The outer surface of a volume mesh: the faces that belong to one cell alone.

VTK looks up all faces. In a large mesh nearly all lie inside, and most of that work can be left out: every face is
given a number that belongs to its points and changes sign with the way it is gone round, and at each point the numbers
of the faces that meet there, each as its cell sees it, are added up. Within the mesh a face is seen from both its
sides, so that they cancel; where they do not, the point may lie on the surface, and only cells there are asked.
(Sums of random numbers that cancel: Freivalds 1977, "Probabilistic machines can use less running time".) A point of the
surface is missed with a chance of about 2 ** -50.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyvista as pv
from jaxtyping import Bool, UInt64
from numpy.typing import NDArray

from tramontane.geometry.mesh_arrays import numbers_to_cells, point_ids
from tramontane.large_arrays import distinct
from tramontane.mixing import mixed

Codes = NDArray[np.uint64]
_MANY = 1 << 18  # cells from which it pays to look for those at the surface first
_PORTION = 1 << 14  # cells at a time, so that what is in work stays in the processor's cache
# Faces of tetrahedra, hexahedra, wedges and pyramids, all gone round as seen from outside.
_FACES: dict[int, tuple[int, tuple[tuple[int, ...], ...]]] = {
    10: (4, ((0, 1, 3), (1, 2, 3), (2, 0, 3), (0, 2, 1))),
    12: (8, ((0, 4, 7, 3), (1, 2, 6, 5), (0, 1, 5, 4), (3, 7, 6, 2), (0, 3, 2, 1), (4, 5, 6, 7))),
    13: (6, ((0, 1, 2), (3, 5, 4), (0, 3, 4, 1), (1, 4, 5, 2), (2, 5, 3, 0))),
    14: (5, ((0, 3, 2, 1), (0, 1, 4), (1, 2, 4), (2, 3, 4), (3, 0, 4))),
}  # fmt: skip


def outer_surface(mesh: pv.DataSet, many: int = _MANY) -> pv.PolyData:
    """The faces that belong to one cell alone, without fields.

    Args:
        mesh: Cells of any kinds.
        many: The number of cells from which those at the surface are looked for first.
    """
    if isinstance(mesh, pv.UnstructuredGrid) and mesh.n_cells >= many:
        offsets, ids, types = point_ids(mesh)
        kinds = distinct(types)
        if set(kinds) <= set(_FACES):
            marked = _marked(mesh.n_points, offsets, ids, types, kinds)
            return _faces_of(mesh, _touching(offsets, ids, marked), marked)
    bare = type(mesh)()
    bare.CopyStructure(mesh)
    return bare.extract_surface(algorithm="geometry", pass_pointid=False, pass_cellid=False)


def _marked(
    points: int, offsets: NDArray[Any], ids: NDArray[Any], types: NDArray[np.uint8], kinds: list[int]
) -> Bool[np.ndarray, " points"]:
    """Which points may lie on the surface: all that do, and hardly any other."""
    sums = np.zeros(points, np.uint64)
    codes = np.empty(points, np.uint64)
    for first in range(0, points, _PORTION):
        codes[first : first + _PORTION] = mixed(np.arange(first, min(first + _PORTION, points), dtype=np.uint64), 0)
    for kind in kinds:
        count, faces = _FACES[kind]
        starts = None if len(kinds) == 1 else offsets[:-1][types == kind]
        for first in range(0, len(types) if starts is None else len(starts), _PORTION):
            if starts is None:
                rows = ids[first * count : (first + _PORTION) * count].reshape(-1, count)
            else:
                rows = ids[starts[first : first + _PORTION, None] + np.arange(count)]
            corners = np.ascontiguousarray(rows.T)
            np.add.at(sums, corners.reshape(-1), _face_codes(codes.take(corners), faces).reshape(-1))
    marked: NDArray[np.bool_] = sums != 0
    return marked


def _face_codes(codes: UInt64[np.ndarray, "corners cells"], faces: tuple[tuple[int, ...], ...]) -> Codes:
    """At each corner of each cell, the sum of the numbers of the cell's faces that meet there."""
    total = np.zeros_like(codes)
    for face in faces:
        a, b, c, *rest = (codes[corner] for corner in face)
        if rest:
            one, other = a + c, b + rest[0]
            number = (c - a) * (rest[0] - b) * (other - one) * (other + one)
        else:
            number = (b - a) * (c - b) * (a - c) * (a + b + c)
        for corner in face:
            total[corner] += number
    return total


def _touching(offsets: NDArray[Any], ids: NDArray[Any], marked: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The cells that have a marked point."""
    touching = []
    for first in range(0, len(offsets) - 1, _PORTION):
        part = offsets[first : first + _PORTION + 1]
        hits = np.flatnonzero(marked.take(ids[part[0] : part[-1]])) + part[0]
        touching.append(first + np.unique(np.searchsorted(part, hits, side="right") - 1))
    return np.concatenate(touching)


def _faces_of(mesh: pv.UnstructuredGrid, cells: NDArray[np.intp], marked: NDArray[np.bool_]) -> pv.PolyData:
    """The outer faces of some cells, but for those with a point that is not marked: they lie between cells."""
    if len(cells) == 0:
        return pv.PolyData()
    offsets, ids, types = point_ids(mesh)
    counts = offsets[cells + 1] - offsets[cells]
    ends = np.cumsum(counts)
    chosen = ids[np.repeat(offsets[cells] - (ends - counts), counts) + np.arange(ends[-1])]
    used, chosen = np.unique(chosen, return_inverse=True)
    part: Any = pv.UnstructuredGrid()
    part.points = np.asarray(mesh.points)[used]
    buffers, keep = numbers_to_cells(np.concatenate([[0], ends]), chosen.astype(np.int64))
    part.SetCells(pv.convert_array(types[cells], deep=True), buffers)
    surface = part.extract_surface(algorithm="geometry", pass_pointid=True, pass_cellid=False)
    del part, buffers, keep
    outer = marked[used][np.asarray(surface.point_data["vtkOriginalPointIds"])]
    return _kept(surface, outer)


def _kept(surface: pv.PolyData, outer: NDArray[np.bool_]) -> pv.PolyData:
    """The faces all of whose points are marked, and their points alone."""
    offsets, ids, _ = point_ids(surface)
    counts = np.diff(offsets)
    whole = np.logical_and.reduceat(outer[ids], offsets[:-1]) if len(counts) else np.zeros(0, bool)
    used, renamed = np.unique(ids[np.repeat(whole, counts)], return_inverse=True)
    ends = np.cumsum(counts[whole])
    faces = np.insert(renamed, ends - counts[whole], counts[whole])
    return pv.PolyData(np.asarray(surface.points)[used], faces=faces)
