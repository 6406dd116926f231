"""Running a server until it is told to stop."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import NoReturn

import uvicorn
from fastapi import FastAPI

from tramontane.errors import TramontaneError
from tramontane.http import logs
from tramontane.http.app import create_app
from tramontane.http.connections import guarded
from tramontane.io.interrupts import heard
from tramontane.service.memory import keep_memory_together
from tramontane.service.settings import LOOPBACK, Settings

_LAST = 2.0  # s, from when the last of the server's parts has stopped


def serve(
    settings: Settings, announce: Callable[[str], None], *, log_level: str = "info",
    extend: Callable[[FastAPI], None] = lambda _: None,
) -> None:  # fmt: skip
    """Serve until SIGINT or SIGTERM; requests that run are finished first, within the settings' ``stop_seconds``.

    Args:
        settings: What is served, where, and its limits.
        announce: Told in one line where the server listens, once it does.
        log_level: What is logged: debug, info, warning or error.
        extend: Adds to the application before it starts, such as pages.

    Raises:
        TramontaneError: The address is taken, or the server cannot start; see `Server`.
    """
    _take_all_files()
    keep_memory_together()
    # How long a thread that computes may keep the event loop waiting, s; cached answers come from there.
    sys.setswitchinterval(0.001)
    logs.configure(log_level)
    app = create_app(settings)
    extend(app)
    listening = _listen(settings)
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    models = len(app.state.server.registry.models)
    announce(f"Serving {models} model{'' if models == 1 else 's'} at http://{shown}:{port} (OpenAPI: /openapi.json)")
    config = uvicorn.Config(
        app, http=guarded(settings), log_config=None, access_log=False, server_header=False, lifespan="on",
        timeout_graceful_shutdown=round(settings.stop_seconds), timeout_keep_alive=round(settings.patience),
        h11_max_incomplete_event_size=64 << 10,
    )  # fmt: skip
    heard()  # only now: libraries that load swallow Ctrl-C, which is then raised again
    # Uvicorn stops in order, then raises the signal again for whoever handled it before: a stop is no failure.
    signal.signal(signal.SIGTERM, lambda *_: None)
    _Server(config).run(sockets=[listening])


class _Server(uvicorn.Server):
    """Uvicorn's, whose process ends once all is kept, whatever still runs in a thread that cannot be ended."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        threading.Thread(target=_end_soon, daemon=True).start()


def _end_soon() -> None:
    time.sleep(_LAST)
    logging.getLogger("tramontane.serve").warning("ended while a prediction went on")
    leave()


def leave() -> NoReturn:
    """End the process once a server has stopped; what large libraries do at an ordinary end takes seconds."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(0)


def _listen(settings: Settings) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=4096)
    except OSError as error:
        hint = "" if settings.host in LOOPBACK else " or another --host"
        raise TramontaneError(
            f"{settings.host}:{settings.port}: cannot be listened on ({error}); give another --port{hint}"
        ) from error


def _take_all_files() -> None:
    """Each connection is an open file, and the usual bound of 1024 is low."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
