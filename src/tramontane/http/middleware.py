"""What happens to every request before and after its route: bounds, headers, a line in the log, a count."""

from __future__ import annotations

import ipaddress
import logging
import time
import uuid
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy.exc import SQLAlchemyError
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tramontane.http.problem_documents import BodyProblem, respond
from tramontane.service.problems import Fault, Problem, at_fault, of_error
from tramontane.service.server import Server
from tramontane.service.settings import LOOPBACK
from tramontane.service.turns import asker

_log = logging.getLogger("tramontane.requests")
UPLOAD = "/v1/geometries"
TOKEN_COOKIE = "tramontane_token"
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""On every answer."""
API_HEADERS = {"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "Cache-Control": "no-store"}
"""On answers of the API; a page on the same application sets its own."""


class Guard:
    """Plain ASGI around the application, so that streams stay streams.

    Args:
        app: The application.
        server: Whose settings bound requests.
    """

    def __init__(self, app: ASGIApp, server: Server) -> None:
        self.app, self.server = app, server
        settings = server.settings
        self.hosts = {*LOOPBACK, settings.host, *settings.hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] == "websocket":
            await self._connect(scope, receive, send)
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun, headers = time.perf_counter(), Headers(scope=scope)
        identity = scope["request_id"] = uuid.uuid4().hex[:16]
        sent: dict[str, int] = {"status": 0}
        # Whether a body is still to come: who is refused may not send it all the same.
        owed = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"

        async def take() -> Message:
            nonlocal owed
            message = await receive()
            owed = owed and bool(message.get("more_body", False))
            return message

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                sent["status"] = message["status"]
                _dress(message, scope, identity, close=owed)
            await send(message)

        try:
            self._check(headers)
            asker.set(":".join(map(str, scope.get("client") or ())))
            if _is_guarded(scope["path"]):
                caller = scope["caller"] = await self.server.access.identify(bearer(headers, self.server))
                scope["token"] = caller.token
                if caller.token is not None:
                    asker.set(caller.token)
            await self.app(scope, self._bounded(scope, headers, take), answer)
        except Problem as problem:
            await respond(problem)(scope, receive, answer)
        except (OSError, SQLAlchemyError) as error:  # of finding out who asks; those behind routes are answered there
            if sent["status"]:
                raise
            _log.error("request failed", exc_info=error, extra={"id": identity})
            await respond(of_error(error, identity))(scope, receive, answer)
        finally:
            seconds = time.perf_counter() - begun
            # Of a path that no route knows, only that: anybody could fill the counters with names.
            route = getattr(scope.get("route"), "path", "other")
            self.server.metrics.answered(scope["method"], route, sent["status"], seconds)
            _log.info("request", extra={
                "id": identity, "method": scope["method"], "path": scope["path"][:200], "status": sent["status"],
                "milliseconds": round(1000 * seconds, 2), "client": (scope.get("client") or [""])[0],
                **{key: scope[key] for key in ("token",) if key in scope},
            })  # fmt: skip

    async def _connect(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A connection of the page: what may not ask may not connect either."""
        try:
            self._check(Headers(scope=scope))
        except Problem:
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        await self.app(scope, receive, send)

    def _check(self, headers: Headers) -> None:
        """Only those that the operator means: a page of another site must not reach a server behind the firewall."""
        host = headers.get("host", "")
        name = urlsplit(f"//{host}").hostname or ""
        # An address is nobody's domain name, so it cannot be one that was made to point here.
        if name not in self.hosts and not _is_address(name) and "*" not in self.hosts:
            raise at_fault(Fault(input="header.host", detail=f"the server does not go by the name {name[:100]!r}; its "
                                 "operator adds names with --allow-host"), status=400)  # fmt: skip
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            raise at_fault(
                Fault(input="header.origin", detail="pages of other sites may not ask this server"), status=403
            )

    def _bounded(self, scope: Scope, headers: Headers, receive: Receive) -> Receive:
        """Bodies end where they grow over the limit; uploads have their own."""
        most = self.server.settings.body_bytes
        if scope["path"] == UPLOAD:
            return receive
        detail = f"the body is over {most} bytes; send less at once"
        announced = headers.get("content-length", "")
        if announced.isdigit() and int(announced) > most:
            raise at_fault(Fault(input="body", unit="byte", detail=detail), status=413)
        size = 0

        async def bounded() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > most:
                raise BodyProblem(at_fault(Fault(input="body", unit="byte", detail=detail), status=413))
            return message

        return bounded


def bearer(headers: Headers, server: Server) -> str | None:
    """The token of a request: as programs send it, or the cookie that the page's sign-in left, ``Bearer TOKEN``."""
    given = headers.get("authorization")
    kept = cookie_parser(headers.get("cookie", "")).get(TOKEN_COOKIE)
    # A browser sends a host's cookies to all its ports, to servers without tokens, too.
    return given if given is not None or kept is None or not server.access.needed else f"Bearer {kept}"


def _dress(message: MutableMapping[str, Any], scope: Scope, identity: str, *, close: bool) -> None:
    headers = MutableHeaders(scope=message)
    for name, value in (HEADERS | (API_HEADERS if _is_api(scope["path"]) else {})).items():
        headers.setdefault(name, value)
    headers["X-Request-Id"] = identity
    if close:
        headers["Connection"] = "close"


def _is_api(path: str) -> bool:
    return path.startswith("/v1/") or path in ("/metrics", "/healthz", "/openapi.json")


def _is_guarded(path: str) -> bool:
    return path.startswith(("/v1/", "/page/buffers/", "/page/pictures/", "/page/files/")) or path == "/metrics"


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
