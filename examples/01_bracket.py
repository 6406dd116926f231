"""From nothing to a checked prediction: brackets from the embedded solver, a surrogate, an unseen part.

`make demo` runs this. Everything is written below ./demo; run it again to go on where it was stopped.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from rich.console import Console

from tramontane.dataset import Dataset
from tramontane.dataset.ingest.run import ingest
from tramontane.design import Design
from tramontane.evaluation import evaluate
from tramontane.formats import write_case_mesh
from tramontane.metrics import relative_l2
from tramontane.solvers import create
from tramontane.studies import generate, sobol_designs
from tramontane.surrogate import Surrogate
from tramontane.surrogate.fit import discard, fit

PICTURE = """
import sys, pyvista as pv
solver, surrogate, picture = sys.argv[1:]
plotter = pv.Plotter(off_screen=True, shape=(1, 2), window_size=(1400, 620))
top = pv.read(solver)["von_mises"].max() / 1e6
for column, (title, file) in enumerate((("solver", solver), ("surrogate", surrogate))):
    plotter.subplot(0, column)
    mesh = pv.read(file)
    mesh["von Mises stress [MPa]"] = mesh["von_mises"] / 1e6
    moved = mesh.warp_by_vector("displacement", factor=30)
    plotter.add_mesh(moved, scalars="von Mises stress [MPa]", cmap="turbo", clim=(0, 0.6 * top), smooth_shading=True)
    plotter.add_text(f"{title} (displacement x 30)", font_size=12)
    plotter.camera_position = [(0.3, -0.32, 0.22), (0.04, 0.0, 0.045), (0, 0, 1)]
plotter.screenshot(picture)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=40, help="designs that the solver runs")
    parser.add_argument("--minutes", type=float, default=5.0, help="training time")
    parser.add_argument("--out", type=Path, default=Path("demo"))
    options = parser.parse_args()
    out, console = options.out, Console()
    started = time.monotonic()

    console.rule(f"1  The solver runs {options.cases} brackets (NGSolve, linear elasticity)")
    console.print(str(generate("bracket", options.cases, 0, out / "bracket", console=console)))

    console.rule("2  The results become a dataset")
    store = out / "bracket.dataset"
    dataset = Dataset.open(store) if Dataset.is_dataset(store) else ingest(out / "bracket", store, console=console)
    console.print({name: len(cases) for name, cases in dataset.splits.items()})

    console.rule(f"3  A surrogate trains, in {options.minutes:g} minutes at most")
    model = out / "model"
    if (model / "manifest.json").exists():
        surrogate = Surrogate.load(model)
    else:
        work = out / "model.training"
        surrogate = fit(dataset, budget=60 * options.minutes, work=work, console=console)
        surrogate.save(model)
        discard(work)

    console.rule("4  Figures on brackets that it never saw, beside what needs no training")
    report = evaluate(surrogate, dataset, console=console)
    report.print(console)
    (out / "figures.json").write_text(report.model_dump_json(indent=1) + "\n", encoding="utf-8")

    console.rule("5  An unseen part, from its STL and the load alone, checked by the solver")
    unseen = sobol_designs(create("bracket").contract, options.cases + 1, seed=0)[-1]
    truth = create("bracket").simulate(unseen)
    part = out / "part.stl"
    truth.design.geometry.save(part)
    begun = time.monotonic()
    answer = surrogate.simulate(Design(part, load=unseen.parameters["load"]), meshes=truth.meshes)
    seconds = time.monotonic() - begun
    for name in ("displacement", "von_mises"):
        error = relative_l2(answer.field_values("volume", name), truth.field_values("volume", name))
        console.print(f"  {name}: relative L2 error {100 * error:.1f} %")
    for name, value in answer.qoi.items():
        off = value / truth.qoi[name] - 1
        console.print(
            f"  {name}: {value:.4g} {answer.qoi_units[name]}, the solver says {truth.qoi[name]:.4g} ({off:+.1%})"
        )
    console.print(f"  asked for {np.sum([m.n_points for m in truth.meshes.values()])} points in {seconds:.2f} s")
    write_case_mesh(answer, out / "prediction.vtp")
    write_case_mesh(truth, out / "solver.vtp")
    picture = out / "bracket.png"
    files = [str(out / name) for name in ("solver.vtp", "prediction.vtp")]
    drawn = subprocess.run([sys.executable, "-c", PICTURE, *files, str(picture)], capture_output=True, check=False)
    note = f"picture in {picture}" if drawn.returncode == 0 else "no picture: this machine cannot render off screen"
    console.print(f"Everything is in {out}/ ({note}); {time.monotonic() - started:.0f} s in all")


if __name__ == "__main__":
    main()
