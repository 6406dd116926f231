"""Units at the edges, SI inside.

pint reads and checks what a person wrote; everything behind this file is a float in SI base units. A number that came
without a unit has ``unit=None`` until a contract says which unit is meant.
"""

from __future__ import annotations

import functools
import math
import re
import tokenize
from typing import TYPE_CHECKING, NamedTuple

from tramontane.errors import UnitError

if TYPE_CHECKING:
    import pint

_SPACE_AFTER_NUMBER = re.compile(r"^\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(.*?)\s*$", re.DOTALL)

_SI_UNITS = (
    "m", "kg", "s", "K", "N", "Pa", "J", "W", "m/s", "m^2", "m^3", "kg/m^3", "N*m", "m^2/s", "N/m",
)  # fmt: skip
# Those of them that stand for their dimension: pint, which takes a third of a second to start, need not be asked.
_PLAIN = frozenset(_SI_UNITS) - {"N*m"}
_LONGEST = 60  # letters of a unit
# What Python's own tokens and numbers raise in pint's parser, beside its own errors.
_NO_UNIT = (ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, RecursionError, SyntaxError,
            TypeError, ValueError, tokenize.TokenError)  # fmt: skip
_ANGLE = re.compile(r"deg|rad|turn|arc")
_POWER = re.compile(r"(?:\*\*|\^)\s*(?:[-+]?\d{1,3}(?:\.\d+)?(?![\d.])|\(\s*[-+]?\d{1,3}(?:\s*[./]\s*\d+)?\s*\))")
_NUMBER = re.compile(r"(?<![A-Za-z_\d.])(?!1(?![\d.]))\d")


class Quantity(NamedTuple):
    """A number and the unit it is in; ``unit=None`` when none was given, ``""`` when it has no dimension."""

    value: float
    unit: str | None = None

    def __str__(self) -> str:
        return f"{self.value:.6g} {self.unit or ''}".rstrip()


def one_style(unit: str) -> str:
    """A unit with its powers as we write them, ``m^2`` for ``m**2``."""
    return re.sub(r"\s*\*\*\s*", "^", unit)


@functools.cache
def _registry() -> pint.UnitRegistry[float]:
    import pint

    return pint.UnitRegistry(cache_folder=None)


@functools.lru_cache(maxsize=1024)
def si_factor(unit: str) -> float:
    """Factor that turns a number in ``unit`` into SI base units.

    Args:
        unit: A unit with a true zero, such as ``"mm"``, ``"kPa"``, ``"deg"`` or ``""``.

    Returns:
        The factor, dimensionless for ``""`` and for angles in radian.

    Raises:
        UnitError: The unit is unknown, or has an offset (degC), for which no factor exists.
    """
    if unit == "" or unit in _PLAIN:
        return 1.0
    import pint

    try:
        if len(unit) > _LONGEST or not _is_sober(unit):
            raise ValueError("too long, or powers of powers")
        one = _registry().Quantity(1.0, unit)
        zero = _registry().Quantity(0.0, unit).to_base_units().magnitude
        factor = float(one.to_base_units().magnitude)
    except (pint.errors.PintError, *_NO_UNIT) as error:
        raise UnitError(
            f"unit {unit!r} is not known; write one such as 'm', 'mm', 'N', 'MPa', 'm/s' or 'deg'"
        ) from error
    if zero != 0.0:
        raise UnitError(f"unit {unit!r} has an offset; give an absolute unit such as 'kelvin' instead")
    return factor


def _is_sober(unit: str) -> bool:
    """Whether pint can be trusted with a text: it would work out ``9**9**9**9`` and never come back."""
    plain, powers = _POWER.subn("^", unit)
    if "**" in plain or plain.count("^") > powers or re.search(r"\^[\s)]*\^", plain):
        return False
    return not (powers and "(" in plain and _NUMBER.search(plain))


@functools.lru_cache(maxsize=1024)
def dimension(unit: str) -> str:
    """The unit's physical dimension in words of pint, ``"dimensionless"`` for ``""`` and for angles.

    Raises:
        UnitError: The unit is unknown.
    """
    if not unit:
        return "dimensionless"
    si_factor(unit)
    return str(_registry().parse_units(unit).dimensionality)


@functools.lru_cache(maxsize=1024)
def si_unit(unit: str) -> str:
    """The SI unit of the same dimension, as the field writes it: ``"kPa"`` gives ``"Pa"``."""
    if unit in _PLAIN:
        return unit
    if dimension(unit) == "dimensionless":
        return "rad" if _ANGLE.search(unit) else ""
    for common in _SI_UNITS:
        if dimension(common) == dimension(unit):
            return common
    return one_style(f"{_registry().Quantity(1.0, unit).to_base_units().units:~C}")


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
    return quantity.value * si_factor(given)


def from_si(value: float, unit: str) -> float:
    """A number in SI, in ``unit``."""
    return value / si_factor(unit)


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
    value, unit = float(match[1]), match[2]
    if not unit:
        return Quantity(value)
    si_factor(unit)
    return Quantity(value, unit)


FIELD_UNITS = {
    "pressure": "Pa", "p": "Pa", "wall_shear_stress": "Pa", "velocity": "m/s", "u": "m/s", "displacement": "m",
    "stress": "Pa", "von_mises": "Pa", "temperature": "K", "vorticity": "1/s", "density": "kg/m^3",
}  # fmt: skip
_PARAMETER_UNITS = (
    (r"(^|_)(angle|yaw|pitch|sweep|slant|incidence|attack)($|_)", "deg"),
    (r"(^|_)(speed|velocity)($|_)", "m/s"),
    (r"(^|_)(load|force|drag|lift|thrust)($|_)", "N"),
    (r"(^|_)(stress|pressure|modulus|von_mises)($|_)", "Pa"),
    (r"(^|_)(temperature)($|_)", "K"),
    (r"(^|_)(mass)($|_)", "kg"),
    (r"(^|_)(density)($|_)", "kg/m^3"),
    (r"(^|_)(length|width|height|depth|radius|diameter|thickness|clearance|fillet|displacement|span|chord)($|_)", "m"),
)


def assumed_unit(name: str) -> str | None:
    """The unit that a quantity of this name has by convention when its file does not say, or None.

    Used for fields, parameters and QoIs alike, and always reported as an assumption.
    """
    lowered = name.lower()
    if lowered in FIELD_UNITS:
        return FIELD_UNITS[lowered]
    # The head noun stands last: slant_length is a length, whatever a slant is.
    hits = [(match.start(), unit) for pattern, unit in _PARAMETER_UNITS for match in re.finditer(pattern, lowered)]
    return max(hits)[1] if hits else None
