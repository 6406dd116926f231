"""The routes of datasets and trainings."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path

from tramontane.http.problem_documents import openapi_responses
from tramontane.http.routes import CallerOf, ServerOf
from tramontane.service.trainings.schemas import (
    DatasetsAnswer,
    KeepRequest,
    TrainingAnswer,
    TrainingRequest,
    TrainingsAnswer,
)

router = APIRouter(prefix="/v1")
TrainingId = Annotated[str, Path(min_length=1, max_length=64, description="A training's id")]
_CHANGE = openapi_responses(401, 403, 404, 409, 422, 429, 503, 507)


@router.get("/datasets", responses=openapi_responses(401, 403, 429))
def datasets(server: ServerOf) -> DatasetsAnswer:
    """The datasets that the server was started with, by name."""
    return server.trainings.datasets()


@router.post("/trainings", status_code=202, responses=openapi_responses(400, 401, 403, 409, 413, 422, 429, 503, 507))
def begin(body: TrainingRequest, server: ServerOf, caller: CallerOf) -> TrainingAnswer:
    """Train a model on one of the server's datasets, in a process beside it; one training is done at a time."""
    caller.need("admin")
    return server.trainings.begin(caller, body)


@router.get("/trainings", responses=openapi_responses(401, 403, 429))
def trainings(server: ServerOf, caller: CallerOf) -> TrainingsAnswer:
    """All trainings, and the kinds of models that can be asked for."""
    caller.need("admin")
    return server.trainings.every()


@router.get("/trainings/{training}", responses=openapi_responses(401, 403, 404, 422, 429))
def training(training: TrainingId, server: ServerOf, caller: CallerOf) -> TrainingAnswer:
    """One training, with its curves and figures so far."""
    caller.need("admin")
    return server.trainings.find(training)


@router.post("/trainings/{training}/end", responses=_CHANGE)
def end(training: TrainingId, server: ServerOf, caller: CallerOf) -> TrainingAnswer:
    """End a training soon, with what it has learnt; its model can then be kept."""
    caller.need("admin")
    return server.trainings.end(training)


@router.post("/trainings/{training}/resume", responses=_CHANGE)
def resume(training: TrainingId, server: ServerOf, caller: CallerOf) -> TrainingAnswer:
    """Go on with a training that stopped, from its last checkpoint."""
    caller.need("admin")
    return server.trainings.resume(training)


@router.post("/trainings/{training}/keep", responses=openapi_responses(400, 401, 403, 404, 409, 413, 422, 429, 507))
async def keep(training: TrainingId, body: KeepRequest, server: ServerOf, caller: CallerOf) -> TrainingAnswer:
    """Serve a finished training's model under a name."""
    caller.need("admin")
    return await asyncio.to_thread(server.trainings.keep, training, body.name, replace=body.replace)


@router.delete("/trainings/{training}", status_code=204, responses=_CHANGE)
def remove(training: TrainingId, server: ServerOf, caller: CallerOf) -> None:
    """Throw a training away, also while it runs; a model that was kept stays."""
    caller.need("admin")
    server.trainings.remove(training)
