"""Which cases are copies of each other, however their files are written.

A random split puts one of two copies into training and the other into the test, which then tests nothing. So copies are
found by what they are: a shape by integrals over its surface, results by statistics of their fields, conditions by
their values. The same shape under other conditions is no copy: it is reported, and may stand in two splits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyvista as pv
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Array = NDArray[np.floating[Any]]
Group = list[int]

# Largest difference between `shape_numbers` at which two shapes are one. Measured: 100 brackets, 100 bodies and 44 cars
# from Sobol points differ by 0.017 at least; the same bracket meshed with 1.5 times larger or smaller triangles by
# 1.5e-4, with twice as large ones by 7e-4; points moved by 1e-6, or a copy in float32, by 3e-6.
SAME_SHAPE = 1e-3
EXACTLY = 2e-5  # below it, nothing but rounding differs
# Largest relative difference of statistics at which two results are one, and of parameters (five printed digits).
SAME_RESULTS = 1e-4
SAME_CONDITIONS = 1e-5

_DEGREE = 4
_PAIRS = [(i, j) for i in range(_DEGREE + 1) for j in range(_DEGREE + 1 - i)]
_KEPT = np.array([[0 < i + j + k <= _DEGREE for k in range(_DEGREE + 1)] for i, j in _PAIRS])
# Exact for polynomials of degree 4 on a triangle: Dunavant 1985, "High degree efficient symmetrical Gaussian quadrature
# rules for the triangle", 6 points. Each row: weight, and the corner's share that differs from the other two.
_RULE = ((0.223381589678011, 0.108103018168070), (0.109951743655322, 0.816847572980459))
_PORTION = 1 << 12  # triangles at a time, so that what is in work stays in the processor's cache
_ABSENT = 1e9  # stands for a number that a case does not have


@dataclass(frozen=True)
class Marks:
    """The numbers by which a case is compared with others; a tuple of floats each, so that they travel cheaply.

    Attributes:
        shape: Of `shape_numbers`, or of `place_numbers` where the case has no surface.
        by_surface: Which of the two.
        results: By ``domain/field``: logarithm of the size, then lowest, highest and mean over the size.
        files: SHA-256 of each file with results.
    """

    shape: tuple[float, ...] = ()
    by_surface: bool = False
    results: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Copy:
    """A case that is a copy of an earlier one.

    Attributes:
        case: Its index.
        of: Index of the earlier one.
        same_files: The files with results are the same to the last bit.
        same_results: The fields are, to rounding.
        same_conditions: The parameters are.
        shape_differs: By how much the shapes differ, as a share of their size.
    """

    case: int
    of: int
    same_files: bool
    same_results: bool
    same_conditions: bool
    shape_differs: float


def shape_numbers(mesh: pv.PolyData) -> NDArray[np.float64] | None:
    """Numbers that describe a surface where it lies, to which its triangulation and file format do not matter.

    Integrals over the triangles are exact, so that flat parts may be divided in any way; a curved part differs by what
    its facets differ from it. Orientation does not count: a surface and the same one inside out have the same numbers.

    Args:
        mesh: Surface, metres; open or closed.

    Returns:
        ``(48,)``: logarithm of the bounding box's diagonal; its corners and the root of the area over the diagonal;
        mean products of coordinates up to degree 4 and of the normal with itself. None for a mesh without area.
    """
    surface = mesh if mesh.is_all_triangles else mesh.triangulate()
    points = np.asarray(surface.points, dtype=np.float64)
    triangles = np.asarray(surface.regular_faces) if surface.n_cells else np.zeros((0, 3), dtype=np.int64)
    if len(triangles) == 0:
        return None
    low, high = points.min(axis=0), points.max(axis=0)
    diagonal = float(np.linalg.norm(high - low)) or 1.0
    points = (points - (low + high) / 2) * (2 / diagonal)
    area, products, facing = 0.0, np.zeros(_KEPT.shape), np.zeros((3, 3))
    for start in range(0, len(triangles), _PORTION):
        # (corner, coordinate, triangle): long rows are what NumPy is fast at.
        corners = np.ascontiguousarray(points[triangles[start : start + _PORTION]].transpose(1, 2, 0))
        vectors = np.cross(corners[1] - corners[0], corners[2] - corners[0], axis=0) / 2
        areas = np.sqrt((vectors**2).sum(axis=0))
        area += float(areas.sum())
        facing += (vectors / np.where(areas > 0, areas, 1.0)) @ vectors.T
        for weight, share in _RULE:
            rest = (1 - share) / 2
            for place in rest * corners.sum(axis=0) + (share - rest) * corners:
                x, y, z = (_powers(row) for row in place)
                planar = np.stack([x[i] * y[j] for i, j in _PAIRS])
                products += planar @ (z * (weight * areas)).T
    if not area > 0:
        return None
    box = np.concatenate([low, high]) / diagonal
    moments = (products[_KEPT] / area, facing[np.triu_indices(3)] / area)
    return np.concatenate([[np.log(diagonal)], box, [np.sqrt(area) / 2], *moments])


def place_numbers(domains: Iterable[tuple[Array, Array, Array]]) -> NDArray[np.float64]:
    """Numbers that say where meshes lie, for cases without a surface; two meshings of one part differ in them.

    Args:
        domains: Lowest and highest corner and mean of the points ``(3,)`` of each domain, metres.
    """
    numbers = []
    for low, high, center in domains:
        diagonal = float(np.linalg.norm(high - low)) or 1.0
        numbers += [np.log(diagonal), *(low / diagonal), *(high / diagonal), *(center / diagonal)]
    return np.array(numbers)


def result_numbers(low: float, high: float, mean: float, rms: float) -> tuple[float, ...]:
    """Statistics of a field such that their differences are relative ones; empty for a field that is zero."""
    if not 0 < rms < np.inf:
        return ()
    return (float(np.log(rms)), *(float(np.arcsinh(value / rms)) for value in (low, high, mean)))


def find_copies(
    marks: Sequence[Marks], conditions: Sequence[Mapping[str, float]]
) -> tuple[list[Copy], list[Group], list[Group]]:
    """Look for copies: cases of one shape that share their conditions or their results, or of the same files.

    Args:
        marks: Of each case.
        conditions: Its parameters, SI.

    Returns:
        Each case that is a copy of an earlier one; the groups of copies, which must not be split; the groups of cases
        of one shape, whatever the conditions. Groups are sorted and have two members at least.
    """
    parent = list(range(len(marks)))
    copy_of: dict[int, Copy] = {}
    shapes: list[Group] = []
    settings, fields = _settings(conditions), _fields(marks)
    for kind in (True, False):
        members = [index for index, mark in enumerate(marks) if mark.by_surface is kind]
        places = _table([marks[index].shape for index in members])
        tolerance = SAME_SHAPE if kind else EXACTLY
        for shape in ([members[place] for place in group] for group in _alike(places, tolerance)):
            if marks[shape[0]].shape:
                shapes.append(shape)
            # Where all cases have one shape and no parameters, what makes them differ is not known.
            stated = [index for index in shape if conditions[index] or len(shape) < len(members)]
            telling = [index for index in shape if marks[index].results]
            for who, numbers, limit in ((stated, settings, SAME_CONDITIONS), (telling, fields, SAME_RESULTS)):
                for group in ([who[place] for place in alike] for alike in _alike(numbers[who], limit)):
                    for later in group[1:]:
                        copy_of.setdefault(later, _copy(later, group[0], marks, settings, fields))
                        parent[_root(parent, later)] = _root(parent, group[0])
    first: dict[tuple[str, ...], int] = {}
    for index, mark in enumerate(marks):
        if mark.files and (twin := first.setdefault(mark.files, index)) != index:
            copy_of[index] = _copy(index, twin, marks, settings, fields)
            parent[_root(parent, index)] = _root(parent, twin)
    groups: dict[int, Group] = {}
    for index in range(len(marks)):
        groups.setdefault(_root(parent, index), []).append(index)
    copies = sorted((group for group in groups.values() if len(group) > 1), key=min)
    return [copy_of[index] for index in sorted(copy_of)], copies, sorted(shapes, key=min)


def _copy(later: int, first: int, marks: Sequence[Marks], settings: Array, fields: Array) -> Copy:
    one, other = marks[first].shape, marks[later].shape
    return Copy(
        later,
        first,
        same_files=bool(marks[later].files) and marks[later].files == marks[first].files,
        same_results=float(np.abs(fields[later] - fields[first]).max(initial=0.0)) <= SAME_RESULTS,
        same_conditions=float(np.abs(settings[later] - settings[first]).max(initial=0.0)) <= SAME_CONDITIONS,
        shape_differs=float(np.abs(np.subtract(one, other)).max(initial=0.0)) if len(one) == len(other) else 1.0,
    )


def _settings(conditions: Sequence[Mapping[str, float]]) -> Array:
    """Parameters ``(cases, names)`` such that their differences are relative ones, but near zero."""
    names = sorted({name for each in conditions for name in each})
    rows = [[each.get(name, np.nan) for name in names] for each in conditions]
    table = np.array(rows, dtype=float).reshape(len(conditions), len(names))
    nothing = 1e-9 * np.nanmax(np.abs(table), axis=0, initial=1e-290)
    return np.where(np.isnan(table), _ABSENT, np.sign(table) * np.log1p(np.abs(table) / nothing))


def _fields(marks: Sequence[Marks]) -> Array:
    names = sorted({name for mark in marks for name in mark.results})
    return _table([[number for name in names for number in mark.results.get(name, [_ABSENT] * 4)] for mark in marks])


def _table(rows: Sequence[Sequence[float]]) -> Array:
    """Rows of any length as one table; what a row does not have is far from what another has."""
    width = max((len(row) for row in rows), default=0)
    return np.array([[*row, *[_ABSENT] * (width - len(row))] for row in rows], dtype=float).reshape(len(rows), width)


def _alike(rows: Array, tolerance: float) -> list[Group]:
    """Groups of rows that differ from the group's first by at most ``tolerance`` in any column.

    A chain of small steps is so cut into groups, rather than being one from end to end.
    """
    if len(rows) < 2:
        return []
    if rows.shape[1] == 0:
        return [list(range(len(rows)))]
    tree, taken, groups = cKDTree(rows), np.zeros(len(rows), dtype=bool), []
    for index, row in enumerate(rows):
        if not taken[index]:
            near = np.array(tree.query_ball_point(row, tolerance, p=np.inf))
            group = np.sort(near[~taken[near]])
            taken[group] = True
            groups += [group.tolist()] if len(group) > 1 else []
    return groups


def _root(parent: list[int], index: int) -> int:
    while parent[index] != index:
        parent[index] = index = parent[parent[index]]
    return index


def _powers(row: Array) -> Array:
    powers = [np.ones_like(row)]
    for _ in range(_DEGREE):
        powers.append(powers[-1] * row)  # many times quicker than `**`
    return np.stack(powers)
