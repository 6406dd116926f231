"""Connections that cost nothing for long: those that keep silent, trickle or stop reading are dropped."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol

from tramontane.service.settings import Settings


def guarded(settings: Settings) -> type[H11Protocol]:
    """Uvicorn's protocol with bounds on what a client may do with its connection.

    Args:
        settings: ``connections`` and ``patience`` count.
    """
    return type("Guarded", (_Guarded,), {"limit": settings.connections, "patience": settings.patience})


class _Uncopied(h11.Connection):
    """Gives a body's buffers back as they are, to be written to the socket without a copy."""

    def send(self, event: Any) -> Any:
        parts = self.send_with_data_passthrough(event)
        return parts if parts is None else parts[0] if len(parts) == 1 else b"".join(parts)


class _Guarded(H11Protocol):
    limit: int
    patience: float

    def __init__(self, config: Config, *given: Any, **more: Any) -> None:
        super().__init__(config, *given, **more)
        self.conn = _Uncopied(h11.SERVER, config.h11_max_incomplete_event_size or (16 << 10))

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        now = self.loop.time()
        self.heard, self.idle_since = now, now
        self.stuck_since: float | None = None
        self.timer = self.loop.call_later(self.patience, self._look)
        if len(self.connections) > self.limit:
            # A twentieth at once: each look at all of them takes a while.
            others: list[Any] = [each for each in self.connections if isinstance(each, _Guarded) and not each.busy]
            others.sort(key=lambda each: each.idle_since)
            for each in others[: max(1, self.limit // 20)]:
                each.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.timer.cancel()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: Any) -> None:
        self.timer.cancel()
        super().handle_websocket_upgrade(event)

    def data_received(self, data: bytes) -> None:
        self.heard = self.loop.time()
        super().data_received(data)

    def on_response_complete(self) -> None:
        self.idle_since = self.loop.time()
        super().on_response_complete()

    def pause_writing(self) -> None:
        self.stuck_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        self.stuck_since = None
        super().resume_writing()

    @property
    def busy(self) -> bool:
        """Whether a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def _look(self) -> None:
        now = self.loop.time()
        stuck = self.stuck_since is not None and now - self.stuck_since > self.patience
        silent = self.busy and self.cycle.more_body and not self.flow.read_paused and now - self.heard > self.patience
        idle = not self.busy and now - self.idle_since > self.patience
        if stuck or silent or idle:
            self.transport.abort()
        else:
            self.timer = self.loop.call_later(self.patience / 4, self._look)
