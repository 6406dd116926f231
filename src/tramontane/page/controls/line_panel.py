"""The controls of a line along which values are plotted, its chart, and its table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import ui

from tramontane.page.language.words import Words
from tramontane.page.view.asking import Answer
from tramontane.page.view.bounds import measured_of
from tramontane.page.view.line_plot import chart
from tramontane.page.view.scene import volume_domain
from tramontane.page.view.state import AXES, View
from tramontane.units import from_si, si_factor


class LinePanel:
    """A line through the volume.

    Args:
        words: Of the reader's language.
        view: Is changed as the reader changes the controls: its ``line``.
        changed: Called after each change.
    """

    def __init__(self, words: Words, view: View, changed: Callable[[], Any]) -> None:
        self.words, self.view, self.changed = words, view, changed
        self._answer: Answer | None = None
        self._unit = "m"
        with ui.element("section").classes("panel").props("data-line") as self.panel:
            with ui.element("div").classes("row-between"):
                ui.label(words("predict.line"))
                options = {"": words("predict.no_section")} | {axis: f"→ {axis}" for axis in AXES}
                self.axis = ui.toggle(options, value=view.line if view.line in options else None, on_change=self._axis
                                      ).props(f'dense no-caps unelevated size=sm toggle-color=primary '
                                              f'aria-label="{words("predict.line")}"')  # fmt: skip
            with ui.element("div") as self.shown:
                self.ends: list[ui.number] = []
                for label in ("predict.low", "predict.high"):
                    with ui.element("div").classes("row-line"):
                        ui.label(words(label)).classes("quiet")
                        for axis in AXES:
                            end = ui.number(format="%.4g").props(
                                f'dense borderless prefix={axis} aria-label="{words(label)} {axis}" data-end'
                            )  # fmt: skip
                            end.on("change", self._typed)
                            end.on("keydown.enter", self._typed)
                            self.ends.append(end)
                self.about = ui.label().classes("quiet")
                with ui.element("figure").classes("line-chart charts"):
                    self.title = ui.label().classes("small")
                    self.chart = ui.element("div")
                ui.button("CSV", icon="download", on_click=self._save).props("outline dense no-caps data-csv")
        self.panel.set_visibility(False)

    def learn(self, answer: Answer) -> None:
        """Show the line of an answer."""
        contract, plot = answer.served.contract, answer.line
        self._answer, self._unit = answer, contract.length_unit
        self.panel.set_visibility(volume_domain(contract) is not None)
        self.shown.set_visibility(plot is not None)
        self.chart.clear()
        if plot is None:
            return
        for field, value in zip(self.ends, (*plot.points[0], *plot.points[-1]), strict=True):
            field.set_value(float(f"{from_si(float(value), self._unit):.4g}"))
        choice = measured_of(answer.view.field)
        choice = choice if choice in plot.values else next(iter(plot.values), "")
        notes = [f"[{self._unit}]"]
        if plot.averaged:
            notes.append(self.words("view.averaged"))
        if not plot.inside.all():
            notes.append(self.words("predict.line_outside"))
        self.about.set_text(" · ".join(notes))
        drawn = chart(plot, choice, contract, axis=self.words("predict.distance")) if choice else ""
        with self.chart:
            if drawn:
                ui.html(drawn, sanitize=False)
            else:
                ui.label(self.words("predict.line_empty")).classes("quiet")
        self.title.set_text(plot.title(choice, contract) if drawn else "")

    def _axis(self, event: Any) -> None:
        if event.value is not None and event.value != self.view.line:
            self.view.line = event.value
            self.changed()

    def _typed(self) -> None:
        values = [field.value for field in self.ends]
        if any(value is None for value in values):
            return
        line = ",".join(f"{float(value) * si_factor(self._unit):.7g}" for value in values)
        if self._answer is not None and self._answer.line is not None:
            plot = self._answer.line
            now = (*plot.points[0], *plot.points[-1])
            if all(
                float(f"{from_si(float(x), self._unit):.4g}") == value for x, value in zip(now, values, strict=True)
            ):
                return
        self.view.line = line
        self.axis.set_value(None)
        self.changed()

    def _save(self) -> None:
        answer = self._answer
        if answer is not None and answer.line is not None:
            name = f"{answer.served.name}-line.csv"
            ui.download.content(answer.line.table(answer.served.contract), name, "text/csv")
