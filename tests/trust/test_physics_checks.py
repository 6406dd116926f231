"""Physics checks, on fields whose residual is known in closed form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import pyvista as pv

from tramontane.case import Case
from tramontane.contract import Contract, DomainSpec, FieldSpec, ParameterSpec
from tramontane.design import Design
from tramontane.quantities import von_mises
from tramontane.trust.physics_check import residuals_of
from tramontane.units import Quantity

Velocity = Any


def box(velocity: Velocity, *, at: str = "point", count: int = 9) -> Case:
    """The unit cube with a velocity that is a function of places ``(n, 3)``."""
    mesh = pv.ImageData(dimensions=(count,) * 3, spacing=(1 / (count - 1),) * 3).cast_to_unstructured_grid()
    places = np.asarray(mesh.points if at == "point" else mesh.cell_centers().points, dtype=float)
    (mesh.point_data if at == "point" else mesh.cell_data)["velocity"] = velocity(places)
    return Case("box", Design(), meshes={"volume": mesh})


def shear(points: Any) -> Any:
    return np.stack([2.0 * points[:, 1], np.zeros(len(points)), np.zeros(len(points))], axis=1)


def source(points: Any) -> Any:
    return points * [1.0, 0.0, 0.0]


@pytest.mark.parametrize("at", ["point", "cell"])
def test_a_shear_flow_conserves_mass_and_a_source_does_not(at: str) -> None:
    """``u = 2 y``: no divergence. ``u = x``: divergence 1 everywhere, equal to the whole gradient's norm."""
    kept = residuals_of(box(shear, at=at), Contract())
    assert kept["divergence"].value == pytest.approx(0.0, abs=1e-6)
    assert kept["net_flow"].value == pytest.approx(0.0, abs=1e-6)
    assert kept["net_flow"].scale == pytest.approx(1.0, rel=1e-5)  # the mean of 2 y over the unit inlet
    lost = residuals_of(box(source, at=at, count=33), Contract())
    assert lost["divergence"].share == pytest.approx(1.0, rel=0.02)
    outlet = 1.0 if at == "point" else 31.5 / 32  # of cells, the velocity half a cell before it
    inlet = 0.0 if at == "point" else 0.5 / 32
    assert lost["net_flow"].value == pytest.approx(outlet - inlet, rel=1e-5)  # what its divergence makes in the volume


def test_a_compressible_flow_is_not_asked_for_a_constant_volume() -> None:
    contract = Contract(fields={"volume": {"density": FieldSpec(unit="kg/m^3")}})
    assert not {"divergence", "net_flow"} & residuals_of(box(source), contract).keys()


@pytest.mark.parametrize("at", ["point", "cell"])
@pytest.mark.parametrize("turned", [False, True])
def test_mass_in_a_plane_whichever_way_its_cells_go_round(at: str, *, turned: bool) -> None:
    """``u = x`` on a unit square: one m2/s more leaves than enters. ``u = 2 y``: as much leaves as enters."""
    plane = pv.Plane(center=(0.5, 0.5, 0), i_resolution=20, j_resolution=20).triangulate()
    if turned:
        plane = pv.PolyData.from_regular_faces(plane.points, plane.regular_faces[:, ::-1])
    places = np.asarray(plane.points if at == "point" else plane.cell_centers().points, dtype=float)
    for flow, net, gross in ((source, 1.0, 0.5), (shear, 0.0, 1.0)):
        (plane.point_data if at == "point" else plane.cell_data)["velocity"] = flow(places)
        residual = residuals_of(Case("plane", Design(), meshes={"volume": plane}), Contract())["net_flow"]
        assert residual.value == pytest.approx(net, abs=0.04)
        assert residual.scale == pytest.approx(gross, rel=0.05)


@pytest.mark.parametrize("at", ["point", "cell"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_mass_in_a_plane_whichever_way_it_faces(at: str, axis: int) -> None:
    """Along the first axis of the plane ``u = x``: one m2/s more leaves than enters."""
    sides = [1 if each == axis else 21 for each in range(3)]
    plane = pv.ImageData(dimensions=sides, spacing=(1 / 20,) * 3).cast_to_unstructured_grid()
    places = np.asarray(plane.points if at == "point" else plane.cell_centers().points, dtype=float)
    along = np.eye(3)[0 if axis else 1]
    (plane.point_data if at == "point" else plane.cell_data)["velocity"] = places * along
    residual = residuals_of(Case("plane", Design(), meshes={"volume": plane}), Contract())["net_flow"]
    assert residual.value == pytest.approx(1.0, abs=0.06)
    assert residual.scale == pytest.approx(0.5, rel=0.06)


def test_what_flows_out_of_a_body_in_the_volume_flows_in() -> None:
    """``u = r / |r|^3`` round a hole: no divergence; 4 pi m3/s leave the body, and the volume."""
    mesh = pv.ImageData(dimensions=(25,) * 3, spacing=(1 / 24,) * 3, origin=(-0.5,) * 3).cast_to_unstructured_grid()
    mesh = mesh.extract_cells(np.abs(mesh.cell_centers().points).max(axis=1) > 0.2)
    places = np.asarray(mesh.points, dtype=float)
    mesh.point_data["velocity"] = places / np.linalg.norm(places, axis=1, keepdims=True) ** 3
    residual = residuals_of(Case("jet", Design(), meshes={"volume": mesh}), Contract())["net_flow"]
    assert residual.scale == pytest.approx(4 * np.pi, rel=0.02)
    assert residual.share < 0.02


def body(stress: Any) -> Case:
    """A box of 2 x 1 x 1 m under a stress that is a function of places ``(n, 3)``, six components."""
    surface = pv.Box(bounds=(0, 2, 0, 1, 0, 1), level=12, quads=False).triangulate().clean()
    surface.cell_data["stress"] = stress(np.asarray(surface.cell_centers().points, dtype=float))
    return Case("body", Design(), meshes={"surface": surface})


def test_reactions_balance_loads() -> None:
    """Uniform tension of 3 MPa pulls 3 MN at either end; a tension that grows with x pulls more at the far end."""
    axis = np.array([1.0, 0, 0, 0, 0, 0])
    balanced = residuals_of(body(lambda p: np.tile(3e6 * axis, (len(p), 1))), Contract())["force_balance"]
    assert balanced.value == pytest.approx(0.0, abs=30.0)
    assert balanced.scale == pytest.approx(3e6, rel=1e-4)
    pulled = residuals_of(body(lambda p: 1e6 * p[:, :1] * axis), Contract())["force_balance"]
    assert pulled.value == pytest.approx(2e6, rel=1e-4)


def test_von_mises_is_that_of_its_tensor() -> None:
    rng = np.random.default_rng(0)
    case = body(lambda p: rng.normal(size=(len(p), 6)))
    surface = case.meshes["surface"]
    surface.cell_data["von_mises"] = von_mises(np.asarray(surface.cell_data["stress"]))
    assert residuals_of(case, Contract())["von_mises"].share == pytest.approx(0.0, abs=1e-6)
    surface.cell_data["von_mises"] *= 1.1
    assert residuals_of(case, Contract())["von_mises"].share == pytest.approx(0.1 / 1.1, rel=1e-3)
    assert residuals_of(case, Contract())["positivity"].value == 0
    surface.cell_data["von_mises"] *= 0.0
    assert residuals_of(case, Contract())["von_mises"].share == pytest.approx(1.0)  # not nothing, of nothing stated
    surface.cell_data["von_mises"][:3] = -1.0
    assert residuals_of(case, Contract())["positivity"].value == pytest.approx(3 / surface.n_cells)


def test_wall_shear_lies_in_the_wall() -> None:
    case = body(lambda p: np.zeros((len(p), 6)))
    surface = case.meshes["surface"]
    normals = np.asarray(surface.compute_normals(cell_normals=True).cell_data["Normals"], dtype=float)
    along = np.cross(normals, [0.3, 0.5, 0.8])
    surface.cell_data["wall_shear_stress"] = along
    assert residuals_of(case, Contract())["wall_shear"].value == pytest.approx(0.0, abs=1e-6)
    surface.cell_data["wall_shear_stress"] = along + 0.25 * normals
    assert residuals_of(case, Contract())["wall_shear"].value == pytest.approx(0.25, rel=1e-5)


def test_a_fluid_sticks_to_a_wall_and_does_not_pass_a_plane_of_symmetry() -> None:
    case = box(shear)
    case.meshes["surface"] = pv.Plane(center=(0.5, 0, 0.5), direction=(0, 1, 0), i_resolution=8, j_resolution=8)
    half = Contract(domains={"surface": DomainSpec(low=(None, 0.0, None))})
    residuals = residuals_of(case, half)
    assert residuals["no_slip"].value == 0  # u = 2 y at y = 0
    assert residuals["symmetry"].value == 0
    case.meshes["volume"].point_data["velocity"] += [0.0, 0.5, 0.0]
    residuals = residuals_of(case, half)
    assert residuals["no_slip"].value == pytest.approx(0.5)
    assert residuals["symmetry"].value == pytest.approx(0.5)
    assert "symmetry" not in residuals_of(case, Contract())
    whole = box(lambda p: shear(p) + np.array([0.0, 0.5, 0.0]), at="cell")
    assert residuals_of(whole, half)["symmetry"].value == pytest.approx(0.5)


@pytest.mark.parametrize(("highest", "residual"), [(612.5, 0.0), (700.0, 87.5), (101_325.0, None)])
def test_pressure_is_at_most_that_of_the_stream_at_rest(highest: float, residual: float | None) -> None:
    """35 m/s of air of 1 kg/m3: 612.5 Pa. An absolute pressure cannot be compared with that."""
    contract = Contract(
        parameters={
            "speed": ParameterSpec(unit="km/h", low=10.0, high=50.0),
            "density": ParameterSpec(unit="kg/m^3", low=1.0, high=1.0, role="constant"),
        }
    )
    case = box(shear)
    case.meshes["volume"].point_data["pressure"] = np.linspace(0.9, 1.0, case.meshes["volume"].n_points) * highest
    case.design = Design(speed=Quantity(126.0, "km/h"))
    answer = residuals_of(case, contract).get("stagnation")
    assert (None if answer is None else answer.value) == (None if residual is None else pytest.approx(residual))
    assert "stagnation" not in residuals_of(case, Contract())
    case.field_units = {"pressure": "m^2/s^2"}  # over the density
    assert "stagnation" not in residuals_of(case, contract)
    case.field_units = {}
    compressible = contract.model_copy(update={"fields": {"volume": {"density": FieldSpec(unit="kg/m^3")}}})
    assert "stagnation" not in residuals_of(case, compressible)
