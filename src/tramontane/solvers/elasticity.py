"""Linear elasticity of a solid on a tetrahedral mesh: one solve for every mechanical simulator and for its checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tramontane.errors import SolverError
from tramontane.io.lazy_modules import lazy_module

ng = lazy_module("ngsolve")
meshing = lazy_module("netgen.meshing")

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Material:
    """An isotropic linear-elastic solid.

    Attributes:
        young: Young's modulus, Pa.
        poisson: Poisson's ratio.
        density: kg/m3.
    """

    young: float
    poisson: float
    density: float


STEEL = Material(young=210e9, poisson=0.3, density=7850.0)


@dataclass(frozen=True)
class Solution:
    """An equilibrium.

    Attributes:
        mesh: The ``ngsolve.Mesh`` in metres.
        displacement: A ``GridFunction``, m.
        stress: The Cauchy stress of every element as a 3 x 3 coefficient function, Pa.
        reaction: Force of the supports on the body in x, y, z, N.
    """

    mesh: Any
    displacement: Any
    stress: Any
    reaction: tuple[float, float, float]


def solve(
    mesh: Any,
    material: Material,
    *,
    traction: Mapping[str, Sequence[float]],
    fixed: tuple[str, str, str] = ("", "", ""),
    bedding: Mapping[str, float] | None = None,
    order: int = 2,
) -> Solution:
    """Displacement of a loaded solid: the minimum of its potential energy over continuous piecewise polynomials.

    Args:
        mesh: An ``ngsolve.Mesh`` in metres, curved to ``order``.
        material: Of the whole body.
        traction: Force per area (N/m2, 3 components) on named boundaries.
        fixed: Boundaries (names joined by ``|``) where the displacement in x, in y and in z is zero.
        bedding: Stiffness (N/m3) of springs to the ground on named boundaries (Winkler's foundation).
        order: Polynomial order of the displacement.

    Raises:
        SolverError: The supports leave the body free to move, or the equations could not be solved.
    """
    bedding = bedding or {}
    space = ng.VectorH1(mesh, order=order, dirichletx=fixed[0], dirichlety=fixed[1], dirichletz=fixed[2])
    u, v = space.TnT()
    matrix = ng.BilinearForm(space, symmetric=True)
    matrix += ng.InnerProduct(_stress(u, material), ng.Sym(ng.Grad(v))) * ng.dx
    for boundary, stiffness in bedding.items():
        matrix += stiffness * u * v * ng.ds(boundary)
    load = ng.LinearForm(space)
    for boundary, force_per_area in traction.items():
        load += ng.CF(tuple(force_per_area)) * v * ng.ds(boundary)
    matrix.Assemble()
    load.Assemble()
    displacement = ng.GridFunction(space)
    # Cholesky is right for this matrix, which is positive definite once the supports hold the body.
    try:
        inverse = matrix.mat.Inverse(space.FreeDofs(), inverse="sparsecholesky")
    except meshing.NgException as error:
        raise SolverError(
            f"elasticity: the stiffness matrix cannot be factored ({error}); check the supports"
        ) from error
    displacement.vec.data = inverse * load.vec
    residual = load.vec.CreateVector()
    residual.data = matrix.mat * displacement.vec - load.vec
    free = np.array(list(space.FreeDofs()), dtype=bool)
    unbalanced = np.linalg.norm(residual.FV().NumPy()[free])
    if not unbalanced <= 1e-6 * load.vec.Norm():
        raise SolverError("elasticity: the equations were not solved; the supports leave the body free to move")
    reaction = [0.0, 0.0, 0.0]
    for axis in range(3):
        # The functions of the vertices add up to one, so their residuals add up to the force of what is fixed.
        dofs = np.arange(space.Range(axis).start, space.Range(axis).start + mesh.nv)
        reaction[axis] = float(residual.FV().NumPy()[dofs].sum())
        for boundary, stiffness in bedding.items():
            region = mesh.Boundaries(boundary)
            reaction[axis] -= float(ng.Integrate(stiffness * displacement[axis], mesh, ng.BND, definedon=region))
    return Solution(mesh, displacement, _stress(displacement, material), (reaction[0], reaction[1], reaction[2]))


def _stress(displacement: Any, material: Material) -> Any:
    """Hooke's law: ``2 mu eps + lambda tr(eps) I``."""
    mu = material.young / (2 * (1 + material.poisson))
    lame = material.young * material.poisson / ((1 + material.poisson) * (1 - 2 * material.poisson))
    strain = ng.Sym(ng.Grad(displacement))
    return 2 * mu * strain + lame * ng.Trace(strain) * ng.Id(3)


def vertex_displacement(solution: Solution) -> Array:
    """Displacement ``(vertices, 3)`` at the mesh's vertices, m."""
    parts = [component.vec.FV().NumPy()[: solution.mesh.nv] for component in solution.displacement.components]
    return np.stack(parts, axis=1).astype(np.float64)


def vertex_stress(solution: Solution) -> Array:
    """Stress ``(vertices, 6)`` in the order xx, yy, zz, xy, yz, xz at the mesh's vertices, Pa.

    Each element's stress is projected onto linear functions (L2) and averaged over the elements that share a vertex.
    """
    s = solution.stress
    smooth = ng.GridFunction(ng.H1(solution.mesh, order=1, dim=6))
    smooth.Set(ng.CF((s[0, 0], s[1, 1], s[2, 2], s[0, 1], s[1, 2], s[0, 2])))
    values: Array = smooth.vec.FV().NumPy().reshape(-1, 6)[: solution.mesh.nv].astype(np.float64)
    return values
