"""OBJ files whose faces count points backwards: ``f -1 -2 -3`` are the last three points so far."""

from __future__ import annotations

import io
import re
from pathlib import Path

from tramontane.errors import GeometryError

_CONTINUED = re.compile(rb"\\[ \t]*\r?\n")
_BACKWARDS = re.compile(rb"^[ \t]*f[ \t][^\n]*-\d", re.MULTILINE)
_KINDS = {b"v": 0, b"vt": 1, b"vn": 2}


def with_positive_indices(file: Path) -> io.BytesIO | None:
    """A file's text with faces of points counted from the first, and without continued lines.

    Returns:
        None where the file is so already, which is what most are.

    Raises:
        GeometryError: A face counts back before the first point.
    """
    text = file.read_bytes()
    if b"\\" in text:
        text = _CONTINUED.sub(b" ", text)
    elif _BACKWARDS.search(text) is None:
        return None
    counts, lines = [0, 0, 0], []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if words and words[0] in _KINDS:
            counts[_KINDS[words[0]]] += 1
        elif words and words[0] == b"f" and b"-" in line:
            try:
                line = b"f " + b" ".join(_forwards(word, counts) for word in words[1:])
            except IndexError:
                shown = line.decode("utf-8", "replace").strip()[:60]
                raise GeometryError(f"{file}: line {number}: {shown!r} counts back before the first point; "
                                    "export it again") from None  # fmt: skip
        lines.append(line)
    return io.BytesIO(b"\n".join(lines) + b"\n")


def _forwards(corner: bytes, counts: list[int]) -> bytes:
    """One corner of a face, ``-1/-1/-1``.

    Raises:
        IndexError: There are not so many points yet.
    """
    entries = corner.split(b"/")
    for place, entry in enumerate(entries[:3]):
        if entry.startswith(b"-") and entry[1:].isdigit():
            if -int(entry) > counts[place]:
                raise IndexError
            entries[place] = b"%d" % (counts[place] + 1 + int(entry))
    return b"/".join(entries)
