"""Where the lines of a cubic lattice cross a surface: points that know nothing of its triangulation, in milliseconds.

Each triangle is scanned as in computer graphics (Foley et al. 1990, section 3.6): seen along one axis, the lattice's
rows cut it into spans, and a line crosses it at every whole number of a span. A span's left end belongs to it and its
right end does not, so that a line through the common edge of two triangles crosses one of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]


def crossings(
    corners: Array, spacing: float, *, phase: Array, low: Array | None = None, high: Array | None = None
) -> tuple[Array, NDArray[np.intp]]:
    """Points where lattice lines along x, y and z cross triangles.

    A face across an axis gets one point for each square of the lattice, an oblique one up to the square root of three.

    Args:
        corners: ``(3, 3, n)``: corner, coordinate, triangle.
        spacing: Between the lattice's lines, in the coordinates' unit.
        phase: Place ``(3,)`` of one line of each direction.
        low: Corner ``(3,)`` of the box outside which nothing is sought; None for none.
        high: The opposite corner.

    Returns:
        Points ``(m, 3)``, and the triangle ``(m,)`` that each lies on.
    """
    scaled = (corners - phase[:, None]) / spacing
    least = np.full(3, -np.inf) if low is None else (low - phase) / spacing
    most = np.full(3, np.inf) if high is None else (high - phase) / spacing
    along_axes = [_along(scaled, axis, least, most) for axis in range(3)]
    points = np.concatenate([points for points, _ in along_axes]) * spacing + phase
    return points, np.concatenate([triangle for _, triangle in along_axes])


def inside_grid(corners: Array, dimensions: tuple[int, int, int]) -> NDArray[np.bool_]:
    """Which nodes of a grid lie inside a closed surface: those that it winds round.

    Lines along the first axis are followed from outside, and count the faces that they enter and leave. A body that
    overlaps another changes nothing; a cavity, whose normals point into it, is outside. A node on the surface itself is
    on either side.

    Args:
        corners: ``(3, 3, n)``: corner, coordinate, triangle; in steps of the grid, whose first node is the origin.
        dimensions: Numbers of nodes along x, y and z.

    Returns:
        By node ``(z, y, x)``.
    """
    size = np.array(dimensions, dtype=np.float64)
    # Lines before the first node count, too: the surface may begin before it.
    points, triangle = _along(corners, 0, np.array([-np.inf, 0, 0]), np.append(np.inf, size[1:] - 1))
    one, two, three = corners[:, 1:, triangle]
    (ay, az), (by, bz) = two - one, three - one
    change = -np.sign(ay * bz - az * by).astype(np.int32)
    node = np.clip(np.ceil(points[:, 0]), 0, size[0]).astype(np.intp)
    y, z = points[:, 1].astype(np.intp), points[:, 2].astype(np.intp)
    winding = np.zeros((dimensions[2], dimensions[1], dimensions[0] + 1), np.int32)
    np.add.at(winding, (z, y, node), change)
    inside: NDArray[np.bool_] = np.cumsum(winding, axis=2)[:, :, :-1] > 0
    return inside


def _along(corners: Array, axis: int, least: Array, most: Array) -> tuple[Array, NDArray[np.intp]]:
    """Crossings of the lines along one axis through the whole numbers of the others."""
    u, v = (axis + 1) % 3, (axis + 2) % 3
    lowest, highest = corners[:, v].min(0), corners[:, v].max(0)
    first = np.maximum(np.ceil(lowest), np.ceil(least[v]))
    rows = np.maximum(np.minimum(np.ceil(highest), np.floor(most[v]) + 1) - first, 0).astype(np.intp)
    # Most triangles of a fine mesh lie between two rows.
    hit = np.flatnonzero(rows)
    order = np.argsort(corners[:, v, hit], axis=0)
    low, middle, high = np.take_along_axis(corners[:, :, hit], order[:, None], axis=0)

    owner, place = _spread(rows[hit])
    row = first[hit][owner] + place
    low, middle, high = low[:, owner], middle[:, owner], high[:, owner]
    below = row < middle[v]
    one = _at(low, high, row, v)
    other = np.where(below, _at(low, middle, row, v), _at(middle, high, row, v))
    swapped = one[u] > other[u]
    left, right = np.where(swapped, other, one), np.where(swapped, one, other)

    start = np.maximum(np.ceil(left[u]), np.ceil(least[u]))
    columns = np.maximum(np.minimum(np.ceil(right[u]), np.floor(most[u]) + 1) - start, 0).astype(np.intp)
    span, column = _spread(columns)
    points = np.empty((len(span), 3))
    points[:, u] = start[span] + column
    points[:, v] = row[span]
    share = (points[:, u] - left[u][span]) / (right[u] - left[u])[span]
    points[:, axis] = left[axis][span] * (1 - share) + right[axis][span] * share
    inside = np.flatnonzero((points[:, axis] >= least[axis]) & (points[:, axis] <= most[axis]))
    # In the lattice's order, not the triangles'.
    inside = inside[np.lexsort((points[inside, axis], points[inside, u], points[inside, v]))]
    return points[inside], hit[owner[span[inside]]]


def _spread(counts: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """For each of ``counts[k]`` things: its owner k, and which of the owner's things it is."""
    owner = np.repeat(np.arange(len(counts)), counts)
    return owner, np.arange(len(owner)) - (np.cumsum(counts) - counts)[owner]


def _at(start: Array, end: Array, height: Array, axis: int) -> Array:
    """Where edges ``(3, n)`` reach a height."""
    length = end[axis] - start[axis]
    share = (height - start[axis]) / np.where(length > 0, length, 1.0)
    return start * (1 - share) + end * share  # type: ignore[no-any-return]
