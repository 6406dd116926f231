"""Tasks for the farm's tests, in a module that loads at once."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from tramontane.errors import TramontaneError


def square(state: object, number: int) -> int:
    """A number's square; 13 ends the process, 14 fails."""
    if number == 13:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 14:
        raise TramontaneError("no 14 is taken")
    return number * number


def threads(state: object, task: int) -> str:
    return os.environ["OMP_NUM_THREADS"]


def overlap(folder: Path, task: int) -> int:
    """How many tasks run at the moment; each leaves a file in the folder while it runs."""
    mine = folder / str(task)
    mine.touch()
    time.sleep(0.3)
    count = len(list(folder.iterdir()))
    mine.unlink()
    return count


def logged(log: Path, task: int) -> int:
    """The task's number after a short while; it is written into a log as it begins."""
    with log.open("a") as file:
        file.write(f"{task}\n")
    time.sleep(0.2)
    return task


def crash_once(log: Path, task: int) -> int:
    """Like `logged`, but task 1 ends the process that watches its own, when it comes first."""
    with log.open("a") as file:
        file.write(f"{task}\n")
    if task == 1 and log.read_text().split().count("1") == 1:
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60.0)
    return task
