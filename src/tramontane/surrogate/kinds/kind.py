"""What a kind of model is: a name, and how it is fitted and read back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from tramontane.contract import Contract
    from tramontane.dataset import Dataset
    from tramontane.models.scalar_kriging import ScalarKriging
    from tramontane.surrogate.predictor import Array, Predictor, Training
    from tramontane.surrogate.record import Figures
    from tramontane.training import Run
    from tramontane.trust.calibration import LeftOut


@dataclass
class Task:
    """What a kind is fitted to.

    Attributes:
        dataset: The store.
        contract: With the ranges of the training cases.
        names: Training cases.
        validation: Cases that may be watched meanwhile; may be empty.
        training: How, with all options.
        templates: By domain, where training cases have their sites, relative to the bounding box ``(n, 3)``.
        start: Whose weights a run goes on from; None starts anew.
        ready: Given what can be used already, before the run goes on.
    """

    dataset: Dataset
    contract: Contract
    names: list[str]
    validation: list[str]
    training: Training
    templates: Mapping[str, Array]
    start: Predictor | None
    ready: Callable[[Fitted], None]


@dataclass
class Fitted:
    """What came of it.

    Attributes:
        predictor: Predicts fields.
        run: Its length.
        figures: What it reached on cases left out, and why this kind was chosen.
        scalars: Regressions of QoIs that are part of the fit; QoIs without fields that are not among them are regressed
            on the predictor's design coordinates.
        names: The cases that were learnt from, where these are not all that were given.
        coordinates: The design coordinates of the training cases ``(cases, d)``, each without itself; None asks the
            predictor.
        signs: What else is unusual about each training case when it is left out; see `Predictor.signs`.
        left_out: What the model makes of cases that it was fitted without; of none where only the validation cases are
            such.
    """

    predictor: Predictor
    run: Run
    figures: Figures
    scalars: dict[str, ScalarKriging] = field(default_factory=dict)
    names: list[str] | None = None
    coordinates: Array | None = None
    signs: list[dict[str, float]] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


@dataclass(frozen=True)
class Saved:
    """What a saved predictor is rebuilt from.

    Attributes:
        contract: What goes in and what comes out.
        tensors: By name.
        document: What else it stated, with ``model`` as its name.
        templates: As in `Task`.
        device: Where networks run.
    """

    contract: Contract
    tensors: dict[str, Tensor]
    document: dict[str, Any]
    templates: dict[str, Array]
    device: str


@dataclass(frozen=True)
class ModelKind:
    """A kind of model.

    Attributes:
        name: As it is asked for.
        title: What people call it.
        fit: Makes one; imports what it needs when it is called.
        restore: Reads one back; likewise.
        by_steps: Whether it is trained step by step, so that a run has a length and a network can be configured.
        needs_fields: Whether cases must have fields.
        continues: Whether a run can go on from a saved one's weights.
        at_references: Whether its arrays are those of models at reference points.
    """

    name: str
    title: str
    fit: Callable[[Task], Fitted]
    restore: Callable[[Saved], Predictor]
    by_steps: bool = False
    needs_fields: bool = True
    continues: bool = False
    at_references: bool = False
