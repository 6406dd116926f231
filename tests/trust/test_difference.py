"""Differences of two designs: errors that are common to both drop out; where nothing says so, the worst is assumed."""

from __future__ import annotations

import numpy as np
import pytest

from tramontane.interval import Interval
from tramontane.models.gaussian_process import GaussianProcess, Kernel
from tramontane.models.scalar_kriging import ScalarKriging
from tramontane.trust.calibration import Answered, Calibration, Scale, Scores
from tramontane.trust.conformal import level_of, normal_level, normal_quantile, quantile
from tramontane.trust.difference import difference

WAVE = Kernel(1.0, np.array([1.0, 1.0]), np.array([0.3, 0.3]))


def draws(kernel: Kernel, inputs: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Functions of a Gaussian process at inputs, ``(n, count)``."""
    factor = np.linalg.cholesky(kernel(inputs, inputs) + 1e-8 * np.eye(len(inputs)))
    return np.asarray(factor @ np.random.default_rng(seed).normal(size=(len(inputs), count)))


@pytest.mark.parametrize("trend", ["zero", "constant"])
def test_the_joint_posterior_has_the_covariance_of_true_errors(trend: str) -> None:
    rng = np.random.default_rng(0)
    training, unseen = rng.uniform(-1, 1, (12, 2)), np.array([[1.6, 0.2], [1.7, 0.25], [-1.5, 0.0]])
    noise = 0.01
    process = GaussianProcess(training, WAVE, noise, trend)
    drawn = draws(WAVE, np.vstack([training, unseen]), 40_000, 1) + 0.1 * rng.normal(size=(15, 40_000))
    errors = process.weights(unseen) @ drawn[:12] - drawn[12:]
    covariance = process.covariance(unseen)
    np.testing.assert_allclose(covariance, np.cov(errors), atol=0.02 * covariance.max())
    np.testing.assert_allclose(np.diag(covariance), process.weights_and_variances(unseen)[1], rtol=1e-9)


def fitted(seed: int, *, slope: float = 0.0) -> tuple[ScalarKriging, Scores, np.ndarray, np.ndarray]:
    """A regression of a drawn function, with scores as a surrogate's; near and far pairs of designs, and the truth."""
    rng = np.random.default_rng(seed)
    training, first, other = (rng.uniform(-2, 2, (count, 2)) for count in (40, 60, 60))
    near = first + 0.05 * rng.normal(size=(60, 2))
    pairs = np.stack([first, np.where(np.arange(60)[:, None] % 2 == 0, near, other)], axis=1)
    inputs = np.vstack([training, pairs.reshape(-1, 2)])
    truth = draws(WAVE, inputs, 1, seed)[:, 0] + slope * inputs[:, 0]
    fit = ScalarKriging(training, truth[:40])
    rows = zip(fit.left_out, fit.left_out_deviation, truth[:40], strict=True)
    calibration = Calibration.learn([], {"drag": [Answered(*(np.array([[x]]) for x in row)) for row in rows]})
    assert calibration is not None
    return fit, calibration.qoi["drag"], pairs, truth[40:].reshape(-1, 2)


def answer(fit: ScalarKriging, scores: Scores, at: np.ndarray) -> tuple[float, Interval]:
    """A prediction with its calibrated interval."""
    value, deviation = fit.predict(at)
    return value, Calibration([], {}, {"drag": scores}).qoi_interval("drag", value, deviation, unit=1.0)


def test_two_near_designs_differ_for_certain_though_their_intervals_overlap() -> None:
    fit, scores, _, _ = fitted(3, slope=3.0)
    near = np.array([[3.4, 0.5], [3.6, 0.5]])  # beyond the training cases: a large error, and nearly the same one
    one, other = (answer(fit, scores, at) for at in near)
    assert max(one[1].low, other[1].low) < min(one[1].high, other[1].high)
    correlation = fit.correlation(*near)
    assert correlation > 0.95
    apart = difference(scores, one, other, correlation)
    assert apart.value == pytest.approx(0.6, abs=0.25)
    assert apart.is_certain
    assert apart.probability > 0.95
    unknown = difference(scores, one, other, None)
    assert not unknown.is_certain
    assert unknown.bounded
    assert unknown.half_width == pytest.approx(one[1].high - one[0] + other[1].high - other[0])
    assert unknown.probability < apart.probability


def test_true_differences_lie_in_their_intervals_as_often_as_is_stated() -> None:
    covered: dict[str, list[bool]] = {"near": [], "far": []}
    narrower, stated, right = [], [], []
    for seed in range(4):
        fit, scores, pairs, truth = fitted(seed)
        for place, (pair, true) in enumerate(zip(pairs, truth, strict=True)):
            one, other = (answer(fit, scores, at) for at in pair)
            apart = difference(scores, one, other, fit.correlation(*pair))
            covered["far" if place % 2 else "near"].append(abs(apart.value - (true[1] - true[0])) <= apart.half_width)
            stated.append(apart.probability)
            right.append((true[1] - true[0]) * apart.value > 0)
            if place % 2 == 0:
                narrower.append(apart.half_width / np.hypot(one[1].high - one[0], other[1].high - other[0]))
    for kind, of in covered.items():
        assert np.mean(of) > 0.87, kind
    assert np.median(narrower) < 0.6  # than of two errors that have nothing to do with each other
    sure = np.array(stated) > 0.95
    assert sure.mean() > 0.3
    assert np.mean(np.array(right)[sure]) > 0.95
    assert np.mean(right) > np.mean(stated) - 0.02


def test_the_probability_follows_from_the_errors_of_cases_left_out() -> None:
    scores = Scores(Scale(1.0, 0.0, 0.0), np.zeros(0), np.arange(1.0, 20.0), np.zeros(0))  # 19: nine of ten below 18
    same = Interval(-18.0, 18.0, 0.9, 19)

    def moved(by: float) -> Interval:
        return Interval(by - 18.0, by + 18.0, 0.9, 19)

    apart = difference(scores, (0.0, same), (9 * np.sqrt(2), moved(9 * np.sqrt(2))), 0.0)
    assert apart.half_width == pytest.approx(18 * np.sqrt(2))
    assert apart.probability == pytest.approx((1 + 9 / 20) / 2)
    assert not apart.is_certain
    assert not apart.bounded
    beyond = difference(scores, (0.0, same), (-90.0, moved(-90.0)), 0.0)
    assert beyond.probability == pytest.approx((1 + 19 / 20) / 2)
    assert beyond.bounded  # no case left out says how much more
    assert difference(scores, (0.0, same), (0.0, same), 1.0).probability == 0.5
    assert difference(scores, (0.0, same), (0.1, moved(0.1)), 1.0).is_certain  # one error, which drops out


def test_levels_are_the_inverse_of_quantiles() -> None:
    scores = np.abs(np.random.default_rng(0).normal(size=19))
    for level in (0.5, 0.8, 0.95):
        assert level_of(scores, quantile(scores, level)) == pytest.approx(level)
        assert normal_level(scores, normal_quantile(scores, level)) == pytest.approx(level)
