"""The controls of how a case is looked at: field, colours, section."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import ui

from tramontane.page.controls.cut_panel import CutPanel
from tramontane.page.controls.number_field import NumberField
from tramontane.page.controls.slider import Slider
from tramontane.page.language.words import Words
from tramontane.page.view.asking import Answer, choices_of, intervals_of
from tramontane.page.view.colours import MAPS
from tramontane.page.view.scene import displacement_field, field_of
from tramontane.page.view.state import AUTO, CELLS, View
from tramontane.service.registry import Served

_MOST = 3.0  # times the scale that is chosen: the slider's right end


class LookPanel:
    """What says how a case is looked at.

    Args:
        words: Of the reader's language.
        view: Is changed as the reader changes the controls.
        changed: Called after each change.
    """

    def __init__(self, words: Words, view: View, changed: Callable[[], Any]) -> None:
        self.words, self.view, self.changed = words, view, changed
        self.payload: dict[str, Any] = {}
        self._payload_field = ""
        self._most = 0.0  # the scale at the slider's right end
        self._options: dict[str, str] | None = None
        with ui.element("section").classes("panel"):
            self.field = ui.select([], label=words("predict.field"), on_change=self._field).props(
                "outlined dense options-dense")  # fmt: skip
            self.map = ui.select(list(MAPS), value=view.map, label=words("predict.map"), on_change=self._map).props(
                "outlined dense options-dense")  # fmt: skip
            self.lock = ui.switch(words("predict.lock"), value=view.low is not None, on_change=self._lock).props(
                "dense"
            )
            with ui.element("div").classes("row-two").bind_visibility_from(self.lock, "value"):
                self.low = self._end("low")
                self.high = self._end("high")
            fineness = {count: words.count(count) for count in sorted({CELLS, 200_000, 1_000_000, view.cells})}
            label = words("predict.fineness")
            self.fineness = ui.select(fineness, value=view.cells, label=label,
                                      on_change=lambda e: self._set("cells", e.value)).props(
                "outlined dense options-dense")  # fmt: skip
            self.unsure = ui.switch(words("predict.unsure"), value=view.unsure,
                                    on_change=lambda e: self._set("unsure", e.value)).props("dense")  # fmt: skip
            self.unsure.set_visibility(False)
        with ui.element("section").classes("panel") as self.warping:
            with ui.element("div").classes("row-between"):
                ui.label(words("predict.warp"))
                options = {"off": words("predict.warp_off"), "true": words("predict.warp_true"),
                           "auto": words("predict.warp_auto")}  # fmt: skip
                self.warp = ui.toggle(options, value=_kind(view.warp), on_change=self._warp).props(
                    f'dense no-caps unelevated size=sm toggle-color=primary aria-label="{words("predict.warp")}"'
                )
            self.scale = Slider(0.0, 1.0, 0.01, 0.5, self._scale)
            self.scale.props(f'aria-label="{words("predict.warp")}" data-slider=warp')
        self.warping.set_visibility(False)
        self.cuts = CutPanel(words, view, changed)

    def learn(self, answer: Answer) -> None:
        """Take in which fields there are, and the range that is shown."""
        assert answer.payload is not None
        self.take(answer.served, answer.view, answer.payload)

    def take(self, served: Served, view: View, payload: dict[str, Any]) -> None:
        """The same, of what was not asked of a model alone.

        Args:
            served: The model.
            view: As it was asked.
            payload: What the view was told.
        """
        self.payload, self._payload_field = payload, view.field
        contract, options = served.contract, choices_of(served, self.words)
        if options != self._options:
            self._options = options
            self.view.field = view.field
            self.field.set_options(options, value=view.field)
        self.unsure.set_visibility(field_of(contract, view.field) in intervals_of(served))
        if view.low is not None or view.high is not None:
            self._show_range()
        self.warping.set_visibility(displacement_field(contract, view.field) is not None)
        about = payload.get("warp")
        self.scale.set_visibility(about is not None)
        if about is not None and self.view.warp == view.warp:
            self._most = _MOST * about["fitting"]
            self.scale.set_value(min(about["scale"] / self._most, 1.0))
        self.cuts.take(contract, view, payload)

    def _warp(self, event: Any) -> None:
        if event.value is not None and event.value != _kind(self.view.warp):
            self.view.warp = {"off": None, "true": 1.0, "auto": AUTO}[event.value]
            self.changed()

    def _scale(self, share: float) -> None:
        # Zero stands for a scale that is chosen; the undeformed shape has a button of its own.
        scale = float(f"{max(share, 0.005) * self._most:.3g}")
        if self._most and scale != self.view.warp:
            self.view.warp = scale
            self.warp.set_value(_kind(scale))
            self.changed()

    def _end(self, name: str) -> NumberField:
        def typed(value: float) -> None:
            if self._knows_range:
                setattr(self.view, name, value / self.payload["factor"])
                self.changed()

        field = NumberField(self.words, None, typed, label=self.words(f"predict.{name}"))
        field.props("outlined dense")
        return field

    def _show_range(self) -> None:
        factor, unit = self.payload["factor"], self.payload["unit"]
        for field, value in zip((self.low, self.high), self.payload["range"], strict=True):
            field.show(value * factor, unit)

    def _lock(self, event: Any) -> None:
        if not self._knows_range:  # the range is that of another field until the new one is shown
            self.lock.set_value(self.view.low is not None)
            return
        low, high = self.payload["range"] if event.value else (None, None)
        if event.value and self.view.low is not None:
            return
        self.view.low, self.view.high = low, high
        if event.value:
            self._show_range()
        self.changed()

    def _field(self, event: Any) -> None:
        if event.value and event.value != self.view.field:
            self.view.field, self.view.low, self.view.high = event.value, None, None
            self.lock.set_value(False)
            self.changed()

    def _map(self, event: Any) -> None:
        self._set("map", event.value)

    @property
    def _knows_range(self) -> bool:
        """Whether the range that was told is that of the field that is chosen."""
        return bool(self.payload) and self._payload_field == self.view.field

    def _set(self, name: str, value: Any) -> None:
        if getattr(self.view, name) != value:
            setattr(self.view, name, value)
            self.changed()


def _kind(warp: float | None) -> str | None:
    """Which button says how the shape is shown; None where the slider does."""
    return "off" if warp is None else "auto" if warp == AUTO else "true" if warp == 1.0 else None
