"""Errors on held-out cases as a table, the model's beside those of what needs no training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nicegui import ui

from tramontane.evaluation.report import Report
from tramontane.page.words import Words
from tramontane.serve.schemas import ChoiceAnswer


def figures(words: Words, left: dict[str, Any], report: Report | None = None) -> None:
    """A model's table.

    Args:
        words: Of the reader's language.
        left: What training left: ``cross_validation`` by candidate, then by field, and which was ``chosen``.
        report: Of its evaluation, where there is one: that has nulls, too.
    """
    if report is not None:
        fields = {name: (f.relative_l2, f.nulls) for name, f in report.fields.items()}
        for rows in (fields, {name: (q.relative, q.nulls) for name, q in report.qoi.items()}):
            if rows:
                nulls = next(iter(rows.values()))[1]
                heads = [
                    "",
                    words("models.model"),
                    *(words("models.null", name=words(f"null.{null}")) for null in nulls),
                ]
                table(heads, {name: [own, *others.values()] for name, (own, others) in rows.items()})
        return
    found: dict[str, dict[str, float]] = left.get("cross_validation") or {}
    alone: dict[str, dict[str, float]] = left.get("left_out") or {}
    if not found and alone:  # a model of numbers alone
        table(["", words("models.model")], {qoi: [figure["relative"]] for qoi, figure in alone.items()})
        return
    if not found:
        ui.label(words("models.no_figures")).classes("quiet")
        return
    chosen = left.get("chosen")
    names = sorted(found, key=lambda name: name != chosen)
    shares = {field: [found[name].get(field, float("nan")) for name in names] for field in found[names[0]]}
    table(["", *names], shares)


def because(words: Words, choice: ChoiceAnswer) -> str:
    """Which kind of model was chosen, and why."""
    compared = (
        words("training.compared", cases=each.cases, all=choice.cases,
              errors=", ".join(f"{kind} {100 * error:.1f} %" for kind, error in each.errors.items()))
        for each in choice.compared
    )  # fmt: skip
    kind = choice.chosen
    about = words(f"kind.{kind}")
    return words("training.why", kind=kind, about=about, fields=choice.fields, compared="; ".join(compared))


def table(heads: Sequence[str], rows: dict[str, list[float]]) -> None:
    """Shares in percent; the lowest of each row stands out."""
    with ui.element("div").classes("scrolls"), ui.element("table").classes("figures"):
        with ui.element("tr"):
            for head in heads:
                with ui.element("th").props("scope=col"):
                    ui.label(head)
        for name, shares in rows.items():
            with ui.element("tr"):
                with ui.element("th").props("scope=row"):
                    ui.label(name.replace("_", " "))
                for share in shares:
                    with ui.element("td").classes("is-best" if share == min(shares) else ""):
                        ui.label("–" if share != share else f"{100 * share:.1f} %")
