"""Where a domain's fields live, and what each place stands for."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyvista as pv
from jaxtyping import Float32
from numpy.typing import NDArray
from scipy import sparse

from tramontane.case import Case, Location
from tramontane.contract import FieldSpec
from tramontane.dataset.mesh_arrays import point_ids, polyhedron_faces

Array = NDArray[np.floating[Any]]
_POLYHEDRON = 42
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


def join_sites(first: Sites, second: Sites) -> Sites:
    """The sites of ``first``, then those of ``second``."""
    return Sites(
        positions=np.concatenate([first.positions, second.positions]),
        fields={name: np.concatenate([values, second.fields[name]]) for name, values in first.fields.items()},
        weights=np.concatenate([first.weights, second.weights]),
        normals=None
        if first.normals is None or second.normals is None
        else np.concatenate([first.normals, second.normals]),
    )


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
    offsets, ids, types = point_ids(mesh)
    holds = sparse.csr_matrix((np.ones(len(ids)), ids, offsets), shape=(len(types), mesh.n_points))
    share = sparse.diags(1.0 / np.maximum(np.diff(offsets), 1)) @ holds
    sizes, positions = _measures(mesh)
    vectors = _directions(mesh, offsets, ids, types)
    fields: dict[str, Array] = {}
    if location == "point":
        positions = np.asarray(mesh.points)
        fields = {name: np.asarray(mesh.point_data[name]) for name in field_arrays(mesh, "point")}
        weights = share.T @ sizes if len(types) else np.ones(len(positions))
        if vectors is not None:
            vectors = holds.T @ (vectors * sizes[:, None])
    else:
        for name in field_arrays(mesh, "point"):
            values = np.asarray(mesh.point_data[name])
            fields[name] = share @ values.reshape(len(values), -1).astype(np.float64)
        fields |= {name: np.asarray(mesh.cell_data[name]) for name in field_arrays(mesh, "cell")}
        weights = sizes
    with np.errstate(over="ignore"):  # a contract's fields are checked to fit
        narrow = {
            name: values.reshape(len(positions), math.prod(values.shape[1:])).astype(np.float32)
            for name, values in fields.items()
            if names is None or name in names
        }
    return Sites(
        positions=positions.astype(np.float32),
        fields=narrow,
        weights=weights.astype(np.float32),
        normals=None if vectors is None else _unit(vectors).astype(np.float32),
    )


def _measures(mesh: pv.DataSet) -> tuple[Array, Array]:
    """Size ``(cells,)`` and centre ``(cells, 3)`` of each cell; cells below the mesh's own dimension have size 0."""
    if not mesh.n_cells:
        return np.zeros(0), np.zeros((0, 3))
    bare = type(mesh)()
    bare.CopyStructure(mesh)
    sized = bare.compute_cell_sizes(length=True, area=True, volume=True)
    # Solvers number some cells' points the wrong way round, which turns the volume's sign.
    length, area, volume = (np.abs(np.asarray(sized.cell_data[key])) for key in ("Length", "Area", "Volume"))
    centers = np.array(bare.cell_centers().points, dtype=np.float64)
    if isinstance(mesh, pv.UnstructuredGrid) and (chosen := np.asarray(mesh.celltypes) == _POLYHEDRON).any():
        volumes, means = _polyhedra(mesh)
        volume[chosen], centers[chosen] = volumes[chosen], means[chosen]
    sizes = next((found for found in (volume, area, length) if found.any()), np.ones(mesh.n_cells))
    return sizes.astype(np.float64), centers


def _polyhedra(mesh: pv.UnstructuredGrid) -> tuple[Array, Array]:
    """Volume and centre of mass of each polyhedron, by pyramids from a middle point to its faces, as OpenFOAM has them.

    VTK's own measure takes the convex hull of the points, and its centre is the bounding box's; both are wrong by up
    to a third for the cells that snapping leaves. Pyramids count whichever way the file turns a face.
    """
    points = np.asarray(mesh.points, dtype=np.float64)
    cell_offsets, faces, face_offsets, ids = polyhedron_faces(mesh)
    corners = np.diff(face_offsets)
    of_face = np.repeat(np.arange(len(corners)), corners)
    following = np.arange(1, len(ids) + 1)
    following[face_offsets[1:] - 1] = face_offsets[:-1]
    middle = _sums(points[ids], of_face, len(corners)) / np.maximum(corners, 1)[:, None]
    here, there = points[ids], points[ids[following]]
    triangles = np.cross(here - middle[of_face], there - middle[of_face]) / 2
    area = np.linalg.norm(triangles, axis=1)
    vector, total = _sums(triangles, of_face, len(corners)), _sums(area[:, None], of_face, len(corners))
    moments = _sums(area[:, None] * (here + there + middle[of_face]) / 3, of_face, len(corners))
    center = np.where(total > 0, moments / np.maximum(total, 1e-300), middle)
    count = np.diff(cell_offsets)
    of_cell = np.repeat(np.arange(len(count)), count)
    inner = _sums(center[faces], of_cell, len(count)) / np.maximum(count, 1)[:, None]
    pyramids = np.abs(np.einsum("ij,ij->i", vector[faces], center[faces] - inner[of_cell])) / 3
    volumes = _sums(pyramids[:, None], of_cell, len(count))
    masses = _sums(pyramids[:, None] * (0.75 * center[faces] + 0.25 * inner[of_cell]), of_cell, len(count))
    return volumes[:, 0], np.where(volumes > 0, masses / np.maximum(volumes, 1e-300), inner)


def _directions(mesh: pv.DataSet, offsets: Any, ids: Any, types: Any) -> Array | None:
    """Unit normal of each cell ``(cells, 3)``, zero for cells that have none; None where the domain has none at all."""
    flat = np.isin(types, (*_POLYGONS, _PIXEL, _STRIP))
    thin = np.isin(types, (4, *_LINES))
    if not len(types) or not np.isin(types[~flat & ~thin], (0, 1, 2)).all():
        return None
    points = np.asarray(mesh.points, dtype=np.float64)
    owner = np.repeat(np.arange(len(types)), np.diff(offsets))
    place = np.arange(len(ids)) - offsets[owner]
    if flat.any():
        return _unit(_face_vectors(points, ids, offsets, owner, place, np.where(flat, types, 0)))
    extent = np.ptp(points, axis=0)
    level = extent <= 1e-6 * extent.max()
    if not thin.any() or not level.any():
        return None
    ends = np.diff(offsets)
    for kind, count in _LINES.items():
        ends[types == kind] = count
    starts = np.flatnonzero(place + 1 < ends[owner])
    axis = np.eye(3)[max(np.flatnonzero(level))]
    return _unit(_sums(np.cross(points[ids[starts + 1]] - points[ids[starts]], axis), owner[starts], len(types)))


def _face_vectors(points: Array, ids: Any, offsets: Any, owner: Any, place: Any, types: Any) -> Array:
    """Area vector of each two-dimensional cell: the sum over the triangles of a fan or of a strip."""
    corners = np.where(types > 0, np.diff(offsets), 0)
    for kind, count in _FACE_CORNERS.items():
        corners[types == kind] = count
    middle = np.flatnonzero((place >= 1) & (place + 1 < corners[owner]))
    cell = owner[middle]
    strip, pixel = types[cell] == _STRIP, types[cell] == _PIXEL
    # A pixel is a quadrilateral whose last two points are exchanged: its two triangles are those of a strip.
    first = np.where(strip | pixel, ids[middle - 1], ids[offsets[cell]])
    turned = np.where((strip | pixel) & (place[middle] % 2 == 0), -0.5, 0.5)
    a, b, c = points[first], points[ids[middle]], points[ids[middle + 1]]
    return _sums(turned[:, None] * np.cross(b - a, c - a), cell, len(types))


def _sums(values: Array, owner: Any, count: int) -> Array:
    """Rows of ``values`` added up by owner, ``(count, columns)``."""
    return np.stack([np.bincount(owner, column, minlength=count) for column in values.T], axis=1)


def _unit(vectors: Array) -> Array:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-300)  # type: ignore[no-any-return]
