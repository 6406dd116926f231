"""Readers that behave in every way that one can, for `test_isolated`; a child imports them, so they import little."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyvista as pv

CUBE = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]]
FACES = [[0, 3, 2, 1], [4, 5, 6, 7], [0, 1, 5, 4], [1, 2, 6, 5], [2, 3, 7, 6], [3, 0, 4, 7]]
POLYHEDRON = [len(FACES), *(entry for face in FACES for entry in (len(face), *face))]


def polyhedron() -> pv.UnstructuredGrid:
    grid = pv.UnstructuredGrid(
        np.array([len(POLYHEDRON), *POLYHEDRON]), [pv.CellType.POLYHEDRON], np.array(CUBE, np.float64)
    )
    grid.point_data['a<b & "c"/{0}.d'] = np.arange(8, dtype=np.float32)
    grid.cell_data["σ"] = np.array([[1.0, 2.0, 3.0]])
    return grid


def load_two(file: Path) -> tuple[Any, dict[str, Any]]:
    surface = pv.Sphere(theta_resolution=6, phi_resolution=6)
    surface.point_data["ü"] = np.arange(surface.n_points)
    return pv.MultiBlock({"out": pv.MultiBlock({"a/b": polyhedron()}), "in": surface}), {"read": file.read_text()}


def load_and_crash(file: Path) -> tuple[Any, dict[str, Any]]:
    os.kill(os.getpid(), signal.SIGSEGV)
    return None, {}


def load_for_ever(file: Path) -> tuple[Any, dict[str, Any]]:
    time.sleep(600)
    return None, {}


def load_too_much(file: Path) -> tuple[Any, dict[str, Any]]:
    return pv.PolyData(np.ones((1 << 31, 3))), {}


def load_and_raise(file: Path) -> tuple[Any, dict[str, Any]]:
    raise RuntimeError("no such luck")


def load_badly(file: Path) -> tuple[Any, dict[str, Any]]:
    bad = pv.UnstructuredGrid(np.array([3, 0, 1, 7]), np.array([pv.CellType.TRIANGLE]), np.eye(3))
    return bad, {}


def load_complaining(file: Path) -> tuple[Any, dict[str, Any]]:
    from vtkmodules.vtkIOXML import vtkXMLPolyDataReader

    reader = vtkXMLPolyDataReader()
    reader.SetFileName(str(file))
    reader.Update()
    return reader.GetOutput(), {}


def load_short(file: Path) -> tuple[Any, dict[str, Any]]:
    from vtkmodules.vtkCommonCore import vtkDoubleArray

    mesh = polyhedron()
    array = vtkDoubleArray()
    array.SetName("short")
    array.SetNumberOfTuples(5)
    mesh.GetPointData().AddArray(array)
    return mesh, {}


def load_with_a_helper(file: Path) -> tuple[Any, dict[str, Any]]:
    helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    file.with_suffix(".helper").write_text(str(helper.pid))
    helper.wait()
    return None, {}


def parallel_grid(folder: Path) -> Path:
    """A box of 6 x 2 x 2 cells in two pieces that share a layer of cells."""
    whole = pv.ImageData(dimensions=(7, 3, 3)).cast_to_unstructured_grid()
    whole.cell_data["pressure"] = whole.cell_centers().points[:, 0].astype(np.float32)
    for number, (own, shared) in enumerate([((0, 3), 3), ((3, 6), 2)]):
        column = np.floor(whole.cell_centers().points[:, 0]).astype(int)
        piece = whole.extract_cells(np.flatnonzero((column >= own[0]) & (column < own[1]) | (column == shared)))
        layer = np.floor(piece.cell_centers().points[:, 0]).astype(int)
        piece.cell_data["vtkGhostType"] = np.where(layer == shared, 1, 0).astype(np.uint8)
        for name in ("vtkOriginalPointIds", "vtkOriginalCellIds"):
            piece.point_data.pop(name, None)
            piece.cell_data.pop(name, None)
        piece.save(folder / f"flow_{number}.vtu")
    (folder / "flow.pvtu").write_text(
        '<VTKFile type="PUnstructuredGrid" version="1.0" byte_order="LittleEndian"><PUnstructuredGrid GhostLevel="1">'
        '<PPoints><PDataArray type="Float32" Name="Points" NumberOfComponents="3"/></PPoints><PCellData>'
        '<PDataArray type="Float32" Name="pressure"/><PDataArray type="UInt8" Name="vtkGhostType"/></PCellData>'
        '<Piece Source="flow_0.vtu"/><Piece Source="flow_1.vtu"/></PUnstructuredGrid></VTKFile>'
    )
    return folder / "flow.pvtu"


_read = 0


def load_and_count(file: Path) -> tuple[Any, dict[str, Any]]:
    global _read
    _read += 1
    return None, {"read": _read, "process": os.getpid(), "parent": os.getppid()}
