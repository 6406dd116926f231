"""What is in a folder of results, a case, a mesh or a geometry, and everything in it that looks wrong."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tramontane.case import Case, Provenance
from tramontane.contract import Contract
from tramontane.dataset.audit.consistency import Audit, CaseFacts, Problem, audit, examine
from tramontane.dataset.audit.missing import missing_cases
from tramontane.design import Design
from tramontane.errors import FormatError, TramontaneError
from tramontane.formats.assemble import assemble_source
from tramontane.formats.collection import open_collection, read_file
from tramontane.formats.results import CaseSource, Collection, Results
from tramontane.formats.surfaces.geometry import SUFFIXES as GEOMETRY_SUFFIXES
from tramontane.formats.surfaces.geometry import read_geometry
from tramontane.formats.tables.designs import is_table
from tramontane.formats.tables.table import WORKBOOKS
from tramontane.formats.vtk import files as vtk
from tramontane.formats.vtk.meshes import read_meshes, stored_units
from tramontane.io.hashes import file_sha256
from tramontane.io.processes import reason_of
from tramontane.progress import follow
from tramontane.units import assumed_unit, from_si, unit_in_name

__all__ = [
    "Audit", "Problem", "Report", "Row", "audit", "inspect_path", "print_problems", "print_report", "read_and_examine",
    "rows_of",
]  # fmt: skip

_SHOWN = 5  # problems of one kind that a report prints before it counts the rest
_SMALL_SET = 30  # cases; of a larger set, only those with findings stand in the printed table
_NUMBERS = ("min", "max", "components", "points", "length", "residual")
_ALONE = ("case", "mesh", "geometry", "file")


@dataclass(frozen=True)
class Report:
    """What `inspect_path` found.

    Attributes:
        path: Where it looked.
        kind: What the path is: ``case``, ``mesh``, ``geometry``, or what its layout of many cases is called.
        audit: What is in it.
        notes: What was understood of the layout.
        read_again: Reads a case by its name, for pictures; one with bad values as it was written.
    """

    path: Path
    kind: str
    audit: Audit
    notes: tuple[str, ...] = ()
    read_again: Callable[[str], Case] | None = None


class Row(NamedTuple):
    """One case in the table of the set.

    Attributes:
        case: Its name.
        state: ``error``, ``warning`` or ``ok``.
        points: Of all domains; None where the case could not be read.
        geometry: ``closed``, ``open``, or empty where there is none.
        length: Longest side of its geometry or, without one, of its meshes, metres.
        copies: The other cases of its group of copies.
        residual: The largest of its last residuals, where known.
        problems: What was found.
    """

    case: str
    state: str
    points: int | None
    geometry: str
    length: float | None
    copies: tuple[str, ...]
    residual: float | None
    problems: tuple[Problem, ...]


Reading = tuple[Case, CaseFacts] | list[Problem]
"""A case and what an audit keeps of it; or, where it cannot be read, the errors that say why."""


def inspect_path(
    path: str | os.PathLike[str],
    *,
    region: str | None = None,
    console: Console | None = None,
    watch: Callable[[Collection, Reading], object] = lambda *_: None,
) -> Report:
    """Audit whatever a path holds: a set of cases (a ``contract.toml`` in it is obeyed), a case, a mesh, a geometry.

    A case that cannot be read becomes a problem of the report.

    Args:
        path: To look at.
        region: Which one of several that OpenFOAM's cases have.
        console: Where progress is shown.
        watch: Given each case of a collection that was read without a contract.

    Raises:
        TramontaneError: The path holds none of these, or the only thing there is cannot be read.
    """
    target = Path(path)
    if target.is_file() and target.suffix.lower() in (*GEOMETRY_SUFFIXES, *vtk.SUFFIXES):
        case, audit = _file_case(target), Audit()
        audit.add(case)
        audit.compare()
        return Report(target, "mesh" if case.meshes else "geometry", audit, (), lambda _: _file_case(target))
    try:
        collection = open_collection(target, region=region)
    except FormatError:
        if target.is_file() and not is_table(target) and target.suffix.lower() not in WORKBOOKS:
            read_file(target)  # it says which files are read
        raise
    alone = len(collection.sources) == 1 and collection.sources[0].path == target
    root = target.resolve().parent if alone else target
    contract = Contract.from_toml(root / "contract.toml") if (root / "contract.toml").is_file() else None
    audit = Audit(
        length_unit=contract.length_unit if contract else collection.length_unit,
        length_assumed=contract is None and collection.length_assumed,
    )
    shown = None if alone else console
    for source in follow(collection.sources, "inspecting", len(collection.sources), shown):
        reading = read_and_examine(source, collection, contract=contract)
        if not isinstance(reading, list):
            audit.take(reading[1])
        elif alone and reading[0].place == "files":
            raise FormatError(reading[0].message)
        else:
            audit.problems += reading
        if contract is None:
            watch(collection, reading)
    audit.compare(contract)
    if not alone:
        audit.problems += missing_cases(collection, audit.bad_cases())
    sources = {source.name: source for source in collection.sources}

    def read_again(name: str) -> Case:
        return _read(sources[name], collection, contract)

    kind = "case" if alone else collection.layout
    return Report(target, kind, audit, tuple(collection.notes), read_again)


def read_and_examine(source: CaseSource, collection: Collection, *, contract: Contract | None = None) -> Reading:
    """Read and examine a case.

    Args:
        source: The case.
        collection: It is of.
        contract: Obeyed where given.
    """
    try:
        results = source.read()
    except Exception as error:  # whatever goes wrong with a case, it costs that case
        return [Problem("error", source.name, "files", _in_case(source, error))]
    length_unit = contract.length_unit if contract else collection.length_unit
    try:
        case = assemble_source(source, results, collection, contract=contract)
        return case, examine(case, length_unit=length_unit)
    except TramontaneError as error:
        # All fields with numbers that are not finite are named, not the first alone.
        wrong = [problem for problem in examine(_as_written(source, results), length_unit=length_unit).problems
                 if problem.severity == "error" and problem.place.startswith("field ")]  # fmt: skip
        return wrong or [Problem("error", source.name, "files", str(error))]
    except Exception as error:
        return [Problem("error", source.name, "files", _in_case(source, error))]


def _in_case(source: CaseSource, error: Exception) -> str:
    """An error in one line; one that is no message of ours says too little, so the case's path and a cure are added."""
    reason = reason_of(error)
    return reason if isinstance(error, TramontaneError) else f"{source.path}: cannot be read ({reason}); report it"


def rows_of(audit: Audit) -> list[Row]:
    """The table of the set: a row for each case, readable or not, and for each that is missing; by name."""
    problems: dict[str, list[Problem]] = {}
    for problem in audit.problems:
        problems.setdefault(problem.case, []).append(problem)
    copies = {case: tuple(other for other in group if other != case)
              for group in audit.duplicate_groups() for case in group}  # fmt: skip
    rows = []
    for case in sorted({*audit.cases, *problems} - {""}):
        facts = audit.facts.get(case, CaseFacts(case))
        severities = {problem.severity for problem in problems.get(case, ())}
        shape, boxes = facts.geometry, [(fact.low, fact.high) for fact in facts.domains.values()]
        boxes = [shape.bounds] if shape is not None else boxes
        rows.append(Row(
            case=case,
            state="error" if "error" in severities else "warning" if severities else "ok",
            points=sum(fact.points for fact in facts.domains.values()) if case in audit.facts else None,
            geometry="" if shape is None else "closed" if shape.closed else "open",
            length=max((float(np.ptp(box, axis=0).max()) for box in boxes), default=None),
            copies=copies.get(case, ()),
            residual=max(facts.residuals.values(), default=None),
            problems=tuple(problems.get(case, ())),
        ))  # fmt: skip
    return rows


def print_report(report: Report, console: Console) -> None:
    """Print what was found, problems last."""
    audit = report.audit
    several = report.kind not in _ALONE
    _say(console, f"{report.path}: {report.kind}{f', {len(audit.cases)} readable' if several else ''}")
    for sentence in report.notes:
        _say(console, sentence)
    if audit.solvers:
        _say(console, f"computed by {', '.join(sorted(audit.solvers))}")
    for domain, sizes in audit.domains.items():
        low, high = (np.array([getattr(facts, end) for facts in sizes.values()]) for end in ("low", "high"))
        _say(console, f"domain {domain}: {_range(facts.points for facts in sizes.values())} points, "
                      f"{_range(facts.cells for facts in sizes.values())} cells, within {_box(low, high)}")  # fmt: skip
    table = _table("field", "at", "components", "unit", "min", "max")
    for key, facts in audit.fields.items():
        (location, components, unit), _ = Counter(fact[:3] for fact in facts.values()).most_common(1)[0]
        table.add_row(key, f"{location}s", str(components), _unit(audit, key.split("/", 1)[1], unit),
                      f"{min(fact.low for fact in facts.values()):.4g}",
                      f"{max(fact.high for fact in facts.values()):.4g}")  # fmt: skip
    _show(console, table)
    for title, entries in (("parameter", audit.parameters), ("QoI", audit.qoi)):
        table = _table(title, "unit", "min", "max")
        for key, values in entries.items():
            unit = audit.units[key]
            ends = (f"{from_si(end(values.values()), unit):.4g}" for end in (min, max))
            table.add_row(key, _unit(audit, key, unit), *ends)
        _show(console, table)
    if audit.geometry:
        shapes = audit.geometry.values()
        low, high = (np.array([shape.bounds[end] for shape in shapes]) for end in (0, 1))
        closed = sum(shape.closed for shape in shapes)
        _say(console, f"geometry: {closed} of {len(shapes)} closed, area {_range(shape.area for shape in shapes)} m2, "
                      f"volume {_range(shape.volume for shape in shapes)} m3, within {_box(low, high)}"
                      f" (files in {audit.length_unit})")  # fmt: skip
    if audit.left_out:
        _say(console, f"arrays of whole numbers, no fields: {', '.join(sorted(audit.left_out))}")
    if several:
        _print_rows(rows_of(audit), console)
    print_problems(audit.problems, console)


def _print_rows(rows: list[Row], console: Console) -> None:
    """The table of the set; of a large set, the cases with findings alone."""
    shown = rows if len(rows) <= _SMALL_SET else [row for row in rows if row.problems or row.copies]
    table = _table("case", "state", "points", "geometry", "length", "residual", "copies", "look at")
    for row in shown:
        table.add_row(
            escape(row.case), row.state, "" if row.points is None else str(row.points), row.geometry,
            "" if row.length is None else f"{row.length:.4g} m",
            "" if row.residual is None else f"{row.residual:.2g}",
            escape(_few(row.copies)), escape(_few(sorted({problem.place for problem in row.problems}))),
            style={"error": "red", "warning": "yellow"}.get(row.state),
        )  # fmt: skip
    _show(console, table)
    good = sum(row.state == "ok" for row in rows)
    _say(console, f"{good} of {len(rows)} cases without findings" + (", not shown" if len(shown) < len(rows) else ""))


def _few(words: Sequence[str], count: int = 3) -> str:
    return ", ".join(words[:count]) + (f" and {len(words) - count} more" if len(words) > count else "")


def print_problems(problems: Sequence[Problem], console: Console) -> None:
    """Print problems by kind, of each kind a few and how many more there are."""
    kinds: dict[tuple[str, str], list[Problem]] = {}
    for problem in sorted(problems, key=lambda problem: problem.severity):
        kinds.setdefault((problem.severity, problem.place), []).append(problem)
    for (severity, place), alike in kinds.items():
        style = "red" if severity == "error" else "yellow"
        for problem in alike[:_SHOWN]:
            _say(console, f"{severity}: {problem}", style)
        if len(alike) > _SHOWN:
            names = _few([problem.case for problem in alike[_SHOWN:]], 40)
            _say(console, f"{severity}: {place}: {len(alike) - _SHOWN} more of these, in {names}", style)
    errors = sum(problem.severity == "error" for problem in problems)
    _say(console, f"{errors} errors, {len(problems) - errors} warnings")


def _file_case(file: Path) -> Case:
    """A mesh or geometry file as if it were a case, in the units that it states."""
    if file.suffix.lower() in GEOMETRY_SUFFIXES and file.suffix.lower() not in vtk.SUFFIXES:
        read_geometry(file)
        return Case(file.stem, Design(file))
    case = Case(file.stem, Design(), dict(read_meshes(file)))
    stated = {name: unit for mesh in case.meshes.values() for name, unit in stored_units(mesh).items()}
    names = {name for domain in case.meshes for name in case.field_names(domain)}
    written = {name: unit for name in names - set(stated) if (unit := unit_in_name(name)) is not None}
    guesses = {name: unit for name in names - {*stated, *written}
               if (unit := assumed_unit(name, beside=names)) is not None}  # fmt: skip
    case.field_units = guesses | written | stated
    case.provenance.extra["assumed_units"] = guesses
    case.provenance.sources = {file.name: file_sha256(file)}
    return case


def _read(source: CaseSource, collection: Collection, contract: Contract | None) -> Case:
    """The case; as it was written where it has no place under the contract or bad values."""
    results = source.read()
    try:
        return assemble_source(source, results, collection, contract=contract)
    except TramontaneError:
        return _as_written(source, results)


def _as_written(source: CaseSource, results: Results) -> Case:
    files = {file.name: "" for file in results.files}
    units = {key.split("/", 1)[1]: unit for key, unit in results.units.items()}
    return Case(source.name, Design(results.geometry), dict(results.meshes), field_units=units,
                provenance=Provenance(sources=files))  # fmt: skip


def _say(console: Console, text: str, style: str | None = None) -> None:
    console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)


def _table(*heads: str) -> Table:
    table = Table()
    for head in heads:
        table.add_column(head, justify="right" if head in _NUMBERS else "left")
    return table


def _show(console: Console, table: Table) -> None:
    if table.row_count:
        console.print(table)


def _unit(audit: Audit, name: str, unit: str) -> str:
    return f"{unit or '-'} (assumed from the name)" if name in audit.assumed else unit or "-"


def _range(values: Iterable[float]) -> str:
    numbers = list(values)
    low, high = f"{min(numbers):.6g}", f"{max(numbers):.6g}"
    return low if low == high else f"{low} to {high}"


def _box(low: NDArray[Any], high: NDArray[Any]) -> str:
    ends = np.array([low.min(axis=0), high.max(axis=0)])
    ends[np.abs(ends) < 1e-9 * np.abs(ends).max()] = 0.0
    corners = (", ".join(f"{value:.4g}" for value in corner) for corner in ends)
    return " to ".join(f"({corner})" for corner in corners) + " m"
