"""Shapes that were mapped before: the same part is asked with one operating condition after the other."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tramontane.models.correspondence import Registration
from tramontane.models.recent import Recent
from tramontane.models.reference_frame import MappedShape, ReferenceFrame
from tramontane.models.shapes import Samples, Shape

Array = NDArray[np.floating[Any]]
_KEPT = 4
_KEPT_STENCILS, _ROOM = 12, 1 << 27  # of 50,000 points, 2.4 MB each; a million points take 48 MB


@dataclass
class _Registered:
    samples: Samples
    registration: Registration
    mapped: dict[tuple[str, ...], MappedShape] = field(default_factory=dict)


class MappedShapes:
    """The last few shapes that a `ReferenceFrame` mapped; they do not depend on operating conditions.

    Args:
        frame: Maps shapes.
    """

    def __init__(self, frame: ReferenceFrame) -> None:
        self.frame = frame
        self._registered, self._stencils = Recent(_KEPT), Recent(_KEPT_STENCILS, room=_ROOM)

    def coordinates(self, key: bytes, shape: Shape, parameters: Array) -> Array:
        """The coordinates ``(d,)`` of a design; see `ReferenceFrame.register`.

        Args:
            key: The same for equal shapes, and for no others.
            shape: The design's.
            parameters: Operating conditions.
        """
        return self._register(key, shape, parameters)[1]

    def map_shape(self, key: bytes, shape: Shape, parameters: Array, domains: Collection[str]) -> MappedShape:
        """A shape with the reference points mapped onto it; see `coordinates` and `ReferenceFrame.map_shape`."""
        registered, coordinates = self._register(key, shape, parameters)
        wanted = tuple(sorted(domains))
        mapped = registered.mapped.get(wanted)
        if mapped is None:
            mapped = self.frame.map_registered(registered.samples, registered.registration, coordinates, domains)
            mapped.stencils, mapped.shape_hash = self._stencils, key
            registered.mapped[wanted] = mapped
            self._registered.grown(key)
        return replace(mapped, coordinates=coordinates)  # all else is of the shape, and shared

    def _register(self, key: bytes, shape: Shape, parameters: Array) -> tuple[_Registered, Array]:
        new_coordinates: list[Array] = []

        def register() -> _Registered:
            samples, registration, coordinates = self.frame.register(shape, parameters)
            new_coordinates.append(coordinates)
            return _Registered(samples, registration)

        registered = self._registered.get(key, register)
        if new_coordinates:
            return registered, new_coordinates[0]
        parameters = np.asarray(parameters, float).ravel()
        return registered, self.frame.designs.transform(registered.samples, registered.registration, parameters)
