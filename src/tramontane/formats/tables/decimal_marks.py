"""Numbers as people of any country write them: 4,800.0 and 4.800,0 and 4'800.0, with a minus of typesetting."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from tramontane.errors import FormatError

_BLANKS = "\u00a0\u202f\u2009 '’"
_NUMBER = re.compile(
    rf"^(?P<sign>[-+]?)\s?(?P<digits>\d[\d.,{_BLANKS}]*|[.,]\d+)(?P<power>[eEdD][-+]?\d{{1,3}})?(?P<tail>\s*[^\d\s].*)?$"
)
_GROUPS = {mark: re.compile(rf"^\d{{1,3}}(?:{re.escape(mark)}\d{{3}})+$") for mark in ",."}
_BLANK_GROUPS = re.compile(rf"^\d{{1,3}}(?:[{_BLANKS}]\d{{3}})+(?=[.,]|$)")


Rows = list[tuple[int, list[str]]]  # line number and cells


class _Written(NamedTuple):
    """A number as written: what its marks must mean, or ``either`` where one comma or point may be of both kinds."""

    mark: str  # "": whole number; "." and ",": decimal; "either ," and "either .": of thousands or decimal
    thousands: str  # which mark separates thousands for certain
    digits: str


def plain_numbers(file: Path, heads: list[str], rows: Rows, delimiter: str) -> Rows:
    """The lines with every number written plainly, ``-4800.5``, a unit behind it kept.

    What a comma means is told from the whole table, since a spreadsheet writes all numbers one way.

    Args:
        file: For messages.
        heads: Of the columns, for messages.
        rows: Line numbers and cells.
        delimiter: That separates the cells.

    Raises:
        FormatError: Both a comma and a point stand before decimals, or a comma may mean thousands or decimals.
    """
    columns = {place for place in range(len(heads)) if _holds_numbers(rows, place)}
    first: dict[str, str] = {}
    thousands: set[str] = set()
    for number, row in rows:
        for place, cell in enumerate(row):
            written = _read(cell)[0] if place in columns else None
            if written is None:
                continue
            thousands |= {written.thousands} - {""}
            if written.mark and written.mark not in first:
                head = heads[place].strip() if place < len(heads) else str(place + 1)
                first[written.mark] = f"line {number}, column {head!r}: {cell.strip()!r}"
    comma, point = first.get(","), first.get(".")
    if comma and point:
        raise FormatError(f"{file}: {comma} has a decimal comma, {point} a decimal point; write all numbers one way")
    if comma and (other := first.get("either .")) and "." not in thousands:
        raise FormatError(f"{file}: {comma} has a decimal comma, {other} a decimal point; write all numbers one way")
    either = first.get("either ,")
    if either and not comma and not point:
        if (other := first.get("either .")) and "," not in thousands:
            raise FormatError(f"{file}: {either} has a decimal comma, {other} a decimal point; write all numbers one "
                              "way")  # fmt: skip
        if delimiter == "," and "," not in thousands:
            raise FormatError(f"{file}: {either} has a comma; write numbers with a decimal point and without "
                              "separators of thousands")  # fmt: skip
        comma = either if "," not in thousands else None
    elif either and point and delimiter != "," and "," not in thousands:
        raise FormatError(f"{file}: {either} has a decimal comma, {point} a decimal point; write all numbers one way")
    mark = "," if comma else "."
    return [
        (number, [_plain(cell, mark) if place in columns else cell for place, cell in enumerate(row)])
        for number, row in rows
    ]


def as_number(cell: str) -> float | None:
    """The number in a cell without a unit, a decimal comma or point whatever; None where it holds none."""
    written, tail = _read(cell)
    if written is None or tail.strip():
        return None
    mark = "," if written.mark in (",", "either ,") and written.thousands != "," else "."
    return float(_plain(cell, mark))


def _holds_numbers(rows: Rows, place: int) -> bool:
    stated = [row[place] for _, row in rows if place < len(row) and row[place].strip()]
    return 2 * sum(_read(cell)[0] is not None for cell in stated) >= len(stated) > 0


def _ascii(cell: str) -> str:
    text = cell.strip().replace("\u2212", "-").replace("\u2011", "-")
    return re.sub(r"^[–—](?=\s?[\d.,])", "-", text)


def _read(cell: str) -> tuple[_Written | None, str]:
    """A cell's digits and marks, and the unit behind them."""
    match = _NUMBER.match(_ascii(cell))
    if match is None:
        return None, ""
    digits, tail = match["digits"].rstrip(_BLANKS), match["tail"] or ""
    certain = ""
    if any(blank in digits for blank in _BLANKS):
        grouped = _BLANK_GROUPS.match(digits)
        if grouped is None or any(blank in digits[grouped.end() :] for blank in _BLANKS):
            return None, ""
        digits = re.sub(f"[{_BLANKS}]", "", digits)
        certain = " "
    commas, points = digits.count(","), digits.count(".")
    if commas and points:
        decimal = "," if digits.rfind(",") > digits.rfind(".") else "."
        other = "." if decimal == "," else ","
        whole, _, share = digits.rpartition(decimal)
        if decimal in whole or other in share or not _GROUPS[other].match(whole):
            return None, ""
        return _Written(decimal, other, digits), tail
    for mark, count in ((",", commas), (".", points)):
        if count > 1:
            if not _GROUPS[mark].match(digits):
                return None, ""
            return _Written("." if mark == "," else ",", mark, digits), tail
        if count == 1:
            either = certain == "" and _GROUPS[mark].match(digits) and not digits.startswith("0") and not match["power"]
            # A point with three decimals is a decimal point unless the table has decimal commas.
            return _Written(f"either {mark}" if either else mark, "", digits), tail
    return _Written("", "", digits), tail


def _plain(cell: str, mark: str) -> str:
    """A number of a table whose decimal mark is known, with a decimal point; other cells as they are."""
    written, _ = _read(cell)
    if written is None:
        return cell
    match = _NUMBER.match(_ascii(cell))
    assert match is not None
    other = "," if mark == "." else "."
    digits = written.digits.replace(other, "").replace(",", ".")
    power = re.sub("[dD]", "e", match["power"] or "")
    return f"{match['sign']}{digits}{power}{match['tail'] or ''}"
