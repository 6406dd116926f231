"""Errors as the field reports them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]


def relative_l2(predicted: Array, truth: Array) -> float:
    """``||predicted - truth|| / ||truth||`` over all points and components, 1 meaning as wrong as zero."""
    difference = np.asarray(predicted, dtype=np.float64) - truth
    return float(np.linalg.norm(difference) / max(float(np.linalg.norm(np.asarray(truth, dtype=np.float64))), 1e-300))


def mean_absolute(predicted: Array, truth: Array) -> float:
    """Mean absolute error over all points and components, in the field's unit."""
    return float(np.abs(np.asarray(predicted, dtype=np.float64) - truth).mean())


def r2(predicted: Array, truth: Array) -> float:
    """Coefficient of determination: 1 is exact, 0 is as good as the mean of ``truth``; nan with fewer than two."""
    spread = float(np.square(truth - truth.mean()).sum())
    return float("nan") if len(truth) < 2 or spread == 0 else 1.0 - float(np.square(predicted - truth).sum()) / spread
