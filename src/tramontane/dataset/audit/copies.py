"""Cases that are copies of each other, or share their shape; and what there is to say of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tramontane.dataset.audit.duplicates import EXACTLY, Copy, find_copies
from tramontane.units import Quantity, from_si

if TYPE_CHECKING:
    from tramontane.dataset.audit.consistency import Audit


def check_copies(audit: Audit) -> tuple[list[list[str]], list[list[str]]]:
    """Note copies; the groups of cases that are copies of each other, and those of cases of one shape."""
    facts = [audit.facts[case] for case in audit.cases]
    settings = [{name: values[case] for name, values in audit.parameters.items() if case in values}
                for case in audit.cases]  # fmt: skip
    copies, groups, shapes = find_copies([fact.marks for fact in facts], settings)
    alike = [[audit.cases[index] for index in group] for group in groups]
    same_shape = [[audit.cases[index] for index in group] for group in shapes]
    for copy in copies:
        case, twin = audit.cases[copy.case], audit.cases[copy.of]
        place = "files" if copy.same_files else "copies"
        audit.note("warning", case, place, f"case {case}: {_what_is_copied(audit, copy, twin)}")
    among = {case for group in alike for case in group[1:]}
    left_over = [[case for case in group if case not in among] for group in same_shape]
    left_over = [group for group in left_over if len(group) > 1]
    different = len(audit.cases) - len(among) - sum(len(group) - 1 for group in left_over)
    if left_over and different > 1:
        largest = max(left_over, key=len)
        names = ", ".join(largest[:6]) + (", ..." if len(largest) > 6 else "")
        audit.note("warning", "", "shapes", f"{sum(map(len, left_over))} of {len(audit.cases)} cases share their shape "
                   f"with others under other conditions (such as {names}): a random split tests conditions on known "
                   "shapes; to test new shapes, keep the cases of a shape together")  # fmt: skip
    return alike, same_shape


def _same_numbers(audit: Audit, case: str, twin: str) -> str:
    """What there is to say of two designs that are one, where cases have no fields."""
    both = [(name, values) for name, values in audit.qoi.items() if case in values and twin in values]
    differs = [name for name, values in both if not np.isclose(values[case], values[twin], rtol=1e-5)]
    what = "the geometry and the parameters" if case in audit.geometry else "the parameters"
    if not differs:
        return f"has {what} and the QoIs of case {twin}; leave one of them out"
    return (f"has {what} of case {twin}, and another {differs[0]}; leave one of them out, or add the parameter in "
            "which they differ")  # fmt: skip


def _what_is_copied(audit: Audit, copy: Copy, twin: str) -> str:
    if copy.same_files:
        sentence = f"has the same mesh files as case {twin}; leave one of them out"
        return sentence if copy.same_conditions else sentence + f" ({_conditions_differ(audit, copy)})"
    if not audit.fields and copy.same_conditions:
        return _same_numbers(audit, audit.cases[copy.case], twin)
    shape = "the shape" if copy.shape_differs < EXACTLY else f"nearly the shape (to {copy.shape_differs:.1g})"
    if copy.same_conditions and copy.same_results:
        return f"has {shape}, the parameters and the results of case {twin}; leave one of them out"
    if copy.same_results:
        return (f"has {shape} and the results of case {twin}, though {_conditions_differ(audit, copy)}; one of them "
                "was copied or not run again, leave it out")  # fmt: skip
    return (f"has {shape} and the parameters of case {twin}, and other results or another mesh; leave one of them "
            "out, or add the parameter in which they differ")  # fmt: skip


def _conditions_differ(audit: Audit, copy: Copy) -> str:
    case, twin = audit.cases[copy.case], audit.cases[copy.of]
    for name, values in audit.parameters.items():
        if case in values and twin in values and not np.isclose(values[case], values[twin], rtol=1e-5, atol=0):
            unit = audit.units[name]
            one, other = (Quantity(from_si(values[each], unit), unit) for each in (case, twin))
            return f"its {name} is {one}, not {other}"
    return "its parameters differ"
