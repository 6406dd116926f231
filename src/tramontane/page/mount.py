"""The pages put on the API's application."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.responses import RedirectResponse
from nicegui import app as pages
from nicegui import ui

from tramontane.page.gate import Gate
from tramontane.page.open_pages import OpenPages
from tramontane.page.pages import (
    compare,
    data,
    downloads,
    evaluation,
    ingest,
    login,
    models,
    predict,
    rank,
    training,
)
from tramontane.page.shell import Shell


def mount(app: FastAPI) -> None:
    """Put the pages under ``/page``, and lead there from ``/``. NiceGUI has one application, so once a process.

    Args:
        app: The API, which is asked for everything.
    """
    # Looking for the server among all objects, NiceGUI touches one of torch's that complains of it in the log.
    warnings.filterwarnings("ignore", message=".*torch.distributed.reduce_op", category=FutureWarning)
    server = app.state.server
    shell = Shell(server)
    pages.add_static_files("/static", Path(__file__).parent / "static")
    open_pages = OpenPages(server)
    open_pages.install()
    pages.add_middleware(Gate, server=server, open_pages=open_pages)
    for part in (models, predict, rank, compare, data, ingest, training, evaluation, login):
        part.register(shell)
    for router in (shell.buffers.router(), shell.pictures.router(), shell.datasets.router(), downloads.router()):
        app.include_router(router)

    @app.get("/", include_in_schema=False)
    def front() -> Any:
        return RedirectResponse("/page/")

    ui.run_with(
        app,
        mount_path="/page",
        title="Tramontane",
        dark=None,
        tailwind=False,
        show_welcome_message=False,
        reconnect_timeout=10.0,
        gzip_middleware_factory=None,
        favicon=Path(__file__).parent / "static/icon.svg",
    )
