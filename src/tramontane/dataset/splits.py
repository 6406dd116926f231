"""Named splits: which cases train, which watch, which judge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from tramontane.errors import DatasetError


def make_splits(names: Sequence[str], *, test: int, validation: int, seed: int = 0) -> dict[str, list[str]]:
    """A random split with exact counts.

    Args:
        names: All cases.
        test: Cases that no training, statistic or calibration ever sees.
        validation: Cases that watch training and calibrate.
        seed: The same names and seed give the same split.

    Returns:
        ``train``, ``validation`` and ``test``, each sorted, none overlapping.

    Raises:
        DatasetError: No case would be left to train on.
    """
    if test < 0 or validation < 0 or test + validation >= len(names):
        raise DatasetError(
            f"{test} test and {validation} validation cases leave none of {len(names)} to train on; hold out fewer"
        )
    ordered = sorted(names)
    shuffled = [ordered[index] for index in np.random.default_rng(seed).permutation(len(ordered))]
    return {
        "train": sorted(shuffled[test + validation :]),
        "validation": sorted(shuffled[test : test + validation]),
        "test": sorted(shuffled[:test]),
    }


def check_splits(splits: Mapping[str, Sequence[str]], names: Collection[str]) -> None:
    """That every case of the splits exists and stands in one of them only.

    Raises:
        DatasetError: Cases that are unknown, or stand twice, are named.
    """
    everything = Counter(name for cases in splits.values() for name in cases)
    if unknown := sorted(set(everything) - set(names)):
        raise DatasetError(f"splits name cases that the dataset does not have: {', '.join(unknown)}; correct the names")
    if twice := sorted(name for name, count in everything.items() if count > 1):
        raise DatasetError(f"cases stand twice in the splits: {', '.join(twice)}; leave each in one place")
