"""A PyVista mesh as plain arrays and back, bit for bit."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
import pyvista as pv
from numpy.typing import NDArray
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
from vtkmodules.vtkCommonCore import VTK_INT, VTK_LONG_LONG
from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkDataSetAttributes

from tramontane.errors import DatasetError

AnyArray = NDArray[Any]
DataLocation = Literal["point", "cell", "field"]
LOCATIONS: tuple[DataLocation, ...] = ("point", "cell", "field")
_POLY = ("verts", "lines", "polys", "strips")
_ROLES = {
    vtkDataSetAttributes.GetAttributeTypeAsString(index): index for index in range(vtkDataSetAttributes.NUM_ATTRIBUTES)
}
# VTK's cells know one of the two 64-bit integers of a compiler.
_CELL_KINDS = {np.dtype(np.int32): VTK_INT, np.dtype(np.int64): VTK_LONG_LONG}


@dataclass
class MeshArrays:
    """What a mesh is made of.

    Attributes:
        kind: The mesh's class.
        points: ``(n, 3)``, metres.
        cells: Topology: offsets and connectivity of each kind of cell, and the cell types of a grid.
        data: Arrays by location and name; ``field`` is data of the mesh as a whole.
        texts: The names in ``data``, by location, whose array is text: UTF-8 of a JSON list.
        active: By location, the array that VTK holds for its scalars, vectors, normals, and so on.
    """

    kind: Literal["PolyData", "UnstructuredGrid"]
    points: AnyArray
    cells: dict[str, AnyArray]
    data: dict[DataLocation, dict[str, AnyArray]]
    texts: dict[DataLocation, list[str]]
    active: dict[DataLocation, dict[str, str]]


def mesh_to_arrays(mesh: pv.DataSet) -> MeshArrays:
    """Take a mesh apart; arrays are shared with it where their layout allows.

    Raises:
        DatasetError: The mesh is neither PolyData nor an unstructured grid.
    """
    cells: dict[str, AnyArray] = {}
    if isinstance(mesh, pv.PolyData):
        for name, part in zip(_POLY, _poly_cells(mesh), strict=True):
            if part.GetNumberOfCells():
                cells |= _from_vtk(name, part)
    elif isinstance(mesh, pv.UnstructuredGrid):
        cells |= {"types": np.asarray(mesh.celltypes)} | _from_vtk("cells", mesh.GetCells())
        faces = mesh.GetPolyhedronFaces()
        if faces is not None and faces.GetNumberOfCells():
            cells |= _from_vtk("faces", faces) | _from_vtk("face_locations", mesh.GetPolyhedronFaceLocations())
    else:
        raise DatasetError(f"a mesh of type {type(mesh).__name__} cannot be stored; "
                           "convert it with its cast_to_unstructured_grid()")  # fmt: skip
    data: dict[DataLocation, dict[str, AnyArray]] = {location: {} for location in LOCATIONS}
    texts: dict[DataLocation, list[str]] = {location: [] for location in LOCATIONS}
    for location, attributes in _attributes(mesh).items():
        for name in attributes.keys():  # noqa: SIM118 (PyVista's DataSetAttributes does not iterate over its names)
            # A single text comes as a str, anything else as an array.
            values = np.asarray(attributes[name])
            if values.dtype.kind == "U":
                texts[location].append(name)
                values = np.frombuffer(json.dumps(np.atleast_1d(values).tolist()).encode(), dtype=np.uint8)
            data[location][name] = values
    kind: Literal["PolyData", "UnstructuredGrid"] = "UnstructuredGrid" if "types" in cells else "PolyData"
    return MeshArrays(kind, np.asarray(mesh.points), cells, data, texts, _active(mesh))


def arrays_to_mesh(arrays: MeshArrays) -> pv.PolyData | pv.UnstructuredGrid:
    """The mesh that `mesh_to_arrays` took apart."""
    mesh: Any = pv.PolyData() if arrays.kind == "PolyData" else pv.UnstructuredGrid()
    mesh.points = np.ascontiguousarray(arrays.points)
    if arrays.kind == "PolyData":
        for name, put in zip(_POLY, (mesh.SetVerts, mesh.SetLines, mesh.SetPolys, mesh.SetStrips), strict=True):
            if f"{name}_offsets" in arrays.cells:
                put(_to_vtk(arrays.cells, name))
    else:
        types = numpy_to_vtk(np.ascontiguousarray(arrays.cells["types"], dtype=np.uint8), deep=True)
        polyhedra = ("face_locations", "faces") if "faces_offsets" in arrays.cells else ()
        parts = [_to_vtk(arrays.cells, name) for name in ("cells", *polyhedra)]
        (mesh.SetPolyhedralCells if polyhedra else mesh.SetCells)(types, *parts)
    for location, attributes in _attributes(mesh).items():
        for name, values in arrays.data[location].items():
            if name in arrays.texts[location]:
                attributes.set_array(json.loads(values.tobytes()), name)
            elif values.size or location == "field":
                attributes.set_array(values, name, deep_copy=True)
            else:
                # PyVista declines arrays without values, which VTK files of empty meshes do carry.
                empty = numpy_to_vtk(values, deep=True)
                empty.SetName(name)
                attributes.VTKObject.AddArray(empty)
        if location != "field":
            for role, index in _ROLES.items():
                attributes.VTKObject.SetActiveAttribute(arrays.active[location].get(role), index)
    return cast("pv.PolyData | pv.UnstructuredGrid", mesh)


def point_ids(mesh: pv.DataSet) -> tuple[NDArray[np.int64], NDArray[np.integer[Any]], NDArray[np.uint8]]:
    """Offsets ``(cells + 1,)``, point ids, and VTK's cell type ``(cells,)``, in the order of the mesh's cells.

    Arrays of a grid are the mesh's own where they can be.
    """
    if isinstance(mesh, pv.UnstructuredGrid):
        part = _from_vtk("cells", mesh.GetCells())
        whole = part["cells_offsets"].astype(np.int64, copy=False)
        return whole, part["cells_connectivity"], np.asarray(mesh.celltypes, dtype=np.uint8)
    counts, ids, types = [np.zeros(1, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0, np.uint8)]
    for part, kind in zip(_poly_cells(mesh), (2, 4, 7, 6), strict=True):  # poly-vertex, poly-line, polygon, strip
        arrays = _from_vtk("part", part)
        counts.append(np.diff(arrays["part_offsets"]))
        ids.append(arrays["part_connectivity"])
        types.append(np.full(len(counts[-1]), kind, np.uint8))
    return np.cumsum(np.concatenate(counts)), np.concatenate(ids), np.concatenate(types)


def polyhedron_faces(mesh: pv.UnstructuredGrid) -> tuple[AnyArray, AnyArray, AnyArray, AnyArray]:
    """Offsets ``(cells + 1,)`` into face ids, face ids, offsets ``(faces + 1,)`` into point ids, point ids."""
    locations = _from_vtk("part", mesh.GetPolyhedronFaceLocations())
    faces = _from_vtk("part", mesh.GetPolyhedronFaces())
    return locations["part_offsets"], locations["part_connectivity"], faces["part_offsets"], faces["part_connectivity"]


def numbers_to_cells(offsets: AnyArray, ids: AnyArray) -> tuple[vtkCellArray, tuple[AnyArray, AnyArray]]:
    """VTK's cells of integers of one width, which they share: what is returned beside them must live as long."""
    arrays = (np.ascontiguousarray(offsets, dtype=ids.dtype), np.ascontiguousarray(ids))
    made = vtkCellArray()
    made.SetData(*(numpy_to_vtk(part, array_type=_CELL_KINDS[part.dtype]) for part in arrays))
    return made, arrays


def _poly_cells(mesh: pv.PolyData) -> tuple[Any, Any, Any, Any]:
    return mesh.GetVerts(), mesh.GetLines(), mesh.GetPolys(), mesh.GetStrips()


def _attributes(mesh: pv.DataSet) -> dict[DataLocation, Any]:
    return {"point": mesh.point_data, "cell": mesh.cell_data, "field": mesh.field_data}


def _active(mesh: pv.DataSet) -> dict[DataLocation, dict[str, str]]:
    active: dict[DataLocation, dict[str, str]] = {"point": {}, "cell": {}}
    for location, names in active.items():
        for role, index in _ROLES.items():
            array = _attributes(mesh)[location].VTKObject.GetAbstractAttribute(index)
            if array is not None and array.GetName():
                names[role] = array.GetName()
    return active


def _from_vtk(name: str, cells: Any) -> dict[str, AnyArray]:
    """Offsets and connectivity in the integers that VTK holds them in, 32 or 64 bits wide; of None, no cells."""
    cells = vtkCellArray() if cells is None else cells
    width = np.int64 if cells.IsStorage64Bit() or cells.IsStorageFixedSize64Bit() else np.int32
    return {
        f"{name}_{part}": np.asarray(vtk_to_numpy(array)).astype(width, copy=False)
        for part, array in (("offsets", cells.GetOffsetsArray()), ("connectivity", cells.GetConnectivityArray()))
    }


def _to_vtk(cells: dict[str, AnyArray], name: str) -> vtkCellArray:
    parts = [
        numpy_to_vtk(part, deep=True, array_type=_CELL_KINDS[part.dtype])
        for part in (np.ascontiguousarray(cells[f"{name}_{kind}"]) for kind in ("offsets", "connectivity"))
    ]
    made = vtkCellArray()
    made.SetData(*parts)
    return made
