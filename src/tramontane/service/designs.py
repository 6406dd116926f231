"""A request understood: each number in SI, or every fault named with the unit that is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyvista as pv

from tramontane.contract import Contract, Excess
from tramontane.design import Design
from tramontane.errors import UnitError
from tramontane.service import schemas
from tramontane.service.problems import Fault, at_fault, without_paths
from tramontane.service.schemas import DesignRequest, Warned
from tramontane.service.uploads import Geometries
from tramontane.surrogate import Surrogate
from tramontane.units import Quantity, dimension, from_si, parse_quantity


def understand(contract: Contract, request: DesignRequest, *, geometry: bool, where: str = "") -> dict[str, float]:
    """The parameters of a request in SI, in the contract's order.

    Args:
        contract: Of the simulator that is asked.
        request: A design.
        geometry: Whether the simulator takes a geometry; then operating conditions are asked, else all parameters.
        where: Where the design stands in the request, such as ``designs.3.``.

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
    found = [
        Fault(input=f"{where}parameters.{name}", detail=detail,
              unit=contract.parameters[name].unit if name in contract.parameters else None)
        for name, detail in faults.items()
    ]  # fmt: skip
    if geometry and request.geometry is None:
        found.insert(0, Fault(input=f"{where}geometry", detail="a geometry is missing; upload one and give its hash"))
    elif not geometry and request.geometry is not None:
        found.insert(0, Fault(input=f"{where}geometry", detail="parameters alone say which design is meant here; "
                                                               "leave the geometry out"))  # fmt: skip
    if request.length_unit is not None:
        try:
            wrong = dimension(request.length_unit) != dimension("m")
        except UnitError:
            wrong = True
        if wrong:
            found.append(Fault(input=f"{where}length_unit", unit=contract.length_unit,
                               detail=f"{request.length_unit!r} is no length; give 'mm' or the like"))  # fmt: skip
    if found:
        raise at_fault(*found[:20])
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


def warned(surrogate: Surrogate | None, asked: Design, warnings: Iterable[str]) -> list[Warned]:
    """A case's warnings; those about a range with the numbers.

    Args:
        surrogate: That answered; None for a solver.
        asked: What it was asked.
        warnings: The case's own sentences.
    """
    ranges: dict[str, Warned] = {}
    if surrogate is not None:
        for each in surrogate.contract.excesses(surrogate.contract.values(asked)):
            ranges[str(each)] = _with_range(f"parameters.{each.name}", str(each), each)
        for each in surrogate.extent_excesses(_mesh(asked)):
            sentence = surrogate.extent_sentence(each)
            ranges[sentence] = _with_range("geometry", sentence, each, axis=each.name)
        for guess in surrogate.unit_guesses(_mesh(asked), asked):
            where = f"parameters.{guess.name}" if guess.name else "geometry"
            ranges[guess.sentence] = Warned(input=where, detail=guess.sentence, suggested_unit=guess.unit)
    return [
        ranges.get(text)
        or Warned(input="geometry" if text.startswith("geometry") else "design", detail=without_paths(text))
        for text in warnings
    ]


def _mesh(asked: Design) -> pv.PolyData | None:
    assert not isinstance(asked.geometry, Path)  # designs of a server hold meshes
    return asked.geometry


def _with_range(where: str, detail: str, excess: Excess, **more: Any) -> Warned:
    return Warned(input=where, detail=detail, value=excess.value, low=excess.low, high=excess.high, unit=excess.unit,
                  share=excess.share, **more)  # fmt: skip
