"""A layout of a published data set as the registry lists it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tramontane.formats.results import Collection


@dataclass(frozen=True)
class Layout:
    """A layout. A module of `tramontane.formats.layouts` that reads one holds it as ``LAYOUT``.

    Attributes:
        name: What people call the data set.
        open: Takes a folder and, for data sets that come with several, the name of a set of official splits. It looks
            at names alone, and gives the folder's cases, or None where the folder is something else.
    """

    name: str
    open: Callable[[Path, str | None], Collection | None]
