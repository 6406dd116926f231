"""Tasks on this machine, one process each, as many as it has cores and memory for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tramontane.errors import TramontaneError
from tramontane.farm.executor import Executor
from tramontane.farm.target import Target
from tramontane.io.processes import Outcome, run_each
from tramontane.io.tasks import Answer, Resources, RunTasks, Task


def room_for(resources: Resources, *, cores: int, memory: int) -> int:
    """How many tasks a machine has room for at once.

    Args:
        resources: What each takes.
        cores: Of the machine.
        memory: Of the machine, in bytes; 0 where it is not known.

    Raises:
        TramontaneError: There is no room for one.
    """
    if resources.cores > cores:
        raise TramontaneError(f"a task takes {resources.cores} cores, this machine has {cores}; run it elsewhere "
                              "with --on, or have it take fewer")  # fmt: skip
    count = cores // resources.cores
    if resources.memory is None or not memory:
        return count
    if resources.memory > memory:
        raise TramontaneError(f"a task takes {resources.memory / 2**30:.1f} GiB of memory, this machine has "
                              f"{memory / 2**30:.1f}; run it elsewhere with --on, or have it take less")  # fmt: skip
    return min(count, memory // resources.memory)


def _connect(target: Target) -> RunTasks:
    target.allow(resources=("cores", "memory"))
    return _run


def _run(
    function: Callable[[Any, Task], Answer],
    tasks: Iterable[Task],
    *,
    prepare: Callable[[], Any] | None = None,
    name: Callable[[Task], str] | None = None,
    workers: int | None = None,
    resources: Resources | None = None,
    seconds: float | None = None,
) -> Iterator[Outcome[Task, Answer]]:
    each = resources or Resources()
    room = room_for(each, cores=usable_cores(), memory=machine_memory())
    return run_each(function, tasks, workers=workers or room, prepare=prepare, memory=each.memory, seconds=seconds,
                    threads=each.cores)  # fmt: skip


def usable_cores() -> int:
    """Cores that this process may use: fewer than the machine has where a container or a batch system says so."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine_memory() -> int:
    """Bytes of memory of this machine; 0 where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 0


EXECUTOR = Executor("local", "processes on this machine", _connect)
