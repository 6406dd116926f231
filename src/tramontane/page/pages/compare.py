"""Two designs, or a prediction and a solver's case, with one camera and the difference of their fields."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

import numpy as np
from fastapi import Request
from nicegui import ui
from scipy.spatial import cKDTree

from tramontane.errors import TramontaneError
from tramontane.page.controls.case_panel import CasePanel
from tramontane.page.controls.design_panel import DesignPanel
from tramontane.page.controls.look_panel import LookPanel
from tramontane.page.language.complaints import complaint, missing_model, unforeseen, warn_of_link
from tramontane.page.latest import Latest, Turn
from tramontane.page.pages import compare_results
from tramontane.page.shell import Reader, Shell
from tramontane.page.view.asking import Answer, Asking
from tramontane.page.view.field_view import FieldView
from tramontane.page.view.scene import Array, Scene, by_cell, choices, values_of
from tramontane.page.view.solver_case import SolverCase, one_scale
from tramontane.page.view.state import View
from tramontane.service.problems import Problem

Result = TypeVar("Result")
_SHARED = (
    "field", "map", "low", "high", "section", "at", "smooth", "lines", "arrows", "warp", "unsure", "iso", "level",
    "cells",
)  # fmt: skip
_TWO_DESIGNS = ("compare.a", "compare.b", "compare.difference")
_A_CASE = ("compare.prediction", "compare.solver", "compare.less")


def register(shell: Shell) -> None:
    """The page ``/compare``."""

    @ui.page("/compare")
    def compare(request: Request) -> None:
        with shell.frame(request, "compare") as reader:
            query = dict(request.query_params)
            ComparePage(shell, reader, View.from_query(query, "a."), View.from_query(query, "b."))


class Pair(NamedTuple):
    """The two designs as they were asked, or a design and a case."""

    first: View
    second: View

    def on_the_way(self, other: Pair) -> bool:
        """Whether sliders alone have moved since."""
        return all(one.on_the_way(now) for one, now in zip(self, other, strict=True))

    def same_designs(self, other: Pair) -> bool:
        """Whether both are of the same models and parts."""
        return all(one.same_design(now) for one, now in zip(self, other, strict=True))


class ComparePage:
    """Two panels, three views.

    Args:
        shell: Of the page.
        reader: Who reads it.
        first: Design A at first; where B is a case, what is asked is that case's design.
        second: Design B at first, or the case.
    """

    def __init__(self, shell: Shell, reader: Reader, first: View, second: View) -> None:
        self.shell, self.words, self.views = shell, reader.words, (first, second)
        self.asking = Asking(shell.server, shell.buffers, reader.caller, reader.words)
        self.buffers = shell.buffers
        self.latest = Latest(self._question, self._refresh, Pair.on_the_way,
                             lambda error: self._fail(unforeseen(self.words, error)))  # fmt: skip
        for view in self.views:
            warn_of_link(self.words, view.model, self.asking.unknown(view))
        self.ready = 0
        self.solver_case: SolverCase | None = None
        self.shown: Pair | None = None
        with ui.element("div").classes("controls"):
            with ui.element("div").props("data-design=a"):
                self.first_head = ui.label().classes("heading")
                self.first = DesignPanel(shell, reader, first, self.latest.ask)
            with ui.element("div").props("data-design=b"):
                self.second_head = ui.label().classes("heading")
                if shell.datasets.paths:
                    kinds = {"design": self.words("compare.with_design"), "case": self.words("compare.with_case")}
                    label = self.words("compare.with")
                    ui.toggle(kinds, value="case" if second.case else "design", on_change=self._choose_kind).props(
                        f'dense no-caps unelevated spread size=sm toggle-color=primary aria-label="{label}"'
                    )
                with ui.element("div") as self.second:
                    DesignPanel(shell, reader, second, self.latest.ask, name="b")
                with ui.element("div") as self.case:
                    self.cases = CasePanel(shell, reader, second, self.latest.ask)
        with ui.element("div").classes("stage stage-three"):
            self.fields, self.captions = [], []
            empty = self.words("compare.waiting" if shell.server.registry.models else "models.none")
            for name in ("a", "b", "difference"):
                with ui.element("figure").props(f"data-view={name}"):
                    with ui.element("figcaption").classes("heading"):
                        self.captions.append(ui.label())
                    field = FieldView(self.words, empty=empty, group="compare",
                                      remember=name == "a", drop=name if name in "ab" else "")  # fmt: skip
                    field.on("ready", self._one_ready)
                    self.fields.append(field)
        with ui.element("div").classes("side"):
            with ui.element("section").classes("panel").props("aria-live=polite"):
                ui.label(self.words("predict.results")).classes("heading")
                self.results = ui.element("div")
            self.look = LookPanel(self.words, first, self.latest.ask)
        self._arrange()

    def _one_ready(self) -> None:
        self.ready += 1
        if self.ready == len(self.fields):
            self.latest.ask()

    def _choose_kind(self, event: Any) -> None:
        second = self.views[1]
        if event.value == "case":
            self.cases.begin()
        else:
            second.set = second.case = ""
        self._arrange()
        self.latest.ask()

    def _arrange(self) -> None:
        """Show the controls and captions of what is compared."""
        with_case = bool(self.views[1].case)
        self.first.follow_case(with_case)
        self.second.set_visibility(not with_case)
        self.case.set_visibility(with_case)
        self.look.fineness.set_visibility(not with_case)  # the solver's mesh is as fine as it is
        captions = _A_CASE if with_case else _TWO_DESIGNS
        for label, key in zip(self.captions, captions, strict=True):
            label.set_text(self.words(key))
        self.first_head.set_text(self.words("compare.model" if with_case else "compare.a"))
        self.second_head.set_text(self.words("compare.with" if with_case else "compare.b"))

    def _question(self) -> Pair:
        first, second = self.asking.settled(self.views[0]), self.views[1].snapshot()
        for name in _SHARED:
            setattr(second, name, getattr(first, name))
        return Pair(first, second if second.case else self.asking.settled(second))

    async def _refresh(self, turn: Turn[Pair]) -> None:
        first, second = turn.question
        with self.results:
            ui.run_javascript(f"tramontaneLink({json.dumps(first.query('a.') | second.query('b.'))})")
        models = self.asking.server.registry.models
        views = (first,) if second.case else (first, second)
        for view in views:
            if view.model and view.model not in models:
                self._fail(missing_model(self.words, view.model, models))
                return
        if not all(view.model in models and (second.case or view.geometry
                                             or not models[view.model].surrogate.needs_geometry)
                   for view in views):  # fmt: skip
            return
        anew = self.shown is None or not self.shown.same_designs(turn.question)
        if anew:
            self.shown = None
            self.results.clear()
        for field in self.fields:
            field.wait(self.words("predict.working"), anew=anew)
        try:
            await (self._show_case(turn) if second.case else self._show_designs(turn))
        except (TramontaneError, Problem) as error:
            self._fail(complaint(self.words, error))

    def _fail(self, message: str) -> None:
        self.shown = None
        self.results.clear()
        for field in self.fields:
            field.fail(message)

    # -- two designs -----------------------------------------------------------------------------------------------

    async def _show_designs(self, turn: Turn[Pair]) -> None:
        a, b = await turn(_both(*(self.asking.answer(view) for view in turn.question)))
        run, numbers_alone = self.asking.server.predictions.run, a.payload is None or b.payload is None
        if a.payload is None or b.payload is None:
            self._show_no_fields(turn)
        else:
            one, other = one_scale(a.payload, b.payload, locked=a.view.low is not None or a.view.high is not None)
            difference = await turn(run(lambda: self._difference(a, b)))
            self._show(turn, (one, other, difference))
            self.look.learn(replace(a, payload=one))
        first, second = await turn(_both(self.asking.whole(a), self.asking.whole(b)))
        differences = None
        if a.served.hash == b.served.hash:
            differences = await turn(run(lambda: a.served.surrogate.differences(first.case, second.case)))
        if turn.is_newest or numbers_alone:
            self._compare_results(compare_results.of_designs, a.served.contract, first.summary, second.summary,
                                  differences)  # fmt: skip

    def _difference(self, a: Answer, b: Answer) -> dict[str, Any]:
        view = View(field=a.view.field, camera=a.view.camera, map="coolwarm")
        scene = Scene(self.buffers, view, a.served.contract, self.words)
        one, other = (values_of(each.case, each.domain, view.field, each.served.contract) for each in (a, b))
        scene.spec["body"] = a.payload["body"] if a.payload else ""
        if one is not None and other is not None and a.mesh_key != b.mesh_key:
            other = self._mapped(a, b, other)
            if a.view.geometry != b.view.geometry:
                scene.note(self.words("compare.mapped"))
        if one is not None and other is None:  # there is nothing to compare A with
            other = np.full_like(one, np.nan)
        difference = None if one is None or other is None else other - one
        scene.surface(f"{a.prediction.key} {b.prediction.key}", a.mesh_key, a.case, a.domain, difference)
        return scene.payload()

    def _mapped(self, a: Answer, b: Answer, values: Array) -> Array:
        """Values of B at the nearest places of A, both in their bounding boxes."""
        wanted, places = (_places(each, a.view.field) for each in (a, b))
        return np.asarray(values[cKDTree(places).query(wanted, workers=-1)[1]])

    # -- a prediction and a solver's case --------------------------------------------------------------------------

    async def _show_case(self, turn: Turn[Pair]) -> None:
        self.asking.caller.need("predict")
        first, second = turn.question
        served = self.asking.server.model(first.model)
        options, run = choices(served.contract), self.asking.server.predictions.run
        last = self.solver_case

        def ask() -> tuple[SolverCase, list[dict[str, Any]]]:
            case, dataset = last, self.shell.datasets.open(second.set)
            if case is None or (case.served, case.dataset, case.name) != (served, dataset, second.case):
                case = SolverCase(served, dataset, second.case)
            return case, case.payloads(self.buffers, first, self.words) if options else []

        self.solver_case, payloads = case, _ = await turn(run(ask))
        if options:
            true, predicted, difference = payloads
            self._show(turn, (predicted, true, difference))
            self.look.take(served, first, predicted)
        else:
            self._show_no_fields(turn)
        whole, errors = await turn(run(lambda: (case.whole, case.errors())))
        if turn.is_newest:
            self._compare_results(compare_results.of_case, case, whole, errors)

    # -- both ------------------------------------------------------------------------------------------------------

    def _show(self, turn: Turn[Pair], payloads: Sequence[dict[str, Any]]) -> None:
        for field, each in zip(self.fields, payloads, strict=True):
            field.show(each)
        self.shown = turn.question
        self.views[0].camera = self.views[1].camera = None  # from here on the browser's

    def _show_no_fields(self, turn: Turn[Pair]) -> None:
        for field in self.fields:
            field.show_nothing(self.words("predict.numbers"))
        self.shown = turn.question

    def _compare_results(self, show: Any, *what: Any) -> None:
        self.results.clear()
        with self.results:
            show(self.words, *what)


async def _both(one: Awaitable[Result], other: Awaitable[Result]) -> tuple[Result, Result]:
    """Two at once."""
    first, second = await asyncio.gather(one, other)
    return first, second


def _places(answer: Answer, choice: str) -> Array:
    mesh = answer.case.meshes[answer.domain]
    points = (
        mesh.cell_centers().points
        if by_cell(answer.case, answer.domain, choice, answer.served.contract)
        else mesh.points
    )
    bounds = np.asarray(mesh.bounds).reshape(3, 2)
    extent = bounds[:, 1] - bounds[:, 0]
    return np.asarray((np.asarray(points) - bounds[:, 0]) / np.where(extent > 0, extent, 1.0))
