"""What a file's first bytes say, asked before a reader that would crash on them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tramontane.errors import FormatError


def check_head(file: Path, heads: Sequence[bytes], format_: str) -> bytes:
    """The first bytes of a file that starts as its format does.

    Args:
        file: To look at.
        heads: What a file of the format may start with.
        format_: Its name, for messages.

    Raises:
        FormatError: Missing, empty, or of another format.
    """
    if not file.is_file():
        raise FormatError(f"{file}: there is no such file; check the path")
    with file.open("rb") as stream:
        head = stream.read(64)
    if not head:
        raise FormatError(f"{file}: is empty; write or copy it again")
    if not head.startswith(tuple(heads)):
        raise FormatError(f"{file}: is no {format_} file; its suffix may be wrong, or write it again")
    return head
