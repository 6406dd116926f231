"""Networks on points: AB-UPT."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tramontane.surrogate.kinds.kind import Fitted, ModelKind, Saved, Task

if TYPE_CHECKING:
    from tramontane.surrogate.predictor import Predictor


def fit(task: Task) -> Fitted:
    """Train the network that the task's options name."""
    from tramontane.surrogate.network import fit_network

    return fit_network(task)


def restore(saved: Saved) -> Predictor:
    """The predictor that was saved."""
    from tramontane.surrogate.network import NetworkPredictor

    return NetworkPredictor.restore(
        saved.contract, saved.tensors, saved.document, templates=saved.templates, device=saved.device
    )


KINDS = (ModelKind("ab-upt", "AB-UPT, a network on points", fit, restore, by_steps=True, continues=True),)
