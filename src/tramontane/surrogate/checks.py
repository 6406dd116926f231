"""A surrogate's answer beside the solver's: errors, and which intervals held."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyvista as pv

from tramontane.case import Case
from tramontane.contract import Contract
from tramontane.dataset import mesh_sites
from tramontane.dataset.ingest.case_qoi import add_defined_qoi
from tramontane.design import Design
from tramontane.formats.surfaces.geometry import read_geometry
from tramontane.interval import LEVEL
from tramontane.metrics import relative_l2
from tramontane.simulator import Simulator
from tramontane.surrogate.agreement import (
    check_agreement,
    check_made,
    check_same_shape,
    question_of,
    shape_of,
    with_units,
)
from tramontane.surrogate.surrogate import Surrogate


@dataclass(frozen=True)
class QoiCheck:
    """A QoI predicted and solved, SI.

    Attributes:
        predicted: The surrogate's.
        solved: The solver's.
        low: Lower bound of the surrogate's interval; None where it has none.
        high: Upper bound.
    """

    predicted: float
    solved: float
    low: float | None = None
    high: float | None = None

    @property
    def held(self) -> bool | None:
        """Whether the interval holds what the solver said; None where there is none."""
        return None if self.low is None or self.high is None else self.low <= self.solved <= self.high


@dataclass(frozen=True)
class FieldCheck:
    """A field predicted and solved, at the solver's own places.

    Attributes:
        relative_l2: The error, as a share.
        inside: Share of the values that lie in their intervals; None where there are none.
    """

    relative_l2: float
    inside: float | None = None


@dataclass(frozen=True)
class Checked:
    """What a surrogate and a solver say of one design.

    Attributes:
        predicted: The surrogate's case, on the solver's meshes.
        solved: The solver's case.
        qoi: By QoI that both know.
        fields: By domain and field.
        level: The probability of the intervals.
    """

    predicted: Case
    solved: Case
    qoi: dict[str, QoiCheck]
    fields: dict[str, dict[str, FieldCheck]]
    level: float

    @property
    def held(self) -> bool | None:
        """Whether the intervals of all QoIs held; None where no QoI has one."""
        known = [each.held for each in self.qoi.values() if each.held is not None]
        return all(known) if known else None

    def document(self) -> dict[str, Any]:
        """As it is kept: plain values, SI."""
        verdict = self.predicted.verdict
        return {
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "level": self.level,
            "verdict": None if verdict is None else verdict.domain,
            "held": self.held,
            "predicted_qoi": {
                name: {"predicted": each.predicted, "solved": each.solved, "low": each.low, "high": each.high,
                       "unit": self.predicted.qoi_units.get(name, ""), "held": each.held}
                for name, each in self.qoi.items()
            },
            "predicted_fields": {
                f"{domain}/{name}": {"relative_l2": each.relative_l2, "inside": each.inside}
                for domain, of in self.fields.items()
                for name, each in of.items()
            },
        }  # fmt: skip


def check_with(surrogate: Surrogate, solver: Simulator, design: Design, *, level: float = LEVEL) -> Checked:
    """Run the solver on a design and compare the surrogate's answer with it.

    Args:
        surrogate: Its answer is checked.
        solver: Its contract must agree with the surrogate's.
        design: By its parameters, its geometry, or both, as the solver needs it.
        level: The probability of the intervals.

    Raises:
        ContractError: The two contracts do not agree, or the design lacks what one of them needs.
        SolverError: The solver failed on this design.
    """
    check_agreement(surrogate, solver.contract)
    stated = with_units(design, solver.contract)
    solver.contract.values(stated.with_geometry(None))  # before a shape is made
    shape = stated.geometry if stated.geometry is not None else shape_of(surrogate, solver, stated)
    surface = None
    if shape is not None and surrogate.needs_geometry:
        surface = surrogate.check(question_of(surrogate, stated, shape)).surface
        check_made(surrogate, solver, stated, surface)
    return compare(surrogate, stated, solver.simulate(stated), geometry=surface, level=level)


def compare(
    surrogate: Surrogate, design: Design, solved: Case, *, geometry: pv.PolyData | None = None, level: float = LEVEL
) -> Checked:
    """Compare a surrogate's answer with a solver's case of the same design.

    Fields are compared where the solver has them: its meshes, points or cells as the surrogate predicts them.

    Args:
        surrogate: Is asked.
        design: Every parameter with its unit.
        solved: The solver's case.
        geometry: Of the design, metres, where it has none of its own; None takes the case's.
        level: The probability of the intervals.

    Raises:
        ContractError: The design lacks what the surrogate needs, or its geometry is not that of the solver's case.
    """
    contract = surrogate.contract
    shapes = (design.geometry, geometry, solved.design.geometry)
    shape = next((each for each in shapes if each is not None), None)
    question = surrogate.check(question_of(surrogate, design, shape))
    if question.surface is not None and (made := _geometry(solved)) is not None:
        check_same_shape(question.surface, made)
    solved = _with_qoi(solved, contract)
    domains = [domain for domain in contract.fields if domain in solved.meshes]
    predicted = surrogate.simulate(question, meshes={d: _bare(solved.meshes[d]) for d in domains}, level=level)
    qoi = {}
    for name in contract.qoi:
        if name in predicted.qoi and name in solved.qoi:
            interval = predicted.qoi_intervals.get(name)
            ends = (None, None) if interval is None else (interval.low, interval.high)
            qoi[name] = QoiCheck(predicted.qoi[name], solved.qoi[name], *ends)
    fields = {domain: _fields(predicted, solved, domain, contract) for domain in domains}
    return Checked(predicted, solved, qoi, fields, level)


def _with_qoi(solved: Case, contract: Contract) -> Case:
    """The case with the QoIs that the surrogate's contract defines and the solver does not state."""
    if not [name for name, spec in contract.qoi.items() if name not in solved.qoi and spec.definition is not None]:
        return solved
    more = replace(solved, qoi=dict(solved.qoi), qoi_units=dict(solved.qoi_units))
    add_defined_qoi(more, contract, _geometry(solved))
    return more


def _geometry(solved: Case) -> pv.PolyData | None:
    """Of a solver's case, which has it in metres; None where it has none."""
    shape = solved.design.geometry
    return read_geometry(shape, length_unit="m").mesh if isinstance(shape, Path) else shape


def _bare(mesh: pv.DataSet) -> pv.DataSet:
    plain = mesh.copy(deep=False)
    plain.clear_data()
    return plain


def _fields(predicted: Case, solved: Case, domain: str, contract: Contract) -> dict[str, FieldCheck]:
    names = [name for name in contract.fields[domain] if name in solved.field_names(domain)]
    truths = mesh_sites(solved.meshes[domain], contract.site_location(domain), names).fields
    found = {}
    for name in names:
        values = np.asarray(predicted.field_values(domain, name))
        truth = truths[name].reshape(values.shape)
        known = np.isfinite(values) & np.isfinite(truth)
        if not known.any():
            continue
        interval = predicted.field_intervals.get(domain, {}).get(name)
        within = None if interval is None else np.abs(values - truth) <= interval.half_width.reshape(values.shape)
        found[name] = FieldCheck(
            relative_l2(values[known], truth[known]), None if within is None else float(within[known].mean())
        )
    return found
