"""Whether intervals hold what they state, on cases that touched nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from tramontane.interval import FieldInterval, Interval
from tramontane.trust.calibration import NEARLY_ALL, Scores, interval_score

Array = NDArray[np.floating[Any]]


RELIABILITY = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
"""Levels at which it is looked whether intervals hold."""


class Reliability(BaseModel):
    """What intervals stated with a level held.

    Attributes:
        level: What is stated.
        coverage: Share of all points inside, mean over the cases; of a QoI, share of the cases.
        low: Of that share's sampling band: where its 95 % interval begins, for so few cases.
        high: Where it ends.
    """

    level: float
    coverage: float
    low: float
    high: float


class Coverage(BaseModel):
    """What a field's intervals hold.

    Attributes:
        level: What is stated.
        points: Share of all points inside, mean over the cases.
        lowest: The lowest of a case.
        band: Share of the cases with nearly all points within the band of the whole field; None where it is not known.
        score_over_constant: Mean interval score (the lower, the sharper) over that of intervals of one width.
        rank_correlation: Spearman's, of stated and true error over the cases; None of fewer than three.
        relative_score: Mean interval score over the root mean square of each case's field, mean over the cases: to
            compare two models by; None of reports from before.
        reliability: What intervals of other levels held.
    """

    level: float
    points: float
    lowest: float
    band: float | None
    score_over_constant: float | None
    rank_correlation: float | None
    relative_score: float | None = None
    reliability: list[Reliability] = []


@dataclass(frozen=True)
class CaseCoverage:
    """What the interval of one case's field held.

    ``at_levels`` has the shares of points at those of `RELIABILITY`; ``relative_score`` is over the field's root mean
    square.
    """

    level: float
    points: float
    band: bool | None
    score: float
    constant: float
    stated: float
    error: float
    at_levels: tuple[float, ...] = ()
    relative_score: float = 0.0


def case_coverage(mean: Array, truth: Array, interval: FieldInterval, scores: Scores, unit: float) -> CaseCoverage:
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
    reach = errors / np.maximum(half, 1e-300) * scores.multiple(interval.level)
    score = interval_score(errors, half, interval.level)
    magnitude = max(float(np.sqrt(np.mean(np.square(truth, dtype=np.float64)))) / abs(unit), 1e-300)
    return CaseCoverage(
        interval.level, float(np.mean(errors <= half)), band, score,
        interval_score(errors, np.array(width), interval.level),
        float(np.sqrt(np.mean(half**2))), float(np.sqrt(np.mean(errors**2))),
        tuple(float(np.mean(reach <= scores.multiple(level))) for level in RELIABILITY), score / magnitude,
    )  # fmt: skip


def qoi_score(interval: Interval, truth: float) -> float:
    """The interval score of a QoI: the width, and what is missed times 2 over the error rate (as `interval_score`)."""
    missed = max(interval.low - truth, truth - interval.high, 0.0)
    return interval.high - interval.low + 2 / (1 - interval.level) * missed


def coverage(cases: Sequence[CaseCoverage]) -> Coverage:
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
        relative_score=float(np.mean([each.relative_score for each in cases])),
        reliability=reliability([each.at_levels for each in cases]),
    )


def reliability(shares: Sequence[Sequence[float]]) -> list[Reliability]:
    """Over the cases, each with the shares that held at the levels of `RELIABILITY`; of QoIs, 0 or 1.

    The band is Student's of the mean over cases, that of shares of single cases Wilson's: a case is what is drawn, the
    points within one are not independent.
    """
    table = np.array(shares, dtype=float)
    if table.size == 0:
        return []
    count, binary = len(table), bool(np.isin(table, (0.0, 1.0)).all())
    points = []
    for level, of in zip(RELIABILITY, table.T, strict=True):
        low, high = _wilson(of) if binary or count < 2 else _student(of)
        points.append(Reliability(level=level, coverage=float(of.mean()), low=low, high=high))
    return points


def _student(shares: Array) -> tuple[float, float]:
    from scipy.stats import t

    mean = float(shares.mean())
    reach = float(t.ppf(0.975, len(shares) - 1)) * float(shares.std(ddof=1)) / len(shares) ** 0.5
    return max(mean - reach, 0.0), min(mean + reach, 1.0)


def _wilson(shares: Array) -> tuple[float, float]:
    count, share, z = len(shares), float(shares.mean()), 1.96
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    reach = z / (1 + z**2 / count) * (share * (1 - share) / count + z**2 / (4 * count**2)) ** 0.5
    return max(middle - reach, 0.0), min(middle + reach, 1.0)
