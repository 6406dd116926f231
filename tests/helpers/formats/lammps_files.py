"""Files of LAMMPS."""

from __future__ import annotations

LEANING = """ITEM: TIMESTEP
0
ITEM: NUMBER OF ATOMS
3
ITEM: BOX BOUNDS xy xz yz pp pp pp
{bounds}
ITEM: ATOMS id xs ys zs
3 1 1 1
1 0 0 0
2 0.5 0.25 0
"""
