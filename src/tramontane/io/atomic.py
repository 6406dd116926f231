"""A file is written whole or not at all: a full disk, a kill or Ctrl-C leaves what was there before."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tramontane.errors import FileError

_CURES = {
    errno.ENOSPC: "make room there, or choose another place",
    errno.EDQUOT: "make room there, or choose another place",
    errno.EFBIG: "make room there, or choose another place",
    errno.EACCES: "allow it, or choose another place",
    errno.EPERM: "allow it, or choose another place",
    errno.EROFS: "it can only be read; choose another place",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EISDIR: "it is a folder; name a file",
    errno.ENOTDIR: "a part of that path is a file; name a folder",
    errno.EEXIST: "a part of that path is a file; name a folder",
    errno.ENOENT: "name one that exists",
    errno.EMFILE: "close programs, or raise `ulimit -n`",
}


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary file's path, which takes the place of ``path`` when the block has ended well.

    Args:
        path: The file; folders above it are made. The temporary one stands beside it and has its suffix.

    Raises:
        FileError: The system does not let it be written.
    """
    target = Path(path)
    temporary = target.with_name(f".partial-{os.getpid()}-{target.name[-100:]}")
    try:
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
        target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())  # some disks say only now that they are full
        temporary.replace(target)
    except OSError as error:
        raise cannot("written", error, target) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text(path: str | os.PathLike[str], text: str, *, errors: str | None = None) -> None:
    """Write a file of UTF-8, whole or not at all; see `replacing`."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors=errors)


def write_json(path: str | os.PathLike[str], document: Any) -> None:
    """Write a JSON file, whole or not at all; see `replacing`."""
    write_text(path, json.dumps(document, indent=1) + "\n")


def cannot(done: str, error: OSError, path: str | os.PathLike[str] | None = None) -> FileError:
    """What to say of a file that the system refuses.

    Args:
        done: What cannot be done with it, such as ``written``.
        error: The system's.
        path: The file, as the user knows it; None takes the error's own.
    """
    name = error.filename if path is None else os.fspath(path)
    why = (error.strerror or str(error) or type(error).__name__).lower()
    return FileError(f"{name or 'a file'}: cannot be {done} ({why}); {_CURES.get(error.errno or 0, 'see to the disk')}")
