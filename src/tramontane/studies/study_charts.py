"""Charts of studies, as figures of matplotlib: each is written as a PNG and stands in the report as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tramontane.evaluation.charts import BLUE, QUIET, RED, literal, new_axes
from tramontane.search.goals import Goals, Output
from tramontane.search.loop import Trial
from tramontane.search.space import Space, Variable
from tramontane.units import from_si

if TYPE_CHECKING:
    from tramontane.studies.sensitivity import OutputSensitivity

Array = NDArray[np.floating[Any]]
_COLUMNS = 4


def headed(name: str, unit: str) -> str:
    """A name with its unit, for an axis or a column."""
    return f"{name} [{unit}]" if unit else name


def convergence_chart(trials: Sequence[Trial], goals: Goals) -> Any:
    """The objective over the runs: each answer, what was predicted of it, and the best so far; of one objective."""
    (objective,) = goals.objectives
    output = objective.output
    figure, axes = new_axes(wide=True)
    best, runs, values = np.inf, [], []
    for run, trial in enumerate(trials, start=1):
        if output.key in trial.foretold:
            low, mid, high = (_shown(value, output) for value in trial.foretold[output.key])
            axes.errorbar(run, mid, yerr=[[max(mid - low, 0)], [max(high - mid, 0)]], color=QUIET, linewidth=1,
                          capsize=2, alpha=0.7)  # fmt: skip
        if trial.answer is None or trial.answer.failed:
            continue
        value = trial.answer.values[output.key]
        feasible = goals.feasible(trial.answer.values)
        axes.plot(run, _shown(value, output), marker="o", markersize=4, color=BLUE,
                  fillstyle="full" if feasible else "none")  # fmt: skip
        if feasible and objective.cost(value) < best:
            best = objective.cost(value)
            runs.append(run)
            values.append(_shown(value, output))
    if runs:
        axes.step([*runs, len(trials)], [*values, values[-1]], where="post", color=RED, linewidth=1.5)
    axes.set(xlabel="run", ylabel=literal(headed(output.key, output.shown)))
    return figure


def front_chart(trials: Sequence[Trial], best: Sequence[Trial], goals: Goals) -> Any:
    """Two objectives against each other: all answers, and those that none beats."""
    figure, axes = new_axes(wide=True)
    first, second = (of.output for of in goals.objectives[:2])

    def points(of: Sequence[Trial]) -> tuple[list[float], list[float]]:
        answers = [trial.answer.values for trial in of if trial.answer is not None and not trial.answer.failed]
        return [_shown(a[first.key], first) for a in answers], [_shown(a[second.key], second) for a in answers]

    axes.plot(*points(trials), color=QUIET, marker="o", markersize=3, linestyle="", alpha=0.6)
    axes.plot(*points(sorted(best, key=lambda trial: points([trial])[0])), color=BLUE, marker="o", markersize=5)
    axes.set(xlabel=literal(headed(first.key, first.shown)), ylabel=literal(headed(second.key, second.shown)))
    return figure


def sweep_chart(trials: Sequence[Trial], space: Space, output: Output) -> Any:
    """An output along a variable, with its interval as a band; of two, along the one in more steps, a curve for each
    value of the other.
    """
    figure, axes = new_axes(wide=True)
    along, *rest = sorted(
        range(len(space.variables)), key=lambda column: -len({float(trial.row[column]) for trial in trials})
    )
    curves: dict[float, list[Trial]] = {}
    for trial in sorted(trials, key=lambda trial: float(trial.row[along])):
        if trial.answer is not None and not trial.answer.failed:
            curves.setdefault(float(f"{trial.row[rest[0]]:.9g}") if rest else 0.0, []).append(trial)
    for (value, curve), colour in zip(sorted(curves.items()), _colours(len(curves)), strict=True):
        at = [_of(trial.row[along], space.variables[along]) for trial in curve]
        answers = [trial.answer for trial in curve if trial.answer is not None]
        other = space.variables[rest[0]] if rest else None
        label = "" if other is None else literal(f"{other.name} = {_of(value, other):.4g} {other.unit}".strip())
        axes.plot(at, [_shown(answer.values[output.name], output) for answer in answers], color=colour, marker="o",
                  markersize=3, label=label)  # fmt: skip
        if all(output.name in answer.bounds for answer in answers):
            low, high = ([_shown(answer.bounds[output.name][end], output) for answer in answers] for end in (0, 1))
            axes.fill_between(at, low, high, color=colour, alpha=0.2, linewidth=0)
    if rest and 0 < len(curves) <= 12:
        axes.legend(frameon=False, fontsize=8)
    first = space.variables[along]
    axes.set(xlabel=literal(headed(first.name, first.unit)), ylabel=literal(headed(output.name, output.shown)))
    return figure


def indices_chart(of: OutputSensitivity) -> Any:
    """First-order and total indices of each variable with their intervals, the largest first."""
    names = sorted(of.total, key=lambda name: of.total[name].value)
    figure, axes = new_axes(wide=True)
    places = np.arange(len(names))
    for shares, offset, colour, label in ((of.first, 0.2, BLUE, "alone"), (of.total, -0.2, QUIET, "in all")):
        values = [shares[name].value for name in names]
        reach = [[max(shares[name].value - shares[name].low, 0) for name in names],
                 [max(shares[name].high - shares[name].value, 0) for name in names]]  # fmt: skip
        axes.barh(places + offset, values, height=0.38, color=colour, xerr=reach, ecolor=RED, capsize=2, label=label)
    axes.set_yticks(places, [literal(name) for name in names])
    axes.set(xlabel=f"share of the variance of {literal(of.output.name)}", xlim=(0, 1))
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    return figure


def effects_chart(of: OutputSensitivity, space: Space) -> Any:
    """The mean of an output along each variable, with its interval as a band; all share the output's axis."""
    figure, axes = new_axes(wide=True)
    axes.remove()
    across = min(_COLUMNS, len(space.variables))
    down = -(-len(space.variables) // across)
    figure.set_size_inches(6.4, 2.4 * down)
    grid = figure.subplots(down, across, sharey=True, squeeze=False)
    for place, cell in enumerate(grid.flat):
        if place >= len(space.variables):
            cell.set_axis_off()
            continue
        variable = space.variables[place]
        effect = of.effects[variable.name]
        at, means, low, high = ([_of(value, variable) for value in effect.at],
                                *([_shown(value, of.output) for value in values]
                                  for values in (effect.means, effect.low, effect.high)))  # fmt: skip
        cell.fill_between(at, low, high, color=BLUE, alpha=0.2, linewidth=0)
        cell.plot(at, means, color=BLUE)
        cell.set_xlabel(literal(headed(variable.name, variable.unit)))
        if place % across == 0:
            cell.set_ylabel(literal(headed(of.output.name, of.output.shown)))
    return figure


def _shown(value: float, output: Output) -> float:
    return from_si(float(value), output.shown)


def _of(value: float, variable: Variable) -> float:
    return from_si(float(value), variable.unit)


def _colours(count: int) -> list[Any]:
    if count < 2:
        return [BLUE] * count
    import matplotlib as mpl

    return [mpl.colormaps["viridis"](share) for share in np.linspace(0, 0.9, count)]
