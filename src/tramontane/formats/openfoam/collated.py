"""Collated runs: ``processors4/0.5/U`` holds what ``processor0/0.5/U`` to ``processor3/0.5/U`` do otherwise.

The folder of one part is written ``processors4#2`` here, in paths and in messages: it stands for the third block of
every file in ``processors4``. A file that is not in blocks belongs to all parts.
"""

from __future__ import annotations

import re
from mmap import mmap
from pathlib import Path

from tramontane.errors import FormatError

FOLDER = re.compile(r"processors(\d+)(?:_(\d+)-(\d+))?")
_PART = re.compile(rf"({FOLDER.pattern})#(\d+)")
_BLOCK = re.compile(rb"(?:\s|//[^\n]*\n)*(\d{1,18})\s*\(")
_HEADER = re.compile(rb"FoamFile\s*\{.*?\}", re.DOTALL)
_AGAIN = "write or copy it again"
_BEGINNING = 1 << 14


def parts_of(folder: Path) -> dict[int, dict[int, Path]]:
    """The parts of a case's collated runs by number, those of each number of processors apart."""
    parts: dict[int, dict[int, Path]] = {}
    for entry in sorted(folder.iterdir()):
        match = FOLDER.fullmatch(entry.name)
        if match is None or not entry.is_dir():
            continue
        first, last = (int(match[2]), int(match[3])) if match[2] else (0, int(match[1]) - 1)
        for number in range(first, min(last, first + 10**6) + 1):
            parts.setdefault(int(match[1]), {})[number] = entry.with_name(f"{entry.name}#{number - first}")
    return parts


def stored(path: Path) -> tuple[Path, int | None]:
    """Where a path lies on the disk, and which block of it is meant; None outside a collated run."""
    for index, name in enumerate(path.parts):
        if "#" in name and (match := _PART.fullmatch(name)) is not None:
            return Path(*path.parts[:index], match[1], *path.parts[index + 1 :]), int(match[5])
    return path, None


def in_blocks(data: bytes) -> bool:
    """Whether a file that begins so holds a block for each part."""
    header = _HEADER.search(data[:_BEGINNING])
    return header is not None and b"decomposedBlockData" in header[0]


def block(file: Path, data: bytes | mmap, number: int, *, cut: bool = False) -> bytes:
    """One block of a file; all have the header of the first.

    Args:
        file: For messages.
        data: The whole file, or its beginning, which holds the first header.
        number: Which one.
        cut: Whether the data may end within the block.

    Raises:
        FormatError: Cut off, or it has fewer.
    """
    header = _HEADER.search(data, 0, _BEGINNING)
    position, first = header.end() if header else 0, b""
    for index in range(number + 1):
        match = _BLOCK.match(data, position)
        if match is None:
            what = "is cut off or damaged" if index else "is damaged"
            raise FormatError(f"{file}: {what} (it holds {index} blocks, block {number} is asked for); {_AGAIN}")
        start, end = match.end(), match.end() + int(match[1])
        if data[end : end + 1] != b")" and not (cut and end >= len(data)):
            raise FormatError(f"{file}: is cut off or damaged (block {index} does not end where it should); {_AGAIN}")
        if index == 0:
            head = _HEADER.search(data, start, min(end, start + _BEGINNING))
            first = data[start : head.end()] + b"\n" if head else b""
        position = end + 1
    own = data[start:end]
    return own if _HEADER.search(own[:_BEGINNING]) is not None else first + own
