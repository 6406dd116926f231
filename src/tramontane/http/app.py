"""The FastAPI application."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import Response

from tramontane import __version__
from tramontane.http import admin_routes, ingest_routes, job_routes, problem_documents, routes, training_routes
from tramontane.http.middleware import Guard
from tramontane.service import metrics
from tramontane.service.server import Server
from tramontane.service.settings import Settings


def create_app(settings: Settings) -> FastAPI:
    """An application that serves what ``settings`` name; its parts stand in ``app.state.server``.

    Raises:
        TramontaneError: The server cannot start; see `Server`.
    """
    server = Server(settings)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await server.start()
        try:
            yield
        finally:
            await server.stop()

    # Its own pages of documentation would load scripts from elsewhere.
    app = FastAPI(
        title="Tramontane", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None,
        description="Surrogates and solvers of this machine. Numbers without a unit are in the model's own.",
    )  # fmt: skip
    app.state.server = server
    problem_documents.install(app)
    for part in (admin_routes, routes, job_routes, training_routes, ingest_routes):
        app.include_router(part.router)
    app.include_router(job_routes.checks_router)
    app.add_middleware(Guard, server=server)

    @app.get("/healthz", tags=["operation"])
    async def healthz() -> dict[str, Any]:
        """Whether the server answers, and how many models it serves."""
        return {"status": "ok", "version": __version__, "models": len(server.registry.models)}

    as_text = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Metrics"}}

    @app.get("/metrics", tags=["operation"], response_class=Response, responses=as_text)  # type: ignore[arg-type]
    async def prometheus() -> Response:
        """What the server counts of itself, for Prometheus."""
        return Response(server.metrics.text(), media_type=metrics.CONTENT_TYPE)

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            app.openapi_schema = problem_documents.say_problem_json(schema)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]
    return app
