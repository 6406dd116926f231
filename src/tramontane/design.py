"""A design: what is asked of a simulator."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tramontane.errors import UnitError
from tramontane.units import Quantity, dimension, parse_quantity

if TYPE_CHECKING:
    import pyvista as pv


class Design:
    """A geometry (closed triangle surface, or a file of one) and parameters with units.

    Args:
        geometry: A path (STL, OBJ, PLY, STEP, VTP), a ``pyvista.PolyData`` in metres, or None where the parameters
            alone say which design is meant.
        length_unit: Of the geometry's file, such as ``"mm"``; None takes the contract's. Of a mesh, the unit that its
            file was taken to be in: it is in metres already.
        parameters: Name and value of each parameter: ``"500 N"``, or a number in the unit that the contract declares.

    Examples:
        >>> Design("part.stl", load="500 N").parameters["load"]
        Quantity(value=500.0, unit='N')

    Raises:
        UnitError: A parameter is not a number with a known unit, or ``length_unit`` is no length.
    """

    geometry: Path | pv.PolyData | None
    length_unit: str | None
    parameters: dict[str, Quantity]

    def __init__(
        self,
        geometry: str | os.PathLike[str] | pv.PolyData | None = None,
        /,
        *,
        length_unit: float | str | Quantity | None = None,  # a str; wider, as what stands behind ** is
        **parameters: float | str | Quantity,
    ) -> None:
        self.geometry = Path(geometry) if isinstance(geometry, (str, os.PathLike)) else geometry
        if length_unit is not None and not (isinstance(length_unit, str) and dimension(length_unit) == dimension("m")):
            raise UnitError(f"length_unit {length_unit!r} is no unit of length; write one such as 'mm'")
        self.length_unit = length_unit
        self.parameters = {name: parse_quantity(value, name=name) for name, value in parameters.items()}

    def with_geometry(self, geometry: str | os.PathLike[str] | pv.PolyData | None) -> Design:
        """The same parameters on another geometry."""
        return Design(geometry, length_unit=self.length_unit, **self.parameters)

    def __repr__(self) -> str:
        shape = [] if self.geometry is None else [
            str(self.geometry) if isinstance(self.geometry, Path) else f"surface of {self.geometry.n_cells} cells"
        ]  # fmt: skip
        return f"Design({', '.join([*shape, *(f'{name}={value}' for name, value in self.parameters.items())])})"
