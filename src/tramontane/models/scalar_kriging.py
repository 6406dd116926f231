"""One number from a few: a Gaussian process with a length and a slope of its own for every input.

The squared-exponential kernel finds what bends, the linear one is a linear mean whose slopes are drawn to zero;
lengths, slopes and noise are those that make the cases likeliest (Rasmussen & Williams 2006, ch. 2 and 5.4). Left-out
errors have a closed form (section 5.4.2); with hyperparameters that have not seen the case, they say what the model
reaches on new cases, and how large its standard deviations have to be.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky

from tramontane.models.kriging import kernel, learn_hyperparameters, noise

Array = NDArray[np.floating[Any]]

_NUGGET = 1e-8  # a table may come from a formula: there is hardly a least noise
_NOISE_DRAWN = 2.0  # so that noise can be small where it is
_FOLDS = 5
_CLEARLY = 0.9  # share of the error that has to be left for inputs that ought not to matter
_LEARN = 400  # cases at most from which hyperparameters are learnt
_MANY = 4 * _LEARN
_LEVELS = 1.2  # largest over smallest value from which on a logarithm is tried
_WIDE = 1.5  # largest over smallest input from which on its logarithm is taken
_ARRAYS = ("mean", "scale", "seen", "values", "hyper", "columns", "left_out", "left_out_deviation")


def as_logarithms(inputs: Array) -> NDArray[np.bool_]:
    """Which columns ``(d,)`` of a table ``(n, d)`` are kriged better as logarithms: positive, and not all of a size."""
    return np.asarray((inputs > 0).all(0) & (inputs.max(0) > _WIDE * inputs.min(0)))


class ScalarKriging:
    """A scalar of a design, and how sure that is.

    The scalar or its logarithm is kriged, on one of several sets of inputs, whichever leaves least error on cases left
    out.

    Args:
        inputs: ``(n, d)`` what tells the training cases apart; ``d`` may be 0, which gives the mean.
        outputs: ``(n,)`` their values.
        views: Columns of each set of inputs to try; all of them where None.
        first: How many of these sets come before the others, which have to be clearly better; None for all.

    Attributes:
        logarithm: Whether the logarithm of the value is kriged.
        left_out: Prediction ``(n,)`` of each training case from others, by hyperparameters that have not seen it.
        left_out_deviation: The standard deviation ``(n,)`` of each of these.
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
    ) -> None:
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
        new = ((np.asarray(inputs, float)[self.columns] - self.mean) * self.scale)[None]
        across = kernel(new, self.seen, self.hyper)[0]
        solved = cho_solve((self._factor, False), across)
        own = float(kernel(new, new, self.hyper)[0, 0]) + self._noise
        variance = max(own - float(across @ solved), self._noise)
        # Outputs are taken about their mean.
        return self._back(self.center + float(solved @ self.values), self.process * variance**0.5)

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything needed to predict, as arrays."""
        numbers = np.array([self.center, self.process, float(self.logarithm)])
        return {name: np.ascontiguousarray(getattr(self, name)) for name in _ARRAYS} | {"numbers": numbers}

    @classmethod
    def from_state(cls, state: dict[str, NDArray[Any]]) -> ScalarKriging:
        """The kriging that `state` described."""
        self = cls.__new__(cls)
        for name in _ARRAYS:
            setattr(self, name, state[name])
        self.center, self.process = (float(value) for value in state["numbers"][:2])
        self.logarithm = bool(state["numbers"][2])
        self._factorise()
        return self

    def _fit(self, inputs: Array, outputs: Array, columns: NDArray[np.intp], logarithm: bool) -> None:
        self.columns, self.logarithm = columns, logarithm
        chosen = inputs[:, columns]
        deviation = chosen.std(0)
        varies = deviation > 1e-9 * np.maximum(np.abs(chosen).max(0), 1e-300)
        self.mean, self.scale = chosen.mean(0), np.where(varies, 1 / np.where(varies, deviation, 1.0), 0.0)
        self.seen = (chosen - self.mean) * self.scale
        values = np.log(outputs) if logarithm else outputs
        self.center = float(values.mean())
        self.values = values - self.center
        self.hyper = self._learn(np.arange(len(values)))
        self._factorise()
        self._leave_out()

    def _leave_out(self) -> None:
        """Each case from all others, with hyperparameters that its fold has not seen; and the process's scale."""
        count = len(self.values)
        errors, deviations = np.zeros(count), np.ones(count)
        # Of many cases, those from which hyperparameters were learnt are few: they have hardly seen any one.
        folds = min(_FOLDS, count) if count <= _MANY else 1
        order = np.random.default_rng(0).permutation(count)
        for fold in range(folds):
            held = order[fold::folds]
            hyper = self._learn(np.setdiff1d(order, held)) if folds > 1 else self.hyper
            inverse = np.linalg.inv(kernel(self.seen, self.seen, hyper) + noise(hyper, _NUGGET) * np.eye(count))
            of_case = np.diag(inverse)[held]
            errors[held], deviations[held] = (inverse @ self.values)[held] / of_case, 1 / np.sqrt(of_case)
        # Left-out errors are as large as expected, and never quite nothing.
        least = 1e-12 * float(np.abs(self.values).max())
        self.process = max(float(np.sqrt(np.mean((errors / deviations) ** 2))), least)
        expected = (self.center + self.values - errors).tolist(), (self.process * deviations).tolist()
        both = np.array([self._back(*of) for of in zip(*expected, strict=True)])
        self.left_out, self.left_out_deviation = both.T

    def _learn(self, cases: NDArray[np.intp]) -> Array:
        if len(cases) > _LEARN:
            cases = np.random.default_rng(0).choice(cases, _LEARN, replace=False)
        values = self.values[cases] - self.values[cases].mean()
        gram = np.outer(values, values)
        return learn_hyperparameters(self.seen[cases], gram, nugget=_NUGGET, noise_drawn=_NOISE_DRAWN)

    def _factorise(self) -> None:
        self._noise = noise(self.hyper, _NUGGET)
        covariance = kernel(self.seen, self.seen, self.hyper) + self._noise * np.eye(len(self.seen))
        self._factor = cholesky(covariance)

    def _back(self, mean: float, deviation: float) -> tuple[float, float]:
        if not self.logarithm:
            return mean, deviation
        # The median of a log-normal value; its deviation is that of the value as long as it is not far.
        middle = float(np.exp(np.clip(mean, -700, 700)))
        return middle, middle * float(np.sqrt(np.expm1(min(deviation, 3.0) ** 2)))
