"""A surrogate and the solver behind it: what one design is to each of them, and whether their contracts agree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyvista as pv

from tramontane.contract import Contract
from tramontane.design import Design
from tramontane.errors import ContractError
from tramontane.simulator import Parametric, Simulator
from tramontane.surrogate.surrogate import Surrogate
from tramontane.units import Quantity, compatible, si_unit

_SAME_BOX, _SAME_VOLUME = 0.02, 0.05  # of the diagonal, and of the volume: what two triangulations may differ by


def question_of(surrogate: Surrogate, design: Design, geometry: Path | pv.PolyData | None) -> Design:
    """What a surrogate is asked of a solver's design: the parameters that it knows, on a geometry where it needs one.

    Raises:
        ContractError: It needs a geometry, and there is none.
    """
    known = {name: value for name, value in design.parameters.items() if name in surrogate.contract.parameters}
    if not surrogate.needs_geometry:
        return Design(None, **known)
    if geometry is None:
        raise ContractError("the design has no geometry, which this surrogate needs, and the solver makes none of the "
                            "parameters; give a file such as part.stl")  # fmt: skip
    return Design(geometry, length_unit=design.length_unit, **known)


def shape_of(surrogate: Surrogate, solver: Simulator, design: Design) -> pv.PolyData | None:
    """The geometry of a design that has none, metres; None where none is needed, or the solver makes none."""
    if design.geometry is not None or not surrogate.needs_geometry or not isinstance(solver, Parametric):
        return None
    return solver.geometry(design)


def check_same_shape(given: pv.PolyData, made: pv.PolyData) -> None:
    """Raise where the geometry that a surrogate is asked with is not the one that the solver makes of the parameters.

    Args:
        given: Metres.
        made: Metres.

    Raises:
        ContractError: Bounding boxes differ by more than 2 % of their diagonal, or volumes by more than 5 %.
    """
    box, other = (np.asarray(shape.bounds, dtype=float) for shape in (given, made))
    diagonal = float(np.linalg.norm(other[1::2] - other[::2]))
    volumes = given.volume, made.volume
    if np.abs(box - other).max() > _SAME_BOX * diagonal or abs(volumes[0] - volumes[1]) > _SAME_VOLUME * volumes[1]:
        sizes = (" x ".join(f"{edge:.4g}" for edge in each[1::2] - each[::2]) for each in (box, other))
        raise ContractError(f"the geometry ({next(sizes)} m, {volumes[0]:.4g} m3) is not the one that the solver makes "
                            f"of the parameters ({next(sizes)} m, {volumes[1]:.4g} m3); correct the parameters, or "
                            "leave the geometry out")  # fmt: skip


def check_made(surrogate: Surrogate, solver: Simulator, design: Design, surface: pv.PolyData | None) -> None:
    """Before a solver runs: that it makes the geometry that the surrogate is asked with.

    Raises:
        ContractError: It makes another one of the parameters, or one is missing.
    """
    dimensions = any(spec.role == "geometry" for spec in solver.contract.parameters.values())
    if surface is None or design.geometry is None or not dimensions or not isinstance(solver, Parametric):
        return
    check_same_shape(surface, solver.geometry(design.with_geometry(None)))


def with_units(design: Design, contract: Contract) -> Design:
    """The design with a unit at every parameter: those of bare numbers are the solver's."""
    stated = {
        name: Quantity(value.value, contract.parameters[name].unit)
        if value.unit is None and name in contract.parameters
        else value
        for name, value in design.parameters.items()
    }
    return Design(design.geometry, length_unit=design.length_unit, **stated)


def check_agreement(surrogate: Surrogate, solver: Contract) -> None:
    """Raise where a solver cannot answer in a surrogate's place.

    Raises:
        ContractError: All that the two disagree on is named.
    """
    if lines := disagreements(surrogate, solver):
        raise ContractError(f"the contracts of surrogate and solver do not agree: {'; '.join(lines)}; use the solver "
                            "that the surrogate's cases came from")  # fmt: skip


def disagreements(surrogate: Surrogate, solver: Contract) -> list[str]:
    """What a surrogate has that a solver does not, one line each; ranges, and what the solver has besides, are no
    matter."""
    mine, lines = surrogate.contract, []
    # A solver that makes shapes of dimensions makes those of the surrogate's family only if it knows their dimensions.
    makes_shapes = any(spec.role == "geometry" for spec in solver.parameters.values())
    for name, spec in mine.asked(geometry=surrogate.needs_geometry and not makes_shapes).items():
        if name not in solver.parameters:
            lines.append(f"the solver has no parameter {name!r}")
        elif not compatible(spec.unit, theirs := solver.parameters[name].unit):
            lines.append(f"parameter {name!r} is in {spec.unit or 'no unit'}, the solver's in {theirs or 'no unit'}")
    # What a geometry does not say, and the surrogate does not know of, would change the solver's answer alone.
    needed = solver.asked(geometry=surrogate.needs_geometry)
    lines += [f"the surrogate has no parameter {name!r}" for name in needed if name not in mine.parameters]
    for domain, specs in mine.fields.items():
        for name, field_spec in specs.items():
            other = solver.fields.get(domain, {}).get(name)
            if other is None:
                lines.append(f"the solver has no field {domain}/{name}")
            elif (other.components, si_unit(other.unit)) != (field_spec.components, si_unit(field_spec.unit)):
                lines.append(f"field {domain}/{name} has {field_spec.components} components in "
                             f"{field_spec.unit or 'no unit'}, the solver's {other.components} in "
                             f"{other.unit or 'no unit'}")  # fmt: skip
    for name, qoi in mine.qoi.items():
        if name not in solver.qoi and qoi.definition is None:
            lines.append(f"the solver has no QoI {name!r}")
        elif name in solver.qoi and not compatible(qoi.unit, theirs := solver.qoi[name].unit):
            lines.append(f"QoI {name!r} is in {qoi.unit or 'no unit'}, the solver's in {theirs or 'no unit'}")
    return lines
