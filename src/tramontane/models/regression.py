"""Kernel regression on a few numbers per case: the baseline that every network must beat, and scalars without fields.

A Gaussian process with a linear and a squared-exponential kernel (Rasmussen & Williams 2006, ch. 2 and 5.4.2): its
prediction is a weighted sum of what was seen, so the same weights serve a scalar or a whole field.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

_LENGTHS = (1.0, 2.0, 4.0)  # in units of sqrt(inputs) standard deviations
_BENDS = (0.0, 0.1, 1.0)  # variance of the squared-exponential part beside the linear one
_NOISES = (1e-6, 1e-4, 1e-2, 1e-1)


class KernelRegression:
    """Regression from a few inputs to any number of outputs.

    Hyperparameters are chosen by the leave-one-out error over a small grid, which has a closed form.

    Args:
        inputs: ``(cases, p)`` numbers of the training cases; ``p`` may be 0, which gives the mean.
        outputs: ``(cases, q)`` outputs by which hyperparameters are chosen.
    """

    def __init__(self, inputs: Array, outputs: Array) -> None:
        self.mean, self.deviation = inputs.mean(0), np.where(inputs.std(0) > 0, inputs.std(0), 1.0)
        self.seen = (inputs - self.mean) / self.deviation
        scaled = (outputs - outputs.mean(0)) / np.where(outputs.std(0) > 0, outputs.std(0), 1.0)
        grid = [(length, bend, noise) for bend in _BENDS for length in _LENGTHS for noise in _NOISES]
        errors = [float(np.mean(self._left_out(scaled, *choice) ** 2)) for choice in grid]
        self.length, self.bend, self.noise = grid[int(np.argmin(errors))]
        self.inverse = self._inverse(self.length, self.bend, self.noise)

    def weights(self, inputs: Array) -> Array:
        """Weight ``(cases,)`` of each training case in the prediction at ``inputs`` ``(p,)``; they sum to one."""
        new = ((inputs - self.mean) / self.deviation)[None]
        weights = (self._kernel(new, self.seen, self.length, self.bend) @ self.inverse)[0]
        # The constant mean is estimated, too: what the weights lack to one goes to its least-squares estimate.
        ones = self.inverse.sum(0)
        return weights + (1.0 - weights.sum()) * ones / ones.sum()  # type: ignore[no-any-return]

    def predict(self, inputs: Array, outputs: Array) -> Array:
        """Prediction ``(q,)`` at ``inputs`` ``(p,)`` from the training cases' ``outputs`` ``(cases, q)``."""
        return self.weights(inputs) @ outputs

    def state(self) -> dict[str, Array]:
        """Everything needed to predict, as arrays."""
        return {"mean": self.mean, "deviation": self.deviation, "seen": self.seen, "inverse": self.inverse,
                "kernel": np.array([self.length, self.bend, self.noise])}  # fmt: skip

    @classmethod
    def from_state(cls, state: dict[str, Array]) -> KernelRegression:
        """The regression that `state` described."""
        self = cls.__new__(cls)
        self.mean, self.deviation, self.seen, self.inverse = (
            state[key] for key in ("mean", "deviation", "seen", "inverse")
        )
        self.length, self.bend, self.noise = (float(value) for value in state["kernel"])
        return self

    def _kernel(self, a: Array, b: Array, length: float, bend: float) -> Array:
        size = max(a.shape[1], 1)
        squared = ((a[:, None] - b[None]) ** 2).sum(2)
        kernel: Array = a @ b.T / size + bend * np.exp(-squared / (2 * size * length**2))
        return kernel

    def _inverse(self, length: float, bend: float, noise: float) -> Array:
        kernel = self._kernel(self.seen, self.seen, length, bend)
        return np.linalg.inv(kernel + noise * np.eye(len(kernel)))

    def _left_out(self, outputs: Array, length: float, bend: float, noise: float) -> Array:
        """Error at each case of the regression on all others (Rasmussen & Williams 2006, eq. 5.12)."""
        inverse = self._inverse(length, bend, noise)
        ones = inverse.sum(0)
        residual = inverse - np.outer(ones, ones) / ones.sum()
        return np.asarray((residual @ outputs) / np.maximum(np.diag(residual), 1e-12)[:, None])
