"""Whether intervals hold what they state, on cases that touched nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from tramontane.interval import FieldInterval
from tramontane.trust.calibration import NEARLY_ALL, Scores, interval_score

Array = NDArray[np.floating[Any]]


class Coverage(BaseModel):
    """What a field's intervals hold.

    Attributes:
        level: What is stated.
        points: Share of all points inside, mean over the cases.
        lowest: The lowest of a case.
        band: Share of the cases with nearly all points within the band of the whole field; None where it is not known.
        score_over_constant: Mean interval score (the lower, the sharper) over that of intervals of one width.
        rank_correlation: Spearman's, of stated and true error over the cases; None of fewer than three.
    """

    level: float
    points: float
    lowest: float
    band: float | None
    score_over_constant: float | None
    rank_correlation: float | None


@dataclass(frozen=True)
class Held:
    """What the interval of one case's field held."""

    level: float
    points: float
    band: bool | None
    score: float
    constant: float
    stated: float
    error: float


def held(mean: Array, truth: Array, interval: FieldInterval, scores: Scores, unit: float) -> Held:
    """Compare an interval with the truth.

    Args:
        mean: Predicted ``(n,)`` or ``(n, components)``, SI.
        truth: Of the same shape.
        interval: Of the prediction.
        scores: What it was made of.
        unit: The operating scale of the case, SI, so that cases count alike.
    """
    errors, half = np.abs(mean - truth) / unit, interval.half_width / unit
    band = None
    if interval.band is not None:
        within = (errors <= half * interval.band).reshape(len(errors), -1).all(1)
        band = bool(within.mean() >= NEARLY_ALL)
    width = scores.width(interval.level)
    return Held(
        interval.level, float(np.mean(errors <= half)), band, interval_score(errors, half, interval.level),
        interval_score(errors, np.array(width), interval.level),
        float(np.sqrt(np.mean(half**2))), float(np.sqrt(np.mean(errors**2))),
    )  # fmt: skip


def coverage(cases: Sequence[Held]) -> Coverage:
    """Over all cases."""
    from scipy.stats import spearmanr

    bands = [each.band for each in cases if each.band is not None]
    constant = float(np.mean([each.constant for each in cases]))
    stated, errors = (np.array(of) for of in ([each.stated for each in cases], [each.error for each in cases]))
    correlation = None
    if len(cases) > 2 and np.ptp(stated) > 0 and np.ptp(errors) > 0:  # of intervals of one width there is none
        correlation = float(spearmanr(stated, errors)[0])
    return Coverage(
        level=cases[0].level,
        points=float(np.mean([each.points for each in cases])),
        lowest=min(each.points for each in cases),
        band=float(np.mean(bands)) if bands else None,
        score_over_constant=float(np.mean([each.score for each in cases])) / constant if constant > 0 else None,
        rank_correlation=correlation,
    )
