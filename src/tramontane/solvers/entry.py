"""A solver as the registry lists it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

from tramontane.simulator import Simulator


@dataclass(frozen=True)
class SolverEntry:
    """A solver. A module of `tramontane.solvers` that has one holds it as ``SOLVER``.

    Such a module can be imported without the packages that the solver needs (`tramontane.io.lazy_modules`).

    Attributes:
        name: As it is asked for.
        title: What it computes, in a few words.
        make: Makes the simulator.
        extra: The extra of the package with which pip installs what the solver needs; None where it needs nothing.
        requires: Names under which that is imported.
    """

    name: str
    title: str
    make: Callable[[], Simulator]
    extra: str | None = None
    requires: tuple[str, ...] = ()

    @property
    def missing(self) -> list[str]:
        """Those of ``requires`` that are not installed."""
        return [name for name in self.requires if find_spec(name) is None]
