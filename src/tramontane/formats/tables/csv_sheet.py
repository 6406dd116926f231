"""Cells of a CSV as spreadsheets of any country save it: encodings, separators, unit rows, summaries."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tramontane.errors import FormatError, UnitError
from tramontane.formats.tables.decimal_marks import Rows, as_number, plain_numbers
from tramontane.units.text import read_unit

_UNIT_WORDS = ("unit", "units", "einheit", "einheiten", "unité", "unités", "unite", "unites")
_MEAN = ("mean", "average", "avg", "mittelwert", "mittel", "durchschnitt", "moyenne")
_SUM = ("sum", "total", "summe", "gesamt", "somme")
_LEAST, _MOST = ("min", "minimum"), ("max", "maximum")
_SPREAD = ("std", "stdev", "std dev", "standard deviation", "stabw", "standardabweichung", "écart-type", "ecart-type")
_SUMMARIES = {**dict.fromkeys(_MEAN, "mean"), **dict.fromkeys(_SUM, "sum"), **dict.fromkeys(_LEAST, "least"),
              **dict.fromkeys(_MOST, "most"), **dict.fromkeys(_SPREAD, "spread")}  # fmt: skip


class Sheet(NamedTuple):
    """A table as it was written: its headers, number and cells of each line that holds any, and what was made of it."""

    heads: list[str]
    rows: Rows
    notes: tuple[str, ...] = ()


def read_csv(file: Path) -> Sheet:
    """Read a CSV separated by commas, semicolons or tabs; numbers have decimal points afterwards.

    A line below the header that holds units is joined with it; a header that is repeated, a title or a line of merged
    cells above it, and a summary below are left out, with a note.

    Raises:
        FormatError: Not a CSV, no lines, or commas in numbers that mean either of two things.
    """
    notes: list[str] = []
    text = _text(file, notes)
    first, _, rest = text.partition("\n")
    stated = re.fullmatch(r"\s*\"?sep=(.)\"?\s*", first.rstrip("\r"), re.IGNORECASE)
    text = rest if stated else text
    delimiter = stated[1] if stated else _delimiter(text)
    rows: Rows = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    line = 1 + bool(stated)
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append((line, [" ".join(cell.split("\n")).replace("\r", "") if "\n" in cell else cell
                                    for cell in row]))  # fmt: skip
            line = reader.line_num + 1 + bool(stated)
    except csv.Error as error:
        raise FormatError(
            f"{file}: line {line} cannot be read as CSV ({error}); save it as UTF-8 with commas"
        ) from error
    if not rows:
        raise FormatError(f"{file}: has no rows; its first line names the columns, each other line is a case")
    _cut_empty_columns(rows)
    _leave_what_is_above(file, rows, notes)
    (_, heads), body = rows[0], rows[1:]
    repeated = [number for number, row in body if [c.strip() for c in row] == [c.strip() for c in heads]]
    body = [(number, row) for number, row in body if number not in repeated]
    if repeated:
        notes.append(f"{file.name}: line {repeated[0]} repeats the header"
                     + (f", and {len(repeated) - 1} more do" if len(repeated) > 1 else "") + "; left out")  # fmt: skip
    heads, body = _with_units_row(file, heads, body, notes)
    body = plain_numbers(file, heads, body, delimiter)
    return Sheet(heads, _without_summary(file, body, notes), tuple(notes))


def _text(file: Path, notes: list[str]) -> str:
    """The file's text, in any encoding that spreadsheets write."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise FormatError(f"{file}: cannot be read as CSV ({error}); check the path") from error
    if data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise FormatError(f"{file}: {WORKBOOK}")
    try:
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            return data.decode("utf-16")
        if b"\x00" in data:
            raise FormatError(f"{file}: cannot be read as CSV (it holds bytes that are no text); save it as UTF-8 with "
                              "commas")  # fmt: skip
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        notes.append(f"{file.name}: is no UTF-8; read as Windows' Western European encoding (cp1252)")
        return data.decode("cp1252", "replace")


WORKBOOK = "is a workbook of a spreadsheet; save the sheet with the designs as CSV (UTF-8), one line of headers on top"


def _delimiter(text: str) -> str:
    """What stands most often in the first line that has any, outside quotes."""
    for line in text.splitlines()[:20]:
        bare = re.sub(r'"[^"]*"?', "", line)
        commonest = max(",;\t|", key=bare.count)
        if bare.count(commonest):
            return commonest
    return ","


def _cut_empty_columns(rows: Rows) -> None:
    """Cut the columns at the right that a comma at the lines' ends makes: nothing stands in them, head included."""
    width = max(max((place + 1 for place, cell in enumerate(row) if cell.strip()), default=0) for _, row in rows)
    for _, row in rows:
        del row[width:]
    head = rows[0][1]
    widest = len(head)
    while widest and not head[widest - 1].strip() and all(not "".join(row[widest - 1 :]).strip() for _, row in rows):
        widest -= 1
    for _, row in rows:
        if len(row) > widest and not "".join(row[widest:]).strip():
            del row[widest:]


def _leave_what_is_above(file: Path, rows: Rows, notes: list[str]) -> None:
    """Leave out a title above the header, and the line of merged cells that groups columns."""
    while len(rows) > 2:
        (line, first), (_, second) = rows[0], rows[1]
        named, below = [c for c in first if c.strip()], [c for c in second if c.strip()]
        words = below and not any(as_number(cell) for cell in below)
        wider = len(below) > 1 and words
        comments = len(below) == 1 and any(sum(map(bool, row)) > 1 for _, row in rows[2:])
        title = len(named) == 1 and (wider or comments) and as_number(first[0]) is None
        merged = (
            len(first) > 2
            and any(not cell.strip() for cell in first[1:])
            and words
            and len(below) == len(second) >= len(first) > len(named)
            and len(set(below)) == len(below)
            and not _is_units_row(second)
        )
        if not title and not merged:
            return
        what = "a title" if title else "merged cells"
        notes.append(f"{file.name}: line {line} ({', '.join(named)}) is taken for {what} above the header; left out")
        width = len(second)
        del rows[0]
        for _, row in rows:  # a title is one cell wide, and nothing was cut with it
            row += [""] * (width - len(row))


def _is_units_row(row: Sequence[str]) -> bool:
    """Whether cells are units: at least half of those that hold something, no number among them."""
    stated = [cell.strip() for cell in row[1:] if cell.strip()]
    label = row[0].strip()
    if label and label.strip("[]() ").lower() not in _UNIT_WORDS:
        stated.insert(0, label)
    if not stated or any(as_number(cell) is not None for cell in stated if cell != "1"):
        return False
    good = [cell for cell in stated if _unit(cell) is not None]
    return 2 * len(good) >= len(stated) and any(_unit(cell) for cell in good)


def _unit(cell: str) -> str | None:
    """A cell's unit; empty where it says that there is none, and for one that is refused; None where it is no unit."""
    text = cell.strip().strip("[]").strip()
    try:
        return read_unit(text).text if text else ""
    except UnitError as error:
        return None if "is not known" in str(error) else text


def _with_units_row(file: Path, heads: list[str], body: Rows, notes: list[str]) -> tuple[list[str], Rows]:
    """Headers with the units of the line below them, where that holds units."""
    if not body or not _is_units_row(body[0][1]) or len(body[0][1]) != len(heads):
        return heads, body
    line, row = body[0]
    joined = []
    for place, (head, cell) in enumerate(zip(heads, row, strict=True)):
        unit = cell.strip().strip("[]").strip()
        if not unit or (place == 0 and unit.lower() in _UNIT_WORDS):
            joined.append(head)
        elif re.search(r"[\[(].*[\])]\s*$", head):
            raise FormatError(f"{file}: line {line} holds units, and so does the header of column {head.strip()!r}; "
                              "keep one of the two")  # fmt: skip
        else:
            joined.append(f"{head.strip()} [{unit}]")
    notes.append(f"{file.name}: line {line} holds the units of the columns")
    return joined, body[1:]


def _without_summary(file: Path, body: Rows, notes: list[str]) -> Rows:
    """Lines without those at the end that sum the others up, where their numbers say so, too."""
    while len(body) > 3:
        line, row = body[-1]
        label = next((cell.strip() for cell in row if cell.strip()), "")
        kind = _SUMMARIES.get(label.rstrip(":.").lower())
        end = len(body) - 1
        while kind and end > 1 and any(cell.strip().rstrip(":.").lower() in _SUMMARIES for cell in body[end - 1][1]):
            end -= 1  # Mean, Min, Max below each other: each is of what stands above all
        if kind is None or not _sums_up(kind, row, [cells for _, cells in body[:end]]):
            return body
        notes.append(f"{file.name}: line {line} ({label}) sums up the lines above it; left out")
        body = body[:-1]
    return body


def _sums_up(kind: str, row: Sequence[str], above: Sequence[Sequence[str]]) -> bool:
    """Whether most numbers of a line are what its label says of those above."""
    right = wrong = 0
    for place, cell in enumerate(row):
        number = as_number(cell)
        column = [value for cells in above if place < len(cells) and (value := as_number(cells[place])) is not None]
        if number is None or len(column) < 2:
            continue
        mean = math.fsum(column) / len(column)
        spread = math.sqrt(math.fsum((value - mean) ** 2 for value in column) / (len(column) - 1))
        expected = {"mean": mean, "sum": math.fsum(column), "least": min(column), "most": max(column),
                    "spread": spread}[kind]  # fmt: skip
        near = abs(number - expected) <= 0.02 * max(abs(expected), 1e-300) + 1e-9 * max(map(abs, column))
        right, wrong = right + near, wrong + (not near)
    return right > wrong
