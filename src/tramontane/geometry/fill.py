"""A volume filled with about as many cells as asked for: a regular grid of a fitting spacing, cut at a surface.

How many of a grid's cells lie in a body, and in how many pieces the surface cuts others, is known once it is cut; so a
grid that missed the number is made once more, of the spacing that the first one suggests.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyvista as pv
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError

from tramontane.deadline import check_deadline
from tramontane.geometry.cut_grid import cut_grid
from tramontane.geometry.holes import enclosed

Array = NDArray[np.floating[Any]]
_PIECES = 3.0  # cells into which a surface cuts a square of the grid's size, more than it takes away; about
_MISSED = 1.3  # times the number asked for, from which on a second grid is made
_TRIES = 5
_FINER = 0.15  # the least share of the number asked for that the next grid is made by
_SPARSE, _ROOM = 16, 4_000_000  # cells of a grid: so many for each that is asked for, and at most so many more
_LOOKED_AT = 20_000  # points that say where a body's own axes are
_TURNED = 0.6  # of the volume of the box along the axes: a box along the body's own axes is taken from here on


def fill(
    surface: pv.PolyData,
    low: Array,
    high: Array,
    cells: int,
    *,
    keep_inside: bool,
    lids: Array | None = None,
    askew: bool = True,
) -> pv.UnstructuredGrid:
    """Cells on one side of a surface, within a box.

    A grid has at most 16 cells for each that is asked for, so that the work is bounded: a body that fills less of its
    box than that gets fewer cells. A slender body that lies askew is filled along its own axes.

    Args:
        surface: Triangles.
        low: Corner ``(3,)`` of the box, m; equal to ``high`` along an axis where the domain is flat.
        high: The opposite corner.
        cells: About how many.
        keep_inside: Which side is kept.
        lids: Corners ``(n, 3, 3)`` of triangles that close the surface's holes; None where it has none.
        askew: Whether a grid may lie along the body's own axes.
    """
    turn, (low, high) = _own_axes(surface, low, high) if keep_inside and askew else (np.eye(3), (low, high))
    turned = surface
    if not np.array_equal(turn, np.eye(3)):
        turned = pv.PolyData.from_regular_faces(surface.points @ turn.T, surface.regular_faces)
    extent = np.maximum(np.asarray(high, float) - low, 0.0)
    turned_lids = None if lids is None else lids @ turn.T
    spacing, best, missed = _first_spacing(surface, extent, cells, keep_inside, lids), None, np.inf
    for _ in range(_TRIES):
        check_deadline()
        steps, limited = _steps(extent, spacing, cells)
        grid = pv.ImageData(
            dimensions=tuple(int(step) + 1 for step in steps),
            spacing=tuple(float(value) for value in np.where(steps == 0, 1.0, extent / np.maximum(steps, 1))),
            origin=tuple(float(value) for value in low),
        )
        cut = cut_grid(grid, turned, keep_inside=keep_inside, lids=turned_lids)
        off = abs(float(np.log(max(cut.n_cells, 0.5) / cells)))
        if off < missed:
            best, missed = cut, off
        if off < np.log(_MISSED) or (limited and cut.n_cells < cells):
            break
        spacing *= max(cut.n_cells / cells, _FINER) ** (1 / 2.5)  # between a volume's and a surface's power
    assert best is not None
    if turned is not surface:
        best.points = np.asarray(best.points, dtype=np.float64) @ turn
    return best


def _first_spacing(surface: pv.PolyData, extent: Array, cells: int, keep_inside: bool, lids: Array | None) -> float:
    """The spacing at which a volume's cells and the pieces at its surface are as many as asked for."""
    sides = extent[extent > 0]
    box = float(np.prod(sides)) if len(sides) else 1.0
    if len(sides) < 3:
        return float((box / cells) ** (1 / max(len(sides), 1)))
    corners = np.asarray(surface.points, dtype=np.float64)[np.asarray(surface.regular_faces)]
    inner = min(abs(enclosed(corners if lids is None else np.concatenate([corners, lids]))), box)
    volume = inner if keep_inside else max(box - inner, 0.05 * box)
    area = float(surface.area) if keep_inside else min(float(surface.area), float(np.sum(box / extent)) * 2)
    # cells s^3 = volume + pieces area s, by Newton from above, where it converges.
    spacing = (volume / cells) ** (1 / 3) + (_PIECES * area / cells) ** 0.5
    for _ in range(50):
        wrong = cells * spacing**3 - _PIECES * area * spacing - volume
        spacing -= wrong / max(3 * cells * spacing**2 - _PIECES * area, 1e-300)
    return float(max(spacing, (box / (_SPARSE * cells)) ** (1 / 3)))


def _steps(extent: Array, spacing: float, cells: int) -> tuple[NDArray[np.int64], bool]:
    """Cells along each axis, none where the box is flat, and whether there would be more than there may be."""
    most = min(_SPARSE * cells, 2 * cells + _ROOM)
    limited = False
    while True:
        counts = extent / spacing
        steps = np.where(extent > 0, np.maximum(np.rint(counts), 1), 0).astype(np.int64)
        if float(np.prod(np.maximum(steps, 1).astype(float))) <= most:
            return steps, limited
        spacing, limited = spacing * 1.05, True


def _own_axes(surface: pv.PolyData, low: Array, high: Array) -> tuple[Array, tuple[Array, Array]]:
    """Axes ``(3, 3)`` along which a body's box is small, and the box's corners along them."""
    points = np.asarray(surface.points, dtype=np.float64)
    unchanged = np.eye(3), (np.asarray(low, float), np.asarray(high, float))
    if (points.min(0) < low).any() or (points.max(0) > high).any():
        return unchanged  # planes cut the body, and the grid ends at them
    corners = points[np.asarray(surface.regular_faces)]
    weight = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    middle = np.average(corners.mean(1), axis=0, weights=weight)
    away = corners - middle
    moments = np.einsum("n,nkd,nke->de", weight, away, away) / (3 * weight.sum())
    some = points[:: -(-len(points) // _LOOKED_AT)] - middle
    smallest = _TURNED * float(np.prod(np.asarray(high) - low))
    smallest_box: tuple[Array, tuple[Array, Array]] = unchanged
    for axis in np.linalg.eigh(moments)[1].T:
        turn = _around(axis, some)
        along = points @ turn.T
        corners_along = along.min(0), along.max(0)
        size = float(np.prod(corners_along[1] - corners_along[0]))
        if size < smallest:
            smallest, smallest_box = 0.99 * size, (turn, corners_along)
    return smallest_box


def _around(axis: Array, points: Array) -> Array:
    """An axis and two across it ``(3, 3)``, along which the box of points, seen along the axis, is smallest."""
    one = np.cross(axis, np.eye(3)[np.abs(axis).argmin()])
    one /= np.linalg.norm(one)
    other = np.cross(axis, one)
    flat = points @ np.stack([one, other], axis=1)
    try:
        outline = flat[ConvexHull(flat).vertices]
    except QhullError:  # all on one line
        return np.stack([axis, one, other])
    # One side of the smallest box lies along an edge of the outline (Freeman and Shapira 1975).
    along = np.diff(outline, axis=0, append=outline[:1])
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-300)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    sizes = np.ptp(outline @ along.T, axis=0) * np.ptp(outline @ across.T, axis=0)
    x, y = along[int(sizes.argmin())]
    return np.stack([axis, x * one + y * other, -y * one + x * other])
