"""The designs of a study in files: what a search goes on from, and a table for people."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from tramontane.errors import TramontaneError
from tramontane.io.atomic import replacing, write_json, write_text
from tramontane.search.goals import Output
from tramontane.search.loop import Search, Trial
from tramontane.search.space import Space
from tramontane.units import from_si

TRIALS, TABLE = "trials.json", "designs.csv"
Column = list[str | float | bool | None]


def write_trials(folder: Path, trials: Sequence[Trial]) -> None:
    """Write which designs were chosen, so that a study that was stopped goes on with the same ones."""
    lines = [{"row": trial.row.tolist(), "origin": trial.origin, "foretold": trial.foretold} for trial in trials]
    write_json(folder / TRIALS, {"trials": lines})


def read_trials(folder: Path, size: int) -> list[Trial]:
    """The designs that `write_trials` wrote, without their answers; none where there is no such file.

    Raises:
        TramontaneError: The file is damaged.
    """
    file = folder / TRIALS
    if not file.is_file():
        return []
    try:
        trials = [
            Trial(np.array(line["row"], float), str(line["origin"]),
                  {key: (float(low), float(mid), float(high)) for key, (low, mid, high) in line["foretold"].items()})
            for line in json.loads(file.read_text(encoding="utf-8"))["trials"]
        ]  # fmt: skip
        if any(trial.row.shape != (size,) for trial in trials):
            raise ValueError("another number of variables")
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise TramontaneError(f"{file}: is damaged ({error}); choose another folder with -o") from error
    return trials


def write_search(folder: Path, search: Search) -> None:
    """Write all that is known of a search: which designs were chosen, and their table."""
    write_trials(folder, search.trials)
    write_table(folder, columns_of(search.space, search.goals.outputs, search.trials))


def columns_of(space: Space, outputs: Sequence[Output], trials: Sequence[Trial]) -> dict[str, Column]:
    """Trials as columns, in the units in which people read them.

    Args:
        space: Of the designs.
        outputs: Those to show, by their names.
        trials: In the order of the cases ``000``, ``001``, ...
    """

    def headed(name: str, unit: str) -> str:
        return f"{name} [{unit}]" if unit else name

    columns: dict[str, Column] = {"design": [f"{index:03d}" for index in range(len(trials))]}
    columns["origin"] = [trial.origin for trial in trials]
    for place, variable in enumerate(space.variables):
        columns[headed(variable.name, variable.unit)] = [
            from_si(float(trial.row[place]), variable.unit) for trial in trials
        ]
    shown = {output.name: output for output in outputs}
    for name, output in shown.items():
        columns[headed(f"qoi {name}", output.shown)] = [
            from_si(trial.answer.values[name], output.shown)
            if trial.answer is not None and name in trial.answer.values
            else None
            for trial in trials
        ]
        if any(trial.answer is not None and name in trial.answer.bounds for trial in trials):
            for place, word in enumerate(("low", "high")):
                columns[headed(f"qoi {name} {word}", output.shown)] = [
                    from_si(trial.answer.bounds[name][place], output.shown)
                    if trial.answer is not None and name in trial.answer.bounds
                    else None
                    for trial in trials
                ]
    for output in outputs:
        for place, word in enumerate(("low", "value", "high")):
            if any(trial.foretold for trial in trials):
                columns[headed(f"predicted {output.key} {word}", output.shown)] = [
                    from_si(trial.foretold[output.key][place], output.shown) if output.key in trial.foretold else None
                    for trial in trials
                ]
    if any(trial.held for trial in trials):
        columns["as predicted"] = [all(trial.held.values()) if trial.held else None for trial in trials]
    if any(trial.answer is not None and trial.answer.verdict for trial in trials):
        columns["verdict"] = [None if trial.answer is None else trial.answer.verdict for trial in trials]
    columns["failed"] = [None if trial.answer is None else trial.answer.failed or None for trial in trials]
    return columns


def write_table(folder: Path, columns: dict[str, Column], *, name: str = "designs") -> None:
    """Write columns as ``NAME.csv``, and as ``NAME.parquet`` where pyarrow is installed."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for cells in zip(*columns.values(), strict=True):
        writer.writerow(["" if cell is None else f"{cell:.9g}" if isinstance(cell, float) else cell for cell in cells])
    write_text(folder / f"{name}.csv", text.getvalue())
    if find_spec("pyarrow") is not None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        with replacing(folder / f"{name}.parquet") as partial:
            pq.write_table(pa.table({head: pa.array(cells) for head, cells in columns.items()}), partial)
