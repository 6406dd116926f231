"""Optimisation: the best designs by one or several objectives, checked by the solver where there is one.

With a solver alone, its answers are emulated from nothing; with a surrogate and a solver, the surrogate says where to
look, and what the solver adds is learnt from its checks; with a surrogate alone, the worse bounds of its intervals are
optimised inside its applicability domain, and nothing is verified.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console

from tramontane import __version__
from tramontane.errors import ContractError
from tramontane.io.atomic import write_json
from tramontane.io.locks import claimed
from tramontane.search.answers import ANSWERS
from tramontane.search.goals import VOLUME, Goals
from tramontane.search.loop import Search, Surrogacy, Trial, emulate
from tramontane.search.plan import keep_to_plan
from tramontane.search.simulators import Driven, Named, driven, name_of
from tramontane.search.space import Space
from tramontane.search.trials import read_trials, write_search
from tramontane.studies.report import report_search
from tramontane.studies.study import Study
from tramontane.units import Quantity, from_si

RESULT = "optimum.json"
_ASKED = 64  # designs that a surrogate is asked, to see what it says of the space
_PREDICTIONS = 60  # more of them, where no solver is asked


@dataclass(frozen=True)
class Optimum:
    """What an optimisation came to.

    Attributes:
        best: The best design, or those that none beats in all objectives; empty where no design meets the constraints.
        trials: All designs, in the order of their cases.
        verified: Whether a solver answered them.
        reason: Why it ended.
        space: Of the designs.
        goals: What was sought.
    """

    best: list[Trial]
    trials: list[Trial]
    verified: bool
    reason: str
    space: Space
    goals: Goals

    def __str__(self) -> str:
        by = "solver runs" if self.verified else "predictions"
        lines = [f"{len(self.trials)} {by}: {self.reason}"]
        if not self.best:
            lines.append("No design meets the constraints; loosen one, or widen the bounds of parameters. The closest:")
        for trial in self.best or self._closest():
            lines.append(f"design {self.trials.index(trial):03d}: {self.space.told(trial.row)}")
            lines += [f"  {line}" for line in self._outputs(trial)]
        if not self.verified:
            lines += [f"{name}: the surrogate states no interval, so its value was taken in place of a bound"
                      for name in self._without_interval()]  # fmt: skip
            lines.append("NOT VERIFIED: these are predictions; give --solver to have them checked")
        return "\n".join(lines)

    def _closest(self) -> list[Trial]:
        """The answered trial that misses the constraints least, in sizes of their outputs."""
        answered = [(trial, trial.answer.values) for trial in self.trials if trial.answer and not trial.answer.failed]
        sizes = {of.output.key: max(max(abs(values[of.output.key]) for _, values in answered), 1e-300)
                 for of in self.goals.constraints}  # fmt: skip

        def missed(values: Mapping[str, float]) -> float:
            return sum(max(of.excess(values[of.output.key]), 0.0) / sizes[of.output.key]
                       for of in self.goals.constraints)  # fmt: skip

        return [min(answered, key=lambda pair: missed(pair[1]))[0]] if answered else []

    def _without_interval(self) -> list[str]:
        """Outputs of which a bound was asked, and whose predictions have none; a volume follows from the shape."""
        predicted = [of.name for of in self.goals.outputs if of.side != "value" and of.name != VOLUME]
        answers = [trial.answer for trial in self.trials if trial.answer is not None and not trial.answer.failed]
        return [name for name in dict.fromkeys(predicted) if any(name not in of.bounds for of in answers)]

    def _outputs(self, trial: Trial) -> list[str]:
        lines, answer = [], trial.answer
        assert answer is not None
        for output in {output.name: output for output in self.goals.outputs}.values():
            value = output.told(answer.values, answer.bounds)
            if output.key in trial.foretold:
                low, _, high = (from_si(bound, output.shown) for bound in trial.foretold[output.key])
                value += f" (predicted {low:.5g} to {high:.5g}: {'held' if trial.held[output.key] else 'did not hold'})"
            lines.append(value)
        return lines


def optimise(
    simulator: Named,
    *,
    minimise: Sequence[str] = (),
    maximise: Sequence[str] = (),
    target: Mapping[str, str | float] | None = None,
    subject_to: Sequence[str] = (),
    out: str | os.PathLike[str],
    solver: Named | None = None,
    shapes: Named | None = None,
    vary: Mapping[str, str] | None = None,
    fixed: Mapping[str, str | float | Quantity] | None = None,
    integers: Sequence[str] = (),
    runs: int = 30,
    start: int | None = None,
    batch: int = 2,
    require: Literal["inside", "edge", ""] = "inside",
    tolerance: float = 0.002,
    seed: int = 0,
    workers: int | None = None,
    seconds: float | None = 3600.0,
    on: str = "local",
    console: Console | None = None,
) -> Optimum:
    """Find the best designs; call again to go on after a stop, or with more runs.

    Args:
        simulator: A saved surrogate, the name or folder of a solver, or a simulator.
        minimise: Outputs to lower: QoIs, or extrema of fields such as ``max(volume.von_mises)``.
        maximise: Outputs to raise.
        target: Values to reach, by the name of an output.
        subject_to: Bounds of outputs, such as ``"max_von_mises <= 200 MPa"``.
        out: Folder for the table, the cases and the result.
        solver: Checks a surrogate's answers.
        shapes: A solver that makes shapes for a surrogate, and is not run.
        vary: Bounds of variables, ``{"speed": "20:40 m/s"}``; all parameters vary where None.
        fixed: Values of parameters that do not vary.
        integers: Variables that take whole numbers.
        runs: Solver runs at most, those of an earlier call included; of a surrogate alone, predictions.
        start: Runs before the first proposal, where no surrogate says where to look; None takes a third.
        batch: Runs at once.
        require: The worst verdict with which a surrogate's answer counts, where no solver checks; empty for any.
        tolerance: Gain, as a share of an objective, below which it ends early; 0 takes all runs.
        seed: Of every random choice.
        workers: Solver runs at once; None takes as many as there is room for.
        seconds: After which a solver run is ended, and counts as failed.
        on: Where the solver runs; see `tramontane.farm.run`.
        console: Where progress is shown.

    Raises:
        TramontaneError: A name is not known, bounds contradict each other, the folder belongs to another study, or no
            design has an answer.
    """
    drives = driven(simulator, solver=solver, shapes=shapes)
    goals = Goals.of(drives.contract, minimise=minimise, maximise=maximise, target=target, subject_to=subject_to)
    space = Space.of(drives.contract, vary=vary, fixed=fixed, integers=integers, console=console)
    if runs < 1 or batch < 1:
        raise ContractError(f"{runs} runs in batches of {batch}: give at least one of each")
    if start is not None and not 1 <= start <= runs and drives.checks and drives.surrogate is None:
        raise ContractError(f"{start} runs to start with are more than the {runs} in all; give a "
                            "smaller --start, or more --runs")  # fmt: skip
    folder = Path(out)
    with claimed(folder / ".running", folder):
        keep_to_plan(folder, _plan(drives, goals, space, seed))
        search, verified = _search(drives, goals, space, folder, seed=seed, require=require, workers=workers,
                                   seconds=seconds, on=on, console=console)  # fmt: skip
        search.trials = read_trials(folder, len(space.variables))
        if not verified:
            runs = max(runs, _ASKED + _PREDICTIONS)
        if search.surrogacy is None:
            search.start(min(runs, start or (max(3, runs // 3) if verified else _ASKED)))

        note = functools.partial(write_search, folder, search)
        note()
        reason = search.run(runs, batch=batch, tolerance=tolerance, after=note)
        optimum = Optimum(search.best(), search.trials, verified, reason, space, search.goals)
        write_json(folder / RESULT, {
            "verified": verified, "reason": reason, "runs": len(search.trials),
            "best": [f"{search.trials.index(trial):03d}" for trial in optimum.best],
        })  # fmt: skip
        title = f"Optimum of {name_of(simulator)}"
        report_search(folder, title, str(optimum), space, search.goals, search.trials, optimum.best)
    return optimum


def _search(
    drives: Driven,
    goals: Goals,
    space: Space,
    folder: Path,
    *,
    seed: int,
    require: str,
    workers: int | None,
    seconds: float | None,
    on: str,
    console: Console | None,
) -> tuple[Search, bool]:
    """The search, and whether a solver answers."""
    if not drives.checks:
        answering = drives.predicting(goals.outputs, file=folder / ANSWERS, console=console)
        return Search(answering, space, goals.on_bounds(), seed=seed, require=require), False
    answering = drives.solving(folder / "cases", workers=workers, seconds=seconds, on=on, console=console)
    surrogacy: Surrogacy | None = None
    if drives.surrogate is not None:
        predicting = drives.predicting(goals.outputs, file=folder / ANSWERS, console=console)
        surrogacy = emulate(space, predicting, goals, count=_ASKED, seed=seed)
    return Search(answering, space, goals, seed=seed, surrogacy=surrogacy), True


def _plan(drives: Driven, goals: Goals, space: Space, seed: int) -> dict[str, object]:
    return {
        "study": "optimise", **drives.plan, **space.plan, "seed": seed, "version": __version__,
        "objectives": [f"{of}{f' {of.target:.9g}' if of.sense == 'target' else ''}" for of in goals.objectives],
        "constraints": [f"{of.low:.9g} <= {of.output.name} <= {of.high:.9g}" for of in goals.constraints],
    }  # fmt: skip


STUDY = Study("optimise", "the best designs by one or several objectives, checked by the solver", optimise)
