"""What a set of cases holds, what is wrong with each, and where they disagree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tramontane.case import Case
from tramontane.contract import Contract
from tramontane.dataset.audit.duplicates import EXACTLY, Copy, find_copies
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
from tramontane.dataset.audit.outliers import Odd, explained_sizes, odd_sizes, round_off, unit_mix_up
from tramontane.dataset.ingest.assumed_units import PLACE as UNITS
from tramontane.dataset.ingest.assumed_units import doubt, warning_of
from tramontane.dataset.ingest.said_once import said_once
from tramontane.errors import DatasetError, UnitError
from tramontane.units import Quantity, from_si, si_unit, to_si

__all__ = ["Audit", "CaseFacts", "FieldFacts", "GeometryFacts", "MeshFacts", "Problem", "audit", "examine"]

# Two zeros of one quantity that are taken for each other, by its unit.
_ZEROS = {"K": (273.15, "as between degC and K"), "Pa": (101325.0, "the pressure of the atmosphere")}


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
        where = facts.where("case")
        for name, quantity in facts.parameters.items():
            unit = self.units.setdefault(name, quantity.unit or "")
            try:
                self.parameters.setdefault(name, {})[case] = to_si(quantity, unit=unit, name=f"parameter {name}")
            except UnitError as error:
                self.note("error", case, f"parameter {name}", f"{where}: {error}")
        for name, value in facts.qoi.items():
            own = facts.qoi_shown.get(name, facts.qoi_units.get(name, ""))
            unit = self.units.setdefault(name, own)
            self.qoi.setdefault(name, {})[case] = value
            if np.isfinite(value) and si_unit(own) != si_unit(unit):
                self.note("error", case, f"QoI {name}",
                          f"{where}: QoI {name} is in {own or 'no unit'}, in other cases in "
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
        self._check_lengths()
        self._check_sizes(contract)
        self._check_copies()
        self._check_units()
        self.problems = said_once(self.problems, self.facts)

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

    def where(self, case: str, stem: str) -> str:
        """The case that a message is about, and its file where that is known."""
        return self.facts[case].where(stem) if case in self.facts else f"case {case}"

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
                self.note("error", case, label, f"{self.where(case, stem)}: {label} is missing; {len(having)} other "
                                                f"cases have it, {cure}")  # fmt: skip
            return False
        told = "it is left out; add it to all" if spare else "remove it, or add it to all"
        for case in having:
            self.note("warning" if spare else "error", case, label, f"{self.where(case, stem)}: {label} is in "
                      f"{len(having)} of {len(among)} cases only; {told}")  # fmt: skip
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
        known = {} if contract is None else contract.qoi
        names = [name for name in round_off({name: of.values() for name, of in self.qoi.items()}) if name not in known]
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
            where = self.where(case, name.split("/")[0])
            self.note("error", case, f"field {name}", f"{where}: field {name} is {differs}; export all alike")

    def _check_lengths(self) -> None:
        """A case that is a thousand times as long as the others is in millimetres."""
        lengths = {
            f"domain {domain}": {case: float((fact.high - fact.low).max()) for case, fact in facts.items()}
            for domain, facts in self.domains.items()
        }
        lengths["geometry"] = {case: float(np.ptp(fact.bounds, axis=0).max()) for case, fact in self.geometry.items()}
        odd: dict[str, list[tuple[str, Odd]]] = {}
        for what, sizes in lengths.items():
            for case, found in odd_sizes(sizes).items():
                odd.setdefault(case, []).append((what, found))
        known = {problem.case for problem in self.problems if "times as long" in problem.message}
        for case, parts in odd.items():
            if case not in known:
                what, mix_up = " and ".join(part for part, _ in parts), unit_mix_up(parts[0][1], "m")
                # A length unit that is plainly mixed up costs the case: nothing that it teaches would be right.
                severity: Severity = "error" if mix_up else "warning"
                self.note(severity, case, "scale", f"case {case}: {what} {'is' if len(parts) == 1 else 'are'} "
                          f"{parts[0][1].factor:.4g} times as long as in the median of the other cases; check the "
                          f"length unit{f' ({mix_up})' if mix_up else ''}")  # fmt: skip

    def _check_sizes(self, contract: Contract | None) -> None:
        """Fields, parameters and QoIs whose size is far from that of the others: a unit error is a factor of 1000."""
        wrong: set[str] = set()
        for name, values in self.parameters.items():
            for case, odd in _odd_values(values).items():
                wrong.add(case)
                shown = Quantity(from_si(values[case], self.units[name]), self.units[name])
                self._odd_size(case, f"parameter {name}", f" = {shown}", odd, self.units[name], stem="case")
        for name, values in self.qoi.items():
            law = contract.qoi[name].scales_with if contract and name in contract.qoi else None
            sizes = explained_sizes({case: abs(value) for case, value in values.items()}, self.parameters, law or None)
            for case, odd in _odd_values(values, sizes).items():
                shown = Quantity(from_si(values[case], self.units[name]), self.units[name])
                self._odd_size(case, f"QoI {name}", f" = {shown}", odd, self.units[name], stem="case")
        for key, facts in self.fields.items():
            domain, name = key.split("/", 1)
            spec = contract.fields.get(domain, {}).get(name) if contract else None
            law = spec.scales_with if spec else None
            fields_odd: set[str] = set()
            peaks = {case: max(abs(fact.low), abs(fact.high)) for case, fact in facts.items()}
            for sizes, what in (({case: fact.rms for case, fact in facts.items()}, ""), (peaks, "peak")):
                # A parameter in a wrong unit would make a right field look wrong.
                sizes = {case: size for case, size in sizes.items() if case not in wrong | fields_odd}
                for case, odd in odd_sizes(explained_sizes(sizes, self.parameters, law or None)).items():
                    fields_odd.add(case)
                    fact = facts[case]
                    peak = f": its largest value, {peaks[case]:.4g} {fact.unit}," if what else ""
                    self._odd_size(case, f"field {key}", peak, odd, fact.unit, stem=domain)
            for case, words in _odd_zeros(facts).items():
                if case not in fields_odd:
                    self.note("warning", case, f"field {key}", f"{self.where(case, domain)}: field {key} is "
                              f"{facts[case].mean:.6g} {facts[case].unit} on average, far from the other cases "
                              f"({words}); check its zero")  # fmt: skip

    def _odd_size(self, case: str, label: str, shown: str, odd: Odd, unit: str, *, stem: str) -> None:
        mix_up = unit_mix_up(odd, unit)
        self.note("warning", case, label, f"{self.where(case, stem)}: {label}{shown} is {odd.factor:.4g} times as "
                  "large as in the median of the other cases; check its unit"
                  + (f" ({mix_up})" if mix_up else ""))  # fmt: skip

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

    def _check_copies(self) -> None:
        facts = [self.facts[case] for case in self.cases]
        settings = [{name: values[case] for name, values in self.parameters.items() if case in values}
                    for case in self.cases]  # fmt: skip
        copies, groups, shapes = find_copies([fact.marks for fact in facts], settings)
        self._copies = [[self.cases[index] for index in group] for group in groups]
        self._shapes = [[self.cases[index] for index in group] for group in shapes]
        for copy in copies:
            case, twin = self.cases[copy.case], self.cases[copy.of]
            place = "files" if copy.same_files else "copies"
            self.note("warning", case, place, f"case {case}: {self._what_is_copied(copy, twin)}")
        among = {case for group in self._copies for case in group[1:]}
        known = [[case for case in group if case not in among] for group in self._shapes]
        known = [group for group in known if len(group) > 1]
        different = len(self.cases) - len(among) - sum(len(group) - 1 for group in known)
        if known and different > 1:
            largest = max(known, key=len)
            names = ", ".join(largest[:6]) + (", ..." if len(largest) > 6 else "")
            self.note("warning", "", "shapes", f"{sum(map(len, known))} of {len(self.cases)} cases share their shape "
                      f"with others under other conditions (such as {names}): a random split tests conditions on known "
                      "shapes; to test new shapes, keep the cases of a shape together")  # fmt: skip

    def _same_numbers(self, case: str, twin: str) -> str:
        """What there is to say of two designs that are one, where cases have no fields."""
        both = [(name, values) for name, values in self.qoi.items() if case in values and twin in values]
        differs = [name for name, values in both if not np.isclose(values[case], values[twin], rtol=1e-5)]
        what = "the geometry and the parameters" if case in self.geometry else "the parameters"
        if not differs:
            return f"has {what} and the QoIs of case {twin}; leave one of them out"
        return (f"has {what} of case {twin}, and another {differs[0]}; leave one of them out, or add the parameter in "
                "which they differ")  # fmt: skip

    def _what_is_copied(self, copy: Copy, twin: str) -> str:
        if copy.same_files:
            said = f"has the same mesh files as case {twin}; leave one of them out"
            return said if copy.same_conditions else said + f" ({self._conditions_differ(copy)})"
        if not self.fields and copy.same_conditions:
            return self._same_numbers(self.cases[copy.case], twin)
        shape = "the shape" if copy.shape_differs < EXACTLY else f"nearly the shape (to {copy.shape_differs:.1g})"
        if copy.same_conditions and copy.same_results:
            return f"has {shape}, the parameters and the results of case {twin}; leave one of them out"
        if copy.same_results:
            return (f"has {shape} and the results of case {twin}, though {self._conditions_differ(copy)}; one of them "
                    "was copied or not run again, leave it out")  # fmt: skip
        return (f"has {shape} and the parameters of case {twin}, and other results or another mesh; leave one of them "
                "out, or add the parameter in which they differ")  # fmt: skip

    def _conditions_differ(self, copy: Copy) -> str:
        case, twin = self.cases[copy.case], self.cases[copy.of]
        for name, values in self.parameters.items():
            if case in values and twin in values and not np.isclose(values[case], values[twin], rtol=1e-5, atol=0):
                unit = self.units[name]
                one, other = (Quantity(from_si(values[each], unit), unit) for each in (case, twin))
                return f"its {name} is {one}, not {other}"
        return "its parameters differ"


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


def _odd_values(values: Mapping[str, float], sizes: Mapping[str, float] | None = None) -> dict[str, Odd]:
    """Numbers of a far too large or small size; those that pass through zero are near it without being wrong."""
    found = odd_sizes(sizes or {case: abs(value) for case, value in values.items()}, small=False)
    both_signs = min(values.values(), default=0.0) < 0 < max(values.values(), default=0.0)
    return {case: odd for case, odd in found.items() if odd.factor > 1 or not both_signs}


def _odd_zeros(facts: Mapping[str, FieldFacts]) -> dict[str, str]:
    """Cases whose field is measured from another zero: degC among kelvin, absolute among relative pressures."""
    known = {unit: zero for unit, zero in _ZEROS.items() if any(fact.unit == unit for fact in facts.values())}
    if len(facts) < 3 or not known:
        return {}
    (zero, words), *_ = known.values()
    means = np.array([fact.mean for fact in facts.values()])
    away = means - np.median(means)
    spread = 1.4826 * float(np.median(np.abs(away)))
    odd = (np.abs(np.abs(away) - zero) < 0.05 * zero) & (np.abs(away) > 8 * spread)
    if odd.sum() > max(1, len(odd) // 4):
        return {}
    return {case: words for case, is_odd in zip(facts, odd, strict=True) if is_odd}
