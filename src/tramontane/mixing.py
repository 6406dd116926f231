"""Random numbers that belong to a code and a seed: the same on every machine and with every version of NumPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def mixed(codes: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    """64 random bits for each code (SplitMix64: Steele, Lea & Flood 2014, "Fast splittable pseudorandom number
    generators", figure 15)."""
    value = codes + np.uint64((seed * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) % 2**64)
    for _ in range(2):
        value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        value = value ^ (value >> np.uint64(31))
    return value
