"""Sensitivity: which parameters an output follows, alone and with others, and along which curve.

Parameters are taken as independent and uniform between their bounds. Where many answers are cheap, they are analysed as
they are; where a solver makes each, or a shape has to be made for it, some hundred are emulated, and functions drawn
from the emulator's posterior are analysed: the intervals hold what it does not know.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from tramontane.blas import one_thread
from tramontane.errors import ContractError, TramontaneError
from tramontane.progress import follow
from tramontane.search.emulator import Emulator
from tramontane.search.experiment import Experiment, carry_out, outputs_of
from tramontane.search.goals import Output
from tramontane.search.realisations import Realisations
from tramontane.search.sampling import sobol_rows
from tramontane.search.simulators import Driven, Named, driven, name_of
from tramontane.search.sobol_indices import Share, percent, saltelli_rows, sobol_indices
from tramontane.search.space import Space, sobol
from tramontane.search.trials import Column, write_table
from tramontane.studies.report import report_sensitivity
from tramontane.studies.study import Study
from tramontane.studies.study_data import Answers, holds_answers, read_answers
from tramontane.units import Quantity

Array = NDArray[np.floating[Any]]
INDICES = "indices"
_REALISATIONS = 32
_ANSWERS, _LEAST = 200, 8
_CURVE, _MEAN = 21, 256  # values of a variable, and designs over which the others are averaged
_BINS = 16
_REACH = 1.645  # of a standard deviation, for 90 %


@dataclass(frozen=True)
class MainEffect:
    """The mean of an output over all other variables, along one.

    Attributes:
        at: Values ``(k,)`` of the variable, SI.
        means: ``(k,)``, SI.
        low: Lower ends ``(k,)`` of their intervals, 90 %.
        high: Upper ends ``(k,)``.
    """

    at: Array
    means: Array
    low: Array
    high: Array


@dataclass(frozen=True)
class OutputSensitivity:
    """What an output follows.

    Attributes:
        output: The output.
        first: By variable, the share of the variance that it explains alone.
        total: By variable, the share in which it has a part, alone or with others.
        effects: By variable.
        unexplained: Share of the variance that the emulator misses on answers left out; None where answers are analysed
            as they are.
    """

    output: Output
    first: dict[str, Share]
    total: dict[str, Share]
    effects: dict[str, MainEffect]
    unexplained: float | None = None


@dataclass(frozen=True)
class Sensitivity:
    """What outputs follow.

    Attributes:
        space: What varies, and between which bounds.
        outputs: Of each output.
        answers: From how many answers that comes.
        experiment: Those answers; None where they were there before.
    """

    space: Space
    outputs: list[OutputSensitivity]
    answers: int
    experiment: Experiment | None = None

    def __str__(self) -> str:
        lines = [f"{self.answers} answers; shares of the variance, 90 % intervals"]
        width = max(len(name) for name in self.space.names)
        for of in self.outputs:
            missed = ""
            if of.unexplained is not None:
                missed = f" (emulated; on answers left out, {percent(of.unexplained)} of the variance is missed)"
            lines.append(f"{of.output.name}{missed}")
            for name in sorted(self.space.names, key=lambda name: -of.total[name].value):
                lines.append(f"  {name:{width}}  alone {of.first[name]}  in all {of.total[name]}")
        return "\n".join(lines)


def sensitivity(
    source: Named,
    *,
    out: str | os.PathLike[str],
    outputs: Sequence[str] = (),
    shapes: Named | None = None,
    vary: Mapping[str, str] | None = None,
    fixed: Mapping[str, str | float | Quantity] | None = None,
    integers: Sequence[str] = (),
    answers: int | None = None,
    samples: int = 1024,
    seed: int = 0,
    workers: int | None = None,
    seconds: float | None = 3600.0,
    on: str = "local",
    console: Console | None = None,
) -> Sensitivity:
    """First-order and total Sobol indices with intervals, and main effects.

    The intervals (90 %) hold what the sample leaves open, by resamples, and what the emulator does not know: how
    indices differ between functions drawn from its posterior, and the share of the variance that it misses on answers
    left out. They do not hold the error of a surrogate beside its solver.

    Args:
        source: A saved surrogate, the name or folder of a solver, a simulator; or answers that are there: the folder of
            a study, a dataset, or a table.
        out: Folder for the tables.
        outputs: QoIs, or extrema of fields; all QoIs where none is named.
        shapes: A solver that makes shapes for a surrogate, and is not run.
        vary: Bounds of variables; all parameters vary where None.
        fixed: Values of parameters that do not vary.
        integers: Variables that take whole numbers.
        answers: How many are emulated; needed for a solver. A surrogate that needs no geometry, or a simulator at hand,
            answers the whole sample where None.
        samples: Blocks of the sample, a power of two; each has two designs more than there are variables.
        seed: Of every random choice.
        workers: Solver runs at once; None takes as many as there is room for.
        seconds: After which a solver run is ended, and counts as failed.
        on: Where the solver runs; see `tramontane.farm.run`.
        console: Where progress is shown.

    Raises:
        TramontaneError: A name is not known, bounds are upside down, there are too few answers, or the folder belongs
            to another study.
    """
    if samples < 16 or samples & (samples - 1):
        raise ContractError(f"samples are {samples}; give a power of two from 16 on")
    if answers is not None and answers < _LEAST:
        raise ContractError(f"{answers} answers are too few to emulate; give {_LEAST} or more")
    if isinstance(source, (str, os.PathLike)) and holds_answers(source):
        if shapes is not None or vary or fixed or integers or answers is not None:
            raise ContractError(f"{os.fspath(source)} holds answers already; leave bounds, answers and shapes out")
        known = read_answers(source, outputs)
        found = Sensitivity(known.space, _of_answers(known, samples, seed, console), len(known.rows))
    else:
        drives = driven(source, shapes=shapes)
        space = Space.of(drives.contract, vary=vary, fixed=fixed, integers=integers, console=console)
        wanted = outputs_of(drives.contract, outputs)
        direct = answers is None and _is_quick(drives)
        if answers is None and not direct:
            if drives.surrogate is None:
                raise ContractError(f"{name_of(source)} is a solver: say how many runs are emulated with --answers, or "
                                    "name the folder of a study")  # fmt: skip
            answers = _ANSWERS
        size = len(space.variables)
        sample = space.rows(saltelli_rows(size, samples, seed=seed)) if direct else np.zeros((0, size))
        asked = carry_out(
            "sensitivity", source, drives, space, wanted, out,
            lambda there: sample[len(there):] if direct else _more(space, answers or 0, there, seed),
            origin="sample", cases=not direct, workers=workers, seconds=seconds, on=on, console=console,
            plan={"seed": seed, "answers": "all" if direct else "emulated",
                  "bounds": [f"{of.name} {of.low:.9g} {of.high:.9g}" for of in space.variables]},
        )  # fmt: skip
        rows, values = asked.table()
        if direct:
            found = Sensitivity(space, _of_sample(asked, len(sample), seed), len(rows), asked)
        else:
            if len(rows) < _LEAST and (failed := asked.failures()):
                raise TramontaneError(f"{len(failed)} of {len(asked.trials)} designs have no answer, and {_LEAST} are "
                                      f"needed; the first, {failed[0]}")  # fmt: skip
            known = Answers(space, wanted, rows, values)
            found = Sensitivity(space, _of_answers(known, samples, seed, console), len(rows), asked)
    write_table(Path(out), _columns_of(found), name=INDICES)
    report_sensitivity(Path(out), found, f"Sensitivity of {name_of(source)}")
    return found


def _is_quick(drives: Driven) -> bool:
    """Whether the whole sample is asked for: no shape has to be made, and no process begun."""
    if drives.surrogate is not None:
        return not drives.surrogate.needs_geometry
    return drives.factory is None


def _more(space: Space, answers: int, there: Array, seed: int) -> Array:
    more = answers - len(there)
    return sobol_rows(space, more, there, seed=seed) if more > 0 else np.zeros((0, len(space.variables)))


def _of_answers(known: Answers, samples: int, seed: int, console: Console | None) -> list[OutputSensitivity]:
    """By emulators of answers."""
    if len(known.rows) < _LEAST:
        raise TramontaneError(f"{len(known.rows)} designs have an answer; at least {_LEAST} are needed")
    space, size = known.space, len(known.space.variables)
    sample = space.rows(saltelli_rows(size, samples, seed=seed))
    found = []
    for output, values in zip(follow(known.outputs, "analysing", len(known.outputs), console, thing="output"),
                              known.values.T, strict=True):  # fmt: skip
        with one_thread():
            emulator = Emulator(space, output, known.rows, values, short=True)
            drawn = Realisations(emulator, _REALISATIONS, seed=seed)
            unexplained = _unexplained(emulator, known.rows, values)
            first, total = sobol_indices(drawn(sample), size, unexplained=unexplained, seed=seed)
            effects = {name: _effect(space, column, drawn, seed) for column, name in enumerate(space.names)}
        found.append(OutputSensitivity(output, _named(space, first), _named(space, total), effects, unexplained))
    return found


def _unexplained(emulator: Emulator, rows: Array, values: Array) -> float:
    """The share of the variance of values that an emulator misses, on those left out."""
    left_out = emulator.kriging.left_out * emulator.scale(rows)
    return min(1.0, float(((left_out - values) ** 2).mean() / max(float(values.var()), 1e-300)))


def _effect(space: Space, column: int, drawn: Realisations, seed: int) -> MainEffect:
    """Along a variable, the mean over a Sobol sequence of the others; its interval by the realisations."""
    variable = space.variables[column]
    at = np.unique(space.rows(space.unit_rows(
        np.tile(space.low, (_CURVE, 1)) + np.linspace(0, 1, _CURVE)[:, None] * (space.high - space.low)
    ))[:, column].clip(variable.low, variable.high))  # fmt: skip
    others = space.rows(sobol(len(space.variables), _MEAN, seed=seed))
    rows = np.repeat(others[None], len(at), axis=0)
    rows[:, :, column] = at[:, None]
    means = drawn(rows.reshape(-1, rows.shape[-1])).reshape(len(at), _MEAN, -1).mean(1)
    middle, reach = means.mean(1), _REACH * means.std(1, ddof=1)
    return MainEffect(at, middle, middle - reach, middle + reach)


def _of_sample(asked: Experiment, count: int, seed: int) -> list[OutputSensitivity]:
    """By the answers to a whole sample, less the blocks in which one failed."""
    space, size = asked.space, len(asked.space.variables)
    trials = asked.trials[:count]
    good = np.array([trial.answer is not None and not trial.answer.failed for trial in trials])
    kept = np.repeat(good.reshape(-1, size + 2).all(1), size + 2)
    if kept.sum() < len(kept) / 2:
        failed = next(trial.answer.failed for trial in trials if trial.answer is not None and trial.answer.failed)
        raise TramontaneError(f"{int((~good).sum())} of {count} designs have no answer; the first: {failed}; narrow "
                              "the bounds, or emulate fewer with --answers")  # fmt: skip
    chosen = [trial for trial, keeps in zip(trials, kept, strict=True) if keeps]
    rows = np.array([trial.row for trial in chosen])
    found = []
    for output in asked.outputs:
        values = np.array([trial.answer.values[output.name] for trial in chosen if trial.answer is not None])
        first, total = sobol_indices(values[:, None], size, seed=seed)
        effects = {name: _binned(rows[:, column], values) for column, name in enumerate(space.names)}
        found.append(OutputSensitivity(output, _named(space, first), _named(space, total), effects))
    return found


def _binned(at: Array, values: Array) -> MainEffect:
    """The mean of values between quantiles of a variable, or at each value where it has few."""
    ends = np.quantile(at, np.linspace(0, 1, _BINS + 1)[1:-1])
    _, bins = np.unique(at, return_inverse=True)
    if bins.max() >= _BINS:
        bins = np.searchsorted(ends, at)
    parts = [bins == number for number in range(bins.max() + 1)]
    means = np.array([values[part].mean() for part in parts])
    reach = _REACH * np.array([values[part].std() / np.sqrt(part.sum()) for part in parts])
    return MainEffect(np.array([at[part].mean() for part in parts]), means, means - reach, means + reach)


def _named(space: Space, shares: Sequence[Share]) -> dict[str, Share]:
    return dict(zip(space.names, shares, strict=True))


def _columns_of(found: Sensitivity) -> dict[str, Column]:
    lines = [(of, name) for of in found.outputs for name in found.space.names]
    columns: dict[str, Column] = {"output": [of.output.name for of, _ in lines]}
    columns["parameter"] = [name for _, name in lines]
    for head in ("first", "total"):
        shares = [getattr(of, head)[name] for of, name in lines]
        columns |= {f"{head} order" if head == "first" else head: [share.value for share in shares],
                    f"{head} low": [share.low for share in shares],
                    f"{head} high": [share.high for share in shares]}  # fmt: skip
    return columns


STUDY = Study("sensitivity", "Sobol indices with intervals, and main effects", sensitivity)
