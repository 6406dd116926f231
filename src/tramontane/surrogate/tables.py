"""A table of designs, answered line by line: QoIs, how sure they are, and a verdict on each design."""

from __future__ import annotations

import csv
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tramontane.contract import Contract
from tramontane.design import Design
from tramontane.errors import FormatError, TramontaneError
from tramontane.formats.results import CaseSource
from tramontane.formats.surfaces.geometry import Geometry, read_geometry
from tramontane.formats.tables.csv_sheet import Sheet
from tramontane.formats.tables.designs import read_designs
from tramontane.formats.tables.table import QOI, SUFFIXES, read_head, read_sheet
from tramontane.interval import LEVEL, Interval
from tramontane.io.processes import Outcome
from tramontane.io.tasks import RunTasks
from tramontane.progress import follow
from tramontane.surrogate.surrogate import Surrogate
from tramontane.units import Quantity, from_si, parse_quantity

_SHOWN, _REASONS = 20, 5  # lines, and sentences of a kind, that are printed
_PREDICTED, _VERDICT, _REMARKS = "predicted ", "verdict", "remarks"

_Task = tuple[CaseSource, dict[str, Quantity]]
Verdict = Literal["inside", "edge", "outside", "failed"]


@dataclass(frozen=True)
class Line:
    """What is answered to one design of a table.

    Attributes:
        name: Of the design.
        verdict: Whether it lies inside what the surrogate was trained on; ``failed`` where it could not be predicted.
        qoi: In SI.
        intervals: Of those that have any, SI.
        remarks: What to mind, or why it failed.
    """

    name: str
    verdict: Verdict
    qoi: Mapping[str, float] = field(default_factory=dict)
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


def predict_table(
    surrogate: Surrogate,
    file: Path,
    settings: Mapping[str, str | Quantity] | None = None,
    *,
    cells: int = 50_000,
    length_unit: str | None = None,
    level: float = LEVEL,
    console: Console | None = None,
    run_tasks: RunTasks | None = None,
    load: Callable[[], Surrogate] | None = None,
) -> list[Line]:
    """Predict the QoIs of every design in a table.

    Args:
        surrogate: The model.
        file: A CSV or Parquet file with a line for each design: parameters, and names of geometry files, as
            `tramontane.formats.tables.designs.read_designs` reads them; other columns do not matter.
        settings: Parameters that are the same for all designs; they stand above the table's.
        cells: About how many cells fields are predicted on, where QoIs follow from them.
        length_unit: Of the geometry files where no header says it; None takes the contract's.
        level: The probability of the intervals.
        console: Where progress is shown.
        run_tasks: Has others predict, such as `tramontane.farm.connect` of a cluster; ``file`` is then absolute.
        load: How those get the model, such as ``functools.partial(Surrogate.load, path)``.

    Returns:
        An answer for each line, in order.

    Raises:
        TramontaneError: The table cannot be read, or nothing of it can be predicted; the first reason is given.
    """
    contract = surrogate.contract
    if not contract.qoi:
        raise FormatError(f"{file}: a table is answered with QoIs, and this model predicts none; give it one geometry")
    collection = read_designs(file, length_unit=length_unit or contract.length_unit)
    if surrogate.needs_geometry and all(not source.files for source in collection.sources):
        raise FormatError(f"{file}: has no column of geometry files, which this model needs; add one, such as "
                          "'geometry' with part.stl in each line")  # fmt: skip
    given = {name: parse_quantity(value, name=name) for name, value in (settings or {}).items()}
    tasks = []
    for source in collection.sources:
        row = {key.removeprefix(QOI): value for key, value in collection.table[source.name].items()}
        tasks.append((source, {name: row[name] for name in row if name in contract.parameters} | given))
    as_asked = functools.partial(_Answers, cells=cells, length_unit=collection.length_unit, level=level)
    if run_tasks is None or load is None:
        answers = as_asked(lambda: surrogate)
        outcomes: Iterator[Outcome[_Task, Line]] = (Outcome(task, answers(task), None) for task in tasks)
    else:
        outcomes = run_tasks(_line, tasks, prepare=functools.partial(as_asked, load), name=lambda task: task[0].name)
    by_name = {}
    for outcome in follow(outcomes, "predicting", len(tasks), console, thing="design"):
        name = outcome.task[0].name
        by_name[name] = outcome.answer or Line(name, "failed", remarks=(outcome.reason or "",))
    lines = [by_name[source.name] for source, _ in tasks]
    if all(line.verdict == "failed" for line in lines):
        raise FormatError(
            f"{file}: none of its {len(lines)} designs can be predicted; the first: {lines[0].remarks[0]}"
        )
    return lines


class _Answers:
    """Answers designs of a table in the way that was asked for.

    Args:
        load: Gives the model.
        cells: See `predict_table`, as for the others.
    """

    def __init__(self, load: Callable[[], Surrogate], *, cells: int, length_unit: str, level: float) -> None:
        self.surrogate, self.cells, self.length_unit, self.level = load(), cells, length_unit, level
        self.read_shape = functools.lru_cache(maxsize=4)(functools.partial(read_geometry, length_unit=length_unit))

    def __call__(self, task: _Task) -> Line:
        source, parameters = task
        try:
            return _answer(
                self.surrogate, source, parameters, self.read_shape, self.cells, self.length_unit, self.level
            )
        except TramontaneError as error:
            return Line(source.name, "failed", remarks=(str(error),))


def _line(answers: _Answers, task: _Task) -> Line:
    return answers(task)


def _answer(
    surrogate: Surrogate,
    source: CaseSource,
    parameters: Mapping[str, Quantity],
    read_shape: functools._lru_cache_wrapper[Geometry],
    cells: int,
    length_unit: str,
    level: float,
) -> Line:
    results = source.read()
    if unread := [reason for name, reason in results.absent.items()
                  if name in surrogate.contract.parameters and name not in parameters]:  # fmt: skip
        raise FormatError(unread[0])
    shape = read_shape(results.geometry) if surrogate.needs_geometry and results.geometry is not None else None
    design = Design(None if shape is None else shape.mesh, length_unit=length_unit, **parameters)
    domains = qoi_domains(surrogate.contract)
    # Fields that no QoI follows from are not asked for.
    checked = surrogate.check(design, geometry=shape)
    case = surrogate.simulate(checked, cells=cells, domains=domains, meshes=None if domains else {}, level=level)
    notices = [notice for notice in case.notices if notice.code not in ("blank", "coarse")]  # there is no mesh to mind
    outside = any(notice.code != "geometry" for notice in notices)
    return Line(
        source.name,
        ("outside" if outside else "inside") if case.verdict is None else case.verdict.domain,
        case.qoi,
        case.qoi_intervals,
        tuple(map(str, (*(() if case.verdict is None else case.verdict.reasons), *notices))),
    )


def qoi_domains(contract: Contract) -> set[str]:
    """The domains whose fields QoIs follow from."""
    return {spec.definition.domain for spec in contract.qoi.values()
            if spec.from_fields and spec.definition is not None and spec.definition.kind != "volume"}  # fmt: skip


def columns_of(surrogate: Surrogate, lines: Sequence[Line]) -> dict[str, list[float | str | None]]:
    """The answers as columns: of each QoI its value and, where there is one, its interval, in the unit in which it is
    shown; then the verdict and what to mind.
    """
    columns: dict[str, list[float | str | None]] = {}
    for name, spec in surrogate.contract.qoi.items():
        unit = spec.shown
        stated = {"": [line.qoi.get(name) for line in lines]}
        if any(name in line.intervals for line in lines):
            intervals = [line.intervals.get(name) for line in lines]
            stated |= {" low": [None if of is None else of.low for of in intervals],
                       " high": [None if of is None else of.high for of in intervals]}  # fmt: skip
        for label, numbers in stated.items():
            head = f"{_PREDICTED}{name}{label}" + (f" [{unit}]" if unit else "")
            columns[head] = [None if number is None else from_si(number, unit) for number in numbers]
    columns[_VERDICT] = [line.verdict for line in lines]
    columns[_REMARKS] = ["; ".join(line.remarks) for line in lines]
    return columns


def print_lines(surrogate: Surrogate, lines: Sequence[Line], console: Console) -> None:
    """Print the answers to the first designs, and how many of all lie inside, outside, or failed."""
    table = Table("design")
    columns = {head: cells for head, cells in columns_of(surrogate, lines).items() if head != _REMARKS}
    for head in columns:
        table.add_column(escape(head), justify="left" if head == _VERDICT else "right", overflow="fold")
    for place, line in enumerate(lines[:_SHOWN]):
        cells = (column[place] for column in columns.values())
        table.add_row(escape(line.name), *(f"{cell:.6g}" if isinstance(cell, float) else cell or "" for cell in cells))
    console.print(table)
    if len(lines) > _SHOWN:
        console.print(f"and {len(lines) - _SHOWN} more designs; --out writes all")
    for verdict in ("edge", "outside", "failed"):
        alike = [line for line in lines if line.verdict == verdict]
        for line in alike[:_REASONS]:
            console.print(f"{line.name}: {verdict}: {'; '.join(line.remarks)}", highlight=False, markup=False,
                          soft_wrap=True, style="yellow" if verdict == "edge" else "red")  # fmt: skip
        if len(alike) > _REASONS:
            console.print(f"and {len(alike) - _REASONS} more are {verdict}", highlight=False)
    counts = ", ".join(f"{sum(line.verdict == each for line in lines)} {each}" for each in get_args(Verdict))
    console.print(f"{len(lines)} designs: {counts}", highlight=False)


def write_table(surrogate: Surrogate, file: Path, lines: Sequence[Line], out: Path) -> None:
    """Write a table of designs with its answers behind its own columns, a line for each design.

    Args:
        surrogate: The model.
        file: The table of designs.
        lines: What `predict_table` answered to it.
        out: A CSV, TSV or Parquet file, by its suffix.

    Raises:
        FormatError: The suffix is none of these, or the file cannot be written.
    """
    if out.suffix.lower() not in SUFFIXES:
        raise FormatError(f"{out}: a table is written as one of {', '.join(SUFFIXES)}; name it so")
    sheet = read_sheet(file)
    answers = columns_of(surrogate, lines)
    own = [place for place, head in enumerate(sheet.heads) if not _is_answer(file, head)]
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.partial")
    try:
        if out.suffix.lower() == ".parquet":
            _write_parquet(temporary, sheet, own, answers)
        else:
            with temporary.open("w", encoding="utf-8", newline="") as stream:
                writer = csv.writer(stream, delimiter="\t" if out.suffix.lower() == ".tsv" else ",")
                writer.writerow([*(sheet.heads[place] for place in own), *answers])
                for (_, row), *values in zip(sheet.rows, *answers.values(), strict=True):
                    writer.writerow([*(row[place] for place in own), *(_plain(value) for value in values)])
        temporary.replace(out)
    except OSError as error:
        raise FormatError(f"{out}: cannot be written ({error}); choose another place with --out") from error
    finally:
        temporary.unlink(missing_ok=True)


def _is_answer(file: Path, head: str) -> bool:
    """Whether a column is of an earlier answer, which the new one replaces."""
    name = read_head(file, head)[0] if head.strip() else ""
    return name.startswith(_PREDICTED) or name in (_VERDICT, _REMARKS)


def _plain(value: float | str | None) -> str:
    return "" if value is None else value if isinstance(value, str) else f"{value:.9g}"


def _write_parquet(
    file: Path, sheet: Sheet, own: Sequence[int], answers: Mapping[str, Sequence[float | str | None]]
) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise FormatError(f'{file}: needs pyarrow; `pip install "tramontane[parquet]"`, or write CSV') from error
    columns: dict[str, Sequence[float | str | None]] = {}
    for place in own:
        cells = [row[place] for _, row in sheet.rows]
        try:
            columns[sheet.heads[place]] = [float(cell) if cell.strip() else None for cell in cells]
        except ValueError:
            columns[sheet.heads[place]] = cells
    pq.write_table(pa.table(columns | dict(answers)), file)
