"""Zarr v3 as it is on disk: descriptions of groups and arrays, and the bytes of a chunk.

zarr-python opens what is written here, and reads the same values; for many small reads it takes several times as long
as unpacking a chunk does. Only what datasets are made of is known: regular chunks along the first axis, Blosc (zstd,
shuffled), and the CRC-32C of the compressed bytes behind them. Specification: zarr-specs.readthedocs.io.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import google_crc32c
import numcodecs.blosc as blosc
import numpy as np
from numpy.typing import NDArray

METADATA = "zarr.json"
SEAL = 4
"""Bytes of a CRC-32C at a chunk's end."""
# Level, shuffle, bytes of a block (0: Blosc's choice). Measured on meshes and fields of solvers: three times as fast as
# level 4 with shuffled bytes, for 3 % more bytes; lists of cells pack twice as fast in large blocks as in small ones.
_PACKING = {"f": (2, blosc.BITSHUFFLE, 0), "": (2, blosc.SHUFFLE, 1 << 20)}
_SHUFFLES = {blosc.BITSHUFFLE: "bitshuffle", blosc.SHUFFLE: "shuffle"}
# Its own threads are not safe where several of ours call it.
blosc.use_threads = False


class DamageError(ValueError):
    """A file that is not as it was written."""


@dataclass(frozen=True)
class ArrayLayout:
    """What an array's description says.

    Attributes:
        shape: Of the whole array.
        dtype: Little-endian.
        rows: Of each chunk; chunks are cut along the first axis only.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    rows: int

    @property
    def chunks(self) -> int:
        """Number of chunks; none where the array has no values."""
        return -(-self.shape[0] // self.rows) if 0 not in self.shape else 0

    def count(self, chunk: int) -> int:
        """Number of an array's rows in a chunk; the last chunk is filled up with zeros."""
        return min(self.rows, self.shape[0] - chunk * self.rows)

    def key(self, chunk: int) -> str:
        """A chunk's file, below the array's folder."""
        return "/".join(["c", str(chunk), *("0" for _ in self.shape[1:])])

    def description(self) -> bytes:
        """The array's ``zarr.json``."""
        endian = {"configuration": {"endian": "little"}} if self.dtype.itemsize > 1 else {}
        level, shuffle, block = self._packing
        packing = {"typesize": self.dtype.itemsize, "cname": "zstd", "clevel": level, "shuffle": _SHUFFLES[shuffle]}
        document = {
            "zarr_format": 3,
            "node_type": "array",
            "shape": self.shape,
            "data_type": self.dtype.name,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [self.rows, *self._width]}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": np.zeros((), self.dtype).item(),
            "codecs": [
                {"name": "bytes", **endian},
                {"name": "blosc", "configuration": packing | {"blocksize": block}},
                {"name": "crc32c"},
            ],
            "attributes": {},
            "storage_transformers": [],
        }
        return json.dumps(document, indent=1).encode()

    @classmethod
    def of_description(cls, text: bytes) -> ArrayLayout:
        """The layout that a ``zarr.json`` of ours describes."""
        document = json.loads(text)
        rows = document["chunk_grid"]["configuration"]["chunk_shape"][0]
        return cls(tuple(document["shape"]), np.dtype(document["data_type"]).newbyteorder("<"), rows)

    def pack(self, values: NDArray[Any]) -> bytes:
        """A chunk's file; ``values`` are its rows, contiguous, fewer than ``rows`` in the last chunk."""
        if len(values) < self.rows:
            whole = np.zeros((self.rows, *self._width), self.dtype)
            whole[: len(values)] = values
            values = whole
        flat = values.reshape(-1).view(np.uint8)
        packed = bytes(blosc.compress(flat, b"zstd", *self._packing, self.dtype.itemsize))
        return packed + int(google_crc32c.value(packed)).to_bytes(SEAL, "little")

    def unpack(self, data: bytes, chunk: int) -> NDArray[Any]:
        """The rows of a chunk.

        Raises:
            DamageError: The bytes are not those that were written.
        """
        packed = data[:-SEAL]
        values = np.empty((self.rows, *self._width), self.dtype)
        if google_crc32c.value(packed) != int.from_bytes(data[-SEAL:], "little"):
            raise DamageError(f"chunk {chunk} cannot be decoded (its checksum differs), it was altered")
        # Blosc's header holds the two sizes, at bytes 4 and 12 (python-blosc's README_HEADER).
        sizes = (int.from_bytes(packed[at : at + 4], "little") for at in (4, 12))
        if tuple(sizes) != (values.nbytes, len(packed)):
            raise DamageError(f"chunk {chunk} cannot be decoded (it is of another size), it was altered")
        try:
            blosc.decompress(packed, values.reshape(-1).view(np.uint8))
        except RuntimeError as error:
            raise DamageError(f"chunk {chunk} cannot be decoded ({error}), it was altered") from error
        return values[: self.count(chunk)]

    @property
    def _packing(self) -> tuple[int, int, int]:
        return _PACKING.get(self.dtype.kind, _PACKING[""])

    @property
    def _width(self) -> tuple[int, ...]:
        return tuple(max(size, 1) for size in self.shape[1:])


def group_description() -> bytes:
    """The ``zarr.json`` of a group."""
    return json.dumps({"zarr_format": 3, "node_type": "group", "attributes": {}}, indent=1).encode()
