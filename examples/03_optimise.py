"""From nothing to a better design: the solver runs, its answers say where to look next, a surrogate learns the fields.

Bodies in a channel at Reynolds number 20: the least drag of all whose area is at least 0.011 m2. Everything is written
below ./demo; run it again to go on where it was stopped. It takes some minutes of two cores.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console

from tramontane.dataset import Dataset
from tramontane.dataset.ingest.run import ingest
from tramontane.studies import optimise
from tramontane.surrogate import Surrogate
from tramontane.surrogate.fit import discard, fit

AREA, DEPTH = 1.1e-2, 0.05  # m2, and m of the prism that stands for a body
GOALS = {
    "minimise": ["drag"], "subject_to": [f"volume >= {AREA * DEPTH:g} m^3"], "fixed": {"reynolds": 20},
}  # fmt: skip
PICTURE = """
import csv, sys
import matplotlib; matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np, pyvista as pv
table, first, best, picture = sys.argv[1:]
rows = list(csv.DictReader(open(table)))
drag = np.array([float(row["qoi drag [N/m]"] or "nan") for row in rows])
volume = np.array([float(row["qoi volume [m^3]"] or "nan") for row in rows])
allowed = volume >= %g
figure, axes = plt.subplots(1, 3, figsize=(13, 3.9), width_ratios=(1.3, 1, 1), layout="constrained")
run = np.arange(1, len(drag) + 1)
axes[0].plot(run[~allowed], 1e3 * drag[~allowed], "x", color="#9aa4b1", label="too small an area")
axes[0].plot(run[allowed], 1e3 * drag[allowed], "o", color="#2d6cb0", label="solver runs")
best_so_far = np.fmin.accumulate(np.where(allowed, drag, np.nan))
axes[0].step(run, 1e3 * best_so_far, where="post", color="#b4123c", label="best so far")
axes[0].set(xlabel="solver runs", ylabel="drag [mN/m]"); axes[0].legend(frameon=False)
for axis, file, title in ((axes[1], first, "best of the first ten"), (axes[2], best, "optimum")):
    mesh = pv.read(file)
    x, y = mesh.points[:, 0], mesh.points[:, 1]
    near = (x > 0.15) & (x < 0.8)
    triangles = mesh.cells_dict[5]
    triangles = triangles[near[triangles].all(1)]
    speed = np.linalg.norm(mesh["velocity"], axis=1)
    axis.tripcolor(x, y, triangles, speed, shading="gouraud", cmap="viridis")
    axis.set(aspect="equal", xlim=(0.2, 0.75), ylim=(0, 0.41), title=title, xticks=[], yticks=[])
figure.savefig(picture, dpi=110)
""" % (AREA * DEPTH)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=30, help="solver runs of the search")
    parser.add_argument("--minutes", type=float, default=3.0, help="training time")
    parser.add_argument("--out", type=Path, default=Path("demo"))
    options = parser.parse_args()
    out, console = options.out, Console()
    started = time.monotonic()

    console.rule(f"1  A search from nothing: {options.runs} solver runs at most (NGSolve, Navier-Stokes)")
    search = out / "bodies-optimum"
    optimum = optimise("bodies", out=search, runs=options.runs, console=console, **GOALS)
    console.print(str(optimum), highlight=False)

    console.rule("2  The cases of the search become a surrogate of all fields")
    store, model = out / "bodies-optimum.dataset", out / "bodies-optimum-model"
    dataset = (
        Dataset.open(store)
        if Dataset.is_dataset(store)
        else ingest(search / "cases", store, test=0, validation=0, console=console)
    )
    if not (model / "manifest.json").exists():
        work = out / "bodies-optimum-model.training"
        fit(dataset, budget=60 * options.minutes, work=work, console=console).save(model)
        discard(work)
    console.print(repr(Surrogate.load(model)), highlight=False, markup=False)

    console.rule("3  The surrogate says where to look, the solver checks, until both agree")
    again = optimise(model, solver="bodies", out=out / "bodies-optimum-checked", runs=8, console=console, **GOALS)
    console.print(str(again), highlight=False)

    first = min(
        (trial for trial in optimum.trials[:10] if trial.answer and optimum.goals.feasible(trial.answer.values)),
        key=lambda trial: trial.answer.values["drag"],
        default=None,
    )
    if first is not None and optimum.best:
        files = [search / "cases" / f"{optimum.trials.index(trial):03d}" / "volume.vtu"
                 for trial in (first, optimum.best[0])]  # fmt: skip
        picture = out / "bodies-optimum.png"
        subprocess.run([sys.executable, "-c", PICTURE, search / "designs.csv", *files, picture], check=True)
        gain = 1 - optimum.best[0].answer.values["drag"] / first.answer.values["drag"]
        console.print(f"{100 * gain:.0f} % less drag than the best of the first ten; {picture} shows it")
    console.print(f"Took {(time.monotonic() - started) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
