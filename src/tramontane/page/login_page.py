"""Where a token is given."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Form, Request
from fastapi.responses import RedirectResponse
from nicegui import app as pages
from nicegui import ui

from tramontane.page.shell import Shell
from tramontane.serve.middleware import TOKEN_COOKIE
from tramontane.serve.problems import Problem

_YEAR = 365 * 86400


def register(shell: Shell) -> None:
    """The page ``/login``."""

    @ui.page("/login")
    def login(request: Request, to: str = "/page/", wrong: str = "") -> None:
        with shell.frame(request, "login") as reader:
            words = reader.words
            with ui.element("form").props(f'method=post action="/page/login?to={quote(_own(to))}"').classes("login"):
                ui.label(words("login.title")).classes("heading")
                with ui.element("label").classes("login-field"):
                    ui.label(words("login.token"))
                    ui.element("input").props("type=password name=token required autofocus autocomplete=off")
                if wrong:
                    ui.label(words("login.wrong")).classes("is-error").props("role=alert")
                ui.button(words("login.title")).props("type=submit unelevated")
                ui.label(words("login.hint")).classes("quiet")

    @pages.post("/login")
    async def enter(request: Request, token: Annotated[str, Form(max_length=200)], to: str = "/page/") -> Any:
        try:
            await shell.server.access.identify(f"Bearer {token.strip()}")
        except Problem:
            return RedirectResponse(f"/page/login?wrong=1&to={quote(_own(to))}", status_code=303)
        answer = RedirectResponse(_own(to), status_code=303)
        answer.set_cookie(TOKEN_COOKIE, token.strip(), max_age=_YEAR, httponly=True, samesite="strict",
                          secure=request.url.scheme == "https", path="/")  # fmt: skip
        return answer

    @pages.get("/logout")
    def leave() -> Any:
        answer = RedirectResponse("/page/login", status_code=303)
        answer.delete_cookie(TOKEN_COOKIE, path="/")
        return answer


def _own(target: str) -> str:
    """A path of this page, whatever a link says."""
    return target if target.startswith("/page/") and "\\" not in target else "/page/"
