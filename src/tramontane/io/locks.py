"""One run at a time in a folder; the system frees the lock of a process that was killed."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from tramontane.errors import TramontaneError
from tramontane.io.atomic import cannot

_mine: set[tuple[str, int]] = set()  # lock files and the threads that hold them


@contextlib.contextmanager
def claimed(
    file: str | os.PathLike[str],
    what: str | os.PathLike[str],
    *,
    within: bool = False,
    kind: type[TramontaneError] = TramontaneError,
) -> Iterator[None]:
    """Keep a second run out while the block lasts.

    Args:
        file: The lock's file; folders above it are made.
        what: What the run writes, as the user knows it.
        within: Whether it is enough that this thread holds it already.
        kind: Of the error.

    Raises:
        TramontaneError: Another run holds it.
        FileError: The file cannot be written.
    """
    place = Path(file)
    key = os.path.realpath(place), threading.get_ident()
    if within and key in _mine:
        yield
        return
    lock = FileLock(place)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise kind(f"{what}: another run is writing here; wait until it ends, or stop it") from None
    except OSError as error:
        raise cannot("written", error, place) from error
    _mine.add(key)
    try:
        yield
    finally:
        _mine.discard(key)
        lock.release()
