"""What all pages share: the server behind them, the reader's language, the header."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from fastapi import Request
from nicegui import ui

from tramontane.http.middleware import TOKEN_COOKIE
from tramontane.page.datasets import Datasets
from tramontane.page.language.words import LANGUAGES, QUASAR, Words, catalogue
from tramontane.page.pictures import Pictures
from tramontane.page.view.buffers import Buffers
from tramontane.service.access.caller import Caller
from tramontane.service.server import Server

_PAGES = {
    "models": "", "predict": "predict", "rank": "rank", "compare": "compare", "data": "data", "training": "training",
    "evaluation": "evaluation",
}  # fmt: skip
_HEAD = """<link rel="stylesheet" href="/page/static/page.css">
<script src="/page/static/page.js"></script><meta name="robots" content="noindex">"""


class Shell:
    """The server behind the pages, and what is kept beside it.

    Args:
        server: Asked for everything.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self.buffers = Buffers()
        self.datasets = Datasets(server.settings, server.settings.state / "page")
        self.pictures = Pictures(server.settings.state / "page" / "pictures")

    @contextmanager
    def frame(self, request: Request, name: str) -> Iterator[Reader]:
        """A page's header and body.

        Args:
            request: For the page.
            name: Of the page, as in the navigation.
        """
        words = Words.of(request.cookies.get("tramontane_language"), request.headers.get("accept-language", ""))
        client = ui.context.client
        # A page is made for all readers; the language is this one's.
        client.page = copy.copy(client.page)
        client.page.language = QUASAR[words.language]  # type: ignore[assignment]
        title = words(f"nav.{name}") if f"nav.{name}" in catalogue() else words("login.title")
        client.title = f"{title} · Tramontane"
        dark = {"1": True, "0": False}.get(request.cookies.get("tramontane_dark", ""))
        ui.add_head_html(f'{_HEAD}<meta name="tramontane-decimal" content="{words.decimal}">')
        ui.colors(primary="#1f6f8b", secondary="#4a6670", accent="#d98e04")
        mode = ui.dark_mode(dark)
        with ui.header().classes("page-header"):
            with ui.link(target="/").classes("page-brand"):
                ui.element("img").classes("page-icon").props('src="/page/static/icon.svg" alt=""')
                ui.label("Tramontane")
            with ui.element("nav").classes("page-nav"):
                for each, path in _PAGES.items():
                    link = ui.link(words(f"nav.{each}"), f"/{path}")
                    if each == name:
                        link.props("aria-current=page")
            ui.space()
            self._choices(request, words, mode)
        caller = request.scope.get("caller") or Caller(None, "read")
        with ui.element("div").classes(f"page-body page-{name}"):
            yield Reader(words, caller)

    def _choices(self, request: Request, words: Words, mode: ui.dark_mode) -> None:
        def switch() -> None:
            mode.set_value(not mode.value)
            ui.run_javascript(f"tramontaneKeep('dark', {int(bool(mode.value))})")

        def speak(language: str) -> None:
            ui.run_javascript(f"tramontaneKeep('language', '{language}'); location.reload()")

        with (
            ui.button(icon="translate").props(f'flat round dense color=white aria-label="{words("nav.language")}"'),
            ui.menu(),
        ):
            for language, name in LANGUAGES.items():
                ui.menu_item(name, lambda language=language: speak(language))
        ui.button(icon="contrast", on_click=switch).props(
            f'flat round dense color=white aria-label="{words("nav.dark")}"'
        )
        with (
            ui.button(icon="menu")
            .props(f'flat round dense color=white aria-label="{words("nav.menu")}"')
            .classes("page-menu"),
            ui.menu(),
        ):
            for each, path in _PAGES.items():
                ui.menu_item(words(f"nav.{each}"), lambda path=path: ui.navigate.to(f"/{path}"))
        if TOKEN_COOKIE in request.cookies:
            ui.button(icon="logout", on_click=lambda: ui.navigate.to("/logout")).props(
                f'flat round dense color=white aria-label="{words("nav.leave")}"')  # fmt: skip


@dataclass(frozen=True)
class Reader:
    """Who reads a page.

    Attributes:
        words: In which language.
        caller: What they may do.
    """

    words: Words
    caller: Caller
