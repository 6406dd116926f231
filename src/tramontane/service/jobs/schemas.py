"""What requests for jobs and their answers look like in JSON."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from tramontane.service.predictions.schemas import DesignRequest, Summary
from tramontane.service.schemas import DesignsKind, DesignState, JobState, Name, Request


class JobRequest(Request):
    """Many designs for one model or solver.

    Attributes:
        model: Which.
        designs: What is asked.
        cells: As for a prediction; solvers mesh as they do.
        domains: As for a prediction.
        keep: Whether whole cases are kept to be had as files. A solver's always are; a prediction can be asked again.
    """

    model: Name
    designs: list[DesignRequest] = Field(min_length=1, max_length=10_000)
    cells: int = Field(default=50_000, ge=100, le=2_000_000)
    domains: list[Name] | None = Field(default=None, min_length=1, max_length=20)
    keep: bool = False


class JobAnswer(BaseModel):
    """A job and how far it is.

    Attributes:
        id: To ask for it by.
        model: Which model or solver; of a check, the model.
        model_hash: Which version of it.
        kind: What is asked: a ``surrogate``, a ``solver``, or both, which is a ``check``.
        state: ``stopped`` says that it cannot go on for the reason given, until it is resumed.
        reason: Of a job that stopped.
        total: Number of designs; each is one of the next three.
        done: Answered.
        failed: Which the model or solver refused.
        waiting: Still to come.
        keep: Whether whole cases are kept.
        created: Seconds since 1970.
    """

    id: str
    model: str
    model_hash: str
    kind: DesignsKind
    state: JobState
    reason: str | None
    total: int
    done: int
    failed: int
    waiting: int
    keep: bool
    created: float


class JobsAnswer(BaseModel):
    """Jobs, the newest first."""

    jobs: list[JobAnswer]


class DesignAnswer(BaseModel):
    """A design of a job, and what became of it."""

    index: int
    geometry: str | None
    length_unit: str | None = None
    parameters: dict[str, Any]
    state: DesignState
    summary: Summary | None
    reason: str | None


class DesignsAnswer(BaseModel):
    """Designs of a job, in order."""

    designs: list[DesignAnswer]
