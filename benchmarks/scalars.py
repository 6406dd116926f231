"""Geometry and speed to forces, from a table alone: several random splits, every baseline beside the model.

    python benchmarks/scalars.py ../shared/data/ahmed --table benchmarks/results/scalars-ahmed.json

A CSV is written from the cases' JSON files, with their geometry files and operating conditions but none of their fields
and dimensions; it is ingested, and each fold of each shuffle is the test split once.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from record import heading

from tramontane.dataset import Dataset
from tramontane.dataset.ingest.run import ingest
from tramontane.evaluation import evaluate
from tramontane.formats import find_cases
from tramontane.surrogate.fit import fit


def write_table(cases: Path, operating: list[str], dimensions: bool, file: Path) -> None:
    """A line a case: its name, its geometry file, its operating conditions (and dimensions), its QoIs."""
    lines: list[list[Any]] = []
    for case in find_cases(cases):
        document = json.loads((case / "case.json").read_text(encoding="utf-8"))
        inputs = {key: value for key, value in document["parameters"].items() if dimensions or key in operating}
        if not lines:
            lines.append(["case", "stl", *inputs, *(f"qoi:{key}" for key in document["qoi"])])
        lines.append([case.name, next(case.glob("*.stl")).resolve(), *inputs.values(), *document["qoi"].values()])
    with open(file, "w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(lines)


def judge(dataset: Dataset, repeats: int, folds: int) -> dict[str, Any]:
    """Mean over all splits of each QoI's error and of its baselines, and how often deviations held."""
    found: dict[str, dict[str, list[float]]] = {}
    seconds = []
    for repeat in range(repeats):
        order = np.random.default_rng(repeat).permutation(dataset.names)
        for fold in range(folds):
            test = sorted(order[fold::folds].tolist())
            dataset.set_splits({"train": [n for n in dataset.names if n not in test], "test": test}, force=True)
            started = time.monotonic()
            surrogate = fit(dataset, model="scalars")
            seconds.append(time.monotonic() - started)
            for qoi, figures in evaluate(surrogate, dataset).qoi.items():
                own = {"model": figures.relative, "within": figures.within} | {
                    f"baseline: {key}": value for key, value in figures.baselines.items()
                }
                for key, value in own.items():
                    found.setdefault(qoi, {}).setdefault(key, []).append(float(value or 0.0))
            print(f"split {repeat}.{fold}", flush=True)
    means = {qoi: {key: float(np.mean(values)) for key, values in of.items()} for qoi, of in found.items()}
    return {"cases": len(dataset.names), "splits": repeats * folds, "training_seconds": float(np.mean(seconds)),
            "qoi": means}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path, help="folder of cases, each with case.json and an STL")
    parser.add_argument("--operating", default="speed", help="parameters that are not read off the geometry")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--table", type=Path, help="write the figures here, too, as JSON")
    options = parser.parse_args()
    runs = {}
    for label, dimensions in (("with dimensions stated in training", True), ("shapes and operating conditions", False)):
        with tempfile.TemporaryDirectory() as folder:
            table = Path(folder) / "designs.csv"
            write_table(options.cases, options.operating.split(","), dimensions, table)
            runs[label] = judge(
                ingest(table, Path(folder) / "store", assume_units=True), options.repeats, options.folds
            )
        print(label, json.dumps(runs[label], indent=1))
    if options.table:
        options.table.write_text(json.dumps(heading() | {"runs": runs}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
