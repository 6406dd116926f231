"""A design asked, and its fields looked at."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

from fastapi import Request
from nicegui import ui

from tramontane.contract import Contract
from tramontane.errors import TramontaneError
from tramontane.page.controls.check_panel import CheckPanel
from tramontane.page.controls.design_panel import DesignPanel, results
from tramontane.page.controls.line_panel import LinePanel
from tramontane.page.controls.look_panel import LookPanel
from tramontane.page.language.complaints import complain, complaint, missing_model, unforeseen, warn_of_link
from tramontane.page.latest import Latest, Turn
from tramontane.page.pages.downloads import SURFACE_FORMS, VOLUME_FORMS, file_name
from tramontane.page.shell import Reader, Shell
from tramontane.page.view.asking import Answer, Asking
from tramontane.page.view.field_view import FieldView
from tramontane.page.view.state import View
from tramontane.service.predictions.schemas import Summary
from tramontane.service.problems import Problem


def register(shell: Shell) -> None:
    """The page ``/predict``."""

    @ui.page("/predict")
    def predict(request: Request) -> None:
        with shell.frame(request, "predict") as reader:
            PredictPage(shell, reader, View.from_query(dict(request.query_params)))


class PredictPage:
    """The controls, the view and the results.

    Args:
        shell: Of the page.
        reader: Who reads it.
        view: What is shown at first.
    """

    def __init__(self, shell: Shell, reader: Reader, view: View) -> None:
        self.shell, self.words, self.view = shell, reader.words, view
        self.asking = Asking(shell.server, shell.buffers, reader.caller, reader.words)
        self.latest = Latest(lambda: self.asking.settled(self.view), self._refresh, View.on_the_way,
                             lambda error: self._fail(unforeseen(self.words, error)))  # fmt: skip
        warn_of_link(self.words, view.model, self.asking.unknown(view))
        self.answer: Answer | None = None
        self._drawn: tuple[int, Answer] | None = None
        self._offered: list[tuple[str, str]] = []
        with ui.element("div").classes("controls"):
            self.panel = DesignPanel(shell, reader, view, self.latest.ask)
        with ui.element("div").classes("stage"):
            self.field = FieldView(self.words, empty=self._nothing(), remember=True, drop="a")
            self.field.on("ready", self.latest.ask)
            self.field.on("shown", self._picture)
        with ui.element("div").classes("side"):
            with ui.element("section").classes("panel").props("aria-live=polite"):
                ui.label(self.words("predict.results")).classes("heading")
                self.results = ui.element("div")
            self.check = CheckPanel(shell, reader, self.asking)
            self.look = LookPanel(self.words, view, self.latest.ask)
            self.line = LinePanel(self.words, view, self.latest.ask)
            with ui.element("section").classes("panel"):
                self._buttons()

    def _nothing(self) -> str:
        return self.words("predict.no_geometry" if self.view.model else "predict.no_model")

    async def _refresh(self, turn: Turn[View]) -> None:
        view = turn.question
        with self.field:
            ui.run_javascript(f"tramontaneLink({json.dumps(view.query())})")
        models = self.shell.server.registry.models
        served = models.get(view.model)
        if view.model and served is None:
            self._fail(missing_model(self.words, view.model, models))
            return
        if served is None or (served.surrogate.needs_geometry and not view.geometry):
            self._forget()
            self.field.show_nothing(self._nothing())
            return
        if self.answer is not None and not self.answer.view.same_design(view):
            self._forget()  # the picture and the numbers of another part or model
        self.field.wait(self.words("predict.working"), anew=self.answer is None)
        try:
            await self._answer(turn)
        except (TramontaneError, Problem) as error:
            self._fail(complaint(self.words, error))

    async def _answer(self, turn: Turn[View]) -> None:
        view = turn.question
        if self.asking.is_heavy(view):
            self.field.show(await turn(self.asking.preview(view)))
            self.view.camera = None  # from here on the browser's
            await turn(asyncio.sleep(0.3))
            if not turn.is_newest:  # while a slider moves, the coarse one follows it
                return
            self.field.wait(self.words("predict.working"))
        self.answer = answer = await turn(self.asking.answer(view))
        if answer.payload is None:
            self.field.show_nothing(self.words("predict.numbers"))
        else:
            self._drawn = self.field.show(answer.payload), answer
            self.view.camera = None
            self.look.learn(answer)
            self.line.learn(answer)
        self._offer_files(answer)
        self.check.learn(answer)
        contract = answer.served.contract
        missing = [name for name in contract.qoi if name not in answer.prediction.summary.qoi]
        self._show_results(contract, answer.prediction.summary, missing)
        if missing:
            await turn(asyncio.sleep(0.2))  # a slider that moves does not wait for them
            if turn.is_newest:
                whole = await turn(self.asking.whole(answer))
                if turn.is_newest:
                    self._show_results(contract, whole.summary, [])

    def _forget(self) -> None:
        """What was answered before is no longer what is asked."""
        self.answer = self._drawn = None
        self.results.clear()
        self.check.forget()

    def _fail(self, message: str) -> None:
        self._forget()
        self.field.fail(message)

    async def _picture(self, event: Any) -> None:
        """The first picture of a model stands on its card: of the answer that the browser shows, and of no other."""
        pictures = self.shell.pictures
        if self._drawn is None or event.args["number"] != self._drawn[0]:
            return
        number, answer = self._drawn
        if answer.view.is_plain and not pictures.has(answer.served.hash):
            pictures.keep(answer.served.hash, await self.field.thumbnail(number, *pictures.size))

    def _show_results(self, contract: Contract, summary: Summary, waiting: list[str]) -> None:
        self.results.clear()
        with self.results:
            results(self.words, contract, summary, waiting)

    def _buttons(self) -> None:
        with ui.element("div").classes("row-wrap"):
            with ui.button(self.words("predict.download"), icon="download").props("outline dense no-caps"):
                self.files = ui.menu().props("data-files")
            ui.button(self.words("predict.link"), icon="link", on_click=self._link).props("outline dense no-caps")

    def _offer_files(self, answer: Answer) -> None:
        """What the answer can be saved as: each domain, all of them together, the numbers."""
        contract = answer.served.contract
        offered: list[tuple[str, str]] = [("", "zip")] if len(contract.fields) > 1 else []
        for domain in contract.fields:
            surface = domain not in contract.domains or contract.domains[domain].side == "on"
            offered += [(domain, form) for form in (SURFACE_FORMS if surface else VOLUME_FORMS)]
        offered.append(("", "json"))
        if offered == self._offered:
            return
        self._offered = offered
        self.files.clear()
        with self.files:
            for domain, form in offered:
                key = "predict.everything" if form == "zip" else "predict.summary" if form == "json" else ""
                label = self.words(key) if key else domain.replace("_", " ")
                item = ui.menu_item(f"{label}: {form.upper()}", lambda d=domain, f=form: self._download(d, f))
                item.props(f'data-file="{domain} {form}"')

    async def _download(self, domain: str, form: str) -> None:
        answer = self.answer
        if answer is None:
            return
        served, more = answer.served, {} if form == "zip" else {"format": form}
        request = self.asking.request(answer, [domain] if domain else None, **more)
        part = ""
        if request.geometry is not None:
            with contextlib.suppress(Problem):  # the answer to the request says what is wrong
                part = self.shell.server.geometries.find(request.geometry).name or request.geometry[:8]
        url = f"/page/files/{served.name}" if form == "zip" else f"/v1/models/{served.name}/predict"
        name = file_name(served.name, part, domain or ("all" if form == "zip" else "summary"), form)
        body = request.model_dump(mode="json", exclude_none=True)
        given = url, body, name, served.hash, self.words("predict.replaced", name=served.name)
        problem = await ui.run_javascript(f"return tramontaneDownload(...{json.dumps(given)})", timeout=120.0)
        if problem:
            complain(self.words, problem)

    async def _link(self) -> None:
        done = await ui.run_javascript("return tramontaneCopy()", timeout=10.0)
        ui.notify(self.words("predict.copied" if done else "predict.not_copied"))
