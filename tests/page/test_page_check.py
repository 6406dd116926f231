"""A check on the page: the solver's numbers beside the prediction, and the count on the model's card."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("nicegui", reason="the page needs nicegui: pip install 'tramontane[serve]'")
pytest.importorskip("ngsolve", reason="the embedded solvers are missing: pip install 'tramontane[solve]'")

from helpers.browsing import Tab
from helpers.cylinder_tables import save_cylinders, save_shapes
from helpers.once import once
from helpers.serving import Running
from tramontane.bundle import adopt, version_path
from tramontane.design import Design
from tramontane.solvers import create

WHERE = "/page/predict?model=cylinders&p.reynolds=20&p.centre_x=0.2&p.centre_y=0.2&p.radius=0.05"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of cylinders with two versions, the first promoted."""
    made = once(tmp_path_factory, "cylinders", save_cylinders) / "models"
    folder = Path(shutil.copytree(made, tmp_path_factory.mktemp("checked") / "models"))
    adopt(folder / "cylinders")
    other = save_cylinders(tmp_path_factory.mktemp("checked") / "other", 16)
    shutil.copytree(other / "cylinders", version_path(folder / "cylinders", 2))
    shutil.copytree(save_shapes(tmp_path_factory.mktemp("checked") / "shapes"), folder / "shapes")
    return folder


@pytest.fixture(scope="module")
def server(models: Path) -> Iterator[Running]:
    with Running(models, models.parent / "state", "--solver", "cylinder") as running:
        yield running


def test_an_answer_is_checked_beside_it_and_counted(browser: Any, server: Running) -> None:
    with Tab(browser, server.url) as tab:
        tab.open(WHERE)
        drag = tab.qoi("drag")
        tab.page.locator("[data-check]").click()
        tab.page.locator("[data-checked] .q-spinner").wait_for()  # it says that it works
        solved = tab.page.locator("[data-solved=drag]")
        solved.wait_for(timeout=120_000)
        assert float(solved.get_attribute("data-value")) != pytest.approx(drag, rel=0.5)
        assert solved.locator("[data-held=no]").inner_text() == "interval not held"
        assert tab.page.locator("[data-solved=pressure_drop] [data-held=yes]").count() == 1
        assert "Not all intervals" in tab.page.locator("[data-checked] .verdict").inner_text()
        tab.picture("check")
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= 1280
        # What was said of one design does not stand beside another.
        field = tab.page.locator(".parameter-number input").first
        field.fill("30")
        field.press("Enter")
        tab.page.locator("[data-solved]").first.wait_for(state="detached")
        tab.page.locator("[data-check]").wait_for()
        tab.open("/page/")
        card = tab.page.locator("[data-model=cylinders]")
        assert card.locator("[data-checks]").inner_text() == "Checked by a solver: 0 of 1 held"
        # One card for all versions, which names them.
        assert tab.page.locator("[data-model]").count() == 2
        versions = card.locator("[data-versions] a")
        assert versions.all_inner_texts() == ["@1", "@2"]
        assert card.locator("[data-versions] [aria-current=true]").inner_text() == "@1"
        versions.nth(1).click()
        assert tab.qoi("drag") != drag
        tab.is_clean()


def test_a_solver_of_dimensions_asks_for_those_of_a_shape(browser: Any, server: Running, tmp_path: Path) -> None:
    shape = create("cylinder").geometry(Design(None, centre_x=0.2, centre_y=0.2, radius=0.05))
    shape.save(tmp_path / "part.stl")
    geometry = server.upload((tmp_path / "part.stl").read_bytes()).json()["hash"]
    with Tab(browser, server.url) as tab:
        tab.open(f"/page/predict?model=shapes&geometry={geometry}&p.reynolds=20")
        tab.qoi("drag")
        button = tab.page.locator("[data-check]")
        assert button.is_disabled()
        for name, value in (("centre_x", "20 cm"), ("centre_y", "0.2"), ("radius", "50 mm")):
            field = tab.page.locator(f"[data-dimension={name}]")
            field.fill(value)
            field.press("Enter")
        button.click()
        tab.page.locator("[data-solved=drag] [data-held]").wait_for(timeout=120_000)
        tab.is_clean()
