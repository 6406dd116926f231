"""Which way triangles face, and which bodies they bound: turned outward, cavities kept, copies left out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyvista as pv
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from vtkmodules.vtkFiltersCore import vtkOrientPolyData

from tramontane.geometry.holes import Holes, enclosed
from tramontane.geometry.triangles import Edges

_COMPARED, _HAIR = 2000, 1e-3  # bodies that are compared with each other; a share of their size
_AT_ONCE = 512  # bodies whose neighbours are looked at together


def orient_outward(
    points: NDArray[Any], triangles: NDArray[np.int64], edges: Edges
) -> tuple[NDArray[np.int64], float, list[str]]:
    """Triangles whose normals point out of the body, the volume in them, and sentences on what had to be done."""
    remarks = []
    if not edges.consistent:
        orient = vtkOrientPolyData()
        orient.ConsistencyOn()
        orient.SetInputData(pv.PolyData.from_regular_faces(points, triangles))
        orient.Update()
        triangles = np.array(pv.wrap(orient.GetOutput()).regular_faces, dtype=np.int64)
        remarks.append("triangles did not agree on which side is outside; they were turned")
    # Volumes of tetrahedra to the middle of the box: the origin would tell an open surface's side by where it lies.
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    one, two, three = np.ascontiguousarray((points - middle).T)[:, triangles.T].swapaxes(0, 1)
    pieces = (one * np.cross(two, three, axis=0)).sum(axis=0) / 6
    if edges.opened == 0:
        neighbours = coo_array((np.ones(len(edges.pairs), np.int8), edges.pairs.T), (len(triangles), len(triangles)))
        _, body = connected_components(neighbours, directed=False)
        turned = np.isin(body, _inside_out(body, pieces, points[triangles]))
    else:
        # The patches of an open surface have no volumes of their own; only the whole can be told, its holes closed.
        whole = enclosed(np.concatenate([points[triangles], Holes.of(points, triangles).lids()]))
        pieces *= 0.0
        pieces[0] = whole
        body, turned = np.zeros(len(triangles), dtype=np.int64), np.full(len(triangles), whole < 0)
    count = int(body.max()) + 1
    if turned.any():
        triangles[turned], pieces[turned] = triangles[turned][:, ::-1], -pieces[turned]
        bodies = len(np.unique(body[turned]))
        if edges.opened == 0:  # an open surface has no inside of its own
            remarks.append(
                f"{'the surface was' if bodies == count else f'{bodies} of {count} bodies were'} inside out and turned"
            )
    if edges.opened == 0 and 1 < count <= _COMPARED and (doubled := _doubled(body, pieces, points[triangles])):
        kept = ~np.isin(body, doubled)
        triangles, pieces, count = triangles[kept], pieces[kept], count - len(doubled)
        remarks.append(f"{len(doubled)} bodies lie where another of the same size lies; they were left out")
    if count > 1:
        remarks.append(f"holds {count} separate bodies; where they overlap, their volume counts twice")
    return np.ascontiguousarray(triangles), float(pieces.sum()), remarks


def _doubled(body: NDArray[Any], pieces: NDArray[Any], corners: NDArray[Any]) -> list[int]:
    """Numbers of the bodies that lie, within a hair, where an earlier one of the same volume lies."""
    volumes = np.bincount(body, weights=pieces)
    lows, highs = np.full((len(volumes), 3), np.inf), np.full((len(volumes), 3), -np.inf)
    np.minimum.at(lows, body, corners.min(axis=1))
    np.maximum.at(highs, body, corners.max(axis=1))
    boxes, sizes = np.concatenate([lows, highs], axis=1), (highs - lows).max(axis=1)
    doubled: set[int] = set()
    for number in np.flatnonzero(volumes > 0):
        near = (np.abs(boxes[number + 1 :] - boxes[number]) <= _HAIR * sizes[number]).all(axis=1)
        alike = np.abs(volumes[number + 1 :] - volumes[number]) <= 10 * _HAIR * volumes[number]
        doubled |= set((np.flatnonzero(near & alike) + number + 1).tolist())
    return sorted(doubled)


def _inside_out(body: NDArray[Any], pieces: NDArray[Any], corners: NDArray[Any]) -> list[int]:
    """Numbers of the bodies to be turned.

    One that is inside out within the box of another is a cavity, and right; it is turned when the other is.
    """
    volumes = np.bincount(body, weights=pieces)
    if (volumes >= 0).all():
        return []
    lows, highs = np.full((len(volumes), 3), np.inf), np.full((len(volumes), 3), -np.inf)
    np.minimum.at(lows, body, corners.min(axis=1))
    np.maximum.at(highs, body, corners.max(axis=1))
    middles, reach = (lows + highs) / 2, (highs - lows).max(axis=1) / 2
    tree, within, around = cKDTree(middles), [], []
    for start in range(0, len(volumes), _AT_ONCE):  # the pairs of thousands of bodies take room
        some = np.arange(start, min(start + _AT_ONCE, len(volumes)))
        near = tree.query_ball_point(middles[some], reach[some], p=np.inf)
        outer = np.repeat(some, [len(each) for each in near])
        inner = np.concatenate([np.asarray(each, dtype=np.int64) for each in near])
        apart = (lows[outer] < lows[inner]).all(axis=1) & (highs[outer] > highs[inner]).all(axis=1)
        within.append(inner[apart])
        around.append(outer[apart])
    inner, outer = np.concatenate(within), np.concatenate(around)
    wrong = volumes < 0
    wrong[inner] = False  # cavities
    wrong[inner[wrong[outer]]] = True
    return np.flatnonzero(wrong).tolist()
