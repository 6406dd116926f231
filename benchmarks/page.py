"""The page in a real browser: time from a slider's move to the picture, beside the bare model; pictures for the README.

    python benchmarks/page.py models/bracket part.stl --out benchmarks/results/page.json
    python benchmarks/page.py models/bracket part.stl --data brackets.dataset --pictures docs/images

The slider is moved by its keys: each press is a move and a release. The clock runs in the browser, from the key to the
frame after the new field was drawn. Bare model and page take turns in one run. Needs Chromium and Playwright; where
there is no GPU the processor draws, and shares its cores with the server.
"""

from __future__ import annotations

import argparse
import contextlib
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright
from record import heading, keep

from tramontane.design import Design
from tramontane.surrogate import Surrogate
from tramontane.units import Quantity, from_si

POINTS = 50_000
_KIND, _TRAINING = "auto", 240  # of the training that is shown, s
READY = ".field-view[data-state=ready]"
# From a key on a slider to the second frame after the view says that it has shown something new.
WATCH = """() => {
  window.moves = [];
  let begun = null;
  addEventListener("keydown", () => (begun = performance.now()), true);
  new MutationObserver(() => {
    if (begun === null) return;
    const since = begun;
    begun = null;
    requestAnimationFrame(() => requestAnimationFrame(() => window.moves.push(performance.now() - since)));
  }).observe(document.querySelector(".field-view"), { attributes: true, attributeFilter: ["data-shown"] });
}"""


@contextlib.contextmanager
def server(models: Path, data: list[Path], state: Path) -> Iterator[str]:
    """A server on a free port, as users start one."""
    command = [sys.executable, "-m", "tramontane", "serve", str(models), "--port", "0", "--state", str(state)]
    for each in data:
        command += ["--data", str(each)]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert running.stdout is not None
    found = re.search(r"http://\S+", running.stdout.readline())
    if found is None:
        raise SystemExit("the server did not start")
    try:
        yield found[0]
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait()


@contextlib.contextmanager
def browser(url: str, **options: Any) -> Iterator[Page]:
    """A tab of Chromium."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    flags = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-sandbox"]
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=flags)
        page = running.new_context(base_url=url, **options).new_page()
        page.set_default_timeout(120_000)
        yield page
        running.close()


def measure(page: Page, surrogate: Surrogate, part: Path, moves: int) -> dict[str, Any]:
    """Times of moves in milliseconds, and those of the bare model at the same values."""
    contract = surrogate.contract
    name, spec = next(iter(contract.operating.items()))
    low, high = from_si(spec.low, spec.unit), from_si(spec.high, spec.unit)
    domain = next(key for key, each in contract.domains.items() if each.side == "on")
    middle = Design(part, **{name: Quantity((low + high) / 2, spec.unit)})
    surface = surrogate.check(middle).surface
    cells = POINTS
    while surrogate.simulate(middle, cells=cells, domains=[domain]).meshes[domain].n_points < POINTS:
        cells = int(1.3 * cells)
    page.goto(f"/page/predict?cells={cells}")
    page.set_input_files("input[type=file]", str(part))
    page.wait_for_selector(READY)
    page.wait_for_timeout(3000)
    page.evaluate(WATCH)
    page.locator(f"[data-slider={name}] [tabindex]").focus()
    bare: list[float] = []
    points = 0
    for move in range(moves):
        page.keyboard.press("ArrowRight" if move % 20 < 10 else "ArrowLeft")
        page.wait_for_function("count => window.moves.length >= count", arg=move + 1)
        page.wait_for_timeout(700)  # the QoIs of the volume
        value = low + (high - low) * (0.3 + 0.001 * move)
        begun = time.perf_counter()
        case = surrogate.simulate(Design(surface, **{name: Quantity(value, spec.unit)}), cells=cells, domains=[domain])
        bare.append(1000 * (time.perf_counter() - begun))
        points = case.meshes[domain].n_points
    shown = sorted(page.evaluate("window.moves"))
    bare = sorted(bare[1:])  # the first one placed the shape
    return {
        "points": points,
        "moves": len(shown),
        "page_ms": {"median": statistics.median(shown), "p90": shown[int(0.9 * (len(shown) - 1))]},
        "bare_model_ms": {"median": statistics.median(bare), "p90": bare[int(0.9 * (len(bare) - 1))]},
    }


def training(page: Page, folder: Path, seconds: int) -> None:
    """A picture of a training of so many seconds."""
    page.goto("/page/training")
    page.get_by_label("Kind of model").click()
    page.get_by_role("option").get_by_text(f"{_KIND}: ").click()
    page.locator("[data-minutes]").fill(f"{seconds / 60:.2f}")
    page.get_by_role("button", name="Start").click()
    page.wait_for_selector("[data-state=running]")
    page.wait_for_selector("[data-curve=loss]", timeout=600_000)  # kriging comes first
    page.wait_for_timeout(int(750 * seconds))
    page.screenshot(path=str(folder / "page-training.png"), full_page=True)
    page.get_by_role("button", name="Throw away").click()
    page.get_by_role("dialog").get_by_role("button", name="Throw away").click()
    page.wait_for_timeout(3000)


def pictures(page: Page, part: Path, folder: Path, field: str, evaluate: bool) -> None:
    """The README's pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    page.goto(f"/page/predict?field={field}")
    page.set_input_files("input[type=file]", str(part))
    page.wait_for_selector(READY)
    page.wait_for_timeout(4000)
    page.screenshot(path=str(folder / "page-predict.png"))
    address = page.url
    page.goto(f"{address}&section=y")
    page.wait_for_selector(READY)
    page.wait_for_timeout(4000)
    page.screenshot(path=str(folder / "page-section.png"))
    if evaluate:
        page.goto("/page/evaluation")
        page.get_by_role("button", name="Evaluate").click()
        page.locator(READY).nth(2).wait_for()
        page.wait_for_timeout(2000)
        page.screenshot(path=str(folder / "page-evaluation.png"), full_page=True)
        training(page, folder, _TRAINING)


def main() -> None:
    """Measure, or draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("part", type=Path)
    parser.add_argument("--moves", type=int, default=40)
    parser.add_argument("--data", type=Path, action="append", default=[])
    parser.add_argument("--field", default="von_mises")
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, server(given.model, given.data, Path(folder) / "state") as url:
        view = {"viewport": {"width": 1280, "height": 800}, "locale": "en-GB"}
        with browser(url, **view) as page:
            if given.pictures:
                pictures(page, given.part, given.pictures, given.field, bool(given.data))
                return
            found = measure(page, Surrogate.load(given.model), given.part, given.moves)
    command = f"python benchmarks/page.py {given.model.name} {given.part.name} --moves {given.moves}"
    keep(heading(platform.processor()) | {"command": command} | found, given.out)


if __name__ == "__main__":
    main()
