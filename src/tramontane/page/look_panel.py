"""The controls of how a case is looked at: field, colours, section."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import ui

from tramontane.contract import Contract
from tramontane.page.colours import MAPS
from tramontane.page.number_field import NumberField
from tramontane.page.scene import choices, vector_field, volume_domain
from tramontane.page.slider import Slider
from tramontane.page.state import AXES, CELLS, View
from tramontane.page.words import Words


class LookPanel:
    """What says how a case is looked at.

    Args:
        words: Of the reader's language.
        view: Is changed as the reader changes the controls.
        changed: Called after each change.
    """

    def __init__(self, words: Words, view: View, changed: Callable[[], Any]) -> None:
        self.words, self.view, self.changed = words, view, changed
        self.told: dict[str, Any] = {}
        self._known: dict[str, str] | None = None
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
        with ui.element("section").classes("panel") as self.cuts:
            options = {"": words("predict.no_section")} | {axis: axis for axis in AXES}
            with ui.element("div").classes("row-between"):
                ui.label(words("predict.section"))
                self.axis = ui.toggle(options, value=view.section, on_change=self._axis).props(
                    f'dense no-caps unelevated size=sm toggle-color=primary aria-label="{words("predict.section")}"'
                )
            self.place = Slider(0.0, 1.0, 0.005, view.at, self._at)
            self.place.props(f'aria-label="{words("predict.place")}" data-slider=section')
            with ui.element("div").classes("row-wrap") as self.vectors:
                self.arrows = ui.switch(words("predict.arrows"), value=view.arrows,
                                        on_change=lambda e: self._set("arrows", e.value)).props("dense")  # fmt: skip
                self.lines = ui.switch(words("predict.lines"), value=view.lines,
                                       on_change=lambda e: self._set("lines", e.value)).props("dense")  # fmt: skip
        self._sections(False, False)

    def learn(self, contract: Contract, told: dict[str, Any]) -> None:
        """Take in which fields there are, and the range that is shown."""
        self.told = told
        known = choices(contract)
        if known != self._known:
            self._known = known
            self.field.set_options(known, value=self.view.field)
        if self.view.low is not None or self.view.high is not None:
            self._show_range()
        within = volume_domain(contract) is not None
        self._sections(within, within and vector_field(contract, self.view.field) is not None)

    def _sections(self, within: bool, vectors: bool) -> None:
        self.cuts.set_visibility(within)
        self.place.set_visibility(bool(self.view.section))
        self.vectors.set_visibility(vectors and bool(self.view.section))

    def _end(self, name: str) -> NumberField:
        def typed(value: float) -> None:
            if self.told:
                setattr(self.view, name, value / self.told["factor"])
                self.changed()

        field = NumberField(self.words, None, typed, label=self.words(f"predict.{name}"))
        field.props("outlined dense")
        return field

    def _show_range(self) -> None:
        factor, unit = self.told["factor"], self.told["unit"]
        for field, value in zip((self.low, self.high), self.told["range"], strict=True):
            field.show(value * factor, unit)

    def _lock(self, event: Any) -> None:
        if not self.told:
            return
        low, high = self.told["range"] if event.value else (None, None)
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

    def _axis(self, event: Any) -> None:
        self._set("section", event.value or "")

    def _at(self, value: float) -> None:
        self._set("at", value)

    def _set(self, name: str, value: Any) -> None:
        if getattr(self.view, name) != value:
            setattr(self.view, name, value)
            self.changed()
