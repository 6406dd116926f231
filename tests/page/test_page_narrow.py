"""The pages on a telephone, 390 px wide, in a real browser: nothing scrolls sideways, no cell of a table is cut off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from helpers.browsing import Tab
from helpers.ellipsoids import write_family
from helpers.serving import Running, part, until
from tramontane.dataset import Dataset

pytest.importorskip("nicegui", reason="the page needs nicegui: pip install 'tramontane[serve]'")

WIDTH = 390
CUT_OFF = """() => {
  const cells = [...document.querySelectorAll('td, th')].map(e => [e, e.getBoundingClientRect()])
    .filter(([, b]) => b.width);
  const inner = [...document.querySelectorAll('td input:not(.q-select__focus-target), td .ellipsis')];
  const over = ([, a], [, b]) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2
    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2;
  return [
    ...cells.filter(([e, b]) => b.left < -1 || b.right > innerWidth + 1 || e.scrollWidth > e.clientWidth + 1),
    ...cells.filter((one, k) => cells.some((other, l) => l > k && over(one, other))),
    ...inner.filter(e => e.scrollWidth > e.clientWidth + 1).map(e => [e]),
  ].map(([e]) => e.innerText || e.value || e.outerHTML);
}"""
"""Cells and fields that stick out of their place, lie on one another, or show a part of their text."""


def fits(tab: Tab, name: str, cells: int) -> None:
    """What a page of so many cells at least shows has room on it."""
    tab.page.wait_for_function("cells => document.querySelectorAll('td').length >= cells", arg=cells)
    tab.picture(f"narrow-{name}")
    assert tab.page.evaluate("[innerWidth, document.documentElement.scrollWidth]") == [WIDTH, WIDTH], name
    assert tab.page.evaluate(CUT_OFF) == [], name


def test_nothing_is_cut_off_on_a_telephone(browser: Any, saved: Path, dataset: Dataset, tmp_path: Path) -> None:
    cases = write_family(tmp_path / "cases", 6)
    with (
        Running(saved.parent, tmp_path / "state", "--data", str(dataset.path), "--results", str(cases)) as server,
        Tab(browser, server.url, viewport={"width": WIDTH, "height": 844}) as tab,
    ):
        tab.page.set_default_timeout(300_000)
        sizes = {"a part with a rather long name for so narrow a screen.stl": (0.8, 0.7, 0.6), "b.stl": (0.7, 0.9, 0.6)}
        hashes = [server.upload(part(tmp_path, size, name).read_bytes(), name).json()["hash"]
                  for name, size in sizes.items()]  # fmt: skip
        designs = [{"geometry": hashes[i % 2], "parameters": {"load": load}} for i, load in enumerate((200, 300, 5000))]
        job = server.http.post("/v1/jobs", json={"model": "model", "designs": designs, "cells": 500}).json()["id"]
        ingest = server.http.post("/v1/ingests", json={"results": "cases"}).json()["id"]

        tab.open(f"/page/predict?model=model&geometry={hashes[0]}&cells=500")
        tab.ready()
        fits(tab, "predict", 0)
        tab.open(
            "/page/compare?" + "&".join(f"{x}.model=model&{x}.geometry={h}" for x, h in zip("ab", hashes, strict=True))
        )
        tab.ready(3)
        fits(tab, "compare", 3)
        tab.open("/page/evaluation")
        tab.page.get_by_role("button", name="Evaluate").click()
        tab.ready(3)
        fits(tab, "evaluation", 2 * len(dataset.contract.qoi))
        tab.open("/page/")  # whose cards have that evaluation
        fits(tab, "models", 2 * len(dataset.contract.qoi))
        until(lambda: server.http.get(f"/v1/jobs/{job}").json()["state"] == "done", 300)
        tab.open(f"/page/rank?job={job}")
        tab.page.locator("[data-verdict=outside]").wait_for()
        fits(tab, "rank", 3 * (2 + len(dataset.contract.qoi)))
        tab.open(f"/page/ingest?id={ingest}")
        tab.page.locator("[data-entry='parameters//load']").wait_for()
        fits(tab, "ingest", 7)
        tab.is_clean()
