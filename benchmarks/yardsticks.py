"""What the same cores do in the same run of something that everybody can time: figures are stated as ratios to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def yardsticks() -> dict[str, Callable[[], Any]]:
    """A matrix product of 2,048 x 2,048 float32 numbers by torch, and six neighbours of 50,000 places among 60,000
    points in three dimensions by SciPy's k-d tree, both on all cores."""
    import numpy as np
    import torch
    from scipy.spatial import cKDTree

    a, b = torch.randn(2, 2048, 2048)
    random = np.random.default_rng(0)
    tree, places = cKDTree(random.random((60_000, 3))), random.random((50_000, 3))
    return {"matrix product": lambda: a @ b, "k-d tree": lambda: tree.query(places, k=6, workers=-1)}
