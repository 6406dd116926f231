"""Models at reference points behind a surrogate: chosen by what unseen cases say, saved, loaded, in bounded memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import pyvista as pv

from helpers.ellipsoids import ellipsoid
from tramontane.dataset import Dataset
from tramontane.design import Design
from tramontane.errors import TramontaneError
from tramontane.evaluation import evaluate
from tramontane.metrics import relative_l2
from tramontane.surrogate import Surrogate
from tramontane.surrogate.fit import fit
from tramontane.surrogate.resolved import ResolvedDesign, stored_design
from tramontane.training.watch import Watch

SMALL = {"dim": 32, "depth": 1, "hidden": 32}


@pytest.fixture(scope="module")
def chosen(choice: list[Surrogate]) -> Surrogate:
    return choice[-1]


@pytest.fixture(scope="module")
def corrected(dataset: Dataset) -> Surrogate:
    return fit(dataset, model="corrected", config=SMALL, steps=80)


def test_the_choice_is_the_best_on_cases_left_out_and_says_why(chosen: Surrogate) -> None:
    figures = chosen.record.figures
    means = {kind: np.mean(list(of.values())) for kind, of in figures.cross_validation.items()}
    assert set(means) == {"classical", "corrected", "tokens"}
    assert chosen.model == figures.chosen
    assert means[chosen.model] <= means["classical"]
    assert all(words in figures.why for words in ("on cases left out", "kriging of", "networks alone"))


def test_both_candidates_are_judged_on_the_same_cases(dataset: Dataset, corrected: Surrogate) -> None:
    names = dataset.splits["train"]
    figures = corrected.record.figures.cross_validation
    means = {kind: 100 * float(np.mean(list(of.values()))) for kind, of in figures.items()}
    assert corrected.record.figures.why == (
        f"kriging corrected by networks; mean error of 2 fields on cases left out, on all of {len(names)}: kriging of "
        f"corresponding points {means['classical']:.1f} %, kriging corrected by networks {means['corrected']:.1f} %"
    )


def test_a_candidate_of_one_fold_is_compared_with_kriging_on_that_fold(chosen: Surrogate, dataset: Dataset) -> None:
    count = len(dataset.splits["train"])
    parts = chosen.record.figures.why.partition("left out, ")[2].split("; ")
    assert all("kriging of corresponding points" in part for part in parts)
    first = -(-count // 4)
    assert parts[-1].startswith(f"on the same {first} of {count}: ")
    assert "networks alone" in parts[-1] or "corrected" in parts[-1]


def test_the_reason_is_on_record_as_numbers(chosen: Surrogate, corrected: Surrogate, dataset: Dataset) -> None:
    count, first = len(dataset.splits["train"]), -(-len(dataset.splits["train"]) // 4)
    for each in (chosen, corrected):
        figures = each.record.figures
        choice = figures.choice
        assert (choice["chosen"], choice["fields"], choice["cases"]) == (each.model, 2, count)
        assert choice["compared"][0]["cases"] == (count if each.model != "classical" else first)
        assert choice["compared"][-1]["cases"] == (count if each is corrected else first)
        for compared in choice["compared"]:
            assert next(iter(compared["errors"])) == "classical"
            for kind, error in compared["errors"].items():
                if kind != "classical" or compared["cases"] == count:
                    assert error == pytest.approx(np.mean(list(figures.cross_validation[kind].values())))
                assert f"{100 * error:.1f} %" in figures.why


def test_it_learns_from_few_cases_what_a_mean_field_cannot(chosen: Surrogate, dataset: Dataset) -> None:
    report = evaluate(chosen, dataset)
    displacement = report.fields["volume/displacement"]
    assert displacement.relative_l2 < 0.3 * displacement.baselines["mean"]


def test_a_saved_and_loaded_one_gives_the_same_bits(corrected: Surrogate, dataset: Dataset, tmp_path: Path) -> None:
    corrected.save(tmp_path / "model")
    again = Surrogate.load(tmp_path / "model")
    assert again.model == "corrected"
    name = dataset.splits["test"][0]
    positions = {domain: dataset.sites(name, domain).positions for domain in dataset.contract.fields}
    one, two = (s.fields(stored_design(dataset, name), positions) for s in (corrected, again))
    for domain, fields in one.items():
        for field, values in fields.items():
            np.testing.assert_array_equal(values, two[domain][field])


def test_a_qoi_regressed_on_a_parameter_that_no_field_is_kriged_over_is_loaded(few: Dataset, tmp_path: Path) -> None:
    surrogate = fit(few, model="classical")
    coordinates = surrogate.predictor.classical.frame.designs.training.shape[1]  # type: ignore[attr-defined]
    assert max(scalar.columns.max() for scalar in surrogate.scalars.values()) == coordinates  # the load, behind them
    surrogate.save(tmp_path / "model")
    assert set(Surrogate.load(tmp_path / "model").scalars) == set(surrogate.scalars)


def test_a_part_asked_again_and_again_gets_the_bits_of_the_first_time(
    corrected: Surrogate, dataset: Dataset, tmp_path: Path
) -> None:
    corrected.save(tmp_path / "model")
    used = Surrogate.load(tmp_path / "model")
    for load in (100.0, 300.0):
        for name in dataset.names[:6]:  # more shapes than are remembered
            design = ResolvedDesign(dataset.geometry(name), {"load": load})
            for domain in ("surface", "volume"):
                positions = {domain: dataset.sites(name, domain).positions[:200]}
                for points in (positions, positions):
                    fields = used.fields(design, points)
            at = used.predictor.coordinates(design)
        first = Surrogate.load(tmp_path / "model")
        expected = first.fields(design, positions)
        np.testing.assert_array_equal(fields["volume"]["displacement"], expected["volume"]["displacement"])
        np.testing.assert_array_equal(at, first.predictor.coordinates(design))


def test_corrections_are_trusted_as_far_as_unseen_cases_bear_them_out(corrected: Surrogate) -> None:
    figures = corrected.record.figures.cross_validation
    for name, error in figures["corrected"].items():
        assert error <= figures["classical"][name] * 1.001 + 1e-6  # what does not help is shrunk to nothing


def test_deviations_are_of_the_size_of_the_errors(dataset: Dataset, kriging: Surrogate, surrogate: Surrogate) -> None:
    ratios = []
    for name in dataset.splits["test"]:
        sites = dataset.sites(name, "volume")
        question = stored_design(dataset, name), {"volume": sites.positions}
        answer = kriging.predict(*question)
        assert answer.deviation is not None
        mean, deviation = (of["volume"]["displacement"] for of in (answer.mean, answer.deviation))
        np.testing.assert_array_equal(mean, kriging.fields(*question)["volume"]["displacement"])
        assert deviation.shape == mean.shape
        assert (deviation >= 0).all()
        errors = mean - sites.fields["displacement"]
        ratios.append(np.sqrt(np.mean(errors**2) / np.mean(deviation**2)))
    assert 0.1 < np.mean(ratios) < 3
    assert surrogate.predict(*question).deviation is None  # a single network has none


def test_any_positions_are_answered_on_their_own(corrected: Surrogate, dataset: Dataset) -> None:
    name = dataset.splits["test"][1]
    design = stored_design(dataset, name)
    positions = dataset.sites(name, "volume").positions
    whole = corrected.fields(design, {"volume": positions})["volume"]["displacement"]
    part = corrected.fields(design, {"volume": positions[::7]})["volume"]["displacement"]
    np.testing.assert_allclose(part, whole[::7], atol=1e-12)
    nothing = corrected.fields(design, {"volume": positions[:0]})["volume"]["displacement"]
    assert nothing.shape == (0, 3)


def test_retriangulating_the_geometry_changes_little(chosen: Surrogate) -> None:
    coarse = ellipsoid("part", (0.8, 0.7, 0.6), 1.0).meshes["surface"]
    fine = coarse.subdivide(2, "linear")
    turned = pv.PolyData.from_regular_faces(coarse.points, coarse.regular_faces[::-1])
    positions = {"surface": np.asarray(coarse.points, dtype=np.float32)}
    one, *others = (
        chosen.fields(ResolvedDesign(g, {"load": 200.0}), positions)["surface"]["pressure"]
        for g in (coarse, fine, turned)
    )
    for other in others:
        assert relative_l2(other, one) < 1e-3  # the tolerance stated in docs/explanation/architecture.md


def test_a_geometry_file_and_the_load_are_enough(chosen: Surrogate, tmp_path: Path) -> None:
    part = tmp_path / "part.stl"
    ellipsoid("part", (0.8, 0.7, 0.6), 1.0).meshes["surface"].save(part)
    case = chosen.simulate(Design(part, load="300 N"), cells=2000)
    surface = case.meshes["surface"]
    exact = 300 * (surface.points[:, 0] / 0.8 + 2 * (surface.points[:, 2] / 0.6) ** 2)
    assert np.abs(surface.point_data["pressure"] - exact).mean() < 0.1 * np.abs(exact).mean()


def test_an_unknown_model_is_named(dataset: Dataset) -> None:
    with pytest.raises(TramontaneError, match=r"'transolver' is not known; choose one of auto, classical"):
        fit(dataset, model="transolver", steps=1)


def test_a_configuration_that_nothing_would_read_is_refused(dataset: Dataset) -> None:
    with pytest.raises(TramontaneError, match=r"no network to configure \(dim\)"):
        fit(dataset, model="classical", config={"dim": 64})


@pytest.mark.parametrize(
    ("config", "words"),
    [({"depht": 2}, "unexpected keyword argument 'depht'; correct"), ({"dim": 30, "heads": 4}, "dim 30, heads 4")],
)
def test_a_wrong_network_argument_is_named_before_anything_is_fitted(
    dataset: Dataset, config: dict[str, int], words: str
) -> None:
    class Stages(Watch):
        def stage(self, name: str) -> None:
            assert name == "reading"

    with pytest.raises(TramontaneError, match=words):
        fit(dataset, model="tokens", config=config, steps=1, watch=Stages())
