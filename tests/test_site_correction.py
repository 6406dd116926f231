"""What kriging leaves at sites, regressed on predictions and on how the surface lies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from test_classical import COMPONENTS, draw, fitted

from tramontane.models import site_correction
from tramontane.models.classical import ClassicalModel
from tramontane.models.site_correction import SiteCorrection, field_sizes, site_inputs

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
    cases = draw(3, seed=0)
    model = fitted(cases, templates=1)
    samples, scale = model.placed[0].samples, model.frame.correspondence.window.scale
    values = np.zeros((4, 1), np.float32)
    on, off = samples.points[:4], samples.points[:4] + 0.01 * scale * samples.facets[:4]
    flat, above = (site_inputs(values, samples, where, scale) for where in (on, off))
    assert flat.shape == (4, 8)
    assert (np.linalg.norm(flat[:, 1:4], axis=1) <= 1 + 1e-6).all()
    assert (np.linalg.norm(flat[:, 4:7], axis=1) <= 1 + 1e-6).all()
    assert (above[:, 7] > flat[:, 7]).all()
    np.testing.assert_allclose(field_sizes(np.array([[3.0, 0], [4.0, 0]]), [slice(0, 2)]), 2.5)


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Corrections are taken whatever they are worth."""
    monkeypatch.setattr(site_correction, "_CLEARLY", 2.0)


@pytest.mark.usefixtures("always")
def test_a_case_left_out_touches_no_correction_of_its_own() -> None:
    cases = draw(10, seed=3)
    left = 3
    shape, where, values = cases[left][2]
    before = fitted(cases, templates=1).predict_left_out(left, shape, where)
    for name in values:
        values[name] = 100 * np.random.default_rng(0).normal(size=values[name].shape)
    after = fitted(cases, templates=1).predict_left_out(left, shape, where)
    for name in values:
        np.testing.assert_array_equal(before[name][0], after[name][0])


@pytest.mark.usefixtures("always")
def test_saved_and_loaded_it_corrects_the_same_and_each_site_by_itself() -> None:
    cases = draw(10, seed=4)
    model = fitted(cases, templates=1)
    assert set(model.corrections) == set(COMPONENTS)
    shape, where, _ = cases[0][2]
    parameters = np.array([cases[0][1]])
    whole = model.predict(shape, parameters, where)
    again = ClassicalModel.from_state(model.state()).predict(shape, parameters, where)
    some = model.predict(shape, parameters, {name: at[::7] for name, at in where.items()})
    for name in where:
        np.testing.assert_array_equal(whole[name][0], again[name][0])
        np.testing.assert_allclose(some[name][0], whole[name][0][::7], atol=1e-5)
    model.corrections = {}
    plain = model.predict(shape, parameters, where)
    assert np.abs(plain["surface"][0] - whole["surface"][0]).max() > 1e-6
