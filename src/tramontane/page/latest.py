"""Every asynchronous answer belongs to the question it was asked for, or is dropped."""

from __future__ import annotations

import logging
import operator
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from nicegui import background_tasks

Question = TypeVar("Question")
Result = TypeVar("Result")
_log = logging.getLogger("tramontane.page")


class Overtaken(Exception):  # noqa: N818 (no error: what was asked no longer counts)
    """Another question was asked while this one was answered."""


class Turn(Generic[Question]):
    """One question while it is answered.

    What is awaited through it comes back only while the question still stands, and so does what went wrong.

    Args:
        question: As it was asked; nothing changes it.
        current: Gives the question that stands now.
        near: Whether an answer to the first still serves where the second stands now.
    """

    def __init__(
        self, question: Question, current: Callable[[], Question],
        near: Callable[[Question, Question], bool] = operator.eq,
    ) -> None:  # fmt: skip
        self.question, self._current, self._near = question, current, near

    async def __call__(self, answer: Awaitable[Result]) -> Result:
        """What is awaited.

        Raises:
            Overtaken: Another question stands by now; the answer is dropped.
        """
        try:
            result = await answer
        except Exception:
            self.check()
            raise
        self.check()
        return result

    def check(self) -> None:
        """Go on only while the question stands.

        Raises:
            Overtaken: Another one does.
        """
        if not self._near(self.question, self._current()):
            raise Overtaken

    @property
    def is_newest(self) -> bool:
        """Whether nothing at all has changed, not even what `near` lets pass."""
        return self.question == self._current()


class Latest(Generic[Question]):
    """Answers the newest question, one at a time; what was overtaken meanwhile is left out.

    Args:
        question: Gives what is asked now: a value of its own that nobody changes later (a snapshot, no live object).
        answer: Answers it, and shows what comes of it; awaits through the `Turn`.
        near: Whether an answer to the first may still be shown where the second is asked, as the pictures on the way of
            a slider; by default the two must be equal.
        failed: Told what went wrong that nobody foresaw; it stands in the log.
    """

    def __init__(
        self, question: Callable[[], Question], answer: Callable[[Turn[Question]], Awaitable[None]],
        near: Callable[[Question, Question], bool] = operator.eq, failed: Callable[[Exception], None] | None = None,
    ) -> None:  # fmt: skip
        self._question, self._answer, self._near, self._failed = question, answer, near, failed
        self._revision, self._done, self._running = 0, 0, False

    def ask(self) -> None:
        """Answer again soon."""
        self._revision += 1
        if not self._running:
            self._running = True
            background_tasks.create(self._run(), name="page")

    async def _run(self) -> None:
        try:
            while self._done != self._revision:
                self._done = self._revision
                try:
                    await self._answer(Turn(self._question(), self._question, self._near))
                except Overtaken:
                    self._revision += 1  # what stands now is answered, whoever changed it
                except Exception as error:
                    _log.exception("a question of the page was not answered")
                    if self._failed is not None:
                        self._failed(error)
        finally:
            self._running = False
