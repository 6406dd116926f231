"""Answers depend on the design alone: not on the mesh that is drawn, and on a load as physics has it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import pyvista as pv

from helpers.ellipsoids import ellipsoid
from tramontane.contract import Contract, FieldSpec, ParameterSpec, QoiSpec
from tramontane.dataset import Dataset
from tramontane.design import Design
from tramontane.errors import ContractError, GeometryError, SurrogateError
from tramontane.qoi import QoiDefinition
from tramontane.surrogate import Surrogate
from tramontane.surrogate.fit import fit, trained_contract
from tramontane.surrogate.predictor import Prediction
from tramontane.surrogate.resolved import ResolvedDesign
from tramontane.training.normalization import predicted_scale


@pytest.fixture(scope="module")
def model(kriging: Surrogate) -> Surrogate:
    """Kriging, saved and loaded."""
    return kriging


@pytest.fixture
def body() -> pv.PolyData:
    return ellipsoid("body", (0.8, 0.7, 0.6), 1.0).meshes["surface"]


def test_a_linear_problem_is_in_proportion_to_its_load(model: Surrogate, body: pv.PolyData) -> None:
    whole = model.simulate(Design(body, load="300 N"), cells=500)
    for load in (100.0, 500.0, 3000.0, -300.0, 1e-3, 0.0):
        case = model.simulate(Design(body, load=f"{load} N"), cells=500)
        for domain, name in (("surface", "pressure"), ("volume", "displacement")):
            expected = whole.field_values(domain, name).astype(float) * load / 300
            np.testing.assert_allclose(case.field_values(domain, name), expected, rtol=1e-4, atol=abs(load) * 1e-9)
        assert case.qoi["charge"] == pytest.approx(whole.qoi["charge"] * load / 300, rel=1e-9)
        assert case.qoi["mass"] == pytest.approx(whole.qoi["mass"])
        warned = any("load" in sentence for sentence in [*map(str, case.notices)])
        spec = model.contract.parameters["load"]
        assert warned == (not spec.low <= load <= spec.high)


def test_an_extremum_has_the_law_of_its_field(dataset: Dataset, model: Surrogate) -> None:
    contract = dataset.contract
    without = {name: spec.model_copy(update={"scales_with": {}}) for name, spec in contract.qoi.items()}
    unclear = SimpleNamespace(contract=contract.model_copy(update={"qoi": without}), parameters=dataset.parameters)
    laws = {name: spec.scales_with for name, spec in trained_contract(unclear, dataset.names).qoi.items()}  # type: ignore[arg-type]
    assert laws == {"peak_pressure": {"load": 1.0}, "mass": {}, "charge": {}}
    # What the load does is known, so that the regression finds what the shape does.
    assert model.record.figures.extrema["peak_pressure"]["regressed"] < 0.1


def test_under_the_opposite_load_the_largest_value_is_where_the_smallest_was(
    model: Surrogate, body: pv.PolyData
) -> None:
    case = model.simulate(Design(body, load="-300 N"), cells=20_000)
    peak = float(case.field_values("surface", "pressure").max())
    # load (x/a + 2 (z/c)^2) is the load itself, turned about, at x = -a.
    assert peak == pytest.approx(300, rel=0.2)
    assert case.qoi["peak_pressure"] == pytest.approx(peak, rel=0.2)


@pytest.mark.parametrize("kind", ["classical", "ab-upt"])
def test_qois_do_not_depend_on_the_mesh_that_is_drawn(
    model: Surrogate, surrogate: Surrogate, body: pv.PolyData, kind: str
) -> None:
    of = model if kind == "classical" else surrogate
    design = Design(body, load="300 N")
    once = of.simulate(design, cells=50_000).qoi
    assert set(once) == {"peak_pressure", "mass", "charge"}
    for cells in (100, 1000, 20_000):
        assert of.simulate(design, cells=cells).qoi == pytest.approx(once, rel=1e-6)
    assert of.simulate(design, cells=100, domains=["surface"]).qoi == pytest.approx(once, rel=1e-6)
    coarse = {"surface": body, "volume": pv.ImageData(dimensions=(3, 3, 3)).cast_to_unstructured_grid()}
    assert of.simulate(design, meshes=coarse).qoi == pytest.approx(once, rel=1e-6)


def test_a_mesh_that_misses_most_of_a_part_is_spoken_of(model: Surrogate, body: pv.PolyData) -> None:
    inner = body.copy().scale(0.996, inplace=False).flip_faces()
    shell = body.merge(inner, merge_points=False)
    case = model.simulate(Design(shell, load="300 N"), cells=2000, domains=["volume"])
    (notice,) = [each for each in case.notices if each.code == "coarse"]
    assert notice.high == pytest.approx((1 - 0.996**3) * body.volume, rel=1e-3)
    assert notice.value is not None
    assert notice.value < 0.5 * notice.high
    assert "holds" in str(notice)
    whole = model.simulate(Design(body, load="300 N"), cells=2000)
    assert [each for each in whole.notices if each.code == "coarse"] == []


def test_a_norm_is_never_negative(model: Surrogate, body: pv.PolyData, monkeypatch: pytest.MonkeyPatch) -> None:
    def kriged(*_: object) -> dict[str, dict[str, Any]]:
        return {"volume": {"von_mises": np.array([-1.0, 2.0]), "displacement": np.array([[-1.0, 0.0, 0.0]] * 2)}}

    monkeypatch.setattr(model.predictor, "predict", lambda *_, deviations: Prediction(kriged()))
    design = ResolvedDesign(body, {"load": 300.0})
    fields = model.fields(design, {"volume": np.zeros((2, 3))})["volume"]
    assert fields["von_mises"].tolist() == [0.0, 2.0]
    assert fields["displacement"].min() == -1.0
    monkeypatch.setattr(model.predictor, "at_references", kriged)
    reference = model.at_references(design, "volume")  # where a QoI has its extremum
    assert reference is not None
    assert reference["von_mises"].min() == 0.0


def test_nothing_is_predicted_outside_a_part(model: Surrogate, body: pv.PolyData) -> None:
    box = pv.ImageData(dimensions=(9, 9, 9), spacing=(0.25,) * 3, origin=(-1, -1, -1)).cast_to_unstructured_grid()
    case = model.simulate(Design(body, load="300 N"), meshes={"volume": box})
    radius = np.linalg.norm(box.points / np.array([0.8, 0.7, 0.6]), axis=1)
    blank = np.isnan(case.field_values("volume", "displacement")).all(axis=1)
    assert blank[radius > 1.01].all()
    assert not blank[radius < 0.94].any()
    assert f"{blank.sum()} of 729 places of volume lie outside the geometry" in [*map(str, case.notices)][-1]
    assert all(np.isfinite(value) for value in case.qoi.values())
    own = model.simulate(Design(body, load="300 N"), cells=2000, domains=["volume"])
    assert np.isfinite(own.field_values("volume", "displacement")).all()
    again = model.simulate(Design(body, load="300 N"), meshes={"volume": own.meshes["volume"]})
    assert np.isfinite(again.field_values("volume", "displacement")).all()
    assert not [*map(str, again.notices)]


def test_what_is_no_number_is_an_error(model: Surrogate, body: pv.PolyData, monkeypatch: pytest.MonkeyPatch) -> None:
    right = model.predictor.predict

    def wrong(*args: Any, deviations: bool) -> Prediction:
        answer = right(*args, deviations=deviations)
        answer.mean["surface"]["pressure"][3] = np.nan
        return answer

    monkeypatch.setattr(model.predictor, "predict", wrong)
    with pytest.raises(SurrogateError, match=r"no number for pressure at 1 of .* places of surface"):
        model.simulate(Design(body, load="300 N"), cells=500, domains=["surface"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda points: points * (1, 1, 0), "is flat .* in z"),
        (lambda points: points * 1e5, "e.05 m long, training cases"),
        (lambda points: points * 1e-6, "check its length unit"),
        (
            lambda points: points @ np.diag([1, 1, 0]) @ np.array([[1, 0, 0], [0, 0.8, 0.6], [0, -0.6, 0.8]]),
            "no volume",
        ),
    ],
)
def test_what_is_no_body_of_the_kind_is_refused(
    model: Surrogate, body: pv.PolyData, change: object, words: str
) -> None:
    shape = pv.PolyData.from_regular_faces(change(body.points), body.regular_faces)  # type: ignore[operator]
    with pytest.raises(GeometryError, match=words):
        model.simulate(Design(shape, load="300 N"), cells=500)


def test_a_body_far_from_where_the_cases_lie_is_refused(model: Surrogate, body: pv.PolyData) -> None:
    with pytest.raises(GeometryError, match="no part lies in the box"):
        model.simulate(Design(body.translate((1e6, 0, 0)), load="300 N"), cells=500)


def test_signs_of_laws() -> None:
    fields = {
        "volume": {
            "displacement": FieldSpec(unit="m", components=3, scales_with={"load": 1.0}),
            "von_mises": FieldSpec(unit="Pa", scales_with={"load": 1.0}),
            "drag_density": FieldSpec(unit="Pa", scales_with={"speed": 2.0}),
            "flow": FieldSpec(unit="Pa", scales_with={"speed": 0.5}),
        }
    }
    parameters = {"load": ParameterSpec(unit="N", low=-500, high=-100), "speed": ParameterSpec(low=10, high=40)}
    qoi = {
        name: QoiSpec(scales_with={"load": 1.0}, definition=QoiDefinition(kind=kind, domain="volume", field=field))
        for name, kind, field in (("a", "max", "displacement"), ("b", "integral", "von_mises"))
    } | {name: QoiSpec(scales_with={"load": 1.0}) for name in ("tip", "max_stress")} | {
        "compliance": QoiSpec(scales_with={"load": -1.0})
    }  # fmt: skip
    contract = Contract(parameters=parameters, fields=fields, qoi=qoi)

    def scale(name: str, load: float = -100.0, speed: float = 20.0) -> float:
        spec = fields["volume"].get(name) or qoi[name]
        return predicted_scale(name, spec, contract, {"load": load, "speed": speed})

    # Relative to the cases, whose loads point down.
    assert [scale("displacement", load=load) for load in (-100, 100, 0)] == [100, -100, 0]
    assert [scale("von_mises", load=load) for load in (-100, 100, 0)] == [100, 100, 0]
    assert [scale("drag_density", speed=speed) for speed in (20, -20)] == [400, 400]
    assert scale("flow", speed=-4) == 2
    assert [scale(name, load=100) for name in ("a", "b", "tip", "max_stress")] == [100, 100, -100, 100]
    with pytest.raises(ContractError, match="'load' is zero, and compliance is in proportion to a negative power"):
        scale("compliance", load=0)


def test_a_table_in_proportion_stays_so(tmp_path: Path) -> None:
    from tramontane.dataset.ingest.run import ingest

    rng, lines = np.random.default_rng(1), ["load [N],length [m],qoi:deflection [m]"]
    for load, length in rng.uniform((10, 1), (40, 2), (30, 2)).tolist():
        lines.append(f"{load},{length},{1e-5 * load * length**3 * (1 + 0.02 * rng.normal())}")
    (tmp_path / "runs.csv").write_text("\n".join(lines))
    of = fit(ingest(tmp_path / "runs.csv", tmp_path / "store", test=6, validation=0))
    per_newton = [
        of.simulate(Design(load=load, length="1.5 m")).qoi["deflection"] / load for load in (10.0, 40.0, -25.0)
    ]
    assert per_newton == pytest.approx([per_newton[0]] * 3, rel=1e-9)
    assert of.simulate(Design(load=0.0, length="1.5 m")).qoi["deflection"] == 0
