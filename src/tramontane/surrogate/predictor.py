"""What a surrogate holds inside: something that predicts fields from a geometry and operating conditions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyvista as pv
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor

from tramontane.dataset import describe_geometry
from tramontane.training import Precision, Watch

Array = NDArray[np.floating[Any]]


class Predictor(Protocol):
    """Fields at any positions; saved as named tensors and one JSON document."""

    model: str

    def fields(
        self, geometry: pv.PolyData, values: dict[str, float], positions: Mapping[str, Array]
    ) -> dict[str, dict[str, Array]]:
        """Fields at any positions, in memory that does not grow with their number but for the answer itself.

        Args:
            geometry: Closed triangle surface, metres.
            values: Operating conditions, SI.
            positions: By domain, ``(n, 3)`` in metres.

        Returns:
            By domain and field, ``(n,)`` or ``(n, components)`` in SI, float32.
        """
        ...

    def spread(
        self, geometry: pv.PolyData, values: dict[str, float], positions: Mapping[str, Array]
    ) -> dict[str, dict[str, Array]]:
        """Standard deviations of what `fields` answers, as the model itself has them: not calibrated.

        Raises:
            SurrogateError: The model has none.
        """
        ...

    def design(self, geometry: pv.PolyData, values: dict[str, float]) -> Array:
        """A few numbers ``(d,)`` that tell designs apart, on which QoIs are regressed that no field defines."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """Weights and other arrays by name."""
        ...

    def document(self) -> dict[str, Any]:
        """What else is needed to rebuild it, JSON values."""
        ...


@dataclass(frozen=True)
class Training:
    """How networks are trained; see `tramontane.surrogate.fit.fit` for what each means."""

    steps: int | None
    budget: float | None
    batch_size: int | None
    device: str
    precision: Precision
    optimizer: str
    lr: float
    ema_decay: float
    patience: int | None
    seed: int
    work: Path | None
    checkpoint_seconds: float
    console: Console | None
    watch: Watch = field(default_factory=Watch)

    def checkpoint(self, name: str = "checkpoint") -> Path | None:
        """Where a run of some name keeps its state."""
        return None if self.work is None else self.work / f"{name}.safetensors"


def describe_design(geometry: pv.PolyData, operating: Iterable[float]) -> Array:
    """The geometry's descriptors and the operating conditions, SI: a `Predictor.design` for want of a better one."""
    return np.concatenate([describe_geometry(geometry), np.array([*operating], dtype=np.float64)])
