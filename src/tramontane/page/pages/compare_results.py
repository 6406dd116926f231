"""Numbers of two answers beside each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from nicegui import ui

from tramontane.case import Case
from tramontane.contract import Contract, QoiSpec
from tramontane.interval import Difference
from tramontane.page.controls.design_panel import place_of, verdict
from tramontane.page.language.readable_units import shown
from tramontane.page.language.words import Words
from tramontane.page.view.solver_case import SolverCase
from tramontane.service.predictions.designs import verdict as verdict_answer
from tramontane.service.predictions.designs import warned
from tramontane.service.predictions.schemas import Summary

_ROLES = {
    "trained": "compare.seen_trained", "validation": "compare.seen_validation", "unseen": "compare.seen_unseen",
    "unknown": "compare.seen_unknown",
}  # fmt: skip
Row = tuple[str, QoiSpec, float | None, float | None]


def of_designs(
    words: Words, contract: Contract, a: Summary, b: Summary, differences: Mapping[str, Difference] | None
) -> None:
    """QoIs of two predictions, in the units of the contract of the first, whether they differ, and where each lies.

    Args:
        words: Of the reader's language.
        contract: Of the first model.
        a: Of the first prediction.
        b: Of the second.
        differences: By QoI, how it differs; None of two models.
    """
    rows = [(name, contract.qoi[name], a.qoi[name].value, b.qoi[name].value) for name in a.qoi if name in b.qoi]

    def more(name: str, factor: float, unit: str) -> list[str]:
        apart = None if differences is None else differences.get(name)
        if differences is None or apart is None or not apart.value:
            return []
        margin = f"B − A = {words.number(factor * apart.value)} ± {words.number(factor * apart.half_width)} {unit}"
        return [difference(words, apart), f"{margin} ({words.local(f'{100 * apart.level:g}')} %)"]

    _table(
        words, (words("compare.quantity"), "A", "B", "B − A"), rows,
        lambda one, other, factor: words.number(factor * (other - one)), more,
    )  # fmt: skip
    if differences is None and any(value.low is not None for value in a.qoi.values()):
        ui.label(words("compare.two_models")).classes("quiet")
    for key, summary in (("compare.a", a), ("compare.b", b)):
        place, details = place_of(words, summary.verdict, summary.warnings)
        if place != "inside":
            verdict(f"{words(key)}: {words(f'predict.{place}')}", details, fine=False, bad=place == "outside")


def difference(words: Words, apart: Difference) -> str:
    """Whether a QoI differs, and how sure that is; per cents are rounded down."""
    if apart.correlation is None and not apart.is_certain:
        return words("compare.unknown")
    share = f"{'≥ ' if apart.bounded else ''}{min(int(100 * apart.probability + 1e-9), 99)}"
    sentence = words("compare.lower" if apart.value < 0 else "compare.higher", share=share)
    return sentence if apart.is_certain else words("compare.not_apart", said=sentence)


def of_case(words: Words, case: SolverCase, whole: Case, errors: dict[str, float]) -> None:
    """Whether the model knew the case, QoIs of both, errors of fields, and the verdict on the design's place."""
    verdict(words(_ROLES[case.role]), fine=case.role == "unseen")
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
    place, details = place_of(words, verdict_answer(whole.verdict), stated)
    verdict(words(f"predict.{place}"), details, fine=place == "inside", bad=place == "outside")


def _table(
    words: Words, heads: Sequence[str], rows: Sequence[Row], change: Callable[[float, float, float], str],
    more: Callable[[str, float, str], list[str]] = lambda *_: [],
) -> None:  # fmt: skip
    """Two numbers of each row, what ``change`` says of them and of the factor to the unit shown, and lines below."""
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
                cells = [words.number(None if value is None else factor * value) for value in (one, other)]
                cells.append("–" if one is None or other is None else change(one, other, factor))
                for text in cells:
                    with ui.element("td"):
                        ui.label(text)
            if lines := more(name, factor, unit):
                with ui.element("tr").props(f"data-difference={name}"), ui.element("td").props("colspan=4"):
                    for place, text in enumerate(lines):
                        ui.label(text).classes("small quiet" if place else "small")
