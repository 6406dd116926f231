"""Where a predicted field is least sure: the tenth of a surface with the widest intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
SHARE = 0.1
"""Of the surface, by area."""
_MOST = 2 * SHARE  # where more of it is as wide, intervals are the same nearly everywhere


def areas_of(points: Array, triangles: NDArray[np.unsignedinteger[Any]], places: NDArray[Any], count: int) -> Array:
    """How much of a surface each of its places stands for.

    Args:
        points: ``(n, 3)``.
        triangles: ``(m, 3)``.
        places: Of each triangle ``(m, k)``: its corners, or its cell; they share its area.
        count: How many places there are.
    """
    corners = np.asarray(points, dtype=float)[triangles]
    areas = 0.5 * np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    shared = np.repeat(areas / places.shape[1], places.shape[1])
    return np.asarray(np.bincount(places.ravel(), shared, minlength=count), dtype=float)


def least_of_widest(widths: Array, areas: Array) -> float | None:
    """The width from which on intervals are the widest of a tenth of the surface; None where none stand out.

    Args:
        widths: At each place ``(n,)``; NaN where there is no interval.
        areas: Of each place.
    """
    finite = np.isfinite(widths) & (areas > 0)
    if not finite.any():
        return None
    widths, areas = widths[finite], areas[finite]
    order = np.argsort(-widths)
    within = np.cumsum(areas[order]) <= SHARE * areas.sum() * (1 + 1e-9)
    least = float(widths[order][max(int(within.sum()) - 1, 0)])
    return None if least <= 0 or areas[widths >= least].sum() > _MOST * areas.sum() else least
