"""What of a shape no combination of other shapes has: its distance from their principal components."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

_COMPONENTS, _CASES_EACH = 10, 4  # at most so many, and one for so many shapes
_TINY = 1e-12


def shape_remainder(others: Array, features: Array) -> float:
    """Length of what is left of a shape's features beyond the leading principal components of others.

    Args:
        others: Features of the other shapes ``(n, f)``.
        features: Of the shape ``(f,)``.
    """
    middle = others.mean(0)
    about, away = others - middle, features - middle
    return _remainder(about @ about.T, about @ away, float(away @ away))


def shape_remainders(features: Array) -> list[float]:
    """`shape_remainder` of each of some shapes, with ``features`` ``(n, f)``, beyond all others."""
    count = len(features)
    products = (features - features.mean(0)) @ (features - features.mean(0)).T
    remainders = []
    for case in range(count):
        rest = np.delete(np.arange(count), case)
        inner, across, own = products[np.ix_(rest, rest)], products[rest, case], products[case, case]
        # About the mean of the others.
        row, whole = inner.mean(1), inner.mean()
        gram = inner - row[:, None] - row[None] + whole
        along = across - across.mean() - row + whole
        remainders.append(_remainder(gram, along, float(own - 2 * across.mean() + whole)))
    return remainders


def _remainder(gram: Array, along: Array, squared: float) -> float:
    """From inner products about the mean: of others ``(n, n)``, of them and the shape ``(n,)``, of the shape."""
    values, vectors = np.linalg.eigh(gram)
    kept = min(_COMPONENTS, len(gram) // _CASES_EACH)
    values, vectors = values[len(values) - kept :], vectors[:, len(vectors) - kept :]
    shares = (vectors.T @ along) ** 2 / np.maximum(values, _TINY * max(float(gram.max()), _TINY))
    return float(np.sqrt(max(squared - float(shares.sum()), 0.0)))
