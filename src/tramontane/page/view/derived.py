"""What follows from a model's fields and parameters: the pressure coefficient."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tramontane.case import Case
from tramontane.contract import Contract, ParameterSpec
from tramontane.page.language.readable_units import number
from tramontane.units import dimension

Array = NDArray[np.floating[Any]]
CP = "pressure_coefficient"
"""The choice under which it is looked at."""
_PRESSURE = re.compile(r"(^|_)(p|pressure)($|_mean$)")
_REFERENCE = re.compile(r"ref|ambient|atmos|free|inf|static|outlet|back", re.IGNORECASE)
_ABSOLUTE = 20.0  # times the dynamic pressure: no gauge pressure of a flow lies there throughout


@dataclass(frozen=True)
class PressureCoefficient:
    """``Cp = (p - p_ref) / (1/2 density speed^2)``.

    Attributes:
        pressure: The field, Pa, or over the density, m2/s2.
        speed: The parameter of the free stream's speed.
        density: That of the density; None where the pressure is over the density.
        reference: That of the reference pressure; None where the pressure is a gauge pressure, whose reference is 0.
    """

    pressure: str
    speed: str
    density: str | None
    reference: str | None

    def values(self, pressure: Array, case: Case, contract: Contract) -> Array:
        """The coefficient where the pressure is; NaN where pressures are absolute and no reference is known."""
        speed, density, reference = self._numbers(case, contract)
        dynamic = 0.5 * density * speed**2
        if self.is_absolute(pressure, case, contract) or not dynamic:
            return np.full_like(pressure, np.nan)
        return np.asarray((pressure - reference) / dynamic, dtype=pressure.dtype)

    def slope(self, case: Case, contract: Contract) -> float:
        """By how much the coefficient changes with the pressure, 1/Pa, or over the density."""
        speed, density, _ = self._numbers(case, contract)
        dynamic = 0.5 * density * speed**2
        return 1 / dynamic if dynamic else float("nan")

    def is_absolute(self, pressure: Array, case: Case, contract: Contract) -> bool:
        """Whether pressures are so far from zero that zero is not their reference, and no other is known."""
        speed, density, _ = self._numbers(case, contract)
        finite = pressure[np.isfinite(pressure)]
        least = float(np.abs(finite).min()) if len(finite) else 0.0
        return self.reference is None and least > _ABSOLUTE * 0.5 * density * speed**2

    def stated(self, case: Case, contract: Contract) -> str:
        """The formula with its numbers."""
        speed, density, reference = self._numbers(case, contract)
        if self.density is None:
            return f"Cp = (p/ρ − {number(reference)} m²/s²) / (½ · ({number(speed)} m/s)²)"
        return f"Cp = (p − {number(reference)} Pa) / (½ · {number(density)} kg/m³ · ({number(speed)} m/s)²)"

    def _numbers(self, case: Case, contract: Contract) -> tuple[float, float, float]:
        given, _ = contract.examine(case.design.parameters, geometry=case.design.geometry is not None)

        def value(name: str | None, default: float) -> float:
            if name is None:
                return default
            spec = contract.parameters[name]
            return given.get(name, spec.low if spec.role == "constant" else float("nan"))

        return value(self.speed, 0.0), value(self.density, 1.0), value(self.reference, 0.0)


def pressure_coefficient(contract: Contract) -> PressureCoefficient | None:
    """How the coefficient follows, or None where speed or density are not known, or which of several counts."""
    if any(CP in fields for fields in contract.fields.values()):
        return None  # the model has its own
    specs = {name: spec for fields in contract.fields.values() for name, spec in fields.items()}
    pressures = [name for name, spec in specs.items()
                 if spec.components == 1 and _PRESSURE.search(name) and spec.unit
                 and dimension(spec.unit) in (dimension("Pa"), dimension("m^2/s^2"))]  # fmt: skip
    speeds = _of(contract.parameters, "m/s")
    if not pressures or len(speeds) != 1:
        return None
    pressure = "pressure" if "pressure" in pressures else pressures[0]
    if dimension(specs[pressure].unit) != dimension("Pa"):
        return PressureCoefficient(pressure, speeds[0], None, None)
    densities = _of(contract.parameters, "kg/m^3")
    if len(densities) != 1:
        return None
    references = [name for name in _of(contract.parameters, "Pa") if _REFERENCE.search(name)]
    if len(references) > 1:
        return None
    return PressureCoefficient(pressure, speeds[0], densities[0], next(iter(references), None))


def _of(parameters: Mapping[str, ParameterSpec], unit: str) -> list[str]:
    return [name for name, spec in parameters.items() if spec.unit and dimension(spec.unit) == dimension(unit)]
