"""What intervals held, from errors whose place is known."""

from __future__ import annotations

import numpy as np
import pytest

from tramontane.evaluation.coverage import RELIABILITY, case_coverage, coverage, qoi_score, reliability
from tramontane.interval import FieldInterval, Interval
from tramontane.trust.calibration import LEVELS, Scale, Scores


def scores(width: float) -> Scores:
    return Scores(Scale(1.0, 0.0, 0.0), np.ones(len(LEVELS)), np.ones(9), np.full(len(LEVELS), width))


def test_shares_bands_and_sharpness() -> None:
    mean, truth = np.zeros(100), np.concatenate([np.full(80, 0.5), np.full(19, 1.5), [9.0]])
    interval = FieldInterval(np.ones(100), 2.0, 0.9)
    one = case_coverage(mean, truth, interval, scores(2.0), 1.0)
    assert one.points == 0.8
    assert one.band is True  # 99 of 100 within twice the half width
    assert one.score == pytest.approx(2 + 20 * (19 * 0.5 + 8.0) / 100)
    assert one.relative_score == pytest.approx(one.score / np.sqrt(np.mean(truth**2)))
    assert one.constant == pytest.approx(4 + 20 * 7.0 / 100)
    inside = case_coverage(mean, truth / 10, FieldInterval(np.ones(100), None, 0.9), scores(2.0), 1.0)
    assert (inside.points, inside.band) == (1.0, None)
    both = coverage([one, inside])
    assert both.points == pytest.approx(0.9)
    assert both.lowest == 0.8
    assert both.band == 1.0
    assert both.rank_correlation is None
    assert both.score_over_constant == pytest.approx((one.score + inside.score) / (one.constant + inside.constant))


def test_the_score_of_a_qoi_is_its_width_and_what_it_misses() -> None:
    interval = Interval(2.0, 5.0, 0.9)
    assert [qoi_score(interval, truth) for truth in (2.0, 4.0, 5.5, 1.0)] == pytest.approx([3.0, 3.0, 13.0, 23.0])


def test_units_do_not_matter() -> None:
    mean, truth, half = np.zeros((50, 3)), np.full((50, 3), 300.0), np.full((50, 3), 250.0)
    in_pascal = case_coverage(mean, truth, FieldInterval(half, 1.5, 0.9), scores(1.0), 1000.0)
    in_kilo = case_coverage(mean, truth / 1000, FieldInterval(half / 1000, 1.5, 0.9), scores(1.0), 1.0)
    assert in_pascal.score == pytest.approx(in_kilo.score)
    assert in_pascal.relative_score == pytest.approx(in_kilo.relative_score)
    assert in_pascal.points == in_kilo.points == 0.0
    assert in_pascal.band


def test_intervals_of_one_width_rank_nothing() -> None:
    cases = [case_coverage(np.zeros(9), np.full(9, error), FieldInterval(np.ones(9), None, 0.9), scores(1.0), 1.0)
             for error in (0.1, 0.5, 2.0)]  # fmt: skip
    assert coverage(cases).rank_correlation is None


def test_intervals_of_every_level_hold_what_they_state() -> None:
    """Errors that are uniform on 0 to 1, and multiples that say so: a share p lies within p."""
    rng = np.random.default_rng(0)
    exact = Scores(Scale(1.0, 0.0, 0.0), LEVELS, np.ones(9), np.ones(len(LEVELS)))
    cases = [
        case_coverage(
            np.zeros(2000), rng.uniform(-1, 1, 2000), FieldInterval(np.full(2000, 0.9), None, 0.9), exact, 1.0
        )
        for _ in range(12)
    ]
    points = coverage(cases).reliability
    assert [point.level for point in points] == list(RELIABILITY)
    for point in points:
        assert point.coverage == pytest.approx(point.level, abs=0.01)
        assert point.coverage - 0.01 < point.low < point.coverage < point.high < point.coverage + 0.01


def test_the_band_of_a_share_of_cases_is_that_of_so_few() -> None:
    """Ten of ten cases inside: Wilson's 95 % interval begins at n / (n + z^2)."""
    (point, *_) = reliability([[1.0] * len(RELIABILITY)] * 10)
    assert (point.coverage, point.high) == (1.0, 1.0)
    assert point.low == pytest.approx(10 / (10 + 1.96**2))
    assert reliability([]) == []
