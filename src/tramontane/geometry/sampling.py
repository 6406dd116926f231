"""Points on a surface, uniform in area, that hardly know how it was triangulated.

Every triangle is cut along the planes of a cubic grid. The pieces in one cube that face one way make a *patch*: its
area, its centre and its normal are those of the surface, not of its triangles. Points are shared out among patches from
the largest cube down (an octree): each of its children gets its share of the points by area, rounded up or down by a
random number that belongs to the place and the seed. So every part of the surface has its share to within a few points
(stratified sampling), and a change in one place leaves most points elsewhere where they were.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyvista as pv
from jaxtyping import Float, Float32, Int64
from numpy.typing import NDArray

from tramontane.errors import GeometryError
from tramontane.mixing import mixed

Array = NDArray[np.floating[Any]]
Codes = NDArray[np.uint64]
_BITS = 18  # of a grid cell's index along each axis
_FACING_BITS = 7  # of a normal, in halves along each axis
_CELLS_PER_SPACING = 1.4
_NOTHING = 1e-12  # area of a cut's rounding, in faces of a grid cell


def sample_surface(
    mesh: pv.PolyData, count: int, seed: int
) -> tuple[Float32[np.ndarray, "count 3"], Float32[np.ndarray, "count 3"]]:
    """Points drawn uniformly by area, and the unit normals there.

    The same surface gives the same points to rounding when its triangles are divided; points lie on flat parts exactly,
    and within a few hundredths of their spacing of curved ones.

    Args:
        mesh: Triangles (other polygons are divided), metres.
        count: Number of points.
        seed: The same surface, count and seed give the same points.

    Returns:
        Points in metres and unit normals in the mesh's orientation, in random order: the first few are a uniform
        sample too.

    Raises:
        GeometryError: The mesh has no area, or points that are NaN or infinite.
    """
    triangles = _triangles(mesh)
    area = float(_norm(_area_vectors(triangles)).sum())
    # A power of two, so that the grid stays where it is when a finer tessellation has slightly more area.
    width = 2.0 ** np.floor(np.log2(np.sqrt(area / max(count, 1)) / _CELLS_PER_SPACING) + 0.5)
    rng = np.random.default_rng((seed, 11))
    origin = rng.random(3)[:, None]
    pieces = triangles / width + origin
    for axis in range(3):
        pieces = _cut(pieces, axis)
    vectors = _area_vectors(pieces)
    areas = _norm(vectors)
    kept = areas > 0
    middles, vectors, areas = pieces.mean(axis=0)[:, kept], vectors[:, kept], areas[kept]
    codes, of_patch = np.unique(_patch_codes(middles, vectors / areas), return_inverse=True)
    patch_area = _totals(areas[None], of_patch)[0]
    centers, normals = _totals(middles * areas, of_patch), _totals(vectors, of_patch)
    points = (centers / patch_area - origin) * width
    chosen = rng.permutation(np.repeat(np.arange(len(codes)), _share_out(codes, patch_area, count, seed)))
    # Faces that look away from each other are not of one patch: the sum is never zero.
    return points.T[chosen].astype(np.float32), (normals / _norm(normals)).T[chosen].astype(np.float32)


def farthest_points(points: Float[np.ndarray, "n 3"], count: int, start: int = 0) -> Int64[np.ndarray, " count"]:
    """Indices of points that are far from each other: each is the farthest from all before it.

    Farthest point sampling, Gonzalez 1985, "Clustering to minimize the maximum intercluster distance".

    Args:
        points: Metres.
        count: Number of indices, at most n.
        start: The first index.

    Raises:
        ValueError: There are fewer points than ``count``.
    """
    if not 0 <= count <= len(points):
        raise ValueError(f"{count} of {len(points)} points were asked for; ask for at most all of them")
    columns = np.ascontiguousarray((points - points.mean(0, keepdims=True)).astype(np.float32).T)
    chosen = np.empty(count, dtype=np.int64)
    nearest = np.full(len(points), np.inf, dtype=np.float32)
    following = start
    for place in range(count):
        chosen[place] = following
        distance = sum((column - column[following]) ** 2 for column in columns)
        np.minimum(nearest, distance, out=nearest)
        nearest[following] = -1.0  # never again, even where points coincide
        following = int(nearest.argmax())
    return chosen


def _triangles(mesh: pv.PolyData) -> Array:
    """Corners of the triangles, ``(corner, coordinate, triangle)``: long rows are what NumPy is fast at."""
    surface = mesh if mesh.is_all_triangles else mesh.triangulate()
    faces = surface.regular_faces if surface.n_cells else np.zeros((0, 3), dtype=np.int64)
    corners = np.ascontiguousarray(np.asarray(surface.points, dtype=np.float64).T[:, faces.T].swapaxes(0, 1))
    if not np.isfinite(corners).all():
        raise GeometryError("the surface has points that are NaN or infinite; export it again")
    if not _area_vectors(corners).any():
        raise GeometryError("the surface has no triangles with an area; export it as a closed triangle surface")
    return corners


def _area_vectors(triangles: Array) -> Array:
    vectors: Array = np.cross(triangles[1] - triangles[0], triangles[2] - triangles[0], axis=0) / 2
    return vectors


def _norm(vectors: Array) -> Array:
    return np.sqrt(vectors[0] ** 2 + vectors[1] ** 2 + vectors[2] ** 2)  # type: ignore[no-any-return]


def _cut(triangles: Array, axis: int) -> Array:
    """Cut triangles ``(corner, coordinate, n)`` along the planes at whole numbers of one coordinate."""
    height = triangles[:, axis]
    first = np.floor(height.min(axis=0))
    slabs = np.ceil(height.max(axis=0)) - first
    crossed = slabs > 1
    order = np.argsort(height[:, crossed], axis=0)
    corners = np.take_along_axis(triangles[:, :, crossed], order[:, None], axis=0)
    count = slabs[crossed].astype(np.int64)
    owner = np.repeat(np.arange(len(count)), count)
    plane = first[crossed][owner] + np.arange(len(owner)) - (np.cumsum(count) - count)[owner]
    bottom, middle, top = corners[:, :, owner]
    low, high = np.maximum(plane, bottom[axis]), np.minimum(plane + 1, top[axis])
    # Between two planes lies a polygon: two points on the longest edge, two on the other edges, the middle corner.
    # Where there are fewer, points coincide and pieces vanish.
    a, e = (_between(bottom, top, at, axis) for at in (low, high))
    b, d = (
        np.where(at <= middle[axis], _between(bottom, middle, at, axis), _between(middle, top, at, axis))
        for at in (low, high)
    )
    c = np.where(middle[axis] < low, b, np.where(middle[axis] > high, d, middle))
    turned = ((order[1] - order[0]) % 3 == 2)[owner]
    fan = [
        np.stack([a, np.where(turned, right, left), np.where(turned, left, right)])
        for left, right in ((b, c), (c, d), (d, e))
    ]
    pieces = np.concatenate(fan, axis=2)
    pieces = pieces[:, :, _norm(_area_vectors(pieces)) > _NOTHING]
    return np.concatenate([triangles[:, :, ~crossed], pieces], axis=2)


def _between(start: Array, end: Array, height: Array, axis: int) -> Array:
    """The points at a height on segments ``(coordinate, n)``; exactly the ends at the ends."""
    length = end[axis] - start[axis]
    share = np.clip((height - start[axis]) / np.where(length > 0, length, 1.0), 0.0, 1.0)
    return start * (1.0 - share) + end * share  # type: ignore[no-any-return]


def _totals(rows: Array, owner: NDArray[np.int64]) -> Array:
    """Each row added up by owner."""
    return np.stack([np.bincount(owner, weights=row).astype(np.float64) for row in rows])


def _patch_codes(middles: Array, normals: Array) -> Codes:
    """One number for the grid cell (a Morton code) and, in its last bits, for the way a piece faces."""
    code = np.zeros(middles.shape[1], dtype=np.uint64)
    for axis, row in enumerate(middles):
        cells = (np.floor(row).astype(np.int64) + (1 << (_BITS - 1))).astype(np.uint64)
        for bit in range(_BITS):
            code |= ((cells >> np.uint64(bit)) & np.uint64(1)) << np.uint64(3 * bit + axis)
    x, y, z = np.rint(2 * normals).astype(np.int64) + 2
    facing: Codes = (25 * x + 5 * y + z).astype(np.uint64)
    return (code << np.uint64(_FACING_BITS)) | facing


def _share_out(codes: Codes, areas: Array, count: int, seed: int) -> NDArray[np.int64]:
    """How many of ``count`` points each patch gets, from the root of the octree to the patches.

    Within a node with n points, children stand on a line of length n by area; each gets the whole numbers that fall in
    its interval, the line being shifted by a random number between 0 and 1 that belongs to the node (systematic
    sampling).
    """
    ends = np.cumsum(areas)
    starts = ends - areas
    first, points = np.zeros(1, dtype=np.int64), np.array([count])
    for level in range(_BITS, -1, -1):
        # At the last level a child is a patch, before it an octant.
        shift = np.uint64(3 * (level - 1) + _FACING_BITS if level else 0)
        prefix = codes >> shift
        children = np.flatnonzero(np.concatenate([[True], prefix[1:] != prefix[:-1]]))
        parent = np.searchsorted(first, children, side="right") - 1
        last = np.append(first[1:], len(codes)) - 1
        child_last = np.append(children[1:], len(codes)) - 1
        whole = ends[last] - starts[first]
        offset = _random(codes[first] >> np.uint64(3 * level + _FACING_BITS), seed * 64 + level)[parent]
        scale = points / np.where(whole > 0, whole, np.inf)  # rounding hides specks
        upper = np.where(child_last == last[parent], points[parent],
                         (ends[child_last] - starts[first][parent]) * scale[parent])  # fmt: skip
        marks = np.floor(upper + offset).astype(np.int64)
        before = np.concatenate([[0], marks[:-1]])
        is_first = children == first[parent]
        points = marks - np.where(is_first, 0, before)
        first = children
    return points


def _random(codes: Codes, seed: int) -> Array:
    """A number in [0, 1) that belongs to a code and a seed."""
    return (mixed(codes, seed) >> np.uint64(11)).astype(np.float64) / 2.0**53
