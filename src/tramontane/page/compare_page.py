"""Two designs side by side, with one camera, and the difference of their fields."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import numpy as np
from fastapi import Request
from nicegui import ui
from scipy.spatial import cKDTree

from tramontane.page.asking import Answer, Asking
from tramontane.page.colours import number, readable
from tramontane.page.design_panel import DesignPanel
from tramontane.page.field_view import FieldView
from tramontane.page.latest import Latest
from tramontane.page.look_panel import LookPanel
from tramontane.page.scene import Array, Scene, by_cell, values_of
from tramontane.page.shell import Reader, Shell
from tramontane.page.state import View
from tramontane.serve.problems import Problem
from tramontane.serve.schemas import Summary

_SHARED = ("field", "map", "low", "high", "section", "at", "lines", "arrows", "cells")


def register(shell: Shell) -> None:
    """The page ``/compare``."""

    @ui.page("/compare")
    def compare(request: Request) -> None:
        with shell.frame(request, "compare") as reader:
            query = dict(request.query_params)
            ComparePage(shell, reader, View.from_query(query, "a."), View.from_query(query, "b."))


class ComparePage:
    """Two panels, three views.

    Args:
        shell: Of the page.
        reader: Who reads it.
        first: Design A at first.
        second: Design B at first.
    """

    def __init__(self, shell: Shell, reader: Reader, first: View, second: View) -> None:
        self.words, self.views = reader.words, (first, second)
        self.asking = Asking(shell.server, shell.buffers, reader.caller)
        self.buffers = shell.buffers
        self.latest = Latest(self._refresh)
        self.ready = 0
        with ui.element("div").classes("controls"):
            for view, name in zip(self.views, ("a", "b"), strict=True):
                with ui.element("div").props(f"data-design={name}"):
                    ui.label(self.words(f"compare.{name}")).classes("heading")
                    DesignPanel(shell, reader, view, self.latest.ask)
        with ui.element("div").classes("stage stage-three"):
            self.fields = []
            for name in ("a", "b", "difference"):
                with ui.element("figure").props(f"data-view={name}"):
                    with ui.element("figcaption").classes("heading"):
                        ui.label(self.words(f"compare.{name}"))
                    field = FieldView(self.words, empty=self.words("compare.waiting"), group="compare",
                                      remember=name == "a")  # fmt: skip
                    field.on("ready", self._one_ready)
                    self.fields.append(field)
        with ui.element("div").classes("side"):
            with ui.element("section").classes("panel").props("aria-live=polite"):
                ui.label(self.words("predict.results")).classes("heading")
                self.results = ui.element("div")
            self.look = LookPanel(self.words, first, self.latest.ask)

    def _one_ready(self) -> None:
        self.ready += 1
        if self.ready == len(self.fields):
            self.latest.ask()

    async def _refresh(self) -> None:
        first, second = self.views
        for name in _SHARED:
            setattr(second, name, getattr(first, name))
        with self.results:
            ui.run_javascript(f"tramontaneLink({json.dumps(first.query('a.') | second.query('b.'))})")
        models = self.asking.server.registry.models
        if not all(view.model in models and (view.geometry or not models[view.model].surrogate.needs_geometry)
                   for view in self.views):  # fmt: skip
            return
        for field in self.fields:
            field.wait(self.words("predict.working"))
        try:
            a, b = await asyncio.gather(*(self.asking.answer(view) for view in self.views))
        except Problem as problem:
            for field in self.fields:
                field.fail(problem.detail)
            return
        if a.told is None or b.told is None:
            for field in self.fields:
                field.show_nothing(self.words("predict.numbers"))
            self._show_results(a.prediction.summary, b.prediction.summary)
            return
        # One scale for both, or nothing can be compared.
        if first.low is None and first.high is None:
            ends = [a.told["range"], b.told["range"]]
            low, high = min(low for low, _ in ends), max(high for _, high in ends)
            for told in (a.told, b.told):
                told["range"] = [low, high]
        b.told["factor"], b.told["unit"] = a.told["factor"], a.told["unit"]
        self.fields[0].show(a.told)
        self.fields[1].show(b.told)
        self.fields[2].show(await self.asking.server.predictions.run(lambda: self._difference(a, b)))
        first.camera = second.camera = None
        self.look.learn(a.served.contract, a.told)
        wholes = await asyncio.gather(*(self.asking.predict(view, None) for view in self.views))
        if not self.latest.overtaken:
            self._show_results(*(whole.summary for whole in wholes))

    def _difference(self, a: Answer, b: Answer) -> dict[str, Any]:
        view = View(**{name: getattr(self.views[0], name) for name in ("field", "camera")}, map="coolwarm")
        scene = Scene(self.buffers, view, a.served.contract)
        one, other = values_of(a.case, a.domain, view.field), values_of(b.case, b.domain, view.field)
        note = ""
        if one is None or other is None:
            scene.surface(a.prediction.key, a.where, a.case, a.domain)
            return scene.told()
        if a.where != b.where:
            other = self._mapped(a, b, other)
            if self.views[0].geometry != self.views[1].geometry:
                note = self.words("compare.mapped")
        difference = other - one
        scene.surface(f"{a.prediction.key} {b.prediction.key}", a.where, a.case, a.domain, difference)
        return scene.told() | {"note": note}

    def _mapped(self, a: Answer, b: Answer, values: Array) -> Array:
        """Values of B at the nearest places of A, both in their bounding boxes."""
        wanted, known = (_places(each, self.views[0].field) for each in (a, b))
        return np.asarray(values[cKDTree(known).query(wanted, workers=-1)[1]])

    def _show_results(self, a: Summary, b: Summary) -> None:
        self.results.clear()
        with self.results, ui.element("table").classes("figures"):
            with ui.element("tr"):
                for head in (self.words("compare.quantity"), "A", "B", "B − A"):
                    with ui.element("th").props("scope=col"):
                        ui.label(head)
            for name in [name for name in a.qoi if name in b.qoi]:
                one, other = a.qoi[name], b.qoi[name]
                change = None if one.value is None or other.value is None else other.value - one.value
                unit, factor = readable(one.unit, max(abs(one.value or 0.0), abs(other.value or 0.0)))
                cells = [
                    number(None if value is None else factor * value) for value in (one.value, other.value, change)
                ]
                with ui.element("tr").props(f"data-qoi={name}"):
                    with ui.element("th").props("scope=row"):
                        ui.label(f"{name.replace('_', ' ')} [{unit or '–'}]")
                    for cell in cells:
                        with ui.element("td"):
                            ui.label(cell)
        with self.results:
            for name, summary in (("a", a), ("b", b)):
                for warning in summary.warnings:
                    ui.label(f"{self.words(f'compare.{name}')}: {warning.detail}").classes("is-warning small")


def _places(answer: Answer, choice: str) -> Array:
    mesh = answer.case.meshes[answer.domain]
    points = mesh.cell_centers().points if by_cell(answer.case, answer.domain, choice) else mesh.points
    bounds = np.asarray(mesh.bounds).reshape(3, 2)
    extent = bounds[:, 1] - bounds[:, 0]
    return np.asarray((np.asarray(points) - bounds[:, 0]) / np.where(extent > 0, extent, 1.0))
