"""Screening: a great many designs, of which the few that are worth a closer look are answered by the simulator itself.

The simulator answers some hundred designs spread over the space; what these say of the rest is emulated in microseconds
a design. The best are asked from the simulator itself, so that no number in the result is an emulator's alone.
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

from tramontane import __version__
from tramontane.errors import ContractError
from tramontane.io.atomic import replacing
from tramontane.io.locks import claimed
from tramontane.search.answers import ANSWERS
from tramontane.search.emulator import bounded, predicted
from tramontane.search.goals import Goals
from tramontane.search.loop import LEVEL, Emulated, Search, Trial
from tramontane.search.plan import keep_to_plan
from tramontane.search.sampling import fresh
from tramontane.search.simulators import Named, driven, name_of
from tramontane.search.space import Space, sobol
from tramontane.search.trials import read_trials, write_search, write_trials
from tramontane.studies.report import report_designs
from tramontane.studies.study import Study
from tramontane.units import Quantity

Array = NDArray[np.floating[Any]]

SCREENED = "screened.npz"
_PRINTED = 3  # of the best
_PORTION = 8192  # designs at once, so that memory does not grow with their number


@dataclass(frozen=True)
class Screened:
    """What a screening came to.

    Attributes:
        best: The most promising designs, answered by the simulator, the best first.
        trials: All designs that the simulator answered.
        count: Designs that were screened.
        likely: How many of them are likely to meet all constraints.
        errors: By the name of an output, the emulator's mean absolute error on answers left out, over its mean size.
        goals: What was sought.
        space: Of the designs.
        verified: Whether a solver answered them.
    """

    best: list[Trial]
    trials: list[Trial]
    count: int
    likely: int
    errors: dict[str, float]
    goals: Goals
    space: Space
    verified: bool

    def __str__(self) -> str:
        lines = [f"{self.count} designs screened, {self.likely} of them likely to meet all constraints"]
        lines += [f"  {name}: emulated to {100 * error:.2g} % of its mean size" for name, error in self.errors.items()]
        met = sum(
            self.goals.feasible(trial.answer.values) for trial in self.best if trial.answer and trial.answer.values
        )
        lines.append(f"{len(self.best)} were asked from the simulator itself; {met} meet all constraints")
        for trial in self.best[:_PRINTED]:
            assert trial.answer is not None
            lines.append(f"design {self.trials.index(trial):03d}: {self.space.told(trial.row)}"
                         + (f" ({trial.answer.verdict})" if trial.answer.verdict else ""))  # fmt: skip
            for output in {output.name: output for output in self.goals.outputs}.values():
                lines.append(f"  {output.told(trial.answer.values, trial.answer.bounds)}")
        if not self.verified:
            lines.append("NOT VERIFIED: these are predictions; check a design with the solver before you rely on it")
        return "\n".join(lines)


def screen(
    simulator: Named,
    *,
    minimise: Sequence[str] = (),
    maximise: Sequence[str] = (),
    target: Mapping[str, str | float] | None = None,
    subject_to: Sequence[str] = (),
    out: str | os.PathLike[str],
    shapes: Named | None = None,
    vary: Mapping[str, str] | None = None,
    fixed: Mapping[str, str | float | Quantity] | None = None,
    integers: Sequence[str] = (),
    count: int = 100_000,
    asked: int = 128,
    best: int = 10,
    seed: int = 0,
    console: Console | None = None,
) -> Screened:
    """Screen many designs; ``screened.npz`` has all of them, ``designs.csv`` those that the simulator answered.

    Args:
        simulator: A saved surrogate, the name or folder of a solver, or a simulator.
        minimise: Outputs to lower; the first objective ranks.
        maximise: Outputs to raise.
        target: Values to reach, by the name of an output.
        subject_to: Bounds of outputs, such as ``"max_von_mises <= 200 MPa"``.
        out: Folder for the tables.
        shapes: A solver that makes shapes for a surrogate.
        vary: Bounds of variables, ``{"speed": "20:40 m/s"}``; all parameters vary where None.
        fixed: Values of parameters that do not vary.
        integers: Variables that take whole numbers.
        count: Designs to screen.
        asked: Designs that the simulator answers beforehand.
        best: Designs that it answers in the end.
        seed: Of every random choice.
        console: Where progress is shown.

    Raises:
        TramontaneError: A name is not known, or hardly a design has an answer.
    """
    drives = driven(simulator, shapes=shapes)
    goals = Goals.of(drives.contract, minimise=minimise, maximise=maximise, target=target, subject_to=subject_to)
    space = Space.of(drives.contract, vary=vary, fixed=fixed, integers=integers, console=console)
    if count < 1 or best < 1 or asked < 3:
        raise ContractError(f"{count} designs, {asked} of them asked, {best} best: ask 3 or more, and 1 or more of the "
                            "others")  # fmt: skip
    folder = Path(out)
    with claimed(folder / ".running", folder):
        keep_to_plan(folder, {
            "study": "screen", **drives.plan, **space.plan, "seed": seed, "version": __version__, "asked": asked,
            "outputs": [output.name for output in goals.outputs],
        })  # fmt: skip
        answering = (
            drives.solving(folder / "cases", console=console)
            if drives.surrogate is None
            else drives.predicting(goals.outputs, file=folder / ANSWERS, console=console)
        )
        search = Search(answering, space, goals, seed=seed)
        known = read_trials(folder, len(space.variables))
        search.trials, later = known[:asked], known[asked:]
        search.start(asked)
        write_trials(folder, [*search.trials, *later])
        search.answer()
        emulators = search.emulators()
        if emulators is None:
            raise ContractError(f"{len(search.answered)} of {asked} designs have an answer; three or more are needed")
        rows = space.rows(sobol(len(space.variables), count, seed=seed + 1))
        values, costs, likely = _emulated(rows, goals, emulators)
        arrays: dict[str, Any] = {f"output {output.name}": values[:, k] for k, output in enumerate(goals.outputs)}
        with replacing(folder / SCREENED) as partial:
            np.savez(partial, rows=rows, likely=likely, **arrays)
        told, truth = search.table()
        errors = {
            output.name: emulator.relative_error(told, truth[:, k])
            for k, (output, emulator) in enumerate(zip(goals.outputs, emulators, strict=True))
            if hasattr(emulator, "relative_error")
        }
        chosen = search.unlike(rows[np.lexsort((costs, ~likely))[:best]])
        # A case is told by its number: what an earlier call had answered keeps its own, whatever is chosen now.
        search.trials += later
        search.add(fresh(space, chosen, np.array([trial.row for trial in search.trials])), "proposed")
        write_trials(folder, search.trials)
        search.answer()
        write_search(folder, search)
    proposed = [
        trial for trial in search.trials[asked:]
        if trial.answer is not None and not trial.answer.failed and not len(fresh(space, trial.row[None], chosen))
    ]  # fmt: skip
    proposed.sort(key=lambda of: (not search.counts(of), goals.costs(of.answer.values if of.answer else {})[0]))
    screened = Screened(proposed, search.trials, count, int(likely.sum()), errors, goals, space,
                        drives.surrogate is None)  # fmt: skip
    title = f"Screening of {name_of(simulator)}"
    report_designs(folder, title, str(screened), space, goals.outputs, search.trials, proposed)
    return screened


def _emulated(rows: Array, goals: Goals, emulators: Sequence[Emulated]) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Outputs ``(n, outputs)``, the first cost ``(n,)``, and which designs are likely to meet all constraints."""
    places = {output.key: k for k, output in enumerate(goals.outputs)}
    values = np.zeros((len(rows), len(emulators)))
    likely = np.ones(len(rows), bool)
    for start in range(0, len(rows), _PORTION):
        part = slice(start, start + _PORTION)
        for k, emulator in enumerate(emulators):
            values[part, k] = predicted(emulator, rows[part])
        for constraint in goals.constraints:
            low, high = bounded(emulators[places[constraint.output.key]], rows[part], 2 * LEVEL - 1)  # each side holds
            likely[part] &= (low >= constraint.low) & (high <= constraint.high)
    first = goals.objectives[0]
    costs = np.array([first.cost(value) for value in values[:, places[first.output.key]].tolist()])
    return values, costs, likely


STUDY = Study("screen", "a great many designs by an emulator, the best of them by the simulator itself", screen)
