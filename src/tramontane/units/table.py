"""Which spellings of units are read, and which are refused with what to write instead: the whole list.

A spelling that is not here is no unit. What engineers write in two senses is refused by name, and so is what depends on
a reference that nobody stated (a gauge's zero, a standard litre's temperature).
"""

from __future__ import annotations

import math
from typing import NamedTuple

PREFIXES = {
    "n": 1e-9, "u": 1e-6, "µ": 1e-6, "m": 1e-3, "c": 1e-2, "d": 1e-1, "da": 1e1, "h": 1e2, "k": 1e3, "M": 1e6,
    "G": 1e9, "T": 1e12,
}  # fmt: skip
FORCES = ("N", "dyn", "kgf", "kp", "lbf", "kip")  # of which a length makes a moment, not an energy


class Entry(NamedTuple):
    """One unit: how many SI units it is, of what, and the prefixes that people put before it.

    ``offset`` is its zero in SI units, after ``factor``.
    """

    factor: float
    base: str
    prefixes: tuple[str, ...] = ()
    offset: float = 0.0


def _with(prefixes: str, factor: float, base: str) -> Entry:
    return Entry(factor, base, tuple(prefixes.split()))


_INCH, _POUND, _GRAVITY = 0.0254, 0.45359237, 9.80665
_POUND_FORCE = _POUND * _GRAVITY
_FORCE, _PRESSURE, _ENERGY, _POWER = "kg m s-2", "kg m-1 s-2", "kg m2 s-2", "kg m2 s-3"

# By symbol: factor, SI base units with powers, prefixes.
UNITS: dict[str, Entry] = {
    # SI
    "m": _with("n u µ m c d k", 1.0, "m"),
    "g": _with("n u µ m k", 1e-3, "kg"),
    "s": _with("n u µ m", 1.0, "s"),
    "K": _with("m", 1.0, "K"),
    "A": _with("u µ m k", 1.0, "A"),
    "mol": _with("m k", 1.0, "mol"),
    "cd": Entry(1.0, "cd"),
    "rad": _with("u µ m", 1.0, "rad"),
    "N": _with("n u µ m c da k M G", 1.0, _FORCE),
    "Pa": _with("u µ m h k M G", 1.0, _PRESSURE),
    "J": _with("u µ m k M G", 1.0, _ENERGY),
    "W": _with("u µ m k M G", 1.0, _POWER),
    "Hz": _with("k M G T", 1.0, "s-1"),
    "V": _with("u µ m k", 1.0, "kg m2 s-3 A-1"),
    "Ω": _with("u µ m k M G", 1.0, "kg m2 s-3 A-2"),
    "ohm": _with("u m k M G", 1.0, "kg m2 s-3 A-2"),
    "T": _with("u µ m", 1.0, "kg s-2 A-1"),
    "Wb": _with("m", 1.0, "kg m2 s-2 A-1"),
    "coulomb": Entry(1.0, "A s"),
    "farad": Entry(1.0, "A2 s4 kg-1 m-2"),
    "siemens": Entry(1.0, "A2 s3 kg-1 m-2"),
    "henry": Entry(1.0, "kg m2 s-2 A-2"),
    "lm": Entry(1.0, "cd"),
    "lx": Entry(1.0, "cd m-2"),
    # beside SI
    "l": _with("u µ m c d h", 1e-3, "m3"),
    "L": _with("u µ m c d", 1e-3, "m3"),
    "t": Entry(1e3, "kg"),
    "min": Entry(60.0, "s"),
    "h": Entry(3600.0, "s"),
    "d": Entry(86400.0, "s"),
    "deg": Entry(math.pi / 180, "rad"),
    "gon": Entry(math.pi / 200, "rad"),
    "arcmin": Entry(math.pi / 10800, "rad"),
    "arcsec": Entry(math.pi / 648000, "rad"),
    "rev": Entry(2 * math.pi, "rad"),
    "rpm": Entry(2 * math.pi / 60, "rad s-1"),
    "rps": Entry(2 * math.pi, "rad s-1"),
    "bar": _with("m u µ k", 1e5, _PRESSURE),
    "eV": _with("k M", 1.602176634e-19, _ENERGY),
    "ha": Entry(1e4, "m2"),
    "Å": Entry(1e-10, "m"),
    "picosecond": Entry(1e-12, "s"),
    "femtosecond": Entry(1e-15, "s"),
    "picogram": Entry(1e-15, "kg"),
    "attogram": Entry(1e-21, "kg"),
    "dyn": Entry(1e-5, _FORCE),
    "erg": Entry(1e-7, _ENERGY),
    "cP": Entry(1e-3, "kg m-1 s-1"),
    "cSt": Entry(1e-6, "m2 s-1"),
    "%": Entry(1e-2, ""),
    "‰": Entry(1e-3, ""),
    "ppm": Entry(1e-6, ""),
    "ppb": Entry(1e-9, ""),
    # older metric ones
    "kgf": Entry(_GRAVITY, _FORCE),
    "kp": Entry(_GRAVITY, _FORCE),
    "g0": Entry(_GRAVITY, "m s-2"),
    "at": Entry(98066.5, _PRESSURE),
    "atm": Entry(101325.0, _PRESSURE),
    "Torr": _with("m", 101325.0 / 760, _PRESSURE),
    "mmHg": Entry(133.322387415, _PRESSURE),
    "mmH2O": Entry(_GRAVITY, _PRESSURE),
    "cmH2O": Entry(10 * _GRAVITY, _PRESSURE),
    "cal": _with("k", 4.184, _ENERGY),
    "PS": Entry(75 * _GRAVITY, _POWER),
    # American and British ones
    "in": Entry(_INCH, "m"),
    "ft": Entry(12 * _INCH, "m"),
    "yd": Entry(36 * _INCH, "m"),
    "mi": Entry(1609.344, "m"),
    "thou": Entry(_INCH / 1000, "m"),
    "lbm": Entry(_POUND, "kg"),
    "slug": Entry(_POUND_FORCE / (12 * _INCH), "kg"),
    "lbf": Entry(_POUND_FORCE, _FORCE),
    "kip": Entry(1e3 * _POUND_FORCE, _FORCE),
    "psi": Entry(_POUND_FORCE / _INCH**2, _PRESSURE),
    "ksi": Entry(1e3 * _POUND_FORCE / _INCH**2, _PRESSURE),
    "Msi": Entry(1e6 * _POUND_FORCE / _INCH**2, _PRESSURE),
    "psf": Entry(_POUND_FORCE / (12 * _INCH) ** 2, _PRESSURE),
    "inHg": Entry(25.4 * 133.322387415, _PRESSURE),
    "inH2O": Entry(25.4 * _GRAVITY, _PRESSURE),
    "mph": Entry(0.44704, "m s-1"),
    "knot": Entry(1852 / 3600, "m s-1"),
    "cfm": Entry((12 * _INCH) ** 3 / 60, "m3 s-1"),
    "hp": Entry(550 * _POUND_FORCE * 12 * _INCH, _POWER),
    "Btu": Entry(1055.05585262, _ENERGY),
    # with a zero of their own; in a compound, a difference of temperatures
    "degC": Entry(1.0, "K", offset=273.15),
    "degF": Entry(5 / 9, "K", offset=459.67 * 5 / 9),
    "degR": Entry(5 / 9, "K"),
}  # fmt: skip

# What else is written for them; English, German and French words. Also whole expressions that grammar would misread.
_WORDS = {
    "m": "meter meters metre metres Meter mètre mètres",
    "mm": "millimeter millimeters millimetre millimetres Millimeter millimètre millimètres",
    "cm": "centimeter centimeters centimetre centimetres Zentimeter centimètre",
    "km": "kilometer kilometers kilometre kilometres Kilometer",
    "µm": "micron microns micrometer micrometre Mikrometer",
    "kg": "kilogram kilograms kilogramme kilogrammes Kilogramm Kilograms",
    "g": "gram grams gramme grammes Gramm",
    "t": "tonne tonnes Tonne Tonnen",
    "s": "sec secs second seconds Sekunde Sekunden seconde secondes",
    "min": "minute minutes Minute Minuten mn",
    "h": "hr hrs hour hours Std Stunde Stunden heure heures",
    "d": "day days Tag Tage jour jours",
    "K": "kelvin kelvins Kelvin",
    "N": "newton newtons Newton",
    "kN": "kilonewton kilonewtons Kilonewton",
    "Pa": "pascal pascals Pascal pa",
    "kPa": "kilopascal kilopascals",
    "MPa": "megapascal megapascals",
    "GPa": "gigapascal gigapascals",
    "J": "joule joules Joule",
    "W": "watt watts Watt",
    "V": "volt volts Volt",
    "A": "ampere amperes amp amps Ampere",
    "ohm": "Ohm ohms",
    "Hz": "hertz Hertz",
    "mol": "mole moles Mol",
    "l": "liter liters litre litres Liter",
    "rad": "radian radians Radiant radiants",
    "deg": "° degree degrees Grad Deg degré degrés",
    "rev": "revolution revolutions turn turns Umdrehung Umdrehungen tour tours U tr",
    "rpm": "U/min Umin Upm UPM tr/min tr/mn trmin r/min rev/min",
    "rps": "U/s tr/s rev/s",
    "gon": "gons grade grades",
    "%": "percent pct Prozent pourcent vol% Vol% wt%",
    "atm": "atmosphere atmospheres",
    "bar": "bara bar(a) bars",
    "psi": "psia",
    "mmH2O": "mmWS mmWC mmCE",
    "Torr": "torr",
    "in": 'inch inches Zoll zoll pouce pouces "',
    "ft": "foot feet",
    "mi": "mile miles",
    "knot": "knots kts",
    "km/h": "kmh kph km/hr KM/H Km/h",
    "m/s": "mps M/S m/sec",
    "ft/min": "fpm",
    "lbm": "pound_mass",
    "slug": "slugs",
    "hp": "HP bhp",
    "PS": "ch cv",
    "Btu": "BTU btu",
    "kp": "kilopond",
    "cfm": "CFM",
    "l/min": "lpm LPM L/min",
    "m^3/h": "cmh CMH",
    "degC": "C °C celsius Celsius degree_Celsius degrees_Celsius degrees_celsius degree_celsius degreeC deg_C GradC",
    "degF": "°F fahrenheit Fahrenheit degree_Fahrenheit deg_F",
    "degR": "°R rankine Rankine",
    "lbf*ft": "ft-lb ft*lb ftlb ft-lbs ft-lbf ft*lbf ftlbf lb-ft lb*ft lbft lbf-ft lbfft",
    "lbf*in": "in-lb in*lb inlb in-lbs in-lbf in*lbf lb-in lb*in lbin lbf-in",
    "lbm/ft^3": "lb/ft^3 lb/ft3 pcf",
    "lbm/in^3": "lb/in^3 lb/in3",
    "lbm/s": "lb/s lbs/s",
    "lbm/h": "lb/h lb/hr lbs/hr",
    "lbm/min": "lb/min",
    "siemens/m": "S/m",
    "farad/m": "F/m",
    "henry/m": "H/m",
    "Pa*s": "Pas",
    "mPa*s": "mPas",
    "W*s": "Ws",
    "kW*s": "kWs",
    "Å": "angstrom angstroms Angstrom",
    "W*h": "Wh",
    "kW*h": "kWh",
    "MW*h": "MWh",
    "A*h": "Ah",
    "A*s": "As",
    "N*s": "Ns",
    "kgf*m": "kgfm mkg mkp kpm",
    "kgf/cm^2": "ksc",
    "": "- -- 1 none dimensionless unitless ohne dimensionslos",
}  # fmt: skip
SPELLINGS: dict[str, str] = {word: unit for unit, words in _WORDS.items() for word in words.split()}
# Moments without anything between: Nm, kNm, mNm, Ncm, Nmm.
SPELLINGS |= {
    f"{prefix}N{length}": f"{prefix}N*{length}"
    for prefix in ("", "u", "µ", "m", "c", "da", "k", "M", "G")
    for length in ("m", "cm", "mm")
}

_STANDARD = "is a volume at a reference that is not stated; write l/min or m3/h for the volume as it flows, or kg/s"
_GAUGE = "is measured from the air around; write {} (absolute or relative: the same in all cases, and when asking)"
_POUNDS = "may be a force or a mass; write lbf or lbm"
_GALLONS = "may be American or British; write l or m3, l/min or m3/h"
# By spelling: why it is not read, and what to write instead.
REFUSED: dict[str, str] = {
    "F": "may be degrees Fahrenheit or farad; write degF or farad",
    "R": "may be degrees Rankine or a resistance; write degR or ohm",
    "S": "may be seconds or siemens; write s or siemens",
    "H": "may be hours or henry; write h or henry",
    "P": "may be poise or a power; write mPa*s or W",
    "G": "may be gauss or the acceleration of gravity; write T or g0",
    "M": "may be metres, million or mol/l; write m, or mol/l",
    "k": "may be kelvin or thousand; write K, or the whole unit such as kN",
    "'": "may be feet or minutes of arc; write ft or arcmin",
    "grad": "may be degrees or gon (400 to a turn); write deg or gon",
    "kn": "may be kilonewton or knots; write kN or knot",
    "Kn": "may be kilonewton or knots; write kN or knot",
    "kt": "may be knots or kilotonnes; write knot, or t",
    "NM": "may be N*m, nm or nautical miles; write Nm, nm or km",
    "mil": "may be a thousandth of an inch or a millimetre; write thou or mm",
    "mils": "may be a thousandth of an inch or a millimetre; write thou or mm",
    "lb": _POUNDS, "lbs": _POUNDS, "LB": _POUNDS, "LBS": _POUNDS, "pound": _POUNDS, "pounds": _POUNDS,
    "oz": "may be a mass, a force or a volume; write kg, N or l",
    "ton": "may be 1000 kg, 907 kg or 1016 kg; write t for 1000 kg, else kg",
    "tons": "may be 1000 kg, 907 kg or 1016 kg; write t for 1000 kg, else kg",
    "gal": _GALLONS, "gpm": _GALLONS, "GPM": _GALLONS,
    "barg": _GAUGE.format("bar"), "bar(g)": _GAUGE.format("bar"), "barü": _GAUGE.format("bar"),
    "psig": _GAUGE.format("psi"), "Pag": _GAUGE.format("Pa"), "kPag": _GAUGE.format("kPa"),
    **dict.fromkeys(("slpm", "slm", "sccm", "scfm", "SLPM", "SCCM", "Nl/min", "NL/min", "Nm3/h", "Nm^3/h", "Nm3",
                     "Nm^3", "Sm3/h", "Sm^3/h", "nlpm", "NLPM"), _STANDARD),
    "dB": "is a logarithm; write the quantity itself",
    "dBA": "is a logarithm; write the quantity itself",
    "Ma": "is a Mach number, which has no unit; write -",
}  # fmt: skip
# What is offered where nothing is near.
USUAL = "'m', 'mm', 'N', 'MPa', 'm/s' or 'deg'"
