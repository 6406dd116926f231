"""Parts of a dataset's cases that are left out in turn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tramontane.dataset import Dataset
from tramontane.dataset.audit.duplicates import SAME_CONDITIONS, SAME_SHAPE, shape_numbers


def make_folds(
    dataset: Dataset, names: Sequence[str], count: int, *, seed: int = 0
) -> list[tuple[list[str], list[str]]]:
    """Parts of about equal size, as pairs of the cases left out and the others; one design is in one part only.

    Args:
        dataset: The store.
        names: The cases.
        count: Number of parts; fewer where there are fewer designs.
        seed: The same names and seed give the same parts.
    """
    designs = same_designs(dataset, sorted(names))
    shuffled = [designs[index] for index in np.random.default_rng(seed).permutation(len(designs))]
    parts: list[list[str]] = [[] for _ in range(min(count, len(designs)))]
    for design in sorted(shuffled, key=len, reverse=True):
        min(parts, key=len).extend(design)
    return [(sorted(part), sorted(set(names) - set(part))) for part in parts]


def same_designs(dataset: Dataset, names: Sequence[str]) -> list[list[str]]:
    """The cases, those together that have one shape and one set of parameters."""
    designs: list[tuple[np.ndarray, np.ndarray]] = []
    groups: list[list[str]] = []
    for name in names:
        shape = shape_numbers(dataset.geometry(name)) if dataset.has_geometry(name) else None
        shape = np.zeros(0) if shape is None else shape
        values = np.array([value for _, value in sorted(dataset.parameters(name).items())])
        for place, (other, at) in enumerate(designs):
            alike = (
                len(other) == len(shape) and len(at) == len(values) and not (np.abs(other - shape) > SAME_SHAPE).any()
            )
            if alike and (len(shape) or len(values)) and np.allclose(at, values, rtol=SAME_CONDITIONS, atol=0.0):
                groups[place].append(name)
                break
        else:
            designs.append((shape, values))
            groups.append([name])
    return groups
