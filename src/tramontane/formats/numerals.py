"""Numbers as Fortran prints them: ``1.5D+03``, and ``1.5-103`` where an exponent of three digits has no letter."""

from __future__ import annotations

import re

# An exponent's letter that Python does not know, and an exponent without any.
_LETTER = re.compile(r"(?<=[\d.])[dDqQ](?=[-+]?\d)")
_NO_LETTER = re.compile(r"(?<![eE\d.])((?:\d+\.?\d*|\.\d+))(?=[-+]\d{3}(?!\d))")


def real(text: str) -> float:
    """A number in Fortran's ways of writing it.

    Raises:
        ValueError: It is none.
    """
    try:
        return float(text)
    except ValueError:
        return float(plain(text))


def plain(text: str) -> str:
    """A text whose numbers are as C and Python write them."""
    return _NO_LETTER.sub(r"\1e", _LETTER.sub("e", text))
