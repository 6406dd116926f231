"""The documents, as they are shipped with the package."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

import tramontane
from tramontane.cli.common import app, console
from tramontane.errors import TramontaneError

PAGES = Path(tramontane.__file__).with_name("site")
"""Where `make docs` builds them, and where the wheel has them."""


@app.command()
def docs(
    browser: Annotated[bool, typer.Option(help="Whether a browser is opened, or the address printed alone.")] = True,
) -> None:
    """Open the documents in a browser, offline."""
    page = PAGES / "index.html"
    if not page.is_file():
        raise TramontaneError(f"{page}: the documents are not built in this installation; in the repository's clone, "
                              "run `make docs`")  # fmt: skip
    console.print(page.as_uri(), highlight=False, markup=False, soft_wrap=True)
    if browser and not webbrowser.open(page.as_uri()):
        console.print("No browser could be opened; open the address above in one")
