"""A triangle surface and a ``morph.toml``: shapes that follow from parameters, without CAD."""

from __future__ import annotations

import copy
import functools
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyvista as pv
from numpy.typing import NDArray

from tramontane.case import Case, Provenance
from tramontane.contract import Contract, ParameterSpec, QoiSpec
from tramontane.design import Design
from tramontane.errors import ContractError, FormatError, GeometryError
from tramontane.formats.surfaces.geometry import read_geometry
from tramontane.formats.surfaces.stl import read_stl, stl_with_corners
from tramontane.geometry.holes import enclosed
from tramontane.geometry.morph import Morph
from tramontane.geometry.morph_checks import MorphedSurface, MorphReport
from tramontane.geometry.morph_config import MorphConfig, read_morph
from tramontane.geometry.refine import refine_edges
from tramontane.geometry.triangles import area_of
from tramontane.io.atomic import replacing
from tramontane.io.hashes import file_sha256
from tramontane.qoi import QoiDefinition
from tramontane.units import Quantity, from_si

Array = NDArray[np.floating[Any]]
_WRITTEN = (".stl", ".ply", ".vtp")
_MOST = 4_000_000  # triangles that max_edge may make


def open_morph(file: str | os.PathLike[str]) -> MorphedGeometry:
    """The surface that a ``morph.toml`` names, morphed by it.

    Raises:
        TramontaneError: It names none; or see `MorphedGeometry`.
    """
    path = Path(file)
    surface = read_morph(path).surface
    if surface is None:
        raise ContractError(f'{path}: names no surface; write surface = "body.stl", the file beside it')
    return MorphedGeometry(path.parent / surface, path)


class MorphedGeometry:
    """A closed surface that is morphed; a `tramontane.simulator.Parametric`, whose only result is the volume.

    Args:
        surface: A file: STL, or another that `read_geometry` reads.
        morph: A ``morph.toml``, or what it says.

    Attributes:
        config: What that file says.
        surface: The file.

    Raises:
        ContractError: The ``morph.toml`` is wrong; file and key are named.
        GeometryError: The surface cannot be read or is not closed, or a parameter moves nothing of it or would tear it.

    Examples:
        >>> body = MorphedGeometry("body.stl", "morph.toml")
        >>> body.write(Design(nose="10 mm"), "longer.stl")
    """

    def __init__(self, surface: str | os.PathLike[str], morph: str | os.PathLike[str] | MorphConfig) -> None:
        self.surface = Path(surface)
        self._answers: Contract | None = None
        label = "" if isinstance(morph, MorphConfig) else f"{os.fspath(morph)}: "
        self.config = morph if isinstance(morph, MorphConfig) else read_morph(morph)
        read = read_geometry(self.surface, length_unit=self.config.length_unit)
        if not read.closed:
            raise GeometryError(f"{self.surface}: the surface has holes; close it in CAD before it is morphed")
        points: Array = np.asarray(read.mesh.points, dtype=np.float64)
        triangles = np.asarray(read.mesh.regular_faces, dtype=np.int64)
        if self.config.max_edge is not None:
            edge = self.config.max_edge * self.config.metres
            if area_of(points, triangles) / (edge**2 / 4) > _MOST:
                raise GeometryError(f"{label}max_edge: {self.config.max_edge:g} {self.config.length_unit} would make "
                                    f"millions of triangles of {self.surface}; give a longer one")  # fmt: skip
            points, triangles = refine_edges(points, triangles, edge)
        try:
            self._morph = Morph(self.config)
            self._surface = MorphedSurface(points, triangles, self._morph)
        except (ContractError, GeometryError) as error:
            raise type(error)(f"{label}{error}") from error

    @property
    def parameters(self) -> dict[str, ParameterSpec]:
        """The parameters, as those of a contract."""
        return self.config.specs

    @functools.cached_property
    def fingerprint(self) -> str:
        """A hash of the surface's file and of what moves it: whether two are the same."""
        moves = self.config.model_dump_json(exclude={"surface"})
        return hashlib.sha256(f"{moves} {file_sha256(self.surface)}".encode()).hexdigest()

    @property
    def contract(self) -> Contract:
        """The parameters, and the volume; see `for_surrogate`."""
        if self._answers is not None:
            return self._answers
        volume = QoiSpec(unit="m^3", definition=QoiDefinition(kind="volume"))
        return Contract(name=self.surface.stem, length_unit=self.config.length_unit, parameters=self.parameters,
                        qoi={"volume": volume})  # fmt: skip

    def for_surrogate(self, contract: Contract) -> MorphedGeometry:
        """What makes shapes for a surrogate that needs a geometry: designs have its operating conditions, too.

        Args:
            contract: The surrogate's.

        Raises:
            ContractError: One of them has the name of a parameter here.
        """
        if twice := [name for name in contract.operating if name in self.parameters]:
            raise ContractError(f"parameter {twice[0]} of the morph is an operating condition of the surrogate, too; "
                                "give it another name")  # fmt: skip
        other = copy.copy(self)
        other._answers = contract.model_copy(update={"parameters": contract.operating | self.parameters})
        return other

    def geometry(self, design: Design) -> pv.PolyData:
        """The closed surface of a design, metres; at zero, the surface as it was.

        Args:
            design: Parameters; one that is missing has its default.

        Raises:
            ContractError: A parameter is unknown, or in a wrong unit.
            GeometryError: What comes out is no body, or misses a bound of ``[checks]``; parameter and place are named.
        """
        return self._mesh(self._checked(design)[1])

    def simulate(self, design: Design) -> Case:
        """The shape and the volume of a design.

        Raises:
            TramontaneError: See `geometry`.
        """
        values, points = self._checked(design)
        volume = enclosed(points[self._surface.triangles])
        return Case(self.surface.stem, self.design(values).with_geometry(self._mesh(points)), qoi={"volume": volume},
                    qoi_units={"volume": "m^3"}, provenance=Provenance(solver="morph"))  # fmt: skip

    def report(self, design: Design) -> MorphReport:
        """What is measured of a design's surface: volume, thinnest wall, worst triangle.

        Raises:
            TramontaneError: See `geometry`.
        """
        return self._surface.report(self.values(design))

    def write(self, design: Design, target: str | os.PathLike[str]) -> pv.PolyData:
        """Write a design's surface, in ``length_unit``.

        An STL's header, the names of its solids, and triangles that did not move stay as they are: at zero, the file is
        the same to the last bit.

        Args:
            design: See `geometry`.
            target: STL, PLY or VTP.

        Returns:
            The closed surface, metres.

        Raises:
            TramontaneError: See `geometry`; or the file cannot be written.
        """
        target = Path(target)
        suffix, metres = target.suffix.lower(), self.config.metres
        if suffix not in _WRITTEN:
            raise FormatError(f"{target}: {suffix or 'no suffix'} is not written; give one of {', '.join(_WRITTEN)}")
        values, points = self._checked(design)
        mesh = self._mesh(points)
        as_is = suffix == self.surface.suffix.lower() and np.array_equal(points, self._surface.points)
        if as_is:
            data = self.surface.read_bytes()
        elif suffix == ".stl" == self.surface.suffix.lower() and self.config.max_edge is None:
            corners = read_stl(self.surface)[0]
            shifts = self._displacements(values, corners.reshape(-1, 3) * metres) / metres
            data = stl_with_corners(self.surface, corners + shifts.reshape(corners.shape))
        else:
            data = None
        with replacing(target) as draft:
            if data is None:
                mesh.scale(1 / metres, inplace=False).save(draft)
            else:
                draft.write_bytes(data)
        return mesh

    def design(self, values: Mapping[str, float]) -> Design:
        """The design of parameters in metres, each in its own unit; others are left out."""
        return Design(**{name: Quantity(from_si(values[name], spec.unit), spec.unit)
                         for name, spec in self.parameters.items() if name in values})  # fmt: skip

    def values(self, design: Design) -> dict[str, float]:
        """The design's parameters in metres; defaults where they are missing.

        Raises:
            ContractError: A parameter is unknown, or in a wrong unit.
        """
        defaults = self.design(self.config.defaults).parameters
        known = {} if self._answers is None else self._answers.operating
        given = {name: value for name, value in design.parameters.items() if name not in known}
        contract = self.contract.model_copy(update={"parameters": self.parameters})
        return contract.values(Design(**(defaults | given)))

    def _checked(self, design: Design) -> tuple[dict[str, float], Array]:
        values = self.values(design)
        points = self._surface.moved(values)
        self._surface.check(values, moved=points)
        return values, points

    def _displacements(self, values: Mapping[str, float], places: Array) -> Array:
        amounts = np.array([values[name] for name in self._morph.names])
        return np.asarray(np.tensordot(amounts, self._morph.modes(places), 1))

    def _mesh(self, points: Array) -> pv.PolyData:
        return pv.PolyData.from_regular_faces(points, self._surface.triangles)
