"""What a surrogate says of itself: the data and the run it came from, what it was trained on, and what it reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class TrainedOn:
    """The cases that a surrogate was made of.

    Attributes:
        fingerprint: Of the dataset.
        train: Names of the training cases.
        validation: Names of the cases that were watched.
        hashes: Of each training case, whatever dataset it stands in; None of a model that is older than these.
    """

    fingerprint: str
    train: list[str]
    validation: list[str] = field(default_factory=list)
    hashes: dict[str, str] | None = None


@dataclass(frozen=True)
class RunLength:
    """How long a run was: steps and seconds, and whether somebody ended it early."""

    steps: int = 0
    seconds: float = 0.0
    stopped_early: bool = False


@dataclass(frozen=True)
class TrainingDomain:
    """The ranges of the training cases, SI.

    Attributes:
        cases: Their number.
        parameters: Lowest and highest value of each parameter that is asked for.
        extent_low: The shortest edges of their bounding boxes, m; None where they have no geometry.
        extent_high: The longest.
        open: Share of their surfaces that are open.
        exact: Which laws all of them obey exactly, and the field that is taken as it is predicted, so that others
            follow it; see `tramontane.surrogate.constraints`.
    """

    cases: int
    parameters: dict[str, tuple[float, float]] = field(default_factory=dict)
    extent_low: Vector | None = None
    extent_high: Vector | None = None
    open: float = 0.0
    exact: dict[str, str] = field(default_factory=dict)


@dataclass
class Figures:
    """What was reached on cases left out, and why this kind of model was chosen.

    Attributes:
        chosen: The kind.
        why: In a sentence.
        choice: The figures that say why; see `tramontane.training.Choice`.
        cross_validation: By kind and field, mean relative L2 error on training cases left out.
        extrema: By QoI, the error of an extremum that is regressed and of the field's own.
        validation: Of a network, by field, its last errors on cases that it does not learn from.
        history: Of a network, its errors over the steps.
        left_out: By QoI, what a regression reached on training cases left out.
    """

    chosen: str = ""
    why: str = ""
    choice: dict[str, Any] | None = None
    cross_validation: dict[str, dict[str, float]] = field(default_factory=dict)
    extrema: dict[str, dict[str, float]] = field(default_factory=dict)
    validation: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    left_out: dict[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """As it is saved and sent: what there is."""
        return {name: value for name, value in vars(self).items() if value}


@dataclass
class Record:
    """All that is saved beside a surrogate's arrays and contract.

    Attributes:
        data: The cases it was made of.
        training_domain: Their ranges.
        settings: How it was trained; see `tramontane.training.options.TrainingOptions`.
        run: How long that took.
        figures: What it reached.
        calibration: Errors on cases left out, by case.
    """

    data: TrainedOn
    training_domain: TrainingDomain
    settings: dict[str, Any] = field(default_factory=dict)
    run: RunLength = field(default_factory=RunLength)
    figures: Figures = field(default_factory=Figures)
    calibration: dict[str, Any] = field(default_factory=dict)

    def documents(self) -> dict[str, Any]:
        """The JSON documents of a saved surrogate, by name."""
        data = {name: value for name, value in asdict(self.data).items() if value is not None}
        domain = {name: value for name, value in asdict(self.training_domain).items() if value is not None}
        return {
            "training_domain": domain,
            "calibration": self.calibration,
            "figures": self.figures.document(),
            "training": {"data": data, "settings": self.settings, "run": asdict(self.run)},
        }

    @classmethod
    def of(cls, documents: Mapping[str, Any]) -> Record:
        """From such documents, which were checked; what this version does not know of is left aside."""
        training, domain = documents["training"], documents["training_domain"]
        ranges = {name: (low, high) for name, (low, high) in domain.get("parameters", {}).items()}
        return cls(
            TrainedOn(**_known_fields(TrainedOn, training["data"])),
            TrainingDomain(**_known_fields(TrainingDomain, domain) | {"cases": len(training["data"]["train"])}
                           | {"parameters": ranges}),
            dict(training.get("settings", {})),
            RunLength(**_known_fields(RunLength, training.get("run", {}))),
            Figures(**_known_fields(Figures, documents["figures"])),
            dict(documents["calibration"]),
        )  # fmt: skip


def _known_fields(kind: Any, document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: document[name] for name in kind.__dataclass_fields__ if name in document}
