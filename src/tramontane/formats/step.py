"""STEP geometry, triangulated by Netgen on Open CASCADE's surfaces."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyvista as pv

from tramontane.errors import GeometryError

_METRES_PER_STEP_UNIT = 1e-3  # Open CASCADE turns every STEP file into millimetres
_TRIANGLES_ALONG = 30  # at least, along the longest side; fillets and holes get smaller ones
_CURVATURE_SAFETY = 4.0  # twice Netgen's own: volumes come within about 0.2 %


def read_step(path: Path) -> pv.PolyData:
    """The triangulated surface of a STEP file, metres (a STEP file states its own unit).

    Raises:
        GeometryError: Netgen is not installed, or the file cannot be read.
    """
    try:
        from netgen.meshing import MeshingStep
        from netgen.occ import OCCGeometry
    except ImportError:
        raise GeometryError(f"{path}: STEP needs Netgen; install it with: pip install 'tramontane[solve]'") from None
    try:
        with _silence():
            shape: Any = OCCGeometry(str(path))
            low, high = shape.shape.bounding_box
            longest = max(high[axis] - low[axis] for axis in range(3))
            mesh: Any = shape.GenerateMesh(
                maxh=longest / _TRIANGLES_ALONG,
                curvaturesafety=_CURVATURE_SAFETY,
                perfstepsend=MeshingStep.MESHSURFACE,
            )
    except Exception as error:  # Open CASCADE's errors reach Python as bare exceptions
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise GeometryError(f"{path}: cannot be read as STEP ({reason}); export it again") from error
    # Both arrays are views into the mesh, which is gone after this function.
    points = np.array(mesh.Coordinates(), dtype=np.float64) * _METRES_PER_STEP_UNIT
    triangles = np.array(mesh.Elements2D().NumPy()["nodes"][:, :3], dtype=np.int64) - 1
    if len(triangles) == 0:
        raise GeometryError(f"{path}: holds no surface; export the solid again")
    return pv.PolyData.from_regular_faces(points, triangles)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Open CASCADE writes its own report of a bad file to the process's standard output; keep it off the screen."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(1), os.dup(2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        yield
    finally:
        for number, copy in enumerate(kept, start=1):
            os.dup2(copy, number)
            os.close(copy)
        os.close(nowhere)
