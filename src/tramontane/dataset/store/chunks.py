"""Arrays of one case on disk: Zarr v3, each chunk sealed.

A chunk ends in the CRC-32C of its bytes, compared whenever the chunk is read. The seals kept beside the arrays say
which CRC stands in which place, so that a chunk that is missing (Zarr would read it as zeros) or was put in another's
place is refused as well. Arrays at a domain's sites are stored in a `SiteOrder`, all others in their own.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from tramontane.dataset.store.files import Files
from tramontane.dataset.store.order import Piece, SiteOrder
from tramontane.dataset.store.zarr_format import METADATA, SEAL, ArrayLayout, DamageError, group_description
from tramontane.errors import DatasetError

_CHUNK_BYTES = 4 * 2**20  # of arrays that are read as a whole
_WAITING = 6  # chunks that wait to be packed, at most


class ArrayRecord(BaseModel):
    """What was written.

    Attributes:
        sha256: Of dtype, shape and values, in the order in which they are stored.
        metadata: SHA-256 of Zarr's own description of the array.
        seals: The CRC-32C of each chunk, in hexadecimal, one after the other.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str
    metadata: str
    seals: str

    @property
    def chunks(self) -> int:
        """Number of chunks."""
        return len(self.seals) // (2 * SEAL)

    def seal(self, chunk: int) -> bytes:
        """The last bytes of a chunk's file."""
        return bytes.fromhex(self.seals[2 * SEAL * chunk : 2 * SEAL * (chunk + 1)])


class ArrayWriter:
    """Writes the arrays of one case into a directory and keeps their records; close it, or use it in ``with``.

    Args:
        folder: A directory that does not exist yet.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.records: dict[str, ArrayRecord] = {}
        self._groups: set[Path] = set()
        self._pool = ThreadPoolExecutor(min(4, os.cpu_count() or 1))
        self._add_group(folder)

    def __enter__(self) -> ArrayWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def write(self, path: str, values: NDArray[Any], order: SiteOrder | None = None) -> str:
        """Write an array, and return its path.

        Args:
            path: Below the case's directory.
            values: In the mesh's own order.
            order: How to store them; None keeps the mesh's own.
        """
        dtype = np.dtype(values.dtype.name).newbyteorder("<")  # compilers have two names for a 64-bit integer
        row_bytes = max(dtype.itemsize * int(np.prod(values.shape[1:])), 1)
        rows = order.rows if order else min(max(_CHUNK_BYTES // row_bytes, 1), max(len(values), 1))
        layout = ArrayLayout(values.shape, dtype, rows)
        folder = self.folder / path
        self._add_group(folder.parent)
        description = layout.description()
        for chunk in range(layout.chunks):
            (folder / layout.key(chunk)).parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / METADATA).write_bytes(description)
        digest, seals = _new_digest(layout), []
        waiting: deque[Future[bytes]] = deque()
        for chunk in range(layout.chunks):
            part = (
                np.take(values, order.mesh_ids(chunk), axis=0) if order else values[chunk * rows : (chunk + 1) * rows]
            )
            part = np.ascontiguousarray(part, dtype=dtype)
            waiting.append(self._pool.submit(_write_chunk, layout, folder / layout.key(chunk), part))
            digest.update(part)
            if len(waiting) > _WAITING:
                seals.append(waiting.popleft().result())
        seals += [packed.result() for packed in waiting]
        self.records[path] = ArrayRecord(
            sha256=digest.hexdigest(),
            metadata=hashlib.sha256(description).hexdigest(),
            seals=b"".join(seals).hex(),
        )
        return path

    def _add_group(self, folder: Path) -> None:
        if folder in self._groups:
            return
        if folder != self.folder:
            self._add_group(folder.parent)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / METADATA).write_bytes(group_description())
        self._groups.add(folder)


def _write_chunk(layout: ArrayLayout, file: Path, values: NDArray[Any]) -> bytes:
    data = layout.pack(values)
    with open(file, "wb", buffering=0) as out:
        out.write(data)
    return data[-SEAL:]


class CaseArrays:
    """Reads the arrays of one case, and refuses what is not as it was written.

    Args:
        files: The case's directory.
        records: Of every array in it.
        name: What the case is called in messages.
    """

    def __init__(self, files: Files, records: dict[str, ArrayRecord], name: str) -> None:
        self.files, self.records, self.name = files, records, name
        self._layouts: dict[str, ArrayLayout] = {}

    def read(self, path: str, order: SiteOrder | None = None) -> NDArray[Any]:
        """A whole array, in the mesh's own order.

        Args:
            path: Of the array.
            order: How it is stored.

        Raises:
            DatasetError: A chunk is missing or altered, or the array's description is.
        """
        layout = self._layout(path)
        values = np.empty(layout.shape, layout.dtype)
        for chunk in range(layout.chunks):
            part = self._chunks([(path, chunk)])[0]
            values[order.mesh_ids(chunk) if order else slice(chunk * layout.rows, (chunk + 1) * layout.rows)] = part
        return values

    def window(self, paths: Sequence[str], pieces: Sequence[Piece]) -> list[NDArray[Any]]:
        """Of several arrays in one `SiteOrder`, some rows of some chunks; these of all arrays are read together.

        Raises:
            DatasetError: A chunk that is needed is missing or altered, or an array's description is.
        """
        layouts = [self._layout(path) for path in paths]
        count = sum(len(rows) for _, rows in pieces)
        windows = [np.empty((count, *layout.shape[1:]), layout.dtype) for layout in layouts]
        done = 0
        for chunk, rows in pieces:
            chunk_values = self._chunks(
                [(path, chunk) for path, layout in zip(paths, layouts, strict=True) if layout.chunks]
            )
            filled = (window for window, layout in zip(windows, layouts, strict=True) if layout.chunks)
            for window, values in zip(filled, chunk_values, strict=True):
                # All rows are there; to be told of one that is not, NumPy would write to a buffer first.
                np.take(values, rows, axis=0, out=window[done : done + len(rows)], mode="clip")
            done += len(rows)
        return windows

    def problems(self) -> Iterator[str]:
        """One line for each chunk, array or file that is missing, altered or was never written; reads everything."""
        yield from (line for path in self.records for line in self._array_problems(path))
        expected = {f"{path}/{METADATA}" for path in self.records} | {
            f"{path}/c/{chunk}" for path, record in self.records.items() for chunk in range(record.chunks)
        }
        groups = {str(parent) for path in self.records for parent in Path(path).parents}
        expected |= {Path(group, METADATA).as_posix() for group in groups} | {"case.json", METADATA}
        for file in self.files.names():
            plain = file
            while plain.endswith("/0") and plain not in expected:
                plain = plain.removesuffix("/0")
            if plain not in expected:
                yield f"{self.files}/{file}: is no part of {self.name}; remove it"

    def _array_problems(self, path: str) -> Iterator[str]:
        self._layouts.pop(path, None)
        try:
            layout = self._layout(path)
        except DatasetError as error:
            yield str(error)
            return
        digest, whole = _new_digest(layout), True
        for chunk in range(layout.chunks):
            try:
                digest.update(np.ascontiguousarray(self._chunks([(path, chunk)])[0]))
            except DatasetError as error:
                whole = False
                yield str(error)
        if whole and digest.hexdigest() != self.records[path].sha256:
            yield self._complaint(path, "its values are not those that were written")

    def _layout(self, path: str) -> ArrayLayout:
        if path not in self._layouts:
            try:
                text = self.files.read(f"{path}/{METADATA}")
            except OSError as error:
                raise DatasetError(self._complaint(path, f"its {METADATA} is missing")) from error
            if path not in self.records or hashlib.sha256(text).hexdigest() != self.records[path].metadata:
                raise DatasetError(self._complaint(path, f"its {METADATA} is not the one that was written"))
            self._layouts[path] = ArrayLayout.of_description(text)
        return self._layouts[path]

    def _chunks(self, wanted: Sequence[tuple[str, int]]) -> list[NDArray[Any]]:
        """Chunks of several arrays, each after its checks."""
        names = [f"{path}/{self._layout(path).key(chunk)}" for path, chunk in wanted]
        return [self._unpack(*place, data) for place, data in zip(wanted, self.files.read_all(names), strict=True)]

    def _unpack(self, path: str, chunk: int, data: bytes | None) -> NDArray[Any]:
        if data is None:
            raise DatasetError(self._complaint(path, f"chunk {chunk} is missing"))
        if data[-SEAL:] != self.records[path].seal(chunk):
            raise DatasetError(self._complaint(path, f"chunk {chunk} is not the one that was written"))
        try:
            return self._layout(path).unpack(data, chunk)
        except DamageError as error:
            raise DatasetError(self._complaint(path, str(error))) from error

    def _complaint(self, path: str, reason: str) -> str:
        return f"{self.name}, array {path}: {reason}; restore {self.files} from a copy or ingest the case again"


def _new_digest(layout: ArrayLayout) -> Any:
    return hashlib.sha256(f"{layout.dtype.str} {layout.shape} ".encode())
