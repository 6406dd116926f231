"""Result files of CalculiX (``.frd``), ascii and binary.

Layout as CalculiX GraphiX' manual has it ("Result Format"): keyword lines of fixed columns; ``2C`` nodes, ``3C``
elements, ``100C`` one dataset of one state at nodes, ``9999`` the end. Data follow each keyword in one of four formats:
0 and 1 are lines of fixed columns with node numbers of 5 and of 10 digits, 2 and 3 are records of single and of double
precision. The file is mapped, and only what is asked for is decoded, a block at a time.
"""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyvista as pv
from numpy.typing import NDArray

from tramontane.errors import FormatError
from tramontane.formats.elements import Elements, index_of

_Bytes = NDArray[np.uint8]
_ROWS = 100_000  # decoded at a time: bounds the memory beside the arrays themselves
_SAME = tuple(range(20))
# VTK's shape, number of nodes, and which of them VTK's nodes are: here, middles of upright edges come before those on
# top.
_SHAPES: dict[int, tuple[int, int, tuple[int, ...]]] = {
    1: (pv.CellType.HEXAHEDRON, 8, _SAME[:8]),
    2: (pv.CellType.WEDGE, 6, _SAME[:6]),
    3: (pv.CellType.TETRA, 4, _SAME[:4]),
    4: (pv.CellType.QUADRATIC_HEXAHEDRON, 20, (*range(12), 16, 17, 18, 19, 12, 13, 14, 15)),
    5: (pv.CellType.QUADRATIC_WEDGE, 15, (*range(9), 12, 13, 14, 9, 10, 11)),
    6: (pv.CellType.QUADRATIC_TETRA, 10, _SAME[:10]),
    7: (pv.CellType.TRIANGLE, 3, _SAME[:3]),
    8: (pv.CellType.QUADRATIC_TRIANGLE, 6, _SAME[:6]),
    9: (pv.CellType.QUAD, 4, _SAME[:4]),
    10: (pv.CellType.QUADRATIC_QUAD, 8, _SAME[:8]),
    11: (pv.CellType.LINE, 2, _SAME[:2]),
    12: (pv.CellType.QUADRATIC_EDGE, 3, _SAME[:3]),
}


@dataclass(frozen=True)
class State:
    """One time, load or mode of a file.

    Attributes:
        number: As the file counts its states.
        step: Of the analysis; 0 where the file does not say.
        increment: Of the step; 0 where the file does not say.
        value: Time, frequency or buckling factor.
        kind: 0 static, 1 time step, 2 frequency, 3 load step, 4 other.
    """

    number: int
    step: int
    increment: int
    value: float
    kind: int


@dataclass(frozen=True)
class Dataset:
    """Where the values of one dataset of one state lie in a file.

    Attributes:
        name: As the file has it: ``DISP``, ``STRESS``.
        state: Whose values they are.
        components: Name and the two indices of each component that is stored; a scalar has 0, 0.
        count: Number of nodes.
        form: Format of the data.
        start: Of the data in the file.
    """

    name: str
    state: State
    components: tuple[tuple[str, int, int], ...]
    count: int
    form: int
    start: int


@dataclass
class Frd:
    """The mesh of a file, and what datasets it holds.

    Attributes:
        file: It.
        numbers: ``(n,)`` node numbers.
        points: ``(n, 3)``.
        blocks: The elements by shape.
        datasets: In the file's order.
        header: What the file says of itself: ``VERSION``, ``DATE``.
    """

    file: Path
    numbers: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    points: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 3)))
    blocks: list[Elements] = field(default_factory=list)
    datasets: list[Dataset] = field(default_factory=list)
    header: dict[str, str] = field(default_factory=dict)
    data: _Bytes = field(default_factory=lambda: np.empty(0, dtype=np.uint8))

    def values(self, dataset: Dataset) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Index of each node that a dataset has values for, and ``(count, components)`` of them.

        Raises:
            FormatError: Damaged, of nodes that do not exist, or not finite.
        """
        label = f"dataset {dataset.name} of state {dataset.state.number}"
        numbers, values, _ = _node_block(
            self.file,
            self.data,
            dataset.start,
            dataset.count,
            dataset.form,
            len(dataset.components),
            label,
            coords=False,
        )
        index = index_of(self.numbers, numbers)
        if (index < 0).any():
            raise FormatError(f"{self.file}: {label} has node {numbers[index < 0][0]}, which the file does not define; "
                              "run the case again")  # fmt: skip
        bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
        if len(bad):
            raise FormatError(f"{self.file}: {label} is NaN or infinite at {len(bad)} of {len(values)} nodes, the "
                              f"first is node {numbers[bad[0]]}; run the case again or leave it out")  # fmt: skip
        return index, values


def open_frd(file: Path) -> Frd:
    """Read a file's mesh, and find its datasets.

    Raises:
        FormatError: Missing, empty, cut off, or no result file of CalculiX.
    """
    try:
        with file.open("rb") as stream:
            if os.fstat(stream.fileno()).st_size == 0:
                raise FormatError(f"{file}: is empty; run the case again")
            mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        raise FormatError(f"{file}: cannot be read ({error}); check the path") from error
    return _Scanner(file, mapped).scan()


class _Scanner:
    """Goes through a file from keyword to keyword."""

    def __init__(self, file: Path, text: mmap.mmap) -> None:
        self.file, self.text = file, text
        self.found = Frd(file, data=np.frombuffer(text, dtype=np.uint8))
        self.at = 0
        self.step = (0, 0)

    def scan(self) -> Frd:
        ended = False
        while not ended and (line := self._line()) is not None:
            if not line.strip():
                continue
            match line[:6].split():
                case [b"9999", *_]:
                    ended = True
                case [b"2C", *_]:
                    self._nodes(line)
                case [b"3C", *_]:
                    self._elements(line)
                case [b"100C" | b"100CL", *_]:
                    self._dataset(line)
                case [b"1P", *_] if line[4:10] == b"1PSTEP":
                    self.step = (self._number(line, 36, 48), self._number(line, 48, 60))
                case [key, *_] if key.startswith((b"1U", b"1C", b"1P")):
                    self._header(line)
                case _:
                    self._stop(f"has {line[:20].decode('ascii', 'replace')!r} where a keyword is expected")
        if len(self.found.points) == 0:
            self._stop("has no nodes")
        if not ended:
            raise FormatError(f"{self.file}: has no 9999 at its end: CalculiX did not finish, or the file is cut off; "
                              "run the case again or copy it again")  # fmt: skip
        return self.found

    def _line(self) -> bytes | None:
        """The line at which the scan stands; None at the end."""
        if self.at >= len(self.text):
            return None
        end = self.text.find(b"\n", self.at, self.at + 400)
        if end < 0:
            rest = self.text[self.at : self.at + 400]
            if self.at + len(rest) < len(self.text) or (rest.strip() and rest.strip() != b"9999"):
                self._stop("has no end of line where one is expected")
            end = len(self.text)
        line = self.text[self.at : end]
        self.at = end + 1
        return line.rstrip(b"\r")

    def _stop(self, what: str) -> None:
        raise FormatError(f"{self.file}: {what} (near byte {self.at}); it is cut off, damaged or no result file of "
                          "CalculiX; run the case again or copy it again")  # fmt: skip

    def _number(self, line: bytes, start: int, end: int, *, default: int = 0) -> int:
        entry = line[start:end].split()
        if not entry:
            return default
        try:
            return int(entry[-1])
        except ValueError:
            self._stop(f"has {entry[-1].decode('ascii', 'replace')!r} where a whole number is expected")
            raise

    def _header(self, line: bytes) -> None:
        text = line.decode("ascii", "replace").strip()
        if text.startswith("1U") and " " in text:
            key, value = text[2:].split(" ", 1)
            self.found.header.setdefault(key, value.strip())

    def _count(self, line: bytes, start: int, what: str) -> int:
        count = self._number(line, start, start + 12, default=-1)
        if count < 0:
            self._stop(f"does not say how many {what} it holds")
        return count

    def _form(self, line: bytes, start: int) -> int:
        form = self._number(line, start, start + 2)
        if form not in (0, 1, 2, 3):
            self._stop(f"has data in format {form}; 0 to 3 are known")
        return form

    def _nodes(self, line: bytes) -> None:
        if len(self.found.points):
            self._stop("has a second block of nodes")
        count, form = self._count(line, 24, "nodes"), self._form(line, 72)
        found = _node_block(self.file, self.found.data, self.at, count, form, 3, "the nodes' block", coords=True)
        self.found.numbers, self.found.points, self.at = found
        bad = np.flatnonzero(~np.isfinite(self.found.points).all(axis=1))
        if len(bad):
            self._stop(f"has {len(bad)} nodes whose coordinates are not finite, the first is node "
                       f"{self.found.numbers[bad[0]]}")  # fmt: skip
        if len(np.unique(self.found.numbers)) != len(self.found.numbers):
            self._stop("has two nodes of one number")

    def _elements(self, line: bytes) -> None:
        count, form = self._count(line, 24, "elements"), self._form(line, 72)
        read = _binary_elements if form >= 2 else _ascii_elements
        groups, self.at = read(self.file, self.found.data, self.at, count, form)
        for kind, numbers, nodes in groups:
            shape, _, order = _SHAPES[kind]
            index = index_of(self.found.numbers, nodes)
            if (index < 0).any():
                row, column = np.argwhere(index < 0)[0]
                self._stop(f"has element {numbers[row]} of node {nodes[row, column]}, which it does not define")
            self.found.blocks.append(Elements(int(shape), numbers, index[:, order]))

    def _dataset(self, line: bytes) -> None:
        count, form = self._count(line, 24, "nodes a dataset has"), self._form(line, 73)
        try:
            value = float(line[12:24])
        except ValueError:
            self._stop("has a dataset without a time or frequency")
        state = State(self._number(line, 58, 63), self.step[1], self.step[0], value, self._number(line, 56, 58))
        head = self._line() or b""
        if not head.startswith(b" -4"):
            self._stop("has a dataset without a name")
        name = head[5:13].decode("ascii", "replace").strip()
        components: list[tuple[str, int, int]] = []
        for _ in range(self._number(head, 13, 18)):
            entry = self._line() or b""
            if not entry.startswith(b" -5"):
                self._stop(f"has fewer components of {name} than it says")
            if self._number(entry, 33, 38) != 1:  # 1: to be computed by who reads it, such as a vector's size
                label = entry[5:13].decode("ascii", "replace").strip()
                components.append((label, self._number(entry, 23, 28), self._number(entry, 28, 33)))
        if not components:
            self._stop(f"has a dataset {name} without components")
        dataset = Dataset(name, state, tuple(components), count, form, self.at)
        self.at = _end_of_nodes(self.file, self.found.data, self.at, count, form, len(components), f"dataset {name}")
        self.found.datasets.append(dataset)


# -- blocks of nodes ---------------------------------------------------------------------------------------------------


def _node_block(
    file: Path, data: _Bytes, start: int, count: int, form: int, components: int, label: str, *, coords: bool
) -> tuple[NDArray[np.int64], NDArray[Any], int]:
    """Node numbers, values ``(count, components)``, and where the block ends."""
    end = _end_of_nodes(file, data, start, count, form, components, label, coords=coords)
    if form >= 2:
        records = data[start:end].view(_record(form, components))
        return records["node"].astype(np.int64), np.array(records["value"]), end
    digits = 5 if form == 0 else 10
    lines, size = _lines_of_record(file, data, start, components, label)
    rows = data[start : start + count * size].reshape(count, size)
    numbers, values = np.empty(count, dtype=np.int64), np.empty((count, components))
    for at in range(0, count, _ROWS):
        part = rows[at : at + _ROWS]
        for line, (offset, _) in enumerate(lines):
            key = b" -1" if line == 0 else b" -2"
            if not (part[:, offset : offset + 3] == np.frombuffer(key, dtype=np.uint8)).all():
                raise _damaged(file, label, "has a line of another length or kind")
        numbers[at : at + _ROWS] = _integers(file, part[:, 3 : 3 + digits], label)
        for line, (offset, length) in enumerate(lines):
            first, last = 6 * line, min(6 * line + 6, components)
            left = offset + 3 + digits
            if left + 12 * (last - first) > offset + length:
                raise _damaged(file, label, "has a line that is too short")
            chars = part[:, left : left + 12 * (last - first)].reshape(len(part), last - first, 12)
            values[at : at + _ROWS, first:last] = _reals(file, chars, label)
    return numbers, values, end


def _end_of_nodes(
    file: Path, data: _Bytes, start: int, count: int, form: int, components: int, label: str, *, coords: bool = False
) -> int:
    if form >= 2:
        end = start + count * _record(form, components).itemsize
        if end > len(data):
            raise _damaged(file, label, f"says {count} nodes, but the file ends before")
        return end
    size = _lines_of_record(file, data, start, components, label)[1] if count else 0
    return _end_of_lines(file, data, start + count * size, f"{label} says {count} nodes")


def _record(form: int, components: int) -> np.dtype[Any]:
    return np.dtype([("node", "<i4"), ("value", "<f4" if form == 2 else "<f8", (components,))])


def _lines_of_record(
    file: Path, data: _Bytes, start: int, components: int, label: str
) -> tuple[list[tuple[int, int]], int]:
    """Offset and length of each line of a block's first record, which all others are like."""
    lines, at = [], start
    for _ in range(-(-components // 6)):
        length = _line_length(data, at)
        if length < 0:
            raise _damaged(file, label, "ends within a line")
        lines.append((at - start, length))
        at += length
    return lines, at - start


def _line_length(data: _Bytes, at: int) -> int:
    """Of the line that starts there, its end counted; -1 where there is none."""
    ends = np.flatnonzero(data[at : at + 200] == 10)
    return int(ends[0]) + 1 if len(ends) else -1


def _end_of_lines(file: Path, data: _Bytes, at: int, claim: str) -> int:
    """Where the line `` -3`` that must stand here ends."""
    length = _line_length(data, at) if at < len(data) else -1
    if length < 0 or bytes(data[at : at + 3]) != b" -3":
        raise FormatError(f"{file}: {claim}, but its block does not end there; it is cut off or damaged, run the case "
                          "again or copy it again")  # fmt: skip
    return at + length


# -- blocks of elements ------------------------------------------------------------------------------------------------

_Group = tuple[int, NDArray[np.int64], NDArray[np.int64]]


def _ascii_elements(file: Path, data: _Bytes, start: int, count: int, form: int) -> tuple[list[_Group], int]:
    """Kind, element numbers and node numbers of each group of one kind, and where the block ends."""
    digits, per_line, label = (5, 15, "the elements' block") if form == 0 else (10, 10, "the elements' block")
    end = _find_end(file, data, start, label)
    ends = start + np.flatnonzero(data[start:end] == 10)
    starts = np.concatenate([[start], ends[:-1] + 1]) if len(ends) else np.empty(0, dtype=np.int64)
    heads = starts[data[starts + 2] == ord("1")]
    if len(heads) != count:
        raise _damaged(file, label, f"says {count} elements, but holds {len(heads)}")
    sizes = np.diff(np.concatenate([heads, [end]]))
    if count == 0:
        return [], _end_of_lines(file, data, end, label)
    width = 3 + digits + 5
    if sizes.min() < width or heads[0] != start:
        raise _damaged(file, label, "has a line that is too short")
    columns = np.lib.stride_tricks.sliding_window_view(data[:end], width)
    kinds = _integers(file, columns[heads, 3 + digits :], label)
    groups: list[_Group] = []
    for kind in np.unique(kinds).tolist():
        if kind not in _SHAPES:
            raise _damaged(file, label, f"has elements of type {kind}, which is not known")
        total = _SHAPES[kind][1]
        chosen, size = heads[kinds == kind], int(sizes[kinds == kind][0])
        if (sizes[kinds == kind] != size).any():
            raise _damaged(file, label, f"has elements of type {kind} with different numbers of lines")
        numbers, nodes = np.empty(len(chosen), dtype=np.int64), np.empty((len(chosen), total), dtype=np.int64)
        records = np.lib.stride_tricks.sliding_window_view(data[:end], size)
        for at in range(0, len(chosen), _ROWS):
            part = records[chosen[at : at + _ROWS]]
            numbers[at : at + _ROWS] = _integers(file, part[:, 3 : 3 + digits], label)
            offset = _line_length(part[0], 0)
            for first in range(0, total, per_line):
                last = min(first + per_line, total)
                left = offset + 3
                if left + digits * (last - first) > size or not (part[:, offset + 2] == ord("2")).all():
                    raise _damaged(file, label, f"has an element of type {kind} with fewer than {total} nodes")
                chars = part[:, left : left + digits * (last - first)].reshape(len(part), last - first, digits)
                nodes[at : at + _ROWS, first:last] = _integers(file, chars, label)
                offset += max(_line_length(part[0], offset), 1)
        groups.append((kind, numbers, nodes))
    return groups, _end_of_lines(file, data, end, label)


def _find_end(file: Path, data: _Bytes, start: int, label: str) -> int:
    """Start of the line `` -3`` that ends a block."""
    for at in range(start, len(data), 1 << 24):  # by portions: the block may be a small part of a huge file
        part = bytes(data[max(at - 4, start) : at + (1 << 24)])
        found = 0 if at == start and part.startswith(b" -3") else part.find(b"\n -3") + 1
        if found > 0 or (at == start and part.startswith(b" -3")):
            return max(at - 4, start) + found
    raise _damaged(file, label, "does not end")


def _binary_elements(file: Path, data: _Bytes, start: int, count: int, form: int) -> tuple[list[_Group], int]:
    label = "the elements' block"
    if start + count * 4 * 6 > len(data):
        raise _damaged(file, label, f"says {count} elements, but the file ends before")
    words = data[start : start + (len(data) - start) // 4 * 4].view("<i4")
    groups: dict[int, list[NDArray[np.int32]]] = {}
    at, left, most = 0, count, 64
    while left:
        kind = int(words[at + 1]) if at + 1 < len(words) else 0
        if kind not in _SHAPES:
            raise _damaged(file, label, f"has an element of type {kind}, which is not known")
        size = 4 + _SHAPES[kind][1]
        # Records are of one kind as long as each one's own word says so; how far is tried in growing portions.
        rows = min(most, left, (len(words) - at) // size)
        same = words[at : at + rows * size].reshape(rows, size)
        run = rows if (same[:, 1] == kind).all() else int(np.argmax(same[:, 1] != kind))
        if run == 0:
            raise _damaged(file, label, f"says {count} elements, but the file ends before")
        most = min(2 * most, _ROWS) if run == rows else 64
        groups.setdefault(kind, []).append(same[:run])
        at, left = at + run * size, left - run
    joined = {kind: np.concatenate(parts) for kind, parts in groups.items()}
    return [
        (kind, rows[:, 0].astype(np.int64), rows[:, 4:].astype(np.int64)) for kind, rows in joined.items()
    ], start + 4 * at


# -- columns of digits -------------------------------------------------------------------------------------------------

_TENS = 10.0 ** np.arange(23)


def _integers(file: Path, chars: _Bytes, label: str) -> NDArray[np.int64]:
    """Whole numbers in columns of fixed width, the last axis."""
    digits = np.where(chars == 32, 48, chars).astype(np.int64) - 48
    if ((digits < 0) | (digits > 9)).any():
        raise _damaged(file, label, "has something else where a whole number is expected")
    powers = 10 ** np.arange(chars.shape[-1] - 1, -1, -1, dtype=np.int64)
    found: NDArray[np.int64] = digits @ powers
    return found


def _reals(file: Path, chars: _Bytes, label: str) -> NDArray[np.float64]:
    """Numbers in columns of 12 characters, the last axis; nearly all are ``-1.23456E+00``."""
    flat = np.ascontiguousarray(chars).reshape(-1, 12)
    digits = flat - np.uint8(48)  # what is no digit wraps around to more than 9
    plain = (flat[:, 2] == ord(".")) & ((flat[:, 8] | 32) == ord("e")) & ((flat[:, 0] == 32) | (flat[:, 0] == ord("-")))
    plain &= (flat[:, 9] == ord("+")) | (flat[:, 9] == ord("-"))
    for column in (1, 3, 4, 5, 6, 7, 10, 11):
        plain &= digits[:, column] <= 9
    mantissa = digits[:, 1].astype(np.int32)
    for column in (3, 4, 5, 6, 7):
        mantissa = mantissa * np.int32(10) + digits[:, column]
    exponent = digits[:, 10].astype(np.int16) * np.int16(10) + digits[:, 11]
    exponent = np.where(flat[:, 9] == ord("-"), -exponent, exponent) - 5
    plain &= np.abs(exponent) <= 22  # up to there both powers and results are exact
    power = _TENS[np.minimum(np.abs(exponent), 22)]
    values = np.where(exponent < 0, mantissa / power, mantissa * power)
    np.negative(values, out=values, where=flat[:, 0] == ord("-"))
    others = np.flatnonzero(~plain)
    if len(others):
        try:
            values[others] = flat[others].view("S12").ravel().astype(np.float64)
        except ValueError as error:
            raise _damaged(file, label, "has something else where a number is expected") from error
    found: NDArray[np.float64] = values.reshape(chars.shape[:-1])
    return found


def _damaged(file: Path, label: str, what: str) -> FormatError:
    return FormatError(f"{file}: {label} {what}; the file is cut off or damaged, run the case again or copy it again")
