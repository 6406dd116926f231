"""A prediction beside a solver's case, in a real browser, against what the library says of both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.browsing import Tab, at
from helpers.serving import Running, part
from tramontane.case import Case
from tramontane.dataset import Dataset
from tramontane.design import Design
from tramontane.evaluation import evaluate
from tramontane.interval import Difference
from tramontane.surrogate import Surrogate

pytest.importorskip("nicegui", reason="the page needs nicegui: pip install 'tramontane[serve]'")

from tramontane.page.language.words import Words
from tramontane.page.pages.compare_results import difference


@pytest.fixture(scope="module")
def server(saved: Path, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    state = tmp_path_factory.mktemp("compare") / "state"
    with Running(saved.parent, state, "--data", str(dataset.path)) as running:
        yield running


@pytest.fixture
def tab(browser: Any, server: Running) -> Iterator[Tab]:
    with Tab(browser, server.url) as opened:
        yield opened
        opened.is_clean()


def predicted(surrogate: Surrogate, dataset: Dataset, name: str) -> Case:
    """The model's answer to a case's design, on the solver's meshes."""
    design = Design(dataset.geometry(name), load=dataset.parameters(name)["load"])
    return surrogate.simulate(design, meshes=dataset.case(name).meshes)


def link(dataset: Dataset, name: str, **more: Any) -> str:
    given = {"a.model": "model", "b.set": dataset.path.name, "b.case": name, **more}
    return "/page/compare?" + "&".join(f"{key}={value}" for key, value in given.items())


def test_the_difference_is_that_of_the_model_and_the_solvers_case(
    tab: Tab, dataset: Dataset, surrogate: Surrogate
) -> None:
    name = dataset.splits["test"][1]
    true, own = dataset.case(name), predicted(surrogate, dataset, name)
    tab.open(link(dataset, name))
    tab.ready(3)
    assert [text.strip() for text in tab.page.locator("figcaption").all_inner_texts()] == [
        "Prediction", "Solver’s case", "Prediction − solver",
    ]  # fmt: skip
    tab.page.locator("[data-view=a] .field-view canvas").press("ArrowLeft")
    for view in ("b", "difference"):
        assert tab.camera(f"[data-view={view}]") == tab.camera("[data-view=a]")
    spread = float(np.ptp(true.meshes["surface"].point_data["pressure"]))
    for x, y in ((0.5, 0.5), (0.46, 0.55)):
        difference, point = tab.hover("[data-view=difference]", x, y)
        there = [float(at(case.meshes["surface"], point, "pressure")) for case in (own, true)]
        assert difference == pytest.approx(there[0] - there[1], abs=1e-3 * spread)
    (shown, point), (solved, place) = tab.hover("[data-view=a]"), tab.hover("[data-view=b]")
    assert shown == pytest.approx(float(at(own.meshes["surface"], point, "pressure")), abs=1e-3 * spread)
    assert solved == pytest.approx(float(at(true.meshes["surface"], place, "pressure")), abs=1e-3 * spread)
    tab.picture("compare-case")


def test_errors_and_qois_are_those_of_a_report(tab: Tab, dataset: Dataset, surrogate: Surrogate) -> None:
    report = evaluate(surrogate, dataset)
    name = report.cases[0]
    own = predicted(surrogate, dataset, name)
    tab.open(link(dataset, name))
    for field, figures in report.fields.items():
        row = tab.page.locator(f'tr[data-field="{field}"]')
        row.wait_for()
        assert float(row.get_attribute("data-error")) == pytest.approx(figures.each[0], rel=1e-4)
        assert f"{100 * figures.each[0]:.1f} %" in row.inner_text()
    for qoi, value in own.qoi.items():
        row = tab.page.locator(f"tr[data-qoi={qoi}]")
        assert float(row.get_attribute("data-a")) == pytest.approx(value, rel=1e-5)
        assert float(row.get_attribute("data-b")) == pytest.approx(dataset.qoi(name)[qoi], rel=1e-12)
    verdicts = tab.page.locator(".side .verdict").all_inner_texts()
    assert "The model never saw this case." in verdicts[0]
    outside = [*map(str, own.notices)]
    assert all(sentence in verdicts[1] for sentence in outside)
    assert ("Within what the model was trained on" in verdicts[1]) == (not outside)


def test_a_case_is_chosen_and_what_the_model_knew_of_it_is_said(tab: Tab, dataset: Dataset) -> None:
    tab.open("/page/compare?a.model=model")
    tab.page.get_by_role("button", name="a solver’s case").click()
    tab.ready(3)
    assert tab.parameter("b.case") == dataset.splits["test"][0]
    assert tab.page.locator("[data-design=a] input[type=file]").is_hidden()
    for split, sentence in (("train", "was trained on this case"), ("validation", "but chosen by it")):
        name = dataset.splits[split][0]
        tab.page.locator("[data-design=b] input[role=combobox]:visible").fill(name)
        tab.page.get_by_role("option", name=f"{name} ({split})").click()
        tab.page.locator(".side .verdict", has_text=sentence).wait_for()
        assert tab.parameter("b.case") == name
        load = dataset.parameters(name)["load"]
        assert f"load: {load:.4g} N" in tab.page.locator("[data-design=b]").inner_text()
    tab.page.get_by_role("button", name="another design").click()
    tab.page.wait_for_function("() => !new URL(location.href).searchParams.has('b.case')")
    tab.page.locator("[data-design=b] .geometry-drop").wait_for()


def test_a_section_through_both_volumes(tab: Tab, dataset: Dataset, surrogate: Surrogate) -> None:
    name = dataset.splits["test"][0]
    true, own = dataset.case(name), predicted(surrogate, dataset, name)
    tab.open(link(dataset, name, field="displacement.x", section="x", at=0.4))
    tab.ready(3)
    tab.page.locator("[data-view=a] [data-preset=front]").click()
    for view, case in (("a", own), ("b", true)):
        value, point = tab.hover(f"[data-view={view}]", 0.51, 0.48)
        volume = case.meshes["volume"]
        low, high = volume.bounds[:2]
        assert point[0] == pytest.approx(low + (high - low) * (0.001 + 0.998 * 0.4), abs=1e-3)
        shift = np.asarray(volume.point_data["displacement"])[:, 0]
        assert value == pytest.approx(float(at(volume, point, "displacement")[0]), abs=0.02 * float(np.ptp(shift)))


def test_a_case_that_is_not_there_is_said(tab: Tab, dataset: Dataset) -> None:
    tab.open(link(dataset, "999"))
    tab.page.locator(".field-view-state.is-error", has_text="has no case '999'").first.wait_for()


@pytest.mark.parametrize(
    ("value", "probability", "correlation", "bounded", "sentence"),
    [
        (-2.0, 0.979, 0.8, False, "B is lower with 97 %"),
        (2.0, 0.984, 0.8, True, "B is higher with ≥ 98 %"),
        (2.0, 1.0, None, True, "B is higher with ≥ 99 %"),
        (-0.5, 0.71, 0.8, False, "Not told apart: B is lower with 71 %"),
        (-0.5, 0.71, None, True, "Not known: the errors of both may add up"),
    ],
)
def test_what_is_said_of_a_difference(
    value: float, probability: float, correlation: float | None, bounded: bool, sentence: str
) -> None:
    apart = Difference(value, 1.0, 0.9, probability, correlation, bounded, assumed=False)
    assert difference(Words("en"), apart) == sentence


def test_whether_two_designs_differ_is_said_of_each_qoi(
    tab: Tab, server: Running, surrogate: Surrogate, tmp_path: Path
) -> None:
    file = part(tmp_path, (0.8, 0.7, 0.6))
    geometry, loads = server.upload(file.read_bytes()).json()["hash"], {"a": 200, "b": 400}
    designs = "&".join(f"{n}.model=model&{n}.geometry={geometry}&{n}.p.load={load}" for n, load in loads.items())
    tab.open(f"/page/compare?{designs}&cells=2000")
    tab.ready(3)
    one, other = (surrogate.simulate(Design(file, load=f"{load} N"), cells=2000) for load in loads.values())
    differences = {name: each for name, each in surrogate.differences(one, other).items() if each.value}
    assert "charge" in differences
    for name, each in differences.items():
        row = tab.page.locator(f"tr[data-difference={name}]")
        row.wait_for()
        assert row.inner_text().startswith(difference(Words("en"), each))
    tab.picture("compare-difference")
