"""The controls of what is shown of a volume: section, arrows, streamlines, iso-surface."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import ui

from tramontane.contract import Contract
from tramontane.page.controls.slider import Slider
from tramontane.page.language.words import Words
from tramontane.page.view.scene import by_cell_in, vector_field, velocity_field, volume_choices, volume_domain
from tramontane.page.view.state import AXES, View
from tramontane.units import from_si, si_factor

_STEP = 0.002  # of a section's slider, as a share of the domain


class CutPanel:
    """What says how a volume is looked at.

    Args:
        words: Of the reader's language.
        view: Is changed as the reader changes the controls.
        changed: Called after each change.
    """

    def __init__(self, words: Words, view: View, changed: Callable[[], Any]) -> None:
        self.words, self.view, self.changed = words, view, changed
        self._section: dict[str, Any] = {}
        self._iso: dict[str, Any] = {}
        self._unit = "m"
        self._options: dict[str, str] = {}
        with ui.element("section").classes("panel") as self.sections:
            options = {"": words("predict.no_section")} | {axis: axis for axis in AXES}
            with ui.element("div").classes("row-between"):
                ui.label(words("predict.section"))
                self.axis = ui.toggle(options, value=view.section, on_change=self._axis).props(
                    f'dense no-caps unelevated size=sm toggle-color=primary aria-label="{words("predict.section")}"'
                )
            with ui.element("div") as self.place:
                with ui.element("div").classes("row-between"):
                    self.place_name = ui.label()
                    self.coordinate = ui.number(format="%.5g").classes("parameter-number").props(
                        f'dense borderless input-class="text-right" aria-label="{words("predict.place")}" data-section'
                    )  # fmt: skip
                    self.coordinate.on("change", self._typed)
                    self.coordinate.on("keydown.enter", self._typed)
                self.slider = Slider(0.0, 1.0, _STEP, 0.5 if view.at is None else view.at, self._moved)
                self.slider.props(f'aria-label="{words("predict.place")}" data-slider=section')
            with ui.element("div").classes("row-wrap") as self.more:
                self.arrows = self._switch("predict.arrows", "arrows")
                self.lines = self._switch("predict.lines", "lines")
                self.smooth = self._switch("predict.smooth", "smooth")
        with ui.element("section").classes("panel") as self.isos:
            self.iso = ui.select({"": words("predict.no_section")}, value="", label=words("predict.iso"),
                                 on_change=self._choose_iso).props("outlined dense options-dense data-iso")  # fmt: skip
            with ui.element("div") as self.levels:
                with ui.element("div").classes("row-between"):
                    ui.label(words("predict.level"))
                    self.level = ui.number(format="%.5g").classes("parameter-number").props(
                        f'dense borderless input-class="text-right" aria-label="{words("predict.level")}" data-level'
                    )  # fmt: skip
                    self.level.on("change", self._typed_level)
                    self.level.on("keydown.enter", self._typed_level)
                self.level_slider = Slider(0.0, 1.0, _STEP, 0.5, self._moved_level)
                self.level_slider.props(f'aria-label="{words("predict.level")}" data-slider=level')
        for panel in (self.sections, self.isos):
            panel.set_visibility(False)

    def take(self, contract: Contract, view: View, payload: dict[str, Any]) -> None:
        """Take in what there is to show, and where it stands.

        Args:
            contract: Of what is shown.
            view: As it was asked.
            payload: What the view was told.
        """
        within = volume_domain(contract) is not None
        for panel in (self.sections, self.isos):
            panel.set_visibility(within)
        if not within:
            return
        self._unit = contract.length_unit
        self._section, self._iso = payload.get("section", {}), payload.get("iso", {})
        self.place.set_visibility(bool(view.section and self._section))
        self.more.set_visibility(bool(view.section))
        self.arrows.set_visibility(vector_field(contract, view.field) is not None)
        self.lines.set_visibility(velocity_field(contract, view.field) is not None)
        self.smooth.set_visibility(by_cell_in(contract, str(volume_domain(contract))))
        if view.section and self._section:
            self.place_name.set_text(f"{view.section} =")
            self.coordinate.props(f'suffix="{self._unit}"')
            if self.view.at in (None, view.at):
                self._show_place(self._section["share"])
        options = volume_choices(contract)
        if options != self._options:
            self._options = options
            self.iso.set_options({"": self.words("predict.no_section")} | options,
                                 value=view.iso if view.iso in options else "")  # fmt: skip
        self.levels.set_visibility(bool(self._iso))
        if self._iso:
            self.level.props(f'suffix="{self._iso["unit"]}"')
            if self.view.level in (None, view.level):
                self._show_level(self._iso["level"])

    # -- section ---------------------------------------------------------------------------------------------------

    def _axis(self, event: Any) -> None:
        if (event.value or "") != self.view.section:
            self.view.section, self.view.at = event.value or "", None
            self._section = {}  # of the axis before
            self.changed()

    def _moved(self, share: float) -> None:
        if self._section and share != self.view.at:
            self.view.at = share
            self._show_place(share, slider=False)
            self.changed()

    def _typed(self) -> None:
        given, about = self.coordinate.value, self._section
        if given is None or not about:
            return
        place = float(given) * si_factor(self._unit)
        share = ((place - about["low"]) / ((about["high"] - about["low"]) or 1.0) - 0.001) / 0.998
        share = min(max(share, 0.0), 1.0)
        if self.view.at is None or abs(share - self.view.at) > 1e-6:
            self.view.at = share
            self._show_place(share)
            self.changed()

    def _show_place(self, share: float, *, slider: bool = True) -> None:
        low, high = self._section["low"], self._section["high"]
        place = from_si(low + (high - low) * (0.001 + 0.998 * share), self._unit)
        # Of a place in a long domain the last digits would say more than the eye sees.
        span = from_si(high - low, self._unit)
        self.coordinate.set_value(float(f"{0.0 if abs(place) < 1e-6 * span else place:.5g}"))
        if slider:
            self.slider.set_value(share)

    # -- iso-surface -----------------------------------------------------------------------------------------------

    def _choose_iso(self, event: Any) -> None:
        if (event.value or "") != self.view.iso:
            self.view.iso, self.view.level = event.value or "", None
            self._iso = {}  # of the field before
            self.levels.set_visibility(False)
            self.changed()

    def _moved_level(self, share: float) -> None:
        if self._iso:
            level = self._iso["low"] + share * (self._iso["high"] - self._iso["low"])
            if level != self.view.level:
                self.view.level = level
                self._show_level(level, slider=False)
                self.changed()

    def _typed_level(self) -> None:
        if self.level.value is None or not self._iso:
            return
        level = float(self.level.value) / self._iso["factor"]
        if self.view.level is None or abs(level - self.view.level) > 1e-5 * abs(level):
            self.view.level = level
            self._show_level(level)
            self.changed()

    def _show_level(self, level: float, *, slider: bool = True) -> None:
        low, high = self._iso["low"], self._iso["high"]
        self.level.set_value(float(f"{level * self._iso['factor']:.5g}"))
        if slider:
            self.level_slider.set_value(min(max((level - low) / ((high - low) or 1.0), 0.0), 1.0))

    # -- both ------------------------------------------------------------------------------------------------------

    def _switch(self, label: str, name: str) -> ui.switch:
        def chosen(event: Any) -> None:
            if getattr(self.view, name) != event.value:
                setattr(self.view, name, event.value)
                self.changed()

        return ui.switch(self.words(label), value=getattr(self.view, name), on_change=chosen).props("dense")
