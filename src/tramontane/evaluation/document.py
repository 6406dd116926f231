"""A report as one document that an engineer would hand on: errors, intervals, verdicts, laws, and limits of use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from html import escape

import numpy as np

from tramontane.dataset import Dataset
from tramontane.evaluation.baselines import BASELINES, QOI_BASELINES
from tramontane.evaluation.cases_drawn import draw_worst
from tramontane.evaluation.charts import bars_chart, learning_chart, reliability_chart, scatter_chart, verdict_chart
from tramontane.evaluation.coverage import Reliability
from tramontane.evaluation.physics import Missed, suspects
from tramontane.evaluation.report import HEADS, FieldFigures, QoiFigures, Report
from tramontane.html_page import Cell, paragraphs, picture, section, table, write_page
from tramontane.interval import LEVEL
from tramontane.surrogate import Surrogate
from tramontane.units import Quantity, difference_from_si, from_si

_AS_GOOD = 0.9  # of a baseline's error: a model above it has learnt next to nothing
_WORSE_THAN_SOLVER = 2.0  # times the solver's worst residual: predictions miss a law
_MISSED = 0.05  # share by which a law may be missed before anybody minds
_FEW = 30  # cases below which little can be said of failures: none among n bounds their share by 3 / n
_MATTERS = 0.05  # of a QoI's variation that an input explains
_INPUTS = 6  # of a QoI that are shown


def write_report(
    report: Report,
    file: str | os.PathLike[str],
    *,
    surrogate: Surrogate,
    dataset: Dataset,
    pictures: int = 3,
    title: str = "",
) -> None:
    """Write a report as a page of its own.

    Args:
        report: Of `tramontane.evaluation.evaluate`.
        file: To write; an older one is replaced.
        surrogate: The model, to draw its worst cases and to state its ranges.
        dataset: With the cases.
        pictures: Of how many cases at most.
        title: Of the page.

    Raises:
        DatasetError: The file cannot be written.
    """
    write_page(file, title or f"{surrogate.contract.name}: what the model is worth", _header(report, surrogate), [
        section("What the model must not be used for", _warnings(report, surrogate)),
        section("Errors on cases that it never saw", _errors(report)),
        section("Intervals: what they held", _intervals(report)),
        section("Verdicts", _verdicts(report)),
        section("Laws of physics", _laws(report)),
        section("The worst cases", _pictures(report, surrogate, dataset, pictures)),
        section("Predicted and true", _grid(_scatters(report))),
        section("What more cases would give", _learning(report)),
        section("Which inputs matter", _inputs(report)),
    ])  # fmt: skip


def _header(report: Report, surrogate: Surrogate) -> str:
    tiles = [(str(report.training_cases), "training cases"), (str(len(report.cases)), "cases that it never saw"),
             (f"{report.seconds_per_case:.2g} s", "a case")]  # fmt: skip
    body = "".join(f"<li><b>{escape(number)}</b> {escape(words)}</li>" for number, words in tiles)
    cases = f"Split {report.split}: {', '.join(report.cases)}."
    return f'<ul class="tiles">{body}</ul>' + paragraphs(
        [f"Model {report.model}, {surrogate.identity}; data {report.data}.", cases, *report.notes], "quiet"
    )


def _warnings(report: Report, surrogate: Surrogate) -> str:
    """What the figures say against its use, and the ranges beyond which nothing is known."""
    lines = [*_unlearnt(report), *_uncovered(report), *_lawless(report)]
    ranges = [
        f"{name} {from_si(spec.low, spec.unit):.4g} to {from_si(spec.high, spec.unit):.4g} {spec.unit}".rstrip()
        for name, spec in surrogate.contract.parameters.items() if spec.role != "constant"
    ]  # fmt: skip
    lines.append("Designs other than the training cases' family: a design whose verdict is outside has no known error. "
                 "The training cases have " + ("; ".join(ranges) if ranges else "no parameters") + ".")  # fmt: skip
    if constants := [name for name, spec in surrogate.contract.parameters.items() if spec.role == "constant"]:
        lines.append(f"Other values of {', '.join(constants)}, which the training cases do not vary.")
    lines.append("Differences from the solver are all that was measured; differences of the solver from reality add to "
                 "them.")  # fmt: skip
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def _unlearnt(report: Report) -> Iterator[str]:
    figures: dict[str, tuple[float, dict[str, float]]] = {
        **{name: (f.relative_l2, f.baselines) for name, f in report.fields.items()},
        **{name: (q.relative, q.baselines) for name, q in report.qoi.items() if not q.law},
    }
    for name, (error, baselines) in figures.items():
        if baselines and error > _AS_GOOD * min(baselines.values()):
            best = min(baselines, key=lambda key: baselines[key])
            yield (f"{name}: its error of {100 * error:.2g} % is hardly below that of the baseline "
                   f"\"{_plain(HEADS[best])}\" ({100 * baselines[best]:.2g} %).")  # fmt: skip


def _uncovered(report: Report) -> Iterator[str]:
    for name, points in _reliabilities(report):
        for point in points:
            if point.level == LEVEL and point.high < point.level:
                yield (f"{name}: decisions by its interval; stated with {100 * point.level:g} % it held in "
                       f"{100 * point.coverage:.0f} % ({100 * point.low:.0f} to {100 * point.high:.0f} "
                       "%).")  # fmt: skip
    if len(report.cases) < _FEW:
        yield (f"Claims on rare failures: had all of {len(report.cases)} cases been right, one in "
               f"{max(len(report.cases) // 3, 1)} could still be wrong.")  # fmt: skip


def _lawless(report: Report) -> Iterator[str]:
    for law in report.laws.values():
        solver = max(of.worst_share for of in (law.truth, law.training) if of is not None)
        if law.predicted.worst_share > max(_WORSE_THAN_SOLVER * solver, _MISSED):
            yield (f"What rests on the law that {law.title}: predictions miss it by up to "
                   f"{100 * law.predicted.worst_share:.2g} %, the solver by {100 * solver:.2g} %.")  # fmt: skip


def _errors(report: Report) -> str:
    parts = []
    if report.fields:
        heads = ["field", "mean", "median", "worst", "worst case", "mean absolute",
                 *(_plain(HEADS[name]) for name in BASELINES)]  # fmt: skip
        parts.append(paragraphs(["Fields: relative L2 error over all points of a case, in percent."]))
        parts.append(table(heads, [_field_row(name, f) for name, f in report.fields.items()]))
    if report.qoi:
        heads = ["QoI", "mean", "R2", "mean absolute", *(_plain(HEADS[name]) for name in QOI_BASELINES), "how"]
        parts.append(paragraphs(["QoIs: mean error over mean magnitude, in percent."]))
        parts.append(table(heads, [_qoi_row(name, q) for name, q in report.qoi.items()]))
    return "".join(parts)


def _field_row(name: str, f: FieldFigures) -> list[Cell | str]:
    return [name, *(_percent(value) for value in (f.relative_l2, f.median, f.worst)), f.worst_case,
            (_short(f.mean_absolute, f.unit), f.mean_absolute),
            *(_percent(f.baselines.get(key)) for key in BASELINES)]  # fmt: skip


def _qoi_row(name: str, q: QoiFigures) -> list[Cell | str]:
    shown = q.unit if q.display_unit is None else q.display_unit
    error = _short(difference_from_si(q.mean_absolute, shown), shown)
    return [name, _percent(q.relative), ("-", None) if q.r2 is None else (f"{q.r2:.3f}", q.r2),
            (error, q.mean_absolute), *(_percent(q.baselines.get(key)) for key in QOI_BASELINES), q.how]  # fmt: skip


def _intervals(report: Report) -> str:
    rows: list[list[Cell | str]] = []
    for name, f in report.fields.items():
        if (coverage := f.coverage) is not None:
            rows.append([
                name, *(_percent(value) for value in (coverage.points, coverage.lowest, coverage.band)),
                *(("-", None) if value is None else (f"{value:.2f}", value)
                  for value in (coverage.score_over_constant, coverage.rank_correlation)),
            ])  # fmt: skip
    charts = [f"<figure><figcaption><b>{escape(name)}</b></figcaption>{reliability_chart(points, label=name)}</figure>"
              for name, points in _reliabilities(report) if points]  # fmt: skip
    if not rows and not charts:
        return paragraphs(["The model states no intervals: its cases were too few, or it is older than intervals."])
    lines = [f"Of intervals stated with {100 * LEVEL:g} %: the share of all points that lay inside, that of the worst "
             "case, and the share of cases of which nearly all points lay in the band of the whole field, in percent; "
             "their interval score over that of intervals of one width (below 1: sharper); and the rank correlation of "
             "stated and true error over the cases."] if rows else []  # fmt: skip
    heads = ["field", "points", "lowest case", "whole fields", "score / one width", "rank correlation"]
    notes = ["Held over stated, for several levels; the band is where the share would lie in 19 of 20 draws of so many "
             "cases. What lies below the diagonal held less than it stated."]  # fmt: skip
    return paragraphs(lines) + (table(heads, rows) if rows else "") + paragraphs(notes) + _grid(charts)


def _reliabilities(report: Report) -> list[tuple[str, list[Reliability]]]:
    fields = [(name, f.coverage.reliability) for name, f in report.fields.items() if f.coverage is not None]
    return [*fields, *((name, q.reliability) for name, q in report.qoi.items() if q.reliability)]


def _verdicts(report: Report) -> str:
    if not report.verdicts:
        return ""
    domains = [report.verdicts[name].domain for name in report.cases if name in report.verdicts]
    counts = {domain: domains.count(domain) for domain in ("inside", "edge", "outside")}
    line = f"{counts['inside']} inside, {counts['edge']} at the edge, {counts['outside']} outside."
    if not report.fields:
        return paragraphs([line])
    errors = np.mean([f.each for f in report.fields.values()], axis=0)
    named = {name: error for name, error in zip(report.cases, errors.tolist(), strict=True) if name in report.verdicts}
    doubtful = [name for name, of in report.verdicts.items() if of.domain != "inside"]
    fine = [name for name in doubtful if named[name] <= float(np.median(errors))]
    lines = [line, "Error of each case, mean over the fields, over the score of its verdict."]
    if doubtful and len(report.cases) > 1:
        lines.insert(1, f"False alarms: {len(fine)} of the {len(doubtful)} that are not inside were predicted as well "
                        "as the better half of all.")  # fmt: skip
    scores = [report.verdicts[name].score for name in named]
    return paragraphs(lines) + _grid(
        [f"<figure>{verdict_chart(scores, list(named.values()), label='all fields')}</figure>"]
    )


def _laws(report: Report) -> str:
    if not report.laws:
        return ""
    rows: list[list[Cell | str]] = [
        [law.title, *(_missed(of, law.unit) for of in (law.predicted, law.truth, law.training))]
        for law in report.laws.values()
    ]
    line = ("By how much laws are missed: median over the cases in the law's unit, and in brackets as a share of what "
            "it is compared with, of the median and of the worst case. The solver's own cases are the yardstick: their "
            "meshes and formats have residuals, too.")  # fmt: skip
    heads = ["law", "predicted", "solver, these cases", "solver, training cases"]
    return paragraphs([line]) + table(heads, rows) + paragraphs(suspects(report.laws))


def _missed(of: Missed | None, unit: str) -> Cell:
    if of is None:
        return "-", None
    shares = f"({100 * of.median_share:.2g} %, worst {100 * of.worst_share:.2g} %)"
    return f"{_short(of.median, unit)} {shares}", of.median_share


def _pictures(report: Report, surrogate: Surrogate, dataset: Dataset, count: int) -> str:
    if not report.fields or count <= 0:
        return ""
    figures = []
    try:
        for png, name, caption in draw_worst(report, surrogate, dataset, count):
            figures.append(picture(png, name, f"{caption}; truth and prediction on one scale, error and interval width "
                                   "on another"))  # fmt: skip
    except RuntimeError as error:  # the report is worth having without pictures
        figures.append(paragraphs([f"No pictures: VTK cannot draw here ({error})"], "quiet"))
    return _grid(figures, "pictures")


def _scatters(report: Report) -> list[str]:
    charts = []
    for name, q in report.qoi.items():
        unit = q.unit if q.display_unit is None else q.display_unit
        true, predicted = ([from_si(value, unit) for value in values] for values in (q.true, q.predicted))
        chart = scatter_chart(true, predicted, label=name, unit=unit)
        charts.append(f"<figure><figcaption><b>{escape(name)}</b></figcaption>{chart}</figure>")
    return charts


def _learning(report: Report) -> str:
    curve = report.learning
    if curve is None:
        return ""
    names = list(curve.errors)[:8]
    lines = [f"Mean error on {curve.judged} cases with fewer training cases, and where the power law through the "
             f"points leads with {curve.more} of them: " + "; ".join(
                 f"{name} {100 * curve.errors[name][-1]:.2g} to {100 * curve.expected[name]:.2g} %" for name in names)
             + ". It is an extrapolation, not a promise."]  # fmt: skip
    return paragraphs(lines) + f"<figure>{learning_chart(curve, names)}</figure>"


def _inputs(report: Report) -> str:
    charts = []
    for qoi, shares in report.inputs.items():
        most = dict(sorted(shares.items(), key=lambda pair: -pair[1])[:_INPUTS])
        if max(most.values(), default=0.0) >= _MATTERS:
            charts.append(
                f"<figure><figcaption><b>{escape(qoi)}</b></figcaption>{bars_chart(most, label=qoi)}</figure>"
            )
    if not charts:
        return ""
    notes = ["Which share of a QoI's variation over the solver's cases each input explains by itself (a parabola in "
             "it, on cases left out). What inputs explain only together, none of them explains here."]  # fmt: skip
    return paragraphs(notes) + _grid(charts)


def _grid(figures: list[str], kind: str = "") -> str:
    return f'<div class="grid {kind}">{"".join(figures)}</div>' if figures else ""


def _percent(share: float | None) -> Cell:
    return ("-", None) if share is None else (f"{100 * share:.3g}", share)


def _short(value: float, unit: str) -> str:
    return str(Quantity(float(f"{value:.3g}"), unit))


def _plain(head: str) -> str:
    return head.replace("\n", " ")
