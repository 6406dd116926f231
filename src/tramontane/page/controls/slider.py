"""A slider that keeps up with the hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import ui


class Slider(ui.slider):
    """A slider whose place is the browser's.

    NiceGUI's own takes each place back from the server; one that comes back late throws the slider to where it was,
    and key presses are lost on a busy machine.

    Args:
        low: Its left end.
        high: Its right end.
        step: Between two places.
        value: Where it starts.
        moved: Called with the value as the slider moves, at most twenty times a second, and where it comes to rest,
            which may be the place it was called with before.
    """

    LOOPBACK = False

    def __init__(self, low: float, high: float, step: float, value: float, moved: Callable[[float], Any]) -> None:
        super().__init__(min=low, max=high, step=step, value=value)
        self.on(
            "update:model-value",
            lambda event: moved(float(event.args)),
            throttle=0.05,
            leading_events=True,
            trailing_events=True,
        )
