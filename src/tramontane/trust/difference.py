"""How far a QoI of two designs differs, beyond the errors of both.

Two predictions of one model err together: where the designs are alike, the error of one is nearly that of the other,
and drops out of the difference. With sizes ``s1`` and ``s2`` of the errors and their correlation ``r``, the size of the
difference's error is ``sqrt(s1^2 + s2^2 - 2 r s1 s2)``. The sizes are those of the calibrated intervals. The
correlation is that of the Gaussian process's joint posterior (`ScalarKriging.correlation`): calibration corrects how
large errors are, and is assumed to leave untouched how they go together. Where no joint posterior exists, the
correlation is taken to be -1, the worst: no correlation makes the error larger than ``s1 + s2``.

Beyond that, scaled errors of differences are assumed to be distributed as those of single designs that were left out,
and as often too high as too low.
"""

from __future__ import annotations

import math

from tramontane.interval import Difference, Interval
from tramontane.trust.calibration import Scores
from tramontane.trust.conformal import level_of, normal_level


def difference(
    scores: Scores, one: tuple[float, Interval], other: tuple[float, Interval], correlation: float | None
) -> Difference:
    """Of a QoI: the other less the one.

    Args:
        scores: Of the QoI, from which both intervals were made.
        one: Its value and interval, SI.
        other: Likewise, at the same level.
        correlation: Of the errors of both; None where it is not known.
    """
    value, level = other[0] - one[0], one[1].level
    # Lower bounds may have been moved to what is possible at all.
    first, second = (interval.high - at for at, interval in (one, other))
    half = first + second
    if correlation is not None:
        half = math.sqrt(max(first**2 + second**2 - 2 * correlation * first * second, 0.0))
    multiple, assumed = scores.of_cases(level)
    ratio = abs(value) / half * multiple if half > 0 else math.inf if value else 0.0
    reached = normal_level(scores.cases, ratio) if assumed else level_of(scores.cases, ratio)
    beyond = not assumed and ratio > float(scores.cases.max())
    return Difference(value, half, level, (1 + reached) / 2, correlation, correlation is None or beyond, assumed)
