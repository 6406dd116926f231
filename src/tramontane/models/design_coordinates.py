"""Which design a shape is: a few numbers over which fields can be kriged.

They are its box and bulk, what its dimensions are estimated to be (or principal components, where no dimensions are
known), and the operating conditions.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from tramontane.models.correspondence import Registration
from tramontane.models.shapes import Samples

Array = NDArray[np.floating[Any]]

_SHARE = 0.001  # least share in the variance of shape features that makes a coordinate
_COMPONENTS = 14
_WHOLE = 5  # descriptors that are coordinates themselves: box and bulk
_LEAST = 1e-3  # a logarithm of a length or a moment that varies less is noise of the sampling
_OF_USE = 0.5  # mean squared error of an estimate, in variances, from which on it says nothing
_FARTHEST = 20.0  # deviations of an operating condition, beyond which more says no more
_START, _DRAWN, _FLOOR = (0.0, 0.0, 0.0, -4.0), 3.0, 1e-6
_ARRAYS = ("log_parameters", "mean", "scale", "seen", "rows", "feature_mean", "descriptor_mean", "descriptor_scale",
           "features", "descriptors", "weights", "alpha")  # fmt: skip


class DesignCoordinates:
    """Coordinates of any shape, learnt from the shapes of a family.

    A dimension is estimated by a Gaussian process over the shape: linear and quadratic in its moments, which are exact
    but see little of a small detail, and linear in displacements and normals at the control points, which see it.

    Args:
        samples: What is seen of each training shape.
        registrations: How each was matched with the template.
        parameters: ``(cases, p)`` operating conditions; ``p`` may be 0.
        dimensions: ``(cases, m)`` dimensions by which the shapes were made, where they are known.

    Attributes:
        seen: The training cases' coordinates, standard scores ``(cases, d)``: box, bulk, estimates or components,
            operating conditions. Estimates are those from all other cases.
    """

    seen: Array
    log_parameters: Array

    def __init__(
        self,
        samples: Sequence[Samples],
        registrations: Sequence[Registration],
        parameters: Array,
        dimensions: Array | None = None,
    ) -> None:
        features = np.array([each.features for each in registrations])
        descriptors = np.array([each.descriptors for each in samples])
        self.feature_mean, self.descriptor_mean = features.mean(0), descriptors.mean(0)
        size = float(np.sqrt(((features - self.feature_mean) ** 2).sum(1).mean()))
        self.descriptor_scale = 1 / np.maximum(descriptors.std(0), _LEAST) / descriptors.shape[1] ** 0.5
        # Features are stored over their size, so that kernels are of the order of one.
        self.feature_scale = 1 / max(size, 1e-12)
        self.features = (features - self.feature_mean) * self.feature_scale
        self.descriptors = (descriptors - self.descriptor_mean) * self.descriptor_scale
        self.log_parameters = (parameters > 0).all(0) & (parameters.max(0) > 1.5 * parameters.min(0))
        left_out = self._learn(dimensions)
        if left_out is None:
            self.rows = _components(self.features)
        raw = np.array([self._raw(*of) for of in zip(samples, registrations, parameters, strict=True)])
        if left_out is not None:
            # What a new shape's dimensions would be estimated as, not what fits the training shapes.
            raw[:, _WHOLE : _WHOLE + left_out.shape[1]] = left_out
        self.mean, deviation = raw.mean(0), raw.std(0)
        varies = deviation > np.where(np.arange(raw.shape[1]) < _WHOLE, _LEAST, 1e-9)
        self.scale = np.where(varies, 1 / np.maximum(deviation, 1e-30), 0.0)
        self.seen = (raw - self.mean) * self.scale

    def of(self, samples: Samples, registration: Registration, parameters: Array) -> Array:
        """The coordinates ``(d,)`` of a shape under operating conditions ``(p,)``."""
        found = np.asarray((self._raw(samples, registration, parameters) - self.mean) * self.scale)
        first = len(found) - len(self.log_parameters)
        found[first:] = np.clip(found[first:], -_FARTHEST, _FARTHEST)  # a logarithm of nothing is no number
        return found

    def leave_out(self, parameters: Collection[int]) -> None:
        """Make some operating conditions, by their columns, no coordinates."""
        for column in parameters:
            place = self.seen.shape[1] - len(self.log_parameters) + column
            self.scale[place] = 0.0
            self.seen[:, place] = 0.0

    def aside(self, parameters: Array) -> Array:
        """The operating conditions ``(p,)`` that are no coordinates, or their logarithms."""
        numbers = self._numbers(np.asarray(parameters, float))
        return np.asarray(numbers[self.scale[len(self.scale) - len(numbers) :] == 0])

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything needed, as arrays."""
        return {name: getattr(self, name) for name in _ARRAYS} | {"feature_scale": np.array([self.feature_scale])}

    @classmethod
    def from_state(cls, state: dict[str, NDArray[Any]]) -> DesignCoordinates:
        """The coordinates that `state` described."""
        self = cls.__new__(cls)
        for name in _ARRAYS:
            setattr(self, name, state[name])
        self.feature_scale = float(state["feature_scale"][0])
        return self

    def _raw(self, samples: Samples, registration: Registration, parameters: Array) -> Array:
        feature = (registration.features - self.feature_mean) * self.feature_scale
        descriptor = (samples.descriptors - self.descriptor_mean) * self.descriptor_scale
        kernels = _kernels(descriptor[None] @ self.descriptors.T, feature[None] @ self.features.T)[:, 0]
        estimates = np.einsum("kp,pn,kn->k", self.weights, kernels, self.alpha)
        return np.concatenate([
            samples.descriptors[:_WHOLE], estimates, self.rows @ feature, self._numbers(parameters)
        ])  # fmt: skip

    def _numbers(self, parameters: Array) -> Array:
        return np.where(self.log_parameters, np.log(np.maximum(np.abs(parameters), 1e-30)), parameters)

    def _learn(self, dimensions: Array | None) -> Array | None:
        """Processes for the dimensions that shapes tell, and their values ``(cases, k)`` for each case left out."""
        count = len(self.features)
        self.rows = np.zeros((0, self.features.shape[1]))
        self.weights, self.alpha = np.zeros((0, 4)), np.zeros((0, count))
        kernels = _kernels(self.descriptors @ self.descriptors.T, self.features @ self.features.T)
        found = []
        for values in np.zeros((0, count)) if dimensions is None else dimensions.T:
            if np.ptp(values) <= 1e-6 * np.abs(values).max():
                continue
            target = (values - values.mean()) / values.std()
            hyper = _likeliest(kernels, target)
            inverse = np.linalg.inv(_covariance(kernels, hyper))
            alpha = inverse @ target
            error = alpha / np.diag(inverse)
            if (error**2).mean() < _OF_USE:
                found.append((np.append(np.exp(hyper[:3]), 1.0), alpha, target - error))
        if not found:
            return None
        self.weights, self.alpha, left_out = (np.array(part) for part in zip(*found, strict=True))
        return np.asarray(left_out.T)


def _kernels(descriptors: Array, features: Array) -> Array:
    """Linear and quadratic in descriptors, linear in features, constant, ``(4, n, m)``, from inner products."""
    return np.stack([descriptors, descriptors**2, features, np.ones_like(features)])


def _covariance(kernels: Array, hyper: Array) -> Array:
    weights = np.append(np.exp(hyper[:3]), 1.0)
    noise = np.exp(hyper[3]) + _FLOOR
    return np.asarray(np.einsum("p,pnm->nm", weights, kernels) + noise * np.eye(kernels.shape[1]))


def _likeliest(kernels: Array, target: Array) -> Array:
    """Logarithms of three weights and the noise variance, by maximum a posteriori (Rasmussen & Williams 2006, 5.4)."""
    start = np.array(_START)

    def cost(hyper: Array) -> tuple[float, Array]:
        covariance = _covariance(kernels, hyper)
        factor = np.linalg.cholesky(covariance)
        inverse = np.linalg.inv(covariance)
        alpha = inverse @ target
        outer = inverse - np.outer(alpha, alpha)
        slope = [0.5 * np.exp(hyper[k]) * np.sum(outer * kernels[k]) for k in range(3)]
        slope.append(0.5 * np.exp(hyper[3]) * np.trace(outer))
        away = (hyper - start) / _DRAWN
        value = 0.5 * target @ alpha + np.log(np.diag(factor)).sum() + 0.5 * away @ away
        return float(value), np.array(slope) + away / _DRAWN

    found = minimize(cost, start, jac=True, method="L-BFGS-B", bounds=[(-12.0, 4.0)] * 4, options={"maxiter": 60})
    return np.asarray(found.x)


def _components(features: Array) -> Array:
    """Principal directions ``(k, f)`` of features ``(n, f)``, turned so that each touches few control points.

    A Gaussian process learns a length per coordinate, and such coordinates tell it most.
    """
    _, singular, rows = np.linalg.svd(features, full_matrices=False)
    large = singular**2 > max(_SHARE * float((singular**2).sum()), 1e-8)
    count = min(int(large.sum()), _COMPONENTS, max(len(features) // 4, 1))
    return _varimax(rows[:count]) if count else rows[:0]


def _varimax(rows: Array) -> Array:
    """Rotation of orthonormal rows ``(k, n)`` that makes each large in few places (Kaiser 1958)."""
    loadings, rotation = rows.T, np.eye(len(rows))
    for _ in range(100):
        turned = loadings @ rotation
        left, _, right = np.linalg.svd(loadings.T @ (turned**3 - turned * (turned**2).mean(0)))
        rotation = left @ right
    return np.asarray((loadings @ rotation).T)
