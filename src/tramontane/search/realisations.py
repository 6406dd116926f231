"""Functions that an output may be, by what an emulator knows of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tramontane.search.emulator import Emulator

Array = NDArray[np.floating[Any]]
_FREQUENCIES = 512
_PORTION = 4096  # rows at once


class Realisations:
    """Functions drawn from the posterior of an emulator, each defined everywhere.

    A function of the prior, of random frequencies (Rahimi and Recht 2007), is corrected by what it misses at the
    designs that were answered (Wilson et al. 2020, "Efficiently sampling functions from Gaussian process posteriors").
    Its hyperparameters are those of the emulator; its size is that which answers left out have shown.

    Args:
        emulator: Of the output.
        count: How many functions.
        seed: Of the draws.
    """

    def __init__(self, emulator: Emulator, count: int, *, seed: int = 0) -> None:
        self.emulator, rng = emulator, np.random.default_rng(seed)
        kriging, kernel = emulator.kriging, emulator.kriging.process.kernel
        inputs = kriging.process.inputs
        size = inputs.shape[1]
        self.frequencies = rng.standard_normal((size, _FREQUENCIES)) / kernel.length_scales[:, None]
        amplitude = (kernel.signal_variance / _FREQUENCIES) ** 0.5
        self.waves = amplitude * rng.standard_normal((2 * _FREQUENCIES, count))
        self.slopes = kernel.slopes[:, None] * rng.standard_normal((size, count))
        self.offsets = kernel.constant**0.5 * rng.standard_normal(count)
        noise = kriging.process.noise_variance**0.5 * rng.standard_normal((len(inputs), count))
        size_of_outputs = kriging.standard_deviation or 1.0  # an output that never varies has none
        missed = kriging.outputs[:, None] / size_of_outputs - self._prior(inputs) - noise
        self.weights = kriging.process.posterior.solve(missed)

    def __call__(self, rows: Array) -> Array:
        """Values ``(n, count)`` at rows ``(n, d)``, SI."""
        parts = [self._values(rows[start : start + _PORTION]) for start in range(0, len(rows), _PORTION)]
        return np.concatenate(parts)

    def _values(self, rows: Array) -> Array:
        kriging, process = self.emulator.kriging, self.emulator.kriging.process
        scores = (self.emulator.inputs(rows)[:, kriging.columns] - kriging.input_means) * kriging.input_scales
        scaled = self._prior(scores) + process.kernel(scores, process.inputs) @ self.weights
        values = kriging.output_mean + kriging.standard_deviation * scaled
        if kriging.logarithm:
            values = np.exp(np.clip(values, -700, 700))
        return np.asarray(values * self.emulator.scale(rows)[:, None])

    def _prior(self, scores: Array) -> Array:
        turns = scores @ self.frequencies
        return np.asarray(np.hstack([np.cos(turns), np.sin(turns)]) @ self.waves + scores @ self.slopes + self.offsets)
