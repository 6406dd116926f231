"""The files that a list of files (``.vtm``, ``.pvtu`` and their kind) is made of."""

from __future__ import annotations

import html
import re
from pathlib import Path

from tramontane.errors import FormatError
from tramontane.formats.isolation.checks import beside
from tramontane.formats.vtk.files import LISTS

_NAMES = re.compile(r"""\b(?:file|Source)\s*=\s*("[^"]*"|'[^']*')""")
_DEEP = 8  # lists of lists


def pieces(file: Path, *, depth: int = 0) -> list[Path]:
    """The files that a list of files names, and those that they name; none for a file that is no list.

    Raises:
        FormatError: One lies outside of the list's folder.
    """
    if file.suffix.lower() not in LISTS:
        return []
    # What follows is no XML where it is raw.
    text = file.read_bytes().partition(b"<AppendedData")[0].decode("utf-8", "replace")
    if "<!ENTITY" in text:
        raise FormatError(f"{file}: defines XML entities, which are not read; write it without them")
    files: list[Path] = []
    for match in _NAMES.finditer(text):
        path = beside(file, html.unescape(match[1][1:-1]))
        files.append(path)
        if path.is_file() and depth < _DEEP:
            files += pieces(path, depth=depth + 1)
    return list(dict.fromkeys(files))
