"""Sobol indices and main effects, against functions whose indices are known."""

from __future__ import annotations

import csv
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.cantilever import CONTRACT, Cantilever
from tramontane.case import Case
from tramontane.contract import Contract, ParameterSpec, QoiSpec
from tramontane.design import Design
from tramontane.errors import SolverError, TramontaneError
from tramontane.search.emulator import Emulator
from tramontane.search.goals import Output
from tramontane.search.realisations import Realisations
from tramontane.search.space import Space, sobol
from tramontane.studies import doe, sensitivity

pytest.importorskip("SALib", reason="pip install 'tramontane[search]'")

A, B = 7.0, 0.1
# Ishigami and Homma 1990: the variances of its parts.
V1, V2, V13 = 0.5 * (1 + B * np.pi**4 / 5) ** 2, A**2 / 8, B**2 * np.pi**8 * 8 / 225
WHOLE = V1 + V2 + V13
FIRST = {"x1": V1 / WHOLE, "x2": V2 / WHOLE, "x3": 0.0}
TOTAL = {"x1": (V1 + V13) / WHOLE, "x2": V2 / WHOLE, "x3": V13 / WHOLE}


class Function:
    """The Ishigami function, and one that is linear in the same inputs."""

    contract = Contract(
        name="functions",
        parameters={f"x{k}": ParameterSpec(low=-np.pi, high=np.pi) for k in (1, 2, 3)},
        qoi={"ishigami": QoiSpec(), "linear": QoiSpec()},
    )

    def simulate(self, design: Design) -> Case:
        one, two, three = (self.contract.values(design)[f"x{k}"] for k in (1, 2, 3))
        qoi = {
            "ishigami": np.sin(one) + A * np.sin(two) ** 2 + B * three**4 * np.sin(one),
            "linear": one + 2 * two + 5,
        }
        return Case("functions", design, qoi=qoi, qoi_units=dict.fromkeys(qoi, ""))


def test_answers_to_a_whole_sample_have_the_known_indices(tmp_path: Path) -> None:
    found = sensitivity(Function(), out=tmp_path / "s")
    ishigami, linear = found.outputs
    assert found.answers == 1024 * 5
    for name in ("x1", "x2", "x3"):
        for share, exact in ((ishigami.first[name], FIRST[name]), (ishigami.total[name], TOTAL[name])):
            assert share.value == pytest.approx(exact, abs=0.04)
            assert share.low - 0.02 <= exact <= share.high + 0.02
    exact = {"x1": 0.2, "x2": 0.8, "x3": 0.0}
    assert {name: share.value for name, share in linear.first.items()} == pytest.approx(exact, abs=0.02)
    assert {name: share.value for name, share in linear.total.items()} == pytest.approx(exact, abs=0.02)
    curve = linear.effects["x2"]
    assert (np.abs(curve.means - 5 - 2 * curve.at) < 0.2).all()
    with (tmp_path / "s" / "indices.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert float(lines[1]["total"]) == pytest.approx(TOTAL["x2"], abs=0.04)
    assert "x2  alone 0.4" in str(found)


def test_a_few_hundred_answers_are_emulated_and_the_interval_has_the_emulators_error(tmp_path: Path) -> None:
    begun = time.monotonic()
    wide = {}
    for answers in (64, 160):
        (of,) = sensitivity(Function(), out=tmp_path / str(answers), answers=answers, outputs=["ishigami"]).outputs
        wide[answers] = of.total["x2"].high - of.total["x2"].low
        for name in ("x1", "x2", "x3"):
            assert of.first[name].low <= FIRST[name] <= of.first[name].high
            assert of.total[name].low <= TOTAL[name] <= of.total[name].high
    assert wide[64] > 1.5 * wide[160]
    assert of.unexplained is not None
    assert of.unexplained < 0.1
    curve = of.effects["x2"]
    exact = 7 * np.sin(curve.at) ** 2
    assert (np.abs(curve.means - exact) < 0.5).all()
    assert ((curve.low - 0.2 < exact) & (exact < curve.high + 0.2)).all()
    assert time.monotonic() - begun < 120


def test_realisations_have_the_posterior_of_their_emulator() -> None:
    space = Space.of(CONTRACT, fixed={"load": "1 kN"})
    rows = space.rows(sobol(2, 12))
    emulator = Emulator(space, Output.of("deflection", CONTRACT), rows, 1 / (rows[:, 0] * rows[:, 1] ** 2.5))
    asked = space.rows(sobol(2, 60, seed=3))
    drawn = emulator.transformed(Realisations(emulator, 400)(asked))
    means, deviations = emulator.posterior(asked)
    noise = emulator.kriging.process.noise_variance * emulator.kriging.standard_deviation**2
    deviations = np.sqrt(deviations**2 - noise)  # a function has none
    assert np.abs(drawn.mean(1) - means).max() < 4 * deviations.max() / 400**0.5
    assert np.median(drawn.std(1) / deviations) == pytest.approx(1, abs=0.15)


def test_the_cases_of_a_study_and_a_table_are_enough(tmp_path: Path) -> None:
    doe(Cantilever(factor=1.1), 40, out=tmp_path / "beams", vary={"width": "20:40 mm", "height": "20:40 mm"})
    found = sensitivity(tmp_path / "beams", out=tmp_path / "s", outputs=["stress"])
    (of,) = found.outputs
    assert found.answers == 40
    # stress = c / (w h^2) with w and h independent and uniform on 20 to 40 mm
    once, twice = (np.array([np.log(2) * 50, 1250]), np.array([1250, (1 / 2e-2**3 - 1 / 4e-2**3) / 3 / 2e-2]))
    share = {"width": once[1] / once[0] ** 2 - 1, "height": twice[1] / twice[0] ** 2 - 1}
    both = (1 + share["width"]) * (1 + share["height"]) - 1
    for name in share:
        assert of.first[name].value == pytest.approx(share[name] / both, abs=0.03)
    assert of.effects["height"].means[0] > 3 * of.effects["height"].means[-1]

    rng = np.random.default_rng(0)
    lines = [f"{a:.9f},{b:.9f},{1 + 3 * a + b:.9f}" for a, b in rng.random((30, 2))]
    (tmp_path / "table.csv").write_text("\n".join(["a,b,qoi:y", *lines]))
    (of,) = sensitivity(tmp_path / "table.csv", out=tmp_path / "t").outputs
    assert of.first["a"].value == pytest.approx(0.9, abs=0.03)


@pytest.mark.parametrize("answers", [None, 20])
def test_nothing_explains_an_output_that_does_not_vary(tmp_path: Path, answers: int | None) -> None:
    class Constant(Function):
        def simulate(self, design: Design) -> Case:
            return Case("functions", design, qoi={"linear": 3.0}, qoi_units={"linear": ""})

    found = sensitivity(Constant(), out=tmp_path / "s", outputs=["linear"], answers=answers, samples=16).outputs[0]
    for share in (*found.first.values(), *found.total.values()):
        assert (share.value, share.low, share.high) == (0, 0, 0)
    assert found.effects["x1"].means == pytest.approx(3.0)


def test_a_solver_that_fails_is_named_where_answers_are_too_few(tmp_path: Path) -> None:
    class Broken(Function):
        def simulate(self, design: Design) -> Case:
            raise SolverError("does not converge")

    with pytest.raises(TramontaneError, match=r"10 of 10 designs have no answer, .* the first, 000: does not converge"):
        sensitivity(Broken(), out=tmp_path / "s", answers=10)


def test_blocks_with_a_failure_are_left_out(tmp_path: Path) -> None:
    class Brittle(Function):
        def simulate(self, design: Design) -> Case:
            if self.contract.values(design)["x3"] > self.limit:
                raise SolverError("does not converge")
            return super().simulate(design)

        limit = 3.0

    found = sensitivity(Brittle(), out=tmp_path / "s", samples=256)
    assert found.outputs[1].first["x2"].value == pytest.approx(0.8, abs=0.05)
    Brittle.limit = 0.0
    with pytest.raises(TramontaneError, match="have no answer; the first: does not converge; narrow the bounds"):
        sensitivity(Brittle(), out=tmp_path / "t", samples=16)


@pytest.mark.parametrize(
    ("source", "options", "words"),
    [
        (Function(), {"samples": 100}, "samples are 100; give a power of two"),
        (Function(), {"answers": 3}, "3 answers are too few to emulate"),
        (Function(), {"vary": {"x9": "1:2"}}, "'x9' is not known"),
        (Function(), {"vary": {"x1": "2:1"}}, "lower one must be below"),
        (Function(), {"outputs": ["z"]}, "'z' is not a QoI"),
        ("bracket", {}, "bracket is a solver: say how many runs are emulated with --answers"),
        ("table.csv", {"answers": 10}, "table.csv holds answers already; leave bounds, answers and shapes out"),
        ("table.csv", {"outputs": ["z"]}, "has no 'z'; it has y"),
        ("table.csv", {}, "3 designs with an answer, 1 outputs and 1 parameters that vary; 8, 1 and 1 are"),
    ],
)
def test_what_cannot_be_analysed_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: Any, options: dict[str, Any], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("table.csv").write_text("x,qoi:y\n1,2\n2,4\n3,6\n")
    with pytest.raises(TramontaneError, match=words):
        sensitivity(source, out="s", **options)
    assert not Path("s").exists()
