"""One dataset, one wall-clock budget, any of our models, any peer, every baseline: one table.

    python benchmarks/accuracy.py demo/ahmed/dataset --models corrected,classical,ab-upt --minutes 20 --seeds 0,1,2
    python benchmarks/accuracy.py demo/ahmed/dataset --models classical,tokens --cases 10,20,40

The data sets: Ahmed bodies from OpenFOAM (`examples/02_ahmed.py` makes the store), brackets and bodies in a channel
from the embedded solver:

    tramontane generate bracket -n 100 -o demo/bracket100
    tramontane ingest demo/bracket100 -o demo/bracket100.dataset --test 20 --validation 0
    tramontane generate bodies -n 100 -o demo/bodies
    tramontane ingest demo/bodies -o demo/bodies.dataset --test 20 --validation 0

Every run is a process of its own (peak memory is its own, nothing is shared) and leaves one JSON file; a run whose file
is there is not run again. All runs see the same training cases, and are asked for the test split alone, at the cases'
own sites. ``kriging`` (the baseline on the true shape parameters), ``mean`` and ``nearest`` come from the same pass.
Peers run in a virtual environment of their own: see ``benchmarks/peers/README.md``.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from record import heading

PEERS = ("transolver", "geotransolver", "gino")


def run_one(
    dataset_path: Path,
    model: str,
    minutes: float,
    seed: int,
    count: int | None,
    device: str,
    settings: dict[str, Any],
) -> dict[str, Any]:
    """Train and judge one model in this process."""
    from rich.console import Console

    from tramontane.dataset import Dataset
    from tramontane.evaluation import evaluate
    from tramontane.surrogate.fit import fit

    dataset, console = Dataset.open(dataset_path), Console(width=140)
    cases = training_cases(dataset, count)
    started, prediction_seconds = time.monotonic(), 0.0
    if model in PEERS:
        sys.path.insert(0, str(Path(__file__).parent))
        from peers.peer import fit_peer

        surrogate, parameters, prediction_seconds = fit_peer(
            dataset, cases, model, minutes=minutes, seed=seed, device=device
        )
    else:
        surrogate = fit(
            dataset,
            model=model,
            cases=cases,
            budget=60 * minutes,
            seed=seed,
            device=device,
            console=console,
            **settings,
        )
        parameters = sum(
            value.numel() for name, value in surrogate.predictor.tensors().items() if "classical" not in name
        )
    seconds = time.monotonic() - started
    report = evaluate(surrogate, dataset, console=console)
    report.print(console)
    return {
        "model": model, "seed": seed, "cases": len(cases), "minutes": minutes, "device": device, "settings": settings,
        "training_seconds": seconds,
        # A peer has answered already: what is measured here would be a look-up.
        "prediction_seconds": prediction_seconds or report.seconds_per_case,
        "network_parameters": parameters,
        "peak_memory_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "steps": surrogate.record.run.steps, "why": surrogate.record.figures.why,
        "report": report.model_dump(mode="json"),
    }  # fmt: skip


def table(runs: list[dict[str, Any]]) -> str:
    """Markdown: mean over seeds (and standard deviation) of each figure, the baselines of the same cases below."""
    groups: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for run in runs:
        groups.setdefault((run["model"], run["cases"]), []).append(run)
    first = max((run["report"] for run in runs), key=lambda report: len(report["fields"]))
    fields, qois = list(first["fields"]), list(first["qoi"])
    lines = [
        "| model | cases | " + " | ".join(fields + qois) + " | training s | prediction s | GiB | parameters |",
        "|" + "---|" * (6 + len(fields) + len(qois)),
    ]
    baselines: dict[int, str] = {}
    for (model, cases), group in sorted(groups.items(), key=lambda item: (item[0][1], item[0][0])):
        # A model of QoIs alone has no figures of fields.
        own = [run["report"]["fields"] for run in group]
        figures = [_spread([100 * of[name]["relative_l2"] for of in own]) if own[0] else "" for name in fields]
        figures += [_spread([100 * run["report"]["qoi"][name]["relative"] for run in group]) for name in qois]
        means = [np.mean([run[key] for run in group]) for key in ("training_seconds", "prediction_seconds")]
        # Of networks that were trained elsewhere it is not known.
        known, size = (
            [run["peak_memory_gib"] for run in group if run["peak_memory_gib"]],
            group[0]["network_parameters"],
        )
        memory = f"{np.mean(known):.1f}" if known else ""
        lines.append(
            f"| {model} | {cases} | {' | '.join(figures)} | {means[0]:.0f} | {means[1]:.2f} | {memory} | {size} |"
        )
        report = group[0]["report"]
        if cases in baselines and not report["fields"]:
            continue
        baselines[cases] = "\n".join(
            f"| baseline: {label} | {cases} | "
            + " | ".join(
                f"{100 * entry['baselines'][name]:.1f}"
                for entry in (*report["fields"].values(), *report["qoi"].values())
            )
            + " | | | | |"
            for name, label in (("mean", "mean"), ("nearest", "nearest"), ("parameters", "kriging on true parameters"))
        )
    return "\n".join([*lines, *baselines.values()])


def training_cases(dataset: Any, count: int | None) -> list[str]:
    """The first of the shuffled training split, so that fewer cases are part of more; all where None."""
    names = dataset.splits["train"]
    return sorted(names[place] for place in np.random.default_rng(0).permutation(len(names))[:count])


def show(runs: list[dict[str, Any]], file: Path | None) -> None:
    """Print the table, and write it with all runs where a file is given."""
    text = table(runs)
    print(text)
    if file:
        document = heading() | {"table": text.splitlines(), "runs": runs}
        file.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _spread(values: list[float]) -> str:
    return f"{np.mean(values):.1f}" + (f" ± {np.std(values):.1f}" if len(values) > 1 else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--models", default="corrected,classical,ab-upt")
    parser.add_argument("--minutes", type=float, default=20.0, help="training budget of each run")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--cases", default="", help="numbers of training cases, for a learning curve; all if not given")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--settings", type=json.loads, default={}, help="more arguments of fit, as JSON")
    parser.add_argument("--label", default="", help="part of the runs' file names, where settings differ")
    parser.add_argument("--out", type=Path, default=Path("runs/accuracy"), help="folder of the runs' files")
    parser.add_argument("--table", type=Path, help="write all runs and the table here, too, as JSON")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    counts = [int(text) for text in options.cases.split(",") if text] or [None]
    if options.one:
        result = run_one(
            options.dataset, options.models, options.minutes, int(options.seeds), counts[0], options.device,
            options.settings,
        )  # fmt: skip
        options.one.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        return
    options.out.mkdir(parents=True, exist_ok=True)
    runs = []
    for count in counts:
        for model in options.models.split(","):
            for seed in options.seeds.split(","):
                length = f"{count or 'all'}-{options.minutes:g}min{options.label}"
                file = options.out / f"{options.dataset.resolve().name}-{model}-{length}-{seed}.json"
                if not file.exists():
                    print(f"== {model}, {count or 'all'} cases, seed {seed}", flush=True)
                    command = [
                        sys.executable, __file__, str(options.dataset), "--models", model, "--seeds", seed,
                        "--minutes", str(options.minutes), "--device", options.device, "--one", str(file),
                        "--settings", json.dumps(options.settings),
                    ]  # fmt: skip
                    subprocess.run(command + (["--cases", str(count)] if count else []), check=True)
                runs.append(json.loads(file.read_text(encoding="utf-8")))
    show(runs, options.table)


if __name__ == "__main__":
    main()
