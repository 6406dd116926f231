"""Figures of a surrogate on held-out cases, every one beside baselines that need no model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import AliasChoices, BaseModel, Field
from rich.console import Console
from rich.table import Table

from tramontane.contract import QoiSpec, power_law
from tramontane.evaluation.baselines import BASELINES, QOI_BASELINES
from tramontane.evaluation.coverage import CaseCoverage, Coverage, Reliability, coverage, reliability
from tramontane.evaluation.learning import LearningCurve
from tramontane.evaluation.physics import LawFigures, Missed, suspects
from tramontane.frames import frame
from tramontane.metrics import mean_absolute, r2
from tramontane.units import Quantity, difference_from_si

if TYPE_CHECKING:
    import pandas as pd

Progress = Callable[[str, int, int], object]
"""Told a stage (``cases``, then ``baselines``), how many of its steps are done, and of how many."""
HEADS = {
    "mean": "baseline:\naverage",
    "nearest": "baseline:\nmost similar\ncase",
    "parameters": "baseline:\nregression on\ndimensions",
    "linear": "baseline:\nlinear\nregression",
}
_EXACT = 5e-4  # a relative error that the table shows as 0.0
# Reports of version 0.1.0 called them nulls.
BaselineErrors = Annotated[dict[str, float], Field(validation_alias=AliasChoices("baselines", "nulls"))]
BaselineR2 = Annotated[dict[str, float | None], Field(validation_alias=AliasChoices("baselines_r2", "nulls_r2"))]


class FieldFigures(BaseModel, populate_by_name=True):
    """Errors of one field over the cases; relative L2 as a share, not in percent, ``each`` in the report's order."""

    unit: str
    relative_l2: float
    median: float
    worst: float
    worst_case: str
    mean_absolute: float
    baselines: BaselineErrors
    each: list[float] = []
    coverage: Coverage | None = None


class QoiFigures(BaseModel, populate_by_name=True):
    """Errors of one QoI over the cases.

    ``coverage`` is the share of the cases whose truth lies in the interval that was stated with 90 %,
    ``interval_score`` the mean score of these intervals over the mean magnitude. ``relative`` is
    the mean absolute error over the mean magnitude, ``mean_of_cases`` the mean of each case's own
    relative error, which one case near zero can make meaningless. ``within`` is the share of the cases whose error is
    below two of the standard deviations that the model states, where it states any. ``law`` has the powers of operating
    conditions that model and baselines alike are given, by name.
    """

    unit: str
    display_unit: str | None = None
    how: str
    law: dict[str, float] = {}
    relative: float
    mean_of_cases: float
    mean_absolute: float
    r2: float | None
    within: float | None = None
    baselines: BaselineErrors
    baselines_r2: BaselineR2
    predicted: list[float] = []
    true: list[float] = []
    coverage: float | None = None
    interval_score: float | None = None
    reliability: list[Reliability] = []


class CaseVerdict(BaseModel):
    """Where a case lies, and how far out; see `tramontane.verdict.Verdict`."""

    domain: str
    score: float


class Report(BaseModel):
    """What a surrogate reaches on cases that it never saw.

    ``folds`` says in how many parts cases were left out, each of a surrogate of its own, in a cross-validation; None of
    one surrogate. ``notes`` has what is to be minded, ``laws`` by how much predictions miss laws of physics,
    ``inputs`` by QoI which share of its variation over the cases each parameter explains by itself, ``learning`` what
    fewer cases would have given. Where there are too few cases for baselines, there are none.
    """

    model: str
    data: str
    split: str
    cases: list[str]
    training_cases: int
    folds: int | None = None
    notes: list[str] = []
    seconds_per_case: float
    fields: dict[str, FieldFigures]
    qoi: dict[str, QoiFigures]
    verdicts: dict[str, CaseVerdict] = {}
    laws: dict[str, LawFigures] = {}
    inputs: dict[str, dict[str, float]] = {}
    learning: LearningCurve | None = None

    def __repr__(self) -> str:
        lines = [f"<Report {self.model}: {len(self.cases)} cases of split {self.split}>"]
        lines += [f"  {name}: {100 * f.relative_l2:.2g} % relative L2 {_best(f.baselines)}"
                  for name, f in self.fields.items()]  # fmt: skip
        lines += [f"  {name}: {100 * q.relative:.2g} % {_best(q.baselines)}"
                  for name, q in self.qoi.items()]  # fmt: skip
        return "\n".join(lines)

    __str__ = __repr__

    def to_pandas(self, *, by_case: bool = False) -> pd.DataFrame:
        """The figures as a data frame.

        Args:
            by_case: A row a case, with each field's relative L2 (a share) and each QoI predicted and true in SI,
                rather than a row a field or QoI.

        Raises:
            TramontaneError: pandas is not installed.
        """
        if by_case:
            columns: dict[str, list[Any]] = {name: list(f.each) for name, f in self.fields.items() if f.each}
            units = dict.fromkeys(columns, "")
            for name, q in self.qoi.items():
                for label, values in (("predicted", q.predicted), ("true", q.true)):
                    columns[f"{name} {label}"], units[f"{name} {label}"] = list(values), q.unit
            return frame({key: values for key, values in columns.items() if values}, self.cases, "case", units)
        rows: dict[str, dict[str, Any]] = {}
        for name, f in self.fields.items():
            rows[name] = {"kind": "field", "unit": f.unit, "relative_error": f.relative_l2, "worst": f.worst,
                          "worst_case": f.worst_case, "mean_absolute": f.mean_absolute,
                          **{f"baseline {name}": value for name, value in f.baselines.items()}}  # fmt: skip
        for name, q in self.qoi.items():
            rows[name] = {"kind": "QoI", "unit": q.unit, "relative_error": q.relative, "r2": q.r2, "within": q.within,
                          "mean_absolute": q.mean_absolute,
                          **{f"baseline {name}": value for name, value in q.baselines.items()}}  # fmt: skip
        keys = dict.fromkeys(key for row in rows.values() for key in row)
        return frame({key: [row.get(key) for row in rows.values()] for key in keys}, list(rows), "name")

    def print(self, console: Console) -> None:
        """Two tables, fields and QoIs, as far as there are any."""
        one = len(self.cases) == 1
        how_judged = f"asked for {len(self.cases)} unseen {'case' if one else 'cases'} (split {self.split}: "
        if self.folds is not None:
            how_judged = f"{self.folds} times, asked each time for cases left out, {len(self.cases)} in all ("
        console.print(f"{self.model}, trained on {self.training_cases} cases, {how_judged}{', '.join(self.cases)})")
        for note in self.notes:
            console.print(note, highlight=False, markup=False, soft_wrap=True, style="yellow")
        table = Table(title="Fields: relative L2 over all points of a case, in percent", title_justify="left")
        heads = ("field", "mean", "median", "worst", "case", "MAE", *(HEADS[name] for name in BASELINES))
        for head in heads:
            table.add_column(head, justify="left" if head in ("field", "case") else "right", overflow="fold")
        for name, f in self.fields.items():
            shares = [f"{100 * value:.1f}" for value in (f.relative_l2, f.median, f.worst)]
            baselines = [f"{100 * f.baselines[name]:.1f}" if name in f.baselines else "-" for name in BASELINES]
            table.add_row(
                name, *shares, f.worst_case, str(Quantity(float(f"{f.mean_absolute:.3g}"), f.unit)), *baselines
            )
        if self.fields:
            console.print(table)
        self._print_intervals(console)
        self._print_laws(console)
        if not self.qoi:
            return
        table = Table(title="QoIs: mean error over mean magnitude, in percent (R2)", title_justify="left")
        for head in ("QoI", "model", "MAE", *(HEADS[name] for name in QOI_BASELINES)):
            table.add_column(head, justify="left" if head == "QoI" else "right", overflow="fold")
        for name, q in self.qoi.items():
            baselines = [
                _share(q.baselines[name], q.baselines_r2[name]) if name in q.baselines else "-"
                for name in QOI_BASELINES
            ]
            shown = q.unit if q.display_unit is None else q.display_unit
            error = str(Quantity(float(f"{difference_from_si(q.mean_absolute, shown):.3g}"), shown))
            table.add_row(name, _share(q.relative, q.r2), error, *baselines)
        console.print(table)
        alike: dict[str, list[str]] = {}
        for name, q in self.qoi.items():
            sure = "" if q.within is None else (f"; {100 * q.within:.0f} % of the cases lie within two of its standard "
                                                "deviations")  # fmt: skip
            alike.setdefault(f"predicted as {q.how}{sure}", []).append(name)
            if q.law:
                exact = min(q.baselines.values(), default=1.0) < _EXACT
                law = f"taken in proportion to {power_law(q.law)}, by the baselines as well"
                law += "; that law alone explains these cases, so a baseline has no error" if exact else ""
                alike.setdefault(law, []).append(name)
        for sentence, names in alike.items():
            verb = "is" if len(names) == 1 else "are"
            console.print(f"{', '.join(names)} {verb} {sentence}", highlight=False, markup=False, soft_wrap=True)

    def _print_intervals(self, console: Console) -> None:
        """What intervals held, and where the cases lie, as far as the model states either."""
        fields = {name: f.coverage for name, f in self.fields.items() if f.coverage is not None}
        numbers = {name: q.coverage for name, q in self.qoi.items() if q.coverage is not None}
        if fields:
            table = Table(title=f"Intervals stated with {100 * next(iter(fields.values())).level:g} %: what they held, "
                                "in percent", title_justify="left")  # fmt: skip
            for head in ("field", "points", "lowest case", "whole fields", "score / one width", "rank correlation"):
                table.add_column(head, justify="left" if head == "field" else "right", overflow="fold")
            for name, coverage in fields.items():
                ratio, rank = (
                    "-" if value is None else f"{value:.2f}"
                    for value in (coverage.score_over_constant, coverage.rank_correlation)
                )
                table.add_row(
                    name, _percent(coverage.points), _percent(coverage.lowest), _percent(coverage.band), ratio, rank
                )
            console.print(table)
        if numbers:
            held_by = ", ".join(f"{name} {_percent(share)} %" for name, share in numbers.items())
            console.print(f"Intervals of QoIs held in: {held_by} of the cases", highlight=False, markup=False,
                          soft_wrap=True)  # fmt: skip
        if self.verdicts:
            domains = [each.domain for each in self.verdicts.values()]
            console.print(f"Verdicts: {domains.count('inside')} inside, {domains.count('edge')} at the edge, "
                          f"{domains.count('outside')} outside", highlight=False, markup=False)  # fmt: skip

    def _print_laws(self, console: Console) -> None:
        """By how much predictions miss laws of physics, beside the solver."""
        if not self.laws:
            return
        table = Table(title="Laws of physics: missed by, median (worst case), in percent of what is compared",
                      title_justify="left")  # fmt: skip
        for head in ("law", "predicted", "solver,\nthese cases", "solver,\ntraining cases"):
            table.add_column(head, justify="left" if head == "law" else "right", overflow="fold")
        for law in self.laws.values():
            table.add_row(law.title, *(_missed(of) for of in (law.predicted, law.truth, law.training)))
        console.print(table)
        for sentence in suspects(self.laws):
            console.print(sentence, highlight=False, markup=False, soft_wrap=True, style="yellow")


def _missed(of: Missed | None) -> str:
    return "-" if of is None else f"{100 * of.median_share:.2g} ({100 * of.worst_share:.2g})"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.0f}"


def field_figures(
    unit: str, errors: Any, names: list[str], baselines: dict[str, float], intervals: Sequence[CaseCoverage] = ()
) -> FieldFigures:
    """Of pairs of errors ``(cases, 2)``: relative L2, and mean absolute in SI; and what intervals held."""
    worst = int(np.argmax(errors[:, 0]))
    return FieldFigures(
        unit=unit,
        relative_l2=float(errors[:, 0].mean()),
        median=float(np.median(errors[:, 0])),
        worst=float(errors[worst, 0]),
        worst_case=names[worst],
        mean_absolute=float(errors[:, 1].mean()),
        baselines=baselines,
        each=errors[:, 0].tolist(),
        coverage=coverage(intervals) if intervals else None,
    )


def qoi_figures(
    spec: QoiSpec,
    how: str,
    predicted: Any,
    truth: Any,
    baselines: Any,
    within: list[bool],
    covered: list[bool],
    at_levels: Sequence[Sequence[float]] = (),
    scores: Sequence[float] = (),
) -> QoiFigures:
    """Of predictions and truth ``(cases,)`` in SI; ``baselines`` has a row each, or is None."""

    magnitude = max(float(np.abs(truth).mean()), 1e-300)

    def relative(values: Any) -> float:
        return mean_absolute(values, truth) / magnitude

    def determination(values: Any) -> float | None:
        value = r2(values, truth)
        return value if np.isfinite(value) else None

    return QoiFigures(
        unit=spec.unit,
        display_unit=spec.display_unit,
        how=how,
        law=spec.scales_with,
        relative=relative(predicted),
        mean_of_cases=float(np.mean(np.abs(predicted - truth) / np.maximum(np.abs(truth), 1e-300))),
        mean_absolute=mean_absolute(predicted, truth),
        r2=determination(predicted),
        within=float(np.mean(within)) if within else None,
        coverage=float(np.mean(covered)) if covered else None,
        interval_score=float(np.mean(scores)) / magnitude if scores else None,
        reliability=reliability(at_levels),
        baselines={}
        if baselines is None
        else {key: relative(row) for key, row in zip(QOI_BASELINES, baselines, strict=True)},
        baselines_r2={}
        if baselines is None
        else {key: determination(row) for key, row in zip(QOI_BASELINES, baselines, strict=True)},
        predicted=np.asarray(predicted, dtype=float).tolist(),
        true=np.asarray(truth, dtype=float).tolist(),
    )


def _best(baselines: dict[str, float]) -> str:
    return f"(best baseline {100 * min(baselines.values()):.2g} %)" if baselines else "(no baseline)"


def _share(relative: float, determination: float | None) -> str:
    return f"{100 * relative:.1f}" + ("" if determination is None else f" ({determination:.2f})")
