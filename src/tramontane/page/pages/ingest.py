"""A folder of results is looked at, its contract edited, and it becomes a dataset."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from fastapi import Request
from nicegui import ui
from pydantic import ValidationError

from tramontane.page.controls.contract_editor import ContractEditor
from tramontane.page.language.complaints import complaint
from tramontane.page.latest import Turn
from tramontane.page.pages.runs import Run, Runs, free_name
from tramontane.page.shell import Reader, Shell
from tramontane.service.ingests.schemas import IngestAnswer, IngestOutcome, IngestRequest
from tramontane.service.problems import Problem

_SHOWN = 50  # findings
STATES = ("running", "done", "failed", "cancelled", "stopped")
STAGES = ("starting", "reading", "writing")


def register(shell: Shell) -> None:
    """The page ``/ingest``."""

    @ui.page("/ingest")
    def ingest(request: Request) -> None:
        with shell.frame(request, "ingest") as reader:
            if not reader.caller.may("admin"):
                ui.label(reader.words("ingest.admin")).classes("nothing")
            elif not shell.server.settings.results:
                ui.label(reader.words("ingest.none")).classes("nothing")
            else:
                IngestPage(shell, reader, request.query_params.get("id", ""))


class IngestPage:
    """What can be ingested, and one ingest as it goes.

    Args:
        shell: Of the page.
        reader: Who reads it.
        identity: Of the ingest that is shown at first; empty for the newest.
    """

    def __init__(self, shell: Shell, reader: Reader, identity: str) -> None:
        self.server, self.reader, self.words = shell.server, reader, reader.words
        self.ingests = shell.server.ingests
        self.editor: ContractEditor | None = None
        self._headed: object = None
        words, names = self.words, list(self.server.settings.named_results)
        with ui.element("div").classes("sections"):
            with ui.element("section").classes("panel"):
                self.results = ui.select(names, value=names[0], label=words("ingest.results"),
                                         on_change=self._choose_results)  # fmt: skip
                self.results.props("outlined dense options-dense")
                self.look = ui.button(words("ingest.look"), icon="search", on_click=self._look).props(
                    "unelevated no-caps data-do=look")  # fmt: skip
                self.name = ui.input(words("ingest.name"), value=self._free(names[0])).props(
                    "outlined dense data-name maxlength=100")  # fmt: skip
                self.start = ui.button(words("ingest.start"), icon="play_arrow", on_click=self._ingest).props(
                    "unelevated no-caps data-do=ingest")  # fmt: skip
                self.busy = ui.label(words("ingest.busy")).classes("quiet")
            self.runs = Runs(reader, self.words("ingest.all"), identity, self._refresh)
        with ui.element("div").classes("sections"):
            with ui.element("section").classes("panel"):
                self.head = ui.element("div").classes("sections")
                with ui.element("div") as self.live:
                    self.stage = ui.label().props("role=status data-stage")
                    self.bar = ui.linear_progress(value=0.0, show_value=False)
            with ui.element("section").classes("panel") as self.findings_panel:
                ui.label(words("ingest.findings")).classes("heading")
                self.findings = ui.element("div")
            with ui.element("section").classes("panel") as self.contract:
                ui.label(words("ingest.contract")).classes("heading")
                ui.label(words("ingest.contract_hint")).classes("quiet")
                self.editing = ui.element("div")
        for part in (self.live, self.findings_panel, self.contract):
            part.set_visibility(False)

    # -- what the reader does --------------------------------------------------------------------------------------

    async def _begin(self, **options: Any) -> None:
        contract = None
        if self.editor is not None and self.editor.results == self.results.value:
            if not self.editor.check():
                ui.notify(self.words("ingest.mend"), type="warning")
                return
            contract = self.editor.changed()
        try:
            request = IngestRequest(results=self.results.value, contract=contract, **options)
        except ValidationError:
            ui.notify(self.words("training.bad_name"), type="negative")
            return
        begun = await self.runs.do(self.ingests.begin, request)
        if begun is not None:
            self.runs.choose(begun.id)

    async def _look(self) -> None:
        await self._begin()

    async def _ingest(self) -> None:
        await self._begin(name=str(self.name.value or ""))

    async def _cancel(self) -> None:
        await self.runs.do(self.ingests.cancel, self.runs.identity)

    async def _remove(self) -> None:
        await self.runs.do(self.ingests.remove, self.runs.identity)

    def _choose_results(self, event: Any) -> None:
        self.name.set_value(self._free(event.value))

    def _free(self, wanted: str) -> str:
        return free_name(wanted, self.server.settings.named_datasets, "dataset")

    # -- what is shown ---------------------------------------------------------------------------------------------

    async def _refresh(self, turn: Turn[str]) -> None:
        every = (await turn(asyncio.to_thread(self.ingests.every))).ingests
        self._list(every)
        answer: IngestAnswer | None = None
        if self.runs.identity:
            try:
                answer = await turn(asyncio.to_thread(self.ingests.find, self.runs.identity))
            except Problem:  # forgotten just now, by somebody else
                self.runs.identity = ""
        self._show_progress(answer)
        headed = None if answer is None else (answer.id, answer.state)
        if headed != self._headed or answer is None:
            self._headed = headed
            self._head(answer)
            self._outcome(answer)

    def _list(self, every: list[IngestAnswer]) -> None:
        running = any(each.state == "running" for each in every)
        self.look.set_enabled(not running)
        self.start.set_enabled(not running)
        self.busy.set_visibility(running)
        self.runs.show(Run(each.id, self._title(each), each.created, self._state(each)) for each in every)

    def _state(self, each: IngestAnswer) -> str:
        state = each.state
        return self.words(f"ingest.{state}")

    def _title(self, each: IngestAnswer) -> str:
        return f"{each.results} → {each.name}" if each.name else self.words("ingest.looked", name=each.results)

    def _show_progress(self, answer: IngestAnswer | None) -> None:
        running = answer is not None and answer.state == "running"
        self.live.set_visibility(running)
        if answer is not None and running:
            stage = answer.stage
            self.stage.set_text(self.words(f"ingest.{stage}", done=answer.done, count=answer.count))
            self.bar.set_value(answer.done / answer.count if answer.count else 0.0)

    def _head(self, answer: IngestAnswer | None) -> None:
        words = self.words
        self.head.clear()
        with self.head:
            ui.run_javascript(f"tramontaneLink({json.dumps({'id': self.runs.identity or None})})")
            if answer is None:
                ui.label(words("ingest.begin")).classes("quiet")
                return
            with ui.element("div").classes("row-between").props(f"data-state={answer.state}"):
                ui.label(self._title(answer)).classes("run-title")
                ui.label(self._state(answer)).classes("tag")
            outcome = answer.outcome
            if outcome is not None and outcome.reason:
                ui.label(complaint(words, outcome.reason)).classes("is-error").props("role=alert")
            elif outcome is not None:
                count = {"cases": words.count(outcome.cases), "left": words.count(len(outcome.left_out))}
                ui.label(words("ingest.written" if answer.name else "ingest.usable", **count)).props("data-cases")
            with ui.element("div").classes("row-wrap"):
                if answer.state == "running":
                    self._button("training.cancel", "stop", self._cancel, "cancel")
                if answer.state == "done" and answer.name in self.server.settings.named_datasets:
                    self._button("ingest.open", "table_view",
                                 lambda: ui.navigate.to(f"/data?set={answer.name}"), "open")  # fmt: skip
                    self._button("data.train", "model_training",
                                 lambda: ui.navigate.to(f"/training?set={answer.name}"), "train")  # fmt: skip
                self._button("ingest.forget", "delete", self._remove, "forget")

    def _button(self, key: str, icon: str, work: Callable[[], Any], name: str) -> None:
        ui.button(self.words(key), icon=icon, on_click=work).props(f"outline no-caps data-do={name}")

    def _outcome(self, answer: IngestAnswer | None) -> None:
        outcome = None if answer is None else answer.outcome
        self.findings_panel.set_visibility(outcome is not None and outcome.reason is None)
        self.findings.clear()
        if outcome is not None:
            with self.findings:
                self._findings(outcome)
        shown = answer is not None and answer.name is None and outcome is not None and outcome.contract is not None
        self.contract.set_visibility(shown)
        if answer is not None and shown and (self.editor is None or self.editor.identity != answer.id):
            assert outcome is not None
            assert outcome.contract is not None
            self.results.set_value(answer.results)
            self.editing.clear()
            with self.editing:
                self.editor = ContractEditor(self.words, answer.id, answer.results, outcome.contract)

    def _findings(self, outcome: IngestOutcome) -> None:
        words = self.words
        if not outcome.findings and not outcome.left_out:
            ui.label(words("data.clean")).classes("quiet")
        warnings = [each for each in outcome.findings if each.severity == "warning"]
        for each in warnings[:_SHOWN]:
            ui.label(each.detail).classes("is-warning small").props("data-finding=warning")
        for case, reason in list(outcome.left_out.items())[:_SHOWN]:
            ui.label(words("data.damaged", name=case, reason=reason)).classes("is-error small").props(
                "data-finding=error"
            )
        more = max(0, len(warnings) - _SHOWN) + max(0, len(outcome.left_out) - _SHOWN)
        if more:
            ui.label(words("ingest.more", count=words.count(more))).classes("quiet")
