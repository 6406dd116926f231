"""Where a triangle surface passes through itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tramontane.geometry.box_tree import overlapping_boxes

Array = NDArray[np.floating[Any]]
Index = NDArray[np.int64]
_TOUCH = 1e-10  # of the surface's length: triangles that come so close touch, and do not intersect


def self_intersections(points: Array, triangles: Index, some: Index | None = None) -> Index:
    """Pairs of triangles that pass through each other.

    Two triangles intersect where an edge of one passes through the other. Those that share a corner are asked for the
    edges opposite to it, those that share an edge are left out; triangles that lie in one plane touch.

    Args:
        points: ``(n, 3)``.
        triangles: ``(m, 3)``, which share the points at their common edges.
        some: Numbers of triangles, at least one of which each pair has; None takes all.

    Returns:
        ``(pairs, 2)``, the lower number first, in order.
    """
    size = float(np.ptp(points, axis=0).max())
    corners = (points - points.mean(axis=0))[triangles]
    marked = np.full(len(triangles), some is None)
    if some is not None:
        marked[some] = True
    one, two = overlapping_boxes(corners.min(axis=1), corners.max(axis=1), marked)
    alike = [[triangles[one, here] == triangles[two, there] for there in range(3)] for here in range(3)]
    apart = np.flatnonzero(sum(same.astype(np.int8) for row in alike for same in row) < 2)
    one, two = one[apart], two[apart]
    of_one = [(row[0] | row[1] | row[2])[apart] for row in alike]
    of_two = [(alike[0][there] | alike[1][there] | alike[2][there])[apart] for there in range(3)]
    hit = np.zeros(len(one), np.bool_)
    for edges, faces, shared in ((one, two, of_one), (two, one, of_two)):
        for start, end in ((0, 1), (1, 2), (2, 0)):
            asked = np.flatnonzero(~(shared[start] | shared[end] | hit))
            hit[asked] = _pass_through(
                corners[edges[asked], start], corners[edges[asked], end], corners[faces[asked]], _TOUCH * size
            )
    pairs = np.stack([one[hit], two[hit]], axis=1)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def _pass_through(a: Array, b: Array, corners: Array, touch: float) -> NDArray[np.bool_]:
    """Whether segments from a to b ``(n, 3)`` pass through triangles of corners ``(n, 3, 3)``."""
    one, two, three = corners.transpose(1, 0, 2)
    normal = np.cross(two - one, three - one)
    length = np.sqrt(_dot(normal, normal))
    above, below = _dot(a - one, normal), _dot(b - one, normal)
    through = np.flatnonzero((above * below < 0) & (np.minimum(abs(above), abs(below)) > touch * length))
    a, along, corners = a[through], (b - a)[through], corners[through]
    # Volumes over the three sides have one sign where the line passes within all of them, or through one.
    ends = [corners[:, corner] - a for corner in range(3)]
    sides = [_dot(along, np.cross(p, q)) for p, q in zip(ends, ends[1:] + ends[:1], strict=True)]
    least = touch * np.sqrt(length[through] * _dot(along, along))
    within = (np.minimum.reduce(sides) > -least) | (np.maximum.reduce(sides) < least)
    answer = np.zeros(len(above), np.bool_)
    answer[through[within]] = True
    return answer


def _dot(one: Array, two: Array) -> Array:
    return np.asarray(np.einsum("nd,nd->n", one, two))
