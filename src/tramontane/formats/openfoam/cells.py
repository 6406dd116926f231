"""VTK's meshes from OpenFOAM's faces: a surface from some of them, a volume of hexahedra, prisms, ... and polyhedra."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyvista as pv
from numpy.typing import NDArray
from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray, vtk_to_numpy
from vtkmodules.vtkCommonCore import vtkIdTypeArray, vtkUnsignedCharArray
from vtkmodules.vtkCommonDataModel import vtkCellArray

from tramontane.formats.openfoam.mesh import PolyMesh, rows

_PORTION = 20_000  # cells at a time
# Of each kind of cell: VTK's number, its faces by corners, the corners of its first face (whose normal points into the
# cell in all four, or VTK finds a negative volume), and those of the other faces that are looked at.
_KINDS = (
    (int(pv.CellType.HEXAHEDRON), {4: 6}, 4, 4),
    (int(pv.CellType.WEDGE), {3: 2, 4: 3}, 3, 4),
    (int(pv.CellType.PYRAMID), {3: 4, 4: 1}, 4, 3),
    (int(pv.CellType.TETRA), {3: 4}, 3, 3),
)


def surface_of(mesh: PolyMesh, chosen: NDArray[Any]) -> pv.PolyData:
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
    cell = np.concatenate([mesh.owner, mesh.neighbour])
    order = np.argsort(cell, kind="stable")
    face = order.astype(mesh.owner.dtype)
    face[face >= len(mesh.owner)] -= len(mesh.owner)
    outward = order < len(mesh.owner)  # a face's normal points out of its owner, into its neighbour
    starts = np.concatenate([[0], np.cumsum(np.bincount(cell, minlength=mesh.cells))])
    del cell, order
    sizes = np.diff(mesh.offsets).astype(np.int32)
    counts = {n: np.add.reduceat((sizes[face] == n), starts[:-1], dtype=np.int32) for n in (3, 4)}

    types = np.full(mesh.cells, int(pv.CellType.POLYHEDRON), dtype=np.uint8)
    shaped: list[tuple[NDArray[Any], NDArray[Any]]] = []
    for kind, faces, base, other in _KINDS:
        fits = np.diff(starts) == sum(faces.values())
        for n, count in faces.items():
            fits &= counts[n] == count
        for portion in np.array_split(cells := np.flatnonzero(fits), max(1, len(cells) // _PORTION)):
            if len(portion):
                points, right = _shape(mesh, sizes, face, outward, starts, portion, base, other)
                types[portion[right]] = kind
                shaped.append((portion[right], points[right]))

    odd = np.flatnonzero(types == int(pv.CellType.POLYHEDRON))
    odd_starts, odd_sides = rows(starts, np.arange(len(face)), odd)
    face_offsets, face_corners = mesh.faces(face[odd_sides])
    backwards = np.repeat(~outward[odd_sides], np.diff(face_offsets))
    face_corners = np.where(backwards, face_corners[_reversed(face_offsets)], face_corners)
    owners = np.repeat(np.repeat(np.arange(len(odd)), np.diff(odd_starts)), np.diff(face_offsets))
    unique = np.unique(owners.astype(np.int64) * len(mesh.points) + face_corners)
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
    point_ids = vtkIdTypeArray()  # filled in place: this is the largest array of all
    point_ids.SetNumberOfValues(int(offsets[-1]))
    ids = vtk_to_numpy(point_ids)
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
        locations = _cell_array(np.concatenate([[0], np.cumsum(located)]), np.arange(len(odd_sides)))
        grid.SetPolyhedralCells(
            kinds, _cell_array(offsets, point_ids), locations, _cell_array(face_offsets, face_corners)
        )
    else:
        grid.SetCells(kinds, _cell_array(offsets, point_ids))
    return grid


def _shape(
    mesh: PolyMesh,
    sizes: NDArray[Any],
    face: NDArray[Any],
    outward: NDArray[np.bool_],
    starts: NDArray[Any],
    cells: NDArray[Any],
    base: int,
    other: int,
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Points in VTK's order of cells that have the faces of one kind, and which cells really are of that kind.

    The points of the first face are followed by what an edge out of that face leads to from each, which is one point
    for all in a pyramid and a tetrahedron.
    """
    sides = starts[cells] + np.arange(starts[cells[0] + 1] - starts[cells[0]])[:, None]
    kinds = sizes[face[sides]]
    first = np.argmax(kinds == base, axis=0)
    every = np.arange(len(cells))
    bottom = sides[first, every]
    points = mesh.corners[mesh.offsets[face[bottom]] + np.arange(base)[:, None]]
    turned = outward[bottom]
    points[:, turned] = points[::-1, turned]
    # The other faces' corners, (faces, corners, cells): with the long axis last, reductions over the others are quick.
    kinds[first, every] = -1
    looked = np.argsort(kinds != other, axis=0, kind="stable")[: int((kinds[:, 0] == other).sum())]
    corners = mesh.corners[mesh.offsets[face[sides[looked, every]]][:, None] + np.arange(other)[:, None]]
    here = [corners == point for point in points]
    outside = ~np.logical_or.reduce(here)
    placed = ~outside
    edges = [(np.roll(corners, turn, axis=1), np.roll(outside, turn, axis=1)) for turn in (1, -1)]
    right = np.ones(len(cells), dtype=np.bool_)
    upper: list[NDArray[Any]] = []
    for at in here:
        # An edge out of the first face belongs to two other faces, and both must lead to the same point.
        ends = [np.where(at & out, end, -1) for end, out in edges]
        top = np.maximum(ends[0].max(axis=(0, 1)), ends[1].max(axis=(0, 1)))
        right &= (top >= 0) & np.logical_and.reduce([((end < 0) | (end == top)).all(axis=(0, 1)) for end in ends])
        placed |= corners == top
        upper.append(top)
    if other == 3:
        right &= np.equal(upper, upper[0]).all(axis=0)
        upper = upper[:1]
    right &= placed.all(axis=(0, 1))
    points = np.concatenate([points, upper])
    for index in range(len(points)):
        right &= (points[index + 1 :] != points[index]).all(axis=0)
    return points.T, right


def _reversed(offsets: NDArray[Any]) -> NDArray[Any]:
    """Places of the corners with each face the other way round, from the same first corner."""
    sizes = np.diff(offsets)
    start = np.repeat(offsets[:-1], sizes)
    return np.asarray(start + (start - np.arange(offsets[-1])) % np.repeat(sizes, sizes))


def _cell_array(offsets: NDArray[Any], ids: NDArray[Any] | vtkIdTypeArray) -> vtkCellArray:
    cells = vtkCellArray()
    if not isinstance(ids, vtkIdTypeArray):
        ids = numpy_to_vtkIdTypeArray(np.ascontiguousarray(ids, dtype=np.int64), deep=True)
    cells.SetData(numpy_to_vtkIdTypeArray(np.ascontiguousarray(offsets, dtype=np.int64), deep=True), ids)
    return cells
