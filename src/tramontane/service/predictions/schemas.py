"""What requests for a prediction and its answers look like in JSON."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from tramontane.interval import HIGHEST_LEVEL, LEVEL, LOWEST_LEVEL
from tramontane.notice import Code
from tramontane.service.schemas import Name, Request

Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256, hexadecimal")]
Given = Annotated[
    # NaN passes here, to be refused with the unit that is asked.
    Annotated[float, Field(strict=True)] | Annotated[str, Field(min_length=1, max_length=80)],
    Field(description="a number in the unit that the model declares, or a text with a unit of the same dimension",
          examples=["120 km/h"]),
]  # fmt: skip
Format = Literal["json", "vtp", "vtu", "vtkhdf", "npz", "arrow"]


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
        level: The probability with which intervals hold the truth of an unseen case.
        bounds: Whether a file holds the bounds of each field that has an interval, too: ``pressure_lower`` and
            ``pressure_upper``.
    """

    cells: int = Field(default=50_000, ge=100, le=2_000_000)
    domains: list[Name] | None = Field(default=None, min_length=1, max_length=20)
    format: Format = "json"
    fields: list[Name] | None = Field(default=None, max_length=100)
    level: float = Field(default=LEVEL, ge=LOWEST_LEVEL, le=HIGHEST_LEVEL)
    bounds: bool = False


class CheckRequest(DesignRequest):
    """A design of which a solver is to say whether the model's intervals hold.

    Attributes:
        solver: Name of a served solver; by default one whose contract agrees with the model's. Its parameters are
            asked, too; where the model needs a geometry and none is given, the solver makes it of them.
        level: The probability of the intervals.
    """

    solver: Name | None = None
    level: float = Field(default=LEVEL, ge=LOWEST_LEVEL, le=HIGHEST_LEVEL)


class Quantity(BaseModel):
    """A number with its unit, empty where it has none."""

    value: float | None
    unit: str


class QoiValue(Quantity):
    """A quantity of interest.

    Attributes:
        deviation: Where it is regressed, the standard deviation that the model states for it.
        low: Lower bound of its interval, where there is one; ``level`` of the summary is its probability.
        high: Upper bound.
        assumed: Whether the interval rests on normally distributed errors, as too few cases were left out.
    """

    deviation: float | None = None
    low: float | None = None
    high: float | None = None
    assumed: bool = False


class FieldIntervalSummary(BaseModel):
    """How wide a field's interval is, to either side of it.

    Attributes:
        median: Half of its width, the median over places and components.
        largest: The largest.
        band: Times a half width: within that, nearly all points of such a share of unseen cases lie; null where too few
            cases are known.
        cases: From how many cases left out that is known; below 9, at 90 %, take it as a rough guide.
    """

    median: float | None
    largest: float | None
    band: float | None
    cases: int = 0


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


class VerdictAnswer(BaseModel):
    """Whether a design lies where errors and intervals are known to hold; see `tramontane.verdict.Verdict`."""

    domain: Literal["inside", "edge", "outside"]
    score: float
    reasons: list[Warned] = []


class FieldSummary(BaseModel):
    """A field's range: lowest and highest value of each component, and of a vector's length."""

    unit: str
    location: Literal["point", "cell"]
    components: int
    low: list[float | None]
    high: list[float | None]
    magnitude: tuple[float | None, float | None] | None
    interval: FieldIntervalSummary | None = None


class DomainSummary(BaseModel):
    """A domain's mesh and fields; a ``surface`` can be had as VTP, everything as VTU."""

    mesh: Literal["surface", "volume"]
    points: int
    cells: int
    fields: dict[str, FieldSummary]


class QoiCheckAnswer(BaseModel):
    """A QoI predicted and solved, and whether its interval holds what the solver said; null where it has none."""

    unit: str
    predicted: float | None
    solved: float | None
    low: float | None
    high: float | None
    held: bool | None


class FieldCheckAnswer(BaseModel):
    """A field at the solver's places: its relative L2 error, and the share of its values in their intervals."""

    relative_l2: float | None
    inside: float | None


class CheckSummary(BaseModel):
    """A model's answer beside the solver's.

    Attributes:
        held: Whether the intervals of all QoIs held; null where none has one.
        level: The probability of the intervals.
        verdict: The model's.
        qoi: By name.
        fields: By domain and name, such as ``surface/pressure``.
    """

    held: bool | None
    level: float
    verdict: VerdictAnswer | None
    qoi: dict[str, QoiCheckAnswer]
    fields: dict[str, FieldCheckAnswer]


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
        level: The probability of the intervals.
        verdict: Null where the model has none to give.
        seconds: That the simulator took; a cached answer says what it took then.
        check: Of a solver that checked a model's answer, what both said.
    """

    model: str
    model_hash: str
    geometry: str | None
    parameters: dict[str, Quantity]
    qoi: dict[str, QoiValue]
    domains: dict[str, DomainSummary]
    warnings: list[Warned]
    level: float = LEVEL
    verdict: VerdictAnswer | None = None
    seconds: float
    check: CheckSummary | None = None
