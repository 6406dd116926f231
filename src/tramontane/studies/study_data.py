"""Answers that are there already: of a study's folder, a dataset, or a table."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tramontane.contract import Contract
from tramontane.errors import ContractError, FormatError, TramontaneError
from tramontane.formats.tables.table import read_head, read_sheet
from tramontane.search.goals import Output
from tramontane.search.plan import PLAN
from tramontane.search.space import Space, Variable
from tramontane.search.trials import TABLE
from tramontane.units import in_si, si_unit

Array = NDArray[np.floating[Any]]
_LEAST = 8  # answers from which something follows


@dataclass(frozen=True)
class Answers:
    """Designs and what came of them.

    Attributes:
        space: What varied, and between which values.
        outputs: What is known.
        rows: ``(n, d)``, SI.
        values: ``(n, outputs)``, SI.
    """

    space: Space
    outputs: list[Output]
    rows: Array
    values: Array


def holds_answers(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a study's folder, a dataset, or a table."""
    from tramontane.dataset import Dataset
    from tramontane.formats.tables.designs import is_table
    from tramontane.surrogate.files import WEIGHTS

    file = Path(path)
    is_surrogate = (file / WEIGHTS).is_file()  # it has a manifest of the same name
    return _is_study(file) or is_table(file) or (Dataset.is_dataset(path) and not is_surrogate)


def read_answers(path: str | os.PathLike[str], outputs: Sequence[str] = ()) -> Answers:
    """The answers of a study's folder, a dataset, or a table.

    Args:
        path: See `holds_answers`.
        outputs: Which outputs; all QoIs where none is named.

    Raises:
        TramontaneError: It cannot be read, an output is not there, or there are too few answers.
    """
    file = Path(path)
    variables, known, rows, values = _of_study(file) if _is_study(file) else _of_dataset(file)
    names = [output.name for output in known]
    for name in outputs:
        if name not in names:
            raise ContractError(f"{file}: has no {name!r}; it has {', '.join(names) or 'no QoI'}")
    chosen = [names.index(name) for name in outputs or names]
    good = np.isfinite(rows).all(1) & np.isfinite(values[:, chosen]).all(1)
    varies = [column for column, variable in enumerate(variables) if variable.high > variable.low]
    if good.sum() < _LEAST or not chosen or not varies:
        raise TramontaneError(f"{file}: has {int(good.sum())} designs with an answer, {len(chosen)} outputs "
                              f"and {len(varies)} parameters that vary; {_LEAST}, 1 and 1 are needed")  # fmt: skip
    space = Space(tuple(variables[column] for column in varies))
    return Answers(space, [known[k] for k in chosen], rows[good][:, varies], values[good][:, chosen])


def _is_study(path: Path) -> bool:
    return (path / PLAN).is_file() and (path / TABLE).is_file()


def _of_study(folder: Path) -> tuple[list[Variable], list[Output], Array, Array]:
    file = folder / TABLE
    sheet = read_sheet(file)
    contract_file = folder / "cases" / "contract.toml"
    contract = Contract.from_toml(contract_file) if contract_file.is_file() else None
    bounds = _bounds_of_plan(folder)
    variables, outputs, rows, values = [], [], [], []
    for place, head in enumerate(sheet.heads):
        name, unit = read_head(file, head)
        cells = [row[place].strip() for _, row in sheet.rows]
        if name in ("design", "origin", "failed", "verdict", "as predicted") or name.startswith("predicted "):
            continue
        column = np.array([_number(file, name, cell, unit or "") for cell in cells])
        if not name.startswith("qoi "):
            low, high = bounds.get(name, (float(np.nanmin(column)), float(np.nanmax(column))))
            variables.append(Variable(name, low, high, unit or ""))
            rows.append(column)
        elif not _is_bound(name, sheet.heads, file):
            output = name.removeprefix("qoi ")
            known = (
                Output.of(output, contract) if contract is not None else Output(output, si_unit(unit or ""), unit or "")
            )
            outputs.append(known)
            values.append(column)
    return variables, outputs, _stacked(rows, len(sheet.rows)), _stacked(values, len(sheet.rows))


def _is_bound(name: str, heads: Sequence[str], file: Path) -> bool:
    """Whether a column is the end of an interval of another one."""
    names = {read_head(file, head)[0] for head in heads}
    return any(name.endswith(end) and name.removesuffix(end) in names for end in (" low", " high"))


def _bounds_of_plan(folder: Path) -> dict[str, tuple[float, float]]:
    """Between which values the study had its variables, SI, where its plan says so."""
    try:
        lines = json.loads((folder / PLAN).read_text(encoding="utf-8")).get("variables", [])
        return {name: (float(low), float(high)) for name, low, high in (line.rsplit(" ", 2) for line in lines)}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise TramontaneError(
            f"{folder / PLAN}: is damaged ({error}); run the study again in another folder"
        ) from error


def _number(file: Path, name: str, cell: str, unit: str) -> float:
    if not cell:
        return float("nan")
    try:
        return in_si(float(cell), unit)
    except ValueError:
        raise FormatError(f"{file}: {name} is {cell!r}, no number; run the study again in another folder") from None


def _stacked(columns: list[Array], count: int) -> Array:
    return np.stack(columns, axis=1) if columns else np.zeros((count, 0))


def _of_dataset(path: Path) -> tuple[list[Variable], list[Output], Array, Array]:
    import tempfile

    from tramontane.dataset import Dataset
    from tramontane.dataset.ingest.run import ingest

    if Dataset.is_dataset(path):
        return _columns_of(Dataset.open(path))
    with tempfile.TemporaryDirectory() as folder:
        return _columns_of(ingest(path, Path(folder) / "dataset"))


def _columns_of(dataset: Any) -> tuple[list[Variable], list[Output], Array, Array]:
    contract: Contract = dataset.contract
    asked = contract.asked(geometry=False)
    outputs = [Output.of(name, contract) for name in contract.qoi]
    parameters, qoi = ([of(name) for name in dataset] for of in (dataset.parameters, dataset.qoi))
    rows = [np.array([values.get(name, np.nan) for values in parameters]) for name in asked]
    values = [np.array([of.get(output.name, np.nan) for of in qoi]) for output in outputs]
    variables = [Variable(name, spec.low, spec.high, spec.unit, spec.integer) for name, spec in asked.items()]
    return variables, outputs, _stacked(rows, len(dataset)), _stacked(values, len(dataset))
