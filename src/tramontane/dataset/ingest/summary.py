"""What was ingested, in a few lines."""

from __future__ import annotations

from rich.console import Console

from tramontane.contract import power_law
from tramontane.dataset.store.dataset import Dataset
from tramontane.units import Quantity, from_si


def describe(dataset: Dataset, console: Console) -> None:
    """Say what was ingested, and what was assumed on the way."""
    contract = dataset.contract
    splits = ", ".join(f"{name} {len(cases)}" for name, cases in dataset.splits.items())
    console.print(f"{dataset.path}: {len(dataset.names)} cases ({splits})", highlight=False, markup=False)
    for name, spec in contract.parameters.items():
        if spec.role == "constant":
            value = Quantity(from_si(spec.low, spec.unit), spec.unit)
            console.print(f"  constant {name} = {value} in all cases, not asked", highlight=False, markup=False)
            continue
        console.print(f"  parameter {name} [{spec.unit or '-'}], {spec.role}", highlight=False, markup=False)
    for domain, fields in contract.fields.items():
        for name, field in fields.items():
            console.print(
                f"  field {domain}/{name} [{field.unit or '-'}], {field.components} at {field.location}s"
                + _law(field.scales_with),
                highlight=False,
                markup=False,
            )
    for name, qoi in contract.qoi.items():
        console.print(
            f"  QoI {name} [{qoi.shown or '-'}] = {qoi.definition or 'not defined by fields'}" + _law(qoi.scales_with),
            highlight=False,
            markup=False,
        )


def _law(powers: dict[str, float]) -> str:
    return f", in proportion to {power_law(powers)}" if powers else ""
