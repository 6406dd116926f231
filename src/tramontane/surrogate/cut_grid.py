"""A regular grid cut at a surface, as VTK cuts it, in a tenth of the time."""

from __future__ import annotations

from itertools import product

import numpy as np
import pyvista as pv
from numpy.typing import NDArray

from tramontane.formats.geometry import inside, signed_distance


def cut_grid(grid: pv.ImageData, surface: pv.PolyData, *, keep_inside: bool, closed: bool) -> pv.UnstructuredGrid:
    """The part of a grid on one side of a surface.

    VTK asks for the distance of every point from the surface, which takes longest far from it, and cuts where it
    changes its sign. Its value counts only where a cell has both signs; which side a point is on is found faster.

    Args:
        grid: Where; an axis along which it has one point is none.
        surface: Triangles.
        keep_inside: Which side is kept.
        closed: Whether the surface is; of an open one only distances tell the sides.

    Returns:
        Tetrahedra, wedges and the like at the surface, the grid's own cells elsewhere.
    """
    cells = grid.cast_to_unstructured_grid()
    if not closed:
        return cells.clip_surface(surface, invert=keep_inside)
    cells.point_data["distance"] = _distances(np.asarray(cells.points), grid.dimensions, surface)
    return cells.clip_scalar(scalars="distance", value=0.0, invert=keep_inside)


def _distances(points: NDArray[np.floating], dimensions: tuple[int, ...], surface: pv.PolyData) -> NDArray[np.float64]:
    """Signed distances, negative inside; exact at the points of cells that the surface crosses, else -1 or 1."""
    distance = np.where(inside(surface, points), -1.0, 1.0)
    known = np.zeros(len(points), dtype=np.bool_)
    shape = dimensions[::-1]  # the first axis runs fastest
    while True:
        wanted = _crossed(distance.reshape(shape) < 0).ravel() & ~known
        if not wanted.any():
            return distance
        # Right at the surface the distance may say the other side; then further cells are crossed.
        distance[wanted] = signed_distance(surface, points[wanted])
        known |= wanted


def _crossed(within: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which points of a grid belong to a cell whose corners are not all on one side."""
    ends = [((0, size - 1), (1, size)) if size > 1 else ((0, 1),) for size in within.shape]
    corners = [tuple(slice(*end) for end in place) for place in product(*ends)]
    count = np.sum([within[corner] for corner in corners], axis=0)
    mixed = (count > 0) & (count < len(corners))
    found = np.zeros_like(within)
    for corner in corners:
        found[corner] |= mixed
    return found
