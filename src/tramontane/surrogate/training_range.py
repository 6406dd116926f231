"""How a design lies to the training cases: what is outside their range, and the units that would explain it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tramontane.errors import GeometryError
from tramontane.formats.surfaces.geometry import OPEN_EDGES, Geometry
from tramontane.notice import Notice
from tramontane.surrogate.record import TrainingDomain
from tramontane.surrogate.resolved import CheckedDesign
from tramontane.surrogate.unit_guess import guess_length, guess_parameter

_AXES: tuple[Literal["x", "y", "z"], ...] = ("x", "y", "z")
_FLAT = 1e-7  # of a length, below which there is none
_OF_ANOTHER_SIZE = 1e4  # times as large or small as any training case: more than a wrong unit makes of metres


def check_shape(geometry: Geometry, label: str, domain: TrainingDomain) -> None:
    """Raise where a geometry is no body as the training cases' were: flat, or of quite another size.

    Args:
        geometry: What is asked.
        label: What it is called in an error.
        domain: Of the training cases.
    """
    low, high = np.asarray(domain.extent_low), np.asarray(domain.extent_high)
    extent = geometry.bounds[1] - geometry.bounds[0]
    size, least, most = float(extent.max()), float(low.max()), float(high.max())
    if not least / _OF_ANOTHER_SIZE <= size <= most * _OF_ANOTHER_SIZE:
        raise GeometryError(f"{label}: is {size:.4g} m long, training cases {least:.4g} to {most:.4g} m; check its "
                            "length unit")  # fmt: skip
    for axis, name in enumerate(_AXES):
        if extent[axis] <= _FLAT * size and low[axis] > _FLAT * most:
            raise GeometryError(f"{label}: is flat ({extent[axis]:.4g} m long in {name}, training cases "
                                f"{low[axis]:.4g} to {high[axis]:.4g} m); export the whole body")  # fmt: skip
    usually_closed = domain.open <= 0.5 and (low > _FLAT * most).all()
    if usually_closed and geometry.volume <= _FLAT * geometry.area * size:
        raise GeometryError(f"{label}: encloses no volume ({geometry.volume:.3g} m3 in {geometry.area:.3g} m2 of "
                            "surface); export the whole body as a closed surface")  # fmt: skip


def geometry_notices(geometry: Geometry, domain: TrainingDomain) -> list[Notice]:
    """What is to be minded of a geometry; that it is open, only where most of the training cases' were closed."""
    usual = not geometry.closed and domain.open > 0.5
    return [Notice("geometry", "geometry", detail=sentence) for sentence in geometry.warnings
            if not (usual and OPEN_EDGES in sentence)]  # fmt: skip


def extent_excesses(design: CheckedDesign, domain: TrainingDomain) -> list[Notice]:
    """The axes ``x``, ``y``, ``z`` along which a geometry is longer or shorter than every training case's."""
    if design.surface is None:
        return []
    low, high = np.asarray(domain.extent_low), np.asarray(domain.extent_high)
    extent, slack = _extent(design), 0.02 * high
    return [
        Notice("extent", "geometry", float(extent[axis]), float(low[axis]), float(high[axis]), "m", axis=name)
        for axis, name in enumerate(_AXES)
        if not low[axis] - slack[axis] <= extent[axis] <= high[axis] + slack[axis]
    ]


def unit_guesses(design: CheckedDesign, excesses: Sequence[Notice], domain: TrainingDomain) -> list[Notice]:
    """Units that inputs far outside what was trained on seem to be in: offered, never applied.

    Args:
        design: What is asked.
        excesses: Its parameters outside the contract's range.
        domain: Of the training cases.
    """
    guesses = [guess_parameter(excess) for excess in excesses]
    if design.surface is not None:
        low, high = np.asarray(domain.extent_low), np.asarray(domain.extent_high)
        guesses.append(guess_length(_extent(design), low, high, design.length_unit))
    return [guess for guess in guesses if guess is not None]


def _extent(design: CheckedDesign) -> NDArray[Any]:
    """The edges ``(3,)`` of the bounding box of a design's surface, m."""
    assert design.surface is not None
    bounds = np.asarray(design.surface.bounds).reshape(3, 2)
    return np.asarray(bounds[:, 1] - bounds[:, 0])
