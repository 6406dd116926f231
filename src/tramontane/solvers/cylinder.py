"""Steady laminar flow past a cylinder in a channel: the DFG benchmark 2D-1 with the cylinder free to move and grow.

Schaefer and Turek, "Benchmark computations of laminar flow around a cylinder" (1996). Reference values at Reynolds
number 20 and the cylinder at (0.2, 0.2) with radius 0.05: drag coefficient 5.57953523384, lift coefficient
0.010618948146, pressure drop 0.11752016697.
"""

from __future__ import annotations

import numpy as np
import pyvista as pv

from tramontane.case import Case
from tramontane.contract import Contract, ParameterSpec, QoiSpec
from tramontane.design import Design
from tramontane.errors import SolverError
from tramontane.io.lazy_modules import lazy_module
from tramontane.solvers import channel
from tramontane.solvers.channel import DENSITY, HEIGHT, LENGTH, VISCOSITY
from tramontane.solvers.common import dimensions_of, stated_design
from tramontane.solvers.entry import SolverEntry

occ = lazy_module("netgen.occ")

_SEGMENTS = 256
_GAP = 0.02  # least distance of the cylinder from the channel's walls, m

CONTRACT = Contract(
    name="cylinder",
    parameters={
        "reynolds": ParameterSpec(low=5.0, high=40.0, role="operating"),
        "centre_x": ParameterSpec(unit="m", low=0.15, high=0.30, role="geometry"),
        "centre_y": ParameterSpec(unit="m", low=0.15, high=0.26, role="geometry"),
        "radius": ParameterSpec(unit="m", low=0.03, high=0.07, role="geometry"),
    },
    domains=channel.DOMAINS,
    fields=channel.FIELDS,
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
        disc = occ.WorkPlane().MoveTo(x + radius, y).Direction(0, 1).Arc(radius, 180).Arc(radius, 180).Face()
        flow = channel.solve(channel.mesh_channel(disc, 0.15 * radius, self.refinement), speed)
        surface = channel.wall(flow, x, y)
        angle = np.arctan2(surface.points[:, 1] - y, surface.points[:, 0] - x)
        pressure = surface.point_data["pressure"]
        drop = pressure[np.argmax(np.abs(angle))] - pressure[np.argmin(np.abs(angle))]
        drag, lift = flow.force
        dynamic = 0.5 * DENSITY * speed**2 * 2 * radius
        qoi = {
            "drag": drag,
            "lift": lift,
            "drag_coefficient": drag / dynamic,
            "lift_coefficient": lift / dynamic,
            "pressure_drop": float(drop),
        }
        design = stated_design(_prism(x, y, radius), CONTRACT, values)
        return channel.case_of(CONTRACT, design, flow, surface, speed, qoi)

    def geometry(self, design: Design) -> pv.PolyData:
        """The cylinder's surface, metres; see `tramontane.simulator.Parametric`."""
        values = dimensions_of(CONTRACT, design)
        x, y, radius = (values[name] for name in ("centre_x", "centre_y", "radius"))
        _check_place(x, y, radius)
        return _prism(x, y, radius)


def _prism(x: float, y: float, radius: float) -> pv.PolyData:
    turn = 2 * np.pi * np.arange(_SEGMENTS) / _SEGMENTS
    return channel.prism(np.stack([x + radius * np.cos(turn), y + radius * np.sin(turn)], 1), x, y)


def _check(x: float, y: float, radius: float, reynolds: float) -> None:
    if reynolds <= 0:
        raise SolverError(f"reynolds is {reynolds:.4g}; give one above zero")
    _check_place(x, y, radius)


def _check_place(x: float, y: float, radius: float) -> None:
    if radius <= 0:
        raise SolverError(f"radius is {radius:.4g} m; give one above zero")
    for name, at, size in (("centre_x", x, LENGTH), ("centre_y", y, HEIGHT)):
        low, high = radius + _GAP, size - radius - _GAP
        if not low <= at <= high:
            raise SolverError(f"{name} is {at:.4g} m; a cylinder of radius {radius:.4g} m fits between {low:.4g} and "
                              f"{high:.4g} m")  # fmt: skip


SOLVER = SolverEntry(
    "cylinder",
    "laminar flow past a cylinder in a channel",
    Cylinder,
    extra="solve",
    requires=("ngsolve", "netgen"),
)
