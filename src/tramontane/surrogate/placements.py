"""Shapes that were placed before: the same part is asked with one operating condition after the other."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tramontane.models.correspondence import Registration
from tramontane.models.recent import Recent, digest
from tramontane.models.reference_frame import Placed, ReferenceFrame
from tramontane.models.shapes import Samples, Shape

Array = NDArray[np.floating[Any]]
_KEPT = 4
_KEPT_STENCILS, _ROOM = 12, 1 << 27  # of 50,000 points, 2.4 MB each; a million points take 48 MB


@dataclass
class _Seen:
    shape: bytes
    samples: Samples
    registration: Registration
    placed: dict[tuple[str, ...], Placed] = field(default_factory=dict)


class Placements:
    """What `ReferenceFrame` finds out of the last few shapes; operating conditions change none of it.

    Args:
        frame: Places shapes.
    """

    def __init__(self, frame: ReferenceFrame) -> None:
        self.frame = frame
        self._seen, self._stencils = Recent(_KEPT), Recent(_KEPT_STENCILS, room=_ROOM)

    def coordinates(self, shape: Shape, parameters: Array) -> Array:
        """The coordinates ``(d,)`` of a design; see `ReferenceFrame.locate`."""
        return self._locate(shape, parameters)[1]

    def place(self, shape: Shape, parameters: Array, domains: Collection[str]) -> Placed:
        """A shape with the reference points carried onto it; see `ReferenceFrame.place`."""
        seen, coordinates = self._locate(shape, parameters)
        key = tuple(sorted(domains))
        placed = seen.placed.get(key)
        if placed is None:
            placed = self.frame.put(seen.samples, seen.registration, coordinates, domains)
            placed.stencils, placed.shape = self._stencils, seen.shape
            seen.placed[key] = placed
            self._seen.grown(seen.shape)
        return replace(placed, coordinates=coordinates)  # all else is of the shape, and shared

    def _locate(self, shape: Shape, parameters: Array) -> tuple[_Seen, Array]:
        located: list[Array] = []
        key = digest(shape.points, shape.triangles)

        def locate() -> _Seen:
            samples, registration, coordinates = self.frame.locate(shape, parameters)
            located.append(coordinates)
            return _Seen(key, samples, registration)

        seen = self._seen.get(key, locate)
        if located:
            return seen, located[0]
        parameters = np.asarray(parameters, float).ravel()
        return seen, self.frame.designs.transform(seen.samples, seen.registration, parameters)
