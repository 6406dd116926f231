"""Conformal quantiles: the guarantee, by simulation; and calibration on errors whose size is known."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from tramontane.interval import FieldInterval
from tramontane.trust.calibration import Answered, Calibration, LeftOut, interval_score
from tramontane.trust.conformal import (
    least_cases,
    normal_quantile,
    pooled_quantiles,
    quantile,
    sure_quantile,
)


def test_as_many_cases_as_the_guarantee_needs() -> None:
    assert [least_cases(level) for level in (0.5, 0.8, 0.9, 0.95)] == [1, 4, 9, 19]
    scores = np.arange(1.0, 10.0)
    assert quantile(scores, 0.9) == 9.0
    assert math.isinf(quantile(scores[:8], 0.9))


@pytest.mark.parametrize("count", [40, 80])
def test_five_of_six_sets_hold_what_is_stated(count: int) -> None:
    """The share that lies below a quantile of uniform scores is that quantile itself."""
    rng = np.random.default_rng(count)
    sets = rng.random((4000, count))
    sure = np.mean([sure_quantile(scores, 0.9) >= 0.9 for scores in sets])
    assert 0.8 < sure < 0.95  # a rank is a whole number
    assert np.mean([quantile(scores, 0.9) >= 0.9 for scores in sets]) < 0.7
    assert sure_quantile(sets[0][:9], 0.9) == sets[0][:9].max()  # not infinite where the largest is all there is


@pytest.mark.parametrize("count", [9, 12, 29])
def test_a_new_score_is_covered_as_often_as_is_stated(count: int) -> None:
    rng = np.random.default_rng(count)
    covered = [rng.lognormal() <= quantile(rng.lognormal(size=count), 0.9) for _ in range(4000)]
    exact = math.ceil(0.9 * (count + 1)) / (count + 1)
    assert abs(np.mean(covered) - exact) < 4 * math.sqrt(exact * (1 - exact) / 4000)


def test_few_scores_give_students_interval() -> None:
    rng = np.random.default_rng(0)
    covered = [abs(rng.normal()) <= normal_quantile(np.abs(rng.normal(size=4)), 0.9) for _ in range(4000)]
    assert abs(np.mean(covered) - 0.9) < 0.02


def test_cases_count_alike_whatever_their_points() -> None:
    many, few = np.full(1000, 1.0), np.full(10, 2.0)
    assert pooled_quantiles([many, few], np.array([0.3]))[0] == 1.0
    assert pooled_quantiles([many, few], np.array([0.36]))[0] == 2.0  # of one case more, whose scores are not known


def made_cases(count: int, seed: int, *, deviation: bool = True) -> list[LeftOut]:
    """Cases whose errors are as large as the stated deviation, times a difficulty that rises along a coordinate."""
    rng = np.random.default_rng(seed)
    cases = []
    for number in range(count):
        at = rng.uniform(-1, 1, 2)
        size = rng.uniform(0.1, 3.0, (400, 1)) * np.exp(1.2 * at[0])
        mean = rng.normal(size=(400, 1))
        stated = size / np.exp(1.2 * at[0]) if deviation else None
        field = Answered(mean, stated, mean + size * rng.normal(size=(400, 1)))
        qoi = Answered(np.array([[1.0]]), None, np.array([[1.0 + 0.1 * rng.normal()]]))
        cases.append(LeftOut(f"case-{number}", at, {"surface/pressure": field}, {"drag": qoi}))
    return cases


def test_intervals_cover_new_cases_and_are_narrow_where_the_model_is_sure() -> None:
    calibration = Calibration.learn(made_cases(40, 1))
    assert calibration is not None
    assert calibration.difficulty is not None
    assert calibration.fields["surface/pressure"].scale.deviation == 1.0
    covered, whole, scores, constant, drag = [], [], [], [], []
    together = np.concatenate([np.abs(c.fields["surface/pressure"].mean - c.fields["surface/pressure"].truth)
                               for c in made_cases(40, 1)])  # fmt: skip
    for case in made_cases(200, 2):
        field, value = case.fields["surface/pressure"], case.qoi["drag"]
        interval = calibration.interval("surface/pressure", field.mean, field.deviation, unit=1.0,
                                        factor=calibration.factor(case.coordinates))  # fmt: skip
        low, high = interval.bounds(field.mean)
        covered.append(np.mean((low <= field.truth) & (field.truth <= high)))
        low, high = interval.bounds(field.mean, whole_field=True)
        whole.append(np.mean((low <= field.truth) & (field.truth <= high)) >= 0.99)
        errors = np.abs(field.mean - field.truth)
        scores.append(interval_score(errors, interval.half_width, 0.9))
        constant.append(interval_score(errors, np.array(np.quantile(together, 0.9)), 0.9))
        factor = calibration.factor(case.coordinates)
        of = calibration.qoi_interval("drag", 1.0, None, unit=1.0, factor=factor)
        drag.append(of.low <= float(value.truth[0, 0]) <= of.high)
    assert 0.88 < np.mean(covered) < 0.94
    assert 0.8 < np.mean(whole) < 0.98
    assert 0.85 < np.mean(drag) < 0.98
    assert np.mean(scores) < 0.8 * np.mean(constant)


def test_a_level_that_is_asked_for_is_met() -> None:
    calibration = Calibration.learn(made_cases(40, 3))
    assert calibration is not None
    widths = []
    for level in (0.5, 0.8, 0.95):
        covered = []
        for case in made_cases(60, 4):
            field = case.fields["surface/pressure"]
            interval = calibration.interval("surface/pressure", field.mean, field.deviation, unit=1.0, level=level,
                                            factor=calibration.factor(case.coordinates))  # fmt: skip
            covered.append(np.mean(np.abs(field.mean - field.truth) <= interval.half_width))
            widths.append(float(interval.half_width.mean()))
        assert abs(np.mean(covered) - level) < 0.05


def test_a_model_without_deviations_is_calibrated_too() -> None:
    calibration = Calibration.learn(made_cases(20, 5, deviation=False))
    assert calibration is not None
    field = made_cases(1, 6)[0].fields["surface/pressure"]
    assert (calibration.interval("surface/pressure", field.mean, None, unit=1.0).half_width > 0).all()


def test_too_few_cases_are_refused_or_said() -> None:
    assert Calibration.learn(made_cases(1, 7)) is None
    few = Calibration.learn(made_cases(5, 7))
    assert few is not None
    assert few.qoi_interval("drag", 1.0, None, unit=1.0).assumed
    field = made_cases(1, 8)[0].fields["surface/pressure"]
    interval = few.interval("surface/pressure", field.mean, field.deviation, unit=1.0)
    assert interval.band is None
    with pytest.raises(ValueError, match="too few cases left out"):
        interval.bounds(field.mean, whole_field=True)


def test_what_is_saved_gives_the_same_intervals() -> None:
    cases = made_cases(30, 9)
    calibration = Calibration.learn(cases, {"lift": [case.qoi["drag"] for case in cases]})
    assert calibration is not None
    again = Calibration.of(json.loads(json.dumps(calibration.document())))
    assert again.names == [case.name for case in cases]
    field = cases[0].fields["surface/pressure"]
    for each in (calibration, again):
        assert set(each.qoi) == {"drag", "lift"}
    first, second = (
        each.interval("surface/pressure", field.mean, field.deviation, unit=2.0, factor=each.factor(np.ones(2)))
        for each in (calibration, again)
    )
    np.testing.assert_allclose(first.half_width, second.half_width, rtol=1e-6)
    assert first.band == pytest.approx(second.band)


def test_a_norm_has_no_bound_below_zero() -> None:
    interval = FieldInterval(np.array([2.0, 0.1]), 1.5, 0.9, least=0.0)
    assert interval.bounds(np.array([1.0, 1.0]))[0].tolist() == [0.0, 0.9]
