"""Steady laminar flow past a body between two walls, in two dimensions: what the channel's solvers share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyvista as pv
from numpy.typing import NDArray

from tramontane.case import Case, Provenance
from tramontane.contract import Contract, DomainSpec, FieldSpec
from tramontane.design import Design
from tramontane.errors import SolverError
from tramontane.io.lazy_modules import lazy_module
from tramontane.solvers.common import quarters

occ = lazy_module("netgen.occ")
ng = lazy_module("ngsolve")
meshing = lazy_module("netgen.meshing")

LENGTH, HEIGHT = 2.2, 0.41
"""Of the channel, m."""
VISCOSITY, DENSITY = 1e-3, 1.0
"""Kinematic viscosity, m2/s, and density, kg/m3."""
ORDER = 4
"""Of the velocity's polynomials."""

# Between Reynolds numbers 5 and 40 the drag grows with a power of 1.25 to 1.53 of the Reynolds number.
_PRESSURE = FieldSpec(unit="Pa", scales_with={"reynolds": 1.5})

DOMAINS = {
    "surface": DomainSpec(side="on"),
    "volume": DomainSpec(side="outside", low=(0.0, 0.0, 0.0), high=(LENGTH, HEIGHT, 0.0)),
}
FIELDS = {
    "surface": {
        "pressure": _PRESSURE,
        "wall_shear_stress": FieldSpec(unit="Pa", components=3, scales_with={"reynolds": 1.5}),
    },
    "volume": {
        "velocity": FieldSpec(unit="m/s", components=3, scales_with={"reynolds": 1.0}),
        "pressure": _PRESSURE,
    },
}
"""What both contracts have in common."""

_MAX_STEPS = 20
_DEPTH = 0.05  # of the prism that stands for a body as a geometry, m


@dataclass(frozen=True)
class Flow:
    """What was solved for: velocity (m/s), pressure over density (m2/s2), force on the body (N/m).

    Attributes:
        mesh: The ``ngsolve.Mesh``, m.
        velocity: A coefficient function of two components.
        pressure: A scalar one.
        force: Drag and lift.
        steps: Of Newton's method.
    """

    mesh: Any
    velocity: Any
    pressure: Any
    force: tuple[float, float]
    steps: int


def mesh_channel(body: Any, size: float, refinement: float) -> Any:
    """Curved triangles around a body.

    Args:
        body: Its face, as the kernel of Netgen has it.
        size: Length of the triangles on its outline, m.
        refinement: Divides every mesh size.

    Raises:
        SolverError: Netgen cannot mesh the channel.
    """
    fluid = occ.WorkPlane().Rectangle(LENGTH, HEIGHT).Face() - body
    fluid.edges.name = "body"
    fluid.edges.Min(occ.X).name = "inlet"
    fluid.edges.Max(occ.X).name = "outlet"
    fluid.edges.Min(occ.Y).name = fluid.edges.Max(occ.Y).name = "wall"
    fluid.edges["body"].maxh = size / refinement
    try:
        geometry = occ.OCCGeometry(fluid, dim=2)
        mesh = ng.Mesh(geometry.GenerateMesh(maxh=0.06 / refinement, minedgelen=None, parallel_meshing=False))
    except (meshing.NgException, RuntimeError) as error:
        raise SolverError(f"Netgen cannot mesh the channel ({str(error).strip()}); move the body") from error
    return mesh.Curve(ORDER)


def solve(mesh: Any, speed: float) -> Flow:
    """Taylor-Hood elements, Newton's method from the Stokes flow; forces from the residual of the weak form.

    The residual tested with a function that is one on the body is the force on it, and converges at twice the rate
    of an integral of the stress over the wall (Babuska and Miller, 1984).
    """
    velocities = ng.VectorH1(mesh, order=ORDER, dirichlet="inlet|wall|body")
    space = velocities * ng.H1(mesh, order=ORDER - 1)
    (u, p), (v, q) = space.TnT()
    stokes = (VISCOSITY * ng.InnerProduct(ng.Grad(u), ng.Grad(v)) - ng.div(u) * q - ng.div(v) * p) * ng.dx
    linear = ng.BilinearForm(stokes).Assemble()
    form = ng.BilinearForm(space)
    form += stokes
    form += ng.InnerProduct(ng.Grad(u) * u, v) * ng.dx
    state = ng.GridFunction(space)
    profile = 6 * speed * ng.y * (HEIGHT - ng.y) / HEIGHT**2
    state.components[0].Set(ng.CF((profile, 0)), definedon=mesh.Boundaries("inlet"))
    residual, change = state.vec.CreateVector(), state.vec.CreateVector()
    # A saddle-point matrix is indefinite: Cholesky would return nonsense without a word.
    direct = "umfpack" if ng.config.USE_UMFPACK else "pardiso"
    try:
        residual.data = linear.mat * state.vec
        state.vec.data -= linear.mat.Inverse(space.FreeDofs(), inverse=direct) * residual
        for steps in range(1, _MAX_STEPS + 1):  # noqa: B007
            form.Apply(state.vec, residual)
            form.AssembleLinearization(state.vec)
            change.data = form.mat.Inverse(space.FreeDofs(), inverse=direct) * residual
            state.vec.data -= change
            if not math.isfinite(change.Norm()) or change.Norm() <= 1e-10 * state.vec.Norm():
                break
    except meshing.NgException as error:
        raise SolverError(f"Navier-Stokes: the equations cannot be solved ({str(error).strip()})") from error
    if not change.Norm() <= 1e-10 * state.vec.Norm():
        raise SolverError(f"Navier-Stokes: no steady flow found in {steps} Newton steps; lower the Reynolds number")
    form.Apply(state.vec, residual)
    force = []
    for direction in ((1.0, 0.0), (0.0, 1.0)):
        test = ng.GridFunction(space)
        test.components[0].Set(ng.CF(direction), definedon=mesh.Boundaries("body"))
        force.append(-DENSITY * float(ng.InnerProduct(residual, test.vec)))
    return Flow(mesh, state.components[0], state.components[1], (force[0], force[1]), steps)


def plane(flow: Flow) -> pv.UnstructuredGrid:
    """The flow on triangles at z = 0, each element in four."""
    points, nodes, triangles = quarters(flow.mesh)
    rule = ng.IntegrationRule([(1, 0), (0, 1), (0, 0), (0, 0.5), (0.5, 0), (0.5, 0.5)], [1.0 / 12] * 6)
    places = flow.mesh.MapToAllElements(rule, ng.VOL)
    values = np.zeros((len(points), 5))
    values[nodes.ravel()] = ng.CF((ng.x, ng.y, flow.velocity, flow.pressure))(places)
    grid = pv.UnstructuredGrid({pv.CellType.TRIANGLE: triangles}, _in_space(values[:, :2]))
    grid.point_data["velocity"] = _in_space(values[:, 2:4])
    grid.point_data["pressure"] = DENSITY * values[:, 4]
    return grid


def wall(flow: Flow, x: float, y: float) -> pv.PolyData:
    """Pressure and wall shear stress (the force of the fluid on the wall, per area) on a body's outline.

    Args:
        flow: What was solved for.
        x: A point from which all of the outline is seen, m.
        y: The same.
    """
    outline_of = flow.mesh.Boundaries("body")
    shear = ng.GridFunction(ng.VectorH1(flow.mesh, order=ORDER - 1))
    gradient = ng.BoundaryFromVolumeCF(ng.Grad(flow.velocity))
    normal = ng.specialcf.normal(2)
    away = normal[0] * (ng.x - x) + normal[1] * (ng.y - y)
    # Which way a boundary's normal points depends on how the mesh was made.
    outward = ng.IfPos(away, 1, -1) * normal
    shear.Set(VISCOSITY * (gradient + gradient.trans) * outward, definedon=outline_of)
    rule = ng.IntegrationRule([(0,), (0.5,), (1,)], [1.0 / 3] * 3)
    values = ng.CF((ng.x, ng.y, flow.pressure, shear))(flow.mesh.MapToAllElements(rule, outline_of))
    angle = np.round(np.arctan2(values[:, 1] - y, values[:, 0] - x), 9)
    angle[angle <= -round(math.pi, 9)] = round(math.pi, 9)
    values = values[np.unique(angle, return_index=True)[1]]
    count = np.arange(len(values))
    outline = pv.PolyData(
        _in_space(values[:, :2]), lines=np.stack([0 * count + 2, count, np.roll(count, -1)], 1).ravel()
    )
    outline.point_data["pressure"] = DENSITY * values[:, 2]
    outline.point_data["wall_shear_stress"] = DENSITY * _in_space(values[:, 3:5])
    return outline


def prism(ring: NDArray[np.float64], x: float, y: float) -> pv.PolyData:
    """A body as a closed surface, ``_DEPTH`` thick about z = 0.

    Args:
        ring: Its outline ``(n, 2)``, anticlockwise, m.
        x: A point from which all of it is seen, m.
        y: The same.
    """
    count = len(ring)
    rings = [np.column_stack([np.vstack([ring, [x, y]]), np.full(count + 1, z)]) for z in (-_DEPTH / 2, _DEPTH / 2)]
    k = np.arange(count)
    following, top, hub = np.roll(k, -1), count + 1, np.full(count, count)
    triangles = ((k, following, following + top), (k, following + top, k + top), (following, k, hub),
                 (k + top, following + top, hub + top))  # fmt: skip
    return pv.PolyData.from_regular_faces(np.vstack(rings), np.concatenate([np.stack(t, 1) for t in triangles]))


def _in_space(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack([plane, np.zeros(len(plane))])


def case_of(
    contract: Contract, design: Design, flow: Flow, surface: pv.PolyData, speed: float, qoi: dict[str, float],
    **extra: float,
) -> Case:  # fmt: skip
    """A flow as a case.

    Args:
        contract: Of the solver; the case takes its name.
        design: As it was asked.
        flow: Found by `solve`.
        surface: The body's, from `wall`.
        speed: Mean speed of what enters, m/s.
        qoi: In SI.
        extra: What else the provenance says.
    """
    return Case(
        name=contract.name,
        design=design,
        meshes={"surface": surface, "volume": plane(flow)},
        qoi=qoi,
        field_units={name: spec.unit for fields in contract.fields.values() for name, spec in fields.items()},
        qoi_units={name: spec.unit for name, spec in contract.qoi.items()},
        provenance=Provenance(
            solver="NGSolve steady Navier-Stokes",
            version=str(ng.__version__),
            extra={"cells": flow.mesh.ne, "order": ORDER, "newton_steps": flow.steps, "mean_speed": speed, **extra},
        ),
    )
