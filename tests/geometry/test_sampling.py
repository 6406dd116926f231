"""Points on surfaces: uniform in area, and blind to how the surface was triangulated."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import pyvista as pv
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from tramontane.dataset import farthest_points, sample_surface
from tramontane.errors import GeometryError


def box(x: float = 3.0, y: float = 2.0, z: float = 1.0) -> pv.PolyData:
    return pv.Box((0, x, 0, y, 0, z)).triangulate()


def face_of(normals: np.ndarray) -> np.ndarray:
    axis = np.abs(normals).argmax(axis=1)
    return 2 * axis + (np.take_along_axis(normals, axis[:, None], axis=1)[:, 0] > 0)


@pytest.mark.parametrize("count", [200, 3000])
def test_each_face_of_a_box_gets_its_share_far_better_than_by_chance(count: int) -> None:
    share = np.array([2, 2, 3, 3, 6, 6]) / 22
    chi_square = []
    for seed in range(10):
        _, normals = sample_surface(box(), count, seed)
        counts = np.bincount(face_of(normals), minlength=6)
        chi_square.append(((counts - count * share) ** 2 / (count * share)).sum())
    # Independent points would have 5 on average, one for each degree of freedom.
    assert np.mean(chi_square) < 1.5


def test_points_cover_a_face_evenly() -> None:
    points, normals = sample_surface(box(), 8000, 0)
    top = points[normals[:, 2] > 0.9]
    counts, *_ = np.histogram2d(top[:, 0], top[:, 1], bins=(6, 4), range=((0, 3), (0, 2)))
    expected = len(top) / counts.size
    assert ((counts - expected) ** 2 / expected).sum() < 0.5 * (counts.size - 1)


def test_the_mean_of_the_points_is_the_centroid_of_the_surface() -> None:
    cone = pv.Cone(resolution=40, height=1.0, radius=0.5).triangulate()
    corners = cone.points[cone.regular_faces].astype(np.float64)
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    centroid = (corners.mean(axis=1) * areas[:, None]).sum(0) / areas.sum()
    errors = [np.linalg.norm(sample_surface(cone, 1000, seed)[0].mean(0) - centroid) for seed in range(10)]
    assert np.mean(errors) < 0.2 * 0.5 / np.sqrt(1000)  # independent points: about 0.5 / sqrt(count)


def test_points_lie_on_the_surface_and_normals_point_out() -> None:
    ball = pv.Sphere(radius=0.5, theta_resolution=60, phi_resolution=60)
    points, normals = sample_surface(ball, 2000, 3)
    spacing = np.sqrt(ball.area / 2000)
    assert np.abs(np.linalg.norm(points, axis=1) - 0.5).max() < 0.06 * spacing
    assert np.allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-6)
    assert ((points / 0.5 * normals).sum(axis=1) > 0.99).all()


def test_dividing_every_triangle_moves_no_point() -> None:
    ball = pv.Sphere(radius=0.5, theta_resolution=24, phi_resolution=24)
    points, normals = sample_surface(ball, 1500, 0)
    divided, divided_normals = sample_surface(ball.subdivide(2, "linear"), 1500, 0)
    moved = np.linalg.norm(points - divided, axis=1)
    # Coordinates of the divided surface are rounded to float32: a piece on a border of the grid may change sides.
    assert (moved > 1e-5).mean() < 0.002
    assert np.quantile(np.abs(normals - divided_normals), 0.99) < 1e-5


def test_a_finer_tessellation_of_the_same_sphere_moves_few_points() -> None:
    coarse = pv.Sphere(radius=0.5, theta_resolution=60, phi_resolution=60)
    fine = pv.Sphere(radius=0.5, theta_resolution=121, phi_resolution=117)
    spacing = np.sqrt(coarse.area / 2000)
    points, other, chance = (
        sample_surface(*args)[0] for args in ((coarse, 2000, 0), (fine, 2000, 0), (coarse, 2000, 1))
    )
    assert (cKDTree(other).query(points)[0] > 0.1 * spacing).mean() < 0.3
    assert (cKDTree(chance).query(points)[0] > 0.1 * spacing).mean() > 0.9


def test_the_two_sides_of_a_thin_plate_stay_apart() -> None:
    points, normals = sample_surface(box(1.0, 1.0, 0.001), 500, 0)
    on_faces = np.abs(normals[:, 2]) > 0.9
    assert np.allclose(points[on_faces, 2], np.where(normals[on_faces, 2] > 0, 0.001, 0.0), atol=1e-7)


@settings(max_examples=25, deadline=None)
@given(count=st.integers(0, 300), seed=st.integers(0, 2**31), size=st.floats(1e-4, 1e3), at=st.floats(-1e4, 1e4))
def test_the_count_is_exact_and_a_seed_repeats_itself(count: int, seed: int, size: float, at: float) -> None:
    surface = pv.Box((0, 1, 0, 0.1, 0, 2)).triangulate().scale(size).translate((at * size, 0, -at * size))
    points, normals = sample_surface(surface, count, seed)
    again, _ = sample_surface(surface, count, seed)
    assert points.shape == normals.shape == (count, 3)
    assert points.dtype == normals.dtype == np.float32
    assert np.array_equal(points, again)
    assert np.isfinite(points).all()


def test_the_first_points_are_a_sample_of_the_whole() -> None:
    points, _ = sample_surface(box(1.0, 1.0, 1.0), 4000, 0)
    assert np.allclose(points[:400].mean(0), 0.5, atol=5 * 0.4 / np.sqrt(400))


def test_needles_are_sampled_like_any_triangle() -> None:
    # The triangles of a long cylinder reach from end to end.
    rod = pv.Cylinder(radius=0.01, height=10.0, resolution=30).triangulate()
    points, _ = sample_surface(rod, 2000, 0)
    counts = np.histogram(points[:, 0], bins=20, range=(-5, 5))[0]
    assert np.abs(counts - 100).max() <= 10


def test_a_speck_far_from_the_body_is_passed_over() -> None:
    # Its area is lost to rounding when all are summed up.
    body = box(1.0, 1.0, 1.0)
    corners = 5 + 1e-9 * np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    faces = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2]]) + body.n_points
    both = pv.PolyData.from_regular_faces(
        np.concatenate([np.asarray(body.points, float), corners]), np.concatenate([body.regular_faces, faces])
    )
    points, _ = sample_surface(both, 1000, 0)
    assert len(points) == 1000
    assert points.max() < 1.001


@pytest.mark.parametrize(
    ("surface", "message"),
    [
        (pv.PolyData(np.zeros((3, 3), np.float32)), "no triangles"),
        (pv.PolyData.from_regular_faces(np.zeros((3, 3)), [[0, 1, 2]]), "no triangles"),
        (pv.PolyData.from_regular_faces([[0, 0, 0], [1, 0, 0], [0, np.nan, 0]], [[0, 1, 2]]), "NaN"),
    ],
)
def test_a_surface_without_area_is_refused(surface: pv.PolyData, message: str) -> None:
    with pytest.raises(GeometryError, match=message):
        sample_surface(surface, 10, 0)


def test_farthest_points_spread_out() -> None:
    points = np.random.default_rng(0).random((5000, 3)).astype(np.float32)
    chosen = farthest_points(points, 64, start=7)
    gaps = [np.linalg.norm(points[chosen[:k]] - points[chosen[k]], axis=1).min() for k in range(1, 64)]
    assert chosen[0] == 7
    # Each is at least as near to those before it as the one before was, and none is left out by more than the last gap.
    assert all(later <= earlier + 1e-6 for earlier, later in pairwise(gaps))
    assert cKDTree(points[chosen]).query(points)[0].max() <= gaps[-1] + 1e-6


def test_farthest_points_take_each_point_once_even_where_they_coincide() -> None:
    assert sorted(farthest_points(np.ones((5, 3)), 5)) == [0, 1, 2, 3, 4]
    assert len(farthest_points(np.ones((5, 3)), 0)) == 0
    with pytest.raises(ValueError, match="5 points"):
        farthest_points(np.ones((5, 3)), 6)
