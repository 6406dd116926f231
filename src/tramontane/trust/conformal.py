"""Conformal prediction: bounds from errors on cases left out, with the guarantee that their number allows.

Of n exchangeable scores, a new one is at most the k-th smallest with probability k / (n + 1) (Vovk, Gammerman &
Shafer 2005). Scores of cases that were left out one at a time stand in for those of a separate set (jackknife+; Barber,
Candes, Ramdas & Tibshirani 2021, Ann. Statist. 49).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

Array = NDArray[np.floating[Any]]


def least_cases(level: float) -> int:
    """How many cases a guarantee at a level asks for: 9 for 90 %."""
    return math.ceil(level / (1 - level) - 1e-9)


def quantile(scores: Array, level: float) -> float:
    """What a new score does not exceed with probability ``level``; infinite of too few ``scores`` ``(n,)``."""
    rank = math.ceil((len(scores) + 1) * level - 1e-9)
    return math.inf if rank > len(scores) else float(np.partition(scores, rank - 1)[rank - 1])


def sure_quantile(scores: Array, level: float) -> float:
    """What a new score does not exceed with probability ``level``, for five of six sets of so many ``scores`` ``(n,)``.

    `quantile` holds on average over all sets that might have been drawn, for half of them by less than it says. This
    one is a standard deviation of the share of n draws higher (training-conditional validity: Vovk 2012, Conditional
    validity of inductive conformal predictors); the largest score at most, which for less than ``log(6) / -log(level)``
    scores (17 for 90 %) holds for fewer sets.
    """
    count = len(scores)
    sure = min(level + math.sqrt(level * (1 - level) / count), count / (count + 1))
    return max(quantile(scores, sure), quantile(scores, level))


def normal_quantile(scores: Array, level: float) -> float:
    """The same of few scores ``(n,)``, two or more, if what they are the sizes of is normally distributed about zero.

    A prediction interval of Student's t distribution, wider than the scores alone would have it.
    """
    count = len(scores)
    size = float(np.sqrt(np.mean(np.asarray(scores, float) ** 2)))
    return float(stdtrit(count, (1 + level) / 2)) * size


def level_of(scores: Array, value: float) -> float:
    """With which probability a new score does not exceed ``value``: the inverse of `quantile`."""
    return float((scores <= value).sum()) / (len(scores) + 1)


def normal_level(scores: Array, value: float) -> float:
    """The inverse of `normal_quantile`."""
    size = float(np.sqrt(np.mean(np.asarray(scores, float) ** 2)))
    if size == 0:
        return 1.0 if value > 0 else 0.0
    return float(2 * stdtr(len(scores), value / size) - 1)


def pooled_quantiles(scores: Sequence[Array], levels: Array) -> Array:
    """Quantiles of many scores of each of several cases, in which every case counts alike.

    Args:
        scores: Of each case ``(points,)``.
        levels: Probabilities ``(m,)``.

    Returns:
        ``(m,)``. The new case counts as one more, of scores beyond all others (Dunn, Wasserman & Ramdas 2023, JASA
        118), so that few cases give wider bounds.
    """
    counts = np.array([len(each) for each in scores])
    together = np.concatenate(scores)
    order = np.argsort(together)
    weight = np.repeat(1 / counts, counts)[order].cumsum() / len(scores)
    wanted = np.minimum(levels * (len(scores) + 1) / len(scores), 1.0)
    return np.asarray(together[order][np.minimum(np.searchsorted(weight, wanted - 1e-12), len(order) - 1)])
