"""What requests for trainings and their answers look like in JSON."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from tramontane.service.schemas import JobState, Name, Request


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
