"""Triangles as indices of points: which edges they share, which are the same, which points they use.

A surface is ``points`` ``(n, 3)`` and ``triangles`` ``(m, 3)``; nothing here knows of files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

# Multipliers of a hash, those of SplitMix64 (Steele, Lea and Flood 2014).
_MIX = np.array([0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB], dtype=np.uint64)


@dataclass(frozen=True)
class Edges:
    """The edges of triangles.

    Attributes:
        opened: Number of those of one triangle.
        rim: Points ``(opened, 2)`` of these.
        crowded: Number of those of more than two.
        pairs: ``(n, 2)``: triangles that have an edge in common.
        consistent: Whether the two go along it in opposite directions, everywhere.
    """

    opened: int
    rim: NDArray[np.int64]
    crowded: int
    pairs: NDArray[np.int64]
    consistent: bool

    @classmethod
    def of(cls, triangles: NDArray[np.int64], points: int) -> Edges:
        starts, ends = triangles.reshape(-1), triangles[:, [1, 2, 0]].reshape(-1)
        keys = np.minimum(starts, ends) * points + np.maximum(starts, ends)
        order = np.argsort(keys)
        keys = keys[order]
        first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
        uses = np.diff(np.append(first, len(keys)))
        twice, once = first[uses == 2], order[first[uses == 1]]
        here, there = order[twice], order[twice + 1]
        many = np.repeat(uses > 2, uses)[1:] & (keys[1:] == keys[:-1])
        return cls(
            opened=len(once),
            rim=np.stack([starts[once], ends[once]], axis=1),
            crowded=int((uses > 2).sum()),
            pairs=np.concatenate(
                [np.stack([here, there], axis=1), np.stack([order[:-1][many], order[1:][many]], axis=1)]
            )
            // 3,
            consistent=bool((starts[here] == ends[there]).all()),
        )


def merge_rows(places: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which of equal rows ``(n, 3)`` come first, in their order, and which of these each row is.

    Rows are told apart by a hash, which sorts in a fifth of the time; that no two shared one is looked at.
    """
    x, y, z = (column.view(np.uint64) for column in np.ascontiguousarray(places.T))
    keys = ((x * _MIX[0] ^ (x >> np.uint64(31))) + y) * _MIX[1]
    keys = ((keys ^ (keys >> np.uint64(29))) + z) * _MIX[2]
    hashes, index = np.unique(keys ^ (keys >> np.uint64(32)), return_inverse=True)
    kept = np.empty(len(hashes), dtype=np.int64)
    kept[index[::-1]] = np.arange(len(places) - 1, -1, -1)  # of those that are equal the first is written last
    if not (places[kept[index]] == places).all():
        _, kept, index = np.unique(places, axis=0, return_index=True, return_inverse=True)
        index = index.reshape(-1)
    order = np.argsort(kept)
    renamed = np.empty(len(kept), dtype=np.int64)
    renamed[order] = np.arange(len(kept))
    return kept[order], renamed[index]


def join_open_edges(
    points: NDArray[Any], triangles: NDArray[np.int64], edges: Edges, near: float
) -> tuple[NDArray[Any], NDArray[np.int64], Edges] | None:
    """Points, triangles and edges once points of open edges that lie near each other are one; None if none closes."""
    open_ends = np.zeros(len(points), np.bool_)
    open_ends[edges.rim] = True
    rim = np.flatnonzero(open_ends)
    pairs = cKDTree(points[rim]).query_pairs(near, output_type="ndarray")
    if not len(pairs):
        return None
    links = coo_array((np.ones(len(pairs), np.int8), pairs.T), (len(rim), len(rim)))
    _, group = connected_components(links, directed=False)
    _, first = np.unique(group, return_index=True)
    renamed = np.arange(len(points))
    renamed[rim] = rim[first[group]]
    closed = renamed[triangles]
    one, two, three = closed.T
    closed, _ = without_copies(closed[(one != two) & (two != three) & (three != one)])
    if not len(closed):
        return None
    kept, closed = without_unused_points(points, closed)
    closer = Edges.of(closed, len(kept))
    return (kept, closed, closer) if closer.opened < edges.opened else None


def without_copies(triangles: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """The first of triangles with the same three corners, whichever way they face, and how many others there are."""
    corners = np.sort(triangles, axis=1)
    kept, _ = merge_rows(corners)
    return (triangles, 0) if len(kept) == len(triangles) else (triangles[kept], len(triangles) - len(kept))


def without_walls(
    triangles: NDArray[np.int64], single: NDArray[np.int64], points: int
) -> tuple[NDArray[np.int64], int] | None:
    """Triangles without those that two bodies have in common, one facing each way, and how many others are repeated.

    Args:
        triangles: All.
        single: The first of those with the same corners.
        points: How many there are.

    Returns:
        None where the triangles are no walls between bodies: where without them fewer edges would have two triangles.
    """
    _, group = merge_rows(np.sort(triangles, axis=1))
    _, middle, last = np.take_along_axis(triangles, (triangles.argmin(axis=1)[:, None] + np.arange(3)) % 3, axis=1).T
    facing = np.bincount(group, np.where(middle < last, 1, -1))
    wall = (facing == 0)[group]
    if not wall.any() or wall.all():
        return None
    kept, repeated = without_copies(triangles[~wall])
    here, there = Edges.of(kept, points), Edges.of(single, points)
    better = here.opened <= there.opened and here.crowded < there.crowded
    return (kept, repeated) if better else None


def without_unused_points(points: NDArray[Any], triangles: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The points that triangles have, in their order, and the triangles of these."""
    used = np.zeros(len(points), np.bool_)
    used[triangles] = True
    renamed: NDArray[np.int64] = (np.cumsum(used) - 1)[triangles]
    return points[used], renamed


def area_of(points: NDArray[Any], triangles: NDArray[np.int64]) -> float:
    """The area of all triangles together."""
    # Long rows are what NumPy is fast at.
    one, two, three = np.ascontiguousarray(points.T)[:, triangles.T].swapaxes(0, 1)
    x, y, z = np.cross(two - one, three - one, axis=0)
    return float(np.sqrt(x * x + y * y + z * z).sum()) / 2
