"""Somebody's OpenFOAM results: 44 car-like bodies, read, trained on and judged by the same commands.

python examples/02_ahmed.py ../shared/data/ahmed --minutes 20
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from tramontane.dataset import Dataset
from tramontane.dataset.ingest.run import ingest
from tramontane.design import Design
from tramontane.evaluation import evaluate
from tramontane.surrogate.fit import discard, fit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, help="folder of cases, each with surface.vtp, volume.vtu and body.stl")
    parser.add_argument("--models", default="classical,ab-upt", help="names of models, one after the other")
    parser.add_argument("--minutes", type=float, default=20.0, help="training time of a network")
    parser.add_argument("--out", type=Path, default=Path("demo/ahmed"))
    options = parser.parse_args()
    console = Console()

    store = options.out / "dataset"
    if Dataset.is_dataset(store):
        dataset = Dataset.open(store)
    else:
        store.parent.mkdir(parents=True, exist_ok=True)
        # These cases state no units; all of them are in SI, as their names suggest.
        dataset = ingest(options.results, store, test=8, validation=4, assume_units=True, console=console)

    for model in options.models.split(","):
        console.rule(model)
        work = options.out / f"{model}.training"
        surrogate = fit(dataset, model=model, budget=60 * options.minutes, work=work, console=console)
        surrogate.save(options.out / model)
        discard(work)
        report = evaluate(surrogate, dataset, console=console)
        report.print(console)
        figures = options.out / f"figures-{model}.json"
        figures.write_text(report.model_dump_json(indent=1) + "\n", encoding="utf-8")

        # A new body needs its STL and the speed, nothing else.
        unseen = options.results / dataset.splits["test"][0] / "body.stl"
        case = surrogate.simulate(Design(unseen, speed="40 m/s"))
        console.print({name: f"{value:.1f} {case.qoi_units[name]}" for name, value in case.qoi.items()})


if __name__ == "__main__":
    main()
