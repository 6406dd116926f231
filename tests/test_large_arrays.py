"""Passes in portions give what NumPy gives of the whole."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from tramontane.large_arrays import bad_rows, column_means, distinct, extremes, in_threads, mean_and_rms

RNG = np.random.default_rng(0)
SHAPES = [(1, 1), (1, 3), (5, 2), (1023, 3), (1024, 1), (70_001, 1), (200_003, 3), (9_000, 40)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_statistics_of_columns(shape: tuple[int, int], kind: type[np.floating]) -> None:
    rows = (RNG.standard_normal(shape) * 1e3 + np.arange(shape[1])).astype(kind)
    low, high = extremes(rows)
    assert np.array_equal(low, rows.min(axis=0))
    assert np.array_equal(high, rows.max(axis=0))
    wide = rows.astype(np.float64)
    assert column_means(rows) == pytest.approx(wide.mean(axis=0), rel=1e-9, abs=1e-9)
    assert mean_and_rms(rows) == pytest.approx((wide.mean(), np.sqrt(np.square(wide).mean())), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
def test_rows_that_are_not_finite_are_found_wherever_they_are(shape: tuple[int, int]) -> None:
    rows = RNG.standard_normal(shape)
    assert len(bad_rows(rows)) == len(bad_rows(rows[:, 0])) == 0
    places = np.unique(RNG.integers(0, shape[0], 3))
    rows[places, RNG.integers(0, shape[1], len(places))] = RNG.choice([np.nan, np.inf, -np.inf], len(places))
    assert bad_rows(rows).tolist() == places.tolist()
    assert not np.isfinite([*extremes(rows)[0], *extremes(rows)[1]]).all()


def test_numbers_beyond_float32_are_bad_where_that_is_asked() -> None:
    values = np.array([1.0, 1e39, -1e300])
    assert bad_rows(values).tolist() == []
    assert bad_rows(values, np.float32).tolist() == [1, 2]
    assert mean_and_rms(np.array([1e200, 1e200])) == (1e200, np.inf)


def test_distinct_numbers() -> None:
    kinds = np.full(300_000, 12, np.uint8)
    assert distinct(kinds) == [12]
    kinds[-1] = 10
    assert distinct(kinds) == [10, 12]
    assert distinct(kinds[:0]) == []


def test_threads_give_answers_in_order_and_the_first_error() -> None:
    names: set[str] = set()

    def work(number: int) -> int:
        names.add(threading.current_thread().name)
        if number == 70:
            raise ValueError("the one")
        return number * number

    assert in_threads(work, range(50)) == [number * number for number in range(50)]
    assert in_threads(work, [7]) == [49]
    assert in_threads(work, []) == []
    with pytest.raises(ValueError, match="the one"):
        in_threads(work, range(100))
