"""What physics says of quantities that go by their standard names."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

NON_NEGATIVE = frozenset({
    "von_mises", "density", "turbulent_kinetic_energy", "turbulent_dissipation", "specific_dissipation_rate",
    "eddy_viscosity", "dynamic_viscosity", "kinematic_viscosity", "mach_number", "y_plus", "solid_fraction",
    "volume_fraction", "void_fraction",
})  # fmt: skip
"""Fields that are never below zero."""


def von_mises(stress: NDArray[Any]) -> NDArray[Any]:
    """Equivalent stress after von Mises, ``(n,)``, of ``(n, 6)`` stresses xx, yy, zz, xy, yz, xz, in their unit."""
    xx, yy, zz, xy, yz, xz = stress.T.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):  # of damaged files; what is not finite is refused later
        normal = (xx - yy) ** 2 + (yy - zz) ** 2 + (zz - xx) ** 2
        equivalent: NDArray[Any] = np.sqrt(normal / 2 + 3 * (xy**2 + yz**2 + xz**2)).astype(stress.dtype)
    return equivalent
