"""Units at the edges, SI inside.

`tramontane.units.text` reads what a person wrote; everything behind this file is a float in SI base units. A number
that came without a unit has ``unit=None`` until a contract says which unit is meant.
"""

from __future__ import annotations

import functools
import math
import re
from fractions import Fraction
from typing import NamedTuple

from tramontane.errors import UnitError
from tramontane.units.names import FIELD_UNITS, assumed_unit, unit_in_name
from tramontane.units.text import Unit, read_unit

__all__ = [
    "FIELD_UNITS", "Quantity", "assumed_unit", "compatible", "difference_from_si", "difference_to_si", "dimension",
    "from_si", "has_offset", "in_si", "one_style", "parse_quantity", "si_factor", "si_unit", "to_si", "unit_in_name",
]  # fmt: skip

_SPACE_AFTER_NUMBER = re.compile(r"^\s*([-+\u2212]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(.*?)\s*$", re.DOTALL)

_SI_UNITS = (
    "m", "kg", "s", "K", "N", "Pa", "J", "W", "m/s", "m^2", "m^3", "kg/m^3", "m^2/s", "N/m", "Pa*s", "W/(m*K)",
    "W/(m^2*K)", "J/(kg*K)", "V",
)  # fmt: skip
_WORDS = {"kg": "mass", "m": "length", "s": "time", "K": "temperature", "A": "current", "mol": "substance",
          "cd": "luminosity"}  # fmt: skip


class Quantity(NamedTuple):
    """A number and the unit it is in; ``unit=None`` when none was given, ``""`` when it has no dimension."""

    value: float
    unit: str | None = None

    def __str__(self) -> str:
        return f"{self.value:.6g} {self.unit or ''}".rstrip()


@functools.lru_cache(maxsize=1024)
def one_style(unit: str) -> str:
    """A unit as we write it: ``m^2`` for ``m**2`` and ``m²``, ``rpm`` for ``U/min``, ``N*m`` for ``Nm``.

    Raises:
        UnitError: The unit is unknown.
    """
    return read_unit(unit).text


def has_offset(unit: str) -> bool:
    """Whether a unit has a zero of its own, as degC: a number in it is more than a factor away from SI."""
    return read_unit(unit).offset != 0.0


def si_factor(unit: str) -> float:
    """Factor that turns a number in ``unit`` into SI base units.

    Args:
        unit: A unit with a true zero, such as ``"mm"``, ``"kPa"``, ``"deg"`` or ``""``.

    Returns:
        The factor, dimensionless for ``""`` and for angles in radian.

    Raises:
        UnitError: The unit is unknown, or has an offset (degC), for which no factor exists; see `in_si`.
    """
    parsed = read_unit(unit)
    if parsed.offset:
        raise UnitError(f"unit {unit!r} has an offset; give an absolute unit such as 'K' instead")
    return parsed.factor


def in_si(value: float, unit: str) -> float:
    """A number in ``unit``, in SI; 20 degC is 293.15 K."""
    parsed = read_unit(unit)
    return value * parsed.factor + parsed.offset


def from_si(value: float, unit: str) -> float:
    """A number in SI, in ``unit``."""
    parsed = read_unit(unit)
    return (value - parsed.offset) / parsed.factor


def difference_to_si(value: float, unit: str) -> float:
    """A difference of two numbers in ``unit``, such as a standard deviation, in SI: the unit's zero does not count."""
    return value * read_unit(unit).factor


def difference_from_si(value: float, unit: str) -> float:
    """A difference in SI, in ``unit``."""
    return value / read_unit(unit).factor


@functools.lru_cache(maxsize=1024)
def dimension(unit: str) -> str:
    """The unit's physical dimension in words, ``"dimensionless"`` for ``""`` and for angles.

    Raises:
        UnitError: The unit is unknown.
    """
    powers = {_WORDS[base]: power for base, power in read_unit(unit).powers if base in _WORDS}

    def product(sign: int) -> str:
        return " * ".join(f"[{word}]" + ("" if abs(power) == 1 else f" ** {abs(power)}")
                          for word, power in sorted(powers.items()) if sign * power > 0)  # fmt: skip

    above, below = product(1), product(-1)
    if not below:
        return above or "dimensionless"
    return f"{above or 1} / {below.replace(' * ', ' / ')}"


@functools.lru_cache(maxsize=1024)
def compatible(one: str, other: str) -> bool:
    """Whether a number in one unit can be given in the other.

    A turn is no plain number in a frequency: 50 Hz may be meant for 50 turns a second or for 50 rad/s.

    Raises:
        UnitError: A unit is unknown.
    """
    if dimension(one) != dimension(other):
        return False
    if dimension(one) != "1 / [time]" or _angle(one) == _angle(other):
        return True
    return all(read_unit(unit).factor == 1.0 and unit != "Hz" for unit in (one, other))


@functools.lru_cache(maxsize=1024)
def si_unit(unit: str) -> str:
    """The SI unit of the same dimension, as the field writes it: ``"kPa"`` gives ``"Pa"``, ``"Nm"`` ``"N*m"``."""
    parsed = read_unit(unit)
    if parsed.moment:
        return "N*m"
    if dimension(unit) == "dimensionless":
        return "rad" if _angle(unit) else ""
    for common in _SI_UNITS:
        if _powers(read_unit(common)) == _powers(parsed):
            return common
    above, below = (
        [base if abs(power) == 1 else f"{base}^{_plain(abs(power))}"
         for base, power in sorted(parsed.powers, key=_place) if sign * power > 0]
        for sign in (1, -1)
    )  # fmt: skip
    return "/".join(["*".join(above) or "1", *below])


def _powers(unit: Unit) -> frozenset[tuple[str, Fraction]]:
    return frozenset(unit.powers)


def _angle(unit: str) -> Fraction:
    return dict(read_unit(unit).powers).get("rad", Fraction(0))


def _place(power: tuple[str, Fraction]) -> int:
    return [*_WORDS, "rad"].index(power[0])


def _plain(power: Fraction) -> str:
    return str(power) if power.denominator == 1 else f"({power})"


def to_si(quantity: Quantity, *, unit: str, name: str) -> float:
    """A quantity in SI, checked to have the dimension of ``unit``; a bare number is taken to be in ``unit``.

    Args:
        quantity: What was given.
        unit: The unit a contract declares.
        name: What the quantity is, for the message.

    Raises:
        UnitError: Wrong dimension, unknown unit, or not a finite number.
    """
    given = unit if quantity.unit is None else quantity.unit
    if not math.isfinite(quantity.value):
        raise UnitError(f"{name} = {quantity.value} is not a finite number; give one in {unit or 'no unit'}")
    if dimension(given) != dimension(unit):
        raise UnitError(
            f"{name} = {quantity} has the wrong unit: {dimension(given)} was given, {dimension(unit)} is needed; "
            f"give it in {unit or 'no unit'}"
        )
    if not compatible(given, unit):
        raise UnitError(f"{name} = {quantity} may count turns or radians; give it in {unit}")
    return in_si(quantity.value, given)


def parse_quantity(given: float | str | Quantity, *, name: str = "value") -> Quantity:
    """Read ``"500 N"``, ``"500N"``, ``"12.5"``, ``500`` or a `Quantity`.

    Raises:
        UnitError: There is no number, or the unit is unknown.
    """
    if isinstance(given, Quantity):
        return given
    if isinstance(given, (int, float)):
        return Quantity(float(given))
    match = _SPACE_AFTER_NUMBER.match(str(given))
    if match is None:
        raise UnitError(f"{name} = {given!r} is not a number with a unit; write for example '500 N'")
    value, unit = float(match[1].replace("\u2212", "-")), match[2]
    return Quantity(value, one_style(unit) if unit else None)
