"""The classical model on flows that are known: potential flow past ellipsoids, each meshed in its own way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import pyvista as pv
from safetensors.numpy import load, save
from scipy.spatial import cKDTree

from helpers.potential_flow import Array, case, draw, ellipsoid, fitted, with_other_values
from tramontane.errors import GeometryError, TramontaneError
from tramontane.models.classical import ClassicalModel
from tramontane.models.design_coordinates import DesignCoordinates
from tramontane.models.field_kriging import FieldKriging
from tramontane.models.neighbours import in_portions, stencil, weighted, without_spikes
from tramontane.models.reference_frame import Family
from tramontane.models.shapes import Shape, Window, central, cut_planes


@pytest.fixture(scope="module")
def cases() -> list[Any]:
    return draw(16, seed=1)


@pytest.fixture(scope="module")
def model(cases: list[Any]) -> ClassicalModel:
    return fitted(cases)


def error(predicted: Array, true: Array) -> float:
    return float(np.linalg.norm(predicted - true) / np.linalg.norm(true))


def mean_field(cases: list[Any], axes: Array, name: str, positions: Array) -> Array:
    """The baseline: the mean of all cases, mapped by bounding box."""
    looked_up = [
        values[name][cKDTree(points[name] / own).query(positions / axes)[1]] for own, _, (_, points, values) in cases
    ]
    return np.asarray(np.mean(looked_up, axis=0))


def test_unseen_ellipsoids_are_far_better_than_the_mean_field(cases: list[Any], model: ClassicalModel) -> None:
    mine: dict[str, list[float]] = {"pressure": [], "velocity": [], "warmth": []}
    baseline: dict[str, list[float]] = {"pressure": [], "velocity": [], "warmth": []}
    for axes, speed, (shape, positions, values) in draw(5, seed=2):
        predicted = model.predict(shape, np.array([speed]), positions)
        for name, domain, columns in (
            ("pressure", "surface", slice(0, 1)),
            ("velocity", "surface", slice(1, 4)),
            ("warmth", "volume", slice(0, 1)),
        ):
            true = values[domain][:, columns]
            mine[name].append(error(predicted[domain][0][:, columns], true))
            baseline[name].append(error(mean_field(cases, axes, domain, positions[domain])[:, columns], true))
    for name in mine:
        assert np.mean(mine[name]) < 0.5 * np.mean(baseline[name]), (name, np.mean(mine[name]), np.mean(baseline[name]))


def test_saved_and_loaded_it_predicts_the_same_bits(cases: list[Any], model: ClassicalModel) -> None:
    shape, positions, _ = cases[3][2]
    again = ClassicalModel.from_state(load(save(model.state())))
    for one, other in zip(
        model.predict(shape, np.array([20.0]), positions).values(),
        again.predict(shape, np.array([20.0]), positions).values(),
        strict=True,
    ):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


def test_a_case_left_out_does_not_touch_its_own_prediction() -> None:
    cases = draw(5, seed=3)
    left = 3
    before, model = with_other_values(cases, left)
    shape, positions, _ = cases[left][2]
    assert error(model.predict(shape, np.array([cases[left][1]]), positions)["surface"][0], before["surface"][0]) > 0.1


def test_deviations_grow_away_from_the_training_range_and_are_of_the_errors_size(
    model: ClassicalModel,
) -> None:
    near = case(np.array([1.5, 0.6, 0.6]), 20.0, 7)
    far = case(np.array([4.0, 0.6, 0.25]), 20.0, 8)
    deviations = [model.predict(each[0], np.array([20.0]), each[1])["surface"][1][:, 0].mean() for each in (near, far)]
    assert deviations[1] > 2 * deviations[0]
    ratio = []
    for _, speed, (shape, positions, values) in draw(5, seed=4):
        mean, deviation = model.predict(shape, np.array([speed]), positions)["surface"]
        ratio.append(np.mean((mean - values["surface"])[:, 0] ** 2) / np.mean(deviation[:, 0] ** 2))
    assert 0.2 < np.mean(ratio) < 5


def test_a_power_law_in_a_parameter_is_learnt_beyond_its_range(model: ClassicalModel) -> None:
    errors = []
    for speed in (20.0, 80.0):  # training speeds end at 40
        shape, positions, values = case(np.array([1.5, 0.6, 0.6]), speed, 9)
        errors.append(error(model.predict(shape, np.array([speed]), positions)["volume"][0], values["volume"]))
    assert errors[1] < errors[0] + 0.05  # without the law: the warmth at 40, too large by 0.4


def test_a_size_that_goes_as_the_cube_of_a_dimension_is_followed(cases: list[Any]) -> None:
    def bent(family: list[Any]) -> list[Any]:
        return [
            (axes, speed, (shape, positions, values | {"volume": values["volume"] * speed**0.5 / axes[1] ** 4}))
            for axes, speed, (shape, positions, values) in family
        ]

    model = fitted(bent(cases), templates=1)
    errors = []
    for _, speed, (shape, positions, values) in bent(draw(4, seed=5)):
        predicted = model.predict(shape, np.array([speed]), positions)["volume"][0]
        errors.append(error(predicted, values["volume"]))
    assert np.mean(errors) < 0.08  # sizes differ by a factor of eight


def matched(shapes: list[Shape], low: Array, high: Array, planes: dict[int, float] | None = None) -> Family:
    window = Window.measure(shapes, low, high, planes or {})
    samples = [window.sample(shape) for shape in shapes]
    return Family(window, samples, central(window, samples)[0])


def test_dimensions_are_estimated_for_shapes_that_were_not_seen(cases: list[Any]) -> None:
    axes = np.array([each for each, *_ in cases])
    family = matched([shape for *_, (shape, _, _) in cases], np.full(3, -3.0), np.full(3, 3.0))
    speeds = np.array([[speed] for _, speed, _ in cases])
    designs = DesignCoordinates(family.samples, family.registrations, speeds, axes)
    estimates = []
    for *_, (shape, _, _) in draw(5, seed=6):
        samples = family.correspondence.window.sample(shape)
        estimates.append(designs.transform(samples, family.correspondence.register(samples), np.array([20.0]))[5:8])
    true = (np.array([each for each, *_ in draw(5, seed=6)]) - axes.mean(0)) / axes.std(0)
    assert np.abs(estimates - true).mean() < 0.1  # in standard deviations of the training cases


def test_estimates_of_dimensions_are_those_of_the_other_cases(cases: list[Any]) -> None:
    family = matched([shape for *_, (shape, _, _) in cases], np.full(3, -3.0), np.full(3, 3.0))
    none = np.zeros((len(cases), 0))
    # What no shape tells is not believed, however many features there are to fit it with.
    chance = np.random.default_rng(0).normal(size=(len(cases), 3))
    guessed = DesignCoordinates(family.samples, family.registrations, none, chance)
    assert len(guessed.alpha) <= 1
    axes = np.array([each for each, *_ in cases])
    estimates = DesignCoordinates(family.samples, family.registrations, none, axes).training[:, 5:8]
    off = np.abs(estimates - (axes - axes.mean(0)) / axes.std(0)).mean()
    assert 1e-4 < off < 0.2  # an estimate, not the dimension itself


def test_a_registered_shape_carries_points_onto_itself() -> None:
    shapes = [ellipsoid(np.array(axes)) for axes in ([1.0, 0.5, 0.5], [1.2, 0.5, 0.4], [1.4, 0.6, 0.5])]
    ball = pv.Superquadric(theta_roundness=0.6, phi_roundness=0.6, theta_resolution=60, phi_resolution=60).triangulate()
    rounder = Shape(np.asarray(ball.points, float), np.asarray(ball.regular_faces))
    box = np.full(3, 3.0)
    family = matched([*shapes, rounder], -box, box)
    correspondence = family.correspondence
    start = correspondence.controls[:, :3]
    basis = correspondence.basis(start)
    samples = correspondence.window.sample(rounder)
    carried = correspondence.carry(start, basis, correspondence.register(samples))
    fine = Window(-box, box, {}, np.ones(3), 0.01).sample(rounder).points
    stretched = start / correspondence.window.extent * samples.extent + samples.low
    off, off_without = (cKDTree(fine).query(each)[0].mean() for each in (carried, stretched))
    assert off < 0.015
    assert off < 0.3 * off_without


def test_a_rib_elsewhere_is_found() -> None:
    def plate(at: float) -> Shape:
        whole = (
            pv.Box((0, 1, 0, 1, 0, 0.05)).triangulate().merge(pv.Box((at, at + 0.05, 0, 1, 0.05, 0.4)).triangulate())
        )
        surface = whole.extract_surface(algorithm="dataset_surface")
        return Shape(np.asarray(surface.points, float), np.asarray(surface.regular_faces))

    family = matched([plate(at) for at in (0.2, 0.3, 0.4, 0.5, 0.7)], np.full(3, -0.1), np.full(3, 1.1))
    correspondence, template = family.correspondence, family.samples[family.template]
    start = correspondence.window.normalise(template.points, template.low, template.extent)
    basis = correspondence.basis(start)
    for samples, registration in zip(family.samples, family.registrations, strict=True):
        carried = correspondence.carry(start, basis, registration)
        left_out = cKDTree(carried).query(samples.points)[0]
        assert np.quantile(left_out, 0.99) < 0.05


def test_planes_that_cut_shapes_are_found_and_not_crossed() -> None:
    shapes = [ellipsoid(np.array([1.0, size, size])) for size in (0.4, 0.5, 0.6)]
    low, high = np.array([-2.0, 0.0, -1.0]), np.array([2.0, 1.0, 1.0])
    planes = cut_planes(shapes, low, high)
    assert planes == {1: 0.0}
    family = matched(shapes, low, high, planes)
    on_plane = np.array([[0.2, 0.0, 0.3], [1.9, 0.0, 0.1]])
    correspondence = family.correspondence
    carried = correspondence.carry(on_plane, correspondence.basis(on_plane), family.registrations[2])
    np.testing.assert_allclose(carried[:, 1], 0.0, atol=1e-5)


def test_a_faceted_cylinder_has_smooth_normals_and_sharp_ends() -> None:
    cylinder = pv.Cylinder(radius=1.0, height=2.0, direction=(0, 0, 1), resolution=16).triangulate()
    shape = Shape(np.asarray(cylinder.points, float), np.asarray(cylinder.regular_faces))
    window = Window.measure([shape], np.full(3, -2.0), np.full(3, 2.0), {}, samples=4000)
    samples = window.sample(shape)
    assert 3000 < len(samples.points) < 5500
    side = np.abs(samples.normals[:, 2]) < 0.5
    radial = samples.points[side, :2] / np.linalg.norm(samples.points[side, :2], axis=1, keepdims=True)
    assert np.abs((samples.normals[side, :2] * radial).sum(1)).min() > np.cos(np.radians(8))  # facets alone: 11 degrees
    np.testing.assert_allclose(np.abs(samples.normals[~side, 2]), 1.0, atol=1e-6)


def test_a_field_that_changes_its_sign_in_a_region_is_followed() -> None:
    # To the right a field goes through nothing, and so does its size there, but not over the whole domain.
    random = np.random.default_rng(4)
    places = random.random((400, 3)) + np.repeat([[0, 0, 0], [4, 0, 0]], 200, axis=0)
    right = places[:, :1] > 2

    def field(by: float) -> Array:
        return np.where(right, by * (1 + 0.5 * np.sin(3 * places[:, 1:2])), 2.0 + 0.1 * by + places[:, 2:])

    inputs = np.linspace(-1.5, 1.5, 12)[:, None]
    table = np.stack([field(by) for by in inputs[:, 0]]).astype(np.float32)
    kriging = FieldKriging(inputs, {"wall": table}, {"wall": places}, {"wall": (1,)}, regions=2)
    for by in (-0.9, 0.0, 0.4):
        truth = field(by)
        assert np.abs(kriging.predict("wall", np.array([by])) - truth).max() < 0.05
    assert np.abs(kriging.predict("wall", inputs[6], left_out=6) - table[6]).max() < 0.05


def test_stencils_reproduce_linear_fields_and_spikes_go() -> None:
    random = np.random.default_rng(2)
    points, wanted = random.random((3000, 3)), 0.2 + 0.6 * random.random((200, 3))
    slope = np.array([[1.0], [-2.0], [0.5]])
    exact = wanted @ slope
    nearest = (points @ slope)[cKDTree(points).query(wanted)[1]]
    interpolated = weighted(points @ slope, stencil(cKDTree(points), wanted))
    assert np.abs(interpolated - exact).mean() < 0.3 * np.abs(nearest - exact).mean()
    in_pieces = in_portions(lambda part: stencil(cKDTree(points), part), np.tile(wanted, (100, 1)))
    together = np.concatenate([weighted(points @ slope, part) for part in in_pieces])
    np.testing.assert_array_equal(together, np.tile(interpolated, (100, 1)))
    spiky = points @ slope
    spiky[17] = 50.0
    cleaned = without_spikes(points, spiky)
    assert abs(cleaned[17, 0] - (points @ slope)[17, 0]) < 2
    np.testing.assert_array_equal(np.delete(cleaned, 17), np.delete(spiky, 17))


def test_mistakes_are_named(cases: list[Any], model: ClassicalModel) -> None:
    shape, positions, _ = cases[0][2]
    with pytest.raises(TramontaneError, match="no domain 'wake'"):
        model.predict(shape, np.array([20.0]), {"wake": positions["surface"]})
    with pytest.raises(TramontaneError, match="2 parameters given; give the 1"):
        model.predict(shape, np.array([20.0, 1.0]), positions)
    with pytest.raises(TramontaneError, match="three or more"):
        fitted(cases[:2])
    away = Shape(shape.points * 1000.0 + 5000.0, shape.triangles)
    with pytest.raises(GeometryError, match="check its unit and place"):
        model.predict(away, np.array([20.0]), positions)
