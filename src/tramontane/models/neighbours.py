"""Values at points from the values at scattered points nearby."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Array = NDArray[np.floating[Any]]
Row = TypeVar("Row")

_NEIGHBOURS = 6
_PORTION = 8192  # points, which suits a CPU's cache
_SPIKE = 8.0  # robust deviations from its neighbours beyond which a value is one bad face
_SPIKE_NEIGHBOURS = 12


class Stencil(NamedTuple):
    """The neighbours ``(q, k)`` of points, nearest first, and their weights ``(q, k)``, which sum to one: 48 bytes a
    point."""

    near: NDArray[np.int32]
    weight: NDArray[np.float32]

    def size(self) -> int:
        """Bytes that it takes."""
        return self.near.nbytes + self.weight.nbytes

    @classmethod
    def joined(cls, parts: Iterable[Stencil]) -> Stencil:
        """One of all points of several."""
        return cls(*map(np.concatenate, zip(*parts, strict=True)))


def in_portions(function: Callable[[Array], Row], points: Array) -> Iterator[Row]:
    """What a function gives for many points, a few thousand at a time on all cores.

    Args:
        function: Of points ``(n, d)``; NumPy and SciPy let others run meanwhile. Not torch: it would start as many
            threads again in each of the pool's.
        points: ``(q, d)``.

    Yields:
        What it gives for each portion, in order.
    """
    if len(points) <= _PORTION:
        yield function(points)
        return
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        parts = (points[start : start + _PORTION] for start in range(0, len(points), _PORTION))
        yield from pool.map(function, parts)


def stencil(tree: cKDTree, features: Array, *, ridge: float = 0.01) -> Stencil:
    """Neighbours and their weights in a local, distance-weighted linear fit.

    Moving least squares of first order (Lancaster & Salkauskas 1981).

    Args:
        tree: Of the features ``(n, 3 or more)`` of the points where values are known, positions first; neighbours are
            nearest by all features, the fit is linear in positions.
        features: Of the points where values are wanted ``(q, 3 or more)``.
        ridge: Penalty on the slope, which is what remains where neighbours lie in a plane.
    """
    points = tree.data
    count = min(_NEIGHBOURS, len(points))
    distance, index = tree.query(features, k=count)
    distance, index = distance.reshape(-1, count), index.reshape(-1, count)
    length = distance.mean(1, keepdims=True) + 1e-300
    weight = 1 / (distance / length + 0.3) ** 2
    weight /= weight.sum(1, keepdims=True)
    x, y, z = ((points[:, axis][index] - features[:, axis, None]) / length for axis in range(3))
    middle = [(weight * offset).sum(1) for offset in (x, y, z)]
    x, y, z = (offset - mean[:, None] for offset, mean in zip((x, y, z), middle, strict=True))
    xx, xy, xz = ((weight * x * other).sum(1) for other in (x, y, z))
    yy, yz, zz = ((weight * one * other).sum(1) for one, other in ((y, y), (y, z), (z, z)))
    xx, yy, zz = xx + ridge, yy + ridge, zz + ridge
    # Cramer's rule: a hundred thousand 3 x 3 systems are slow in LAPACK.
    a, b, c = yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy
    d, e, f = xx * zz - xz * xz, xy * xz - xx * yz, xx * yy - xy * xy
    determinant = xx * a + xy * b + xz * c
    adjugate = ((a, b, c), (b, d, e), (c, e, f))
    slope = [(row[0] * middle[0] + row[1] * middle[1] + row[2] * middle[2]) / determinant for row in adjugate]
    weight *= 1 - (x * slope[0][:, None] + y * slope[1][:, None] + z * slope[2][:, None])
    return Stencil(index.astype(np.int32), weight.astype(np.float32))


def weighted(values: Array, of: Stencil) -> NDArray[np.float32]:
    """Sum ``(q, c)`` of the neighbours' values ``(n, c)`` by their weights."""
    rows = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
    index, weight = torch.from_numpy(of.near), torch.from_numpy(of.weight)
    total = torch.nn.functional.embedding_bag(index, rows, per_sample_weights=weight, mode="sum")
    return np.asarray(total.numpy())


def without_spikes(features: Array, values: Array) -> Array:
    """Values ``(n, c)`` with single bad ones drawn back to within robust deviations of their neighbours' median.

    Surface meshes have single faces, slivers on an edge, whose wall shear is ten times their neighbours'.
    """
    count = min(_SPIKE_NEIGHBOURS, len(values))
    neighbours = values[cKDTree(features).query(features, k=count, workers=-1)[1].reshape(-1, count)]
    middle = np.median(neighbours, axis=1)
    deviation = 1.48 * np.median(np.abs(neighbours - middle[:, None]), axis=1)
    bound = _SPIKE * (deviation + 0.5 * np.median(deviation, axis=0))
    return np.asarray(middle + np.clip(values - middle, -bound, bound))
