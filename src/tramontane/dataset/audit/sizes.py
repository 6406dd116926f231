"""Cases whose lengths, fields, parameters and QoIs are of another size than the others': a unit, or a wrong zero."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from tramontane.contract import Contract
from tramontane.dataset.audit.facts import FieldFacts, Severity
from tramontane.dataset.audit.outliers import Odd, explained_sizes, odd_sizes, unit_mix_up
from tramontane.units import Quantity, from_si

if TYPE_CHECKING:
    from tramontane.dataset.audit.consistency import Audit

# Two zeros of one quantity that are taken for each other, by its unit.
_ZEROS = {"K": (273.15, "as between degC and K"), "Pa": (101325.0, "the pressure of the atmosphere")}


def check_lengths(audit: Audit) -> None:
    """A case that is a thousand times as long as the others is in millimetres."""
    lengths = {
        f"domain {domain}": {case: float((fact.high - fact.low).max()) for case, fact in facts.items()}
        for domain, facts in audit.domains.items()
    }
    lengths["geometry"] = {case: float(np.ptp(fact.bounds, axis=0).max()) for case, fact in audit.geometry.items()}
    odd: dict[str, list[tuple[str, Odd]]] = {}
    for what, sizes in lengths.items():
        for case, odd_size in odd_sizes(sizes).items():
            odd.setdefault(case, []).append((what, odd_size))
    reported = {problem.case for problem in audit.problems if "times as long" in problem.message}
    for case, parts in odd.items():
        if case not in reported:
            what, mix_up = " and ".join(part for part, _ in parts), unit_mix_up(parts[0][1], "m")
            # A length unit that is plainly mixed up costs the case: nothing that it teaches would be right.
            severity: Severity = "error" if mix_up else "warning"
            audit.note(severity, case, "scale", f"case {case}: {what} {'is' if len(parts) == 1 else 'are'} "
                       f"{parts[0][1].factor:.4g} times as long as in the median of the other cases; check the "
                       f"length unit{f' ({mix_up})' if mix_up else ''}")  # fmt: skip


def check_sizes(audit: Audit, contract: Contract | None) -> None:
    """Fields, parameters and QoIs whose size is far from that of the others: a unit error is a factor of 1000."""
    wrong: set[str] = set()
    for name, values in audit.parameters.items():
        for case, odd in _odd_values(values).items():
            wrong.add(case)
            shown = Quantity(from_si(values[case], audit.units[name]), audit.units[name])
            _note_odd_size(audit, case, f"parameter {name}", f" = {shown}", odd, audit.units[name], stem="case")
    for name, values in audit.qoi.items():
        law = contract.qoi[name].scales_with if contract and name in contract.qoi else None
        sizes = explained_sizes({case: abs(value) for case, value in values.items()}, audit.parameters, law or None)
        for case, odd in _odd_values(values, sizes).items():
            shown = Quantity(from_si(values[case], audit.units[name]), audit.units[name])
            _note_odd_size(audit, case, f"QoI {name}", f" = {shown}", odd, audit.units[name], stem="case")
    for key, facts in audit.fields.items():
        domain, name = key.split("/", 1)
        spec = contract.fields.get(domain, {}).get(name) if contract else None
        law = spec.scales_with if spec else None
        fields_odd: set[str] = set()
        peaks = {case: max(abs(fact.low), abs(fact.high)) for case, fact in facts.items()}
        for sizes, what in (({case: fact.rms for case, fact in facts.items()}, ""), (peaks, "peak")):
            # A parameter in a wrong unit would make a right field look wrong.
            sizes = {case: size for case, size in sizes.items() if case not in wrong | fields_odd}
            for case, odd in odd_sizes(explained_sizes(sizes, audit.parameters, law or None)).items():
                fields_odd.add(case)
                fact = facts[case]
                peak = f": its largest value, {peaks[case]:.4g} {fact.unit}," if what else ""
                _note_odd_size(audit, case, f"field {key}", peak, odd, fact.unit, stem=domain)
        for case, words in _odd_zeros(facts).items():
            if case not in fields_odd:
                audit.note("warning", case, f"field {key}", f"{audit.place_of(case, domain)}: field {key} is "
                           f"{facts[case].mean:.6g} {facts[case].unit} on average, far from the other cases "
                           f"({words}); check its zero")  # fmt: skip


def _note_odd_size(audit: Audit, case: str, label: str, shown: str, odd: Odd, unit: str, *, stem: str) -> None:
    mix_up = unit_mix_up(odd, unit)
    audit.note("warning", case, label, f"{audit.place_of(case, stem)}: {label}{shown} is {odd.factor:.4g} times as "
               "large as in the median of the other cases; check its unit"
               + (f" ({mix_up})" if mix_up else ""))  # fmt: skip


def _odd_values(values: Mapping[str, float], sizes: Mapping[str, float] | None = None) -> dict[str, Odd]:
    """Numbers of a far too large or small size; those that pass through zero are near it without being wrong."""
    odd_cases = odd_sizes(sizes or {case: abs(value) for case, value in values.items()}, small=False)
    both_signs = min(values.values(), default=0.0) < 0 < max(values.values(), default=0.0)
    return {case: odd for case, odd in odd_cases.items() if odd.factor > 1 or not both_signs}


def _odd_zeros(facts: Mapping[str, FieldFacts]) -> dict[str, str]:
    """Cases whose field is measured from another zero: degC among kelvin, absolute among relative pressures."""
    zeros = {unit: zero for unit, zero in _ZEROS.items() if any(fact.unit == unit for fact in facts.values())}
    if len(facts) < 3 or not zeros:
        return {}
    (zero, words), *_ = zeros.values()
    means = np.array([fact.mean for fact in facts.values()])
    away = means - np.median(means)
    spread = 1.4826 * float(np.median(np.abs(away)))
    odd = (np.abs(np.abs(away) - zero) < 0.05 * zero) & (np.abs(away) > 8 * spread)
    if odd.sum() > max(1, len(odd) // 4):
        return {}
    return {case: words for case, is_odd in zip(facts, odd, strict=True) if is_odd}
