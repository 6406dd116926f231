"""Who may see the page: the API's tokens, kept in a cookie that scripts cannot read."""

from __future__ import annotations

from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tramontane.serve.middleware import bearer
from tramontane.serve.problems import Problem
from tramontane.serve.server import Server

POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self' ws: wss:; font-src 'self' data:; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
"""Nothing is loaded from elsewhere. The page's library compiles its templates in the browser, hence ``unsafe-eval``."""


class Gate:
    """Plain ASGI before the pages.

    Args:
        app: NiceGUI's application.
        server: Whose tokens count.
    """

    def __init__(self, app: ASGIApp, server: Server) -> None:
        self.app, self.server = app, server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers, path = Headers(scope=scope), scope["path"].removeprefix("/page")
        if not path.startswith(("/_nicegui", "/static/", "/login", "/favicon.ico")):
            try:
                scope["caller"] = await self.server.access.identify(bearer(headers, self.server))
            except Problem as problem:
                if problem.status_code != 401:
                    raise
                target = quote(f"{scope['path']}?{scope['query_string'].decode('latin-1')}")
                await RedirectResponse(f"/page/login?to={target}", status_code=303)(scope, receive, send)
                return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                dressed = MutableHeaders(scope=message)
                dressed.setdefault("Content-Security-Policy", POLICY)
                # Without any, a browser would not say from where the sign-in form is sent.
                dressed.setdefault("Referrer-Policy", "same-origin")
            await send(message)

        await self.app(scope, receive, answer)
