"""Kernel regression on a few numbers per case: the baseline that every network must beat.

A Gaussian process with a constant mean, the same length scale for every input, and hyperparameters of a small grid.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tramontane.models.gaussian_process import GaussianProcess, Kernel

Array = NDArray[np.floating[Any]]

_SIGNAL_VARIANCES = (0.0, 0.1, 1.0)  # beside a linear part of variance one
_LENGTH_SCALES = (1.0, 2.0, 4.0)  # in units of sqrt(inputs) standard deviations
_NOISE_VARIANCES = (1e-6, 1e-4, 1e-2, 1e-1)


class KernelRegression:
    """Regression from a few inputs to any number of outputs.

    Hyperparameters are those of least leave-one-out error.

    Args:
        inputs: ``(cases, p)`` numbers of the training cases; ``p`` may be 0, which gives the mean.
        outputs: ``(cases, q)`` outputs by which hyperparameters are chosen.
    """

    def __init__(self, inputs: Array, outputs: Array) -> None:
        self.mean, self.deviation = inputs.mean(0), np.where(inputs.std(0) > 0, inputs.std(0), 1.0)
        scores = (inputs - self.mean) / self.deviation
        scaled = (outputs - outputs.mean(0)) / np.where(outputs.std(0) > 0, outputs.std(0), 1.0)

        def error(choice: tuple[float, float, float]) -> float:
            residual_matrix, _ = _process(scores, *choice).leave_one_out()
            return float(np.mean((residual_matrix @ scaled) ** 2))

        self._process = _process(scores, *min(product(_SIGNAL_VARIANCES, _LENGTH_SCALES, _NOISE_VARIANCES), key=error))

    def weights(self, inputs: Array) -> Array:
        """Weight ``(cases,)`` of each training case in the prediction at ``inputs`` ``(p,)``; they sum to one."""
        return np.asarray(self._process.weights(((inputs - self.mean) / self.deviation)[None])[0])


def _process(inputs: Array, signal_variance: float, length_scale: float, noise_variance: float) -> GaussianProcess:
    size = inputs.shape[1]
    root = max(size, 1) ** 0.5
    kernel = Kernel(signal_variance, np.full(size, root * length_scale), np.full(size, 1 / root), constant=0.0)
    return GaussianProcess(inputs, kernel, noise_variance, trend="constant")
