"""Prediction intervals: bounds that hold the truth with a stated probability on unseen cases of the family."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

LEVEL = 0.9
"""The probability where nobody asks for another."""
LOWEST_LEVEL, HIGHEST_LEVEL = 0.5, 0.99
"""Between which it may be asked for."""


@dataclass(frozen=True)
class Interval:
    """Bounds of a QoI, SI.

    Attributes:
        low: Lower bound.
        high: Upper bound.
        level: The probability with which they hold the truth of an unseen case.
        cases: From how many cases left out that is known; with too few for that level it rests on the assumption that
            errors are normally distributed.
        assumed: Whether it does.
    """

    low: float
    high: float
    level: float
    cases: int = 0
    assumed: bool = False


@dataclass(frozen=True)
class Difference:
    """How a QoI of a second design differs from that of a first, SI.

    Attributes:
        value: The second less the first.
        half_width: To either side of it, with ``level``.
        level: The probability.
        probability: That the true difference has the sign of ``value``, between 0.5 and 1.
        correlation: Of the errors of both; None where it is not known: then the interval is as wide as the worst would
            have it, and the probability is the least.
        bounded: Whether the probability is higher than is stated: the correlation is not known, or the difference is
            larger than all errors of cases left out.
        assumed: Whether errors are taken to be normally distributed, since too few cases were left out.
    """

    value: float
    half_width: float
    level: float
    probability: float
    correlation: float | None
    bounded: bool
    assumed: bool

    @property
    def is_certain(self) -> bool:
        """Whether zero lies outside the interval."""
        return abs(self.value) > self.half_width


@dataclass(frozen=True)
class FieldInterval:
    """Bounds of a field at the places where it was predicted, SI.

    Attributes:
        half_width: To either side of the field, of its shape ``(n,)`` or ``(n, components)``: of all points of unseen
            cases, a share ``level`` lie inside.
        band: Times a half width: within that, a share ``level`` of unseen cases have nearly all (99 %) of their points;
            None where cases left out are too few to say.
        level: The probability.
        least: Below which the field cannot be, as a norm cannot be below zero; None where there is no such bound.
        cases: From how many cases left out the width is known; of fewer than a level asks for (9 for 90 %) it is the
            largest error among them.
    """

    half_width: Array
    band: float | None
    level: float
    least: float | None = None
    cases: int = 0

    def bounds(self, mean: Array, *, whole_field: bool = False) -> tuple[Array, Array]:
        """Lower and upper bound of a predicted field.

        Args:
            mean: The field, of the shape of ``half_width``.
            whole_field: Whether they are to hold nearly everywhere at once, for "nowhere above the yield stress".

        Raises:
            ValueError: Such a band is not known.
        """
        if whole_field and self.band is None:
            raise ValueError("no band of the whole field is known: there were too few cases left out")
        reach = self.half_width * (self.band if whole_field and self.band is not None else 1.0)
        low = mean - reach
        return (low if self.least is None else np.maximum(low, self.least)), mean + reach
