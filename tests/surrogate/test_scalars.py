"""Scalars without fields: learned from a table of numbers, or from shapes, and judged against formulas."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import pyvista as pv
from rich.console import Console

from helpers.beam_tables import write_beams
from tramontane.contract import Contract, ParameterSpec, QoiSpec
from tramontane.dataset import Dataset
from tramontane.dataset.ingest.run import ingest
from tramontane.design import Design
from tramontane.errors import ContractError, DatasetError, GeometryError, TrainingError, TramontaneError
from tramontane.evaluation import evaluate
from tramontane.models.scalar_kriging import ScalarKriging
from tramontane.surrogate import Surrogate
from tramontane.surrogate.fit import fit


def box(length: float, width: float, height: float) -> pv.PolyData:
    """A body, standing on the ground, its triangles as coarse as can be."""
    return pv.Cube(bounds=(0, length, -width / 2, width / 2, 0, height)).triangulate()


def drag(length: float, width: float, height: float, speed: float) -> float:
    """Of such a body: its frontal area, a coefficient that falls as its wake closes, and the speed squared; N."""
    return 0.6 * speed**2 * width * height * (0.3 + 0.6 * float(np.exp(-length / (width * height) ** 0.5)))


@pytest.fixture(scope="module")
def bodies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 36 boxes and their table."""
    root = tmp_path_factory.mktemp("bodies") / "boxes"
    (root / "stl").mkdir(parents=True)
    rng, lines = np.random.default_rng(1), ["body,stl,speed [km/h],drag [N],mass [kg]"]
    for number in range(36):
        sides, speed = rng.uniform((0.8, 0.3, 0.2), (1.6, 0.6, 0.5)), float(rng.uniform(10, 40))
        box(*sides).save(root / "stl" / f"{number}.stl")
        lines.append(f"b{number},stl/{number}.stl,{3.6 * speed},{drag(*sides, speed)},{700 * sides.prod()}")
    (root / "boxes.csv").write_text("\n".join(lines))
    return root


@pytest.fixture(scope="module")
def dataset(bodies: Path) -> Dataset:
    return ingest(bodies, bodies.with_name("store"), test=10, validation=0)


@pytest.fixture(scope="module")
def surrogate(dataset: Dataset) -> Surrogate:
    return fit(dataset)


@pytest.fixture(scope="module")
def saved(surrogate: Surrogate, bodies: Path) -> Path:
    surrogate.save(bodies.with_name("model"))
    return bodies.with_name("model")


# -- shapes ------------------------------------------------------------------------------------------------------------


def test_drag_is_learned_from_shapes_and_speeds(surrogate: Surrogate, dataset: Dataset) -> None:
    assert surrogate.model == "scalars"
    assert dataset.contract.qoi["drag"].scales_with == {"speed": 2.0}
    report = evaluate(surrogate, dataset)
    figures = report.qoi["drag"]
    assert figures.relative < 0.02
    assert figures.relative < 0.1 * min(figures.baselines.values())  # of which two know the speed
    assert set(figures.baselines) == {"mean", "nearest", "parameters", "linear"}
    assert report.fields == {}
    assert report.qoi["mass"].how == "700 x volume of the geometry"
    assert report.qoi["mass"].relative < 1e-5


def test_left_out_cases_say_what_unseen_ones_will(surrogate: Surrogate, dataset: Dataset) -> None:
    figures = surrogate.record.figures.left_out["drag"]
    unseen = evaluate(surrogate, dataset).qoi["drag"].relative
    assert 0.2 * unseen < figures["relative"] < 5 * unseen
    assert figures["within_two_deviations"] > 0.8
    case = surrogate.record.calibration["left_out"]["drag"][dataset.splits["train"][0]]
    assert case["truth"] == pytest.approx(dataset.qoi(dataset.splits["train"][0])["drag"])
    assert case["predicted"] == pytest.approx(case["truth"], rel=0.1)
    assert case["deviation"] > 0


def test_triangles_do_not_matter(surrogate: Surrogate) -> None:
    sides = (1.1, 0.45, 0.35)
    coarse = surrogate.simulate(Design(box(*sides), speed="25 m/s"))
    fine = surrogate.simulate(Design(box(*sides).subdivide(4, "linear"), speed="90 km/h"))
    assert coarse.meshes == {}
    assert fine.qoi["drag"] == pytest.approx(coarse.qoi["drag"], rel=1e-3)
    assert coarse.qoi["drag"] == pytest.approx(drag(*sides, 25.0), rel=0.02)
    # Twice as fast is four times the drag, and four times the doubt.
    fast = surrogate.simulate(Design(box(*sides), speed="50 m/s"))
    assert fast.qoi["drag"] == pytest.approx(4 * coarse.qoi["drag"], rel=0.03)


def test_doubt_grows_away_from_the_training_cases(surrogate: Surrogate) -> None:
    inside = surrogate.simulate(Design(box(1.2, 0.45, 0.35), speed="25 m/s"))
    far = surrogate.simulate(Design(box(3.0, 0.2, 0.9), speed="25 m/s"))
    assert far.qoi_deviations["drag"] > 5 * inside.qoi_deviations["drag"]
    assert [*map(str, inside.notices)] == []
    assert "the geometry is 3 m long in x" in " ".join([*map(str, far.notices)])


def test_two_alike_bodies_are_told_apart_by_less_than_their_intervals(surrogate: Surrogate, saved: Path) -> None:
    bodies = (1.2, 0.45, 0.35), (1.2, 0.46, 0.35)
    one, other = (surrogate.simulate(Design(box(*sides), speed="25 m/s")) for sides in bodies)
    apart = surrogate.differences(one, other)["drag"]
    true = drag(*bodies[1], 25.0) - drag(*bodies[0], 25.0)
    alone = np.hypot(*(case.qoi_intervals["drag"].high - case.qoi["drag"] for case in (one, other)))
    assert apart.correlation is not None
    assert apart.half_width < 0.8 * alone
    assert abs(apart.value - true) < apart.half_width
    back = Surrogate.load(saved).differences(other, one)["drag"]
    assert (back.value, back.half_width) == pytest.approx((-apart.value, apart.half_width), rel=1e-4)
    assert back.probability == apart.probability


def test_the_same_answer_after_a_journey(surrogate: Surrogate, saved: Path) -> None:
    design = Design(box(1.3, 0.5, 0.3), speed="20 m/s")
    there, here = Surrogate.load(saved).simulate(design), surrogate.simulate(design)
    assert there.qoi == pytest.approx(here.qoi, rel=1e-9)
    deviations = here.qoi_deviations
    assert there.qoi_deviations == pytest.approx(deviations, rel=1e-6)


def test_what_a_design_lacks_is_said(surrogate: Surrogate, tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="has no geometry"):
        surrogate.simulate(Design(speed="20 m/s"))
    with pytest.raises(ContractError, match="parameter 'speed' is missing"):
        surrogate.simulate(Design(box(1, 0.5, 0.3)))
    with pytest.raises(GeometryError, match="no such file"):
        surrogate.simulate(Design(tmp_path / "none.stl", speed="20 m/s"))
    with pytest.raises(ContractError, match="predicts no fields, only QoIs"):
        surrogate.simulate(Design(box(1, 0.5, 0.3), speed="20 m/s"), meshes={"surface": box(1, 0.5, 0.3)})
    with pytest.raises(ContractError, match="no meshes to show"):
        surrogate.simulate(Design(box(1, 0.5, 0.3), speed="20 m/s")).plot()


def test_fields_may_be_left_aside(tmp_path: Path) -> None:
    from helpers.ellipsoids import write_family

    store = ingest(write_family(tmp_path / "cases", 20), tmp_path / "store", test=4, validation=0)
    surrogate = fit(store, model="scalars")
    assert surrogate.contract.fields == {}
    assert surrogate.contract.qoi["peak_pressure"].definition is None  # that was by a field
    report = evaluate(surrogate, store)
    assert report.fields == {}
    charge = report.qoi["charge"]  # in proportion to the load and the half length
    assert charge.relative < 0.05
    assert charge.relative < 0.3 * charge.baselines["mean"]
    with pytest.raises(TramontaneError, match="a scalars model has no network to configure"):
        fit(store, model="scalars", config={"dim": 3})


# -- numbers -----------------------------------------------------------------------------------------------------------


def test_a_cantilever_from_its_parameters(tmp_path: Path) -> None:
    dataset = ingest(write_beams(tmp_path / "beams.csv"), tmp_path / "store", test=10, validation=0)
    law = dataset.contract.qoi["deflection"].scales_with
    assert law == {"force": 1.0, "length": 3.0, "modulus": -1.0, "inertia": -1.0}
    surrogate = fit(dataset)
    figures = evaluate(surrogate, dataset).qoi["deflection"]
    assert figures.relative < 1e-6  # the law is all there is
    surrogate.save(tmp_path / "model")
    loaded = Surrogate.load(tmp_path / "model")
    case = loaded.simulate(Design(force="200 N", length="1 m", modulus="210 GPa", inertia="5 cm^4"))
    assert case.qoi["deflection"] == pytest.approx(200 / (3 * 210e9 * 5e-8), rel=1e-6)
    assert case.qoi_units == {"deflection": "m"}
    with pytest.raises(ContractError, match="trained on parameters alone, leave it out"):
        loaded.simulate(Design(box(1, 1, 1), force="200 N", length="1 m", modulus="210 GPa", inertia="5 cm^4"))
    with pytest.raises(ContractError, match=r"parameter 'inertia' is missing; give it in cm\^4"):
        loaded.simulate(Design(force="200 N", length="1 m", modulus="210 GPa"))
    with pytest.raises(ContractError, match="parameter 'modulus' is zero"):
        loaded.simulate(Design(force="200 N", length="1 m", modulus="0 GPa", inertia="5 cm^4"))


def test_without_exponents_the_logarithm_finds_the_law(tmp_path: Path) -> None:
    table = write_beams(tmp_path / "beams.csv")
    inputs = {"force": "kN", "length": "mm", "modulus": "GPa", "inertia": "cm^4"}
    contract = Contract(
        parameters={name: ParameterSpec(unit=unit, low=0, high=1e12) for name, unit in inputs.items()},
        qoi={"deflection": QoiSpec(unit="mm")},
    )
    dataset = ingest(table, tmp_path / "store", contract=contract, test=10, validation=0)
    surrogate = fit(dataset)
    assert surrogate.record.figures.left_out["deflection"]["logarithm"]
    figures = evaluate(surrogate, dataset).qoi["deflection"]
    assert figures.relative < 0.01
    assert figures.relative < 0.1 * min(figures.baselines.values())


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_deviations_cover_what_they_should(noise: float) -> None:
    rng = np.random.default_rng(3)

    def wave(x: np.ndarray) -> np.ndarray:
        return np.sin(2 * x[:, 0]) + 0.5 * x[:, 1] + noise * rng.standard_normal(len(x))

    inputs, new = rng.uniform(-2, 2, (60, 3)), rng.uniform(-2, 2, (400, 3))
    model = ScalarKriging(inputs, wave(inputs))
    value, deviation = np.array([model.predict(x) for x in new]).T
    error = np.abs(value - wave(new))
    assert 0.88 < (error < 2 * deviation).mean() <= 1.0
    assert np.median(deviation) < (5 * np.median(error) if noise == 0 else 1.4 * noise)
    assert error.mean() < (0.02 if noise == 0 else 1.1 * noise)  # a mean of noise alone is 0.8 of its deviation
    again = ScalarKriging.from_state(model.state())
    assert again.predict(new[0]) == model.predict(new[0])


def test_what_does_not_vary_is_no_trouble() -> None:
    flat = ScalarKriging(np.ones((5, 2)), np.arange(5.0))
    assert flat.predict(np.ones(2))[0] == pytest.approx(2.0)
    constant = ScalarKriging(np.arange(10.0).reshape(5, 2), np.full(5, 7.0))
    assert constant.predict(np.zeros(2)) == (pytest.approx(7.0), pytest.approx(0.0, abs=1e-9))
    assert ScalarKriging(np.zeros((4, 0)), np.array([1.0, 2, 3, 4])).predict(np.zeros(0))[0] == pytest.approx(2.5)


def test_too_little_to_learn_from(tmp_path: Path) -> None:
    table = write_beams(tmp_path / "beams.csv", 4)
    dataset = ingest(table, tmp_path / "store", test=1, validation=1)
    with pytest.raises(TrainingError, match="has 2 training cases; give 3 or more"):
        fit(dataset)
    with pytest.raises(DatasetError, match="has no fields to learn; leave --model out"):
        fit(dataset, model="ab-upt", steps=1)


def test_a_law_that_explains_all_is_named_below_the_nulls(tmp_path: Path) -> None:
    rng, lines = np.random.default_rng(0), ["speed [m/s],length [m],qoi:drag [N],qoi:mass [kg]"]
    for speed, length in rng.uniform((10, 1), (40, 2), (30, 2)).tolist():
        lines.append(f"{speed},{length},{0.3 * speed**2},{speed**2 * (1 + length**3)}")
    (tmp_path / "runs.csv").write_text("\n".join(lines))
    dataset = ingest(tmp_path / "runs.csv", tmp_path / "store", test=6, validation=0)
    report = evaluate(fit(dataset), dataset)
    assert report.qoi["drag"].law == {"speed": 2.0}
    console = Console(width=200, record=True, file=io.StringIO())
    report.print(console)
    output = console.export_text()
    assert "0.0 (1.00)" in output
    law = "in proportion to speed^2, by the baselines as well; that law alone explains these cases"
    assert f"drag is taken {law}" in output
    assert "mass is taken in proportion to speed^2 x length^2, by the baselines as well\n" in output
    assert "asked for 6 unseen cases (split test: " in output
    assert "drag, mass are predicted as Gaussian process on the parameters; 100 % of the cases lie within two" in output


# -- the command line --------------------------------------------------------------------------------------------------


def test_from_a_table_to_a_prediction(run: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_beams(tmp_path / "beams.csv")
    inspected = run("inspect", "beams.csv")
    assert "QoIs: deflection" in inspected
    assert [line.split("│")[2].strip() for line in inspected.splitlines() if "│ deflection" in line] == ["mm"]
    trained = run("train", "beams.csv", "--out", "model")
    assert "parameter length [mm], operating" in trained
    assert "deflection: " in trained
    assert "QoI deflection [mm] = " in trained
    evaluated = run("evaluate", "model", "beams.csv", "--json", "figures.json")
    assert "deflection is predicted as Gaussian process on the parameters" in evaluated
    assert [line.split("│")[3].strip()[-3:] for line in evaluated.splitlines() if "│ deflection" in line] == [" mm"]
    assert json.loads((tmp_path / "figures.json").read_text())["qoi"]["deflection"]["relative"] < 1e-6
    values = ("force=200N", "length=1m", "modulus=210GPa", "inertia=5cm^4")
    settings = [word for value in values for word in ("--set", value)]
    assert "deflection = 6.34921 mm +- " in run("predict", "model", *settings, "--json", "answer.json")
    answer = json.loads((tmp_path / "answer.json").read_text())
    assert answer["qoi"]["deflection"]["value"] == pytest.approx(200 / (3 * 210e9 * 5e-8))
    assert answer["qoi"]["deflection"]["unit"] == "m"
    assert "predicts no fields" in run("predict", "model", *settings, "--out", "fields.vtu", code=2)
