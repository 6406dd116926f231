"""Bernoulli's bound: the pressure of an incompressible flow is at most that of the free stream brought to rest."""

from __future__ import annotations

import numpy as np

from tramontane.case import Case
from tramontane.contract import Contract
from tramontane.trust.physics_check import PhysicsCheck, Residual
from tramontane.units import dimension

_ABSOLUTE = 20.0  # a mean pressure above so many dynamic ones has the atmosphere's in it


def _residual(case: Case, contract: Contract) -> Residual | None:
    """By how much the highest gauge pressure is above the dynamic pressure of the free stream, Pa."""
    if any("density" in fields for fields in contract.fields.values()):
        return None  # of a compressible fluid it is higher
    if dimension(case.field_units.get("pressure", "Pa")) != dimension("Pa"):
        return None  # over the density, of a flow that may have another
    values, _ = contract.examine(case.design.parameters, geometry=True)
    speed, density = (_only(contract, values, unit) for unit in ("m/s", "kg/m^3"))
    pressures = [
        np.asarray(case.field_values(domain, "pressure"), dtype=np.float64)
        for domain in case.meshes if case.field_names(domain).get("pressure")
    ]  # fmt: skip
    if speed is None or density is None or not pressures:
        return None
    pressure, dynamic = np.concatenate([each.ravel() for each in pressures]), density * speed**2 / 2
    if dynamic <= 0 or float(np.nanmean(pressure)) > _ABSOLUTE * dynamic:
        return None
    return Residual(max(0.0, float(np.nanmax(pressure)) - dynamic), dynamic)


def _only(contract: Contract, values: dict[str, float], unit: str) -> float | None:
    """The value of the only parameter in such a unit; None where there is none, or several."""
    of = [value for name, value in values.items() if dimension(contract.parameters[name].unit) == dimension(unit)]
    return of[0] if len(of) == 1 else None


CHECK = PhysicsCheck("stagnation", "the pressure is at most the stagnation pressure", "Pa", _residual)
