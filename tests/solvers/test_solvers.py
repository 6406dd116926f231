"""The embedded solvers against mechanics that is known: beams, Kirsch's hole, the DFG benchmark."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from tramontane.case import Case
from tramontane.design import Design
from tramontane.errors import ContractError, SolverError, TramontaneError
from tramontane.quantities import von_mises
from tramontane.simulator import Parametric
from tramontane.solvers import create, names

ng = pytest.importorskip("ngsolve", reason="pip install 'tramontane[solve]'")

from netgen import occ  # noqa: E402

from tramontane.solvers import elasticity  # noqa: E402
from tramontane.solvers.bracket import Bracket  # noqa: E402
from tramontane.solvers.common import tetrahedra  # noqa: E402
from tramontane.solvers.elasticity import STEEL  # noqa: E402

TYPICAL: dict[str, Any] = {
    "base_length": "90 mm", "width": "80 mm", "height": "9 cm", "thickness": "6 mm", "upright_angle": "90 deg",
    "fillet_radius": "8 mm", "hole_radius": "4 mm", "rib_length": "18 mm", "rib_thickness": "6 mm", "load": "500 N",
}  # fmt: skip


def box(x: float, y: float, z: float) -> Any:
    """A box from the origin, its faces named after the sides x0, x1, y0, ..."""
    solid = occ.Box(occ.Pnt(0, 0, 0), occ.Pnt(x, y, z))
    for axis, name in ((occ.X, "x"), (occ.Y, "y"), (occ.Z, "z")):
        solid.faces.Min(axis).name, solid.faces.Max(axis).name = f"{name}0", f"{name}1"
    return solid


def mesh_of(solid: Any, size: float, **options: Any) -> Any:
    geometry = occ.OCCGeometry(solid)
    return ng.Mesh(geometry.GenerateMesh(maxh=size, minedgelen=None, parallel_meshing=False, **options)).Curve(2)


@pytest.fixture(scope="module")
def bracket() -> Case:
    return create("bracket").simulate(Design(**TYPICAL))


@pytest.fixture(scope="module")
def benchmark() -> Case:
    return create("cylinder").simulate(Design(reynolds=20, centre_x="0.2 m", centre_y="20 cm", radius="50 mm"))


# -- elasticity --------------------------------------------------------------------------------------------------------


def test_a_cantilever_bends_as_timoshenko_says() -> None:
    length, height, width, force = 1.0, 0.1, 0.08, 1000.0
    mesh = mesh_of(box(length, width, height), 0.04)
    shear = (0.0, 0.0, -force / (width * height))
    solution = elasticity.solve(mesh, STEEL, traction={"x1": shear}, fixed=("x0", "x0", "x0"))

    points, _, _ = tetrahedra(mesh)
    deflection = -elasticity.vertex_displacement(solution)[points[:, 0] == length, 2].mean()
    inertia, shear_modulus = width * height**3 / 12, STEEL.young / (2 * (1 + STEEL.poisson))
    correction = 10 * (1 + STEEL.poisson) / (12 + 11 * STEEL.poisson)  # Cowper 1966
    expected = force * length**3 / (3 * STEEL.young * inertia) + force * length / (
        correction * shear_modulus * width * height
    )
    assert deflection == pytest.approx(expected, rel=0.01)

    # Far from the clamp the fibres on top carry M z / I.
    top = (points[:, 2] == height) & (points[:, 0] > 0.2) & (points[:, 0] < 0.8)
    bending = force * (length - points[top, 0]) * height / 2 / inertia
    assert elasticity.vertex_stress(solution)[top, 0] == pytest.approx(bending, rel=0.02)
    assert solution.reaction == pytest.approx((0.0, 0.0, force), abs=1e-6 * force)


def test_a_hole_in_a_plate_concentrates_stress_by_three() -> None:
    # A quarter of a plate in plane strain (Kirsch 1898); for this width Heywood's formula gives 3.03 instead of 3.
    radius, half, tension = 1.0, 10.0, 1e6
    hole = occ.Cylinder(occ.Pnt(0, 0, -1), occ.Z, radius, 3)
    hole.faces.name = "hole"
    plate = box(half, half, 0.5) - hole
    plate.faces["hole"].maxh = 0.2
    mesh = mesh_of(plate, 3.0, grading=0.4)
    solution = elasticity.solve(mesh, STEEL, traction={"x1": (tension, 0.0, 0.0)}, fixed=("x0", "y0", "z0|z1"))
    points, _, _ = tetrahedra(mesh)
    stress = elasticity.vertex_stress(solution)
    share = 1 - radius / half
    across = np.hypot(points[:, 0], points[:, 1] - radius) < 1e-9
    along = np.hypot(points[:, 0] - radius, points[:, 1]) < 1e-9
    assert stress[across, 0].mean() / tension == pytest.approx((2 + share**3) / share, rel=0.02)
    assert stress[along, 1].mean() / tension == pytest.approx(-1.0, abs=0.1)


def test_von_mises_is_the_yield_stress_in_tension_and_root_three_times_the_shear() -> None:
    stress = np.array([[5.0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 5.0, 0], [7.0, 7.0, 7.0, 0, 0, 0]])
    assert von_mises(stress) == pytest.approx([5.0, 5.0 * 3**0.5, 0.0])


def test_a_body_that_nothing_holds_is_refused() -> None:
    with pytest.raises(SolverError, match="support"):
        elasticity.solve(mesh_of(box(1, 1, 1), 0.6), STEEL, traction={"x1": (1e6, 0.0, 0.0)}, fixed=("", "", "z0"))


# -- bracket -----------------------------------------------------------------------------------------------------------


def test_the_bolts_carry_the_load_of_a_bracket(bracket: Case) -> None:
    assert bracket.provenance.extra["reaction"] == pytest.approx([500.0, 0.0, 0.0], abs=0.05)


def test_a_bracket_answers_in_proportion_to_its_load(bracket: Case) -> None:
    doubled = create("bracket").simulate(Design(**(TYPICAL | {"load": "1 kN"})))
    for name in ("displacement", "stress", "von_mises"):
        once, twice = bracket.field_values("volume", name), doubled.field_values("volume", name)
        assert twice == pytest.approx(2 * once, rel=1e-6, abs=1e-6 * np.abs(twice).max())


def test_the_maximum_stress_of_a_bracket_has_converged(bracket: Case) -> None:
    coarse = Bracket(refinement=0.7).simulate(Design(**TYPICAL))
    assert coarse.provenance.extra["cells"] < 0.6 * bracket.provenance.extra["cells"]
    assert coarse.qoi["max_von_mises"] == pytest.approx(bracket.qoi["max_von_mises"], rel=0.08)
    assert coarse.qoi["max_displacement"] == pytest.approx(bracket.qoi["max_displacement"], rel=0.02)


def test_a_bracket_case_is_what_its_contract_says(bracket: Case) -> None:
    contract = create("bracket").contract
    volume, surface, geometry = bracket.meshes["volume"], bracket.meshes["surface"], bracket.design.geometry
    for domain, fields in contract.fields.items():
        for name, spec in fields.items():
            values = bracket.field_values(domain, name)
            assert values.shape == ((len(values), spec.components) if spec.components > 1 else (len(values),))
            assert bracket.field_names(domain)[name] == spec.location
            assert bracket.field_units[name] == spec.unit
    assert bracket.qoi["max_von_mises"] == volume["von_mises"].max()
    assert bracket.qoi["max_displacement"] == np.linalg.norm(volume["displacement"], axis=1).max()
    assert geometry.is_manifold
    assert geometry.volume * STEEL.density == pytest.approx(bracket.qoi["mass"], rel=2e-3)
    assert volume.volume == pytest.approx(geometry.volume, rel=5e-3)
    assert surface.is_manifold
    assert volume.compute_cell_sizes()["Volume"].min() > 0
    here = {tuple(point): row for row, point in enumerate(volume.points)}
    match = [here[tuple(point)] for point in surface.points]
    assert np.array_equal(surface["stress"], volume["stress"][match])
    angle = geometry.points[:, 2].max() / 0.09  # the upright stands 90 mm tall
    assert angle == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"rib_length": "50 mm", "height": "70 mm"}, "height is 70 mm"),
        ({"rib_length": "5 mm"}, "rib_length is 5 mm"),
        ({"width": "30 mm"}, "width is 30 mm"),
        ({"thickness": "0 mm"}, "thickness is 0 mm"),
        ({"upright_angle": "170 deg"}, "upright_angle is 170 deg"),
    ],
)
def test_a_bracket_that_cannot_be_built_says_why(change: dict[str, str], reason: str) -> None:
    with pytest.raises(SolverError, match=reason):
        create("bracket").simulate(Design(**(TYPICAL | change)))


def test_a_bracket_asks_for_its_dimensions_by_name() -> None:
    with pytest.raises(ContractError, match="'thickness' is missing"):
        create("bracket").simulate(Design(**{name: value for name, value in TYPICAL.items() if name != "thickness"}))


# -- cylinder ----------------------------------------------------------------------------------------------------------


def test_the_cylinder_meets_the_dfg_benchmark(benchmark: Case) -> None:
    assert benchmark.qoi["drag_coefficient"] == pytest.approx(5.57953523384, rel=1e-3)
    assert benchmark.qoi["lift_coefficient"] == pytest.approx(0.010618948146, rel=1e-3)
    assert benchmark.qoi["pressure_drop"] == pytest.approx(0.11752016697, rel=1e-3)
    assert benchmark.provenance.extra["mean_speed"] == pytest.approx(0.2)


def test_pressure_and_shear_on_the_wall_add_up_to_drag_and_lift(benchmark: Case) -> None:
    wall = benchmark.meshes["surface"]
    outward = (wall.points - [0.2, 0.2, 0.0]) / 0.05
    after = np.linalg.norm(np.roll(wall.points, -1, axis=0) - wall.points, axis=1)
    length = (after + np.roll(after, 1)) / 2
    force = length @ (wall["wall_shear_stress"] - wall["pressure"][:, None] * outward)
    drag, lift = benchmark.qoi["drag"], benchmark.qoi["lift"]
    assert force == pytest.approx([drag, lift, 0.0], rel=0.01, abs=1e-4 * drag)


def test_the_flow_past_a_cylinder_sticks_to_the_walls_and_keeps_its_volume(benchmark: Case) -> None:
    volume, geometry = benchmark.meshes["volume"], benchmark.design.geometry
    x, y, _ = volume.points.T
    at_wall = (np.hypot(x - 0.2, y - 0.2) < 0.05 + 1e-9) | (y == 0) | (y == 0.41)
    assert np.abs(volume["velocity"][at_wall]).max() < 1e-12
    inlet = x < 1e-12
    assert volume["velocity"][inlet, 0] == pytest.approx(6 * 0.2 * y[inlet] * (0.41 - y[inlet]) / 0.41**2, abs=1e-9)
    order = np.argsort(y[x == 2.2])
    out = np.trapezoid(volume["velocity"][x == 2.2, 0][order], y[x == 2.2][order])
    assert out == pytest.approx(0.2 * 0.41, rel=0.01)
    assert geometry.is_manifold
    assert geometry.volume == pytest.approx(np.pi * 0.05**2 * 0.05, rel=1e-3)


def test_a_cylinder_midway_between_the_walls_feels_no_lift() -> None:
    case = create("cylinder").simulate(Design(reynolds=10, centre_x=0.25, centre_y=0.205, radius=0.06))
    assert abs(case.qoi["lift"]) < 1e-3 * case.qoi["drag"]


def test_a_round_body_is_a_cylinder() -> None:
    body = create("bodies").simulate(Design(reynolds=20, length=0.1, height=0.1, exponent=2, incidence="10 deg"))
    cylinder = create("cylinder").simulate(Design(reynolds=20, centre_x=0.4, centre_y=0.205, radius=0.05))
    assert body.qoi["drag"] == pytest.approx(cylinder.qoi["drag"], rel=2e-3)
    assert abs(body.qoi["lift"]) < 1e-3 * body.qoi["drag"]


@pytest.mark.parametrize(
    ("change", "words"),
    [({"exponent": 0}, "exponent is 0"), ({"height": 0}, "height is 0"), ({"height": 0.4}, "does not fit")],
)
def test_a_body_that_is_none_or_does_not_fit_says_why(change: dict[str, float], words: str) -> None:
    values = {"reynolds": 20, "length": 0.1, "height": 0.1, "exponent": 2, "incidence": 0} | change
    with pytest.raises(SolverError, match=words):
        create("bodies").simulate(Design(**values))


def test_the_stress_on_a_body_adds_up_to_its_drag_and_lift() -> None:
    case = create("bodies").simulate(Design(reynolds=15, length=0.16, height=0.08, exponent=4, incidence="15 deg"))
    surface = case.meshes["surface"]
    corners = surface.points[:, :2]
    edges = np.roll(corners, -1, axis=0) - corners
    outward = np.stack([edges[:, 1], -edges[:, 0]], 1)  # the outline runs anticlockwise
    pressure, shear = (surface.point_data[name] for name in ("pressure", "wall_shear_stress"))
    middle = (pressure + np.roll(pressure, -1)) / 2, (shear + np.roll(shear, -1, axis=0))[:, :2] / 2
    force = (-middle[0][:, None] * outward + middle[1] * np.linalg.norm(edges, axis=1)[:, None]).sum(0)
    np.testing.assert_allclose(force, [case.qoi["drag"], case.qoi["lift"]], rtol=0.02)
    assert case.qoi["lift"] > 0  # nose up


def test_a_cylinder_that_does_not_fit_says_why() -> None:
    with pytest.raises(SolverError, match=r"centre_y is 0\.08 m"):
        create("cylinder").simulate(Design(reynolds=10, centre_x=0.25, centre_y=0.08, radius=0.07))


# -- registry ----------------------------------------------------------------------------------------------------------


def test_solvers_are_known_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert names() == ["bodies", "bracket", "cylinder"]
    with pytest.raises(TramontaneError, match="bodies, bracket, cylinder"):
        create("wing")
    monkeypatch.setitem(sys.modules, "ngsolve", None)  # as Python sees a package that is not installed
    with pytest.raises(TramontaneError, match=r"pip install 'tramontane\[solve\]'"):
        create("bracket")


def test_the_shape_of_a_design_needs_no_solution(bracket: Case, benchmark: Case) -> None:
    solved = {"bracket": bracket, "cylinder": benchmark}
    for name, case in solved.items():
        solver = create(name)
        assert isinstance(solver, Parametric)
        without_load = {key: value for key, value in case.design.parameters.items()
                        if solver.contract.parameters[key].role == "geometry"}  # fmt: skip
        surface = solver.geometry(Design(**without_load))
        assert surface.is_all_triangles
        assert surface.volume == pytest.approx(case.design.geometry.volume, rel=1e-9)
        assert surface.area == pytest.approx(case.design.geometry.area, rel=1e-9)
        assert surface.bounds == pytest.approx(case.design.geometry.bounds, abs=1e-9)
    with pytest.raises(ContractError, match="thickness"):
        create("bracket").geometry(Design(width="80 mm"))


def test_an_ellipse_has_the_area_that_geometry_says() -> None:
    body = create("bodies").geometry(Design(length=0.2, height=0.1, exponent=2, incidence="0 deg"))
    low, high = body.bounds[4], body.bounds[5]
    assert body.volume / (high - low) == pytest.approx(np.pi * 0.1 * 0.05, rel=1e-3)
