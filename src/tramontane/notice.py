"""A notice: one typed remark on an answer. Its sentence is made where a person reads it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tramontane.units import Quantity

Code = Literal[
    "range", "extent", "unit", "geometry", "blank", "coarse",
    "unsure", "shape", "unusual", "missing_part", "new_part", "beyond",
]  # fmt: skip


@dataclass(frozen=True)
class Notice:
    """What to mind about an answer. In English, ``str`` says it.

    Attributes:
        code: What kind: a parameter outside the ``range`` of the training cases; a geometry longer or shorter than all
            of theirs in one direction (``extent``); an input that seems to be in another ``unit``; something about the
            ``geometry`` itself; places that were left ``blank``; a mesh too ``coarse`` for the geometry. Reasons of a
            verdict: the model is less sure than of its training cases (``unsure``); the ``shape`` differs from theirs
            as no two of them do; it lacks a part that all of them have (``missing_part``), or has one that none has
            (``new_part``); a dimension or condition lies ``beyond`` theirs; they are ``unusual`` together.
        input: What it is about: ``parameters.load``, ``geometry``, ``domains.volume``.
        value: The number itself; of a verdict's reason, how many standard deviations it is above the median of the
            training cases; of a unit, as it was taken; of what is blank, how many places; of
            what is coarse, the mesh's volume.
        low: The range's lower end.
        high: Its upper end; of what is blank, how many places there are; of what is coarse, the geometry's
            volume.
        unit: Of these numbers.
        axis: Of an extent.
        suggested_unit: In which the input would lie where training cases do; it is not applied.
        suggested_value: What the input would be then, in ``unit``; of a geometry, metres.
        detail: What a reader of geometry said, or where places lie.
    """

    code: Code
    input: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str | None = None
    axis: Literal["x", "y", "z"] | None = None
    suggested_unit: str | None = None
    suggested_value: float | None = None
    detail: str = ""

    @property
    def name(self) -> str:
        """Of the parameter or domain; empty of a geometry."""
        return self.input.partition(".")[2]

    @property
    def share(self) -> float | None:
        """How far outside, as a share of the range."""
        if self.value is None or self.low is None or self.high is None or self.code not in ("range", "extent"):
            return None
        beyond = self.low - self.value if self.value < self.low else self.value - self.high
        return beyond / ((self.high - self.low) or 1.0)

    def __str__(self) -> str:
        return _SENTENCES[self.code](self)


def percent_of(share: float | None) -> str:
    """A share in percent, never as nought where there is something."""
    percent = f"{100 * (share or 0.0):.0f}"
    return percent if percent != "0" else "< 1"


def _range(of: Notice) -> str:
    assert of.value is not None
    assert of.low is not None
    assert of.high is not None
    value = Quantity(of.value, of.unit)
    if of.low == of.high:
        return f"{of.name} = {value} is not followed: it was {Quantity(of.low, of.unit)} in all cases"
    bounds = f"{of.low:.6g} to {of.high:.6g} {of.unit or ''}".rstrip()
    return f"{of.name} = {value} lies outside {bounds} by {percent_of(of.share)} % of the range"


def _extent(of: Notice) -> str:
    return f"the geometry is {of.value:.4g} m long in {of.axis}, training cases {of.low:.4g} to {of.high:.4g} m"


def _unit(of: Notice) -> str:
    assert of.suggested_value is not None
    if of.input == "geometry":
        return (f"is the geometry in {of.suggested_unit}? Read in {of.unit} it is {of.value:.4g} m long, in "
                f"{of.suggested_unit} {of.suggested_value:.4g} m, and training parts are {of.low:.4g} to {of.high:.4g} "
                f"m: add --unit {of.suggested_unit} (length_unit)")  # fmt: skip
    assert of.value is not None
    given = Quantity(of.value, of.suggested_unit)
    return (f"is {of.name} in {given.unit}? {given} is {Quantity(of.suggested_value, of.unit)}: write "
            f"{of.name}=\"{given}\"")  # fmt: skip


def _blank(of: Notice) -> str:
    return (f"{of.value:.0f} of {of.high:.0f} places of {of.name} lie {of.detail} the geometry, where nothing is "
            "predicted; they are left blank (NaN)")  # fmt: skip


def _coarse(of: Notice) -> str:
    assert of.value is not None
    assert of.high is not None
    return (f"the mesh of {of.name} holds {100 * of.value / of.high:.2g} % of the geometry's volume, whose walls are "
            "thinner than its cells; ask for more cells, or give a mesh")  # fmt: skip


def _deviations(of: Notice) -> str:
    assert of.value is not None
    return f"{of.value:.1f} deviations above the median of the training cases"


def _beyond(of: Notice) -> str:
    return f"{of.name or 'a dimension or condition'} lies beyond all training cases ({_deviations(of)})"


_SENTENCES: dict[Code, Callable[[Notice], str]] = {
    "range": _range,
    "extent": _extent,
    "unit": _unit,
    "geometry": lambda of: of.detail,
    "blank": _blank,
    "coarse": _coarse,
    "unsure": lambda of: f"the model is less sure than of its training cases ({_deviations(of)})",
    "shape": lambda of: f"the shape differs from the training cases as no two of them do ({_deviations(of)})",
    "unusual": lambda of: f"dimensions and conditions are unusual together ({_deviations(of)})",
    "missing_part": lambda of: f"the shape lacks something that the training cases have ({_deviations(of)})",
    "new_part": lambda of: f"the shape has something that the training cases do not have ({_deviations(of)})",
    "beyond": _beyond,
}
