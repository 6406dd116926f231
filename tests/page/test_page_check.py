"""A check on the page: the solver's numbers beside the prediction, and the count on the model's card."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("nicegui", reason="the page needs nicegui: pip install 'tramontane[serve]'")

from helpers.browsing import Tab
from helpers.checked_models import SOLVER, save_beams, save_shapes
from helpers.once import once
from helpers.serving import Running
from tramontane.bundle import adopt, version_path
from tramontane.design import Design
from tramontane.solvers import create

WHERE = "/page/predict?model=beams&p.length=500&p.width=45&p.height=45&p.load=500"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of beams with two versions, the first promoted."""
    made = once(tmp_path_factory, "checked beams", save_beams) / "models"
    folder = Path(shutil.copytree(made, tmp_path_factory.mktemp("checked") / "models"))
    adopt(folder / "beams")
    other = save_beams(tmp_path_factory.mktemp("checked") / "other", 16)
    shutil.copytree(other / "beams", version_path(folder / "beams", 2))
    shutil.copytree(once(tmp_path_factory, "checked shapes", save_shapes) / "model", folder / "shapes")
    return folder


@pytest.fixture(scope="module")
def server(models: Path) -> Iterator[Running]:
    with Running(models, models.parent / "state", "--solver", str(SOLVER)) as running:
        yield running


def test_an_answer_is_checked_beside_it_and_counted(browser: Any, server: Running) -> None:
    with Tab(browser, server.url) as tab:
        tab.open(WHERE)
        deflection = tab.qoi("deflection")
        tab.page.locator("[data-check]").click()
        tab.page.locator("[data-checked] .q-spinner").wait_for()  # it says that it works
        solved = tab.page.locator("[data-solved=deflection]")
        solved.wait_for(timeout=120_000)
        assert float(solved.get_attribute("data-value")) != pytest.approx(deflection, rel=0.5)
        assert solved.locator("[data-held=no]").inner_text() == "interval not held"
        assert tab.page.locator("[data-solved=max_stress] [data-held=yes]").count() == 1
        assert "Not all intervals" in tab.page.locator("[data-checked] .verdict").inner_text()
        tab.picture("check")
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= 1280
        # What was said of one design does not stand beside another.
        field = tab.page.locator(".parameter-number input").first
        field.fill("450")
        field.press("Enter")
        tab.page.locator("[data-solved]").first.wait_for(state="detached")
        tab.page.locator("[data-check]").wait_for()
        tab.open("/page/")
        card = tab.page.locator("[data-model=beams]")
        assert card.locator("[data-checks]").inner_text() == "Checked by a solver: 0 of 1 held"
        # One card for all versions, which names them.
        assert tab.page.locator("[data-model]").count() == 2
        versions = card.locator("[data-versions] a")
        assert versions.all_inner_texts() == ["@1", "@2"]
        assert card.locator("[data-versions] [aria-current=true]").inner_text() == "@1"
        versions.nth(1).click()
        assert tab.qoi("deflection") != deflection
        tab.is_clean()


def test_a_solver_of_dimensions_asks_for_those_of_a_shape(browser: Any, server: Running, tmp_path: Path) -> None:
    shape = create(SOLVER).geometry(Design(None, length=500, width=45, height=45))
    shape.save(tmp_path / "part.stl")
    geometry = server.upload((tmp_path / "part.stl").read_bytes()).json()["hash"]
    with Tab(browser, server.url) as tab:
        tab.open(f"/page/predict?model=shapes&geometry={geometry}&unit=m&p.load=500")
        tab.qoi("mass")
        button = tab.page.locator("[data-check]")
        assert button.is_disabled()
        for name, value in (("length", "50 cm"), ("width", "45"), ("height", "45 mm")):
            field = tab.page.locator(f"[data-dimension={name}]")
            field.fill(value)
            field.press("Enter")
        button.click()
        tab.page.locator("[data-solved=mass] [data-held]").wait_for(timeout=120_000)
        tab.is_clean()
