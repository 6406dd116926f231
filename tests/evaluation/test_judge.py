"""Surrogates are judged on cases that they never saw: of their dataset, of others, and each left out in turn."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers.ellipsoids import ellipsoid, write_family
from tramontane import farm
from tramontane.dataset import Dataset
from tramontane.dataset.ingest.run import ingest
from tramontane.design import Design
from tramontane.errors import DatasetError
from tramontane.evaluation import cross_validate, evaluate
from tramontane.evaluation.folds import make_folds
from tramontane.formats import write_case
from tramontane.io.processes import Outcome
from tramontane.surrogate import Surrogate
from tramontane.units import Quantity


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six ellipsoids that are in no other set."""
    root = tmp_path_factory.mktemp("others") / "cases"
    rng = np.random.default_rng(7)
    for index in range(6):
        axes = tuple(rng.uniform(0.55, 0.95, 3))
        write_case(ellipsoid(f"new-{index}", axes, float(rng.uniform(150, 450))), root / f"new-{index}")
    return root


def test_auto_takes_kriging_of_few_cases_and_says_why(kriging: Surrogate) -> None:
    assert kriging.model == "classical"
    assert kriging.record.run.steps == 0
    why = kriging.record.figures.why
    assert "networks were not tried: 11 training cases, and kriging leaves 0." in why
    assert "--try-networks" in why


def test_kriging_stands_before_networks_are_tried(choice: list[Surrogate], dataset: Dataset, tmp_path: Path) -> None:
    early, last = choice
    assert early.model == "classical"
    early.save(tmp_path / "m")
    last.save(tmp_path / "m")  # takes its place
    report = evaluate(early, dataset)
    assert report.fields["volume/displacement"].relative_l2 < 0.1
    assert "networks were not tried" not in last.record.figures.why


def test_all_leaves_out_what_was_trained_on_and_says_so(kriging: Surrogate, dataset: Dataset) -> None:
    report = evaluate(kriging, dataset, split="all")
    trained = set(dataset.splits["train"])
    assert report.cases == [name for name in dataset.names if name not in trained]
    assert f"{len(trained)} of {len(dataset.names)} cases" in report.notes[0]


def test_a_case_alone_is_judged_by_what_the_model_knows_of_its_qois(kriging: Surrogate, tmp_path: Path) -> None:
    """Of one case nobody sees that its mass is a density times the volume."""
    write_case(ellipsoid("alone", (0.8, 0.7, 0.6), 300.0), tmp_path / "cases" / "alone")
    dataset = ingest(tmp_path / "cases", tmp_path / "d")
    assert dataset.contract.qoi["mass"].definition is None
    report = evaluate(kriging, dataset, split="all")
    assert report.qoi["mass"].how == "1000 x volume of the geometry"
    assert report.qoi["mass"].relative < 1e-6


def test_a_largest_value_is_judged_as_it_is_answered(kriging: Surrogate, dataset: Dataset) -> None:
    """At the reference points, whatever the places of the solver's mesh."""
    of_fields = {name: fit for name, fit in kriging.scalars.items() if name != "peak_pressure"}
    model = Surrogate(kriging.contract, kriging.predictor, templates=kriging.templates, scalars=of_fields,
                      record=kriging.record)  # fmt: skip
    report = evaluate(model, dataset)
    name = report.cases[0]
    load = Quantity(dataset.parameters(name)["load"], "N")
    answer = model.simulate(Design(dataset.geometry(name), load=load), cells=1000)
    assert report.qoi["peak_pressure"].predicted[0] == pytest.approx(answer.qoi["peak_pressure"], rel=1e-6)


def test_all_of_another_folder_is_asked_for_whole(kriging: Surrogate, others: Path, tmp_path: Path) -> None:
    dataset = ingest(others, tmp_path / "d", contract=kriging.contract)
    report = evaluate(kriging, dataset, split="all")
    assert report.cases == [f"new-{index}" for index in range(6)]
    displacement = report.fields["volume/displacement"]
    assert displacement.relative_l2 < 0.1 < displacement.baselines["nearest"]  # no case is its own nearest
    assert any("baselines" in note for note in report.notes)
    one = dataset.with_splits({"test": ["new-0"]})
    assert evaluate(kriging, one).fields["volume/displacement"].baselines == {}


def test_training_cases_are_known_in_another_dataset_under_other_names(
    kriging: Surrogate, dataset: Dataset, family: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again"
    again.mkdir()
    for name in dataset.names:
        shutil.copytree(family / name, again / f"run-{name}")
    shuffled = ingest(again, tmp_path / "d", test=4, validation=1, seed=9)
    trained = {f"run-{name}" for name in dataset.splits["train"]}
    assert trained & set(shuffled.splits["test"]), "the draw was meant to mix them"
    with pytest.raises(DatasetError, match=r"was trained on run-.*--split all"):
        evaluate(kriging, shuffled)
    report = evaluate(kriging, shuffled, split="all")
    assert set(report.cases) == {f"run-{name}" for name in dataset.names} - trained
    old = Surrogate(
        kriging.contract, kriging.predictor, templates=kriging.templates, scalars=kriging.scalars,
        record=replace(kriging.record, data=replace(kriging.record.data, hashes=None)),
    )  # fmt: skip
    assert "cannot be told" in evaluate(old, shuffled).notes[0]


def test_folds_that_are_trained_elsewhere_are_those_trained_here(dataset: Dataset, tmp_path: Path) -> None:
    names = dataset.splits["train"]
    part = dataset.with_splits({"train": names[:6], "validation": [], "test": []})
    here = cross_validate(part, model="scalars", folds=2)
    far = cross_validate(part, model="scalars", folds=2, run_tasks=farm.connect("local?cores=1"), folder=tmp_path)
    assert far.cases == here.cases
    assert {name: figures.r2 for name, figures in far.qoi.items()} == pytest.approx(
        {name: figures.r2 for name, figures in here.qoi.items()}
    )

    # They are kept: whoever is stopped goes on.
    def nobody(function: object, tasks: Sequence[object], **options: object) -> Iterator[Outcome[object, object]]:
        assert not list(tasks)
        return iter(())

    again = cross_validate(part, model="scalars", folds=2, run_tasks=nobody, folder=tmp_path)
    assert again.qoi == far.qoi


def test_cross_validation_asks_for_each_case_once_and_leaves_the_test_cases_alone(dataset: Dataset) -> None:
    report = cross_validate(dataset, model="classical", folds=3)
    names = {*dataset.splits["train"], *dataset.splits["validation"]}
    assert sorted(report.cases) == sorted(names)
    assert report.folds == 3
    assert report.training_cases == 13 - 5
    displacement = report.fields["volume/displacement"]
    assert displacement.relative_l2 < 0.5 * displacement.baselines["nearest"]
    assert len(displacement.each) == 13
    some = {
        "train": dataset.splits["train"][:4],
        "validation": dataset.splits["validation"][:1],
        "test": dataset.splits["test"][:2],
    }
    everything = cross_validate(dataset.with_splits(some), model="classical", folds=2, include_test=True)
    assert sorted(everything.cases) == sorted(name for part in some.values() for name in part)
    with pytest.raises(DatasetError, match="too few for 2 folds"):
        cross_validate(dataset.with_splits({"train": dataset.names[:4]}), model="classical", folds=2)
    with pytest.raises(DatasetError, match="folds 1 is no number of parts"):
        cross_validate(dataset, folds=1)


def test_folds_keep_a_design_that_stands_twice_together(family: Path, tmp_path: Path) -> None:
    root = write_family(tmp_path / "cases", 6)
    twin = ellipsoid("twin", (0.6, 0.7, 0.8), 200.0)
    for name in ("twin-a", "twin-b"):
        write_case(twin, root / name)
    dataset = ingest(root, tmp_path / "d", test=0, validation=0)
    for count in (2, 4, len(dataset.names)):
        folds = make_folds(dataset, dataset.names, count)
        assert sorted(name for part, _ in folds for name in part) == sorted(dataset.names)
        assert all(("twin-a" in part) == ("twin-b" in part) for part, _ in folds)
        assert all(set(part).isdisjoint(train) for part, train in folds)


def test_the_commands_do_the_same(kriging: Surrogate, others: Path, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from tramontane.cli import app

    kriging.save(tmp_path / "model")
    copy = tmp_path / "cases"
    copy.symlink_to(others)
    kriging.contract.to_toml(tmp_path / "contract.toml")
    (others / "contract.toml").write_text((tmp_path / "contract.toml").read_text())
    run = CliRunner().invoke
    out = tmp_path / "figures" / "r.json"
    done = run(app, ["evaluate", str(tmp_path / "model"), str(copy), "--split", "all", "--json", str(out)])
    assert done.exit_code == 0, done.output
    assert len(json.loads(out.read_text())["cases"]) == 6
    done = run(app, ["cross-validate", str(copy), "--model", "classical", "--folds", "3"])
    assert done.exit_code == 0, done.output
    assert "3 times, asked each time for cases left out" in done.output.replace("\n", " ")
    assert run(app, ["cross-validate", str(copy), "--folds", "many"]).exit_code == 2
