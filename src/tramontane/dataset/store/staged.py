"""Cases written beside a dataset's, by any number of processes at once, and moved among them by a renaming."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyvista as pv

from tramontane.case import Case
from tramontane.contract import Contract
from tramontane.dataset.store.case_files import folder_name, write_case
from tramontane.dataset.store.manifest import CaseEntry
from tramontane.errors import DatasetError

_STAGING = "staging"
_TRIES = 100


@dataclass(frozen=True)
class StagedCase:
    """A case that was written, by whichever process, but is not of the dataset yet; pass it to `Dataset.register`."""

    name: str
    folder: Path
    entry: CaseEntry


def write_staged(directory: Path, case: Case, geometry: pv.PolyData | None, contract: Contract) -> StagedCase:
    """Write a case below ``staging`` of a dataset's directory; see `Dataset.stage`."""
    folder = directory / _STAGING / f"{folder_name(case.name)}.{uuid.uuid4().hex[:8]}"
    try:
        _make(folder)
        return StagedCase(case.name, folder, write_case(folder, case, geometry, contract))
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise DatasetError(f"{folder}: cannot be written ({error}); see to the disk and add it again") from error
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def move_staged(directory: Path, case: StagedCase) -> None:
    """Move a staged case among a dataset's; it is one of them once the manifest names it."""
    target = directory / "cases" / case.entry.folder
    # A directory without an entry is what a crash between the two steps leaves; it is no case.
    shutil.rmtree(target, ignore_errors=True)
    case.folder.replace(target)


def remove_leftovers(directory: Path, cases: Iterable[StagedCase]) -> None:
    """Remove what else was staged of cases that are registered, and the folder if nothing is left in it."""
    staging = directory / _STAGING
    for case in cases:
        for leftover in staging.glob(f"{case.entry.folder}.*"):
            shutil.rmtree(leftover, ignore_errors=True)
    with suppress(OSError):  # others are staged, or none was
        staging.rmdir()


def _make(folder: Path) -> None:
    """Make a folder of ``staging``, which another process removes whenever it is empty."""
    for _ in range(_TRIES):
        folder.parent.mkdir(exist_ok=True)
        with suppress(FileNotFoundError):
            folder.mkdir()
            return
    raise OSError(f"{folder.parent} is removed again and again")
