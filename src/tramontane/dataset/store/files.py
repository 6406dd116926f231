"""The files of a dataset, by name below a root."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from tramontane.errors import DatasetError


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

    def folders(self, name: str) -> list[str]:
        """What lies in a folder, sorted; nothing where there is none."""

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

    def folders(self, name: str) -> list[str]:
        """What lies in a folder, sorted; nothing where there is none."""
        folder = self.root / name
        return sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []

    def below(self, name: str) -> LocalFiles:
        """The files below a folder."""
        return LocalFiles(self.root / name)

    def _read_or_none(self, name: str) -> bytes | None:
        try:
            return self.read(name)
        except OSError:
            return None


class RemoteFiles:
    """Files on a server, through fsspec; several are fetched at once.

    Args:
        url: Of the root, such as ``s3://bucket/folder``.
        options: What the server's file system is opened with, such as ``key``, ``secret`` and ``endpoint_url``.

    Raises:
        DatasetError: The library for this kind of address is not installed.
    """

    def __init__(self, url: str, options: Mapping[str, Any] | None = None) -> None:
        self.url, self.options = url.rstrip("/"), dict(options or {})
        try:
            import fsspec

            self._system, self._root = fsspec.core.url_to_fs(self.url, **self.options)
        except (ImportError, ValueError) as error:
            raise DatasetError(
                f'{url}: cannot be opened ({error}); pip install "tramontane[remote]" reads s3://'
            ) from error

    def __str__(self) -> str:
        return self.url

    def read(self, name: str) -> bytes:
        """The content of a file.

        Raises:
            OSError: It cannot be read, whatever the server's library raises for it.
        """
        try:
            return bytes(self._system.cat_file(f"{self._root}/{name}"))
        except OSError:
            raise
        except Exception as error:  # each library has errors of its own for a server that does not answer
            raise OSError(f"{type(error).__name__}: {error}") from error

    def read_all(self, names: Sequence[str]) -> list[bytes | None]:
        """The contents of several files, None for those that cannot be read; fetched at once."""
        paths = [f"{self._root}/{name}" for name in names]
        contents = self._system.cat(paths, on_error="omit") if paths else {}
        contents = {key.rstrip("/").removeprefix("/"): content for key, content in contents.items()}
        return [contents.get(path.removeprefix("/")) for path in paths]

    def names(self) -> list[str]:
        """All files below the root, sorted."""
        paths = (str(path).removeprefix("/") for path in self._system.find(self._root))
        return sorted(path.removeprefix(self._root.removeprefix("/") + "/") for path in paths)

    def folders(self, name: str) -> list[str]:
        """What lies in a folder, sorted; nothing where there is none."""
        try:
            entries = self._system.ls(f"{self._root}/{name}", detail=False)
        except FileNotFoundError:
            return []
        return sorted(str(path).rstrip("/").rpartition("/")[2] for path in entries)

    def below(self, name: str) -> RemoteFiles:
        """The files below a folder."""
        return RemoteFiles(f"{self.url}/{name}", self.options)


def open_files(path: str | os.PathLike[str], options: Mapping[str, Any] | None = None) -> LocalFiles | RemoteFiles:
    """The files below a directory, or below an address such as ``s3://bucket/folder``."""
    return RemoteFiles(str(path), options) if is_remote(path) else LocalFiles(Path(path))


def is_remote(path: str | os.PathLike[str]) -> bool:
    """Whether a path is an address of a server."""
    return isinstance(path, str) and "://" in path
