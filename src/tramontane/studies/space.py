"""Design spaces: which designs to run."""

from __future__ import annotations

import warnings

import numpy as np
from scipy.stats import qmc

from tramontane.contract import Contract
from tramontane.design import Design
from tramontane.units import Quantity, from_si


def sobol_designs(contract: Contract, n: int, *, seed: int = 0) -> list[Design]:
    """Designs spread evenly over the ranges of a contract's parameters.

    A scrambled Sobol sequence (Owen 1998): the first k of n designs do not depend on n, so a set can grow.

    Args:
        contract: Its parameters' ranges span the space.
        n: Number of designs.
        seed: Of the scrambling.
    """
    names = list(contract.parameters)
    low = np.array([spec.low for spec in contract.parameters.values()])
    high = np.array([spec.high for spec in contract.parameters.values()])
    with warnings.catch_warnings():
        # scipy asks for powers of two; a sequence that may grow has any length.
        warnings.simplefilter("ignore", UserWarning)
        unit = qmc.Sobol(d=len(names), scramble=True, rng=seed).random(n)
    designs = []
    for row in low + unit * (high - low):
        values = zip(names, row, contract.parameters.values(), strict=True)
        designs.append(Design(**{name: Quantity(from_si(value, spec.unit), spec.unit) for name, value, spec in values}))
    return designs
