"""What a set of cases holds, what is wrong with each, and where they disagree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tramontane.case import Case
from tramontane.contract import Contract
from tramontane.dataset.audit.copies import check_copies
from tramontane.dataset.audit.facts import (
    OPEN_SURFACE,
    CaseFacts,
    FieldFacts,
    GeometryFacts,
    MeshFacts,
    Problem,
    Severity,
    examine,
)
from tramontane.dataset.audit.outliers import round_off
from tramontane.dataset.audit.sizes import check_lengths, check_sizes
from tramontane.dataset.ingest.assumed_units import PLACE as UNITS
from tramontane.dataset.ingest.assumed_units import doubt, warning_of
from tramontane.dataset.ingest.merge_warnings import merge_warnings
from tramontane.errors import DatasetError, UnitError
from tramontane.units import si_unit, to_si

__all__ = ["Audit", "CaseFacts", "FieldFacts", "GeometryFacts", "MeshFacts", "Problem", "audit", "examine"]


@dataclass
class Audit:
    """What a set of cases holds and what is wrong with it; a few numbers of each case are kept, never its meshes.

    Attributes:
        length_unit: Of geometry files.
        length_assumed: Whether that is a mere convention.
        cases: Names, in the order in which they came.
        facts: Of each case, by name.
        domains: By domain and case.
        fields: By ``domain/name`` and case.
        parameters: In SI, by name and case.
        qoi: In SI, by name and case.
        units: Unit in which each parameter and QoI is shown.
        geometry: By case, for those that have a geometry file.
        assumed: Units that were taken from a name, by that name.
        left_out: Arrays that are no fields since they hold whole numbers, as ``domain/name``.
        rare: Parameters and QoIs that fewer than half of the cases have, and QoIs that are round-off: what a contract
            that is inferred leaves out; known after `compare`.
        solvers: Programs and versions found.
        problems: What looks wrong.
    """

    length_unit: str = "m"
    length_assumed: bool = False
    cases: list[str] = field(default_factory=list)
    facts: dict[str, CaseFacts] = field(default_factory=dict)
    domains: dict[str, dict[str, MeshFacts]] = field(default_factory=dict)
    fields: dict[str, dict[str, FieldFacts]] = field(default_factory=dict)
    parameters: dict[str, dict[str, float]] = field(default_factory=dict)
    qoi: dict[str, dict[str, float]] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    geometry: dict[str, GeometryFacts] = field(default_factory=dict)
    assumed: dict[str, str] = field(default_factory=dict)
    left_out: set[str] = field(default_factory=set)
    rare: set[str] = field(default_factory=set)
    solvers: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)
    _copies: list[list[str]] = field(default_factory=list)
    _shapes: list[list[str]] = field(default_factory=list)

    def add(self, case: Case) -> None:
        """Take a case into account, and note what is wrong with it by itself."""
        self.take(examine(case, length_unit=self.length_unit))

    def take(self, facts: CaseFacts) -> None:
        """Take a case into account that was examined, perhaps in another process."""
        case = facts.name
        self.cases.append(case)
        self.facts[case] = facts
        self.problems += facts.problems
        self.assumed |= facts.assumed
        self.left_out |= facts.left_out
        self.solvers |= {facts.solver} - {""}
        for domain, mesh in facts.domains.items():
            self.domains.setdefault(domain, {})[case] = mesh
        for key, fact in facts.fields.items():
            self.fields.setdefault(key, {})[case] = fact
        if facts.geometry is not None and facts.geometry.given:
            self.geometry[case] = facts.geometry
        location = facts.place_of("case")
        for name, quantity in facts.parameters.items():
            unit = self.units.setdefault(name, quantity.unit or "")
            try:
                self.parameters.setdefault(name, {})[case] = to_si(quantity, unit=unit, name=f"parameter {name}")
            except UnitError as error:
                self.note("error", case, f"parameter {name}", f"{location}: {error}")
        for name, value in facts.qoi.items():
            own = facts.qoi_shown.get(name, facts.qoi_units.get(name, ""))
            unit = self.units.setdefault(name, own)
            self.qoi.setdefault(name, {})[case] = value
            if np.isfinite(value) and si_unit(own) != si_unit(unit):
                self.note("error", case, f"QoI {name}",
                          f"{location}: QoI {name} is in {own or 'no unit'}, in other cases in "
                          f"{unit or 'no unit'}; write it in the same")  # fmt: skip

    def compare(self, contract: Contract | None = None) -> None:
        """Look across the cases for those that differ from the others; call it once, when all are added.

        Args:
            contract: Says by which power of the parameters fields and QoIs grow; where it does not, that is estimated.
        """
        for domain, sizes in self.domains.items():
            self._odd_ones_out(f"domain {domain}", sizes, self.cases, cure=f"add {domain}.vtu or {domain}.vtp")
        for name, facts in self.fields.items():
            domain = name.split("/")[0]
            having = [case for case in self.cases if case in self.domains[domain]]
            self._odd_ones_out(f"field {name}", facts, having, cure="export it", stem=domain)
            self._check_alike(name, facts)
        for kind, table in (("parameter", self.parameters), ("QoI", self.qoi)):
            for name, values in table.items():
                if self._odd_ones_out(
                    f"{kind} {name}", values, self.cases, cure="add it to its JSON or the CSV", stem="case", spare=True
                ):
                    self.rare.add(name)
        self._leave_round_off(contract)
        if self.geometry:
            bad = {problem.case for problem in self.problems if problem.place == "geometry"}
            having = [case for case in self.cases if case in self.geometry or case not in bad]
            self._odd_ones_out("geometry", self.geometry, having, cure="add its STL")
        self._say_once(OPEN_SURFACE, "in {count} of {all} cases, domain surface stands for the geometry and is open "
                       "(half models, walls alone); add the geometry's files if it should be closed")  # fmt: skip
        check_lengths(self)
        check_sizes(self, contract)
        self._copies, self._shapes = check_copies(self)
        self._check_units()
        self.problems = merge_warnings(self.problems, self.facts)

    def note(self, severity: Severity, case: str, place: str, message: str) -> None:
        """Add a problem; an empty name of the case stands for the set."""
        self.problems.append(Problem(severity, case, place, message))

    def bad_cases(self) -> dict[str, str]:
        """The first error of each case that has one: these must not be used."""
        bad: dict[str, str] = {}
        for problem in self.problems:
            if problem.severity == "error" and problem.case:
                bad.setdefault(problem.case, problem.message)
        return bad

    def duplicate_groups(self) -> list[list[str]]:
        """Groups of cases that are copies of each other, or nearly: each group must stay in one split.

        Copies have one shape, and the same parameters or the same results; or the same files. Known after `compare`.
        """
        return [list(group) for group in self._copies]

    def shape_groups(self) -> list[list[str]]:
        """Groups of cases of one shape, whatever their conditions.

        They may stand in different splits, which then tell how well *conditions* are predicted on a known shape. Who
        wants to know about new shapes gives these groups to `make_splits`.
        """
        return [list(group) for group in self._shapes]

    def raise_if_bad(self) -> None:
        """Raise the first error in one line, with the number of the others.

        Raises:
            DatasetError: There is one.
        """
        errors = [problem for problem in self.problems if problem.severity == "error"]
        if errors:
            more = f" (and {len(errors) - 1} more; `tramontane inspect` lists them)" if len(errors) > 1 else ""
            raise DatasetError(f"{errors[0]}{more}")

    def place_of(self, case: str, stem: str) -> str:
        """The case that a message is about, and its file where that is known."""
        return self.facts[case].place_of(stem) if case in self.facts else f"case {case}"

    # -- across cases ----------------------------------------------------------------------------------------------

    def _odd_ones_out(
        self,
        label: str,
        has: Mapping[str, Any],
        among: Sequence[str],
        *,
        cure: str,
        stem: str = "",
        spare: bool = False,
    ) -> bool:
        """The majority is right: whoever lacks what most have, or has what most lack, is named.

        Args:
            label: What it is about.
            has: The cases that have it.
            among: The cases that could.
            cure: What to do in a case that lacks it.
            stem: Of the file that it should stand in.
            spare: Whether a case that has what most lack can be used without.

        Returns:
            Whether most lack it.
        """
        lacking = [case for case in among if case not in has]
        having = [case for case in among if case in has]
        if 2 * len(having) >= len(among):
            for case in lacking:
                self.note("error", case, label, f"{self.place_of(case, stem)}: {label} is missing; {len(having)} other "
                          f"cases have it, {cure}")  # fmt: skip
            return False
        remedy = "it is left out; add it to all" if spare else "remove it, or add it to all"
        for case in having:
            self.note("warning" if spare else "error", case, label, f"{self.place_of(case, stem)}: {label} is in "
                      f"{len(having)} of {len(among)} cases only; {remedy}")  # fmt: skip
        return True

    def _say_once(self, place: str, sentence: str) -> None:
        """What most cases have in common is said once, of the set."""
        alike = [problem for problem in self.problems if problem.place == place and problem.severity == "warning"]
        count = len({problem.case for problem in alike})
        if count > 1 and 2 * count >= len(self.cases):
            self.problems = [problem for problem in self.problems if problem not in alike]
            self.note("warning", "", place, sentence.format(count=count, all=len(self.cases)))

    def _leave_round_off(self, contract: Contract | None) -> None:
        """Components of QoIs that are zero but for the computer's last digits teach nothing."""
        contract_qoi = {} if contract is None else contract.qoi
        names = [
            name for name in round_off({name: of.values() for name, of in self.qoi.items()}) if name not in contract_qoi
        ]
        if names and len(self.cases) > 1:
            self.rare |= set(names)
            self.note("warning", "", "QoIs", f"{', '.join(names)}: zero but for round-off in all cases, beside other "
                      "components; left out (a contract that names them keeps them)")  # fmt: skip

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
            location = self.place_of(case, name.split("/")[0])
            self.note("error", case, f"field {name}", f"{location}: field {name} is {differs}; export all alike")

    def _check_units(self) -> None:
        """Units that were assumed, and those that do not fit their names."""
        if self.assumed:
            self.note("warning", "", UNITS, warning_of(self.assumed))
        lengths = [float(np.ptp(fact.bounds, axis=0).max()) for fact in self.geometry.values()]
        if self.length_assumed and lengths:
            self.note("warning", "", UNITS, f"geometry files are taken to be in {self.length_unit}, since nothing "
                      f"states their unit: the parts are {min(lengths):.4g} to {max(lengths):.4g} m long; for another, "
                      "write it beside the column's name (\"stl [mm]\"), or length_unit in a contract")  # fmt: skip
        for kind, table in (("parameter", self.parameters), ("QoI", self.qoi)):
            for name in table:
                if name not in self.assumed and (why := doubt(name, self.units[name])):
                    self.note("warning", "", f"{kind} {name}", f"{kind} {name} {why}")


def audit(cases: Iterable[Case], *, length_unit: str = "m") -> Audit:
    """Audit cases one at a time, so that the meshes of one case at most are in memory.

    Args:
        cases: In SI.
        length_unit: Of their geometry files.
    """
    result = Audit(length_unit)
    for case in cases:
        result.add(case)
    result.compare()
    return result
