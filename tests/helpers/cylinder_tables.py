"""A model of QoIs of cylinders in a channel, whose training cases are made up: a solver will tell them apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tramontane.dataset.ingest.run import ingest
from tramontane.surrogate.fit import fit


def save_cylinders(folder: Path, count: int = 24) -> Path:
    """A saved model: its ``drag`` is wrong and sure of it, its ``pressure_drop`` is anything within a wide interval."""
    rng = np.random.default_rng(0)
    reynolds, x, y, radius = (rng.uniform(*ends, count) for ends in ((5, 40), (0.15, 0.3), (0.15, 0.26), (0.03, 0.07)))
    rows = np.column_stack([reynolds, x, y, radius, 7.0 + 0.01 * reynolds, rng.normal(0.0, 20.0, count)])
    head = "reynolds,centre_x [m],centre_y [m],radius [m],qoi:drag [N/m],qoi:pressure_drop [Pa]"
    folder.mkdir(parents=True)
    np.savetxt(folder / "cylinders.csv", rows, delimiter=",", header=head, comments="", fmt="%.12g")
    fit(ingest(folder / "cylinders.csv", folder / "store", test=0, validation=0)).save(folder / "models" / "cylinders")
    return folder / "models"
