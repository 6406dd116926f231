"""Whether the cells of a mesh can be what they say: VTK's filters trust them, and end the program where they cannot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyvista as pv
from numpy.typing import NDArray
from vtkmodules.util.numpy_support import vtk_to_numpy

from tramontane.errors import FormatError
from tramontane.large_arrays import distinct, extremes

# How many points a cell has, by its type; -1 for any number from one on.
_POINTS = {
    0: (0,), 1: (1,), 2: (-1,), 3: (2,), 4: (-1,), 5: (3,), 6: (-1,), 7: (-1,), 8: (4,), 9: (4,), 10: (4,), 11: (8,),
    12: (8,), 13: (6,), 14: (5,), 15: (10,), 16: (12,), 21: (3,), 22: (6,), 23: (8,), 24: (10,), 25: (20,), 26: (15,),
    27: (13,), 28: (9,), 29: (27,), 30: (6,), 31: (12,), 32: (18,), 33: (24,), 34: (7,), 35: (4,), 36: (-1,),
    37: (19,), 41: (-1,), 42: (-1,),
}  # fmt: skip
_ORDERS = range(1, 11)  # VTK's own bound of Lagrange's and Bezier's cells
_BY_ORDER: dict[int, Callable[[int], int]] = {
    0: lambda n: n + 1,  # curve
    1: lambda n: (n + 1) * (n + 2) // 2,  # triangle
    2: lambda n: (n + 1) ** 2,  # quadrilateral
    3: lambda n: (n + 1) * (n + 2) * (n + 3) // 6,  # tetrahedron
    4: lambda n: (n + 1) ** 3,  # hexahedron
    5: lambda n: (n + 1) ** 2 * (n + 2) // 2,  # wedge
}
_MORE = {1: (7,), 3: (15,), 5: (21,)}  # with a point amid the cell
for _first in (68, 75):  # Lagrange, Bezier
    for _shape, _count in _BY_ORDER.items():
        _POINTS[_first + _shape] = (*(_count(order) for order in _ORDERS), *_MORE.get(_shape, ()))
_POLYHEDRON = 42
_PORTION = 1 << 20  # polyhedra at a time


def check_cells(file: Path, mesh: pv.PolyData | pv.UnstructuredGrid) -> None:
    """Every cell of a known type, of as many points as its type has, all of which exist.

    Raises:
        FormatError: A cell is none, or the lists of cells do not fit each other.
    """
    if isinstance(mesh, pv.PolyData):
        for part in (mesh.GetVerts(), mesh.GetLines(), mesh.GetPolys(), mesh.GetStrips()):
            _check_list(file, part, mesh.n_points)
        return
    kinds = np.asarray(mesh.celltypes)
    if len(kinds) != mesh.n_cells:
        raise FormatError(f"{file}: has {len(kinds)} types for {mesh.n_cells} cells; write or copy it again")
    present = distinct(kinds)
    unknown = set(present) - set(_POINTS)
    if unknown:
        raise FormatError(f"{file}: holds cells of unknown type {min(unknown)}; write or copy it again")
    offsets, ids = _check_list(file, mesh.GetCells(), mesh.n_points)
    degrees = mesh.GetCellData().GetHigherOrderDegrees() is not None  # each cell has an order for each direction
    sizes = np.diff(offsets)
    for kind in present:
        if kind >= 68 and degrees:
            continue
        allowed = _POINTS[kind]
        counts = sizes if len(present) == 1 else sizes[kinds == kind]
        if len(allowed) == 1 and allowed[0] >= 0:
            wrong = counts != allowed[0]
        else:
            wrong = counts < 1 if allowed == (-1,) else ~np.isin(counts, allowed)
        if wrong.any():
            raise FormatError(f"{file}: a cell of type {pv.CellType(kind).name} has {counts[wrong][0]} points; "
                              "its list of cells is damaged, write or copy it again")  # fmt: skip
    _check_list(file, mesh.GetPolyhedronFaces(), mesh.n_points)
    if _POLYHEDRON in present:
        _check_polyhedra(file, mesh, kinds, offsets, ids)


def _check_list(file: Path, part: Any, points: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Where each cell of a list starts, and the points of all."""
    if part is None or part.GetNumberOfCells() == 0:
        return np.zeros(1, np.int64), np.zeros(0, np.int64)
    offsets, ids = (vtk_to_numpy(array) for array in (part.GetOffsetsArray(), part.GetConnectivityArray()))
    if np.any(offsets[1:] < offsets[:-1]) or offsets[0] != 0 or offsets[-1] != len(ids):
        raise FormatError(f"{file}: its list of cells is damaged; write or copy it again")
    lowest, highest = (int(end[0]) for end in extremes(ids[:, None])) if len(ids) else (0, -1)
    if lowest < 0 or highest >= points:
        wrong = lowest if lowest < 0 else highest
        raise FormatError(f"{file}: a cell has point {wrong}, points are 0 to {points - 1}; write it again")
    return offsets, ids


def _check_polyhedra(file: Path, mesh: Any, kinds: NDArray[Any], offsets: NDArray[Any], ids: NDArray[Any]) -> None:
    """Each polyhedron has faces that exist, of three points or more that are its own."""
    starts, corners = _check_list(file, mesh.GetPolyhedronFaces(), mesh.n_points)
    locations, faces = _check_list(file, mesh.GetPolyhedronFaceLocations(), len(starts) - 1)
    cells = np.flatnonzero(kinds == _POLYHEDRON)
    if len(locations) != len(kinds) + 1 or np.any(np.diff(locations)[cells] < 1) or np.any(np.diff(starts) < 3):
        raise FormatError(f"{file}: its polyhedra lack faces; write or copy it again")
    for begin in range(0, len(cells), _PORTION):
        some = cells[begin : begin + _PORTION]
        own = _flat(offsets, some)
        of_cell = np.repeat(np.arange(len(some)), np.diff(offsets)[some])
        chosen = faces[_flat(locations, some)]
        used = corners[_flat(starts, chosen)]
        of_face = np.repeat(np.arange(len(some)), np.diff(locations)[some])
        of_corner = np.repeat(of_face, np.diff(starts)[chosen])
        # Sorted, not `np.unique`: NumPy's hashes of whole numbers take several times as long.
        own_pairs = np.sort(of_cell * np.int64(mesh.n_points) + ids[own])
        needed = np.sort(of_corner * np.int64(mesh.n_points) + used)
        needed = needed[np.append(True, needed[1:] != needed[:-1])]
        places = np.minimum(np.searchsorted(own_pairs, needed), len(own_pairs) - 1)
        if len(needed) and (not len(own_pairs) or (own_pairs[places] != needed).any()):
            raise FormatError(f"{file}: the faces of a polyhedron have points that it has not; write or copy it again")


def _flat(offsets: NDArray[Any], which: NDArray[Any]) -> NDArray[np.int64]:
    """The places of the entries of some rows of a list, one after the other."""
    sizes = (offsets[which + 1] - offsets[which]).astype(np.int64)
    ends = np.cumsum(sizes)
    total = int(ends[-1]) if len(ends) else 0
    steps: NDArray[np.int64] = np.repeat(offsets[which].astype(np.int64) - (ends - sizes), sizes)
    return np.arange(total, dtype=np.int64) + steps
