"""Fields stored to a stated tolerance: the bits that hold less than that are zero, and pack to almost nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tramontane.case import Case, Location
from tramontane.dataset.store.sites import field_arrays
from tramontane.errors import DatasetError

_PORTION = 1 << 20  # numbers at a time
_LOCATIONS: tuple[Location, ...] = ("point", "cell")


def check_tolerance(tolerance: float | None) -> None:
    """Refuse what is no tolerance.

    Raises:
        DatasetError: It does not lie between 0 and 1.
    """
    if tolerance is not None and not 0 < tolerance < 1:
        raise DatasetError(f"a tolerance of {tolerance:g} was given; give one between 0 and 1, such as 1e-4")


def rounded(values: NDArray[np.floating[Any]], tolerance: float) -> NDArray[np.floating[Any]]:
    """Values of which none is off by more than ``tolerance`` times the root of their mean square.

    Each becomes the nearest multiple of a power of two, so that the lower bits of its mantissa are zero: the rounding
    of Zender 2016, "Bit Grooming" (doi:10.5194/gmd-9-3199-2016), with as many bits for each value as the size of the
    whole field asks for (Delaunay et al. 2019, "Digit rounding", doi:10.5194/gmd-12-4099-2019).

    Args:
        values: Of one field, all components; what is not finite stays as it is.
        tolerance: Between 0 and 1.

    Returns:
        In the same precision.
    """
    flat = np.ascontiguousarray(values).reshape(-1)
    total, count = 0.0, 0
    for start in range(0, len(flat), _PORTION):
        part = flat[start : start + _PORTION].astype(np.float64)
        part = part[np.isfinite(part)]
        total, count = total + float(part @ part), count + len(part)
    bound = tolerance * np.sqrt(total / max(count, 1))
    if not 0 < bound < np.inf:
        return values
    step = 2.0 ** np.floor(np.log2(2 * bound))
    out = np.empty_like(flat)
    for start in range(0, len(flat), _PORTION):
        part = flat[start : start + _PORTION].astype(np.float64)
        out[start : start + _PORTION] = np.rint(part / step) * step
    return out.reshape(values.shape)


def rounded_case(case: Case, tolerance: float) -> Case:
    """A case whose fields are `rounded`; points, topology, geometry, parameters and QoIs are what they were."""
    meshes = {}
    for domain, mesh in case.meshes.items():
        meshes[domain] = mesh.copy(deep=False)
        for location in _LOCATIONS:
            data = meshes[domain].point_data if location == "point" else meshes[domain].cell_data
            for name in field_arrays(mesh, location):
                data[name] = rounded(np.asarray(data[name]), tolerance)
    return replace(case, meshes=meshes)
