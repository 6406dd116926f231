"""The solver folders in ``examples/solvers``, run by the real programs on coarse meshes."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tramontane import solvers
from tramontane.design import Design
from tramontane.simulator import Parametric
from tramontane.solvers.case_folder.config import CONFIG

EXAMPLES = Path(__file__).parents[2] / "examples" / "solvers"


def needs(program: str, package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is missing; apt-get install {package}")


def copied(name: str, to: Path, **changes: str) -> Path:
    """An example's folder with lines of its ``solver.toml`` changed."""
    folder = Path(shutil.copytree(EXAMPLES / name, to / name))
    text = (folder / CONFIG).read_text()
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    (folder / CONFIG).write_text(text)
    return folder


def test_a_command_that_reads_a_json_and_writes_a_csv() -> None:
    case = solvers.create(EXAMPLES / "command-json-csv").simulate(Design(speed="2 m/s", diameter="20 mm", bends=4))
    # Blasius: 0.3164 / Re^(1/4), Re = 39,920; bends cost 0.3 of the dynamic pressure each.
    friction = 0.3164 / 39920**0.25
    assert case.qoi["reynolds"] == pytest.approx(39920)
    assert case.qoi["pressure_drop"] == pytest.approx((friction * 10 / 0.02 + 1.2) * 998 * 2**2 / 2)


def test_a_morphed_nose_has_the_forces_of_newtons_theory() -> None:
    nose = solvers.create(EXAMPLES / "morphed-nose")
    assert isinstance(nose, Parametric)
    cone = {"nose": "0 mm", "droop": "0 mm", "width": "0 mm"}
    cases = [nose.simulate(Design(angle_of_attack=0, **cone | shape)) for shape in
             ({}, {"nose": "40 mm"}, {"droop": "60 mm"})]  # fmt: skip
    # A cone of 12 degrees behind a sphere of 60 mm: the integral of 2 sin^2 of the surface's angle over the front.
    sine, tip, base = np.sin(np.radians(12)), 0.06, nose.geometry(Design(**cone)).bounds[3]
    exact = np.pi * (tip**2 * (1 - sine**4) + 2 * sine**2 * (base**2 - tip**2 * (1 - sine**2)))
    assert cases[0].qoi["drag_area"] == pytest.approx(exact, rel=0.015)  # of triangles, 32 around
    assert cases[0].qoi["lift_area"] == pytest.approx(0, abs=1e-9)
    assert cases[1].qoi["drag_area"] < 0.9 * cases[0].qoi["drag_area"]  # a sharper nose
    assert cases[1].qoi["volume"] > cases[0].qoi["volume"]
    assert cases[2].qoi["lift_area"] < -0.1 * exact  # its upper side faces the flow
    assert cases[2].qoi["volume"] == pytest.approx(cases[0].qoi["volume"], rel=1e-6)  # sections move as they are
    pressure = cases[0].field_values("surface", "pressure_coefficient")
    assert 1.95 < pressure.max() < 2


@needs("ccx", "calculix-ccx")
def test_calculix_bends_the_bracket_as_the_embedded_solver_does(tmp_path: Path) -> None:
    pytest.importorskip("ngsolve", reason="pip install 'tramontane[solve]'")
    from tramontane.solvers.bracket import CONTRACT, Bracket

    folder = copied("calculix-bracket", tmp_path, **{"low = 6, high = 6,": "low = 12, high = 12,"})
    calculix = solvers.create(folder)
    design = Design(
        base_length="90 mm", width="80 mm", height="90 mm", thickness="6 mm", upright_angle="85 deg",
        fillet_radius="8 mm", hole_radius="4 mm", rib_length="18 mm", rib_thickness="6 mm", load="500 N",
    )  # fmt: skip
    case, reference = calculix.simulate(design), Bracket(refinement=0.5).simulate(design)
    assert case.qoi["max_displacement"] == pytest.approx(reference.qoi["max_displacement"], rel=0.02)
    assert case.qoi["max_von_mises"] == pytest.approx(reference.qoi["max_von_mises"], rel=0.1)
    assert case.qoi["mass"] == pytest.approx(reference.qoi["mass"], rel=0.005)
    displacement = np.asarray(case.field_values("volume", "displacement"))
    assert displacement[np.argmax(np.linalg.norm(displacement, axis=1)), 0] < 0  # the load pulls along -x
    assert {name: spec.high for name, spec in CONTRACT.parameters.items()} == pytest.approx(
        {name: spec.high for name, spec in calculix.contract.parameters.items() if name != "mesh_size"}
    )
    assert isinstance(calculix, Parametric)
    shape = case.design.geometry
    assert shape is not None
    assert shape.is_manifold  # type: ignore[union-attr]


@needs("simpleFoam", "openfoam")
def test_openfoam_fills_in_speed_and_step_and_stops_when_converged() -> None:
    step = solvers.create(EXAMPLES / "openfoam-pitzdaily")
    slow, fast = (step.simulate(Design(speed=speed, step_height="25.4 mm")) for speed in ("6 m/s", "12 m/s"))
    for case in (slow, fast):
        assert case.provenance.extra["converged"] is True
        assert max(case.provenance.extra["residuals"].values()) <= 5e-4
        velocity, volume = case.field_values("volume", "velocity"), case.meshes["volume"]
        assert np.ptp(volume.points[:, 1]) == pytest.approx(0.0508)
        # What flows in through 25.4 mm flows through every section: here, over the step.
        sizes = volume.compute_cell_sizes(length=False, area=False)["Volume"]
        x = volume.cell_centers().points[:, 0]
        flow = [(velocity[:, 0] * sizes)[part].sum() for part in (x < 0, (x > 0) & (x < 0.206))]
        assert flow[0] / 0.0206 == pytest.approx(flow[1] / 0.206, rel=0.01)
    # Turbulent flows are alike; the wider outlet recovers pressure, less than Bernoulli's law allows, and the more the
    # less friction there is.
    velocities = [case.field_values("volume", "velocity") / speed for case, speed in ((slow, 6), (fast, 12))]
    assert np.linalg.norm(velocities[1] - velocities[0]) < 0.05 * np.linalg.norm(velocities[0])
    recovered = [-case.qoi["inlet_pressure"] / speed**2 for case, speed in ((slow, 6), (fast, 12))]
    assert 0 < recovered[0] < recovered[1] < (1 - (25.4 / 33.2) ** 2) / 2
    assert fast.field_units["pressure"] == "Pa"


@needs("snappyHexMesh", "openfoam")
def test_openfoam_meshes_a_parametric_body_and_gives_its_coefficients(tmp_path: Path) -> None:
    pytest.importorskip("netgen", reason="pip install 'tramontane[solve]'")
    folder = copied("openfoam-ahmed", tmp_path)
    for file, old, new in (
        ("system/snappyHexMeshDict", "level (4 4)", "level (3 3)"),
        ("system/snappyHexMeshDict", "level 4;", "level 3;"),
        ("system/fvSolution", "{ p 5e-4; U 5e-4;", "{ p 2e-3; U 2e-3;"),
    ):
        text = (folder / file).read_text()
        assert old in text
        (folder / file).write_text(text.replace(old, new))
    ahmed = solvers.create(folder)
    case = ahmed.simulate(
        Design(length="1 m", width="0.36 m", height="0.28 m", front_radius="0.1 m", clearance="0.05 m",
               slant_angle="15 deg", slant_length="0.2 m", speed="30 m/s")
    )  # fmt: skip
    # The forces on half of the body, from the fields at its faces, are those that the coefficients say.
    wall = case.meshes["surface"].compute_normals(
        point_normals=False, auto_orient_normals=False, consistent_normals=False, inplace=False
    )
    areas = wall.compute_cell_sizes(length=False, volume=False)["Area"]
    pressure, shear = (case.field_values("surface", name) for name in ("pressure", "wall_shear_stress"))
    outward = 1.0 if (wall.cell_centers().points[:, 0] * wall["Normals"][:, 0] * areas).sum() > 0 else -1.0
    force = ((-outward * pressure[:, None] * wall["Normals"] + shear) * areas[:, None]).sum(axis=0)
    area = 0.36 * 0.28 / 2
    assert force[0] / (0.6 * 30**2 * area) == pytest.approx(case.qoi["drag_coefficient"], rel=0.01)
    assert 0.2 < case.qoi["drag_coefficient"] < 0.6
    extra = case.provenance.extra
    assert extra["converged"] is True
    assert extra["residuals"]["Ux"] <= 2e-3
    assert extra["mesh_quality"]["failed_checks"] == 0
    assert 0 < extra["mesh_quality"]["max_non_orthogonality"] < 70
    assert isinstance(ahmed, Parametric)
    geometry = case.design.geometry
    assert geometry.volume == pytest.approx(0.1, rel=0.1)  # type: ignore[union-attr]
