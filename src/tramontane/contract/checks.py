"""What the parts of a contract that a person edits must have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tramontane.errors import ContractError
from tramontane.units import from_si

if TYPE_CHECKING:
    from tramontane.contract import Contract

_WHOLE = 1e-6  # so far from a whole number, one is taken for it: units have changed its last digits


def check_contract(contract: Contract) -> None:
    """That there is something to learn, that power laws name parameters, and that ranges have the right way round.

    Raises:
        ContractError: The first key that is wrong is named.
    """
    _check_references(contract)
    _check_ranges(contract)
    if not contract.fields and not contract.qoi:
        raise ContractError("names no field and no QoI, so that there is nothing to learn; "
                            "`tramontane inspect RESULTS --write-contract` writes what the results hold")  # fmt: skip


def _check_references(contract: Contract) -> None:
    """Raise the first power law that names a parameter which the contract does not have."""
    defined = {name: spec.definition for name, spec in contract.qoi.items() if spec.definition}
    laws = [
        *((f"fields.{domain}.{name}.scales_with", spec.scales_with)
          for domain, specs in contract.fields.items() for name, spec in specs.items()),
        *((f"qoi.{name}.scales_with", spec.scales_with) for name, spec in contract.qoi.items()),
        *((f"qoi.{name}.definition.per", definition.per) for name, definition in defined.items()),
    ]  # fmt: skip
    for where, law in laws:
        if unknown := [name for name in law if name not in contract.parameters]:
            names = ", ".join(contract.parameters) or "none"
            raise ContractError(f"{where}: {unknown[0]} is no parameter of the contract (it has {names}); "
                                "correct it, or remove it there")  # fmt: skip


def _check_ranges(contract: Contract) -> None:
    """Raise the first range whose ends are the wrong way round."""
    for name, spec in contract.parameters.items():
        if spec.low > spec.high:
            low, high = from_si(spec.low, spec.unit), from_si(spec.high, spec.unit)
            raise ContractError(f"parameters.{name}: low ({low:g}) is above high ({high:g}); exchange or correct them")
        for end in (spec.low, spec.high) if spec.integer else ():
            number = from_si(end, spec.unit)
            if abs(number - round(number)) > _WHOLE:
                raise ContractError(f"parameters.{name}: is an integer, but its range ends at {number:g}; give whole "
                                    "numbers")  # fmt: skip
    for name, domain in contract.domains.items():
        for axis, below, above in zip("xyz", domain.low, domain.high, strict=True):
            if below is not None and above is not None and below > above:  # a plane flow has no depth
                raise ContractError(f"domains.{name}: in {axis}, low ({below:g}) is above high ({above:g}); "
                                    "correct them")  # fmt: skip
