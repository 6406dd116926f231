"""Potential flow past ellipsoids, each meshed in its own way, and the classical model fitted to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyvista as pv
from numpy.typing import NDArray
from scipy.special import elliprd

from tramontane.models.classical import ClassicalModel
from tramontane.models.shapes import Shape

Array = NDArray[np.float64]
Positions = dict[str, Array]
COMPONENTS = {"surface": (1, 3), "volume": (1,)}


def ellipsoid(axes: Array, *, resolution: int = 40) -> Shape:
    sphere = pv.Sphere(radius=1.0, theta_resolution=resolution, phi_resolution=resolution)
    return Shape(np.asarray(sphere.points, float) * axes, np.asarray(sphere.regular_faces))


def pressure_coefficient(axes: Array, unit: Array) -> Array:
    """Potential flow along x (Lamb 1932, art. 114): the wall's velocity is ``1 + k`` times the tangential part of x."""
    a, b, c = axes
    alpha = 2 / 3 * a * b * c * elliprd(b**2, c**2, a**2)
    normal = unit / axes
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    return np.asarray(1 - (1 + alpha / (2 - alpha)) ** 2 * (1 - normal[:, :1] ** 2))


def velocity(axes: Array, unit: Array) -> Array:
    a, b, c = axes
    alpha = 2 / 3 * a * b * c * elliprd(b**2, c**2, a**2)
    normal = unit / axes
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    return np.asarray((1 + alpha / (2 - alpha)) * (np.array([1.0, 0, 0]) - normal[:, :1] * normal))


def case(axes: Array, speed: float, seed: int) -> tuple[Shape, Positions, Positions]:
    """Pressure and velocity on the wall, and inside a warmth that falls with speed, at points of the case's own."""
    random = np.random.default_rng(seed)
    unit = random.normal(size=(int(random.integers(900, 1300)), 3))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    inner = unit[:700] * random.random((700, 1)) ** (1 / 3) * 0.98
    warmth = (2 + inner[:, :1]) * axes[1] / speed**0.5
    values = {"surface": np.concatenate([pressure_coefficient(axes, unit), velocity(axes, unit)], 1), "volume": warmth}
    return ellipsoid(axes), {"surface": unit * axes, "volume": inner * axes}, values


def draw(count: int, seed: int) -> list[tuple[Array, float, tuple[Shape, Positions, Positions]]]:
    random = np.random.default_rng(seed)
    designs = [(random.uniform([1.0, 0.4, 0.4], [2.0, 0.8, 0.8]), float(random.uniform(10, 40))) for _ in range(count)]
    return [(axes, speed, case(axes, speed, 100 * seed + k)) for k, (axes, speed) in enumerate(designs)]


def fitted(cases: list[Any], **changes: Any) -> ClassicalModel:
    fields = [{name: (positions[name], values[name]) for name in positions} for _, _, (_, positions, values) in cases]
    shapes, speeds = [each[0] for *_, each in cases], np.array([[speed] for _, speed, _ in cases])
    return ClassicalModel(COMPONENTS, **changes).fit(shapes, speeds, fields)


def with_other_values(cases: list[Any], left: int) -> tuple[Any, ClassicalModel]:
    """What is predicted of a case left out, which does not change when its values do, and the model of those."""
    shape, positions, values = cases[left][2]
    # The choice of the template sees all cases, so it is left out here.
    before = fitted(cases, templates=1).predict_left_out(left, shape, positions)
    for name in values:
        values[name] = 100 * np.random.default_rng(0).normal(size=values[name].shape)
    model = fitted(cases, templates=1)
    after = model.predict_left_out(left, shape, positions)
    for name in values:
        np.testing.assert_array_equal(before[name][0], after[name][0])
        np.testing.assert_array_equal(before[name][1], after[name][1])
    return before, model
