"""Design spaces: which designs to run."""

from __future__ import annotations

import math

import numpy as np

from tramontane.contract import Contract, ParameterSpec
from tramontane.design import Design
from tramontane.errors import TramontaneError
from tramontane.units import Quantity, from_si


def sobol_designs(contract: Contract, n: int, *, seed: int = 0) -> list[Design]:
    """Designs spread evenly over the ranges of a contract's parameters.

    A scrambled Sobol sequence (Owen 1998): the first k of n designs do not depend on n, so a set can grow.

    Args:
        contract: Its parameters' ranges span the space.
        n: Number of designs.
        seed: Of the scrambling.

    Returns:
        Designs without a geometry, each parameter in the contract's unit; whole numbers, where it says so, are equally
        frequent.

    Raises:
        TramontaneError: ``n`` is below one, or the contract has no parameters.
    """
    from scipy.stats import qmc  # takes half a second to load

    if n < 1:
        raise TramontaneError(f"n = {n}: at least one design is needed; give -n 1 or more")
    if not contract.parameters:
        raise TramontaneError(f"contract {contract.name}: has no parameters to vary; add some with low and high")
    # scipy draws a power of two without complaint; the surplus is dropped.
    unit = qmc.Sobol(d=len(contract.parameters), scramble=True, rng=seed).random_base2((n - 1).bit_length())[:n]
    low = np.array([spec.low for spec in contract.parameters.values()])
    high = np.array([spec.high for spec in contract.parameters.values()])
    return [
        Design(**{name: Quantity(_stated(spec, value, share), spec.unit)
                  for (name, spec), value, share in zip(contract.parameters.items(), row, shares, strict=True)})
        for row, shares in zip((low + unit * (high - low)).tolist(), unit.tolist(), strict=True)
    ]  # fmt: skip


def _stated(spec: ParameterSpec, value: float, share: float) -> float:
    """A value in a parameter's own unit."""
    if not spec.integer:
        return from_si(value, spec.unit)
    low, high = (round(from_si(end, spec.unit)) for end in (spec.low, spec.high))
    return float(min(low + math.floor(share * (high - low + 1)), high))
