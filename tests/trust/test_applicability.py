"""The applicability domain, on designs whose place is known."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tramontane.errors import SurrogateError
from tramontane.trust.applicability import LEAST, Applicability


def members(count: int, seed: int) -> tuple[np.ndarray, list[dict[str, float]]]:
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (count, 3)), [{"shape": float(rng.normal()), "unmatched": 0.1} for _ in range(count)]


@pytest.fixture
def domain() -> Applicability:
    learnt, widenings = Applicability.learn(*members(40, 0), names=["length", "height", "load"], proportional=[2])
    assert learnt is not None
    assert len(widenings) == 40
    assert min(widenings) == 1.0
    return learnt


def test_few_of_a_family_lie_outside(domain: Applicability) -> None:
    verdicts = [domain.judge(*of) for of in zip(*members(400, 1), strict=True)]
    shares = {name: np.mean([each.domain == name for each in verdicts]) for name in ("inside", "edge", "outside")}
    assert shares["outside"] <= 0.05
    assert shares["inside"] >= 0.75


@pytest.mark.parametrize(
    ("row", "signs", "code"),
    [
        ((2.5, 0.0, 0.0), {"shape": 0.0, "unmatched": 0.1}, "beyond"),
        ((0.0, 0.0, 0.0), {"shape": 9.0, "unmatched": 0.1}, "shape"),
        ((0.0, 0.0, 0.0), {"shape": float("nan"), "unmatched": 0.1}, "shape"),
        ((1.0, 0.9, 0.0), {"shape": 0.0, "unmatched": 5.0}, "new_part"),
    ],
)
def test_what_is_unusual_is_the_reason(
    domain: Applicability, row: tuple[float, ...], signs: dict[str, float], code: str
) -> None:
    verdict = domain.judge(np.array(row), signs)
    assert verdict.domain == "outside"
    assert verdict.score > 0.5
    assert code in {reason.code for reason in verdict.reasons}
    assert domain.widening(verdict) > 1.5
    if code == "beyond":
        assert any("length lies beyond" in str(reason) for reason in verdict.reasons)


def test_the_score_rises_with_the_distance(domain: Applicability) -> None:
    scores = [domain.judge(np.array([x, 0.0, 0.0]), {"shape": 0.0, "unmatched": 0.1}).score for x in (0, 1, 1.1, 1.3)]
    assert scores == sorted(scores)
    assert scores[-1] > scores[0]


def test_a_condition_that_answers_are_in_proportion_to_counts_little(domain: Applicability) -> None:
    signs = {"shape": 0.0, "unmatched": 0.1}
    assert domain.judge(np.array([0.0, 0.0, 1.5]), signs).score < domain.judge(np.array([1.5, 0.0, 0.0]), signs).score


def test_what_never_varied_is_not_followed() -> None:
    table, signs = members(20, 2)
    table[:, 1] = 0.3
    learnt, _ = Applicability.learn(table, signs)
    assert learnt is not None
    assert (
        learnt.judge(np.array([0.0, 0.5, 0.0]), signs[0]).score
        > learnt.judge(np.array([0.0, 0.3, 0.0]), signs[0]).score
    )


def test_too_few_cases_give_no_verdict() -> None:
    learnt, widenings = Applicability.learn(*members(LEAST - 1, 3))
    assert learnt is None
    assert widenings == [1.0] * (LEAST - 1)


def test_what_is_saved_judges_alike(domain: Applicability) -> None:
    again = Applicability.of(json.loads(json.dumps(domain.document())))
    row, signs = np.array([0.4, 1.2, 0.1]), {"shape": 1.0, "unmatched": 0.2}
    assert again.judge(row, signs) == domain.judge(row, signs)


def test_saved_coordinates_that_do_not_fit_the_model_are_named(domain: Applicability) -> None:
    with pytest.raises(SurrogateError, match=r"calibration\.json: has 3 coordinates of designs, the model 2"):
        domain.judge(np.zeros(2), {})
