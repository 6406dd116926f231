"""Predictions end when their time is over."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from helpers.ellipsoids import ellipsoid
from tramontane.deadline import check_deadline
from tramontane.design import Design
from tramontane.errors import TimeLimitError
from tramontane.service.metrics import Metrics
from tramontane.service.predictions import designs
from tramontane.service.predictions.predictions import Predictions, Question
from tramontane.service.problems import Problem
from tramontane.service.settings import Settings
from tramontane.surrogate import Surrogate


def test_a_prediction_in_python_has_a_time_limit(surrogate: Surrogate) -> None:
    body = ellipsoid("body", (0.8, 0.7, 0.6), 1.0).meshes["surface"]
    with pytest.raises(TimeLimitError, match="longer than 1e-09 s"):
        surrogate.simulate(Design(body, load="300 N"), cells=3000, time_limit_seconds=1e-9)


@pytest.mark.parametrize(("seconds", "gone", "status"), [(0.05, False, 422), (600.0, True, 503)])
def test_the_server_ends_a_long_prediction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, gone: bool, status: int
) -> None:
    monkeypatch.setattr(designs, "design", lambda *of, **more: Design())
    begun = []

    def never_ends(*of: Any, **more: Any) -> None:
        begun.append(time.monotonic())
        while True:
            check_deadline()

    surrogate = SimpleNamespace(check=lambda design, **more: design, simulate=never_ends, contract=None)
    served: Any = SimpleNamespace(surrogate=surrogate)
    question = Question(served, None, "m", {}, 1000, ())
    of = Predictions(Settings(models=tmp_path, workers=1, predict_seconds=seconds), SimpleNamespace(), Metrics())  # type: ignore[arg-type]
    with pytest.raises(Problem) as caught:
        of._predict(question, lambda: gone and bool(begun))
    assert begun
    assert caught.value.status_code == status
    assert gone or "longer than 0.05 s" in caught.value.faults[0].detail
