"""The residual of kriging at sites, regressed on predictions and on features of the surface."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import pyvista as pv
from numpy.typing import NDArray

from helpers.potential_flow import COMPONENTS, draw, fitted, with_other_values
from tramontane.models import classical, site_correction
from tramontane.models.classical import ClassicalModel
from tramontane.models.shapes import Shape, Window
from tramontane.models.site_correction import SiteCorrection, field_rms, site_inputs, surface_features

Array = NDArray[np.floating[Any]]
FIELDS = [slice(0, 3), slice(3, 4)]


def traction_free(random: np.random.Generator, count: int = 1500) -> tuple[Array, Array]:
    """A vector that should be tangential and is predicted with a part along the normal; beside it a field of noise."""
    normals = random.normal(size=(count, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    predicted = random.normal(size=(count, 3))
    along = (predicted * normals).sum(1, keepdims=True) * normals
    left = np.concatenate([-along, 0.3 * random.normal(size=(count, 1))], 1)
    return np.concatenate([predicted, normals], 1).astype(np.float32), left.astype(np.float32)


def test_a_law_of_all_sites_is_learnt_and_noise_is_not() -> None:
    random = np.random.default_rng(0)
    cases = [traction_free(random) for _ in range(12)]
    correction = SiteCorrection.learn([given for given, _ in cases], [left for _, left in cases], FIELDS)
    assert correction is not None
    given, left = traction_free(random)
    remains = left - correction(given)
    assert np.linalg.norm(remains[:, :3]) < 0.25 * np.linalg.norm(left[:, :3])
    assert np.linalg.norm(remains[:, 3]) < 1.01 * np.linalg.norm(left[:, 3])


def test_errors_that_are_each_cases_own_are_left_alone() -> None:
    random = np.random.default_rng(1)
    cases = [traction_free(random)[0] for _ in range(10)]
    left = [np.full((len(case), 4), random.normal(), np.float32) for case in cases]
    assert SiteCorrection.learn(cases, left, FIELDS) is None
    few = [traction_free(random) for _ in range(4)]  # would do, but cannot say what they are worth
    assert SiteCorrection.learn([given for given, _ in few], [wrong for _, wrong in few], FIELDS) is None
    nothing = [np.zeros((len(case), 4), np.float32) for case in cases]
    assert SiteCorrection.learn(cases, nothing, FIELDS) is None


def test_an_edge_is_told_from_a_face() -> None:
    cube = pv.Cube().triangulate()
    shape = Shape(np.asarray(cube.points, float), np.asarray(cube.regular_faces))
    low, high = np.full(3, -0.6), np.full(3, 0.6)
    samples = Window.measure([shape], low, high, {}).sample(shape)
    edge, face, above = surface_features(
        samples, np.array([[0.5, 0.5, 0.1], [0.5, 0.1, 0.1], [0.52, 0.1, 0.1]]), 3**0.5
    )
    np.testing.assert_allclose(face, [1, 0, 0, 1, 0, 0, 0], atol=1e-5)
    assert np.linalg.norm(edge[3:6]) < 0.95
    assert above[6] == pytest.approx(np.arcsinh(20 / 3**0.5), rel=1e-3)
    assert site_inputs(np.full((1, 1), 9.0), face[None])[0, 0] == 4.0  # no further than counts
    np.testing.assert_allclose(field_rms(np.array([[3.0, 0], [4.0, 0]]), [slice(0, 2)]), 2.5)


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Corrections are taken whatever they are worth."""
    monkeypatch.setattr(site_correction, "_CLEARLY", 2.0)


@pytest.mark.usefixtures("always")
def test_a_case_left_out_touches_no_correction_of_its_own() -> None:
    _, model = with_other_values(draw(10, seed=3), 3)
    assert set(model.corrections) == set(COMPONENTS)


@pytest.mark.usefixtures("always")
def test_surface_features_are_learnt_from_and_used(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = draw(10, seed=5)
    model = fitted(cases, templates=1)
    shape, sites, _ = cases[0][2]
    with_features = model.predict(shape, np.array([cases[0][1]]), sites)
    monkeypatch.setattr(
        classical, "surface_features", lambda samples, points, scale: np.zeros((len(points), 7), np.float32)
    )
    blind = model.predict(shape, np.array([cases[0][1]]), sites)
    assert (
        np.abs(with_features["surface"][0] - blind["surface"][0]).max()
        > 1e-4 * np.abs(with_features["surface"][0]).max()
    )
    never = fitted(cases, templates=1)
    assert all(np.ptp(one.scale[-7:]) == 0 for one in never.corrections["surface"] if one is not None)
    assert all(np.ptp(one.scale[-7:]) > 0 for one in model.corrections["surface"] if one is not None)


@pytest.mark.usefixtures("always")
def test_saved_and_loaded_it_corrects_the_same_and_each_site_by_itself() -> None:
    cases = draw(10, seed=4)
    model = fitted(cases, templates=1)
    assert set(model.corrections) == set(COMPONENTS)
    shape, sites, _ = cases[0][2]
    parameters = np.array([cases[0][1]])
    whole = model.predict(shape, parameters, sites)
    again = ClassicalModel.from_state(model.state()).predict(shape, parameters, sites)
    some = model.predict(shape, parameters, {name: at[::7] for name, at in sites.items()})
    for name in sites:
        np.testing.assert_array_equal(whole[name][0], again[name][0])
        np.testing.assert_allclose(some[name][0], whole[name][0][::7], atol=1e-5)
    model.corrections = {}
    plain = model.predict(shape, parameters, sites)
    assert np.abs(plain["surface"][0] - whole["surface"][0]).max() > 1e-6
