"""The routes of models, geometries and predictions."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import Response

from tramontane.contract import Contract
from tramontane.http.pieces_response import PiecesResponse
from tramontane.http.problem_documents import openapi_responses
from tramontane.service.access.caller import Caller
from tramontane.service.geometries.schemas import GeometriesAnswer, StoredGeometry
from tramontane.service.jobs.checks import Checks
from tramontane.service.predictions import answers
from tramontane.service.predictions.schemas import Hash, PredictRequest, Summary
from tramontane.service.problems import Fault, Problem, at_fault
from tramontane.service.registry import Served, Solver
from tramontane.service.schemas import ModelAnswer, ModelsAnswer, ParameterAnswer
from tramontane.service.server import Server
from tramontane.units import from_si

router = APIRouter(prefix="/v1")
Result = TypeVar("Result")


# No work is done in these two; were they not asynchronous, each would be given to a thread and waited for.
async def server_of(request: Request) -> Server:
    """The server behind an application."""
    return request.app.state.server  # type: ignore[no-any-return]


async def caller_of(request: Request) -> Caller:
    """Who asks, as the gate found."""
    return request.scope["caller"]  # type: ignore[no-any-return]


def file_responses() -> dict[int | str, dict[str, Any]]:
    """What a route's document says of answers that may be files."""
    kinds = sorted(set(answers.MEDIA_TYPES.values()))
    return {
        200: {
            "description": "A summary, or one domain as a file",
            "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in kinds},
        }
    }


CallerOf = Annotated[Caller, Depends(caller_of)]
ServerOf = Annotated[Server, Depends(server_of)]
ModelName = Annotated[str, Path(min_length=1, max_length=100, description="A model's name")]


@router.get("/models", responses=openapi_responses(401, 403, 429))
async def models(server: ServerOf) -> ModelsAnswer:
    """All models, with their contracts and figures, and why directories beside them are not served."""
    return all_models(server)


@router.get("/models/{model}", responses=openapi_responses(401, 403, 404, 422, 429))
async def model(model: ModelName, server: ServerOf) -> ModelAnswer:
    """One model."""
    return describe(server.find(model), server.checks)


@router.post(
    "/geometries",
    status_code=201,
    responses={
        200: {"model": StoredGeometry, "description": "The geometry was there already"},
        **openapi_responses(400, 401, 403, 413, 415, 422, 429, 507),
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def upload(
    request: Request,
    response: Response,
    server: ServerOf,
    caller: CallerOf,
    name: Annotated[str, Query(min_length=1, max_length=200, description="Its suffix says the format: part.stl")],
) -> StoredGeometry:
    """Store a geometry (STL, OBJ, PLY or STEP, the file's bytes as the body); ask with its hash from then on."""
    caller.need("predict")
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding != "identity":
        raise at_fault(
            Fault(input="header.content-encoding", detail=f"{encoding!r} is not unpacked here; send the plain file"),
            status=415,
        )
    announced = request.headers.get("content-length", "")
    stored, new = await server.geometries.receive(
        request.stream(),
        name=name,
        announced=int(announced) if announced.isdigit() else None,
        limit=caller.upload_bytes,
    )
    response.status_code = 201 if new else 200
    return stored


@router.get("/geometries/{geometry}", responses=openapi_responses(401, 403, 404, 422, 429))
def geometry(geometry: Annotated[Hash, Path()], server: ServerOf) -> StoredGeometry:
    """What is known of a stored geometry."""
    return server.geometries.find(geometry)


@router.get("/geometries", responses=openapi_responses(401, 403, 422, 429))
def geometries(
    server: ServerOf, caller: CallerOf,
    start: Annotated[int, Query(ge=0, le=1_000_000)] = 0, count: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> GeometriesAnswer:  # fmt: skip
    """Stored geometries, the newest first."""
    caller.need("predict")
    geometries, total = server.geometries.every(start=start, count=count)
    return GeometriesAnswer(geometries=geometries, total=total)


@router.delete(
    "/geometries/{geometry}", status_code=204, responses=openapi_responses(401, 403, 404, 409, 422, 429)
)  # fmt: skip
def remove_geometry(geometry: Annotated[Hash, Path()], server: ServerOf, caller: CallerOf) -> None:
    """Forget a geometry, for everybody; not while a job has yet to ask for it."""
    caller.need("admin")
    server.geometries.find(geometry)
    if (job := server.jobs.asking_for(geometry)) is not None:
        detail = f"job {job} has yet to ask for geometry {geometry}; cancel it, or wait until it is done"
        raise at_fault(Fault(input="path.geometry", detail=detail), status=409)
    server.geometries.remove(geometry)


@router.post(
    "/models/{model}/predict",
    response_model=Summary,
    responses={**file_responses(), **openapi_responses(400, 401, 403, 404, 409, 413, 422, 429, 503, 507)},
)  # fmt: skip
async def predict(
    model: ModelName, body: PredictRequest, request: Request, server: ServerOf, caller: CallerOf
) -> Any:  # fmt: skip
    """Predict a design: a stored geometry and parameters. Answers from the cache say so in ``Tramontane-Cache``."""
    caller.need("predict")
    question = server.predictions.understand(
        server.model(model), body, cells=body.cells, domains=body.domains, level=body.level
    )

    def headers(cached: bool) -> dict[str, str]:
        return {"Tramontane-Cache": "hit" if cached else "miss", "Tramontane-Model": question.served.hash}

    if body.format == "json":
        prediction, cached = await while_asked(request, server.predictions.ask(question))
        return Response(prediction.summary.model_dump_json(), media_type="application/json", headers=headers(cached))
    pieces, cached = await while_asked(
        request, server.predictions.file(question, body.format, body.fields, bounds=body.bounds)
    )
    named = {"Content-Disposition": f'attachment; filename="{question.served.name}.{body.format}"'}
    return PiecesResponse(pieces, media_type=answers.MEDIA_TYPES[body.format], headers=headers(cached) | named)


async def while_asked(request: Request, answer: Coroutine[Any, Any, Result]) -> Result:
    """An answer, as long as the client that asks for it is there; when it goes, so does the question.

    Raises:
        Problem: The client has gone; nobody reads this.
    """
    wanted = asyncio.ensure_future(answer)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({wanted, gone}, return_when=asyncio.FIRST_COMPLETED)
        if wanted.done():
            return wanted.result()
        raise Problem(503, "the client has gone", retry_after=1)
    finally:
        for task in (wanted, gone):
            task.cancel()


async def _gone(request: Request) -> None:
    """Wait until a client has closed its connection; its body was read before."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def all_models(server: Server) -> ModelsAnswer:
    """Everything that is served."""
    simulators: list[Served | Solver] = [*server.registry.models.values(), *server.solvers.values()]
    return ModelsAnswer(models=[describe(each, server.checks) for each in simulators], refused=server.registry.refused)


def describe(served: Served | Solver, checks: Checks) -> ModelAnswer:
    """A model or solver as clients see it."""
    surrogate = served.surrogate if isinstance(served, Served) else None
    return ModelAnswer(
        name=served.name,
        kind=served.kind,
        hash=served.hash,
        architecture=served.name if surrogate is None else surrogate.model,
        needs_geometry=surrogate is not None and surrogate.needs_geometry,
        parameters=parameters_answer(served.contract),
        contract=served.contract.model_dump(mode="json"),
        figures={} if surrogate is None else surrogate.record.figures.document(),
        checks=checks.tally(served) if isinstance(served, Served) else None,
        checked_by=[solver.name for solver in checks.solvers_of(served)] if isinstance(served, Served) else [],
    )  # fmt: skip


def parameters_answer(contract: Contract) -> dict[str, ParameterAnswer]:
    """Inputs in the units that people use."""
    return {
        name: ParameterAnswer(unit=spec.unit, low=from_si(spec.low, spec.unit), high=from_si(spec.high, spec.unit),
                              role=spec.role)
        for name, spec in contract.parameters.items()
    }  # fmt: skip
