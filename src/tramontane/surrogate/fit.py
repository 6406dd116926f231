"""From a dataset to a surrogate."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from tramontane.contract import Contract, QoiSpec
from tramontane.dataset import Dataset
from tramontane.dataset.ingest.assumed_units import refusal_of
from tramontane.errors import ContractError, DatasetError, TrainingError, TramontaneError
from tramontane.io.atomic import write_json
from tramontane.io.locks import claimed
from tramontane.metrics import relative_l2
from tramontane.model_kinds import ASKED, AUTO, KINDS
from tramontane.models import NETWORKS
from tramontane.models.scalar_kriging import ScalarKriging
from tramontane.progress import follow
from tramontane.surrogate.extrema import fit_extrema
from tramontane.surrogate.fit_reference import ReferenceFit
from tramontane.surrogate.network import fit_network
from tramontane.surrogate.predictor import Predictor, Training
from tramontane.surrogate.reference import ReferencePredictor
from tramontane.surrogate.scalars import MODEL as SCALARS
from tramontane.surrogate.scalars import fit_alone, fit_scalars
from tramontane.surrogate.surrogate import Surrogate
from tramontane.training import Precision, Run, Watch
from tramontane.training.anchors import fit_template
from tramontane.training.checkpoint import sweep

DEFAULT_BUDGET = 600.0
"""Seconds of a run for which no length is given."""
_CALIBRATED = 8192  # sites of each validation case that errors are measured on
LOCK, SETTINGS = ".lock", "settings.json"  # in a working directory


def fit(
    dataset: Dataset,
    *,
    model: str = "auto",
    cases: Sequence[str] | None = None,
    config: dict[str, Any] | None = None,
    steps: int | None = None,
    budget: float | None = None,
    points: int = 1024,
    anchors: int | None = None,
    geometry_points: int = 4096,
    batch_size: int | None = None,
    device: str = "auto",
    precision: Precision | None = None,
    optimizer: str = "adamw",
    lr: float | None = None,
    ema_decay: float = 0.999,
    patience: int | None = None,
    seed: int = 0,
    start: Surrogate | None = None,
    work: Path | None = None,
    checkpoint_seconds: float = 60.0,
    try_networks: bool | None = None,
    ready: Callable[[Surrogate], None] | None = None,
    console: Console | None = None,
    watch: Watch | None = None,
    assume_units: bool = False,
) -> Surrogate:
    """Train a surrogate on a dataset's training split; the test split is not read.

    Args:
        dataset: The store, with its splits set.
        model: ``classical`` (kriging of corresponding points), ``tokens`` (networks of local tokens), ``corrected``
            (kriging that such networks correct), ``ab-upt``, ``scalars`` (kriging of the QoIs alone, from shapes and
            parameters), or ``auto``, which takes the last where cases have no fields, and else chooses among the first
            three by cross-validation.
        cases: Training cases; None takes the whole training split.
        config: Keyword arguments of the network beyond its defaults.
        steps: Length of the run in steps.
        budget: Length of the run in seconds; where neither this nor ``steps`` is given, ten minutes at most.
        points: For AB-UPT, sites drawn of each domain in a step, where its fields are asked for.
        anchors: For AB-UPT, points of each domain, drawn from the geometry, that sites attend to; None takes 256, or
            those of ``start``.
        geometry_points: For AB-UPT, points drawn on the geometry.
        batch_size: Cases in a step; None takes what suits the model.
        device: A torch device, or ``auto`` for the accelerator that torch finds, else the CPU.
        precision: Of matrix products; None takes bfloat16 on an accelerator and float32 on a CPU.
        optimizer: ``adamw`` or ``lion``.
        lr: Highest learning rate; None takes 1e-3 for AdamW and 1e-4 for Lion.
        ema_decay: Of the averaged weights.
        patience: Validations without improvement after which the run stops; None never stops early.
        seed: Of weights and draws.
        start: A surrogate whose network is trained on; its contract must fit the dataset's.
        work: Directory of the checkpoint that a killed run goes on from; removed by the caller when all is saved.
        checkpoint_seconds: Seconds between two checkpoints.
        try_networks: Whether ``auto`` trains networks beside kriging; None tries them where they may win: with 100 and
            more training cases, or where kriging leaves most of what the mean does.
        ready: Given the kriging, a whole surrogate, before ``auto`` goes on to networks.
        console: Where progress is shown.
        watch: Who else is told how far it is, and may end it early, with what it has learnt.
        assume_units: Whether units that the dataset has from names alone are right.

    Returns:
        The surrogate, with its validation errors on record.

    Raises:
        DatasetError: The splits are not set, the training split is empty, or units are assumed that nobody confirmed.
        TrainingError: The run cannot go on, or ``work`` holds a run with other settings.
    """
    watch = watch or Watch()
    if dataset.assumed_units and not assume_units:
        raise DatasetError(refusal_of(dataset.path, dataset.assumed_units))
    names = dataset.splits.get("train", []) if cases is None else list(cases)
    held = dataset.splits.get("validation", [])
    if not names:
        raise DatasetError(f"{dataset.path}: has no training cases; set its splits by ingesting it again")
    if leak := sorted(set(names) & set(dataset.splits.get("test", []))):
        raise DatasetError(f"{dataset.path}: {', '.join(leak)} are of the test split; train on others")
    if not dataset.contract.fields:
        if model != AUTO and (model not in KINDS or KINDS[model].needs_fields):
            raise DatasetError(f"{dataset.path}: its contract has no fields to learn; leave --model out to learn the "
                               "QoIs, or ingest cases that carry fields")  # fmt: skip
        model = SCALARS
    if device == "auto":
        device = torch.accelerator.current_accelerator().type if torch.accelerator.is_available() else "cpu"  # type: ignore[union-attr]
    precision = precision or ("float32" if device == "cpu" else "bfloat16")
    lr = lr if lr is not None else {"adamw": 1e-3, "lion": 1e-4}.get(optimizer, 1e-3)
    if model not in ASKED:
        raise TramontaneError(f"model {model!r} is not known; choose one of {', '.join(ASKED)}")
    if start is not None:
        _check_start(start, dataset, model, config)
        model = start.model
    if config and model in KINDS and not KINDS[model].by_steps:
        raise TramontaneError(f"a {model} model has no network to configure ({', '.join(config)}); leave --config out")
    if model == SCALARS:
        return _fit_scalars_alone(dataset, names, held, seed=seed, console=console, watch=watch)
    if steps is None and budget is None:
        budget = DEFAULT_BUDGET
    contract = trained_contract(dataset, names)
    settings: dict[str, Any] = {
        "model": model, "config": config or {}, "steps": steps, "budget": budget, "points": points,
        "anchors": anchors, "geometry_points": geometry_points, "batch_size": batch_size, "optimizer": optimizer,
        "lr": lr, "ema_decay": ema_decay, "seed": seed, "data": dataset.fingerprint(), "train": names,
        "from": None if start is None else start.record["data"],
    }  # fmt: skip
    training = Training(
        steps=steps, budget=budget, batch_size=batch_size, device=device, precision=precision, optimizer=optimizer,
        lr=lr, ema_decay=ema_decay, patience=patience, seed=seed, work=work,
        checkpoint_seconds=checkpoint_seconds, console=console, watch=watch,
    )  # fmt: skip
    with _claim(work, settings):
        return _fit(
            dataset, contract, names, held, training, settings,
            start=start, try_networks=try_networks, ready=ready or (lambda early: None),
        )  # fmt: skip


def _fit(
    dataset: Dataset,
    contract: Contract,
    names: list[str],
    held: list[str],
    training: Training,
    settings: dict[str, Any],
    *,
    start: Surrogate | None,
    try_networks: bool | None,
    ready: Callable[[Surrogate], None],
) -> Surrogate:
    """A surrogate of fields; see `fit`."""
    watch, model, seed = training.watch, settings["model"], settings["seed"]
    watch.stage("reading")
    templates = {domain: fit_template(dataset, names, domain, seed=seed) for domain in contract.fields}

    def finish(
        predictor: Predictor, run: Run, choice: dict[str, Any], extrema: dict[str, ScalarKriging], designs: Any = None
    ) -> Surrogate:
        surrogate = Surrogate(
            contract,
            predictor,
            templates=templates,
            scalars=fit_scalars(dataset, names, predictor, designs, contract) | extrema,
            record={
                "data": trained_on(dataset, names, held),
                "settings": settings | {"precision": training.precision, "device": training.device},
                "run": {"steps": run.steps, "seconds": run.seconds, "stopped_early": run.stopped_early},
                "training_domain": training_domain(dataset, names, contract),
                "calibration": {},
                "figures": choice | _figures(run),
            },
        )
        watch.stage("calibrating")
        surrogate.record["calibration"] = _calibration(surrogate, dataset, held, training)
        return surrogate

    if model in NETWORKS:
        network, run = fit_network(
            dataset, contract, names, held, training,
            model=model, config=settings["config"], templates=templates, points=settings["points"],
            anchors=settings["anchors"], geometry_points=settings["geometry_points"],
            start=start.predictor if start is not None else None,  # type: ignore[arg-type]
        )  # fmt: skip
        return finish(network, run, {}, {})
    fitting = ReferenceFit(dataset, contract, names, training, settings["config"])
    extrema, errors = fit_extrema(dataset, fitting)
    for name in extrema:
        fitting.say(f"{name} is regressed: {100 * errors[name]['regressed']:.2g} % of its mean size on cases left out; "
                    f"the field's own: {100 * errors[name]['field']:.2g} %")  # fmt: skip
    # A training case's coordinates without itself, as a new design's are.
    coordinates = fitting.classical.frame.designs
    operating = [[of[key] for key in contract.operating] for of in fitting.values]
    designs = np.array([[*training, *coordinates.excluded(np.array(of))]
                        for training, of in zip(coordinates.training, operating, strict=True)])  # fmt: skip

    def stands(predictor: ReferencePredictor, choice: dict[str, Any], run: Run) -> None:
        ready(finish(predictor, run, choice | {"extrema": errors}, extrema, designs))

    predictor, choice, run = fitting.fit(model, try_networks=try_networks, ready=stands)
    fitting.say(f"Chosen: {choice['why']}")
    return finish(predictor, run, choice | {"extrema": errors}, extrema, designs)


def trained_on(dataset: Dataset, names: Sequence[str], held: Sequence[str]) -> dict[str, Any]:
    """What a model's record says of its data: names, and a hash of each training case, whatever set it stands in."""
    hashes = {name: dataset.case_hash(name) for name in names}
    return {"fingerprint": dataset.fingerprint(), "train": list(names), "validation": list(held), "hashes": hashes}


def _fit_scalars_alone(
    dataset: Dataset, names: list[str], held: list[str], *, seed: int, console: Console | None, watch: Watch
) -> Surrogate:
    """A surrogate that predicts QoIs and no fields."""
    watch.stage("kriging")
    contract = trained_contract(dataset, names).without_fields()
    predictor, scalars, figures, seconds = fit_alone(dataset, contract, names, console)
    watch.candidate(SCALARS, len(names), {qoi: figure["relative"] for qoi, figure in figures.items()})
    return Surrogate(
        contract,
        predictor,
        templates={},
        scalars=scalars,
        record={
            "data": trained_on(dataset, names, held),
            "settings": {"model": SCALARS, "seed": seed, "data": dataset.fingerprint(), "train": names},
            "run": {"steps": 0, "seconds": seconds, "stopped_early": False},
            "training_domain": training_domain(dataset, names, contract),
            "calibration": {"left_out": {qoi: figure.pop("cases") for qoi, figure in figures.items()}},
            "figures": {"left_out": figures},
        },
    )


def _check_start(start: Surrogate, dataset: Dataset, model: str, config: dict[str, Any] | None) -> None:
    """Raise where a surrogate cannot be trained on with this dataset."""
    if start.model not in NETWORKS:
        raise TrainingError(f"a {start.model} model has no network to train on; without --from it is fitted anew, in "
                            "about a minute")  # fmt: skip
    if model not in ("auto", start.model) or config:
        raise TrainingError(
            f"--from goes on with the network that was saved ({start.model}); leave out --model and --config"
        )
    if differences := start.contract.differences(dataset.contract):
        raise ContractError(f"{dataset.path}: its contract differs from the model's: {'; '.join(differences)}; "
                            "train a new model on it")  # fmt: skip
    same = start.record["data"]["fingerprint"] == dataset.fingerprint()
    if same and (leak := sorted(set(start.record["data"]["train"]) & set(dataset.splits.get("test", [])))):
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
        name: spec if spec.scales_with else spec.model_copy(update={"scales_with": _law_of_fields(contract, spec)})
        for name, spec in contract.qoi.items()
    }})  # fmt: skip


def _law_of_fields(contract: Contract, spec: QoiSpec) -> dict[str, float]:
    """The power law of a QoI that follows from fields, where these have one: it is seen in them from fewer cases."""
    definition = spec.definition
    if definition is None or definition.kind == "volume":
        return {}
    fields = contract.fields.get(definition.domain, {})
    names = [name for name in (definition.field, definition.shear) if name]
    laws = [fields[name].scales_with for name in names if name in fields]
    if len(laws) < len(names) or any(law != laws[0] for law in laws):
        return {}
    law = {key: laws[0].get(key, 0.0) - definition.per.get(key, 0.0) for key in {**laws[0], **definition.per}}
    return {key: power for key, power in law.items() if power}


def training_domain(dataset: Dataset, names: Sequence[str], contract: Contract) -> dict[str, Any]:
    if not dataset.has_geometry(names[0]):
        parameters = {key: [spec.low, spec.high] for key, spec in contract.asked(geometry=False).items()}
        return {"cases": len(names), "parameters": parameters}
    bounds = np.array([np.asarray(dataset.geometry(name).bounds).reshape(3, 2) for name in names])
    extent = bounds[:, :, 1] - bounds[:, :, 0]
    return {
        "cases": len(names),
        "parameters": {key: [spec.low, spec.high] for key, spec in contract.operating.items()},
        # Where most cases have open walls, a new one that is open is nothing to be warned of.
        "open": sum(dataset.geometry(name).n_open_edges > 0 for name in names) / len(names),
        "extent_low": extent.min(0).tolist(),
        "extent_high": extent.max(0).tolist(),
    }


def _calibration(surrogate: Surrogate, dataset: Dataset, held: Sequence[str], training: Training) -> dict[str, Any]:
    """Relative errors of the validation cases, which were not trained on: what an interval can be made from."""
    errors: dict[str, dict[str, float]] = {}
    for name in follow(held, "calibrating", len(held), training.console, watch=training.watch.case) if held else ():
        sites = {domain: dataset.sites(name, domain, 0, _CALIBRATED) for domain in surrogate.contract.fields}
        answer = surrogate.fields(
            dataset.geometry(name), dataset.parameters(name), {domain: s.positions for domain, s in sites.items()}
        )
        errors[name] = {
            f"{domain}/{field}": relative_l2(predicted, sites[domain].fields[field].reshape(predicted.shape))
            for domain, of in answer.items()
            for field, predicted in of.items()
        }
    return {"relative_l2": errors} if errors else {}


def _figures(run: Run) -> dict[str, Any]:
    """The last validation's errors and the history that led there."""
    return {"validation": run.history[-1]["errors"] if run.history else {}, "history": run.history}


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
