"""A steel angle bracket with a gusset rib, bolted down and pulled at a hole: CAD, mesh and linear elasticity.

The shape has no sharp re-entrant edge: the bend is filleted, and the rib meets the plates in a fillet that runs around
it, feet included. Bolts hold the walls of their holes elastically. So the maximum stress is finite and converges.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import pyvista as pv
from numpy.typing import NDArray

from tramontane.case import Case, Provenance
from tramontane.contract import Contract, DomainSpec, FieldSpec, ParameterSpec, QoiSpec
from tramontane.design import Design
from tramontane.errors import SolverError
from tramontane.io.lazy_modules import lazy_module
from tramontane.qoi import QoiDefinition
from tramontane.quantities import von_mises
from tramontane.solvers import elasticity
from tramontane.solvers.common import dimensions_of, refined_surface, stated_design, tetrahedra
from tramontane.solvers.elasticity import STEEL
from tramontane.solvers.entry import SolverEntry

occ = lazy_module("netgen.occ")
ng = lazy_module("ngsolve")
meshing = lazy_module("netgen.meshing")

BOLT_STIFFNESS = 2e13
"""N/m3: what holds the wall of a bolt hole gives way like 10 mm of steel."""

_MM = 1e-3
_FIELDS = {
    "displacement": FieldSpec(unit="m", components=3, scales_with={"load": 1.0}),
    "stress": FieldSpec(unit="Pa", components=6, scales_with={"load": 1.0}),
    "von_mises": FieldSpec(unit="Pa", scales_with={"load": 1.0}),
}


def _mm(low: float, high: float) -> ParameterSpec:
    return ParameterSpec(unit="mm", low=low * _MM, high=high * _MM, role="geometry")


CONTRACT = Contract(
    name="bracket",
    parameters={
        "base_length": _mm(70, 120),
        "width": _mm(70, 110),
        "height": _mm(70, 120),
        "thickness": _mm(4, 8),
        "upright_angle": ParameterSpec(unit="deg", low=math.radians(80), high=math.radians(105), role="geometry"),
        "fillet_radius": _mm(6, 10),
        "hole_radius": _mm(3, 5),
        "rib_length": _mm(12, 25),
        "rib_thickness": _mm(4, 10),
        "load": ParameterSpec(unit="N", low=100.0, high=1000.0, role="operating"),
    },
    domains={"surface": DomainSpec(side="on"), "volume": DomainSpec(side="inside")},
    fields={"surface": _FIELDS, "volume": _FIELDS},
    qoi={
        "max_von_mises": QoiSpec(unit="Pa", definition=QoiDefinition(kind="max", domain="volume", field="von_mises")),
        "max_displacement": QoiSpec(
            unit="m", definition=QoiDefinition(kind="max", domain="volume", field="displacement")
        ),
        "mass": QoiSpec(unit="kg", definition=QoiDefinition(kind="volume", factor=STEEL.density)),
    },
)


class Bracket:
    """Static deflection of a bolted angle bracket whose upright is pulled away from its base.

    The base plate lies on z = 0 from the bend along +x, the upright leaves it at ``upright_angle``, a rib of leg
    ``rib_length`` stands between them. Four bolts hold the walls of their holes; the load pulls at the wall of the
    upright's hole in the direction -x, spread evenly. Steel, small deflections.

    Args:
        refinement: Divides every mesh size; 1 gives about 8,000 second-order tetrahedra.
    """

    def __init__(self, *, refinement: float = 1.0) -> None:
        self.refinement = refinement

    @property
    def contract(self) -> Contract:
        """Nine dimensions and a load in; displacement, stress, their maxima and the mass out."""
        return CONTRACT

    def simulate(self, design: Design) -> Case:
        """The case of one design; its dimensions are asked, a geometry it may have is not used.

        Raises:
            ContractError: A parameter is missing, unknown or in a wrong unit.
            SolverError: No such bracket can be built or meshed; the message says why.
        """
        values = CONTRACT.values(design.with_geometry(None))
        load = values["load"]
        shape = build(Dimensions(**{name: value for name, value in values.items() if name != "load"}))
        mesh = _mesh(shape, values["fillet_radius"], self.refinement)
        hole = ng.Integrate(ng.CF(1.0), mesh, ng.BND, definedon=mesh.Boundaries("pulled"))
        solution = elasticity.solve(
            mesh, STEEL, traction={"pulled": (-load / hole, 0.0, 0.0)}, bedding={"bolt": BOLT_STIFFNESS}
        )
        points, cells, faces = tetrahedra(mesh)
        stress = elasticity.vertex_stress(solution)
        fields = {
            "displacement": elasticity.vertex_displacement(solution),
            "stress": stress,
            "von_mises": von_mises(stress),
        }
        geometry = pv.PolyData.from_regular_faces(*refined_surface(mesh))
        return Case(
            name="bracket",
            design=stated_design(geometry, CONTRACT, values),
            meshes=_meshes(points, cells, faces, fields),
            qoi={
                "max_von_mises": float(fields["von_mises"].max()),
                "max_displacement": float(np.linalg.norm(fields["displacement"], axis=1).max()),
                "mass": STEEL.density * float(shape.mass),
            },
            field_units={name: spec.unit for name, spec in _FIELDS.items()},
            qoi_units={name: spec.unit for name, spec in CONTRACT.qoi.items()},
            provenance=Provenance(
                solver="NGSolve linear elasticity",
                version=str(ng.__version__),
                extra={"cells": len(cells), "points": len(points), "order": 2, "reaction": list(solution.reaction)},
            ),
        )

    def geometry(self, design: Design) -> pv.PolyData:
        """The bracket's surface, metres; see `tramontane.simulator.Parametric`."""
        values = dimensions_of(CONTRACT, design)
        shape = build(Dimensions(**values))
        surface = _mesh(shape, values["fillet_radius"], self.refinement, solid=False)
        return pv.PolyData.from_regular_faces(*refined_surface(surface))


class Dimensions(NamedTuple):
    """Of a bracket, in metres and radian, named as in the contract."""

    base_length: float
    width: float
    height: float
    thickness: float
    upright_angle: float
    fillet_radius: float
    hole_radius: float
    rib_length: float
    rib_thickness: float


def _check(d: Dimensions) -> None:
    """Say why a bracket cannot be built; lengths in millimetres."""
    if not math.radians(30) <= d.upright_angle <= math.radians(150):
        raise SolverError(f"upright_angle is {math.degrees(d.upright_angle):.4g} deg; give one of 30 to 150 deg")
    for name, value in d._asdict().items():
        if value <= 0:
            raise SolverError(f"{name} is {value:.4g} mm; give one above zero")
    foot = d.rib_thickness / 2 + d.fillet_radius / 2
    bend = (d.fillet_radius + d.thickness) / math.tan(d.upright_angle / 2)
    demands = (
        ("rib_length", d.rib_length, d.rib_thickness, "rib_thickness, or the rib has no straight part"),
        ("width", d.width, 4 * (d.hole_radius + max(foot, d.hole_radius) + 1),
         "4 (hole_radius + rib foot), or the bolt holes meet the rib or the edge"),
        ("height", d.height, bend + d.rib_length + d.fillet_radius / 2 + 3.5 * d.hole_radius + 1,
         "bend + rib + 3.5 hole_radius, or the pulled hole meets the rib"),
        ("base_length", d.base_length, bend + max(5.8 * d.hole_radius, d.rib_length + d.fillet_radius / 2) + 1,
         "bend + bolt holes or rib, or they do not fit on the base"),
    )  # fmt: skip
    for name, value, least, why in demands:
        if value < least:
            raise SolverError(f"{name} is {value:.4g} mm and must be at least {least:.4g} mm: {why}")


def build(dimensions: Dimensions) -> Any:
    """The bracket as an Open CASCADE solid in metres, its faces named ``bolt``, ``pulled``, ``toe`` where they matter.

    Raises:
        SolverError: The dimensions contradict each other, or Open CASCADE cannot build the shape.
    """
    # Open CASCADE's tolerances are made for millimetres.
    d = Dimensions(*(v if n == "upright_angle" else v / _MM for n, v in dimensions._asdict().items()))
    _check(d)
    try:
        solid = _drilled(occ.Fuse([_plates(d), *_rib(d)]).UnifySameDomain(), d)
    except occ.OCCException as error:
        raise SolverError(
            f"Open CASCADE cannot build the bracket ({str(error).strip()}); change a dimension"
        ) from error
    if len(solid.solids) != 1:
        raise SolverError(f"the bracket falls into {len(solid.solids)} solids; change a dimension")
    return solid.Scale(occ.Pnt(0, 0, 0), _MM)


def _bend(d: Dimensions) -> float:
    """Distance from the corner of the outer faces to where the bend begins, on either plate."""
    return (d.fillet_radius + d.thickness) / math.tan(d.upright_angle / 2)


def _bisector(d: Dimensions) -> NDArray[np.float64]:
    """Unit vector (x, z) from the corner of the outer faces along the plane in which base and upright mirror."""
    return np.array([math.cos(d.upright_angle / 2), math.sin(d.upright_angle / 2)])


def _mirrored(point: NDArray[np.float64], d: Dimensions) -> NDArray[np.float64]:
    return 2 * (point @ _bisector(d)) * _bisector(d) - point


def _point(xz: NDArray[np.float64]) -> Any:
    return occ.Pnt(float(xz[0]), 0.0, float(xz[1]))


def _face(*path: Any) -> Any:
    """A plane face inside a closed path: two points in a row are joined by a line, or by an arc through a third in a
    tuple between them."""
    edges = []
    for k, start in enumerate(path):
        if isinstance(start, tuple):
            continue
        end = path[(k + 1) % len(path)]
        if isinstance(end, tuple):
            edges.append(occ.ArcOfCircle(start, end[0], path[(k + 2) % len(path)]))
        else:
            edges.append(occ.Segment(start, end))
    return occ.Face(occ.Wire(edges))


def _across(profile: Any, width: float) -> Any:
    """A profile in the plane y = 0, drawn out to ``width`` symmetrically."""
    return profile.Extrude(width * occ.Vec(0, 1, 0)).Move((0, -width / 2, 0))


def _plates(d: Dimensions) -> Any:
    """Base, upright and the bend between them, without holes."""
    bend, centre = _bend(d), np.array([_bend(d), d.thickness + d.fillet_radius])
    outer, inner = np.array([bend, 0.0]), np.array([bend, d.thickness])
    foot = [np.array([d.base_length, z]) for z in (0.0, d.thickness)]
    head = [_mirrored(np.array([d.height, z]), d) for z in (d.thickness, 0.0)]
    inner_arc = centre - d.fillet_radius * _bisector(d)
    outer_arc = centre - (d.fillet_radius + d.thickness) * _bisector(d)
    profile = _face(
        _point(outer), *map(_point, foot), _point(inner), (_point(inner_arc),), _point(_mirrored(inner, d)),
        *map(_point, head), _point(_mirrored(outer, d)), (_point(outer_arc),),
    )  # fmt: skip
    return _across(profile, d.width)


def _rib(d: Dimensions) -> list[Any]:
    """The rib's parts: a web, and around its root a fillet of half the bend's radius, swept along base, bend and
    upright and revolved around both feet. Each touches the plates tangentially, so no re-entrant edge is left."""
    weld, half = d.fillet_radius / 2, d.rib_thickness / 2
    t, bend, sink = d.thickness, _bend(d), d.thickness / 2
    end = bend + d.rib_length - half  # centre of the rounded foot
    slope = 1 / math.tan(d.upright_angle / 2)
    # The rib's free edge passes above the whole fillet of the foot, or it would cut a notch into it.
    top = np.array([end, t + weld * max(1.0, slope) + 1.0 + half * slope])
    arc = weld * (1 - math.sqrt(0.5))

    def at(x: float, y: float, z: float) -> Any:
        return occ.Pnt(x, y, t + z)

    section = _face(
        at(bend, -half - weld, -sink), at(bend, half + weld, -sink), at(bend, half + weld, 0),
        (at(bend, half + arc, arc),), at(bend, half, weld), at(bend, -half, weld),
        (at(bend, -half - arc, arc),), at(bend, -half - weld, 0),
    )  # fmt: skip
    centre = np.array([bend, t + d.fillet_radius])
    swept = section.Revolve(occ.Axis(_point(centre), occ.Dir(0, 1, 0)), 180 - math.degrees(d.upright_angle))
    straight = section.Extrude((end - bend) * occ.Vec(1, 0, 0))

    tall = float(top[1]) - t + half * slope
    outline = _face(
        at(end, 0, -sink), at(end + half + weld, 0, -sink), at(end + half + weld, 0, 0),
        (at(end + half + arc, 0, arc),), at(end + half, 0, weld), at(end + half, 0, tall), at(end, 0, tall),
    )  # fmt: skip
    axis = occ.Axis(at(end, 0, 0), occ.Z)
    toe = outline.Revolve(axis, 90) + outline.Revolve(axis, -90)
    across = np.array([-_bisector(d)[1], _bisector(d)[0]])
    reach = 10 * d.rib_length
    edge = [top + reach * across, top - reach * across]
    above = _face(*map(_point, (edge[0], edge[1], edge[1] + reach * _bisector(d), edge[0] + reach * _bisector(d))))
    toe = toe - _across(above, 4 * (half + weld))
    toe.faces.name = "toe"

    deep, deep_end = np.array([bend, t - sink]), np.array([end, t - sink])
    deep_arc = centre - (d.fillet_radius + sink) * _bisector(d)
    web = _face(
        *map(_point, (deep_end, top, _mirrored(top, d), _mirrored(deep_end, d), _mirrored(deep, d))),
        (_point(deep_arc),), _point(deep),
    )  # fmt: skip
    plane = occ.Axes(occ.Pnt(0, 0, 0), occ.Dir(float(across[0]), 0, float(across[1])))
    return [_across(web, d.rib_thickness), swept, straight, toe, straight.Mirror(plane), toe.Mirror(plane)]


def _drilled(solid: Any, d: Dimensions) -> Any:
    """Two rows of bolt holes in the base and the pulled hole in the upright."""
    bolts = [
        occ.Cylinder(occ.Pnt(x, y, -1), occ.Z, d.hole_radius, d.thickness + 2)
        for x in (_bend(d) + 1.6 * d.hole_radius, d.base_length - 2.2 * d.hole_radius)
        for y in (-d.width / 4, d.width / 4)
    ]
    for bolt in bolts:
        bolt.faces.name = "bolt"
        solid = solid - bolt
    start = _mirrored(np.array([d.height - 2.5 * d.hole_radius, -1.0]), d)
    inward = _mirrored(np.array([0.0, 1.0]), d)
    pin = occ.Cylinder(_point(start), occ.Dir(float(inward[0]), 0, float(inward[1])), d.hole_radius, d.thickness + 2)
    pin.faces.name = "pulled"
    return solid - pin


def _mesh(shape: Any, fillet_radius: float, refinement: float, *, solid: bool = True) -> Any:
    """Second-order curved tetrahedra, finest around the rib's feet, where the stress has its maximum; or, where
    ``solid`` is not wanted, the triangles of their surface."""
    shape.faces["toe"].maxh = 0.125 * fillet_radius / refinement
    try:
        mesh = ng.Mesh(
            occ.OCCGeometry(shape).GenerateMesh(
                maxh=6 * _MM / refinement,
                curvaturesafety=1.5 * refinement,
                grading=0.5,
                closeedgefac=None,
                minedgelen=None,
                parallel_meshing=False,  # its threads wait in busy loops: three times slower, same mesh
                perfstepsend=meshing.MeshingStep.MESHVOLUME if solid else meshing.MeshingStep.MESHSURFACE,
            )
        )
    except (meshing.NgException, RuntimeError) as error:
        raise SolverError(f"Netgen cannot mesh the bracket ({str(error).strip()}); change a dimension") from error
    if {"bolt", "pulled"} - set(mesh.GetBoundaries()) or (solid and mesh.ne == 0):
        raise SolverError("Netgen left the bracket without its holes or without cells; change a dimension")
    return mesh.Curve(2)


def _meshes(
    points: NDArray[np.float64],
    cells: NDArray[np.int64],
    faces: NDArray[np.int64],
    fields: dict[str, NDArray[np.float64]],
) -> dict[str, pv.DataSet]:
    """The volume's tetrahedra and the surface's triangles with the same values at the same points."""
    volume = pv.UnstructuredGrid({pv.CellType.TETRA: cells}, points)
    used, inverse = np.unique(faces, return_inverse=True)
    surface = pv.PolyData.from_regular_faces(points[used], inverse.reshape(-1, 3))
    for name, values in fields.items():
        volume.point_data[name] = values
        surface.point_data[name] = values[used]
    return {"surface": surface, "volume": volume}


SOLVER = SolverEntry(
    "bracket",
    "linear elasticity of bolted angle brackets",
    Bracket,
    extra="solve",
    requires=("ngsolve", "netgen"),
)
