"""A request understood: each number in SI, or every fault named with the unit that is asked."""

from __future__ import annotations

from collections.abc import Mapping

from tramontane.contract import Contract
from tramontane.design import Design
from tramontane.errors import UnitError
from tramontane.notice import Notice
from tramontane.service.geometries.uploads import Geometries
from tramontane.service.predictions import schemas
from tramontane.service.predictions.schemas import DesignRequest, VerdictAnswer, Warned
from tramontane.service.problems import Fault, at_fault, without_paths
from tramontane.units import Quantity, dimension, from_si, parse_quantity
from tramontane.verdict import Verdict


def understand(contract: Contract, request: DesignRequest, *, geometry: bool, prefix: str = "") -> dict[str, float]:
    """The parameters of a request in SI, in the contract's order.

    Args:
        contract: Of the simulator that is asked.
        request: A design.
        geometry: Whether the simulator takes a geometry; then operating conditions are asked, else all parameters.
        prefix: Where the design stands in the request, such as ``designs.3.``.

    Raises:
        Problem: Parameters are missing, unknown, no numbers, or in wrong units; all are named.
    """
    given: dict[str, Quantity] = {}
    broken: dict[str, str] = {}
    for name, value in request.parameters.items():
        try:
            given[name] = parse_quantity(value, name=f"parameter {name!r}")
        except UnitError as error:
            broken[name] = str(error)
    values, faults = contract.examine(given, geometry=geometry)
    faults |= broken
    problems = [
        Fault(input=f"{prefix}parameters.{name}", detail=detail,
              unit=contract.parameters[name].unit if name in contract.parameters else None)
        for name, detail in faults.items()
    ]  # fmt: skip
    if geometry and request.geometry is None:
        problems.insert(
            0, Fault(input=f"{prefix}geometry", detail="a geometry is missing; upload one and give its hash")
        )
    elif not geometry and request.geometry is not None:
        problems.insert(0, Fault(input=f"{prefix}geometry", detail="parameters alone say which design is meant here; "
                                 "leave the geometry out"))  # fmt: skip
    if request.length_unit is not None:
        try:
            wrong = dimension(request.length_unit) != dimension("m")
        except UnitError:
            wrong = True
        if wrong:
            problems.append(Fault(input=f"{prefix}length_unit", unit=contract.length_unit,
                               detail=f"{request.length_unit!r} is no length; give 'mm' or the like"))  # fmt: skip
    if problems:
        raise at_fault(*problems[:20])
    return values


def design(
    contract: Contract,
    geometries: Geometries | None,
    values: Mapping[str, float],
    *,
    geometry: str | None,
    length_unit: str,
) -> Design:
    """A design in the contract's units, on a stored geometry.

    Args:
        contract: Of the simulator that is asked.
        geometries: The store; None where there is no geometry.
        values: Parameters in SI.
        geometry: Hash of the geometry, or None.
        length_unit: Of the geometry.
    """
    units = {name: contract.parameters[name].unit for name in values}
    quantities = {name: Quantity(from_si(value, units[name]), units[name]) for name, value in values.items()}
    mesh = None if geometry is None or geometries is None else geometries.mesh(geometry, length_unit)
    return Design(mesh, length_unit=length_unit, **quantities)


def stated(contract: Contract, values: Mapping[str, float]) -> dict[str, schemas.Quantity]:
    """Parameters in the contract's units, for an answer."""
    return {
        name: schemas.Quantity(
            value=from_si(value, contract.parameters[name].unit), unit=contract.parameters[name].unit
        )
        for name, value in values.items()
    }


def verdict(verdict_found: Verdict | None) -> VerdictAnswer | None:
    """A verdict as it is told, with its reasons in words."""
    if verdict_found is None:
        return None
    return VerdictAnswer(
        domain=verdict_found.domain, score=verdict_found.score, reasons=[warned(each) for each in verdict_found.reasons]
    )


def warned(notice: Notice) -> Warned:
    """A notice as it is told, with its sentence."""
    return Warned(
        code=notice.code, input=notice.input, detail=without_paths(str(notice)), value=notice.value, low=notice.low,
        high=notice.high, unit=notice.unit, share=notice.share, axis=notice.axis, suggested_unit=notice.suggested_unit,
        suggested_value=notice.suggested_value,
    )  # fmt: skip
