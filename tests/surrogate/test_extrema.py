"""Largest values: regressed where a predicted field smears its peak, from the field where it does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers.ellipsoids import ellipsoid
from tramontane.case import Case
from tramontane.dataset import Dataset
from tramontane.dataset.ingest.run import ingest
from tramontane.design import Design
from tramontane.evaluation import evaluate
from tramontane.formats import write_case
from tramontane.surrogate import Surrogate
from tramontane.surrogate.fit import fit


def spotted(name: str, axes: tuple[float, float, float], load: float) -> Case:
    """An ellipsoid with a spot of pressure that moves around it with its length."""
    case = ellipsoid(name, axes, load)
    surface, volume = case.meshes["surface"].subdivide(2), case.meshes["volume"]
    angle = 3.0 * np.pi * (axes[0] - 0.5)
    center = np.array([np.cos(angle), np.sin(angle), 0.0])
    surface.point_data["pressure"] = load * np.exp(-np.sum((surface.points / axes - center) ** 2, axis=1) / 0.3**2)
    largest = float(np.linalg.norm(volume.point_data["displacement"], axis=1).max())
    return replace(
        case,
        meshes={"surface": surface, "volume": volume},
        qoi={"peak_pressure": float(surface.point_data["pressure"].max()), "largest_displacement": largest},
        qoi_units={"peak_pressure": "Pa", "largest_displacement": "m"},
    )


@pytest.fixture(scope="module")
def spots(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    root, rng = tmp_path_factory.mktemp("spots"), np.random.default_rng(4)
    for index in range(22):
        write_case(
            spotted(f"{index:03d}", tuple(rng.uniform(0.5, 1.0, 3)), float(rng.uniform(100, 500))),
            root / "cases" / f"{index:03d}",
        )
    return ingest(root / "cases", root / "store", test=6, validation=0)


def test_a_smeared_peak_is_regressed_and_a_smooth_one_is_not(spots: Dataset, tmp_path: Path) -> None:
    assert {name: spec.definition.kind for name, spec in spots.contract.qoi.items() if spec.definition} == {
        "peak_pressure": "max", "largest_displacement": "max"
    }  # fmt: skip
    fit(spots, model="classical").save(tmp_path / "model")
    surrogate = Surrogate.load(tmp_path / "model")
    assert list(surrogate.scalars) == ["peak_pressure"]
    errors = surrogate.record.figures.extrema
    assert errors["peak_pressure"]["regressed"] < 0.1 < 0.3 < errors["peak_pressure"]["field"]
    assert errors["largest_displacement"]["field"] < 0.05
    report = evaluate(surrogate, spots)
    assert report.qoi["peak_pressure"].relative < 0.1
    assert report.qoi["peak_pressure"].how.startswith("Gaussian process")
    assert report.qoi["largest_displacement"].how == "max of displacement on volume"
    name = spots.splits["test"][0]
    load = spots.parameters(name)["load"]
    case = surrogate.simulate(Design(spots.geometry(name), load=f"{load} N"))
    assert case.qoi["peak_pressure"] == pytest.approx(load, rel=0.15)
    # The value at the reference points, whatever mesh is drawn: the solver's own.
    assert case.qoi["largest_displacement"] == pytest.approx(spots.qoi(name)["largest_displacement"], rel=0.05)
    coarse = surrogate.simulate(Design(spots.geometry(name), load=f"{load} N"), cells=200)
    assert coarse.qoi == pytest.approx(case.qoi, rel=1e-6)
    assert list(case.qoi_deviations) == ["peak_pressure"]
