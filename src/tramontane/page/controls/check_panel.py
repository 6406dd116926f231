"""A check of what is shown: the solver runs as a job, and its numbers come beside the prediction."""

from __future__ import annotations

import asyncio
import time

from nicegui import ui

from tramontane.http.job_routes import submit_check
from tramontane.page.controls.design_panel import verdict
from tramontane.page.controls.number_field import NumberField
from tramontane.page.language.complaints import complain
from tramontane.page.language.readable_units import shown
from tramontane.page.latest import Latest, Turn
from tramontane.page.shell import Reader, Shell
from tramontane.page.view.asking import Answer, Asking
from tramontane.service.jobs.checks import takes_geometry
from tramontane.service.jobs.schemas import DesignAnswer, JobAnswer
from tramontane.service.predictions.schemas import CheckRequest, CheckSummary
from tramontane.service.problems import Problem

_EVERY = 1.0  # s between two looks at a job


class CheckPanel:
    """The button, how far the solver is, and what it said; nothing where no served solver fits the model.

    Args:
        shell: Of the page.
        reader: Who reads it.
        asking: Makes the request of what is shown.
    """

    def __init__(self, shell: Shell, reader: Reader, asking: Asking) -> None:
        self.shell, self.words, self.caller, self.asking = shell, reader.words, reader.caller, asking
        self.answer: Answer | None = None
        self.job = ""
        self.dimensions: dict[str, float | None] = {}
        self.latest = Latest(lambda: self.job, self._refresh)
        with ui.element("section").classes("panel").props("aria-live=polite") as self.panel:
            ui.label(self.words("check.title")).classes("heading")
            self.form = ui.element("div")
            self.button = ui.button(self.words("check.button"), icon="fact_check", on_click=self._submit).props(
                "outline dense no-caps data-check"
            )
            self.said = ui.element("div").props("data-checked")
        self.panel.set_visibility(False)
        self.timer = ui.timer(_EVERY, self.latest.ask, active=False)

    def learn(self, answer: Answer) -> None:
        """Offer to check an answer; what was said of another one is gone."""
        if self.answer is not None and answer.prediction.key == self.answer.prediction.key:
            return
        self.forget()
        self.answer = answer
        known = self.asking.request(answer).parameters
        fitting = self.shell.server.checks.solvers_of(answer.served)
        if not fitting:
            return
        self.panel.set_visibility(True)
        solver = fitting[0]
        specs = solver.contract.asked(geometry=takes_geometry(answer.served, solver))
        missing = {name: spec.unit for name, spec in specs.items() if name not in known}
        self.dimensions = {name: self.dimensions.get(name) for name in missing}
        if missing:
            with self.form:
                ui.label(self.words("check.dimensions")).classes("quiet")
                for name, unit in missing.items():
                    self._field(name, unit)
        self._enable()

    def _field(self, name: str, unit: str) -> None:
        """A dimension that the solver asks for and a geometry file does not say."""

        def typed(value: float) -> None:
            self.dimensions[name] = value
            self._enable()

        field = NumberField(
            self.words, self.dimensions[name], typed, unit=unit, label=name.replace("_", " "), name=name
        )
        field.props(f"dense data-dimension={name}")

    def _enable(self) -> None:
        self.button.set_enabled(all(value is not None for value in self.dimensions.values()))

    def forget(self) -> None:
        """What was answered before is no longer what is asked."""
        self.answer, self.job = None, ""
        self.timer.active = False
        self.said.clear()
        self.form.clear()
        self.button.set_visibility(True)
        self.panel.set_visibility(False)

    def _request(self, answer: Answer) -> CheckRequest:
        shared = self.asking.request(answer)
        typed: dict[str, float | str] = {name: value for name, value in self.dimensions.items() if value is not None}
        return CheckRequest(geometry=shared.geometry, length_unit=shared.length_unit,
                            parameters=shared.parameters | typed, level=shared.level)  # fmt: skip

    async def _submit(self) -> None:
        answer, server = self.answer, self.shell.server
        if answer is None:
            return
        self.button.set_visibility(False)
        try:
            self.caller.need("predict")
            job = await asyncio.to_thread(submit_check, server, self.caller, answer.served, self._request(answer))
        except Problem as problem:
            self.button.set_visibility(True)
            complain(self.words, problem)
            return
        server.runner.ring()
        if self.answer is answer:  # else another design is shown by now; the job goes on
            self.job = job.id
            self._progress(job)
            self.timer.active = True

    async def _refresh(self, turn: Turn[str]) -> None:
        if not turn.question:
            return
        jobs = self.shell.server.jobs
        try:
            job = await turn(asyncio.to_thread(jobs.find, self.caller, turn.question))
            if job.state in ("queued", "running"):
                self._progress(job)
                return
            design, _ = await turn(asyncio.to_thread(jobs.design, self.caller, turn.question, 0))
        except Problem as problem:
            self.timer.active = False
            complain(self.words, problem)
            return
        self.timer.active = False
        self._show(job, design)

    def _progress(self, job: JobAnswer) -> None:
        seconds = self.words.local(f"{max(time.time() - job.created, 0.0):.0f}")
        self.said.clear()
        with self.said, ui.element("div").classes("row-wrap"):
            ui.spinner(size="1.2em")
            key = "check.queued" if job.state == "queued" else "check.running"
            ui.label(self.words(key, seconds=seconds)).classes("quiet")

    def _show(self, job: JobAnswer, design: DesignAnswer) -> None:
        self.said.clear()
        with self.said:
            check = None if design.summary is None else design.summary.check
            if check is None:
                self.button.set_visibility(True)
                ui.label(self.words("check.failed", reason=design.reason or job.reason or job.state)).classes(
                    "is-error"
                )
                return
            self._show_numbers(check)

    def _show_numbers(self, check: CheckSummary) -> None:
        """The solver's numbers, each with whether the interval that stands beside it held."""
        assert self.answer is not None
        contract, words = self.answer.served.contract, self.words
        for name, each in check.qoi.items():
            unit, factor = shown(contract.qoi[name], each.predicted or 0.0)  # as the prediction's
            solved = words.number(None if each.solved is None else factor * each.solved)
            with ui.element("div").classes("checked").props(f"data-solved={name} data-value={each.solved}"):
                ui.label(name.replace("_", " "))
                ui.label(f"{solved} {unit}").classes("checked-value")
                if each.held is not None:
                    said = words("check.held" if each.held else "check.not_held")
                    ui.label(said).classes("is-held" if each.held else "is-not-held").props(
                        f"data-held={'yes' if each.held else 'no'}"
                    )
        for name, field in check.fields.items():
            inside = None if field.inside is None else words.number(100 * field.inside, 3)
            error = words.number(None if field.relative_l2 is None else 100 * field.relative_l2, 2)
            with ui.element("div").classes("checked").props(f"data-solved={name}"):
                ui.label(name.replace("_", " "))
                ui.label(words("check.error", error=error)).classes("checked-value")
                if inside is not None:
                    ui.label(words("check.inside", share=inside)).classes("quiet")
        if check.held is not None:
            verdict(words("check.all_held" if check.held else "check.not_all_held"), fine=check.held)
