"""Give a peer the training cases as arrays, and judge what it answers as if it were one of our own surrogates."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyvista as pv
from scipy.spatial import cKDTree

from tramontane.contract import Contract
from tramontane.dataset import Dataset, describe_geometry, sample_surface
from tramontane.surrogate import Surrogate
from tramontane.surrogate.fit import trained_contract, training_domain
from tramontane.surrogate.predictor import Prediction
from tramontane.surrogate.record import Record, RunLength, TrainedOn
from tramontane.surrogate.resolved import ResolvedDesign
from tramontane.surrogate.scalars import fit_scalars
from tramontane.training import Normalization, channel_count
from tramontane.training.anchors import geometry_input


class Answers:
    """A predictor that looks up what a network has answered for each test case.

    Args:
        dataset: The store.
        cases: Training cases, in whose standard scores the answers are.
        model: The network's name.
        scores: The answers ``(n, channels)`` at all sites, by ``case/domain``; domains may be missing.
        asked: The test cases.
    """

    def __init__(
        self, dataset: Dataset, cases: Sequence[str], model: str, scores: dict[str, Any], asked: Sequence[str]
    ) -> None:
        self.contract, self.scales = trained_contract(dataset, cases), Normalization.measure(dataset, cases)
        self.model, self.scores = model, scores
        self.cases = {self._key(dataset.geometry(name), dataset.parameters(name)): name for name in asked}

    def predict(self, design: ResolvedDesign, positions: Mapping[str, Any], *, deviations: bool = True) -> Prediction:
        values = design.values
        name = self.cases[self._key(design.surface, values)]
        answer = {}
        for domain, where in positions.items():
            # What did not travel is no number, so that the baselines stand beside it all the same.
            unknown = np.full((len(where), channel_count(self.contract, domain)), np.nan, np.float32)
            scores = self.scores.get(f"{name}/{domain}", unknown)
            answer[domain] = self.scales.decode(self.contract, domain, scores, values)
        return Prediction(answer)

    def coordinates(self, design: ResolvedDesign) -> Any:
        operating = (design.values[name] for name in self.contract.operating)
        return np.array([*describe_geometry(design.surface), *operating])

    def signs(self, design: ResolvedDesign, domains: Sequence[str]) -> dict[str, float]:
        return {}

    def tensors(self) -> dict[str, Any]:
        return {}

    def document(self) -> dict[str, Any]:
        return {"model": self.model}

    @staticmethod
    def _key(geometry: Any, values: dict[str, float]) -> tuple[float, ...]:
        return (geometry.n_points, *geometry.bounds, *values.values())


def judged(dataset: Dataset, cases: Sequence[str], predictor: Answers, steps: int) -> Surrogate:
    """What `evaluate` can ask, as if it were one of our own surrogates."""
    return Surrogate(
        predictor.contract, predictor, templates={}, scalars=fit_scalars(dataset, cases, predictor),
        record=Record(TrainedOn(dataset.fingerprint(), list(cases)),
                      training_domain(dataset, cases, predictor.contract), run=RunLength(steps=steps)),
    )  # fmt: skip


def fit_peer(
    dataset: Dataset, cases: Sequence[str], model: str, *, minutes: float, seed: int, device: str
) -> tuple[Surrogate, int, float]:
    """Train a peer on the cases and have it answer the test split; with its parameters, and seconds a prediction."""
    contract, scales = trained_contract(dataset, cases), Normalization.measure(dataset, cases)
    tests = dataset.splits["test"]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name in [*cases, *tests]:
            np.savez(folder / f"{name}.npz", **arrays(dataset, name, contract, scales, targets=name in cases))
        job = {"model": model, "train": list(cases), "test": tests, "seconds": 60 * minutes, "seed": seed,
               "device": device, "domains": list(contract.fields)}  # fmt: skip
        (folder / "job.json").write_text(json.dumps(job))
        python = os.environ.get("PEERS_PYTHON", "runs/peers/bin/python")
        subprocess.run([python, str(Path(__file__).with_name("worker.py")), str(folder)], check=True)
        said = json.loads((folder / "said.json").read_text())
        scores = {}
        for name in tests:
            with np.load(folder / f"{name}.answer.npz") as answer:
                scores |= {f"{name}/{domain}": answer[f"scores_{domain}"] for domain in contract.fields}
    surrogate = judged(dataset, cases, Answers(dataset, cases, model, scores, tests), said["steps"])
    return surrogate, said["parameters"], said["prediction_seconds"]


def arrays(dataset: Dataset, name: str, contract: Contract, scales: Normalization, *, targets: bool) -> dict[str, Any]:
    """What a case is to a peer: the same points, and the same knowledge of the surface, as to our own models."""
    geometry: pv.PolyData = dataset.geometry(name)
    values = dataset.parameters(name)
    points, normals = geometry_input(geometry, contract, count=4096, seed=0)
    dense, dense_normals = sample_surface(geometry, 50_000, 0)
    tree = cKDTree(dense)
    out = {"geometry": scales.positions(points), "normals": normals, "parameters": scales.parameter_vector(values)}
    for domain in contract.fields:
        sites = dataset.sites(name, domain)
        distance, index = tree.query(sites.positions, workers=-1)
        direction = (dense[index] - sites.positions) / scales.half_extent
        out[f"positions_{domain}"] = scales.positions(sites.positions)
        out[f"local_{domain}"] = np.concatenate(
            [dense_normals[index], direction, (distance / scales.half_extent)[:, None]], axis=1
        ).astype(np.float32)
        if targets:
            out[f"scores_{domain}"] = scales.encode(contract, domain, sites.fields, values)
            mean = [
                np.asarray(scales.fields[domain][f].mean) / scales.fields[domain][f].deviation
                for f in contract.fields[domain]
            ]
            out[f"zero_{domain}"] = np.concatenate(mean).astype(np.float32)
            out[f"widths_{domain}"] = np.array([len(part) for part in mean])
    return out
