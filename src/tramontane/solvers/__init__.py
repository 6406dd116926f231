"""Solvers, each a Simulator: those in a module of this package by name, a user's own by its folder or Python file."""

from __future__ import annotations

import functools
import os
from pathlib import Path

from tramontane.errors import TramontaneError
from tramontane.io.registries import by_name, find_entries
from tramontane.simulator import Simulator
from tramontane.solvers.entry import SolverEntry

_USERS_OWN = ("tramontane.solvers.case_folder", "tramontane.solvers.function")  # hold no entry, and load much


@functools.cache
def known_solvers() -> dict[str, SolverEntry]:
    """By name, the solvers that the modules of this package hold as ``SOLVER``."""
    return by_name(find_entries(__name__, "SOLVER", SolverEntry, skip=_USERS_OWN), lambda entry: entry.name)


def names() -> list[str]:
    """Names that `create` knows."""
    return sorted(known_solvers())


def create(name: str | os.PathLike[str]) -> Simulator:
    """The solver of that name, or in that folder or file.

    Args:
        name: One of `names`; a folder with a ``solver.toml``; a Python file with a `tramontane.solvers.function`
            (``beam.py``, or ``beam.py:deflection`` where it has several); or a ``morph.toml`` that names its surface,
            which makes shapes and has volumes for results.

    Raises:
        TramontaneError: There is none, what it needs is not installed, or its file is wrong.
    """
    if (path := _path_of(name)) is not None:
        if path.is_dir() or path.name == "solver.toml":
            from tramontane.solvers.case_folder import open_folder

            return open_folder(path)
        if path.suffix == ".toml":
            from tramontane.formats.surfaces.morphed import open_morph

            return open_morph(path)
        from tramontane.solvers.function import open_file

        return open_file(path)
    entry = known_solvers().get(os.fspath(name))
    if entry is None:
        raise TramontaneError(f"solver {os.fspath(name)!r} is not known; choose one of {', '.join(names())}, or name a "
                              "folder with a solver.toml")  # fmt: skip
    if entry.missing:
        raise TramontaneError(f"solver {name!r} needs {' and '.join(entry.missing)}, which must be installed first: "
                              f"pip install 'tramontane[{entry.extra}]'")  # fmt: skip
    return entry.make()


def absolute(name: str | os.PathLike[str]) -> str:
    """The same solver, as it is found from every folder: a known name, or an absolute path."""
    path = _path_of(name)
    return os.fspath(name) if path is None else str(path.absolute())


def _path_of(name: str | os.PathLike[str]) -> Path | None:
    """The path that is meant; None for a name."""
    path = Path(name)
    is_path = path.is_dir() or len(path.parts) > 1 or ".py" in path.suffix or path.suffix == ".toml"
    return path if is_path and os.fspath(name) not in known_solvers() else None
