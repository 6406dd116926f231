"""A steel angle bracket: a bolted base, an upright at an angle with a loaded hole, a filleted bend and a rib.

The base lies in the plane z = 0 and points along x, the upright leaves it at the outer corner, the origin; everything
is symmetric about y = 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import netgen.occ as occ
import ngsolve as ngs
import numpy as np
from netgen.meshing import NgException

from tramontane.case import Case, Provenance
from tramontane.contract import Contract, DomainSpec, FieldSpec, ParameterSpec, QoiSpec
from tramontane.design import Design
from tramontane.errors import SolverError
from tramontane.qoi import QoiDefinition
from tramontane.solvers.elasticity import (
    STEEL,
    boundary_mesh,
    boundary_triangles,
    curved_surface,
    solve_elasticity,
    volume_grid,
)

BOLT_RADIUS = 3.3e-3  # m, the free hole of an M6 bolt
BOLT_FROM_END = 12e-3  # m, from the end of the base to the centres of the bolts
EYE_MARGIN = 8e-3  # m, metal between the loaded hole and the upright's top
WELD_RADIUS = 2e-3  # m, fillet all around the rib: without it the stress at the rib's foot has no finite maximum
TOE_HEIGHT = 2.5 * WELD_RADIUS
RIB_REACH = 0.45  # length of the rib's legs over that of the plates' inner faces
BOLT_STIFFNESS = 1e13  # N/m3, about Young's modulus of steel over 20 mm of it
BEDDING_STIFFNESS = 1e12  # N/m3, normal to the underside; the bedding is linear and does not lift off


def _mm(low: float, high: float) -> ParameterSpec:
    return ParameterSpec(unit="mm", low=low * 1e-3, high=high * 1e-3, role="geometry")


def _contract() -> Contract:
    scaled = {"load": 1.0}
    fields = {
        "displacement": FieldSpec(unit="m", components=3, scales_with=scaled),
        "stress": FieldSpec(unit="Pa", components=6, scales_with=scaled),
        "von_mises": FieldSpec(unit="Pa", scales_with=scaled),
    }
    maximum = {
        name: QoiDefinition(kind="max", domain="volume", field=name.removeprefix("max_"))
        for name in ("max_von_mises", "max_displacement")
    }
    return Contract(
        name="bracket",
        parameters={
            "base_length": _mm(60, 100),
            "width": _mm(40, 60),
            "thickness": _mm(4, 8),
            "upright_height": _mm(60, 100),
            "angle": ParameterSpec(unit="deg", low=math.radians(75), high=math.radians(120), role="geometry"),
            "fillet_radius": _mm(2, 8),
            "hole_radius": _mm(3, 7),
            "rib_thickness": _mm(3, 8),
            "load": ParameterSpec(unit="N", low=100.0, high=1000.0, role="operating"),
        },
        domains={"surface": DomainSpec(side="on"), "volume": DomainSpec(side="inside")},
        fields={"surface": fields, "volume": fields},
        qoi={
            "max_von_mises": QoiSpec(unit="Pa", definition=maximum["max_von_mises"]),
            "max_displacement": QoiSpec(unit="m", definition=maximum["max_displacement"]),
            "mass": QoiSpec(unit="kg", definition=QoiDefinition(kind="volume", domain="", factor=STEEL.density)),
        },
    )


class Bracket:
    """Linear elasticity of the bracket, pulled at the upright's hole along -x.

    The bolts' holes stand on an elastic foundation in all directions and the underside on one along its normal, so
    that the largest stress is finite and settles as the mesh is refined.

    Args:
        element_size: Largest edge of an element in m.
        curvature: Elements per radius of curvature; larger is finer at fillets and holes.
    """

    def __init__(self, *, element_size: float = 7e-3, curvature: float = 2.0) -> None:
        self.element_size = element_size
        self.curvature = curvature
        self._contract = _contract()

    @property
    def contract(self) -> Contract:
        """What goes in and what comes out."""
        return self._contract

    def simulate(self, design: Design) -> Case:
        """Build, mesh and solve one bracket.

        Args:
            design: All parameters of the contract; a geometry beside them is replaced by the one they describe.

        Returns:
            The case; its design's geometry is the closed surface, its domains are `volume` (tetrahedra) and `surface`
            (their boundary), with fields at points.

        Raises:
            ContractError: A parameter is missing, unknown or in a wrong unit.
            SolverError: The parameters describe no bracket, or meshing or solving failed.
        """
        values = self._contract.values(design)
        if missing := [name for name in self._contract.parameters if name not in values]:
            raise SolverError(
                f"the bracket solver builds its geometry from parameters and {', '.join(missing)} is not given; "
                "give every parameter"
            )
        mesh = self._mesh(values)
        try:
            area = ngs.Integrate(ngs.CF(1.0), mesh, definedon=mesh.Boundaries("eye"))
            solution = solve_elasticity(
                mesh,
                STEEL,
                tractions={"eye": (-values["load"] / area, 0.0, 0.0)},
                foundations={"bolt": BOLT_STIFFNESS, "underside": (0.0, 0.0, BEDDING_STIFFNESS)},
            )
        except NgException as error:
            raise SolverError(f"solving the bracket failed: {str(error).strip().splitlines()[0]}") from error
        volume = volume_grid(mesh)
        volume.point_data["displacement"] = solution.displacement
        volume.point_data["stress"] = solution.stress
        volume.point_data["von_mises"] = solution.von_mises
        triangles = boundary_triangles(mesh)
        geometry = curved_surface(mesh, triangles)
        return Case(
            name="bracket",
            design=design.with_geometry(geometry),
            meshes={"surface": boundary_mesh(volume, triangles), "volume": volume},
            qoi={
                "max_von_mises": float(solution.von_mises.max()),
                "max_displacement": float(np.linalg.norm(solution.displacement, axis=1).max()),
                "mass": STEEL.density * float(geometry.volume),
            },
            field_units={"displacement": "m", "stress": "Pa", "von_mises": "Pa"},
            qoi_units={"max_von_mises": "Pa", "max_displacement": "m", "mass": "kg"},
            provenance=Provenance(
                solver="NGSolve",
                version=str(ngs.__version__),
                extra={
                    "elements": int(mesh.ne),
                    "unknowns": solution.unknowns,
                    "reaction": [float(component) for component in solution.reaction],
                },
            ),
        )

    def _mesh(self, values: Mapping[str, float]) -> Any:
        check_bracket(values)
        try:
            shape = bracket_shape(values)
            mesh = ngs.Mesh(
                occ.OCCGeometry(shape).GenerateMesh(
                    maxh=self.element_size, curvaturesafety=self.curvature, grading=0.4, optsteps3d=2
                )
            )
            mesh.Curve(2)
        except (NgException, RuntimeError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise SolverError(f"the bracket cannot be built or meshed: {reason}; change its dimensions") from error
        return mesh


class _Outline:
    """The bracket's lengths in the plane y = 0, m; points are ``(x, z)``."""

    def __init__(self, values: Mapping[str, float]) -> None:
        self.length, self.width = values["base_length"], values["width"]
        self.thickness, self.height = values["thickness"], values["upright_height"]
        self.angle, self.radius = values["angle"], values["fillet_radius"]
        self.eye, self.rib = values["hole_radius"], values["rib_thickness"]
        self.along = np.array([math.cos(self.angle), math.sin(self.angle)])  # up the upright
        self.inward = np.array([math.sin(self.angle), -math.cos(self.angle)])  # off the upright, to the base's side
        # The inner corner lies where the base's upper and the upright's inner plane would meet without the fillet.
        self.rise = self.thickness / math.tan(self.angle / 2)
        self.corner = self.thickness * self.inward + self.rise * self.along
        self.leg_base = RIB_REACH * (self.length - self.corner[0])
        self.leg_upright = RIB_REACH * (self.height - self.rise)
        self.tangent = self.radius / math.tan(self.angle / 2)  # from the inner corner to where the fillet ends
        self.eye_height = self.height - EYE_MARGIN - self.eye
        self.bolt_x = self.length - BOLT_FROM_END

    def inside_corner(self, base: float, upright: float) -> Any:
        """The point ``base`` along the base's upper face and ``upright`` up the upright's inner one."""
        return self.corner + base * np.array([1.0, 0.0]) + upright * self.along


def check_bracket(values: Mapping[str, float]) -> None:
    """Refuse dimensions that describe no bracket; Open CASCADE may end the process on such, not only raise.

    Args:
        values: The parameters in SI.

    Raises:
        SolverError: Some dimensions contradict each other; the message names them.
    """
    gap = 1e-3
    for name in values:
        if name != "load" and not values[name] > 0.0:
            raise SolverError(f"{name} = {values[name]:.6g} is not positive; give a positive dimension")
    if not math.radians(45) <= values["angle"] <= math.radians(150):
        raise SolverError(f"angle = {math.degrees(values['angle']):.6g} deg; give one from 45 to 150 deg")
    part = _Outline(values)
    bend = (part.radius + part.thickness) / math.tan(part.angle / 2)
    rib_end = part.corner[0] + part.leg_base + WELD_RADIUS
    rib_top = part.rise + part.leg_upright + WELD_RADIUS
    leg = min(part.leg_base, part.leg_upright)
    # a fact that must be positive, and what to change when it is not
    needs = {
        "fillet_radius is too large for the rib: lower it, or raise base_length or upright_height": leg
        - part.tangent
        - 2 * TOE_HEIGHT,
        "the bend takes up half of a plate: lower fillet_radius or thickness": min(part.length, part.height) / 2 - bend,
        "the rib reaches the bolts: raise base_length or lower thickness": part.bolt_x - BOLT_RADIUS - rib_end - gap,
        "the rib reaches the loaded hole: raise upright_height or lower hole_radius": part.eye_height
        - part.eye
        - rib_top
        - gap,
        "the loaded hole is too wide for the upright: lower hole_radius or raise width": part.width / 2
        - part.eye
        - 3 * gap,
        "the rib is too thick for the base: lower rib_thickness or raise width": part.width / 2
        - part.rib / 2
        - WELD_RADIUS
        - gap,
        "the bolts' holes break out of the base: raise width": part.width / 4 - BOLT_RADIUS - gap,
    }
    for reason, room in needs.items():
        if not room > 0.0:
            raise SolverError(f"no such bracket ({-room * 1e3:.3g} mm short): {reason}")


def bracket_shape(values: Mapping[str, float]) -> Any:
    """The bracket as an Open CASCADE solid in metres, with faces named `eye`, `bolt` and `underside`.

    Args:
        values: The parameters in SI, accepted by `check_bracket`.
    """
    part = _Outline(values)
    outer, top = np.zeros(2), part.height * part.along
    plates = _prism(
        [outer, (part.length, 0.0), (part.length, part.thickness), part.corner, top + part.thickness * part.inward, top],
        part.width,
    )
    plates = plates.MakeFillet(_edges_at(plates, [(part.corner, 0.0)]), part.radius)
    plates = plates.MakeFillet(_edges_at(plates, [(outer, 0.0)]), part.radius + part.thickness)
    for face in plates.faces:
        face.name = "underside" if abs(face.center.z) < 1e-9 else "plate"
    rib = _rib(part)
    for face in rib.faces:
        face.name = "rib"
    solid = plates + rib
    # Edges between the rib and the plates are those that a face of each shares.
    rib_edges = {_place(edge) for face in solid.faces if face.name == "rib" for edge in face.edges}
    plate_edges = {_place(edge): edge for face in solid.faces if face.name == "plate" for edge in face.edges}
    solid = solid.MakeFillet([edge for place, edge in plate_edges.items() if place in rib_edges], WELD_RADIUS)
    for side in (-1, 1):
        centre = occ.Pnt(part.bolt_x, side * part.width / 4, -part.thickness)
        solid = solid - _drill(centre, occ.Vec(0, 0, 1), BOLT_RADIUS, 3 * part.thickness, "bolt")
    x, z = part.eye_height * part.along - part.thickness * part.inward
    axis = occ.Vec(part.inward[0], 0, part.inward[1])
    return solid - _drill(occ.Pnt(x, 0, z), axis, part.eye, 3 * part.thickness, "eye")


def _rib(part: _Outline) -> Any:
    """The rib with rounded toes, sunk halfway into the plates so that the union has no coincident faces."""
    depth = part.thickness / 2
    foot, head = part.inside_corner(part.leg_base, 0.0), part.inside_corner(0.0, part.leg_upright)
    up, inward = np.array([0.0, 1.0]), part.inward
    towards_corner = -np.array([math.cos(part.angle / 2), math.sin(part.angle / 2)])
    centre = part.inside_corner(part.tangent, 0.0) + part.radius * up
    rib = _prism(
        [
            part.inside_corner(part.tangent, 0.0) - depth * up,
            foot - depth * up,
            foot + TOE_HEIGHT * up,
            head + TOE_HEIGHT * inward,
            head - depth * inward,
            part.inside_corner(0.0, part.tangent) - depth * inward,
            centre + (part.radius + depth) * towards_corner,
        ],
        part.rib,
    )
    middle = (TOE_HEIGHT - depth) / 2
    toes = [(at, side * part.rib / 2) for at in (foot + middle * up, head + middle * inward) for side in (-1, 1)]
    return rib.MakeFillet(_edges_at(rib, toes), 0.45 * part.rib)


def _prism(outline: list[Any], width: float) -> Any:
    """A polygon in the plane y = 0, extruded by half the width to both sides."""
    corners = [occ.Pnt(float(x), -width / 2, float(z)) for x, z in outline]
    sides = [occ.Segment(a, b) for a, b in zip(corners, corners[1:] + corners[:1], strict=True)]
    return occ.Face(occ.Wire(sides)).Extrude(occ.Vec(0, width, 0))


def _drill(start: Any, axis: Any, radius: float, length: float, name: str) -> Any:
    drill = occ.Cylinder(start, axis, radius, length)
    for face in drill.faces:
        face.name = name
    return drill


def _place(edge: Any) -> tuple[float, float, float]:
    """Where an edge is, the same for the two copies that its two faces hold."""
    return (round(edge.center.x, 8), round(edge.center.y, 8), round(edge.center.z, 8))


def _edges_at(solid: Any, places: list[tuple[Any, float]]) -> list[Any]:
    """The edges whose centres are at ``((x, z), y)``, each once."""
    wanted = {(round(float(at[0]), 8), round(y, 8), round(float(at[1]), 8)) for at, y in places}
    found = {
        place: edge
        for edge in solid.edges
        if any(math.dist(place := _place(edge), target) < 1e-7 for target in wanted)
    }
    if len(found) != len(wanted):
        raise SolverError(f"the bracket has {len(found)} of {len(wanted)} edges to be rounded; change its dimensions")
    return list(found.values())
