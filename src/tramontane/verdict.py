"""A verdict: whether a design lies where a surrogate's errors and intervals hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from tramontane.notice import Notice

Domain = Literal["inside", "edge", "outside"]
REQUIRED = ("inside", "edge")
"""The verdicts that can be asked for as the worst that will do."""


_SENTENCES: dict[Domain, str] = {
    "inside": "Inside what the model was trained on",
    "edge": "At the edge of what the model was trained on",
    "outside": "OUTSIDE what the model was trained on: errors and intervals are not known to hold",
}


@dataclass(frozen=True)
class Verdict:
    """Whether a design lies in a surrogate's applicability domain.

    Attributes:
        domain: ``inside``; at its ``edge``, where one training case in ten lies; ``outside``, where errors and
            intervals are not known to hold.
        score: Between 0 and 1, the higher the farther out: half at the border of ``outside``. To sort by.
        reasons: What is unusual, the most unusual first.
    """

    domain: Domain
    score: float
    reasons: tuple[Notice, ...] = ()


def good_enough(domain: str, worst: str) -> bool:
    """Whether a verdict is no worse than the worst that will do, one of `REQUIRED`; what is no verdict never is."""
    return domain in REQUIRED[: REQUIRED.index(worst) + 1]


def warned_of(verdict: Verdict | None, notices: Sequence[Notice]) -> Verdict | None:
    """The verdict on a design of which something is to be minded: such a design is not inside."""
    if verdict is None or verdict.domain != "inside" or not notices:
        return verdict
    return replace(verdict, domain="edge")


def sentence_of(verdict: Verdict) -> str:
    """A verdict in a line of English, with its reasons."""
    reasons = "; ".join(map(str, verdict.reasons))
    return f"{_SENTENCES[verdict.domain]} (score {verdict.score:.2f})" + (f": {reasons}" if reasons else "")
