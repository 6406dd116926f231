"""Models trained on the server's datasets: started, watched while they learn, ended, kept or thrown away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from fastapi import Request
from nicegui import ui

from tramontane.dataset.ingest.assumed_units import listed
from tramontane.page.charts import curves
from tramontane.page.controls.number_field import NumberField
from tramontane.page.figures import because, kind_of, table
from tramontane.page.language.complaints import complaint
from tramontane.page.language.readable_units import readable
from tramontane.page.latest import Turn
from tramontane.page.pages.runs import Run, Runs, free_name
from tramontane.page.shell import Reader, Shell
from tramontane.service.problems import Problem
from tramontane.service.trainings.schemas import KeepRequest, ProgressAnswer, TrainingAnswer, TrainingRequest
from tramontane.surrogate.kinds import ASKED, AUTO

STAGES = ("starting", "reading", "registering", "kriging", "networks", "calibrating", "saving")
STATES = ("running", "done", "stopped")
_MINUTES, _LEAST, _MOST = 10, 0.1, 7 * 24 * 60


def register(shell: Shell) -> None:
    """The page ``/training``."""

    @ui.page("/training")
    def training(request: Request) -> None:
        with shell.frame(request, "training") as reader:
            if not reader.caller.may("admin"):
                ui.label(reader.words("training.admin")).classes("nothing")
            elif not shell.datasets.paths:
                ui.label(reader.words("data.none")).classes("nothing")
            else:
                TrainingPage(shell, reader, request.query_params.get("id", ""), request.query_params.get("set", ""))


class TrainingPage:
    """What is asked for, all trainings, and one of them as it goes.

    Args:
        shell: Of the page.
        reader: Who reads it.
        identity: Of the training that is shown at first; empty for the newest.
        dataset: That is chosen at first.
    """

    def __init__(self, shell: Shell, reader: Reader, identity: str, dataset: str) -> None:
        self.shell, self.reader, self.words = shell, reader, reader.words
        self.trainings = shell.server.trainings
        self._headed: object = None
        self._drawn: object = None
        names = list(shell.datasets.paths)
        with ui.element("div").classes("sections"):
            with ui.element("section").classes("panel"):
                self.dataset = ui.select(
                    names, value=dataset if dataset in names else names[0], label=self.words("data.set")
                ).props("outlined dense options-dense")
                kinds = {kind: kind_of(self.words, kind) for kind in ASKED}
                self.kind = ui.select(kinds, value=AUTO, label=self.words("training.kind")).props(
                    "outlined dense options-dense"
                )
                self.minutes = NumberField(
                    self.words, _MINUTES, lambda _: None, label=self.words("training.minutes"), unit="min"
                )
                self.minutes.props("outlined dense data-minutes")
                self.start = ui.button(
                    self.words("training.start"), icon="play_arrow", on_click=self._start
                ).props("unelevated no-caps")  # fmt: skip
                self.busy = ui.label(self.words("training.busy")).classes("quiet")
            self.runs = Runs(reader, self.words("training.all"), identity, self._refresh)
        with ui.element("div").classes("sections"):
            with ui.element("section").classes("panel"):
                self.head = ui.element("div").classes("sections")
                with ui.element("div") as self.live:
                    with ui.element("div").classes("row-between").props("aria-live=polite"):
                        self.stage, self.time = ui.label(), ui.label().classes("quiet")
                    self.bar = ui.linear_progress(value=0.0, show_value=False)
                self.live.set_visibility(False)
            with ui.element("section").classes("panel") as self.candidates:
                ui.label(self.words("training.candidates")).classes("heading")
                self.table = ui.element("div")
            with ui.element("section").classes("panel") as self.curves:
                ui.label(self.words("training.curves")).classes("heading")
                self.charts = ui.element("div").classes("charts")
        self.candidates.set_visibility(False)
        self.curves.set_visibility(False)

    # -- what the reader does --------------------------------------------------------------------------------------

    async def _start(self) -> None:
        minutes = min(max(self.minutes.number or _MINUTES, _LEAST), _MOST)
        request = TrainingRequest(dataset=self.dataset.value, model=self.kind.value, budget=f"{60 * minutes:.0f}s")
        if assumed := self.shell.datasets.open(self.dataset.value).assumed_units:
            if not await self._sure("start", "training.ask_start", units=listed(assumed)):
                return
            request = request.model_copy(update={"assume_units": True})
        begun = await self.runs.do(self.trainings.begin, self.reader.caller, request)
        if begun is not None:
            self.runs.choose(begun.id)

    async def _end(self) -> None:
        await self.runs.do(self.trainings.end, self.runs.identity)

    async def _resume(self) -> None:
        await self.runs.do(self.trainings.resume, self.runs.identity)

    async def _keep(self, name: str) -> None:
        # While one is asked, another training may come to be shown.
        identity, taken = self.runs.identity, name in self.shell.server.registry.models
        if taken and not await self._sure("replace", "training.ask_replace", name=name):
            return

        def keep() -> None:
            request = KeepRequest(name=name, replace=taken)
            self.trainings.keep(identity, request.name, replace=request.replace)

        await self.runs.do(keep)

    async def _discard(self) -> None:
        identity = self.runs.identity
        if await self._sure("discard", "training.ask_discard"):
            await self.runs.do(self.trainings.remove, identity)

    async def _sure(self, what: str, question: str, **values: Any) -> bool:
        """Whether the reader wants something that cannot be taken back, or that rests on what nobody stated."""
        sentence = self.words(question, **values)
        with ui.dialog() as dialog, ui.card():
            ui.label(sentence)
            with ui.row():
                ui.button(self.words(f"training.{what}"), on_click=lambda: dialog.submit(True)).props(
                    "unelevated no-caps color=negative")  # fmt: skip
                ui.button(self.words("training.cancel"), on_click=lambda: dialog.submit(False)).props("flat no-caps")
        return bool(await dialog)

    # -- what is shown ---------------------------------------------------------------------------------------------

    async def _refresh(self, turn: Turn[str]) -> None:
        every = (await turn(asyncio.to_thread(self.trainings.every))).trainings
        self._list(every)
        answer: TrainingAnswer | None = None
        if self.runs.identity:
            try:
                answer = await turn(asyncio.to_thread(self.trainings.find, self.runs.identity))
            except Problem:  # thrown away just now, by somebody else
                self.runs.identity = ""
        headed = None if answer is None else answer.model_dump_json(exclude={"progress"})
        if headed != self._headed or self._drawn is None:
            self._headed = headed
            self.head.clear()
            with self.head:
                self._head(answer)
                ui.run_javascript(f"tramontaneLink({json.dumps({'id': self.runs.identity})})")
        self._show(answer)

    def _list(self, every: list[TrainingAnswer]) -> None:
        running = any(each.state == "running" for each in every)
        self.start.set_enabled(not running)
        self.busy.set_visibility(running)
        self.runs.show(Run(each.id, self._title(each), each.created, self._state(each)) for each in every)

    def _title(self, each: TrainingAnswer) -> str:
        return f"{each.dataset} · {kind_of(self.words, each.chosen or each.model)}"

    def _state(self, training: TrainingAnswer) -> str:
        if training.kept is not None:
            return self.words("training.kept", name=training.kept)
        state = training.state
        return self.words(f"state.{state}") if state in STATES else state

    def _head(self, answer: TrainingAnswer | None) -> None:
        if answer is None:
            ui.label(self.words("training.none")).classes("quiet")
            return
        with ui.element("div").classes("row-between").props(f"data-state={answer.state}"):
            ui.label(self._title(answer)).classes("run-title")
            ui.label(self._state(answer)).classes("tag")
        if answer.reason:
            ui.label(complaint(self.words, answer.reason)).classes("is-error").props("role=alert")
        if answer.why:
            choice = None if answer.progress is None else answer.progress.choice
            if choice is not None:
                ui.label(because(self.words, choice)).classes("small").props("data-why")
            elif self.words.language == "en":  # of an older version: words alone
                ui.label(answer.why).classes("small")
        if answer.ending and answer.state == "running":
            ui.label(self.words("training.ending")).classes("quiet")
        with ui.element("div").classes("row-wrap"):
            if answer.state == "running" and not answer.ending:
                self._button("end", "stop", self._end, "unelevated")
            if answer.state == "stopped":
                self._button("resume", "play_arrow", self._resume, "unelevated")
            if answer.state == "done" and answer.kept is None:
                free = free_name(answer.dataset, self.shell.server.registry.models, "model")
                name = ui.input(self.words("training.name"), value=free).props("outlined dense data-name maxlength=100")
                self._button("keep", "save", lambda: self._keep(name.value), "unelevated")
            if answer.kept is not None:
                ui.button(self.words("models.open"), icon="play_arrow",
                          on_click=lambda: ui.navigate.to(f"/predict?model={answer.kept}")
                          ).props("unelevated no-caps")  # fmt: skip
            self._button("discard", "delete", self._discard, "outline")

    def _button(self, name: str, icon: str, work: Callable[[], Any], look: str) -> None:
        ui.button(self.words(f"training.{name}"), icon=icon, on_click=work).props(f"{look} no-caps data-do={name}")

    def _show(self, answer: TrainingAnswer | None) -> None:
        self.live.set_visibility(answer is not None and answer.state == "running")
        progress = ProgressAnswer() if answer is None or answer.progress is None else answer.progress
        if answer is not None and answer.state == "running":
            stage = progress.stage
            stage_name = self.words(f"stage.{stage}") if stage in STAGES else stage
            self.stage.set_text(f"{stage_name}: {progress.done} / {progress.of}" if progress.of else stage_name)
            self.time.set_text(
                self.words("training.time", seconds=_clock(progress.seconds), budget=_clock(answer.budget))
            )
            self.bar.set_value(min(progress.seconds / answer.budget, 1.0))
        drawn = self.runs.identity, progress.model_dump_json(exclude={"seconds", "stage", "done", "of"})
        if drawn == self._drawn:
            return
        self._drawn = drawn
        self.curves.set_visibility(bool(progress.loss))
        self.candidates.set_visibility(bool(progress.candidates))
        self._draw(progress)

    def _draw(self, progress: ProgressAnswer) -> None:
        words = self.words
        for part in (self.charts, self.table):
            part.clear()
        axis = words("training.steps")
        with self.charts:
            if progress.loss:
                last = progress.loss[-1]
                label = f"{words('training.loss')}, {last.network}: {words.number(last.values[-1], 3)}"
                lines = [(each.network, each.steps, each.values) for each in progress.loss]
                _figure("loss", label, curves(words, lines, label=label, unit="", axis=axis))
            for field in dict.fromkeys(each.field for each in progress.errors):
                own = [each for each in progress.errors if each.field == field]
                unit, factor = readable(own[-1].unit, max(max(each.absolute) for each in own))
                error = words.number(factor * own[-1].absolute[-1], 3)
                label = f"{field}: {error} {unit}, {words.share(own[-1].relative[-1])}"
                lines = [(each.network, each.steps, each.absolute) for each in own]
                _figure(field, label, curves(words, lines, label=label, unit=own[-1].unit, axis=axis))
        if progress.candidates:
            heads = [
                "",
                *(
                    words("training.on", name=kind_of(words, each.name), count=each.cases)
                    for each in progress.candidates
                ),
            ]
            fields = progress.candidates[0].errors
            with self.table:
                table(
                    words,
                    heads,
                    {f: [each.errors.get(f, float("nan")) for each in progress.candidates] for f in fields},
                )


def _figure(name: str, label: str, picture: str) -> None:
    figure = ui.element("figure")
    figure.props["data-curve"] = name  # a field's name may have any character
    with figure:
        with ui.element("figcaption").classes("small"):
            ui.label(label)
        ui.html(picture, sanitize=False)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"
