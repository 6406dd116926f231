"""A CSV of parameters and QoIs for a whole folder of cases."""

from __future__ import annotations

import csv
import math
import os
import re
from pathlib import Path
from typing import Any

from tramontane.errors import FormatError, UnitError
from tramontane.units import Quantity, parse_quantity, si_factor

Table = dict[str, dict[str, Quantity]]
QOI = "qoi."
_HEADER = re.compile(r"^\s*(?:(qoi)[.:]\s*)?(.*?)\s*(?:[\[(]\s*([^\])]*?)\s*[\])])?\s*$", re.IGNORECASE)


def read_table(root: str | os.PathLike[str]) -> Table:
    """Read the parameters and QoIs of a folder's cases from the CSV files in it.

    The first column names the case, one line a case. A header may carry a unit, ``load [N]``, and says ``qoi:`` before
    what is a result. Several files are joined by case.

    Args:
        root: The folder of cases.

    Returns:
        By case and name, what was written; a QoI's name starts with ``qoi.``. Empty where there is no CSV.

    Raises:
        FormatError: Not a CSV, a line of the wrong length, a case or a column twice, or an entry that is no number.
    """
    folder, table = Path(root), Table()
    for file in sorted(folder.glob("*.csv")):
        for case, entries in _read_file(file).items():
            known = table.setdefault(case, {})
            if twice := sorted(set(known) & set(entries)):
                raise FormatError(f"{file}: {twice[0]} of case {case} stands in another CSV file, too; keep one")
            known |= entries
    beside = list(folder.iterdir()) if table else []
    names = (
        {entry.name for entry in beside if entry.is_dir()}
        | {entry.name.split(".")[0] for entry in beside}
        | {entry.stem for entry in beside}
    )
    if names and not names & set(table):
        raise FormatError(f"{folder}: the CSV files name no case of this folder (the first is {next(iter(table))!r}); "
                          "write the names of the cases' folders in the first column, or move the files")  # fmt: skip
    return table


def read_number(where: object, name: str, value: Any) -> Quantity:
    """A number as a person wrote it: bare, ``"500 N"``, or ``{"value": 500, "unit": "N"}``.

    Raises:
        FormatError: It is none, is not finite, or its unit is unknown; ``where`` and ``name`` are said.
    """
    stated = value if isinstance(value, dict) else {"value": value}
    number, unit = stated.get("value"), stated.get("unit")
    if isinstance(number, bool) or not isinstance(number, (int, float, str)) or not isinstance(unit, (str, type(None))):
        raise FormatError(f'{where}: {name} = {value!r} is no number; write one, or {{"value": 1.0, "unit": "N"}}')
    try:
        quantity = parse_quantity(number, name=name)
        si_factor(unit or "")
    except (UnitError, OverflowError) as error:
        raise FormatError(f"{where}: {error}") from error
    if not math.isfinite(quantity.value):
        raise FormatError(f"{where}: {name} is {quantity.value}; write a finite number, or leave the case out")
    return Quantity(quantity.value, quantity.unit if unit is None else unit)


def _read_file(file: Path) -> Table:
    try:
        text = file.read_text(encoding="utf-8-sig")
        first = text.split("\n", 1)[0]
        rows = list(csv.reader(text.splitlines(), delimiter=max(",;\t", key=first.count)))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FormatError(f"{file}: cannot be read as CSV ({error}); save it as UTF-8 with commas") from error
    lines = [(number, row) for number, row in enumerate(rows, start=1) if any(cell.strip() for cell in row)]
    if len(lines) < 2:
        raise FormatError(f"{file}: has no rows; its first line names the columns, each other line is a case")
    columns = [_column(file, head) for head in lines[0][1][1:]]
    table: Table = {}
    for number, row in lines[1:]:
        if len(row) != len(columns) + 1:
            raise FormatError(f"{file}: line {number} has {len(row)} columns, the first line {len(columns) + 1}; "
                              "make them agree")  # fmt: skip
        if (case := row[0].strip()) in table:
            raise FormatError(f"{file}: line {number} is the second one of case {case}; keep one")
        table[case] = {}
        for (name, unit), cell in zip(columns, row[1:], strict=True):
            if name in table[case]:
                raise FormatError(f"{file}: has two columns {name}; rename one")
            if cell.strip():
                found = read_number(file, f"line {number}, {name}", cell)
                table[case][name] = Quantity(found.value, found.unit or unit)
    return table


def _column(file: Path, head: str) -> tuple[str, str | None]:
    """Name, with ``qoi.`` before that of a result, and unit of a column."""
    match = _HEADER.match(head)
    if match is None or not match[2]:
        raise FormatError(f"{file}: has a column without a name; write one in the first line")
    try:
        si_factor(match[3] or "")
    except UnitError as error:
        raise FormatError(f"{file}: column {head.strip()!r}: {error}") from error
    return (QOI if match[1] else "") + match[2], match[3]
