"""How far a run has come, by steps or by the clock, and the learning rate that follows from it."""

from __future__ import annotations

import math
import re

from tramontane.errors import TrainingError

_BUDGET = re.compile(r"^\s*(\d+(?:\.\d*)?)\s*(s|sec|seconds?|m|min|minutes?|h|hours?)\s*$")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def parse_budget(text: str) -> float:
    """Seconds in a budget such as ``"10min"``, ``"90s"`` or ``"1.5h"``.

    Raises:
        TrainingError: It is not a positive duration with a unit.
    """
    match = _BUDGET.match(text)
    if match is None or float(match[1]) <= 0:
        raise TrainingError(f"budget {text!r} is not a duration; write one such as 90s, 10min or 1.5h")
    return float(match[1]) * _SECONDS[match[2][0]]


def progress(*, step: int, elapsed: float, steps: int | None, budget: float | None) -> float:
    """Share of a run that is done, 0 to 1: by steps, by seconds, or by whichever of the two is further."""
    shares = [0.0]
    if steps is not None:
        shares.append(step / max(steps, 1))
    if budget is not None:
        shares.append(elapsed / budget)
    return min(max(shares), 1.0)


def learning_rate(done: float, *, peak: float, warmup: float = 0.05, floor: float = 0.01) -> float:
    """Linear warm-up, then half a cosine down to ``floor * peak`` (Loshchilov & Hutter 2017, arXiv:1608.03983).

    Args:
        done: Share of the run that is done, 0 to 1.
        peak: Highest rate, reached at ``done = warmup``.
        warmup: Share of the run spent on warming up.
        floor: Last rate relative to the peak.
    """
    if done < warmup:
        return peak * max(done / warmup, 1e-3)
    share = (done - warmup) / (1.0 - warmup)
    return peak * (floor + (1.0 - floor) * 0.5 * (1.0 + math.cos(math.pi * share)))
