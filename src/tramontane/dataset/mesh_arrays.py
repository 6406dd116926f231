"""A PyVista mesh as plain arrays and back, and the sites at which its fields live."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyvista as pv
from numpy.typing import NDArray
from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray, vtk_to_numpy
from vtkmodules.vtkCommonDataModel import vtkCellArray

from tramontane.case import Location
from tramontane.errors import DatasetError

Array = NDArray[np.floating[Any]]
_POLY = ("verts", "lines", "polys", "strips")


@dataclass(frozen=True)
class Sites:
    """Where a domain's fields live: its points, or its cells' centres.

    Attributes:
        positions: ``(n, 3)`` float32, metres.
        fields: ``(n, components)`` float32 by name, SI.
        weights: ``(n,)`` float32, the length, area or volume (m, m2, m3) that each site stands for.
        normals: ``(n, 3)`` unit normals of a surface or of a line in a plane, in the mesh's own orientation; None in
            volumes.
    """

    positions: Array
    fields: dict[str, Array]
    weights: Array
    normals: Array | None


def mesh_sites(mesh: pv.DataSet, location: Location) -> Sites:
    """The sites of a mesh, in its own order, with every floating-point array it carries.

    Arrays at the other location are averaged to the sites.

    Args:
        mesh: Points in metres.
        location: Whether sites are points or cells' centres.
    """
    weights, normals = _measures(mesh)
    cells_used: Any = None
    if location == "point":
        weights, normals = _to_points(mesh, weights, normals)
        converted = mesh.cell_data_to_point_data() if _floating(mesh.cell_data) else mesh
        data, positions = converted.point_data, mesh.points
    else:
        converted = mesh.point_data_to_cell_data() if _floating(mesh.point_data) else mesh
        data, positions = converted.cell_data, mesh.cell_centers().points
        cells_used = mesh.cell_data
    fields = {}
    for name in _floating(data):
        values = cells_used[name] if cells_used is not None and name in cells_used.keys() else data[name]  # noqa: SIM118
        fields[name] = np.asarray(values, dtype=np.float32).reshape(len(positions), -1)
    return Sites(
        positions=np.asarray(positions, dtype=np.float32),
        fields=fields,
        weights=np.asarray(weights, dtype=np.float32),
        normals=None if normals is None else np.asarray(normals, dtype=np.float32),
    )


def mesh_arrays(mesh: pv.DataSet) -> dict[str, NDArray[Any]]:
    """Points and topology of a mesh, enough to build it again cell by cell.

    Raises:
        DatasetError: The mesh is neither PolyData nor an unstructured grid.
    """
    arrays: dict[str, NDArray[Any]] = {"points": np.asarray(mesh.points)}
    if isinstance(mesh, pv.PolyData):
        for kind, cells in zip(_POLY, (mesh.GetVerts(), mesh.GetLines(), mesh.GetPolys(), mesh.GetStrips()),
                               strict=True):  # fmt: skip
            if cells.GetNumberOfCells():
                arrays |= _cell_array(kind, cells)
    elif isinstance(mesh, pv.UnstructuredGrid):
        arrays["types"] = np.asarray(mesh.celltypes)
        arrays |= _cell_array("cells", mesh.GetCells())
        if mesh.GetPolyhedronFaces() is not None and mesh.GetPolyhedronFaces().GetNumberOfCells():
            arrays |= _cell_array("faces", mesh.GetPolyhedronFaces())
            arrays |= _cell_array("face_locations", mesh.GetPolyhedronFaceLocations())
    else:
        raise DatasetError(f"a mesh of type {type(mesh).__name__} cannot be stored; "
                           "convert it with cast_to_unstructured_grid()")  # fmt: skip
    return arrays


def build_mesh(arrays: dict[str, NDArray[Any]]) -> pv.PolyData | pv.UnstructuredGrid:
    """The mesh that `mesh_arrays` described."""
    if "types" not in arrays:
        surface = pv.PolyData()
        surface.points = arrays["points"]
        setters = (surface.SetVerts, surface.SetLines, surface.SetPolys, surface.SetStrips)
        for kind, put in zip(_POLY, setters, strict=True):
            if f"{kind}_offsets" in arrays:
                put(_vtk_cells(arrays, kind))
        return surface
    grid = pv.UnstructuredGrid()
    grid.points = arrays["points"]
    types = numpy_to_vtk(np.ascontiguousarray(arrays["types"], dtype=np.uint8), deep=True)
    if "faces_offsets" in arrays:
        grid.SetPolyhedralCells(types, _vtk_cells(arrays, "cells"), _vtk_cells(arrays, "face_locations"),
                                _vtk_cells(arrays, "faces"))  # fmt: skip
    else:
        grid.SetCells(types, _vtk_cells(arrays, "cells"))
    return grid


def _cell_array(kind: str, cells: vtkCellArray) -> dict[str, NDArray[Any]]:
    return {
        f"{kind}_offsets": vtk_to_numpy(cells.GetOffsetsArray()).astype(np.int64),
        f"{kind}_connectivity": vtk_to_numpy(cells.GetConnectivityArray()).astype(np.int64),
    }


def _vtk_cells(arrays: dict[str, NDArray[Any]], kind: str) -> vtkCellArray:
    cells = vtkCellArray()
    offsets, connectivity = (
        numpy_to_vtkIdTypeArray(np.ascontiguousarray(arrays[f"{kind}_{part}"], dtype=np.int64), deep=True)
        for part in ("offsets", "connectivity")
    )
    cells.SetData(offsets, connectivity)
    return cells


def _floating(data: Any) -> list[str]:
    return [name for name in data.keys() if np.issubdtype(data[name].dtype, np.floating)  # noqa: SIM118
            and not name.startswith("vtk") and name not in ("Normals", "TCoords")]  # fmt: skip


def _measures(mesh: pv.DataSet) -> tuple[Array, Array | None]:
    """Size of each cell, and unit normals where cells have them."""
    bare = mesh.copy(deep=False)
    bare.clear_data()
    sized = bare.compute_cell_sizes(length=True, area=True, volume=True)
    length, area, volume = (np.abs(np.asarray(sized.cell_data[key])) for key in ("Length", "Area", "Volume"))
    if volume.any():
        return volume, None
    if area.any():
        if not isinstance(bare, pv.PolyData):
            return area, None
        with_normals = bare.compute_normals(cell_normals=True, point_normals=False, split_vertices=False,
                                            consistent_normals=False, auto_orient_normals=False)  # fmt: skip
        return area, np.asarray(with_normals.cell_data["Normals"])
    if length.any():
        return length, _line_normals(bare)
    return np.ones(mesh.n_cells), None


def _line_normals(mesh: pv.DataSet) -> Array | None:
    """Normals of two-point lines in a plane of constant z, to the right of their direction."""
    if not isinstance(mesh, pv.PolyData) or mesh.lines.size != 3 * mesh.n_cells:
        return None
    ends = mesh.points[mesh.lines.reshape(-1, 3)[:, 1:]].astype(np.float64)
    along = ends[:, 1] - ends[:, 0]
    normals = np.stack([along[:, 1], -along[:, 0], np.zeros(len(along))], axis=1)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-300)  # type: ignore[no-any-return]


def _to_points(mesh: pv.DataSet, sizes: Array, normals: Array | None) -> tuple[Array, Array | None]:
    """Each cell's size, split evenly among its points; normals weighted by it."""
    offsets, ids = _point_ids(mesh)
    count = np.diff(offsets)
    owner = np.repeat(np.arange(len(count)), count)
    share = (sizes / np.maximum(count, 1))[owner]
    weights = np.bincount(ids, weights=share, minlength=mesh.n_points)
    if normals is None:
        return weights, None
    summed = np.stack([np.bincount(ids, weights=share * normals[owner, axis], minlength=mesh.n_points)
                       for axis in range(3)], axis=1)  # fmt: skip
    return weights, summed / np.maximum(np.linalg.norm(summed, axis=1, keepdims=True), 1e-300)


def _point_ids(mesh: pv.DataSet) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Offsets and point ids of all cells, in the order of the mesh's cells."""
    arrays = mesh_arrays(mesh)
    kinds = ("cells",) if "types" in arrays else tuple(kind for kind in _POLY if f"{kind}_offsets" in arrays)
    if not kinds:
        return np.zeros(1, np.int64), np.zeros(0, np.int64)
    counts = np.concatenate([np.diff(arrays[f"{kind}_offsets"]) for kind in kinds])
    ids = np.concatenate([arrays[f"{kind}_connectivity"] for kind in kinds])
    return np.concatenate([[0], np.cumsum(counts)]), ids
