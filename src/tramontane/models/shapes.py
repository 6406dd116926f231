"""Shapes, and how those of a family are sampled: in the box in which fields are known, on the lines of a lattice."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from tramontane.errors import GeometryError
from tramontane.geometry.scanlines import crossings
from tramontane.large_arrays import in_threads

Array = NDArray[np.floating[Any]]

NORMAL = 0.3
"""What a unit change of the normal counts beside distances, in diagonals of the mean bounding box."""
_CREASE = 35.0  # degrees between neighbouring normals beyond which there is an edge
_SMOOTHED = 14  # samples whose mean is a normal
_PHASE = np.array([0.37, 0.53, 0.71])  # of the lattice, which starts at a box's corner; no face lies on a line
_COMPARED = 800  # samples of each shape that say which is in the middle
_SOLID = [order for order in product(range(4), repeat=3) if sum(order) <= 3]
_SHELL = [order for order in product(range(3), repeat=3) if sum(order) <= 2]
_ACROSS = [order for order in product(range(4), repeat=2) if sum(order) <= 3]
_PORTION = 20_000  # triangles that are added up at once
_TINY = 1e-6  # a moment, in units of the box, that is as good as nothing
# Two barycentric coordinates and the weight of each point; exact to the fourth degree (Dunavant 1985).
_RULE = [
    (a, b, weight)
    for one, weight in ((0.445948490915965, 0.223381589678011), (0.091576213509771, 0.109951743655322))
    for a, b in ((one, one), (one, 1 - 2 * one), (1 - 2 * one, one))
]
_CUT = 0.01  # a shape that reaches this share beyond the data's box is cut off there


class Shape(NamedTuple):
    """A closed triangle surface: ``points`` ``(n, 3)`` in metres, ``triangles`` ``(m, 3)`` as indices of points."""

    points: Array
    triangles: NDArray[np.integer[Any]]


class Samples:
    """Samples of a shape's surface, and its size.

    Attributes:
        points: ``(n, 3)``, m.
        normals: Unit normals there ``(n, 3)``, smoothed but for creases.
        low: Corner of the shape's box ``(3,)``, m.
        extent: The box's edges ``(3,)``, m.
        descriptors: What sets it apart as a whole: logarithms of the box's edges, of the cube root of the volume and
            of the ratio of volume to area, which tells thick from thin (m), then moments.
    """

    def __init__(self, points: Array, normals: Array, low: Array, extent: Array, descriptors: Array) -> None:
        self.points, self.facets, self.low, self.extent, self.descriptors = points, normals, low, extent, descriptors
        around = normals[self.tree.query(points, k=min(_SMOOTHED, len(points)), workers=-1)[1].reshape(len(points), -1)]
        # A rounded edge in an STL file is a few flat strips, whose own normals would say little of where on it one is.
        alike = (around @ normals[:, :, None])[..., 0] > np.cos(np.radians(_CREASE))
        smooth = (alike[:, None].astype(float) @ around)[:, 0]
        self.normals: Array = smooth / np.linalg.norm(smooth, axis=1, keepdims=True)

    @cached_property
    def tree(self) -> cKDTree:
        """For searches by place."""
        return cKDTree(self.points)


class Window:
    """How the shapes of a family are sampled: the box in which fields are known, and a lattice over it.

    Args:
        low: Corner ``(3,)`` of the box; what lies beyond is left out.
        high: The opposite corner.
        planes: By axis, where a plane of symmetry or a ground cuts shapes off: displacements do not cross it.
        extent: Mean edges ``(3,)`` of the shapes' boxes, m.
        spacing: Between the lines of the lattice, m, after a shape's box is stretched to ``extent``.
        gaps: Mean distance ``(2, 3)``, m, from the shapes' boxes to the low and the high faces of the window, where
            the domain ends at the same place in all cases, such as a channel's wall: faces that stay where they are.
            Zero at the others, beyond which space is stretched as the shape's box is.
    """

    def __init__(
        self,
        low: Array,
        high: Array,
        planes: dict[int, float],
        extent: Array,
        spacing: float,
        gaps: Array | None = None,
    ) -> None:
        self.low, self.high, self.planes, self.extent, self.spacing = low, high, planes, extent, spacing
        self.gaps = np.zeros((2, 3)) if gaps is None else gaps
        self.scale = float(np.linalg.norm(extent))

    @classmethod
    def measure(
        cls,
        shapes: Sequence[Shape],
        low: Array,
        high: Array,
        planes: dict[int, float],
        *,
        fixed: NDArray[np.bool_] | None = None,
        samples: int = 15_000,
    ) -> Window:
        """The window of a family, whose lattice meets a shape about ``samples`` times.

        Args:
            shapes: The family.
            low: Corner ``(3,)`` of the box in which fields are known.
            high: The opposite corner.
            planes: By axis, where symmetry or the ground cuts shapes off.
            fixed: Which low and high faces ``(2, 3)`` of the box stay where they are.
            samples: About how many samples a shape has.
        """
        self = cls(low, high, planes, np.ones(3), 1.0)
        boxes = np.array([self.box(shape) for shape in shapes])
        extent = boxes[:, 1].mean(0)
        gaps = np.stack([boxes[:, 0] - low, high - boxes.sum(1)]).mean(1)
        if fixed is not None:
            gaps = np.where(fixed & (gaps > 0.05 * extent), gaps, 0.0)
        self = cls(low, high, planes, extent, float(np.linalg.norm(extent)) / 50, gaps if fixed is not None else None)
        for _ in range(2):
            counts = [len(self._crossings(shape)[0]) for shape in shapes[:8]]
            self.spacing *= (max(float(np.mean(counts)), 1.0) / samples) ** 0.5
        return self

    def sample(self, shape: Shape) -> Samples:
        """Points and normals of a shape's part in the window; they hardly depend on its triangles.

        Raises:
            GeometryError: The surface has no area, or none of it there.
        """
        points, normals = self._crossings(shape)
        if not len(points):
            raise GeometryError(
                f"geometry: no part lies in the box {np.round(self.low, 4).tolist()} to "
                f"{np.round(self.high, 4).tolist()} (m) of the training fields; check its unit and place"
            )
        low, extent = self.box(shape)
        return Samples(points, normals, low, extent, np.concatenate([np.log(extent), _descriptors(shape)]))

    def box(self, shape: Shape) -> tuple[Array, Array]:
        """Corner and edges of a shape's box, cut off where fields are known no further."""
        corners = np.clip(shape.points, self.low, self.high)
        low, high = corners.min(0), corners.max(0)
        for axis, plane in self.planes.items():
            (low if self.near(axis) else high)[axis] = plane
        extent = high - low
        # A flat shape (a section) keeps its own measure across.
        return low, np.where(extent > 1e-6 * extent.max(), extent, 1.0)

    def normalise(self, points: Array, low: Array, extent: Array) -> Array:
        """Points ``(n, 3)`` after a shape's box is stretched to the mean one, and what is around it with it."""
        out = (points - low) / extent * self.extent
        for axis, (before, after) in enumerate(self.gaps.T):
            near, far = self._around(low, extent, axis)
            distance = points[:, axis] - low[axis]
            if before:
                out[:, axis] = np.where(distance < 0, distance / near * before, out[:, axis])
            if after:
                beyond = distance - extent[axis]
                out[:, axis] = np.where(beyond > 0, self.extent[axis] + beyond / far * after, out[:, axis])
        return np.asarray(out)

    def restore(self, points: Array, low: Array, extent: Array) -> Array:
        """Points ``(n, 3)``, m, that `normalise` stretched."""
        out = points / self.extent * extent + low
        for axis, (before, after) in enumerate(self.gaps.T):
            near, far = self._around(low, extent, axis)
            distance = points[:, axis]
            if before:
                out[:, axis] = np.where(distance < 0, low[axis] + distance / before * near, out[:, axis])
            if after:
                beyond = (distance - self.extent[axis]) / after * far
                out[:, axis] = np.where(beyond > 0, low[axis] + extent[axis] + beyond, out[:, axis])
        return np.asarray(out)

    def cloud(self, samples: Samples) -> Array:
        """Samples after their shape's box is stretched to the mean one, normals beside places ``(n, 6)``."""
        places = self.normalise(samples.points, samples.low, samples.extent)
        return np.concatenate([places, NORMAL * self.scale * samples.normals], 1)

    def near(self, axis: int) -> bool:
        """Whether an axis's plane is at the box's near side."""
        plane = self.planes[axis]
        return bool(abs(plane - self.low[axis]) < abs(plane - self.high[axis]))

    def state(self) -> dict[str, Array]:
        """The arguments, as arrays."""
        planes = np.array([[axis, plane] for axis, plane in self.planes.items()], float).reshape(-1, 2)
        return {"box": np.array([self.low, self.high, self.extent]), "planes": planes,
                "spacing": np.array([self.spacing]), "gaps": self.gaps}  # fmt: skip

    @classmethod
    def from_state(cls, state: dict[str, Array]) -> Window:
        """The window that `state` described."""
        low, high, extent = state["box"]
        planes = {int(axis): float(plane) for axis, plane in state["planes"]}
        return cls(low, high, planes, extent, float(state["spacing"][0]), state["gaps"])

    def _around(self, low: Array, extent: Array, axis: int) -> tuple[float, float]:
        """How far a shape's box is from the window's low and high face, m; never nothing, for one divides by it."""
        least = 1e-9 * self.scale
        high = low[axis] + extent[axis]
        return max(float(low[axis] - self.low[axis]), least), max(float(self.high[axis] - high), least)

    def _crossings(self, shape: Shape) -> tuple[Array, Array]:
        low, extent = self.box(shape)
        corners = np.asarray(shape.points, float).T[:, np.asarray(shape.triangles).T].swapaxes(0, 1)
        stretch = (self.extent / extent)[:, None]
        bounds = [(corner - low) * stretch[:, 0] for corner in (self.low, self.high)]
        points, triangle = crossings(
            (corners - low[:, None]) * stretch, self.spacing, phase=_PHASE * self.spacing, low=bounds[0], high=bounds[1]
        )
        faces = np.cross(corners[1] - corners[0], corners[2] - corners[0], axis=0)[:, triangle]
        return points / stretch[:, 0] + low, (faces / np.linalg.norm(faces, axis=0)).T


def cut_planes(shapes: Sequence[Shape], low: Array, high: Array) -> dict[int, float]:
    """By axis, the faces of the fields' box beyond which the shapes go on: planes of symmetry, the ground.

    Args:
        shapes: The family.
        low: Corner ``(3,)`` of the box in which fields are known, m.
        high: The opposite corner.
    """
    planes = {}
    margin = _CUT * (high - low)
    for axis in range(3):
        if all(shape.points[:, axis].min() < low[axis] - margin[axis] for shape in shapes):
            planes[axis] = float(low[axis])
        elif all(shape.points[:, axis].max() > high[axis] + margin[axis] for shape in shapes):
            planes[axis] = float(high[axis])
    return planes


def central(window: Window, shapes: Sequence[Samples]) -> list[int]:
    """The shapes in the order of their mean distance from all others, nearest first."""
    clouds = []
    for each in shapes:
        drawn = np.random.default_rng(0).permutation(len(each.points))[:_COMPARED]
        clouds.append(window.cloud(each)[drawn])
    trees = [cKDTree(cloud) for cloud in clouds]
    others = range(len(clouds)) if len(clouds) <= 40 else range(0, len(clouds), len(clouds) // 40)

    def mean_distance(i: int) -> float:
        return float(sum(trees[i].query(clouds[j])[0].mean() + trees[j].query(clouds[i])[0].mean() for j in others))

    distance = in_threads(mean_distance, range(len(clouds)))
    return [int(case) for case in np.argsort(distance, kind="stable")]


def _descriptors(shape: Shape) -> Array:
    """Logarithms of bulk and of moments, exact for the triangles given; of an open surface they say little.

    The cube root of the volume and volume over area, m; then, in units of the shape's own box, the moments of the
    enclosed volume up to the third order and of the surface up to the second, and the mean product of every two
    components of the normal.
    """
    points = np.asarray(shape.points, float)
    low = points.min(0)
    extent = np.maximum(points.max(0) - low, 1e-12)
    enclosed, over, normals, true_area = np.zeros((4, len(_ACROSS))), np.zeros((3, len(_ACROSS))), np.zeros((3, 3)), 0.0
    for start in range(0, len(shape.triangles), _PORTION):
        corners = np.asarray(shape.triangles)[start : start + _PORTION]
        a, b, c = ((points[corners[:, corner]] - low) / extent for corner in range(3))
        vector = np.cross(b - a, c - a) / 2
        area = np.linalg.norm(vector, axis=1)
        for first, second, weight in _RULE:
            x, y, z = np.ascontiguousarray((first * a + second * b + (1 - first - second) * c).T)
            up, over_z = _powers(y, 3), _powers(z, 3)
            across = np.stack([up[j] * over_z[k] for j, k in _ACROSS])
            along = _powers(x, 4)
            # The divergence theorem, along x.
            enclosed += weight * ((along[1:] * vector[:, 0]) @ across.T) / np.arange(1, 5)[:, None]
            over += weight * ((along[:3] * area) @ across.T)
        normals += vector.T @ (vector / np.maximum(area, 1e-300)[:, None])
        true_area += float(np.linalg.norm(np.cross((b - a) * extent, (c - a) * extent), axis=1).sum()) / 2
    solid = np.array([enclosed[i, _ACROSS.index((j, k))] for i, j, k in _SOLID])
    shell = np.array([over[i, _ACROSS.index((j, k))] for i, j, k in _SHELL])
    volume = max(abs(solid[0]) * float(extent.prod()), 1e-9 * true_area**1.5)
    bulk = np.log([volume ** (1 / 3), volume / true_area])
    moments = np.log(np.concatenate([np.abs(solid), shell]) + _TINY)
    return np.concatenate([bulk, moments, normals[np.triu_indices(3)] / shell[0]])


def _powers(values: Array, most: int) -> Array:
    """The powers ``(most + 1, n)`` of numbers; NumPy's own take ten times as long."""
    powers = np.ones((most + 1, len(values)))
    for power in range(1, most + 1):
        np.multiply(powers[power - 1], values, out=powers[power])
    return powers
