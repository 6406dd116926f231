"""Solvers, each a Simulator in a module of its own, by name."""

from __future__ import annotations

import functools

from tramontane.errors import TramontaneError
from tramontane.io.registries import by_name, find_entries
from tramontane.simulator import Simulator
from tramontane.solvers.entry import SolverEntry


@functools.cache
def known_solvers() -> dict[str, SolverEntry]:
    """By name, the solvers that the modules of this package hold as ``SOLVER``."""
    return by_name(find_entries(__name__, "SOLVER", SolverEntry), lambda entry: entry.name)


def names() -> list[str]:
    """Names that `create` knows."""
    return sorted(known_solvers())


def create(name: str) -> Simulator:
    """The solver of that name.

    Raises:
        TramontaneError: There is none, or what it needs is not installed.
    """
    entry = known_solvers().get(name)
    if entry is None:
        raise TramontaneError(f"solver {name!r} is not known; choose one of {', '.join(names())}")
    if entry.missing:
        raise TramontaneError(f"solver {name!r} needs {' and '.join(entry.missing)}, which must be installed first: "
                              f"pip install 'tramontane[{entry.extra}]'")  # fmt: skip
    return entry.make()
