"""Which design a shape is: a few numbers over which fields can be kriged.

They are its box and bulk, what its dimensions are estimated to be (or principal components, where no dimensions are
known), and the operating conditions.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tramontane.models.correspondence import Registration
from tramontane.models.gaussian_process import Posterior, maximise_posterior
from tramontane.models.shapes import Samples

Array = NDArray[np.floating[Any]]

_SHARE = 0.001  # least share in the variance of shape features that makes a coordinate
_COMPONENTS = 14
_WHOLE = 5  # descriptors that are coordinates themselves: box and bulk
_LEAST = 1e-3  # a logarithm of a length or a moment that varies less is noise of the sampling
_OF_USE = 0.5  # mean squared error of an estimate, in variances, from which on it says nothing
_FARTHEST = 20.0  # deviations of an operating condition, beyond which more says no more
# Means and standard deviation of the priors of logarithms: of three kernels' variances, and of the noise's.
_START, _WIDTH, _NUGGET = (0.0, 0.0, 0.0, -4.0), 3.0, 1e-6
_SAVED = {
    "log_parameters": "log_parameters",
    "mean": "mean",
    "scale": "scale",
    "seen": "training",
    "rows": "components",
    "feature_mean": "feature_mean",
    "features": "features",
    "descriptor_mean": "descriptor_mean",
    "descriptor_scale": "descriptor_scale",
    "descriptors": "descriptors",
    "weights": "kernel_variances",
    "alpha": "alpha",
}
"""By the name of a saved array, the attribute that holds it."""


class DesignCoordinates:
    """Coordinates of any shape, learnt from the shapes of a family.

    A dimension is estimated by a Gaussian process over the shape: linear and quadratic in its moments, which are exact
    but hardly depend on a small detail, and linear in displacements and normals at the control points, which do.

    Args:
        samples: Of each training shape.
        registrations: Of each with the template.
        parameters: ``(cases, p)`` operating conditions; ``p`` may be 0.
        dimensions: ``(cases, m)`` dimensions by which the shapes were made, where they are known.

    Attributes:
        training: The training cases' coordinates, standard scores ``(cases, d)``: box, bulk, estimates or components,
            operating conditions. Estimates are those from all other cases.
        components: Principal directions of features ``(k, f)``, where no dimensions are estimated.
    """

    training: Array
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
            self.components = _components(self.features)
        raw = np.array([self._raw(*of) for of in zip(samples, registrations, parameters, strict=True)])
        if left_out is not None:
            # What a new shape's dimensions would be estimated as, not what fits the training shapes.
            raw[:, _WHOLE : _WHOLE + left_out.shape[1]] = left_out
        self.mean, deviation = raw.mean(0), raw.std(0)
        varies = deviation > np.where(np.arange(raw.shape[1]) < _WHOLE, _LEAST, 1e-9)
        self.scale = np.where(varies, 1 / np.maximum(deviation, 1e-30), 0.0)
        self.training = (raw - self.mean) * self.scale

    def transform(self, samples: Samples, registration: Registration, parameters: Array) -> Array:
        """The coordinates ``(d,)`` of a shape under operating conditions ``(p,)``."""
        coordinates = np.asarray((self._raw(samples, registration, parameters) - self.mean) * self.scale)
        first = len(coordinates) - len(self.log_parameters)
        # A logarithm of zero is not a number.
        coordinates[first:] = np.clip(coordinates[first:], -_FARTHEST, _FARTHEST)
        return coordinates

    def exclude(self, parameters: Collection[int]) -> None:
        """Make some operating conditions, by their columns, no coordinates."""
        for column in parameters:
            place = self.training.shape[1] - len(self.log_parameters) + column
            self.scale[place] = 0.0
            self.training[:, place] = 0.0

    def excluded(self, parameters: Array) -> Array:
        """The operating conditions ``(p,)`` that are no coordinates, or their logarithms."""
        numbers = self._numbers(np.asarray(parameters, float))
        return np.asarray(numbers[self.scale[len(self.scale) - len(numbers) :] == 0])

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything needed, as arrays."""
        arrays = {name: getattr(self, attribute) for name, attribute in _SAVED.items()}
        return arrays | {"feature_scale": np.array([self.feature_scale])}

    @classmethod
    def from_state(cls, state: dict[str, NDArray[Any]]) -> DesignCoordinates:
        """The coordinates that `state` described."""
        self = cls.__new__(cls)
        for name, attribute in _SAVED.items():
            setattr(self, attribute, state[name])
        self.feature_scale = float(state["feature_scale"][0])
        return self

    def _raw(self, samples: Samples, registration: Registration, parameters: Array) -> Array:
        feature = (registration.features - self.feature_mean) * self.feature_scale
        descriptor = (samples.descriptors - self.descriptor_mean) * self.descriptor_scale
        kernels = _kernels(descriptor[None] @ self.descriptors.T, feature[None] @ self.features.T)[:, 0]
        estimates = np.einsum("kp,pn,kn->k", self.kernel_variances, kernels, self.alpha)
        return np.concatenate([
            samples.descriptors[:_WHOLE], estimates, self.components @ feature, self._numbers(parameters)
        ])  # fmt: skip

    def _numbers(self, parameters: Array) -> Array:
        return np.where(self.log_parameters, np.log(np.maximum(np.abs(parameters), 1e-30)), parameters)

    def _learn(self, dimensions: Array | None) -> Array | None:
        """Learn processes of the dimensions that shapes tell; estimates ``(cases, k)`` of each case from all others."""
        count = len(self.features)
        self.components = np.zeros((0, self.features.shape[1]))
        self.kernel_variances, self.alpha = np.zeros((0, 4)), np.zeros((0, count))
        kernels = _kernels(self.descriptors @ self.descriptors.T, self.features @ self.features.T)
        estimated = []
        for values in np.zeros((0, count)) if dimensions is None else dimensions.T:
            if np.ptp(values) <= 1e-6 * np.abs(values).max():
                continue
            outputs = (values - values.mean()) / values.std()
            hyperparameters = _fit_hyperparameters(kernels, outputs)
            posterior = Posterior(_covariance(kernels, hyperparameters))
            residuals = posterior.leave_one_out().residual_matrix @ outputs
            if (residuals**2).mean() < _OF_USE:
                variances = np.append(np.exp(hyperparameters[:3]), 1.0)
                estimated.append((variances, posterior.solve(outputs), outputs - residuals))
        if not estimated:
            return None
        self.kernel_variances, self.alpha, left_out = (np.array(part) for part in zip(*estimated, strict=True))
        return np.asarray(left_out.T)


def _kernels(descriptors: Array, features: Array) -> Array:
    """Linear and quadratic in descriptors, linear in features, constant, ``(4, n, m)``, from inner products."""
    return np.stack([descriptors, descriptors**2, features, np.ones_like(features)])


def _covariance(kernels: Array, hyperparameters: Array) -> Array:
    variances = np.append(np.exp(hyperparameters[:3]), 1.0)
    noise_variance = np.exp(hyperparameters[3]) + _NUGGET
    return np.asarray(np.einsum("p,pnm->nm", variances, kernels) + noise_variance * np.eye(kernels.shape[1]))


def _fit_hyperparameters(kernels: Array, outputs: Array) -> Array:
    """Logarithms of three kernels' variances and of the noise variance."""

    def covariance(hyperparameters: Array) -> tuple[Array, Callable[[Array], Array]]:
        return (
            _covariance(kernels, hyperparameters),
            lambda by_matrix: (
                np.exp(hyperparameters)
                * np.array([*(np.sum(by_matrix * kernel) for kernel in kernels[:3]), np.trace(by_matrix)])
            ),
        )

    return maximise_posterior(covariance, outputs, np.array(_START), _WIDTH, [(-12.0, 4.0)] * 4)


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
