"""Units that nobody stated: taken from names by convention, said as a warning, and confirmed before anything learns."""

from __future__ import annotations

from collections.abc import Mapping

from tramontane.contract import Contract
from tramontane.units import assumed_unit, compatible, dimension

PLACE = "units"  # of the problem in an audit
_SHOWN = 8
# What is stated in these has a meaning of its own: a force over a length in two dimensions, a pressure over a density.
_OTHER = {"N/m", "m^2/s^2", ""}


def listed(units: Mapping[str, str]) -> str:
    """``drag in N, speed in m/s``; of many, the first."""
    phrases = [f"{name} in {unit or 'no unit'}" for name, unit in sorted(units.items())]
    return ", ".join(phrases[:_SHOWN]) + (f" and {len(phrases) - _SHOWN} more" if len(phrases) > _SHOWN else "")


def warning_of(units: Mapping[str, str]) -> str:
    """What an audit says of units that were assumed, and how they are confirmed."""
    sentence = (f"units assumed from names, since nothing states them: {listed(units)}; if that is wrong, state them "
                "(a header \"speed [km/h]\", a unit in the case's JSON, or a contract); if it is right, confirm it "
                "with --assume-units")  # fmt: skip
    if units.get("p") == "m^2/s^2":
        sentence += "; p is taken for OpenFOAM's pressure over density, read the case's own folder to have it in Pa"
    return sentence


def refusal_of(file: object, units: Mapping[str, str]) -> str:
    """Why a dataset is not trained on, and how it is confirmed."""
    return (f"{file}: units are assumed from names: {listed(units)}; if they are right, confirm them with "
            "--assume-units (assume_units=True in Python), else state them in the files or a contract and ingest "
            "again")  # fmt: skip


def in_contract(units: Mapping[str, str], contract: Contract) -> dict[str, str]:
    """Those of the assumed units that a contract's inputs and outputs are in."""
    names = {*contract.parameters, *contract.qoi, *(name for fields in contract.fields.values() for name in fields)}
    return {name: unit for name, unit in sorted(units.items()) if name in names}


def doubt(name: str, unit: str) -> str:
    """Why a unit that is stated does not fit its name, such as nm for a torque; empty where it does."""
    usual = assumed_unit(name)
    if usual is None or unit in _OTHER or dimension(unit) == "dimensionless" or compatible(unit, usual):
        return ""
    instead = {
        "nm": "Nm for newton metres",
        "g": "g0 for multiples of gravity",
        "kg": "kgf for the weight of a kilogram",
    }
    return f"is stated in {unit}, which is {dimension(unit)}, where one would expect {usual}; check it" + (
        f", or write {instead[unit]}" if unit in instead else ""
    )
