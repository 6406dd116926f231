"""How far points are from a surface, and on which side of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyvista as pv
from numpy.typing import NDArray
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
from vtkmodules.vtkFiltersCore import vtkImplicitPolyDataDistance
from vtkmodules.vtkFiltersModeling import vtkSelectEnclosedPoints


def inside(mesh: pv.PolyData, points: NDArray[Any]) -> NDArray[np.bool_]:
    """Which of the points ``(n, 3)`` lie inside a closed surface.

    Points outside the bounding box are answered at once; the others by VTK's ray voting.
    """
    points = np.asarray(points, dtype=np.float64)
    bounds = np.asarray(mesh.bounds).reshape(3, 2)
    candidates = np.flatnonzero(((points >= bounds[:, 0]) & (points <= bounds[:, 1])).all(axis=1))
    answer = np.zeros(len(points), dtype=np.bool_)
    if len(candidates):
        select = vtkSelectEnclosedPoints()
        select.SetTolerance(1e-9)
        select.SetInputData(pv.PolyData(points[candidates]))
        select.SetSurfaceData(mesh)
        select.Update()
        answer[candidates] = vtk_to_numpy(select.GetOutput().GetPointData().GetArray("SelectedPoints")) != 0
    return answer


def signed_distance(mesh: pv.PolyData, points: NDArray[Any]) -> NDArray[np.float64]:
    """Distance ``(n,)`` in metres of points ``(n, 3)`` from a closed surface, negative inside."""
    return distance_from(mesh)(points)


def distance_from(mesh: pv.PolyData) -> Callable[[NDArray[Any]], NDArray[np.float64]]:
    """`signed_distance` of a surface, whose triangles are put in order once for many calls."""
    function = vtkImplicitPolyDataDistance()
    function.SetInput(mesh)

    def measure(points: NDArray[Any]) -> NDArray[np.float64]:
        distances = np.zeros(len(points))
        function.EvaluateFunction(numpy_to_vtk(np.ascontiguousarray(points, dtype=np.float64)), numpy_to_vtk(distances))
        return distances

    return measure
