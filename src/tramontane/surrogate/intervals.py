"""The intervals of a prediction, from the surrogate's calibration."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from tramontane.contract import QoiSpec
from tramontane.interval import FieldInterval, Interval
from tramontane.quantities import NON_NEGATIVE
from tramontane.surrogate.predictor import Prediction
from tramontane.surrogate.resolved import ResolvedDesign
from tramontane.training.normalization import operating_scale

if TYPE_CHECKING:
    from tramontane.surrogate.surrogate import Surrogate


class Intervals:
    """Intervals of one design.

    Args:
        surrogate: The model.
        design: In SI.
        level: The probability with which they hold the truth.
        widening: By how much they are wider, since the design is unusual.
    """

    def __init__(
        self,
        surrogate: Surrogate,
        design: ResolvedDesign,
        level: float,
        widening: float = 1.0,
    ) -> None:
        self.surrogate, self.design, self.level = surrogate, design, level
        self.widening = widening

    def at(self, level: float) -> Intervals:
        """Those of the same design at another level; what was computed of it is not computed again."""
        other = copy(self)
        other.level = level
        return other

    @cached_property
    def factor(self) -> float:
        """How much larger the design's errors are than the model's own deviation has them."""
        calibration = self.surrogate.calibration
        if calibration is None or calibration.difficulty is None:
            return self.widening
        return self.widening * calibration.factor(self.surrogate.predictor.coordinates(self.design))

    def of_fields(self, prediction: Prediction) -> dict[str, dict[str, FieldInterval]]:
        """By domain and field; of no field where the surrogate is not calibrated."""
        calibration, contract = self.surrogate.calibration, self.surrogate.contract
        if calibration is None:
            return {}
        intervals: dict[str, dict[str, FieldInterval]] = {}
        for domain, of in prediction.mean.items():
            deviations = {} if prediction.deviation is None else prediction.deviation[domain]
            for name, mean in of.items():
                if f"{domain}/{name}" in calibration.fields:
                    intervals.setdefault(domain, {})[name] = calibration.interval(
                        f"{domain}/{name}", mean, deviations.get(name), factor=self.factor, level=self.level,
                        unit=operating_scale(contract.fields[domain][name], self.design.values),
                        least=0.0 if name in NON_NEGATIVE else None,
                    )  # fmt: skip
        return intervals

    def of_qoi(self, numbers: Mapping[str, float], regressed: Mapping[str, tuple[float, float]]) -> dict[str, Interval]:
        """By QoI.

        Args:
            numbers: Predicted, SI.
            regressed: Those that have a regression of their own, with its standard deviation.
        """
        calibration, contract = self.surrogate.calibration, self.surrogate.contract
        if calibration is None:
            return {}
        return {
            name: calibration.qoi_interval(
                name, value, regressed[name][1] if name in regressed else None,
                unit=operating_scale(contract.qoi[name], self.design.values),
                factor=self.widening if name in regressed else self.factor, level=self.level,
                least=0.0 if _is_norm(contract.qoi[name], contract.fields) else None,
            )
            for name, value in numbers.items() if name in calibration.qoi and np.isfinite(value)
        }  # fmt: skip


def _is_norm(spec: QoiSpec, fields: Mapping[str, Mapping[str, object]]) -> bool:
    """Whether a QoI cannot be below zero: a volume, or the largest of a norm."""
    definition = spec.definition
    if definition is None:
        return False
    if definition.kind == "volume":
        return definition.factor >= 0
    components = getattr(fields.get(definition.domain, {}).get(definition.field), "components", 1)
    never_below = definition.field in NON_NEGATIVE or components == 3
    return definition.kind in ("max", "mean") and never_below and not definition.per
