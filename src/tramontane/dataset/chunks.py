"""Arrays of one case on disk: Zarr v3, each chunk sealed.

A chunk ends in the CRC-32C of its bytes, which Zarr checks when it decodes the chunk. The seals kept beside the arrays
say which CRC stands in which place, so that a chunk that is missing (Zarr would read it as zeros) or was put in
another's place is refused as well. A window is read chunk by chunk; nothing else of the array is touched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from zarr.codecs import BloscCodec, Crc32cCodec
from zarr.storage import LocalStore

from tramontane.errors import DatasetError

if TYPE_CHECKING:
    from zarr.abc.store import ByteRequest
    from zarr.core.buffer import Buffer, BufferPrototype

CHUNK_ROWS = 32768
_SEAL = 4  # bytes of a CRC-32C
_METADATA = "zarr.json"
# What zarr, its codecs and the file system raise for files that are not as they were written.
_DAMAGE = (ValueError, RuntimeError, OSError, KeyError, TypeError, IndexError, EOFError)


class ArrayRecord(BaseModel):
    """What was written.

    Attributes:
        sha256: Of dtype, shape and values.
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
        return len(self.seals) // (2 * _SEAL)


class ArrayWriter:
    """Writes the arrays of one case into a directory and keeps their records.

    Args:
        folder: A directory that does not exist yet.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.records: dict[str, ArrayRecord] = {}
        self._group = zarr.create_group(LocalStore(folder), zarr_format=3)

    def write(self, path: str, values: NDArray[Any]) -> str:
        """Write an array, and return its path."""
        values = np.ascontiguousarray(values)
        # Compilers have two names for a 64-bit integer; zarr knows one.
        values = values.view(np.dtype(values.dtype.str))
        array = self._group.create_array(
            path,
            shape=values.shape,
            dtype=values.dtype,
            chunks=(min(CHUNK_ROWS, max(len(values), 1)), *(max(size, 1) for size in values.shape[1:])),
            compressors=(BloscCodec(cname="zstd", clevel=4, shuffle="shuffle"), Crc32cCodec()),
            config={"write_empty_chunks": True},
        )
        array[...] = values
        folder = self.folder / path
        digest = _new_digest(values.dtype, values.shape)
        digest.update(values)
        count = -(-len(values) // CHUNK_ROWS) if values.size else 0
        tail = ("0",) * (values.ndim - 1)
        self.records[path] = ArrayRecord(
            sha256=digest.hexdigest(),
            metadata=hashlib.sha256((folder / _METADATA).read_bytes()).hexdigest(),
            seals="".join(_seal(folder.joinpath("c", str(chunk), *tail)) for chunk in range(count)),
        )
        return path


class CaseArrays:
    """Reads the arrays of one case, and refuses what is not as it was written.

    Args:
        folder: The case's directory.
        records: Of every array in it.
        name: What the case is called in messages.
    """

    def __init__(self, folder: Path, records: dict[str, ArrayRecord], name: str) -> None:
        self.folder, self.records, self.name = folder, records, name
        self._store = _SealedStore(folder, records)
        self._open: dict[str, zarr.Array[Any]] = {}

    def read(self, path: str, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Rows ``start`` to ``stop`` of an array.

        Raises:
            DatasetError: A chunk that is needed is missing or altered, or the array's description is.
        """
        try:
            return np.asarray(self._array(path)[start:stop])
        except _DAMAGE as error:
            raise DatasetError(self._complaint(path, error)) from error

    def problems(self) -> Iterator[str]:
        """One line for each chunk, array or file that is missing, altered or was never written; reads everything."""
        yield from (line for path in self.records for line in self._array_problems(path))
        known = {f"{path}/{_METADATA}" for path in self.records} | {
            f"{path}/c/{chunk}" for path, record in self.records.items() for chunk in range(record.chunks)
        }
        groups = {".", *(str(parent) for path in self.records for parent in Path(path).parents)}
        known |= {str(Path(group, _METADATA)) for group in groups} | {"case.json"}
        for file in sorted(entry for entry in self.folder.rglob("*") if entry.is_file()):
            relative = file.relative_to(self.folder).as_posix()
            while relative.endswith("/0") and relative not in known:
                relative = relative.removesuffix("/0")
            if relative not in known:
                yield f"{file}: is no part of {self.name}; remove it"

    def _array_problems(self, path: str) -> Iterator[str]:
        self._open.pop(path, None)
        try:
            array = self._array(path)
        except _DAMAGE as error:
            yield self._complaint(path, error)
            return
        digest, whole = _new_digest(array.dtype, array.shape), True
        for start in range(0, array.shape[0] if array.size else 0, CHUNK_ROWS):
            try:
                digest.update(np.ascontiguousarray(array[start : start + CHUNK_ROWS]))
            except _DAMAGE as error:
                whole = False
                yield self._complaint(path, error, f"chunk {start // CHUNK_ROWS} ")
        if whole and digest.hexdigest() != self.records[path].sha256:
            yield self._complaint(path, _DamageError("its values are not those that were written"))

    def _array(self, path: str) -> zarr.Array[Any]:
        if path not in self._open:
            self._open[path] = zarr.open_array(self._store, path=path, mode="r", zarr_format=3)
        return self._open[path]

    def _complaint(self, path: str, error: Exception, where: str = "") -> str:
        if isinstance(error, _DamageError):
            reason = str(error)
        else:
            reason = f"{where or 'a chunk '}cannot be decoded ({type(error).__name__}), it was altered"
        return f"{self.name}, array {path}: {reason}; restore {self.folder} from a copy or ingest the case again"


class _DamageError(ValueError):
    """A file that is not as it was written."""


class _SealedStore(LocalStore):
    """A case's directory, read-only, whose descriptions and chunks are compared with their records."""

    def __init__(self, root: Path, records: dict[str, ArrayRecord]) -> None:
        super().__init__(root, read_only=True)
        self._records = records

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """A description or a chunk, as it was written."""
        value = await super().get(key, prototype, byte_range)
        path, is_metadata, _ = key.rpartition(f"/{_METADATA}")
        if is_metadata:
            if value is None or hashlib.sha256(value.to_bytes()).hexdigest() != self._records[path].metadata:
                raise _DamageError(
                    f"its {_METADATA} is {'missing' if value is None else 'not the one that was written'}"
                )
            return value
        path, is_chunk, place = key.rpartition("/c/")
        if is_chunk:
            chunk = int(place.split("/")[0])
            seal = self._records[path].seals[2 * _SEAL * chunk : 2 * _SEAL * (chunk + 1)]
            if value is None:
                raise _DamageError(f"chunk {chunk} is missing")
            if value.to_bytes()[-_SEAL:].hex() != seal:
                raise _DamageError(f"chunk {chunk} is not the one that was written")
        return value


def _new_digest(dtype: np.dtype[Any], shape: tuple[int, ...]) -> Any:
    return hashlib.sha256(f"{dtype.str} {shape} ".encode())


def _seal(file: Path) -> str:
    with open(file, "rb") as chunk:
        chunk.seek(-_SEAL, 2)
        return chunk.read(_SEAL).hex()
