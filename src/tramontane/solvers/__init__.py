"""Solvers, each a Simulator, by name."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from tramontane.errors import TramontaneError
from tramontane.simulator import Simulator

_HOMES = {"bodies": "Bodies", "bracket": "Bracket", "cylinder": "Cylinder"}


def names() -> list[str]:
    """Names that `create` knows."""
    return sorted(_HOMES)


def create(name: str) -> Simulator:
    """The embedded solver of that name.

    Raises:
        TramontaneError: There is none, or NGSolve is not installed.
    """
    if name not in _HOMES:
        raise TramontaneError(f"solver {name!r} is not known; known are {', '.join(names())}")
    if find_spec("ngsolve") is None:
        raise TramontaneError(f"solver {name!r} needs NGSolve, which is missing: pip install 'tramontane[solve]'")
    simulator: Simulator = getattr(import_module(f"tramontane.solvers.{name}"), _HOMES[name])()
    return simulator
