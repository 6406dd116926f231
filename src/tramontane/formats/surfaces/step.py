"""STEP geometry, triangulated by Netgen on Open CASCADE's surfaces."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pyvista as pv

from tramontane.errors import FormatError, GeometryError
from tramontane.formats.isolation.isolated import read_isolated

_METRES_PER_STEP_UNIT = 1e-3  # Open CASCADE turns every STEP file into millimetres
_TRIANGLES_ALONG = 30  # at least, along the longest side; fillets and holes get smaller ones
_CURVATURE_SAFETY = 4.0  # twice Netgen's own: volumes come within about 0.2 %
_SECONDS = 900.0  # meshing takes longer the finer the details are, whatever the file's size


def read_step(path: Path) -> pv.PolyData:
    """The triangulated surface of a STEP file, metres (a STEP file states its own unit).

    Raises:
        GeometryError: Netgen is not installed, or the file cannot be read.
    """
    if importlib.util.find_spec("netgen") is None:
        raise GeometryError(f"{path}: STEP needs Netgen; install it with: pip install 'tramontane[solve]'")
    try:
        # Open CASCADE crashes on some damaged files, and writes its own report of others to the standard output.
        _, arrays = read_isolated(load, path, seconds=_SECONDS)
    except FormatError as error:
        raise GeometryError(str(error)) from error
    return pv.PolyData.from_regular_faces(arrays["points"], arrays["triangles"])


def load(path: Path) -> tuple[None, dict[str, Any]]:
    """Points and triangles of the solid's surface, by Netgen."""
    meshing: Any = importlib.import_module("netgen.meshing")
    occ: Any = importlib.import_module("netgen.occ")
    try:
        shape: Any = occ.OCCGeometry(str(path))
        low, high = shape.shape.bounding_box
        longest = max(high[axis] - low[axis] for axis in range(3))
        mesh: Any = shape.GenerateMesh(
            maxh=longest / _TRIANGLES_ALONG,
            curvaturesafety=_CURVATURE_SAFETY,
            perfstepsend=meshing.MeshingStep.MESHSURFACE,
        )
    except Exception as error:  # Open CASCADE's errors reach Python as bare exceptions
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise FormatError(f"{path}: cannot be read as STEP ({reason}); export it again") from error
    # Both arrays are views into the mesh, which is gone after this function.
    points = np.array(mesh.Coordinates(), dtype=np.float64) * _METRES_PER_STEP_UNIT
    triangles = np.array(mesh.Elements2D().NumPy()["nodes"][:, :3], dtype=np.int64) - 1
    if len(triangles) == 0:
        raise FormatError(f"{path}: holds no surface; export the solid again")
    return None, {"points": points, "triangles": triangles}
