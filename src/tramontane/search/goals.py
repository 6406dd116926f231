"""What a study asks of cases: QoIs and extrema of fields, to be lowered, raised, met, or kept within bounds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tramontane.case import Case
from tramontane.contract import Contract
from tramontane.errors import ContractError, TramontaneError
from tramontane.formats import read_geometry
from tramontane.qoi import QoiDefinition
from tramontane.training.normalization import law_of_fields
from tramontane.units import Quantity, compatible, from_si, in_si, parse_quantity

Sense = Literal["minimise", "maximise", "target"]
Side = Literal["value", "low", "high"]

_EXTREMUM = re.compile(r"(max|min)\((\w+)\.(\w+)\)")
VOLUME = "volume"
_BOUND = re.compile(r"(.+?)\s*(<=|>=)\s*(.+)")


@dataclass(frozen=True)
class Output:
    """A number of a case: a QoI, the extremum of a field (of its magnitude, where it is a vector), or the volume.

    Attributes:
        name: As it is asked for: ``drag``, ``max(volume.von_mises)``, ``volume`` of the geometry.
        unit: Its SI unit.
        shown: The unit in which people read it.
        extremum: Kind, domain and field; None for a QoI.
        law: Exponents of operating conditions to which it is nearly proportional.
        side: Which is taken of an answer with intervals: the value, or its ``low`` or ``high`` bound.
    """

    name: str
    unit: str = ""
    shown: str = ""
    extremum: tuple[str, str, str] | None = None
    law: tuple[tuple[str, float], ...] = ()
    side: Side = "value"

    @property
    def key(self) -> str:
        """Under which answers have it."""
        return self.name if self.side == "value" else f"{self.name} {self.side}"

    @classmethod
    def of(cls, text: str, contract: Contract) -> Output:
        """The output of that name.

        Raises:
            ContractError: The contract has no such QoI or field.
        """
        name = text.strip()
        if name in contract.qoi:
            spec = contract.qoi[name]
            law = spec.scales_with or law_of_fields(contract, spec)
            return cls(name, spec.unit, spec.shown, law=tuple(law.items()))
        if match := _EXTREMUM.fullmatch(name.replace(" ", "")):
            kind, domain, field = match.groups()
            spec_of = contract.fields.get(domain, {}).get(field)
            definition = QoiDefinition(kind="max" if kind == "max" else "min", domain=domain, field=field)
            if (same := [of for of, spec in contract.qoi.items() if spec.definition == definition]) and spec_of:
                return cls.of(same[0], contract)  # which has an interval of its own: a field's band may miss a peak
            if spec_of is not None:
                law = spec_of.scales_with
                return cls(match.group(), spec_of.unit, spec_of.unit, (kind, domain, field), tuple(law.items()))
        if name == VOLUME:
            return cls(name, "m^3", "m^3", (VOLUME, "", ""))
        fields = [f"max({domain}.{field})" for domain, of in contract.fields.items() for field in of]
        raise ContractError(f"{name!r} is not a QoI; known are {', '.join([*contract.qoi, *fields, VOLUME])}")

    def measure(self, case: Case) -> tuple[float, tuple[float, float] | None]:
        """What a case has, SI, and its bounds, where it has some: extrema of fields that no QoI is have none.

        Raises:
            ContractError: It does not have it, or not as a finite number.
        """
        bounds = None
        if self.extremum is None:
            if self.name not in case.qoi:
                raise ContractError(f"case {case.name}: has no QoI {self.name}; it has {', '.join(case.qoi) or 'none'}")
            value = case.qoi[self.name]
            if (interval := case.qoi_intervals.get(self.name)) is not None:
                bounds = interval.low, interval.high
        elif self.extremum[0] == VOLUME:
            value = _volume(case)
        else:
            _, domain, field = self.extremum
            values = np.asarray(case.field_values(domain, field), float)
            value = self._extreme(values)
        if not np.isfinite(value):
            raise ContractError(f"case {case.name}: {self.name} is {value}")
        return float(value), bounds

    def told(self, values: Mapping[str, float], bounds: Mapping[str, tuple[float, float]]) -> str:
        """Its value for people, with its interval of 90 % where it has one.

        Args:
            values: Of an answer, by name, SI.
            bounds: Likewise.
        """
        text = f"{self.name} = {Quantity(from_si(values[self.name], self.shown), self.shown)}"
        if self.name in bounds:
            low, high = (from_si(bound, self.shown) for bound in bounds[self.name])
            text += f" (90 %: {low:.5g} to {high:.5g})"
        return text

    def _extreme(self, values: NDArray[np.floating[Any]]) -> float:
        size = values if values.ndim == 1 else np.linalg.norm(values, axis=1)
        return float(size.max() if self.extremum is not None and self.extremum[0] == "max" else size.min())


def _volume(case: Case) -> float:
    """The volume of a case's geometry, m3."""
    if case.design.geometry is None:
        raise ContractError(f"case {case.name}: has no geometry, so no volume")
    return abs(float(read_geometry(case.design.geometry, length_unit=case.design.length_unit or "m").mesh.volume))


@dataclass(frozen=True)
class Objective:
    """What to make of an output.

    Attributes:
        output: The output.
        sense: Lower it, raise it, or bring it to ``target``.
        target: SI; of the sense ``target`` alone.
    """

    output: Output
    sense: Sense
    target: float = 0.0

    def cost(self, value: float) -> float:
        """The less, the better."""
        return {"minimise": value, "maximise": -value, "target": abs(value - self.target)}[self.sense]

    def __str__(self) -> str:
        return f"{self.sense} {self.output.name}"


@dataclass(frozen=True)
class Constraint:
    """Bounds of an output, SI; one of both may be infinite."""

    output: Output
    low: float = -np.inf
    high: float = np.inf

    def excess(self, value: float) -> float:
        """By how much a value is beyond the bounds, SI; negative within."""
        return float(max(self.low - value, value - self.high))


@dataclass(frozen=True)
class Goals:
    """Objectives and constraints.

    Attributes:
        objectives: One, or several, whose trade-off is sought.
        constraints: What has to hold.
    """

    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...] = ()

    @classmethod
    def of(
        cls,
        contract: Contract,
        *,
        minimise: Sequence[str] = (),
        maximise: Sequence[str] = (),
        target: Mapping[str, str | float] | None = None,
        subject_to: Sequence[str] = (),
    ) -> Goals:
        """Goals in words.

        Args:
            contract: Of the simulator.
            minimise: Names of outputs.
            maximise: Names of outputs.
            target: Values to reach, by the name of an output: ``{"drag": "5 N"}``.
            subject_to: Bounds: ``"max_von_mises <= 200 MPa"``.

        Raises:
            ContractError: There is no objective, an output is not known or named twice, or a value is in a wrong unit.
        """
        objectives = [
            *(Objective(Output.of(name, contract), "minimise") for name in minimise),
            *(Objective(Output.of(name, contract), "maximise") for name in maximise),
        ]
        for name, value in (target or {}).items():
            output = Output.of(name, contract)
            objectives.append(Objective(output, "target", value_of(output, value)))
        names = [objective.output.name for objective in objectives]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ContractError(f"{twice[0]} is an objective twice; name it once")
        if not objectives:
            raise ContractError("there is no objective; give one with --minimise, --maximise or --target")
        limits: dict[str, Constraint] = {}
        for text in subject_to:
            match = _BOUND.fullmatch(text.strip())
            if match is None:
                raise ContractError(f"constraint {text!r} cannot be read; write it as 'name <= value unit'")
            output = Output.of(match.group(1), contract)
            bound = value_of(output, match.group(3))
            before = limits.get(output.name, Constraint(output))
            upper = match.group(2) == "<="
            low, high = (before.low, min(bound, before.high)) if upper else (max(bound, before.low), before.high)
            if low > high:
                raise ContractError(f"constraints on {output.name} contradict each other: the lower bound is above "
                                    "the upper one")  # fmt: skip
            limits[output.name] = Constraint(output, low, high)
        return cls(tuple(objectives), tuple(limits.values()))

    @property
    def outputs(self) -> list[Output]:
        """All that are asked for, once each."""
        of_all = [of.output for of in self.objectives] + [of.output for of in self.constraints]
        return list({output.key: output for output in of_all}.values())

    def on_bounds(self) -> Goals:
        """The same goals on the worse bound of each interval: what holds even then is likely to hold."""
        worse: dict[Sense, Side] = {"minimise": "high", "maximise": "low", "target": "value"}
        objectives = [replace(of, output=replace(of.output, side=worse[of.sense])) for of in self.objectives]
        constraints: list[Constraint] = []
        for of in self.constraints:
            if np.isfinite(of.high):
                constraints.append(Constraint(replace(of.output, side="high"), high=of.high))
            if np.isfinite(of.low):
                constraints.append(Constraint(replace(of.output, side="low"), low=of.low))
        return Goals(tuple(objectives), tuple(constraints))

    def costs(self, values: Mapping[str, float]) -> list[float]:
        """Of each objective; the less, the better."""
        return [objective.cost(values[objective.output.key]) for objective in self.objectives]

    def feasible(self, values: Mapping[str, float]) -> bool:
        """Whether all constraints hold."""
        return all(constraint.excess(values[constraint.output.key]) <= 0 for constraint in self.constraints)


def value_of(output: Output, text: str | float) -> float:
    """A value of an output in SI; a bare number is in the unit in which it is read.

    Raises:
        ContractError: It is not a number, or in a wrong unit.
    """
    try:
        value, unit = parse_quantity(text, name=output.name)
    except TramontaneError as error:
        raise ContractError(f"{output.name}: {text!r} is no value; give one in {output.shown or 'no unit'}") from error
    unit = output.shown if unit is None else unit
    if not compatible(unit, output.unit):
        raise ContractError(f"{output.name} is in {output.shown or 'no unit'}; {text!r} is in another unit")
    return in_si(value, unit)
