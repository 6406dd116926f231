"""Kriging of many outputs at once: one Gaussian process, a learned length and slope for every input.

Rasmussen & Williams 2006, ch. 2, 5.1 (lengths by marginal likelihood) and 5.4.2 (leave-one-out in closed form).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky
from scipy.optimize import minimize
from scipy.spatial.distance import cdist

Array = NDArray[np.floating[Any]]

_BEND, _NOISE, _LENGTH, _SLOPE = 1.0, 0.2, 2.0, 0.3  # where the search starts and what it is drawn to
_CONSTANT = 0.1  # prior variance of the mean
_NUGGET = 1e-3


def learn_hyperparameters(inputs: Array, gram: Array, *, nugget: float = _NUGGET, noise_drawn: float = 1.0) -> Array:
    """Hyperparameters that make many outputs likeliest under one Gaussian process, by maximum a posteriori.

    Outputs enter by their Gram matrix alone, and count as many independent ones as it has effective directions: a
    hundred thousand values of a field are a handful of facts on how it depends on the inputs.

    Args:
        inputs: ``(n, d)`` standard scores.
        gram: Products ``(n, n)`` of the centred outputs of every two cases.
        nugget: Least noise variance.
        noise_drawn: How far the noise's logarithm may be from where the search starts, as a standard deviation.

    Returns:
        Logarithms ``(2 + 2 d,)`` of: variance of the squared-exponential part, noise variance, a length for every
        input, a slope for every input.
    """
    count, size = inputs.shape
    start = expected_hyperparameters(size)
    if np.trace(gram) <= 0:
        return start
    gram = gram * (count / np.trace(gram))
    effective = count**2 / (gram**2).sum()
    squared = (inputs[:, None] - inputs[None]) ** 2
    drawn = np.ones(len(start))
    drawn[1] = noise_drawn

    def cost(hyper: Array) -> tuple[float, Array]:
        lengths, slopes = np.exp(2 * hyper[2 : 2 + size]), np.exp(2 * hyper[2 + size :])
        bend = np.exp(hyper[0] - 0.5 * squared @ (1 / lengths))
        matrix = bend + (inputs * slopes) @ inputs.T + _CONSTANT + noise(hyper, nugget) * np.eye(count)
        factor = np.linalg.cholesky(matrix)
        inverse = cho_solve((factor, True), np.eye(count))
        value = 0.5 * effective * (np.sum(inverse * gram) + 2 * np.log(np.diag(factor)).sum())
        by_matrix = 0.5 * effective * (inverse - inverse @ gram @ inverse)
        away = (hyper - start) / drawn
        slope = np.concatenate(
            [
                [np.sum(by_matrix * bend), np.trace(by_matrix) * np.exp(hyper[1])],
                np.einsum("ij,ijd->d", by_matrix * bend, squared) / lengths,
                2 * slopes * np.einsum("id,id->d", inputs, by_matrix @ inputs),
            ]
        )
        return float(value + 0.5 * away @ away), slope + away / drawn

    bounds = [(value - 5 * width, value + 5 * width) for value, width in zip(start, drawn, strict=True)]
    found = minimize(cost, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 60})
    return np.asarray(found.x)


def expected_hyperparameters(size: int) -> Array:
    """Hyperparameters for ``size`` inputs, in the order of `learn_hyperparameters`, before anything is learnt."""
    root = max(size, 1) ** 0.5
    return np.log([_BEND, _NOISE, *[_LENGTH * root] * size, *[_SLOPE / root] * size])


def kernel(a: Array, b: Array, hyper: Array) -> Array:
    """Constant, linear and squared-exponential covariance ``(n, m)`` of inputs ``(n, d)`` and ``(m, d)``."""
    size = a.shape[1]
    lengths, slopes = np.exp(hyper[2 : 2 + size]), np.exp(2 * hyper[2 + size :])
    squared = cdist(a / lengths, b / lengths, "sqeuclidean") if size else np.zeros((len(a), len(b)))
    return np.asarray(np.exp(hyper[0] - 0.5 * squared) + (a * slopes) @ b.T + _CONSTANT)


def noise(hyper: Array, nugget: float = _NUGGET) -> float:
    """Variance of what the inputs do not explain."""
    return float(np.exp(hyper[1]) + nugget)


def factorise(seen: Array, hyper: Array) -> Array:
    """The upper Cholesky factor ``(n, n)`` of the covariance of outputs at ``seen`` ``(n, d)``, noise included."""
    return np.asarray(cholesky(kernel(seen, seen, hyper) + noise(hyper) * np.eye(len(seen))))


def weights(seen: Array, inputs: Array, hyper: Array, factor: Array) -> tuple[Array, float]:
    """How to predict at ``inputs`` ``(d,)`` from the outputs at ``seen`` ``(n, d)``, whose `factorise` is ``factor``.

    Returns:
        Weight ``(n,)`` of each seen case's output, which sum to one, and the variance of a new output in units of the
        process's scale.
    """
    across = kernel(inputs[None], seen, hyper)[0]
    solved = cho_solve((factor, False), across)
    variance = float(kernel(inputs[None], inputs[None], hyper)[0, 0] - across @ solved + noise(hyper))
    # Outputs are taken about their mean, which gets what the weights lack to one.
    return solved + (1 - solved.sum()) / len(solved), max(variance, noise(hyper))


def left_out_errors(seen: Array, hyper: Array, nugget: float = _NUGGET) -> tuple[Array, Array]:
    """How wrong the process is on each case if it has not seen that case's outputs.

    Returns:
        The matrix ``(n, n)`` whose product with outputs ``(n, q)`` is their leave-one-out errors, and the variances
        ``(n,)`` that the process expects of them, in units of its scale.
    """
    inverse = np.linalg.inv(kernel(seen, seen, hyper) + noise(hyper, nugget) * np.eye(len(seen)))
    # (K^-1 (y - mean))_i / K^-1_ii, as one product.
    variance = 1 / np.diag(inverse)
    return (inverse - inverse.mean(1, keepdims=True)) * variance[:, None], variance


def spread(seen: Array, outputs: Array, hyper: Array, nugget: float = _NUGGET) -> Array:
    """Scale ``(q,)`` of the process at which the leave-one-out errors of ``outputs`` ``(n, q)`` are as expected."""
    errors, variance = left_out_errors(seen, hyper, nugget)
    return np.asarray(np.sqrt((((errors / np.sqrt(variance)[:, None]).astype(outputs.dtype) @ outputs) ** 2).mean(0)))
