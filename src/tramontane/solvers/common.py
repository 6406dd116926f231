"""What the embedded solvers share: a design as it was asked, and meshes out of Netgen's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyvista as pv
from numpy.typing import NDArray

from tramontane.contract import Contract
from tramontane.design import Design
from tramontane.units import Quantity, from_si

Array = NDArray[np.float64]
Index = NDArray[np.int64]


def stated_design(geometry: pv.PolyData, contract: Contract, values: Mapping[str, float]) -> Design:
    """A design of SI values, each stated in the unit of the contract."""
    return Design(geometry, **{name: Quantity(from_si(values[name], spec.unit), spec.unit)
                               for name, spec in contract.parameters.items()})  # fmt: skip


def dimensions_of(contract: Contract, design: Design) -> dict[str, float]:
    """The dimensions of a design in SI, without its operating conditions.

    Raises:
        ContractError: One is missing, unknown or in a wrong unit.
    """
    of_shape = {name: spec for name, spec in contract.parameters.items() if spec.role == "geometry"}
    parameters = {name: value for name, value in design.parameters.items() if name in of_shape}
    return contract.model_copy(update={"parameters": of_shape}).values(Design(**parameters))


def tetrahedra(mesh: Any) -> tuple[Array, Index, Index]:
    """Vertices and connectivity of a mesh.

    Returns:
        Points ``(n, 3)`` in metres, tetrahedra ``(cells, 4)`` of positive volume, and the triangles ``(faces, 3)`` of
        the surface, oriented outward.
    """
    points = np.array([tuple(vertex.point) for vertex in mesh.vertices], dtype=np.float64)
    cells = mesh.ngmesh.Elements3D().NumPy()["nodes"][:, :4].astype(np.int64) - 1
    faces = mesh.ngmesh.Elements2D().NumPy()["nodes"][:, :3].astype(np.int64) - 1
    corner = points[cells]
    if np.linalg.det(corner[:, 1:] - corner[:, :1]).sum() < 0:  # netgen and VTK number corners in opposite senses
        cells = cells[:, [0, 2, 1, 3]]
    return points, cells, _outward(points, faces)


def quarters(mesh: Any) -> tuple[Array, Index, Index]:
    """The surface elements of a mesh as curved triangles, and each split in four.

    Args:
        mesh: An ``ngsolve.Mesh`` of a solid or of a plane.

    Returns:
        Points ``(n, 3)`` in metres, midpoints on the CAD geometry; the nodes ``(elements, 6)`` of each element, its
        corners before the midpoints opposite to them; and triangles ``(4 elements, 3)`` over the same points.
    """
    quadratic = mesh.ngmesh.Copy()
    quadratic.SecondOrder()
    points = quadratic.Coordinates().astype(np.float64)
    nodes = quadratic.Elements2D().NumPy()["nodes"][:, :6].astype(np.int64) - 1
    a, b, c, bc, ac, ab = nodes.T
    corners = ((a, ab, ac), (b, bc, ab), (c, ac, bc), (ab, bc, ac))
    return points, nodes, np.concatenate([np.stack(corner, axis=1) for corner in corners])


def refined_surface(mesh: Any) -> tuple[Array, Index]:
    """The surface of a solid, closed: each surface triangle in four, the new points lying on the CAD surface.

    Args:
        mesh: An ``ngsolve.Mesh`` of tetrahedra, curved.

    Returns:
        Points ``(n, 3)`` in metres and triangles ``(faces, 3)``, oriented outward.
    """
    points, _, triangles = quarters(mesh)
    used, inverse = np.unique(triangles, return_inverse=True)
    points, triangles = points[used], inverse.reshape(-1, 3).astype(np.int64)
    return points, _outward(points, triangles)


def _outward(points: Array, faces: Index) -> Index:
    a, b, c = points[faces].transpose(1, 0, 2)
    return faces if np.einsum("ij,ij->", a, np.cross(b, c)) > 0 else np.ascontiguousarray(faces[:, ::-1])
