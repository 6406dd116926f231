"""A few numbers that tell one geometry of a family from another, from the closed surface alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyvista as pv
from numpy.typing import NDArray

from tramontane.geometry.sampling import sample_surface


def describe_geometry(mesh: pv.PolyData) -> NDArray[np.floating[Any]]:
    """Bounding box, cube root of volume, square root of area, and moments of the surface up to the third order.

    Args:
        mesh: Closed triangle surface, metres.

    Returns:
        ``(24,)`` lengths in metres (moments are taken to the power that makes them lengths).
    """
    points, _ = sample_surface(mesh, 4096, 0)
    points = points.astype(np.float64)
    center = points.mean(0)
    centred = points - center
    pairs = [(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)]
    second = [_root(float((centred[:, a] * centred[:, b]).mean()), 2) for a, b in pairs]
    triples = [(0, 0, 0), (1, 1, 1), (2, 2, 2), (0, 0, 2), (0, 2, 2), (0, 1, 1), (1, 1, 2)]
    third = [_root(float((centred[:, a] * centred[:, b] * centred[:, c]).mean()), 3) for a, b, c in triples]
    size = [abs(float(mesh.volume)) ** (1 / 3), float(mesh.area) ** 0.5]
    return np.array([*mesh.bounds, *center, *size, *second, *third])


def _root(value: float, order: int) -> float:
    return float(np.sign(value) * abs(value) ** (1 / order))
