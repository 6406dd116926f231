"""A file format: what it is called, which files it takes, and who reads them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tramontane.formats.results import Results

Reader = Callable[[Path], Results]
"""Takes a path, gives what is in it, and raises `FormatError` and nothing else."""


@dataclass(frozen=True)
class Format:
    """A format of files with results. A module of `tramontane.formats` that has some lists them as ``FORMATS``.

    Attributes:
        name: What people call it.
        suffixes: Of its files, lower case, with the dot; of two parts where that tells more (``.cas.h5``).
        read: The reader of one file.
        recognises: Whether a file with one of the suffixes is one, by its first bytes; None takes every one.
        claims: Whether a file is one whatever its suffix; None where the suffix decides.
        read_with: Suffixes of files of the same stem with which one is read, and not by itself.
    """

    name: str
    suffixes: tuple[str, ...]
    read: Reader
    recognises: Callable[[Path], bool] | None = None
    claims: Callable[[Path], bool] | None = None
    read_with: tuple[str, ...] = ()
