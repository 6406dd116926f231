"""What intervals and verdicts are worth: on cases that touched nothing, near a family, and far from it.

    python benchmarks/trust.py bracket.dataset --near near-bracket.dataset --train 60 --out trust-bracket.json

Each split draws its training cases anew; all others are asked for. Intervals stand beside conformal ones of one width.
Near cases are those of ``near_cases.py`` and ``near_ahmed.py``, with the truth of the solver; far ones are no members
at all. A shape that is refused counts as told from members.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyvista as pv
from record import heading, keep
from scipy.stats import rankdata, spearmanr

from tramontane.dataset import Dataset
from tramontane.design import Design
from tramontane.errors import TramontaneError
from tramontane.evaluation.coverage import case_coverage, coverage
from tramontane.surrogate import Surrogate
from tramontane.surrogate.fit import fit
from tramontane.surrogate.intervals import Intervals
from tramontane.surrogate.resolved import ResolvedDesign
from tramontane.training.normalization import operating_scale
from tramontane.units import Quantity, from_si

_SITES, _LEVEL = 2000, 0.9


def auroc(positive: Any, negative: Any) -> float:
    """Share of pairs in which the positive has the higher score."""
    ranks = rankdata(np.concatenate([positive, negative]))[: len(positive)]
    return float((ranks.sum() - len(positive) * (len(positive) + 1) / 2) / (len(positive) * len(negative)))


def asked(model: Surrogate, dataset: Dataset, name: str) -> dict[str, Any]:
    """What a model answers to a case at some of its sites, beside the truth."""
    contract, calibration = model.contract, model.calibration
    assert calibration is not None
    geometry, values = dataset.geometry(name), dataset.parameters(name)
    resolved = ResolvedDesign(geometry, values)
    sites = {domain: dataset.sites(name, domain, 0, _SITES) for domain in contract.fields}
    prediction = model.predict(resolved, {domain: of.positions for domain, of in sites.items()})
    verdict = model.verdict(resolved, list(contract.fields))
    assert verdict is not None
    intervals = Intervals(model, resolved, _LEVEL, model.widening(verdict)).of_fields(prediction)
    fields = {}
    for domain, of in prediction.mean.items():
        for field, mean in of.items():
            truth = sites[domain].fields[field].reshape(mean.shape)
            fields[f"{domain}/{field}"] = case_coverage(
                mean, truth, intervals[domain][field], calibration.fields[f"{domain}/{field}"],
                operating_scale(contract.fields[domain][field], values),
            )  # fmt: skip
    design = Design(geometry, **{key: Quantity(from_si(values[key], spec.unit), spec.unit)
                                 for key, spec in contract.operating.items()})  # fmt: skip
    case = model.simulate(design, cells=20_000)
    qoi = {key: bool(of.low <= dataset.qoi(name)[key] <= of.high) for key, of in case.qoi_intervals.items()
           if key in dataset.qoi(name)}  # fmt: skip
    return {"fields": fields, "qoi": qoi, "score": verdict.score, "domain": verdict.domain}


def far_shapes(dataset: Dataset, names: list[str], others: list[Dataset]) -> Iterator[tuple[str, pv.PolyData]]:
    """Closed surfaces that are no members: solids in a member's box, parts of other families, members spoilt."""
    box = np.array([np.asarray(dataset.geometry(name).bounds).reshape(3, 2) for name in names]).mean(0)
    middle, size = box.mean(1), box[:, 1] - box[:, 0]
    solids = {
        "cube": pv.Cube(), "cylinder": pv.Cylinder(radius=0.5, height=1.0), "cone": pv.Cone(height=1.0, radius=0.5),
        "sphere": pv.Sphere(radius=0.5), "torus": pv.ParametricTorus(ringradius=0.35, crosssectionradius=0.15),
    }  # fmt: skip
    for name, solid in solids.items():
        surface = solid.triangulate().clean()
        surface.points = np.asarray(surface.points) * size + middle
        yield name, surface
    for other in others:
        for name in other.names[:3]:
            yield f"{other.path}: {name}", other.geometry(name)
    for name in names[:3]:
        member = dataset.geometry(name)
        for spoilt, factor in (("a thousand times as large", 1000.0), ("a thousandth as large", 0.001)):
            yield spoilt, pv.PolyData.from_regular_faces(np.asarray(member.points) * factor, member.regular_faces)
        turned = np.asarray(member.points)[:, [1, 2, 0]]
        yield "turned", pv.PolyData.from_regular_faces(turned, member.regular_faces)
        half = member.clip_closed_surface("x", origin=member.center).triangulate()
        yield "half a part", half


def far_score(model: Surrogate, shape: pv.PolyData, values: dict[str, float]) -> float:
    """The verdict's score of a shape; one where it is refused."""
    conditions = {key: Quantity(from_si(values[key], spec.unit), spec.unit)
                  for key, spec in model.contract.operating.items()}  # fmt: skip
    try:
        verdict = model.simulate(Design(shape, **conditions), cells=2000).verdict
    except TramontaneError:
        return 1.0
    return 1.0 if verdict is None else verdict.score


def split(dataset: Dataset, near: Dataset | None, others: list[Dataset], count: int, seed: int) -> dict[str, Any]:
    """The figures of one draw of training cases."""
    order = np.random.default_rng(seed).permutation(len(dataset.names))
    names = [sorted(dataset.names)[place] for place in order]
    part = dataset.with_splits({"train": names[:count], "validation": [], "test": names[count:]})
    started = time.monotonic()
    model = fit(part, model="classical", assume_units=True)
    seconds = time.monotonic() - started
    own = [asked(model, part, name) for name in names[count:]]
    beside = [] if near is None else [asked(model, near, name) for name in near.names]
    values = dataset.parameters(names[0])
    far = {name: far_score(model, shape, values) for name, shape in far_shapes(dataset, names[:3], others)}
    fields = {}
    for field in own[0]["fields"]:
        of = coverage([each["fields"][field] for each in own])
        fields[field] = {
            "coverage": of.points, "lowest": of.lowest, "band": of.band,
            "score_over_constant": of.score_over_constant, "spearman": of.rank_correlation,
        }  # fmt: skip
    typical = {field: float(np.median([each["fields"][field].error for each in own])) for field in fields}

    def error(case: dict[str, Any]) -> float:
        return float(np.exp(np.mean([np.log(case["fields"][field].error / typical[field]) for field in fields])))

    scores, errors = np.array([each["score"] for each in own]), np.array([error(each) for each in own])
    found: dict[str, Any] = {
        "training_seconds": seconds, "cases": [count, len(own), len(beside), len(far)], "fields": fields,
        "qoi": {key: float(np.mean([each["qoi"][key] for each in own])) for key in own[0]["qoi"]},
        "outside": float(np.mean([each["domain"] == "outside" for each in own])),
        "edge": float(np.mean([each["domain"] == "edge" for each in own])),
        "far_auroc": auroc(np.array(list(far.values())), scores),
        "far_scores": far, "own_scores": [float(scores.min()), float(np.median(scores)), float(scores.max())],
    }  # fmt: skip
    if near is not None:
        near_scores, near_errors = np.array([b["score"] for b in beside]), np.array([error(b) for b in beside])
        both, all_errors = np.concatenate([scores, near_scores]), np.concatenate([errors, near_errors])
        bad = all_errors > 2
        kept = [each for each in beside if each["domain"] != "outside"]
        found["near"] = {
            "auroc": auroc(near_scores, scores), "what_matters_auroc": auroc(both[bad], both[~bad]),
            "spearman_all": float(spearmanr(both, all_errors)[0]),
            "outside": float(np.mean([each["domain"] == "outside" for each in beside])),
            "false_alarms": sum(
                each["domain"] == "outside" and bool(off <= 2) for each, off in zip(beside, near_errors, strict=True)
            ),
            "coverage_not_outside": float(np.mean([f.points for each in kept for f in each["fields"].values()])),
            "cases": {
                name: {"domain": each["domain"], "score": each["score"], "error": float(off)}
                for name, each, off in zip(near.names, beside, near_errors, strict=True)
            },
        }  # fmt: skip
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--near", type=Path)
    parser.add_argument("--others", type=Path, nargs="*", default=[])
    parser.add_argument("--train", type=int, required=True)
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--machine", default="2 cores, x86_64")
    given = parser.parse_args()
    dataset, near = Dataset.open(given.dataset), None if given.near is None else Dataset.open(given.near)
    others = [Dataset.open(path) for path in given.others]
    record = heading(given.machine) | {"splits": []}
    for seed in range(given.splits):
        record["splits"].append(split(dataset, near, others, given.train, seed))
        keep(record, given.out)


if __name__ == "__main__":
    main()
