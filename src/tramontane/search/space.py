"""Design spaces: which parameters vary between which bounds, and designs in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, floor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from tramontane.contract import Contract
from tramontane.design import Design
from tramontane.errors import ContractError, TramontaneError
from tramontane.notice import Notice
from tramontane.units import Quantity, compatible, from_si, in_si, parse_quantity

Array = NDArray[np.floating[Any]]
_ROUNDING = 1e-9  # of a whole number, after a change of units


@dataclass(frozen=True)
class Variable:
    """A parameter that varies.

    Attributes:
        name: Of the parameter.
        low: Lower bound, SI.
        high: Upper bound, SI.
        unit: In which people read it.
        integer: Whether it takes whole numbers of its unit alone.
    """

    name: str
    low: float
    high: float
    unit: str = ""
    integer: bool = False


@dataclass(frozen=True)
class Space:
    """Parameters that vary, and those that are fixed.

    Rows of a table of designs are in SI, a column for each variable; *unit rows* lie in the unit cube.

    Attributes:
        variables: In the order of columns.
        fixed: The other parameters.
    """

    variables: tuple[Variable, ...]
    fixed: dict[str, Quantity] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        contract: Contract,
        *,
        vary: Mapping[str, str] | None = None,
        fixed: Mapping[str, str | float | Quantity] | None = None,
        integers: Sequence[str] = (),
        console: Console | None = None,
    ) -> Space:
        """The space that a contract's parameters span.

        Args:
            contract: Of the simulator.
            vary: By name, other bounds: ``{"speed": "20:40 m/s"}``. What is named here varies; where nothing is, all
                parameters vary that are not fixed.
            fixed: By name, values that stay. Where ``vary`` names some, the rest that are not fixed stay midway.
            integers: Names of variables that take whole numbers.
            console: Where it is said that bounds or values lie beyond the contract's own.

        Raises:
            ContractError: A name is not known, a value is in a wrong unit, bounds are upside down, or nothing varies.
        """
        vary, constants = dict(vary or {}), fixed_values(contract, fixed or {})
        known, given = contract.asked(geometry=False), set(constants)
        for name in [*vary, *integers]:
            if name not in known:
                raise ContractError(f"parameter {name!r} is not known; known are {', '.join(known)}")
        if both := sorted(set(vary) & given):
            raise ContractError(f"parameter {both[0]!r} varies and is fixed; give one of both")
        variables = []
        for name, spec in known.items():
            if name in given:
                continue
            if name in vary or not vary:
                low, high = bounds_of(name, vary[name], spec.unit) if name in vary else (spec.low, spec.high)
                integer = spec.integer or name in integers
                low, high = whole_within(name, low, high, spec.unit) if integer else (low, high)
                variables.append(Variable(name, low, high, spec.unit, integer))
            else:
                middle = from_si((spec.low + spec.high) / 2, spec.unit)
                constants[name] = Quantity(float(round(middle)) if spec.integer else middle, spec.unit)
        varying = [variable for variable in variables if variable.high > variable.low]
        for variable in (variable for variable in variables if variable not in varying):
            constants[variable.name] = Quantity(from_si(variable.low, variable.unit), variable.unit)
        if not varying:
            raise ContractError(f"contract {contract.name}: no parameter varies; give bounds, such as --vary a=1:2")
        space = cls(tuple(varying), constants)
        space.warn(contract, console)
        return space

    def warn(self, contract: Contract, console: Console | None) -> None:
        """Say which bounds and fixed values lie beyond the contract's range, where there is a console."""
        if console is not None:
            for notice in self.excesses(contract):
                console.print(f"Warning: {notice}", style="yellow", highlight=False, markup=False)

    def excesses(self, contract: Contract) -> list[Notice]:
        """Bounds and fixed values that lie beyond the contract's range."""
        stays = {name: value for name, value in self.fixed.items() if name in contract.parameters}
        fixed = {
            name: in_si(value, contract.parameters[name].unit if unit is None else unit)
            for name, (value, unit) in stays.items()
        }
        ends = [{of.name: of.low for of in self.variables}, {of.name: of.high for of in self.variables}]
        return [notice for values in (fixed, *ends) for notice in contract.excesses(values)]

    @property
    def names(self) -> list[str]:
        """Of the variables."""
        return [variable.name for variable in self.variables]

    @property
    def low(self) -> Array:
        """Lower bounds ``(d,)``, SI; half below the lowest whole number, so that all are equally frequent."""
        return np.array([of.low - (in_si(0.5, of.unit) if of.integer else 0.0) for of in self.variables])

    @property
    def high(self) -> Array:
        """Upper bounds ``(d,)``, likewise."""
        return np.array([of.high + (in_si(0.5, of.unit) if of.integer else 0.0) for of in self.variables])

    def rows(self, unit_rows: Array) -> Array:
        """Unit rows ``(n, d)`` in SI, whole numbers where they have to be."""
        rows = self.low + np.asarray(unit_rows, float) * (self.high - self.low)
        for column, variable in enumerate(self.variables):
            if variable.integer:
                low, high = (round(from_si(end, variable.unit)) for end in (variable.low, variable.high))
                whole = np.round([from_si(value, variable.unit) for value in rows[:, column].tolist()])
                whole = np.clip(whole, low, high)
                rows[:, column] = [in_si(value, variable.unit) for value in whole.tolist()]
        return rows

    def unit_rows(self, rows: Array) -> Array:
        """Rows ``(n, d)`` in the unit cube."""
        return np.asarray((np.asarray(rows, float) - self.low) / (self.high - self.low))

    def designs(self, rows: Array) -> list[Design]:
        """Designs of rows ``(n, d)``, without a geometry, each parameter in the contract's unit."""
        return [
            Design(**{
                variable.name: Quantity(from_si(value, variable.unit), variable.unit)
                for variable, value in zip(self.variables, row, strict=True)
            }, **self.fixed)
            for row in np.asarray(rows, float).tolist()
        ]  # fmt: skip

    def row(self, design: Design) -> Array:
        """The row ``(d,)`` of a design.

        Raises:
            ContractError: It lacks a variable.
        """
        values = []
        for variable in self.variables:
            if variable.name not in design.parameters:
                raise ContractError(f"parameter {variable.name!r} is missing; give it in {variable.unit or 'no unit'}")
            value, unit = design.parameters[variable.name]
            values.append(in_si(value, variable.unit if unit is None else unit))
        return np.array(values)

    @property
    def plan(self) -> dict[str, list[str]]:
        """What tells it from other spaces, for the plan of a study."""
        return {
            "variables": [f"{of.name} {of.low:.9g} {of.high:.9g}" for of in self.variables],
            "fixed": [f"{name} = {value}" for name, value in self.fixed.items()],
        }

    def told(self, row: Array) -> str:
        """A row ``(d,)``, SI, for people: each variable in its own unit."""
        return ", ".join(f"{of.name} = {Quantity(from_si(float(value), of.unit), of.unit)}"
                         for of, value in zip(self.variables, row, strict=True))  # fmt: skip


def fixed_values(contract: Contract, fixed: Mapping[str, str | float | Quantity]) -> dict[str, Quantity]:
    """Values of parameters that do not vary, each in a unit of its own or the contract's.

    Raises:
        ContractError: One is not known, or in a wrong unit.
    """
    known = contract.asked(geometry=False)
    for name in fixed:
        if name not in known:
            raise ContractError(f"parameter {name!r} is not known; known are {', '.join(known)}")
    values = {}
    for name in (name for name in known if name in fixed):
        value, unit = parse_quantity(fixed[name], name=name)
        if not np.isfinite(value):
            raise ContractError(f"parameter {name!r} is {value:g}; give a finite number")
        values[name] = Quantity(value, known[name].unit if unit is None else unit)
        if not compatible(values[name].unit or "", known[name].unit):
            raise ContractError(f"parameter {name!r} is in {values[name].unit}; give it in {known[name].unit}")
        number = from_si(in_si(value, values[name].unit or ""), known[name].unit)
        if known[name].integer and not is_whole(number):
            raise ContractError(f"parameter {name!r} is {number:g}, and must be a whole number; give {round(number)}")
    return values


def is_whole(number: float) -> bool:
    """Whether a number is whole, but for rounding in units."""
    return bool(np.isfinite(number)) and abs(number - round(number)) <= _ROUNDING * max(1.0, abs(number))


def bounds_of(name: str, text: str, unit: str) -> tuple[float, float]:
    """Bounds in SI of ``LOW:HIGH`` with a unit behind it, which may be left out.

    Raises:
        ContractError: It is not that, in another unit, or upside down.
    """
    low_text, colon, rest = text.partition(":")
    try:
        high = parse_quantity(rest, name=name)
        behind = unit if high.unit is None else high.unit
        low = parse_quantity(low_text, name=name)
        before = behind if low.unit is None else low.unit
    except TramontaneError as error:
        raise ContractError(f"bounds of {name} are {text!r}; give LOW:HIGH, such as {name}=1:2 {unit}") from error
    if not colon or not (compatible(before, unit) and compatible(behind, unit)):
        raise ContractError(f"bounds of {name} are {text!r}; give LOW:HIGH in {unit or 'no unit'}")
    bounds = in_si(low.value, before), in_si(high.value, behind)
    if not np.isfinite(bounds).all() or bounds[0] >= bounds[1]:
        raise ContractError(f"bounds of {name} are {text!r}: the lower one must be below the upper one")
    return bounds


def whole_within(name: str, low: float, high: float, unit: str) -> tuple[float, float]:
    """The lowest and the highest whole number of a unit between bounds, all in SI.

    Raises:
        ContractError: There is none.
    """
    first, last = ceil(from_si(low, unit) - _ROUNDING), floor(from_si(high, unit) + _ROUNDING)
    if first > last:
        raise ContractError(f"bounds of {name}: there is no whole number between {from_si(low, unit):g} and "
                            f"{Quantity(from_si(high, unit), unit)}; widen them")  # fmt: skip
    return in_si(float(first), unit), in_si(float(last), unit)


def sobol_designs(contract: Contract, n: int, *, seed: int = 0) -> list[Design]:
    """Designs spread evenly over the ranges of a contract's parameters, by `sobol`.

    Args:
        contract: Its parameters' ranges span the space.
        n: Number of designs.
        seed: Of the scrambling.

    Returns:
        Designs without a geometry, each parameter in the contract's unit; whole numbers, where it says so, are equally
        frequent.

    Raises:
        TramontaneError: ``n`` is below one, or the contract has no parameters.
    """
    if not contract.parameters:
        raise TramontaneError(f"contract {contract.name}: has no parameters to vary; add some with low and high")
    of_contract = contract.parameters.items()
    variables = tuple(Variable(name, of.low, of.high, of.unit, of.integer) for name, of in of_contract)
    space = Space(variables)
    return space.designs(space.rows(sobol(len(variables), n, seed=seed)))


def sobol(size: int, n: int, *, seed: int = 0) -> Array:
    """Unit rows ``(n, size)`` of a scrambled Sobol sequence (Owen 1998); the first k of n do not depend on n.

    Raises:
        TramontaneError: ``n`` is below one.
    """
    from scipy.stats import qmc  # takes half a second to load

    if n < 1:
        raise TramontaneError(f"n = {n}: at least one design is needed; give -n 1 or more")
    # scipy draws a power of two without complaint; the surplus is dropped.
    return np.asarray(qmc.Sobol(d=size, scramble=True, rng=seed).random_base2((n - 1).bit_length())[:n])
