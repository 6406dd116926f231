"""Numbers of two answers beside each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nicegui import ui

from tramontane.case import Case
from tramontane.contract import Contract, QoiSpec
from tramontane.page.controls.design_panel import place_of, verdict
from tramontane.page.language.complaints import remark
from tramontane.page.language.readable_units import shown
from tramontane.page.language.words import Words
from tramontane.page.view.solver_case import SolverCase
from tramontane.service.predictions.designs import verdict as told
from tramontane.service.predictions.designs import warned
from tramontane.service.predictions.schemas import Summary

_SEEN = {
    "trained": "compare.seen_trained", "validation": "compare.seen_validation", "unseen": "compare.seen_unseen",
    "unknown": "compare.seen_unknown",
}  # fmt: skip
Row = tuple[str, QoiSpec, float | None, float | None]


def of_designs(words: Words, contract: Contract, a: Summary, b: Summary) -> None:
    """QoIs of two predictions, in the units of the contract of the first, and what to mind of each."""
    rows = [(name, contract.qoi[name], a.qoi[name].value, b.qoi[name].value) for name in a.qoi if name in b.qoi]
    _table(
        words, (words("compare.quantity"), "A", "B", "B − A"), rows,
        lambda one, other, factor: words.number(factor * (other - one)),
    )  # fmt: skip
    for key, summary in (("compare.a", a), ("compare.b", b)):
        for warning in summary.warnings:
            ui.label(f"{words(key)}: {remark(words, warning)}").classes("is-warning small")


def of_case(words: Words, case: SolverCase, whole: Case, errors: dict[str, float]) -> None:
    """Whether the model knew the case, QoIs of both, errors of fields, and the verdict on the design's place."""
    verdict(words(_SEEN[case.seen]), fine=case.seen == "unseen")
    true = case.dataset.qoi(case.name)
    heads = (words("compare.quantity"), words("evaluation.predicted"), words("evaluation.true"), "Δ [%]")
    rows = [(name, case.served.contract.qoi[name], value, true.get(name)) for name, value in whole.qoi.items()]

    def percent(predicted: float, true: float, _: float) -> str:
        return words.local(f"{100 * (predicted - true) / abs(true):+.1f}") if true else "–"

    _table(words, heads, rows, percent)
    if errors:
        with ui.element("table").classes("figures"):
            with ui.element("tr"):
                for head in ("", words("compare.error")):
                    with ui.element("th").props("scope=col"):
                        ui.label(head)
            for name, error in errors.items():
                with ui.element("tr").props(f"data-field={name} data-error={error!r}"):
                    with ui.element("th").props("scope=row"):
                        ui.label(name.replace("_", " "))
                    with ui.element("td"):
                        ui.label(words.share(error))
    stated = [warned(notice) for notice in whole.notices]
    place, details = place_of(words, told(whole.verdict), stated)
    verdict(words(f"predict.{place}"), details, fine=place == "inside", bad=place == "outside")


def _table(
    words: Words, heads: Sequence[str], rows: Sequence[Row], change: Callable[[float, float, float], str]
) -> None:
    """Two numbers of each row, and what ``change`` says of them and of the factor to the unit shown."""
    with ui.element("div").classes("scrolls"), ui.element("table").classes("figures"):
        with ui.element("tr"):
            for head in heads:
                with ui.element("th").props("scope=col"):
                    ui.label(head)
        for name, spec, one, other in rows:
            unit, factor = shown(spec, max(abs(one or 0.0), abs(other or 0.0)))
            with ui.element("tr").props(f"data-qoi={name} data-a={one} data-b={other}"):
                with ui.element("th").props("scope=row"):
                    ui.label(f"{name.replace('_', ' ')} [{unit or '–'}]")
                said = [words.number(None if value is None else factor * value) for value in (one, other)]
                said.append("–" if one is None or other is None else change(one, other, factor))
                for text in said:
                    with ui.element("td"):
                        ui.label(text)
