"""Ctrl-C is heard: between two steps of a loop whose state must stay whole, and again where a library swallowed it."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, NoReturn

_AGAIN = 2.0  # s after which an interrupt that went nowhere is raised once more
_LOADING = 0.1  # s after which it is looked whether a library still loads, or a block is held
_requested = threading.Event()  # by Ctrl-C, to end
_holding = 0  # blocks that must come to their end first


def heed() -> None:
    """Have Ctrl-C raise `KeyboardInterrupt` until `heard` is called.

    It waits for the end of an import: a library of C++ that is interrupted while it loads may end the process. One that
    is raised within a callback of a library is printed and forgotten; so it is raised again. A process that was told to
    ignore Ctrl-C goes on doing so. Nobody prints a traceback of it.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        sys.excepthook, sys.unraisablehook = _without_interrupts(sys.excepthook), _forgotten(sys.unraisablehook)
        signal.signal(signal.SIGINT, _interrupt)
        if hasattr(signal, "SIGALRM"):
            signal.signal(signal.SIGALRM, _interrupt)


def interrupted() -> bool:
    """Whether Ctrl-C was given since `heed`: an error that comes then is what a library made of it."""
    return _requested.is_set()


def heard() -> None:
    """The program takes care of Ctrl-C in its own way from here on.

    Raises:
        KeyboardInterrupt: It was given before, and went nowhere.
    """
    _stop_heeding()
    if _requested.is_set():
        raise KeyboardInterrupt


def _stop_heeding() -> None:
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, 0.0)
    if signal.getsignal(signal.SIGINT) is _interrupt:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def end_interrupted() -> NoReturn:
    """End the program after Ctrl-C, in one line."""
    _stop_heeding()
    print("Stopped; what was finished is kept. Give the same command again to go on.", file=sys.stderr, flush=True)
    sys.exit(130)


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Within the block Ctrl-C waits for its end, where `heed` takes care of it."""
    global _holding
    _holding += 1
    try:
        yield
    finally:
        _holding -= 1


@contextlib.contextmanager
def between_steps() -> Iterator[Callable[[], bool]]:
    """Within the block, Ctrl-C only makes the function that it gives true; a second one interrupts at once.

    Raises:
        KeyboardInterrupt: After the block, where Ctrl-C came too late for it to be asked for.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield lambda: False
        return
    stop_requested = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal stop_requested
        if stop_requested:
            before(number, frame)
        stop_requested = True

    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: stop_requested
    finally:
        signal.signal(signal.SIGINT, before)
    if stop_requested:
        raise KeyboardInterrupt


def _interrupt(number: int, frame: FrameType | None) -> None:
    _requested.set()
    if hasattr(signal, "setitimer"):
        later = _holding > 0 or _loads(frame)
        signal.setitimer(signal.ITIMER_REAL, _LOADING if later else _AGAIN)
        if later:
            return
    raise KeyboardInterrupt


def _loads(frame: FrameType | None) -> bool:
    """Whether a frame stands within an import."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _without_interrupts(print_error: Callable[..., Any]) -> Callable[..., Any]:
    """What prints errors that nobody caught, such as libraries' of C, for all but Ctrl-C."""

    def hook(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            print_error(kind, error, trace)

    return hook


def _forgotten(print_error: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """What prints errors that cannot be raised where they happen, for all but Ctrl-C, which is raised again."""

    def hook(lost: Any) -> None:
        if not issubclass(lost.exc_type, KeyboardInterrupt):
            print_error(lost)

    return hook
