"""What is said when something asked for cannot be done, with the inputs at fault."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel
from sqlalchemy.exc import DBAPIError, OperationalError, TimeoutError

from tramontane.errors import TramontaneError

# Folders and the name after them, from the root on: what a message says of the server's disk beyond the name.
_PATH = re.compile(r"(?!/(?:v1|page)/)(?<![\w:/.])(?:[A-Za-z]:)?[\\/](?:[^\s\\/:;,'\"()]+[\\/])+([^\s\\/:;,'\"()]*)")
_FOLDERS: dict[str, None] = {}
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Fault(BaseModel):
    """One input at fault.

    Attributes:
        input: Where it stands: ``parameters.load``, ``geometry``, ``body``, ``query.name``.
        unit: The unit in which it is asked; None where that has no meaning.
        detail: What was found, and what to give.
    """

    input: str
    unit: str | None = None
    detail: str


class Problem(Exception):  # noqa: N818 (RFC 9457 calls it so)
    """Raised wherever something asked for cannot be done; whoever asked is told, by HTTP as a problem document.

    Args:
        status: The kind, by the number that HTTP has for it.
        detail: What happened, and what to do.
        faults: The inputs at fault.
        retry_after: Seconds after which the client may try again.
    """

    def __init__(
        self, status: int, detail: str, *, faults: Sequence[Fault] = (), retry_after: float | None = None
    ) -> None:
        super().__init__(detail)
        self.status_code, self.detail, self.faults, self.retry_after = status, detail, list(faults), retry_after


def at_fault(*faults: Fault, status: int = 422) -> Problem:
    """A problem whose text is that of its faults."""
    return Problem(status, "; ".join(fault.detail for fault in faults), faults=faults)


def no_room(error: BaseException | None) -> bool:
    """Whether a disk that is full, or a quota, is behind an error."""
    while error is not None:
        if isinstance(error, OperationalError) and ("full" in str(error.orig) or "disk I/O" in str(error.orig)):
            return True
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            return True
        error = error.__cause__
    return False


def is_busy(error: BaseException) -> bool:
    """Whether a database is behind an error that is held by another program, or away, and will be back."""
    if isinstance(error, TimeoutError):  # SQLAlchemy's: all connections are in use
        return True
    if not isinstance(error, DBAPIError) or no_room(error):
        return False
    return error.connection_invalidated or "locked" in str(error.orig) or "busy" in str(error.orig)


def of_error(error: Exception, identity: str) -> Problem:
    """What a client is told of an error that is nobody's problem document yet.

    Args:
        error: Raised behind a route or before it.
        identity: Of the request, under which the log says more.
    """
    if no_room(error):
        return Problem(507, "the server's disk is full; nothing of this request was kept, tell its operator")
    if is_busy(error):
        return Problem(503, "the server's database is held by another program, or away; nothing of this request was "
                       "kept, try again in a moment", retry_after=5)  # fmt: skip
    if isinstance(error, TramontaneError):
        return Problem(422, without_paths(str(error)))
    return Problem(500, f"an error of the program, not of the request; its log says more under {identity}")


def without_paths(text: str) -> str:
    """A message on one line, with the names of files in place of where they are on the server."""
    text = " ".join(text.split())
    for folder in _FOLDERS:
        text = text.replace(f"{folder}{os.sep}", "")
    return _PATH.sub(lambda match: match[1], text)


def keep_to_ourselves(*folders: Path) -> None:
    """Name the server's own folders, which may have spaces in them, for `without_paths`."""
    for folder in folders:
        _FOLDERS.update({os.path.abspath(folder): None, os.path.realpath(folder): None})
