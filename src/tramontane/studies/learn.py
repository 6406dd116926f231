"""Active learning: designs are solved where that lowers the error of the outputs most, until a stated error is reached.

The next design is the one that lowers the emulators' variance over the whole space most (Sacks et al. 1989; Cohn 1996),
given those that are chosen already; hyperparameters stay as the answers so far have them.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from tramontane import __version__
from tramontane.blas import one_thread
from tramontane.contract import Contract
from tramontane.errors import ContractError
from tramontane.io.atomic import write_json
from tramontane.io.locks import claimed
from tramontane.search.emulator import Emulator, predicted
from tramontane.search.goals import Goals, Objective, Output
from tramontane.search.loop import Search, Trial
from tramontane.search.plan import keep_to_plan
from tramontane.search.simulators import Named, driven, name_of
from tramontane.search.space import Space, sobol
from tramontane.search.trials import read_trials, write_search
from tramontane.studies.report import report_designs
from tramontane.studies.study import Study
from tramontane.units import Quantity

Array = NDArray[np.floating[Any]]

RESULT = "learnt.json"
_TINY = 1e-30
_CANDIDATES, _PLACES = 1024, 512  # designs that may be chosen, and at which the variance is looked at


@dataclass(frozen=True)
class Learnt:
    """What active learning came to.

    Attributes:
        errors: By the name of an output, the mean absolute error on answers left out, over the output's mean size.
        trials: All designs, in the order of their cases.
        reason: Why it ended.
        reached: Whether all stated errors were reached.
        cases: The folder of the solver's cases.
    """

    errors: dict[str, float]
    trials: list[Trial]
    reason: str
    reached: bool
    cases: Path

    def __str__(self) -> str:
        lines = [f"{len(self.trials)} solver runs: {self.reason}"]
        lines += [f"  {name}: {100 * error:.3g} % of its mean size on designs left out"
                  for name, error in self.errors.items()]  # fmt: skip
        failed = sum(bool(trial.answer and trial.answer.failed) for trial in self.trials)
        return "\n".join(lines + ([f"  {failed} designs failed; {self.cases / 'failed'} says why"] if failed else []))


def learn(
    solver: Named,
    *,
    to: Mapping[str, str | float],
    out: str | os.PathLike[str],
    vary: Mapping[str, str] | None = None,
    fixed: Mapping[str, str | float | Quantity] | None = None,
    integers: Sequence[str] = (),
    runs: int = 60,
    start: int = 10,
    batch: int = 2,
    seed: int = 0,
    workers: int | None = None,
    seconds: float | None = 3600.0,
    on: str = "local",
    console: Console | None = None,
) -> Learnt:
    """Solve the designs from which most is learnt; call again to go on after a stop, or with more runs.

    Args:
        solver: The name or folder of a solver, or a simulator.
        to: Outputs, each with the error at which it ends: a share of its mean size, such as 0.05 or ``"5%"``.
        out: Folder for the table and the cases, from which a surrogate can be trained.
        vary: Bounds of variables, ``{"speed": "20:40 m/s"}``; all parameters vary where None.
        fixed: Values of parameters that do not vary.
        integers: Variables that take whole numbers.
        runs: Solver runs at most, those of an earlier call included.
        start: Runs that are spread over the space before the first choice.
        batch: Runs at once.
        seed: Of every random choice.
        workers: Solver runs at once; None takes as many as there is room for.
        seconds: After which a solver run is ended, and counts as failed.
        on: Where the solver runs; see `tramontane.farm.run`.
        console: Where progress is shown.

    Raises:
        TramontaneError: A name is not known, bounds contradict each other, the folder belongs to another study, or no
            design has an answer.
    """
    drives = driven(solver)
    if drives.surrogate is not None:
        raise ContractError("active learning runs a solver, and this is a surrogate; give the solver of its cases")
    wanted = wanted_errors(to, drives.contract)
    space = Space.of(drives.contract, vary=vary, fixed=fixed, integers=integers, console=console)
    if runs < 1 or batch < 1 or start < 3:
        raise ContractError(f"{runs} runs, {start} of them to start with, in batches of {batch}: give one or more runs "
                            "at once, and three or more to start with")  # fmt: skip
    folder = Path(out)
    with claimed(folder / ".running", folder):
        keep_to_plan(folder, {
            "study": "learn", **drives.plan, **space.plan, "seed": seed, "version": __version__,
            "outputs": [output.name for output in wanted],
        })  # fmt: skip
        answering = drives.solving(folder / "cases", workers=workers, seconds=seconds, on=on, console=console)
        goals = Goals(tuple(Objective(output, "minimise") for output in wanted))
        search = Search(answering, space, goals, seed=seed)
        search.trials = read_trials(folder, len(space.variables))
        search.start(min(start, runs))
        learnt = _learn(search, wanted, folder, runs=runs, batch=batch)
        write_json(folder / RESULT, {"errors": learnt.errors, "reason": learnt.reason, "reached": learnt.reached,
                                     "runs": len(learnt.trials)})  # fmt: skip
        report_designs(folder, f"Learnt from {name_of(solver)}", str(learnt), space, list(wanted), learnt.trials)
    return learnt


def wanted_errors(to: Mapping[str, str | float], contract: Contract) -> dict[Output, float]:
    """By output, the error to reach, a share.

    Raises:
        ContractError: An output is not known, or an error is not a share above zero; or there is none.
    """
    wanted = {}
    for name, text in to.items():
        output = Output.of(name, contract)
        try:
            share = float(str(text).removesuffix("%").strip()) / (100 if str(text).strip().endswith("%") else 1)
        except ValueError:
            share = 0.0
        if not 0 < share < 1:
            raise ContractError(f"error of {name} is {text!r}; give a share of its size, such as 5%")
        wanted[output] = share
    if not wanted:
        raise ContractError("no output is named; give one with the error to reach, such as --to drag=3%")
    return wanted


def _learn(search: Search, wanted: Mapping[Output, float], folder: Path, *, runs: int, batch: int) -> Learnt:
    reached, reason = False, f"all {runs} runs are used"
    errors: dict[str, float] = {}

    note = functools.partial(write_search, folder, search)
    note()
    while True:
        if any(trial.answer is None for trial in search.trials):
            search.answer()
            note()
        if (emulators := search.emulators()) is not None:
            rows, values = search.table()
            errors = {
                output.name: emulator.relative_error(rows, values[:, k])
                for k, (output, emulator) in enumerate(zip(wanted, emulators, strict=True))
                if isinstance(emulator, Emulator)
            }
            reached = all(errors[output.name] <= share for output, share in wanted.items())
            if reached:
                reason = "all errors are reached"
        if reached or len(search.trials) >= runs:
            return Learnt(errors, search.trials, reason, reached, folder / "cases")
        count = min(batch, runs - len(search.trials))
        chosen = search.spread(count)
        if emulators is not None:
            of_outputs = [emulator for emulator in emulators if isinstance(emulator, Emulator)]
            chosen = choose(search.space, of_outputs, count=count, seed=search.seed + len(search.trials))
        search.add(search.unlike(chosen), "proposed")
        note()


def choose(space: Space, emulators: Sequence[Emulator], *, count: int, seed: int) -> Array:
    """The designs whose answers lower the variance of the outputs over the space most.

    Args:
        space: Of the designs.
        emulators: Of the outputs, each of which counts by its variance over its spread.
        count: How many.
        seed: Of the candidates.

    Returns:
        Rows ``(count, d)``, SI.
    """
    size = len(space.variables)
    candidates = space.rows(sobol(size, _CANDIDATES, seed=seed))
    places = space.rows(sobol(size, _PLACES, seed=seed + 1))
    with one_thread():
        joint = [_covariance(emulator, np.concatenate([candidates, places])) for emulator in emulators]
        chosen: list[int] = []
        for _ in range(count):
            gains = np.zeros(_CANDIDATES)
            for covariance in joint:
                across, own = covariance[:_CANDIDATES, _CANDIDATES:], np.diag(covariance)[:_CANDIDATES]
                gains += (across**2).sum(1) / np.maximum(own, _TINY)
            gains[chosen] = -np.inf
            best = int(np.argmax(gains))
            chosen.append(best)
            joint = [of - np.outer(of[:, best], of[best]) / of[best, best] for of in joint]
    return candidates[chosen]


def _covariance(emulator: Emulator, rows: Array) -> Array:
    """Posterior covariance ``(n, n)`` of an output at rows, in units of its mean size."""
    kriging = emulator.kriging
    scores = (emulator.inputs(rows)[:, kriging.columns] - kriging.input_means) * kriging.input_scales
    values = predicted(emulator, rows)
    # An error of the logarithm counts by the value.
    size = kriging.standard_deviation * (values if emulator.logarithm else emulator.scale(rows))
    covariance = kriging.process.covariance(scores) * np.outer(size, size) / float(np.abs(values).mean()) ** 2
    return np.asarray(covariance)


STUDY = Study("learn", "designs solved where most is learnt, until a stated error is reached", learn)
