"""Many parts and a table of designs on the page, in a real browser: answered by a job, sorted, saved, opened."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from helpers.browsing import Tab
from helpers.serving import Running, part
from tramontane.units import in_si

pytest.importorskip("nicegui", reason="the page needs nicegui: pip install 'tramontane[serve]'")

SAID = "said => document.querySelector('[data-said]').textContent.startsWith(said)"
PATIENCE = 300_000  # ms; uploads give way to everything else
LINES = 40


def test_parts_and_a_table_become_a_ranking(browser: Any, saved: Path, tmp_path: Path) -> None:
    axes = {"small.stl": (0.6, 0.6, 0.6), "large.stl": (0.9, 0.8, 0.7)}
    files = [str(part(tmp_path, each, name)) for name, each in axes.items()]
    broken, table = tmp_path / "broken.stl", tmp_path / "designs.csv"
    broken.write_text("<html>no part</html>")
    with Running(saved.parent, tmp_path / "state") as server, Tab(browser, server.url) as tab:
        trained = server.http.get("/v1/models/model").json()["parameters"]["load"]
        share = (trained["high"] - trained["low"]) / (LINES + 1)
        loads = [round(trained["low"] + (line + 1) * share, 1) for line in range(LINES)]
        lines = [f"d{line},{'small.stl' if line % 2 else 'large.stl'},{load}" for line, load in enumerate(loads)]
        table.write_text("\n".join(["design,part,load [N]", *lines, "d-none,away.stl,200", "d-far,small.stl,5000"]))
        tab.page.set_default_timeout(PATIENCE)
        tab.open("/page/rank")
        tab.page.get_by_text("Drop parts on the left").wait_for()
        tab.page.set_input_files("input[type=file]", [*files, str(broken), str(table)])
        tab.page.wait_for_function(SAID, arg=f"0 of {LINES + 3} predicted")
        for name, why in (("broken.stl", "STL"), ("d-none", "away.stl, was not sent")):
            row = tab.page.locator("tbody tr", has_text=name)
            tab.page.locator("thead th", has_text="Verdict").click() if row.count() == 0 else None
            row.locator("[data-verdict=failed]", has_text=why).wait_for()
        tab.page.locator("[data-do=start]").click()
        tab.page.wait_for_function(SAID, arg=f"{LINES + 1} of {LINES + 3} predicted, 1 outside the trained range, 2")
        # The API's own job, and its own answers.
        (job,) = server.http.get("/v1/jobs").json()["jobs"]
        assert (job["done"], job["failed"], tab.parameter("job")) == (LINES + 1, 0, job["id"])
        designs = server.http.get(f"/v1/jobs/{job['id']}/designs?count=1000").json()["designs"]
        # Small meshes, as only QoIs are shown: they are those of any mesh.
        own = designs[0]["summary"]
        fine = server.predict(designs[0]["geometry"], parameters=designs[0]["parameters"], cells=20_000).json()
        assert own["domains"]["surface"]["cells"] < fine["domains"]["surface"]["cells"] / 5
        for name, quantity in fine["qoi"].items():
            assert own["qoi"][name]["value"] == pytest.approx(quantity["value"], rel=1e-9)
        charge = tab.page.locator("thead th", has_text="charge")
        charge.click()
        least, most = (pick(each["summary"]["qoi"]["charge"]["value"] for each in designs) for pick in (min, max))
        first = "text => document.querySelector('tbody tr').innerText.includes(text)"
        place = next(i for i, each in enumerate(designs) if each["summary"]["qoi"]["charge"]["value"] == least)
        tab.page.wait_for_function(first, arg=f"d{place}\t")
        charge.click()
        tab.page.wait_for_function(first, arg="d-far")
        assert designs[-1]["summary"]["qoi"]["charge"]["value"] == most
        outside = tab.page.locator("tbody tr").first.locator("[data-verdict=outside]")
        assert "load = 5000 N lies outside" in outside.inner_text()
        tab.picture("rank")
        with tab.page.expect_download() as begun:
            tab.page.locator("[data-do=csv]").click()
        rows = list(csv.DictReader(io.StringIO(Path(begun.value.path()).read_text(encoding="utf-8-sig"))))
        assert [row["verdict"] for row in rows].count("failed") == 2
        row_of = {row["part"]: row for row in rows}
        for each, load in zip(designs, loads, strict=False):
            row, qoi = row_of[f"d{each['index']}"], each["summary"]["qoi"]["charge"]
            assert float(row["load [N]"]) == load
            (head,) = (name for name in row if name.startswith("predicted charge ["))
            unit = head.removeprefix("predicted charge [").removesuffix("]")
            assert in_si(float(row[head]), unit) == pytest.approx(in_si(qoi["value"], qoi["unit"]), rel=1e-6)
        # A job outlives the page, and is found by its address.
        tab.page.reload()
        tab.page.wait_for_function(SAID, arg=f"{LINES + 1} of {LINES + 1} predicted")
        tab.page.set_viewport_size({"width": 390, "height": 844})
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= 390
        tab.picture("rank-390")
        link = tab.page.locator("tbody tr td a").first
        target = link.get_attribute("href")
        link.click()
        tab.page.wait_for_url("**/page/predict?**")
        tab.ready()
        assert tab.parameter("geometry") in target
        assert f"p.load={tab.parameter('p.load')}" in target
        tab.wrong = [message for message in tab.wrong if "422" not in message]  # the browser notes the refusal
        tab.is_clean()


def test_a_job_can_be_ended_and_gone_on_with(browser: Any, saved: Path, tmp_path: Path) -> None:
    with Running(saved.parent, tmp_path / "state", "--workers", "1") as server, Tab(browser, server.url) as tab:
        tab.page.set_default_timeout(PATIENCE)
        geometry = server.upload(part(tmp_path, (0.8, 0.7, 0.6)).read_bytes(), "one.stl").json()["hash"]
        designs = [{"geometry": geometry, "parameters": {"load": 100 + step}} for step in range(60)]
        job = server.http.post("/v1/jobs", json={"model": "model", "designs": designs}).json()["id"]
        tab.open(f"/page/rank?job={job}")
        tab.page.locator("[data-do=cancel]").click()
        tab.page.locator("[data-do=resume]").wait_for()
        assert server.http.get(f"/v1/jobs/{job}").json()["state"] == "cancelled"
        assert "waiting" in tab.page.locator("tbody").inner_text()
        tab.page.locator("[data-do=resume]").click()
        tab.page.wait_for_function(SAID, arg="60 of 60 predicted")
        assert "one.stl" in tab.page.locator("tbody tr").first.inner_text()
        tab.is_clean()
