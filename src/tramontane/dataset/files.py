"""The files of a dataset, by name below a root."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol


class Files(Protocol):
    """Files below a root, read whole; ``str`` gives the root for messages."""

    def read(self, name: str) -> bytes:
        """The content of a file.

        Raises:
            OSError: It cannot be read; FileNotFoundError where there is none.
        """

    def read_all(self, names: Sequence[str]) -> list[bytes | None]:
        """The contents of several files, None for those that cannot be read; at once where that is faster."""

    def names(self) -> list[str]:
        """All files below the root, sorted."""

    def below(self, name: str) -> Files:
        """The files below a folder."""


class LocalFiles:
    """Files in a directory.

    Args:
        root: The directory.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def __str__(self) -> str:
        return str(self.root)

    def read(self, name: str) -> bytes:
        """The content of a file."""
        with open(f"{self.root}/{name}", "rb", buffering=0) as file:
            return file.read()

    def read_all(self, names: Sequence[str]) -> list[bytes | None]:
        """The contents of several files, None for those that cannot be read."""
        return [self._read_or_none(name) for name in names]

    def names(self) -> list[str]:
        """All files below the root, sorted."""
        return sorted(file.relative_to(self.root).as_posix() for file in self.root.rglob("*") if file.is_file())

    def below(self, name: str) -> LocalFiles:
        """The files below a folder."""
        return LocalFiles(self.root / name)

    def _read_or_none(self, name: str) -> bytes | None:
        try:
            return self.read(name)
        except OSError:
            return None
