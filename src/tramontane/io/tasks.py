"""What a task takes of a machine, and who runs many of them: this machine's processes, or a cluster of `farm`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from tramontane.io.processes import Outcome

Task = TypeVar("Task")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Resources:
    """What one task takes. A simulator that takes more than a core says so in an attribute ``resources``.

    Attributes:
        cores: Threads or processes that it keeps busy.
        memory: Bytes at which it is ended; None sets no bound.
        gpus: Whole ones, or a share of one where the cluster allows that.
        licenses: How many of each, by the name that the cluster counts them under.
    """

    cores: int = 1
    memory: int | None = None
    gpus: float = 0.0
    licenses: Mapping[str, int] = field(default_factory=dict)


class RunTasks(Protocol):
    """Runs a function on every task, and gives the outcomes as they come."""

    def __call__(
        self,
        function: Callable[[Any, Task], Answer],
        tasks: Iterable[Task],
        *,
        prepare: Callable[[], Any] | None = None,
        name: Callable[[Task], str] | None = None,
        workers: int | None = None,
        resources: Resources | None = None,
        seconds: float | None = None,
    ) -> Iterator[Outcome[Task, Answer]]:
        """Run the tasks.

        Args:
            function: Of what ``prepare`` made and a task; a function of a module, since fresh interpreters run it.
            tasks: Each can be pickled, as can the answers. They are taken as they are needed.
            prepare: Called once in each process.
            name: Of a task, by which one that a cluster still works on is known again; None takes its number.
            workers: How many run at once; None as many as there is room for.
            resources: What each takes; None takes one core.
            seconds: After which a task is ended, and counts as failed; None waits for ever.

        Raises:
            TramontaneError: The processes cannot start, ``prepare`` fails, or the function raises `FatalError`.
        """
        ...
