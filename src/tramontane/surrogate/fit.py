"""From a dataset to a surrogate."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from tramontane.contract import Contract
from tramontane.dataset import Dataset
from tramontane.dataset.ingest.assumed_units import refusal_of
from tramontane.errors import ContractError, DatasetError, TrainingError, TramontaneError
from tramontane.io.atomic import write_json
from tramontane.io.locks import claimed
from tramontane.surrogate.calibrate import calibrate
from tramontane.surrogate.constraints import exact_laws
from tramontane.surrogate.kinds import ASKED, AUTO, KINDS
from tramontane.surrogate.kinds.kind import Fitted, Task
from tramontane.surrogate.kinds.scalars import NAME as SCALARS
from tramontane.surrogate.predictor import Training
from tramontane.surrogate.record import Record, RunLength, TrainedOn, TrainingDomain
from tramontane.surrogate.scalars import fit_scalars
from tramontane.surrogate.surrogate import Surrogate
from tramontane.training import TrainingOptions, Watch
from tramontane.training.anchors import fit_template
from tramontane.training.checkpoint import sweep
from tramontane.training.normalization import law_of_fields

DEFAULT_BUDGET = 600.0
"""Seconds of a run for which no length is given."""
CLASSICAL = "classical"  # of the file that chooses
LOCK, SETTINGS = ".lock", "settings.json"  # in a working directory


def fit(
    dataset: Dataset,
    options: TrainingOptions | None = None,
    *,
    cases: Sequence[str] | None = None,
    start: Surrogate | None = None,
    work: Path | None = None,
    ready: Callable[[Surrogate], None] | None = None,
    console: Console | None = None,
    watch: Watch | None = None,
    **changes: Any,
) -> Surrogate:
    """Train a surrogate on a dataset's training split; the test split is not read.

    Args:
        dataset: The store, with its splits set.
        options: How; None takes the defaults.
        cases: Training cases; None takes the whole training split.
        start: A surrogate whose network is trained on; its contract must fit the dataset's.
        work: Directory of the checkpoint that a killed run goes on from; removed by the caller when all is saved.
        ready: Given the kriging, a whole surrogate, before ``auto`` goes on to networks.
        console: Where progress is shown.
        watch: Who else is told how far it is, and may end it early, with what it has learnt.
        **changes: Options by name, such as ``model="classical"`` or ``budget=600.0``; see
            `tramontane.training.options.TrainingOptions`.

    Returns:
        The surrogate, with its validation errors on record.

    Raises:
        DatasetError: The splits are not set, the training split is empty, or units are assumed that nobody confirmed.
        TrainingError: The run cannot go on, or ``work`` holds a run with other settings.
        TypeError: There is no such option.
    """
    options = replace(options or TrainingOptions(), **changes)
    if dataset.assumed_units and not options.assume_units:
        raise DatasetError(refusal_of(dataset.path, dataset.assumed_units))
    names = dataset.splits.get("train", []) if cases is None else list(cases)
    validation = dataset.splits.get("validation", [])
    if not names:
        raise DatasetError(f"{dataset.path}: has no training cases; set its splits by ingesting it again")
    if leak := sorted(set(names) & set(dataset.splits.get("test", []))):
        raise DatasetError(f"{dataset.path}: {', '.join(leak)} are of the test split; train on others")
    options = _checked(options, dataset, start).resolved()
    contract = trained_contract(dataset, names)
    if not contract.fields or not KINDS[options.model if options.model != AUTO else CLASSICAL].needs_fields:
        contract = contract.without_fields()
    training = Training(options, work, console, watch or Watch())
    settings = options.settings() | {
        "data": dataset.fingerprint(), "train": names,
        "from": None if start is None else {"fingerprint": start.record.data.fingerprint,
                                            "train": start.record.data.train},
    }  # fmt: skip
    with _claim(work if contract.fields else None, settings):
        return _fit(dataset, contract, names, validation, training, settings, start=start, ready=ready)


def _checked(options: TrainingOptions, dataset: Dataset, start: Surrogate | None) -> TrainingOptions:
    """The options with the kind of model that they come to, or an error that says what does not go together."""
    model, config = options.model, options.config
    if model not in ASKED:
        raise TramontaneError(f"model {model!r} is not known; choose one of {', '.join(ASKED)}")
    if not dataset.contract.fields:
        if model != AUTO and KINDS[model].needs_fields:
            raise DatasetError(f"{dataset.path}: its contract has no fields to learn; leave --model out to learn the "
                               "QoIs, or ingest cases that carry fields")  # fmt: skip
        if model == AUTO:
            model = SCALARS
    if start is not None:
        _check_start(start, dataset, model, config)
        model = start.model
    if model != AUTO and config and not KINDS[model].by_steps:
        raise TramontaneError(f"a {model} model has no network to configure ({', '.join(config)}); leave --config out")
    if options.steps is None and options.budget is None:
        options = replace(options, budget=DEFAULT_BUDGET)
    return replace(options, model=model)


def _fit(
    dataset: Dataset,
    contract: Contract,
    names: list[str],
    validation: list[str],
    training: Training,
    settings: dict[str, Any],
    *,
    start: Surrogate | None,
    ready: Callable[[Surrogate], None] | None,
) -> Surrogate:
    """What the kind of model makes of the cases, as a surrogate; see `fit`."""
    options, watch = training.options, training.watch
    if contract.fields:
        watch.stage("reading")
    templates = {domain: fit_template(dataset, names, domain, seed=options.seed) for domain in contract.fields}

    def surrogate_of(fitted: Fitted) -> Surrogate:
        kriged = fit_scalars(dataset, names, fitted.predictor, fitted.coordinates, contract, regressed=fitted.scalars)
        surrogate = Surrogate(
            contract,
            fitted.predictor,
            templates=templates,
            scalars=kriged | fitted.scalars,
            record=Record(
                data=trained_on(dataset, names, validation),
                training_domain=training_domain(dataset, names, contract),
                settings=settings | {"precision": options.precision, "device": options.device},
                run=RunLength(fitted.run.steps, fitted.run.seconds, fitted.run.stopped_early),
                figures=fitted.figures,
            ),
        )
        watch.stage("calibrating")
        calibrate(surrogate, dataset, names, validation, fitted, training)
        return surrogate

    def early(fitted: Fitted) -> None:
        if ready is not None:
            ready(surrogate_of(fitted))

    kind = KINDS[CLASSICAL if options.model == AUTO else options.model]
    task = Task(dataset, contract, names, validation, training, templates, start.predictor if start else None, early)
    return surrogate_of(kind.fit(task))


def trained_on(dataset: Dataset, names: Sequence[str], validation: Sequence[str]) -> TrainedOn:
    """What a model's record says of its data: names, and a hash of each training case, whatever set it stands in."""
    hashes = {name: dataset.case_hash(name) for name in names}
    return TrainedOn(dataset.fingerprint(), list(names), list(validation), hashes)


def _check_start(start: Surrogate, dataset: Dataset, model: str, config: dict[str, Any]) -> None:
    """Raise where a surrogate cannot be trained on with this dataset."""
    if not KINDS[start.model].continues:
        raise TrainingError(f"a {start.model} model has no network to train on; without --from it is fitted anew, in "
                            "about a minute")  # fmt: skip
    if model not in (AUTO, start.model) or config:
        raise TrainingError(
            f"--from goes on with the network that was saved ({start.model}); leave out --model and --config"
        )
    if differences := start.contract.differences(dataset.contract):
        raise ContractError(f"{dataset.path}: its contract differs from the model's: {'; '.join(differences)}; "
                            "train a new model on it")  # fmt: skip
    same = start.record.data.fingerprint == dataset.fingerprint()
    if same and (leak := sorted(set(start.record.data.train) & set(dataset.splits.get("test", [])))):
        raise DatasetError(f"{dataset.path}: the model was trained on {', '.join(leak)} of the test split")


def trained_contract(dataset: Dataset, names: Sequence[str]) -> Contract:
    """The dataset's contract with the ranges of the training cases alone."""
    table = {key: [dataset.parameters(name)[key] for name in names if key in dataset.parameters(name)]
             for key in dataset.contract.parameters}  # fmt: skip
    specs = {
        key: spec.model_copy(update={"low": min(table[key]), "high": max(table[key])})
        if table[key] and spec.role != "constant"
        else spec
        for key, spec in dataset.contract.parameters.items()
    }
    contract = dataset.contract
    return contract.model_copy(update={"parameters": specs, "qoi": {
        name: spec if spec.scales_with else spec.model_copy(update={"scales_with": law_of_fields(contract, spec)})
        for name, spec in contract.qoi.items()
    }})  # fmt: skip


def training_domain(dataset: Dataset, names: Sequence[str], contract: Contract) -> TrainingDomain:
    """The ranges of the training cases."""
    if not dataset.has_geometry(names[0]):
        parameters = contract.asked(geometry=False)
        return TrainingDomain(len(names), {key: (spec.low, spec.high) for key, spec in parameters.items()})
    bounds = np.array([np.asarray(dataset.geometry(name).bounds).reshape(3, 2) for name in names])
    extent = bounds[:, :, 1] - bounds[:, :, 0]
    return TrainingDomain(
        len(names),
        {key: (spec.low, spec.high) for key, spec in contract.operating.items()},
        tuple(extent.min(0).tolist()),
        tuple(extent.max(0).tolist()),
        # Where most cases have open walls, a new one that is open is nothing to be warned of.
        sum(dataset.geometry(name).n_open_edges > 0 for name in names) / len(names),
        exact_laws(dataset, names, contract),
    )


@contextlib.contextmanager
def _claim(work: Path | None, settings: dict[str, Any]) -> Iterator[None]:
    """A run's working directory for this run alone; it belongs to one set of settings."""
    if work is None or int(os.environ.get("RANK", "0")) > 0:  # the first of several processes does it
        yield
        return
    with claimed(work / LOCK, work, within=True):
        file = work / SETTINGS
        if any(work.glob("*.safetensors")) and file.exists():
            try:
                before = dict(json.loads(file.read_text(encoding="utf-8")))
            except (OSError, ValueError, TypeError, RecursionError):
                before = {}
            now = json.loads(json.dumps(settings))
            if changed := sorted(key for key in now if now[key] != before.get(key)):
                raise TrainingError(
                    f"{work}: holds an unfinished run with other settings ({', '.join(changed)}); give the same "
                    "command to go on with it, or add --restart to begin anew"
                )
        sweep(work)
        write_json(file, settings)
        yield


def discard(work: Path, *, lock: bool = False) -> None:
    """Remove what a run keeps in its working directory, and nothing else.

    Args:
        work: The directory; it goes, too, where nothing else is in it.
        lock: Whether the lock is removed with it: the run that holds it is over.
    """
    sweep(work)
    for file in (work / SETTINGS, *work.glob("*.safetensors"), *([work / LOCK] if lock else [])):
        file.unlink(missing_ok=True)
    if work.exists() and not any(work.iterdir()):
        work.rmdir()
