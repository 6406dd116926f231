"""Active learning and inverse design on a cantilever."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvista as pv

from helpers.cantilever import CONTRACT, Cantilever
from tramontane.case import Case
from tramontane.contract import FieldSpec
from tramontane.errors import ContractError, TramontaneError
from tramontane.search.emulator import Emulator
from tramontane.search.goals import Output
from tramontane.search.space import Space, sobol
from tramontane.studies import inverse, learn, screen
from tramontane.studies.learn import choose


def test_learning_ends_at_the_stated_error_and_keeps_its_cases(tmp_path: Path) -> None:
    learnt = learn(Cantilever(), to={"stress": "2%", "mass": 0.02}, out=tmp_path / "learnt", start=6, runs=40)
    assert learnt.reached
    assert set(learnt.errors) == {"stress", "mass"}
    assert max(learnt.errors.values()) <= 0.02
    assert len(list((tmp_path / "learnt" / "cases").glob("0*"))) == len(learnt.trials) < 40
    # What was stated holds on designs that were never asked.
    space = Space.of(CONTRACT)
    rows = space.rows(sobol(3, 200, seed=9))
    known = np.array([trial.row for trial in learnt.trials])
    stress = 6 * known[:, 2] / (known[:, 0] * known[:, 1] ** 2)
    truth = 6 * rows[:, 2] / (rows[:, 0] * rows[:, 1] ** 2)
    emulator = Emulator(space, Output.of("stress", CONTRACT), known, stress)
    means, _ = emulator.posterior(rows)
    assert np.abs(np.exp(means) - truth).mean() / truth.mean() < 0.03


def test_what_is_learnt_next_lies_where_least_is_known() -> None:
    space = Space.of(CONTRACT, fixed={"load": "1 kN"})
    corner = space.rows(0.4 * sobol(2, 16, seed=1))
    emulator = Emulator(space, Output.of("mass", CONTRACT), corner, 7850 * corner[:, 0] * corner[:, 1])
    chosen = space.unit_rows(choose(space, [emulator], count=3, seed=0))
    assert (chosen.max(1) > 0.4).all()
    assert np.linalg.norm(chosen[0] - chosen[1]) > 0.1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"to": {}}, "no output is named"),
        ({"to": {"stress": "much"}}, "give a share of its size"),
        ({"to": {"weight": "5%"}}, "'weight' is not a QoI"),
        ({"to": {"stress": "5%"}, "start": 2}, "three or more to start with"),
    ],
)
def test_what_cannot_be_learnt_says_why(options: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=words):
        learn(Cantilever(), out=tmp_path / "learnt", **options)


def test_several_sections_have_the_wanted_stress_and_mass(tmp_path: Path) -> None:
    reached = inverse(Cantilever(factor=1.1), target={"stress": "80 MPa"}, fixed={"load": "1 kN"}, count=3,
                      out=tmp_path / "inverse")  # fmt: skip
    assert len(reached.designs) == 3
    for trial in reached.designs:
        assert trial.answer is not None
        assert trial.answer.values["stress"] == pytest.approx(80e6, rel=0.02)
        low, high = trial.answer.bounds["stress"]
        assert low < 80e6 < high
        assert trial.answer.verdict == "inside"
    rows = np.array([trial.row for trial in reached.designs])
    assert np.ptp(rows[:, 0]) > 0.02
    assert "90 %" in str(reached)


def test_what_cannot_be_reached_is_said(tmp_path: Path) -> None:
    reached = inverse(Cantilever(), target={"mass": "500 kg"}, out=tmp_path / "heavy", count=1)
    assert not reached.designs
    assert "No design reaches" in str(reached)
    assert reached.closest.answer is not None
    assert reached.closest.answer.values["mass"] > 70
    with pytest.raises(TramontaneError, match="nothing is wanted"):
        inverse(Cantilever(), out=tmp_path / "nothing")


class BendingLine(Cantilever):
    """A cantilever whose deflection is known along its axis."""

    contract = CONTRACT.model_copy(update={"fields": {"axis": {"bending": FieldSpec(unit="m")}}})  # type: ignore[assignment]

    def simulate(self, design: Any) -> Case:
        case = super().simulate(design)
        x = np.linspace(0, 1, 21)
        line = pv.PolyData(np.column_stack([x, 0 * x, 0 * x]))
        line.point_data["bending"] = case.qoi["deflection"] * (3 * x**2 - x**3) / 2
        case.meshes, case.field_units = {"axis": line}, {"bending": "m"}
        return case


def test_a_wanted_curve_is_reached(tmp_path: Path) -> None:
    x = np.linspace(0.1, 0.9, 9)
    wanted = pv.PolyData(np.column_stack([x, 0 * x, 0 * x]))
    wanted.point_data["bending"] = 5e-3 * (3 * x**2 - x**3) / 2
    wanted.save(tmp_path / "goal.vtp")
    reached = inverse(BendingLine(), target_field={"axis.bending": tmp_path / "goal.vtp"}, tolerance=0.03, count=2,
                      fixed={"load": "1 kN"}, out=tmp_path / "curve")  # fmt: skip
    assert len(reached.designs) == 2
    for trial in reached.designs:
        assert 4e3 / (210e9 * trial.row[0] * trial.row[1] ** 3) == pytest.approx(5e-3, rel=0.03)
    with pytest.raises(TramontaneError, match=r"is not a field; known are axis\.bending"):
        inverse(BendingLine(), target_field={"axis.load": tmp_path / "goal.vtp"}, out=tmp_path / "other")


def test_another_wanted_curve_is_another_study_and_needs_the_components_of_the_field(tmp_path: Path) -> None:
    wanted, file = pv.PolyData(np.column_stack([np.linspace(0, 1, 3), [0, 0, 0], [0, 0, 0]])), tmp_path / "goal.vtp"
    options: Any = {"target_field": {"axis.bending": file}, "out": tmp_path / "curve", "fixed": {"load": "1 kN"}}
    wanted.point_data["bending"] = np.full((3, 3), 1e-3)
    wanted.save(file)
    with pytest.raises(TramontaneError, match="bending has 3 components; the contract's has 1"):
        inverse(BendingLine(), **options)
    for height in (5e-3, 4e-3):
        wanted.point_data["bending"] = np.array([0.0, 0.3125, 1.0]) * height
        wanted.save(file)
        if height == 5e-3:
            inverse(BendingLine(), tolerance=0.1, count=1, **options)
    with pytest.raises(TramontaneError, match="was begun with fields"):
        inverse(BendingLine(), tolerance=0.1, count=1, **options)


def test_a_hundred_thousand_beams_are_screened_and_the_best_are_asked(tmp_path: Path) -> None:
    screened = screen(Cantilever(), minimise=["mass"], subject_to=["stress <= 100 MPa"], fixed={"load": "1 kN"},
                      out=tmp_path / "screened", asked=48, best=5)  # fmt: skip
    with np.load(tmp_path / "screened" / "screened.npz") as arrays:
        rows, likely, stress = arrays["rows"], arrays["likely"], arrays["output stress"]
    assert len(rows) == screened.count == 100_000
    exact = 6e3 / (rows[:, 0] * rows[:, 1] ** 2)
    assert np.abs(stress / exact - 1).mean() < 0.01
    assert np.mean(likely == (exact <= 100e6)) > 0.98
    assert len(screened.best) == 5
    best = screened.best[0].answer
    assert best is not None
    assert best.values["stress"] <= 100e6
    assert best.values["mass"] < 1.05 * 7850 * 0.01 * (6e3 / (0.01 * 100e6)) ** 0.5
    told = str(screened).splitlines()
    assert told[-9].startswith(f"design {screened.trials.index(screened.best[0]):03d}: width = ")
    assert told[-8] == f"  mass = {best.values['mass']:.6g} kg"
    assert "NOT VERIFIED" not in told[-1]


def test_another_screening_in_the_same_folder_takes_no_answer_of_the_first_ones_designs(tmp_path: Path) -> None:
    options = {"fixed": {"load": "1 kN"}, "out": tmp_path / "screened", "asked": 24, "best": 3, "count": 512}
    lightest = screen(Cantilever(), minimise=["mass"], **options)
    heaviest = screen(Cantilever(), maximise=["mass"], **options)
    again = screen(Cantilever(), maximise=["mass"], **options)
    for screened in (lightest, heaviest, again):
        assert len(screened.best) == 3
        for trial in screened.best:
            assert trial.answer is not None
            assert trial.answer.values["mass"] == pytest.approx(7850 * trial.row[0] * trial.row[1])
    assert len(again.trials) == len(heaviest.trials) == 30
