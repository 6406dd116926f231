"""How thin the thinnest wall of a closed surface is."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyvista as pv
from numpy.typing import NDArray
from vtkmodules.vtkCommonCore import mutable
from vtkmodules.vtkCommonDataModel import vtkStaticCellLocator

from tramontane.deadline import check_deadline

Array = NDArray[np.floating[Any]]
_FACING = (
    0.5  # cosine of the angle within which two faces are the sides of a wall: a ridge of 60 degrees or more is none
)
_START = 1e-7  # of the surface's length: so far inside a ray starts, or it would meet the triangle that it leaves
_LOOK = 4096  # rays between two looks at the clock


class Wall(NamedTuple):
    """A wall.

    Attributes:
        thickness: Its thickness, in the unit of the points; infinite where there is none.
        triangle: The number of the triangle on one side; -1 where there is none.
        opposite: That of the triangle on the other side.
    """

    thickness: float
    triangle: int
    opposite: int


def thinnest_wall(points: Array, triangles: NDArray[np.int64], reach: float = np.inf) -> Wall:
    """The thinnest wall, by a ray from the middle of each triangle straight inward to where it leaves the body.

    Args:
        points: ``(n, 3)``.
        triangles: ``(m, 3)``, oriented outward.
        reach: Walls that are as thick or thicker are not looked for.
    """
    size = float(np.linalg.norm(np.ptp(points, axis=0)))
    # VTK's own tolerances are absolute.
    corners = ((points - points.mean(axis=0)) / size)[triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1)
    normals /= np.where(lengths > 0, lengths, 1.0)[:, None]
    starts = corners.mean(axis=1) - _START * normals
    locator: Any = vtkStaticCellLocator()
    surface = pv.PolyData.from_regular_faces(corners.reshape(-1, 3), np.arange(3 * len(corners)).reshape(-1, 3))
    locator.SetDataSet(surface)
    locator.BuildLocator()
    # In random order, the thinnest wall of the first rays makes the others short.
    order = np.random.default_rng(0).permutation(np.flatnonzero(lengths > 0))
    thinnest, triangles_at = min(reach / size, 1.0), (-1, -1)
    share: Any = mutable(0.0)
    place, where, part, hit = [0.0] * 3, [0.0] * 3, mutable(0), mutable(0)
    for number, triangle in enumerate(order.tolist()):
        if number % _LOOK == 0:
            check_deadline()
        start, normal = starts[triangle], normals[triangle]
        if locator.IntersectWithLine(start, start - thinnest * normal, 0.0, share, place, where, part, hit):
            distance = float(share) * thinnest + _START
            if distance < thinnest and float(normal @ normals[int(hit)]) < -_FACING:
                thinnest, triangles_at = distance, (triangle, int(hit))
    return Wall(thinnest * size if triangles_at[0] >= 0 else np.inf, *triangles_at)
