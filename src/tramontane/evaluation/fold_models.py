"""Surrogates of the parts of a dataset: trained here one after the other, or elsewhere at once."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from tramontane.dataset import Dataset
from tramontane.errors import SurrogateError
from tramontane.io.processes import FatalError
from tramontane.io.tasks import RunTasks
from tramontane.progress import follow
from tramontane.surrogate import Surrogate
from tramontane.surrogate.fit import fit
from tramontane.training import TrainingOptions

Part = tuple[list[str], list[str]]
"""The cases left out, and those to train on."""


@dataclass(frozen=True)
class _Training:
    dataset: Dataset
    options: TrainingOptions
    folder: Path


def trained_here(
    dataset: Dataset, options: TrainingOptions, parts: Sequence[Part], console: Console | None
) -> Iterator[Surrogate]:
    """The surrogates of the parts, each trained when it is asked for.

    Args:
        dataset: The store.
        options: How each is trained.
        parts: As `tramontane.evaluation.folds.make_folds` draws them.
        console: Where progress is shown.
    """
    for count, (left_out, train) in enumerate(parts, start=1):
        if console is not None:
            console.print(f"Fold {count} of {len(parts)}: {len(left_out)} cases left out, {len(train)} to train on",
                          highlight=False)  # fmt: skip
        yield fit(dataset.with_splits(_splits(left_out, train)), options, console=console)


def trained_elsewhere(
    dataset: Dataset,
    options: TrainingOptions,
    parts: Sequence[Part],
    console: Console | None,
    run_tasks: RunTasks,
    folder: str | os.PathLike[str],
) -> Iterator[Surrogate]:
    """The surrogates of the parts, all of them trained first; those that an earlier call had trained are kept.

    Args:
        dataset: The store, as other machines see it.
        options: How each is trained.
        parts: As `tramontane.evaluation.folds.make_folds` draws them.
        console: Where progress is shown.
        run_tasks: Trains them, such as `tramontane.farm.connect` of a cluster.
        folder: Where they are kept; other machines see it.

    Raises:
        SurrogateError: One cannot be trained.
    """
    said = repr((dataset.fingerprint(), options, parts)).encode()
    place = Path(folder).absolute() / hashlib.sha256(said).hexdigest()[:16]
    files = [place / str(number) for number in range(len(parts))]
    tasks = [(file, part) for file, part in zip(files, parts, strict=True) if not file.is_dir()]
    prepare = functools.partial(_Training, dataset, options, place)
    try:
        outcomes = run_tasks(_train, tasks, prepare=prepare, name=lambda task: f"{place.name}-{task[0].name}")
        for outcome in follow(outcomes, "training", len(tasks), console, thing="fold"):
            if outcome.reason is not None and not outcome.task[0].is_dir():
                raise SurrogateError(f"fold {int(outcome.task[0].name) + 1} cannot be trained: {outcome.reason}")
    except FatalError as error:
        raise SurrogateError(str(error)) from error
    for file in files:
        yield Surrogate.load(file, device=options.device)


def _train(training: _Training, task: tuple[Path, Part]) -> None:
    file, (left_out, train) = task
    training.folder.mkdir(parents=True, exist_ok=True)
    fit(training.dataset.with_splits(_splits(left_out, train)), training.options).save(file)


def _splits(left_out: list[str], train: list[str]) -> dict[str, list[str]]:
    return {"train": train, "validation": [], "test": left_out}
