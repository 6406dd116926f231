"""Many parts at once, or a table of designs: asked for as a job, their answers in a table that is sorted by any QoI."""

from __future__ import annotations

import asyncio
import html
import json
from typing import Any

from fastapi import Request
from nicegui import ui

from tramontane.errors import TramontaneError
from tramontane.http import job_routes
from tramontane.http.routes import parameters_answer
from tramontane.page.controls.geometry_drop import GeometryDrops
from tramontane.page.controls.number_field import NumberField
from tramontane.page.language.complaints import complain
from tramontane.page.latest import Latest, Turn
from tramontane.page.pages.data import SORT
from tramontane.page.pages.ranking import MOST, Candidate, Ranking, from_job, read_table
from tramontane.page.shell import Reader, Shell
from tramontane.page.view.asking import parameters_of
from tramontane.service.jobs.schemas import JobAnswer, JobRequest
from tramontane.service.problems import Problem
from tramontane.service.registry import Served

_UNITS = ("m", "mm", "cm", "inch")
_EVERY = 1.0  # s between two looks at the job
_BLOCK = 500  # designs that are looked at in one go
_ROWS = 25  # on a page of the table
_CELLS = 1000  # of each mesh; only QoIs are shown, and they do not depend on it
_PENDING = ("queued", "running")


def register(shell: Shell) -> None:
    """The page ``/rank``."""

    @ui.page("/rank")
    def rank(request: Request) -> None:
        with shell.frame(request, "rank") as reader:
            if not shell.server.registry.models:
                ui.label(reader.words("models.none")).classes("nothing")
            else:
                query = request.query_params
                RankPage(shell, reader, query.get("model", ""), query.get("job", ""))


class RankPage:
    """What is asked, and the answers.

    Args:
        shell: Of the page.
        reader: Who reads it.
        model: Name of the model at first; empty for the first.
        job: Id of a job whose answers are shown at first; empty for none.
    """

    def __init__(self, shell: Shell, reader: Reader, model: str, job: str) -> None:
        self.shell, self.server, self.reader, self.words = shell, shell.server, reader, reader.words
        models = self.server.registry.models
        self.model = model if model in models else next(iter(models))
        self.values: dict[str, float] = {}
        self.unit: str | None = None
        self.candidates: list[Candidate] = []
        self.parts: dict[str, str] = {}  # hashes by the names under which they were sent
        self.job, self.state = job, ""
        self._drawn: object = None
        self.latest = Latest(lambda: (self.job, id(self.candidates)), self._refresh)
        with ui.element("div").classes("controls"):
            with ui.element("section").classes("panel"):
                self.choice = ui.select(list(models), value=self.model, label=self.words("predict.model"),
                                        on_change=self._choose_model).props("outlined dense options-dense")  # fmt: skip
            with ui.element("section").classes("panel"):
                GeometryDrops(self.words, MOST, stored=self._stored, refused=self._refused, table=self._table,
                              too_many=self._too_many)  # fmt: skip
                self.length = ui.select(list(_UNITS), label=self.words("predict.unit"), on_change=self._choose_unit
                                        ).props("outlined dense options-dense")  # fmt: skip
                ui.label(self.words("rank.hint")).classes("quiet")
            self.same = ui.element("section").classes("panel")
            with ui.element("section").classes("panel"):
                self.start = ui.button(self.words("rank.start"), icon="play_arrow", on_click=self._start).props(
                    "unelevated no-caps data-do=start")  # fmt: skip
                self.clear = ui.button(self.words("rank.clear"), icon="delete", on_click=self._clear).props(
                    "outline no-caps data-do=clear")  # fmt: skip
        with ui.element("section").classes("panel"):
            with ui.element("div").classes("row-between"):
                self.summary = ui.label().classes("heading").props("role=status data-said")
                with ui.element("div").classes("row-wrap"):
                    self.stop = ui.button(self.words("training.cancel"), icon="stop", on_click=self._cancel).props(
                        "outline dense no-caps data-do=cancel")  # fmt: skip
                    self.resume = ui.button(self.words("training.resume"), icon="play_arrow", on_click=self._resume
                                            ).props("outline dense no-caps data-do=resume")  # fmt: skip
                    self.save = ui.button("CSV", icon="download", on_click=self._save).props(
                        "outline dense no-caps data-do=csv"
                    )
            self.bar = ui.linear_progress(value=0.0, show_value=False)
            self.reason = ui.label().classes("is-error").props("role=alert")
            self.table = ui.table(columns=[], rows=[], row_key="key", pagination=_ROWS).props(
                "flat dense table-class=stacks")  # fmt: skip
            self._dress()
        self._fill()
        ui.timer(_EVERY, self.latest.ask)
        self.latest.ask()

    @property
    def served(self) -> Served:
        """The model."""
        return self.server.model(self.model)

    # -- what is asked ---------------------------------------------------------------------------------------------

    def _fill(self) -> None:
        """Fields of the model's parameters."""
        served = self.served
        parameters = {
            name: spec for name, spec in parameters_answer(served.contract).items() if name in parameters_of(served)
        }
        self.values = {name: self.values.get(name, (spec.low + spec.high) / 2) for name, spec in parameters.items()}
        self.length.set_visibility(served.surrogate.needs_geometry)
        self.length.set_value(self.unit or served.contract.length_unit)
        self.same.clear()
        with self.same:
            for name, spec in parameters.items():

                def typed(value: float, name: str = name) -> None:
                    self.values[name] = value
                    self._draw()

                NumberField(self.words, self.values[name], typed, unit=spec.unit, label=name.replace("_", " "),
                            name=name).props(f"outlined dense data-parameter={name}")  # fmt: skip
                ends = {"low": self.words.number(spec.low), "high": self.words.number(spec.high)}
                ui.label(self.words("predict.range", **ends, unit=spec.unit)).classes("quiet")

    def _choose_model(self, event: Any) -> None:
        if event.value and event.value != self.model:
            self.model = event.value
            self._forget_answers()
            self._fill()
            self._draw()

    def _choose_unit(self, event: Any) -> None:
        own = event.value == self.served.contract.length_unit
        unit = None if own else event.value
        if unit != self.unit:
            self.unit = unit
            self._forget_answers()
            self._draw()

    def _forget_answers(self) -> None:
        """What was answered belongs to what was asked then; the job itself goes on and keeps its answers."""
        if self.job:
            self.candidates = [Candidate(each.name, each.geometry, parameters=each.parameters, refused=each.refused)
                               for each in self.candidates]  # fmt: skip
            self.job, self.state = "", ""

    def _stored(self, identity: str, name: str) -> None:
        self._forget_answers()
        self.parts[name] = identity
        if not any((each.geometry, each.name) == (identity, name) for each in self.candidates):
            self._add(Candidate(name, identity))

    def _refused(self, name: str, detail: str) -> None:
        self._forget_answers()
        self._add(Candidate(name, refused=detail))

    def _add(self, candidate: Candidate) -> None:
        if len(self.candidates) >= MOST:
            self._too_many(len(self.candidates) + 1)
            return
        self.candidates.append(candidate)
        self.latest.ask()

    def _table(self, name: str, content: str) -> None:
        try:
            candidates = read_table(content, name, self.served, self.parts)
        except (TramontaneError, Problem) as error:
            complain(self.words, error)
            return
        self._forget_answers()
        named = {each.geometry for each in candidates}
        # The parts that the table names are its lines from now on; others stay.
        kept = [
            each for each in self.candidates if each.parameters or each.geometry is None or each.geometry not in named
        ]
        self.candidates = kept + candidates[: MOST - len(kept)]
        if len(kept) + len(candidates) > MOST:
            self._too_many(len(kept) + len(candidates))
        self.latest.ask()

    def _too_many(self, count: int) -> None:
        ui.notify(self.words("rank.too_many", count=self.words.count(count), most=self.words.count(MOST)),
                  type="warning")  # fmt: skip

    async def _start(self) -> None:
        try:
            self.reader.caller.need("predict")
            served, candidates = self.served, self.candidates
            if not candidates and not served.surrogate.needs_geometry:
                self.candidates = candidates = [Candidate("1")]
            for each in candidates:
                each.unit, each.index, each.answer = self.unit, None, None
            values = dict(self.values)
            good = await asyncio.to_thread(self._checked, served, candidates, values)
            if not good:
                ui.notify(self.words("rank.nothing"), type="warning")
                return
            request = JobRequest(
                model=served.name, designs=[each.request(values, served.contract) for each in good], cells=_CELLS
            )
            job = await job_routes.submit(request, self.server, self.reader.caller)
        except (TramontaneError, Problem) as error:
            complain(self.words, error)
            return
        finally:
            self.latest.ask()
        for index, each in enumerate(good):
            each.index = index
        if candidates is self.candidates:  # else they were exchanged meanwhile, and the job is found by its address
            self.job, self.state = job.id, job.state

    def _checked(self, served: Served, candidates: list[Candidate], values: dict[str, float]) -> list[Candidate]:
        """Those that can be asked for; the others say why not."""
        good = []
        for each in candidates:
            if each.refused is not None and each.geometry is None:
                continue
            each.refused = None
            try:
                self.server.predictions.understand(served, each.request(values, served.contract))
            except Problem as problem:
                each.refused = problem.detail
                continue
            good.append(each)
        return good

    def _clear(self) -> None:
        self.candidates, self.parts, self.job, self.state = [], {}, "", ""
        self.latest.ask()

    async def _cancel(self) -> None:
        await self._turn("cancel")

    async def _resume(self) -> None:
        await self._turn("resume")

    async def _turn(self, what: str) -> None:
        try:
            self.reader.caller.need("predict")
            if what == "cancel":
                await asyncio.to_thread(self.server.jobs.cancel, self.reader.caller, self.job)
            else:
                await job_routes.resume(self.job, self.server, self.reader.caller, retry_failed=False)
        except Problem as problem:
            complain(self.words, problem)
        finally:
            self.state = "running"
            self.latest.ask()

    # -- what is answered ------------------------------------------------------------------------------------------

    async def _refresh(self, turn: Turn[tuple[str, int]]) -> None:
        answer: JobAnswer | None = None
        if self.job and (self.state in ("", *_PENDING)):
            try:
                answer = await turn(asyncio.to_thread(self._look, self.job, self.candidates))
            except Problem as problem:
                complain(self.words, problem)
                self.job = ""
            if answer is not None:
                self.state = answer.state
                self.reason.set_text(self.words("problem.said", detail=answer.reason) if answer.reason else "")
        with self.table:
            ui.run_javascript(f"tramontaneLink({json.dumps({'job': self.job or None, 'model': self.model})})")
        self._draw()

    def _look(self, job: str, candidates: list[Candidate]) -> JobAnswer:
        """Take in what the job has answered since; the designs of one from before are found in it."""
        caller, jobs = self.reader.caller, self.server.jobs
        whole = jobs.find(caller, job)
        by_index = {each.index: each for each in candidates if each.index is not None}
        open_ = [i for i, each in by_index.items() if each.answer is None or each.answer.state == "waiting"]
        start, end = (min(open_), max(open_) + 1) if open_ else (0, 0) if by_index else (0, whole.total)
        answers = []
        while start < end:
            some = jobs.designs(caller, job, start=start, count=min(_BLOCK, end - start))
            if not some:
                break
            answers += some
            start = some[-1].index + 1
        if not by_index and answers:
            names = {}
            for each in answers[:MOST]:
                if each.geometry and each.geometry not in names:
                    try:
                        names[each.geometry] = self.server.geometries.find(each.geometry).name
                    except Problem:  # forgotten since
                        continue
            candidates += from_job(answers[:MOST], names)
            if whole.model in self.server.registry.models:
                self.model = whole.model
        for answer in answers:
            if answer.index in by_index:
                by_index[answer.index].answer = answer
        return whole

    def _draw(self) -> None:
        candidates, words = self.candidates, self.words
        states = [each.state for each in candidates]
        drawn = (
            self.model,
            self.job,
            self.state,
            tuple(self.values.items()),
            tuple((id(each), each.state) for each in candidates),
        )
        running = self.state in _PENDING
        self.start.set_enabled(not running)
        self.clear.set_enabled(not running)
        self.stop.set_visibility(running)
        self.resume.set_visibility(self.state in ("cancelled", "stopped"))
        self.save.set_visibility(any(state in ("inside", "edge", "outside") for state in states))
        if drawn == self._drawn:
            return
        self._drawn = drawn
        done = sum(state in ("inside", "edge", "outside") for state in states)
        counts = {name: words.count(number) for name, number in
                (("done", done), ("count", len(states)), ("failed", states.count("failed")),
                 ("outside", states.count("outside")))}  # fmt: skip
        self.summary.set_text(words("rank.said", **counts) if states else words("rank.none"))
        self.bar.set_visibility(running)
        self.bar.set_value((done + states.count("failed")) / max(1, len(states)))
        self.choice.value = self.model
        ranking = self._ranking()
        self.table.columns = ranking.columns()
        self.table.rows = [ranking.row(place) for place in range(len(candidates))]
        self.table.set_visibility(bool(candidates))
        self.table.update()

    def _ranking(self) -> Ranking:
        return Ranking(self.words, self.served, self.candidates, self.values)

    def _save(self) -> None:
        ui.download.content("\ufeff" + self._ranking().csv(), f"{self.model}-ranking.csv")

    def _dress(self) -> None:
        label = html.escape(self.words("rank.open"), quote=True)
        self.table.props[":sort-method"] = SORT
        self.table.add_slot(
            "body-cell", """<q-td :props="props" :data-head="props.col.label">{{ props.value }}</q-td>"""
        )
        self.table.add_slot(
            "body-cell-name",
            f"""<q-td :props="props" class="name-cell" :data-head="props.col.label">
            <a v-if="props.row.link" :href="props.row.link" title="{label}">{{{{ props.value }}}}</a>
            <span v-else>{{{{ props.value }}}}</span></q-td>""",
        )
        self.table.add_slot(
            "body-cell-state",
            """<q-td :props="props" class="verdict-cell" :data-verdict="props.row.kind">
            <q-icon v-if="props.row.kind === 'inside'" name="check_circle" class="is-good" size="18px"></q-icon>
            <q-icon v-if="props.row.kind === 'edge'" name="warning" class="is-warning" size="18px"></q-icon>
            <q-icon v-if="props.row.kind === 'outside'" name="error" class="is-error" size="18px"></q-icon>
            <q-icon v-if="props.row.kind === 'failed'" name="error" class="is-error" size="18px"></q-icon>
            <span :class="{'is-error': ['failed', 'outside'].includes(props.row.kind),
                'is-warning': props.row.kind === 'edge',
                'quiet': ['waiting', 'sent'].includes(props.row.kind)}">{{ props.value }}</span>
            <div v-for="remark in props.row.remarks" class="small"
                 :class="props.row.kind === 'failed' ? 'is-error' : 'is-warning'">{{ remark }}</div></q-td>""",
        )
