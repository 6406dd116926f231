"""Whoever follows a run while it goes on, and may end it early."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class FieldError(NamedTuple):
    """Error of one field: relative L2 (mean over cases), and mean absolute error in ``unit``."""

    relative: float
    absolute: float
    unit: str

    def __str__(self) -> str:
        return f"{100 * self.relative:.1f} % ({self.absolute:.3g} {self.unit})"


class Watch:
    """Is told how far a run has come. This one does nothing; others override what they care for."""

    active = False
    """Whether it is worth measuring what nobody else asks for."""

    def stage(self, name: str) -> None:
        """Something begins: ``reading``, ``kriging``, ``networks``, ``calibrating``."""

    def step(self, network: str, step: int, loss: float) -> None:
        """A network took a step; called at each."""

    def validated(self, network: str, step: int, errors: Mapping[str, FieldError]) -> None:
        """A network was measured on cases that it does not learn from, by field ``domain/field``."""

    def candidate(self, name: str, cases: int, errors: Mapping[str, float]) -> None:
        """What a kind of model leaves of the error (relative) on so many cases left out, by field or QoI."""

    def enough(self) -> bool:
        """Whether the run is to end now, with what it has learnt; asked at each step.

        Raises:
            KeyboardInterrupt: The run is to be interrupted; it goes on from its checkpoints later.
        """
        return False
