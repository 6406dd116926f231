"""The bytes of OpenFOAM's files, compressed or not, in blocks of a collated run or not, and numbers written as text."""

from __future__ import annotations

import mmap
import re
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tramontane.errors import FormatError
from tramontane.formats.openfoam.collated import block, in_blocks, stored

AGAIN = "write or copy it again"
_UNPACKED = (1 << 28, 200)  # a compressed file may grow to so many bytes, or to so many times its size
_BANNER = re.compile(rb"Version:[ \t]*([^\s|]+)")


def existing(file: Path) -> Path | None:
    """The file, or the compressed one beside it, or None."""
    for candidate in (file, file.with_name(f"{file.name}.gz")):
        if stored(candidate)[0].is_file():
            return candidate
    return None


def entries_of(folder: Path) -> list[Path]:
    """What lies in a folder, sorted; nothing where there is no such folder."""
    place, _ = stored(folder)
    return [folder / entry.name for entry in sorted(place.iterdir())] if place.is_dir() else []


def load(file: Path, limit: int | None = None) -> bytes:
    """The bytes of a file, unpacked where its name ends in ``.gz``; of a collated file, those of one part.

    Raises:
        FormatError: Missing, empty, damaged, longer than ``limit``, or unpacking to far more than it could hold.
    """
    place, part = stored(file)
    try:
        if part is not None and file.suffix != ".gz" and in_blocks(beginning(place)):
            with place.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as text:
                return block(file, text, part)  # the others are not read
        data = place.read_bytes() if limit is None else _head(place, limit)
    except OSError as error:
        raise FormatError(f"{file}: cannot be read ({error.strerror}); check the file") from error
    if file.suffix == ".gz" and data:
        most = limit or max(_UNPACKED[0], _UNPACKED[1] * len(data))
        unpack = zlib.decompressobj(wbits=31)
        try:
            data = unpack.decompress(data, most)
        except zlib.error as error:
            raise FormatError(f"{file}: cannot be unpacked ({error}); {AGAIN}") from error
        if not unpack.eof:
            what = f"unpacks to over {most} bytes" if unpack.unconsumed_tail else "is cut off"
            raise FormatError(f"{file}: {what}; {AGAIN}")
    if not data:
        raise FormatError(f"{file}: is empty; {AGAIN}")
    return block(file, data, part) if part is not None and in_blocks(data) else data


def version_in(text: bytes) -> str:
    """The program's version in the banner of a file, empty where it does not say."""
    banner = _BANNER.search(text[:1024].split(b"FoamFile")[0])
    return banner[1].decode("ascii", "replace") if banner else ""


def beginning(file: Path) -> bytes:
    """Enough of a file to hold its header; of a collated file, that of its first part.

    Raises:
        FormatError: It cannot be read.
    """
    place, part = stored(file)
    try:
        with place.open("rb") as stream:
            data = stream.read(1 << 14)
        data = zlib.decompressobj(wbits=31).decompress(data, 1 << 14) if file.suffix == ".gz" else data
        return block(file, data, 0, cut=True) if part is not None and in_blocks(data) else data
    except (OSError, zlib.error) as error:
        raise FormatError(f"{file}: cannot be read ({error}); {AGAIN}") from error


def parse_flat(file: Path, text: bytes, whole: bool) -> NDArray[Any]:
    """All numbers of a text that holds nothing else.

    Raises:
        FormatError: It does.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return np.fromstring(text, dtype=np.int64 if whole else np.float64, sep=" ")
        except (ValueError, DeprecationWarning) as error:
            raise FormatError(
                f"{file}: is damaged (a list holds what is no {'label' if whole else 'number'}); {AGAIN}"
            ) from error


def _head(file: Path, limit: int) -> bytes:
    if file.stat().st_size > limit:
        raise FormatError(f"{file}: has {file.stat().st_size} bytes, which is no dictionary; {AGAIN}")
    return file.read_bytes()
