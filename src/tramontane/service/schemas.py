"""What requests and answers have in common in JSON, and what is told of models; OpenAPI is made of these."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(min_length=1, max_length=100)]
Kind = Literal["surrogate", "solver"]
DesignsKind = Literal["surrogate", "solver", "check"]
JobKind = Literal["surrogate", "solver", "check", "training"]
JobState = Literal["queued", "running", "done", "cancelled", "stopped"]
DesignState = Literal["waiting", "done", "failed"]


class Request(BaseModel):
    """A request; what is not known in it is refused."""

    model_config = ConfigDict(extra="forbid")


class ParameterAnswer(BaseModel):
    """An input: ``low`` and ``high`` are in ``unit``."""

    unit: str
    low: float
    high: float
    role: Literal["operating", "geometry", "constant"]


class ChecksAnswer(BaseModel):
    """How many of a model's answers that a solver checked held.

    Attributes:
        checks: Number of designs checked.
        held: Of these, how many had all intervals hold what the solver said.
        qoi: By QoI, how many intervals held, and of how many.
    """

    checks: int = 0
    held: int = 0
    qoi: dict[str, tuple[int, int]] = {}


class ModelAnswer(BaseModel):
    """What is served under a name.

    Attributes:
        name: To ask it by.
        kind: A ``surrogate`` is asked at once, a ``solver`` by a job.
        hash: Of its files; of a solver, of its contract and version.
        architecture: What predicts the fields.
        needs_geometry: Whether it is asked with a geometry; else parameters alone say which design is meant.
        parameters: Inputs, in the units that people use.
        contract: Inputs and outputs in full; numbers are in SI.
        figures: Errors on cases held out, as training left them.
        checks: Of a surrogate, how many of its answers were checked by a solver, and held.
        checked_by: Names of the served solvers that can check it.
    """

    name: str
    kind: Kind
    hash: str
    architecture: str
    needs_geometry: bool
    parameters: dict[str, ParameterAnswer]
    contract: dict[str, Any]
    figures: dict[str, Any]
    checks: ChecksAnswer | None = None
    checked_by: list[str] = []


class ModelsAnswer(BaseModel):
    """All models, and why directories beside them are not served."""

    models: list[ModelAnswer]
    refused: dict[str, str]
