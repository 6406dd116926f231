"""The models that are served: found in a folder, checked whole, replaced when their files change."""

from __future__ import annotations

import hashlib
import logging
import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from tramontane import __version__, solvers
from tramontane.contract import Contract
from tramontane.errors import TramontaneError
from tramontane.service.problems import without_paths
from tramontane.surrogate import Surrogate
from tramontane.surrogate.files import MANIFEST, WEIGHTS
from tramontane.surrogate.in_place import between_renames
from tramontane.surrogate.saved_documents import may_not_be_read

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}(@[1-9]\d{0,8})?")  # with a version
_log = logging.getLogger("tramontane.serve")


@dataclass(frozen=True)
class Served:
    """A surrogate that is asked.

    Attributes:
        name: Of its directory.
        hash: SHA-256 of its manifest, which holds the hashes of all its files.
        surrogate: Loaded.
    """

    name: str
    hash: str
    surrogate: Surrogate
    kind: ClassVar[Literal["surrogate"]] = "surrogate"

    @property
    def contract(self) -> Contract:
        """What goes in and what comes out."""
        return self.surrogate.contract


@dataclass(frozen=True)
class Solver:
    """A solver that is asked by jobs.

    Attributes:
        name: Under which it is served: ``solver-`` and its own name, since a model of its cases often has that.
        solver: What `tramontane.solvers.create` knows it by.
        hash: Of its contract and of the program's version.
        contract: Of it.
    """

    name: str
    solver: str
    hash: str
    contract: Contract
    kind: ClassVar[Literal["solver"]] = "solver"


def find_solvers(names: Iterable[str]) -> dict[str, Solver]:
    """Solvers by the names under which they are served.

    Args:
        names: Of embedded ones, or paths of a user's own (`tramontane.solvers.create`).

    Raises:
        TramontaneError: One is not known, what it needs is not installed, or its files are wrong.
    """
    by_name: dict[str, Solver] = {}
    for name in names:
        simulator = solvers.create(name)
        contract, files = simulator.contract, getattr(simulator, "fingerprint", None)
        own = name if files is None else contract.name
        identity = files or hashlib.sha256(f"{__version__} {name} {contract.model_dump_json()}".encode()).hexdigest()
        made = Solver(f"solver-{own}", solvers.absolute(name), identity, contract)
        if by_name.setdefault(made.name, made).solver != made.solver:
            raise TramontaneError(f"--solver {name}: another solver is called {own}, too; give one another name")
    return by_name


class Registry:
    """The surrogates in a folder.

    A directory is served once every file of it is as its manifest says; one that is still being copied is not. When
    files change, the model that was loaded goes on until the new one is whole.

    Args:
        folder: Of saved surrogates, or a saved surrogate.

    Raises:
        TramontaneError: There is no such folder.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise TramontaneError(f"{folder}: is no folder; name one that holds saved surrogates")
        self.folder = folder
        self._models: dict[str, Served] = {}
        self._refused: dict[str, str] = {}
        self._states: dict[str, object] = {}
        self._lock = threading.Lock()

    @property
    def models(self) -> dict[str, Served]:
        """By name."""
        return dict(self._models)

    @property
    def refused(self) -> dict[str, str]:
        """Why a directory is not served, or not in its newest state, by name."""
        return dict(self._refused)

    def refresh(self) -> list[str]:
        """Look at the folder and load what is new.

        Returns:
            Names of models that are new, replaced or gone.
        """
        with self._lock:
            changed = []
            directories = self._directories()
            for name in [
                name for name in self._states if name not in directories and not between_renames(self.folder / name)
            ]:
                del self._states[name]
                self._refused.pop(name, None)
                if self._models.pop(name, None) is not None:
                    changed.append(name)
                    _log.info("model gone", extra={"model": name})
            for name, directory in directories.items():
                state = _state(directory)
                if self._states.get(name) == state:
                    continue
                self._states[name] = state
                if self._load(name, directory):
                    changed.append(name)
            return changed

    def _load(self, name: str, directory: Path) -> bool:
        try:
            if not _NAME.fullmatch(name):
                raise TramontaneError("its name has characters other than letters, digits, '.', '_' and '-'; rename it")
            served = self._shared(_loaded(name, directory))
        # Whatever one directory holds, the server starts, and the other models are served.
        except Exception as error:
            problem = may_not_be_read(directory / MANIFEST) if isinstance(error, PermissionError) else error
            understood = isinstance(problem, TramontaneError | OSError)
            reason = (
                " ".join(str(problem).split())
                if understood
                else f"cannot be loaded ({type(error).__name__}); see the log"
            )
            reason = reason.replace(f"{directory}/", "").replace(str(directory), name)
            reason = without_paths(reason)
            self._refused[name] = reason
            _log.warning(
                "model refused", exc_info=None if understood else error, extra={"model": name, "reason": reason}
            )
            return False
        self._refused.pop(name, None)
        before = self._models.get(name)
        self._models[name] = served
        _log.info("model loaded", extra={"model": name, "hash": served.hash})
        return before is None or before.hash != served.hash

    def _shared(self, served: Served) -> Served:
        """The model, with the arrays of one that has the same files, as a promoted version and itself have."""
        same = (each for each in self._models.values() if each.hash == served.hash)
        twin = next(same, None)
        return served if twin is None else Served(served.name, served.hash, twin.surrogate)

    def _directories(self) -> dict[str, Path]:
        if (self.folder / MANIFEST).is_file():
            return {self.folder.resolve().name: self.folder}
        return {
            entry.name: entry
            for entry in sorted(self.folder.iterdir())
            if not entry.name.startswith(".") and _is_saved(entry)
        }


def _loaded(name: str, directory: Path) -> Served:
    """A model, with the hash of the manifest that it was loaded by: another may take its place meanwhile."""
    while True:
        identity = _hash(directory)
        surrogate = Surrogate.load(directory)
        if _hash(directory) == identity:
            return Served(name, identity, surrogate)


def _hash(directory: Path) -> str:
    """SHA-256 of a manifest, or nothing where there is none, of which loading says more."""
    try:
        return hashlib.sha256((directory / MANIFEST).read_bytes()).hexdigest()
    except FileNotFoundError:
        return ""


def _is_saved(directory: Path) -> bool:
    """Whether this is a saved surrogate, or may be: where something is missing or not allowed, loading it says so."""
    try:
        return (directory / MANIFEST).is_file() or (directory / WEIGHTS).is_file()
    except PermissionError:
        return _NAME.fullmatch(directory.name) is not None


def _state(directory: Path) -> object:
    """Changes whenever a file of the directory does, or who may read it (which moves the time of the inode alone)."""
    try:
        return sorted(
            (file.name, status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)
            for file in directory.iterdir()
            for status in [file.stat()]
        )
    except PermissionError:
        return f"not to be looked into since {directory.stat().st_ctime_ns}"
    except OSError:  # it is being moved just now; the next look sees it
        return None
