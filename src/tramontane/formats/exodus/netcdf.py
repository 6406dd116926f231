"""How long a file in classic netCDF is by its own header: its library reads one that is cut off as if it were whole.

Written from the format's specification (NetCDF Classic Format, CDF-1, CDF-2 and CDF-5).
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import IO

from tramontane.errors import FormatError

MAGIC = (b"CDF\x01", b"CDF\x02", b"CDF\x05")
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}  # bytes of each type of number
_DIMENSION, _VARIABLE, _ATTRIBUTE = 10, 11, 12


def check_length(file: Path) -> None:
    """Compare a file's length with what its header says of its variables.

    Raises:
        FormatError: Shorter than that, or its header is damaged.
    """
    size = file.stat().st_size
    with file.open("rb") as stream:
        try:
            end = _Header(stream).end
        except (ValueError, KeyError, IndexError) as error:
            raise FormatError(f"{file}: the head of this netCDF file is cut off or damaged; "
                              "write or copy it again") from error  # fmt: skip
    if end > size:
        raise FormatError(f"{file}: is cut off (it has {size} bytes of {end}); write or copy it again")


class _Header:
    """Walks through a header, and knows in the end where the last variable ends."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream = stream
        version = self._bytes(4)[3]
        self.wide = 8 if version == 5 else 4
        records = self._number(self.wide)
        lengths = [self._dimension() for _ in range(self._list(_DIMENSION))]
        self._attributes()
        self.end, repeated = 0, []
        for _ in range(self._list(_VARIABLE)):
            self._name()
            shape = [lengths[self._number(self.wide)] for _ in range(self._number(self.wide))]
            self._attributes()
            width = _SIZES[self._number(4)]
            self._number(self.wide)
            begin = self._number(4 if version == 1 else 8)
            if shape and shape[0] == 0:  # the dimension that grows
                repeated.append((begin, math.prod(shape[1:]) * width))
            else:
                self.end = max(self.end, begin + math.prod(shape) * width)
        self.end = max(self.end, stream.tell())
        whole = repeated[0][1] if len(repeated) == 1 else sum(_padded(size) for _, size in repeated)
        growing = (1 << 8 * self.wide) - 1  # "as many as there are"
        if repeated and 0 < records < growing:
            self.end = max(self.end, *(begin + (records - 1) * whole + size for begin, size in repeated))

    def _bytes(self, count: int) -> bytes:
        content = self.stream.read(count) if count < 1 << 30 else b""
        if len(content) != count:
            raise ValueError("the header ends")
        return content

    def _number(self, width: int) -> int:
        return int.from_bytes(self._bytes(width), "big")

    def _list(self, kind: int) -> int:
        tag, count = self._number(4), self._number(self.wide)
        if tag not in (0, kind) or (tag == 0 and count):
            raise ValueError("another list was expected")
        return count

    def _name(self) -> None:
        self._bytes(_padded(self._number(self.wide)))

    def _dimension(self) -> int:
        self._name()
        return self._number(self.wide)

    def _attributes(self) -> None:
        for _ in range(self._list(_ATTRIBUTE)):
            self._name()
            width = _SIZES[self._number(4)]
            self._bytes(_padded(self._number(self.wide) * width))


def _padded(size: int) -> int:
    return (size + 3) // 4 * 4
