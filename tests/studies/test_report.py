"""Reports of studies: what stands on the page, what is drawn, and that nothing is loaded."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.cantilever import CONTRACT, Cantilever
from tramontane.html_page import write_page
from tramontane.search.answers import AtHand
from tramontane.search.goals import Goals
from tramontane.search.loop import Search
from tramontane.search.space import Space, sobol
from tramontane.studies import doe, sensitivity, sweep
from tramontane.studies.parallel_coordinates import SCRIPT, STYLE, parallel_coordinates
from tramontane.studies.report import report_search
from tramontane.studies.study_charts import convergence_chart, front_chart, sweep_chart

DESIGNS = [[1.0, 10.0, 0.5], [2.0, 30.0, None], [3.0, 20.0, 0.25]]


def searched(**options: Any) -> Search:
    """Six designs of a cantilever, the last two of them predicted before."""
    goals = Goals.of(CONTRACT, **options)
    search = Search(AtHand(Cantilever()), Space.of(CONTRACT, fixed={"load": "1 kN"}), goals)
    search.start(4)
    search.answer()
    search.add(search.space.rows(sobol(2, 6)[4:]), "proposed")
    search.answer()
    return search


def drawn_lines(markup: str) -> list[list[str]]:
    return [json.loads(html.unescape(cells)) for cells in re.findall(r'data-cells="([^"]*)"', markup)]


def test_parallel_coordinates_have_a_line_and_the_numbers_of_each_design() -> None:
    markup = parallel_coordinates(["a [mm]", "b", "c"], DESIGNS, [["000"], ["001"], ["002"]], ["design"], {2})
    assert sorted(drawn_lines(markup)) == [
        ["000", "1", "10", "0.5"],
        ["001", "2", "30", ""],
        ["002", "3", "20", "0.25"],
    ]
    assert len(re.findall(r'<polyline class="best"', markup)) == 1
    (points,) = re.findall(r'class="best".*?points="([^"]*)"', markup)
    heights = [float(point.split(",")[1]) for point in points.split()]
    assert heights[0] < heights[1] < heights[2]  # the largest a stands on top, the least c below
    assert parallel_coordinates(["a"], [[1.0], [2.0]], [["0"], ["1"]], ["design"]) == ""


def test_many_designs_are_thinned_out_and_it_is_said() -> None:
    rows = np.random.default_rng(0).random((2000, 3)).tolist()
    markup = parallel_coordinates(["a", "b", "c"], rows, [[str(k)] for k in range(2000)], ["design"], {7})
    assert len(drawn_lines(markup)) <= 601
    assert "7" in {cells[0] for cells in drawn_lines(markup)}
    assert "of 2000 designs are drawn" in markup


def test_the_report_of_a_search_shows_best_so_far_and_what_was_predicted(tmp_path: Path) -> None:
    search = searched(minimise=["mass"], subject_to=["stress <= 100 MPa"])
    axes = convergence_chart(search.trials, search.goals).axes[0]
    assert axes.get_xlabel() == "run"
    assert axes.get_ylabel() == "mass [kg]"
    assert len(axes.containers) == 2  # bars of the two that were predicted
    file = report_search(tmp_path, "Beam <b>", "two\nlines", search.space, search.goals, search.trials, search.best())
    text = file.read_text()
    assert "Beam &lt;b&gt;" in text
    assert '<p class="">lines</p>' in text
    assert (tmp_path / "plots" / "convergence.png").read_bytes().startswith(b"\x89PNG")
    assert len(drawn_lines(text)) == 6
    assert not re.search(r"""(src|href)=["'](?!data:|#)|@import|url\((?!#)""", text)
    assert "default-src 'none'" in text


def test_two_objectives_have_a_front(tmp_path: Path) -> None:
    search = searched(minimise=["mass", "deflection"])
    axes = front_chart(search.trials, search.best(), search.goals).axes[0]
    every, front = axes.get_lines()
    assert len(every.get_xdata()) == 6
    assert (np.diff(front.get_xdata()) >= 0).all()
    assert (np.diff(front.get_ydata()) <= 0).all()
    report_search(tmp_path, "Beam", "", search.space, search.goals, search.trials, search.best())
    assert (tmp_path / "plots" / "front.png").is_file()


def test_a_sweep_has_a_curve_with_a_band_for_each_value_of_the_second_parameter(tmp_path: Path) -> None:
    vary = {"height": "20:60 mm", "width": "20:40 mm"}
    swept = sweep(Cantilever(factor=1.1), out=tmp_path / "s", vary=vary, steps={"height": 5, "width": 2})
    axes = sweep_chart(swept.trials, swept.space, swept.outputs[1]).axes[0]
    curves = axes.get_lines()
    assert [curve.get_label() for curve in curves] == ["width = 20 mm", "width = 40 mm"]
    assert curves[0].get_xdata() == pytest.approx([20, 30, 40, 50, 60])
    assert axes.get_ylabel() == "stress [MPa]"
    assert len(axes.collections) == 2
    assert sorted(file.name for file in (tmp_path / "s" / "plots").iterdir()) == [
        "deflection.png", "mass.png", "stress.png"
    ]  # fmt: skip
    text = (tmp_path / "s" / "report.html").read_text()
    assert len(drawn_lines(text)) == 10
    assert "3.14 (3.109 to 3.171)" in text  # kg, of the first design


def test_reports_of_designs_and_of_sensitivity(tmp_path: Path) -> None:
    pytest.importorskip("SALib", reason="pip install 'tramontane[search]'")
    doe(Cantilever(), 12, out=tmp_path / "d")
    assert len(drawn_lines((tmp_path / "d" / "report.html").read_text())) == 12
    sensitivity(tmp_path / "d", out=tmp_path / "s", outputs=["mass"])
    text = (tmp_path / "s" / "report.html").read_text()
    assert text.count("<svg") == 2
    assert "in all" in text
    assert {file.name for file in (tmp_path / "s" / "plots").iterdir()} == {"mass_indices.png", "mass_effects.png"}


def test_a_click_keeps_a_designs_numbers(browser: Any, tmp_path: Path) -> None:
    markup = parallel_coordinates(["a", "b", "c"], DESIGNS, [["000"], ["001"], ["002"]], ["design"])
    write_page(tmp_path / "page.html", "Page", "", [STYLE, markup], script=SCRIPT)
    page = browser.new_page()
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.goto((tmp_path / "page.html").as_uri())
    lines, shown = page.locator("polyline"), page.locator(".design")
    lines.nth(2).dispatch_event("click")
    lines.nth(0).dispatch_event("pointerenter")
    assert shown.inner_text().split() == ["design", "002", "a", "3", "b", "20", "c", "0.25"]
    lines.nth(2).dispatch_event("click")
    lines.nth(0).dispatch_event("pointerenter")
    assert shown.inner_text().split()[:2] == ["design", "000"]
    page.close()
    assert wrong == []
