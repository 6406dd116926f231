"""Gaussian processes against refitting without each case, finite differences and scikit-learn's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import approx_fprime
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, DotProduct, WhiteKernel

from tramontane.models.gaussian_process import (
    GaussianProcess,
    Kernel,
    Posterior,
    Trend,
    fit_hyperparameters,
    maximise_posterior,
    prior_hyperparameters,
)
from tramontane.models.regression import KernelRegression

Array = NDArray[np.floating[Any]]
NOISE = 0.05


def sample(count: int, outputs: int = 3, seed: int = 1) -> tuple[Array, Array]:
    """Inputs ``(count, 2)`` and outputs ``(count, outputs)`` that follow them."""
    random = np.random.default_rng(seed)
    inputs = random.normal(size=(count, 2))
    waves = np.sin(inputs @ random.normal(size=(2, outputs))) + 0.5 * inputs[:, :1]
    return inputs, waves + 0.1 * random.normal(size=(count, outputs))


def test_posterior_is_that_of_scikit_learn() -> None:
    inputs, outputs = sample(20)
    new, _ = sample(7, seed=2)
    kernel = Kernel(0.7, np.array([1.0, 2.0]), np.array([0.5, 0.5]), constant=0.2)
    weights, variances = GaussianProcess(inputs, kernel, NOISE, trend="zero").weights_and_variances(new)
    same = (
        ConstantKernel(0.7) * RBF([1.0, 2.0]) + ConstantKernel(0.25) * DotProduct(0.0, "fixed") + ConstantKernel(0.2)
        + WhiteKernel(NOISE)
    )  # fmt: skip
    reference = GaussianProcessRegressor(same, alpha=1e-14, optimizer=None).fit(inputs, outputs)
    means, deviations = reference.predict(new, return_std=True)
    np.testing.assert_allclose(weights @ outputs, means, atol=1e-10)
    np.testing.assert_allclose(np.sqrt(variances), deviations[:, 0], rtol=1e-8)
    np.testing.assert_allclose(kernel.diagonal(new), np.diag(kernel(new, new)), rtol=1e-12)


@pytest.mark.parametrize("trend", ["zero", "constant"])
def test_leave_one_out_is_that_of_refitting(trend: Trend) -> None:
    inputs, outputs = sample(12)
    kernel = Kernel(1.0, np.array([1.0, 2.0]), np.array([0.5, 0.3]))
    residual_matrix, variances = GaussianProcess(inputs, kernel, NOISE, trend).leave_one_out()
    for left_out in range(len(inputs)):
        others = np.delete(np.arange(len(inputs)), left_out)
        process = GaussianProcess(inputs[others], kernel, NOISE, trend)
        weights, variance = process.weights_and_variances(inputs[left_out : left_out + 1])
        residuals = outputs[left_out] - weights[0] @ outputs[others]
        np.testing.assert_allclose(residual_matrix[left_out] @ outputs, residuals, atol=1e-10)
        assert variances[left_out] == pytest.approx(variance[0], rel=1e-8)


def test_a_sample_mean_stays_that_of_all_cases() -> None:
    inputs, outputs = sample(12)
    kernel = Kernel(1.0, np.array([1.0, 2.0]), np.array([0.5, 0.3]))
    about_mean, about_zero = (GaussianProcess(inputs, kernel, NOISE, trend) for trend in ("sample mean", "zero"))
    centred = outputs - outputs.mean(0)
    ours, zeros = about_mean.leave_one_out(), about_zero.leave_one_out()
    np.testing.assert_allclose(ours.residual_matrix @ outputs, zeros.residual_matrix @ centred, atol=1e-10)
    np.testing.assert_array_equal(ours.variances, zeros.variances)
    new, _ = sample(3, seed=2)
    np.testing.assert_allclose(about_mean.weights(new).sum(1), 1.0)
    expected = outputs.mean(0) + about_zero.weights(new) @ centred
    np.testing.assert_allclose(about_mean.weights(new) @ outputs, expected, atol=1e-10)


def test_an_unknown_mean_is_one_of_infinite_prior_variance() -> None:
    inputs, outputs = sample(15)
    new, _ = sample(4, seed=2)
    scales = np.array([1.0, 2.0]), np.array([0.5, 0.3])
    constant = GaussianProcess(inputs, Kernel(1.0, *scales, constant=0.0), NOISE, trend="constant")
    wide = GaussianProcess(inputs, Kernel(1.0, *scales, constant=1e6), NOISE, trend="zero")
    weights, variances = constant.weights_and_variances(new)
    expected_weights, expected_variances = wide.weights_and_variances(new)
    np.testing.assert_allclose(weights.sum(1), 1.0)
    np.testing.assert_allclose(weights @ outputs, expected_weights @ outputs, atol=1e-4)
    np.testing.assert_allclose(variances, expected_variances, rtol=1e-4)


def test_standard_deviation_makes_residuals_as_large_as_expected() -> None:
    inputs, outputs = sample(30)
    process = GaussianProcess.from_logarithms(inputs, np.log([1.0, 0.1, 1.0, 2.0, 0.5, 0.5]))
    residual_matrix, variances = leave_one_out = process.leave_one_out()
    deviation = leave_one_out.standard_deviation(outputs)
    standardised = residual_matrix @ outputs / np.sqrt(variances)[:, None] / deviation
    np.testing.assert_allclose((standardised**2).mean(0), 1.0)


def costs(fit: Callable[[], Array], monkeypatch: pytest.MonkeyPatch) -> Callable[[Array], tuple[float, Array]]:
    """What a fit minimises."""
    kept: list[Any] = []

    def minimize(cost: Any, start: Array, **options: Any) -> Any:
        kept.append(cost)
        return type("Result", (), {"x": start, "fun": 0.0})

    monkeypatch.setattr("scipy.optimize.minimize", minimize)
    fit()
    return kept[0]  # type: ignore[no-any-return]


@pytest.mark.parametrize("many", [False, True])
def test_gradient_of_the_fit_is_that_of_finite_differences(many: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs, outputs = sample(10)
    outputs = outputs - outputs.mean(0)
    cost = costs(lambda: fit_hyperparameters(inputs, outputs @ outputs.T if many else outputs[:, 0]), monkeypatch)
    at = prior_hyperparameters(2) + np.linspace(-0.3, 0.3, 6)
    np.testing.assert_allclose(cost(at)[1], approx_fprime(at, lambda each: cost(each)[0], 1e-6), atol=1e-4)


def test_one_output_and_its_gram_matrix_are_the_same() -> None:
    inputs, outputs = sample(15, outputs=1)
    output = outputs[:, 0] - outputs.mean()
    np.testing.assert_allclose(
        fit_hyperparameters(inputs, output), fit_hyperparameters(inputs, np.outer(output, output)), atol=1e-4
    )


def test_hyperparameters_find_the_input_that_matters() -> None:
    random = np.random.default_rng(0)
    inputs = random.normal(size=(30, 4))
    outputs = np.sin(1.5 * inputs[:, :1]) * random.normal(size=(1, 50)) + 0.01 * random.normal(size=(30, 50))
    outputs -= outputs.mean(0)
    hyperparameters = fit_hyperparameters(inputs, outputs @ outputs.T)
    assert np.argmin(hyperparameters[2:6]) == 0
    assert np.exp(hyperparameters[1]) < 0.05


def test_marginal_likelihood_finds_the_noise_of_a_covariance_of_ones_own() -> None:
    random = np.random.default_rng(3)
    smooth = np.exp(-0.5 * (np.linspace(0, 20, 200)[:, None] - np.linspace(0, 20, 200)) ** 2)
    factor = np.linalg.cholesky(4.0 * smooth + 0.04 * np.eye(200))

    def covariance(logarithms: Array) -> tuple[Array, Callable[[Array], Array]]:
        signal, noise = np.exp(logarithms)
        return signal * smooth + noise * np.eye(200), lambda by_matrix: np.array(
            [signal * np.sum(by_matrix * smooth), noise * np.trace(by_matrix)]
        )

    outputs = factor @ random.normal(size=200)
    fitted = maximise_posterior(covariance, outputs, np.zeros(2), 10.0, [(-12.0, 4.0)] * 2)
    signal, noise = np.exp(fitted)
    assert noise / signal == pytest.approx(0.01, rel=0.6)


def test_regression_on_nothing_is_the_mean() -> None:
    outputs = np.array([[1.0], [2.0], [6.0]])
    np.testing.assert_allclose(KernelRegression(np.zeros((3, 0)), outputs).weights(np.zeros(0)), 1 / 3)


def test_the_baseline_keeps_its_weights() -> None:
    # Frozen from an implementation with explicit inverses; length scale, noise and signal are chosen on the way.
    inputs, outputs = sample(6)
    weights = KernelRegression(inputs, outputs).weights(np.array([0.3, -0.2]))
    expected = [0.035097401711907, 0.355807089347432, 0.094254574126413, 0.052370756711354, 0.301452681605751,
                0.161017497497143]  # fmt: skip
    np.testing.assert_allclose(weights, expected, atol=1e-9)
    assert weights.sum() == pytest.approx(1.0)


def test_alpha_solves_for_the_outputs() -> None:
    inputs, outputs = sample(9)
    covariance = Kernel(1.0, np.ones(2), np.ones(2))(inputs, inputs) + NOISE * np.eye(9)
    np.testing.assert_allclose(covariance @ Posterior(covariance).solve(outputs), outputs, atol=1e-10)
