"""Units in which numbers are easy to read, and numbers as text."""

from __future__ import annotations

import math

from tramontane.contract import QoiSpec
from tramontane.evaluation.report import QoiFigures
from tramontane.units import has_offset, si_factor

_PREFIXES = {9: "G", 6: "M", 3: "k", 0: "", -3: "m", -6: "µ", -9: "n"}
_PREFIXED = {"Pa", "N", "m", "W", "J", "N*m", "m/s", "V", "Hz"}


def readable(unit: str, magnitude: float) -> tuple[str, float]:
    """A unit in which numbers of a magnitude are short, and the factor into it.

    Args:
        unit: Of SI.
        magnitude: The largest number, in it.
    """
    if unit not in _PREFIXED or not magnitude or not math.isfinite(magnitude):
        return unit, 1.0
    power = min(max(3 * math.floor(math.log10(abs(magnitude)) / 3 + 1e-9), -9), 9)
    if unit in ("m/s", "m") and power > 0:
        power = 0
    return f"{_PREFIXES[power]}{unit}", 10.0**-power


def shown(qoi: QoiSpec | QoiFigures, magnitude: float) -> tuple[str, float]:
    """The unit in which a QoI's numbers are shown, and the factor into it from SI.

    It is the one in which people wrote the QoI; of SI's own, one in which the numbers are short.

    Args:
        qoi: Says which units.
        magnitude: The largest of the numbers, SI.
    """
    if qoi.display_unit is None or has_offset(qoi.display_unit):  # errors, too, are shown with this factor
        return readable(qoi.unit, magnitude)
    return qoi.display_unit, 1.0 / si_factor(qoi.display_unit)


def number(value: float | None, digits: int = 4) -> str:
    """A number as text with so many digits."""
    if value is None or not math.isfinite(value):
        return "–"
    if value != 0 and not 1e-3 <= abs(value) < 1e6:
        return f"{value:.{digits - 1}e}"
    short = f"{value:.{digits}g}"
    return f"{value:.0f}" if "e" in short else short
