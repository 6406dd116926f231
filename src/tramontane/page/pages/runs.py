"""What trainings and ingests have in common on the page: a list of which one is shown, and names for what they make."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Container, Iterable
from typing import Any, NamedTuple

from nicegui import ui
from pydantic import ValidationError

from tramontane.page.language.complaints import complain
from tramontane.page.latest import Latest, Turn
from tramontane.page.shell import Reader
from tramontane.service.problems import Problem

_EVERY = 1.0  # s between two looks


class Run(NamedTuple):
    """A line of the list; ``created`` in seconds since 1970, ``title`` and ``state`` in the reader's words."""

    identity: str
    title: str
    created: float
    state: str


class Runs:
    """The list; what it shows is looked at every second.

    Args:
        reader: Who reads it.
        title: Above it.
        identity: Of the run that is shown at first; empty for the newest.
        refresh: Shows what there is.
    """

    def __init__(
        self, reader: Reader, title: str, identity: str, refresh: Callable[[Turn[str]], Awaitable[None]]
    ) -> None:
        self.reader, self.words, self.identity = reader, reader.words, identity
        self.latest = Latest(lambda: self.identity, refresh)
        self._drawn: object = None
        with ui.element("section").classes("panel"):
            ui.label(title).classes("heading")
            self.list = ui.element("div").classes("sections")
        ui.timer(_EVERY, self.latest.ask)

    async def do(self, work: Callable[..., Any], *given: Any, **more: Any) -> Any:
        """Something that the API does for those of scope admin; what is wrong is said, and nothing then comes back."""
        try:
            self.reader.caller.need("admin")
            return await asyncio.to_thread(work, *given, **more)
        except ValidationError:
            ui.notify(self.words("training.bad_name"), type="negative")
            return None
        except Problem as problem:
            complain(self.words, problem)
            return None
        finally:
            self.latest.ask()

    def choose(self, identity: str) -> None:
        """Show this one."""
        self.identity = identity
        self.latest.ask()

    def show(self, runs: Iterable[Run]) -> None:
        """Draw the list, the newest first; where the one that was shown is gone, the newest is."""
        runs = list(runs)
        identities = [each.identity for each in runs]
        if self.identity not in identities:
            self.identity = identities[0] if identities else ""
        if (self.identity, runs) == self._drawn:
            return
        self._drawn = self.identity, runs
        self.list.clear()
        with self.list:
            if not runs:
                ui.label("–").classes("quiet")
            for each in runs:
                chosen = "aria-current=true" if each.identity == self.identity else ""
                with (
                    ui.element("button").classes("run").props(f"type=button {chosen} data-run={each.identity}")
                    .on("click", lambda _, identity=each.identity: self.choose(identity))
                ):  # fmt: skip
                    ui.label(each.title)
                    ui.label(f"{self.words.when(each.created)} · {each.state}").classes("quiet")


def free_name(wanted: str, taken: Container[str], otherwise: str) -> str:
    """A name that none has yet.

    Args:
        wanted: Its letters, digits, points, dashes and underscores are taken over.
        taken: Those that are in use.
        otherwise: Where nothing of it is left.
    """
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", wanted).strip("-._") or otherwise
    return next(name for name in (plain, *(f"{plain}-{k}" for k in range(2, 10_000))) if name not in taken)
