"""The routes of ingests."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path

from tramontane.http.problem_documents import openapi_responses
from tramontane.http.routes import CallerOf, ServerOf
from tramontane.service.ingests.schemas import IngestAnswer, IngestRequest, IngestsAnswer

router = APIRouter(prefix="/v1/ingests")
IngestId = Annotated[str, Path(min_length=1, max_length=64, description="An ingest's id")]
_CHANGE = openapi_responses(401, 403, 404, 409, 422, 429, 503)


@router.post("", status_code=202, responses=openapi_responses(400, 401, 403, 409, 413, 422, 429, 503, 507))
async def begin(body: IngestRequest, server: ServerOf, caller: CallerOf) -> IngestAnswer:
    """Look at one of the server's folders of results, or make a dataset of it, in a process beside the server."""
    caller.need("admin")
    return await asyncio.to_thread(server.ingests.begin, body)


@router.get("", responses=openapi_responses(401, 403, 429))
def ingests(server: ServerOf, caller: CallerOf) -> IngestsAnswer:
    """All ingests, and the folders of results that can be chosen."""
    caller.need("admin")
    return server.ingests.every()


@router.get("/{ingest}", responses=openapi_responses(401, 403, 404, 422, 429))
def ingest(ingest: IngestId, server: ServerOf, caller: CallerOf) -> IngestAnswer:
    """One ingest: how far it is, what was found, the contract."""
    caller.need("admin")
    return server.ingests.find(ingest)


@router.post("/{ingest}/cancel", responses=_CHANGE)
async def cancel(ingest: IngestId, server: ServerOf, caller: CallerOf) -> IngestAnswer:
    """End an ingest; no dataset is made."""
    caller.need("admin")
    return await asyncio.to_thread(server.ingests.cancel, ingest)


@router.delete("/{ingest}", status_code=204, responses=_CHANGE)
async def remove(ingest: IngestId, server: ServerOf, caller: CallerOf) -> None:
    """Forget an ingest, also while it runs; a dataset that was made stays."""
    caller.need("admin")
    await asyncio.to_thread(server.ingests.remove, ingest)
