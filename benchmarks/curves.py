"""Learning curves of networks, trained on an accelerator: error against the number of training cases.

    python benchmarks/curves.py write demo/ahmed/dataset runs/curves/ahmed --cases 10,20 --seeds 0,1,2
    python benchmarks/peers/series.py runs/curves/ahmed --out runs/curves/ahmed/answers      (where the card is)
    python benchmarks/curves.py judge demo/ahmed/dataset runs/curves/ahmed --table benchmarks/results/curves-ahmed.json

``write`` leaves what networks are given as arrays: a sample of each case's sites, all sites of the test cases, in half
precision (positions to 1/20,000 of the frame), so that they travel. All is in the standard scores of all training
cases, which ``series.py`` turns into those of the few that a network is trained on. ``judge`` decodes the answers and
puts them beside the baselines of the same training cases.

A network takes about as many steps as two cores take in twenty minutes (Transolver, GeoTransolver 6,000; AB-UPT 4,000;
of small plane flows twice as many).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from accuracy import show, training_cases
from peers.peer import Answers, arrays, judged

from tramontane.dataset import Dataset
from tramontane.evaluation import evaluate
from tramontane.surrogate.fit import trained_contract
from tramontane.training import Normalization

STEPS = {"transolver": 6000, "geotransolver": 6000, "ab-upt": 4000}
UNIT = 20_000  # positions are whole numbers of this part of the frame


def write(dataset: Dataset, folder: Path, counts: list[int], seeds: list[int], models: list[str], options: Any) -> None:
    """Arrays of all cases, and what is to be trained on which."""
    folder.mkdir(parents=True, exist_ok=True)
    everything = dataset.splits["train"]
    contract, tests = trained_contract(dataset, everything), dataset.splits["test"]
    developed = sorted(set(dataset.names) - set(tests))
    names = [*developed, *tests]
    scales = Normalization.measure(dataset, everything)
    given = {name: arrays(dataset, name, contract, scales, targets=True) for name in names}
    out: dict[str, Any] = {
        "geometry": _places(np.stack([given[name]["geometry"] for name in names])),
        "normals": np.stack([given[name]["normals"] for name in names]).astype(np.float16),
        "parameters": np.stack([given[name]["parameters"] for name in names]).astype(np.float32),
    }
    for domain in contract.fields:
        size = min(*(len(case[f"positions_{domain}"]) for case in given.values()), options.thin)
        kinds = {"positions": _places, "local": _direction, "scores": lambda values: values.astype(np.float16)}
        for kind, change in kinds.items():
            out[f"{kind}/{domain}"] = np.stack([change(given[name][f"{kind}_{domain}"][:size]) for name in names])
            for name in tests:
                out[f"{kind}/{domain}/{name}"] = change(given[name][f"{kind}_{domain}"])
    sets = {f"all{len(everything)}": everything} | {f"{count}": training_cases(dataset, count) for count in counts}
    described = {
        key: _described(dataset, contract, scales, cases, names) | {"ask": tests, "whole": True, "kept": options.kept}
        for key, cases in sets.items()
    }
    runs = [
        {"model": model, "set": key, "seed": seed, "steps": options.times * STEPS[model]}
        for model in models for key in sets for seed in (seeds if key.startswith("all") else seeds[:1])
    ]  # fmt: skip
    for fold in range(options.folds):
        left = developed[fold :: options.folds]
        cases = [name for name in developed if name not in left]
        described[f"fold{fold}"] = _described(dataset, contract, scales, cases, names) | {
            "ask": left, "whole": False, "kept": list(contract.fields)
        }  # fmt: skip
        runs += [
            {"model": m, "set": f"fold{fold}", "seed": 0, "steps": options.times * STEPS[m]}
            for m in ("transolver", "geotransolver")
        ]
    widths = {domain: [spec.components for spec in specs.values()] for domain, specs in contract.fields.items()}
    about = {"unit": UNIT, "domains": list(contract.fields), "names": names, "widths": widths, "sets": described,
             "runs": runs}  # fmt: skip
    np.savez(folder / "arrays.npz", **out)
    (folder / "about.json").write_text(json.dumps(about))
    print(f"{folder}: {sum(value.nbytes for value in out.values()) / 2**20:.0f} MiB, {len(runs)} runs")


def _places(positions: Any) -> Any:
    return np.round(np.clip(positions * UNIT, -32767, 32767)).astype(np.int16)


def _direction(local: Any) -> Any:
    # The distance is the length of the direction, which comes before it.
    return local[:, :6].astype(np.float16)


def _described(
    dataset: Dataset, contract: Any, scales: Normalization, cases: list[str], names: list[str]
) -> dict[str, Any]:
    """Which cases a network is trained on, and how to get from the scores in the arrays to those of these cases."""
    own = Normalization.measure(dataset, cases)
    out: dict[str, Any] = {"train": [names.index(name) for name in cases], "names": cases, "gain": {}, "offset": {},
                           "zero": {}}  # fmt: skip
    for domain, specs in contract.fields.items():
        gain, offset, zero = [], [], []
        for field, spec in specs.items():
            all_, few = scales.fields[domain][field], own.fields[domain][field]
            gain += [all_.deviation / few.deviation] * spec.components
            offset += ((np.array(all_.mean) - np.array(few.mean)) / few.deviation).tolist()
            zero += (np.array(few.mean) / few.deviation).tolist()
        out["gain"][domain], out["offset"][domain], out["zero"][domain] = gain, offset, zero
    pairs = [(scales.parameters[key], own.parameters[key]) for key in scales.parameters]
    out["parameter_gain"] = [a.deviation / b.deviation for a, b in pairs]
    out["parameter_offset"] = [(a.mean - b.mean) / b.deviation for a, b in pairs]
    return out


def judge(dataset: Dataset, folder: Path) -> list[dict[str, Any]]:
    """Runs as `accuracy.py` writes them."""
    about = json.loads((folder / "about.json").read_text())
    runs = []
    for file in sorted((folder / "answers").glob("*.json")):
        said = json.loads(file.read_text())
        chosen = about["sets"][said["set"]]
        if not chosen["whole"]:
            continue
        cases = chosen["names"]
        with np.load(file.with_suffix(".npz")) as found:
            scores = {key: found[key].astype(np.float32) for key in found.files}
        surrogate = judged(dataset, cases, Answers(dataset, cases, said["model"], scores, said["cases"]), {})
        report = evaluate(surrogate, dataset).model_dump(mode="json")
        for domain, specs in dataset.contract.fields.items():
            for column, field in enumerate(specs):
                # Measured where the network is, over all sites, before rounding; domains that did not travel, too.
                each = [case[column] for case in said["errors"][domain]]
                entry, worst = report["fields"][f"{domain}/{field}"], int(np.argmax(each))
                entry |= {
                    "relative_l2": float(np.mean(each)), "median": float(np.median(each)), "worst": each[worst],
                    "worst_case": said["cases"][worst], "each": each,
                }  # fmt: skip
                if domain not in chosen["kept"]:
                    entry["mean_absolute"] = None
        runs.append({
            "model": said["model"], "seed": said["seed"], "cases": len(cases), "device": "cuda", "steps": said["steps"],
            "settings": {}, "training_seconds": said["seconds_together"], "trained_together": said["together"],
            "prediction_seconds": said["prediction_seconds"], "network_parameters": said["parameters"],
            "peak_memory_gib": None, "report": report,
        })  # fmt: skip
        print(said["model"], said["set"], said["seed"], flush=True)
    return runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("write", "judge"))
    parser.add_argument("dataset", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cases", default="10,20", help="numbers of training cases besides all")
    parser.add_argument(
        "--seeds", default="0,1,2", help="of the runs on all training cases; fewer cases take the first"
    )
    parser.add_argument("--models", default=",".join(STEPS))
    parser.add_argument("--times", type=int, default=1, help="times as many steps, where cases are small")
    parser.add_argument("--folds", type=int, default=0, help="Transolvers that leave a part of the other cases out")
    parser.add_argument("--thin", type=int, default=12_000, help="sites of each domain and case to train on, at most")
    parser.add_argument("--kept", type=lambda text: text.split(","), default=[], help="domains whose answers travel")
    parser.add_argument("--table", type=Path, help="write the table and all runs here, as JSON")
    options = parser.parse_args()
    dataset = Dataset.open(options.dataset)
    if options.what == "write":
        counts, seeds = ([int(text) for text in of.split(",") if text] for of in (options.cases, options.seeds))
        write(dataset, options.folder, counts, seeds, options.models.split(","), options)
        return
    runs = judge(dataset, options.folder)
    show(runs, options.table)


if __name__ == "__main__":
    main()
