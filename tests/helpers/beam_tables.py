"""Tables of beams whose bending is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def write_beams(file: Path, count: int = 40, seed: int = 0) -> Path:
    """Cantilevers: deflection of the tip ``F L^3 / (3 E I)``, in units as engineers mix them."""
    rng = np.random.default_rng(seed)
    force, length = rng.uniform(100, 500, count), rng.uniform(0.5, 2, count)
    modulus, inertia = rng.uniform(70, 210, count), rng.uniform(2, 9, count)
    tip = force * length**3 / (3 * modulus * 1e9 * inertia * 1e-8)
    rows = np.column_stack([force / 1e3, length * 1e3, modulus, inertia, tip * 1e3])
    head = "force [kN],length [mm],modulus [GPa],inertia [cm^4],deflection [mm]"
    np.savetxt(file, rows, delimiter=",", header=head, comments="", fmt="%.12g")
    return file
