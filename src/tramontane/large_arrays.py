"""Passes over large arrays: in portions that stay in the processor's cache, and on all cores.

NumPy, packers and hashes let go of Python's lock while they work, so that threads serve.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float64, Int64
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
Item = TypeVar("Item")
Answer = TypeVar("Answer")
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
"""That this program may use."""
_PORTION = 1 << 16  # numbers at a time
_WIDE = 1 << 10  # rows that are taken as one: long rows are what NumPy is fast at


def in_threads(function: Callable[[Item], Answer], items: Iterable[Item]) -> list[Answer]:
    """What a function gives for each item, in their order.

    Raises:
        Exception: The first that the function raises; no further item is begun.
    """
    todo = list(items)
    count = min(len(todo), CORES)
    if count < 2:
        return [function(item) for item in todo]
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(function, todo))


def distinct(values: NDArray[Any]) -> list[int]:
    """The distinct whole numbers in ``(n,)``, sorted; soon told where there is but one, as of most meshes' cells."""
    same = len(values) > 0 and all((part == values[0]).all() for part in _portions(values))
    return [int(values[0])] if same else [int(value) for value in np.unique(values)]


def bad_rows(values: Array, kind: type[np.floating[Any]] | None = None) -> Int64[np.ndarray, " bad"]:
    """The rows in which a number is NaN or infinite.

    Args:
        values: ``(n,)`` or ``(n, ...)``.
        kind: What numbers are narrowed to first; one too large for that is infinite.
    """
    kind = values.dtype.type if kind is None else kind
    with np.errstate(over="ignore"):
        if all(np.isfinite(part.astype(kind, copy=False)).all() for part in _portions(values)):
            return np.zeros(0, np.int64)
        finite = np.isfinite(values.astype(kind, copy=False))
    return np.flatnonzero(~finite.all(axis=tuple(range(1, values.ndim))))


def extremes(rows: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Lowest and highest number of each column of ``(n, columns)``, n > 0; NaN where there is one."""
    parts = list(_wide(rows))
    lows = np.concatenate([part.min(axis=0).reshape(-1, rows.shape[1]) for part in parts])
    highs = np.concatenate([part.max(axis=0).reshape(-1, rows.shape[1]) for part in parts])
    return lows.min(axis=0), highs.max(axis=0)


def column_means(rows: Array) -> Float64[np.ndarray, " columns"]:
    """The mean of each column of ``(n, columns)``, n > 0, in double precision."""
    total = sum(part.sum(axis=0, dtype=np.float64).reshape(-1, rows.shape[1]).sum(axis=0) for part in _wide(rows))
    return np.asarray(total / len(rows))


def mean_and_rms(values: Array) -> tuple[float, float]:
    """Mean and root of the mean square of all numbers, in double precision."""
    total = squares = 0.0
    count = max(values.size, 1)
    with np.errstate(over="ignore"):
        for part in _portions(values):
            wide = part.reshape(-1).astype(np.float64)
            total += float(wide.sum())
            squares += float(np.square(wide, out=wide).sum())  # BLAS would start threads for a product of vectors
    return total / count, float(np.sqrt(squares / count))


def _portions(values: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """An array cut along its first axis."""
    step = max(_PORTION * len(values) // max(values.size, 1), 1)
    for start in range(0, len(values), step):
        yield values[start : start + step]


def _wide(rows: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """An array ``(n, columns)``, many of its rows as one where there are enough."""
    whole = len(rows) // _WIDE * _WIDE
    if whole:
        flat = np.ascontiguousarray(rows[:whole]).reshape(-1, _WIDE * rows.shape[1])
        step = max(_PORTION // flat.shape[1], 1)
        yield from (flat[start : start + step] for start in range(0, len(flat), step))
    if whole < len(rows):
        yield rows[whole:]
