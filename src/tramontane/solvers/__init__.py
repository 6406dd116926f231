"""Real solvers, each a simulator: `names` lists them, `create` makes one. NGSolve loads when one is made."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from tramontane.errors import SolverError, TramontaneError
from tramontane.simulator import Simulator

_HOMES = {"bracket": ("tramontane.solvers.bracket", "Bracket"), "cylinder": ("tramontane.solvers.cylinder", "Cylinder")}


def names() -> list[str]:
    """The names that `create` knows."""
    return sorted(_HOMES)


def create(name: str) -> Simulator:
    """A solver with its default settings.

    Args:
        name: One of `names`.

    Raises:
        TramontaneError: There is no solver of this name.
        SolverError: NGSolve is not installed.
    """
    if name not in _HOMES:
        raise TramontaneError(f"solver {name!r} is not known; choose one of {', '.join(names())}")
    module, attribute = _HOMES[name]
    try:
        return cast(Simulator, getattr(import_module(module), attribute)())
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("ngsolve", "netgen"):
            raise
        raise SolverError(
            f"solver {name!r} needs NGSolve, which is not installed; run: pip install 'tramontane[solve]'"
        ) from error
