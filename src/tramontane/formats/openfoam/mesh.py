"""OpenFOAM's polyMesh: faces between an owner and a neighbour, checked, and the parts of a decomposed case made one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tramontane.errors import FormatError
from tramontane.formats.openfoam.dictionaries import FoamFile, Numbers, numbers, words
from tramontane.formats.openfoam.files import AGAIN, existing, load, parse_flat

Labels = NDArray[np.integer[Any]]
Find = Callable[[str], Path | None]
_PROCESSOR = "processor"
_EQUAL = 1000  # values of a mesh file that may all be the same: the owners of a mesh of one cell


@dataclass(frozen=True)
class Patch:
    """A named part of the boundary: faces ``start`` to ``start + count``.

    Attributes:
        name: As in the file.
        type: ``patch``, ``wall``, ``empty``, ``processor``, ...
        start: Its first face.
        count: How many faces it has.
        groups: Names that stand for several patches.
        neighbour: Of a processor patch, the number of the part behind it; else -1.
    """

    name: str
    type: str
    start: int
    count: int
    groups: tuple[str, ...] = ()
    neighbour: int = -1


@dataclass(frozen=True, eq=False)
class PolyMesh:
    """A mesh of polyhedra by its faces; the first faces lie between two cells, the others on the boundary.

    Attributes:
        points: ``(points, 3)`` in metres.
        offsets: ``(faces + 1,)`` where each face's corners begin in ``corners``.
        corners: Points of all faces, so ordered that a face's normal points out of its owner.
        owner: ``(faces,)`` cell on the one side.
        neighbour: ``(inner faces,)`` cell on the other.
        cells: Number of cells.
        patches: Of the boundary, in the order of its faces.
        files: Read for it.
    """

    points: NDArray[np.float64]
    offsets: Labels
    corners: Labels
    owner: Labels
    neighbour: Labels
    cells: int
    patches: tuple[Patch, ...]
    files: tuple[Path, ...]

    def faces(self, chosen: Labels) -> tuple[Labels, Labels]:
        """Offsets and corners of some of the faces."""
        return rows(self.offsets, self.corners, chosen)

    def face_vectors(self, chosen: Labels) -> NDArray[np.float64]:
        """``(faces, 3)`` area vectors in m2 of some of the faces, out of their owners."""
        offsets, corners = self.faces(chosen)
        sizes = np.diff(offsets)
        first = np.repeat(self.points[corners[offsets[:-1]]], sizes, axis=0)
        after = np.arange(len(corners)) + 1
        after[offsets[1:] - 1] = offsets[:-1]
        crossed = np.cross(self.points[corners] - first, self.points[corners[after]] - first) / 2
        return np.add.reduceat(crossed, offsets[:-1], axis=0) if len(chosen) else np.zeros((0, 3))

    def face_centres(self, chosen: Labels) -> NDArray[np.float64]:
        """``(faces, 3)`` centres in metres of some of the faces, as OpenFOAM has them."""
        offsets, corners = self.faces(chosen)
        sizes = np.diff(offsets)
        points = self.points[corners]
        if not len(chosen):
            return np.zeros((0, 3))
        means = np.add.reduceat(points, offsets[:-1], axis=0) / sizes[:, None]
        after = np.arange(len(corners)) + 1
        after[offsets[1:] - 1] = offsets[:-1]
        middle = np.repeat(means, sizes, axis=0)
        areas = np.linalg.norm(np.cross(points[after] - points, middle - points), axis=1)
        total = np.add.reduceat(areas, offsets[:-1])
        moments = np.add.reduceat(areas[:, None] * (points + points[after] + middle) / 3, offsets[:-1], axis=0)
        bent = (sizes > 3) & (total > 0)  # of a triangle, the corners' mean is exact
        return np.asarray(np.where(bent[:, None], moments / np.where(total > 0, total, 1)[:, None], means))

    def cell_centres(self, chosen: Labels) -> NDArray[np.float64]:
        """``(cells, 3)`` centres in metres of some of the cells, by the pyramids from their faces (OpenFOAM's way)."""
        wanted, place = np.unique(chosen, return_inverse=True)
        number = np.full(self.cells, -1)
        number[wanted] = np.arange(len(wanted))
        owned, beyond = np.flatnonzero(number[self.owner] >= 0), np.flatnonzero(number[self.neighbour] >= 0)
        faces = np.concatenate([owned, beyond])
        cell = np.concatenate([number[self.owner[owned]], number[self.neighbour[beyond]]])
        centres, vectors = self.face_centres(faces), self.face_vectors(faces)
        vectors[len(owned) :] *= -1

        def sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.stack([np.bincount(cell, column, len(wanted)) for column in values.T], axis=1)

        means = sums(centres) / np.bincount(cell, minlength=len(wanted))[:, None]
        heights = np.einsum("ij,ij->i", vectors, centres - means[cell])[:, None]
        volumes = sums(heights)
        centroids = sums(heights * (0.75 * centres + 0.25 * means[cell])) / np.where(volumes == 0, 1, volumes)
        return np.asarray(np.where(volumes == 0, means, centroids)[place.ravel()])


def rows(offsets: Labels, values: Labels, chosen: Labels) -> tuple[Labels, Labels]:
    """Offsets and values of some rows of a ragged array."""
    sizes = np.diff(offsets)[chosen]
    new = np.concatenate([[0], np.cumsum(sizes)])
    return new, values[np.arange(new[-1]) + np.repeat(offsets[chosen] - new[:-1], sizes)]


def read_polymesh(folder: Path, find: Find) -> PolyMesh:
    """Read and check a mesh.

    Args:
        folder: For messages.
        find: Gives the file of a name (``points``), wherever the case holds the one in force.

    Raises:
        FormatError: A file is missing, cut off, or contradicts another.
    """
    files = {name: find(name) for name in ("points", "faces", "owner", "neighbour", "boundary")}
    for name, file in files.items():
        if file is None:
            raise FormatError(
                f"{folder}: has no mesh file {name}; copy constant/polyMesh whole, or run the mesher again"
            )
    present: dict[str, Path] = {name: file for name, file in files.items() if file is not None}
    points = _numbers(present["points"], "vector").astype(np.float64)
    offsets, corners = _faces(present["faces"])
    owner = _numbers(present["owner"], "label")[:, 0]
    neighbour = _numbers(present["neighbour"], "label")[:, 0]
    faces, inner = len(offsets) - 1, len(neighbour)
    if inner == len(owner) and inner and neighbour[-1] == -1:  # old files have -1 for boundary faces
        inner = int((neighbour >= 0).sum())
        neighbour = neighbour[:inner]
    if len(owner) != faces:
        raise FormatError(f"{present['owner']}: has {len(owner)} faces, {present['faces'].name} has {faces}; "
                          "copy the mesh whole, or run the mesher again")  # fmt: skip
    if inner > faces:
        raise FormatError(f"{present['neighbour']}: has {inner} faces, {present['faces'].name} has {faces}; "
                          "copy the mesh whole, or run the mesher again")  # fmt: skip
    _in_range(present["faces"], "point", corners, len(points))
    # A cell has four faces or more, so labels beyond that are damage, and must not size an array.
    most = (faces + inner) // 4
    _in_range(present["owner"], "cell", owner, most)
    _in_range(present["neighbour"], "cell", neighbour, most)
    if max(len(points), faces + inner) < 2**31:
        corners, owner, neighbour = (labels.astype(np.int32, copy=False) for labels in (corners, owner, neighbour))
    cells = int(max(owner.max(initial=-1), neighbour.max(initial=-1))) + 1
    uses = np.bincount(owner, minlength=cells) + np.bincount(neighbour, minlength=cells)
    if cells == 0 or uses.min() < 4:
        reason = f"cell {int(np.argmin(uses))} has {int(uses.min())} faces" if cells else "there are no cells"
        raise FormatError(f"{present['owner']}: is damaged ({reason}); {AGAIN}")
    if np.any(owner[:inner] == neighbour):
        raise FormatError(f"{present['neighbour']}: is damaged (face {int(np.argmax(owner[:inner] == neighbour))} has "
                          f"one cell on both sides); {AGAIN}")  # fmt: skip
    bad = np.flatnonzero(~np.isfinite(points).all(axis=1))
    if len(bad):
        raise FormatError(f"{present['points']}: {len(bad)} of {len(points)} points are not finite, the first is point "
                          f"{bad[0]}; run the mesher again")  # fmt: skip
    patches = _patches(present["boundary"], inner, faces)
    return PolyMesh(points, offsets, corners, owner, neighbour, cells, patches, tuple(present.values()))


def merged(parts: Sequence[PolyMesh], folder: Path) -> PolyMesh:
    """One mesh from the parts of a decomposed case: points and faces that two parts share become one.

    Cells come part by part. A boundary patch has the faces of all parts, part by part.

    Raises:
        FormatError: The parts do not fit each other.
    """
    if len(parts) == 1:
        return parts[0]
    cell_start = np.concatenate([[0], np.cumsum([part.cells for part in parts])])
    point_start = np.concatenate([[0], np.cumsum([len(part.points) for part in parts])])
    points = np.concatenate([part.points for part in parts])
    size = float(np.ptp(points, axis=0).max()) or 1.0
    # Of each kind of face: sizes, corners, owner, neighbour.
    inner: list[tuple[Labels, ...]] = []
    same: list[tuple[Labels, Labels]] = []
    for number, part in enumerate(parts):
        count = len(part.neighbour)
        inner.append((np.diff(part.offsets[: count + 1]), part.corners[: part.offsets[count]] + point_start[number],
                      part.owner[:count] + cell_start[number], part.neighbour + cell_start[number]))  # fmt: skip
    for number, part in enumerate(parts):
        for patch in part.patches:
            if patch.type != _PROCESSOR:
                continue
            other = patch.neighbour
            back = [] if not 0 <= other < len(parts) else [
                each for each in parts[other].patches if each.type == _PROCESSOR and each.neighbour == number
            ]  # fmt: skip
            boundary = folder / f"processor{number}" / "constant" / "polyMesh" / "boundary"
            if len(back) != 1 or back[0].count != patch.count:
                raise FormatError(f"{boundary}: patch {patch.name} has {patch.count} faces, processor{other} does not "
                                  "have the same; copy all processor folders, or decompose again")  # fmt: skip
            if other < number or patch.count == 0:
                continue
            ours, theirs = (
                mesh.faces(np.arange(each.start, each.start + each.count))
                for mesh, each in ((part, patch), (parts[other], back[0]))
            )
            sizes = np.diff(ours[0])
            if not np.array_equal(ours[0], theirs[0]):
                raise FormatError(
                    f"{boundary}: patch {patch.name} has other faces than processor{other}'s; decompose again"
                )
            # The two parts see a face from its two sides: from the same first corner, the other way round.
            start, place = np.repeat(ours[0][:-1], sizes), np.arange(len(ours[1])) - np.repeat(ours[0][:-1], sizes)
            turned = theirs[1][start + (-place) % np.repeat(sizes, sizes)]
            pair = ours[1] + point_start[number], turned + point_start[other]
            if np.abs(points[pair[0]] - points[pair[1]]).max() > 1e-5 * size:
                raise FormatError(
                    f"{boundary}: patch {patch.name} lies elsewhere than processor{other}'s; decompose again"
                )
            same.append(pair)
            cells = [
                mesh.owner[each.start : each.start + each.count] + cell_start[index]
                for index, mesh, each in ((number, part, patch), (other, parts[other], back[0]))
            ]
            inner.append((sizes, pair[0], *cells))
    label = np.arange(len(points))
    if same:
        first, second = (np.concatenate([pair[side] for pair in same]) for side in (0, 1))
        graph = coo_array((np.ones(len(first), dtype=np.bool_), (first, second)), shape=(len(points),) * 2)
        _, label = connected_components(graph, directed=False)
        _, kept = np.unique(label, return_index=True)
        points = points[kept]
    outer, patches, position = [], [], sum(len(part[2]) for part in inner)
    for name in dict.fromkeys(patch.name for part in parts for patch in part.patches if patch.type != _PROCESSOR):
        begin = position
        for number, part in enumerate(parts):
            for patch in part.patches:
                if patch.name == name:
                    like, chosen = patch, np.arange(patch.start, patch.start + patch.count)
                    offsets, corners = part.faces(chosen)
                    outer.append(
                        (np.diff(offsets), corners + point_start[number], part.owner[chosen] + cell_start[number])
                    )
                    position += patch.count
        patches.append(Patch(name, like.type, begin, position - begin, like.groups))
    sizes = np.concatenate([part[0] for part in (*inner, *outer)])
    return PolyMesh(
        points=points,
        offsets=np.concatenate([[0], np.cumsum(sizes)]),
        corners=label[np.concatenate([part[1] for part in (*inner, *outer)])],
        owner=np.concatenate([part[2] for part in (*inner, *outer)]),
        neighbour=np.concatenate([part[3] for part in inner]),
        cells=int(cell_start[-1]),
        patches=tuple(patches),
        files=tuple(file for part in parts for file in part.files),
    )


def _open(file: Path) -> FoamFile:
    opened = FoamFile(file, load(file))
    opened.read_header()
    return opened


def _numbers(file: Path, kind: str) -> NDArray[Any]:
    """``(count, components)`` numbers of a file that holds one list."""
    numbers = _open(file).read_numbers(kind)
    return _written_out(file, numbers)


def _written_out(file: Path, numbers: Numbers) -> NDArray[Any]:
    """A list's values; one that says ``N {value}`` could claim any length, and fills no large mesh."""
    if numbers.count != len(numbers.values) and numbers.count > _EQUAL:
        raise FormatError(f"{file}: is damaged (a list of {numbers.count} equal values); {AGAIN}")
    return numbers.values if numbers.count == len(numbers.values) else np.array(numbers.expanded())


def _faces(file: Path) -> tuple[Labels, Labels]:
    """Offsets and corners: of a ``faceCompactList``, or of a ``faceList`` in ascii, ``N ( 4(0 1 2 3) ... )``."""
    opened = _open(file)
    if opened.word("class") == "faceCompactList":
        offsets = _written_out(file, opened.read_numbers("label"))[:, 0].astype(np.int64)
        corners = _written_out(file, opened.read_numbers("label"))[:, 0]
        if len(offsets) == 0 or offsets[0] != 0 or offsets[-1] != len(corners):
            raise FormatError(f"{file}: is damaged (its faces end at {offsets[-1] if len(offsets) else 0}, there are "
                              f"{len(corners)} corners); {AGAIN}")  # fmt: skip
    else:
        if opened.binary:
            raise FormatError(f"{file}: a binary {opened.word('class')} is not read; run foamFormatConvert with "
                              "writeFormat ascii in system/controlDict")  # fmt: skip
        text, position = opened.text, opened.position
        begin = text.find(b"(", position)
        counts = parse_flat(file, b"\n".join(
            line.split(b"//")[0] for line in text[position : max(begin, position)].splitlines()), True)  # fmt: skip
        end = text.find(b"/", begin)
        end = text.rfind(b")", begin, end if end >= 0 else len(text))
        if begin < 0 or end <= begin or len(counts) != 1:
            raise FormatError(f"{file}: is cut off or damaged (its list of faces is not closed); {AGAIN}")
        # A mark in place of each opening bracket keeps a face's size and its corners apart.
        flat = parse_flat(file, text[begin + 1 : end].replace(b"(", b" -1 ").replace(b")", b" "), True)
        marks = np.flatnonzero(flat == -1)
        sizes = flat[marks - 1] if len(marks) and marks[0] == 1 else np.zeros(0, dtype=np.int64)
        if len(marks) != counts[0] or len(sizes) != len(marks) or not np.array_equal(
            np.diff(np.append(marks, len(flat) + 1)), sizes + 2
        ):  # fmt: skip
            raise FormatError(f"{file}: is cut off or damaged (it holds {len(marks)} of {counts[0]} faces, or a face "
                              f"of another size than it says); {AGAIN}")  # fmt: skip
        keep = np.ones(len(flat), dtype=np.bool_)
        keep[marks] = keep[marks - 1] = False
        offsets, corners = np.concatenate([[0], np.cumsum(sizes)]), flat[keep]
    if np.any(np.diff(offsets) < 3):
        raise FormatError(f"{file}: is damaged (face {int(np.argmax(np.diff(offsets) < 3))} has fewer than 3 corners); "
                          f"{AGAIN}")  # fmt: skip
    return offsets, corners


def _patches(file: Path, inner: int, faces: int) -> tuple[Patch, ...]:
    """The boundary's patches, which must follow each other from the first boundary face to the last."""
    opened = _open(file)
    opened.binary = False
    items = opened.list_of_dictionaries()
    patches, position = [], inner
    for name, entries in items:
        start, count = (numbers(entries.get(key, [])) for key in ("startFace", "nFaces"))
        if len(start) != 1 or len(count) != 1:
            raise FormatError(f"{file}: patch {name} has no startFace or no nFaces; {AGAIN}")
        if start[0] != position or not 0 <= count[0] <= faces - position:
            raise FormatError(f"{file}: patch {name} has faces {start[0]:g} to {start[0] + count[0]:g}, "
                              f"faces {position} to {faces} are left; copy the mesh whole, or mesh again")  # fmt: skip
        neighbour = numbers(entries.get("neighbProcNo", []))
        groups = [word for word in words(entries.get("inGroups", [])) if not word.isdigit() and "<" not in word]
        kind = (words(entries.get("type", [])) or ["patch"])[0]
        patches.append(
            Patch(name, kind, position, int(count[0]), tuple(groups), int(neighbour[0]) if neighbour else -1)
        )
        position += int(count[0])
    if position != faces:
        raise FormatError(f"{file}: its patches end at face {position}, the mesh has {faces}; copy the mesh whole, or "
                          "run the mesher again")  # fmt: skip
    if len({patch.name for patch in patches}) != len(patches):
        raise FormatError(f"{file}: has two patches of one name; {AGAIN}")
    return tuple(patches)


def _in_range(file: Path, what: str, labels: Labels, end: int) -> None:
    if len(labels) and (labels.min() < 0 or labels.max() >= end):
        wrong = int(labels.min() if labels.min() < 0 else labels.max())
        raise FormatError(f"{file}: names {what} {wrong}, {what}s are 0 to {end - 1} at most; {AGAIN}")


def find_in(folders: Sequence[Path]) -> Find:
    """Finds a mesh file in the first folder that has it."""
    return lambda name: next((file for folder in folders if (file := existing(folder / name)) is not None), None)
