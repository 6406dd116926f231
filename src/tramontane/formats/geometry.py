"""Geometry: a closed triangle surface from STL, OBJ, PLY, VTP or STEP, checked and oriented."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyvista as pv
import trimesh
from numpy.typing import NDArray
from vtkmodules.vtkFiltersModeling import vtkSelectEnclosedPoints

from tramontane.errors import FormatError, GeometryError
from tramontane.formats.step import read_step
from tramontane.formats.meshes import read_mesh
from tramontane.units import si_factor

SUFFIXES = (".stl", ".obj", ".ply", ".step", ".stp", ".vtp")


@dataclass(frozen=True)
class Geometry:
    """A triangle surface in metres and what was noticed about it.

    Attributes:
        mesh: Triangles only, points merged, oriented outward.
        warnings: One sentence for each thing to mind: holes, flipped orientation, an unlikely size.
        closed: Whether every edge belongs to two triangles.
        volume: Enclosed volume, m3; what it means is open when the surface is.
    """

    mesh: pv.PolyData
    warnings: tuple[str, ...]
    closed: bool
    volume: float


def read_geometry(source: str | os.PathLike[str] | pv.PolyData, *, length_unit: str = "m") -> Geometry:
    """Read, check and orient a geometry.

    Args:
        source: A file, or a mesh in ``length_unit``.
        length_unit: Of the file; STEP files state their own.

    Raises:
        GeometryError: Missing, damaged, empty, without area, or with points that are not finite.
    """
    if isinstance(source, pv.PolyData):
        label, mesh, factor = "geometry", source, si_factor(length_unit)
    else:
        file = Path(source)
        label, mesh = str(file), _read(file)
        factor = 1.0 if file.suffix.lower() in (".step", ".stp") else si_factor(length_unit)
    points = np.asarray(mesh.points, dtype=np.float64) * factor
    bad = np.flatnonzero(~np.isfinite(points).all(axis=1))
    if len(bad):
        raise GeometryError(f"{label}: {len(bad)} points are not finite, the first is point {bad[0]}; export it again")
    triangles = mesh.triangulate().regular_faces if mesh.n_cells else np.zeros((0, 3), dtype=np.int64)
    surface = trimesh.Trimesh(points, triangles, process=False)
    surface.merge_vertices()
    surface.update_faces(surface.nondegenerate_faces())
    if len(surface.faces) == 0 or surface.area <= 0:
        raise GeometryError(f"{label}: has no triangles with an area; export the surface again")
    warnings = []
    closed = bool(surface.is_watertight)
    if not closed:
        edges = len(trimesh.grouping.group_rows(surface.edges_sorted, require_count=1))
        warnings.append(f"{label}: the surface has holes ({edges} open edges); close it in CAD for a prediction "
                        "that can be relied on")  # fmt: skip
    if not surface.is_winding_consistent:
        trimesh.repair.fix_winding(surface)
        warnings.append(f"{label}: triangles did not agree on which side is outside; they were turned")
    if surface.volume < 0:
        surface.invert()
        warnings.append(f"{label}: the surface was inside out; it was turned")
    size = float(surface.extents.max())
    if not 1e-4 <= size <= 1e3:
        warnings.append(f"{label}: is {size:.3g} m long; check the length unit ({length_unit})")
    return Geometry(
        mesh=pv.PolyData.from_regular_faces(np.asarray(surface.vertices), np.asarray(surface.faces)),
        warnings=tuple(warnings),
        closed=closed,
        volume=float(surface.volume),
    )


def inside(mesh: pv.PolyData, points: NDArray[Any]) -> NDArray[np.bool_]:
    """Which of the points ``(n, 3)`` lie inside a closed surface.

    Points outside the bounding box are answered at once; the others by VTK's ray voting.
    """
    bounds = np.asarray(mesh.bounds).reshape(3, 2)
    answer = ((points >= bounds[:, 0]) & (points <= bounds[:, 1])).all(axis=1)
    candidates = np.flatnonzero(answer)
    if len(candidates):
        select = vtkSelectEnclosedPoints()
        select.SetTolerance(1e-9)
        select.SetInputData(pv.PolyData(np.asarray(points[candidates], dtype=np.float64)))
        select.SetSurfaceData(mesh)
        select.Update()
        answer[candidates] = np.asarray(pv.wrap(select.GetOutput()).point_data["SelectedPoints"]).astype(bool)
    return answer


def _read(file: Path) -> pv.PolyData:
    suffix = file.suffix.lower()
    if not file.is_file():
        raise GeometryError(f"{file}: is no file; check the path")
    if suffix not in SUFFIXES:
        raise GeometryError(f"{file}: {suffix or 'no suffix'} is not read as a geometry; "
                            f"give one of {', '.join(SUFFIXES)}")  # fmt: skip
    try:
        if suffix in (".step", ".stp"):
            return read_step(file)
        if suffix == ".vtp":
            mesh = read_mesh(file)
            if not isinstance(mesh, pv.PolyData):
                raise GeometryError(f"{file}: is no surface; export a triangle surface")
            return mesh
        if suffix == ".stl":
            _check_stl_size(file)
        loaded = trimesh.load(file, force="mesh", process=False)
    except (GeometryError, FormatError):
        raise
    except Exception as error:  # trimesh raises errors of many kinds for one damaged file
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise GeometryError(f"{file}: cannot be read ({reason}); export it again") from error
    if not isinstance(loaded, trimesh.Trimesh) or len(loaded.faces) == 0:
        raise GeometryError(f"{file}: holds no triangles; export a triangle surface")
    return pv.PolyData.from_regular_faces(np.asarray(loaded.vertices), np.asarray(loaded.faces))


def _check_stl_size(file: Path) -> None:
    """A binary STL says how many triangles follow; an ascii one ends in ``endsolid``."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        head = stream.read(84)
        stream.seek(max(0, size - 256))
        tail = stream.read()
    count = int.from_bytes(head[80:84], "little")
    if len(head) == 84 and size == 84 + 50 * count:
        return
    if head.lstrip()[:5].lower() == b"solid":
        if b"endsolid" not in tail.lower():
            raise GeometryError(f"{file}: is cut off (no endsolid at its end); export or copy it again")
        return
    raise GeometryError(f"{file}: is cut off or no STL ({size} bytes, {84 + 50 * count} expected); "
                        "export or copy it again")  # fmt: skip
