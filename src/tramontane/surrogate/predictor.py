"""What a surrogate holds inside: something that predicts fields from a geometry and operating conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor, nn

from tramontane.surrogate.resolved import ResolvedDesign
from tramontane.training import Run, TrainingOptions, Validation, Watch, train

Array = NDArray[np.floating[Any]]


Fields = dict[str, dict[str, Array]]
"""By domain and field, ``(n,)`` or ``(n, components)`` in SI, float32."""


@dataclass(frozen=True)
class Prediction:
    """Fields at the positions asked for, mean and standard deviation together.

    Attributes:
        mean: The fields.
        deviation: Their standard deviations as the model itself has them, not calibrated; None of a model that has
            none, or where none were asked for.
    """

    mean: Fields
    deviation: Fields | None = None


class Predictor(Protocol):
    """Fields at any positions; saved as named tensors and one JSON document."""

    model: str

    def predict(self, design: ResolvedDesign, positions: Mapping[str, Array], *, deviations: bool = True) -> Prediction:
        """Fields at any positions, in memory that does not grow with their number but for the answer itself.

        Args:
            design: In SI.
            positions: By domain, ``(n, 3)`` in metres.
            deviations: Whether standard deviations are wanted, where the model has any.
        """
        ...

    def coordinates(self, design: ResolvedDesign) -> Array:
        """A few numbers ``(d,)`` that tell designs apart, on which QoIs are regressed that no field defines."""
        ...

    def signs(self, design: ResolvedDesign, domains: Sequence[str]) -> dict[str, float]:
        """What else is unusual about a design, by the names of `tramontane.trust.applicability.WEIGHTS`.

        Args:
            design: In SI.
            domains: Those that are predicted.
        """
        ...

    def tensors(self) -> dict[str, Tensor]:
        """Weights and other arrays by name."""
        ...

    def document(self) -> dict[str, Any]:
        """What else is needed to rebuild it, JSON values."""
        ...


@dataclass(frozen=True)
class Training:
    """A run: its options, where it keeps its state, and who follows it.

    Attributes:
        options: With a device, a precision and a learning rate.
        work: Directory of checkpoints; None keeps none.
        console: Where progress is shown.
        watch: Who else is told.
    """

    options: TrainingOptions
    work: Path | None = None
    console: Console | None = None
    watch: Watch = field(default_factory=Watch)

    def say(self, text: str) -> None:
        """Show a line of progress."""
        if self.console is not None:
            self.console.print(text, highlight=False, markup=False)

    def train(
        self, network: nn.Module, sampler: Any, *, called: str, checkpoint: str = "checkpoint",
        validation: Validation | None = None,
    ) -> Run:  # fmt: skip
        """Train a network in place.

        Args:
            network: The network.
            sampler: Draws its batches.
            called: What who watches knows it by.
            checkpoint: Of what name.
            validation: What is measured on the way.
        """
        how = self.options
        assert how.precision is not None
        assert how.lr is not None
        return train(
            network, sampler,
            steps=how.steps, budget=how.budget, device=how.device, precision=how.precision, optimizer=how.optimizer,
            lr=how.lr, ema_decay=how.ema_decay, checkpoint_seconds=how.checkpoint_seconds,
            checkpoint=None if self.work is None else self.work / f"{checkpoint}.safetensors",
            console=self.console, watch=self.watch, name=called, validation=validation,
        )  # fmt: skip
