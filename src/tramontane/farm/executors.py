"""The executors that tasks can run on, by name."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from tramontane.errors import TramontaneError
from tramontane.farm.executor import Executor
from tramontane.farm.target import parse
from tramontane.io.processes import Outcome
from tramontane.io.registries import by_name, find_entries
from tramontane.io.tasks import Answer, Resources, RunTasks, Task


@functools.cache
def known_executors() -> dict[str, Executor]:
    """By name, the executors that the modules of `tramontane.farm` hold as ``EXECUTOR``."""
    return by_name(find_entries("tramontane.farm", "EXECUTOR", Executor), lambda executor: executor.name)


def executor_of(name: str) -> Executor:
    """The executor of that name.

    Raises:
        TramontaneError: There is none.
    """
    executors = known_executors()
    if name not in executors:
        raise TramontaneError(f"executor {name!r} is not known; choose one of {', '.join(sorted(executors))}")
    return executors[name]


def connect(on: str, folder: str | os.PathLike[str] | None = None) -> RunTasks:
    """What runs tasks where ``--on`` says.

    Args:
        on: ``local``, ``slurm?partition=short&time=2h``, ``ray://head:10001``; see `tramontane.farm.target`.
        folder: Of the run, on a disk that the cluster sees; what must survive a restart is kept in it.

    Raises:
        TramontaneError: There is no such executor, it is not reachable, it has no such option, or another one is still
            at work in the folder.
    """
    target = parse(on, None if folder is None else Path(folder))
    executor = executor_of(target.name)
    if target.folder is not None:
        for other in known_executors().values():
            if other is not executor and (work := other.at_work(target.folder)) is not None:
                raise TramontaneError(f"{target.folder}: {work} still works here; go on with --on {other.name}, or "
                                      "cancel it first")  # fmt: skip
    run = executor.connect(target)

    def run_with(
        function: Callable[[Any, Task], Answer],
        tasks: Iterable[Task],
        *,
        prepare: Callable[[], Any] | None = None,
        name: Callable[[Task], str] | None = None,
        workers: int | None = None,
        resources: Resources | None = None,
        seconds: float | None = None,
    ) -> Iterator[Outcome[Task, Answer]]:
        return run(function, tasks, prepare=prepare, name=name, workers=workers, seconds=seconds,
                   resources=replace(resources or Resources(), **target.resources))  # fmt: skip

    return run_with


def run_tasks(
    function: Callable[[Any, Task], Answer],
    tasks: Iterable[Task],
    *,
    on: str = "local",
    folder: str | os.PathLike[str] | None = None,
    prepare: Callable[[], Any] | None = None,
    name: Callable[[Task], str] | None = None,
    workers: int | None = None,
    resources: Resources | None = None,
    seconds: float | None = None,
) -> Iterator[Outcome[Task, Answer]]:
    """Run a function on every task, wherever that is, and tell the outcomes as they come.

    Args:
        function: Of what ``prepare`` made and a task; a function of a module, since fresh interpreters run it.
        tasks: Each can be pickled, as can the answers. They are taken as they are needed.
        on: Where they run; see `connect`.
        folder: Of the run; see `connect`.
        prepare: Called once in each process.
        name: Of a task, by which one that a cluster still works on is known again; None takes its number.
        workers: How many run at once; None as many as there is room for.
        resources: What each takes; None takes one core.
        seconds: After which a task is ended, and counts as failed; None waits for ever.

    Raises:
        TramontaneError: See `connect`; or the processes cannot start, ``prepare`` fails, or the function raises
            `tramontane.io.processes.FatalError`.
    """
    return connect(on, folder)(
        function, tasks, prepare=prepare, name=name, workers=workers, resources=resources, seconds=seconds
    )
