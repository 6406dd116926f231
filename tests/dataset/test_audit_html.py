"""The page of an audit stands alone, escapes what it is given, and shows what is wrong."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import pyvista as pv
from numpy.typing import NDArray
from PIL import Image
from typer.testing import CliRunner

from helpers.ellipsoids import ellipsoid
from tramontane.case import Case
from tramontane.cli import app
from tramontane.dataset.audit.charts import histogram
from tramontane.dataset.audit.facts import Problem
from tramontane.dataset.audit.html import write_report
from tramontane.dataset.audit.pictures import draw
from tramontane.dataset.audit.report import audit, inspect_path
from tramontane.errors import DatasetError, FormatError
from tramontane.formats import write_case
from tramontane.units import Quantity

EVIL = '<script>alert("x")</script>'
VOID = {"meta", "img", "line", "rect", "path", "br"}


class Page(HTMLParser):
    """A page's elements and texts; every element that was opened must be closed in its place."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.stack: list[str] = []
        self.feed(text)
        self.close()
        assert self.stack == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def says(self, words: str) -> bool:
        return words in " ".join(self.texts)


def some(count: int = 6) -> list[Case]:
    return [ellipsoid(f"{index}", (1.0 - 0.05 * index, 0.8, 0.6), 100.0 + 10 * index) for index in range(count)]


def page(file: Path) -> Page:
    return Page(file.read_text(encoding="utf-8"))


def pixels(png: bytes) -> NDArray[np.int64]:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), dtype=np.int64)


def reddish(image: NDArray[np.int64]) -> int:
    """How many pixels have the colour in which bad places and open edges are marked."""
    red, green, blue = image[..., 0], image[..., 1], image[..., 2]
    return int(((red > 90) & (red > 2.2 * green) & (red > 1.4 * blue)).sum())


def test_a_page_holds_the_whole_set_and_nothing_from_outside(tmp_path: Path) -> None:
    cases = some()
    cases[3].meshes["surface"].point_data["pressure"] *= 1000
    result = audit(cases)
    write_report(result, tmp_path / "new" / "report.html", title="Ellipsoids")
    text = (tmp_path / "new" / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"(?:https?:)?//[a-z]", text)
    shown = Page(text)
    assert [name for name, _ in shown.elements if name in ("link", "iframe", "object", "base")] == []
    assert all("src" not in attributes for attributes in shown.all("script"))
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in shown.all("meta")
    assert shown.says("Ellipsoids")
    assert len([row for row in shown.all("tr") if row]) == 6
    assert {"class": "warning"} in shown.all("tr")
    assert shown.says("times as large as in the median of the other cases; check its unit (as between kPa and Pa)")
    labels = [attributes["aria-label"] for attributes in shown.all("svg")]
    assert len(labels) == 2 + 4 + 3
    assert "parameter load: 100 to 150 N" in labels
    assert shown.all("img") == []  # nothing can read the cases again
    assert list((tmp_path / "new").iterdir()) == [tmp_path / "new" / "report.html"]


def test_columns_carry_what_they_are_sorted_by(tmp_path: Path) -> None:
    cases = some()
    cases[2].provenance.extra["residuals"] = {"p": 2e-3}
    write_report(audit(cases), tmp_path / "report.html")
    cells = [attributes["data-sort"] for attributes in page(tmp_path / "report.html").all("td")]
    rows = [cells[start : start + 8] for start in range(0, len(cells), 8)]
    assert [row[0] for row in rows] == list("012345")
    assert [row[5] for row in rows] == ["", "", "0.002", "", "", ""]
    assert [float(row[4] or "nan") for row in rows] == pytest.approx(
        [1.98, 1.881, 1.782, 1.683, 1.584, 1.584], rel=1e-3
    )
    heads = page(tmp_path / "report.html").all("button")
    assert len(heads) == 8


def test_names_cannot_become_markup(tmp_path: Path) -> None:
    cases = some()
    evil = cases[4]
    evil.name = EVIL
    evil.design.parameters["load"] = Quantity(float("inf"), "N")
    for case in cases:
        case.meshes["surface"].point_data['<img src="x">'] = np.arange(162.0) + 1
        case.field_units['<img src="x">'] = "<b>"
        case.provenance.solver = "</style><i>"
        case.qoi["\"onload='"] = 1.0 + float(case.name) if case is not evil else 1e9
    result = audit(cases)
    result.note("error", "\udcff\n&amp;", "files", f"{EVIL} is & stays \udcff text")
    write_report(result, tmp_path / "report.html", title=EVIL, read_again=lambda name: _no(name))
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    shown = Page(text)
    assert len(shown.all("script")) == 1
    assert shown.all("img") == []
    assert not [name for name, _ in shown.elements if name in ("b", "i") and "onload" in str(_)]
    assert not any("onload" in attributes for _, attributes in shown.elements)
    assert shown.says(EVIL)
    assert shown.says("</style><i>")
    assert text.count("<script>") == 1


def _no(name: str) -> Case:
    raise FormatError(f"{name}: <gone>")


def test_a_case_that_cannot_be_read_again_is_said(tmp_path: Path) -> None:
    cases = some()
    cases[3].meshes["surface"].point_data["pressure"] *= 1000
    write_report(audit(cases), tmp_path / "report.html", read_again=_no)
    assert page(tmp_path / "report.html").says("No picture of case 3, field surface/pressure: 3: <gone>")


def test_pictures_of_the_worst_are_in_the_page(tmp_path: Path) -> None:
    cases = some()
    cases[1].meshes["volume"].point_data["displacement"][[3, 40]] = np.nan
    cases[2].meshes["surface"].point_data["pressure"] *= 1000
    cases[4].meshes["surface"].point_data["pressure"][7] = np.inf
    shape = cases[3].design.geometry
    assert isinstance(shape, pv.PolyData)
    cases[3].design.geometry = shape.extract_cells(range(290)).extract_surface(algorithm=None)
    by_name = {case.name: case for case in cases}
    write_report(audit(cases), tmp_path / "report.html", read_again=by_name.__getitem__)
    images = page(tmp_path / "report.html").all("img")
    assert sorted(str(image["alt"]) for image in images) == [
        "case 1: volume/displacement, its magnitude; 2 places without a finite number are marked",
        "case 2: surface/pressure",
        "case 3: geometry, 1.683 x 1.584 x 1.2 m; 22 open edges are marked",
        "case 4: surface/pressure; 1 places without a finite number are marked",
    ]
    for image in images:
        kind, data = str(image["src"]).split(",")
        assert kind == "data:image/png;base64"
        assert pixels(base64.b64decode(data)).std() > 5
    write_report(audit(cases), tmp_path / "report.html", read_again=by_name.__getitem__, pictures=1)
    (image,) = page(tmp_path / "report.html").all("img")
    assert str(image["alt"]).startswith("case 1: ")  # an error goes first


def picture(case: Case, place: str) -> NDArray[np.int64]:
    drawn = draw(case, Problem("warning", case.name, place, ""))
    assert drawn is not None
    return pixels(drawn.png)


def test_open_edges_and_bad_places_are_marked_and_whole_ones_are_not() -> None:
    case, shape = some(1)[0], some(1)[0].design.geometry
    assert isinstance(shape, pv.PolyData)
    assert reddish(picture(case, "geometry")) == 0
    case.design.geometry = shape.extract_cells(range(290)).extract_surface(algorithm=None)
    assert reddish(picture(case, "geometry")) > 200
    assert reddish(picture(case, "field surface/pressure")) == 0
    case.meshes["surface"].point_data["pressure"][np.argmax(case.meshes["surface"].points[:, 2])] = np.nan
    assert reddish(picture(case, "field surface/pressure")) > 50


def test_every_kind_of_field_can_be_drawn_and_what_is_not_there_is_not() -> None:
    case = some(1)[0]
    case.meshes["surface"].cell_data["flux"] = np.linspace(0, 1, 320)
    case.meshes["surface"].point_data["lost"] = np.full(162, np.nan)
    case.meshes["surface"].point_data["even"] = np.ones(162)
    case.meshes["particles"] = pv.PolyData(np.random.default_rng(0).normal(size=(50, 3)))
    case.meshes["particles"].point_data["mass"] = np.arange(50.0)
    for place in ("field surface/flux", "field surface/lost", "field particles/mass", "field volume/displacement"):
        assert picture(case, place).std() > 2
    for place in ("field surface/even", "field surface/gone", "field gone/pressure", "files", "parameter load"):
        assert draw(case, Problem("warning", case.name, place, "")) is None
    assert draw(Case("empty", case.design.with_geometry(None)), Problem("error", "empty", "geometry", "")) is None


def test_a_histogram_counts_every_case_and_marks_the_odd() -> None:
    values = {str(index): float(index) for index in range(100)} | {"odd": 150.0, "bad": float("nan")}
    drawn = Page(histogram({"": values}, label="load", unit="N", odd=["odd", "bad"]))
    (label,) = (attributes["aria-label"] for attributes in drawn.all("svg"))
    assert label == "load: 0 to 150 N"
    heights = [float(str(bar["height"])) for bar in drawn.all("rect")]
    assert max(heights) == 90.0
    assert len(drawn.all("path")) == 1
    assert drawn.says("odd: 150 N")
    assert drawn.says("1 not finite")
    assert not drawn.says("logarithmic")
    assert Page(histogram({"": {"a": 1.0, "b": 1000.0}}, label="load")).says("logarithmic")
    assert Page(histogram({"": {"a": float("nan")}}, label="load")).says("load: no finite values")
    assert len(Page(histogram({"": {"a": 2.0, "b": 2.0}}, label="load")).all("rect")) == 1


def test_a_set_without_anything_has_a_page(tmp_path: Path) -> None:
    write_report(audit([]), tmp_path / "report.html")
    assert page(tmp_path / "report.html").says("Nothing looks wrong.")


def test_a_page_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match=r"report\.html: cannot be written"):
        write_report(audit([]), tmp_path / "file" / "report.html")


def test_inspect_writes_the_page(tmp_path: Path) -> None:
    cases = some()
    cases[3].meshes["surface"].point_data["pressure"] *= 1000
    for case in cases:
        write_case(case, tmp_path / "cases" / case.name)
    mesh = pv.read(tmp_path / "cases" / "1" / "surface.vtp")
    mesh["pressure"][8] = np.nan
    mesh.save(tmp_path / "cases" / "1" / "surface.vtp")
    report = tmp_path / "report.html"
    result = CliRunner().invoke(app, ["inspect", str(tmp_path / "cases"), "--html", str(report)])
    assert result.exit_code == 0, result.output
    assert f"Wrote {report}" in result.output.replace("\n", "")
    shown = page(report)
    assert shown.says("folder of cases")
    alts = [str(image["alt"]) for image in shown.all("img")]
    assert alts[0] == "case 1: surface/pressure; 1 places without a finite number are marked"
    assert alts[1] == "case 3: surface/pressure"


def test_a_mesh_alone_has_a_page_with_its_picture(tmp_path: Path) -> None:
    mesh = some(1)[0].meshes["surface"]
    mesh["pressure"][4] = np.nan
    mesh.save(tmp_path / "part.vtp")
    write_report(inspect_path(tmp_path / "part.vtp"), tmp_path / "report.html")
    (image,) = page(tmp_path / "report.html").all("img")
    assert image["alt"] == "case part: part/pressure; 1 places without a finite number are marked"
