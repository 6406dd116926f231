"""A worker of a queue in a folder: ``python -m tramontane.io.queue_worker FOLDER NAME`` works until nothing is left.

It watches a process of its own in which the tasks run; one that crashes, hangs or eats memory costs that task alone.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from pathlib import Path

from tramontane.errors import TramontaneError
from tramontane.io.file_queue import Claim, FileQueue, called, prepared
from tramontane.io.processes import reason_of, run_each


def work(folder: Path, name: str) -> None:
    """Claim tasks and do them, one after the other.

    Args:
        folder: Of the queue.
        name: Of this worker, the same when it is started again.
    """
    queue = FileQueue(folder)
    todo = queue.work()
    if todo is None:
        return  # nobody asks any longer
    sys.path += [entry for entry in todo.path if entry not in sys.path]
    for claim in queue.claims():
        if claim.worker == name:
            queue.give_back(claim, "a restart")
    current: Claim | None = None

    def tasks() -> Iterator[bytes]:
        nonlocal current
        while (claimed := queue.claim(name)) is not None:
            current, task = claimed
            yield task

    try:
        for outcome in run_each(called, tasks(), workers=1, prepare=functools.partial(prepared, todo.call),
                                memory=todo.memory, seconds=todo.seconds, threads=todo.threads):  # fmt: skip
            assert current is not None
            queue.settle(current, outcome.answer, outcome.reason)
    except TramontaneError as error:
        queue.fail(reason_of(error))
        raise


if __name__ == "__main__":
    work(Path(sys.argv[1]), sys.argv[2])
