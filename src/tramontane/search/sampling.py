"""Designs spread over a space: Latin hypercubes, full factorials, and how a table of designs grows."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tramontane.errors import ContractError
from tramontane.search.space import Space, Variable, sobol

Array = NDArray[np.floating[Any]]
_SAME = 1e-9  # of the unit cube: two such designs are one
_MOST = 1_000_000  # designs of a factorial
_SWAPPED, _SWAPS, _STARTS = 1000, 4000, 10


def latin_hypercube(size: int, n: int, *, seed: int = 0, existing: Array | None = None) -> Array:
    """Unit rows ``(n, size)``, each in a row and column of its own of a grid, that stay far from each other.

    Of Latin hypercubes (McKay, Beckman and Conover 1979), one with a large least distance (Johnson, Moore and Ylvisaker
    1990), by swaps of coordinates of the closest two designs (Morris and Mitchell 1995).

    Args:
        size: Number of variables.
        n: Number of new designs.
        seed: Of every random choice.
        existing: Unit rows ``(m, size)`` that are there already: the new ones fill intervals that these leave free.
    """
    from scipy.spatial import cKDTree

    rng = np.random.default_rng(seed)
    there = np.zeros((0, size)) if existing is None else np.asarray(existing, float)
    total = n + len(there)
    free = [_free_intervals(there[:, column], total) for column in range(size)]
    best, largest = np.zeros((n, size)), -1.0
    for _ in range(_STARTS):
        places = np.stack([rng.permutation(of)[:n] for of in free], axis=1)
        rows = (places + rng.random(places.shape)) / total
        both = np.concatenate([there, rows])
        least = float(cKDTree(both).query(both, k=2)[0][:, 1].min()) if total > 1 else 0.0
        if least > largest:
            best, largest = rows, least
    return _spread_apart(best, there, rng) if 2 < total <= _SWAPPED and n > 1 else best


def _free_intervals(values: Array, total: int) -> NDArray[np.intp]:
    """Which of ``total`` equal intervals of 0 to 1 hold none of the values."""
    return np.setdiff1d(np.arange(total), np.clip((values * total).astype(int), 0, total - 1))


def _spread_apart(rows: Array, there: Array, rng: np.random.Generator) -> Array:
    """Latin-hypercube rows with coordinates swapped between two of them, wherever that moves the closest two apart."""
    from scipy.spatial.distance import cdist

    both, first = np.concatenate([there, rows]), len(there)
    distances = cdist(both, both)
    np.fill_diagonal(distances, np.inf)
    nearest = distances.min(1)
    for _ in range(_SWAPS):
        closest = float(nearest[first:].min())
        one = first + int(nearest[first:].argmin())
        other = first + int(rng.integers(len(rows)))
        if one == other:
            continue
        changed, column = both.copy(), int(rng.integers(both.shape[1]))
        changed[[one, other], column] = changed[[other, one], column]
        moved = cdist(changed[[one, other]], changed)
        moved[0, one] = moved[1, other] = np.inf
        if moved.min() > closest:
            both = changed
            distances[[one, other]], distances[:, [one, other]] = moved, moved.T
            nearest = distances.min(1)
    return both[first:]


def levels_of(space: Space, levels: int | Mapping[str, int | str], *, least: int = 1) -> list[int]:
    """How many levels each variable has.

    Args:
        space: Of the designs.
        levels: For all variables, or for each by its name.
        least: The smallest number that makes sense.

    Raises:
        ContractError: One is missing, unknown, or too small.
    """
    named: dict[str, int | str] = dict.fromkeys(space.names, levels) if isinstance(levels, int) else dict(levels)
    for name in named:
        if name not in space.names:
            raise ContractError(f"levels of {name!r}: it does not vary; what varies is {', '.join(space.names)}")
    numbers = []
    for name in space.names:
        if name not in named:
            raise ContractError(f"levels of {name!r} are missing; give them, or one number for all")
        try:
            number = int(named[name])
        except ValueError:
            number = -1
        if number < least:
            raise ContractError(f"levels of {name!r} are {named[name]}; give a whole number from {least} on")
        numbers.append(number)
    return numbers


def full_factorial(space: Space, levels: list[int]) -> Array:
    """Every combination of levels that are spread evenly from bound to bound, rows ``(n, d)`` in SI.

    Args:
        space: Of the designs.
        levels: Of each variable; one level stands midway, whole numbers are taken once.

    Raises:
        ContractError: There are too many.
    """
    if prod(levels) > _MOST:
        raise ContractError(f"levels of {' x '.join(map(str, levels))} give {prod(levels)} designs; give fewer levels")
    columns = [_steps(variable, number) for variable, number in zip(space.variables, levels, strict=True)]
    grid = np.array(list(product(*columns))).reshape(-1, len(levels))
    return fresh(space, space.rows(space.unit_rows(grid)), np.zeros((0, len(levels))))


def _steps(variable: Variable, number: int) -> list[float]:
    if number == 1:
        return [(variable.low + variable.high) / 2]
    steps: list[float] = np.linspace(variable.low, variable.high, number).tolist()
    return steps


def fresh(space: Space, rows: Array, there: Array) -> Array:
    """The rows ``(n, d)`` that are neither among those that are there ``(m, d)`` nor a second time among themselves."""
    if not len(rows):
        return np.asarray(rows)
    units, known = space.unit_rows(rows), len(there)
    seen = np.concatenate([space.unit_rows(there).reshape(-1, rows.shape[1]), units])
    kept = []
    for index, unit in enumerate(units):
        if not known or np.abs(seen[:known] - unit).max(1).min() > _SAME:
            kept.append(index)
            seen[known] = unit
            known += 1
    return np.asarray(rows[kept])


def sobol_rows(space: Space, n: int, there: Array, *, seed: int = 0) -> Array:
    """The next rows ``(n, d)`` of a Sobol sequence that are not there yet; fewer, where whole numbers allow no more."""
    new: Array = np.zeros((0, len(space.variables)))
    for times in (1, 2, 4, 8):  # whole numbers repeat
        unit_rows = sobol(len(space.variables), times * (n + len(there)), seed=seed)
        new = fresh(space, space.rows(unit_rows), there)
        if len(new) >= n:
            break
    return new[:n]


def latin_hypercube_rows(space: Space, n: int, there: Array, *, seed: int = 0) -> Array:
    """Rows ``(n, d)`` that are a Latin hypercube, together with those that are there as far as these let them."""
    units = np.clip(space.unit_rows(there).reshape(-1, len(space.variables)), 0, 1)
    rows = space.rows(latin_hypercube(len(space.variables), n, seed=seed + len(there), existing=units))
    return fresh(space, rows, there)
