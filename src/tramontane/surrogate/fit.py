"""From a dataset to a surrogate."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch import nn

from tramontane.contract import Contract
from tramontane.dataset import Dataset
from tramontane.errors import DatasetError, TrainingError
from tramontane.models import build
from tramontane.models.regression import KernelRegression
from tramontane.surrogate.places import fit_template
from tramontane.surrogate.surrogate import Surrogate, scalar_inputs
from tramontane.training import Normalization, Precision, Run, Sampler, Validation, channel_count, channel_slices, train
from tramontane.training.loop import FieldError
from tramontane.training.normalization import operating_scale

MODEL = "ab-upt"
# Sizes that a few hundred CPU minutes can train; the classes keep their papers' sizes as defaults.
_SMALL = {"ab-upt": {"dim": 96, "decoder_depth": 1}}


def fit(
    dataset: Dataset,
    *,
    model: str = MODEL,
    config: dict[str, Any] | None = None,
    steps: int | None = None,
    budget: float | None = None,
    points: int = 1024,
    geometry_points: int = 4096,
    batch_size: int = 1,
    device: str = "auto",
    precision: Precision | None = None,
    optimizer: str = "adamw",
    lr: float | None = None,
    ema_decay: float = 0.999,
    patience: int | None = None,
    seed: int = 0,
    work: Path | None = None,
    console: Console | None = None,
) -> Surrogate:
    """Train a surrogate on a dataset's training split; the test split is not read.

    Args:
        dataset: The store, with its splits set.
        model: Name in `tramontane.models`.
        config: Keyword arguments of the network beyond its defaults.
        steps: Length of the run in steps.
        budget: Length of the run in seconds.
        points: Sites drawn of each domain in a step; also the number of anchors in a prediction.
        geometry_points: Points drawn on the geometry.
        batch_size: Cases in a step.
        device: A torch device, or ``auto`` for the accelerator that torch finds, else the CPU.
        precision: Of matrix products; None takes bfloat16 on an accelerator and float32 on a CPU.
        optimizer: ``adamw`` or ``lion``.
        lr: Highest learning rate; None takes 1e-3 for AdamW and 1e-4 for Lion.
        ema_decay: Of the averaged weights.
        patience: Validations without improvement after which the run stops; None never stops early.
        seed: Of weights and draws.
        work: Directory of the checkpoint that a killed run goes on from; removed by the caller when all is saved.
        console: Where progress is shown.

    Returns:
        The surrogate, with its validation errors on record.

    Raises:
        DatasetError: The splits are not set, or the training split is empty.
        TrainingError: The run cannot go on, or ``work`` holds a run with other settings.
    """
    names = dataset.splits.get("train", [])
    held = dataset.splits.get("validation", [])
    if not names:
        raise DatasetError(f"{dataset.path}: has no training cases; set its splits by ingesting it again")
    if not dataset.contract.fields:
        raise DatasetError(f"{dataset.path}: its contract has no fields to learn; ingest cases that carry fields")
    if device == "auto":
        device = torch.accelerator.current_accelerator().type if torch.accelerator.is_available() else "cpu"  # type: ignore[union-attr]
    precision = precision or ("float32" if device == "cpu" else "bfloat16")
    lr = lr if lr is not None else {"adamw": 1e-3, "lion": 1e-4}.get(optimizer, 1e-3)
    contract = trained_contract(dataset, names)
    scales = Normalization.measure(dataset, names)
    torch.manual_seed(seed)
    network = build(
        model,
        {
            "domains": {domain: channel_count(contract, domain) for domain in contract.fields},
            "n_parameters": len(contract.operating),
        }
        | _SMALL.get(model, {})
        | (config or {}),
    )
    settings: dict[str, Any] = {
        "model": model, "config": network.config, "steps": steps, "budget": budget, "points": points,
        "geometry_points": geometry_points, "batch_size": batch_size, "optimizer": optimizer, "lr": lr,
        "ema_decay": ema_decay, "seed": seed, "data": dataset.fingerprint(), "train": names,
    }  # fmt: skip
    checkpoint = None if work is None else _claim(work, settings)
    sampler = Sampler(
        dataset, names, scales, points=points, geometry_points=geometry_points, batch_size=batch_size, seed=seed
    )
    validation = Sampler(dataset, held, scales, points=points, geometry_points=geometry_points, seed=seed)
    run = train(
        network, sampler,
        steps=steps, budget=budget, device=device, precision=precision, optimizer=optimizer, lr=lr,
        ema_decay=ema_decay, checkpoint=checkpoint, console=console,
        validation=Validation(lambda net: field_errors(net, validation), patience=patience) if held else None,
    )  # fmt: skip
    return Surrogate(
        contract,
        scales,
        network.to("cpu"),
        model=model,
        templates={domain: fit_template(dataset, names, domain, seed=seed) for domain in contract.fields},
        scalars=fit_scalars(dataset, names),
        record={
            "data": {"fingerprint": dataset.fingerprint(), "train": names, "validation": held},
            "settings": settings | {"precision": precision, "device": device},
            "sampling": {"points": points, "geometry_points": geometry_points},
            "run": {"steps": run.steps, "seconds": run.seconds, "stopped_early": run.stopped_early},
            "training_domain": _training_domain(dataset, names, contract),
            "calibration": _calibration(network, validation) if held else {},
            "figures": _figures(run),
        },
    )


def trained_contract(dataset: Dataset, names: Sequence[str]) -> Contract:
    """The dataset's contract with the ranges of the training cases alone."""
    table = {key: [dataset.parameters(name)[key] for name in names if key in dataset.parameters(name)]
             for key in dataset.contract.parameters}  # fmt: skip
    specs = {
        key: spec.model_copy(update={"low": min(table[key]), "high": max(table[key])}) if table[key] else spec
        for key, spec in dataset.contract.parameters.items()
    }
    return dataset.contract.model_copy(update={"parameters": specs})


def field_errors(network: nn.Module, sampler: Sampler) -> dict[str, FieldError]:
    """Errors of a network on a sample of each of a sampler's cases."""
    errors = [case_errors(network, sampler, name) for name in sampler.names]
    units = {f"{d}/{f}": spec.unit for d, specs in sampler.dataset.contract.fields.items() for f, spec in specs.items()}
    return {
        key: FieldError(float(np.mean([e[key][0] for e in errors])), float(np.mean([e[key][1] for e in errors])), unit)
        for key, unit in units.items()
    }


def case_errors(network: nn.Module, sampler: Sampler, name: str) -> dict[str, tuple[float, float]]:
    """Relative L2 and mean absolute error (SI) of each field on a fixed sample of one case."""
    contract, scales = sampler.dataset.contract, sampler.normalization
    parameters = sampler.dataset.parameters(name)
    batch = sampler.batch([name], key=(0, 1 << 20))
    device = next(network.parameters()).device
    with torch.no_grad():
        predicted = network(batch.inputs.to(device))
    errors = {}
    for domain in contract.fields:
        answer = scales.decode(contract, domain, predicted[domain][0].float().cpu().numpy(), parameters)
        truth = scales.decode(contract, domain, batch.targets[domain][0].numpy(), parameters)
        for field in channel_slices(contract, domain):
            wrong = answer[field] - truth[field]
            norm = float(np.linalg.norm(truth[field]))
            errors[f"{domain}/{field}"] = (
                float(np.linalg.norm(wrong)) / (norm or 1.0),
                float(np.abs(wrong).mean()),
            )
    return errors


def fit_scalars(dataset: Dataset, names: Sequence[str]) -> dict[str, tuple[KernelRegression, Any]]:
    """A regression for each QoI that the contract does not define by fields."""
    undefined = [name for name, spec in dataset.contract.qoi.items() if spec.definition is None]
    if not undefined:
        return {}
    inputs = np.array([
        scalar_inputs(dataset.geometry(name), [dataset.parameters(name)[key] for key in dataset.contract.operating])
        for name in names
    ])  # fmt: skip
    fits = {}
    for qoi in undefined:
        spec = dataset.contract.qoi[qoi]
        seen = np.array([[dataset.qoi(name)[qoi] / operating_scale(spec, dataset.parameters(name))] for name in names])
        fits[qoi] = (KernelRegression(inputs, seen), seen)
    return fits


def _training_domain(dataset: Dataset, names: Sequence[str], contract: Contract) -> dict[str, Any]:
    bounds = np.array([np.asarray(dataset.geometry(name).bounds).reshape(3, 2) for name in names])
    extent = bounds[:, :, 1] - bounds[:, :, 0]
    return {
        "cases": len(names),
        "parameters": {key: [spec.low, spec.high] for key, spec in contract.operating.items()},
        "extent_low": extent.min(0).tolist(),
        "extent_high": extent.max(0).tolist(),
    }


def _calibration(network: nn.Module, sampler: Sampler) -> dict[str, Any]:
    """Relative errors of the validation cases, which were not trained on: what an interval can be made from."""
    network.eval()
    errors = {name: case_errors(network, sampler, name) for name in sampler.names}
    return {"relative_l2": {name: {key: value[0] for key, value in of.items()} for name, of in errors.items()}}


def _figures(run: Run) -> dict[str, Any]:
    """The last validation's errors and the history that led there."""
    return {"validation": run.history[-1]["errors"] if run.history else {}, "history": run.history}


def _claim(work: Path, settings: dict[str, Any]) -> Path:
    """The checkpoint's path in a run's working directory, which belongs to one set of settings."""
    file, checkpoint = work / "settings.json", work / "checkpoint.safetensors"
    text = json.dumps(settings, indent=1)
    if checkpoint.exists() and file.exists() and file.read_text(encoding="utf-8") != text:
        before = json.loads(file.read_text(encoding="utf-8"))
        changed = sorted(key for key in settings if json.loads(text).get(key) != before.get(key))
        raise TrainingError(
            f"{work}: holds an unfinished run with other settings ({', '.join(changed)}); give the same command to go "
            "on with it, or add --restart to begin anew"
        )
    work.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return checkpoint


def discard(work: Path) -> None:
    """Remove a run's working directory and nothing else."""
    for name in ("settings.json", "checkpoint.safetensors", ".checkpoint.safetensors.partial"):
        (work / name).unlink(missing_ok=True)
    if work.exists() and not any(work.iterdir()):
        shutil.rmtree(work)
