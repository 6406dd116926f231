"""VTK's meshes from OpenFOAM's faces: a surface from some of them, a volume of hexahedra, prisms, ... and polyhedra."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyvista as pv
from numpy.typing import NDArray
from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray
from vtkmodules.vtkCommonCore import vtkUnsignedCharArray
from vtkmodules.vtkCommonDataModel import vtkCellArray

from tramontane.formats.openfoam_mesh import PolyMesh, rows

_PORTION = 200_000  # cells at a time
# Of each kind of cell: VTK's number, its faces by corners, the corners of its first face (whose normal points into the
# cell in all four, or VTK finds a negative volume), and those of the other faces that are looked at.
_KINDS = (
    (int(pv.CellType.HEXAHEDRON), {4: 6}, 4, 4),
    (int(pv.CellType.WEDGE), {3: 2, 4: 3}, 3, 4),
    (int(pv.CellType.PYRAMID), {3: 4, 4: 1}, 4, 3),
    (int(pv.CellType.TETRA), {3: 4}, 3, 3),
)


def surface_of(mesh: PolyMesh, chosen: NDArray[np.int64]) -> pv.PolyData:
    """Some faces as a surface that has only their points; its normals point into the fluid.

    Args:
        mesh: All faces.
        chosen: ``(faces,)`` of the boundary, in the order of the cells of the result.
    """
    offsets, corners = mesh.faces(chosen)
    corners = corners[_reversed(offsets)]
    used, corners = np.unique(corners, return_inverse=True)
    surface = pv.PolyData()
    surface.points = mesh.points[used]
    surface.SetPolys(_cell_array(offsets, corners.ravel()))
    return surface


def volume_of(mesh: PolyMesh) -> pv.UnstructuredGrid:
    """The cells of a mesh, in its order."""
    inner = len(mesh.neighbour)
    cell = np.concatenate([mesh.owner, mesh.neighbour])
    order = np.argsort(cell, kind="stable")
    face = np.concatenate([np.arange(len(mesh.owner)), np.arange(inner)])[order]
    outward = order < len(mesh.owner)  # a face's normal points out of its owner, into its neighbour
    starts = np.concatenate([[0], np.cumsum(np.bincount(cell, minlength=mesh.cells))])
    del cell, order
    sizes = np.diff(mesh.offsets)
    counts = {n: np.add.reduceat((sizes[face] == n).astype(np.int32), starts[:-1]) for n in (3, 4)}

    types = np.full(mesh.cells, int(pv.CellType.POLYHEDRON), dtype=np.uint8)
    shaped: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    for kind, faces, base, other in _KINDS:
        fits = np.diff(starts) == sum(faces.values())
        for n, count in faces.items():
            fits &= counts[n] == count
        for portion in np.array_split(cells := np.flatnonzero(fits), max(1, len(cells) // _PORTION)):
            if len(portion):
                points, right = _shape(mesh, face, outward, starts, portion, base, other)
                types[portion[right]] = kind
                shaped.append((portion[right], points[right]))

    odd = np.flatnonzero(types == int(pv.CellType.POLYHEDRON))
    odd_starts, odd_sides = rows(starts, np.arange(len(face)), odd)
    face_offsets, face_corners = mesh.faces(face[odd_sides])
    backwards = np.repeat(~outward[odd_sides], np.diff(face_offsets))
    face_corners = np.where(backwards, face_corners[_reversed(face_offsets)], face_corners)
    owners = np.repeat(np.repeat(np.arange(len(odd)), np.diff(odd_starts)), np.diff(face_offsets))
    unique = np.unique(owners * len(mesh.points) + face_corners)
    odd_points = unique % len(mesh.points)
    odd_counts = (
        np.bincount(unique // len(mesh.points), minlength=len(odd)) if len(odd) else np.zeros(0, dtype=np.int64)
    )
    del owners, unique, backwards

    lengths = np.zeros(mesh.cells, dtype=np.int64)
    lengths[odd] = odd_counts
    for cells, points in shaped:
        lengths[cells] = points.shape[1]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    ids = np.empty(offsets[-1], dtype=np.int64)
    for cells, points in shaped:
        ids[offsets[cells][:, None] + np.arange(points.shape[1])] = points
    within = np.arange(len(odd_points)) - np.repeat(np.cumsum(odd_counts) - odd_counts, odd_counts)
    ids[np.repeat(offsets[odd], odd_counts) + within] = odd_points

    grid = pv.UnstructuredGrid()
    grid.points = mesh.points
    kinds: vtkUnsignedCharArray = numpy_to_vtk(types, deep=True)
    if len(odd):
        located = np.zeros(mesh.cells, dtype=np.int64)
        located[odd] = np.diff(odd_starts)
        where = _cell_array(np.concatenate([[0], np.cumsum(located)]), np.arange(len(odd_sides)))
        grid.SetPolyhedralCells(kinds, _cell_array(offsets, ids), where, _cell_array(face_offsets, face_corners))
    else:
        grid.SetCells(kinds, _cell_array(offsets, ids))
    return grid


def _shape(
    mesh: PolyMesh,
    face: NDArray[np.int64],
    outward: NDArray[np.bool_],
    starts: NDArray[np.int64],
    cells: NDArray[np.int64],
    base: int,
    other: int,
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Points in VTK's order of cells that have the faces of one kind, and which cells really are of that kind.

    The points of the first face are followed by what an edge out of that face leads to from each, which is one point
    for all in a pyramid and a tetrahedron.
    """
    sizes = np.diff(mesh.offsets)
    sides = starts[cells][:, None] + np.arange(starts[cells[0] + 1] - starts[cells[0]])
    first = np.argmax(sizes[face[sides]] == base, axis=1)
    rest = np.where(np.arange(sides.shape[1]) == first[:, None], -1, sizes[face[sides]])
    bottom = sides[np.arange(len(cells)), first]
    points = mesh.corners[mesh.offsets[face[bottom]][:, None] + np.arange(base)]
    turned = outward[bottom]
    points[turned] = points[turned][:, ::-1]
    # (cells, other faces, corners)
    looked = sides[np.arange(len(cells))[:, None], np.argsort(rest != other, axis=1, kind="stable")]
    looked = looked[:, : int((rest[0] == other).sum())]
    corners = mesh.corners[mesh.offsets[face[looked]][:, :, None] + np.arange(other)]
    at_bottom = (corners[..., None] == points[:, None, None, :]).any(axis=-1)
    before, after = np.roll(corners, 1, axis=2), np.roll(corners, -1, axis=2)
    out_before, out_after = ~np.roll(at_bottom, 1, axis=2), ~np.roll(at_bottom, -1, axis=2)
    right = np.ones(len(cells), dtype=np.bool_)
    tops = []
    for index in range(base):
        here = corners == points[:, index][:, None, None]
        found = np.stack([np.where(here & out_before, before, -1), np.where(here & out_after, after, -1)])
        top = found.max(axis=(0, 2, 3))
        right &= (top >= 0) & ((found == -1) | (found == top[:, None, None])).all(axis=(0, 2, 3))
        tops.append(top)
    upper = np.stack(tops, axis=1)
    if other == 3:
        right &= (upper == upper[:, :1]).all(axis=1)
        points = np.concatenate([points, upper[:, :1]], axis=1)
    else:
        points = np.concatenate([points, upper], axis=1)
        everything = np.sort(corners.reshape(len(cells), -1), axis=1)
        distinct = 1 + (np.diff(everything, axis=1) != 0).sum(axis=1)
        right &= distinct == points.shape[1]
    ordered = np.sort(points, axis=1)
    right &= (np.diff(ordered, axis=1) != 0).all(axis=1)
    return points, right


def _reversed(offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Places of the corners with each face the other way round, from the same first corner."""
    sizes = np.diff(offsets)
    start = np.repeat(offsets[:-1], sizes)
    return np.asarray(start + (start - np.arange(offsets[-1])) % np.repeat(sizes, sizes))


def _cell_array(offsets: NDArray[Any], ids: NDArray[Any]) -> vtkCellArray:
    cells = vtkCellArray()
    cells.SetData(*(numpy_to_vtkIdTypeArray(np.ascontiguousarray(part, dtype=np.int64), deep=True)
                    for part in (offsets, ids)))  # fmt: skip
    return cells
