"""Coordinates of shapes, where no fields say in which box they lie: what scalars are kriged over."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tramontane.models.correspondence import Correspondence
from tramontane.models.design_coordinates import DesignCoordinates
from tramontane.models.reference_frame import Family, below
from tramontane.models.shapes import Shape, Window, central

Array = NDArray[np.floating[Any]]

_MARGIN = 0.05  # of the largest box, by which a new shape may reach beyond all others


class ShapeCoordinates:
    """Coordinates of any shape under operating conditions, learnt from the shapes of a family.

    There are two sets (`DesignCoordinates`): dimensions estimated from the shape, where the cases state any, and
    principal components of how shapes differ. A scalar's kriging finds out which of the two serves better.

    Args:
        shapes: The family.
        parameters: ``(cases, p)`` operating conditions; ``p`` may be 0.
        dimensions: ``(cases, m)`` dimensions by which the shapes were made, where they are known.
        low: Planes x, y, z (m) below which shapes are cut off by symmetry or the ground, None where they are not.
        high: The same above.

    Attributes:
        training: The training cases' coordinates ``(cases, d)``, both sets side by side.
        views: First and last (exclusive) column of each set.
    """

    training: Array
    views: list[tuple[int, int]]

    def __init__(
        self,
        shapes: Sequence[Shape],
        parameters: Array,
        dimensions: Array | None = None,
        *,
        low: Sequence[float | None] = (None, None, None),
        high: Sequence[float | None] = (None, None, None),
    ) -> None:
        window = _window(shapes, low, high)
        samples = [window.sample(shape) for shape in shapes]
        family = Family(window, samples, central(window, samples)[0])
        self.correspondence = family.correspondence
        choices = [None] if dimensions is None or not dimensions.shape[1] else [dimensions, None]
        self.designs = [DesignCoordinates(samples, family.registrations, parameters, of) for of in choices]
        self._arrange()
        self.training = np.concatenate([design.training for design in self.designs], axis=1)

    def transform(self, shape: Shape, parameters: Array) -> Array:
        """The coordinates ``(d,)`` of a shape under operating conditions ``(p,)``.

        Raises:
            GeometryError: The shape has no area, or none where the family has.
        """
        samples = self.correspondence.window.sample(shape)
        registration = self.correspondence.register(samples)
        return np.concatenate([design.transform(samples, registration, parameters) for design in self.designs])

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything needed, as arrays."""
        out = {f"correspondence/{name}": value for name, value in self.correspondence.state().items()}
        for number, design in enumerate(self.designs):
            out |= {f"designs{number}/{name}": value for name, value in design.state().items()}
        return {name: np.ascontiguousarray(value) for name, value in out.items()}

    @classmethod
    def from_state(cls, state: dict[str, NDArray[Any]]) -> ShapeCoordinates:
        """The coordinates that `state` described."""
        self = cls.__new__(cls)
        self.correspondence = Correspondence.from_state(below(state, "correspondence/"))
        parts = [below(state, f"designs{number}/") for number in (0, 1)]
        self.designs = [DesignCoordinates.from_state(part) for part in parts if part]
        self._arrange()
        self.training = np.concatenate([design.training for design in self.designs], axis=1)
        return self

    def _arrange(self) -> None:
        ends = np.cumsum([0, *(design.training.shape[1] for design in self.designs)]).tolist()
        self.views = list(pairwise(ends))


def _window(shapes: Sequence[Shape], low: Sequence[float | None], high: Sequence[float | None]) -> Window:
    """The box that holds all shapes with room for others, cut off where the planes are."""
    lowest = np.array([shape.points.min(0) for shape in shapes]).min(0)
    highest = np.array([shape.points.max(0) for shape in shapes]).max(0)
    margin = _MARGIN * float((highest - lowest).max())
    lowest, highest = lowest - margin, highest + margin
    planes: dict[int, float] = {}
    for side, corner in ((low, lowest), (high, highest)):
        for axis, plane in enumerate(side):
            if plane is not None and lowest[axis] < plane < highest[axis] and axis not in planes:
                corner[axis] = planes[axis] = plane
    return Window.measure(shapes, lowest, highest, planes)
