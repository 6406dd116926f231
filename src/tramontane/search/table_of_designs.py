"""The designs of a person's table: a column for each parameter, a line for each design."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tramontane.contract import Contract
from tramontane.errors import ContractError, FormatError
from tramontane.formats.tables.table import QOI, read_head, read_number, read_sheet
from tramontane.search.space import Space, Variable, fixed_values, is_whole
from tramontane.units import Quantity, compatible, from_si, in_si

Array = NDArray[np.floating[Any]]


def read_rows(
    file: str | os.PathLike[str], contract: Contract, *, fixed: Mapping[str, str | float | Quantity] | None = None
) -> tuple[Space, Array]:
    """The designs of a table, and the space that they span together with the contract's bounds.

    A header may carry a unit, ``speed [m/s]``; a column without one is in the contract's. Columns that are no
    parameters do not matter.

    Args:
        file: CSV, TSV or Parquet.
        contract: Of the simulator.
        fixed: Parameters that have no column.

    Returns:
        The space, and rows ``(n, d)`` in SI.

    Raises:
        FormatError: The table cannot be read, lacks a column, or has one in another unit or with an entry that is no
            number.
        ContractError: A parameter has a column and is fixed, or is not known.
    """
    path = Path(file)
    sheet = read_sheet(path)
    asked = contract.asked(geometry=False)
    constants = fixed_values(contract, fixed or {})
    columns: dict[str, tuple[int, str]] = {}
    for place, head in enumerate(sheet.heads):
        if not head.strip():
            continue
        name, unit = read_head(path, head)
        name = name.removeprefix(QOI)
        if name not in asked:
            continue
        if name in columns:
            raise FormatError(f"{path}: has two columns {name}; keep one")
        if name in constants:
            raise ContractError(f"parameter {name!r} has a column in {path} and is fixed; give one of both")
        if not compatible(asked[name].unit if unit is None else unit, asked[name].unit):
            raise FormatError(f"{path}: column {head.strip()!r} is in {unit}; give {name} in "
                              f"{asked[name].unit or 'no unit'}")  # fmt: skip
        columns[name] = place, asked[name].unit if unit is None else unit
    if missing := [name for name in asked if name not in columns and name not in constants]:
        raise FormatError(f"{path}: has no column {', '.join(missing)}; its columns are "
                          f"{', '.join(head.strip() for head in sheet.heads)}; add it, or give --set")  # fmt: skip
    rows = np.empty((len(sheet.rows), len(columns)))
    for column, (name, (place, unit)) in enumerate(columns.items()):
        for index, (line, cells) in enumerate(sheet.rows):
            value, own = read_number(path, f"line {line}, {name}", cells[place])
            if own is not None and not compatible(own, asked[name].unit):
                raise FormatError(f"{path}: line {line}, {name} is in {own}; give it in {asked[name].unit}")
            rows[index, column] = in_si(value, unit if own is None else own)
            if asked[name].integer and not is_whole(from_si(float(rows[index, column]), asked[name].unit)):
                raise FormatError(f"{path}: line {line}, {name} is {cells[place].strip()}; give a whole number")
    variables, varying = [], []
    for column, name in enumerate(columns):
        spec = asked[name]
        low, high = min(spec.low, float(rows[:, column].min())), max(spec.high, float(rows[:, column].max()))
        if high > low:
            variables.append(Variable(name, low, high, spec.unit, spec.integer))
            varying.append(column)
        else:
            constants[name] = Quantity(from_si(low, spec.unit), spec.unit)
    if not variables:
        raise FormatError(f"{path}: no parameter varies; give at least one column with several values")
    return Space(tuple(variables), constants), rows[:, varying]
