"""What is in a folder of results, and everything in it that looks wrong."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from tramontane.case import Case
from tramontane.design import Design, file_sha256
from tramontane.errors import DatasetError, TramontaneError
from tramontane.formats import geometry as geometry_format
from tramontane.formats import meshes as mesh_files
from tramontane.formats import vtk
from tramontane.formats.folder import find_cases, read_case, read_table

_OUTLIER = 100.0  # a field this many times larger or smaller than in the median case smells of a wrong unit


@dataclass(frozen=True)
class Problem:
    """Something that looks wrong: an ``error`` keeps the data from being used, a ``warning`` does not."""

    severity: Literal["error", "warning"]
    case: str
    message: str

    def __str__(self) -> str:
        return self.message


@dataclass
class FieldFacts:
    """A field over all cases: its unit, and by case its location, components, range and root mean square."""

    unit: str
    kind: dict[str, tuple[str, int]] = field(default_factory=dict)
    low: dict[str, float] = field(default_factory=dict)
    high: dict[str, float] = field(default_factory=dict)
    rms: dict[str, float] = field(default_factory=dict)


@dataclass
class Audit:
    """What a set of cases holds and what is wrong with it.

    Attributes:
        cases: Names, in the order in which they came.
        fields: By domain and field.
        sites: By domain, the number of points and of cells in each case.
        parameters: By name, its unit and the value of each case in that unit.
        qoi: By name, its unit and the value of each case.
        geometry: By case, what was noticed about the geometry's size, for those that have one.
        assumed: Units that were taken from a name.
        solver: Programs and versions found.
        problems: What looks wrong.
    """

    cases: list[str] = field(default_factory=list)
    fields: dict[tuple[str, str], FieldFacts] = field(default_factory=dict)
    sites: dict[str, dict[str, tuple[int, int]]] = field(default_factory=dict)
    parameters: dict[str, tuple[str, dict[str, float]]] = field(default_factory=dict)
    qoi: dict[str, tuple[str, dict[str, float]]] = field(default_factory=dict)
    geometry: dict[str, tuple[int, float, float]] = field(default_factory=dict)
    assumed: dict[str, str] = field(default_factory=dict)
    solver: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)
    _results: dict[str, str] = field(default_factory=dict)

    def add(self, case: Case, *, label: str | None = None) -> None:
        """Take a case into account; only a few numbers of it are kept."""
        name = case.name
        self.cases.append(name)
        for domain, mesh in case.meshes.items():
            self.sites.setdefault(domain, {})[name] = (mesh.n_points, mesh.n_cells)
            for f, location in case.field_names(domain).items():
                self._add_field(case, domain, f, location)
        for key, quantity in case.design.parameters.items():
            self.parameters.setdefault(key, (quantity.unit or "", {}))[1][name] = quantity.value
        for key, value in case.qoi.items():
            self.qoi.setdefault(key, (case.qoi_units.get(key, ""), {}))[1][name] = value
        self.assumed |= case.provenance.extra.get("assumed_units", {})
        if case.provenance.solver:
            self.solver.add(f"{case.provenance.solver} {case.provenance.version}".strip())
        if isinstance(case.design.geometry, Path):
            self._add_geometry(name, case.design.geometry)
        meshes = {key: sha for key, sha in case.provenance.sources.items() if Path(key).suffix.lower() in vtk.SUFFIXES}
        for sha in meshes.values():
            twin = self._results.setdefault(sha, name)
            if twin != name:
                self._warn(name, f"case {name}: has the same results as case {twin}; leave one of them out")
                break

    def fail(self, name: str, error: TramontaneError) -> None:
        """Note a case that could not be read."""
        self.problems.append(Problem("error", name, str(error)))

    def compare(self) -> None:
        """Look across the cases for those that differ from the others; call it once, when all are added."""
        for (domain, f), facts in self.fields.items():
            have = [case for case in self.cases if case in self.sites.get(domain, {})]
            label = f"field {domain}/{f}"
            self._odd_ones_out(label, have, facts.kind)
            middle = float(np.median(list(facts.rms.values()))) or 1.0
            for case, rms in facts.rms.items():
                if facts.low[case] == facts.high[case]:
                    self._warn(case, f"case {case}: {label} is {facts.low[case]:.4g} everywhere; check the export")
                elif len(facts.rms) > 2 and not 1 / _OUTLIER < rms / middle < _OUTLIER:
                    self._warn(case, f"case {case}: {label} is {rms / middle:.3g} times what the median case has; "
                                     "check its unit")  # fmt: skip
        for domain, sizes in self.sites.items():
            for case in self._minority(sizes):
                self._error(case, f"case {case}: domain {domain} is missing; others have it, add {domain}.vtu or .vtp")
        for kind, table in (("parameter", self.parameters), ("QoI", self.qoi)):
            for key, (_, values) in table.items():
                for case in self._minority(values):
                    self._error(case, f"case {case}: {kind} {key} is missing in case.json; others have it, add it")

    def raise_if_bad(self) -> None:
        """Raise the first error in one line.

        Raises:
            DatasetError: There is one.
        """
        errors = [problem for problem in self.problems if problem.severity == "error"]
        if errors:
            more = f" (and {len(errors) - 1} more; `tramontane inspect` lists them)" if len(errors) > 1 else ""
            raise DatasetError(f"{errors[0]}{more}")

    def _add_field(self, case: Case, domain: str, f: str, location: str) -> None:
        values = case.field_values(domain, f)
        if not np.issubdtype(values.dtype, np.number) or not values.size:
            return
        facts = self.fields.setdefault((domain, f), FieldFacts(case.field_units.get(f, "")))
        facts.kind[case.name] = (location, 1 if values.ndim == 1 else values.shape[1])
        bad = int((~np.isfinite(values)).sum())
        if bad:
            self._error(case.name, f"case {case.name}: field {domain}/{f} has {bad} values that are not finite; "
                                   "run the case again or leave it out")  # fmt: skip
        facts.low[case.name], facts.high[case.name] = float(values.min()), float(values.max())
        facts.rms[case.name] = float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))

    def _add_geometry(self, name: str, file: Path) -> None:
        try:
            geometry = geometry_format.read_geometry(file)
        except TramontaneError as error:
            self.fail(name, error)
            return
        self.geometry[name] = (geometry.mesh.n_cells, geometry.mesh.length, geometry.volume)
        for sentence in geometry.warnings:
            self._warn(name, sentence)

    def _odd_ones_out(self, label: str, have: list[str], kind: dict[str, tuple[str, int]]) -> None:
        for case in (case for case in have if case not in kind):
            if 2 * len(kind) >= len(have):
                self._error(case, f"case {case}: {label} is missing; {len(kind)} other cases have it, export it")
            else:
                for stray in kind:
                    self._error(stray, f"case {stray}: {label} stands in {len(kind)} of {len(have)} cases only; "
                                       "export it in all or remove it")  # fmt: skip
                break
        (usual, _), *_ = Counter(kind.values()).most_common(1)
        for case, found in kind.items():
            if found[0] != usual[0]:
                self._error(case, f"case {case}: {label} is {found[0]} data, in other cases {usual[0]} data; "
                                  "export all alike")  # fmt: skip
            elif found[1] != usual[1]:
                self._error(case, f"case {case}: {label} has {found[1]} components, in other cases {usual[1]}; "
                                  "export all alike")  # fmt: skip

    def _minority(self, has: dict[str, Any]) -> list[str]:
        return [case for case in self.cases if case not in has]

    def _warn(self, case: str, message: str) -> None:
        self.problems.append(Problem("warning", case, message))

    def _error(self, case: str, message: str) -> None:
        self.problems.append(Problem("error", case, message))


def audit(cases: Iterable[Case]) -> Audit:
    """Audit cases one at a time; the meshes of one case at most are in memory."""
    found = Audit()
    for case in cases:
        found.add(case)
    found.compare()
    return found


def inspect_path(path: str | os.PathLike[str], *, console: Console | None = None) -> Audit:
    """Audit whatever a path holds: a folder of cases, a case, a mesh or a geometry.

    A case that cannot be read becomes a problem and does not end the audit.

    Raises:
        TramontaneError: The path holds none of these.
    """
    target, found = Path(path), Audit()
    if target.is_file():
        found.add(_file_case(target))
        found.compare()
        return found
    folders = find_cases(target)
    table = read_table(target) or read_table(target.parent) if len(folders) == 1 else read_table(target)
    for folder in track(folders, description="inspecting", console=console, transient=True, disable=console is None):
        try:
            found.add(read_case(folder, table=table))
        except TramontaneError as error:
            found.fail(folder.name, error)
    found.compare()
    return found


def print_report(found: Audit, console: Console) -> None:
    """Print what was found, problems last."""
    console.print(f"{len(found.cases)} cases" + (f", from {', '.join(sorted(found.solver))}" if found.solver else ""))
    for domain, sizes in found.sites.items():
        points, cells = zip(*sizes.values(), strict=True)
        console.print(f"domain {domain}: {_range(points)} points, {_range(cells)} cells", highlight=False)
    if found.fields:
        table = _table("field", "at", "components", "unit", "min", "max")
        for (domain, f), facts in found.fields.items():
            location, components = Counter(facts.kind.values()).most_common(1)[0][0]
            table.add_row(f"{domain}/{f}", f"{location}s", str(components), _unit(f, facts.unit, found),
                          f"{min(facts.low.values()):.4g}", f"{max(facts.high.values()):.4g}")  # fmt: skip
        console.print(table)
    for title, entries in (("parameter", found.parameters), ("QoI", found.qoi)):
        if entries:
            table = _table(title, "unit", "min", "max")
            for name, (unit, values) in entries.items():
                table.add_row(
                    name, _unit(name, unit, found), f"{min(values.values()):.4g}", f"{max(values.values()):.4g}"
                )
            console.print(table)
    if found.geometry:
        triangles, lengths, volumes = zip(*found.geometry.values(), strict=True)
        console.print(f"geometry: {_range(triangles)} triangles, diagonal {_range(lengths)} m, "
                      f"volume {_range(volumes)} m3 (if the files are in metres)", highlight=False)  # fmt: skip
    errors = [problem for problem in found.problems if problem.severity == "error"]
    for problem in [*errors, *(problem for problem in found.problems if problem.severity == "warning")]:
        style = "red" if problem.severity == "error" else "yellow"
        console.print(f"{problem.severity}: {problem}", style=style, highlight=False, soft_wrap=True, markup=False)
    console.print(f"{len(errors)} errors, {len(found.problems) - len(errors)} warnings")


def _file_case(file: Path) -> Case:
    suffix = file.suffix.lower()
    sources = {file.name: file_sha256(file)} if file.is_file() else {}
    if suffix in geometry_format.SUFFIXES and suffix not in vtk.SUFFIXES:
        case = Case(file.stem, Design(file))
    else:
        case = Case(file.stem, Design(), dict(mesh_files.read_meshes(file)))
        case.field_units = {
            name: unit for mesh in case.meshes.values() for name, unit in mesh_files.stored_units(mesh).items()
        }
    case.provenance.sources = sources
    return case


def _table(*heads: str) -> Table:
    table = Table()
    for head in heads:
        table.add_column(head, justify="right" if head in ("min", "max", "components") else "left")
    return table


def _unit(name: str, unit: str, found: Audit) -> str:
    return f"{unit or '-'} (assumed from the name)" if name in found.assumed else unit or "-"


def _range(values: Iterable[float]) -> str:
    numbers = list(values)
    low, high = f"{min(numbers):.6g}", f"{max(numbers):.6g}"
    return low if low == high else f"{low} to {high}"
