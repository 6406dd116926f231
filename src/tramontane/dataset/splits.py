"""Named splits: which cases train, which watch, which judge."""

from __future__ import annotations

from collections.abc import Sequence

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
