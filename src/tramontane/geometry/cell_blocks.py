"""Cells of a mesh in blocks: sizes, centres and directions of any number of cells in bounded memory.

VTK measures a block at a time, on a grid that shares the mesh's points. Blocks of tetrahedra or hexahedra alone are
measured by `solid_cells`, polyhedra here.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyvista as pv
from jaxtyping import Float, Float64
from numpy.typing import NDArray

from tramontane.geometry.mesh_arrays import numbers_to_cells, point_ids, polyhedron_faces
from tramontane.geometry.solid_cells import CORNERS, measure_solids

Array = NDArray[np.floating[Any]]
BLOCK = 1 << 18
_POLYHEDRON, _POLYGON, _POLY_VERTEX = 42, 7, 2
_BY_CORNERS = {3: 5, 4: 9}  # what VTK measures as a triangle or a quadrilateral


@dataclass(frozen=True)
class CellBlock:
    """Some cells of a mesh, one after the other.

    Attributes:
        start: Number of the first.
        offsets: ``(cells + 1,)`` into ``ids``, from 0.
        ids: Point ids.
        types: VTK's cell types.
    """

    start: int
    offsets: NDArray[np.int64]
    ids: NDArray[np.integer[Any]]
    types: NDArray[np.uint8]

    @property
    def slice(self) -> slice:
        """The block's cells among those of the mesh."""
        return slice(self.start, self.start + len(self.types))

    @property
    def counts(self) -> NDArray[np.int64]:
        """Number of points of each cell."""
        return np.diff(self.offsets)

    def means(self, values: NDArray[Any]) -> Float64[np.ndarray, "cells components"]:
        """The mean over each cell's points of values at points; 0 for a cell that has none."""
        rows = values.reshape(len(values), -1)[self.ids].astype(np.float64)
        owner = np.repeat(np.arange(len(self.types)), self.counts)
        return sums(rows, owner, len(self.types)) / np.maximum(self.counts, 1)[:, None]


class Cells:
    """All cells of a mesh, to be gone through in blocks.

    Args:
        mesh: PolyData or an unstructured grid.
        block: Number of cells in a block.
    """

    def __init__(self, mesh: pv.PolyData | pv.UnstructuredGrid, block: int = BLOCK) -> None:
        self.mesh, self.block = mesh, block
        self.offsets, self.ids, self.types = point_ids(mesh)
        self._faces = (
            polyhedron_faces(mesh)
            if isinstance(mesh, pv.UnstructuredGrid) and (self.types == _POLYHEDRON).any()
            else None
        )

    def __len__(self) -> int:
        return len(self.types)

    def __iter__(self) -> Iterator[CellBlock]:
        for start in range(0, len(self), self.block):
            offsets = self.offsets[start : start + self.block + 1]
            yield CellBlock(
                start, offsets - offsets[0], self.ids[offsets[0] : offsets[-1]], self.types[start : start + self.block]
            )

    def measure(self, block: CellBlock) -> tuple[NDArray[np.uint8], Array, Array]:
        """Of each cell: in how many dimensions it has a size, the size (length, area or volume), the centre."""
        kind = int(block.types[0]) if len(block.types) else 0
        if kind in CORNERS and (block.types == kind).all() and (block.counts == CORNERS[kind]).all():
            volumes, centers = measure_solids(self._columns, block.ids.reshape(-1, CORNERS[kind]))
            return np.where(volumes > 0, np.uint8(3), np.uint8(0)), volumes, centers
        kinds = block.types.copy()
        for corners, kind in _BY_CORNERS.items():
            kinds[(kinds == _POLYGON) & (block.counts == corners)] = kind
        solid = kinds == _POLYHEDRON
        kinds[solid] = _POLY_VERTEX  # the faces that VTK would need are not in the block
        grid: Any = pv.UnstructuredGrid()
        grid.SetPoints(self.mesh.GetPoints())
        cells, keep = numbers_to_cells(block.offsets, block.ids)
        grid.SetCells(pv.convert_array(kinds, deep=True), cells)
        sized = grid.compute_cell_sizes(length=True, area=True, volume=True)
        # Solvers number some cells' points the wrong way round, which turns the volume's sign.
        measures = [np.abs(np.asarray(sized.cell_data[key])) for key in ("Length", "Area", "Volume")]
        centers = np.array(grid.cell_centers().points, dtype=np.float64)
        del grid, sized, cells, keep
        if solid.any():
            volumes, means = self._polyhedra(block)
            measures[2][solid], centers[solid] = volumes[solid], means[solid]
        dimensions, sizes = np.zeros(len(kinds), np.uint8), np.zeros(len(kinds))
        for dimension, values in enumerate(measures, start=1):
            positive = values > 0
            dimensions[positive], sizes[positive] = dimension, values[positive]
        return dimensions, sizes, centers

    @functools.cached_property
    def _columns(self) -> Float[np.ndarray, "3 points"]:
        return np.ascontiguousarray(np.asarray(self.mesh.points).T)

    def _polyhedra(self, block: CellBlock) -> tuple[Array, Array]:
        """Volume and centre of mass of each polyhedron, by pyramids from a middle point to its faces (as OpenFOAM).

        VTK's own measure takes the convex hull of the points, and its centre is the bounding box's; both are wrong by
        up to a third for the cells that snapping leaves. Pyramids count whichever way the file turns a face.
        """
        assert self._faces is not None
        all_cell_offsets, all_faces, all_face_offsets, all_ids = self._faces
        cell_offsets = all_cell_offsets[block.start : block.start + len(block.types) + 1]
        chosen = all_faces[cell_offsets[0] : cell_offsets[-1]]
        corners = all_face_offsets[chosen + 1] - all_face_offsets[chosen]
        ends = np.cumsum(corners)
        of_face = np.repeat(np.arange(len(corners)), corners)
        points = np.asarray(self.mesh.points)
        entries = np.arange(len(of_face)) + (all_face_offsets[chosen] - (ends - corners))[of_face]
        here = points[all_ids[entries]].astype(np.float64)
        following = np.arange(1, len(of_face) + 1)
        following[(ends - 1)[corners > 0]] = (ends - corners)[corners > 0]
        there = here[following]
        middle = sums(here, of_face, len(corners)) / np.maximum(corners, 1)[:, None]
        triangles = np.cross(here - middle[of_face], there - middle[of_face]) / 2
        area = np.linalg.norm(triangles, axis=1)
        vector, total = sums(triangles, of_face, len(corners)), sums(area[:, None], of_face, len(corners))
        moments = sums(area[:, None] * (here + there + middle[of_face]) / 3, of_face, len(corners))
        center = np.where(total > 0, moments / np.maximum(total, 1e-300), middle)
        count = np.diff(cell_offsets)
        of_cell = np.repeat(np.arange(len(count)), count)
        inner = sums(center, of_cell, len(count)) / np.maximum(count, 1)[:, None]
        pyramids = np.abs(np.einsum("ij,ij->i", vector, center - inner[of_cell])) / 3
        volumes = sums(pyramids[:, None], of_cell, len(count))
        masses = sums(pyramids[:, None] * (0.75 * center + 0.25 * inner[of_cell]), of_cell, len(count))
        return volumes[:, 0], np.where(volumes > 0, masses / np.maximum(volumes, 1e-300), inner)


def sums(values: Array, owner: Any, count: int) -> Array:
    """Rows of ``values`` added up by owner, ``(count, columns)``."""
    return np.stack([np.bincount(owner, column, minlength=count) for column in values.T], axis=1)
