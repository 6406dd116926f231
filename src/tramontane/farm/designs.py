"""Many designs at once, in processes of their own.

A finished case is written at once and whole. A design that fails, or whose process dies, is recorded with its reason
and takes nothing else down. What is finished or recorded is not run again, so a run that was stopped or killed goes on
where it was.
"""

from __future__ import annotations

import contextlib
import functools
import json
import operator
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from tramontane.design import Design
from tramontane.errors import TramontaneError
from tramontane.farm.executors import connect
from tramontane.formats import write_case
from tramontane.io.atomic import write_json
from tramontane.io.locks import claimed
from tramontane.io.processes import FatalError, Outcome, parent_is_alive, reason_of
from tramontane.io.tasks import Resources
from tramontane.progress import follow
from tramontane.simulator import Simulator

Factory = Callable[[], Simulator]
FAILED = "failed"
_LOCK = ".running"


@dataclass
class Result:
    """What a run of the farm came to; names are those of the case folders.

    Attributes:
        finished: Cases written by this run.
        kept: Cases that were there before.
        failed: Reason of each design that failed, now or before.
    """

    finished: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [f"{len(self.finished)} cases finished, {len(self.kept)} kept, {len(self.failed)} failed"]
        return "\n".join(lines + [f"  {name}: {reason}" for name, reason in sorted(self.failed.items())])


def run(
    factory: Factory,
    designs: Sequence[Design],
    out: str | os.PathLike[str],
    *,
    workers: int | None = None,
    retry_failed: bool = False,
    seconds: float | None = 3600.0,
    on: str = "local",
    resources: Resources | None = None,
    console: Console | None = None,
) -> Result:
    """Simulate designs and write each case as a folder ``NNN`` below ``out``.

    Args:
        factory: Makes the simulator in each process; must be picklable, such as a function of a module.
        designs: The k-th becomes the case ``NNN`` with NNN = k, of more digits from 1000 on.
        out: Where the folders are; those that exist are kept.
        workers: Designs at once; None takes as many as there is room for.
        retry_failed: Whether designs whose failure is recorded in ``out/failed`` are tried again.
        seconds: After which a design is ended, and counts as failed; None waits for ever.
        on: Where the designs run: one of `known_executors`, with its options, such as ``slurm?partition=short``.
        resources: What each design takes; None takes one core. What ``on`` says stands above it.
        console: Where progress is shown.

    Raises:
        TramontaneError: The executor is not known or not reachable, another run is writing to ``out``, the processes
            cannot start, or a case cannot be written.
    """
    folder = Path(out).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    with _claimed(folder):
        run_tasks = connect(on, folder)
        result, waiting = Result(), []
        there = _names(folder)
        recorded = set() if retry_failed else _names(folder / FAILED)
        for index in range(len(designs)):
            name = f"{index:03d}"
            if name in there:
                result.kept.append(name)
            elif f"{name}.json" in recorded:
                result.failed[name] = _recorded(folder, name)
            else:
                waiting.append(index)
        tasks = ((f"{index:03d}", designs[index]) for index in waiting)
        outcomes: Iterator[Outcome[tuple[str, Design], None]] = run_tasks(
            functools.partial(_simulate, folder), tasks, workers=workers, prepare=factory, seconds=seconds,
            name=operator.itemgetter(0), resources=resources,
        )  # fmt: skip
        try:
            for outcome in follow(outcomes, "simulating", len(waiting), console, thing="design"):
                _settle(folder, result, *outcome.task, outcome.reason or "")
        except FatalError as error:
            raise TramontaneError(f"{folder}: {error}") from error
    result.finished.sort(key=int)
    return result


def _names(folder: Path) -> set[str]:
    try:
        return {entry.name for entry in os.scandir(folder)}
    except FileNotFoundError:
        return set()


def _simulate(folder: Path, simulator: Simulator, task: tuple[str, Design]) -> None:
    name, design = task
    if (folder / name).is_dir():  # its machine was lost after it was written
        return
    case = simulator.simulate(design)
    case.name = name
    if not parent_is_alive():
        return
    try:
        write_case(case, folder / name)
    except Exception as error:  # a full disk is not the design's fault
        raise FatalError(f"case {name} cannot be written: {reason_of(error)}") from error


def _settle(folder: Path, result: Result, name: str, design: Design, reason: str) -> None:
    """Note what became of a design; a case that was written counts, even if its process died right after."""
    if (folder / name).is_dir():
        result.finished.append(name)
        (folder / FAILED / f"{name}.json").unlink(missing_ok=True)
    else:
        result.failed[name] = reason
        _record(folder, name, design, reason)


def _claimed(folder: Path) -> contextlib.AbstractContextManager[None]:
    """Keep a second run out."""
    return claimed(folder / _LOCK, folder)


def _recorded(folder: Path, name: str) -> str:
    file = folder / FAILED / f"{name}.json"
    try:
        return str(json.loads(file.read_text(encoding="utf-8"))["reason"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise TramontaneError(f"{file}: is damaged; delete it, and the design runs again") from error


def _record(folder: Path, name: str, design: Design, reason: str) -> None:
    parameters = {key: {"value": q.value, "unit": q.unit} for key, q in design.parameters.items()}
    write_json(folder / FAILED / f"{name}.json", {"reason": reason, "parameters": parameters})
