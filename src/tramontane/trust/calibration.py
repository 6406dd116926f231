"""Calibration: how wide intervals have to be, learnt from the errors of a model on cases that it was fitted without.

An error's size differs from place to place and from design to design. It is scaled by what the model itself says of its
deviation there, by a floor, and by a share of the value; which of these count, and how much, is what gives the lowest
interval score (Gneiting & Raftery 2007, JASA 102) on the cases left out. What is left of the difference between cases
is regressed on the design's coordinates (*difficulty*). Then conformal prediction says which multiple of that scale
holds with which probability.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tramontane.interval import LEVEL, FieldInterval, Interval
from tramontane.models.scalar_kriging import ScalarKriging
from tramontane.trust.conformal import least_cases, normal_quantile, pooled_quantiles, quantile, sure_quantile

Array = NDArray[np.floating[Any]]

LEAST = 2
"""Cases left out below which nothing is calibrated."""
LEVELS = np.concatenate([np.arange(0.02, 0.9, 0.02), np.arange(0.9, 0.9901, 0.005), [0.993, 0.996, 0.999, 1.0]])
"""Probabilities at which multiples are kept."""
NEARLY_ALL = 0.99
"""Share of a case's points that a band of the whole field holds."""
_FLOORS, _SHARES, _DEVIATIONS = (0.02, 0.1, 0.3, 1.0), (0.0, 0.03, 0.1, 0.3), (0.0, 1.0)
_WORTH = 0.9  # share of the variance between cases that may be left for a difficulty to be worth it
_REACH = 2.0  # times the largest difficulty of a training case that a design's may be
_TINY = 1e-30


@dataclass(frozen=True)
class Answered:
    """A quantity of a case that was left out: predicted and true values ``(n, components)``, of a QoI ``(1, 1)``.

    Attributes:
        mean: Predicted, over the operating scale of the case.
        deviation: The model's own standard deviation, likewise; None of a model that has none.
        truth: The truth, likewise.
    """

    mean: Array
    deviation: Array | None
    truth: Array


@dataclass(frozen=True)
class LeftOut:
    """A case, and what a model answered that was fitted without it.

    Attributes:
        name: Of the case.
        coordinates: Which design it is ``(d,)``; empty where the model has no such coordinates.
        fields: By ``domain/field``.
        qoi: By name, those that follow from fields.
    """

    name: str
    coordinates: Array
    fields: dict[str, Answered] = field(default_factory=dict)
    qoi: dict[str, Answered] = field(default_factory=dict)


@dataclass(frozen=True)
class Scale:
    """The size of an error at a place.

    Attributes:
        floor: In the unit of the values over their operating scale.
        share: Of the predicted value.
        deviation: Of the model's standard deviation.
    """

    floor: float
    share: float
    deviation: float

    def __call__(self, mean: Array, deviation: Array | None, unit: float = 1.0) -> Array:
        """Sizes, of the shape of ``mean``; ``unit`` is the operating scale that ``mean`` is not over."""
        size = np.hypot(self.floor * unit, self.share * mean)
        if deviation is not None and self.deviation:
            size = np.hypot(size, self.deviation * deviation)  # of shapes that are no part, squares overflow
        return np.asarray(size)


@dataclass(frozen=True)
class Scores:
    """How large errors of one quantity are, over their `Scale` and the difficulty of the case.

    Attributes:
        scale: Of the errors.
        quantiles: Which multiple a share `LEVELS` of all points does not exceed ``(levels,)``; of a QoI empty.
        cases: Which multiple holds nearly all points of each case, or its QoI ``(cases,)``.
        constant: Which error, over the operating scale, such a share does not exceed ``(levels,)``: what intervals of
            one width would be made of, to compare with; of a QoI empty.
    """

    scale: Scale
    quantiles: Array
    cases: Array
    constant: Array

    def multiple(self, level: float) -> float:
        """Of all points of unseen cases, a share ``level`` lie within it."""
        return float(np.interp(level, LEVELS, self.quantiles))

    def width(self, level: float) -> float:
        """Half the width of intervals that are the same everywhere, over the operating scale."""
        return float(np.interp(level, LEVELS, self.constant))

    def of_cases(self, level: float) -> tuple[float, bool]:
        """Of unseen cases, a share ``level`` lie within it; and whether that rests on an assumed distribution."""
        if len(self.cases) >= least_cases(level):
            return quantile(self.cases, level), False
        return normal_quantile(self.cases, level), True

    def band(self, level: float) -> float | None:
        """What a share ``level`` of unseen cases keep to at nearly all their points; None of too few cases to say.

        On the safe side: a decision about one part rests on it, for this model and not on average over many.
        """
        return sure_quantile(self.cases, level) if len(self.cases) >= least_cases(level) else None


class Calibration:
    """Intervals from a model's means and deviations.

    Args:
        names: The cases left out.
        fields: By ``domain/field``.
        qoi: By name.
        difficulty: Over design coordinates; None where it says nothing.
        hardest: The largest difficulty of a training case.
    """

    def __init__(
        self,
        names: Sequence[str],
        fields: Mapping[str, Scores],
        qoi: Mapping[str, Scores],
        difficulty: ScalarKriging | None = None,
        hardest: float = 1.0,
    ) -> None:
        self.names, self.fields, self.qoi = list(names), dict(fields), dict(qoi)
        self.difficulty, self.hardest = difficulty, hardest

    @classmethod
    def learn(
        cls,
        cases: Sequence[LeftOut],
        regressed: Mapping[str, Sequence[Answered]] | None = None,
        *,
        widenings: Sequence[float] = (),
        regressed_widenings: Sequence[float] = (),
    ) -> Calibration | None:
        """From cases left out; None of too few.

        Args:
            cases: With their fields.
            regressed: By name, QoIs that have a regression of their own, of cases that were left out of it.
            widenings: Of each case, by how much its intervals are widened since its design is unusual; none where
                empty.
            regressed_widenings: Likewise of the cases of ``regressed``.
        """
        if len(cases) < LEAST and not regressed:
            return None
        quantities = [
            (group, key) for group in ("fields", "qoi") for key in (getattr(cases[0], group) if cases else ())
        ]
        answers = {at: [getattr(case, at[0])[at[1]] for case in cases] for at in quantities}
        scales = {at: _best_scale(of) for at, of in answers.items()}
        errors = {at: [np.abs(each.mean - each.truth) for each in of] for at, of in answers.items()}
        sizes = {at: [scales[at](each.mean, each.deviation) for each in of] for at, of in answers.items()}
        ratios = {at: [e / s for e, s in zip(errors[at], sizes[at], strict=True)] for at in quantities}
        if widenings:
            ratios = {at: [r / w for r, w in zip(of, widenings, strict=True)] for at, of in ratios.items()}
        difficulty, factors, hardest = _difficulty(cases, ratios)
        scores: dict[str, dict[str, Scores]] = {"fields": {}, "qoi": {}}
        for at, of in ratios.items():
            scaled = [each / factor for each, factor in zip(of, factors, strict=True)]
            if at[0] == "qoi":
                scores["qoi"][at[1]] = Scores(
                    scales[at], np.zeros(0), np.array([float(each.max()) for each in scaled]), np.zeros(0)
                )
                continue
            nearly = np.array([np.quantile(each.max(1), NEARLY_ALL) for each in scaled])
            quantiles = pooled_quantiles([each.ravel() for each in scaled], LEVELS)
            constant = pooled_quantiles([each.ravel() for each in errors[at]], LEVELS)
            scores["fields"][at[1]] = Scores(scales[at], quantiles, nearly, constant)
        for name, each in (regressed or {}).items():
            scale = _best_scale(each)
            ratio = np.array([float(np.max(np.abs(a.mean - a.truth) / scale(a.mean, a.deviation))) for a in each])
            wide = np.array(regressed_widenings) if regressed_widenings else np.ones(len(ratio))
            scores["qoi"][name] = Scores(scale, np.zeros(0), ratio / wide, np.zeros(0))
        return cls([case.name for case in cases], scores["fields"], scores["qoi"], difficulty, hardest)

    def factor(self, coordinates: Array) -> float:
        """How much larger errors of a design are than the model's own deviation has them: its difficulty."""
        if self.difficulty is None or not len(coordinates):
            return 1.0
        value, _ = self.difficulty.predict(coordinates)
        return float(np.clip(value, 1 / (_REACH * self.hardest), _REACH * self.hardest))

    def interval(
        self, name: str, mean: Array, deviation: Array | None, *, unit: float, factor: float = 1.0,
        level: float = LEVEL, least: float | None = None,
    ) -> FieldInterval:  # fmt: skip
        """Of a field.

        Args:
            name: ``domain/field``.
            mean: Predicted ``(n,)`` or ``(n, components)``, SI.
            deviation: The model's own, likewise; None of a model that has none.
            unit: The operating scale of the design, SI.
            factor: The design's difficulty, see `factor`, times its widening.
            level: The probability.
            least: Below which the field cannot be.
        """
        scores = self.fields[name]
        multiple = scores.multiple(level)
        half = multiple * factor * scores.scale(mean, deviation, unit)
        band = scores.band(level)
        return FieldInterval(half.astype(np.float32), None if band is None else max(band / max(multiple, _TINY), 1.0),
                             level, least, len(scores.cases))  # fmt: skip

    def qoi_interval(
        self, name: str, value: float, deviation: float | None, *, unit: float, factor: float = 1.0,
        level: float = LEVEL, least: float | None = None,
    ) -> Interval:  # fmt: skip
        """Of a QoI; the arguments as for `interval`."""
        scores = self.qoi[name]
        multiple, assumed = scores.of_cases(level)
        size = scores.scale(np.array(value), None if deviation is None else np.array(deviation), unit)
        half = multiple * factor * float(size)
        low = value - half if least is None else max(value - half, least)
        return Interval(low, value + half, level, len(scores.cases), assumed)

    def document(self) -> dict[str, Any]:
        """As JSON."""

        def scores(of: Mapping[str, Scores]) -> dict[str, Any]:
            return {
                name: {"scale": [each.scale.floor, each.scale.share, each.scale.deviation],
                       "quantiles": each.quantiles.tolist(), "cases": each.cases.tolist(),
                       "constant": each.constant.tolist()}
                for name, each in of.items()
            }  # fmt: skip

        state = {} if self.difficulty is None else self.difficulty.state()
        return {
            "cases": self.names, "levels": LEVELS.tolist(), "fields": scores(self.fields), "qoi": scores(self.qoi),
            "difficulty": {name: value.tolist() for name, value in state.items()}, "hardest": self.hardest,
        }  # fmt: skip

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Calibration:
        """The calibration that `document` described."""
        levels = np.array(document["levels"])

        def scores(of: Mapping[str, Any]) -> dict[str, Scores]:
            return {
                name: Scores(
                    Scale(*each["scale"]),
                    np.interp(LEVELS, levels, each["quantiles"]) if each["quantiles"] else np.zeros(0),
                    np.array(each["cases"]),
                    np.interp(LEVELS, levels, each["constant"]) if each["constant"] else np.zeros(0),
                )
                for name, each in of.items()
            }

        state = {name: np.array(value) for name, value in document["difficulty"].items()}
        difficulty = ScalarKriging.from_state(state) if state else None
        return cls(document["cases"], scores(document["fields"]), scores(document["qoi"]), difficulty,
                   document["hardest"])  # fmt: skip


def interval_score(errors: Array, half: Array, level: float) -> float:
    """Mean interval score of symmetric intervals: their width, and what they miss times 2 over the error rate."""
    return float(np.mean(2 * half + 2 / (1 - level) * np.maximum(errors - half, 0.0)))


def _best_scale(answers: Sequence[Answered]) -> Scale:
    """The scale of errors that gives the lowest interval score at the usual level, cases counting alike."""
    errors = [np.abs(each.mean - each.truth) for each in answers]
    rms = max(float(np.sqrt(np.mean([np.mean(e**2) for e in errors]))), _TINY)
    deviations = _DEVIATIONS if all(each.deviation is not None for each in answers) else (0.0,)
    # A QoI has a number a case: too few to choose among many.
    single = all(e.size == 1 for e in errors)
    floors, shares = (_FLOORS[2:], (0.0,)) if single else (_FLOORS, _SHARES)
    scales = [Scale(floor * rms, share, own) for own, floor, share in product(deviations, floors, shares)]

    def score(scale: Scale) -> float:
        sizes = [scale(each.mean, each.deviation) for each in answers]
        ratios = [(e / s).ravel() for e, s in zip(errors, sizes, strict=True)]
        multiple = pooled_quantiles(ratios, np.array([LEVEL]))[0]
        return float(np.mean([interval_score(e, multiple * s, LEVEL) for e, s in zip(errors, sizes, strict=True)]))

    return min(scales, key=score)


def _difficulty(
    cases: Sequence[LeftOut], ratios: Mapping[tuple[str, str], Sequence[Array]]
) -> tuple[ScalarKriging | None, Array, float]:
    """A regression of how large a case's errors are over their scale; its value for each case left out; the largest."""
    none = None, np.ones(len(cases)), 1.0
    sizes = [[np.log(max(float(np.sqrt(np.mean(each**2))), 1e-6)) for each in of]
             for (group, _), of in ratios.items() if group == "fields"]  # fmt: skip
    if len(cases) < LEAST or not sizes or len(cases) < 2 * least_cases(LEVEL) or not len(cases[0].coordinates):
        return none
    about = np.array(sizes) - np.mean(sizes, axis=1, keepdims=True)
    size = np.exp(about.mean(0))
    fit = ScalarKriging(np.array([case.coordinates for case in cases]), size)
    predicted = np.maximum(fit.left_out, 1e-3)
    if np.mean((np.log(size) - np.log(predicted)) ** 2) > _WORTH * np.var(np.log(size)):
        return none
    return fit, predicted, float(max(size.max(), 1 / size.min()))
