"""A model judged on cases that it never saw: its report, scatter plots, each case in 3D beside the truth."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from fastapi import Request
from nicegui import ui

from tramontane.errors import TramontaneError
from tramontane.evaluation.report import Report
from tramontane.page.charts import scatter
from tramontane.page.figures import figures
from tramontane.page.language.complaints import complaint, missing_model, unforeseen
from tramontane.page.language.readable_units import shown
from tramontane.page.latest import Latest, Turn
from tramontane.page.pages.data import choose_dataset
from tramontane.page.shell import Reader, Shell
from tramontane.page.view.field_view import FieldView
from tramontane.page.view.scene import choices, surface_domain
from tramontane.page.view.solver_case import SolverCase
from tramontane.page.view.state import View
from tramontane.service.problems import Problem
from tramontane.service.registry import Served

_EVERY = 0.5  # s between two looks at how far an evaluation is
_STAGES = {"cases": "cases_done", "baselines": "baselines_done"}


def register(shell: Shell) -> None:
    """The page ``/evaluation``."""

    @ui.page("/evaluation")
    def evaluation(request: Request) -> None:
        with shell.frame(request, "evaluation") as reader:
            names, models = list(shell.datasets.paths), shell.server.registry.models
            if not names or not models:
                ui.label(reader.words("data.none" if models else "models.none")).classes("nothing")
                return
            query = request.query_params
            EvaluationPage(shell, reader, query.get("set", names[0]), query.get("model", ""), query.get("case", ""))


class EvaluationPage:
    """The report of a model on a dataset.

    Args:
        shell: Of the page.
        reader: Who reads it.
        dataset: Name of the dataset.
        model: Name of the model, or empty for the first that fits.
        case: Name of the case that is shown, or empty.
    """

    def __init__(self, shell: Shell, reader: Reader, dataset: str, model: str, case: str) -> None:
        self.shell, self.reader, self.words, self.dataset = shell, reader, reader.words, dataset
        self.case = case
        models = shell.server.registry.models
        self.model = model or shell.datasets.fitting(dataset, models)
        self.view = View(model=self.model)
        self.latest = Latest(lambda: (self.dataset, self.model, self.case, self.view.field), self._show_case,
                             failed=self._fail_case)  # fmt: skip
        served = self.model if self.model in models else None
        with ui.element("div").classes("row-wrap"):
            choose_dataset(reader, list(shell.datasets.paths), dataset, "/evaluation")
            ui.select(list(models), value=served, label=self.words("predict.model"), on_change=self._choose_model
                      ).props("outlined dense options-dense").classes("choice")  # fmt: skip
            self.start = ui.button(self.words("evaluation.start"), icon="play_arrow", on_click=self._evaluate).props(
                "unelevated no-caps"
            )
        self.body = ui.element("div").classes("sections")
        self._show()

    def _choose_model(self, event: Any) -> None:
        self.model, self.view, self.case = event.value, View(model=event.value), ""
        self._show()

    @property
    def served(self) -> Served:
        """The model."""
        return self.shell.server.model(self.model)

    async def _evaluate(self) -> None:
        self.reader.caller.need("predict")
        self.start.disable()
        self.body.clear()
        with self.body, ui.element("section").classes("panel"):
            stage = ui.label().props("role=status data-stage")
            bar = ui.linear_progress(value=0.0, show_value=False)
        reached = "cases", 0, 0

        def follow(*reaches: Any) -> None:  # told in the thread that evaluates
            nonlocal reached
            reached = reaches

        def show() -> None:
            name, done, count = reached
            stage.set_text(self.words(f"evaluation.{_STAGES[name]}", done=done, count=count or "…"))
            bar.set_value(done / count if count else 0.0)
            bar.props(f"data-done={done}")

        show()
        with self.body:
            timer = ui.timer(_EVERY, show)
        model = self.model
        try:
            served, dataset = self.served, self.dataset
            await self.shell.server.predictions.run(lambda: self.shell.datasets.evaluate(dataset, served, follow))
            self._show()  # of the model that is chosen now: its report stands there, or none
        except (TramontaneError, Problem) as error:
            if self.model == model:
                self._fail(error)
        finally:
            timer.cancel()
            self.start.enable()

    def _fail(self, error: Exception | str) -> None:
        message = error if isinstance(error, str) else complaint(self.words, error)
        self.body.clear()
        with self.body:
            ui.label(message).classes("is-error").props("role=alert")

    def _show(self) -> None:
        with self.body:
            link = {"set": self.dataset, "model": self.model, "case": self.case or None}
            ui.run_javascript(f"tramontaneLink({json.dumps(link)})")
        models = self.shell.server.registry.models
        if self.model not in models:
            self._fail(missing_model(self.words, self.model, models))
            return
        try:
            report = self.shell.datasets.report(self.dataset, self.served)
        except (TramontaneError, Problem) as error:
            self._fail(error)
            return
        self.body.clear()
        if report is None:
            with self.body:
                ui.label(self.words("evaluation.begin")).classes("nothing")
            return
        words = self.words
        with self.body:
            with ui.element("section").classes("panel"):
                heading = words("evaluation.unseen", count=len(report.cases), split=report.split)
                with ui.element("div").classes("row-wrap"):
                    ui.label(heading).classes("heading")
                    self.document = ui.button(
                        words("evaluation.document"), icon="description", on_click=self._download
                    ).props("flat dense no-caps data-document")
                figures(words, {}, report)
            if report.qoi:
                with ui.element("section").classes("panel"):
                    ui.label(words("evaluation.scatter")).classes("heading")
                    with ui.element("div").classes("charts"):
                        self._scatters(report)
            if report.fields and surface_domain(self.served.contract):
                self._cases(report)

    async def _download(self) -> None:
        """The report as one HTML file."""
        self.document.props("loading").disable()
        served, dataset, model = self.served, self.dataset, self.model
        try:
            content = await self.shell.server.predictions.run(lambda: self.shell.datasets.document(dataset, served))
            ui.download.content(content, f"{model}-{dataset}.html", "text/html")
        except (TramontaneError, Problem) as error:
            ui.notify(complaint(self.words, error), type="negative")
        finally:
            self.document.props(remove="loading").enable()

    def _scatters(self, report: Report) -> None:
        axes = self.words("evaluation.true"), self.words("evaluation.predicted")
        for name, qoi in report.qoi.items():
            unit, factor = shown(qoi, max(map(abs, [*qoi.true, *qoi.predicted]), default=0.0))
            with ui.element("figure"):
                with ui.element("figcaption").classes("small"):
                    error = self.words.number(factor * qoi.mean_absolute, 3)
                    ui.label(f"{name.replace('_', ' ')}: {self.words('evaluation.error')} {error} {unit}".rstrip())
                picture = scatter(self.words, qoi.true, qoi.predicted, report.cases, label=name, unit=unit,
                                  factor=factor, axes=axes)  # fmt: skip
                ui.html(picture, sanitize=False)

    def _cases(self, report: Report) -> None:
        words = self.words
        errors = np.mean([field.each for field in report.fields.values()], axis=0)
        order = np.argsort(-errors)
        self.case = self.case if self.case in report.cases else report.cases[int(order[0])]
        with ui.element("section").classes("panel"):
            ui.label(words("evaluation.cases")).classes("heading")
            label = words("evaluation.error")
            options = {report.cases[i]: f"{report.cases[i]}: {label} {words.share(float(errors[i]))}"
                       for i in order}  # fmt: skip
            fields = {
                name: label
                for name, label in choices(self.served.contract).items()
                if name.partition(".")[0] in self.served.contract.fields[str(surface_domain(self.served.contract))]
            }
            self.view.field = self.view.field if self.view.field in fields else next(iter(fields))
            with ui.element("div").classes("row-wrap"):
                ui.select(options, value=self.case, label=words("data.case"), on_change=self._choose_case).props(
                    "outlined dense options-dense").classes("choice")  # fmt: skip
                ui.select(fields, value=self.view.field, label=words("predict.field"), on_change=self._choose_field
                          ).props("outlined dense options-dense").classes("choice")  # fmt: skip
            with ui.element("div").classes("row-views"):
                self.views, self.ready = [], 0
                for name in ("true", "predicted", "difference"):
                    with ui.element("figure").props(f"data-view={name}"):
                        with ui.element("figcaption").classes("heading"):
                            ui.label(words(f"evaluation.{name}"))
                        view = FieldView(words, empty=words("evaluation.choose"), group="evaluation")
                        view.on("ready", self._one_ready)
                        self.views.append(view)

    def _one_ready(self) -> None:
        self.ready += 1
        if self.ready == len(self.views):
            self.latest.ask()

    def _choose_case(self, event: Any) -> None:
        self.case = event.value
        self.latest.ask()

    def _choose_field(self, event: Any) -> None:
        self.view.field = event.value
        self.latest.ask()

    def _fail_case(self, error: Exception) -> None:
        for view in self.views:
            view.fail(unforeseen(self.words, error))

    async def _show_case(self, turn: Turn[tuple[str, str, str, str]]) -> None:
        set_name, model, name, field = turn.question
        if not name:  # a model without a report was chosen meanwhile
            return
        views = self.views
        for view in views:
            view.wait(self.words("predict.working"), anew=True)
        with self.body:
            ui.run_javascript(f"tramontaneLink({json.dumps({'case': name})})")
        try:
            served, dataset = self.shell.server.model(model), self.shell.datasets.open(set_name)
            payloads = await turn(
                self.shell.server.predictions.run(
                    lambda: SolverCase(served, dataset, name).payloads(
                        self.shell.buffers, View(field=field), self.words
                    )
                )
            )
        except (TramontaneError, Problem) as error:
            for view in views:
                view.fail(complaint(self.words, error))
            return
        for view, each in zip(views, payloads, strict=True):
            view.show(each)
