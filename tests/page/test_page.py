"""The page in a real browser, against the API of the same server."""

from __future__ import annotations

import io
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
import pyvista as pv

from helpers.browsing import READY, Tab, at
from helpers.serving import Running, part

CELLS = 2000
AXES = (0.8, 0.7, 0.6)


@pytest.fixture(scope="module")
def server(saved: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with Running(saved.parent, tmp_path_factory.mktemp("page") / "state") as running:
        yield running


@pytest.fixture(scope="module")
def geometry(server: Running, tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(server.upload(part(tmp_path_factory.mktemp("parts"), AXES).read_bytes()).json()["hash"])


@pytest.fixture
def tab(browser: Any, server: Running) -> Iterator[Tab]:
    with Tab(browser, server.url) as opened:
        yield opened
        opened.is_clean()


def link(geometry: str, load: float = 300, **more: Any) -> str:
    return "/page/predict?" + "&".join(
        f"{key}={value}"
        for key, value in {"model": "model", "geometry": geometry, "p.load": load, "cells": CELLS, **more}.items()
    )


def mesh(server: Running, geometry: str, domain: str, load: float) -> pv.DataSet:
    """What the API predicts."""
    answer = server.predict(geometry, parameters={"load": load}, cells=CELLS, domains=[domain], format="npz")
    with np.load(io.BytesIO(answer.content)) as arrays:
        cells = np.insert(arrays["connectivity"], arrays["offsets"][:-1], np.diff(arrays["offsets"]))
        grid = pv.UnstructuredGrid(cells, arrays["types"], arrays["points"])
        for name in arrays:
            if name.startswith("point_data/"):
                grid.point_data[name.removeprefix("point_data/")] = arrays[name]
    return grid


def test_a_dropped_part_is_predicted_and_its_results_are_those_of_the_api(
    tab: Tab, server: Running, tmp_path: Path
) -> None:
    tab.open(f"/page/predict?model=model&cells={CELLS}&p.load=250")
    file = part(tmp_path, (0.9, 0.6, 0.7), "wing-rib.stl")
    tab.page.set_input_files("input[type=file]", str(file))
    tab.ready()
    assert "wing-rib.stl" in tab.page.locator(".controls").inner_text()
    geometry = tab.parameter("geometry")
    answer = server.predict(geometry, parameters={"load": 250}, cells=CELLS).json()
    for name, quantity in answer["qoi"].items():
        assert tab.qoi(name) == pytest.approx(quantity["value"], rel=1e-6)
    tab.page.locator(".verdict.is-fine").wait_for()
    tab.picture("predict")


def test_a_part_that_a_program_sent_is_called_by_its_name(tab: Tab, server: Running, tmp_path: Path) -> None:
    content = part(tmp_path, (0.85, 0.65, 0.75)).read_bytes()
    geometry = server.upload(content, "rib-7.stl").json()["hash"]
    tab.open(link(geometry))
    tab.ready()
    assert "rib-7.stl" in tab.page.locator(".controls").inner_text()


def test_what_is_refused_is_said_and_what_is_outside_is_warned_of(tab: Tab, geometry: str, tmp_path: Path) -> None:
    broken = tmp_path / "part.stl"
    broken.write_text("<html>no part</html>")
    tab.open(link(geometry, load=2000))
    tab.ready()
    warning = tab.page.locator(".verdict.is-warning")
    warning.wait_for()
    assert "load = 2000 N lies outside" in warning.inner_text()
    tab.page.set_input_files("input[type=file]", str(broken))
    tab.page.locator(".q-notification").get_by_text("part.stl").wait_for()
    tab.wrong = [message for message in tab.wrong if "422" not in message]  # the browser notes the refusal


def test_a_slider_moves_the_field_and_the_link(tab: Tab, server: Running, geometry: str) -> None:
    tab.open(link(geometry))
    tab.ready()
    before = tab.shown()
    slider = tab.page.locator("[data-slider=load]")
    slider.locator("[tabindex]").focus()
    for _ in range(20):  # faster than the server answers: no press is lost
        tab.page.keyboard.press("ArrowRight")
    load = float(slider.get_attribute("aria-valuenow"))
    assert load == pytest.approx(300 + 20 * float(slider.get_attribute("data-step")))
    tab.shows_more_than(before)
    assert float(slider.get_attribute("aria-valuenow")) == load
    expected = server.predict(geometry, parameters={"load": load}, cells=CELLS, domains=["surface"]).json()
    charge = expected["qoi"]["charge"]["value"]
    tab.page.wait_for_function(
        "expected => Math.abs(document.querySelector('[data-qoi=charge]')?.dataset.value / expected - 1) < 1e-5",
        arg=charge,
    )
    assert float(tab.parameter("p.load") or 0) == pytest.approx(load)


def test_the_value_under_the_pointer_is_the_field_there(tab: Tab, server: Running, geometry: str) -> None:
    tab.open(link(geometry))
    tab.ready()
    surface = mesh(server, geometry, "surface", 300)
    pressure = np.asarray(surface.point_data["pressure"])
    for x, y in ((0.5, 0.5), (0.45, 0.6), (0.58, 0.42)):
        value, point = tab.hover(x=x, y=y)
        radius = float(np.sum((np.array(point) / AXES) ** 2))
        assert 0.9 < radius < 1.001  # on the ellipsoid, whose facets lie a little inside
        assert value == pytest.approx(at(surface, point, "pressure"), abs=1e-3 * float(np.ptp(pressure)))
    assert "Pa" in tab.page.locator(".field-view-value").inner_text()


def test_a_section_shows_the_volume_as_the_api_has_it(tab: Tab, server: Running, geometry: str) -> None:
    tab.open(link(geometry, field="displacement.x"))
    tab.ready()
    before = tab.shown()
    tab.page.get_by_role("button", name="x", exact=True).click()
    tab.shows_more_than(before)
    assert tab.parameter("section") == "x"
    tab.page.locator("[data-preset=front]").click()
    volume = mesh(server, geometry, "volume", 300)
    shift = np.asarray(volume.point_data["displacement"])[:, 0]
    value, point = tab.hover(x=0.52, y=0.47)
    assert point[0] == pytest.approx(np.mean(volume.bounds[:2]), abs=0.01)
    assert value == pytest.approx(at(volume, point, "displacement")[0], abs=0.02 * float(np.ptp(shift)))
    tab.picture("section")


def test_arrows_follow_a_vector_and_streamlines_no_displacement(tab: Tab, geometry: str) -> None:
    tab.open(link(geometry, field="displacement", section="z", arrows=1, lines=1))
    tab.ready()
    layers = tab.page.evaluate(
        "() => performance.getEntriesByType('resource').filter(e => e.name.includes('/page/buffers/')).length"
    )
    assert layers == 3  # mesh, values, arrows; nothing flows along a displacement
    assert tab.page.get_by_role("switch", name="Arrows").is_visible()
    assert tab.page.get_by_role("switch", name="Streamlines").is_hidden()
    tab.picture("arrows")


def test_a_large_surface_is_shown_coarse_first_then_whole(
    tab: Tab, server: Running, tmp_path_factory: pytest.TempPathFactory
) -> None:
    body = pv.Sphere(radius=1.0, theta_resolution=300, phi_resolution=300).transform(
        np.diag([*AXES, 1.0]), inplace=False
    )
    file = tmp_path_factory.mktemp("large") / "large.stl"
    body.save(file)
    geometry = server.upload(file.read_bytes()).json()["hash"]
    tab.open(link(geometry))
    tab.ready()
    coarse = int(tab.page.locator(".field-view").get_attribute("data-triangles"))
    value, point = tab.hover()
    assert 2000 < coarse < 100_000
    tab.page.wait_for_function("() => Number(document.querySelector('.field-view').dataset.triangles) > 150000")
    assert int(tab.page.locator(".field-view").get_attribute("data-triangles")) == body.n_cells
    fine, there = tab.hover()
    assert there == pytest.approx(point, abs=0.01)
    assert fine == pytest.approx(value, abs=10.0)  # Pa, of a range of 700


def test_a_link_restores_the_view(browser: Any, server: Running, geometry: str) -> None:
    with Tab(browser, server.url) as first:
        first.open(link(geometry, load=400, field="pressure", map="cividis", low=-100, high=900))
        first.ready()
        first.page.locator("[data-preset=left]").click()
        first.page.locator(".field-view canvas").press("ArrowLeft")
        first.page.wait_for_function("() => new URL(location.href).searchParams.has('camera')")
        address, hovered = first.page.url, first.hover()
        camera = first.camera()
    with Tab(browser, server.url) as second:
        second.page.goto(address)
        second.ready()
        assert second.camera() == pytest.approx(camera, abs=1e-4)
        value, point = second.hover()
        assert value == pytest.approx(hovered[0], rel=1e-4)
        assert point == pytest.approx(hovered[1], abs=1e-4)
        ticks = second.page.locator(".field-view-bar-ticks").inner_text().split()
        assert (float(ticks[-1]), float(ticks[0])) in ((-100.0, 900.0), (-0.1, 0.9))
        assert second.page.locator("[role=switch]").first.get_attribute("aria-checked") == "true"


def test_two_designs_share_a_camera_and_their_difference_is_that_of_the_api(
    tab: Tab, server: Running, geometry: str
) -> None:
    designs = "&".join(
        f"{name}.model=model&{name}.geometry={geometry}&{name}.p.load={load}" for name, load in (("a", 200), ("b", 400))
    )
    tab.open(f"/page/compare?{designs}&cells={CELLS}")
    tab.ready(3)
    tab.page.locator("[data-view=a] .field-view canvas").press("ArrowLeft")
    for name in ("b", "difference"):
        assert tab.camera(f"[data-view={name}]") == tab.camera("[data-view=a]")
    one, other = (mesh(server, geometry, "surface", load) for load in (200, 400))
    value, point = tab.hover("[data-view=difference]", y=0.45)
    expected = at(other, point, "pressure") - at(one, point, "pressure")
    assert value == pytest.approx(expected, abs=1e-3 * float(np.ptp(np.asarray(other.point_data["pressure"]))))
    tab.page.locator("tr[data-qoi=charge]").wait_for()
    tab.picture("compare")


def test_the_server_is_lost_and_comes_back(browser: Any, saved: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    with Running(saved.parent, state) as first, Tab(browser, first.url) as tab:
        geometry = first.upload(part(tmp_path, AXES).read_bytes()).json()["hash"]
        tab.open(link(geometry, load=350))
        tab.ready()
        port = first.url.rpartition(":")[2]
        first.end(signal.SIGKILL)
        tab.page.get_by_text("Connection lost.").wait_for()
        tab.picture("disconnected")
        with Running(saved.parent, state, "--port", port):
            tab.page.get_by_text("Connection lost.").wait_for(state="hidden")
            tab.ready()
            assert tab.parameter("p.load") == "350"
            assert tab.qoi("charge") > 0


@pytest.mark.parametrize(("locale", "word"), [("fr-FR", "Modèles"), ("de-DE", "Modelle"), ("zh-CN", "模型")])
def test_narrow_screens_and_other_languages(
    browser: Any, server: Running, geometry: str, locale: str, word: str
) -> None:
    with Tab(browser, server.url, locale=locale, viewport={"width": 390, "height": 844}, color_scheme="dark") as tab:
        for name, path in (("models", "/page/"), ("predict", link(geometry)), ("compare", "/page/compare")):
            tab.open(path)
            if name == "predict":
                tab.ready()
            assert tab.page.evaluate("document.documentElement.scrollWidth") <= 390, path
            tab.picture(f"{locale}-{name}")
        assert tab.page.evaluate("document.documentElement.lang")[:2] == locale[:2]
        tab.page.locator(".page-menu").click()
        tab.page.get_by_role("menu").get_by_text(word, exact=True).wait_for()
        tab.is_clean()


def test_every_link_leads_where_it_says(tab: Tab) -> None:
    pages = {"Predict": "predict", "Compare": "compare", "Data": "data", "Training": "training",
             "Evaluation": "evaluation", "Models": ""}  # fmt: skip
    tab.open("/page/")
    for name, path in pages.items():
        tab.page.locator(".page-nav").get_by_text(name, exact=True).click()
        tab.page.wait_for_url(lambda url, path=path: urlsplit(url).path == f"/page/{path}")
        tab.page.locator(f".page-nav [aria-current]:text-is('{name}')").wait_for()
    for press in (tab.page.get_by_role("link", name="model", exact=True), tab.page.locator(".card-open")):
        press.click()
        tab.page.wait_for_url(lambda url: urlsplit(url).path == "/page/predict")
        tab.page.locator(".page-brand").click()
        tab.page.wait_for_url(lambda url: urlsplit(url).path == "/page/")
    tab.page.set_viewport_size({"width": 390, "height": 844})
    tab.page.locator(".page-menu").click()
    tab.page.get_by_role("menu").get_by_text("Compare", exact=True).click()
    tab.page.wait_for_url(lambda url: urlsplit(url).path == "/page/compare")


def test_the_keyboard_reaches_everything(tab: Tab, geometry: str) -> None:
    tab.open(link(geometry))
    tab.ready()
    reached = set()
    for _ in range(60):
        tab.page.keyboard.press("Tab")
        reached.add(tab.page.evaluate(
            "() => { const e = document.activeElement;"
            " return e.dataset.preset || e.closest('[role]')?.getAttribute('role')"
            " || (e.type === 'file' ? 'file' : e.tagName); }"
        ))  # fmt: skip
    assert {"A", "file", "slider", "combobox", "iso", "screenshot", "switch", "BUTTON"} <= reached
    assert tab.page.evaluate("() => [...document.querySelectorAll('canvas, button, input:not(.hidden)')].filter(e => !("
                             "e.getAttribute('aria-label') || e.innerText?.trim() || e.labels?.length"
                             " || e.closest('label'))).map(e => e.outerHTML)") == []  # fmt: skip


def test_where_tokens_are_asked_the_page_asks_too(browser: Any, saved: Path, tmp_path: Path) -> None:
    from tramontane.service.access.tokens import create_token
    from tramontane.service.database import open_database
    from tramontane.service.settings import Settings

    state = tmp_path / "state"
    state.mkdir()
    engine, sessions = open_database(Settings(models=saved, state=state).database_url)
    token = create_token(sessions, "Anna", scope="predict")
    engine.dispose()
    with Running(saved.parent, state, "--require-tokens") as server, Tab(browser, server.url) as tab:
        assert server.http.get(f"/page/buffers/{'0' * 64}").status_code == 401
        assert server.http.post("/page/files/model", json={}).status_code == 401
        tab.open("/page/predict?model=model")
        assert "/page/login" in tab.page.url
        tab.page.fill("input[name=token]", "tmt_00000000_wrong")
        tab.page.keyboard.press("Enter")
        tab.page.get_by_role("alert").wait_for()
        tab.page.fill("input[name=token]", token)
        tab.page.keyboard.press("Enter")
        tab.page.set_input_files("input[type=file]", str(part(tmp_path, AXES)))
        tab.ready()
        assert "model=model" in tab.page.url
        (cookie,) = [each for each in tab.context.cookies() if each["name"] == "tramontane_token"]
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        tab.is_clean()


@pytest.mark.parametrize(
    ("host", "origin", "connects"),
    [
        (None, None, True),
        (None, "own", True),
        (None, "http://elsewhere.example", False),
        # A name that was made to point here: both agree, and neither is the server's.
        ("elsewhere.example", "http://elsewhere.example", False),
    ],
)
def test_pages_of_other_sites_may_not_connect(
    server: Running, host: str | None, origin: str | None, connects: bool
) -> None:
    address = urlsplit(server.url)
    with socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=20) as line:
        lines = [
            "GET /page/_nicegui_ws/socket.io/?EIO=4&transport=websocket HTTP/1.1",
            f"Host: {host or address.netloc}", "Connection: Upgrade", "Upgrade: websocket",
            "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            *([] if origin is None else [f"Origin: {server.url if origin == 'own' else origin}"]),
        ]  # fmt: skip
        line.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        status = line.recv(4096).split(b"\r\n")[0]
    assert status.startswith(b"HTTP/1.1 101" if connects else b"HTTP/1.1 403")


def test_two_parts_chosen_quickly_and_by_two_people_are_each_shown_as_they_are(
    browser: Any, server: Running, tmp_path: Path
) -> None:
    sizes = {"small": (0.62, 0.6, 0.55), "large": (0.99, 0.95, 0.9)}
    hashes = {name: server.upload(part(tmp_path, axes, f"{name}.stl").read_bytes(), f"{name}.stl").json()["hash"]
              for name, axes in sizes.items()}  # fmt: skip

    def choose(tab: Tab, name: str) -> None:
        tab.page.locator(".controls .q-select").nth(1).click()
        tab.page.get_by_role("option", name=f"{name}.stl").first.click()

    def shows(tab: Tab, name: str) -> None:
        tab.page.wait_for_function("hash => new URL(location.href).searchParams.get('geometry') === hash",
                                   arg=hashes[name])  # fmt: skip
        tab.page.locator(".qoi-value").nth(2).wait_for()
        tab.page.locator("[data-preset=iso]").click()
        _, point = tab.hover()
        assert np.sum((np.array(point) / sizes[name]) ** 2) == pytest.approx(1, abs=0.05)
        lengths = {"small": "1.23", "large": "1.96"}  # of the facets, as the panel has it
        assert f"{lengths[name]} ×" in tab.page.locator(".controls").inner_text()

    with Tab(browser, server.url) as anna, Tab(browser, server.url) as ben:
        for tab, first in ((anna, "small"), (ben, "large")):
            tab.open(link(hashes[first], load=271))
            tab.ready()
        choose(anna, "large")
        choose(anna, "small")
        choose(ben, "small")
        choose(ben, "large")
        choose(anna, "large")
        shows(anna, "large")
        shows(ben, "large")
        choose(ben, "small")
        shows(ben, "small")
        for tab in (anna, ben):
            tab.is_clean()


def test_a_scale_has_five_numbers_whatever_was_shown_before(tab: Tab, geometry: str) -> None:
    designs = "&".join(f"{name}.model=model&{name}.geometry={geometry}&{name}.p.load=300" for name in "ab")
    tab.open(f"/page/compare?{designs}&cells={CELLS}")
    tab.ready(3)
    view = "[data-view=difference]"
    assert tab.page.locator(f"{view} .field-view-bar-ticks").inner_text().split() == ["0"] * 5
    before = tab.shown(view)
    field = tab.page.locator("[data-design=b] [data-parameter=load]")
    field.fill("360")
    field.press("Enter")
    tab.shows_more_than(before, view)
    ticks = [float(tick) for tick in tab.page.locator(f"{view} .field-view-bar-ticks").inner_text().split()]
    assert len(ticks) == 5
    assert ticks[0] > 0
    assert ticks == pytest.approx([ticks[0] * share for share in (1, 0.5, 0, -0.5, -1)], rel=2e-3)


def test_a_link_to_a_model_that_is_not_there_says_which_are(tab: Tab, geometry: str) -> None:
    paths = {
        f"/page/predict?model=gone&geometry={geometry}": ".field-view-state.is-error",
        f"/page/compare?a.model=gone&a.geometry={geometry}&b.model=model&b.geometry={geometry}":
            "[data-view=a] .field-view-state.is-error",
    }  # fmt: skip
    for path, selector in paths.items():
        tab.open(path)
        tab.page.locator(selector, has_text="Model gone is not served here. Served: model").wait_for()
        assert tab.page.locator(READY).count() == 0


def test_a_models_card_has_the_picture_of_its_own_answer(tab: Tab, server: Running, geometry: str) -> None:
    tab.open(link(geometry))
    tab.ready()
    view = "getElement(document.querySelector('.field-view').id.slice(1))"
    current = tab.page.evaluate(f"{view}.gl.spec.number")
    assert tab.page.evaluate(f"number => {view}.thumbnail(number, 48, 27)", current).startswith("data:image/webp")
    assert tab.page.evaluate(f"number => {view}.thumbnail(number, 48, 27)", current + 1) == ""
