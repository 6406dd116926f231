"""The applicability domain: how unusual a design is among those that a model was trained on.

Several *signs* are measured of a design: how far its coordinates lie from those of the training cases, jointly and one
by one, how much of its shape no combination of training shapes has, how well it was registered, and the model's own
deviation. Each is compared with what the training cases have when they are left out, and counts by how much it is above
their median. Together they make one number; its border is set by the training cases, so that few members of the family
lie outside.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tramontane.errors import SurrogateError
from tramontane.notice import Code, Notice
from tramontane.trust.conformal import quantile
from tramontane.verdict import Verdict

Array = NDArray[np.floating[Any]]

WEIGHTS = {
    "deviation": 2.0, "shape": 1.0, "coordinates": 1.0, "registration": 1.0, "range": 0.5, "unmatched": 0.5,
    "proportional": 0.25,
}  # fmt: skip
"""What a sign counts; found on brackets and bodies beyond their families (see the model notes)."""
LEAST = 8
"""Training cases below which no verdict is given."""
_BEYOND, _EDGE = 0.97, 0.9  # of the training cases, left out, that are to lie within the borders
_MARGIN = 1.1  # of the largest of them, where they are too few for that
_MOST = 8.0  # that a sign counts, in deviations: more is not worse
_LENIENT = 0.02  # of a range, that a coordinate may lie beyond it
_GROWTH = 0.7  # power of the number that errors follow; found with the weights
_TOLD = 2.0  # deviations of a sign from which on it is a reason
_RIDGE = 1e-3  # variance that each coordinate has at least, in standard scores


@dataclass(frozen=True)
class Sign:
    """What a sign has in the training cases.

    Attributes:
        middle: Their median.
        deviation: Their standard deviation, robustly.
    """

    middle: float
    deviation: float

    def __call__(self, value: float) -> float:
        """Deviations above the median, zero at least."""
        if not math.isfinite(value):
            return _MOST
        return float(np.clip((value - self.middle) / self.deviation, 0.0, _MOST))


class Applicability:
    """Judges designs by their coordinates and signs.

    Args:
        coordinates: Of the training cases ``(cases, d)``, each as it is when left out.
        names: Of the coordinates ``(d,)``; empty where one has no name for people.
        proportional: Which coordinates are conditions that all answers are in proportion to.
        signs: By name.
        middle: The number of the middle training case.
        edge: The number from which on a design is at the edge.
        border: From which on it is outside.
    """

    def __init__(
        self,
        coordinates: Array,
        names: Sequence[str],
        proportional: Sequence[int],
        signs: Mapping[str, Sign],
        middle: float,
        edge: float,
        border: float,
    ) -> None:
        self.coordinates, self.names, self.proportional = np.asarray(coordinates, float), list(names), set(proportional)
        self.signs, self.middle, self.edge, self.border = dict(signs), middle, edge, border

    @classmethod
    def learn(
        cls,
        coordinates: Array,
        signs: Sequence[Mapping[str, float]],
        names: Sequence[str] = (),
        proportional: Sequence[int] = (),
    ) -> tuple[Applicability | None, list[float]]:
        """From the training cases, each left out: the domain (None of too few), and by how much intervals widen there.

        Args:
            coordinates: Which designs they are ``(cases, d)``.
            signs: Of each, beyond those that coordinates give.
            names: Of the coordinates.
            proportional: Which of them all answers are in proportion to.
        """
        coordinates = np.asarray(coordinates, float)
        if len(coordinates) < LEAST:
            return None, [1.0] * len(coordinates)
        self = cls(coordinates, names or [""] * coordinates.shape[1], proportional, {}, 1.0, 1.0, 1.0)
        own = [
            self._of_coordinates(row, np.delete(coordinates, case, axis=0)) | dict(signs[case] if signs else {})
            for case, row in enumerate(coordinates)
        ]
        for name in own[0]:
            self.signs[name] = _sign(name, np.array([of[name] for of in own]))
        numbers = np.array([self._number(self._counted(of)) for of in own])
        largest = float(numbers.max())
        border, edge = quantile(numbers, _BEYOND), quantile(numbers, _EDGE)
        self.border = max(border if math.isfinite(border) else _MARGIN * largest, 1e-6)
        self.edge = min(edge if math.isfinite(edge) else largest, self.border)
        self.middle = max(float(np.median(numbers)), 1e-6)
        return self, [self._widening(number) for number in numbers.tolist()]

    def judge(self, coordinates: Array, signs: Mapping[str, float]) -> Verdict:
        """The verdict on a design.

        Args:
            coordinates: Which design it is ``(d,)``.
            signs: As in `learn`; those of domains that are not asked for may be missing.

        Raises:
            SurrogateError: The training cases had other coordinates: what was saved of them is damaged.
        """
        if len(coordinates) != self.coordinates.shape[1]:
            raise SurrogateError(f"calibration.json: has {self.coordinates.shape[1]} coordinates of designs, the model "
                                 f"{len(coordinates)}; copy the model again, or train it anew")  # fmt: skip
        values = self._of_coordinates(np.asarray(coordinates, float), self.coordinates) | dict(signs)
        counted = self._counted(values)
        number = self._number(counted)
        domain = "outside" if number > self.border else "edge" if number > self.edge else "inside"
        ranked = sorted(counted, key=lambda kind: -WEIGHTS[kind] * counted[kind])
        reasons = tuple(
            self._reason(kind, counted[kind], coordinates)
            for kind in ranked
            if domain != "inside" and (counted[kind] > _TOLD or kind == ranked[0])
        )
        return Verdict(domain, number / (number + self.border), reasons)  # type: ignore[arg-type]

    def widening(self, verdict: Verdict) -> float:
        """By how much intervals are widened, since errors grow with the number: not at all below the middle case's."""
        return self._widening(self.border * verdict.score / max(1 - verdict.score, 1e-9))

    def _widening(self, number: float) -> float:
        return float(max(number / self.middle, 1.0) ** _GROWTH)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "coordinates": self.coordinates.tolist(), "names": self.names, "proportional": sorted(self.proportional),
            "signs": {name: [sign.middle, sign.deviation] for name, sign in self.signs.items()},
            "middle": self.middle, "edge": self.edge, "border": self.border,
        }  # fmt: skip

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Applicability:
        """The domain that `document` described."""
        signs = {name: Sign(*of) for name, of in document["signs"].items()}
        coordinates = np.array(document["coordinates"], float).reshape(-1, len(document["names"]))
        return cls(coordinates, document["names"], document["proportional"], signs,
                   document["middle"], document["edge"], document["border"])  # fmt: skip

    def _of_coordinates(self, row: Array, others: Array) -> dict[str, float]:
        """The signs that coordinates give: how far beyond others' ranges, and their distance from others' mean."""
        low, high = others.min(0), others.max(0)
        varies = high - low > 1e-9
        beyond = np.where(varies, np.maximum(np.maximum(low - row, row - high), 0) / np.where(varies, high - low, 1), 0)
        # What is the same in all training cases is not followed at all.
        beyond = np.where(varies, beyond, np.where(np.abs(row - low) > 1e-6 * (1 + np.abs(low)), 1.0, 0.0))
        share = np.zeros(len(row), bool)
        share[list(self.proportional)] = True
        about = others[:, varies & ~share]
        scores = {
            "range": float(beyond[~share].max(initial=0.0)),
            "proportional": float(beyond[share].max(initial=0.0)),
        }
        if about.shape[1]:
            centred = about - about.mean(0)
            scale = np.maximum(about.std(0), 1e-12)
            covariance = (centred / scale).T @ (centred / scale) / len(about) + _RIDGE * np.eye(about.shape[1])
            away = (row[varies & ~share] - about.mean(0)) / scale
            scores["coordinates"] = math.log(max(math.sqrt(away @ np.linalg.solve(covariance, away)), 1e-6))
        return scores

    def _counted(self, values: Mapping[str, float]) -> dict[str, float]:
        """Deviations of each kind of sign above the training cases' median; of a kind with several, their mean."""
        groups: dict[str, list[float]] = {}
        for name, value in values.items():
            if name in self.signs:
                groups.setdefault(name.partition("/")[0], []).append(self.signs[name](value))
        return {kind: float(np.mean(of)) for kind, of in groups.items()}

    @staticmethod
    def _number(counted: Mapping[str, float]) -> float:
        return math.sqrt(sum((WEIGHTS[kind] * value) ** 2 for kind, value in counted.items()))

    def _reason(self, kind: str, value: float, row: Array) -> Notice:
        """What is unusual, and by how many deviations."""
        codes: dict[str, Code] = {
            "deviation": "unsure", "shape": "shape", "coordinates": "unusual", "registration": "missing_part",
            "range": "beyond", "unmatched": "new_part", "proportional": "beyond",
        }  # fmt: skip
        about = "design"
        if kind in ("range", "proportional"):
            low, high = self.coordinates.min(0), self.coordinates.max(0)
            far = np.maximum(low - row, row - high) / np.maximum(high - low, 1e-9)
            chosen = [place for place in range(len(row)) if (place in self.proportional) == (kind == "proportional")]
            name = self.names[max(chosen, key=lambda place: far[place])] if chosen else ""
            about = f"design.{name}" if name else about
        return Notice(codes[kind], about, value, high=_TOLD)


def _sign(name: str, values: Array) -> Sign:
    """Median and deviation of a sign of the training cases."""
    if name in ("range", "proportional"):  # most have none
        return Sign(0.0, (float(np.quantile(values, 0.95)) + _LENIENT) / 2)
    middle = float(np.median(values))
    robust = 1.4826 * float(np.median(np.abs(values - middle)))
    return Sign(middle, max(robust, 0.5 * float(values.std()), 1e-3))
