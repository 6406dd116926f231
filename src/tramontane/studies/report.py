"""The report of a study: one page without anything from elsewhere, and its charts as PNG files."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tramontane.evaluation.charts import as_svg
from tramontane.html_page import Cell, paragraphs, section, table, write_page
from tramontane.io.atomic import replacing
from tramontane.search.experiment import Experiment
from tramontane.search.goals import Goals, Output
from tramontane.search.loop import Trial
from tramontane.search.sobol_indices import percent
from tramontane.search.space import Space
from tramontane.studies.parallel_coordinates import SCRIPT, STYLE, parallel_coordinates
from tramontane.studies.study_charts import (
    convergence_chart,
    effects_chart,
    front_chart,
    headed,
    indices_chart,
    sweep_chart,
)
from tramontane.units import from_si

if TYPE_CHECKING:
    from tramontane.studies.sensitivity import Sensitivity

REPORT, PLOTS = "report.html", "plots"
_LINES = 500  # of the table of designs


def report_search(
    folder: Path, title: str, summary: str, space: Space, goals: Goals, trials: Sequence[Trial], best: Sequence[Trial]
) -> Path:
    """The report of a study that chooses its designs one after the other.

    Args:
        folder: Of the study.
        title: Of the page.
        summary: What came out, line by line.
        space: Of the designs.
        goals: What was sought.
        trials: All designs.
        best: Those that stand out.

    Returns:
        The page.
    """
    charts = {}
    if len(goals.objectives) == 1:
        charts["convergence"] = convergence_chart(trials, goals), (
            "Each answer over the runs (hollow: a constraint does not hold), what was predicted of it (90 %), and the "
            "best so far.")  # fmt: skip
    else:
        charts["front"] = (
            front_chart(trials, best, goals),
            "All answers, and those that none beats in both of the first two objectives.",
        )
    return _write(folder, title, summary, [_figures(folder, charts),
                                           *_of_trials(space, goals.outputs, trials, best)])  # fmt: skip


def report_designs(
    folder: Path,
    title: str,
    summary: str,
    space: Space,
    outputs: Sequence[Output],
    trials: Sequence[Trial],
    best: Sequence[Trial] = (),
) -> Path:
    """The report of a study that is a table of designs.

    Args:
        folder: Of the study.
        title: Of the page.
        summary: What came out, line by line.
        space: Of the designs.
        outputs: What was asked for.
        trials: All designs.
        best: Those that stand out.

    Returns:
        The page.
    """
    return _write(folder, title, summary, _of_trials(space, outputs, trials, best))


def report_sweep(experiment: Experiment, title: str) -> Path:
    """The report of designs along one or two parameters: a chart for each output."""
    charts = {
        output.name: (
            sweep_chart(experiment.trials, experiment.space, output),
            "The band is its interval, where it has one.",
        )
        for output in experiment.outputs
    }
    designs = _of_trials(experiment.space, experiment.outputs, experiment.trials)
    return _write(experiment.folder, title, "", [_figures(experiment.folder, charts), *designs])


def report_sensitivity(folder: Path, found: Sensitivity, title: str) -> Path:
    """The report of what outputs follow: indices and main effects of each."""
    sections = []
    for of in found.outputs:
        charts = {
            f"{of.output.name} indices": (indices_chart(of), "What each parameter explains alone, and in all."),
            f"{of.output.name} effects": (effects_chart(of, found.space), "The mean over all other parameters."),
        }
        heads = ["parameter", "alone", "in all"]
        rows: list[list[Cell | str]] = [
            [name, *((str(share), share.value) for share in (of.first[name], of.total[name]))]
            for name in found.space.names
        ]
        sections.append(_figures(folder, charts, heading=of.output.name, below=table(heads, rows)))
    summary = [f"{found.answers} answers. Intervals hold with 90 %.", *(
        f"{of.output.name}: on answers left out, the emulator misses {percent(of.unexplained)} of the variance."
        for of in found.outputs if of.unexplained is not None
    )]  # fmt: skip
    return _write(folder, title, "\n".join(summary), sections)


def _write(folder: Path, title: str, summary: str, sections: Sequence[str]) -> Path:
    file = folder / REPORT
    write_page(file, title, paragraphs(summary.splitlines()), [STYLE, *sections], script=SCRIPT)
    return file


def _figures(folder: Path, charts: Mapping[str, tuple[Any, str]], *, heading: str = "Charts", below: str = "") -> str:
    """A part of the page with charts, each of which is written as a PNG, too."""
    (folder / PLOTS).mkdir(parents=True, exist_ok=True)
    parts = []
    for name, (figure, caption) in charts.items():
        word = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in name)
        with replacing(folder / PLOTS / f"{word}.png") as partial:
            figure.savefig(partial, format="png", dpi=150, facecolor="white")
        parts.append(f"<figure>{as_svg(figure, name)}<figcaption><b>{html.escape(name)}</b> {html.escape(caption)}"
                     "</figcaption></figure>")  # fmt: skip
    return section(heading, f'<div class="grid pictures">{"".join(parts)}</div>{below}') if parts else ""


def _of_trials(
    space: Space, outputs: Sequence[Output], trials: Sequence[Trial], best: Sequence[Trial] = ()
) -> list[str]:
    """Parallel coordinates of all designs, and a table of them."""
    shown = list({output.name: output for output in outputs}.values())
    heads = [*(headed(of.name, of.unit) for of in space.variables), *(headed(of.name, of.shown) for of in shown)]
    rows: list[list[float | None]] = []
    labels = []
    intervals: list[list[tuple[float, float] | None]] = []
    for place, trial in enumerate(trials):
        answer = trial.answer
        values = {} if answer is None else answer.values
        rows.append([
            *(from_si(float(value), of.unit) for of, value in zip(space.variables, trial.row, strict=True)),
            *(from_si(values[of.name], of.shown) if of.name in values else None for of in shown),
        ])  # fmt: skip
        bounds = {} if answer is None else answer.bounds
        ends = [(from_si(bounds[of.name][0], of.shown), from_si(bounds[of.name][1], of.shown)) if of.name in bounds
                else None for of in shown]  # fmt: skip
        intervals.append([*[None] * len(space.variables), *ends])
        said = "" if answer is None else answer.failed or answer.verdict
        labels.append([f"{place:03d}", trial.origin, said])
    label_heads = ["design", "origin", "verdict"]
    lines: list[list[Cell | str]] = [
        [*label, *(_cell(value, bounds) for value, bounds in zip(row, of_row, strict=True))]
        for label, row, of_row in zip(labels[:_LINES], rows, intervals, strict=False)
    ]
    note = paragraphs(
        [f"The first {_LINES} of {len(rows)} designs; designs.csv has all."] if len(rows) > _LINES else []
    )
    places = {place for place, trial in enumerate(trials) if any(trial is of for of in best)}
    return [section("Designs", parallel_coordinates(heads, rows, labels, label_heads, places)),
            section("Table", table([*label_heads, *heads], lines) + note)]  # fmt: skip


def _cell(value: float | None, bounds: tuple[float, float] | None) -> Cell:
    """A number, with its interval where it has one."""
    if value is None:
        return "", None
    return f"{value:.6g}" + ("" if bounds is None else f" ({bounds[0]:.4g} to {bounds[1]:.4g})"), value
