"""STEP geometry, triangulated by Netgen's Open CASCADE."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyvista as pv

from tramontane.errors import GeometryError

_METRES_PER_STEP_UNIT = 1e-3  # Open CASCADE turns every STEP file into millimetres


def read_step(path: Path) -> pv.PolyData:
    """The triangulated surface of a STEP file, metres (a STEP file states its own unit).

    Raises:
        GeometryError: Netgen is not installed, or the file cannot be read.
    """
    try:
        from netgen.occ import OCCGeometry
    except ImportError:
        raise GeometryError(f"{path}: STEP needs Netgen; install it with: pip install 'tramontane[solve]'") from None
    try:
        shape: Any = OCCGeometry(str(path)).shape
        low, high = shape.bounding_box
        size = max(high[axis] - low[axis] for axis in range(3))
        triangles = _surface_mesh(OCCGeometry(shape), size)
    except GeometryError:
        raise
    except Exception as error:  # Open CASCADE's errors reach Python as bare exceptions
        raise GeometryError(
            f"{path}: cannot be read as STEP ({str(error).splitlines()[0]}); export it again"
        ) from error
    points = triangles.reshape(-1, 3) * _METRES_PER_STEP_UNIT
    return pv.PolyData.from_regular_faces(points, np.arange(len(points)).reshape(-1, 3)).clean()


def _surface_mesh(geometry: Any, size: float) -> Any:
    """Corners ``(triangles, 3, 3)`` of a surface mesh of a shape."""
    import netgen.meshing

    mesh = geometry.GenerateMesh(maxh=size / 20, perfstepsend=netgen.meshing.MeshingStep.MESHSURFACE)
    points = np.array([point.p for point in mesh.Points()])
    return np.array([[points[vertex.nr - 1] for vertex in element.vertices] for element in mesh.Elements2D()])
