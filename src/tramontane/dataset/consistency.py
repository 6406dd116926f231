"""What a set of cases holds, what is wrong with each, and where they disagree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pyvista as pv
from numpy.typing import NDArray

from tramontane.case import Case
from tramontane.errors import DatasetError, TramontaneError, UnitError
from tramontane.formats import vtk
from tramontane.formats.geometry import Geometry, read_geometry
from tramontane.units import to_si

_OUTLIER = 100.0  # a field this many times larger or smaller than in the other cases smells of a wrong unit

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Problem:
    """Something that looks wrong: an ``error`` keeps the data from being used, a ``warning`` does not.

    Attributes:
        severity: Which of the two.
        case: Name of the case.
        place: What it is about: ``field surface/pressure``, ``parameter load``, ``geometry``, ``files``.
        message: One line: where, what, and the cure.
    """

    severity: Severity
    case: str
    place: str
    message: str

    def __str__(self) -> str:
        return self.message


class FieldFacts(NamedTuple):
    """One field of one case; two cases agree in the first three."""

    location: str
    components: int
    unit: str
    low: float
    high: float
    rms: float


class MeshFacts(NamedTuple):
    """One domain of one case: its size, and the corners of its bounding box in metres."""

    points: int
    cells: int
    low: NDArray[np.float64]
    high: NDArray[np.float64]


@dataclass
class Audit:
    """What a set of cases holds and what is wrong with it; a few numbers of each case are kept, never its meshes.

    Attributes:
        length_unit: Of geometry files.
        cases: Names, in the order in which they came.
        domains: By domain and case.
        fields: By ``domain/name`` and case.
        parameters: In SI, by name and case.
        qoi: In SI, by name and case.
        units: Unit in which each parameter and QoI is shown.
        geometry: Facts by case, without the mesh, for those that have a geometry file.
        assumed: Units that were taken from a name, by that name.
        left_out: Arrays that are no fields since they hold whole numbers, as ``domain/name``.
        solvers: Programs and versions found.
        problems: What looks wrong.
    """

    length_unit: str = "m"
    cases: list[str] = field(default_factory=list)
    domains: dict[str, dict[str, MeshFacts]] = field(default_factory=dict)
    fields: dict[str, dict[str, FieldFacts]] = field(default_factory=dict)
    parameters: dict[str, dict[str, float]] = field(default_factory=dict)
    qoi: dict[str, dict[str, float]] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    geometry: dict[str, Geometry] = field(default_factory=dict)
    assumed: dict[str, str] = field(default_factory=dict)
    left_out: set[str] = field(default_factory=set)
    solvers: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)
    _files: dict[tuple[str, str], str] = field(default_factory=dict)
    _results: dict[tuple[str, ...], str] = field(default_factory=dict)

    def add(self, case: Case) -> None:
        """Take a case into account, and note what is wrong with it by itself."""
        self.cases.append(case.name)
        self.assumed |= case.provenance.extra.get("assumed_units", {})
        self._files |= {(case.name, Path(file).stem): file for file in case.provenance.sources}
        if case.provenance.solver:
            self.solvers.add(f"{case.provenance.solver} {case.provenance.version}".strip())
        for domain, mesh in case.meshes.items():
            bounds = np.asarray(mesh.bounds).reshape(3, 2)
            facts = MeshFacts(mesh.n_points, mesh.n_cells, bounds[:, 0], bounds[:, 1])
            self.domains.setdefault(domain, {})[case.name] = facts
            for name, location in case.field_names(domain).items():
                self._add_field(case, domain, name, location)
            self._check_locations(case, domain)
        self._add_numbers(case)
        if case.design.geometry is not None:
            self._add_geometry(case.name, case.design.geometry)
        results = [sha for file, sha in case.provenance.sources.items() if Path(file).suffix.lower() in vtk.SUFFIXES]
        if results:
            twin = self._results.setdefault(tuple(sorted(results)), case.name)
            if twin != case.name:
                self.note("warning", case.name, "files", f"case {case.name}: has the same mesh files as case {twin}; "
                                                         "leave one of them out")  # fmt: skip

    def compare(self) -> None:
        """Look across the cases for those that differ from the others; call it once, when all are added."""
        for domain, sizes in self.domains.items():
            self._odd_ones_out(f"domain {domain}", sizes, self.cases, cure=f"add {domain}.vtu or {domain}.vtp")
        for name, facts in self.fields.items():
            domain = name.split("/")[0]
            having = [case for case in self.cases if case in self.domains[domain]]
            self._odd_ones_out(f"field {name}", facts, having, cure="export it", stem=domain)
            self._check_alike(name, facts)
            self._check_sizes(name, facts)
        for kind, table in (("parameter", self.parameters), ("QoI", self.qoi)):
            for name, values in table.items():
                self._odd_ones_out(
                    f"{kind} {name}", values, self.cases, cure="add it to its JSON or the CSV", stem="case"
                )
        if self.geometry:
            bad = {problem.case for problem in self.problems if problem.place == "geometry"}
            having = [case for case in self.cases if case in self.geometry or case not in bad]
            self._odd_ones_out("geometry", self.geometry, having, cure="add its STL")

    def note(self, severity: Severity, case: str, place: str, message: str) -> None:
        """Add a problem."""
        self.problems.append(Problem(severity, case, place, message))

    def raise_if_bad(self) -> None:
        """Raise the first error in one line, with the number of the others.

        Raises:
            DatasetError: There is one.
        """
        errors = [problem for problem in self.problems if problem.severity == "error"]
        if errors:
            more = f" (and {len(errors) - 1} more; `tramontane inspect` lists them)" if len(errors) > 1 else ""
            raise DatasetError(f"{errors[0]}{more}")

    def where(self, case: str, stem: str) -> str:
        """The case that a message is about, and its file where that is known."""
        return f"case {case}" + (f" ({self._files[case, stem]})" if (case, stem) in self._files else "")

    # -- one case --------------------------------------------------------------------------------------------------

    def _add_field(self, case: Case, domain: str, name: str, location: str) -> None:
        key, where = f"{domain}/{name}", self.where(case.name, domain)
        values = np.asarray(case.field_values(domain, name))
        if not np.issubdtype(values.dtype, np.floating) or values.size == 0:
            self.left_out.add(key)
            return
        rows = values.reshape(len(values), -1)
        finite = np.isfinite(rows).all(axis=1)
        if not finite.all():
            self.note("error", case.name, f"field {key}",
                      f"{where}: field {key} is NaN or infinite at {(~finite).sum()} of {len(rows)} places, the first "
                      f"is {np.argmin(finite)}; run the case again or leave it out")  # fmt: skip
            rows = rows[finite] if finite.any() else np.zeros((1, rows.shape[1]))
        if np.array_equal(low := rows.min(axis=0), rows.max(axis=0)) and len(rows) > 1:
            shown = ", ".join(f"{value:.4g}" for value in low)
            self.note("warning", case.name, f"field {key}", f"{where}: field {key} is {shown} everywhere; check the "
                                                            "export")  # fmt: skip
        rms = float(np.sqrt(np.mean(np.square(rows, dtype=np.float64))))
        unit = case.field_units.get(name, "")
        self.fields.setdefault(key, {})[case.name] = FieldFacts(
            location, rows.shape[1], unit, float(rows.min()), float(rows.max()), rms
        )

    def _check_locations(self, case: Case, domain: str) -> None:
        mesh, fields = case.meshes[domain], case.field_names(domain)
        both = sorted(name for name in fields if name in set(mesh.point_data.keys()) & set(mesh.cell_data.keys()))
        real = {name: at for name, at in fields.items() if case.name in self.fields.get(f"{domain}/{name}", {})}
        if both:
            sentence = f"field {domain}/{both[0]} stands at points and at cells, the cells' is taken; keep one"
        elif len(set(real.values())) > 1:
            points = ", ".join(name for name, at in real.items() if at == "point")
            cells = ", ".join(name for name, at in real.items() if at == "cell")
            sentence = f"has fields at points ({points}) and at cells ({cells}); export all at one of the two"
        else:
            return
        self.note("warning", case.name, f"domain {domain}", f"{self.where(case.name, domain)}: {sentence}")

    def _add_numbers(self, case: Case) -> None:
        where = self.where(case.name, "case")
        for name, quantity in case.design.parameters.items():
            unit = self.units.setdefault(name, quantity.unit or "")
            try:
                self.parameters.setdefault(name, {})[case.name] = to_si(quantity, unit=unit, name=f"parameter {name}")
            except UnitError as error:
                self.note("error", case.name, f"parameter {name}", f"{where}: {error}")
        for name, value in case.qoi.items():
            unit = self.units.setdefault(name, case.qoi_units.get(name, ""))
            self.qoi.setdefault(name, {})[case.name] = value
            if not np.isfinite(value):
                self.note("error", case.name, f"QoI {name}", f"{where}: QoI {name} is {value}; run the case again or "
                                                             "leave it out")  # fmt: skip
            elif case.qoi_units.get(name, "") != unit:
                self.note("error", case.name, f"QoI {name}",
                          f"{where}: QoI {name} is in {case.qoi_units.get(name) or 'no unit'}, in other cases in "
                          f"{unit or 'no unit'}; write it in the same")  # fmt: skip

    def _add_geometry(self, case: str, shape: Path | pv.PolyData) -> None:
        from_file = isinstance(shape, Path)
        prefix = "" if from_file else f"case {case}: "  # a file's messages name the file
        try:
            found = read_geometry(shape, length_unit=self.length_unit if from_file else "m")
        except TramontaneError as error:
            self.note("error", case, "geometry", f"{prefix}{error}")
            return
        for sentence in found.warnings:
            self.note("warning", case, "geometry", f"{prefix}{sentence}")
        surface = self.domains.get("surface", {}).get(case)
        if surface is not None and (length := np.ptp([surface.low, surface.high], axis=0).max()) > 0:
            ratio = float(np.ptp(found.bounds, axis=0).max() / length)
            if not 1 / _OUTLIER < ratio < _OUTLIER:
                self.note("warning", case, "geometry", f"{prefix}{shape if from_file else 'geometry'}: is {ratio:.3g} "
                          "times as long as domain surface; check the length unit of both")  # fmt: skip
        facts = {name: getattr(found, name) for name in ("warnings", "closed", "area", "volume", "bounds")}
        self.geometry[case] = Geometry(mesh=pv.PolyData(), **facts)

    # -- across cases ----------------------------------------------------------------------------------------------

    def _odd_ones_out(
        self, label: str, has: Mapping[str, Any], among: Sequence[str], *, cure: str, stem: str = ""
    ) -> None:
        """The majority is right: whoever lacks what most have, or has what most lack, is named."""
        lacking = [case for case in among if case not in has]
        having = [case for case in among if case in has]
        if 2 * len(having) >= len(among):
            for case in lacking:
                self.note("error", case, label, f"{self.where(case, stem)}: {label} is missing; {len(having)} other "
                                                f"cases have it, {cure}")  # fmt: skip
        else:
            for case in having:
                self.note("error", case, label, f"{self.where(case, stem)}: {label} is in {len(having)} of "
                                                f"{len(among)} cases only; remove it, or add it to all")  # fmt: skip

    def _check_alike(self, name: str, facts: Mapping[str, FieldFacts]) -> None:
        (usual, _), *_ = Counter(fact[:3] for fact in facts.values()).most_common(1)
        for case, fact in facts.items():
            if fact[:3] == usual:
                continue
            if fact.location != usual[0]:
                differs = f"{fact.location} data, in other cases {usual[0]} data"
            elif fact.components != usual[1]:
                differs = f"of {fact.components} components, in other cases of {usual[1]}"
            else:
                differs = f"in {fact.unit or 'no unit'}, in other cases in {usual[2] or 'no unit'}"
            where = self.where(case, name.split("/")[0])
            self.note("error", case, f"field {name}", f"{where}: field {name} is {differs}; export all alike")

    def _check_sizes(self, name: str, facts: Mapping[str, FieldFacts]) -> None:
        cases, sizes = list(facts), np.array([fact.rms for fact in facts.values()])
        for index, case in enumerate(cases):
            others = float(np.median(np.delete(sizes, index))) if len(cases) > 2 else 0.0
            if others > 0 and sizes[index] > 0 and not 1 / _OUTLIER < sizes[index] / others < _OUTLIER:
                where = self.where(case, name.split("/")[0])
                self.note("warning", case, f"field {name}", f"{where}: field {name} is {sizes[index] / others:.3g} "
                          "times as large as in the median of the other cases; check its unit")  # fmt: skip


def audit(cases: Iterable[Case], *, length_unit: str = "m") -> Audit:
    """Audit cases one at a time, so that the meshes of one case at most are in memory.

    Args:
        cases: In SI.
        length_unit: Of their geometry files.
    """
    found = Audit(length_unit)
    for case in cases:
        found.add(case)
    found.compare()
    return found
