"""Work of which only the newest counts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from nicegui import background_tasks


class Latest:
    """Does the newest of what is asked, one at a time; what was overtaken meanwhile is left out.

    Args:
        work: Done for the newest.
    """

    def __init__(self, work: Callable[[], Awaitable[Any]]) -> None:
        self.work = work
        self._asked, self._done, self._running = 0, 0, False

    def ask(self) -> None:
        """Do the work again soon."""
        self._asked += 1
        if not self._running:
            self._running = True
            background_tasks.create(self._run(), name="page")

    @property
    def overtaken(self) -> bool:
        """Whether a newer one waits."""
        return self._asked != self._done

    async def _run(self) -> None:
        try:
            while self._done != self._asked:
                self._done = self._asked
                await self.work()
        finally:
            self._running = False
