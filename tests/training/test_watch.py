"""Runs that are followed, ended early and interrupted by who watches them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from helpers.ellipsoids import TINY
from tramontane.dataset import Dataset
from tramontane.metrics import mean_absolute, relative_l2
from tramontane.surrogate.fit import fit
from tramontane.surrogate.resolved import stored_design
from tramontane.training import FieldError, Watch


class Follower(Watch):
    """Notes everything, and has enough after some steps of all networks together."""

    active = True

    def __init__(self, most: int, *, interrupt: bool = False) -> None:
        self.most, self.interrupt = most, interrupt
        self.stages: list[str] = []
        self.losses: dict[str, list[float]] = {}
        self.errors: dict[str, list[tuple[int, Mapping[str, FieldError]]]] = {}
        self.candidates: dict[str, tuple[int, Mapping[str, float]]] = {}

    def stage(self, name: str) -> None:
        self.stages.append(name)

    def step(self, network: str, step: int, loss: float) -> None:
        self.losses.setdefault(network, []).append(loss)

    def validated(self, network: str, step: int, errors: Mapping[str, FieldError]) -> None:
        self.errors.setdefault(network, []).append((step, errors))

    def candidate(self, name: str, cases: int, errors: Mapping[str, float]) -> None:
        self.candidates[name] = cases, errors

    def enough(self) -> bool:
        full = sum(len(of) for of in self.losses.values()) >= self.most
        if full and self.interrupt:
            raise KeyboardInterrupt
        return full


def test_a_network_is_followed_and_ends_with_what_it_learnt(dataset: Dataset) -> None:
    watch = Follower(12)
    surrogate = fit(dataset, model="ab-upt", config=TINY, steps=40, points=96, geometry_points=256, watch=watch)
    assert surrogate.record.run.steps == len(watch.losses["ab-upt"]) == 12
    assert surrogate.record.run.stopped_early
    history = surrogate.record.figures.history
    assert [(each["step"], each["errors"]) for each in history] == watch.errors["ab-upt"]
    assert watch.errors["ab-upt"][-1][0] == 12  # the last word is about the model that is saved
    assert watch.errors["ab-upt"][-1][1]["surface/pressure"].unit == "Pa"
    assert watch.stages == ["reading", "networks", "calibrating"]


def test_an_interrupted_run_goes_on_where_it_was(dataset: Dataset, tmp_path: Path) -> None:
    given = {"model": "ab-upt", "config": TINY, "steps": 12, "points": 96, "geometry_points": 256, "work": tmp_path}
    whole = Follower(100)
    fit(dataset, **{**given, "work": tmp_path / "whole"}, watch=whole)  # type: ignore[arg-type]
    first, second = Follower(5, interrupt=True), Follower(100)
    with pytest.raises(KeyboardInterrupt):
        fit(dataset, **given, watch=first)  # type: ignore[arg-type]
    fit(dataset, **given, watch=second)  # type: ignore[arg-type]
    assert first.losses["ab-upt"] + second.losses["ab-upt"] == pytest.approx(whole.losses["ab-upt"], rel=1e-5)


def test_networks_at_reference_points_are_measured_on_cases_they_do_not_see(dataset: Dataset) -> None:
    watch = Follower(7)
    surrogate = fit(dataset, model="corrected", steps=80, watch=watch)
    # The fold that ran ends, and no other begins.
    assert list(watch.losses) == list(watch.errors) == ["corrected 1"]
    assert len(surrogate.predictor.networks) == 1  # type: ignore[attr-defined]
    cases = dataset.splits["train"]
    count, left = watch.candidates["corrected"]
    assert count == len([case for case in range(len(cases)) if case % 4 == 0])
    assert watch.candidates["classical"][0] == len(cases)
    # Before it has learnt anything a network adds nothing: its errors are those of the kriging it corrects, and the
    # share of its corrections that is trusted never makes them worse.
    step, errors = watch.errors["corrected 1"][-1]
    assert step == 7
    for field, error in errors.items():
        assert left[field] <= error.relative * (1 + 1e-6)
        assert 0.01 * error.absolute > 0
    load = float(np.mean([dataset.parameters(case)["load"] for case in cases]))
    assert 0.001 * load < errors["surface/pressure"].absolute < load  # Pa, as the load is
    assert errors["volume/displacement"].absolute < 1e-6 * load  # m


def test_a_choice_that_is_ended_at_once_is_kriging(dataset: Dataset) -> None:
    watch = Follower(0)
    surrogate = fit(dataset, model="auto", budget=600.0, watch=watch)
    assert surrogate.model == "classical"
    assert not watch.losses
    assert set(surrogate.record.figures.cross_validation) == {"classical"}
    name = dataset.splits["test"][0]
    sites = dataset.sites(name, "surface")
    fields = surrogate.fields(stored_design(dataset, name), {"surface": sites.positions})
    pressure = fields["surface"]["pressure"]
    assert relative_l2(pressure, sites.fields["pressure"].ravel()) < 0.1
    assert mean_absolute(pressure, sites.fields["pressure"].ravel()) < 0.1 * dataset.parameters(name)["load"]
