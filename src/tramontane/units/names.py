"""What a name says of a unit: written behind it (``drag_kN``), or by convention (a speed is in m/s)."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection

from tramontane.errors import UnitError
from tramontane.units.text import Unit, read_unit, symbols

FIELD_UNITS = {
    "pressure": "Pa", "p": "Pa", "wall_shear_stress": "Pa", "velocity": "m/s", "u": "m/s", "displacement": "m",
    "stress": "Pa", "von_mises": "Pa", "temperature": "K", "vorticity": "1/s", "density": "kg/m^3",
}  # fmt: skip
_PARAMETER_UNITS = (
    (r"(^|_)(angle|yaw|pitch|sweep|slant|incidence|attack)($|_)", "deg"),
    (r"(^|_)(speed|velocity)($|_)", "m/s"),
    (r"(^|_)(load|force|drag|lift|thrust)($|_)", "N"),
    (r"(^|_)(torque|moment)($|_)", "N*m"),
    (r"(^|_)(acceleration)($|_)", "m/s^2"),
    (r"(^|_)(stress|pressure|modulus|von_mises)($|_)", "Pa"),
    (r"(^|_)(temperature)($|_)", "K"),
    (r"(^|_)(mass)($|_)", "kg"),
    (r"(^|_)(density)($|_)", "kg/m^3"),
    (r"(^|_)(power)($|_)", "W"),
    (r"(^|_)(time|duration)($|_)", "s"),
    (r"(^|_)(length|width|height|depth|radius|diameter|thickness|clearance|fillet|displacement|span|chord)($|_)", "m"),
)
# A drag coefficient is no force, whatever a drag is.
_PLAIN_NUMBERS = re.compile(
    r"(^|_)(coefficient|coeff|coef|ratio|number|factor|efficiency|share|fraction|count|index|exponent|steps?|rank|id)($|_)"
)
_STRUCTURE = frozenset({
    "stress", "strain", "von_mises", "mises", "displacement", "reaction_force", "s", "e", "le", "pe", "peeq",
    "rf", "cf", "sxx", "syy", "szz", "sx", "sy", "sz",
})  # fmt: skip
_FLOW = frozenset({
    "p", "pressure", "p_rgh", "phi", "k", "epsilon", "omega", "nut", "nutilda", "wall_shear_stress",
    "wallshearstress", "vorticity", "yplus", "y_plus", "rho", "mach", "total_pressure",
    "turbulent_kinetic_energy", "mach_number", "alphat", "cp", "cf_x", "q",
})  # fmt: skip
# Letters that stand for units behind an underscore, whatever the name before it is about.
_SURE = frozenset({
    "mm", "cm", "km", "um", "µm", "nm", "kg", "mg", "kN", "MN", "mN", "daN", "Pa", "kPa", "MPa", "GPa", "hPa",
    "mbar", "ms", "deg", "rad", "rpm", "Hz", "kHz", "kW", "MW", "mW", "kJ", "MJ", "Nm", "kNm", "mNm", "Nmm",
    "degC", "degF", "degree", "degrees", "percent", "ppm", "psi", "ksi", "mPas", "kph", "mph", "inch", "ft",
    "lbf", "lbm", "mm2", "cm2", "m2", "mm3", "cm3", "m3", "liter", "litre", "meter", "metre", "millimeter",
    "millimetre", "newton", "kilonewton", "pascal", "kelvin", "celsius", "seconds", "kmh", "rads",
})  # fmt: skip
# What a letter before the underscore is, for one behind it: T_K, F_N, t_s.
_LETTERS = {
    "T": "K", "F": "N", "Fx": "N", "Fy": "N", "Fz": "N", "p": "Pa", "P": "W", "M": "N*m", "v": "m/s", "f": "Hz",
    "t": "s", "m": "kg", **dict.fromkeys("LDBHWRrlbdwxyz", "m"),
}  # fmt: skip
_TWO_SENSES = frozenset({
    "in", "min", "at", "a", "d", "l", "h", "U", "C", "F", "PS", "ch", "tr", "rev", "bars", "none", "t",
    "pa", "turn", "turns", "day",
})  # fmt: skip


@functools.lru_cache(maxsize=4096)
def unit_in_name(name: str) -> str | None:
    """The unit that stands behind a name after underscores, or None: ``drag_kN``, ``speed_m_s``, ``rho_kg_m3``.

    One letter is a unit only where the name before it is of that kind (``length_m``, ``drag_N``), and what is also a
    word (``T_in``, ``drag_min``) never.
    """
    words = name.split("_")
    for count in (4, 3, 2, 1):
        if len(words) <= count or not all(words[-count:]):
            continue
        tail, head = words[-count:], "_".join(words[:-count])
        for text in _readings(tail):
            try:
                unit = read_unit(text)
            except UnitError:
                continue
            either = len(tail) > 1 and {tail[-2], tail[-1]} <= {"N", "kN", "mN", "m", "mm"}  # N/m or N*m
            sure = tail[0] in _SURE if len(tail) == 1 else not either
            if sure or (tail[0] not in _TWO_SENSES and _fits(head, unit, text)):
                return unit.text
    return None


def _readings(words: list[str]) -> list[str]:
    """The units that words behind underscores may spell: exactly those symbols, the first above the line."""
    if len(words) == 1:
        return words
    if "per" in words[1:-1]:
        place = words.index("per")
        above, below = words[:place], words[place + 1 :]
    elif len(words) == 2 or words[1] in ("m", "m2", "m3", "kg", "s", "s2", "h", "mm", "mm2"):
        above, below = words[:1], words[1:]
    else:
        return []
    plain = [re.sub(r"[23]$", "", word) for word in (*above, *below)]
    if not above or not below or any(word not in symbols() for word in plain):
        return []
    if (
        set(plain) & {"in", "at", "a"}
        or ("min" in plain and plain[0] not in ("l", "L", "kg", "m", "g", "rev"))
        or plain[0] in ("d", "t", "h", "A", "K", "T", "V", "s")
    ):
        return []
    if len(below) > 1 and below[-1] not in ("K", "s", "h"):
        return []
    if len(below) > 1:
        return [f"{'*'.join(above)}/({'*'.join(below)})"]
    return [f"{'*'.join(above)}/{below[0]}", "*".join([*above, *below])]


def _fits(head: str, unit: Unit, text: str) -> bool:
    """Whether a name is of what a unit measures; a unit of one word must be spelled exactly."""
    usual = _LETTERS.get(head) if text != "bar" else None  # p_bar is a mean as well
    usual = usual or assumed_unit(head)
    exact = text in symbols() or not text.isalpha()
    return usual is not None and exact and frozenset(read_unit(usual).powers) == frozenset(unit.powers)


def assumed_unit(name: str, *, beside: Collection[str] | None = None) -> str | None:
    """The unit that a quantity of this name has by convention when its file does not say, or None.

    Used for fields, parameters and QoIs alike, and always reported as an assumption.

    Args:
        name: Of the quantity.
        beside: The fields that stand in the same mesh, for a field: ``U`` is a velocity beside a pressure, a
            displacement beside a stress. None for a parameter or a QoI, of which one letter says nothing.
    """
    lowered = name.lower()
    if lowered in ("u", "p"):
        return _of_letter(lowered, beside)
    if lowered in FIELD_UNITS:
        return FIELD_UNITS[lowered]
    if _PLAIN_NUMBERS.search(lowered):
        return None
    # The head noun stands last: slant_length is a length, whatever a slant is.
    hits = [(match.start(), unit) for pattern, unit in _PARAMETER_UNITS for match in re.finditer(pattern, lowered)]
    return max(hits)[1] if hits else None


def _of_letter(letter: str, beside: Collection[str] | None) -> str | None:
    if beside is None:
        return None
    others = {other.lower() for other in beside}
    if letter == "p":
        return "Pa"
    if others & _STRUCTURE and not others & _FLOW:
        return "m"
    return "m/s" if others & _FLOW else None
