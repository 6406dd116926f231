"""Which unit an input seems to be in that lies far outside what was trained on: offered, never applied."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tramontane.dataset.audit.outliers import CONFUSED
from tramontane.notice import Notice
from tramontane.units import from_si, has_offset, in_si, one_style, si_unit

_FAR = 2.0  # times outside the range before a parameter's unit is suspected
_FAR_LENGTH = 5.0  # and a geometry's, which may well be larger
_LENGTHS = ("mm", "m", "cm", "in", "ft", "µm", "km")
_ROOM = 0.3  # by which a part may differ from those trained on, as a share, and still be one of them


def guess_length(
    extent: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64], taken: str
) -> Notice | None:
    """The length unit that a geometry seems to be in.

    Args:
        extent: ``(3,)`` metres, as it was taken.
        low: ``(3,)`` smallest extents of training cases, metres.
        high: ``(3,)`` largest ones.
        taken: The unit that its file was taken to be in.

    Returns:
        None where it is near the training cases as it is, or would be in no other unit.
    """
    if _near(extent, low / _FAR_LENGTH, high * _FAR_LENGTH):
        return None
    for unit in _LENGTHS:
        factor = in_si(1.0, unit) / in_si(1.0, taken)
        if one_style(taken) != unit and _near(extent * factor, low * (1 - _ROOM), high * (1 + _ROOM)):
            side = int(np.argmax(extent))
            now, then = float(extent[side]), float(extent[side]) * factor
            return Notice("unit", "geometry", now, float(low[side]), float(high[side]), taken,
                          suggested_unit=unit, suggested_value=then)  # fmt: skip
    return None


def guess_parameter(excess: Notice) -> Notice | None:
    """The unit that a parameter far outside its range seems to have been given in, such as km/h for m/s."""
    unit, low, high = excess.unit or "", excess.low, excess.high
    assert excess.value is not None
    assert low is not None
    assert high is not None
    if low == high or has_offset(unit) or low / _FAR <= excess.value <= high * _FAR:
        return None
    family: Sequence[str] = CONFUSED.get(si_unit(unit), ())
    for other in family if si_unit(unit) else ():
        inside = from_si(in_si(excess.value, other), unit)
        if one_style(other) != one_style(unit) and low <= inside <= high:
            return Notice("unit", excess.input, excess.value, low, high, unit,
                          suggested_unit=one_style(other), suggested_value=inside)  # fmt: skip
    return None


def _near(extent: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]) -> bool:
    """Whether a part is as large as others: flat sides may be of any thinness."""
    thin = 1e-3 * high.max()
    return bool(((extent >= low - thin) & (extent <= high + thin)).all())
