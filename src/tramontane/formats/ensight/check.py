"""Whether EnSight's variable files are as long as their geometry wants: VTK's reader fills up what is missing."""

from __future__ import annotations

import mmap
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tramontane.errors import FormatError
from tramontane.formats.isolation.isolated import Block

_COMPONENTS = {"scalar": 1, "vector": 3, "tensor symm": 6, "tensor asym": 9}
_BINARY = re.compile(rb"C Binary|....Fortran Binary", re.DOTALL | re.IGNORECASE)
_TEXT_PART = re.compile(rb"^[ \t]*part[ \t\r]*\n[ \t]*(\d+)[ \t\r]*$", re.MULTILINE)
_TEXT_WORDS = re.compile(rb"\n[ \t]*(?!nan|inf)[a-z]", re.IGNORECASE)
_LINE, _NUMBER = 80, 4  # bytes of a line of text and of a number in a binary file
_BINARY_PART = re.compile(rb"part[\0 ].{75}(.{4})", re.DOTALL)


def check_variables(file: Path, geometry: Path, variables: Sequence[tuple[str, Path]], blocks: Sequence[Block]) -> None:
    """Compare each variable's file with the parts that it lists.

    Nothing is said where parts and blocks cannot be matched, and of values for some of a part's cells only.

    Args:
        file: The case, for messages.
        geometry: Its geometry in EnSight Gold.
        variables: What the case calls each kind (``scalar per node``), and the file.
        blocks: The parts as they were read.

    Raises:
        FormatError: A file is cut off.
    """
    binary = _is_binary(geometry)
    ids = _parts(geometry, binary)
    if len(ids) != len(blocks) or len(set(ids)) != len(ids):
        return
    meshes = {number: block.mesh for number, block in zip(ids, blocks, strict=True)}
    for kind, path in variables:
        what, _, place = kind.partition(" per ")
        listed = _parts(path, binary)
        if not set(listed) <= set(ids):
            continue
        listed_meshes = [meshes[number] for number in listed]
        counts = [mesh.n_points if place == "node" else mesh.n_cells for mesh in listed_meshes]
        wanted = _COMPONENTS[what] * sum(counts)
        if binary:
            kinds = [1 if place == "node" else len(np.unique(mesh.celltypes)) for mesh in listed_meshes]
            size = _LINE + len(listed) * (_LINE + _NUMBER) + sum(kinds) * _LINE + wanted * _NUMBER
            short = path.stat().st_size < size and not _says_partial(path)
        else:
            short = _values(path) - len(listed) < wanted and not _says_partial(path)
        if short or not listed:
            raise FormatError(f"{path}: is cut off (it has values for fewer places than {file.name} has); "
                              "write or copy it again")  # fmt: skip


def _is_binary(geometry: Path) -> bool:
    with geometry.open("rb") as stream:
        return _BINARY.match(stream.read(32)) is not None


def _parts(path: Path, binary: bool) -> list[int]:
    """The numbers of the parts in a file, in order."""
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if not binary:
            return [int(match[1]) for match in _TEXT_PART.finditer(content)]
        numbers = [match[1] for match in _BINARY_PART.finditer(content)]
    # Whichever way round the bytes of a number stand, those of a part are small.
    little, big = ([int.from_bytes(number, order) for number in numbers] for order in ("little", "big"))
    return min(little, big, key=lambda numbers: max(numbers, default=0))


def _values(path: Path) -> int:
    """Lines that hold a number, the numbers of parts included; a line without its end does not count."""
    lines = 0
    with path.open("rb") as stream:
        while block := stream.read(1 << 24):
            lines += block.count(b"\n")
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            words = sum(1 for _ in _TEXT_WORDS.finditer(content))
    return lines - 1 - words


def _says_partial(path: Path) -> bool:
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return re.search(rb" (?:partial|undef)\b", content) is not None
