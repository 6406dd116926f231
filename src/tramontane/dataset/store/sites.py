"""Where a domain's fields live, and what each place stands for."""

from __future__ import annotations

import math
import threading
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import pyvista as pv
from jaxtyping import Float32, Float64
from numpy.typing import NDArray

from tramontane.case import Case, Location
from tramontane.contract import FieldSpec
from tramontane.geometry.cell_blocks import CellBlock, Cells, sums
from tramontane.large_arrays import distinct

Array = NDArray[np.floating[Any]]
# Corner points of VTK's two-dimensional cells that have other points too; all of a polygon's points are corners.
_FACE_CORNERS = {22: 3, 34: 3, 69: 3, 76: 3, 23: 4, 28: 4, 30: 4, 37: 4, 70: 4, 77: 4}
_POLYGONS = (5, 7, 9, *_FACE_CORNERS)
_PIXEL, _STRIP = 8, 6
_LINES = {3: 2, 21: 2, 35: 2, 68: 2, 75: 2}  # lines and the number of their ends; a poly-line (4) has any number


@dataclass(frozen=True)
class Sites:
    """Where a domain's fields live: its points, or its cells' centres.

    Attributes:
        positions: Metres.
        fields: SI, by name, ``(sites, components)``.
        weights: The length, area or volume (m, m2, m3) that each site stands for; 1 for a bare point.
        normals: Unit normals of a surface, or of a line in a plane (to the right of its direction, in that plane), in
            the mesh's own orientation; None in volumes.
    """

    positions: Float32[np.ndarray, "sites 3"]
    fields: dict[str, Float32[np.ndarray, "sites components"]]
    weights: Float32[np.ndarray, " sites"]
    normals: Float32[np.ndarray, "sites 3"] | None


def field_arrays(mesh: pv.DataSet, location: Location) -> list[str]:
    """Names of the floating-point arrays at a location, without those that VTK and PyVista keep for themselves."""
    data = mesh.point_data if location == "point" else mesh.cell_data
    return [
        name
        for name in data.keys()  # noqa: SIM118 (PyVista's DataSetAttributes does not iterate over its names)
        if np.asarray(data[name]).dtype.kind == "f"
        and not name.startswith("vtk")
        and name not in ("Normals", "TCoords")
    ]


def field_specs(case: Case, domain: str) -> dict[str, FieldSpec]:
    """What a case's own fields are; arrays of whole numbers are none."""
    return {
        name: FieldSpec(
            unit=case.field_units.get(name, ""),
            location=location,
            components=1 if (values := case.field_values(domain, name)).ndim == 1 else values.shape[1],
        )
        for name, location in case.field_names(domain).items()
        if np.issubdtype(case.field_values(domain, name).dtype, np.floating)
    }


def mesh_sites(mesh: pv.DataSet, location: Location, names: Collection[str] | None = None) -> Sites:
    """The sites of a mesh, in its own order.

    Args:
        mesh: Points in metres.
        location: Whether sites are points or cells' centres.
        names: Fields wanted; None takes every floating-point array that the sites can have: their own and, at cells,
            the mean over each cell's points of those at points.

    Returns:
        The sites; a name that the mesh does not have is left out.
    """
    if not isinstance(mesh, pv.PolyData | pv.UnstructuredGrid):
        mesh = mesh.cast_to_unstructured_grid()
    cells = Cells(mesh)
    sizes, positions = _measures(cells)
    points = np.asarray(mesh.points)
    fields: dict[str, Array] = {}
    wanted = [name for name in field_arrays(mesh, "point") if names is None or name in names]
    if location == "point":
        positions = points
        fields = {name: np.asarray(mesh.point_data[name]) for name in wanted}
        weights: Array = np.zeros(len(points)) if len(cells) else np.ones(len(points))
        for block in cells:
            shares = sizes[block.slice] / np.maximum(block.counts, 1)
            np.add.at(weights, block.ids, np.repeat(shares, block.counts))
    else:
        own = [name for name in field_arrays(mesh, "cell") if names is None or name in names]
        for name in (name for name in wanted if name not in own):
            values = np.asarray(mesh.point_data[name])
            means = np.empty((len(cells), int(np.prod(values.shape[1:]))), np.float32)
            with np.errstate(over="ignore"):
                for block in cells:
                    means[block.slice] = block.means(values)
            fields[name] = means
        fields |= {name: np.asarray(mesh.cell_data[name]) for name in own}
        weights = sizes
    with np.errstate(over="ignore"):  # a contract's fields are checked to fit
        narrow = {
            name: values.reshape(len(positions), math.prod(values.shape[1:])).astype(np.float32, copy=False)
            for name, values in fields.items()
        }
    return Sites(
        positions=positions.astype(np.float32, copy=False),
        fields=narrow,
        weights=weights.astype(np.float32),
        normals=_normals(cells, location, sizes),
    )


class SitesOf(Protocol):
    """`mesh_sites`, or something that knows its answers."""

    def __call__(self, mesh: pv.DataSet, location: Location, names: Collection[str] | None = None) -> Sites: ...


class KnownSites:
    """`mesh_sites` of the meshes of one case, each measured once for all that ask; keep it no longer than them.

    Several threads may ask at once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cache: dict[tuple[int, Location], tuple[pv.DataSet, Sites]] = {}

    def __call__(self, mesh: pv.DataSet, location: Location, names: Collection[str] | None = None) -> Sites:
        key = (id(mesh), location)
        with self._lock:
            if key not in self._cache:
                self._cache[key] = mesh, mesh_sites(mesh, location)  # the mesh stays, so that no other gets its id
        _, sites = self._cache[key]
        if names is None:
            return sites
        return replace(sites, fields={name: values for name, values in sites.fields.items() if name in names})


def _measures(cells: Cells) -> tuple[Array, Float32[np.ndarray, "cells 3"]]:
    """Size ``(cells,)`` and centre of each cell; cells below the mesh's own dimension have size 0."""
    sizes, centers = np.zeros(len(cells)), np.zeros((len(cells), 3), np.float32)
    dimensions = np.zeros(len(cells), np.uint8)
    for block in cells:
        dimensions[block.slice], sizes[block.slice], centers[block.slice] = cells.measure(block)
    if not dimensions.any():
        return np.ones(len(cells)), centers
    sizes[dimensions != dimensions.max()] = 0
    return sizes, centers


def _normals(cells: Cells, location: Location, sizes: Array) -> Float32[np.ndarray, "sites 3"] | None:
    """Unit normals at the sites; at a point, the mean of its cells' by size."""
    directions = _Directions.of(cells)
    if directions is None:
        return None
    normals = np.zeros((len(cells) if location == "cell" else cells.mesh.n_points, 3))
    for block in cells:
        vectors = _unit(directions(block))
        if location == "cell":
            normals[block.slice] = vectors
            continue
        vectors *= sizes[block.slice][:, None]
        for axis in range(3):
            np.add.at(normals[:, axis], block.ids, np.repeat(vectors[:, axis], block.counts))
    return _unit(normals).astype(np.float32)


@dataclass(frozen=True)
class _Directions:
    """Normal of each cell, of any length, zero for cells that have none; see `Sites`."""

    points: NDArray[np.floating[Any]]
    axis: Float64[np.ndarray, "3"] | None  # along which the plane of lines is thin; None for surfaces

    @classmethod
    def of(cls, cells: Cells) -> _Directions | None:
        """None where the domain has no normals at all."""
        kinds, points = set(distinct(cells.types)), np.asarray(cells.mesh.points)
        if not kinds <= {0, 1, 2, _PIXEL, _STRIP, 4, *_POLYGONS, *_LINES}:
            return None
        if kinds & {_PIXEL, _STRIP, *_POLYGONS}:
            return cls(points, None)
        if not kinds & {4, *_LINES}:
            return None
        extent = np.ptp(points, axis=0).astype(np.float64)
        level = extent <= 1e-6 * extent.max()
        return cls(points, np.eye(3)[max(np.flatnonzero(level))]) if level.any() else None

    def __call__(self, block: CellBlock) -> Float64[np.ndarray, "cells 3"]:
        owner = np.repeat(np.arange(len(block.types)), block.counts)
        place = np.arange(len(block.ids)) - block.offsets[owner]
        if self.axis is None:
            return self._faces(block, owner, place)
        ends = np.where(block.types == 4, block.counts, 0)
        for kind, count in _LINES.items():
            ends[block.types == kind] = count
        starts = np.flatnonzero(place + 1 < ends[owner])
        along = self._at(block.ids[starts + 1]) - self._at(block.ids[starts])
        return sums(np.cross(along, self.axis), owner[starts], len(block.types))

    def _faces(self, block: CellBlock, owner: Any, place: Any) -> Float64[np.ndarray, "cells 3"]:
        """Area vector of each two-dimensional cell: the sum over the triangles of a fan or of a strip."""
        types, ids = block.types, block.ids
        corners = np.where(np.isin(types, (*_POLYGONS, _PIXEL, _STRIP)), block.counts, 0)
        for kind, count in _FACE_CORNERS.items():
            corners[types == kind] = count
        middle = np.flatnonzero((place >= 1) & (place + 1 < corners[owner]))
        cell = owner[middle]
        strip, pixel = types[cell] == _STRIP, types[cell] == _PIXEL
        # A pixel is a quadrilateral whose last two points are exchanged: its two triangles are those of a strip.
        first = np.where(strip | pixel, ids[middle - 1], ids[block.offsets[cell]])
        turned = np.where((strip | pixel) & (place[middle] % 2 == 0), -0.5, 0.5)
        a, b, c = self._at(first), self._at(ids[middle]), self._at(ids[middle + 1])
        return sums(turned[:, None] * np.cross(b - a, c - a), cell, len(types))

    def _at(self, ids: Any) -> Float64[np.ndarray, "n 3"]:
        return np.asarray(self.points[ids], dtype=np.float64)


def _unit(vectors: Array) -> Array:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-300)  # type: ignore[no-any-return]
