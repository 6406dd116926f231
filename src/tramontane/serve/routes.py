"""The routes of models, geometries and predictions."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import Response

from tramontane.serve import answers
from tramontane.serve.problems import Fault, at_fault, openapi_responses
from tramontane.serve.registry import Served
from tramontane.serve.schemas import (
    Hash,
    ModelAnswer,
    ModelsAnswer,
    ParameterAnswer,
    PredictRequest,
    StoredGeometry,
    Summary,
)
from tramontane.serve.server import Server
from tramontane.units import from_si

router = APIRouter(prefix="/v1")


def server_of(request: Request) -> Server:
    """The server behind an application."""
    return request.app.state.server  # type: ignore[no-any-return]


ServerOf = Annotated[Server, Depends(server_of)]
ModelName = Annotated[str, Path(min_length=1, max_length=100, description="A model's name")]


@router.get("/models", responses=openapi_responses(401, 403, 429))
async def models(server: ServerOf) -> ModelsAnswer:
    """All models, with their contracts and figures, and why directories beside them are not served."""
    return ModelsAnswer(
        models=[describe(served) for served in server.registry.models.values()], refused=server.registry.refused
    )


@router.get("/models/{model}", responses=openapi_responses(401, 403, 404, 422, 429))
async def model(model: ModelName, server: ServerOf) -> ModelAnswer:
    """One model."""
    return describe(server.model(model))


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
    name: Annotated[str, Query(min_length=1, max_length=200, description="Its suffix says the format: part.stl")],
) -> StoredGeometry:
    """Store a geometry (STL, OBJ, PLY or STEP, the file's bytes as the body); ask with its hash from then on."""
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding != "identity":
        raise at_fault(
            Fault(input="header.content-encoding", detail=f"{encoding!r} is not unpacked here; send the plain file"),
            status=415,
        )
    announced = request.headers.get("content-length", "")
    stored, new = await server.geometries.receive(
        request.stream(), name=name, announced=int(announced) if announced.isdigit() else None
    )
    response.status_code = 201 if new else 200
    return stored


@router.get("/geometries/{geometry}", responses=openapi_responses(401, 403, 404, 422, 429))
def geometry(geometry: Annotated[Hash, Path()], server: ServerOf) -> StoredGeometry:
    """What is known of a stored geometry."""
    return server.geometries.find(geometry)


@router.post(
    "/models/{model}/predict",
    response_model=Summary,
    responses={
        200: {
            "description": "A summary, or one domain as a file",
            "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in
                        sorted(set(answers.MEDIA_TYPES.values()))},
        },
        **openapi_responses(400, 401, 403, 404, 409, 413, 422, 429, 503, 507),
    },
)  # fmt: skip
async def predict(model: ModelName, asked: PredictRequest, server: ServerOf) -> Any:
    """Predict a design: a stored geometry and parameters. Answers from the cache say so in ``Tramontane-Cache``."""
    question = server.predictions.understand(server.model(model), asked, cells=asked.cells, domains=asked.domains)
    prediction, cached = await server.predictions.ask(question)
    if asked.format == "json":
        content, kind = prediction.summary.model_dump_json().encode(), "application/json"
    else:
        content, cached = await server.predictions.file(prediction, asked)
        kind = answers.MEDIA_TYPES[asked.format]
    headers = {"Tramontane-Cache": "hit" if cached else "miss", "Tramontane-Model": question.served.hash}
    if asked.format != "json":
        headers["Content-Disposition"] = f'attachment; filename="{question.served.name}.{asked.format}"'
    return Response(content, media_type=kind, headers=headers)


def describe(served: Served) -> ModelAnswer:
    """A model as clients see it."""
    surrogate = served.surrogate
    return ModelAnswer(
        name=served.name,
        kind="surrogate",
        hash=served.hash,
        architecture=surrogate.model,
        parameters={
            name: ParameterAnswer(unit=spec.unit, low=from_si(spec.low, spec.unit), high=from_si(spec.high, spec.unit),
                                  role=spec.role)
            for name, spec in surrogate.contract.parameters.items()
        },
        contract=surrogate.contract.model_dump(mode="json"),
        figures=surrogate.record["figures"],
    )  # fmt: skip
