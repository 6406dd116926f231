"""Where designs run, as the registry lists it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tramontane.io.processes import Outcome


class RunTasks(Protocol):
    """Runs a function on every task, and gives the outcomes as they come."""

    def __call__(
        self,
        function: Callable[[Any, Any], Any],
        tasks: Sequence[Any],
        *,
        workers: int,
        prepare: Callable[[], Any],
        seconds: float | None,
    ) -> Iterator[Outcome[Any, Any]]:
        """Run the tasks.

        Args:
            function: Of what ``prepare`` made and a task; a function of a module, since fresh interpreters run it.
            tasks: Each can be pickled.
            workers: How many run at once.
            prepare: Called once in each process.
            seconds: After which a task is ended, and counts as failed; None waits for ever.

        Raises:
            TramontaneError: The processes cannot start, or ``prepare`` fails.
        """
        ...


@dataclass(frozen=True)
class Executor:
    """Where designs run. A module of `tramontane.farm` that has one holds it as ``EXECUTOR``.

    Attributes:
        name: As it is asked for.
        title: Where that is, in a few words.
        run: Runs tasks there; what they write must reach the folder of the run.
    """

    name: str
    title: str
    run: RunTasks
