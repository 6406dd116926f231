"""A page as PDF, printed by a browser that is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tramontane.errors import TramontaneError
from tramontane.io.atomic import replacing

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge", "msedge")
_PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
    "C:/Program Files (x86)/Microsoft/Edge/Application/msedge.exe",
)
_SECONDS = 120.0
VARIABLE = "TRAMONTANE_BROWSER"
"""Names the program, where it is found by none of the usual names."""


def browser() -> str:
    """The program that prints.

    Raises:
        TramontaneError: There is none.
    """
    if named := os.environ.get(VARIABLE):
        if program := shutil.which(named):
            return program
        raise TramontaneError(f"{VARIABLE} is {named}, which is no program; correct it")
    programs = [program for name in _NAMES if (program := shutil.which(name))]
    programs += [place for place in _PLACES if Path(place).is_file()]
    if not programs:
        raise TramontaneError("a PDF is printed by Chromium, Chrome or Edge, and none was found; install one, name it "
                              f"in {VARIABLE}, or write the report as HTML and print that")  # fmt: skip
    return programs[0]


def print_page(page: Path, file: Path) -> None:
    """Print a page of HTML.

    Args:
        page: To print.
        file: The PDF; an older one is replaced once the new one is whole.

    Raises:
        TramontaneError: There is no browser, or it does not print.
        FileError: The file cannot be written.
    """
    program = browser()
    with replacing(file) as target, tempfile.TemporaryDirectory() as profile:
        # Root has no sandbox; the page is our own, and may load nothing.
        bare = ["--no-sandbox"] if sys.platform != "win32" and os.geteuid() == 0 else []
        command = [program, "--headless", "--disable-gpu", *bare, f"--user-data-dir={profile}", "--no-first-run",
                   "--no-pdf-header-footer", f"--print-to-pdf={target}", page.resolve().as_uri()]  # fmt: skip
        try:
            done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise TramontaneError(f"{file}: {program} did not print within {_SECONDS:.0f} s; write the report as HTML "
                                  "and print that") from None  # fmt: skip
        if done.returncode or not target.is_file() or not target.stat().st_size:
            lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise TramontaneError(f"{file}: {program} did not print it ({lines[-1] if lines else 'no reason given'}); "
                                  "write the report as HTML and print that")  # fmt: skip
