"""Domains from the blocks of a file: cells of three dimensions are the volume, faces its surface with named patches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyvista as pv
from numpy.typing import NDArray
from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray, vtk_to_numpy
from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkCellTypes, vtkUnstructuredGrid
from vtkmodules.vtkFiltersCore import vtkAppendFilter

from tramontane.errors import FormatError
from tramontane.formats.names import standardise
from tramontane.formats.results import set_patches

# How many of a face's points are corners, where that is not all of them: midside nodes stand behind the corners.
_CORNERS = {22: 3, 34: 3, 23: 4, 28: 4, 30: 4, 69: 3, 70: 4, 76: 3, 77: 4}
_PIXEL = 8
_OPENFOAM = "wallShearStress"
Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Named:
    """A block and what it is called: the patch's name where it is a boundary."""

    name: str
    mesh: pv.PolyData | pv.UnstructuredGrid


@dataclass
class Domains:
    """What became of the blocks.

    Attributes:
        meshes: By domain.
        renamed: The standard name, by the file's own; see `tramontane.formats.names.standardise`.
        warnings: What was left out.
    """

    meshes: dict[str, pv.PolyData | pv.UnstructuredGrid] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def domains(file: Path, blocks: Sequence[Named]) -> Domains:
    """Sort blocks into domains and merge them.

    Points that agree in place and in all their fields become one, points that no cell uses go. The midside nodes of
    curved faces go, too.

    Args:
        file: For messages.
        blocks: As they came; their meshes are taken over and changed. Blocks of one name are one patch.

    Raises:
        FormatError: There is no mesh.
    """
    parts_read = Domains()
    sorted_: dict[int, list[Named]] = {0: [], 1: [], 2: [], 3: []}
    for block in blocks:
        for rank, part in _by_dimension(block.mesh).items():
            parts_read.renamed |= standardise(part)
            sorted_[rank].append(Named(block.name, part))
    if _OPENFOAM in parts_read.renamed:
        parts_read.warnings.append(f"{file}: {_OPENFOAM}, as OpenFOAM calls it, is taken as it is; OpenFOAM writes the "
                                   "force of the wall on the fluid, wall_shear_stress that of the fluid on the wall: "
                                   "read OpenFOAM's own case, or turn the sign")  # fmt: skip
    bulk, faces, lines, points = (sorted_[rank] for rank in (3, 2, 1, 0))
    if bulk:
        parts_read.meshes["volume"] = _merge(file, "volume", [block.mesh for block in bulk], parts_read)
    if faces:
        names = list(dict.fromkeys(block.name for block in faces))
        for block in faces:
            patch = np.full(block.mesh.n_cells, names.index(block.name), np.int32)
            set_patches(block.mesh, patch, names)
        parts_read.meshes["surface"] = _surface(_merge(file, "surface", [block.mesh for block in faces], parts_read))
        if bulk or len(names) > 1:
            set_patches(parts_read.meshes["surface"], parts_read.meshes["surface"].cell_data["patch"], names)
        else:
            _forget_patches(parts_read.meshes["surface"])
        _warn_of_twins(file, parts_read)
    if points and not (bulk or faces or lines):
        merged = _merge(file, "particles", [block.mesh for block in points], parts_read)
        parts_read.meshes["particles"] = merged.extract_geometry()
        points = []
    for kind, left in (("lines", lines), ("points", points)):
        if left and parts_read.meshes:
            names = list(dict.fromkeys(block.name for block in left))
            parts_read.warnings.append(f"{file}: {kind} are left out ({', '.join(names[:5])})")
    if not parts_read.meshes:
        raise FormatError(f"{file}: holds no mesh of faces or volumes; export the mesh with the results")
    return parts_read


def _by_dimension(mesh: Any) -> dict[int, pv.UnstructuredGrid]:
    """The cells of each dimension; points that have no cell count as cells where there are none at all."""
    if mesh.n_cells == 0:
        return {}
    grid = mesh.cast_to_unstructured_grid() if isinstance(mesh, pv.PolyData) else mesh
    kinds = np.asarray(grid.celltypes)
    present = np.unique(kinds)
    ranks = {int(kind): int(vtkCellTypes.GetDimension(int(kind))) for kind in present if kind != 0}
    if len(set(ranks.values())) == 1 and 0 not in present:
        return {next(iter(ranks.values())): grid}
    table = np.full(256, -1)
    table[list(ranks)] = list(ranks.values())
    of_cell = table[kinds]
    parts = {}
    for rank in sorted(set(ranks.values())):
        part = grid.extract_cells(np.flatnonzero(of_cell == rank), progress_bar=False)
        for data in (part.point_data, part.cell_data):
            for name in ("vtkOriginalPointIds", "vtkOriginalCellIds"):
                if name in data.keys():  # noqa: SIM118 (PyVista's data does not iterate over its names)
                    del data[name]
        parts[rank] = part
    return parts


def _merge(file: Path, domain: str, meshes: list[pv.UnstructuredGrid], parts_read: Domains) -> pv.UnstructuredGrid:
    """One mesh of several.

    A field that only some of them have is nought on the other faces of a surface, as wall shear stress is on an inlet,
    and left out of a volume.
    """
    for place in ("point", "cell"):
        names_of_parts = [set(getattr(mesh, f"{place}_data").keys()) for mesh in meshes]
        for name in sorted(set().union(*names_of_parts) - set.intersection(*names_of_parts)):
            holders = [mesh for mesh, names in zip(meshes, names_of_parts, strict=True) if name in names]
            like = np.asarray(getattr(holders[0], f"{place}_data")[name])
            if domain == "surface" and place == "cell":
                for mesh in meshes:
                    if name not in mesh.cell_data.keys():  # noqa: SIM118 (PyVista's data does not iterate over names)
                        mesh.cell_data[name] = np.zeros((mesh.n_cells, *like.shape[1:]), like.dtype)
                what = f"is on {len(holders)} of {len(meshes)} patches and 0 on the others"
            else:
                for mesh in holders:
                    del getattr(mesh, f"{place}_data")[name]
                what = f"is on {len(holders)} of {len(meshes)} blocks and is left out"
            parts_read.warnings.append(f"{file}: {domain}/{name} {what}")
    if len(meshes) == 1:
        merged = meshes[0]
    else:
        append = vtkAppendFilter()
        append.MergePointsOff()
        for mesh in meshes:
            append.AddInputData(mesh)
        append.Update()
        merged = pv.wrap(append.GetOutput())
    merged.clear_field_data()
    return tidy(merged, twins=len(meshes) > 1)


def tidy(mesh: pv.UnstructuredGrid, *, twins: bool) -> pv.UnstructuredGrid:
    """Without points that no cell uses and, where asked for, with points that are alike in all made one."""
    cells, faces = mesh.GetCells(), mesh.GetPolyhedronFaces()
    lists = [part for part in (cells, faces) if part is not None and part.GetNumberOfCells()]
    corners = [vtk_to_numpy(part.GetConnectivityArray()) for part in lists]
    used = np.zeros(mesh.n_points, bool)
    for ids in corners:
        used[ids] = True
    keep = np.flatnonzero(used)
    first = _first_alike(mesh, keep) if twins else np.arange(len(keep))
    if len(keep) == mesh.n_points and np.array_equal(first, np.arange(len(keep))):
        return mesh
    alone = np.flatnonzero(first == np.arange(len(keep)))
    number = np.full(len(keep), -1, np.int64)
    number[alone] = np.arange(len(alone))
    new = np.full(mesh.n_points, -1, np.int64)
    new[keep] = number[first]
    kept = keep[alone]
    lean = vtkUnstructuredGrid()
    rebuilt = [_cell_array(part, new[ids]) for part, ids in zip(lists, corners, strict=True)]
    kinds = numpy_to_vtk(np.asarray(mesh.celltypes), deep=True)
    if len(rebuilt) > 1:
        lean.SetPolyhedralCells(kinds, rebuilt[0], mesh.GetPolyhedronFaceLocations(), rebuilt[1])
    elif rebuilt:
        lean.SetCells(kinds, rebuilt[0])
    tidied = pv.wrap(lean)
    tidied.points = np.asarray(mesh.points)[kept]
    for name in mesh.point_data.keys():  # noqa: SIM118
        tidied.point_data[name] = np.asarray(mesh.point_data[name])[kept]
    for name in mesh.cell_data.keys():  # noqa: SIM118
        tidied.cell_data[name] = np.asarray(mesh.cell_data[name])
    return tidied


def _cell_array(part: Any, ids: Ids) -> vtkCellArray:
    array = vtkCellArray()
    offsets = vtk_to_numpy(part.GetOffsetsArray()).astype(np.int64)
    array.SetData(numpy_to_vtkIdTypeArray(offsets, deep=True), numpy_to_vtkIdTypeArray(ids, deep=True))
    return array


def _first_alike(mesh: pv.UnstructuredGrid, keep: Ids) -> Ids:
    """For each point that is kept, the first that agrees with it in place and in all fields, bit for bit."""
    arrays = [np.asarray(mesh.points), *(np.asarray(mesh.point_data[name]) for name in mesh.point_data.keys())]  # noqa: SIM118
    columns = [column for array in arrays for column in array.reshape(len(array), -1).T]
    mixed = np.zeros(len(keep), np.uint64)
    for column in columns:  # one 64-bit number for each point, so that only one column is sorted
        bits = np.ascontiguousarray(column[keep])
        bits = bits.view(f"u{bits.itemsize}").astype(np.uint64)
        mixed = (mixed ^ bits) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    _, first, back = np.unique(mixed, return_index=True, return_inverse=True)
    alike = first[back]
    same = np.ones(len(keep), bool)
    for column in columns:  # two numbers may agree by chance
        same &= column[keep] == column[keep[alike]]
    alike[~same] = np.flatnonzero(~same)
    return alike.astype(np.int64)


def _surface(grid: pv.UnstructuredGrid) -> pv.PolyData:
    """Faces as polygons through their corners, in their order."""
    ids = vtk_to_numpy(grid.GetCells().GetConnectivityArray())
    offsets = vtk_to_numpy(grid.GetCells().GetOffsetsArray()).astype(np.int64)
    kinds = np.asarray(grid.celltypes)
    sizes = np.diff(offsets)
    corners = sizes.copy()
    for kind, count in _CORNERS.items():
        corners[kinds == kind] = count
    starts = np.concatenate([[0], np.cumsum(corners)])
    place = np.arange(starts[-1]) - np.repeat(starts[:-1], corners)
    pixels = np.repeat(kinds == _PIXEL, corners)
    place[pixels & (place == 2)], place[pixels & (place == 3)] = -3, -2
    flat = ids[np.repeat(offsets[:-1], corners) + np.abs(place)].astype(np.int64)
    polys = vtkCellArray()
    polys.SetData(numpy_to_vtkIdTypeArray(starts, deep=True), numpy_to_vtkIdTypeArray(flat, deep=True))
    used = np.zeros(grid.n_points, bool)
    used[flat] = True
    if not used.all():
        number = np.cumsum(used) - 1
        polys.SetData(numpy_to_vtkIdTypeArray(starts, deep=True), numpy_to_vtkIdTypeArray(number[flat], deep=True))
    surface = pv.PolyData()
    surface.points = np.asarray(grid.points)[used]
    surface.SetPolys(polys)
    for name in grid.point_data.keys():  # noqa: SIM118
        surface.point_data[name] = np.asarray(grid.point_data[name])[used]
    for name in grid.cell_data.keys():  # noqa: SIM118
        surface.cell_data[name] = np.asarray(grid.cell_data[name])
    return surface


def _forget_patches(mesh: Any) -> None:
    del mesh.cell_data["patch"]
    mesh.clear_field_data()


def _warn_of_twins(file: Path, parts_read: Domains) -> None:
    """Faces that stand in two patches count twice in an integral over the surface."""
    surface = parts_read.meshes["surface"]
    if surface.n_cells > 1:
        centres = np.ascontiguousarray(surface.cell_centers().points, np.float64)
        rows = centres.view([("", np.float64)] * 3).ravel()
        twins = len(rows) - len(np.unique(rows))
        if twins:
            parts_read.warnings.append(f"{file}: {twins} of {len(rows)} faces stand in two patches of the surface and "
                                       "count twice; name the patches that are meant in a contract")  # fmt: skip
