"""Steady laminar flow past bodies of many forms in a channel: from ellipses to rounded boxes, at an incidence."""

from __future__ import annotations

import numpy as np
import pyvista as pv
from numpy.typing import NDArray

from tramontane.case import Case
from tramontane.contract import Contract, ParameterSpec, QoiSpec
from tramontane.design import Design
from tramontane.errors import SolverError
from tramontane.io.lazy_modules import lazy_module
from tramontane.solvers import channel
from tramontane.solvers.channel import DENSITY, HEIGHT, VISCOSITY
from tramontane.solvers.common import dimensions_of, stated_design
from tramontane.solvers.entry import SolverEntry

occ = lazy_module("netgen.occ")

CENTRE = (0.4, 0.205)
"""Where the bodies' centres lie, m."""
_SEGMENTS = 256
_GAP = 0.02  # least distance of a body from the channel's walls, m
_THROUGH = 48  # points that the outline's spline goes through

CONTRACT = Contract(
    name="bodies",
    parameters={
        "reynolds": ParameterSpec(low=5.0, high=40.0, role="operating"),
        "length": ParameterSpec(unit="m", low=0.10, high=0.20, role="geometry"),
        "height": ParameterSpec(unit="m", low=0.05, high=0.12, role="geometry"),
        "exponent": ParameterSpec(low=2.0, high=5.0, role="geometry"),
        "incidence": ParameterSpec(unit="deg", low=-0.35, high=0.35, role="geometry"),
    },
    domains=channel.DOMAINS,
    fields=channel.FIELDS,
    qoi={"drag": QoiSpec(unit="N/m"), "lift": QoiSpec(unit="N/m")},
)


class Bodies:
    """Steady incompressible Navier-Stokes flow past a superellipse between two walls, in two dimensions.

    The outline is ``|x / a|^n + |y / b|^n = 1``, turned nose up by the incidence: an ellipse for n = 2, a box with
    round corners for n = 5. The fluid enters with a parabolic profile whose mean speed follows from the Reynolds number
    and the body's height, ``speed = reynolds viscosity / height``. Drag and lift are forces per metre of the body.

    Args:
        refinement: Divides every mesh size.
    """

    def __init__(self, *, refinement: float = 1.0) -> None:
        self.refinement = refinement

    @property
    def contract(self) -> Contract:
        """Reynolds number, length, height, exponent and incidence in; velocity, pressure, wall shear and forces out."""
        return CONTRACT

    def simulate(self, design: Design) -> Case:
        """The case of one design; its dimensions are asked, a geometry it may have is not used.

        Raises:
            ContractError: A parameter is missing, unknown or in a wrong unit.
            SolverError: The body does not fit into the channel, or no steady flow was found.
        """
        values = CONTRACT.values(design.with_geometry(None))
        if values["reynolds"] <= 0:
            raise SolverError(f"reynolds is {values['reynolds']:.4g}; give one above zero")
        ring = _ring(values)
        speed = values["reynolds"] * VISCOSITY / values["height"]
        through = outline(values, _THROUGH)
        spline = occ.SplineApproximation([occ.Pnt(x, y, 0) for x, y in (*through, through[0])], tol=1e-6)
        face = occ.Face(occ.Wire([spline]))
        flow = channel.solve(channel.mesh_channel(face, 0.1 * values["height"], self.refinement), speed)
        drag, lift = flow.force
        design = stated_design(channel.prism(ring, *CENTRE), CONTRACT, values)
        surface = channel.wall(flow, *CENTRE)
        return channel.case_of(CONTRACT, design, flow, surface, speed, {"drag": drag, "lift": lift}, density=DENSITY)

    def geometry(self, design: Design) -> pv.PolyData:
        """The body's surface, metres; see `tramontane.simulator.Parametric`."""
        return channel.prism(_ring(dimensions_of(CONTRACT, design)), *CENTRE)


def _ring(values: dict[str, float]) -> NDArray[np.float64]:
    """The outline of a body that can be built."""
    for name in ("length", "height", "exponent"):
        if values[name] <= 0:
            raise SolverError(f"{name} is {values[name]:.4g}; give one above zero")
    ring = outline(values, _SEGMENTS)
    if not (ring[:, 1].min() > _GAP and ring[:, 1].max() < HEIGHT - _GAP):
        raise SolverError("the body does not fit into the channel; make it smaller, or its incidence")
    return ring


def outline(values: dict[str, float], count: int) -> NDArray[np.float64]:
    """Points ``(count, 2)`` of a body's outline, anticlockwise, evenly spaced along it, m."""
    turn = np.linspace(0, 2 * np.pi, 100 * count + 1)
    power = 2 / values["exponent"]
    x = values["length"] / 2 * np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** power
    y = values["height"] / 2 * np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** power
    along = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
    at = along[-1] * np.arange(count) / count
    x, y = np.interp(at, along, x), np.interp(at, along, y)
    cos, sin = np.cos(values["incidence"]), np.sin(values["incidence"])
    # Nose up: the front, at negative x, rises.
    return np.stack([CENTRE[0] + cos * x + sin * y, CENTRE[1] - sin * x + cos * y], 1)


SOLVER = SolverEntry(
    "bodies",
    "laminar flow past bodies of many forms",
    Bodies,
    extra="solve",
    requires=("ngsolve", "netgen"),
)
