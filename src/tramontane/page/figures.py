"""Errors on held-out cases as a table, the model's beside those of what needs no training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nicegui import ui

from tramontane.evaluation.report import Report
from tramontane.page.language.words import Words, catalogue
from tramontane.service.trainings.schemas import ChoiceAnswer


def figures(words: Words, left: dict[str, Any], report: Report | None = None) -> None:
    """A model's table.

    Args:
        words: Of the reader's language.
        left: What training left: ``cross_validation`` by candidate, then by field, and which was ``chosen``.
        report: Of its evaluation, where there is one: that has baselines, too.
    """
    if report is not None:
        fields = {name: (f.relative_l2, f.baselines) for name, f in report.fields.items()}
        for rows in (fields, {name: (q.relative, q.baselines) for name, q in report.qoi.items()}):
            if rows:
                baselines = [words(f"baseline.{name}") for name in next(iter(rows.values()))[1]]
                shares = {name: [own, *others.values()] for name, (own, others) in rows.items()}
                table(words, ["", words("models.model"), *baselines], shares, without=len(baselines))
        return
    errors_of: dict[str, dict[str, float]] = left.get("cross_validation") or {}
    alone: dict[str, dict[str, float]] = left.get("left_out") or {}
    if not errors_of and alone:  # a model of numbers alone
        table(words, ["", words("models.model")], {qoi: [figure["relative"]] for qoi, figure in alone.items()})
        return
    if not errors_of:
        ui.label(words("models.no_figures")).classes("quiet")
        return
    chosen = left.get("chosen")
    names = sorted(errors_of, key=lambda name: name != chosen)
    shares = {field: [errors_of[name].get(field, float("nan")) for name in names] for field in errors_of[names[0]]}
    table(words, ["", *(kind_of(words, name) for name in names)], shares)


def because(words: Words, choice: ChoiceAnswer) -> str:
    """Which kind of model was chosen, and why."""
    compared = (
        words("training.compared", cases=each.cases, all=choice.cases,
              errors=", ".join(f"{kind_of(words, kind)} {words.share(error)}" for kind, error in each.errors.items()))
        for each in choice.compared
    )  # fmt: skip
    kind = kind_of(words, choice.chosen)
    return words("training.why", kind=kind, fields=choice.fields, compared="; ".join(compared))


def kind_of(words: Words, kind: str) -> str:
    """What a kind of model is called; one that these words do not know keeps its name in programs."""
    return words(f"kind.{kind}") if f"kind.{kind}" in catalogue() else kind


def table(words: Words, heads: Sequence[str], rows: dict[str, list[float]], *, without: int = 0) -> None:
    """Shares in percent; the lowest of each row stands out.

    Args:
        words: Of the reader's language.
        heads: Of the columns.
        rows: By name, a share for each column after the first.
        without: How many of the last columns are of predictions without a model, which then stands above them.
    """
    with ui.element("div").classes("scrolls stacks"), ui.element("table").classes("figures"):
        if without:
            with ui.element("tr"):
                ui.element("td").props(f"colspan={len(heads) - without}")
                with ui.element("th").props(f"scope=colgroup colspan={without}").classes("over"):
                    ui.label(words("models.without"))
        with ui.element("tr"):
            for head in heads:
                with ui.element("th").props("scope=col"):
                    ui.label(head)
        for name, shares in rows.items():
            with ui.element("tr"):
                with ui.element("th").props("scope=row"):
                    ui.label(name.replace("_", " "))
                for place, share in enumerate(shares, start=1):
                    head = (
                        heads[place] if place < len(heads) - without else f"{words('models.without')}: {heads[place]}"
                    )
                    with ui.element("td").classes("is-best" if share == min(shares) else "") as cell:
                        cell.props["data-head"] = head
                        ui.label(words.share(share))
