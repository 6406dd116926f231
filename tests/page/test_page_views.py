"""Views of bodies in a wind and of bars that bend, in a real browser."""

from __future__ import annotations

import base64
import io
import itertools
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvista as pv

from helpers import flow_cases
from helpers.browsing import Tab
from helpers.serving import Running
from tramontane.surrogate.fit import fit

pytest.importorskip("nicegui", reason="the page needs nicegui: pip install 'tramontane[serve]'")

CELLS = 3000
AXES, BAR = (0.5, 0.5, 0.5), (0.1, 0.02, 0.02)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("views")
    fit(flow_cases.wind_dataset(folder / "wind"), model="classical").save(folder / "models" / "wind")
    fit(flow_cases.bent_dataset(folder / "bent"), model="classical").save(folder / "models" / "bent")
    with Running(folder / "models", folder / "state") as running:
        yield running


def file(folder: Path, case: Any, name: str) -> Path:
    """A case's part."""
    case.design.geometry.save(folder / name)
    return folder / name


@pytest.fixture(scope="module")
def links(server: Running, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Of the page Predict, for each model's part."""
    folder = tmp_path_factory.mktemp("parts")
    cases = {"wind": flow_cases.wind("w", AXES, 30.0), "bent": flow_cases.bent("b", BAR, 300.0)}
    addresses = {}
    for model, case in cases.items():
        name = f"{model} part.stl"
        geometry = server.upload(file(folder, case, name).read_bytes(), name).json()["hash"]
        given = "p.speed=30" if model == "wind" else "p.load=300"
        addresses[model] = f"/page/predict?model={model}&geometry={geometry}&unit=m&cells={CELLS}&{given}"
    return addresses


@pytest.fixture
def tab(browser: Any, server: Running) -> Iterator[Tab]:
    with Tab(browser, server.url) as opened:
        yield opened
        opened.is_clean()


def towards(tab: Tab) -> np.ndarray:
    """The direction in which the camera looks."""
    camera = np.array(tab.camera())
    return (camera[3:] - camera[:3]) / np.linalg.norm(camera[3:] - camera[:3])


def triad(tab: Tab) -> dict[str, list[float]]:
    """Where each axis points in the corner: to the right and up, pixels."""
    axes = tab.page.locator(".field-view-triad g")
    return {axes.nth(i).get_attribute("data-axis"): [float(x) for x in axes.nth(i).get_attribute("data-end").split()]
            for i in range(axes.count())}  # fmt: skip


@pytest.mark.parametrize("model", ["wind", "bent"])
def test_one_looks_along_an_axis_and_pressed_again_against_it(tab: Tab, links: dict[str, str], model: str) -> None:
    tab.open(links[model])
    tab.ready()
    for preset, axis, ends in (("front", [1, 0, 0], {"y": [-24, 0], "z": [0, 24]}),
                               ("left", [0, 1, 0], {"x": [24, 0], "z": [0, 24]}),
                               ("top", [0, 0, -1], {"x": [24, 0], "y": [0, 24]})):  # fmt: skip
        button = tab.page.locator(f"[data-preset={preset}]")
        button.click()
        assert towards(tab) == pytest.approx(axis, abs=1e-3)
        axes = triad(tab)
        assert set(axes) == {"x", "y", "z"}
        for name, end in ends.items():
            assert axes[name] == pytest.approx(end, abs=0.1)
        button.click()
        assert towards(tab) == pytest.approx([-x for x in axis], abs=1e-3)


def test_streamlines_are_drawn_of_a_velocity(tab: Tab, links: dict[str, str]) -> None:
    tab.open(links["wind"] + "&field=velocity&section=z&arrows=1&lines=1")
    tab.ready()
    layers = tab.page.evaluate(
        "() => performance.getEntriesByType('resource').filter(e => e.name.includes('/page/buffers/')).length"
    )
    assert layers == 4  # mesh, values, arrows, lines
    assert tab.page.get_by_role("switch", name="Streamlines").is_visible()


def test_a_section_says_where_it_is_and_is_put_there(tab: Tab, links: dict[str, str]) -> None:
    tab.open(links["wind"] + "&field=pressure")
    tab.ready()
    before = tab.shown()
    tab.page.get_by_label("Section", exact=True).get_by_role("button", name="y", exact=True).click()
    tab.shows_more_than(before)
    place = tab.page.locator("[data-section]")
    assert 0.1 < float(place.input_value()) < 0.4  # through the half body, which ends at 0.5 m
    assert "m" in tab.page.locator(".q-field", has=place).inner_text()
    tab.page.get_by_text("Cell values averaged to points").wait_for()
    before = tab.shown()
    place.fill("0.9")
    place.press("Enter")
    tab.shows_more_than(before)
    tab.page.locator("[data-preset=left]").click()
    tab.page.locator("[data-preset=left]").click()  # from the side of the section
    _, point = tab.hover(x=0.5, y=0.12)
    assert point[1] == pytest.approx(0.9, abs=1e-3)
    tab.picture("views-section")


def test_a_deformed_shape_says_its_scale_and_values_stay(tab: Tab, links: dict[str, str]) -> None:
    tab.open(links["bent"] + "&field=displacement.z")
    tab.ready()
    plain, other = tab.hover(x=0.6, y=0.52)
    before = tab.shown()
    tab.page.get_by_role("button", name="auto", exact=True).click()
    tab.shows_more_than(before)
    note = tab.page.locator(".field-view-note")
    assert note.inner_text().endswith("(automatic)")
    scale = float(note.inner_text().split()[2])
    value, point = tab.hover(x=0.6, y=0.52)
    assert value < 0
    assert scale * abs(value) > 1e-4
    assert plain < 0
    assert point != pytest.approx(other, abs=1e-5)  # another point of the bent bar lies under the pointer
    tab.page.get_by_role("button", name="× 1", exact=True).click()
    tab.page.get_by_text("Deformed × 1 (true scale)").wait_for()
    assert tab.parameter("warp") == "1"
    tab.picture("views-deformed")


def first_value(tab: Tab) -> tuple[float, list[float]]:
    """The first value that is found under the pointer, line by line, SI, and the point there."""
    box = tab.page.locator(".field-view canvas").bounding_box()
    value = tab.page.locator(".field-view-value")
    for y, x in itertools.product(np.linspace(0.3, 0.7, 21), np.linspace(0.2, 0.8, 13)):
        tab.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        tab.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        if text := value.get_attribute("data-value"):
            return float(text), [float(part) for part in value.get_attribute("data-point").split()]
    raise AssertionError("there is a value nowhere")


def test_an_iso_surface_is_chosen_by_field_and_value(tab: Tab, links: dict[str, str]) -> None:
    tab.open(links["bent"] + "&field=stress&iso=stress&level=100000")
    tab.ready()
    tab.page.get_by_text("Iso-surface: stress = 100 kPa").wait_for()
    level = tab.page.locator("[data-level]")
    assert float(level.input_value()) == pytest.approx(100)
    value, point = first_value(tab)
    assert value == pytest.approx(1e5, rel=0.02)  # the shape itself is not probed: one sees through it
    assert 0 < point[0] < 0.1
    level.fill("-100")
    level.press("Enter")
    tab.page.get_by_text("Iso-surface: stress = -100 kPa").wait_for()
    assert float(tab.parameter("level") or 0) == pytest.approx(-1e5)


def test_values_along_a_line_are_plotted_and_saved(tab: Tab, links: dict[str, str]) -> None:
    tab.open(links["bent"] + "&field=stress&line=0,0.01,0.015,0.1,0.01,0.015")
    tab.ready()
    tab.page.locator("[data-line] svg").wait_for()
    assert [float(end.input_value()) for end in tab.page.locator("input[data-end]").all()] == [
        0,
        0.01,
        0.015,
        0.1,
        0.01,
        0.015,
    ]
    with tab.page.expect_download() as saved:
        tab.page.locator("[data-csv]").click()
    assert saved.value.suggested_filename == "bent-line.csv"
    table = np.genfromtxt(Path(saved.value.path()), delimiter=",", names=True, deletechars="")
    assert table["x_[m]"][[0, -1]] == pytest.approx([0, 0.1])
    middle = np.abs(table["x_[m]"] - 0.05) < 0.02
    expected = 1e6 * 300 * (0.1 - table["x_[m]"][middle]) * 0.005
    assert table["stress_[Pa]"][middle] == pytest.approx(expected, rel=0.25)  # as near as the model is
    tab.picture("views-line")


def test_each_domain_and_all_of_them_are_saved_under_their_names(
    tab: Tab, links: dict[str, str], tmp_path: Path
) -> None:
    tab.open(links["wind"])
    tab.ready()

    def saved(what: str) -> tuple[str, bytes]:
        tab.page.get_by_role("button", name="Download").click()
        with tab.page.expect_download() as download:
            tab.page.locator(f"[data-file='{what}']").click()
        return download.value.suggested_filename, Path(download.value.path()).read_bytes()

    name, content = saved("volume vtu")
    assert name == "wind-wind-part-volume.vtu"
    (tmp_path / name).write_bytes(content)
    volume = pv.read(tmp_path / name)
    assert {"velocity", "pressure"} <= set(volume.cell_data.keys())
    assert volume.volume > 1.0
    name, content = saved(" zip")
    assert name == "wind-wind-part-all.zip"
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert set(archive.namelist()) == {"case.vtm", "summary.json", "surface.vtp", "volume.vtu"}
        archive.extractall(tmp_path)
    both = pv.read(tmp_path / "case.vtm")
    assert both.keys() == ["surface", "volume"]
    assert both["volume"].n_cells == volume.n_cells
    assert "pressure" in both["surface"].cell_data


def test_a_file_that_is_dropped_on_the_picture_is_taken(tab: Tab, links: dict[str, str], tmp_path: Path) -> None:
    tab.open(links["bent"])
    tab.ready()
    before = tab.parameter("geometry")
    content = base64.b64encode(file(tmp_path, flow_cases.bent("c", (0.12, 0.024, 0.02), 200.0), "x.stl").read_bytes())
    tab.page.evaluate(
        """text => {
          const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File([bytes], "dropped.stl"));
          const event = new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true });
          document.querySelector(".field-view canvas").dispatchEvent(event);
        }""",
        content.decode(),
    )
    tab.page.wait_for_function("old => new URL(location.href).searchParams.get('geometry') !== old", arg=before)
    assert "dropped.stl" in tab.page.locator(".controls").inner_text()
    tab.page.get_by_text("0.12 × 0.024").wait_for()


def test_another_part_is_looked_at_whole(tab: Tab, server: Running, links: dict[str, str], tmp_path: Path) -> None:
    small = file(tmp_path, flow_cases.bent("s", (0.09, 0.015, 0.015), 200.0), "small.stl")
    tab.open(links["bent"])
    tab.ready()
    far = np.array(tab.camera())
    before = tab.shown()
    tab.page.set_input_files("input[type=file]", str(small))
    tab.shows_more_than(before)
    near = np.array(tab.camera())
    assert near[3:] == pytest.approx([0.045, 0.0075, 0.0075], abs=1e-4)
    ratio = np.linalg.norm(near[:3] - near[3:]) / np.linalg.norm(far[:3] - far[3:])
    assert ratio == pytest.approx(np.linalg.norm((0.09, 0.015, 0.015)) / np.linalg.norm(BAR), rel=0.05)


def test_cp_is_offered_where_speed_and_density_are_known(tab: Tab, links: dict[str, str]) -> None:
    tab.open(links["wind"] + "&field=pressure_coefficient")
    tab.ready()
    tab.page.get_by_text("Cp = (p − 0 Pa) / (½ · 1.25 kg/m³ · (30 m/s)²)").wait_for()
    assert tab.page.locator(".field-view-bar-title").inner_text().strip() == "Cp"
    value, _ = tab.hover()
    assert abs(value) < 1.5


def test_the_interval_of_a_field_is_looked_at_and_read_off_beside_its_value(tab: Tab, links: dict[str, str]) -> None:
    tab.open(links["bent"] + "&field=stress")
    tab.ready()
    value, point = tab.hover()
    tab.page.wait_for_function("() => document.querySelector('.field-view-value').dataset.low !== undefined")
    read = tab.page.locator(".field-view-value")
    low, high = (float(read.get_attribute(f"data-{end}")) for end in ("low", "high"))
    assert low < value < high
    assert read.inner_text().endswith("Pa (90 %)")
    before = tab.shown()
    tab.page.get_by_label("Field", exact=True).click()
    tab.page.get_by_role("option", name="stress: interval width (90 %)").click()
    tab.shows_more_than(before)
    assert tab.parameter("field") == "stress.width"
    tab.page.locator(".field-view-bar-title", has_text="stress: interval width (90 %)").wait_for()
    width, same = tab.hover()
    assert same == pytest.approx(point, abs=1e-9)
    assert width == pytest.approx(high - low, rel=1e-3)
    assert read.get_attribute("data-low") is None
    tab.picture("views-width")


def test_where_a_field_is_least_sure_is_hatched(tab: Tab, links: dict[str, str]) -> None:
    tab.open(links["bent"] + "&field=stress")
    tab.ready()
    canvas = "getElement(document.querySelector('.field-view').id.slice(1))"

    def picture() -> str:
        return tab.page.evaluate(f"() => {{ const v = {canvas}; v.render(true); return v.$refs.canvas.toDataURL(); }}")

    before, plain = tab.shown(), picture()
    switch = tab.page.get_by_role("switch", name="Show where it is unsure")
    switch.click()
    tab.shows_more_than(before)
    tab.page.locator(".field-view-note", has_text="the tenth of the surface with the widest intervals").wait_for()
    assert tab.parameter("unsure") == "1"
    assert picture() != plain
    tab.picture("views-unsure")
    before = tab.shown()
    switch.click()
    tab.shows_more_than(before)
    assert picture() == plain


@pytest.mark.parametrize(("locale", "scheme"), [("fr-FR", "light"), ("de-DE", "dark"), ("zh-CN", "dark")])
def test_all_that_is_said_of_a_view_fits_on_a_narrow_screen(
    browser: Any, server: Running, links: dict[str, str], locale: str, scheme: str
) -> None:
    options = {"locale": locale, "color_scheme": scheme, "viewport": {"width": 390, "height": 844}}
    with Tab(browser, server.url, **options) as tab:
        tab.open(links["wind"] + "&section=y&field=velocity&line=x&iso=pressure")
        tab.ready()
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= 390
        boxes = {
            name: tab.page.locator(f".field-view-{name}").bounding_box() for name in ("note", "triad", "bar", "tools")
        }
        for one, other in (("note", "tools"), ("triad", "bar"), ("note", "triad"), ("note", "bar")):
            a, b = boxes[one], boxes[other]
            apart = (a["x"] + a["width"] <= b["x"] or b["x"] + b["width"] <= a["x"]
                     or a["y"] + a["height"] <= b["y"] or b["y"] + b["height"] <= a["y"])  # fmt: skip
            assert apart, (one, other, boxes)
        tab.picture(f"views-{locale}")
        tab.is_clean()
