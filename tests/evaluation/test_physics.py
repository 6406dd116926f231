"""What predictions miss laws of physics by, beside the solver; and what is exact stays exact."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from helpers.ellipsoids import ellipsoid
from tramontane.contract import Contract, FieldSpec, QoiSpec
from tramontane.dataset import Dataset
from tramontane.dataset.ingest.run import ingest
from tramontane.evaluation import evaluate, judge, physics
from tramontane.evaluation.document import write_report
from tramontane.formats import write_case
from tramontane.metrics import relative_l2
from tramontane.qoi import QoiDefinition
from tramontane.quantities import von_mises
from tramontane.surrogate import Surrogate
from tramontane.surrogate.calibrate import _obeying
from tramontane.surrogate.constraints import exact_laws, leader, obey, scaled_to
from tramontane.surrogate.fit import fit
from tramontane.surrogate.resolved import stored_design
from tramontane.trust.calibration import Answered, LeftOut


@pytest.fixture(scope="module")
def stressed(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Ellipsoids under a stress that bends with their axes, with its von Mises equivalent beside it."""
    root = tmp_path_factory.mktemp("stressed")
    rng = np.random.default_rng(5)
    for index in range(14):
        axes = tuple(rng.uniform(0.5, 1.0, 3))
        case = ellipsoid(f"s{index:02d}", axes, float(rng.uniform(100, 500)))
        for domain, mesh in case.meshes.items():
            places, load = np.asarray(mesh.points), case.design.parameters["load"].value
            bent = load * np.stack([places[:, 0] * axes[1], places[:, 1] ** 2, -places[:, 2], places[:, 1],
                                    places[:, 0] * places[:, 2], 0.2 + places[:, 0]], axis=1)  # fmt: skip
            mesh.point_data["stress"], mesh.point_data["von_mises"] = bent, von_mises(bent)
            case.field_units |= {"stress": "Pa", "von_mises": "Pa"}
            assert domain in case.meshes
        write_case(case, root / "cases" / case.name)
    return ingest(root / "cases", root / "d")


@pytest.fixture(scope="module")
def model(stressed: Dataset) -> Surrogate:
    return fit(stressed, model="classical", geometry_points=256)


def test_predicted_von_mises_is_that_of_the_predicted_stress(
    model: Surrogate, stressed: Dataset, tmp_path: Path
) -> None:
    """To rounding: where it is exact in all training cases."""
    assert set(model.record.training_domain.exact) == {"surface/von_mises", "volume/von_mises"}
    model.save(tmp_path / "m")
    loaded = Surrogate.load(tmp_path / "m")
    name = stressed.splits["test"][0]
    sites = {domain: stressed.sites(name, domain) for domain in stressed.contract.fields}
    places = {domain: of.positions for domain, of in sites.items()}
    design = stored_design(stressed, name)
    fields = loaded.fields(design, places)
    bare = loaded.predictor.predict(design, places, deviations=False).mean
    for domain, of in fields.items():
        equivalent = of["von_mises"].ravel()
        assert relative_l2(von_mises(of["stress"]), equivalent) < 1e-5
        assert relative_l2(von_mises(bare[domain]["stress"]), equivalent) > 1e-4


@pytest.mark.parametrize(("noise", "leads"), [((0.0, 0.1), "stress"), ((0.1, 0.0), "von_mises")])
def test_the_field_that_is_predicted_better_leads(noise: tuple[float, float], leads: str) -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(200, 6))
    equivalent = von_mises(truth)[:, None]
    fields = {
        "volume/stress": Answered(truth + noise[0] * rng.normal(size=truth.shape), None, truth),
        "volume/von_mises": Answered(equivalent + noise[1] * rng.normal(size=(200, 1)), None, equivalent),
    }
    cases = [LeftOut("a", np.zeros(0), fields)]
    assert leader("volume/von_mises", cases, Contract()) == leads
    for field in ("stress", "von_mises"):
        largest = QoiSpec(unit="Pa", definition=QoiDefinition(kind="max", domain="volume", field=field))
        assert leader("volume/von_mises", cases, Contract(qoi={"largest": largest})) == field


def test_cases_left_out_obey_as_predictions_do() -> None:
    """A von Mises stress below zero is none at all: it does not turn the deviator round."""
    rng = np.random.default_rng(0)
    stress, equivalent = rng.normal(size=(50, 6)), rng.normal(size=(50, 1))
    case = LeftOut("a", np.zeros(0), {"volume/stress": Answered(stress, None, stress),
                                      "volume/von_mises": Answered(equivalent, None, equivalent)})  # fmt: skip
    answered = {"volume": {"stress": stress, "von_mises": equivalent}}
    exact = {"volume/von_mises": "von_mises"}
    obey(answered, exact)
    given = case.fields["volume/stress"].mean.copy()
    before, case = case, _obeying(case, exact)
    assert np.array_equal(before.fields["volume/stress"].mean, given)  # another surrogate may be made of it
    assert case.fields["volume/von_mises"].mean.min() == 0
    for name, values in answered["volume"].items():
        assert case.fields[f"volume/{name}"].mean == pytest.approx(values)


def test_a_law_that_training_cases_do_not_obey_is_not_imposed(stressed: Dataset) -> None:
    contract = stressed.contract
    assert exact_laws(stressed, stressed.names, contract)
    other = contract.fields["volume"] | {"von_mises": FieldSpec(unit="Pa", scales_with={"load": 2.0})}
    assert not exact_laws(stressed, stressed.names, contract.model_copy(update={"fields": {"volume": other}}))
    assert not exact_laws(stressed, stressed.names, Contract(fields={"volume": {"stress": FieldSpec(components=6)}}))


def test_hydrostatic_pressure_and_directions_stay() -> None:
    rng = np.random.default_rng(0)
    stress, equivalent = rng.normal(size=(50, 6)), rng.uniform(0.1, 2.0, 50)
    stress[0] = [3.0, 3.0, 3.0, 0, 0, 0]  # no deviator to scale
    scaled = scaled_to(stress, equivalent)
    assert scaled[:, :3].sum(1) == pytest.approx(stress[:, :3].sum(1))
    assert von_mises(scaled)[1:] == pytest.approx(equivalent[1:])
    assert scaled[0] == pytest.approx(stress[0])
    assert scaled[1:, 3] / scaled[1:, 4] == pytest.approx(stress[1:, 3] / stress[1:, 4])


def test_a_report_says_by_how_much_laws_are_missed(
    model: Surrogate, stressed: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = evaluate(model, stressed)
    law = report.laws["von_mises"]
    assert law.predicted.worst_share < 1e-3
    assert law.training is not None
    assert law.truth.worst_share < 1e-3
    balance = report.laws["force_balance"]
    assert balance.predicted.worst_case in report.cases
    # The toy's stress is in no equilibrium, and the prediction of it misses that law by as much.
    assert balance.predicted.median == pytest.approx(balance.truth.median, rel=0.2)
    console = Console(width=150, record=True)
    report.print(console)
    assert "the tractions on a body's surface are in equilibrium" in console.export_text()
    write_report(report, tmp_path / "report.html", surrogate=model, dataset=stressed, pictures=0)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert f"{100 * balance.predicted.worst_share:.2g} %" in text
    with monkeypatch.context() as another:  # dataset: what trained it is elsewhere, whatever its split is called
        another.setattr(judge, "trained_cases", lambda *_: None)
        assert evaluate(model, stressed).laws["von_mises"].training is None
    monkeypatch.setattr(physics, "LARGEST", 10)
    without = evaluate(model, stressed)
    assert not without.laws
    assert any("Laws of physics were not checked" in note for note in without.notes)


def test_a_case_of_the_solver_that_misses_a_law_by_far_is_named() -> None:
    def missed(median: float, worst: float) -> physics.Missed:
        return physics.Missed(median=1.0, worst=9.0, median_share=median, worst_share=worst, worst_case="017")

    law = physics.LawFigures(title="mass stays", unit="kg/s", predicted=missed(0.5, 0.9), truth=missed(0.02, 0.04),
                             training=missed(0.02, 0.4))  # fmt: skip
    (sentence,) = physics.suspects({"mass": law})
    assert sentence.startswith("Case 017 of the solver misses the law that mass stays by 40 %, the median")
    assert not physics.suspects({"mass": law.model_copy(update={"training": missed(0.02, 0.08)})})


def test_fields_at_points_and_at_cells_of_one_domain_are_compared_at_cells(tmp_path: Path) -> None:
    for index in range(3):
        case = ellipsoid(f"m{index}", (0.6 + 0.1 * index, 0.7, 0.8), 200.0 + index)
        for mesh in case.meshes.values():
            mesh.cell_data["density"] = np.linspace(1.0, 2.0 + index, mesh.n_cells)
        case.field_units["density"] = "kg/m^3"
        write_case(case, tmp_path / "cases" / case.name)
    dataset = ingest(tmp_path / "cases", tmp_path / "d", test=1, validation=0)
    name = dataset.names[0]
    case, domain = dataset.case(name), "surface"
    assert case.field_names(domain)["pressure"] == "point"
    predicted = {domain: {key: 3 * values for key, values in dataset.sites(name, domain).fields.items()}}
    changed = physics.with_predictions(case, dataset, predicted)
    assert set(changed.field_names(domain).values()) == {"cell"}
    mean = case.meshes[domain].point_data_to_cell_data().cell_data["pressure"]
    np.testing.assert_allclose(np.ravel(changed.field_values(domain, "pressure")), 3 * mean, rtol=1e-4, atol=1e-2)
