"""What requests and answers look like in JSON; the OpenAPI document is made of these."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tramontane.notice import Code

Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256, hexadecimal")]
Name = Annotated[str, Field(min_length=1, max_length=100)]
Given = Annotated[
    # NaN passes here, to be refused with the unit that is asked.
    Annotated[float, Field(strict=True)] | Annotated[str, Field(min_length=1, max_length=80)],
    Field(description="a number in the unit that the model declares, or a text with a unit of the same dimension",
          examples=["120 km/h"]),
]  # fmt: skip
Kind = Literal["surrogate", "solver"]
JobKind = Literal["surrogate", "solver", "training"]
JobState = Literal["queued", "running", "done", "cancelled", "stopped"]
DesignState = Literal["waiting", "done", "failed"]
Format = Literal["json", "vtp", "vtu", "vtkhdf", "npz", "arrow"]


class Request(BaseModel):
    """A request; what is not known in it is refused."""

    model_config = ConfigDict(extra="forbid")


class DesignRequest(Request):
    """A design: a stored geometry and parameters.

    Attributes:
        geometry: Hash of an uploaded geometry; a solver that builds its own needs none.
        length_unit: Of that geometry, where it is not the model's own.
        parameters: By name.
    """

    geometry: Hash | None = None
    length_unit: Annotated[str, Field(min_length=1, max_length=20)] | None = None
    parameters: dict[Name, Given] = Field(default_factory=dict, max_length=200)


class PredictRequest(DesignRequest):
    """A design, and how it is answered.

    Attributes:
        cells: About how many cells each mesh has that is predicted on.
        domains: Which domains are predicted; all by default. QoIs of others are left out.
        format: A summary as JSON, or one domain as a file.
        fields: Which fields the file holds; all by default.
    """

    cells: int = Field(default=50_000, ge=100, le=2_000_000)
    domains: list[Name] | None = Field(default=None, min_length=1, max_length=20)
    format: Format = "json"
    fields: list[Name] | None = Field(default=None, max_length=100)


class Quantity(BaseModel):
    """A number with its unit, empty where it has none."""

    value: float | None
    unit: str


class QoiValue(Quantity):
    """A quantity of interest; where it is regressed, with the standard deviation that the model states for it."""

    deviation: float | None = None


class FieldSummary(BaseModel):
    """A field's range: lowest and highest value of each component, and of a vector's length."""

    unit: str
    location: Literal["point", "cell"]
    components: int
    low: list[float | None]
    high: list[float | None]
    magnitude: tuple[float | None, float | None] | None


class DomainSummary(BaseModel):
    """A domain's mesh and fields; a ``surface`` can be had as VTP, everything as VTU."""

    mesh: Literal["surface", "volume"]
    points: int
    cells: int
    fields: dict[str, FieldSummary]


class Warned(BaseModel):
    """Something to mind about an answer; see `tramontane.notice.Notice`.

    Attributes:
        code: Its kind: ``range``, ``extent``, ``unit``, ``geometry``, ``blank`` or ``coarse``.
        input: What it is about: ``parameters.load``, ``geometry``, ``domains.volume``.
        detail: In words.
        value: Where a number lies outside the trained range: that number,
        low: the range's ends,
        high: and
        unit: their unit.
        share: How far outside, as a share of the range.
        axis: Of a geometry that is longer or shorter than those trained on: along which axis.
        suggested_unit: In which the input would lie where those trained on do; it is not applied.
        suggested_value: What the input would be in that unit, in ``unit``.
    """

    code: Code
    input: str
    detail: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str | None = None
    share: float | None = None
    axis: Literal["x", "y", "z"] | None = None
    suggested_unit: str | None = None
    suggested_value: float | None = None


class Summary(BaseModel):
    """What was predicted.

    Attributes:
        model: Name of the model or solver.
        model_hash: Which version of it.
        geometry: Hash of the geometry.
        parameters: As understood, in the model's units.
        qoi: Quantities of interest.
        domains: What was predicted where.
        warnings: What to mind.
        seconds: That the simulator took; a cached answer says what it took then.
    """

    model: str
    model_hash: str
    geometry: str | None
    parameters: dict[str, Quantity]
    qoi: dict[str, QoiValue]
    domains: dict[str, DomainSummary]
    warnings: list[Warned]
    seconds: float


class StoredGeometry(BaseModel):
    """A stored geometry.

    Attributes:
        hash: SHA-256 of the uploaded bytes.
        name: What its sender calls it, the newest name where it was sent again; empty where an older server stored it.
        bytes: Their number.
        format: The suffix without its dot.
        metric: Whether the file states its unit (STEP), so that the surface is in metres.
        triangles: Their number.
        points: Their number.
        low: Lowest corner of the bounding box, in metres or in the file's unit.
        high: Highest corner.
        closed: Whether no edge is open.
        warnings: What was noticed.
        created: When it was stored, seconds since 1970.
    """

    hash: str
    name: str = ""
    bytes: int
    format: str
    metric: bool
    triangles: int
    points: int
    low: tuple[float, float, float]
    high: tuple[float, float, float]
    closed: bool
    warnings: list[str]
    created: float


class GeometriesAnswer(BaseModel):
    """Stored geometries, the newest first; ``total`` counts all of them."""

    geometries: list[StoredGeometry]
    total: int


class ParameterAnswer(BaseModel):
    """An input: ``low`` and ``high`` are in ``unit``."""

    unit: str
    low: float
    high: float
    role: Literal["operating", "geometry", "constant"]


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
    """

    name: str
    kind: Kind
    hash: str
    architecture: str
    needs_geometry: bool
    parameters: dict[str, ParameterAnswer]
    contract: dict[str, Any]
    figures: dict[str, Any]


class ModelsAnswer(BaseModel):
    """All models, and why directories beside them are not served."""

    models: list[ModelAnswer]
    refused: dict[str, str]


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
        model: Which model or solver.
        model_hash: Which version of it.
        kind: What that is.
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
    kind: Kind
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


class TokenAnswer(BaseModel):
    """A token, without its secret."""

    id: str
    name: str
    scope: Literal["read", "predict", "admin"]
    rate: int | None
    upload_bytes: int | None
    created: float
    revoked: float | None


class TokensAnswer(BaseModel):
    """All tokens."""

    tokens: list[TokenAnswer]


class DatasetAnswer(BaseModel):
    """A dataset that models can be trained on; ``splits`` counts its cases by split.

    ``assumed_units`` follow from names alone: a training of it is asked for with ``assume_units`` if they are right.
    """

    name: str
    cases: int
    splits: dict[str, int]
    parameters: list[str]
    fields: list[str]
    qoi: list[str]
    assumed_units: dict[str, str]


class DatasetsAnswer(BaseModel):
    """All datasets, and why others that were named to the server cannot be used."""

    datasets: list[DatasetAnswer]
    refused: dict[str, str]


class TrainingRequest(Request):
    """A model to be trained.

    Attributes:
        dataset: Name of one of the server's datasets.
        model: Which kind; ``auto`` chooses by what each leaves of the error on cases left out.
        budget: How long, such as ``10min``. Models without steps take what they need.
        seed: Of every random choice.
        assume_units: Whether units that the dataset has from names alone are right.
    """

    dataset: Name
    model: Name = "auto"
    budget: Annotated[str, Field(min_length=2, max_length=20, examples=["10min"])] = "10min"
    seed: int = Field(default=0, ge=0, le=2**31 - 1)
    assume_units: bool = False


class KeepRequest(Request):
    """Under which name a trained model is served from now on; one of this name is only replaced where that is said."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    replace: bool = False


class Curve(BaseModel):
    """What a network reported while it learnt: at each of ``steps``, a number."""

    network: str
    steps: list[int]
    values: list[float]


class ErrorCurve(BaseModel):
    """A field's error on cases that a network does not learn from: mean absolute in ``unit``, and relative L2."""

    network: str
    field: str
    unit: str
    steps: list[int]
    absolute: list[float]
    relative: list[float]


class CandidateAnswer(BaseModel):
    """What a kind of model leaves of the error (relative) on training cases left out, by field or QoI."""

    name: str
    cases: int
    errors: dict[str, float]


class ComparedAnswer(BaseModel):
    """What kinds of models leave of the error (relative, mean over fields) on the same so many cases, by kind."""

    cases: int
    errors: dict[str, float]


class ChoiceAnswer(BaseModel):
    """Which kind of model a training came to, and why.

    Attributes:
        chosen: The kind.
        fields: Number of fields over which errors are means.
        cases: Number of training cases, each left out once.
        compared: Kinds on cases left out; one that was given up has been asked for some of them only.
        networks: Why networks were tried, or were not.
    """

    chosen: str
    fields: int
    cases: int
    compared: list[ComparedAnswer]
    networks: str = ""


class ProgressAnswer(BaseModel):
    """How far a training is.

    Attributes:
        stage: What goes on: ``starting``, ``reading``, ``registering``, ``kriging``, ``networks``, ``calibrating``,
            ``saving``.
        done: Cases of the stage that are done, where it goes through cases.
        of: Of how many.
        seconds: That it has worked, parts before an interruption included.
        loss: Of each network, thinned.
        errors: Of each network and field.
        candidates: Figures of each kind of model that was tried.
        choice: Which of them it came to and why, once that is known; null of a kind that has none beside it.
    """

    stage: str = "starting"
    done: int | None = None
    of: int | None = None
    seconds: float = 0.0
    loss: list[Curve] = []
    errors: list[ErrorCurve] = []
    candidates: list[CandidateAnswer] = []
    choice: ChoiceAnswer | None = None


class TrainingAnswer(BaseModel):
    """A training.

    Attributes:
        id: To ask for it by.
        dataset: Of the server.
        model: Which kind was asked for.
        budget: Seconds.
        state: ``done`` waits to be kept or thrown away; ``stopped`` can be resumed, for the reason given.
        reason: Of a training that stopped.
        ending: Whether it was asked to end with what it has learnt.
        kept: The name under which its model is served.
        chosen: The kind of model that it came to, once done.
        why: In words, where it chose.
        created: Seconds since 1970.
        progress: How far it is; left out in lists.
    """

    id: str
    dataset: str
    model: str
    budget: float
    state: JobState
    reason: str | None
    ending: bool
    kept: str | None
    chosen: str | None
    why: str | None
    created: float
    progress: ProgressAnswer | None = None


class TrainingsAnswer(BaseModel):
    """Trainings, the newest first, and the kinds of models that can be asked for."""

    trainings: list[TrainingAnswer]
    models: list[str]
