"""Designs that are laid out beforehand, and answered: what design of experiments and sweeps have in common."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from tramontane import __version__
from tramontane.contract import Contract
from tramontane.errors import ContractError
from tramontane.io.locks import claimed
from tramontane.search.answers import ANSWERS, Answering, AtHand
from tramontane.search.goals import Output
from tramontane.search.loop import Trial
from tramontane.search.plan import keep_to_plan
from tramontane.search.simulators import Driven, Named
from tramontane.search.space import Space
from tramontane.search.trials import columns_of, read_trials, write_table, write_trials

Array = NDArray[np.floating[Any]]
_REASONS = 5  # of failures that are printed


@dataclass(frozen=True)
class Experiment:
    """Designs and their answers.

    Attributes:
        space: Of the designs.
        outputs: What was asked for.
        trials: All designs of the folder, in the order of their cases.
        folder: Where they are.
    """

    space: Space
    outputs: list[Output]
    trials: list[Trial]
    folder: Path

    def __str__(self) -> str:
        failed = self.failures()
        lines = [f"{len(self.trials)} designs: {len(self.trials) - len(failed)} answered, {len(failed)} failed"]
        lines += [f"  {reason}" for reason in failed[:_REASONS]]
        judged = [trial.answer.verdict for trial in self.trials if trial.answer is not None and trial.answer.verdict]
        if judged:
            lines.append(", ".join(f"{judged.count(word)} {word}" for word in ("inside", "edge", "outside"))
                         + " what the surrogate was trained on")  # fmt: skip
        return "\n".join(lines)

    def failures(self) -> list[str]:
        """Why designs failed, each after its number."""
        return [f"{number:03d}: {trial.answer.failed}" for number, trial in enumerate(self.trials)
                if trial.answer is not None and trial.answer.failed]  # fmt: skip

    def table(self) -> tuple[Array, Array]:
        """Rows ``(n, d)`` and outputs ``(n, outputs)`` of the designs that have an answer, SI."""
        answers = [(trial.row, trial.answer) for trial in self.trials if trial.answer and not trial.answer.failed]
        rows = np.array([row for row, _ in answers]).reshape(-1, len(self.space.variables))
        values = [[answer.values[output.name] for output in self.outputs] for _, answer in answers]
        return rows, np.array(values).reshape(len(rows), len(self.outputs))


def outputs_of(contract: Contract, names: Sequence[str]) -> list[Output]:
    """The outputs of these names; all QoIs where none is named.

    Raises:
        ContractError: One is not known, or there is none.
    """
    if not names and not contract.qoi:
        raise ContractError(f"contract {contract.name}: has no QoI; name an output, such as max(surface.p)")
    return [Output.of(name, contract) for name in dict.fromkeys(names or contract.qoi)]


def carry_out(
    study: str,
    simulator: Named,
    drives: Driven,
    space: Space,
    outputs: list[Output],
    out: str | os.PathLike[str],
    rows_of: Callable[[Array], Array],
    *,
    origin: str,
    plan: Mapping[str, object] | None = None,
    cases: bool = True,
    workers: int | None = None,
    seconds: float | None = 3600.0,
    on: str = "local",
    console: Console | None = None,
) -> Experiment:
    """Answer designs; what the folder has already stays, and is not asked again.

    Args:
        study: Its name.
        simulator: As it was named.
        drives: What it is.
        space: Of the designs.
        outputs: What is asked for.
        out: The folder.
        rows_of: Gives the further rows ``(n, d)``, from those that are there ``(m, d)``; SI.
        origin: What is written of the further ones.
        plan: What else the folder keeps to.
        cases: Whether the cases of a solver in this process are kept, or its answers alone.
        workers: Solver runs at once.
        seconds: After which a solver run is ended.
        on: Where a solver runs.
        console: Where progress is shown.

    Raises:
        TramontaneError: The folder belongs to another study.
    """
    folder = Path(out)
    with claimed(folder / ".running", folder):
        whole: dict[str, object] = {
            "study": study, **drives.plan, "version": __version__, "parameters": space.names,
            "fixed": space.plan["fixed"], **(plan or {}),
        }  # fmt: skip
        keep_to_plan(folder, whole)
        trials = read_trials(folder, len(space.variables))
        there = np.array([trial.row for trial in trials]).reshape(-1, len(space.variables))
        trials += [Trial(row, origin) for row in rows_of(there)]
        write_trials(folder, trials)
        write_table(folder, columns_of(space, outputs, trials))
        answering = answering_of(drives, outputs, folder, cases=cases, workers=workers, seconds=seconds, on=on,
                                 console=console)  # fmt: skip
        designs = space.designs(np.array([trial.row for trial in trials]).reshape(-1, len(space.variables)))
        for trial, answer in zip(trials, answering(designs, outputs), strict=True):
            trial.answer = answer
        write_table(folder, columns_of(space, outputs, trials))
    return Experiment(space, outputs, trials, folder)


def answering_of(
    drives: Driven,
    outputs: Sequence[Output],
    folder: Path,
    *,
    cases: bool,
    workers: int | None,
    seconds: float | None,
    on: str,
    console: Console | None,
) -> Answering:
    """Who answers: the surrogate, whose answers are kept in a file, or the solver, whose cases are kept."""
    if drives.surrogate is not None:
        return drives.predicting(outputs, file=folder / ANSWERS, console=console)
    if not cases and drives.factory is None:
        assert drives.solver is not None
        return AtHand(drives.solver, file=folder / ANSWERS, console=console)
    return drives.solving(folder / "cases", workers=workers, seconds=seconds, on=on, console=console)
