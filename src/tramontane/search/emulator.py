"""Emulators: what the answers to some designs say of the outputs of all others, in microseconds.

An output is kriged over the parameters, divided by the power law that it follows (`Output.law`). It or its logarithm is
taken, and the parameters of the law are left out, as answers left out say (`tramontane.models.scalar_kriging`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tramontane.models.gaussian_process import GaussianProcess, Kernel
from tramontane.models.scalar_kriging import ScalarKriging, as_logarithms
from tramontane.search.goals import Output
from tramontane.search.space import Space
from tramontane.units import in_si

Array = NDArray[np.floating[Any]]
_LEAST = 1e-30
_BELIEF = 4.0  # checks that a surrogate's own statement on its errors counts as
_LENGTH = 0.5  # of a correction, over the square root of the number of variables
_NOISE = 1e-4  # of a correction's variance


class Emulator:
    """An output over a design space.

    What is kriged is normal: the value over its law, or the logarithm of that.

    Args:
        space: Of the designs.
        output: What is emulated.
        rows: Designs that were answered ``(n, d)``, SI.
        values: Their outputs ``(n,)``, SI.
        short: Whether outputs may rise and fall several times; takes twice as long.

    Attributes:
        spread: Standard deviation of the outputs, as `posterior` has them.
    """

    def __init__(self, space: Space, output: Output, rows: Array, values: Array, *, short: bool = False) -> None:
        self.space, self.output = space, output
        ends = np.stack([space.low, space.high])
        self.logged = as_logarithms(ends)
        self.powers = np.zeros(len(space.variables))
        self.constant = 1.0
        for name, power in output.law:
            if name in space.names and ends[:, space.names.index(name)].min() > 0:
                self.powers[space.names.index(name)] = power
            elif name in space.fixed:
                value, unit = space.fixed[name]
                size = abs(in_si(value, unit or ""))
                self.constant *= size**power if size > 0 else 1.0
        whole = np.arange(len(space.variables))
        reduced = [whole[self.powers != 1]] if (self.powers == 1).any() else []
        self.kriging = ScalarKriging(
            self.inputs(rows),
            values / self.scale(rows),
            [*reduced, whole],
            first=len(reduced) or None,
            short=short,
        )

        self.spread = max(float(np.std(self.transformed(values))), 1e-12)

    @property
    def logarithm(self) -> bool:
        """Whether the logarithm is normal."""
        return self.kriging.logarithm

    def inputs(self, rows: Array) -> Array:
        """What is kriged over ``(n, d)``."""
        rows = np.asarray(rows, float)
        return np.where(self.logged, np.log(np.maximum(rows, _LEAST)), rows)

    def scale(self, rows: Array) -> Array:
        """The law ``(n,)`` by which outputs are divided."""
        varying = self.powers != 0
        of_rows = np.prod(np.abs(np.asarray(rows, float)[:, varying]) ** self.powers[varying], axis=1)
        return np.asarray(self.constant * of_rows)

    def posterior(self, rows: Array) -> tuple[Array, Array]:
        """Mean and standard deviation ``(n,)`` of the output, SI, or of its logarithm (`logarithm`)."""
        means, deviations = self.kriging.posterior(self.inputs(rows))
        scale = self.scale(rows)
        return (means + np.log(scale), deviations) if self.logarithm else (means * scale, deviations * scale)

    def transformed(self, values: Array | float) -> Any:
        """Outputs in SI as `posterior` has them; the logarithm of what is not positive is a very small number."""
        return np.log(np.maximum(values, _LEAST)) if self.logarithm else np.asarray(values, float)

    def relative_error(self, rows: Array, values: Array) -> float:
        """Mean absolute error on answers left out, over the mean size of the output.

        Args:
            rows: Those that it was made of.
            values: Their outputs.
        """
        left_out = self.kriging.left_out * self.scale(rows)
        return float(np.abs(left_out - values).mean() / max(float(np.abs(values).mean()), 1e-300))


class Corrected:
    """An emulator of a surrogate's answers, corrected by those of a solver (Kennedy and O'Hagan 2001).

    What the solver adds is a process over the unit cube, of a smooth part and a constant, as large as the surrogate's
    intervals say before there are checks, and as the checks say once there are many.

    Args:
        base: Of the surrogate's answers.
        rows: Designs that the solver answered ``(n, d)``, SI; ``n`` may be 0.
        values: Its outputs ``(n,)``, SI.
        deviation: Standard deviation of the surrogate's errors, as ``base.posterior`` has them.
    """

    def __init__(self, base: Emulator, rows: Array, values: Array, deviation: float) -> None:
        self.base, self.space, self.output = base, base.space, base.output
        self.logarithm, self.spread = base.logarithm, base.spread
        self.residuals = np.zeros(0)
        if len(rows):
            self.residuals = base.transformed(values) - base.posterior(rows)[0]
        energy = _BELIEF * deviation**2 + float((self.residuals**2).sum())
        self.deviation = max((energy / (_BELIEF + len(rows))) ** 0.5, 1e-9 * self.spread)
        size = len(self.space.variables)
        kernel = Kernel(0.5, np.full(size, _LENGTH * size**0.5), np.zeros(size), 0.5)
        self.process = GaussianProcess(self.space.unit_rows(rows).reshape(-1, size), kernel, _NOISE, trend="zero")

    def posterior(self, rows: Array) -> tuple[Array, Array]:
        """As of an `Emulator`."""
        means, deviations = self.base.posterior(rows)
        weights, variances = self.process.weights_and_variances(self.space.unit_rows(rows))
        return means + weights @ self.residuals, np.sqrt(deviations**2 + self.deviation**2 * variances)

    def transformed(self, values: Array | float) -> Any:
        """As of an `Emulator`."""
        return self.base.transformed(values)


def predicted(emulator: Emulator | Corrected, rows: Array) -> Array:
    """The output ``(n,)`` at rows ``(n, d)``, SI."""
    means, _ = emulator.posterior(rows)
    return np.exp(np.clip(means, -700, 700)) if emulator.logarithm else means


def bounded(emulator: Emulator | Corrected, rows: Array, level: float) -> tuple[Array, Array]:
    """Bounds ``(n,)`` that hold the output with a probability, if errors are normal, SI."""
    from scipy.special import ndtri

    means, deviations = emulator.posterior(rows)
    reach = float(ndtri(0.5 + level / 2)) * deviations
    low, high = means - reach, means + reach
    return (np.exp(np.clip(low, -700, 700)), np.exp(np.clip(high, -700, 700))) if emulator.logarithm else (low, high)
