"""Where tasks run, as the registry lists it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tramontane.farm.target import Target
from tramontane.io.tasks import RunTasks


def _nothing(folder: Path) -> None:
    return None


@dataclass(frozen=True)
class Executor:
    """Where tasks run. A module of `tramontane.farm` that has one holds it as ``EXECUTOR``.

    Attributes:
        name: As it is asked for.
        title: Where that is, in a few words.
        connect: Gives what runs tasks there, or raises `TramontaneError` where it is not reachable or an option is
            wrong. What the tasks write must reach the folder of the run.
        at_work: What still works on a folder though the run that asked for it is gone, such as ``Slurm job 12``.
    """

    name: str
    title: str
    connect: Callable[[Target], RunTasks]
    at_work: Callable[[Path], str | None] = _nothing
