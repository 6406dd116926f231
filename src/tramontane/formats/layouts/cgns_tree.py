"""CGNS files as PLAID writes them: unstructured zones read by VTK, numbers beside them by h5py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyvista as pv
from vtkmodules.vtkIOCGNSReader import vtkCGNSReader

from tramontane.errors import FormatError
from tramontane.formats import vtk
from tramontane.formats.layouts.shared import drop

_OWN = ("Base/Zone", "ispatch", "issurface")  # what VTK's reader adds to each zone


def read_bases(file: Path) -> dict[str, pv.UnstructuredGrid]:
    """The mesh of each base that has zones, with its fields at vertices and at cell centres.

    Raises:
        FormatError: The file is damaged, or no CGNS file in HDF5.
    """
    try:
        with file.open("rb") as stream:
            head = stream.read(8)
    except OSError as error:
        raise FormatError(f"{file}: cannot be read ({error}); download it again") from error
    if head != b"\x89HDF\r\n\x1a\n":
        raise FormatError(f"{file}: is no CGNS file in HDF5; download it again")
    reader: Any = vtkCGNSReader()
    with vtk.complaints(file, "cannot be read", "download it again"):
        reader.SetFileName(str(file))
        reader.UpdateInformation()
        reader.EnableAllBases()
        reader.UpdateInformation()
        reader.EnableAllPointArrays()
        reader.EnableAllCellArrays()
        reader.EnableAllFaceArrays()
        reader.Update()
        output = reader.GetOutputDataObject(0)
    blocks = pv.wrap(output)
    if not isinstance(blocks, pv.MultiBlock):
        raise FormatError(f"{file}: holds no bases; download it again")
    found: dict[str, pv.UnstructuredGrid] = {}
    for name in blocks.keys():  # noqa: SIM118 (MultiBlock does not iterate over its names)
        base = blocks[name]
        zones = [zone for zone in _zones(base) if zone.n_points]
        if not zones:
            continue
        mesh = zones[0] if len(zones) == 1 else pv.merge(zones, merge_points=False)
        mesh = mesh if isinstance(mesh, pv.UnstructuredGrid) else mesh.cast_to_unstructured_grid()
        vtk.check_cells(file, mesh)
        drop(mesh, *_OWN)
        for key in _OWN:
            if key in mesh.field_data.keys():  # noqa: SIM118
                del mesh.field_data[key]
        bad = np.flatnonzero(~np.isfinite(mesh.points).all(axis=1))
        if len(bad):
            raise FormatError(f"{file}: base {name}: {len(bad)} points are not finite, the first is point {bad[0]}; "
                              "download it again")  # fmt: skip
        found[str(name)] = mesh
    return found


def read_globals(file: Path, base: str = "Global") -> dict[str, float]:
    """The numbers in a base that has no mesh, where PLAID 1.0 keeps a sample's scalars; empty where it is not there.

    Raises:
        FormatError: h5py is not installed, or the file is damaged.
    """
    try:
        import h5py  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError as error:
        raise FormatError(f"{file}: its scalars need h5py; install it with `pip install h5py`") from error
    found: dict[str, float] = {}
    try:
        with h5py.File(file, "r") as tree:
            if base not in tree:
                return {}
            for name, node in tree[base].items():
                if bytes(node.attrs.get("label", b"")).rstrip(b"\x00") != b"DataArray_t" or " data" not in node:
                    continue
                if node[" data"].size == 1 and np.issubdtype(node[" data"].dtype, np.number):
                    found[str(name)] = float(np.asarray(node[" data"]).ravel()[0])
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, AttributeError) as error:
        raise FormatError(f"{file}: its base {base} cannot be read ({error}); download it again") from error
    return found


def _zones(block: Any) -> list[Any]:
    if block is None:
        return []
    if isinstance(block, pv.MultiBlock):
        return [zone for inner in block for zone in _zones(inner)]
    return [block] if isinstance(block, pv.DataSet) else []
