"""A real browser for the tests of the page: Debian's Chromium, its WebGL drawn by the processor."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import pyvista as pv

from helpers import ROOT

READY = ".field-view[data-state=ready]"
PICTURES = ROOT / "screenshots"
_FLAGS = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


@contextmanager
def chromium() -> Iterator[Any]:
    """The browser; tests are skipped where it is missing, and say what to install."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("needs Chromium (Debian: apt-get install chromium)")
    # Chromium has no sandbox for root, as in a container.
    flags = [*_FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=program, args=flags)
        yield browser
        browser.close()


class Tab:
    """A page of a browser that notes what goes wrong on it, and every address that it asks.

    Args:
        browser: From `chromium`.
        url: The server's.
        options: Of the browser's context: ``locale``, ``viewport``, ``color_scheme``.
    """

    def __init__(self, browser: Any, url: str, **options: Any) -> None:
        self.url = url
        self.context = browser.new_context(
            **({"viewport": {"width": 1280, "height": 800}, "locale": "en-GB"} | options)
        )
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        self.requested: list[str] = []
        self.wrong: list[str] = []
        self.page.on("request", lambda request: self.requested.append(request.url))
        self.page.on("websocket", lambda socket: self.requested.append(socket.url))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("console", lambda message: self.wrong.append(message.text) if message.type == "error" else None)

    def __enter__(self) -> Tab:
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()

    def open(self, path: str) -> None:
        """Go to an address of the server."""
        self.page.goto(self.url + path)

    def ready(self, count: int = 1, part: str = "") -> None:
        """Wait until so many views show something."""
        for index in range(count):
            self.page.locator(f"{part} {READY}").nth(index).wait_for()

    def shown(self, part: str = "") -> int:
        """How many pictures a view has shown."""
        return int(self.page.locator(f"{part} .field-view").get_attribute("data-shown") or 0)

    def shows_more_than(self, count: int, part: str = "") -> None:
        """Wait for a new picture."""
        self.page.wait_for_function(
            "([where, count]) => Number(document.querySelector(`${where} .field-view`).dataset.shown) > count",
            arg=[part, count],
        )

    def hover(self, part: str = "", x: float = 0.5, y: float = 0.5) -> tuple[float, list[float]]:
        """The value under the pointer and the point there, SI."""
        canvas = self.page.locator(f"{part} .field-view canvas")
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        self.page.mouse.move(box["x"] + 2, box["y"] + 2)
        self.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        value = self.page.locator(f"{part} .field-view-value")
        self.page.wait_for_function("element => element.dataset.value !== ''", arg=value.element_handle())
        point = value.get_attribute("data-point").split()
        return float(value.get_attribute("data-value")), [float(part) for part in point]

    def camera(self, part: str = "") -> list[float]:
        """Where a view's camera stands and looks, m."""
        return [float(x) for x in self.page.locator(f"{part} .field-view").get_attribute("data-camera").split(",")]

    def parameter(self, name: str) -> str | None:
        """A parameter of the address."""
        return self.page.evaluate("name => new URL(location.href).searchParams.get(name)", name)

    def qoi(self, name: str) -> float:
        """A QoI in the panel."""
        element = self.page.locator(f".qoi[data-qoi={name}]")
        element.wait_for()
        return float(element.get_attribute("data-value"))

    def picture(self, name: str) -> None:
        """Keep a screenshot, to be looked at."""
        PICTURES.mkdir(exist_ok=True)
        self.page.screenshot(path=str(PICTURES / f"{name}.png"))

    def is_clean(self) -> None:
        """Nothing went wrong, and no other host was asked."""
        own = self.url.removeprefix("http://")
        others = [
            url for url in self.requested if not url.startswith(("data:", "blob:", f"http://{own}", f"ws://{own}"))
        ]
        assert others == []
        assert self.wrong == []


def at(mesh: pv.DataSet, point: list[float], field: str) -> Any:
    """The value of a field at a point of a mesh, linear in the cell that is nearest."""
    index, closest = mesh.find_closest_cell(point, return_closest_point=True)
    cell = mesh.get_cell(index)
    corners = np.asarray(cell.points, dtype=float)
    weights = np.linalg.lstsq(np.vstack([corners.T, np.ones(len(corners))]), [*closest, 1.0], rcond=None)[0]
    return weights @ np.asarray(mesh.point_data[field])[cell.point_ids]
