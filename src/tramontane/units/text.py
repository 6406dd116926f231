"""Reads a unit as people write it: ``kg/m3``, ``N·m``, ``W/mK``, ``U/min``, ``m s-1``."""

from __future__ import annotations

import difflib
import functools
import math
import re
from dataclasses import dataclass
from fractions import Fraction

from tramontane.errors import UnitError
from tramontane.units.table import FORCES, PREFIXES, REFUSED, SPELLINGS, UNITS, USUAL, Entry

_LONGEST = 60  # letters of a unit
_HIGHEST = 20  # power
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_LIKE = {
    "\xa0": " ", "\u202f": " ", "μ": "µ", "º": "°", "˚": "°", "\u2126": "Ω", "−": "-", "–": "-", "—": "-", "″": '"',
    "''": '"', "′": "'", "℃": "°C", "℉": "°F", "**": "^", "÷": "/",
}  # fmt: skip
_RAISED = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺]+")
_LETTERS = r"[A-Za-zµΩÅ°%‰\"'äöüÄÖÜàâéèêëîïôùûç_]"
_TOKEN = re.compile(
    rf"\s*(?:(?P<symbol>(?:mm|cm|in)H2O|{_LETTERS}+(?:\([ag]\))?|g0|1(?![\d.]))"
    r"|(?P<power>\^\s*(?:\(\s*[-+]?\d{1,3}(?:\s*/\s*\d{1,2}|\.\d+)?\s*\)|[-+]?\d{1,3}(?:\.\d+)?)|[-+]?\d{1,2}(?![\d.]))"
    r"|(?P<sign>[*/()]))"
)
# What stands below one line without brackets: W/mK, J/kg K, W/m2*K. Nobody multiplies such a quotient by kelvin.
_PER_KELVIN = re.compile(r"/\s*((?:k?g|k?mol|m|cm|mm)(?:\^?[23])?)\s*[* ]?\s*(K|°C|degC|C)$")


@dataclass(frozen=True)
class Unit:
    """What a text means: SI value is ``factor * number + offset``.

    Attributes:
        factor: SI units in one of it.
        offset: Its zero, SI.
        powers: Exponent of each SI base unit (``kg``, ``m``, ``s``, ``K``, ``A``, ``mol``, ``cd`` and ``rad``).
        moment: Whether it is a force times a length, which is a moment though its dimension is an energy's.
        text: How it is written here.
    """

    factor: float
    offset: float
    powers: tuple[tuple[str, Fraction], ...]
    moment: bool
    text: str


@functools.lru_cache(maxsize=4096)
def read_unit(text: str) -> Unit:
    """What a unit's spelling means.

    Args:
        text: As written; empty, ``-`` and ``1`` for a plain number.

    Raises:
        UnitError: It is not known, or may mean two things; what to write instead is said.
    """
    plain = normal(text)
    if len(plain) > _LONGEST:
        raise _unknown(text)
    for spelling in (plain, plain.replace(" ", "")):
        if spelling in REFUSED:
            raise UnitError(f"unit {text!r} {REFUSED[spelling]}")
        if spelling in SPELLINGS:
            return _parsed(SPELLINGS[spelling], text)
    return _parsed(_PER_KELVIN.sub(r"/(\1*K)", plain), text)


def normal(text: str) -> str:
    """A spelling in ASCII as far as there is one, powers as ``m^2``, products as ``N*m``."""
    plain = _RAISED.sub(lambda raised: "^" + raised[0].translate(_SUPERSCRIPTS), text.strip())
    for variant, written in _LIKE.items():
        plain = plain.replace(variant, written)
    plain = re.sub(r"\s*[·⋅×∙•]\s*", "*", plain)
    plain = re.sub(r"√\s*([A-Za-zµ]+)", r"*\1^0.5", plain)
    plain = re.sub(r"(?<=[^\W\d_])\s+per\s+(?=[^\W\d_])", "/", plain)
    plain = re.sub(r"(?<=[^\W\d_])[.](?=[^\W\d_])", "*", plain)  # N.m
    plain = re.sub(r"(?<=[\d^\w])[.](?=[A-Za-zµ])", "*", plain)  # m2.s
    plain = re.sub(r"\s*([*/^()])\s*", r"\1", plain)
    return re.sub(r"\s+", " ", plain)


@functools.lru_cache(maxsize=4096)
def _parsed(plain: str, text: str) -> Unit:
    """The unit of a normal spelling; ``text`` is what was written, for messages."""
    if not plain:
        return Unit(1.0, 0.0, (), False, "")
    symbol = UNITS.get(plain)
    if symbol is not None:
        return Unit(symbol.factor, symbol.offset, _base(symbol.base), False, plain)
    parser = _Parser(plain, text)
    factor, powers, forces = parser.product()
    if parser.place < len(parser.tokens):
        raise _unknown(text)
    if not (0 < factor < math.inf) or any(abs(power) > _HIGHEST for power in powers.values()):
        raise _unknown(text)
    if math.isclose(rounded := float(f"{factor:.12g}"), factor, rel_tol=2e-15):
        factor = rounded  # t/mm^3 is 1e12, not what products of floats make of it
    kept = tuple((base, power) for base, power in powers.items() if power)
    energy = {base: power for base, power in kept if base != "rad"} == {"kg": 1, "m": 2, "s": -2}
    return Unit(factor, 0.0, kept, energy and forces == 1, _written(parser))


class _Parser:
    """Recursive descent over ``factor ((* | / | blank | -) factor)*`` with powers and brackets."""

    def __init__(self, plain: str, text: str) -> None:
        self.text, self.place = text, 0
        self.tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(plain):
            if plain[at] == "-" and self.tokens and re.match(r"-[A-Za-zµ°]", plain[at:]):  # N-m, lbf-ft
                self.tokens.append(("sign", "*"))
                at += 1
                continue
            match = _TOKEN.match(plain, at)
            if match is None:
                raise _unknown(text)
            kind = str(match.lastgroup)
            # "m s": a blank is a product; but a power belongs to what stands right before it.
            if kind == "power" and (plain[at] == " " or not self.tokens or self.tokens[-1][0] == "power"):
                raise _unknown(text)
            self.tokens.append((kind, match[kind]))
            at = match.end()

    def _next(self) -> tuple[str, str]:
        return self.tokens[self.place] if self.place < len(self.tokens) else ("end", "")

    def product(self) -> tuple[float, dict[str, Fraction], int]:
        factor, powers, forces = self._power()
        divided = False
        while (token := self._next())[0] != "end" and token != ("sign", ")"):
            over = token == ("sign", "/")
            if token in (("sign", "*"), ("sign", "/")):
                self.place += 1
            if divided and not over:
                raise UnitError(f"unit {self.text!r} may be read in two ways; write brackets around all that stands "
                                "below the line, such as kg/(m*s)")  # fmt: skip
            divided = divided or over
            more, of, force = self._power()
            factor = factor / more if over else factor * more
            forces += -force if over else force
            for base, power in of.items():
                powers[base] = powers.get(base, Fraction(0)) + (-power if over else power)
        return factor, powers, forces

    def _power(self) -> tuple[float, dict[str, Fraction], int]:
        kind, token = self._next()
        self.place += 1
        if (kind, token) == ("sign", "("):
            factor, powers, forces = self.product()
            if self._next() != ("sign", ")"):
                raise _unknown(self.text)
            self.place += 1
        elif kind == "symbol":
            factor, powers, forces = _symbol(token, self.text)
        else:
            raise _unknown(self.text)
        word = token if kind == "symbol" else ""
        kind, token = self._next()
        if kind != "power":
            return factor, powers, forces
        if word and len(powers) > 1 and word not in symbols():  # Nm2 is no (N*m)^2, mps2 no (m/s)^2
            raise _unknown(self.text)
        self.place += 1
        power = Fraction(re.sub(r"[\s^()]", "", token))
        if abs(power) > _HIGHEST:
            raise _unknown(self.text)
        try:
            factor = factor ** float(power)
        except OverflowError:
            raise _unknown(self.text) from None
        return factor, {base: each * power for base, each in powers.items()}, int(forces * power)


def _symbol(symbol: str, text: str) -> tuple[float, dict[str, Fraction], int]:
    """Factor and powers of one word; whether it is a force."""
    if symbol == "1":
        return 1.0, {}, 0
    if symbol in REFUSED:
        raise UnitError(f"unit {text!r}: {symbol} {REFUSED[symbol]}")
    if symbol in SPELLINGS:
        unit = _parsed(SPELLINGS[symbol], text)
        return unit.factor, dict(unit.powers), int(unit.moment or SPELLINGS[symbol] in _FORCE_SYMBOLS)
    entry = symbols().get(symbol)
    if entry is None:
        entry, symbol = _whatever_the_case(symbol, text)
        if symbol in SPELLINGS:
            return _symbol(symbol, text)
    return entry.factor, dict(_base(entry.base)), int(symbol in _FORCE_SYMBOLS)


def _whatever_the_case(symbol: str, text: str) -> tuple[Entry, str]:
    """The one unit that is spelled so in capitals or small letters; two letters or more."""
    alike = {spelling: entry for spelling, entry in symbols().items() if spelling.casefold() == symbol.casefold()}
    alike |= {spelling: Entry(unit.factor, _text(unit.powers)) for spelling, to in SPELLINGS.items()
              if spelling.casefold() == symbol.casefold() for unit in [_parsed(to, text)]}  # fmt: skip
    if symbol.startswith("M") and (
        mega := {spelling: entry for spelling, entry in alike.items() if spelling[0] == "M"}
    ):
        alike = mega  # MPA is MPa; of mpa nobody knows
    values = {(entry.factor, entry.base) for entry in alike.values()}
    if len(symbol) > 1 and len(values) == 1:
        spelling, entry = next(iter(alike.items()))
        return entry, spelling
    if len(symbol) > 1 and len(values) > 1:
        raise UnitError(f"unit {text!r} may be {' or '.join(sorted(alike))}; write the one that is meant")
    raise _unknown(text)


@functools.cache
def symbols() -> dict[str, Entry]:
    """Every symbol, with and without prefixes."""
    table = dict(UNITS)
    for symbol, entry in UNITS.items():
        for prefix in entry.prefixes:
            table.setdefault(prefix + symbol, Entry(PREFIXES[prefix] * entry.factor, entry.base))
    table["kg"] = Entry(1.0, "kg")
    return table


@functools.cache
def _base(text: str) -> tuple[tuple[str, Fraction], ...]:
    """Powers of base units from ``kg m-1 s-2``."""
    pairs = [re.fullmatch(r"([a-zA-Z]+)(-?\d+)?", each) for each in text.split()]
    return tuple((pair[1], Fraction(pair[2] or 1)) for pair in pairs if pair is not None)


def _text(powers: tuple[tuple[str, Fraction], ...]) -> str:
    return " ".join(base if power == 1 else f"{base}{power}" for base, power in powers)


def _written(parser: _Parser) -> str:
    """The unit as its tokens, one way of writing."""
    parts: list[str] = []
    for kind, token in parser.tokens:
        before = parts[-1] if parts else ""
        if kind == "power":
            parts.append("^" + token.removeprefix("^"))
        else:
            if parts and (kind == "symbol" or token == "(") and before not in ("*", "/", "("):
                parts.append("*")
            parts.append(_shown(token) if kind == "symbol" else token)
    return "".join(parts)


def _shown(symbol: str) -> str:
    """A symbol's own spelling; a word for a compound stays in brackets."""
    if symbol == "1":
        return symbol
    if symbol not in SPELLINGS and symbol not in symbols():
        symbol = _whatever_the_case(symbol, symbol)[1]
    shown = SPELLINGS.get(symbol, symbol)
    return shown if re.fullmatch(r"[^*/^]*", shown) else f"({shown})"


def _unknown(text: str) -> UnitError:
    plain = normal(text)
    candidates = {**{each: each for each in symbols()}, **{each: each for each in SPELLINGS},
             **{each: each for each in _COMPOUNDS}}  # fmt: skip
    near = difflib.get_close_matches(plain, candidates, n=1, cutoff=0.6) if len(plain) <= _LONGEST else []
    near = near or [each for each in candidates if each.casefold() == plain.casefold()][:1]
    hint = f"did you mean {near[0]!r}?" if near else f"write one such as {USUAL}"
    return UnitError(f"unit {text!r} is not known; {hint}")


_COMPOUNDS = ("m/s", "km/h", "m/s^2", "kg/m^3", "N/mm^2", "N/mm", "kN/m", "W/(m*K)", "J/(kg*K)", "W/(m^2*K)", "m^2",
              "m^3", "mm^2", "mm^3", "m^2/s", "kg/s", "l/min", "m^3/h", "rad/s", "Pa*s", "1/s", "W/m^2")  # fmt: skip
_FORCE_SYMBOLS = frozenset(
    prefix + force for force in FORCES for prefix in ("", *UNITS[force].prefixes) if prefix + force in symbols()
)
