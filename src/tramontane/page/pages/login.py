"""Where people sign in: with a token, or at the company's OpenID provider."""

from __future__ import annotations

import html
import re
import time
from typing import Annotated, Any
from urllib.parse import quote, unquote, urlsplit

from fastapi import Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from nicegui import app as pages
from nicegui import ui
from starlette.responses import Response

from tramontane.http.middleware import TOKEN_COOKIE
from tramontane.page.shell import Shell
from tramontane.service.access.caller import Caller
from tramontane.service.access.signed_in import PREFIX as SIGNED_IN
from tramontane.service.problems import Problem

_YEAR, _DAY, _WHILE = 365 * 86400, 8 * 3600, 600  # s: of a token, of a day's work, of a sign-in that was begun
_LONGEST = 16_384  # characters of a token; those of providers are a few thousand long
_BEGUN, _KNOWN = "tramontane_begun", "tramontane_provider"
_BACK = "/page/login/back"


def register(shell: Shell) -> None:
    """The page ``/login`` and what belongs to it."""
    access = shell.server.access

    @ui.page("/login")
    def login(request: Request, to: str = "/page/", wrong: str = "", ask: str = "") -> Response | None:
        if access.provider is not None and _KNOWN in request.cookies and not (wrong or ask):
            # They came from the provider last time, and are mostly still signed in there.
            return RedirectResponse(f"/page/login/begin?to={quote(_own(to))}", status_code=303)
        with shell.frame(request, "login") as reader:
            words = reader.words
            with ui.element("form").props(f'method=post action="/page/login?to={quote(_own(to))}"').classes("login"):
                ui.label(words("login.title")).classes("heading")
                if access.provider is not None:
                    name = urlsplit(access.provider.settings.issuer).hostname
                    link = ui.element("a").props(f'href="/page/login/begin?to={quote(_own(to))}"')
                    with link.classes("login-button"):
                        ui.label(words("login.provider", name=name))
                    ui.label(words("login.or_token")).classes("quiet")
                with ui.element("label").classes("login-field"):
                    ui.label(words("login.token"))
                    ui.element("input").props("type=password name=token required autofocus autocomplete=off")
                if wrong:
                    ui.label(words("login.wrong")).classes("is-error").props("role=alert")
                ui.button(words("login.title")).props("type=submit unelevated")
                ui.label(words("login.hint")).classes("quiet")
        return None

    @pages.post("/login")
    async def enter(request: Request, token: Annotated[str, Form(max_length=_LONGEST)], to: str = "/page/") -> Any:
        token = token.strip()
        try:
            caller = await access.identify(f"Bearer {token}")
        except Problem:
            return RedirectResponse(f"/page/login?wrong=1&to={quote(_own(to))}", status_code=303)
        answer = RedirectResponse(_own(to), status_code=303)
        seconds = _YEAR
        if access.provider is not None and not token.startswith(("tmt_", SIGNED_IN)):
            # A browser keeps no cookie of over 4096 characters; it ends with the token.
            token, seconds = _open(shell, caller, token, longest=_YEAR)
        _keep(answer, request, TOKEN_COOKIE, token, seconds)
        return answer

    @pages.get("/login/begin")
    async def begin(request: Request, to: str = "/page/") -> Any:
        if access.provider is None:
            return RedirectResponse("/page/login", status_code=303)
        from tramontane.service.access.sign_in import Begun, address

        begun = Begun.new()
        try:
            answer = RedirectResponse(address(access.provider, begun, _back(request)), status_code=303)
        except Problem as problem:
            return RedirectResponse(f"{_BACK}?away={problem.status_code}&to={quote(_own(to))}", status_code=303)
        # Lax: it has to come along when the provider sends the browser back.
        _keep(answer, request, _BEGUN, f"{begun.text()}.{quote(_own(to), safe='')}", _WHILE, path="/page/login",
              same_site="lax")  # fmt: skip
        return answer

    @ui.page("/login/back", response_timeout=30.0)
    async def back(
        request: Request, code: str = "", state: str = "", error: str = "", away: str = "", to: str = "/page/"
    ) -> Response | None:
        detail = ""
        try:
            if away:
                raise Problem(503, "the provider cannot be asked just now; try again in a moment")
            if error or not code:
                raise Problem(401, f"the provider said: {re.sub(r'[^a-z_]', '', error)[:60] or 'nothing'}")
            return await _finish(shell, request, code, state)
        except Problem as problem:
            detail = problem.detail
        with shell.frame(request, "login") as reader, ui.element("div").classes("login"):
            ui.label(reader.words("login.failed")).classes("heading")
            ui.label(detail).classes("is-error").props("role=alert")
            with ui.element("a").props(f'href="/page/login?ask=1&to={quote(_own(to))}"').classes("login-button"):
                ui.label(reader.words("login.again"))
        return None

    @pages.get("/logout")
    def leave(request: Request) -> Any:
        access.signed_in.close(request.cookies.get(TOKEN_COOKIE, ""))
        answer = RedirectResponse("/page/login", status_code=303)
        for name in (TOKEN_COOKIE, _KNOWN):
            answer.delete_cookie(name, path="/")
        return answer


async def _finish(shell: Shell, request: Request, code: str, state: str) -> Response:
    """Exchange a code, and let the person in.

    Raises:
        Problem: It is not good, or its tokens allow nothing here.
    """
    from tramontane.service.access.sign_in import Begun, exchange

    access = shell.server.access
    *kept, target = request.cookies.get(_BEGUN, "").split(".", 3)
    begun = Begun.read(".".join(kept))
    if access.provider is None or begun is None:
        raise Problem(401, "this sign-in was not begun in this browser, or took too long; begin it again")
    tokens = await exchange(access.provider, begun, code=code, state=state, back=_back(request))
    refused: Problem | None = None
    for token in tokens:
        try:
            caller = await access.identify(f"Bearer {token}")
        except Problem as problem:
            # Of two that are refused, the one that lacks a scope, else the ID token.
            refused = problem if refused is None or refused.status_code != 403 else refused
            continue
        secret, seconds = _open(shell, caller, token, longest=_DAY, least=_DAY)
        # The browser was sent here by another site, and would keep a strict cookie from a redirect: it goes on itself.
        to = html.escape(_own(unquote(target)), quote=True)
        answer = HTMLResponse(f'<!doctype html><meta http-equiv="refresh" content="0;url={to}"><a href="{to}">→</a>')
        _keep(answer, request, TOKEN_COOKIE, secret, seconds)
        _keep(answer, request, _KNOWN, "1", _YEAR)
        answer.delete_cookie(_BEGUN, path="/page/login")
        return answer
    raise refused or Problem(401, "the provider gave no token")


def _open(shell: Shell, caller: Caller, token: str, *, longest: float, least: float = 0.0) -> tuple[str, int]:
    """A secret that stands for a provider's token, and for how long."""
    import jwt

    ends = float(jwt.decode(token, options={"verify_signature": False})["exp"])  # it was verified just now
    seconds = min(max(ends - time.time(), least), longest)
    return shell.server.access.signed_in.open(caller, seconds), max(1, int(seconds))


def _keep(
    answer: Response, request: Request, name: str, value: str, seconds: int, *, path: str = "/",
    same_site: Any = "strict",
) -> None:  # fmt: skip
    answer.set_cookie(name, value, max_age=seconds, httponly=True, samesite=same_site,
                      secure=request.url.scheme == "https", path=path)  # fmt: skip


def _back(request: Request) -> str:
    """Where the provider sends the browser."""
    return f"{request.url.scheme}://{request.headers['host']}{_BACK}"


def _own(target: str) -> str:
    """A path of this page, whatever a link says."""
    return target if target.startswith("/page/") and "\\" not in target else "/page/"
