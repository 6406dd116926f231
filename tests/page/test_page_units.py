"""The page shows numbers in the units that people wrote them in, in a real browser, against the API and the store."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.beam_tables import write_beams
from helpers.browsing import Tab
from helpers.serving import Running, part
from tramontane.dataset import Dataset
from tramontane.dataset.ingest.run import ingest
from tramontane.evaluation import evaluate
from tramontane.surrogate.fit import fit

pytest.importorskip("nicegui", reason="the page needs nicegui: pip install 'tramontane[serve]'")

SHOWN = {"peak_pressure": ("mbar", 1e-2), "mass": ("g", 1e3), "charge": ("kN*mm", 1.0)}
"""Units that are no SI ones, and factors into them; the last is a newton metre by another name."""
CLOSE = 6e-4  # what four digits leave


@pytest.fixture(scope="module")
def bodies(family: Path, dataset: Dataset) -> Dataset:
    """The ellipsoids under a contract that states other units than those of the files."""
    contract = dataset.contract
    load = contract.parameters["load"].model_copy(update={"unit": "daN"})
    qoi = {name: spec.model_copy(update={"display_unit": SHOWN[name][0]}) for name, spec in contract.qoi.items()}
    stated = contract.model_copy(update={"parameters": contract.parameters | {"load": load}, "qoi": qoi})
    return ingest(family, family.with_name("stated"), contract=stated, test=3, validation=2)


@pytest.fixture(scope="module")
def beams(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Cantilevers, in kN, mm, GPa and cm^4."""
    folder = tmp_path_factory.mktemp("beams")
    return ingest(write_beams(folder / "beams.csv"), folder / "cantilevers", test=10, validation=0)


@pytest.fixture(scope="module")
def server(bodies: Dataset, beams: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("units")
    fit(bodies, model="classical").save(folder / "models" / "body")
    fit(beams).save(folder / "models" / "beam")
    data = [option for each in (bodies, beams) for option in ("--data", str(each.path))]
    with Running(folder / "models", folder / "state", *data) as running:
        yield running


@pytest.fixture(scope="module")
def geometry(server: Running, tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(server.upload(part(tmp_path_factory.mktemp("parts"), (0.8, 0.7, 0.6)).read_bytes()).json()["hash"])


@pytest.fixture
def tab(browser: Any, server: Running) -> Iterator[Tab]:
    with Tab(browser, server.url) as opened:
        yield opened
        opened.is_clean()


def value(text: str, unit: str) -> float:
    """The number of a text in a unit."""
    match = re.fullmatch(rf"([-+.\de]+)(?: ± [.\de-]+)? {re.escape(unit)}", text.strip())
    assert match is not None, text
    return float(match[1])


def test_results_and_sliders_are_in_the_units_of_the_contract(tab: Tab, server: Running, geometry: str) -> None:
    tab.open(f"/page/predict?model=body&geometry={geometry}&p.load=30&cells=2000")
    tab.ready()
    tab.page.locator(".qoi-value").nth(2).wait_for()
    answer = server.predict(geometry, "body", parameters={"load": "300 N"}, cells=2000).json()["qoi"]
    units = {"peak_pressure": "Pa", "mass": "kg", "charge": "N*m"}
    for name, (unit, factor) in SHOWN.items():
        assert answer[name]["unit"] == units[name]  # the API's numbers are in SI, as are those that scripts read
        assert tab.qoi(name) == pytest.approx(answer[name]["value"], rel=1e-6)
        text = tab.page.locator(f".qoi[data-qoi={name}] .qoi-value").inner_text()
        assert value(text, unit) == pytest.approx(factor * answer[name]["value"], rel=CLOSE)
    load = server.http.get("/v1/models/body").json()["parameters"]["load"]
    assert load["unit"] == "daN"
    slider = tab.page.locator("[data-slider=load]")
    ends = [float(slider.get_attribute(f"aria-value{end}")) for end in ("min", "now", "max")]
    assert ends == pytest.approx([load["low"], 30.0, load["high"]])
    assert 5 < load["low"] < load["high"] < 51
    tab.picture("units-predict")


def test_a_slider_of_a_length_is_in_millimetres(tab: Tab, server: Running, beams: Dataset) -> None:
    given = {"force": 0.2, "length": 1000, "modulus": 140, "inertia": 5}
    tab.open("/page/predict?model=beam&" + "&".join(f"p.{name}={number}" for name, number in given.items()))
    tab.page.locator(".qoi-value").wait_for()
    lengths = [1e3 * beams.parameters(name)["length"] for name in beams.splits["train"]]
    slider = tab.page.locator("[data-slider=length]")
    assert slider.get_attribute("aria-label") == "length [mm]"
    ends = [float(slider.get_attribute(f"aria-value{end}")) for end in ("min", "now", "max")]
    assert ends == pytest.approx([min(lengths), 1000.0, max(lengths)])
    controls = tab.page.locator(".controls").inner_text()
    assert f"trained from {min(lengths):.4g} to {max(lengths):.4g} mm" in controls
    field = tab.page.locator("[data-parameter=length]")
    assert float(field.input_value()) == 1000.0
    slider.locator("[tabindex]").focus()
    tab.page.keyboard.press("ArrowRight")
    moved = 1000 + float(slider.get_attribute("data-step"))
    tab.page.wait_for_function(
        "moved => Math.abs(new URL(location.href).searchParams.get('p.length') - moved) < 1e-3 * moved", arg=moved
    )
    length = float(tab.parameter("p.length") or 0)
    assert float(field.input_value()) == pytest.approx(length, rel=1e-4)
    summary = server.http.post("/v1/models/beam/predict", json={"parameters": given | {"length": length}}).json()
    answer = summary["qoi"]["deflection"]
    assert answer["unit"] == "m"
    tab.page.wait_for_function(
        "given => Math.abs(document.querySelector('[data-qoi=deflection]')?.dataset.value / given - 1) < 1e-6",
        arg=answer["value"],
    )
    text = tab.page.locator("[data-qoi=deflection] .qoi-value").inner_text()
    assert value(text, "mm") == pytest.approx(1e3 * answer["value"], rel=CLOSE)
    assert value(text, "mm") == pytest.approx(1e3 * 200 * (length / 1e3) ** 3 / (3 * 140e9 * 5e-8), rel=2e-2)
    interval = re.match(r"(\S+) to (\S+) mm with 90 %", tab.page.locator("[data-interval=deflection]").inner_text())
    assert interval is not None
    for shown, end in zip(interval.groups(), ("low", "high"), strict=True):
        assert float(shown) == pytest.approx(1e3 * answer[end], rel=CLOSE)


def test_two_designs_and_a_solvers_case_are_compared_in_these_units(
    tab: Tab, server: Running, geometry: str, bodies: Dataset
) -> None:
    designs = "&".join(
        f"{name}.model=body&{name}.geometry={geometry}&{name}.p.load={load}" for name, load in (("a", 20), ("b", 40))
    )
    case = bodies.splits["test"][0]
    for query in (f"{designs}&cells=2000", f"a.model=body&b.set={bodies.path.name}&b.case={case}"):
        tab.open(f"/page/compare?{query}")
        for name, (unit, factor) in SHOWN.items():
            row = tab.page.locator(f"tr[data-qoi={name}]")
            row.wait_for()
            one, other = (float(row.get_attribute(f"data-{side}")) for side in "ab")
            assert row.locator("th").inner_text() == f"{name.replace('_', ' ')} [{unit}]"
            first, second, change = (float(text) for text in row.locator("td").all_inner_texts())
            assert (first, second) == pytest.approx((factor * one, factor * other), rel=CLOSE)
            if "b.case" in query:
                assert other == pytest.approx(bodies.qoi(case)[name])
                assert change == pytest.approx(100 * (one - other) / abs(other), abs=0.06)
            else:
                assert change == pytest.approx(factor * (other - one), rel=CLOSE, abs=1e-9)
                answer = server.predict(geometry, "body", parameters={"load": "400 N"}, cells=2000).json()
                assert other == pytest.approx(answer["qoi"][name]["value"], rel=1e-6)


def test_a_datasets_table_and_histograms_are_in_these_units(tab: Tab, bodies: Dataset, beams: Dataset) -> None:
    tab.open(f"/page/data?set={bodies.path.name}")
    table = tab.page.locator("table").first
    table.locator("tbody tr").first.wait_for()
    heads = [text.replace("arrow_upward", "").strip() for text in table.locator("thead th").all_inner_texts()]
    row = table.locator("tbody tr").first.locator("td").all_inner_texts()
    case = row[1]
    for name, (unit, factor) in SHOWN.items():
        cell = row[heads.index(f"{name.replace('_', ' ')} [{unit}]")]
        assert float(cell) == pytest.approx(factor * bodies.qoi(case)[name], rel=CLOSE)
        every = [factor * bodies.qoi(each)[name] for each in bodies.names]
        figure = tab.page.locator("figure").filter(has=tab.page.get_by_text(name.replace("_", " "), exact=True))
        axis = " ".join(figure.locator("svg text").all_text_contents())
        assert unit in axis
        numbers = [float(text) for text in re.findall(r"(?<![\w^*])\d[\d.e+-]*", axis)]
        assert all(any(np.isclose(number, end, rtol=2e-3) for number in numbers) for end in (min(every), max(every)))
    assert float(row[heads.index("load [daN]")]) == pytest.approx(bodies.parameters(case)["load"] / 10, rel=CLOSE)
    tab.open(f"/page/data?set={beams.path.name}")
    table.locator("tbody tr").first.wait_for()
    heads = [text.replace("arrow_upward", "").strip() for text in table.locator("thead th").all_inner_texts()]
    row = table.locator("tbody tr").first.locator("td").all_inner_texts()
    for head, own in (
        ("length [mm]", beams.parameters(row[1])["length"]),
        ("deflection [mm]", beams.qoi(row[1])["deflection"]),
    ):
        assert float(row[heads.index(head)]) == pytest.approx(1e3 * own, rel=CLOSE)


def test_an_evaluation_and_a_models_card_are_in_these_units(tab: Tab, beams: Dataset) -> None:
    tab.open(f"/page/evaluation?set={beams.path.name}&model=beam")
    tab.page.get_by_role("button", name="Evaluate").click()
    plot = tab.page.locator("svg.scatter")
    plot.wait_for()
    report = evaluate(fit(beams), beams)
    figures = report.qoi["deflection"]
    caption = tab.page.locator("figure figcaption").inner_text()
    assert caption.startswith("deflection: mean error ")
    assert value(caption.partition("error ")[2], "mm") == pytest.approx(1e3 * figures.mean_absolute, rel=6e-3)
    points = plot.locator("circle title").all_text_contents()
    assert len(points) == len(report.cases)
    for point, case, true, own in zip(points, report.cases, figures.true, figures.predicted, strict=True):
        name, _, rest = point.partition(": ")
        left, _, right = rest.partition(" → ")
        assert name == case
        assert (float(left), value(right, "mm")) == pytest.approx((1e3 * true, 1e3 * own), rel=CLOSE)
    ends = " ".join(plot.locator("text").all_text_contents())
    assert f"{1e3 * max(*figures.true, *figures.predicted):.3g} mm" in ends
    tab.open("/page/")
    assert "deflection [mm]" in tab.page.locator("[data-model=beam] table.facts").last.inner_text()
    low, high = (1e3 * end(beams.parameters(each)["length"] for each in beams.splits["train"]) for end in (min, max))
    inputs = tab.page.locator("[data-model=beam] table.facts").first.inner_text()
    assert f"{low:.4g} – {high:.4g} mm" in inputs


def test_what_is_written_in_si_is_shown_with_a_prefix_that_keeps_it_short() -> None:
    from tramontane.contract import QoiSpec
    from tramontane.page.language.readable_units import shown

    for spec, magnitude, unit, factor in (
        (QoiSpec(unit="Pa"), 2e8, "MPa", 1e-6),
        (QoiSpec(unit="Pa", display_unit="bar"), 2e8, "bar", 1e-5),
        (QoiSpec(unit="rad", display_unit="deg"), 0.1, "deg", 180 / np.pi),
        (QoiSpec(), 0.3, "", 1.0),
    ):
        unit_shown, into = shown(spec, magnitude)
        assert (unit_shown, into) == (unit, pytest.approx(factor))


def test_what_lies_outside_is_said_in_the_readers_language(browser: Any, server: Running, tmp_path: Path) -> None:
    from tramontane.notice import Notice
    from tramontane.page.language.complaints import remark
    from tramontane.page.language.words import Words
    from tramontane.service.predictions.designs import warned
    from tramontane.service.predictions.schemas import Warned

    geometry = server.upload(part(tmp_path, (1.5, 0.7, 0.6), "long.stl").read_bytes(), "long.stl").json()["hash"]
    answer = server.predict(geometry, "body", parameters={"load": 80}, cells=2000).json()
    load, extent = (Warned.model_validate(each) for each in answer["warnings"])
    assert (load.input, load.unit, load.axis) == ("parameters.load", "daN", None)
    assert (extent.input, extent.unit, extent.axis) == ("geometry", "m", "x")
    fixed = Notice("range", "parameters.density", 2.0, 1.5, 1.5, "kg/m^3")
    for each in (load, extent, warned(fixed)):
        assert remark(Words("en"), each) == each.detail
        for language in ("fr", "de", "zh"):
            sentence = remark(Words(language), each)
            assert sentence != each.detail
            written = [f"{number:.4g}"[:4] for number in (each.value, each.low, each.high)]
            assert all(number.replace(".", Words(language).decimal) in sentence for number in written)
    note = Warned(code="geometry", input="geometry", detail="the geometry is not closed")
    assert remark(Words("fr"), note) == note.detail
    with Tab(browser, server.url, locale="fr-FR") as tab:
        tab.open(f"/page/predict?model=body&geometry={geometry}&p.load=80&cells=2000")
        tab.ready()
        verdict = tab.page.locator(".verdict.is-warning")
        verdict.wait_for()
        lines = verdict.inner_text().split("\n")
        share = 100 * (80 - load.high) / (load.high - load.low)
        expected = [
            f"load = 80 daN sort de la plage {load.low:.6g} à {load.high:.6g} daN, de {share:.0f} % de celle-ci",
            f"la géométrie mesure {extent.value:.4g} m selon x, les cas d’entraînement {extent.low:.4g} à "
            f"{extent.high:.4g} m",
        ]
        assert lines[-2:] == [line.replace(".", ",") for line in expected]
        tab.is_clean()
