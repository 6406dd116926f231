"""Sites: centres, sizes and normals that integrate fields as geometry says they must."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import pyvista as pv

from helpers import ROOT
from tramontane.dataset import Sites, mesh_sites
from tramontane.formats import read_mesh
from tramontane.geometry.mesh_arrays import arrays_to_mesh, mesh_to_arrays

AHMED = ROOT.parent / "shared/data/ahmed/000"


def ball() -> pv.PolyData:
    return pv.Sphere(radius=0.5, theta_resolution=40, phi_resolution=40)


def polyhedron(points: np.ndarray, faces: list[list[int]]) -> pv.UnstructuredGrid:
    stream = [len(faces)] + [entry for face in faces for entry in (len(face), *face)]
    return pv.UnstructuredGrid(np.array([len(stream), *stream]), np.array([42]), points.astype(float))


def first_moment(sites: Sites) -> np.ndarray:
    return (sites.weights[:, None].astype(np.float64) * sites.positions).sum(axis=0)


@pytest.mark.parametrize("body", [ball(), pv.Box((0, 1, 0, 2, 0, 3), quads=True)], ids=["triangles", "quads"])
def test_a_pressure_that_grows_with_depth_lifts_a_closed_body_by_its_volume(body: pv.PolyData) -> None:
    # Archimedes: the integral of -p n over a closed surface, p = -z, is the volume along z.
    body.point_data["depth"] = -body.points[:, 2]
    sites = mesh_sites(body, "cell")
    assert sites.normals is not None
    force = -(sites.fields["depth"] * sites.normals * sites.weights[:, None]).astype(np.float64).sum(axis=0)
    assert force == pytest.approx([0, 0, body.volume], abs=1e-5 * body.volume)


def test_triangle_strips_have_the_areas_and_the_side_of_their_triangles() -> None:
    sites = mesh_sites(ball().strip(), "cell")
    assert sites.normals is not None
    assert sites.weights.sum(dtype=np.float64) == pytest.approx(ball().area, rel=1e-5)
    assert np.median((sites.normals * sites.positions).sum(axis=1)) > 0.9 * 0.5


def test_points_share_the_area_of_their_cells() -> None:
    sites = mesh_sites(ball(), "point")
    assert sites.normals is not None
    assert sites.weights.sum(dtype=np.float64) == pytest.approx(ball().area, rel=1e-6)
    assert ((sites.normals * sites.positions).sum(axis=1) > 0.99 * 0.5).all()


def test_normals_are_the_meshs_own_even_where_it_is_inside_out() -> None:
    turned = mesh_sites(ball().flip_faces(), "cell").normals
    assert turned is not None
    assert np.allclose(turned, -mesh_sites(ball(), "cell").normals, atol=1e-6)


def test_lines_in_a_plane_have_normals_to_their_right_and_lengths() -> None:
    angle = np.linspace(0, 2 * np.pi, 61)[:-1]
    points = np.column_stack([np.cos(angle), np.sin(angle), np.full(60, 0.3)])
    lines = np.column_stack([np.full(60, 2), np.arange(60), (np.arange(60) + 1) % 60])
    for location in ("cell", "point"):
        sites = mesh_sites(pv.PolyData(points, lines=lines.ravel()), location)
        assert sites.normals is not None
        assert sites.weights.sum() == pytest.approx(2 * np.pi, rel=1e-3)
        # Counter-clockwise, the right-hand side is outside.
        assert np.allclose(sites.normals[:, :2], sites.positions[:, :2], atol=5e-3)
        assert np.allclose(sites.normals[:, 2], 0)


def test_a_curve_in_space_has_no_normals() -> None:
    assert mesh_sites(pv.Spline(np.random.default_rng(0).random((9, 3))), "point").normals is None


def test_flat_triangles_of_a_grid_have_areas_and_a_normal() -> None:
    for flat in (pv.Plane().triangulate(), pv.ImageData(dimensions=(3, 3, 1), spacing=(0.5, 0.5, 1))):
        sites = mesh_sites(flat.cast_to_unstructured_grid(), "cell")
        assert sites.weights.sum() == pytest.approx(1.0)
        assert np.allclose(sites.normals, [0, 0, 1])


def test_bare_points_stand_for_one_each() -> None:
    sites = mesh_sites(pv.PolyData(np.eye(3, dtype=np.float32)), "point")
    assert sites.weights.tolist() == [1, 1, 1]
    assert sites.normals is None


def test_volumes_and_centres_of_solid_cells_whatever_the_order_of_their_points() -> None:
    box = pv.ImageData(dimensions=(3, 4, 5), spacing=(0.5, 1, 2)).cast_to_unstructured_grid()
    tetrahedra = box.triangulate()
    inverted = tetrahedra.copy()
    cells = inverted.cell_connectivity.reshape(-1, 4)[:, [1, 0, 2, 3]]
    inverted = pv.UnstructuredGrid({pv.CellType.TETRA: cells}, tetrahedra.points)
    for grid in (box, tetrahedra, inverted):
        sites = mesh_sites(grid, "cell")
        assert sites.normals is None
        assert sites.weights.sum() == pytest.approx(24)
        assert first_moment(sites) == pytest.approx(24 * np.array([0.5, 1.5, 4]))
        assert mesh_sites(grid, "point").weights.sum() == pytest.approx(24)


def test_a_polyhedron_has_its_true_volume_and_centre_of_mass() -> None:
    # A frustum from a 2 x 2 base to a 1 x 1 top: the middle of its bounding box is not its centre of mass.
    base, top = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]), np.array([0.5, 0.5, 1])
    points = np.concatenate([base, base * top + [0, 0, 1]])
    faces = [[0, 3, 2, 1], [4, 5, 6, 7], [0, 1, 5, 4], [1, 2, 6, 5], [2, 3, 7, 6], [3, 0, 4, 7]]
    for turned in (faces, [face[::-1] if k % 2 else face for k, face in enumerate(faces)]):
        sites = mesh_sites(polyhedron(points, turned), "cell")
        assert sites.weights[0] == pytest.approx(7 / 3)
        assert sites.positions[0] == pytest.approx([0, 0, (1 / 2 * 4 - 4 / 3 + 1 / 4) / (4 - 2 + 1 / 3)], abs=1e-6)


def test_a_domain_that_mixes_points_and_cells_averages_points_to_cells() -> None:
    grid = pv.ImageData(dimensions=(4, 4, 4)).cast_to_unstructured_grid()
    grid.point_data["height"] = grid.points[:, 2]
    grid.cell_data["number"] = np.arange(27.0)
    sites = mesh_sites(grid, "cell")
    assert np.allclose(sites.fields["height"][:, 0], sites.positions[:, 2])
    assert sites.fields["number"][:, 0].tolist() == list(range(27))
    assert set(mesh_sites(grid, "point").fields) == {"height"}


@pytest.mark.skipif(not AHMED.is_dir(), reason="needs the Ahmed bodies beside the repository")
def test_forces_and_volumes_of_a_solver_with_polyhedra() -> None:
    integrals = json.loads((AHMED / "case.json").read_text())["integrated"]
    sites = mesh_sites(pv.read(AHMED / "surface.vtp"), "cell")
    assert sites.normals is not None
    pressure = -(sites.fields["pressure"] * sites.normals * sites.weights[:, None]).astype(np.float64).sum(axis=0)
    shear = (sites.fields["wall_shear_stress"] * sites.weights[:, None]).astype(np.float64).sum(axis=0)
    assert pressure == pytest.approx(integrals["Fp"], rel=1e-5)
    assert shear == pytest.approx(integrals["Fw"], rel=1e-4)
    # What the cells fill is also what their outer faces enclose.
    volume = pv.read(AHMED / "volume.vtu")
    boundary = volume.extract_surface(algorithm="dataset_surface").triangulate()
    assert mesh_sites(volume, "cell").weights.sum(dtype=np.float64) == pytest.approx(boundary.volume, rel=1e-4)


def test_points_without_cells_are_sites(tmp_path: Path) -> None:
    head = "# vtk DataFile Version 4.2\npoints\nASCII\nDATASET UNSTRUCTURED_GRID\nPOINTS 3 double\n1 0 0 0 1 0 0 0 1\n"
    (tmp_path / "cloud.vtk").write_text(f"{head}POINT_DATA 3\nSCALARS pressure double\nLOOKUP_TABLE default\n0 1 2\n")
    cloud = read_mesh(tmp_path / "cloud.vtk")
    assert cloud.GetCells() is None  # not a list of none
    sites = mesh_sites(cloud, "point")
    assert sites.positions.tolist() == np.eye(3).tolist()
    assert sites.fields["pressure"].ravel().tolist() == [0, 1, 2]
    assert sites.weights.tolist() == [1, 1, 1]
    assert arrays_to_mesh(mesh_to_arrays(cloud)).n_points == 3
    assert mesh_sites(cloud, "cell").fields["pressure"].shape == (0, 1)
