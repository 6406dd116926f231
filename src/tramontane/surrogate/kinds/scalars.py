"""QoIs alone, kriged over shapes and parameters; no fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tramontane.surrogate.kinds.kind import Fitted, ModelKind, Saved, Task

if TYPE_CHECKING:
    from tramontane.surrogate.predictor import Predictor

NAME = "scalars"


def fit(task: Task) -> Fitted:
    """Krige every QoI."""
    from tramontane.surrogate.scalars import fit_alone

    return fit_alone(task)


def restore(saved: Saved) -> Predictor:
    """The predictor that was saved."""
    from tramontane.surrogate.scalars import ScalarPredictor

    return ScalarPredictor.restore(saved.contract, saved.tensors)


KINDS = (ModelKind(NAME, "kriging of the QoIs alone", fit, restore, needs_fields=False),)
