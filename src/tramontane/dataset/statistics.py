"""Mean, deviation and range of a field, one window at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class FieldStatistics:
    """Of each component ``(components,)``, in SI, and how many values they were taken over."""

    count: int
    mean: Array
    std: Array
    low: Array
    high: Array


class Moments:
    """Running mean and variance, merged window by window (Chan, Golub & LeVeque 1983, eq. 2.1), in float64."""

    def __init__(self) -> None:
        self.count = 0
        self.mean: Any = 0.0
        self.squares: Any = 0.0
        self.low: Any = np.inf
        self.high: Any = -np.inf

    def add(self, values: Array) -> None:
        """Take ``(n, components)`` values into account."""
        values = values.astype(np.float64)
        count, mean = len(values), values.mean(0)
        difference, total = mean - self.mean, self.count + count
        self.squares = self.squares + ((values - mean) ** 2).sum(0) + difference**2 * (self.count * count / total)
        self.mean = self.mean + difference * (count / total)
        self.count = total
        self.low, self.high = np.minimum(self.low, values.min(0)), np.maximum(self.high, values.max(0))

    def statistics(self) -> FieldStatistics:
        """What was seen so far."""
        deviation = np.sqrt(self.squares / max(self.count, 1))
        return FieldStatistics(
            self.count, np.asarray(self.mean), deviation, np.asarray(self.low), np.asarray(self.high)
        )
