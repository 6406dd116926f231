"""The holes of a triangle surface, and lids over them, with which an open surface has an inside and a volume, too.

A lid is a fan of triangles from the middle of a rim. A line crosses a closed surface inward as often as outward,
whatever spans its holes; so a fan will do where a rim is no convex curve, or none at all: where a large face meets
small ones without common corners, the rim runs to and fro, and its lid has no area.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Holes:
    """The rims of a surface.

    Attributes:
        ends: Points ``(n, 2, 3)`` of each edge that one triangle has, in the direction in which it has it.
        rim: ``(n,)``: which rim each belongs to.
        count: Of rims.
        aligned: ``(count,)``: whether all of a rim's edges go round the same way, as they do where triangles agree.
    """

    ends: Array
    rim: NDArray[np.int64]
    count: int
    aligned: NDArray[np.bool_]

    @classmethod
    def of(cls, points: Array, triangles: NDArray[np.integer[Any]]) -> Holes:
        """The holes of a surface of points ``(n, 3)`` and triangles ``(m, 3)``."""
        points, triangles = np.asarray(points, dtype=np.float64), np.asarray(triangles, dtype=np.int64)
        starts, ends = triangles.ravel(), triangles[:, [1, 2, 0]].ravel()
        keys = np.minimum(starts, ends) * len(points) + np.maximum(starts, ends)
        order = np.argsort(keys)
        keys = keys[order]
        other = keys[1:] != keys[:-1]
        alone = order[np.append(True, other) & np.append(other, True)] if len(keys) else order
        starts, ends = starts[alone], ends[alone]
        used = np.zeros(len(points), np.bool_)
        used[starts] = used[ends] = True
        names = np.cumsum(used) - 1
        one, two, size = names[starts], names[ends], int(used.sum())
        if not size:
            return cls(np.zeros((0, 2, 3)), np.zeros(0, np.int64), 0, np.zeros(0, np.bool_))
        count, of = connected_components(coo_array((np.ones(len(one), np.int8), (one, two)), (size, size)))
        uneven = np.bincount(one, minlength=size) != np.bincount(two, minlength=size)
        aligned = np.ones(count, np.bool_)
        aligned[of[uneven]] = False
        return cls(np.stack([points[starts], points[ends]], axis=1), of[one].astype(np.int64), int(count), aligned)

    def lids(self) -> Array:
        """Corners ``(n, 3, 3)`` of triangles that close the holes, turned as the surface is."""
        return np.stack([self.ends[:, 1], self.ends[:, 0], self._middles()[self.rim]], axis=1)

    def areas(self) -> Array:
        """Area ``(count,)`` of each hole, m2: as seen from where it is largest, if its rim is bent."""
        spokes = self.ends - self._middles()[self.rim][:, None]
        normals = np.cross(spokes[:, 0], spokes[:, 1])
        over = np.stack([np.bincount(self.rim, column, self.count) for column in normals.T], axis=1)
        sizes = np.bincount(self.rim, np.linalg.norm(normals, axis=1), self.count)
        return np.asarray(np.where(self.aligned, np.linalg.norm(over, axis=1), sizes) / 2)

    def without(self, some: NDArray[np.bool_]) -> Holes:
        """What is left of the rims without some of their edges ``(n,)``."""
        return Holes(self.ends[~some], self.rim[~some], self.count, self.aligned)

    def _middles(self) -> Array:
        edges = np.maximum(np.bincount(self.rim, minlength=self.count), 1)
        centres = self.ends.mean(axis=1)
        return np.stack([np.bincount(self.rim, column, self.count) / edges for column in centres.T], axis=1)


def enclosed(corners: Array) -> float:
    """Volume within triangles of corners ``(n, 3, 3)``, of a closed surface, m3; positive where they face outward."""
    middle = (corners.min(axis=(0, 1)) + corners.max(axis=(0, 1))) / 2
    one, two, three = np.ascontiguousarray((corners - middle).transpose(1, 2, 0))
    return float((one * np.cross(two, three, axis=0)).sum() / 6)
