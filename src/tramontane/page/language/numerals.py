"""Numbers and dates as a language writes them, and numbers as people type them in any of these ways."""

from __future__ import annotations

import math
import re
import time
import unicodedata

from tramontane.errors import TramontaneError, UnitError
from tramontane.page.language import readable_units
from tramontane.units import Quantity, from_si, to_si

_COMMA = ("fr", "de")
_NARROW = "\u202f"
"""Between groups of three digits in French and German (ISO 80000-1, DIN 1333): a point there could be a decimal one."""
_DATES = {"en": "%Y-%m-%d %H:%M", "fr": "%d/%m/%Y %H:%M", "de": "%d.%m.%Y %H:%M", "zh": "%Y-%m-%d %H:%M"}
_TYPED = re.compile(r"([+-]?(?:\d[\d.,' ]*|[.,]\d+)(?:[eE][+-]?\d+)?)\s*(.*)", re.DOTALL)
_GROUPED = re.compile(r"\d{1,3}([ '.,])\d{3}(?:\1\d{3})*")


class UnreadError(TramontaneError):
    """What was typed is no number, or could be two.

    Attributes:
        key: Of the message in ``words.toml``.
        values: Of that message.
    """

    def __init__(self, key: str, **values: str) -> None:
        super().__init__(f"{key}: {values}")
        self.key, self.values = key, values


class Numerals:
    """Numbers in one language.

    Args:
        language: As in ``words.toml``.
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self.decimal = "," if language in _COMMA else "."

    def local(self, plain: str) -> str:
        """A number that Python wrote, with this language's decimal mark."""
        return plain.replace(".", self.decimal)

    def number(self, value: float | None, digits: int = 4) -> str:
        """A number with so many digits; a dash where there is none."""
        return self.local(readable_units.number(value, digits))

    def editable(self, value: float) -> str:
        """A number as it stands in a field in which it can be changed."""
        return self.local(f"{value:.6g}")

    def count(self, value: int) -> str:
        """A whole number, its digits in groups of three."""
        return f"{value:,}".replace(",", _NARROW if self.language in _COMMA else ",")

    def share(self, value: float) -> str:
        """A share in percent; a dash where there is none."""
        if not math.isfinite(value):
            return "–"
        return self.local(f"{100 * value:.1f} %")

    def when(self, seconds: float) -> str:
        """A moment (Unix time) by this machine's clock."""
        return time.strftime(_DATES[self.language], time.localtime(seconds))

    def read(self, text: str, *, unit: str = "", name: str = "") -> float:
        """A number that somebody typed: ``0.3``, ``0,3``, ``1 234,5``, or with a unit of its own, ``0,3 kN``.

        This language's decimal mark is always one. The other mark is one as well, unless three digits follow it: that
        may be a thousand, and is asked about.

        Args:
            text: As typed.
            unit: In which the number is meant and returned.
            name: Of the input, for the message about a wrong unit.

        Raises:
            UnreadError: It is no number, could be two, or its unit is of another dimension.
        """
        plain = re.sub(r"\s", " ", unicodedata.normalize("NFKC", text)).replace("\u2212", "-").replace("’", "'").strip()
        match = _TYPED.fullmatch(plain)
        if match is None:
            raise UnreadError("number.none", text=text.strip())
        value = self._value(match[1].strip(), text.strip())
        if match[2] and match[2] != unit:
            try:
                value = from_si(to_si(Quantity(value, match[2]), unit=unit, name=name), unit)
            except UnitError as error:
                raise UnreadError("number.unit", text=text.strip(), unit=unit or "–") from error
        return value

    def _value(self, written: str, text: str) -> float:
        mantissa, exponent, power = re.fullmatch(r"([^eE]*)([eE]?)(.*)", written).groups()  # type: ignore[union-attr]
        sign = "-" if mantissa.startswith("-") else ""
        digits = mantissa.lstrip("+-")
        marks = [mark for mark in digits if mark in ".,"]
        whole, part = digits, ""
        if len(marks) == 1:
            whole, part = digits.split(marks[0])
            other = marks[0] != self.decimal
            if other and re.fullmatch(r"[1-9]\d{0,2}", whole) and re.fullmatch(r"\d{3}", part) and not exponent:
                raise UnreadError("number.ambiguous", text=text, one=f"{sign}{whole}{part}",
                                  other=f"{sign}{whole}{self.decimal}{part}")  # fmt: skip
        elif len(set(marks)) == 2 and marks.count(marks[-1]) == 1:
            whole, part = digits.rsplit(marks[-1], 1)
        if not whole.isdigit() and whole:
            if not _GROUPED.fullmatch(whole):
                raise UnreadError("number.none", text=text)
            whole = re.sub(r"\D", "", whole)
        if not (part.isdigit() or not part) or not whole + part:
            raise UnreadError("number.none", text=text)
        value = float(f"{sign}{whole or 0}.{part or 0}{exponent}{power}")
        if not math.isfinite(value):
            raise UnreadError("number.none", text=text)
        return value
