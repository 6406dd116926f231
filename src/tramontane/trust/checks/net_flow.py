"""Conservation of mass as a whole: what flows into the volume flows out of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyvista as pv
from numpy.typing import NDArray

from tramontane.case import Case
from tramontane.contract import Contract
from tramontane.trust.physics_check import PhysicsCheck, Residual

Array = NDArray[np.floating[Any]]


def _residual(case: Case, contract: Contract) -> Residual | None:
    """Net volume flow through the boundary, m3/s (of a plane flow m2/s), beside half of the gross flow."""
    if "velocity" not in (case.field_names("volume") if "volume" in case.meshes else {}):
        return None
    if any("density" in fields for fields in contract.fields.values()):
        return None  # of a compressible fluid it is the mass that is conserved
    mesh = case.meshes["volume"]
    velocity = np.asarray(case.field_values("volume", "velocity"), dtype=np.float64)
    if mesh.n_cells == 0 or velocity.shape[1:] != (3,):
        return None
    thin = np.flatnonzero(np.ptp(np.asarray(mesh.points), axis=0) == 0.0)
    at_cells = case.field_names("volume")["velocity"] == "cell"
    flows = _through_edges(mesh, velocity, int(thin[-1]), at_cells) if len(thin) else _through_faces(mesh)
    return None if flows is None else Residual(abs(float(flows.sum())), float(np.abs(flows).sum()) / 2)


def _through_faces(mesh: pv.DataSet) -> Array | None:
    """Flow through each outer face of a volume's cells, away from its cell: out of an outlet within a hole, too."""
    skin = mesh.extract_surface(algorithm="dataset_surface", pass_cellid=True)
    if skin.n_cells == 0:
        return None
    cells = np.asarray(skin.cell_data["vtkOriginalCellIds"])
    if "velocity" not in skin.cell_data:
        skin = skin.point_data_to_cell_data()
    skin = skin.compute_normals(point_normals=False, consistent_normals=False)
    areas = skin.compute_cell_sizes(length=False, volume=False).cell_data["Area"]
    normals = np.asarray(skin.cell_data["Normals"], dtype=np.float64)
    outward = skin.cell_centers().points - mesh.cell_centers().points[cells]
    turned = np.where(np.einsum("ij,ij->i", outward, normals) < 0, -1.0, 1.0)
    flows: Array = np.einsum("ij,ij->i", skin.cell_data["velocity"], normals) * turned * areas
    return flows


def _through_edges(mesh: pv.DataSet, velocity: Array, thin: int, at_cells: bool) -> Array | None:
    """Flow through each outer edge of a mesh in a plane, along whose axis ``thin`` it has no extent."""
    inside = [axis for axis in range(3) if axis != thin]
    mesh = mesh.cast_to_unstructured_grid().copy(deep=False)
    mesh.cell_data["cell"] = np.arange(mesh.n_cells)
    triangles = mesh.extract_surface(algorithm="dataset_surface", pass_pointid=True).triangulate()
    if not isinstance(triangles, pv.PolyData) or triangles.n_cells == 0:
        return None
    corners, points = triangles.regular_faces, np.asarray(triangles.points, dtype=np.float64)
    a, b, c = (points[corners[:, k]][:, inside] for k in range(3))
    clockwise = (b - a)[:, 0] * (c - a)[:, 1] < (b - a)[:, 1] * (c - a)[:, 0]
    corners = np.where(clockwise[:, None], corners[:, ::-1], corners)
    edges = np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]])
    _, first, count = np.unique(np.sort(edges, axis=1), axis=0, return_index=True, return_counts=True)
    outer = first[count == 1]
    start, end = edges[outer].T
    along = (points[end] - points[start])[:, inside]
    normal = np.stack([along[:, 1], -along[:, 0]], axis=1)  # times the edge's length, to the right of its direction
    if at_cells:
        through = velocity[np.asarray(triangles.cell_data["cell"])[outer % len(corners)]]
    else:
        own = np.asarray(triangles.point_data["vtkOriginalPointIds"])
        through = (velocity[own[start]] + velocity[own[end]]) / 2
    flows: Array = np.einsum("ij,ij->i", through[:, inside], normal)
    return flows


CHECK = PhysicsCheck(
    "net_flow", "what flows into the volume flows out of it (in a plane, per metre of depth)", "m^3/s", _residual
)
