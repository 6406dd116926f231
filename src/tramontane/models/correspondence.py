"""Which point of one shape corresponds to which of another, and what sets a shape apart, from triangles alone.

One of the shapes is the template. Control points on it are moved onto another shape step by step: each looks for the
nearest place with a like normal, and the displacements found are smoothed by a kernel that grows softer with every
round (non-rigid registration; Myronenko & Song 2010, arXiv:0905.2635, with normals as further coordinates and nearest
points for soft assignment). The smoothing kernel carries the displacement into the space around and inside the shape.
It is kept in its leading eigenvectors, which the points to carry share (Nystrom's method; Williams & Seeger 2001), so
that carrying them is one matrix product.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from tramontane.models.shapes import NORMAL, Samples, Window

Array = NDArray[np.floating[Any]]

_SOFTENING = (3.0, 1.0, 0.3, 0.1, 0.03)  # noise-to-signal ratio of the smoothing, round by round
_STEPS = 5  # searches in each round, if so many are needed
_STILL = 0.0005  # in diagonals: a round ends when no control point moves further
_BOTH_WAYS = 4  # rounds in which samples search for control points, too
_SEEKING = 3  # how many samples do, for each control point
_LENGTH = 0.5  # kernel's length, in diagonals of the mean bounding box
_MOST, _NEARLY_ALL = 0.99, 0.999  # of the points of a template or a shape, that are to be matched
_EDGE = 0.1  # what a unit change of the normal counts where control points are chosen, in the same diagonals
_MODES = 96  # displacement error below 0.001 diagonals against all 1,000 eigenvectors


@dataclass
class Registration:
    """How a shape corresponds to the template.

    Attributes:
        low: Corner of the shape's box ``(3,)``, m.
        extent: The box's edges ``(3,)``, m.
        amplitudes: Share of each smoothing mode in the displacement, ``(3, modes)``.
        features: What sets the shape apart: displacements and normals at the control points, flat.
    """

    low: Array
    extent: Array
    amplitudes: Array
    features: Array


class Correspondence:
    """A template and its smoothing modes.

    Args:
        window: How shapes are sampled.
        template: Samples of the shape that others are registered on.
        controls: How many control points lie on it.
    """

    def __init__(self, window: Window, template: Samples, *, controls: int = 800) -> None:
        self.window = window
        cloud = window.cloud(template)
        apart = cloud * np.array([1, 1, 1, *[_EDGE / NORMAL] * 3])
        self.controls = cloud[_farthest_points(apart, min(controls, len(cloud)))]
        self._prepare()

    def _prepare(self) -> None:
        """Eigenvalues and eigenvectors of the smoothing kernel, for each component of the displacement."""
        self.modes: list[tuple[Array, Array]] = []
        kernels = self._kernels(self.controls[:, :3])
        for axis, kernel in enumerate(kernels):
            alike = _first_alike(kernels, axis)
            whole = [max(len(kernel) - _MODES, 0), len(kernel) - 1]
            self.modes.append(self.modes[alike] if alike < axis else eigh(kernel, subset_by_index=whole))

    def register(self, samples: Samples) -> Registration:
        """Register a shape on the template."""
        window = self.window
        cloud = window.cloud(samples)
        tree, moved = cKDTree(cloud), self.controls.copy()
        amplitudes = np.zeros((3, min(_MODES, len(moved))))
        seeking = cloud[:: max(len(cloud) // (_SEEKING * len(moved)), 1)]
        for turn, softness in enumerate(_SOFTENING):
            for _ in range(_STEPS):
                distance, index = tree.query(moved, k=3)
                weight = 1 / (distance + 1e-9 * window.scale)
                target = np.einsum("pk,pkd->pd", weight / weight.sum(1, keepdims=True), cloud[index, :3])
                if turn < _BOTH_WAYS:
                    target = _drawn(target, moved, seeking)
                before = moved[:, :3].copy()
                for axis, (values, vectors) in enumerate(self.modes):
                    amplitudes[axis] = (target[:, axis] - self.controls[:, axis]) @ vectors
                    amplitudes[axis] *= values / (values + softness)
                    moved[:, axis] = self.controls[:, axis] + vectors @ amplitudes[axis]
                if np.abs(moved[:, :3] - before).max() < _STILL * window.scale:
                    break
        normals = samples.normals[tree.query(moved, k=5)[1]].mean(1)
        displacement = (moved - self.controls)[:, :3] / window.scale
        features = np.concatenate([displacement, NORMAL * normals], 1).ravel()
        return Registration(samples.low, samples.extent, amplitudes, features)

    def mismatch(self, samples: Samples, registration: Registration) -> tuple[float, float]:
        """How badly a shape was matched, in diagonals of the mean bounding box.

        Returns:
            How far some of the template's points are from the shape, as when it lacks a rib; and how far some of the
            shape's are from the template's, as when it has a hole more.
        """
        moved = self.controls.copy()
        for axis, (_, vectors) in enumerate(self.modes):
            moved[:, axis] += vectors @ registration.amplitudes[axis]
        cloud = self.window.cloud(samples)
        to_shape = cKDTree(cloud).query(moved)[0]
        to_template = cKDTree(moved).query(cloud)[0]
        scale = self.window.scale
        return float(np.quantile(to_shape, _MOST)) / scale, float(np.quantile(to_template, _NEARLY_ALL)) / scale

    def basis(self, points: Array) -> Array:
        """Smoothing modes ``(3, n, modes)`` at points ``(n, 3)`` of the template's frame, for `carry`."""
        out = np.empty((3, len(points), min(_MODES, len(self.controls))), np.float32)
        maps = [(vectors / values).astype(np.float32) for values, vectors in self.modes]
        for start in range(0, len(points), 1000):
            part = slice(start, start + 1000)
            kernels = self._kernels(points[part], np.float32)
            for axis, kernel in enumerate(kernels):
                alike = _first_alike(kernels, axis)
                out[axis, part] = out[alike, part] if alike < axis else kernel @ maps[axis]
        return out

    def carry(self, points: Array, basis: Array, registration: Registration) -> Array:
        """Where points ``(n, 3)`` of the template's frame, with their `basis`, lie on or about a shape, m."""
        moved = points + np.einsum("anm,am->na", basis, registration.amplitudes.astype(np.float32), optimize=True)
        return self.window.restore(moved, registration.low, registration.extent)

    def to_template(self, points: Array, registration: Registration) -> Array:
        """The template's own points ``(n, 3)``, m, in its frame, of which its registration moves none."""
        return self.window.normalise(points, registration.low, registration.extent)

    def state(self) -> dict[str, Array]:
        """Everything needed to register and carry, as arrays."""
        return self.window.state() | {"controls": self.controls}

    @classmethod
    def from_state(cls, state: dict[str, Array]) -> Correspondence:
        """The correspondence that `state` described."""
        self = cls.__new__(cls)
        self.window, self.controls = Window.from_state(state), state["controls"]
        self._prepare()
        return self

    def _kernels(self, points: Array, dtype: type = float) -> list[Array]:
        """Matern 3/2 kernel of points and control points by component; mirrored beyond planes, odd across them.

        Components that no plane mirrors have one and the same array.
        """
        free = [axis for axis in range(3) if axis not in self.window.planes]
        different = [*self.window.planes, *free[:1]]
        kernels: list[Array] = [np.zeros((len(points), len(self.controls)), dtype) for _ in different]
        unit = 3**0.5 / (_LENGTH * self.window.scale)
        for mirrored in product((False, True), repeat=len(self.window.planes)):
            image, sign = self.controls[:, :3].copy(), [1.0, 1.0, 1.0]
            for axis, flip in zip(self.window.planes, mirrored, strict=True):
                if flip:
                    # In the normalised frame the plane is the box's near or far face.
                    image[:, axis] = (0.0 if self.window.near(axis) else 2 * self.window.extent[axis]) - image[:, axis]
                    sign[axis] = -1.0
            ratio = cdist(points * unit, image * unit).astype(dtype, copy=False)
            value = np.exp(-ratio)
            value *= ratio + 1
            for kernel, axis in zip(kernels, different, strict=True):
                kernel += value if sign[axis] > 0 else -value
        return [kernels[different.index(axis) if axis in different else -1] for axis in range(3)]


def _first_alike(kernels: list[Array], axis: int) -> int:
    """The first component that has the same kernel as another."""
    return next(place for place, kernel in enumerate(kernels) if kernel is kernels[axis])


def _drawn(target: Array, moved: Array, seeking: Array) -> Array:
    """Control points' targets ``(n, 3)``, drawn halfway to the samples that each is the nearest to.

    A control point finds the nearest place, but a place that is the nearest to none, such as a rib that the template
    has elsewhere, would be left out.
    """
    nearest = cKDTree(moved).query(seeking)[1]
    count = np.bincount(nearest, minlength=len(moved))[:, None]
    total = np.stack([np.bincount(nearest, weights=column, minlength=len(moved)) for column in seeking[:, :3].T], 1)
    return np.where(count > 0, (target + total / np.maximum(count, 1)) / 2, target)


def _farthest_points(cloud: Array, count: int) -> NDArray[np.intp]:
    """Indices of points that lie far from each other: each one the farthest from those before it.

    As `tramontane.geometry.sampling.farthest_points`, which is in float32: there, ties of symmetric shapes fall
    otherwise, and every model would change.
    """
    chosen, distance = np.zeros(count, np.intp), np.full(len(cloud), np.inf)
    columns, square, total = np.ascontiguousarray(cloud.T), np.empty(len(cloud)), np.empty(len(cloud))
    for number in range(1, count):
        total[:] = 0.0
        for column in columns:  # whole columns at a time are several times quicker than sums over short rows
            np.subtract(column, column[chosen[number - 1]], out=square)
            total += np.multiply(square, square, out=square)
        np.minimum(distance, total, out=distance)
        chosen[number] = np.argmax(distance)
    return chosen
