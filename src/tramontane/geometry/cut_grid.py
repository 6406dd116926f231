"""A regular grid cut at a surface, as VTK cuts it, in a tenth of the time."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pyvista as pv
from numpy.typing import NDArray

from tramontane.deadline import check_deadline
from tramontane.geometry.distance import distance_from
from tramontane.geometry.scanlines import inside_grid

Array = NDArray[np.floating[Any]]
_ON, _OF_WALL = 1e-6, 1e-3  # of the surface's length and of its box's shortest edge: points so close lie on it
_AT_ONCE = 20_000  # points whose distance is sought between two looks at the time


def cut_grid(
    grid: pv.ImageData, surface: pv.PolyData, *, keep_inside: bool, lids: Array | None = None
) -> pv.UnstructuredGrid:
    """The part of a grid on one side of a surface.

    VTK asks for the distance of every point from the surface, which takes longest far from it, and cuts where it
    changes its sign. Its value counts only where a cell has both signs; which side a point is on is found faster. Grid
    points on the surface belong to what is kept, so that a plate as thick as the grid is not lost.

    Args:
        grid: Where; an axis along which it has one point is none.
        surface: Triangles.
        keep_inside: Which side is kept.
        lids: Corners ``(n, 3, 3)`` of triangles that close the surface's holes; None where it has none. What is cut
            there is cut to within a cell.

    Returns:
        Tetrahedra, wedges and the like at the surface, the grid's own cells elsewhere.
    """
    cells = grid.cast_to_unstructured_grid()
    distance = _distances(grid, np.asarray(cells.points), surface, lids)
    near = _near(surface)
    distance[np.abs(distance) < near] = -near if keep_inside else near
    cells.point_data["distance"] = distance
    check_deadline()
    return cells.clip_scalar(scalars="distance", value=0.0, invert=keep_inside)


def _near(surface: pv.PolyData) -> float:
    """How far points may be from the surface that lie on it, m; coordinates in an STL have seven digits."""
    extent = np.diff(np.reshape(surface.bounds, (3, 2)), axis=1)
    return float(min(_ON * surface.length, _OF_WALL * extent[extent > 0].min(initial=np.inf)))


def _distances(
    grid: pv.ImageData, points: NDArray[np.floating], surface: pv.PolyData, lids: Array | None
) -> NDArray[np.float64]:
    """Signed distances, negative inside; exact at the points of cells that the surface crosses, else -1 or 1."""
    corners = np.asarray(surface.points, dtype=np.float64).T[:, np.asarray(surface.regular_faces).T].swapaxes(0, 1)
    if lids is not None:
        corners = np.concatenate([corners, lids.transpose(1, 2, 0)], axis=2)
    origin, spacing = (np.asarray(of, dtype=np.float64)[:, None] for of in (grid.origin, grid.spacing))
    # Nodes on the faces of the surface's box are tested a little within it, where rounding does not decide.
    low, high = (extreme(corners, axis=(0, 2))[:, None] for extreme in (np.min, np.max))
    wider = 1 + 2 * _near(surface) / np.maximum(high - low, 1e-300)
    corners = (low + high) / 2 + (corners - (low + high) / 2) * np.where(high > low, wider, 1.0)
    within = inside_grid((corners - origin) / spacing, grid.dimensions)
    distance = np.where(within.ravel(), -1.0, 1.0)
    wanted = np.flatnonzero(_crossed(within).ravel())
    measure = distance_from(surface)
    for start in range(0, len(wanted), _AT_ONCE):
        check_deadline()
        some = wanted[start : start + _AT_ONCE]
        # Beside a hole, or where bodies touch, the nearest triangle does not tell the side.
        distance[some] = np.copysign(np.abs(measure(points[some])), distance[some])
    return distance


def _crossed(within: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which points of a grid belong to a cell whose corners are not all on one side."""
    ends = [((0, size - 1), (1, size)) if size > 1 else ((0, 1),) for size in within.shape]
    corners = [tuple(slice(*end) for end in place) for place in product(*ends)]
    count = np.sum([within[corner] for corner in corners], axis=0)
    mixed = (count > 0) & (count < len(corners))
    crossed = np.zeros_like(within)
    for corner in corners:
        crossed[corner] |= mixed
    return crossed
