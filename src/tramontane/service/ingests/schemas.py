"""What the routes of ingests take and give."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from tramontane.service.schemas import Name, Request

IngestState = Literal["running", "done", "failed", "cancelled", "stopped"]
Stage = Literal["starting", "reading", "writing", "done"]


class IngestRequest(Request):
    """A folder of results to be looked at, or to become a dataset.

    Attributes:
        results: Name of one of the server's folders of results.
        name: Of the dataset that it becomes; none only looks: what is wrong with the cases, and their contract.
        contract: What is read and in which units, as TOML; none takes the folder's own, or infers one.
        test: Cases held out for evaluation; none takes the layout's own, else about 18 %.
        validation: Cases held out to watch training; none takes the layout's own, else about 10 %.
    """

    results: Name
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")] | None = None
    contract: Annotated[str, Field(min_length=1, max_length=1_000_000)] | None = None
    test: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    validation: Annotated[int, Field(ge=0, le=1_000_000)] | None = None


class Finding(BaseModel):
    """Something that looks wrong: an ``error`` keeps its case out, a ``warning`` does not."""

    severity: Literal["error", "warning"]
    case: str
    detail: str


class IngestOutcome(BaseModel):
    """What came of it.

    Attributes:
        reason: Why it failed; none where it did not.
        cases: How many can be used, or were written.
        left_out: Why each of the others is not.
        findings: What looks wrong, as far as it was only looked at; warnings first.
        contract: Of the cases, as TOML.
    """

    reason: str | None = None
    cases: int = 0
    left_out: dict[str, str] = {}
    findings: list[Finding] = []
    contract: str | None = None


class IngestAnswer(BaseModel):
    """A folder that is looked at or ingested, and how far that is.

    Attributes:
        id: To ask for it by.
        results: Name of the folder.
        name: Of the dataset; none where it is only looked at.
        state: ``stopped`` says that the server ended meanwhile.
        stage: What is done just now.
        done: Cases that are read.
        count: Cases that there are.
        outcome: What came of it; only in the answer about one.
        created: Seconds since 1970.
    """

    id: str
    results: str
    name: str | None
    state: IngestState
    stage: Stage = "starting"
    done: int = 0
    count: int = 0
    outcome: IngestOutcome | None = None
    created: float


class IngestsAnswer(BaseModel):
    """Ingests, the newest first, and the names of the folders of results that can be chosen."""

    ingests: list[IngestAnswer]
    results: list[str]
