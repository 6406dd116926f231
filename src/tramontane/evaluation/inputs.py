"""Which inputs matter: what each explains by itself of the variation of a QoI over the cases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tramontane.dataset import Dataset

LEAST = 10
"""Cases below which nothing is said."""


def explained_by_inputs(dataset: Dataset, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """By QoI and parameter, the share of the QoI's variance over the solver's cases that a parabola in it explains.

    It is measured on cases left out one at a time, so that what is mere chance comes out as nothing. Shares of several
    inputs need not add up to one: what two explain together only, neither explains by itself.

    Args:
        dataset: With the cases.
        names: Those that are looked at.
    """
    if len(names) < LEAST:
        return {}
    parameters, qois = [dataset.parameters(name) for name in names], [dataset.qoi(name) for name in names]
    shares: dict[str, dict[str, float]] = {}
    for qoi in dataset.contract.qoi:
        values = np.array([of[qoi] for of in qois])
        if np.ptp(values) == 0:
            continue
        for parameter in dataset.contract.parameters:
            if all(parameter in of for of in parameters):
                inputs = np.array([of[parameter] for of in parameters])
                if np.ptp(inputs) > 0:
                    shares.setdefault(qoi, {})[parameter] = _explained(inputs, values)
    return shares


def _explained(inputs: NDArray[Any], values: NDArray[Any]) -> float:
    """One less the mean squared error of a parabola on the case left out, over the variance; at least 0."""
    x = (inputs - inputs.mean()) / inputs.std()
    table = np.stack([np.ones_like(x), x, x**2], axis=1)
    hat = table @ np.linalg.pinv(table)
    mean_left = (values - values.mean()) * len(values) / (len(values) - 1)
    # Of a case whose value of the input no other has, nothing but the mean is left to tell it by.
    own = 1 - np.diag(hat)
    left = np.where(own < 1e-9, mean_left, (values - hat @ values) / np.maximum(own, 1e-9))
    return float(max(0.0, 1 - (left**2).sum() / (mean_left**2).sum()))
