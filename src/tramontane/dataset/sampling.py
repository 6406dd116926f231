"""Points on a closed surface, uniform in area, the same way in training and in prediction."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyvista as pv
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
_MORTON_BITS = 10


def sample_surface(mesh: pv.PolyData, count: int, seed: int) -> tuple[Array, Array]:
    """Points drawn uniformly by area, and the unit normals there.

    Triangles are walked in the order of a space-filling curve and sampled at even steps of area from a random start
    (systematic sampling), so that every part of the surface gets its share to within a point, whatever the
    triangulation.

    Args:
        mesh: Triangles only, metres.
        count: Number of points.
        seed: The same surface and seed give the same points.

    Returns:
        ``(count, 3)`` points and ``(count, 3)`` outward unit normals, float32, in random order.
    """
    rng = np.random.default_rng((seed, 11))
    corners = np.asarray(mesh.points, dtype=np.float64)[mesh.regular_faces]
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    cross = np.cross(first, second)
    double_area = np.linalg.norm(cross, axis=1)
    order = np.argsort(_morton(corners.mean(axis=1)), kind="stable")
    edge = np.cumsum(double_area[order])
    steps = (np.arange(count) + rng.random(count)) * (edge[-1] / count)
    chosen = order[np.minimum(np.searchsorted(edge, steps), len(order) - 1)]
    # Uniform in a triangle: fold the unit square along its diagonal.
    a, b = rng.random((2, count))
    folded = a + b > 1
    a, b = np.where(folded, 1 - a, a), np.where(folded, 1 - b, b)
    points = corners[chosen, 0] + a[:, None] * first[chosen] + b[:, None] * second[chosen]
    normals = cross[chosen] / double_area[chosen, None]
    shuffle = rng.permutation(count)
    return points[shuffle].astype(np.float32), normals[shuffle].astype(np.float32)


def _morton(points: Array) -> NDArray[np.uint64]:
    """Place of each point ``(n, 3)`` along a Morton curve through their bounding box."""
    low, high = points.min(0), points.max(0)
    cells = ((points - low) / max(float((high - low).max()), 1e-300) * (2**_MORTON_BITS - 1)).astype(np.uint64)
    code = np.zeros(len(points), dtype=np.uint64)
    for bit in range(_MORTON_BITS):
        for axis in range(3):
            code |= ((cells[:, axis] >> np.uint64(bit)) & np.uint64(1)) << np.uint64(3 * bit + axis)
    return code
