"""Tasks one by one in a process that stays, and is watched: what a machine of a cluster runs for another."""

from __future__ import annotations

import functools
import platform
import queue
import sys
import threading
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from tramontane.io.file_queue import Work, called, prepared
from tramontane.io.processes import FatalError, Outcome, reason_of, run_each


class OneByOne:
    """Runs the tasks that it is given; one that crashes, hangs or eats memory costs that task alone.

    Args:
        work: What is to be done with tasks.
        token: A file that this machine sees if it sees the folder of the run; None where there is none.
    """

    def __init__(self, work: Work, token: str | None) -> None:
        self._work, self._token = work, token
        self._tasks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._outcomes: queue.SimpleQueue[Outcome[bytes, bytes] | str] = queue.SimpleQueue()
        threading.Thread(target=self._serve, daemon=True).start()

    def hello(self) -> tuple[str, str | None]:
        """The version of the package here, and why no task can run on this machine; None where one can."""
        here = version("tramontane")
        if self._token is not None and not Path(self._token).exists():
            return here, (f"{platform.node()} does not see {Path(self._token).parent}; choose a folder on a disk that "
                          "all machines of the cluster see")  # fmt: skip
        return here, None

    def run(self, task: bytes) -> tuple[bytes | None, str | None, str | None]:
        """Answer, reason of the task's failure, and what keeps this process from any task."""
        self._tasks.put(task)
        outcome = self._outcomes.get()
        if isinstance(outcome, str):
            self._outcomes.put(outcome)  # for the next task, too
            return None, None, outcome
        return outcome.answer, outcome.reason, None

    def _serve(self) -> None:
        sys.path += [entry for entry in self._work.path if entry not in sys.path]

        def tasks() -> Iterator[bytes]:
            while True:
                yield self._tasks.get()

        try:
            for outcome in run_each(
                called, tasks(), workers=1, prepare=functools.partial(prepared, self._work.call),
                memory=self._work.memory, seconds=self._work.seconds, threads=self._work.threads,
            ):  # fmt: skip
                self._outcomes.put(outcome)
        except FatalError as error:
            self._outcomes.put(str(error))
        except BaseException as error:
            self._outcomes.put(reason_of(error))
            raise
