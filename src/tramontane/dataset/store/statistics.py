"""Mean, deviation and range of a field, one window at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray


@dataclass(frozen=True)
class FieldStatistics:
    """Of each component of a field, in SI.

    Attributes:
        count: Number of sites.
        mean: Mean.
        std: Standard deviation over all sites.
        rms: Root of the mean square.
        min: Smallest value.
        max: Largest value.
    """

    count: int
    mean: Float64[np.ndarray, " components"]
    std: Float64[np.ndarray, " components"]
    rms: Float64[np.ndarray, " components"]
    min: Float64[np.ndarray, " components"]
    max: Float64[np.ndarray, " components"]


class Moments:
    """Running mean and variance, merged window by window (Chan, Golub & LeVeque 1983, eq. 2.1), in float64."""

    def __init__(self) -> None:
        self._count = 0
        self._mean: Any = 0.0
        self._squares: Any = 0.0
        self._low: Any = np.inf
        self._high: Any = -np.inf

    def add(self, values: NDArray[np.floating[Any]]) -> None:
        """Take ``(n, components)`` values into account, n at least 1."""
        values = values.astype(np.float64)
        count, mean = len(values), values.mean(0)
        difference, total = mean - self._mean, self._count + count
        self._squares = self._squares + ((values - mean) ** 2).sum(0) + difference**2 * (self._count * count / total)
        self._mean = self._mean + difference * (count / total)
        self._count = total
        self._low, self._high = np.minimum(self._low, values.min(0)), np.maximum(self._high, values.max(0))

    def statistics(self) -> FieldStatistics:
        """Of all values that were added, at least one."""
        variance = self._squares / self._count
        return FieldStatistics(
            self._count, self._mean, np.sqrt(variance), np.sqrt(variance + self._mean**2), self._low, self._high
        )
