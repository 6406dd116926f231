"""The view of fields in the browser."""

from __future__ import annotations

from typing import Any

from nicegui import ui
from nicegui.dependencies import register_importmap_override

from tramontane.page.language.words import Words
from tramontane.page.view.colours import colour_maps

_LABELS = ("camera", "iso", "front", "left", "top", "screenshot", "failed", "no_webgl")
for _name, _file in (
    ("three", "three/three.module.min.js"),
    ("three/orbit", "three/OrbitControls.js"),
    ("three/layers", "layers.js"),
    ("three/shading", "shading.js"),
    ("three/triad", "triad.js"),
):
    register_importmap_override(_name, f"/page/static/{_file}")


class FieldView(ui.element, component="field_view.js"):
    """A surface coloured by a field; see `tramontane.page.view.scene` for what it is told.

    Args:
        words: Of the reader's language.
        empty: What stands there while nothing is shown.
        group: Views of a group share their camera.
        remember: Whether the camera is kept in the page's address.
        drop: Name of the `GeometryDrop` that takes what is dropped on the picture.
    """

    def __init__(self, words: Words, *, empty: str, group: str = "", remember: bool = False, drop: str = "") -> None:
        super().__init__()
        self._props["labels"] = {name: words(f"view.{name}") for name in _LABELS}
        self._props["maps"] = colour_maps()
        self._props["empty"] = empty
        self._props["group"] = group
        self._props["remember"] = remember
        self._props["taker"] = drop
        self._number = 0

    def show(self, payload: dict[str, Any]) -> int:
        """Show what a `Scene` gathered.

        Returns:
            The number of this picture: the event ``shown`` names it once the browser shows it.
        """
        self._number += 1
        self.run_method("show", payload | {"number": self._number})
        return self._number

    def wait(self, message: str, *, anew: bool = False) -> None:
        """Say that something is under way.

        Args:
            message: What.
            anew: Whether what is shown belongs to another question, and is hidden; else it stays until it is replaced.
        """
        self.run_method("wait", message, anew)

    def fail(self, message: str) -> None:
        """Say what went wrong, in place of the picture."""
        self.run_method("fail", message)

    def show_nothing(self, message: str) -> None:
        """Show nothing, and say why."""
        self.run_method("showNothing", message)

    async def thumbnail(self, number: int, width: int, height: int) -> str:
        """A small picture as the browser's canvas gives it, a ``data:`` address; empty where another one is shown."""
        return str(await self.run_method("thumbnail", number, width, height, timeout=10.0))
