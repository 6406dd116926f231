"""Named splits: which cases train, which watch, which judge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np

from tramontane.errors import DatasetError


def make_splits(
    names: Sequence[str], *, test: int, validation: int, seed: int = 0, groups: Iterable[Collection[str]] = ()
) -> dict[str, list[str]]:
    """A random split with exact counts, or the nearest that keep groups together.

    Args:
        names: All cases.
        test: Cases that no training, statistic or calibration ever sees.
        validation: Cases that watch training and calibrate.
        seed: The same names and seed give the same split.
        groups: Cases that must stay in one split, such as copies of one simulation; groups that share a case are one,
            and names of other cases do not matter.

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
    units = _units(shuffled, groups)
    judging, rest = _take(units, test)
    watching, training = _take(rest, validation)
    return {
        "train": sorted(name for unit in training for name in unit),
        "validation": sorted(name for unit in watching for name in unit),
        "test": sorted(name for unit in judging for name in unit),
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


def _units(names: Sequence[str], groups: Iterable[Collection[str]]) -> list[list[str]]:
    """The names as lists that are not divided, each where its first name stands."""
    unit_of = {name: [name] for name in names}
    for group in groups:
        members = [unit_of[name] for name in group if name in unit_of]
        joined: list[str] = []
        for unit in {id(unit): unit for unit in members}.values():
            joined += unit
        unit_of |= dict.fromkeys(joined, joined)
    return list({id(unit_of[name]): unit_of[name] for name in names}.values())


def _take(units: Sequence[list[str]], count: int) -> tuple[list[list[str]], list[list[str]]]:
    """Units that hold ``count`` names together, or as nearly as they can, and the others, of which some are left.

    The first units are taken for which that is possible: without groups, the first ``count`` names.
    """
    # Bit k of sums[i] says that some of the units from i on hold k names together.
    sums = [1]
    for unit in reversed(units):
        sums.append(sums[-1] | sums[-1] << len(unit))
    sums.reverse()
    possible = [total for total in range(sum(map(len, units))) if sums[0] >> total & 1] or [0]
    left = min(possible, key=lambda total: (abs(total - count), total))
    taken, rest = [], []
    for index, unit in enumerate(units):
        if len(unit) <= left and sums[index + 1] >> (left - len(unit)) & 1:
            taken.append(unit)
            left -= len(unit)
        else:
            rest.append(unit)
    return taken, rest
