"""Which of many boxes overlap, by a binary tree over them.

A bounding volume hierarchy over Morton order (Lauterbach et al. 2009, Comput. Graph. Forum 28, 375). The tree is walked
down beside itself, level by level, all pairs of nodes at once: long rows are what NumPy is fast at.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tramontane.deadline import check_deadline

Array = NDArray[np.floating[Any]]
Index = NDArray[np.int64]
_MORTON_BITS = 20  # of a place along each axis


def overlapping_boxes(low: Array, high: Array, marked: NDArray[np.bool_]) -> tuple[Index, Index]:
    """Pairs of boxes that have a point in common, at least one of them marked.

    Args:
        low: Lowest corner ``(n, 3)`` of each, finite.
        high: Highest corner ``(n, 3)`` of each.
        marked: ``(n,)``.

    Returns:
        The numbers of both boxes of each pair, the lower one first.
    """
    count = len(low)
    if not count or not marked.any():
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    order = np.argsort(_morton((low + high) / 2), kind="stable")
    leaves = 1 << (count - 1).bit_length()
    # Columns: lowest and highest x, y, z. The tree's leaves without a box overlap nothing.
    bounds = np.repeat([np.inf, -np.inf], 3)[:, None] * np.ones(leaves)
    bounds[:3, :count], bounds[3:, :count] = low[order].T, high[order].T
    wanted = np.zeros(leaves, np.bool_)
    wanted[:count] = marked[order]
    levels = [(bounds, wanted)]
    while bounds.shape[1] > 1:
        halves = bounds.reshape(6, -1, 2)
        lower, upper = np.minimum(*np.moveaxis(halves[:3], 2, 0)), np.maximum(*np.moveaxis(halves[3:], 2, 0))
        bounds, wanted = np.concatenate([lower, upper]), wanted[::2] | wanted[1::2]
        levels.append((bounds, wanted))
    one, two = np.zeros(1, np.int64), np.zeros(1, np.int64)
    for depth, (bounds, wanted) in enumerate(reversed(levels)):
        check_deadline()
        if depth:
            apart = one != two  # of a node with itself, the pair of its halves comes once
            one, two = (
                np.concatenate([2 * one, 2 * one, 2 * one[apart] + 1, 2 * one + 1]),
                np.concatenate([2 * two, 2 * two + 1, 2 * two[apart], 2 * two + 1]),
            )
        kept = np.flatnonzero(wanted[one] | wanted[two])
        for axis in range(3):
            first, second = one[kept], two[kept]
            lower, upper = bounds[axis], bounds[axis + 3]
            kept = kept[(lower[first] <= upper[second]) & (lower[second] <= upper[first])]
        one, two = one[kept], two[kept]
    apart = one != two
    one, two = order[one[apart]], order[two[apart]]
    return np.minimum(one, two), np.maximum(one, two)


def _morton(places: Array) -> NDArray[np.uint64]:
    """A number for each place ``(n, 3)``; places near each other have numbers near each other."""
    low, span = places.min(axis=0), np.ptp(places, axis=0)
    cells = ((places - low) / np.where(span > 0, span, 1.0) * (2**_MORTON_BITS - 1)).astype(np.uint64)
    code = np.zeros(len(places), np.uint64)
    for bit in range(_MORTON_BITS):
        for axis in range(3):
            code |= ((cells[:, axis] >> np.uint64(bit)) & np.uint64(1)) << np.uint64(3 * bit + axis)
    return code
