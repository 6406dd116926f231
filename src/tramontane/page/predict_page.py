"""A design asked, and its fields looked at."""

from __future__ import annotations

import asyncio
import json

from fastapi import Request
from nicegui import ui

from tramontane.contract import Contract
from tramontane.page.asking import Answer, Asking
from tramontane.page.complaints import complain, complaint
from tramontane.page.design_panel import DesignPanel, results
from tramontane.page.field_view import FieldView
from tramontane.page.latest import Latest
from tramontane.page.look_panel import LookPanel
from tramontane.page.shell import Reader, Shell
from tramontane.page.state import View
from tramontane.serve.problems import Problem
from tramontane.serve.schemas import Summary


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
        self.asking = Asking(shell.server, shell.buffers, reader.caller)
        self.latest = Latest(self._refresh)
        self.answer: Answer | None = None
        with ui.element("div").classes("controls"):
            self.panel = DesignPanel(shell, reader, view, self.latest.ask)
        with ui.element("div").classes("stage"):
            self.field = FieldView(self.words, empty=self._nothing(), remember=True)
            self.field.on("ready", self.latest.ask)
            self.field.on("shown", self._picture)
        with ui.element("div").classes("side"):
            with ui.element("section").classes("panel").props("aria-live=polite"):
                ui.label(self.words("predict.results")).classes("heading")
                self.results = ui.element("div")
            self.look = LookPanel(self.words, view, self.latest.ask)
            with ui.element("section").classes("panel"):
                self._buttons()

    def _nothing(self) -> str:
        return self.words("predict.no_geometry" if self.view.model else "predict.no_model")

    async def _refresh(self) -> None:
        view = self.view
        with self.field:
            ui.run_javascript(f"tramontaneLink({json.dumps(view.query())})")
        served = self.shell.server.registry.models.get(view.model)
        if served is None or (served.surrogate.needs_geometry and not view.geometry):
            self.field.show_nothing(self._nothing())
            return
        self.field.wait(self.words("predict.working"))
        try:
            if self.asking.is_heavy(view):
                self.field.show(await self.asking.preview(view))
                view.camera = None  # from here on the browser's
                await asyncio.sleep(0.3)
                if self.latest.overtaken:  # while a slider moves, the coarse one follows it
                    return
                self.field.wait(self.words("predict.working"))
            answer = await self.asking.answer(view)
        except Problem as problem:
            self.field.fail(complaint(self.words, problem))
            self.results.clear()
            return
        self.answer = answer
        if answer.told is None:
            self.field.show_nothing(self.words("predict.numbers"))
        else:
            self.field.show(answer.told)
            view.camera = None
            self.look.learn(answer.served.contract, answer.told)
        contract = answer.served.contract
        missing = [name for name in contract.qoi if name not in answer.prediction.summary.qoi]
        self._show_results(contract, answer.prediction.summary, missing)
        if missing:
            await asyncio.sleep(0.2)  # a slider that moves does not wait for them
            if not self.latest.overtaken:
                whole = await self.asking.predict(view, None)
                if not self.latest.overtaken:
                    self._show_results(contract, whole.summary, [])

    async def _picture(self) -> None:
        """The first picture of a model stands on its card."""
        answer, pictures = self.answer, self.shell.pictures
        if answer is not None and not self.view.section and not pictures.has(answer.served.hash):
            pictures.keep(answer.served.hash, await self.field.thumbnail(*pictures.size))

    def _show_results(self, contract: Contract, summary: Summary, waiting: list[str]) -> None:
        self.results.clear()
        with self.results:
            results(self.words, contract, summary, waiting)

    def _buttons(self) -> None:
        with ui.element("div").classes("row-wrap"):
            with ui.button(self.words("predict.download"), icon="download").props("outline dense no-caps"), ui.menu():
                for form in ("vtp", "vtu", "vtkhdf", "npz", "arrow", "json"):
                    ui.menu_item(form.upper(), lambda form=form: self._download(form))
            ui.button(self.words("predict.link"), icon="link", on_click=self._link).props("outline dense no-caps")

    async def _download(self, form: str) -> None:
        if self.answer is None:
            return
        answer = self.answer
        domains = None if form == "json" else list(answer.prediction.case.meshes)[:1]
        body = self.asking.request(self.view, domains, format=form).model_dump(mode="json", exclude_none=True)
        given = f"/v1/models/{self.view.model}/predict", body, f"{self.view.model}.{form}"
        said = await ui.run_javascript(f"return tramontaneDownload(...{json.dumps(given)})", timeout=120.0)
        if said:
            complain(self.words, said)

    async def _link(self) -> None:
        done = await ui.run_javascript("return tramontaneCopy()", timeout=10.0)
        ui.notify(self.words("predict.copied" if done else "predict.not_copied"))
