"""How far long work is: a bar in a terminal, elsewhere a line a stage and one now and then."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

Item = TypeVar("Item")
Tell = Callable[[float, str], None]
_SOON, _LONG = 2.0, 30.0  # s: no line comes sooner after another; one comes after so long
_SHARE = 0.1  # of the stage, after which a line comes


@contextlib.contextmanager
def stage(name: str, console: Console | None, *, size: str = "") -> Iterator[Tell]:
    """One part of long work; gives a function that is told the share that is done and what there is to say of it.

    Args:
        name: Such as ``reading``.
        console: Where it is shown; None shows nothing.
        size: How much there is to do, such as ``44 cases``.
    """
    if console is None:
        yield lambda done, text: None
    elif console.is_terminal:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[text]}", markup=False),
        )
        with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
            task = bar.add_task(name, total=1.0, text=size)
            yield lambda done, text: bar.update(task, completed=done, text=text)
    else:
        yield _Lines(name, console, size).tell


def follow(
    items: Iterable[Item],
    name: str,
    total: int,
    console: Console | None,
    *,
    thing: str = "case",
    watch: Callable[[int, int], None] | None = None,
) -> Iterator[Item]:
    """The items, while it is shown how many of them are done.

    Args:
        items: What is worked through.
        name: Of the stage.
        total: Their number.
        console: Where it is shown; None shows nothing.
        thing: What an item is called.
        watch: Who else is told: how many are done, and of how many.
    """
    with stage(name, console if total else None, size=f"{total} {thing}{'' if total == 1 else 's'}") as tell:
        for done, item in enumerate(items, start=1):
            yield item
            tell(done / max(total, 1), f"{thing} {done} of {total}")
            if watch is not None:
                watch(done, total)


class _Lines:
    """Lines where there is no terminal: when a stage begins, then at every tenth of it or every half minute."""

    def __init__(self, name: str, console: Console, size: str) -> None:
        self.name, self.console = name, console
        self.begun = self.last = time.monotonic()
        self.shown = 0.0
        self._print(size or "begun")

    def tell(self, done: float, text: str) -> None:
        now = time.monotonic()
        since = now - self.last
        if done >= 1.0 or since < _SOON or (done < self.shown + _SHARE and since < _LONG):
            return
        self.last, self.shown = now, done
        left = f", about {seconds((now - self.begun) * (1 - done) / done)} left" if done > 0 else ""
        self._print(f"{text}, {seconds(now - self.begun)}{left}")

    def _print(self, text: str) -> None:
        self.console.print(f"{self.name}: {text}", highlight=False, markup=False, soft_wrap=True)


def seconds(duration: float) -> str:
    """A duration as people read it: ``12 s``, ``3 min 20 s``, ``2 h 5 min``."""
    whole = max(round(duration), 0)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 else "")
    return f"{whole // 3600} h" + (f" {whole % 3600 // 60} min" if whole % 3600 // 60 else "")
