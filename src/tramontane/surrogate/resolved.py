"""Designs resolved once: parameters in SI, the geometry read and hashed; what is below converts and hashes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyvista as pv

from tramontane.dataset import Dataset
from tramontane.design import Design
from tramontane.formats.surfaces.geometry import Geometry
from tramontane.models.recent import digest


@dataclass(frozen=True, eq=False)
class ResolvedDesign:
    """A design as models take it.

    Attributes:
        surface: Closed triangle surface, metres; None where designs have no geometry.
        values: Operating conditions, SI; all parameters where there is no geometry.
        known_hash: Of the surface, where it is at hand.
    """

    surface: pv.PolyData | None
    values: dict[str, float]
    known_hash: bytes | None = None

    @cached_property
    def surface_hash(self) -> bytes | None:
        """The same for equal surfaces, and for no others; None without one."""
        if self.known_hash is not None or self.surface is None:
            return self.known_hash
        return hash_surface(self.surface)


@dataclass(frozen=True, eq=False, kw_only=True)
class CheckedDesign(ResolvedDesign):
    """A design that a surrogate can be asked; see `tramontane.surrogate.Surrogate.check`.

    Attributes:
        given: As it was given.
        geometry: Its geometry as it was read; None without one.
        length_unit: That the geometry's file is in, or was taken to be in.
    """

    given: Design
    geometry: Geometry | None
    length_unit: str

    @property
    def label(self) -> str:
        """What it is called in an error."""
        return str(self.given.geometry) if isinstance(self.given.geometry, Path) else "design"


def stored_design(dataset: Dataset, name: str, *, geometry: bool = True) -> ResolvedDesign:
    """A case of a dataset, which holds SI and checked geometries.

    Args:
        dataset: The store.
        name: The case.
        geometry: Whether its geometry is wanted.
    """
    return ResolvedDesign(dataset.geometry(name) if geometry else None, dataset.parameters(name))


def hash_surface(surface: pv.PolyData) -> bytes:
    """A hash of a surface's points and faces."""
    return digest(surface.points, surface.faces)
