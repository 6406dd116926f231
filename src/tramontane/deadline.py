"""A time limit on what a thread does: long work looks at it between its steps."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass

from tramontane.errors import TimeLimitError


@dataclass(frozen=True)
class _Deadline:
    end: float
    seconds: float
    given_up: Callable[[], bool]


_current: ContextVar[_Deadline | None] = ContextVar("deadline", default=None)


@contextlib.contextmanager
def time_limit(seconds: float | None, given_up: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Let what is done inside end when the time is over, or when nobody waits for it.

    Args:
        seconds: How long it may take; None sets no limit of time. An outer limit that ends earlier stays.
        given_up: Whether nobody waits for it any more; asked between steps.
    """
    outer, now = _current.get(), time.monotonic()
    end = float("inf") if seconds is None else now + seconds
    inner = _Deadline(end, seconds or 0.0, given_up)
    if outer is not None:
        first = outer if outer.end < end else inner
        inner = _Deadline(first.end, first.seconds, lambda: given_up() or outer.given_up())
    token = _current.set(inner)
    try:
        yield
    finally:
        _current.reset(token)


def check_deadline() -> None:
    """Raise where the time is over or nobody waits; between the steps of work that may take long.

    Raises:
        TimeLimitError: The time is over, or nobody waits.
    """
    deadline = _current.get()
    if deadline is None:
        return
    if deadline.given_up():
        raise TimeLimitError("the prediction was given up: nobody waits for it")
    if time.monotonic() > deadline.end:
        raise TimeLimitError(f"the prediction took longer than {deadline.seconds:g} s and was ended; ask for fewer "
                             "cells or a coarser geometry, or raise the time limit")  # fmt: skip
