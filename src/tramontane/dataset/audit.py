"""What is in a folder of results, a case, a mesh or a geometry, and everything in it that looks wrong."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from tramontane.case import Case
from tramontane.contract import Contract
from tramontane.dataset.consistency import Audit, Problem, audit
from tramontane.design import Design, file_sha256
from tramontane.errors import TramontaneError
from tramontane.formats import vtk
from tramontane.formats.folder import find_cases, read_case, read_table
from tramontane.formats.geometry import SUFFIXES as GEOMETRY_SUFFIXES
from tramontane.formats.geometry import read_geometry
from tramontane.formats.meshes import read_meshes, stored_units
from tramontane.units import assumed_unit, from_si

__all__ = ["Audit", "Problem", "Report", "audit", "inspect_path", "print_report"]

_SHOWN = 5  # problems of one kind that a report prints before it counts the rest


@dataclass(frozen=True)
class Report:
    """What `inspect_path` found.

    Attributes:
        path: Where it looked.
        kind: What the path is.
        audit: What is in it.
    """

    path: Path
    kind: Literal["folder of cases", "case", "mesh", "geometry"]
    audit: Audit


def inspect_path(path: str | os.PathLike[str], *, console: Console | None = None) -> Report:
    """Audit whatever a path holds: a folder of cases (a ``contract.toml`` in it is obeyed), a case, a mesh, a geometry.

    A case that cannot be read becomes a problem of the report.

    Args:
        path: To look at.
        console: Where progress is shown.

    Raises:
        TramontaneError: The path holds none of these, or the only thing there is cannot be read.
    """
    target, found = Path(path), Audit()
    if target.is_file():
        case = _file_case(target)
        found.add(case)
        return Report(target, "mesh" if case.meshes else "geometry", found)
    folders = find_cases(target)
    alone = folders == [target]
    root = target.resolve().parent if alone else target
    contract = Contract.from_toml(root / "contract.toml") if (root / "contract.toml").is_file() else None
    found.length_unit = contract.length_unit if contract else "m"
    table = _table_of(target) if alone else read_table(target)
    if alone:
        found.add(read_case(target, contract=contract, table=table))
        return Report(target, "case", found)
    for folder in track(folders, description="inspecting", console=console, transient=True, disable=console is None):
        try:
            found.add(read_case(folder, contract=contract, table=table))
        except TramontaneError as error:
            found.note("error", folder.name, "files", str(error))
    found.compare()
    names = {folder.name for folder in folders}
    for name in sorted(set(table) - names):
        found.note("warning", name, "table", f"{target}: the CSV file names case {name}, which has no folder")
    for folder in sorted(target.iterdir()):
        if folder.is_dir() and folder.name not in names and any(folder.glob("*.stl")):
            found.note("warning", folder.name, "files", f"{folder}: has a geometry, but neither meshes nor case.json; "
                                                        "it is left out")  # fmt: skip
    return Report(target, "folder of cases", found)


def print_report(report: Report, console: Console) -> None:
    """Print what was found, problems last."""
    found = report.audit
    count = f", {len(found.cases)} readable" if report.kind == "folder of cases" else ""
    _say(console, f"{report.path}: {report.kind}{count}")
    if found.solvers:
        _say(console, f"computed by {', '.join(sorted(found.solvers))}")
    for domain, sizes in found.domains.items():
        low, high = (np.array([getattr(facts, end) for facts in sizes.values()]) for end in ("low", "high"))
        _say(console, f"domain {domain}: {_range(facts.points for facts in sizes.values())} points, "
                      f"{_range(facts.cells for facts in sizes.values())} cells, within {_box(low, high)}")  # fmt: skip
    table = _table("field", "at", "components", "unit", "min", "max")
    for key, facts in found.fields.items():
        (location, components, unit), _ = Counter(fact[:3] for fact in facts.values()).most_common(1)[0]
        table.add_row(key, f"{location}s", str(components), _unit(found, key.split("/", 1)[1], unit),
                      f"{min(fact.low for fact in facts.values()):.4g}",
                      f"{max(fact.high for fact in facts.values()):.4g}")  # fmt: skip
    _show(console, table)
    for title, entries in (("parameter", found.parameters), ("QoI", found.qoi)):
        table = _table(title, "unit", "min", "max")
        for key, values in entries.items():
            unit = found.units[key]
            ends = (f"{from_si(end(values.values()), unit):.4g}" for end in (min, max))
            table.add_row(key, _unit(found, key, unit), *ends)
        _show(console, table)
    if found.geometry:
        shapes = found.geometry.values()
        low, high = (np.array([shape.bounds[end] for shape in shapes]) for end in (0, 1))
        closed = sum(shape.closed for shape in shapes)
        _say(console, f"geometry: {closed} of {len(shapes)} closed, area {_range(shape.area for shape in shapes)} m2, "
                      f"volume {_range(shape.volume for shape in shapes)} m3, within {_box(low, high)}"
                      f" (files in {found.length_unit})")  # fmt: skip
    if found.left_out:
        _say(console, f"arrays of whole numbers, no fields: {', '.join(sorted(found.left_out))}")
    _print_problems(found.problems, console)


def _print_problems(problems: list[Problem], console: Console) -> None:
    kinds: dict[tuple[str, str], list[Problem]] = {}
    for problem in sorted(problems, key=lambda problem: problem.severity):
        kinds.setdefault((problem.severity, problem.place), []).append(problem)
    for (severity, place), alike in kinds.items():
        style = "red" if severity == "error" else "yellow"
        for problem in alike[:_SHOWN]:
            _say(console, f"{severity}: {problem}", style)
        if len(alike) > _SHOWN:
            names = ", ".join(problem.case for problem in alike[_SHOWN:])
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
    guesses = {name: unit for name in names - set(stated) if (unit := assumed_unit(name)) is not None}
    case.field_units = guesses | stated
    case.provenance.extra["assumed_units"] = guesses
    case.provenance.sources = {file.name: file_sha256(file)}
    return case


def _table_of(case: Path) -> Any:
    """The row of a single case in the CSV beside it; files beside it that are something else do not matter."""
    try:
        return read_table(case.resolve().parent)
    except TramontaneError:
        return {}


def _say(console: Console, text: str, style: str | None = None) -> None:
    console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)


def _table(*heads: str) -> Table:
    table = Table()
    for head in heads:
        table.add_column(head, justify="right" if head in ("min", "max", "components") else "left")
    return table


def _show(console: Console, table: Table) -> None:
    if table.row_count:
        console.print(table)


def _unit(found: Audit, name: str, unit: str) -> str:
    return f"{unit or '-'} (assumed from the name)" if name in found.assumed else unit or "-"


def _range(values: Iterable[float]) -> str:
    numbers = list(values)
    low, high = f"{min(numbers):.6g}", f"{max(numbers):.6g}"
    return low if low == high else f"{low} to {high}"


def _box(low: NDArray[Any], high: NDArray[Any]) -> str:
    ends = np.array([low.min(axis=0), high.max(axis=0)])
    ends[np.abs(ends) < 1e-9 * np.abs(ends).max()] = 0.0
    corners = (", ".join(f"{value:.4g}" for value in corner) for corner in ends)
    return " to ".join(f"({corner})" for corner in corners) + " m"
