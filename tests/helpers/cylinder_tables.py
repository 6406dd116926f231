"""A model of QoIs of cylinders in a channel, whose training cases are made up: a solver will tell them apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tramontane.contract import Contract, ParameterSpec, QoiSpec
from tramontane.dataset.ingest.run import ingest
from tramontane.design import Design
from tramontane.solvers import create
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


def save_shapes(folder: Path, count: int = 12) -> Path:
    """A saved model of the drag of cylinders that are given as shapes, without their dimensions."""
    solver, rng = create("cylinder"), np.random.default_rng(1)
    folder.mkdir(parents=True)
    lines = ["shape,reynolds,qoi:drag [N/m]"]
    for number in range(count):
        x, y, radius, reynolds = (
            float(rng.uniform(*ends)) for ends in ((0.15, 0.3), (0.18, 0.24), (0.03, 0.07), (5, 40))
        )
        shape = solver.geometry(Design(None, centre_x=x, centre_y=y, radius=radius))
        shape.save(folder / f"{number}.stl")
        lines.append(f"{number}.stl,{reynolds:.9g},{reynolds * radius:.9g}")
    (folder / "shapes.csv").write_text("\n".join(lines))
    contract = Contract(parameters={"reynolds": ParameterSpec(low=5.0, high=40.0)}, qoi={"drag": QoiSpec(unit="N/m")})
    fit(ingest(folder / "shapes.csv", folder / "store", contract=contract, test=0, validation=0)).save(folder / "model")
    return folder / "model"
