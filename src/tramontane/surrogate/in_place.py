"""A directory replaced by another, so that whoever looks always finds one of the two, whole."""

from __future__ import annotations

import ctypes
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tramontane.errors import SurrogateError

Result = TypeVar("Result")
_HERE, _EXCHANGE = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of Linux
_TRIES, _PAUSE = 40, 0.05  # of a reader that finds a directory changed, or away between two renames


def put_in_place(temporary: Path, path: Path) -> None:
    """Rename a finished directory; one that stands there is replaced, or stays where it cannot be.

    Where the system can, the two exchange their names at once. Where it cannot (not Linux, some network file systems),
    there are two renames, between which `read_whole` waits.

    Args:
        temporary: The new directory, on the same file system.
        path: Where it is to stand.

    Raises:
        OSError: It cannot be renamed; what stood there still does.
    """
    old = _aside(path)
    if not path.exists():
        temporary.replace(path)
        shutil.rmtree(old, ignore_errors=True)  # what a run that was killed between two renames left
        return
    if exchange(temporary, path):
        shutil.rmtree(temporary, ignore_errors=True)
        return
    shutil.rmtree(old, ignore_errors=True)
    path.replace(old)
    try:
        temporary.replace(path)
    except OSError:
        old.replace(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def exchange(one: Path, other: Path) -> bool:
    """Let two paths exchange what they name, in one step.

    Returns:
        Whether the system did; if not, nothing has changed.
    """
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError, TypeError):
        return False
    return bool(rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0)


def read_whole(path: Path, read: Callable[[Path], Result]) -> Result:
    """What a directory holds, where another may take its place meanwhile.

    Args:
        path: The directory.
        read: Reads it; a failure counts only if the directory was the same before and after.
    """
    for attempt in range(_TRIES):
        before = _identity(path)
        if attempt + 1 < _TRIES and between_renames(path):
            time.sleep(_PAUSE)
            continue
        try:
            answer = read(path)
        except SurrogateError:
            if attempt + 1 < _TRIES and _identity(path) != before:
                continue
            raise
        if _identity(path) == before:
            return answer
    return read(path)


def between_renames(path: Path) -> bool:
    """Whether a directory is not there because it is being replaced just now."""
    return not path.exists() and _aside(path).is_dir()


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.old")


def _identity(path: Path) -> tuple[int, ...] | None:
    """The same for one directory, and for no other: a number of one that is gone is given again."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns
