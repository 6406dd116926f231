"""Where geometry files are chosen or dropped; the browser sends them to the API itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import ui

from tramontane.page.language.words import Words
from tramontane.service.geometries.uploads import SUFFIXES

_TABLES = (".csv", ".tsv", ".txt")


class GeometryDrop(ui.element, component="geometry_drop.js"):
    """The field, for one geometry.

    Args:
        words: Of the reader's language.
        stored: Told the hash.
        refused: Told name and reason of a file that is not taken.
        begun: Called as a file is taken.
        name: A picture of the same name hands on what is dropped on it.
    """

    def __init__(
        self, words: Words, stored: Callable[[str], Any], refused: Callable[[str, str], Any],
        begun: Callable[[], Any] = lambda: None, *, name: str = "",
    ) -> None:  # fmt: skip
        super().__init__()
        self._props["name"] = name
        self.on("begun", lambda _: begun())
        self._props["text"] = words("drop.text")
        self._props["sending"] = words("drop.sending")
        self._props["accept"] = ",".join(SUFFIXES)
        self.on("stored", lambda event: stored(event.args["hash"]))
        self.on("refused", lambda event: refused(event.args["name"], event.args["detail"]))


class GeometryDrops(ui.element, component="geometry_drop.js"):
    """The field, for many geometries and a table of designs.

    Args:
        words: Of the reader's language.
        most: Geometries at once.
        stored: Told hash and name of each.
        refused: Told name and reason of each file that is not taken.
        table: Told name and content of a table, once the geometries beside it are stored.
        too_many: Told how many there were, where these are over the most; the first are sent.
    """

    def __init__(
        self, words: Words, most: int, *, stored: Callable[[str, str], Any], refused: Callable[[str, str], Any],
        table: Callable[[str, str], Any], too_many: Callable[[int], Any],
    ) -> None:  # fmt: skip
        super().__init__()
        self._props["text"], self._props["sending"] = words("rank.drop"), words("drop.sending")
        self._props["several"], self._props["most"] = True, most
        self._props["accept"] = ",".join([*SUFFIXES, *_TABLES])
        self.on("stored", lambda event: stored(event.args["hash"], event.args["name"]))
        self.on("refused", lambda event: refused(event.args["name"], event.args["detail"]))
        self.on("table", lambda event: table(event.args["name"], event.args["content"]))
        self.on("toomany", lambda event: too_many(int(event.args["count"])))
