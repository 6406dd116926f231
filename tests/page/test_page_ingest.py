"""A folder of results on the page, in a real browser: inspected, its contract edited, made a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from helpers.browsing import Tab
from helpers.ellipsoids import write_family
from helpers.serving import Running

pytest.importorskip("nicegui", reason="the page needs nicegui: pip install 'tramontane[serve]'")

PATIENCE = 300_000  # ms


def test_a_folder_is_inspected_edited_and_made_a_dataset(browser: Any, tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    cases = write_family(tmp_path / "cases", 8)
    (cases / "007" / "case.json").write_text("{")
    with (
        Running(models, tmp_path / "state", "--results", str(cases)) as server,
        Tab(browser, server.url) as tab,
    ):
        tab.page.set_default_timeout(PATIENCE)
        tab.open("/page/data")
        tab.page.get_by_role("button", name="Add a dataset").click()
        tab.page.wait_for_url("**/page/ingest**")
        tab.page.locator("[data-do=look]").click()
        tab.page.locator("[data-state=done]").wait_for()
        assert tab.page.locator("[data-cases]").inner_text() == "7 cases can be used, 1 are left out"
        assert "007" in tab.page.locator("[data-finding=error]").inner_text()
        load = tab.page.locator("[data-entry='parameters//load']")
        unit = load.locator("input[data-part=unit]")
        unit.fill("no unit")
        load.get_by_text("this unit is not known").wait_for()
        tab.page.locator("[data-do=ingest]").click()
        tab.page.locator(".q-notification", has_text="Mend the fields").wait_for()
        unit.fill("N")
        load.get_by_text("this unit is not known").wait_for(state="detached")
        high = load.locator("input[data-part=high]")
        high.fill("50")
        high.press("Enter")
        load.get_by_text("low is above high").wait_for()
        high.fill("600")
        high.press("Enter")
        load.get_by_text("low is above high").wait_for(state="detached")
        load.locator("input[data-part=name]").fill("force")
        tab.page.locator("[data-entry='qoi//mass'] [role=checkbox]").click()
        tab.picture("ingest")
        tab.page.locator("[data-name]").fill("edited")
        tab.page.locator("[data-do=ingest]").click()
        tab.page.locator("[data-do=open]").wait_for()
        assert tab.page.locator("[data-cases]").inner_text() == "7 cases are in the dataset, 1 were left out"
        (listed,) = server.http.get("/v1/datasets").json()["datasets"]
        assert (listed["name"], listed["cases"], "force" in listed["parameters"]) == ("edited", 7, True)
        assert set(listed["qoi"]) == {"charge", "peak_pressure"}
        tab.page.locator("[data-do=open]").click()
        tab.page.wait_for_url("**/page/data?set=edited")
        assert "force [N]" in tab.page.locator("thead").first.inner_text()
        tab.page.set_viewport_size({"width": 390, "height": 844})
        tab.open("/page/ingest")
        tab.page.locator("[data-run]").nth(1).click()
        tab.page.locator("[data-entry='parameters//load']").wait_for()
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= 390
        tab.picture("ingest-390")
        tab.is_clean()
