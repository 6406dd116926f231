"""Kriging of a scalar: a Gaussian process with a length scale and a slope of its own for every input.

Leave-one-out residuals, with hyperparameters that are learnt without the case, say what the model reaches on new cases,
and how large its standard deviations have to be (`gaussian_process`).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tramontane.models.gaussian_process import GaussianProcess, fit_hyperparameters

Array = NDArray[np.floating[Any]]

_NUGGET = 1e-8  # a table may come from a formula: there is hardly a least noise
_NOISE_WIDTH = 2.0  # of its prior, so that noise can be small where it is
_FOLDS = 5
_CLEARLY = 0.9  # share of the error that has to be left for inputs that ought not to matter
_LEARN = 400  # cases at most from which hyperparameters are learnt
_MANY = 4 * _LEARN  # cases from which on hyperparameters hardly depend on a single one
_LEVELS = 1.2  # largest over smallest value from which on a logarithm is tried
_WIDE = 1.5  # largest over smallest input from which on its logarithm is taken
_SAVED = {"mean": "input_means", "scale": "input_scales", "seen": "inputs", "values": "outputs",
          "hyper": "hyperparameters", "columns": "columns", "left_out": "left_out",
          "left_out_deviation": "left_out_deviation"}  # fmt: skip
"""By the name of a saved array, the attribute that holds it."""


def as_logarithms(inputs: Array) -> NDArray[np.bool_]:
    """Which columns ``(d,)`` of a table ``(n, d)`` are kriged better as logarithms: positive, and not all of a size."""
    return np.asarray((inputs > 0).all(0) & (inputs.max(0) > _WIDE * inputs.min(0)))


class ScalarKriging:
    """A scalar of a design, and its standard deviation.

    The scalar or its logarithm is kriged, on one of several sets of inputs, whichever leaves least error on cases left
    out.

    Args:
        inputs: ``(n, d)`` what tells the training cases apart; ``d`` may be 0, which gives the mean.
        outputs: ``(n,)`` their values.
        views: Columns of each set of inputs to try; all of them where None.
        first: How many of these sets come before the others, which have to be clearly better; None for all.
        short: Whether the outputs may rise and fall several times (`fit_hyperparameters`).

    Attributes:
        logarithm: Whether the logarithm of the value is kriged.
        left_out: Prediction ``(n,)`` of each training case from others, by hyperparameters that are learnt without it.
        left_out_deviation: The standard deviation ``(n,)`` of each of these.
        process: Over the standard scores of the inputs.
    """

    logarithm: bool
    left_out: Array
    left_out_deviation: Array

    def __init__(
        self,
        inputs: Array,
        outputs: Array,
        views: Sequence[NDArray[np.intp]] | None = None,
        *,
        first: int | None = None,
        short: bool = False,
    ) -> None:
        self.short = short
        inputs, outputs = np.asarray(inputs, float), np.asarray(outputs, float)
        positive = outputs.min() > 0 and outputs.max() > _LEVELS * outputs.min()
        sets = list(views or [np.arange(inputs.shape[1])])
        kinds = list(product(range(len(sets)), [False, True] if positive else [False]))
        errors = []
        for view, logarithm in kinds:
            self._fit(inputs, outputs, sets[view], logarithm)
            handicap = 1.0 if first is None or view < first else 1 / _CLEARLY
            errors.append(handicap * float(np.abs(self.left_out - outputs).mean()))
        best = int(np.argmin(errors))
        if best != len(kinds) - 1:
            self._fit(inputs, outputs, sets[kinds[best][0]], kinds[best][1])

    def predict(self, inputs: Array) -> tuple[float, float]:
        """The value at inputs ``(d,)``, and its standard deviation, noise of the cases included."""
        means, deviations = self.posterior(np.asarray(inputs, float)[None])
        return self._back(float(means[0]), float(deviations[0]))

    def posterior(self, inputs: Array) -> tuple[Array, Array]:
        """Means ``(m,)`` and standard deviations of what is kriged, the value or its logarithm, at ``(m, d)``."""
        scores = (np.asarray(inputs, float)[:, self.columns] - self.input_means) * self.input_scales
        weights, variances = self.process.weights_and_variances(scores)
        return self.output_mean + weights @ self.outputs, self.standard_deviation * np.sqrt(variances)

    def correlation(self, one: Array, other: Array) -> float:
        """Of the errors at two inputs ``(d,)``, by the joint posterior; noise of the cases is each one's own.

        Where a logarithm is kriged, it is the correlation of the logarithms' errors, which that of the values is near
        as long as errors are small against the values.
        """
        both = (np.array([one, other], float)[:, self.columns] - self.input_means) * self.input_scales
        covariance = self.process.covariance(both)
        size = float(np.sqrt(covariance[0, 0] * covariance[1, 1]))
        return float(np.clip(covariance[0, 1] / size, -1.0, 1.0)) if size > 0 else 0.0

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything needed to predict, as arrays."""
        numbers = np.array([self.output_mean, self.standard_deviation, float(self.logarithm)])
        arrays = {name: np.ascontiguousarray(getattr(self, attribute)) for name, attribute in _SAVED.items()}
        return arrays | {"numbers": numbers}

    @classmethod
    def from_state(cls, state: dict[str, NDArray[Any]]) -> ScalarKriging:
        """The kriging that `state` described."""
        self = cls.__new__(cls)
        for name, attribute in _SAVED.items():
            setattr(self, attribute, state[name])
        self.output_mean, self.standard_deviation = (float(value) for value in state["numbers"][:2])
        self.logarithm = bool(state["numbers"][2])
        self.process = self._process_of(self.hyperparameters)
        return self

    def _fit(self, inputs: Array, outputs: Array, columns: NDArray[np.intp], logarithm: bool) -> None:
        self.columns, self.logarithm = columns, logarithm
        chosen = inputs[:, columns]
        deviation = chosen.std(0)
        varies = deviation > 1e-9 * np.maximum(np.abs(chosen).max(0), 1e-300)
        self.input_means = chosen.mean(0)
        self.input_scales = np.where(varies, 1 / np.where(varies, deviation, 1.0), 0.0)
        self.inputs = (chosen - self.input_means) * self.input_scales
        values = np.log(outputs) if logarithm else outputs
        self.output_mean = float(values.mean())
        self.outputs = values - self.output_mean
        self.hyperparameters = self._learn(np.arange(len(values)))
        self.process = self._process_of(self.hyperparameters)
        self._leave_out()

    def _leave_out(self) -> None:
        """Each case from all others, with hyperparameters of its fold; and the process's standard deviation."""
        count = len(self.outputs)
        residuals, deviations = np.zeros(count), np.ones(count)
        folds = min(_FOLDS, count) if count <= _MANY else 1
        order = np.random.default_rng(0).permutation(count)
        for fold in range(folds):
            held_out = order[fold::folds]
            process = self.process
            if folds > 1:
                process = self._process_of(self._learn(np.setdiff1d(order, held_out)))
            residual_matrix, variances = process.leave_one_out()
            residuals[held_out] = residual_matrix[held_out] @ self.outputs
            deviations[held_out] = np.sqrt(variances[held_out])
        # Residuals are as large as expected, and never quite nothing.
        least = 1e-12 * float(np.abs(self.outputs).max())
        self.standard_deviation = max(float(np.sqrt(np.mean((residuals / deviations) ** 2))), least)
        means = (self.output_mean + self.outputs - residuals).tolist()
        predicted = zip(means, (self.standard_deviation * deviations).tolist(), strict=True)
        self.left_out, self.left_out_deviation = np.array([self._back(*pair) for pair in predicted]).T

    def _learn(self, cases: NDArray[np.intp]) -> Array:
        if len(cases) > _LEARN:
            cases = np.random.default_rng(0).choice(cases, _LEARN, replace=False)
        outputs = self.outputs[cases] - self.outputs[cases].mean()
        return fit_hyperparameters(self.inputs[cases], outputs, nugget=_NUGGET, noise_width=_NOISE_WIDTH,
                                   short=self.short)  # fmt: skip

    def _process_of(self, hyperparameters: Array) -> GaussianProcess:
        # Outputs are stored less their mean.
        return GaussianProcess.from_logarithms(self.inputs, hyperparameters, nugget=_NUGGET, trend="zero")

    def _back(self, mean: float, deviation: float) -> tuple[float, float]:
        """Mean and standard deviation of the value, where they are of its logarithm."""
        if not self.logarithm:
            return mean, deviation
        # The median of a log-normal value; its deviation is that of the value as long as it is not far.
        median = float(np.exp(np.clip(mean, -700, 700)))
        return median, median * float(np.sqrt(np.expm1(min(deviation, 3.0) ** 2)))
