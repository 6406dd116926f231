"""A physics check as the registry lists it, and the residuals of a case."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

from tramontane.case import Case
from tramontane.contract import Contract
from tramontane.io.registries import by_name, find_entries


@dataclass(frozen=True)
class Residual:
    """By how much a case misses a law.

    Attributes:
        value: In the check's unit.
        scale: What it is to be compared with, in the same unit: all that flows in, all that pulls.
    """

    value: float
    scale: float

    @property
    def share(self) -> float:
        """Of the scale; zero where there is nothing to compare with."""
        return self.value / self.scale if self.scale > 0 else 0.0


@dataclass(frozen=True)
class PhysicsCheck:
    """A law that a case must obey. A module of `tramontane.trust.checks` that has one holds it as ``CHECK``.

    Attributes:
        name: As it is asked for.
        title: The law, in a few words.
        unit: Of the residual.
        residual: By how much a case in SI misses the law; None where it does not have the fields that it needs.
    """

    name: str
    title: str
    unit: str
    residual: Callable[[Case, Contract], Residual | None]


@functools.cache
def known_checks() -> dict[str, PhysicsCheck]:
    """By name, the checks that the modules of `tramontane.trust.checks` hold as ``CHECK``."""
    return by_name(find_entries("tramontane.trust.checks", "CHECK", PhysicsCheck), lambda check: check.name)


def residuals_of(case: Case, contract: Contract) -> dict[str, Residual]:
    """By check, the residuals of a case, of those checks that its fields allow."""
    residuals = {name: check.residual(case, contract) for name, check in known_checks().items()}
    return {name: residual for name, residual in residuals.items() if residual is not None}
