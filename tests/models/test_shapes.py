"""What is seen of a shape: lattice points, moments, whatever its triangles."""

from __future__ import annotations

import numpy as np
import pytest
import pyvista as pv

from tramontane.errors import GeometryError
from tramontane.geometry.scanlines import crossings
from tramontane.models.shapes import Shape, Window

LOW, HIGH = np.full(3, -5.0), np.full(3, 5.0)


def shape(mesh: pv.PolyData) -> Shape:
    mesh = mesh.triangulate()
    return Shape(np.asarray(mesh.points, float), np.asarray(mesh.regular_faces))


def corners(of: Shape) -> np.ndarray:
    return of.points.T[:, of.triangles.T].swapaxes(0, 1)


def test_a_box_gets_one_point_for_each_square_of_the_lattice() -> None:
    points, triangle = crossings(corners(shape(pv.Box((0, 1, 0, 2, 0, 3)))), 0.1, phase=np.full(3, 0.05))
    assert len(points) == 2 * (10 * 20 + 20 * 30 + 10 * 30)
    assert len(np.unique(points.round(9), axis=0)) == len(points)  # none twice on the diagonals
    assert set(triangle) == set(range(12))
    faces = np.isclose(points, 0).any(1) | np.isclose(points, [1, 2, 3]).any(1)
    assert faces.all()


def test_every_line_leaves_a_closed_surface_as_often_as_it_enters() -> None:
    ball = shape(pv.Sphere(radius=1.0, theta_resolution=37, phi_resolution=23))
    points, triangle = crossings(corners(ball), 0.07, phase=np.array([0.011, 0.017, 0.023]))
    edges = corners(ball)
    normals = np.cross(edges[1] - edges[0], edges[2] - edges[0], axis=0).T[triangle]
    on_lattice = (
        np.abs((points - [0.011, 0.017, 0.023]) / 0.07 - np.round((points - [0.011, 0.017, 0.023]) / 0.07)) < 1e-6
    )
    along_z = on_lattice[:, 0] & on_lattice[:, 1] & ~on_lattice[:, 2]
    keys = np.round(points[along_z, :2], 6)
    lines, owner = np.unique(keys, axis=0, return_inverse=True)
    np.testing.assert_array_equal(
        np.bincount(owner.ravel(), weights=np.sign(normals[along_z, 2])), np.zeros(len(lines))
    )


def test_dividing_triangles_changes_no_point_and_no_descriptor() -> None:
    part = pv.Cylinder(radius=0.4, height=2.0, direction=(1, 2, 3), resolution=14).triangulate()
    window = Window.measure([shape(part)], LOW, HIGH, {})
    one, other = window.sample(shape(part)), window.sample(shape(part.subdivide(2, "linear")))
    order, other_order = (np.lexsort(each.points.round(5).T) for each in (one, other))
    assert len(order) == len(other_order)
    np.testing.assert_allclose(one.points[order], other.points[other_order], atol=1e-5)
    np.testing.assert_allclose(one.descriptors, other.descriptors, atol=1e-4)


def test_descriptors_are_known_integrals() -> None:
    descriptors = Window(LOW, HIGH, {}, np.ones(3), 0.1).sample(shape(pv.Box((1, 3, 0, 4, -1, 4)))).descriptors
    np.testing.assert_allclose(np.exp(descriptors[:3]), [2, 4, 5], rtol=1e-9)
    np.testing.assert_allclose(np.exp(descriptors[3:5]), [40 ** (1 / 3), 40 / 76], rtol=1e-9)
    # Volume moments of the unit cube: 1 / ((i + 1) (j + 1) (k + 1)), orders (0, 0, 0), (0, 0, 1), (0, 0, 2), (0, 0, 3).
    np.testing.assert_allclose(np.exp(descriptors[5:9]), [1, 1 / 2, 1 / 3, 1 / 4], rtol=1e-4)


def test_what_lies_outside_the_window_is_not_seen() -> None:
    half = Window(np.array([-5.0, 0.0, -5.0]), HIGH, {1: 0.0}, np.ones(3), 0.05).sample(shape(pv.Sphere(radius=1.0)))
    assert half.points[:, 1].min() >= 0
    np.testing.assert_allclose(half.extent, [2, 1, 2], rtol=0.02)
    with pytest.raises(GeometryError, match="check its unit and place"):
        Window(LOW, HIGH, {}, np.ones(3), 0.05).sample(shape(pv.Sphere(radius=1.0, center=(100, 0, 0))))


def test_walls_stay_and_what_is_between_follows_the_shape() -> None:
    bodies = [shape(pv.Sphere(radius=size, center=(place, 0, 0))) for size, place in ((0.5, -1), (1, 0), (0.7, 2))]
    fixed = np.array([[True, True, False], [True, True, False]])
    window = Window.measure(bodies, LOW, HIGH, {}, fixed=fixed)
    places = np.random.default_rng(0).uniform(LOW, HIGH, (500, 3))
    ends = []
    for body in bodies:
        low, extent = window.box(body)
        stretched = window.normalise(places, low, extent)
        np.testing.assert_allclose(window.restore(stretched, low, extent), places, atol=1e-9)
        ends.append(window.normalise(np.array([LOW, low, low + extent, HIGH]), low, extent)[:, :2])
    for other in ends[1:]:
        np.testing.assert_allclose(other, ends[0], atol=1e-9)  # box and walls of all shapes coincide
