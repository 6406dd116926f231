"""Single numbers out of the files that a run wrote: JSON, CSV, and lines of numbers under a line of names."""

from __future__ import annotations

import json
import math
from collections.abc import Collection
from pathlib import Path
from typing import Any

from tramontane.errors import FormatError, SolverError
from tramontane.formats.tables.table import QOI, read_head, read_number, read_sheet
from tramontane.solvers.case_folder.config import QoiTable
from tramontane.units import Quantity


def table_numbers(file: Path, names: Collection[str]) -> dict[str, Quantity]:
    """The QoIs of some names in a JSON (its own entries, or those below ``qoi``) or in a CSV's last line.

    Raises:
        FormatError: The file is damaged, or an entry is no number.
        SolverError: A number is not finite.
    """
    if file.suffix.lower() == ".json":
        document = _document(file)
        below = document.get("qoi")
        entries = document | below if isinstance(below, dict) else document
        return {name: _number(file, name, entries[name]) for name in names if name in entries}
    sheet = read_sheet(file)
    heads = [read_head(file, head) for head in sheet.heads]
    found = {}
    for (name, unit), cell in zip(heads, sheet.rows[-1][1], strict=True):
        name = name.removeprefix(QOI)
        if name in names:
            number = _number(file, name, cell)
            found[name] = Quantity(number.value, unit if number.unit is None else number.unit)
    return found


def one_number(file: Path, asked: QoiTable) -> Quantity:
    """The number that a ``[results.qoi.NAME]`` means.

    Raises:
        FormatError: The file is damaged, or does not have that column.
        SolverError: A number is not finite.
    """
    if file.suffix.lower() == ".json":
        value: Any = _document(file)
        for key in str(asked.column).split("."):
            if not isinstance(value, dict) or key not in value:
                raise FormatError(f"{file}: has no {asked.column!r}; correct column in solver.toml")
            value = value[key]
        values, unit = value if isinstance(value, list) else [value], None
    elif file.suffix.lower() in (".csv", ".tsv"):
        sheet = read_sheet(file)
        heads = [read_head(file, head) for head in sheet.heads]
        place = _place(file, [name.removeprefix(QOI) for name, _ in heads], asked.column)
        values, unit = [cells[place] for _, cells in sheet.rows], heads[place][1]
    else:
        names, lines = _columns(file)
        place = _place(file, names, asked.column)
        values, unit = [line[place] for line in lines if place < len(line)], None
    if not values:
        raise FormatError(f"{file}: holds no numbers; see what the program that writes it says")
    numbers = [_number(file, str(asked.column), value) for value in values[-asked.rows :]]
    return Quantity(math.fsum(number.value for number in numbers) / len(numbers), numbers[-1].unit or unit)


def _document(file: Path) -> dict[str, Any]:
    try:
        document = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise FormatError(f"{file}: cannot be read as JSON ({error}); see what writes it") from error
    if not isinstance(document, dict):
        raise FormatError(f"{file}: is no table of names and numbers; write one")
    return document


def _columns(file: Path) -> tuple[list[str], list[list[str]]]:
    """Names and lines of a table whose columns stand apart by blanks; brackets around vectors do not count."""
    names: list[str] = []
    lines: list[list[str]] = []
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise FormatError(f"{file}: cannot be read ({error.strerror}); see what writes it") from error
    for line in text.splitlines():
        if line.lstrip().startswith("#"):
            names = line.lstrip("# \t").split()
        elif line.strip():
            words = line.replace("(", " ").replace(")", " ").split() if names else line.split()
            if not names and not lines and not _is_number(words[0]):
                names = words
            else:
                lines.append(words)
    return names, lines


def _place(file: Path, names: list[str], column: str | int) -> int:
    if isinstance(column, int):
        if column < 1 or (names and column > len(names)):
            raise FormatError(f"{file}: has no column {column}; it has {len(names)}, correct column in solver.toml")
        return column - 1
    if column not in names:
        raise FormatError(f"{file}: has no column {column!r} (it has {', '.join(names) or 'no line of names'}); "
                          "correct column in solver.toml")  # fmt: skip
    return names.index(column)


def _number(file: Path, name: str, value: Any) -> Quantity:
    plain: Any = value.get("value") if isinstance(value, dict) else value
    try:
        finite = math.isfinite(float(plain))
    except (TypeError, ValueError):
        finite = True  # not a bare number: read_number says what it is
    if not finite:
        raise SolverError(f"{file}: {name} is {plain}, and no number; the run diverged, or what writes it failed")
    return read_number(file, name, value)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
