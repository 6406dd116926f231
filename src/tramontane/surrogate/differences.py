"""How the QoIs of two answers of one surrogate differ."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tramontane.case import Case
from tramontane.interval import Difference
from tramontane.training.normalization import sign_of_law
from tramontane.trust.difference import difference

if TYPE_CHECKING:
    from tramontane.surrogate.surrogate import Surrogate


class Pair:
    """Two answers.

    Args:
        surrogate: That gave both.
        one: The first.
        other: The second, with intervals of the same level.
    """

    def __init__(self, surrogate: Surrogate, one: Case, other: Case) -> None:
        self.surrogate, self.cases = surrogate, (one, other)

    def differences(self) -> dict[str, Difference]:
        """By QoI that has an interval in both."""
        calibration, (one, other) = self.surrogate.calibration, self.cases
        if calibration is None:
            return {}
        return {
            name: difference(
                calibration.qoi[name], (one.qoi[name], one.qoi_intervals[name]),
                (other.qoi[name], other.qoi_intervals[name]), self._correlation(name),
            )
            for name in one.qoi_intervals if name in other.qoi_intervals
        }  # fmt: skip

    def _correlation(self, name: str) -> float | None:
        """Of the errors of a QoI; None of one that was not regressed for both designs."""
        if not all(name in case.qoi_deviations for case in self.cases):
            return None
        contract, fit = self.surrogate.contract, self.surrogate.scalars[name]
        signs = [sign_of_law(name, contract.qoi[name], contract, design.values) for design in self._designs]
        return signs[0] * signs[1] * fit.correlation(*self._coordinates)

    @cached_property
    def _designs(self) -> list[Any]:
        return [self.surrogate.check(case.design) for case in self.cases]

    @cached_property
    def _coordinates(self) -> list[NDArray[np.floating[Any]]]:
        return [self.surrogate.predictor.coordinates(design) for design in self._designs]
