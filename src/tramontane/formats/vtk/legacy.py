"""Whether a legacy VTK file is as long as its header lines promise: VTK's reader fills up what an ascii file lacks.

Written from VTK's own description of the format (https://docs.vtk.org, "VTK File Formats", versions 1 to 5.1). The file
is gone through once, a portion at a time; values are counted, not read. What is not known is left to VTK.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import IO

import numpy as np

from tramontane.errors import FormatError

_PORTION = 1 << 22
_LINE = 4096  # bytes that a header line may have
_WIDTHS = {
    "bit": 0, "unsigned_char": 1, "char": 1, "signed_char": 1, "unsigned_short": 2, "short": 2, "unsigned_int": 4,
    "int": 4, "float": 4, "double": 8, "unsigned_long": 8, "long": 8, "vtkidtype": 4, "vtktypeint64": 8,
    "vtktypeuint64": 8, "vtktypeint32": 4, "vtktypeuint32": 4, "vtktypeint16": 2, "vtktypeuint16": 2, "vtktypeint8": 1,
    "vtktypeuint8": 1, "unsigned_long_long": 8, "long_long": 8, "unsigned_vtktypeint64": 8,
}  # fmt: skip
# Components of the arrays that are announced by `KEYWORD name type`.
_ARRAYS = {"VECTORS": 3, "NORMALS": 3, "TENSORS": 9, "TENSORS6": 6, "GLOBAL_IDS": 1, "PEDIGREE_IDS": 1, "EDGE_FLAGS": 1}
_CELLS = ("CELLS", "VERTICES", "LINES", "POLYGONS", "TRIANGLE_STRIPS")
_MOST = 1 << 62


def check_legacy(file: Path) -> None:
    """Count the values of a ``.vtk`` file.

    Raises:
        FormatError: It ends before all that its header lines announce are there.
    """
    with file.open("rb") as stream:
        _Walk(file, stream).run()


class _Walk:
    """One way through a file.

    Attributes:
        block: What was read of the file and not gone through, from ``place`` on.
    """

    def __init__(self, file: Path, stream: IO[bytes]) -> None:
        self.file, self.stream = file, stream
        self.block, self.place = b"", 0
        self.binary = False
        self.new = False  # from version 5 on, cells are offsets and connectivity
        self.count = 0  # of points or of cells, whichever data come next

    def run(self) -> None:
        version = re.search(r"Version\s+(\d+)", self.line())
        self.new = version is not None and int(version[1]) >= 5
        self.line()  # the title
        self.binary = self.line().strip().upper() == "BINARY"
        try:
            while self.section():
                pass
        except (ValueError, IndexError, KeyError):
            return  # a header line that VTK will complain of, or knows better

    def section(self) -> bool:
        """One header line and the values after it; False at the end, and where it is not known what follows."""
        if not (words := self.header()):
            return False
        key = words[0].upper()
        if key in ("DATASET", "DIMENSIONS", "SPACING", "ORIGIN", "ASPECT_RATIO"):
            pass
        elif key in ("X_COORDINATES", "Y_COORDINATES", "Z_COORDINATES"):
            self.values(int(words[1]), words[2], words[0])
        elif key == "POINTS":
            self.values(3 * int(words[1]), words[2], words[0])
        elif key in _CELLS and self.new:
            self.lists(words)
        elif key in _CELLS:
            self.values(int(words[2]), "int", words[0])
        elif key == "CELL_TYPES":
            self.values(int(words[1]), "int", words[0])
        elif key in ("POINT_DATA", "CELL_DATA"):
            self.count = int(words[1])
        elif key == "FIELD":
            return self.fields(int(words[2]))
        elif key == "METADATA":
            self.metadata()
        else:
            return self.attribute(key, words)
        return True

    def attribute(self, key: str, words: list[str]) -> bool:
        if key == "SCALARS":
            place = self.stream.tell() - (len(self.block) - self.place)
            if self.header()[:1] not in (["LOOKUP_TABLE"], ["lookup_table"]):  # which may be left out
                self.back(place)
            self.values(self.count * (int(words[3]) if len(words) > 3 else 1), words[2], f"SCALARS {words[1]}")
        elif key == "COLOR_SCALARS":
            self.values(self.count * int(words[2]), "unsigned_char", f"COLOR_SCALARS {words[1]}")
        elif key == "LOOKUP_TABLE":
            self.values(4 * int(words[2]), "unsigned_char", f"LOOKUP_TABLE {words[1]}")
        elif key == "TEXTURE_COORDINATES":
            self.values(self.count * int(words[2]), words[3], f"TEXTURE_COORDINATES {words[1]}")
        elif key in _ARRAYS:
            self.values(self.count * _ARRAYS[key], words[2], f"{key} {words[1]}")
        else:
            return False
        return True

    def lists(self, words: list[str]) -> None:
        """Offsets and connectivity, each with a header line of its own."""
        for name, count in (("OFFSETS", int(words[1])), ("CONNECTIVITY", int(words[2]))):
            if not (head := self.header()):
                self.cut_off(f"{words[0]} {name}", count, 0)
            if head[0].upper() != name:
                raise ValueError(name)
            self.values(count, head[1], f"{words[0]} {name}")

    def fields(self, count: int) -> bool:
        for index in range(min(count, _MOST)):
            if (words := self.header())[:1] == ["METADATA"]:
                self.metadata()
                words = self.header()
            if not words:
                self.cut_off("FIELD", count, index)
            size, kind = int(words[1]) * int(words[2]), words[3].lower()
            if kind in ("string", "utf8_string"):
                self.strings(size, f"FIELD {words[0]}")
            elif kind == "variant":
                return False
            else:
                self.values(size, kind, f"FIELD {words[0]}")
        return True

    def metadata(self) -> None:
        while self.line().strip():
            pass

    def strings(self, count: int, what: str) -> None:
        """A line each; or, in binary, their length in 1, 2, 4 or 8 bytes, of which the first two bits say how many."""
        for index in range(min(count, _MOST)):
            if self.at_end():
                self.cut_off(what, count, index)
            if not self.binary:
                self.line()
                continue
            width = {3: 1, 2: 2, 1: 4, 0: 8}[self.block[self.place] >> 6]
            head = self.taken(width, what)
            self.skip(int.from_bytes(head, "big") & ((1 << (8 * width - 2)) - 1), what)

    # -- bytes -----------------------------------------------------------------------------------------------------

    def more(self) -> bool:
        """Take the next portion where the one before has been gone through."""
        if self.place >= len(self.block):
            self.block, self.place = self.stream.read(_PORTION), 0
        return self.place < len(self.block)

    def at_end(self) -> bool:
        return not self.more()

    def back(self, place: int) -> None:
        self.stream.seek(place)
        self.block, self.place = b"", 0

    def line(self) -> str:
        """The rest of a line, without its end; of a long one, what fits."""
        kept = b""
        while self.more():
            end = self.block.find(b"\n", self.place)
            stop = len(self.block) if end < 0 else end
            kept += self.block[self.place : min(stop, self.place + _LINE)]
            self.place = stop + 1
            if end >= 0:
                break
        return kept[:_LINE].decode("latin-1").rstrip("\r")

    def header(self) -> list[str]:
        """The words of the next line that has any; none at the end."""
        while not (words := self.line().split()):
            if self.at_end():
                break
        return words

    def taken(self, size: int, what: str) -> bytes:
        """A few bytes."""
        start = self.stream.tell() - (len(self.block) - self.place)
        self.skip(size, what)
        after = self.stream.tell() - (len(self.block) - self.place)
        self.back(start)
        self.more()
        content = self.block[:size]
        self.back(after)
        return content

    def values(self, count: int, kind: str, what: str) -> None:
        """Pass over the values of an array."""
        if count < 0:
            raise ValueError(what)
        if self.binary:
            width = _WIDTHS[kind.lower()]
            self.skip((count + 7) // 8 if width == 0 else count * width, what)
        else:
            self.words(count, what)

    def skip(self, size: int, what: str) -> None:
        left = len(self.block) - self.place
        if size <= left:
            self.place += size
            return
        here = self.stream.tell()
        end = self.file.stat().st_size
        if here + size - left > end:
            raise FormatError(f"{self.file}: is cut off (its {what} should have {size} bytes, {left + end - here} are "
                              "there); write or copy it again")  # fmt: skip
        self.back(here + size - left)

    def words(self, count: int, what: str) -> None:
        """Pass over words between blanks."""
        left, inside = count, False
        while left or inside:
            if self.at_end():
                if left:
                    self.cut_off(what, count, count - left)
                return
            codes = np.frombuffer(self.block, np.uint8, offset=self.place)
            solid = codes > 32
            starts = solid.copy()
            starts[1:] &= ~solid[:-1]
            starts[0] &= not inside
            words_there = int(np.count_nonzero(starts))
            if words_there <= left:
                left -= words_there
                if left or solid[-1]:
                    inside = bool(solid[-1])
                    self.place = len(self.block)
                    continue
                self.place += int(np.flatnonzero(solid)[-1]) + 1 if solid.any() else 0
                return
            self.place += int(np.flatnonzero(starts)[left])  # where the next section begins
            return

    def cut_off(self, what: str, count: int, present: int) -> None:
        raise FormatError(f"{self.file}: is cut off (its {what} should have {count} values, {present} are there); "
                          "write or copy it again")  # fmt: skip
