"""Geometry: a closed triangle surface from STL, OBJ, PLY, VTP or STEP, checked and oriented."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyvista as pv
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from vtkmodules.vtkFiltersCore import vtkOrientPolyData

from tramontane.errors import FormatError, GeometryError
from tramontane.formats.surfaces.obj import with_positive_indices
from tramontane.formats.surfaces.step import read_step
from tramontane.formats.surfaces.stl import read_stl
from tramontane.formats.vtk.meshes import read_mesh
from tramontane.geometry.holes import Holes, enclosed
from tramontane.large_arrays import bad_rows
from tramontane.units import si_factor

SUFFIXES = (".stl", ".obj", ".ply", ".step", ".stp", ".vtp")
OPEN_EDGES = "open edges"  # by which a warning of holes is known
_MERGE_DIGITS = 8  # points closer than 1e-8 of the geometry's length are one
_JOIN = 1e-5  # of the geometry's length: points of open edges so close to each other are one, if that closes some
_LIKELY_SIZE = (1e-6, 1e3)  # m
_SANE_SIZE = (1e-12, 1e9)  # m; beyond, squares and cubes of coordinates lose their digits
_COMPARED, _HAIR = 2000, 1e-3  # bodies that are compared with each other; a share of their size
_AT_ONCE = 512  # bodies whose neighbours are looked at together
# Multipliers of a hash, those of SplitMix64 (Steele, Lea and Flood 2014).
_MIX = np.array([0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB], dtype=np.uint64)


@dataclass(frozen=True, eq=False)
class Geometry:
    """A triangle surface in metres and what was noticed about it.

    Attributes:
        mesh: Triangles only, points merged, oriented outward.
        warnings: One sentence for each thing to mind: holes, flipped orientation, an unlikely size.
        closed: Whether no edge is open.
        area: Of the surface, m2.
        volume: Enclosed volume, m3; of a surface with holes, that within it and flat lids over them.
        bounds: Lowest and highest corner ``(3,)`` of the bounding box, m.
    """

    mesh: pv.PolyData
    warnings: tuple[str, ...]
    closed: bool
    area: float
    volume: float
    bounds: tuple[NDArray[np.float64], NDArray[np.float64]]


def read_geometry(source: str | os.PathLike[str] | pv.PolyData, *, length_unit: str = "m") -> Geometry:
    """Read, check and orient a geometry.

    Args:
        source: A file, or a mesh in ``length_unit``.
        length_unit: Of the file; STEP files state their own.

    Raises:
        GeometryError: Missing, damaged, empty, without area, or with points that are not finite.
    """
    if isinstance(source, pv.PolyData):
        label, mesh, found, factor = "geometry", source, list[str](), si_factor(length_unit)
    else:
        file = Path(source)
        label, (mesh, found) = str(file), _read(file, length_unit)
        factor = 1.0 if file.suffix.lower() in (".step", ".stp") else si_factor(length_unit)
    points = np.asarray(mesh.points, dtype=np.float64) * factor
    bad = bad_rows(points)
    if len(bad):
        raise GeometryError(f"{label}: {len(bad)} points are not finite, the first is point {bad[0]}; export it again")
    triangles = np.asarray(mesh.triangulate().regular_faces) if mesh.n_cells else np.zeros((0, 3), dtype=np.int64)
    if len(triangles) == 0:
        raise GeometryError(f"{label}: holds no triangles; export a triangle surface")
    size = float(np.ptp(points, axis=0).max())
    if size and not _SANE_SIZE[0] <= size <= _SANE_SIZE[1]:
        raise GeometryError(f"{label}: is {size:.3g} m long, which no part is; its coordinates are damaged, or in "
                            f"another unit than {length_unit}")  # fmt: skip
    places = (points - points.min(axis=0)) * (10**_MERGE_DIGITS / (size or 1.0))
    kept, index = _merged(np.rint(places, out=places).astype(np.int64))
    points, triangles = points[kept], index[triangles]
    one, two, three = triangles.T
    collapsed = (one == two) | (two == three) | (three == one)
    points, triangles = _used(points, triangles[~collapsed] if collapsed.any() else triangles)
    both = triangles
    triangles, repeated = _once(both)
    walls = 0
    if repeated and (opened_up := _without_walls(both, triangles, len(points))) is not None:
        walls = len(triangles) - len(opened_up[0])
        triangles, repeated = opened_up
    area = _area(points, triangles)
    if area <= 0:
        raise GeometryError(f"{label}: has no triangle with an area; export the surface again")

    warnings = found
    if walls:
        warnings.append(f"{label}: bodies touch at {walls} common triangles; these were left out, so that they are one")
    if repeated:
        warnings.append(f"{label}: {repeated} triangles are there more than once; one of each was kept")
    if collapsed.any():
        warnings.append(f"{label}: {collapsed.sum()} triangles have two equal corners; they were left out")
    edges = _Edges.of(triangles, len(points))
    if edges.opened and (joined := _joined(points, triangles, edges, _JOIN * size)) is not None:
        count = len(points) - len(joined[0])
        warnings.append(f"{label}: triangles do not quite meet: {count} points at open edges lay within "
                        f"{_JOIN * size:.2g} m of others and were joined")  # fmt: skip
        points, triangles, edges = joined
    if edges.opened:
        warnings.append(f"{label}: the surface has holes ({edges.opened} {OPEN_EDGES}); close it in CAD for a "
                        "prediction that can be relied on")  # fmt: skip
    if edges.crowded:
        warnings.append(
            f"{label}: {edges.crowded} edges belong to more than two triangles; join touching bodies in CAD"
        )
    given = len(triangles)
    triangles, volume, found = _orient(points, triangles, edges)
    if len(triangles) < given:  # bodies were left out
        points, triangles = _used(points, triangles)
        area = _area(points, triangles)
    warnings += [f"{label}: {sentence}" for sentence in found]
    if not _LIKELY_SIZE[0] <= size <= _LIKELY_SIZE[1]:
        warnings.append(f"{label}: is {size:.3g} m long; check the length unit ({length_unit})")
    return Geometry(
        mesh=pv.PolyData.from_regular_faces(points, triangles),
        warnings=tuple(warnings),
        closed=edges.opened == 0,
        area=area,
        volume=volume,
        bounds=(points.min(axis=0), points.max(axis=0)),
    )


@dataclass(frozen=True)
class _Edges:
    """The edges of triangles.

    Attributes:
        opened: Number of those of one triangle.
        rim: Points ``(opened, 2)`` of these.
        crowded: Number of those of more than two.
        pairs: ``(n, 2)``: triangles that have an edge in common.
        consistent: Whether the two go along it in opposite directions, everywhere.
    """

    opened: int
    rim: NDArray[np.int64]
    crowded: int
    pairs: NDArray[np.int64]
    consistent: bool

    @classmethod
    def of(cls, triangles: NDArray[np.int64], points: int) -> _Edges:
        starts, ends = triangles.reshape(-1), triangles[:, [1, 2, 0]].reshape(-1)
        keys = np.minimum(starts, ends) * points + np.maximum(starts, ends)
        order = np.argsort(keys)
        keys = keys[order]
        first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
        uses = np.diff(np.append(first, len(keys)))
        twice, once = first[uses == 2], order[first[uses == 1]]
        here, there = order[twice], order[twice + 1]
        many = np.repeat(uses > 2, uses)[1:] & (keys[1:] == keys[:-1])
        return cls(
            opened=len(once),
            rim=np.stack([starts[once], ends[once]], axis=1),
            crowded=int((uses > 2).sum()),
            pairs=np.concatenate(
                [np.stack([here, there], axis=1), np.stack([order[:-1][many], order[1:][many]], axis=1)]
            )
            // 3,
            consistent=bool((starts[here] == ends[there]).all()),
        )


def _merged(places: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which of equal rows ``(n, 3)`` come first, in their order, and which of these each row is.

    Rows are told apart by a hash, which sorts in a fifth of the time; that no two shared one is looked at.
    """
    x, y, z = (column.view(np.uint64) for column in np.ascontiguousarray(places.T))
    keys = ((x * _MIX[0] ^ (x >> np.uint64(31))) + y) * _MIX[1]
    keys = ((keys ^ (keys >> np.uint64(29))) + z) * _MIX[2]
    found, index = np.unique(keys ^ (keys >> np.uint64(32)), return_inverse=True)
    kept = np.empty(len(found), dtype=np.int64)
    kept[index[::-1]] = np.arange(len(places) - 1, -1, -1)  # of those that are equal the first is written last
    if not (places[kept[index]] == places).all():
        _, kept, index = np.unique(places, axis=0, return_index=True, return_inverse=True)
        index = index.reshape(-1)
    order = np.argsort(kept)
    renamed = np.empty(len(kept), dtype=np.int64)
    renamed[order] = np.arange(len(kept))
    return kept[order], renamed[index]


def _joined(
    points: NDArray[Any], triangles: NDArray[np.int64], edges: _Edges, near: float
) -> tuple[NDArray[Any], NDArray[np.int64], _Edges] | None:
    """Points, triangles and edges once points of open edges that lie near each other are one; None if none closes."""
    open_ends = np.zeros(len(points), np.bool_)
    open_ends[edges.rim] = True
    rim = np.flatnonzero(open_ends)
    pairs = cKDTree(points[rim]).query_pairs(near, output_type="ndarray")
    if not len(pairs):
        return None
    links = coo_array((np.ones(len(pairs), np.int8), pairs.T), (len(rim), len(rim)))
    _, group = connected_components(links, directed=False)
    _, first = np.unique(group, return_index=True)
    renamed = np.arange(len(points))
    renamed[rim] = rim[first[group]]
    found = renamed[triangles]
    one, two, three = found.T
    found, _ = _once(found[(one != two) & (two != three) & (three != one)])
    if not len(found):
        return None
    kept, found = _used(points, found)
    closer = _Edges.of(found, len(kept))
    return (kept, found, closer) if closer.opened < edges.opened else None


def _once(triangles: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """The first of triangles with the same three corners, whichever way they face, and how many others there are."""
    corners = np.sort(triangles, axis=1)
    kept, _ = _merged(corners)
    return (triangles, 0) if len(kept) == len(triangles) else (triangles[kept], len(triangles) - len(kept))


def _without_walls(
    triangles: NDArray[np.int64], once: NDArray[np.int64], points: int
) -> tuple[NDArray[np.int64], int] | None:
    """Triangles without those that two bodies have in common, one facing each way, and how many others are repeated.

    Args:
        triangles: All.
        once: The first of those with the same corners.
        points: How many there are.

    Returns:
        None where the triangles are no walls between bodies: where without them fewer edges would have two triangles.
    """
    _, group = _merged(np.sort(triangles, axis=1))
    _, middle, last = np.take_along_axis(triangles, (triangles.argmin(axis=1)[:, None] + np.arange(3)) % 3, axis=1).T
    facing = np.bincount(group, np.where(middle < last, 1, -1))
    wall = (facing == 0)[group]
    if not wall.any() or wall.all():
        return None
    found, repeated = _once(triangles[~wall])
    here, there = _Edges.of(found, points), _Edges.of(once, points)
    better = here.opened <= there.opened and here.crowded < there.crowded
    return (found, repeated) if better else None


def _used(points: NDArray[Any], triangles: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The points that triangles have, in their order, and the triangles of these."""
    used = np.zeros(len(points), np.bool_)
    used[triangles] = True
    renamed: NDArray[np.int64] = (np.cumsum(used) - 1)[triangles]
    return points[used], renamed


def _area(points: NDArray[Any], triangles: NDArray[np.int64]) -> float:
    # Long rows are what NumPy is fast at.
    one, two, three = np.ascontiguousarray(points.T)[:, triangles.T].swapaxes(0, 1)
    x, y, z = np.cross(two - one, three - one, axis=0)
    return float(np.sqrt(x * x + y * y + z * z).sum()) / 2


def _orient(
    points: NDArray[Any], triangles: NDArray[np.int64], edges: _Edges
) -> tuple[NDArray[np.int64], float, list[str]]:
    """Triangles whose normals point out of the body, the volume in them, and what had to be done."""
    found = []
    if not edges.consistent:
        orient = vtkOrientPolyData()
        orient.ConsistencyOn()
        orient.SetInputData(pv.PolyData.from_regular_faces(points, triangles))
        orient.Update()
        triangles = np.array(pv.wrap(orient.GetOutput()).regular_faces, dtype=np.int64)
        found.append("triangles did not agree on which side is outside; they were turned")
    # Volumes of tetrahedra to the middle of the box: the origin would tell an open surface's side by where it lies.
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    one, two, three = np.ascontiguousarray((points - middle).T)[:, triangles.T].swapaxes(0, 1)
    pieces = (one * np.cross(two, three, axis=0)).sum(axis=0) / 6
    if edges.opened == 0:
        neighbours = coo_array((np.ones(len(edges.pairs), np.int8), edges.pairs.T), (len(triangles), len(triangles)))
        _, body = connected_components(neighbours, directed=False)
        turned = np.isin(body, _inside_out(body, pieces, points[triangles]))
    else:
        # The patches of an open surface have no volumes of their own; only the whole can be told, its holes closed.
        whole = enclosed(np.concatenate([points[triangles], Holes.of(points, triangles).lids()]))
        pieces *= 0.0
        pieces[0] = whole
        body, turned = np.zeros(len(triangles), dtype=np.int64), np.full(len(triangles), whole < 0)
    count = int(body.max()) + 1
    if turned.any():
        triangles[turned], pieces[turned] = triangles[turned][:, ::-1], -pieces[turned]
        bodies = len(np.unique(body[turned]))
        if edges.opened == 0:  # an open surface has no inside of its own
            found.append(
                f"{'the surface was' if bodies == count else f'{bodies} of {count} bodies were'} inside out and turned"
            )
    if edges.opened == 0 and 1 < count <= _COMPARED and (doubled := _doubled(body, pieces, points[triangles])):
        kept = ~np.isin(body, doubled)
        triangles, pieces, count = triangles[kept], pieces[kept], count - len(doubled)
        found.append(f"{len(doubled)} bodies lie where another of the same size lies; they were left out")
    if count > 1:
        found.append(f"holds {count} separate bodies; where they overlap, their volume counts twice")
    return np.ascontiguousarray(triangles), float(pieces.sum()), found


def _doubled(body: NDArray[Any], pieces: NDArray[Any], corners: NDArray[Any]) -> list[int]:
    """Numbers of the bodies that lie, within a hair, where an earlier one of the same volume lies."""
    volumes = np.bincount(body, weights=pieces)
    lows, highs = np.full((len(volumes), 3), np.inf), np.full((len(volumes), 3), -np.inf)
    np.minimum.at(lows, body, corners.min(axis=1))
    np.maximum.at(highs, body, corners.max(axis=1))
    boxes, sizes = np.concatenate([lows, highs], axis=1), (highs - lows).max(axis=1)
    doubled: set[int] = set()
    for number in np.flatnonzero(volumes > 0):
        near = (np.abs(boxes[number + 1 :] - boxes[number]) <= _HAIR * sizes[number]).all(axis=1)
        alike = np.abs(volumes[number + 1 :] - volumes[number]) <= 10 * _HAIR * volumes[number]
        doubled |= set((np.flatnonzero(near & alike) + number + 1).tolist())
    return sorted(doubled)


def _inside_out(body: NDArray[Any], pieces: NDArray[Any], corners: NDArray[Any]) -> list[int]:
    """Numbers of the bodies to be turned.

    One that is inside out within the box of another is a cavity, and right; it is turned when the other is.
    """
    volumes = np.bincount(body, weights=pieces)
    if (volumes >= 0).all():
        return []
    lows, highs = np.full((len(volumes), 3), np.inf), np.full((len(volumes), 3), -np.inf)
    np.minimum.at(lows, body, corners.min(axis=1))
    np.maximum.at(highs, body, corners.max(axis=1))
    middles, reach = (lows + highs) / 2, (highs - lows).max(axis=1) / 2
    tree, within, around = cKDTree(middles), [], []
    for start in range(0, len(volumes), _AT_ONCE):  # the pairs of thousands of bodies take room
        some = np.arange(start, min(start + _AT_ONCE, len(volumes)))
        near = tree.query_ball_point(middles[some], reach[some], p=np.inf)
        outer = np.repeat(some, [len(each) for each in near])
        inner = np.concatenate([np.asarray(each, dtype=np.int64) for each in near])
        apart = (lows[outer] < lows[inner]).all(axis=1) & (highs[outer] > highs[inner]).all(axis=1)
        within.append(inner[apart])
        around.append(outer[apart])
    inner, outer = np.concatenate(within), np.concatenate(around)
    wrong = volumes < 0
    wrong[inner] = False  # cavities
    wrong[inner[wrong[outer]]] = True
    return np.flatnonzero(wrong).tolist()


def _read(file: Path, length_unit: str) -> tuple[pv.PolyData, list[str]]:
    """A file's triangles, and what to mind of it."""
    suffix = file.suffix.lower()
    if not file.is_file():
        raise GeometryError(f"{file}: there is no such file; check the path")
    if suffix not in SUFFIXES:
        raise GeometryError(f"{file}: {suffix or 'no suffix'} is not read as a geometry; "
                            f"give one of {', '.join(SUFFIXES)}")  # fmt: skip
    if file.stat().st_size == 0:
        raise GeometryError(f"{file}: is empty; export or copy it again")
    if suffix in (".step", ".stp"):
        return read_step(file), []
    if suffix == ".vtp":
        try:
            return read_mesh(file), []
        except FormatError as error:
            raise GeometryError(str(error)) from error
    if suffix == ".stl":
        return _read_stl(file, length_unit)
    import trimesh  # takes a third of a second to load, and only these formats need it

    try:
        mended = with_positive_indices(file) if suffix == ".obj" else None
        loaded = trimesh.load_mesh(mended or file, file_type=suffix[1:], process=False)
        loaded = loaded.to_mesh() if isinstance(loaded, trimesh.Scene) else loaded
    except Exception as error:  # trimesh raises errors of many kinds for one damaged file
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise GeometryError(f"{file}: cannot be read ({reason}); export or copy it again") from error
    faces = len(loaded.faces) if isinstance(loaded, trimesh.Trimesh) else 0
    if faces < (announced := _announced_faces(file, suffix)):
        raise GeometryError(f"{file}: is cut off ({faces} triangles of {announced}); export or copy it again")
    if faces == 0:
        raise GeometryError(f"{file}: holds no triangles; export a triangle surface")
    points, triangles = np.asarray(loaded.vertices), np.asarray(loaded.faces)
    if points.ndim != 2 or points.shape[1] != 3:
        raise GeometryError(f"{file}: its points have {points.shape[-1]} coordinates, not 3; export it again")
    if triangles.min() < 0 or triangles.max() >= len(points):
        wrong = int(triangles.min() if triangles.min() < 0 else triangles.max())
        raise GeometryError(f"{file}: a triangle has point {wrong}, points are 0 to {len(points) - 1}; export it again")
    return pv.PolyData.from_regular_faces(points, triangles), []


def _read_stl(file: Path, length_unit: str) -> tuple[pv.PolyData, list[str]]:
    corners, found, stated = read_stl(file)
    if stated is not None and si_factor(stated) != si_factor(length_unit):
        found.append(f"{file}: its header says that it is in {stated}, it is read in {length_unit}; say which is right "
                     "(geometry_unit in its case's JSON, or length_unit in the contract)")  # fmt: skip
    if len(corners) == 0:
        raise GeometryError(f"{file}: holds no triangles; export a triangle surface")
    triangles = np.arange(3 * len(corners)).reshape(-1, 3)
    return pv.PolyData.from_regular_faces(corners.reshape(-1, 3), triangles), found


def _announced_faces(file: Path, suffix: str) -> int:
    """How many faces there are at least: by the header of a PLY, by the lines of an OBJ; trimesh drops broken ones."""
    if suffix == ".ply":
        with file.open("rb") as stream:
            match = re.search(rb"element\s+face\s+(\d+)", stream.read(4096))
        return int(match[1]) if match else 0
    if suffix == ".obj":
        with file.open("rb") as stream:
            return sum(line.startswith((b"f ", b"f\t")) for line in stream)
    return 0
