"""Where a geometry file is chosen or dropped; the browser sends it to the API itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import ui

from tramontane.page.words import Words
from tramontane.serve.uploads import SUFFIXES


class GeometryDrop(ui.element, component="geometry_drop.js"):
    """The field.

    Args:
        words: Of the reader's language.
        stored: Told the hash.
        refused: Told why.
        begun: Called as a file is taken.
        name: A picture of the same name hands on what is dropped on it.
    """

    def __init__(
        self, words: Words, stored: Callable[[str], Any], refused: Callable[[str], Any],
        begun: Callable[[], Any] = lambda: None, *, name: str = "",
    ) -> None:  # fmt: skip
        super().__init__()
        self._props["name"] = name
        self.on("begun", lambda _: begun())
        self._props["text"] = words("drop.text")
        self._props["sending"] = words("drop.sending")
        self._props["accept"] = ",".join(SUFFIXES)
        self.on("stored", lambda event: stored(event.args["hash"]))
        self.on("refused", lambda event: refused(event.args["detail"]))
