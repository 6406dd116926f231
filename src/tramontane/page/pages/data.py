"""A dataset's cases: a table with pictures, histograms, splits, and what ingest found."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import html
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import Request
from nicegui import ui

from tramontane.dataset import Dataset
from tramontane.dataset.audit.charts import histogram
from tramontane.errors import TramontaneError
from tramontane.page.datasets import stl
from tramontane.page.language.complaints import complain, complaint
from tramontane.page.language.readable_units import shown
from tramontane.page.language.words import Words
from tramontane.page.latest import Overtaken, Turn
from tramontane.page.shell import Reader, Shell
from tramontane.page.view.asking import parameters_of
from tramontane.page.view.state import View
from tramontane.service.problems import Problem
from tramontane.units import from_si

_ROWS = 12  # on a page of the table
# Numbers are texts there, as the reader's language writes them; what they are sorted by stands beside, under "#".
SORT = """(rows, by, down) => { const key = (row) => row["#" + by] ?? row[by];
    return [...rows].sort((one, other) => { const [a, b] = [key(one), key(other)];
        return typeof a === "number" && typeof b === "number" ? (down ? b - a : a - b)
            : typeof a === "number" ? -1 : typeof b === "number" ? 1
            : (down ? -1 : 1) * String(a).localeCompare(String(b)); }); }"""


def register(shell: Shell) -> None:
    """The page ``/data``."""

    @ui.page("/data")
    def data(request: Request) -> None:
        with shell.frame(request, "data") as reader:
            names = list(shell.datasets.paths)
            if reader.caller.may("admin") and shell.server.settings.results:
                ui.button(reader.words("nav.ingest"), icon="create_new_folder",
                          on_click=lambda: ui.navigate.to("/ingest")
                          ).props("outline dense no-caps").classes("card-open")  # fmt: skip
            if not names:
                ui.label(reader.words("data.none")).classes("nothing")
                return
            name = request.query_params.get("set", names[0])
            choose_dataset(reader, names, name, "/data")
            try:
                _show(shell, reader, name, shell.datasets.open(name))
            except TramontaneError as error:
                ui.label(complaint(reader.words, error)).classes("is-error").props("role=alert")


def choose_dataset(reader: Reader, names: list[str], name: str, target: str) -> None:
    """A selection of datasets, where there are several."""
    if len(names) > 1:
        ui.select(names, value=name if name in names else None, label=reader.words("data.set"),
                  on_change=lambda event: ui.navigate.to(f"{target}?set={quote(event.value)}")
                  ).props("outlined dense options-dense").classes("choice")  # fmt: skip


def _show(shell: Shell, reader: Reader, name: str, dataset: Dataset) -> None:
    words = reader.words
    splits = ", ".join(f"{split} {len(cases)}" for split, cases in dataset.splits.items())
    with ui.element("section").classes("panel"):
        with ui.element("div").classes("row-between"):
            ui.label(words("data.count", count=len(dataset.names), splits=splits)).classes("heading")
            if reader.caller.may("admin"):
                ui.button(words("data.train"), icon="model_training",
                          on_click=lambda: ui.navigate.to(f"/training?set={quote(name)}")
                          ).props("outline dense no-caps")  # fmt: skip
        table = _table(words, name, dataset)
        chosen = ""

        async def ask(event: Any) -> None:
            nonlocal chosen
            chosen = str(event.args)
            with contextlib.suppress(Overtaken):  # another case was chosen while this one's shape was stored
                await _ask(shell, reader, name, Turn(chosen, lambda: chosen))

        table.on("ask", ask)
    with ui.element("section").classes("panel"):
        ui.label(words("data.spread")).classes("heading")
        with ui.element("div").classes("charts"):
            _histograms(words, dataset)
    with ui.element("section").classes("panel"):
        ui.label(words("data.findings")).classes("heading")
        record = shell.datasets.record(name)
        left_out, warnings = record.get("left_out", {}), record.get("warnings", [])
        if not left_out and not warnings:
            ui.label(words("data.clean")).classes("quiet")
        for case, reason in left_out.items():
            ui.label(words("data.damaged", name=case, reason=reason)).classes("is-error small")
        for warning in warnings:
            ui.label(str(warning)).classes("is-warning small")


async def _ask(shell: Shell, reader: Reader, name: str, turn: Turn[str]) -> None:
    """Open a case in the page Predict: its shape is stored as if it were dropped there."""
    case = turn.question
    models = shell.server.registry.models
    if not models:
        ui.notify(reader.words("predict.no_model"), type="warning")
        return
    try:
        reader.caller.need("predict")
        dataset = shell.datasets.open(name)
        served = shell.server.model(shell.datasets.fitting(name, models))
        view, values = View(model=served.name), dataset.parameters(case)
        view.parameters = {
            key: from_si(values[key], spec.unit) for key, spec in parameters_of(served).items() if key in values
        }
        if served.surrogate.needs_geometry and dataset.has_geometry(case):
            file, content = f"{case}.stl", await turn(asyncio.to_thread(stl, dataset.geometry(case)))
            stored, _ = await turn(shell.server.geometries.receive(
                _whole(content), name=file, announced=len(content), limit=reader.caller.upload_bytes
            ))  # fmt: skip
            view.geometry, view.unit = stored.hash, "m"
    except (TramontaneError, Problem) as error:
        complain(reader.words, error)
        return
    ui.navigate.to("/predict?" + urlencode({key: each for key, each in view.query().items() if each is not None}))


async def _whole(content: bytes) -> AsyncIterator[bytes]:
    yield content


def _table(words: Words, name: str, dataset: Dataset) -> ui.table:
    contract = dataset.contract
    split_of = {case: split for split, cases in dataset.splits.items() for case in cases}
    columns: list[dict[str, Any]] = [
        {"name": "picture", "label": "", "field": "picture", "align": "left"},
        {"name": "case", "label": words("data.case"), "field": "case", "sortable": True, "align": "left"},
        {"name": "ask", "label": "", "field": "case", "align": "left"},
        {"name": "split", "label": words("data.split"), "field": "split", "sortable": True, "align": "left"},
    ]
    units: dict[str, tuple[str, float]] = {}
    qois = {case: dataset.qoi(case) for case in dataset.names}
    for qoi, spec in contract.qoi.items():
        most = max((abs(values[qoi]) for values in qois.values() if qoi in values), default=0.0)
        units[qoi] = shown(spec, most)
    heads = {f"p:{key}": f"{key} [{spec.unit or '–'}]" for key, spec in contract.parameters.items()}
    heads |= {f"q:{key}": f"{key} [{units[key][0] or '–'}]" for key in contract.qoi}
    columns += [
        {"name": key, "label": head.replace("_", " "), "field": key, "sortable": True, "align": "right"}
        for key, head in heads.items()
    ]
    rows = []
    for case in dataset.names:
        values, own = dataset.parameters(case), qois[case]
        row: dict[str, Any] = {
            "case": case,
            "split": split_of.get(case, "–"),
            "picture": f"/page/pictures/{quote(name)}/{quote(case)}" if dataset.has_geometry(case) else "",
        }
        in_units = {
            f"p:{key}": from_si(values[key], spec.unit) for key, spec in contract.parameters.items() if key in values
        }
        in_units |= {f"q:{key}": units[key][1] * own[key] for key in contract.qoi if key in own}
        row |= {key: words.number(in_units.get(key)) for key in heads} | {
            f"#{key}": value for key, value in in_units.items()
        }
        rows.append(row)
    table = ui.table(columns=columns, rows=rows, row_key="case", pagination=_ROWS).props("flat dense")
    table.props[":sort-method"] = SORT
    table.add_slot("body-cell-picture", """<q-td :props="props"><img v-if="props.value" :src="props.value"
        class="case-picture" alt="" loading="lazy" onerror="this.style.visibility='hidden'"></q-td>""")  # fmt: skip
    label = html.escape(words("data.open"), quote=True)
    table.add_slot("body-cell-ask", f"""<q-td :props="props"><q-btn flat dense round icon="play_arrow" color="primary"
        :aria-label="'{label}: ' + props.row.case" title="{label}"
        @click="$parent.$emit('ask', props.row.case)"></q-btn></q-td>""")  # fmt: skip
    return table


def _histograms(words: Words, dataset: Dataset) -> None:
    remarks = words("data.logarithmic"), words("data.not_finite"), words("data.no_values")
    draw = functools.partial(histogram, say=words.number, words=remarks)
    contract = dataset.contract
    cases = dataset.names
    for key, spec in contract.parameters.items():
        values = {case: from_si(dataset.parameters(case)[key], spec.unit) for case in cases
                  if key in dataset.parameters(case)}  # fmt: skip
        _chart(key, draw({"": values}, label=key, unit=spec.unit))
    for key, qoi in contract.qoi.items():
        values = {case: dataset.qoi(case)[key] for case in cases if key in dataset.qoi(case)}
        unit, factor = shown(qoi, max((abs(value) for value in values.values()), default=0.0))
        _chart(key, draw({"": {case: factor * value for case, value in values.items()}}, label=key, unit=unit))


def _chart(name: str, svg: str) -> None:
    with ui.element("figure"):
        with ui.element("figcaption").classes("small"):
            ui.label(name.replace("_", " "))
        ui.html(svg, sanitize=False)
