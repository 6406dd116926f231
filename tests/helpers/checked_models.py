"""Models whose training cases are made up; the cantilever of the examples tells them from the truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from helpers import ROOT
from tramontane.contract import Contract, ParameterSpec, QoiSpec
from tramontane.dataset.ingest.run import ingest
from tramontane.design import Design
from tramontane.solvers import create
from tramontane.surrogate.fit import fit

SOLVER = ROOT / "examples" / "solvers" / "cantilever.py"
_ENDS = (400, 600), (30, 60), (30, 60), (200, 900)  # length, width, height, mm; load, N


def save_beams(folder: Path, count: int = 24) -> Path:
    """A saved model: its ``deflection`` is wrong and sure of it, its ``max_stress`` anything in a wide interval."""
    rng = np.random.default_rng(0)
    inputs = np.column_stack([rng.uniform(*ends, count) for ends in _ENDS])
    rows = np.column_stack([inputs, 7.0 + 0.001 * inputs[:, 3], rng.normal(0.0, 300.0, count)])
    head = "length [mm],width [mm],height [mm],load [N],qoi:deflection [mm],qoi:max_stress [MPa]"
    folder.mkdir(parents=True)
    np.savetxt(folder / "beams.csv", rows, delimiter=",", header=head, comments="", fmt="%.12g")
    fit(ingest(folder / "beams.csv", folder / "store", test=0, validation=0)).save(folder / "models" / "beams")
    return folder / "models"


def save_shapes(folder: Path, count: int = 12) -> Path:
    """A saved model of the mass of beams that are given as shapes, without their dimensions."""
    solver, rng = create(SOLVER), np.random.default_rng(1)
    folder.mkdir(parents=True)
    lines = ["shape,load [N],qoi:mass [kg]"]
    for number in range(count):
        length, width, height, load = (float(rng.uniform(*ends)) for ends in _ENDS)
        shape = solver.geometry(Design(None, length=length, width=width, height=height))
        shape.save(folder / f"{number}.stl")
        lines.append(f"{number}.stl,{load:.9g},{7850 * shape.volume:.9g}")
    (folder / "shapes.csv").write_text("\n".join(lines))
    load = ParameterSpec(unit="N", low=200.0, high=900.0)
    contract = Contract(parameters={"load": load}, qoi={"mass": QoiSpec(unit="kg")})
    fit(ingest(folder / "shapes.csv", folder / "store", contract=contract, test=0, validation=0)).save(folder / "model")
    return folder / "model"
