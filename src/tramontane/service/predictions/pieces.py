"""Files of several buffers, which go from the arrays that hold them to the socket and are never copied together.

A file of 5 MB in memory of its own costs as much as a third of the prediction that it holds: the system has to find and
clear over a thousand pages for it.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Buffer = bytes | memoryview
Pieces = tuple[Buffer, ...]
"""A file's bytes, in order."""
_SMALL = 1 << 14  # bytes; what is smaller is copied into one with its neighbours


def size_of(pieces: Sequence[Buffer]) -> int:
    """Bytes of all pieces."""
    return sum(len(piece) for piece in pieces)


def npz(arrays: Mapping[str, np.ndarray[Any, Any]]) -> Pieces:
    """What `numpy.savez` writes, with the arrays themselves as pieces; they must not change afterwards."""
    gathered = _Gathered()
    # The file is no `IO`, but has what a writer of archives asks of one.
    with zipfile.ZipFile(gathered, "w") as archive:  # type: ignore[call-overload]
        for name, array in arrays.items():
            plain = np.asarray(array, order="C")
            entry = zipfile.ZipInfo(f"{name}.npy")
            entry.file_size = plain.nbytes + 4096  # about; it says whether the entry needs 64-bit lengths
            with archive.open(entry, "w") as file:
                np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(plain))
                if plain.nbytes:
                    file.write(plain.reshape(-1).view(np.uint8).data)
    return gathered.pieces()


class _Gathered:
    """A file that keeps what is written as it came; what is written over it must be as long."""

    def __init__(self) -> None:
        self._parts: dict[int, Buffer] = {}
        self._at = 0

    def write(self, data: Buffer) -> int:
        if len(data):
            self._parts[self._at] = data
        self._at += len(data)
        return len(data)

    def tell(self) -> int:
        return self._at

    def seek(self, to: int) -> None:
        self._at = to

    def flush(self) -> None:
        """Nothing waits."""

    def pieces(self) -> Pieces:
        """All of it in order, the small ones joined."""
        pieces: list[Buffer] = []
        small: list[Buffer] = []
        for _, part in sorted(self._parts.items()):
            if len(part) < _SMALL:
                small.append(part)
                continue
            pieces += [b"".join(small), part] if small else [part]
            small = []
        return (*pieces, b"".join(small)) if small else tuple(pieces)
