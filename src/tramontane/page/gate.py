"""Who may see the page: the API's tokens, kept in a cookie that scripts cannot read."""

from __future__ import annotations

from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tramontane.http.middleware import bearer
from tramontane.page.open_pages import OpenPages
from tramontane.service.problems import Problem
from tramontane.service.server import Server

_REST = (
    "img-src 'self' data: blob:; connect-src 'self'; font-src 'self' data:; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
POLICY = f"default-src 'none'; style-src 'self'; script-src 'self'; {_REST}"
"""Of all that the pages load: nothing comes from elsewhere, nothing is connected to but this server."""
DOCUMENT_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; " + _REST
)
"""Of the pages' own documents alone. NiceGUI draws a page by a script within it, hands what a page does to the browser
as text that is run (``run_javascript``, handlers of events, computed properties), and Vue compiles its components'
templates there: without ``unsafe-eval`` there is no page. What these texts are, the server says; docs/howto/deploy.md
explains it.
"""


class Gate:
    """Plain ASGI before the pages.

    Args:
        app: NiceGUI's application.
        server: Whose tokens count.
        open_pages: Pages that are open in browsers.
    """

    def __init__(self, app: ASGIApp, server: Server, open_pages: OpenPages) -> None:
        self.app, self.server, self.open_pages = app, server, open_pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers, path = Headers(scope=scope), scope["path"].removeprefix("/page")
        if not path.startswith(("/_nicegui", "/static/", "/login", "/favicon.ico")):
            try:
                authorization = bearer(headers, self.server)
                scope["caller"] = await self.server.access.identify(authorization)
                scope["authorization"] = authorization
            except Problem as problem:
                if problem.status_code != 401:
                    raise
                target = quote(f"{scope['path']}?{scope['query_string'].decode('latin-1')}")
                await RedirectResponse(f"/page/login?to={target}", status_code=303)(scope, receive, send)
                return

        if path == "/logout" and "authorization" in scope:
            self.open_pages.leave(scope)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                dressed = MutableHeaders(scope=message)
                is_document = dressed.get("content-type", "").startswith("text/html")
                dressed.setdefault("Content-Security-Policy", DOCUMENT_POLICY if is_document else POLICY)
                # Without any, a browser would not say from where the sign-in form is sent.
                dressed.setdefault("Referrer-Policy", "same-origin")
            await send(message)

        await self.app(scope, receive, answer)
