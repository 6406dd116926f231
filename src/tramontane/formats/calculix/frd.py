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
from numpy.typing import NDArray

from tramontane.errors import FormatError
from tramontane.formats.calculix.frd_blocks import (
    SHAPES,
    Bytes,
    ascii_elements,
    binary_elements,
    end_of_nodes,
    node_block,
)
from tramontane.formats.elements import Elements, index_of


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
    data: Bytes = field(default_factory=lambda: np.empty(0, dtype=np.uint8))

    def values(self, dataset: Dataset) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Index of each node that a dataset has values for, and ``(count, components)`` of them.

        Raises:
            FormatError: Damaged, of nodes that do not exist, or not finite.
        """
        label = f"dataset {dataset.name} of state {dataset.state.number}"
        numbers, values, _ = node_block(
            self.file, self.data, dataset.start, dataset.count, dataset.form, len(dataset.components), label
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
        self.frd = Frd(file, data=np.frombuffer(text, dtype=np.uint8))
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
        if len(self.frd.points) == 0:
            self._stop("has no nodes")
        if not ended:
            raise FormatError(f"{self.file}: has no 9999 at its end: CalculiX did not finish, or the file is cut off; "
                              "run the case again or copy it again")  # fmt: skip
        return self.frd

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
            self.frd.header.setdefault(key, value.strip())

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
        if len(self.frd.points):
            self._stop("has a second block of nodes")
        count, form = self._count(line, 24, "nodes"), self._form(line, 72)
        nodes = node_block(self.file, self.frd.data, self.at, count, form, 3, "the nodes' block")
        self.frd.numbers, self.frd.points, self.at = nodes
        bad = np.flatnonzero(~np.isfinite(self.frd.points).all(axis=1))
        if len(bad):
            self._stop(f"has {len(bad)} nodes whose coordinates are not finite, the first is node "
                       f"{self.frd.numbers[bad[0]]}")  # fmt: skip
        if len(np.unique(self.frd.numbers)) != len(self.frd.numbers):
            self._stop("has two nodes of one number")

    def _elements(self, line: bytes) -> None:
        count, form = self._count(line, 24, "elements"), self._form(line, 72)
        read = binary_elements if form >= 2 else ascii_elements
        groups, self.at = read(self.file, self.frd.data, self.at, count, form)
        for kind, numbers, nodes in groups:
            shape, _, order = SHAPES[kind]
            index = index_of(self.frd.numbers, nodes)
            if (index < 0).any():
                row, column = np.argwhere(index < 0)[0]
                self._stop(f"has element {numbers[row]} of node {nodes[row, column]}, which it does not define")
            self.frd.blocks.append(Elements(int(shape), numbers, index[:, order]))

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
        self.at = end_of_nodes(self.file, self.frd.data, self.at, count, form, len(components), f"dataset {name}")
        self.frd.datasets.append(dataset)
