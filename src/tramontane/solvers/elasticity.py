"""Linear elasticity of a solid, solved by NGSolve with second-order curved tetrahedra."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import ngsolve as ngs
import numpy as np
import pyvista as pv
from ngsolve import InnerProduct, ds, dx
from numpy.typing import NDArray

from tramontane.errors import SolverError

Array = NDArray[np.float64]
_VOIGT = ((0, 0), (1, 1), (2, 2), (0, 1), (1, 2), (0, 2))


class Material(NamedTuple):
    """An isotropic linear-elastic material: Young's modulus (Pa), Poisson's ratio, density (kg/m3)."""

    young: float
    poisson: float
    density: float


STEEL = Material(young=210e9, poisson=0.3, density=7850.0)


@dataclass(frozen=True)
class Solution:
    """Displacement and stress in the vertices of a mesh, SI.

    Attributes:
        displacement: ``(vertices, 3)`` m.
        stress: ``(vertices, 6)`` Pa, order xx, yy, zz, xy, yz, xz, averaged over the elements at each vertex.
        load: ``(3,)`` N, the resultant of all tractions.
        reaction: ``(3,)`` N, the resultant force of supports and foundations on the body.
        unknowns: Number of free degrees of freedom.
    """

    displacement: Array
    stress: Array
    load: Array
    reaction: Array
    unknowns: int

    @property
    def von_mises(self) -> Array:
        """``(vertices,)`` equivalent stress in Pa of the averaged stress."""
        return von_mises(self.stress)


def von_mises(stress: Array) -> Array:
    """Equivalent stress of von Mises, ``(n,)`` Pa, of stresses ``(n, 6)`` Pa in the order xx, yy, zz, xy, yz, xz."""
    xx, yy, zz, xy, yz, xz = stress.T
    normal = (xx - yy) ** 2 + (yy - zz) ** 2 + (zz - xx) ** 2
    return np.asarray(np.sqrt(0.5 * normal + 3.0 * (xy**2 + yz**2 + xz**2)))


def solve_elasticity(
    mesh: Any,
    material: Material,
    *,
    tractions: Mapping[str, Sequence[float]],
    fixed: Mapping[str, str] | None = None,
    foundations: Mapping[str, float | Sequence[float]] | None = None,
    order: int = 2,
) -> Solution:
    """Small-strain static equilibrium of a body without body forces.

    Find u with ``int sigma(u):eps(v) dx + int (k u).v ds = int t.v ds`` for all admissible v, where
    ``sigma = 2 mu eps + lambda tr(eps) I``.

    Args:
        mesh: An ``ngsolve.Mesh`` of tetrahedra in metres, already curved; patterns below name its boundaries.
        material: The material of the whole body.
        tractions: Force per area ``(3,)`` in Pa on the boundaries that match each pattern.
        fixed: For ``"x"``, ``"y"``, ``"z"``, the pattern of the boundaries on which that displacement is zero.
        foundations: Stiffness per area in N/m3 (one, or one along each axis) of the elastic support of boundaries. A
            foundation keeps the stress at the edge of a support finite, which a fixed boundary does not.
        order: Polynomial degree of the displacement.

    Raises:
        SolverError: A pattern matches no boundary, or nothing holds the body.
    """
    fixed, foundations = dict(fixed or {}), dict(foundations or {})
    for pattern in (*tractions, *fixed.values(), *foundations):
        if not any(mesh.Boundaries(pattern).Mask()):
            names = sorted({name for name in mesh.GetBoundaries() if name})
            raise SolverError(f"boundary {pattern!r} is not in the mesh; name one of {names}")
    if not fixed and not foundations:
        raise SolverError("nothing holds the body; give fixed boundaries or foundations")
    space = ngs.VectorH1(mesh, order=order, **{f"dirichlet{axis}": pattern for axis, pattern in fixed.items()})
    u, v = space.TnT()
    lame, shear = _lame(material)

    def strain(w: Any) -> Any:
        return 0.5 * (ngs.Grad(w) + ngs.Grad(w).trans)

    springs = {pattern: np.broadcast_to(np.asarray(k, dtype=float), 3) for pattern, k in foundations.items()}
    bulk = 2 * shear * InnerProduct(strain(u), strain(v)) * dx + lame * ngs.div(u) * ngs.div(v) * dx
    stiffness = ngs.BilinearForm(space, symmetric=True)
    stiffness += bulk
    for pattern, k in springs.items():
        stiffness += sum(float(k[i]) * u[i] * v[i] for i in range(3)) * ds(pattern)
    force = ngs.LinearForm(space)
    for pattern, traction in tractions.items():
        force += InnerProduct(ngs.CF(tuple(map(float, traction))), v) * ds(pattern)
    stiffness.Assemble()
    force.Assemble()
    field = ngs.GridFunction(space)
    # The system is symmetric positive definite, the one kind for which this factorisation is safe.
    inverse = stiffness.mat.Inverse(space.FreeDofs(), inverse="sparsecholesky")
    field.vec.data = inverse * force.vec
    residual = force.vec.CreateVector()
    residual.data = force.vec - stiffness.mat * field.vec
    free = np.asarray(list(space.FreeDofs()), dtype=bool)
    unbalanced = np.linalg.norm(residual.FV().NumPy()[free])
    if not unbalanced <= 1e-6 * np.linalg.norm(force.vec.FV().NumPy()):
        raise SolverError(f"equilibrium is not reached (residual {unbalanced:.3g} N); check that supports hold the body")
    displacement = np.column_stack([part.vec.FV().NumPy()[: mesh.nv] for part in field.components])
    load = np.zeros(3)
    for pattern, traction in tractions.items():
        load += float(ngs.Integrate(ngs.CF(1.0), mesh, definedon=mesh.Boundaries(pattern))) * np.asarray(traction)
    reaction = np.zeros(3)
    for pattern, k in springs.items():
        spread = ngs.Integrate(field, mesh, definedon=mesh.Boundaries(pattern))
        reaction -= k * np.array([float(spread[axis]) for axis in range(3)])
    # In the hierarchical basis a rigid shift is one at every vertex and zero elsewhere, so the force of a fixed
    # boundary is the sum of the residual over its vertices.
    for axis in range(3):
        at = np.arange(mesh.nv) + space.Range(axis).start
        reaction[axis] -= residual.FV().NumPy()[at[~free[at]]].sum()
    eps = strain(field)
    stress = _vertex_stress(mesh, 2 * shear * eps + lame * ngs.Trace(eps) * ngs.Id(3), order)
    return Solution(displacement, stress, load, reaction, int(free.sum()))


def _lame(material: Material) -> tuple[float, float]:
    """Lamé's two constants, lambda and mu, in Pa."""
    young, nu = material.young, material.poisson
    return young * nu / ((1 + nu) * (1 - 2 * nu)), young / (2 * (1 + nu))


def _vertex_stress(mesh: Any, stress: Any, order: int) -> Array:
    """Stress of the elements, projected in each and averaged at the vertices, ``(vertices, 6)`` Pa."""
    space = ngs.H1(mesh, order=max(order - 1, 1), dim=6)
    nodal = ngs.GridFunction(space)
    nodal.Set(ngs.CF(tuple(stress[i, j] for i, j in _VOIGT)))
    return np.asarray(nodal.vec.FV().NumPy().reshape(space.ndof, 6)[: mesh.nv].copy())


def volume_grid(mesh: Any) -> pv.UnstructuredGrid:
    """The linear tetrahedra of a mesh, in its own order of vertices."""
    tetrahedra = _vertices(mesh.ngmesh.Elements3D(), 4)
    # Netgen numbers a tetrahedron's vertices the other way round than VTK.
    return pv.UnstructuredGrid({pv.CellType.TETRA: tetrahedra[:, [0, 2, 1, 3]]}, np.array(mesh.ngmesh.Coordinates()))


def boundary_triangles(mesh: Any) -> NDArray[np.int64]:
    """The vertices ``(triangles, 3)`` of the boundary of a mesh of tetrahedra, ordered outward."""
    return _vertices(mesh.ngmesh.Elements2D(), 3)


def _vertices(elements: Any, corners: int) -> NDArray[np.int64]:
    return np.asarray(elements.NumPy()["nodes"][:, :corners], dtype=np.int64) - 1


def boundary_mesh(grid: pv.UnstructuredGrid, triangles: NDArray[np.int64]) -> pv.PolyData:
    """The surface of a volume: its boundary points with the fields there.

    Args:
        grid: The volume, with point fields.
        triangles: ``(triangles, 3)`` vertices of its boundary.
    """
    at, local = np.unique(triangles, return_inverse=True)
    surface = pv.PolyData.from_regular_faces(np.asarray(grid.points)[at], local.reshape(-1, 3))
    for name in grid.point_data.keys():  # noqa: SIM118 (PyVista's DataSetAttributes does not iterate over its names)
        surface.point_data[name] = np.asarray(grid.point_data[name])[at]
    return surface


def curved_surface(mesh: Any, triangles: NDArray[np.int64]) -> pv.PolyData:
    """The closed boundary of a curved mesh, each of its triangles split in four through the curved mid-edges.

    Args:
        mesh: A curved ``ngsolve.Mesh``.
        triangles: ``(triangles, 3)`` vertices of its boundary, ordered outward.
    """
    rule = ngs.IntegrationRule([(0.5, 0.5), (0.0, 0.5), (0.5, 0.0)], [1.0, 1.0, 1.0])
    middles = ngs.CF((ngs.x, ngs.y, ngs.z))(mesh.MapToAllElements(rule, ngs.BND))
    # Edges 01, 12, 20 of each triangle; the two triangles at an edge must share its middle, or the surface leaks.
    edges = np.sort(np.stack([triangles, np.roll(triangles, -1, axis=1)], axis=2), axis=2).reshape(-1, 2)
    _, first, edge = np.unique(edges, axis=0, return_index=True, return_inverse=True)
    at, corner = np.unique(triangles, return_inverse=True)
    points = np.concatenate([np.array(mesh.ngmesh.Coordinates())[at], middles[first]])
    (a, b, c), (ab, bc, ca) = corner.reshape(-1, 3).T, len(at) + edge.reshape(-1, 3).T
    faces = np.stack([a, ab, ca, ab, b, bc, ca, bc, c, ab, bc, ca], axis=1).reshape(-1, 3)
    return pv.PolyData.from_regular_faces(points, faces)
