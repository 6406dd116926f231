"""Whoever follows a run while it goes on, and may end it early."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


class FieldError(NamedTuple):
    """Error of one field: relative L2 (mean over cases), and mean absolute error in ``unit``."""

    relative: float
    absolute: float
    unit: str

    def __str__(self) -> str:
        return f"{100 * self.relative:.1f} % ({self.absolute:.3g} {self.unit})"


@dataclass(frozen=True)
class Compared:
    """What kinds of models leave of the error on the same cases.

    Attributes:
        cases: Number of these cases.
        errors: Relative L2, mean over fields, by kind.
    """

    cases: int
    errors: dict[str, float]


@dataclass(frozen=True)
class Choice:
    """The kind of model that a run came to, and the figures that say why.

    Attributes:
        chosen: The kind.
        fields: Number of fields over which errors are means.
        cases: Number of training cases; each was left out to see what a model makes of it.
        compared: Most cases first: a kind that was given up has been asked for some of them only.
        networks: Why networks were tried, or were not; empty where that was the user's to say.
    """

    chosen: str
    fields: int
    cases: int
    compared: list[Compared]
    networks: str = ""


class Watch:
    """Is told how far a run has come. This one does nothing; others override what they care for."""

    active = False
    """Whether it is worth measuring what nobody else asks for."""

    def stage(self, name: str) -> None:
        """Something begins: ``reading``, ``registering``, ``kriging``, ``networks``, ``calibrating``."""

    def case(self, done: int, of: int) -> None:
        """So many cases of the stage that runs are done."""

    def step(self, network: str, step: int, loss: float) -> None:
        """A network took a step; called at each."""

    def validated(self, network: str, step: int, errors: Mapping[str, FieldError]) -> None:
        """A network was measured on cases that it does not learn from, by field ``domain/field``."""

    def candidate(self, name: str, cases: int, errors: Mapping[str, float]) -> None:
        """What a kind of model leaves of the error (relative) on so many cases left out, by field or QoI."""

    def chose(self, choice: Choice) -> None:
        """Which kind of model it came to, and why."""

    def enough(self) -> bool:
        """Whether the run is to end now, with what it has learnt; asked at each step.

        Raises:
            KeyboardInterrupt: The run is to be interrupted; it goes on from its checkpoints later.
        """
        return False
