"""What a client is told when something is wrong: problem documents of RFC 9457 that name the input at fault."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from tramontane.errors import TramontaneError
from tramontane.service.problems import Fault, Problem, at_fault, of_error

_log = logging.getLogger("tramontane.serve")
MEDIA_TYPE = "application/problem+json"
_ALTERNATIVES = ("float", "constrained-str")  # pydantic's names for the two ways to give a parameter
_TITLES = {
    400: "The request cannot be read",
    401: "A token is needed",
    403: "The token does not allow this",
    404: "There is no such thing here",
    405: "This cannot be done here",
    409: "This does not fit the state of things",
    413: "Too large",
    415: "Not of a kind that is read here",
    422: "An input is at fault",
    429: "Too many requests",
    500: "The server failed",
    503: "The server is busy",
    507: "The server has no room left",
}


class ProblemDocument(BaseModel):
    """A problem document (RFC 9457).

    Attributes:
        type: A name of this kind of problem that does not change.
        title: The kind in words.
        status: The HTTP status.
        detail: What happened, and what to do.
        errors: The inputs at fault.
    """

    type: str
    title: str
    status: int
    detail: str
    errors: list[Fault] = []


class BodyProblem(HTTPException):
    """A problem met while the framework reads a body: of any other error it makes one of its own.

    Args:
        problem: What is wrong.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.status_code, problem.detail)
        self.faults = problem.faults


def respond(error: Problem | HTTPException) -> Response:
    """The document of an error, as a response."""
    document = ProblemDocument(
        type=f"urn:tramontane:problem:{error.status_code}",
        title=_TITLES.get(error.status_code, "The request was not answered"),
        status=error.status_code,
        detail=str(error.detail),
        errors=getattr(error, "faults", []),
    )
    return Response(
        document.model_dump_json(), status_code=error.status_code, media_type=MEDIA_TYPE, headers=_headers(error)
    )


def _headers(error: Problem | HTTPException) -> Mapping[str, str] | None:
    if isinstance(error, HTTPException):
        return error.headers
    headers = {} if error.retry_after is None else {"Retry-After": str(max(1, round(error.retry_after)))}
    if error.status_code == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return headers


def install(app: FastAPI) -> None:
    """Answer every error of an application with a problem document."""
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(Problem, _of_problem)
    app.add_exception_handler(RequestValidationError, _of_validation)
    for kind in (TramontaneError, OSError, SQLAlchemyError, Exception):
        app.add_exception_handler(kind, _of_anything)


async def _of_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    response = respond(error)
    route = request.scope.get("route")
    if error.status_code == 405 and route is not None:
        # A path with a route for each method: Starlette names the methods of the first.
        methods = request.app.openapi()["paths"].get(route.path, {})
        response.headers["Allow"] = ", ".join(sorted(method.upper() for method in methods))
    return response


async def _of_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return respond(error)


async def _of_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults: dict[str, Fault] = {}
    for detail in error.errors():
        place = [str(part) for part in detail["loc"]]
        if detail["type"] == "json_invalid":
            return respond(at_fault(
                Fault(input="body", detail=f"the body is not JSON ({detail['ctx']['error']} at {detail['loc'][-1]})"),
                status=400,
            ))  # fmt: skip
        words = detail["msg"]
        if detail["type"] == "extra_forbidden":
            words = f"is not known here; known are {', '.join(_known_keys(request, place[1:-1]))}"
        if place[-1] == "geometry" and detail["type"] == "string_pattern_mismatch":
            words = "is no hash of a stored geometry; send the file to /v1/geometries and give the hash it answers with"
        if len(place) > 2 and place[-1] in _ALTERNATIVES:
            place, words = place[:-1], "give a number, or a text of at most 80 characters such as '120 km/h'"
        name = ".".join(place[1:] if place[0] == "body" and len(place) > 1 else place)[:200]
        faults.setdefault(name, Fault(input=name, detail=f"{name}: {words}"))
    return respond(at_fault(*list(faults.values())[:20]))


def _known_keys(request: Request, place: Sequence[str]) -> list[str]:
    """The keys of an object in a route's body, by the way that leads to it."""
    kind: Any = request.scope["route"].body_field.field_info.annotation
    for part in place:
        is_model = isinstance(kind, type) and issubclass(kind, BaseModel)
        kind = kind.model_fields[part].annotation if is_model else get_args(kind)[0]
    return list(kind.model_fields)


async def _of_anything(request: Request, error: Exception) -> Response:
    problem = of_error(error, request.scope.get("request_id", ""))
    if problem.status_code >= 500:
        _log.error("request failed", exc_info=error, extra={"id": request.scope.get("request_id", "")})
    return respond(problem)


def openapi_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route's document says of its errors."""
    return {status: {"model": ProblemDocument, "description": _TITLES[status]} for status in statuses}


def say_problem_json(document: dict[str, Any]) -> dict[str, Any]:
    """An OpenAPI document in which every error has the media type of a problem; FastAPI knows one type a route."""
    for path in document.get("paths", {}).values():
        for operation in path.values():
            for status, response in operation.get("responses", {}).items():
                if status[0] in "45" and "application/json" in response.get("content", {}):
                    response["content"] = {MEDIA_TYPE: response["content"]["application/json"]}
    return json.loads(json.dumps(document))  # type: ignore[no-any-return]
