"""The routes of jobs."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from tramontane.formats import read_case
from tramontane.http.pieces_response import PiecesResponse
from tramontane.http.problem_documents import openapi_responses
from tramontane.http.routes import CallerOf, ModelName, ServerOf, file_responses
from tramontane.service.access.caller import Caller
from tramontane.service.jobs.schemas import DesignAnswer, DesignsAnswer, JobAnswer, JobRequest, JobsAnswer
from tramontane.service.predictions import answers, designs
from tramontane.service.predictions.schemas import CheckRequest, Format
from tramontane.service.problems import Fault, at_fault
from tramontane.service.registry import Served
from tramontane.service.server import Server

router = APIRouter(prefix="/v1/jobs")
checks_router = APIRouter(prefix="/v1/models")
JobId = Annotated[str, Path(min_length=1, max_length=64, description="A job's id")]
Index = Annotated[int, Path(ge=0, le=1_000_000, description="A design's place in the job, from 0")]
_READ = openapi_responses(401, 403, 404, 422, 429)
_CHANGE = openapi_responses(401, 403, 404, 409, 422, 429, 507)


@router.post("", status_code=202, responses=openapi_responses(400, 401, 403, 404, 409, 413, 422, 429, 507))
async def submit(body: JobRequest, server: ServerOf, caller: CallerOf) -> JobAnswer:
    """Ask a model, or a solver, for many designs. All are checked first, then answered one after the other."""
    caller.need("predict")
    served = server.find(body.model)
    await asyncio.to_thread(_check, server, served, body)
    job = await asyncio.to_thread(
        server.jobs.submit, caller, kind=served.kind, model=served.name, model_hash=served.hash, designs=body.designs,
        cells=body.cells, domains=body.domains, keep=body.keep or served.kind == "solver",
    )  # fmt: skip
    server.runner.ring()
    return job


@checks_router.post(
    "/{model}/check", status_code=202, responses=openapi_responses(400, 401, 403, 404, 409, 413, 422, 429, 507)
)
async def check(model: ModelName, asked: CheckRequest, server: ServerOf, caller: CallerOf) -> JobAnswer:
    """Have a solver say whether a model's intervals hold for a design: a job of one design, whose answer has both."""
    caller.need("predict")
    job = await asyncio.to_thread(submit_check, server, caller, server.model(model), asked)
    server.runner.ring()
    return job


def submit_check(server: Server, caller: Caller, served: Served, asked: CheckRequest) -> JobAnswer:
    """Make a job of a check; the runner must be rung.

    Raises:
        Problem: As for `Checks.understand`.
    """
    understood = server.checks.understand(server.predictions, served, asked)
    return server.jobs.submit(
        caller, kind="check", model=served.name, model_hash=served.hash, designs=[understood], cells=50_000,
        domains=None, keep=True,
    )  # fmt: skip


@router.get("", responses=openapi_responses(401, 403, 429))
def jobs(server: ServerOf, caller: CallerOf) -> JobsAnswer:
    """The caller's jobs; all of them for a token of scope admin."""
    return JobsAnswer(jobs=server.jobs.every(caller))


@router.get("/{job}", responses=_READ)
def job(job: JobId, server: ServerOf, caller: CallerOf) -> JobAnswer:
    """How far a job is."""
    return server.jobs.find(caller, job)


@router.get("/{job}/designs", responses=_READ)
def designs_of(
    job: JobId, server: ServerOf, caller: CallerOf,
    start: Annotated[int, Query(ge=0, le=1_000_000)] = 0, count: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> DesignsAnswer:  # fmt: skip
    """A job's designs and answers, in order."""
    return DesignsAnswer(designs=server.jobs.designs(caller, job, start=start, count=count))


@router.get(
    "/{job}/designs/{index}", response_model=DesignAnswer,
    responses={**file_responses(), **openapi_responses(401, 403, 404, 409, 422, 429, 503)},
)  # fmt: skip
async def design_of(
    job: JobId, index: Index, server: ServerOf, caller: CallerOf,
    format: Annotated[Format, Query(description="json, or one domain of a kept case as a file")] = "json",
    domain: Annotated[str | None, Query(min_length=1, max_length=100)] = None,
) -> Any:  # fmt: skip
    """One design and its answer, or a domain of its case as a file where cases are kept."""
    row, folder = await asyncio.to_thread(server.jobs.design, caller, job, index)
    if format == "json":
        return row
    if row.summary is None or not folder.is_dir():
        why = f"it is {row.state}" if row.summary is None else "the job does not keep cases; submit it with keep"
        raise at_fault(Fault(input="query.format", detail=f"design {index} has no case: {why}"), status=409)
    summary, domains = row.summary, list(row.summary.domains)
    picked = domain or (domains[0] if len(domains) == 1 else "")
    if picked not in domains:
        raise at_fault(Fault(input="query.domain", detail=f"name one domain of {', '.join(domains)}"))

    pieces = await server.predictions.run(
        lambda: answers.encode(read_case(folder), summary, picked, format)  # fields are found in SI, as they were kept
    )
    name = f'attachment; filename="{row.summary.model}-{index}.{format}"'
    return PiecesResponse(pieces, media_type=answers.MEDIA_TYPES[format], headers={"Content-Disposition": name})


@router.post("/{job}/cancel", responses=_CHANGE)
def cancel(job: JobId, server: ServerOf, caller: CallerOf) -> JobAnswer:
    """Stop a job; what is finished stays."""
    caller.need("predict")
    return server.jobs.cancel(caller, job)


@router.post("/{job}/resume", responses=_CHANGE)
async def resume(
    job: JobId, server: ServerOf, caller: CallerOf,
    retry_failed: Annotated[bool, Query(description="Ask for designs that failed again, too")] = False,
) -> JobAnswer:  # fmt: skip
    """Go on with a job that was cancelled or stopped."""
    caller.need("predict")
    answer = await asyncio.to_thread(server.jobs.resume, caller, job, retry_failed=retry_failed)
    server.runner.ring()
    return answer


@router.delete("/{job}", status_code=204, responses=_CHANGE)
def remove(job: JobId, server: ServerOf, caller: CallerOf) -> None:
    """Forget a job that does not run, with its cases."""
    caller.need("predict")
    server.jobs.remove(caller, job)


def _check(server: Server, served: Any, body: JobRequest) -> None:
    if len(body.designs) > server.settings.designs:
        raise at_fault(Fault(input="designs", detail=f"{len(body.designs)} designs are over the most in one job, "
                             f"{server.settings.designs}"), status=413)  # fmt: skip
    for index, design in enumerate(body.designs):
        prefix = f"designs.{index}."
        if isinstance(served, Served):
            server.predictions.understand(served, design, cells=body.cells, domains=body.domains, prefix=prefix)
        else:
            designs.understand(served.contract, design, geometry=False, prefix=prefix)
