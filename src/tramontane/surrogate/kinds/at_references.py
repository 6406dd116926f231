"""Models at reference points that all cases share: kriging, networks, and kriging that networks correct."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tramontane.surrogate.kinds.kind import Fitted, ModelKind, Saved, Task

if TYPE_CHECKING:
    from tramontane.surrogate.predictor import Predictor


def fit(task: Task) -> Fitted:
    """Fit the kind that the task's options ask for; ``auto`` chooses among all of this file."""
    from tramontane.surrogate.fit_reference import fit_reference

    return fit_reference(task)


def restore(saved: Saved) -> Predictor:
    """The predictor that was saved."""
    from tramontane.surrogate.reference import ReferencePredictor

    return ReferencePredictor.restore(saved.contract, saved.tensors, saved.document, device=saved.device)


KINDS = (
    ModelKind("classical", "kriging of corresponding points", fit, restore, at_references=True),
    ModelKind("corrected", "kriging corrected by networks", fit, restore, by_steps=True, at_references=True),
    ModelKind("tokens", "networks alone", fit, restore, by_steps=True, at_references=True),
)
