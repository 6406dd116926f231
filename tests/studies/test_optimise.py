"""Optimisation against a cantilever, whose best section is known."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.cantilever import CONTRACT, Cantilever
from tramontane.errors import TramontaneError
from tramontane.search.answers import AtHand
from tramontane.search.emulator import Corrected, Emulator
from tramontane.search.goals import Goals, Output
from tramontane.search.loop import Search
from tramontane.search.space import Space, sobol
from tramontane.studies import Optimum, optimise

pytest.importorskip("botorch", reason="pip install 'tramontane[search]'")

PROBLEM: dict[str, Any] = {
    "minimise": ["mass"], "subject_to": ["stress <= 100 MPa"], "fixed": {"load": "1 kN"}, "tolerance": 0,
}  # fmt: skip
# The lightest section is as narrow as it may be, 10 mm; with stress = 6 F L / (w h^2) the height follows.
LEAST = 7850 * 0.01 * (6e3 / (0.01 * 100e6)) ** 0.5


@pytest.fixture(scope="module")
def lightest(tmp_path_factory: pytest.TempPathFactory) -> tuple[Optimum, Path]:
    folder = tmp_path_factory.mktemp("optimum") / "beam"
    return optimise(Cantilever(), out=folder, runs=16, start=6, **PROBLEM), folder


def test_the_lightest_beam_is_found_and_verified(lightest: tuple[Optimum, Path]) -> None:
    optimum, _ = lightest
    (best,) = optimum.best
    assert optimum.verified
    assert best.answer is not None
    assert best.row == pytest.approx([0.01, 0.0775], rel=0.02)
    assert LEAST <= best.answer.values["mass"] < 1.01 * LEAST
    assert best.answer.values["stress"] <= 100e6
    assert "stress = " in str(optimum)


def test_a_study_is_a_folder_of_tables_and_cases(lightest: tuple[Optimum, Path]) -> None:
    optimum, folder = lightest
    with (folder / "designs.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [line["design"] for line in lines] == [f"{k:03d}" for k in range(16)]
    best = lines[optimum.trials.index(optimum.best[0])]
    assert float(best["qoi stress [MPa]"]) == pytest.approx(100, rel=0.02)
    assert float(best["predicted stress low [MPa]"]) <= float(best["qoi stress [MPa]"])
    assert len(list((folder / "cases").glob("0*"))) == 16
    assert json.loads((folder / "optimum.json").read_text())["verified"] is True


def test_what_was_stopped_goes_on_with_what_is_there(lightest: tuple[Optimum, Path]) -> None:
    optimum, folder = lightest

    class Never(Cantilever):
        def simulate(self, design: Any) -> Any:
            raise AssertionError("this design was solved before")

    Never.__name__ = "Cantilever"
    again = optimise(Never(), out=folder, runs=16, start=6, **PROBLEM)
    assert np.array_equal([trial.row for trial in again.trials], [trial.row for trial in optimum.trials])
    with pytest.raises(TramontaneError, match="was begun with constraints"):
        optimise(Cantilever(), out=folder, runs=16, **PROBLEM | {"subject_to": ["stress <= 90 MPa"]})


def test_designs_that_fail_are_avoided(tmp_path: Path) -> None:
    # The best section of all is 7.75 times as high as wide.
    optimum = optimise(Cantilever(slender=4.0), out=tmp_path / "beam", runs=14, start=6, **PROBLEM)
    failed = [bool(trial.answer and trial.answer.failed) for trial in optimum.trials]
    assert 0 < sum(failed) < 9
    (best,) = optimum.best
    width = (6e3 / (16 * 100e6)) ** (1 / 3)
    exact = 7850 * 4 * width**2
    assert best.answer is not None
    assert exact <= best.answer.values["mass"] < 1.2 * exact


def test_two_objectives_give_designs_that_none_beats(tmp_path: Path) -> None:
    optimum = optimise(Cantilever(), out=tmp_path / "front", minimise=["mass", "deflection"], runs=10, start=6,
                       fixed={"load": "1 kN"}, tolerance=0)  # fmt: skip
    costs = np.array([[trial.answer.values[name] for name in ("mass", "deflection")]
                      for trial in optimum.best if trial.answer])  # fmt: skip
    assert len(costs) >= 4
    assert (np.diff(costs[:, 0]) > 0).all()
    assert (np.diff(costs[:, 1]) < 0).all()


def test_a_surrogate_alone_optimises_its_worse_bounds_inside_its_domain_and_says_so(tmp_path: Path) -> None:
    goals = Goals.of(CONTRACT, minimise=["mass"], subject_to=["stress <= 100 MPa"]).on_bounds()
    space = Space.of(CONTRACT, fixed={"load": "1 kN"})
    search = Search(AtHand(Cantilever(factor=1.1)), space, goals, require="inside")
    search.start(10)
    search.run(16, tolerance=0)
    (best,) = search.best()
    assert best.answer is not None
    assert best.answer.verdict == "inside"
    assert best.row[1] < 0.08
    assert best.answer.values["stress high"] <= 100e6
    assert best.answer.values["stress"] == pytest.approx(1.1 / 1.2 * best.answer.values["stress high"])


def test_an_output_without_an_interval_is_named() -> None:
    space, goals = Space.of(CONTRACT, fixed={"load": "1 kN"}), Goals.of(CONTRACT, minimise=["mass"]).on_bounds()
    said = {}
    for factor in (1.0, 1.1):  # the solver itself states none
        search = Search(AtHand(Cantilever(factor=factor)), space, goals)
        search.start(3)
        search.answer()
        said[factor] = str(Optimum(search.best(), search.trials, False, "stopped", space, goals))
    assert "mass: the surrogate states no interval" in said[1.0]
    assert "no interval" not in said[1.1]


def test_nothing_is_compiled_for_a_trade_off(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch.utils import cpp_extension

    compiled: list[Any] = []
    monkeypatch.setattr(cpp_extension, "load", lambda **options: compiled.append(options))
    space, goals = Space.of(CONTRACT, fixed={"load": "1 kN"}), Goals.of(CONTRACT, minimise=["mass", "deflection"])
    search = Search(AtHand(Cantilever()), space, goals)
    search.start(5)
    search.answer()
    assert search.propose(1).shape == (1, 2)
    assert not compiled


def narrowing(steps: float) -> Search:
    """A search along the width of a beam, whose next proposal is always narrower by a share."""
    space = Space.of(CONTRACT, fixed={"load": "1 kN", "height": "50 mm"})
    search = Search(AtHand(Cantilever()), space, Goals.of(CONTRACT, minimise=["mass"]))
    search.add(np.array([[0.02], [0.08], [0.09], [0.1]]), "start")
    search.propose = lambda count: np.full((count, 1), steps * min(of.row[0] for of in search.trials))  # type: ignore[method-assign]
    return search


def test_a_search_goes_on_while_it_gains_and_ends_when_it_does_not() -> None:
    gaining = narrowing(0.97)
    assert gaining.run(14, batch=1, patience=2) == "all 14 runs are used"
    assert len(gaining.trials) == 14
    idle = narrowing(0.9999)
    assert "no gain in 2 batches" in idle.run(14, batch=1, patience=2)
    assert len(idle.trials) < 10


def test_a_search_does_not_say_that_predictions_held_where_nothing_was_predicted() -> None:
    blind = narrowing(0.9999)
    blind.emulators = lambda: None  # type: ignore[method-assign]
    assert blind.run(9, batch=1, patience=2) == "all 9 runs are used"


def test_a_correction_learns_what_the_solver_adds() -> None:
    space = Space.of(CONTRACT, fixed={"load": "1 kN"})
    rows = space.rows(sobol(2, 64))
    output = Output.of("stress", CONTRACT)

    def stress(at: Any, factor: float) -> Any:
        return factor * 6e3 / (at[:, 0] * at[:, 1] ** 2)

    base = Emulator(space, output, rows, stress(rows, 1.2))
    asked = space.rows(sobol(2, 200, seed=5))
    truth = base.transformed(stress(asked, 1.0))
    widths = []
    for count in (0, 1, 8):
        corrected = Corrected(base, rows[:count], stress(rows[:count], 1.0), deviation=np.log(1.2) / 1.645)
        means, deviations = corrected.posterior(asked)
        held = np.abs(means - truth) <= 1.645 * deviations
        assert held.mean() > 0.85
        widths.append(float(deviations.mean()))
    assert widths[0] > widths[1] > widths[2]
    assert np.abs(means - truth).mean() < 0.1 * np.log(1.2)


def test_a_search_without_a_feasible_design_shows_the_closest(tmp_path: Path) -> None:
    hard = PROBLEM | {"subject_to": ["stress <= 100 MPa", "mass <= 1 kg"]}
    optimum = optimise(Cantilever(), out=tmp_path / "beam", runs=4, start=4, **hard)
    assert not optimum.best
    values = [trial.answer.values for trial in optimum.trials if trial.answer]
    most = {name: max(of[name] for of in values) for name in ("stress", "mass")}
    misses = [max(of["stress"] - 1e8, 0) / most["stress"] + max(of["mass"] - 1, 0) / most["mass"] for of in values]
    assert f"design {int(np.argmin(misses)):03d}" in str(optimum)


def test_what_cannot_be_searched_says_why(tmp_path: Path) -> None:
    with pytest.raises(TramontaneError, match=r"neither: is not a saved surrogate, and solver 'neither' is not known"):
        optimise("neither", minimise=["mass"], out=tmp_path / "a")
    with pytest.raises(TramontaneError, match="none of 3 designs has an answer; the first: a section"):
        optimise(Cantilever(slender=0.01), out=tmp_path / "b", runs=9, **PROBLEM)
    with pytest.raises(TramontaneError, match="9 runs to start with are more than the 4 in all"):
        optimise(Cantilever(), out=tmp_path / "c", runs=4, start=9, **PROBLEM)
    with pytest.raises(TramontaneError, match="a solver needs no second one"):
        optimise(Cantilever(), solver="bracket", minimise=["mass"], out=tmp_path / "c")
