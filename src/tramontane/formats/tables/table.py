"""Tables of parameters and QoIs: rows of cells from CSV and Parquet, and a CSV for a whole folder of cases."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from typing import Any

from tramontane.errors import FormatError, UnitError
from tramontane.formats.tables.csv_sheet import Sheet, read_csv
from tramontane.units import Quantity, one_style, parse_quantity, unit_in_name

Table = dict[str, dict[str, Quantity]]
QOI = "qoi."
SUFFIXES = (".csv", ".tsv", ".parquet")
_MOST_CELLS = 10**8  # of a Parquet file; what it says of itself is asked before it is read
MESHES_IN_PARQUET = (
    "holds samples as bytes or lists, as Hugging Face delivers PLAID sets, not a table of numbers; write it out as "
    "files with PLAID (plaid.storage.save_to_disk(..., backend='cgns'), Dataset._save_to_dir_ of its first versions) "
    "and name that folder"
)
WORKBOOKS = (".xlsx", ".xlsm", ".xls", ".ods")
_RESULT = re.compile(r"qoi[.:]\s*", re.IGNORECASE)
_TRAILING = re.compile(r"^(.*\S)(?:\s+in\s+|\s*,\s*|\s+/\s+)([^\s\d]\S*)$")


def read_sheet(file: Path) -> Sheet:
    """Read a CSV (see `read_csv`) or a Parquet file.

    Raises:
        FormatError: Not such a file, a line of the wrong length, no lines, or commas in numbers that mean either of two
            things.
    """
    sheet = _read_parquet(file) if file.suffix.lower() == ".parquet" else read_csv(file)
    if not sheet.rows:
        raise FormatError(f"{file}: has no rows; its first line names the columns, each other line is a case")
    for number, row in sheet.rows:
        if len(row) != len(sheet.heads):
            raise FormatError(f"{file}: line {number} has {len(row)} columns, the first line {len(sheet.heads)}; "
                              "make them agree")  # fmt: skip
    return sheet


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
            row = table.setdefault(case, {})
            if twice := sorted(set(row) & set(entries)):
                raise FormatError(f"{file}: {twice[0]} of case {case} stands in another CSV file, too; keep one")
            row |= entries
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


def read_number(file: object, name: str, value: Any) -> Quantity:
    """A number as a person wrote it: bare, ``"500 N"``, or ``{"value": 500, "unit": "N"}``.

    Raises:
        FormatError: It is none, is not finite, or its unit is unknown; ``file`` and ``name`` are said.
    """
    stated = value if isinstance(value, dict) else {"value": value}
    number, unit = stated.get("value"), stated.get("unit")
    if isinstance(number, bool) or not isinstance(number, (int, float, str)) or not isinstance(unit, (str, type(None))):
        raise FormatError(f'{file}: {name} = {value!r} is no number; write one, or {{"value": 1.0, "unit": "N"}}')
    try:
        quantity = parse_quantity(number, name=name)
        unit = None if unit is None else one_style(unit)
    except (UnitError, OverflowError) as error:
        raise FormatError(f"{file}: {error}") from error
    if not math.isfinite(quantity.value):
        raise FormatError(f"{file}: {name} is {quantity.value}; write a finite number, or leave the case out")
    return Quantity(quantity.value, quantity.unit if unit is None else unit)


def _read_file(file: Path) -> Table:
    sheet = read_sheet(file)
    columns = [read_head(file, head) for head in sheet.heads[1:]]
    table: Table = {}
    for number, row in sheet.rows:
        if (case := row[0].strip()) in table:
            raise FormatError(f"{file}: line {number} is the second one of case {case}; keep one")
        table[case] = {}
        for (name, unit), cell in zip(columns, row[1:], strict=True):
            if name in table[case]:
                raise FormatError(f"{file}: has two columns {name}; rename one")
            if cell.strip():
                quantity = read_number(file, f"line {number}, {name}", cell)
                table[case][name] = Quantity(quantity.value, quantity.unit or unit)
    return table


def _read_parquet(file: Path) -> Sheet:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise FormatError(f'{file}: needs pyarrow; `pip install "tramontane[parquet]"`, or save it as CSV') from error
    try:
        with pq.ParquetFile(file) as opened:
            metadata = opened.metadata
            if metadata.num_rows * metadata.num_columns > _MOST_CELLS:
                raise FormatError(f"{file}: has {metadata.num_rows} lines of {metadata.num_columns} columns, more than "
                                  "a table of designs has; take out what is not needed")  # fmt: skip
            bytes_or_lists = pa.types.is_nested, pa.types.is_binary, pa.types.is_large_binary
            if any(of_kind(field.type) for field in opened.schema_arrow for of_kind in bytes_or_lists):
                raise FormatError(f"{file}: {MESHES_IN_PARQUET}")
            read = opened.read()
        heads, columns = list(read.column_names), [column.to_pylist() for column in read.columns]
    except (OSError, ValueError, pa.ArrowException) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise FormatError(f"{file}: cannot be read as Parquet ({reason}); write or copy it again") from error
    rows = [(number, [_cell(value) for value in row]) for number, row in enumerate(zip(*columns, strict=True), start=2)]
    return Sheet([str(head) for head in heads], [(number, row) for number, row in rows if any(row)])


def _cell(value: Any) -> str:
    """A value as a person would have written it in a CSV."""
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, bool) else str(value)


def read_head(file: Path, head: str) -> tuple[str, str | None]:
    """Name, with ``qoi.`` before that of a result, and unit of a column.

    A unit stands in brackets behind the name, or as engineers write it: ``speed in m/s``, ``speed / (m/s)``,
    ``speed, m/s``.

    Raises:
        FormatError: It has no name, or an unknown unit.
    """
    text = head.strip()
    result = _RESULT.match(text)
    text = text[result.end() :] if result else text
    name, unit = _bracketed(text)
    if unit is None:
        name, unit = _trailing(text)
    if not name:
        raise FormatError(f"{file}: has a column without a name; write one in the first line")
    try:
        unit = None if unit is None else one_style(unit)
    except UnitError as error:
        raise FormatError(f"{file}: column {head.strip()!r}: {error}") from error
    return (QOI if result else "") + name, unit


def _bracketed(text: str) -> tuple[str, str | None]:
    """A name and what stands in the last brackets behind it."""
    pairs = {"]": "[", ")": "("}
    if text[-1:] not in pairs:
        return text, None
    close, depth = text[-1], 0
    for place in range(len(text) - 1, -1, -1):
        depth += (text[place] == close) - (text[place] == pairs[close])
        if depth == 0:
            return re.sub(r"(\s+/)?\s*$", "", text[:place]), text[place + 1 : -1].strip()
    return text, None


def _trailing(text: str) -> tuple[str, str | None]:
    """A name and the unit behind ``in``, a comma or a slash, where what stands there can be nothing else."""
    match = _TRAILING.match(text)
    if match is None:
        return text, None
    unit = unit_in_name(f"{match[1]}_{match[2]}") if match[2].isalpha() else None
    if unit is None and re.search(r"[/*·²³°%]|\d", match[2]):
        try:
            unit = one_style(match[2]) or None
        except UnitError:
            unit = None
    return (text, None) if unit is None else (match[1], unit)
