"""Which point of one shape corresponds to which of another, and what sets a shape apart, from triangles alone.

One of the shapes is the template. Control points on it are moved onto another shape step by step: each looks for the
nearest place with a like normal, and the displacements found are smoothed by a kernel that grows softer with every
round (non-rigid registration; Myronenko & Song 2010, arXiv:0905.2635, with normals as further coordinates and nearest
points for soft assignment). The smoothing kernel carries the displacement into the space around and inside the shape.
It is kept in its leading eigenvectors, which the points to carry share (Nystrom's method; Williams & Seeger 2001), so
that carrying them is one matrix product.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pyvista as pv
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from tramontane.dataset.sampling import sample_surface
from tramontane.errors import GeometryError

Array = NDArray[np.floating[Any]]

_SOFTENING = (3.0, 1.0, 0.3, 0.1, 0.03)  # noise-to-signal ratio of the smoothing, round by round
_STEPS = 5  # searches in each round
_LENGTH = 0.5  # kernel's length, in diagonals of the mean bounding box
_NORMAL = 0.3  # what a unit change of the normal counts, in the same diagonals
_EDGE = 0.1  # the same where control points are chosen
_MODES = 96  # displacement error below 0.001 diagonals against all 1,000 eigenvectors
_CREASE = 35.0  # degrees between neighbouring normals beyond which there is an edge
_SMOOTHED = 24  # samples whose mean is a normal
_CUT = 0.01  # a shape that reaches this share beyond the data's box is cut off there


class Shape(NamedTuple):
    """A closed triangle surface: ``points`` ``(n, 3)`` in metres, ``triangles`` ``(m, 3)`` as indices of points."""

    points: Array
    triangles: NDArray[np.integer[Any]]


def sample_shape(shape: Shape, count: int, low: Array | None = None, high: Array | None = None) -> tuple[Array, Array]:
    """Points spread evenly by area on a shape and smooth normals, which hardly depend on its triangles.

    A rounded edge in an STL file is a few flat strips, whose own normals would say little of where on the edge one is:
    a normal is the mean of those nearby, but for those beyond a crease.

    Args:
        shape: The surface.
        count: How many points.
        low: Corner of the box ``(3,)`` beyond which the shape is cut off.
        high: The opposite corner.

    Returns:
        Points ``(count, 3)`` and unit normals ``(count, 3)``, by the triangles' orientation.

    Raises:
        GeometryError: The surface has no area, or none of it lies in the box.
    """
    mesh = pv.PolyData.from_regular_faces(np.asarray(shape.points, float), np.asarray(shape.triangles))
    if low is not None and high is not None:
        mesh = _cut(mesh, low, high)
    points, normals = (part.astype(float) for part in sample_surface(mesh, count, 0))
    around = normals[cKDTree(points).query(points, k=min(_SMOOTHED, count), workers=-1)[1].reshape(count, -1)]
    like = (around * normals[:, None]).sum(-1, keepdims=True) > np.cos(np.radians(_CREASE))
    smooth = (around * like).sum(1)
    return points, smooth / np.linalg.norm(smooth, axis=1, keepdims=True)


def _cut(mesh: pv.PolyData, low: Array, high: Array) -> pv.PolyData:
    """What of a surface lies in a box."""
    for axis in range(3):
        normal = tuple(float(other == axis) for other in range(3))
        for plane, invert in ((low[axis], False), (high[axis], True)):
            reach = mesh.bounds[2 * axis + int(invert)] if mesh.n_cells else plane
            if reach > plane if invert else reach < plane:
                origin = tuple(float(plane) if other == axis else 0.0 for other in range(3))
                mesh = mesh.clip(normal=normal, origin=origin, invert=invert)
    if mesh.n_cells == 0:
        raise GeometryError(
            f"geometry: no part lies in the box {np.round(low, 4).tolist()} to {np.round(high, 4).tolist()} (m) of the "
            "training fields; check its unit and place"
        )
    return mesh


@dataclass
class Registration:
    """A shape, matched with the template.

    Attributes:
        low: Corner of the shape's box ``(3,)``, m.
        extent: The box's edges ``(3,)``, m.
        bulk: Cube root of the enclosed volume and ratio of volume to area, m: the latter tells thick from thin.
        amplitudes: Share of each smoothing mode in the displacement, ``(3, modes)``.
        features: What sets the shape apart: displacements and normals at the control points, flat.
    """

    low: Array
    extent: Array
    bulk: Array
    amplitudes: Array
    features: Array


class Correspondence:
    """A template and its smoothing modes, fitted to the shapes of a family.

    Args:
        shapes: The family.
        low: Corner ``(3,)`` of the box in which fields are known; what lies beyond is not looked at.
        high: The opposite corner.
        planes: By axis, where a plane of symmetry or a ground cuts shapes off: displacements do not cross it.
        controls: How many control points lie on the template.
        samples: How many points a shape is searched with.
    """

    def __init__(
        self,
        shapes: Sequence[Shape],
        low: Array,
        high: Array,
        planes: dict[int, float],
        *,
        controls: int = 800,
        samples: int = 15_000,
    ) -> None:
        self.low, self.high, self.planes, self.samples = low, high, planes, samples
        boxes = [(*self.sample(shape), *self._box(shape)) for shape in shapes]
        self.extent = np.mean([extent for *_, extent in boxes], axis=0)
        self.scale = float(np.linalg.norm(self.extent))
        clouds = [
            (np.concatenate([self._normalise(points, corner, extent), _NORMAL * self.scale * normals], 1))
            for points, normals, corner, extent in boxes
        ]
        self.template = _medoid([cloud[:800] for cloud in clouds])
        cloud = clouds[self.template] * np.array([1, 1, 1, *[_EDGE / _NORMAL] * 3])
        self.controls = clouds[self.template][_spread(cloud, min(controls, len(cloud)))]
        self._prepare()

    def _prepare(self) -> None:
        """Eigenvalues and eigenvectors of the smoothing kernel, for each component of the displacement."""
        self.modes = []
        for kernel in self._kernels(self.controls[:, :3]):
            values, vectors = eigh(kernel, subset_by_index=[max(len(kernel) - _MODES, 0), len(kernel) - 1])
            self.modes.append((values, vectors))

    def sample(self, shape: Shape) -> tuple[Array, Array]:
        """Points and normals ``(samples, 3)`` of a shape's part where fields are known.

        Raises:
            GeometryError: The surface has no area, or none of it there.
        """
        return sample_shape(shape, self.samples, self.low, self.high)

    def register(self, shape: Shape, samples: tuple[Array, Array] | None = None) -> Registration:
        """Match a shape with the template.

        Args:
            shape: The geometry.
            samples: What `sample` gave for it, where that is at hand.
        """
        points, normals = samples or self.sample(shape)
        low, extent = self._box(shape)
        cloud = np.concatenate([self._normalise(points, low, extent), _NORMAL * self.scale * normals], 1)
        tree, moved = cKDTree(cloud), self.controls.copy()
        amplitudes = np.zeros((3, min(_MODES, len(moved))))
        for softness in _SOFTENING:
            for _ in range(_STEPS):
                distance, index = tree.query(moved, k=3)
                weight = 1 / (distance + 1e-9 * self.scale)
                target = np.einsum("pk,pkd->pd", weight / weight.sum(1, keepdims=True), cloud[index, :3])
                for axis, (values, vectors) in enumerate(self.modes):
                    amplitudes[axis] = (target[:, axis] - self.controls[:, axis]) @ vectors
                    amplitudes[axis] *= values / (values + softness)
                    moved[:, axis] = self.controls[:, axis] + vectors @ amplitudes[axis]
        there = normals[tree.query(moved, k=5)[1]].mean(1)
        displacement = (moved - self.controls)[:, :3] / self.scale
        return Registration(
            low, extent, _bulk(shape), amplitudes, np.concatenate([displacement, _NORMAL * there], 1).ravel()
        )

    def basis(self, points: Array) -> Array:
        """Smoothing modes ``(3, n, modes)`` at points ``(n, 3)`` of the template's frame, for `carry`."""
        out = np.empty((3, len(points), min(_MODES, len(self.controls))), np.float32)
        maps = [(vectors / values).astype(np.float32) for values, vectors in self.modes]
        for start in range(0, len(points), 1000):
            part = slice(start, start + 1000)
            for axis, kernel in enumerate(self._kernels(points[part], np.float32)):
                out[axis, part] = kernel @ maps[axis]
        return out

    def carry(self, points: Array, basis: Array, registration: Registration) -> Array:
        """Where points ``(n, 3)`` of the template's frame, with their `basis`, lie on or about a shape, m."""
        moved = points + np.einsum("anm,am->na", basis, registration.amplitudes.astype(np.float32), optimize=True)
        return np.asarray(moved / self.extent * registration.extent + registration.low)

    def to_template(self, points: Array, registration: Registration) -> Array:
        """The template's own points ``(n, 3)``, m, in its frame, of which its registration moves none."""
        return self._normalise(points, registration.low, registration.extent)

    def state(self) -> dict[str, Array]:
        """Everything needed to register and carry, as arrays."""
        planes = np.array([[axis, place] for axis, place in self.planes.items()], float).reshape(-1, 2)
        return {"box": np.array([self.low, self.high]), "planes": planes, "extent": self.extent,
                "controls": self.controls, "samples": np.array([self.samples], float)}  # fmt: skip

    @classmethod
    def from_state(cls, state: dict[str, Array]) -> Correspondence:
        """The correspondence that `state` described."""
        self = cls.__new__(cls)
        self.low, self.high = state["box"]
        self.planes = {int(axis): float(place) for axis, place in state["planes"]}
        self.extent, self.controls, self.samples = state["extent"], state["controls"], int(state["samples"][0])
        self.scale = float(np.linalg.norm(self.extent))
        self._prepare()
        return self

    def _box(self, shape: Shape) -> tuple[Array, Array]:
        """Corner and edges of a shape's box, cut off where fields are known no further."""
        corners = np.clip(shape.points, self.low, self.high)
        low, high = corners.min(0), corners.max(0)
        for axis, place in self.planes.items():
            (low if self._near(axis, place) else high)[axis] = place
        extent = high - low
        # A flat shape (a section) keeps its own measure across.
        return low, np.where(extent > 1e-6 * extent.max(), extent, 1.0)

    def _normalise(self, points: Array, low: Array, extent: Array) -> Array:
        return np.asarray((points - low) / extent * self.extent)

    def _kernels(self, points: Array, dtype: type = float) -> list[Array]:
        """Matern 3/2 kernel of points and control points by component; mirrored beyond planes, odd across them."""
        kernels: list[Array] = [np.zeros((len(points), len(self.controls)), dtype) for _ in range(3)]
        unit = 3**0.5 / (_LENGTH * self.scale)
        for mirrored in product((False, True), repeat=len(self.planes)):
            image, sign = self.controls[:, :3].copy(), [1.0, 1.0, 1.0]
            for (axis, place), flip in zip(self.planes.items(), mirrored, strict=True):
                if flip:
                    # In the normalised frame the plane is the box's near or far face.
                    image[:, axis] = (0.0 if self._near(axis, place) else 2 * self.extent[axis]) - image[:, axis]
                    sign[axis] = -1.0
            ratio = cdist(points * unit, image * unit).astype(dtype, copy=False)
            value = np.exp(-ratio)
            value *= ratio + 1
            for axis in range(3):
                kernels[axis] += value if sign[axis] > 0 else -value
        return kernels

    def _near(self, axis: int, place: float) -> bool:
        return bool(abs(place - self.low[axis]) < abs(place - self.high[axis]))


def _bulk(shape: Shape) -> Array:
    """Cube root of the volume, and volume over area, m; of an open surface they say little, but are finite."""
    points = np.asarray(shape.points, float)
    a, b, c = (points[np.asarray(shape.triangles)[:, corner]] - points.mean(0) for corner in range(3))
    cross = np.cross(b - a, c - a)
    volume, area = abs(float((a * cross).sum())) / 6, float(np.linalg.norm(cross, axis=1).sum()) / 2
    volume = max(volume, 1e-9 * area**1.5)
    return np.array([volume ** (1 / 3), volume / area])


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


def _medoid(clouds: list[Array]) -> int:
    """The cloud that is nearest to all others on average."""
    trees = [cKDTree(cloud) for cloud in clouds]
    others = range(len(clouds)) if len(clouds) <= 40 else range(0, len(clouds), len(clouds) // 40)
    distance = [sum(trees[i].query(clouds[j])[0].mean() + trees[j].query(clouds[i])[0].mean() for j in others)
                for i in range(len(clouds))]  # fmt: skip
    return int(np.argmin(distance))


def _spread(cloud: Array, count: int) -> NDArray[np.intp]:
    """Indices of points that lie far from each other: each one the farthest from those before it."""
    chosen, distance = np.zeros(count, np.intp), np.full(len(cloud), np.inf)
    for place in range(1, count):
        distance = np.minimum(distance, ((cloud - cloud[chosen[place - 1]]) ** 2).sum(1))
        chosen[place] = np.argmax(distance)
    return chosen
