"""Designs laid out beforehand: how they are spread, extended and read, and what a cantilever answers."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from scipy.spatial.distance import pdist
from typer.testing import CliRunner

from helpers.cantilever import CONTRACT, Cantilever
from tramontane import Surrogate, fit, ingest
from tramontane.cli import app
from tramontane.contract import Contract, ParameterSpec, QoiSpec
from tramontane.errors import TramontaneError
from tramontane.search.answers import AtHand
from tramontane.search.goals import Output
from tramontane.search.sampling import fresh, full_factorial, latin_hypercube
from tramontane.search.space import Space
from tramontane.studies import doe, screen, sensitivity, sweep

SOLVER = """
from tramontane.solvers.function import solver

@solver(parameters={"width": "10 to 30 mm", "height": "20 to 60 mm"}, qoi={"area": "mm^2"})
def beam(width, height):
    return {"area": width * height}
"""


def test_a_latin_hypercube_has_one_design_in_each_interval_and_keeps_them_apart() -> None:
    rows = latin_hypercube(3, 20, seed=1)
    assert (np.sort((rows * 20).astype(int), axis=0) == np.arange(20)[:, None]).all()
    from scipy.stats import qmc

    random = [pdist(qmc.LatinHypercube(3, rng=seed).random(20)).min() for seed in range(20)]
    assert pdist(rows).min() > max(random)


def test_a_latin_hypercube_is_extended_into_the_intervals_that_are_free() -> None:
    begun = latin_hypercube(2, 10, seed=1)
    both = np.concatenate([begun, latin_hypercube(2, 10, seed=2, existing=begun)])
    for column in both.T:
        occupied = len(set((column * 20).astype(int)))
        assert occupied == 10 + len(set((column[:10] * 20).astype(int)))


def test_a_factorial_has_all_combinations_and_whole_numbers_once() -> None:
    space = Space.of(CONTRACT, fixed={"load": "1 kN"})
    assert full_factorial(space, [2, 3]) == pytest.approx(
        np.array([[0.01, 0.01], [0.01, 0.055], [0.01, 0.1], [0.1, 0.01], [0.1, 0.055], [0.1, 0.1]])
    )
    whole = Space.of(Contract(parameters={"blades": ParameterSpec(low=3, high=6, integer=True)}))
    assert full_factorial(whole, [9])[:, 0].tolist() == [3, 4, 5, 6]
    assert fresh(whole, np.array([[3.0], [5.0], [5.0]]), np.array([[3.0]])).tolist() == [[5.0]]


@pytest.mark.parametrize("method", ["sobol", "latin-hypercube"])
def test_a_folder_is_extended_and_no_design_is_answered_twice(tmp_path: Path, method: Any) -> None:
    asked = []

    class Counting(Cantilever):
        def simulate(self, design: Any) -> Any:
            asked.append(tuple(CONTRACT.values(design).values()))
            return super().simulate(design)

    first = doe(Counting(), 6, method=method, out=tmp_path / "beams")
    second = doe(Counting(), 10, method=method, out=tmp_path / "beams")
    assert len(asked) == len(set(asked)) == 10
    assert np.array_equal([trial.row for trial in second.trials[:6]], [trial.row for trial in first.trials])
    rows, values = second.table()
    assert values[:, 0] == pytest.approx(7850 * rows[:, 0] * rows[:, 1])
    with (tmp_path / "beams" / "designs.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert float(lines[7]["qoi mass [kg]"]) == pytest.approx(values[7, 0])
    assert {line["origin"] for line in lines} == {method}
    assert len(list((tmp_path / "beams" / "cases").glob("0*"))) == 10
    with pytest.raises(TramontaneError, match="was begun with parameters"):
        doe(Counting(), 10, out=tmp_path / "beams", fixed={"load": 500})


def test_a_table_says_which_designs_in_its_own_units(tmp_path: Path) -> None:
    table = tmp_path / "wanted.csv"
    table.write_text("name,width [cm],height,remark\na,2,30,thin\nb,4,60,\nc,2,30,again\n")
    experiment = doe(Cantilever(), out=tmp_path / "beams", table=table, fixed={"load": "1 kN"})
    rows, _ = experiment.table()
    assert rows == pytest.approx(np.array([[0.02, 0.03], [0.04, 0.06]]))
    again = doe(Cantilever(), 5, out=tmp_path / "beams", fixed={"load": "1 kN"})
    assert [trial.origin for trial in again.trials] == ["table", "table", "sobol", "sobol", "sobol"]


@pytest.mark.parametrize(
    ("text", "fixed", "words"),
    [
        ("width,load\n20,500\n", {}, "has no column height; its columns are width, load"),
        ("width,height,load [mm]\n20,20,500\n", {}, r"column 'load \[mm\]' is in mm; give load in N"),
        ("width,height,load\n20,20,500 kg\n", {}, "line 2, load is in kg; give it in N"),
        ("width,height,load\n20,many,500\n", {}, "line 2, height"),
        ("width,height,load\n20,,500\n", {}, "line 2, height"),
        ("width,width,height,load\n20,20,20,500\n", {}, "two columns width"),
        ("width,height,load\n20,20,500\n", {"load": 500}, "'load' has a column in .* and is fixed"),
        ("width,height,load\n20,20,500\n", {"lode": 500}, "'lode' is not known"),
        ("width,height,load\n", {}, "has no rows"),
    ],
)
def test_a_table_that_cannot_be_used_says_why(tmp_path: Path, text: str, fixed: dict[str, Any], words: str) -> None:
    (tmp_path / "wanted.csv").write_text(text)
    with pytest.raises(TramontaneError, match=words):
        doe(Cantilever(), out=tmp_path / "beams", table=tmp_path / "wanted.csv", fixed=fixed)
    assert not (tmp_path / "beams").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "no designs: give -n 1 or more"),
        ({"n": 0}, "0 designs: give -n 1 or more"),
        ({"n": 4, "method": "random"}, "method 'random' is not known"),
        ({"n": 4, "levels": 3}, "sobol has no levels"),
        ({"method": "factorial"}, "give --levels 3"),
        ({"method": "factorial", "levels": 0}, "levels of 'width' are 0; give a whole number from 1 on"),
        ({"method": "factorial", "levels": 200}, "8000000 designs; give fewer levels"),
        ({"method": "factorial", "levels": {"width": 3}}, "levels of 'height' are missing"),
        ({"method": "factorial", "levels": {"breadth": 3}}, "levels of 'breadth': it does not vary"),
        ({"n": 4, "vary": {"width": "5:2 cm"}}, "lower one must be below"),
        ({"n": 4, "vary": {"breadth": "1:2"}}, "'breadth' is not known"),
        ({"n": 4, "outputs": ["weight"]}, "'weight' is not a QoI"),
        ({"n": 4, "table": "x.csv"}, "designs are those of x.csv"),
        ({"table": "nowhere.csv"}, "nowhere.csv"),
    ],
)
def test_a_layout_that_cannot_be_says_why(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(TramontaneError, match=words):
        doe(Cantilever(), out=tmp_path / "beams", **options)
    assert not (tmp_path / "beams").exists()


def test_a_table_with_half_a_rib_is_refused_before_a_solver_runs(tmp_path: Path) -> None:
    (tmp_path / "ribbed.py").write_text(SOLVER.replace('"20 to 60 mm"', '{"low": 1, "high": 6, "integer": True}'))
    (tmp_path / "wanted.csv").write_text("width [mm],height\n20,2\n20,2.5\n")
    with pytest.raises(TramontaneError, match=r"line 3, height is 2\.5; give a whole number"):
        doe(tmp_path / "ribbed.py", out=tmp_path / "beams", table=tmp_path / "wanted.csv")
    assert not (tmp_path / "beams").exists()


def test_failures_are_told_and_do_not_end_a_study(tmp_path: Path) -> None:
    experiment = doe(Cantilever(slender=1.5), out=tmp_path / "beams", method="factorial", levels=2)
    assert "8 designs: 6 answered, 2 failed" in str(experiment)
    assert "buckles; widen it" in str(experiment)
    assert len(experiment.table()[0]) == 6
    swept = sweep(Cantilever(slender=1.5), out=tmp_path / "sweep", vary={"height": "20:90 mm"}, steps=2,
                  fixed={"width": 20, "load": "1 kN"})  # fmt: skip
    assert str(swept).splitlines()[-1].startswith("1 failed; the first, 001: ")
    assert "buckles; widen it" in str(swept)


def test_another_simulator_is_refused_by_the_first_figures_of_its_hash(tmp_path: Path) -> None:
    (tmp_path / "beam.py").write_text(SOLVER)
    doe(tmp_path / "beam.py", 2, out=tmp_path / "beams", workers=1)
    (tmp_path / "beam.py").write_text(SOLVER.replace("width * height", "2 * width * height"))
    with pytest.raises(TramontaneError, match=r"begun with simulator beam [0-9a-f]{8}, not beam [0-9a-f]{8}; give"):
        doe(tmp_path / "beam.py", 2, out=tmp_path / "beams", workers=1)


def test_answers_of_a_surrogate_are_kept_in_a_file(tmp_path: Path) -> None:
    space = Space.of(CONTRACT)
    designs = space.designs(np.array([[0.05, 0.05, 500.0], [0.02, 0.04, 900.0]]))
    output = [Output.of("stress", CONTRACT)]
    first = AtHand(Cantilever(factor=1.1), file=tmp_path / "answers.jsonl")(designs, output)
    with (tmp_path / "answers.jsonl").open("a") as file:
        file.write('{"design": 2, "outp')  # of a run that was killed

    class Never:
        contract = CONTRACT

        def simulate(self, design: Any) -> Any:
            raise AssertionError("this design was answered before")

    assert AtHand(Never(), file=tmp_path / "answers.jsonl")(designs, output) == first
    assert first[0].bounds["stress"][0] < first[0].values["stress"] < first[0].bounds["stress"][1]


def test_a_sweep_is_a_table_along_a_parameter_and_can_be_refined(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"vary": {"height": "20:60 mm"}, "fixed": {"width": 20, "load": "1 kN"}}
    swept = sweep(Cantilever(factor=1.1), out=tmp_path / "height", steps=3, **settings)
    assert [trial.row[0] for trial in swept.ordered()] == pytest.approx([0.02, 0.04, 0.06])
    finer = sweep(Cantilever(factor=1.1), out=tmp_path / "height", steps=5, **settings)
    assert [trial.row[0] for trial in finer.trials] == pytest.approx([0.02, 0.04, 0.06, 0.03, 0.05])
    lines = str(finer).splitlines()
    assert lines[0].split() == ["height", "[mm]", "mass", "[kg]", "stress", "[MPa]", "deflection", "[mm]", "verdict"]
    assert lines[2].split()[:5] == ["30", "4.71", "(4.6629", "to", "4.7571)"]
    assert lines[2].split()[-1] == "inside"
    with pytest.raises(TramontaneError, match="3 parameters vary; a sweep has one or two"):
        sweep(Cantilever(), out=tmp_path / "x", vary=dict.fromkeys(["width", "height", "load"], "1:2"))
    with pytest.raises(TramontaneError, match="levels of 'height' are 1; give a whole number from 2 on"):
        sweep(Cantilever(), out=tmp_path / "x", steps=1, **settings)


def test_commands_take_a_solver_that_is_a_function(tmp_path: Path) -> None:
    (tmp_path / "beam.py").write_text(SOLVER)
    command = ["doe", str(tmp_path / "beam.py"), "--method", "factorial", "--levels", "width=2", "--levels", "height=2",
               "-o", str(tmp_path / "beams")]  # fmt: skip
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "4 designs: 4 answered, 0 failed" in done.output


def test_a_saved_surrogate_answers_with_intervals_and_verdicts_and_is_not_asked_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = Space.of(CONTRACT, fixed={"load": "1 kN"})
    rows = space.rows(latin_hypercube(2, 32))
    lines = [f"{width:.9g},{height:.9g},{1e6 * width * height:.9g}" for width, height in rows]
    (tmp_path / "beams.csv").write_text("\n".join(["width [m],height [m],qoi:area [mm^2]", *lines]))
    fit(ingest(tmp_path / "beams.csv", tmp_path / "beams.dataset")).save(tmp_path / "model")
    settings: dict[str, Any] = {"vary": {"width": "0.02:0.8 m"}, "fixed": {"height": "50 mm"}, "out": tmp_path / "s"}
    swept = sweep(tmp_path / "model", steps=4, **settings)
    inside, *_, outside = (trial.answer for trial in swept.ordered())
    assert inside is not None
    assert outside is not None
    assert inside.values["area"] == pytest.approx(1e-3, rel=0.01)
    assert inside.bounds["area"][0] < 1e-3 < inside.bounds["area"][1]
    assert (inside.verdict, outside.verdict) == ("inside", "outside")
    screening: dict[str, Any] = {
        "minimise": ["area"],
        "count": 100,
        "asked": 8,
        "best": 2,
        "out": tmp_path / "screened",
    }
    screened = screen(tmp_path / "model", **screening)
    with monkeypatch.context() as patched:
        patched.setattr(Surrogate, "simulate", None)
        assert sweep(tmp_path / "model", steps=4, **settings).table()[1] == pytest.approx(swept.table()[1])
        again = screen(tmp_path / "model", **screening)
    assert [of.answer for of in again.best] == [of.answer for of in screened.best]
    with monkeypatch.context() as patched:
        patched.setattr(Surrogate, "needs_geometry", True)
        with pytest.raises(TramontaneError, match="needs a geometry, and nothing makes one of the parameters"):
            doe(tmp_path / "model", 4, out=tmp_path / "refused")
        assert not (tmp_path / "refused").exists()
    command = ["sweep", str(tmp_path / "model"), "--vary", "height=20:40mm", "-o", str(tmp_path / "u"), "--steps"]
    done = CliRunner().invoke(app, [*command, "height=3"])
    assert done.exit_code == 0, done.output
    assert "height [m]" in done.output
    assert CliRunner().invoke(app, [*command, "few"]).exit_code == 2
    pytest.importorskip("SALib", reason="pip install 'tramontane[search]'")
    assert len(sensitivity(tmp_path / "model", out=tmp_path / "t", samples=16).outputs[0].total) == 2


def test_a_contract_without_results_names_what_is_missing(tmp_path: Path) -> None:
    class Silent(Cantilever):
        @property
        def contract(self) -> Contract:
            return CONTRACT.model_copy(update={"qoi": dict[str, QoiSpec]()})

    with pytest.raises(TramontaneError, match="has no QoI; name an output"):
        doe(Silent(), 2, out=tmp_path / "x")


def test_a_table_beyond_the_contract_is_answered_with_a_word(tmp_path: Path) -> None:
    # As a spreadsheet of the continent writes it.
    (tmp_path / "designs.csv").write_text("width [mm];height [mm];load [N]\n5;30;500\n25,5;40;750\n")
    output = io.StringIO()
    doe(Cantilever(), table=tmp_path / "designs.csv", out=tmp_path / "beams", console=Console(file=output, width=200))
    assert "width = 5 mm lies outside" in output.getvalue()
    assert "height" not in output.getvalue()
