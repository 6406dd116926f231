"""What a file's first bytes and its length say, asked before a reader that would crash on it, or take it for whole."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from tramontane.errors import FormatError
from tramontane.formats.exodus import netcdf

HDF5 = b"\x89HDF\r\n\x1a\n"


def check_head(file: Path, heads: Sequence[bytes], format_: str) -> bytes:
    """The first bytes of a file that starts as its format does and, in HDF5 or netCDF, is as long as it says.

    Args:
        file: To look at.
        heads: What a file of the format may start with.
        format_: Its name, for messages.

    Raises:
        FormatError: Missing, empty, of another format, or cut off.
    """
    if not file.is_file():
        raise FormatError(f"{file}: there is no such file; check the path")
    head = first_bytes(file, 64)
    if not head:
        raise FormatError(f"{file}: is empty; write or copy it again")
    if not head.startswith(tuple(heads)):
        raise FormatError(f"{file}: is no {format_} file; its suffix may be wrong, or write it again")
    if head.startswith(HDF5):
        _check_hdf5(file, head)
    elif head.startswith(netcdf.MAGIC):
        netcdf.check_length(file)
    return head


def beside(file: Path, name: str) -> Path:
    """A file that another one names: in its folder or below, whatever links may lead from there.

    Raises:
        FormatError: Elsewhere.
    """
    # By the letters: someone's own links to data elsewhere are meant.
    plain = os.path.normpath(name.replace("\\", "/"))
    if "\0" in name or os.path.isabs(plain) or plain.split("/")[0] == ".." or re.match("[A-Za-z]:", plain):
        raise FormatError(f"{file}: names a file outside of its folder ({name[:200]!r}), which is not read; "
                          f"put that file beside {file.name}, and name it so")  # fmt: skip
    return file.parent / plain


def first_bytes(file: Path, count: int) -> bytes:
    """Up to ``count`` bytes of a file's start; nothing where it cannot be read."""
    try:
        with file.open("rb") as stream:
            return stream.read(count)
    except OSError:
        return b""


def _check_hdf5(file: Path, head: bytes) -> None:
    """HDF5 says in its superblock where the file ends."""
    version = head[8]
    width, at = (head[13], 24 if version == 0 else 28) if version < 2 else (head[9], 12)
    # The addresses are, in this order: base, free space or extension, end of file.
    base, _, end = (int.from_bytes(head[at + k * width : at + (k + 1) * width], "little") for k in range(3))
    size = file.stat().st_size
    if version > 3 or width not in (2, 4, 8):
        raise FormatError(f"{file}: is HDF5 of a kind that is not known, or damaged; write or copy it again")
    if base + end > size:
        raise FormatError(f"{file}: is cut off (it has {size} bytes of {base + end}); write or copy it again")
