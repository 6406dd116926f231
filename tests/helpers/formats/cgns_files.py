"""Files of CGNS."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from helpers.formats.programs import need, run


def structured(folder: Path) -> Path:
    """A block of 3 x 2 x 2 cells in Plot3D's format, turned into CGNS by one of its tools."""
    need("plot3d_to_cgns", "cgns-convert")
    z, y, x = np.meshgrid([0, 0.5, 1], [0, 0.5, 1], [0, 1, 2, 3], indexing="ij")
    places = np.stack([x.ravel(), y.ravel(), z.ravel()])
    flow = np.stack([1 + places[0], 0.1 * places[0], 0.2 * places[1], 0 * places[0], 2.5 + places[1]])
    for name, head, rows in (("a.xyz", "1\n4 3 3\n", places), ("a.q", "1\n4 3 3\n0.5 0 1000 0\n", flow)):
        text = "\n".join(" ".join(f"{value:.9g}" for value in row) for row in rows)
        (folder / name).write_text(f"{head}{text}\n")
    run(["plot3d_to_cgns", "-f", "-d", "a.xyz", "a.q", "a.cgns"], folder)
    return folder / "a.cgns"
