"""STL, binary or in text, as CAD programs write it: headers that lie, bytes behind the end, numbers of any country."""

from __future__ import annotations

import contextlib
import re
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tramontane.errors import GeometryError
from tramontane.formats.numerals import plain

_HEAD, _RECORD = 84, np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
_BOM = b"\xef\xbb\xbf"
_FACET = re.compile(
    rb"(facet\s+normal\s+)(\S+\s+\S+\s+\S+)(\s+outer\s+loop\s+vertex\s+)"
    rb"(\S+\s+\S+\s+\S+)(\s+vertex\s+)(\S+\s+\S+\s+\S+)(\s+vertex\s+)(\S+\s+\S+\s+\S+)",
    re.IGNORECASE,
)
_NUMBER = re.compile(rb"[-+]?(\d+\.?\d*|\.\d+)([edEDqQ]?[-+]?\d+)?")
_UNITS = re.compile(rb"\bunits?\s*[=:]\s*([a-z]+)", re.IGNORECASE)
_KNOWN = {
    "m": "m", "meter": "m", "meters": "m", "metre": "m", "metres": "m", "mm": "mm", "millimeter": "mm",
    "millimeters": "mm", "millimetre": "mm", "millimetres": "mm", "cm": "cm", "centimeter": "cm", "centimeters": "cm",
    "in": "in", "inch": "in", "inches": "in", "ft": "ft", "foot": "ft", "feet": "ft",
}  # fmt: skip


def read_stl(file: Path) -> tuple[NDArray[np.float64], list[str], str | None]:
    """Read the triangles of all solids of a file.

    Args:
        file: Binary, or in text.

    Returns:
        Corners ``(triangles, 3, 3)``, a sentence for each thing to mind, and the length unit that the header states.
        Normals are not read: they follow from the corners, and some programs write none that are numbers.

    Raises:
        GeometryError: Cut off, damaged, or no STL.
    """
    size = file.stat().st_size
    with file.open("rb") as stream:
        head = stream.read(512)
    unit = _unit_of(head)
    count = int.from_bytes(head[80:_HEAD], "little") if len(head) >= _HEAD else -1
    expected = _HEAD + _RECORD.itemsize * count
    if count >= 0 and (size == expected or not _is_text(head)):
        if size < expected or (count == 0 and size >= _HEAD + _RECORD.itemsize):
            what = f"{size} bytes, {expected} expected" if count < 1e9 else f"{size} bytes"
            raise GeometryError(f"{file}: is cut off or no STL ({what}); export or copy it again")
        records = np.fromfile(file, dtype=_RECORD, count=count, offset=_HEAD)
        behind = size - expected
        lost = [f"{file}: {behind} bytes behind its {count} triangles are not read; export it again if it has more"]
        return records["corners"].astype(np.float64), lost if behind >= _RECORD.itemsize else [], unit
    if not _is_text(head):
        raise GeometryError(f"{file}: is cut off or no STL ({size} bytes); export or copy it again")
    return _read_text(file), [], unit


def stl_with_corners(file: Path, corners: NDArray[np.float64]) -> bytes:
    """What a file says with other corners: the names of its solids, header and triangles that do not change stay.

    Args:
        file: Which `read_stl` reads.
        corners: ``(triangles, 3, 3)``, in its order.

    Raises:
        GeometryError: A text whose facets are not written as the format says, or another number of triangles.
    """
    data, before = file.read_bytes(), read_stl(file)[0]
    if corners.shape != before.shape:
        raise GeometryError(f"{file}: has {len(before)} triangles, not {len(corners)}; write a file of another name")
    changed = (corners != before).any(axis=(1, 2))
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    normals /= np.where(lengths > 0, lengths, 1.0)
    if not changed.any():
        return data
    if not _is_text(data[:512]):
        end = _HEAD + _RECORD.itemsize * len(corners)
        records = np.frombuffer(data[_HEAD:end], dtype=_RECORD).copy()
        records["corners"][changed], records["normal"][changed] = corners[changed], normals[changed]
        return data[:_HEAD] + records.tobytes() + data[end:]
    numbers, flags = iter(np.concatenate([normals[:, None], corners], axis=1).tolist()), iter(changed.tolist())

    def facet(match: re.Match[bytes]) -> bytes:
        rows, text = next(numbers, None), match[0]
        if rows is None or not next(flags):
            return text if b"." in text else text.replace(b",", b".")  # else decimal commas beside our points
        words = [" ".join(f"{number:.9g}" for number in row).encode() for row in rows]
        return b"".join(part for pair in zip(match.groups()[::2], words, strict=False) for part in pair)

    text, count = _FACET.subn(facet, data)
    if count != len(corners):
        raise GeometryError(f"{file}: {count} of {len(corners)} facets are written as the format says; export it "
                            "again, or as a binary STL")  # fmt: skip
    return text


def _is_text(head: bytes) -> bool:
    """Whether a file is in text: a binary one may begin with ``solid``, too, but its numbers are no text."""
    text = head.removeprefix(_BOM).lstrip()
    return text[:5].lower() == b"solid" and not any(byte < 9 or 13 < byte < 32 for byte in head)


def _unit_of(head: bytes) -> str | None:
    match = _UNITS.search(head[: _HEAD - 4] if not _is_text(head) else head.split(b"facet")[0])
    return _KNOWN.get(match[1].decode("ascii").lower()) if match else None


def _read_text(file: Path) -> NDArray[np.float64]:
    text = file.read_bytes().lower().replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if b"endsolid" not in text[-256:]:
        raise GeometryError(f"{file}: is cut off (no endsolid at its end); export or copy it again")
    bare = _without_names(text)
    text = bare if b"vertex" in bare else text
    lines = [part[: part.find(b"\n")] if b"\n" in part else part for part in text.split(b"vertex")[1:]]
    facets = text.count(b"facet") - text.count(b"endfacet")
    del text, bare
    values = _numbers(file, lines)
    if len(values) != 3 * len(lines) or len(lines) != 3 * facets:
        raise GeometryError(f"{file}: has {len(values)} coordinates of {len(lines)} corners for {facets} triangles; "
                            "it is damaged, export or copy it again")  # fmt: skip
    return values.reshape(-1, 3, 3)


def _without_names(text: bytes) -> bytes:
    """Without the lines ``solid NAME`` and ``endsolid NAME``: a name may hold any word."""
    parts, at = [], 0
    while (start_of_word := text.find(b"solid", at)) >= 0:
        start, end = text.rfind(b"\n", at, start_of_word) + 1, text.find(b"\n", start_of_word)
        end = len(text) if end < 0 else end
        parts.append(
            text[at : start or at] if text[start or at : start_of_word].strip() in (b"", b"end", _BOM) else text[at:end]
        )
        at = end
    return b"".join([*parts, text[at:]])


def _numbers(file: Path, lines: list[bytes]) -> NDArray[np.float64]:
    """The numbers behind each ``vertex``; a comma is a decimal mark where three words follow that have no point."""
    joined = b" ".join(lines)
    if b"," in joined:
        decimal = b"." not in joined and all(len(line.split()) == 3 for line in lines)
        joined = joined.replace(b",", b"." if decimal else b" ")
    for mend in (str, plain):
        with contextlib.suppress(ValueError, DeprecationWarning), warnings.catch_warnings():
            warnings.simplefilter("error")  # NumPy warns of text that is no number, and stops there
            return np.fromstring(mend(joined.decode("ascii", "replace")), dtype=np.float64, sep=" ")
    bad = next((word for word in joined.split() if not _NUMBER.fullmatch(word)), b"")
    raise GeometryError(f"{file}: has {bad.decode('ascii', 'replace')[:40]!r} where a coordinate is expected; "
                        "export it again")  # fmt: skip
