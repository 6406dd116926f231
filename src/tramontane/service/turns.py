"""Work in a few threads, of which everybody who asks gets a turn: one that asks much waits behind its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

Result = TypeVar("Result")

asker: ContextVar[str] = ContextVar("asker", default="")
"""Who asks, as far as turns are concerned: a token, or where none is asked a connection; a page; the jobs."""


@dataclass
class _Turn:
    work: Callable[[], Any]
    future: asyncio.Future[Any]
    long: bool


class Turns:
    """Threads that serve those who ask round robin.

    What takes long never has all threads, where there are several: what is short goes past it.

    Args:
        workers: How many threads.
        name: Of the threads.
    """

    def __init__(self, workers: int, name: str) -> None:
        self.workers = workers
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix=name)
        self._queues: dict[str, deque[_Turn]] = {}
        self._running = self._long = 0
        self._busy: set[int] = set()
        self._lock = threading.Lock()
        self._closed = False

    @property
    def waiting(self) -> int:
        """How many wait for a thread."""
        return sum(map(len, self._queues.values()))

    async def run(self, work: Callable[[], Result], *, long: bool = False) -> Result:
        """Do some work when its turn comes; on the event loop.

        Args:
            work: Blocks.
            long: Whether it may take much longer than what others ask.
        """
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(asker.get(), deque()).append(_Turn(work, future, long))
        self._next()
        return await future

    def close(self, seconds: float) -> bool:
        """Take nothing more, drop what waits, and let what runs go on for so long; call it from a thread.

        Returns:
            Whether all has ended; what has not goes on until the process ends.
        """
        self._closed = True
        self._pool.shutdown(wait=False, cancel_futures=True)
        until = time.monotonic() + seconds
        while self._busy and time.monotonic() < until:
            time.sleep(0.02)
        return not self._busy

    def _next(self) -> None:
        while self._running < self.workers and not self._closed and (turn := self._pick()) is not None:
            self._running += 1
            self._long += turn.long
            loop = turn.future.get_loop()
            self._pool.submit(self._do, turn, loop)

    def _pick(self) -> _Turn | None:
        """The first that may begin, of whoever had a turn longest ago."""
        for key in list(self._queues):
            queue = self._queues.pop(key)
            while queue and queue[0].future.done():  # nobody waits for it any more
                queue.popleft()
            turn = next((each for each in queue if not each.long or self._long < max(1, self.workers - 1)), None)
            if turn is None:
                if queue:
                    self._queues[key] = queue  # behind the others, who may have something short
                continue
            queue.remove(turn)
            if queue:
                self._queues[key] = queue
            return turn
        return None

    def _do(self, turn: _Turn, loop: asyncio.AbstractEventLoop) -> None:
        me = threading.get_ident()
        with self._lock:
            self._busy.add(me)
        answer, wrong = None, None
        try:
            if not turn.future.cancelled():
                answer = turn.work()
        except BaseException as error:
            wrong = error
        finally:
            with self._lock:
                self._busy.discard(me)
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(self._done, turn, answer, wrong)

    def _done(self, turn: _Turn, answer: Any, wrong: BaseException | None) -> None:
        self._running -= 1
        self._long -= turn.long
        if not turn.future.done():
            if wrong is None:
                turn.future.set_result(answer)
            else:
                turn.future.set_exception(wrong)
        self._next()
