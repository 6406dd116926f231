"""Pages that are open in browsers, whose sign-in may end meanwhile: then they do nothing any more, and are closed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

from nicegui import Client, core
from nicegui import app as pages

from tramontane.service.problems import Problem
from tramontane.service.server import Server
from tramontane.service.turns import asker

_LOOK_EVERY = 0.5  # s; with the age of what is known of tokens, less than the two seconds that are promised
_MOMENT = 1000  # ms in which the page that signs out goes to the next one, which reloading it would hinder
_log = logging.getLogger("tramontane.serve")


class OpenPages:
    """Looks at the sign-in behind every open page, twice a second and before each action.

    A page's socket carries no token: it is known by the page that it was opened from, whose request left its
    authorization in its scope (see `Gate`). Pages that need no sign-in, as that for signing in, have none.

    Args:
        server: Whose tokens count.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self._ended: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    def install(self) -> None:
        """Begin once the pages' application starts."""
        handlers = core.sio.handlers["/"]
        for name in ("event", "javascript_response"):
            handlers[name] = self._guarded(handlers[name])
        pages.on_startup(self._start)
        pages.on_shutdown(self._stop)

    def leave(self, scope: Any) -> None:
        """Somebody signs out: all that they have open in this browser ends.

        Args:
            scope: Of the request.
        """
        of = _browser(scope)
        for client in list(Client.instances.values()):
            if (theirs := _scope(client)) is not None and _browser(theirs) == of:
                self._end(client, after_ms=_MOMENT)

    async def look(self) -> None:
        """Close the pages whose sign-in has ended."""
        by_authorization: dict[str | None, list[Client]] = {}
        for client in list(Client.instances.values()):
            if (scope := _scope(client)) is not None:
                by_authorization.setdefault(scope["authorization"], []).append(client)
        for authorization, clients in by_authorization.items():
            try:
                await self.server.access.verify(authorization)
            except Problem as problem:
                if problem.status_code in (401, 403):
                    for client in clients:
                        self._end(client)

    def _guarded(self, handler: Any) -> Any:
        """A handler of the socket's messages that is called for those alone who are still signed in."""

        def guarded(sid: str, message: Any) -> None:
            client = Client.instances.get(message["client_id"])
            scope = None if client is None else _scope(client)
            if client is None or (scope is not None and not self.server.access.holds(scope["authorization"])):
                if client is not None:
                    self._end(client)
                return
            asker.set(client.id)
            handler(sid, message)

        return guarded

    def _end(self, client: Client, *, after_ms: int = 0) -> None:
        if client.id in self._ended or client.id not in Client.instances:
            return
        self._ended.add(client.id)
        room = [sid for sid, _ in core.sio.manager.get_participants("/", client.id)]
        client.delete()  # from here on, nothing that the socket says reaches the page
        task = asyncio.ensure_future(self._close(client.id, room, after_ms))
        task.add_done_callback(lambda _: self._ended.discard(client.id))

    async def _close(self, room: str, sockets: list[str], after_ms: int) -> None:
        with contextlib.suppress(Exception):  # a browser that has gone
            again = f"setTimeout(() => location.reload(), {after_ms})"
            await core.sio.emit("run_javascript", {"code": again}, room=room)
            for sid in sockets:
                await core.sio.disconnect(sid)

    def _start(self) -> None:
        self._task = asyncio.create_task(self._watch())

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            try:
                await self.look()
            except Exception as error:  # a database that is away: what is known of tokens stands
                _log.error("open pages cannot be looked at", exc_info=error)
                await asyncio.sleep(2.0)


def _scope(client: Client) -> Any:
    """The scope of the request that opened a page; None where no sign-in is asked for it."""
    try:
        scope = client.request.scope
    except RuntimeError:  # none of a browser
        return None
    return scope if "authorization" in scope else None


def _browser(scope: Any) -> tuple[Any, ...]:
    """What tells the browsers of one token apart: where they are, and what they say they are."""
    agent = dict(scope["headers"]).get(b"user-agent")
    return scope["authorization"], (scope.get("client") or [""])[0], agent
