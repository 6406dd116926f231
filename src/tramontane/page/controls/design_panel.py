"""The controls of a design: model, geometry, parameters; and its results."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from nicegui import ui

from tramontane.contract import Contract
from tramontane.http.routes import parameters_answer
from tramontane.page.controls.geometry_drop import GeometryDrop
from tramontane.page.controls.number_field import NumberField
from tramontane.page.controls.slider import Slider
from tramontane.page.language.complaints import complain, remark
from tramontane.page.language.readable_units import shown
from tramontane.page.language.words import Words
from tramontane.page.shell import Reader, Shell
from tramontane.page.view.asking import parameters_of
from tramontane.page.view.state import View
from tramontane.service.predictions.schemas import Summary, VerdictAnswer, Warned
from tramontane.service.problems import Problem

_UNITS = ("m", "mm", "cm", "inch")
_OFFERED = 50  # geometries, the newest


class DesignPanel:
    """What says which design is meant.

    Args:
        shell: Of the page.
        reader: Who reads it.
        view: Is changed as the reader changes the controls.
        changed: Called after each change.
        name: The picture of the same name hands on files that are dropped on it.
    """

    def __init__(
        self, shell: Shell, reader: Reader, view: View, changed: Callable[[], Any], *, name: str = "a"
    ) -> None:
        self.shell, self.words, self.view, self.changed = shell, reader.words, view, changed
        models = shell.server.registry.models
        view.model = view.model or next(iter(models), "")  # one that a link names and is not there is said
        model = view.model if view.model in models else None
        with ui.element("section").classes("panel"):
            self.model = ui.select(list(models), value=model, label=self.words("predict.model"),
                                   on_change=self._choose_model).props("outlined dense options-dense")  # fmt: skip
        with ui.element("section").classes("panel") as self.shape:
            self.geometry = ui.select(
                self._geometries(), value=view.geometry or None, label=self.words("predict.geometry"),
                on_change=self._choose_geometry,
            ).props("outlined dense options-dense")  # fmt: skip
            GeometryDrop(self.words, self._stored, self._refused, self._begun, name=name)
            self.about = ui.element("div").classes("quiet row-between")
        self.before_upload = view.geometry
        self.sliders = ui.element("section").classes("panel")
        self.of_case = False
        self._fill()
        self._describe_geometry()

    def follow_case(self, follows: bool) -> None:
        """Whether geometry and parameters are those of a stored case, so that only the model is chosen here."""
        self.of_case = follows
        self.sliders.set_visibility(not follows)
        self._fill()

    def _geometries(self) -> dict[str, str]:
        newest, _ = self.shell.server.geometries.every(start=0, count=_OFFERED)
        names = {each.hash: each.name or each.hash[:12] for each in newest}
        if self.view.geometry and self.view.geometry not in names:
            with contextlib.suppress(Problem):  # the answer to the question says what is wrong
                names[self.view.geometry] = self.shell.server.geometries.find(self.view.geometry).name
            names[self.view.geometry] = names.get(self.view.geometry) or self.view.geometry[:12]
        if not self.view.geometry and names:
            self.view.geometry = next(iter(names))
        return names

    def _fill(self) -> None:
        """Sliders of the model that is chosen."""
        self.sliders.clear()
        served = self.shell.server.registry.models.get(self.view.model)
        self.shape.set_visibility(not self.of_case and (served is None or served.surrogate.needs_geometry))
        if served is None:
            return
        parameters = {n: p for n, p in parameters_answer(served.contract).items() if n in parameters_of(served)}
        self.view.parameters = {
            name: self.view.parameters.get(name, (spec.low + spec.high) / 2) for name, spec in parameters.items()
        }
        with self.sliders:
            if parameters:
                ui.label(self.words("predict.parameters")).classes("heading")
            for name, spec in parameters.items():
                self._slider(name, spec.low, spec.high, spec.unit)

    def _slider(self, name: str, low: float, high: float, unit: str) -> None:
        label = name.replace("_", " ")
        start = self.view.parameters[name]
        span = (high - low) or abs(high) or 1.0

        def moved(value: float) -> None:
            if value == self.view.parameters[name]:
                return
            self.view.parameters[name] = value
            field.show(value)
            self.changed()

        def typed(value: float) -> None:
            self.view.parameters[name] = value
            slider.set_value(min(max(value, low), high))
            self.changed()

        # A number field takes what lies outside; the slider stays within what was trained.
        with ui.element("div").classes("row-between"):
            ui.label(label)
            field = NumberField(self.words, start, typed, unit=unit, name=name)
            field.props(
                f'dense borderless input-class="text-right" aria-label="{label} [{unit}]" data-parameter={name}'
            )
            field.classes("parameter-number")
        # While it moves, pictures follow as fast as they are made; the last place is always shown.
        slider = Slider(low, high, span / 400, min(max(start, low), high), moved)
        slider.props(f'aria-label="{label} [{unit}]" data-slider={name}')
        ends = {"low": self.words.number(low), "high": self.words.number(high)}
        ui.label(self.words("predict.range", **ends, unit=unit)).classes("quiet")

    def _choose_model(self, event: Any) -> None:
        self.view.model = event.value or ""
        self._fill()
        self.changed()

    def _choose_geometry(self, event: Any) -> None:
        if event.value and event.value != self.view.geometry:
            self.view.geometry = event.value
            self._describe_geometry()
            self.changed()

    def _begun(self) -> None:
        self.before_upload = self.view.geometry

    def _stored(self, identity: str) -> None:
        if self.view.geometry != self.before_upload:  # another part was chosen while this one was sent: it is offered
            self.geometry.set_options(self._geometries())
            return
        self.view.geometry = identity
        self.geometry.set_options(self._geometries(), value=identity)
        self._describe_geometry()
        self.changed()

    def _refused(self, name: str, detail: str) -> None:
        complain(self.words, f"{name}: {detail}")

    def _describe_geometry(self) -> None:
        self.about.clear()
        server = self.shell.server
        served = server.registry.models.get(self.view.model)
        if not self.view.geometry or served is None:
            return
        try:
            stored = server.geometries.find(self.view.geometry)
        except Problem:  # the answer to the question says what is wrong
            return
        unit = "m" if stored.metric else self.view.unit or served.contract.length_unit
        size = " × ".join(self.words.number(high - low, 3) for low, high in zip(stored.low, stored.high, strict=True))
        with self.about:
            ui.label(f"{size} {unit}, " + self.words("predict.triangles", count=self.words.count(stored.triangles)))
            if not stored.metric:
                ui.select(sorted({*_UNITS, unit}), value=unit, on_change=self._choose_unit).props(
                    f'dense options-dense borderless aria-label="{self.words("predict.unit")}"'
                )

    def _choose_unit(self, event: Any) -> None:
        self.view.unit = event.value
        self._describe_geometry()
        self.changed()


def results(words: Words, contract: Contract, summary: Summary, waiting: list[str]) -> None:
    """QoIs with units, the verdict on the design's place, and the time it took.

    Args:
        words: Of the reader's language.
        contract: Of the model.
        summary: Of the prediction.
        waiting: Names of QoIs that are still to come.
    """
    for name, quantity in summary.qoi.items():
        unit, factor = shown(contract.qoi[name], quantity.value or 0.0)
        number = words.number(None if quantity.value is None else factor * quantity.value)
        with ui.element("div").classes("qoi").props(f"data-qoi={name} data-value={quantity.value}"):
            ui.label(name.replace("_", " "))
            ui.label(f"{number} {unit}").classes("qoi-value")
            if quantity.low is not None and quantity.high is not None:
                low, high = (words.number(factor * bound) for bound in sorted((quantity.low, quantity.high)))
                level = words.local(f"{100 * summary.level:g}")
                with ui.label(words("predict.interval", low=low, high=high, unit=unit, level=level)) as interval:
                    interval.classes("quiet").props(f"data-interval={name}")
                    if quantity.assumed:
                        interval.props["title"] = words("predict.assumed")
    for name in waiting:
        with ui.element("div").classes("qoi"):
            ui.label(name.replace("_", " "))
            ui.label(words("predict.pending")).classes("quiet")
    place, details = place_of(words, summary.verdict, summary.warnings)
    verdict(words(f"predict.{place}"), details, fine=place == "inside", bad=place == "outside")
    cells = sum(domain.cells for domain in summary.domains.values())
    ui.label(words("predict.seconds", seconds=words.local(f"{summary.seconds:.2f}"), count=words.count(cells))).classes(
        "quiet"
    )


def place_of(words: Words, stated: VerdictAnswer | None, warnings: Sequence[Warned]) -> tuple[str, list[str]]:
    """Where a design lies, and why: ``inside``, ``edge`` or ``outside``.

    A model without a verdict calls a design outside that it warns of.
    """
    details = [remark(words, each) for each in ([] if stated is None else stated.reasons)]
    details += [remark(words, each) for each in warnings]
    if stated is None:
        return ("outside" if warnings else "inside"), details
    return stated.domain, details


def verdict(headline: str, details: Sequence[str] = (), *, fine: bool, bad: bool = False) -> None:
    """A sentence that says what an answer is worth, and what it rests on."""
    kind = "is-fine" if fine else "is-warning is-bad" if bad else "is-warning"
    with ui.element("div").classes(f"verdict {kind}").props("role=status"):
        ui.icon("check_circle" if fine else "error" if bad else "warning").props("aria-hidden=true")
        with ui.element("div"):
            ui.label(headline)
            for detail in details:
                ui.label(detail).classes("small")
