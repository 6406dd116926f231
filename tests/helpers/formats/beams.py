"""Small models for CalculiX: a block of any element type, its loads, and a run of the real program."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

CCX = shutil.which("ccx")
needs_ccx = pytest.mark.skipif(CCX is None, reason="CalculiX is missing: apt-get install calculix-ccx")

YOUNG, POISSON = 210e3, 0.3
# Corners of one cell on the corners of a cube, and its edges in Abaqus' order of mid-nodes.
HEX_EDGES = ((0, 1), (1, 2), (2, 3), (3, 0), (4, 5), (5, 6), (6, 7), (7, 4), (0, 4), (1, 5), (2, 6), (3, 7))
TET_EDGES = ((0, 1), (1, 2), (2, 0), (0, 3), (1, 3), (2, 3))
WEDGE_EDGES = ((0, 1), (1, 2), (2, 0), (3, 4), (4, 5), (5, 3), (0, 3), (1, 4), (2, 5))
QUAD_EDGES, TRI_EDGES, LINE_EDGES = ((0, 1), (1, 2), (2, 3), (3, 0)), ((0, 1), (1, 2), (2, 0)), ((0, 1),)
CELLS = {
    "hex": ([[0, 1, 2, 3, 4, 5, 6, 7]], HEX_EDGES),
    "wedge": ([[0, 1, 2, 4, 5, 6], [0, 2, 3, 4, 6, 7]], WEDGE_EDGES),
    "tet": ([[0, 1, 2, 6], [0, 2, 3, 6], [0, 3, 7, 6], [0, 7, 4, 6], [0, 4, 5, 6], [0, 5, 1, 6]], TET_EDGES),
    "quad": ([[0, 1, 2, 3]], QUAD_EDGES),
    "tri": ([[0, 1, 2], [0, 2, 3]], TRI_EDGES),
    "line": ([[0, 1]], LINE_EDGES),
}
KINDS = {
    "C3D8": "hex", "C3D8I": "hex", "C3D8R": "hex", "C3D20": "hex", "C3D20R": "hex", "C3D4": "tet", "C3D10": "tet",
    "C3D6": "wedge", "C3D15": "wedge", "S4": "quad", "S4R": "quad", "S8R": "quad", "CPS4": "quad", "CPS8": "quad",
    "S3": "tri", "S6": "tri", "B31": "line", "B32": "line", "B32R": "line", "T3D2": "line",
}  # fmt: skip
SECOND_ORDER = {"C3D20", "C3D20R", "C3D10", "C3D15", "S8R", "S6", "B32", "B32R", "CPS8"}


class Block:
    """A block (plate, line) of one element type between the origin and ``size``, with Abaqus' node order.

    Attributes:
        kind: Its element type.
        points: ``(n, 3)``.
        cells: ``(m, nodes)`` index into ``points``.
        numbers: ``(n,)`` node numbers, with gaps.
        elements: ``(m,)`` element numbers.
    """

    def __init__(self, kind: str, size: Sequence[float], counts: Sequence[int], *, first: int = 1, step: int = 1):
        corners, edges = CELLS[KINDS[kind]]
        flat = 3 if KINDS[kind] in ("hex", "wedge", "tet") else 2 if KINDS[kind] in ("quad", "tri") else 1
        shape = [*counts[:flat], *[0] * (3 - flat)]
        axes = [np.linspace(0, length, count + 1) for length, count in zip(size, shape, strict=True)]
        self.kind = kind
        self.points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
        ids = np.arange(len(self.points)).reshape([count + 1 for count in shape])
        i, j, k = (np.arange(max(count, 1)) for count in shape)
        i, j, k = (axis.ravel() for axis in np.meshgrid(i, j, k, indexing="ij"))
        cube = ((0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1))
        used = {corner for cell in corners for corner in cell}
        at = {n: ids[i + a, j + b, k + c] for n, (a, b, c) in enumerate(cube) if n in used}
        self.cells = np.stack([np.stack([at[n] for n in cell], axis=1) for cell in corners], axis=1)
        self.cells = self.cells.reshape(-1, len(corners[0]))
        if kind in SECOND_ORDER:
            pairs = np.sort(self.cells[:, edges].reshape(-1, 2), axis=1)
            unique, inverse = np.unique(pairs, axis=0, return_inverse=True)
            middles = inverse.reshape(len(self.cells), len(edges)) + len(self.points)
            if KINDS[kind] == "line":
                self.cells = np.stack([self.cells[:, 0], middles[:, 0], self.cells[:, 1]], axis=1)
            else:
                self.cells = np.concatenate([self.cells, middles], axis=1)
            self.points = np.concatenate([self.points, self.points[unique].mean(axis=1)])
        self.numbers = first + step * np.arange(len(self.points))
        self.elements = 7 + 2 * np.arange(len(self.cells))

    def nodes_at(self, condition: np.ndarray) -> list[int]:
        """Numbers of the nodes that fulfil a condition on ``points``."""
        return [int(number) for number in self.numbers[condition]]

    def deck(self) -> str:
        """Its ``*NODE`` and ``*ELEMENT`` blocks, the elements in set EALL, the nodes in set NALL."""
        lines = ["*NODE, NSET=NALL"]
        lines += [
            f"{number}, {x!r}, {y!r}, {z!r}"
            for number, (x, y, z) in zip(self.numbers, self.points.tolist(), strict=True)
        ]
        lines.append(f"*ELEMENT, TYPE={self.kind}, ELSET=EALL")
        for element, cell in zip(self.elements, self.cells, strict=True):
            entries = [str(element), *(str(number) for number in self.numbers[cell])]
            rows = [entries[at : at + 16] for at in range(0, len(entries), 16)]
            lines.append(",\n".join(", ".join(row) for row in rows))
        return "\n".join(lines) + "\n"


def node_set(name: str, numbers: Sequence[int]) -> str:
    rows = [", ".join(str(n) for n in numbers[at : at + 12]) for at in range(0, len(numbers), 12)]
    return f"*NSET, NSET={name}\n" + ",\n".join(rows) + "\n"


MATERIAL = f"*MATERIAL, NAME=STEEL\n*ELASTIC\n{YOUNG}, {POISSON}\n"


def run_ccx(folder: Path, name: str, deck: str, *, finishes: bool = True) -> Path:
    """Run CalculiX on a deck and give its ``.frd``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.inp").write_text(deck)
    done = subprocess.run(
        [str(CCX), name], cwd=folder, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"},
        timeout=120,
    )  # fmt: skip
    if finishes:
        assert "Job finished" in done.stdout, done.stdout[-2000:]
    return folder / f"{name}.frd"
