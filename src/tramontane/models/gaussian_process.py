"""Gaussian processes: covariance, hyperparameters, posterior mean and variance, leave-one-out.

Rasmussen & Williams 2006, "Gaussian Processes for Machine Learning": posterior (2.2), a constant mean (2.7),
hyperparameters by marginal likelihood (5.4.1), leave-one-out in closed form (5.4.2). Outputs enter a prediction
linearly, so that one process serves any number of outputs that share its hyperparameters: its weights are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky
from scipy.spatial.distance import cdist

Array = NDArray[np.floating[Any]]
Trend = Literal["zero", "sample mean", "constant"]
"""The mean of outputs: zero, that of the training outputs, or an unknown constant, estimated by least squares."""
Covariance = Callable[[Array], tuple[Array, Callable[[Array], Array]]]
"""Takes logarithms of hyperparameters ``(h,)``. Gives the covariance ``(n, n)`` of the training outputs, noise
included, and a function that turns the derivative ``(n, n)`` of a scalar by it into that by the logarithms."""

# Medians of the lognormal priors, where the search starts; those of length scales and slopes are of one input.
_SIGNAL_VARIANCE, _NOISE_VARIANCE, _LENGTH_SCALE, _SLOPE = 1.0, 0.2, 2.0, 0.3
_CONSTANT = 0.1  # prior variance of the mean
_NUGGET = 1e-3
_SHORT = 1.5  # by how much the logarithm of a length scale is lower at a second start


@dataclass(frozen=True)
class Kernel:
    """Constant, linear and squared-exponential covariance, with a slope and a length scale for every input.

    ``k(a, b) = constant + sum_i slope_i^2 a_i b_i + signal_variance exp(-sum_i (a_i - b_i)^2 / (2 length_scale_i^2))``

    Attributes:
        signal_variance: Of the squared-exponential part.
        length_scales: ``(d,)``.
        slopes: Prior standard deviations ``(d,)`` of the slopes of a linear mean.
        constant: Prior variance of a constant mean.
    """

    signal_variance: float
    length_scales: Float[np.ndarray, " d"]
    slopes: Float[np.ndarray, " d"]
    constant: float = _CONSTANT

    @classmethod
    def from_logarithms(cls, hyperparameters: Float[np.ndarray, " h"]) -> Kernel:
        """The kernel of hyperparameters in the order of `fit_hyperparameters`."""
        length_scales, slopes = np.split(np.exp(hyperparameters[2:]), 2)
        return cls(float(np.exp(hyperparameters[0])), length_scales, slopes)

    def __call__(self, a: Float[np.ndarray, "n d"], b: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "n m"]:
        """Covariance of outputs at some inputs and at others."""
        squared = np.zeros((len(a), len(b)))
        if a.shape[1]:
            squared = cdist(a / self.length_scales, b / self.length_scales, "sqeuclidean")
        linear = (a * self.slopes**2) @ b.T
        return np.asarray(self.signal_variance * np.exp(-0.5 * squared) + linear + self.constant)

    def diagonal(self, inputs: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        """Variance of the output at each input."""
        return np.asarray(self.signal_variance + ((inputs * self.slopes) ** 2).sum(1) + self.constant)


class LeaveOneOut(NamedTuple):
    """What a process with given hyperparameters says of each training output from all others.

    Attributes:
        residual_matrix: Its product ``(n, n)`` with outputs ``(n, q)`` are the residuals: output less prediction.
        variances: Predictive variances ``(n,)``, in units of the process's variance.
    """

    residual_matrix: Float[np.ndarray, "n n"]
    variances: Float[np.ndarray, " n"]

    def standard_deviation(self, outputs: Float[np.ndarray, "n q"]) -> Float[np.ndarray, " q"]:
        """Standard deviation ``(q,)`` of the process with which the residuals of outputs ``(n, q)`` are as expected."""
        standardised = (self.residual_matrix / np.sqrt(self.variances)[:, None]).astype(outputs.dtype) @ outputs
        return np.asarray(np.sqrt((standardised**2).mean(0)))


class Posterior:
    """What outputs of known covariance say of further ones.

    Args:
        covariance: Of the training outputs, noise included.
        trend: Their mean.
    """

    def __init__(self, covariance: Float[np.ndarray, "n n"], trend: Trend = "zero") -> None:
        self.trend, self._factor = trend, np.asarray(cholesky(covariance))
        count = len(covariance)
        self._mean_weights, self._mean_variance = np.zeros(count), 0.0
        if trend == "sample mean":
            self._mean_weights = np.full(count, 1 / count)
        elif trend == "constant":
            solved = self.solve(np.ones(count))
            self._mean_weights, self._mean_variance = solved / solved.sum(), float(1 / solved.sum())

    def solve(self, outputs: Float[np.ndarray, "n ..."]) -> Float[np.ndarray, "n ..."]:
        """The inverse of the covariance times outputs."""
        return np.asarray(cho_solve((self._factor, False), outputs))

    def weights(self, cross_covariance: Float[np.ndarray, "m n"]) -> Float[np.ndarray, "m n"]:
        """Weights of the training outputs in posterior means.

        Args:
            cross_covariance: Of new outputs with the training outputs.
        """
        return self._complete(self.solve(cross_covariance.T).T)

    def weights_and_variances(
        self, cross_covariance: Float[np.ndarray, "m n"], prior_variances: Float[np.ndarray, " m"]
    ) -> tuple[Float[np.ndarray, "m n"], Float[np.ndarray, " m"]]:
        """As `weights`, and posterior variances.

        Args:
            cross_covariance: Of new outputs with the training outputs.
            prior_variances: Of the new outputs.
        """
        solved = self.solve(cross_covariance.T).T
        variances = prior_variances - (cross_covariance * solved).sum(1)
        return self._complete(solved), variances + self._mean_variance * (1 - solved.sum(1)) ** 2

    def covariance(
        self, cross_covariance: Float[np.ndarray, "m n"], prior_covariance: Float[np.ndarray, "m m"]
    ) -> Float[np.ndarray, "m m"]:
        """Posterior covariance of new outputs, whose diagonal are the variances of `weights_and_variances`.

        Args:
            cross_covariance: Of new outputs with the training outputs.
            prior_covariance: Of the new outputs.
        """
        solved = self.solve(cross_covariance.T).T
        lacking = 1 - solved.sum(1)
        of_mean = self._mean_variance * np.outer(lacking, lacking)
        return np.asarray(prior_covariance - cross_covariance @ solved.T + of_mean)

    def leave_one_out(self) -> LeaveOneOut:
        """Residuals and variances of each training output from all others; a sample mean stays that of all."""
        inverse = self.solve(np.eye(len(self._factor)))
        matrix = inverse - np.outer(inverse.sum(1), self._mean_weights)
        precisions = np.maximum(np.diag(matrix if self.trend == "constant" else inverse), 1e-12)
        return LeaveOneOut(matrix / precisions[:, None], 1 / precisions)

    def _complete(self, weights: Float[np.ndarray, "m n"]) -> Float[np.ndarray, "m n"]:
        """Outputs are taken about their mean, which gets what the weights lack to one."""
        return np.asarray(weights + (1 - weights.sum(1, keepdims=True)) * self._mean_weights)


class GaussianProcess:
    """A Gaussian process over training inputs, of given hyperparameters.

    Variances are in units of the process's own: `LeaveOneOut.standard_deviation` says what that is for some outputs.

    Args:
        inputs: Of the training outputs.
        kernel: Covariance of outputs without noise.
        noise_variance: Of each output.
        trend: The mean of outputs.
    """

    def __init__(
        self, inputs: Float[np.ndarray, "n d"], kernel: Kernel, noise_variance: float, trend: Trend = "sample mean"
    ) -> None:
        self.inputs, self.kernel, self.noise_variance = inputs, kernel, noise_variance
        self.posterior = Posterior(kernel(inputs, inputs) + noise_variance * np.eye(len(inputs)), trend)

    @classmethod
    def from_logarithms(
        cls,
        inputs: Float[np.ndarray, "n d"],
        hyperparameters: Float[np.ndarray, " h"],
        *,
        nugget: float = _NUGGET,
        trend: Trend = "sample mean",
    ) -> GaussianProcess:
        """The process of hyperparameters in the order of `fit_hyperparameters`, with its nugget."""
        noise_variance = float(np.exp(hyperparameters[1])) + nugget
        return cls(inputs, Kernel.from_logarithms(hyperparameters), noise_variance, trend)

    def weights(self, inputs: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "m n"]:
        """Weights of the training outputs in the posterior means at new inputs."""
        return self.posterior.weights(self.kernel(inputs, self.inputs))

    def weights_and_variances(
        self, inputs: Float[np.ndarray, "m d"]
    ) -> tuple[Float[np.ndarray, "m n"], Float[np.ndarray, " m"]]:
        """As `weights`, and variances of new outputs, noise included."""
        prior_variances = self.kernel.diagonal(inputs) + self.noise_variance
        weights, variances = self.posterior.weights_and_variances(self.kernel(inputs, self.inputs), prior_variances)
        return weights, np.maximum(variances, self.noise_variance)

    def covariance(self, inputs: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "m m"]:
        """Joint posterior covariance of new outputs, each with a noise of its own."""
        covariance = self.posterior.covariance(self.kernel(inputs, self.inputs), self.kernel(inputs, inputs))
        variances = np.maximum(np.diag(covariance), 0.0) + self.noise_variance
        return np.asarray(covariance - np.diag(np.diag(covariance)) + np.diag(variances))

    def leave_one_out(self) -> LeaveOneOut:
        """See `Posterior.leave_one_out`."""
        return self.posterior.leave_one_out()


def prior_hyperparameters(size: int) -> Float[np.ndarray, " h"]:
    """Hyperparameters for ``size`` inputs in the order of `fit_hyperparameters`, before anything is learnt."""
    root = max(size, 1) ** 0.5
    return np.log([_SIGNAL_VARIANCE, _NOISE_VARIANCE, *[_LENGTH_SCALE * root] * size, *[_SLOPE / root] * size])


def fit_hyperparameters(
    inputs: Float[np.ndarray, "n d"],
    outputs: Float[np.ndarray, " n"] | Float[np.ndarray, "n n"],
    *,
    nugget: float = _NUGGET,
    noise_width: float = 1.0,
    short: bool = False,
) -> Float[np.ndarray, " h"]:
    """Hyperparameters of a `Kernel` and its noise, by maximum a posteriori.

    Args:
        inputs: Standard scores.
        outputs: As in `maximise_posterior`.
        nugget: Least noise variance.
        noise_width: Prior standard deviation of the logarithm of the noise variance; of all others it is one.
        short: Whether the search begins a second time, at short length scales and little noise: an output that rises
            and falls several times is taken for noise otherwise.

    Returns:
        ``h = 2 + 2 d`` logarithms: signal variance, noise variance, a length scale for every input, a slope for
        every input.
    """
    count, size = inputs.shape
    squared = (inputs[:, None] - inputs[None]) ** 2

    @no_type_check  # when it runs: in tests that took twice as long as the fit
    def covariance(hyperparameters: Array) -> tuple[Array, Callable[[Array], Array]]:
        noise_variance = np.exp(hyperparameters[1])
        squared_lengths, slopes = np.exp(2 * hyperparameters[2 : 2 + size]), np.exp(2 * hyperparameters[2 + size :])
        signal = np.exp(hyperparameters[0] - 0.5 * squared @ (1 / squared_lengths))
        matrix = signal + (inputs * slopes) @ inputs.T + _CONSTANT + (noise_variance + nugget) * np.eye(count)
        # A lambda, since tests check the types of every function when it is made, and thousands are made here.
        return matrix, lambda by_matrix: np.concatenate([
            [np.sum(by_matrix * signal), np.trace(by_matrix) * noise_variance],
            np.einsum("ij,ijd->d", by_matrix * signal, squared) / squared_lengths,
            2 * slopes * np.einsum("id,id->d", inputs, by_matrix @ inputs),
        ])  # fmt: skip

    start = prior_hyperparameters(size)
    widths = np.ones(len(start))
    widths[1] = noise_width
    bounds = [(mean - 5 * width, mean + 5 * width) for mean, width in zip(start, widths, strict=True)]
    further = start.copy()
    further[1] -= 3 * noise_width
    further[2 : 2 + size] -= _SHORT
    return maximise_posterior(covariance, outputs, start, widths, bounds, further=[further] if short else ())


def maximise_posterior(
    covariance: Covariance,
    outputs: Float[np.ndarray, " n"] | Float[np.ndarray, "n n"],
    start: Float[np.ndarray, " h"],
    widths: Float[np.ndarray, " h"] | float,
    bounds: Sequence[tuple[float, float]],
    further: Sequence[Float[np.ndarray, " h"]] = (),
) -> Float[np.ndarray, " h"]:
    """Logarithms of hyperparameters by maximum a posteriori, under lognormal priors.

    Many outputs enter by their Gram matrix alone, and count as many independent ones as it has effective directions: a
    hundred thousand values of a field are a handful of facts on how it depends on the inputs.

    Args:
        covariance: Of the training outputs, and its gradient.
        outputs: Of each case, less their mean ``(n,)``; or the products ``(n, n)`` of the outputs of every two cases,
            where there are many. Their scale does not matter.
        start: Means of the priors, from which the search starts.
        widths: Standard deviations of the priors.
        bounds: Of the search.
        further: Where the search begins again; the best result counts.
    """
    from scipy.linalg.lapack import dpotrs
    from scipy.optimize import minimize  # only fitting needs it

    single = outputs.ndim == 1
    energy = float(outputs @ outputs) if single else float(np.trace(outputs))
    if energy <= 0:
        return start
    scale = len(outputs) / energy
    scaled = outputs * (scale**0.5 if single else scale)
    identity = np.eye(len(outputs))
    effective = 1.0 if single else len(outputs) ** 2 / float((scaled**2).sum())

    @no_type_check
    def cost(hyperparameters: Array) -> tuple[float, Array]:
        matrix, gradient = covariance(hyperparameters)
        factor = np.linalg.cholesky(matrix)
        inverse = dpotrs(factor, identity, lower=True)[0]  # as `cho_solve`, whose checks take longer
        if single:
            solved = inverse @ scaled
            misfit, by_misfit = float(scaled @ solved), np.outer(solved, solved)
        else:
            misfit, by_misfit = float(np.sum(inverse * scaled)), inverse @ scaled @ inverse
        value = 0.5 * effective * (misfit + 2 * np.log(np.diag(factor)).sum())
        offset = (hyperparameters - start) / widths
        slope = gradient(0.5 * effective * (inverse - by_misfit))
        return float(value + 0.5 * offset @ offset), slope + offset / widths

    results = [minimize(cost, begin, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 60})
               for begin in (start, *further)]  # fmt: skip
    return np.asarray(min(results, key=lambda result: result.fun).x)
