"""The page's views of a dataset and of a model's evaluation, in a real browser, against what the library says."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from helpers.browsing import Tab
from helpers.ellipsoids import ellipsoid
from helpers.serving import Running
from tramontane.dataset import Dataset
from tramontane.design import Design
from tramontane.evaluation import evaluate
from tramontane.surrogate import Surrogate

pytest.importorskip("nicegui", reason="the page needs nicegui: pip install 'tramontane[serve]'")


@pytest.fixture(scope="module")
def server(saved: Path, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    state = tmp_path_factory.mktemp("page") / "state"
    with Running(saved.parent, state, "--data", str(dataset.path)) as running:
        yield running


@pytest.fixture
def tab(browser: Any, server: Running) -> Iterator[Tab]:
    with Tab(browser, server.url) as opened:
        yield opened
        opened.is_clean()


def test_a_dataset_is_shown_case_by_case(tab: Tab, server: Running, dataset: Dataset) -> None:
    tab.open("/page/data")
    table = tab.page.locator("table").first
    table.locator("tbody tr").first.wait_for()
    assert f"{len(dataset.names)} cases: train" in tab.page.locator(".panel").first.inner_text()
    head = table.locator("thead").inner_text()
    row = table.locator("tbody tr").first.inner_text()
    assert "load [N]" in head
    assert dataset.names[0] in row
    assert f"{dataset.parameters(dataset.names[0])['load']:.4g}" in row
    assert tab.page.locator(".charts svg").count() == len(dataset.contract.parameters) + len(dataset.contract.qoi)
    table.locator("tbody tr img").first.wait_for()
    tab.page.wait_for_function("() => document.querySelector('tbody img').naturalWidth > 0")
    load = table.locator("thead th", has_text="load")
    load.click()
    least = min(dataset.parameters(name)["load"] for name in dataset.names)
    tab.page.wait_for_function(
        "least => document.querySelector('tbody tr').innerText.includes(least)", arg=f"{least:.4g}"
    )
    tab.picture("data")
    assert server.http.get(f"/page/pictures/{dataset.path.name}/none").status_code == 404


def test_an_evaluation_is_that_of_the_library(
    tab: Tab, server: Running, dataset: Dataset, surrogate: Surrogate
) -> None:
    steps_reported: list[tuple[str, int, int]] = []
    report = evaluate(surrogate, dataset, progress=lambda *reached: steps_reported.append(reached))
    count, steps = len(report.cases), 2 * len(dataset.splits["train"]) * len(dataset.contract.fields)
    expected = [("cases", done, count) for done in range(count + 1)]
    assert steps_reported == [*expected, *(("baselines", done, steps) for done in range(steps + 1))]
    tab.open("/page/evaluation")
    tab.page.get_by_text("every test case is predicted and compared with its true values").wait_for()
    tab.page.get_by_role("button", name="Evaluate").click()
    tab.ready(3)
    table = tab.page.locator("table.figures").first.inner_text()
    for name, figures in report.fields.items():
        assert name in table
        for share in (figures.relative_l2, *figures.baselines.values()):
            assert f"{100 * share:.1f} %" in table
    assert tab.page.locator("svg.scatter").count() == len(report.qoi)
    assert tab.page.locator("svg.scatter circle").count() == len(report.qoi) * len(report.cases)
    worst = report.cases[int(np.argmax(np.mean([field.each for field in report.fields.values()], axis=0)))]
    assert tab.parameter("case") == worst
    truth = dataset.case(worst).meshes["surface"]
    (true, point), (predicted, _), (difference, _) = (
        tab.hover(f"[data-view={name}]", y=0.45) for name in ("true", "predicted", "difference")
    )
    nearest = truth.find_closest_point(point)
    spread = float(np.ptp(truth.point_data["pressure"]))
    assert true == pytest.approx(truth.point_data["pressure"][nearest], abs=0.2 * spread)
    assert difference == pytest.approx(predicted - true, abs=1e-3 * spread)
    tab.picture("evaluation")
    with tab.page.expect_download() as downloading:
        tab.page.locator("[data-document]").click()
    document = Path(downloading.value.path()).read_text(encoding="utf-8")
    assert all(f"{100 * figures.relative_l2:.3g}" in document for figures in report.fields.values())
    assert "What the model must not be used for" in document
    tab.open("/page/")
    # The card has the report's figures, now that there is one.
    average = tab.page.locator("td[data-head='Without a model: average']").first
    assert average.inner_text() == f"{100 * next(iter(report.fields.values())).baselines['mean']:.1f} %"


def test_a_case_is_predicted_with_its_own_shape_and_parameters(
    tab: Tab, server: Running, dataset: Dataset, surrogate: Surrogate
) -> None:
    tab.open("/page/data")
    case = sorted(dataset.names)[1]
    tab.page.get_by_role("button", name=f"Predict this case: {case}").click()
    tab.page.wait_for_url("**/page/predict?**")
    tab.ready()
    assert f"{case}.stl" in tab.page.locator(".controls").inner_text()
    values = dataset.parameters(case)
    assert float(tab.parameter("p.load") or 0) == pytest.approx(values["load"], rel=1e-6)
    expected = surrogate.simulate(Design(dataset.geometry(case), load=f"{values['load']} N"), domains=["surface"])
    assert tab.qoi("peak_pressure") == pytest.approx(expected.qoi["peak_pressure"], rel=1e-3)
    low, high = np.asarray(dataset.geometry(case).bounds).reshape(3, 2).T
    stored = server.http.get(f"/v1/geometries/{tab.parameter('geometry')}").json()
    assert np.subtract(stored["high"], stored["low"]) == pytest.approx(high - low, rel=1e-5)
    assert server.http.get("/v1/geometries").json()["total"] == 1
    tab.open("/page/data")
    tab.page.get_by_role("button", name=f"Predict this case: {case}").click()
    tab.page.wait_for_url("**/page/predict?**")
    tab.ready()
    assert server.http.get("/v1/geometries").json()["total"] == 1  # the same file, stored once


def test_the_picture_of_a_shape_is_its_silhouette() -> None:
    from tramontane.page.datasets import draw

    ball, rod = (
        np.asarray(Image.open(io.BytesIO(draw(ellipsoid("part", axes, 1.0).meshes["surface"]))))[..., 3] > 0
        for axes in ((0.5, 0.5, 0.5), (0.05, 0.05, 0.9))
    )
    high, wide = ball.shape
    inscribed = np.pi / 4 * (0.94 * high) ** 2
    assert ball.sum() == pytest.approx(inscribed, rel=0.06)
    assert ball.any(0).sum() == pytest.approx(ball.any(1).sum(), abs=3)
    assert rod.any(1).sum() > 5 * rod.any(0).sum()
    assert wide > high


def test_a_model_of_numbers_alone_is_asked_by_its_parameters(browser: Any, tmp_path: Path) -> None:
    from helpers.beam_tables import write_beams
    from tramontane.dataset.ingest.run import ingest
    from tramontane.surrogate.fit import fit

    beams = ingest(write_beams(tmp_path / "beams.csv"), tmp_path / "store", test=10, validation=0)
    fit(beams).save(tmp_path / "models" / "beam")
    given = {"force": 0.2, "length": 1000, "modulus": 210, "inertia": 5}
    with Running(tmp_path / "models", tmp_path / "state") as server, Tab(browser, server.url) as tab:
        tab.open("/page/predict?" + "&".join(f"p.{name}={value}" for name, value in given.items()))
        assert tab.qoi("deflection") == pytest.approx(200 / (3 * 210e9 * 5e-8), rel=1e-4)
        assert tab.page.locator("input[type=file]").is_hidden()
        assert tab.page.locator("[data-slider]:visible").count() == len(given)
        tab.open("/page/")
        assert "deflection" in tab.page.locator("table.figures").inner_text()
        tab.is_clean()


def test_numbers_on_the_page_are_those_of_the_language(
    browser: Any, server: Running, dataset: Dataset, surrogate: Surrogate, tmp_path: Path
) -> None:
    narrow = {"viewport": {"width": 390, "height": 844}, "locale": "de-DE"}
    with Tab(browser, server.url, **narrow) as tab:
        tab.open("/page/evaluation")
        tab.page.get_by_role("button", name="Bewerten").click()
        tab.ready(3)
        report = evaluate(surrogate, dataset)
        text = tab.page.locator(".page-body").inner_text()
        for figures in report.fields.values():
            assert f"{100 * figures.relative_l2:.1f} %".replace(".", ",") in text
        assert re.search(r"\d\.\d", text) is None  # no number has a point, those of the colour bars included
        tab.picture("de-evaluation")
        tab.open("/page/")
        tab.page.locator("[data-model] table.figures").first.wait_for()
        fits = (
            """() => [...document.querySelectorAll('.scrolls')].every(each => each.scrollWidth <= each.clientWidth)"""
        )
        assert tab.page.evaluate(fits)
        tab.picture("de-models")
        tab.open("/page/data")
        tab.page.locator("tbody tr").first.wait_for()
        tab.page.locator("tbody tr img").first.wait_for()
        tab.page.wait_for_function("() => document.querySelector('tbody img').naturalWidth > 0")  # the page is alive
        load = tab.page.locator("thead th", has_text="load")
        load.click()
        first = sorted(dataset.parameters(name)["load"] for name in dataset.names)[0]
        tab.page.wait_for_function(
            "least => document.querySelector('tbody tr').innerText.includes(least)",
            arg=f"{first:.4g}".replace(".", ","),
        )
        assert re.search(r"\d\.\d", tab.page.locator("table").first.inner_text()) is None
        assert re.search(r"\d\.\d", "".join(tab.page.locator(".charts svg text").all_text_contents())) is None
        tab.is_clean()


def test_a_number_is_typed_with_a_comma_a_point_or_a_unit(browser: Any, server: Running, tmp_path: Path) -> None:
    part = tmp_path / "part.stl"
    ellipsoid("part", (0.8, 0.7, 0.6), 300.0).meshes["surface"].save(part)
    geometry = server.upload(part.read_bytes(), "part.stl").json()["hash"]
    with Tab(browser, server.url, locale="fr-FR") as tab:
        tab.open(f"/page/predict?model=model&geometry={geometry}&p.load=300&cells=2000")
        tab.ready()
        field = tab.page.locator("input[data-parameter=load]")
        assert field.input_value() == "300"
        for typed, value in (("250,5", 250.5), ("251.5", 251.5), ("0,3 kN", 300.0), ("310,25 N", 310.25)):
            field.fill(typed)
            field.press("Enter")
            tab.page.wait_for_function(
                "value => Number(new URL(location.href).searchParams.get('p.load')) === value", arg=value
            )
            assert field.input_value() == f"{value:g}".replace(".", ",")
        for typed, message in (("1.234", "1234 ou 1,234"), ("3 m", "N"), ("abc", "abc")):
            field.fill(typed)
            field.press("Enter")
            tab.page.locator(".q-field__messages", has_text=message).wait_for()
            assert float(tab.parameter("p.load") or 0) == 310.25
        tab.is_clean()
