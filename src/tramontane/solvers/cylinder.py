"""Steady laminar flow past a cylinder in a channel: the DFG benchmark 2D-1 with the cylinder free to move and grow.

Schaefer and Turek, "Benchmark computations of laminar flow around a cylinder" (1996). Reference values at Reynolds
number 20 and the cylinder at (0.2, 0.2) with radius 0.05: drag coefficient 5.57953523384, lift coefficient
0.010618948146, pressure drop 0.11752016697.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import netgen.occ as occ
import ngsolve as ng
import numpy as np
import pyvista as pv
from numpy.typing import NDArray

from tramontane.case import Case, Provenance
from tramontane.contract import Contract, DomainSpec, FieldSpec, ParameterSpec, QoiSpec
from tramontane.design import Design
from tramontane.errors import SolverError
from tramontane.solvers.common import quarters, stated_design

LENGTH, HEIGHT = 2.2, 0.41
"""Of the channel, m."""
VISCOSITY, DENSITY = 1e-3, 1.0
"""Kinematic viscosity, m2/s, and density, kg/m3."""

_ORDER = 4
_MAX_STEPS = 20
_DEPTH = 0.05  # of the prism that stands for the cylinder as a geometry, m
_SEGMENTS = 256
_GAP = 0.02  # least distance of the cylinder from the channel's walls, m

# Between Reynolds numbers 5 and 40 the drag grows with a power of 1.25 to 1.53 of the Reynolds number.
_PRESSURE = FieldSpec(unit="Pa", scales_with={"reynolds": 1.5})

CONTRACT = Contract(
    name="cylinder",
    parameters={
        "reynolds": ParameterSpec(low=5.0, high=40.0, role="operating"),
        "centre_x": ParameterSpec(unit="m", low=0.15, high=0.30, role="geometry"),
        "centre_y": ParameterSpec(unit="m", low=0.15, high=0.26, role="geometry"),
        "radius": ParameterSpec(unit="m", low=0.03, high=0.07, role="geometry"),
    },
    domains={
        "surface": DomainSpec(side="on"),
        "volume": DomainSpec(side="outside", low=(0.0, 0.0, 0.0), high=(LENGTH, HEIGHT, 0.0)),
    },
    fields={
        "surface": {
            "pressure": _PRESSURE,
            "wall_shear_stress": FieldSpec(unit="Pa", components=3, scales_with={"reynolds": 1.5}),
        },
        "volume": {
            "velocity": FieldSpec(unit="m/s", components=3, scales_with={"reynolds": 1.0}),
            "pressure": _PRESSURE,
        },
    },
    qoi={
        "drag": QoiSpec(unit="N/m"),
        "lift": QoiSpec(unit="N/m"),
        "drag_coefficient": QoiSpec(),
        "lift_coefficient": QoiSpec(),
        "pressure_drop": QoiSpec(unit="Pa"),
    },
)


class Cylinder:
    """Steady incompressible Navier-Stokes flow past a circular cylinder between two walls, in two dimensions.

    The fluid enters with a parabolic profile whose mean speed follows from the Reynolds number, ``speed = reynolds
    viscosity / diameter``, and leaves freely. Drag and lift are forces per metre of the cylinder, the coefficients are
    made with the mean speed and the diameter, the pressure drop is between the cylinder's foremost and rearmost point.

    Args:
        refinement: Divides every mesh size.
    """

    def __init__(self, *, refinement: float = 1.0) -> None:
        self.refinement = refinement

    @property
    def contract(self) -> Contract:
        """Reynolds number, position and radius in; velocity, pressure, wall shear stress and forces out."""
        return CONTRACT

    def simulate(self, design: Design) -> Case:
        """The case of one design; its position and radius are asked, a geometry it may have is not used.

        Raises:
            ContractError: A parameter is missing, unknown or in a wrong unit.
            SolverError: The cylinder does not fit into the channel, or no steady flow was found.
        """
        values = CONTRACT.values(design.with_geometry(None))
        x, y, radius, reynolds = (values[name] for name in ("centre_x", "centre_y", "radius", "reynolds"))
        _check(x, y, radius, reynolds)
        speed = reynolds * VISCOSITY / (2 * radius)
        flow = _solve(_mesh(x, y, radius, self.refinement), speed)
        surface = _wall(flow, x, y)
        angle = np.arctan2(surface.points[:, 1] - y, surface.points[:, 0] - x)
        pressure = surface.point_data["pressure"]
        drop = pressure[np.argmax(np.abs(angle))] - pressure[np.argmin(np.abs(angle))]
        drag, lift = flow.force
        dynamic = 0.5 * DENSITY * speed**2 * 2 * radius
        return Case(
            name="cylinder",
            design=stated_design(_prism(x, y, radius), CONTRACT, values),
            meshes={"surface": surface, "volume": _plane(flow)},
            qoi={
                "drag": drag,
                "lift": lift,
                "drag_coefficient": drag / dynamic,
                "lift_coefficient": lift / dynamic,
                "pressure_drop": float(drop),
            },
            field_units={name: spec.unit for fields in CONTRACT.fields.values() for name, spec in fields.items()},
            qoi_units={name: spec.unit for name, spec in CONTRACT.qoi.items()},
            provenance=Provenance(
                solver="NGSolve steady Navier-Stokes",
                version=str(ng.__version__),
                extra={"cells": flow.mesh.ne, "order": _ORDER, "newton_steps": flow.steps, "mean_speed": speed},
            ),
        )


@dataclass(frozen=True)
class _Flow:
    mesh: Any
    velocity: Any
    pressure: Any
    force: tuple[float, float]
    steps: int


def _check(x: float, y: float, radius: float, reynolds: float) -> None:
    if reynolds <= 0:
        raise SolverError(f"reynolds is {reynolds:.4g}; give one above zero")
    if radius <= 0:
        raise SolverError(f"radius is {radius:.4g} m; give one above zero")
    for name, at, size in (("centre_x", x, LENGTH), ("centre_y", y, HEIGHT)):
        low, high = radius + _GAP, size - radius - _GAP
        if not low <= at <= high:
            raise SolverError(f"{name} is {at:.4g} m; a cylinder of radius {radius:.4g} m fits between {low:.4g} and "
                              f"{high:.4g} m")  # fmt: skip


def _mesh(x: float, y: float, radius: float, refinement: float) -> Any:
    """Curved triangles, finer at the cylinder, whose foremost and rearmost points are vertices."""
    disc = occ.WorkPlane().MoveTo(x + radius, y).Direction(0, 1).Arc(radius, 180).Arc(radius, 180).Face()
    fluid = occ.WorkPlane().Rectangle(LENGTH, HEIGHT).Face() - disc
    fluid.edges.name = "cylinder"
    fluid.edges.Min(occ.X).name = "inlet"
    fluid.edges.Max(occ.X).name = "outlet"
    fluid.edges.Min(occ.Y).name = fluid.edges.Max(occ.Y).name = "wall"
    fluid.edges["cylinder"].maxh = 0.15 * radius / refinement
    try:
        geometry = occ.OCCGeometry(fluid, dim=2)
        mesh = ng.Mesh(geometry.GenerateMesh(maxh=0.06 / refinement, minedgelen=None, parallel_meshing=False))
    except (ng.NgException, RuntimeError) as error:
        raise SolverError(f"Netgen cannot mesh the channel ({str(error).strip()}); move the cylinder") from error
    return mesh.Curve(_ORDER)


def _solve(mesh: Any, speed: float) -> _Flow:
    """Taylor-Hood elements, Newton's method from the Stokes flow; forces from the residual of the weak form.

    The residual tested with a function that is one on the cylinder is the force on it, and converges at twice the rate
    of an integral of the stress over the wall (Babuska and Miller, 1984).
    """
    velocities = ng.VectorH1(mesh, order=_ORDER, dirichlet="inlet|wall|cylinder")
    space = velocities * ng.H1(mesh, order=_ORDER - 1)
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
    except ng.NgException as error:
        raise SolverError(f"Navier-Stokes: the equations cannot be solved ({str(error).strip()})") from error
    if not change.Norm() <= 1e-10 * state.vec.Norm():
        raise SolverError(f"Navier-Stokes: no steady flow found in {steps} Newton steps; lower the Reynolds number")
    form.Apply(state.vec, residual)
    force = []
    for direction in ((1.0, 0.0), (0.0, 1.0)):
        test = ng.GridFunction(space)
        test.components[0].Set(ng.CF(direction), definedon=mesh.Boundaries("cylinder"))
        force.append(-DENSITY * float(ng.InnerProduct(residual, test.vec)))
    return _Flow(mesh, state.components[0], state.components[1], (force[0], force[1]), steps)


def _plane(flow: _Flow) -> pv.UnstructuredGrid:
    """The flow on triangles at z = 0, each element in four."""
    points, nodes, triangles = quarters(flow.mesh)
    rule = ng.IntegrationRule([(1, 0), (0, 1), (0, 0), (0, 0.5), (0.5, 0), (0.5, 0.5)], [1.0 / 12] * 6)
    places = flow.mesh.MapToAllElements(rule, ng.VOL)
    values = np.zeros((len(points), 5))
    values[nodes.ravel()] = ng.CF((ng.x, ng.y, flow.velocity, flow.pressure))(places)
    plane = pv.UnstructuredGrid({pv.CellType.TRIANGLE: triangles}, _in_space(values[:, :2]))
    plane.point_data["velocity"] = _in_space(values[:, 2:4])
    plane.point_data["pressure"] = DENSITY * values[:, 4]
    return plane


def _wall(flow: _Flow, x: float, y: float) -> pv.PolyData:
    """Pressure and wall shear stress (the force of the fluid on the wall, per area) on the cylinder's outline."""
    wall = flow.mesh.Boundaries("cylinder")
    shear = ng.GridFunction(ng.VectorH1(flow.mesh, order=_ORDER - 1))
    gradient = ng.BoundaryFromVolumeCF(ng.Grad(flow.velocity))
    outward = ng.CF((ng.x - x, ng.y - y)) / ng.sqrt((ng.x - x) ** 2 + (ng.y - y) ** 2)
    shear.Set(VISCOSITY * (gradient + gradient.trans) * outward, definedon=wall)
    rule = ng.IntegrationRule([(0,), (0.5,), (1,)], [1.0 / 3] * 3)
    values = ng.CF((ng.x, ng.y, flow.pressure, shear))(flow.mesh.MapToAllElements(rule, wall))
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


def _prism(x: float, y: float, radius: float) -> pv.PolyData:
    """The cylinder as a closed surface, ``_DEPTH`` thick about z = 0."""
    angle = 2 * np.pi * np.arange(_SEGMENTS) / _SEGMENTS
    ring = np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], 1)
    rings = [np.column_stack([np.vstack([ring, [x, y]]), np.full(_SEGMENTS + 1, z)]) for z in (-_DEPTH / 2, _DEPTH / 2)]
    k = np.arange(_SEGMENTS)
    following, top, hub = np.roll(k, -1), _SEGMENTS + 1, np.full(_SEGMENTS, _SEGMENTS)
    triangles = ((k, following, following + top), (k, following + top, k + top), (following, k, hub),
                 (k + top, following + top, hub + top))  # fmt: skip
    return pv.PolyData.from_regular_faces(np.vstack(rings), np.concatenate([np.stack(t, 1) for t in triangles]))


def _in_space(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack([plane, np.zeros(len(plane))])
