"""Geometry: a closed triangle surface from STL, OBJ, PLY, VTP or STEP, checked and oriented."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyvista as pv
from numpy.typing import NDArray

from tramontane.errors import FormatError, GeometryError
from tramontane.formats.surfaces.obj import with_positive_indices
from tramontane.formats.surfaces.step import read_step
from tramontane.formats.surfaces.stl import read_stl
from tramontane.formats.vtk.meshes import read_mesh
from tramontane.geometry.bodies import orient_outward
from tramontane.geometry.triangles import (
    Edges,
    area_of,
    join_open_edges,
    merge_rows,
    without_copies,
    without_unused_points,
    without_walls,
)
from tramontane.large_arrays import bad_rows
from tramontane.units import si_factor

SUFFIXES = (".stl", ".obj", ".ply", ".step", ".stp", ".vtp")
OPEN_EDGES = "open edges"  # by which a warning of holes is known
_MERGE_DIGITS = 8  # points closer than 1e-8 of the geometry's length are one
_JOIN = 1e-5  # of the geometry's length: points of open edges so close to each other are one, if that closes some
_LIKELY_SIZE = (1e-6, 1e3)  # m
_SANE_SIZE = (1e-12, 1e9)  # m; beyond, squares and cubes of coordinates lose their digits


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
        label, mesh, remarks, factor = "geometry", source, list[str](), si_factor(length_unit)
    else:
        file = Path(source)
        label, (mesh, remarks) = str(file), _read(file, length_unit)
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
    kept, index = merge_rows(np.rint(places, out=places).astype(np.int64))
    points, triangles = points[kept], index[triangles]
    first, second, third = triangles.T
    collapsed = (first == second) | (second == third) | (third == first)
    points, triangles = without_unused_points(points, triangles[~collapsed] if collapsed.any() else triangles)
    both = triangles
    triangles, repeated = without_copies(both)
    walls = 0
    if repeated and (opened_up := without_walls(both, triangles, len(points))) is not None:
        walls = len(triangles) - len(opened_up[0])
        triangles, repeated = opened_up
    area = area_of(points, triangles)
    if area <= 0:
        raise GeometryError(f"{label}: has no triangle with an area; export the surface again")

    warnings = remarks
    if walls:
        warnings.append(f"{label}: bodies touch at {walls} common triangles; these were left out, so that they are one")
    if repeated:
        warnings.append(f"{label}: {repeated} triangles are there more than once; one of each was kept")
    if collapsed.any():
        warnings.append(f"{label}: {collapsed.sum()} triangles have two equal corners; they were left out")
    edges = Edges.of(triangles, len(points))
    if edges.opened and (closer := join_open_edges(points, triangles, edges, _JOIN * size)) is not None:
        count = len(points) - len(closer[0])
        warnings.append(f"{label}: triangles do not quite meet: {count} points at open edges lay within "
                        f"{_JOIN * size:.2g} m of others and were joined")  # fmt: skip
        points, triangles, edges = closer
    if edges.opened:
        warnings.append(f"{label}: the surface has holes ({edges.opened} {OPEN_EDGES}); close it in CAD for a "
                        "prediction that can be relied on")  # fmt: skip
    if edges.crowded:
        warnings.append(
            f"{label}: {edges.crowded} edges belong to more than two triangles; join touching bodies in CAD"
        )
    given = len(triangles)
    triangles, volume, remarks = orient_outward(points, triangles, edges)
    if len(triangles) < given:  # bodies were left out
        points, triangles = without_unused_points(points, triangles)
        area = area_of(points, triangles)
    warnings += [f"{label}: {sentence}" for sentence in remarks]
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
    corners, remarks, stated = read_stl(file)
    if stated is not None and si_factor(stated) != si_factor(length_unit):
        remarks.append(f"{file}: its header says that it is in {stated}, it is read in {length_unit}; say which is "
                       "right (geometry_unit in its case's JSON, or length_unit in the contract)")  # fmt: skip
    if len(corners) == 0:
        raise GeometryError(f"{file}: holds no triangles; export a triangle surface")
    triangles = np.arange(3 * len(corners)).reshape(-1, 3)
    return pv.PolyData.from_regular_faces(corners.reshape(-1, 3), triangles), remarks


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
