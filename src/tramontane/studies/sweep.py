"""Sweeps: one or two parameters in steps, the others fixed."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console

from tramontane.errors import ContractError
from tramontane.search.experiment import Experiment, carry_out, outputs_of
from tramontane.search.loop import Trial
from tramontane.search.sampling import fresh, full_factorial, levels_of
from tramontane.search.simulators import Named, driven, name_of
from tramontane.search.space import Space
from tramontane.studies.report import report_sweep
from tramontane.studies.study import Study
from tramontane.units import Quantity, from_si

_SHOWN = 40  # lines that are printed


@dataclass(frozen=True)
class Sweep(Experiment):
    """Answers along one or two parameters."""

    def ordered(self) -> list[Trial]:
        """The trials by the values of their parameters."""
        return sorted(self.trials, key=lambda trial: tuple(trial.row))

    def __str__(self) -> str:
        heads = [f"{of.name} [{of.unit}]" if of.unit else of.name for of in self.space.variables]
        heads += [f"{of.name} [{of.shown}]" if of.shown else of.name for of in self.outputs]
        lines = [heads, *(self._cells(trial) for trial in self.ordered()[:_SHOWN])]
        judged = any(trial.answer and trial.answer.verdict for trial in self.trials)
        if judged:
            verdicts = ["verdict", *(trial.answer.verdict if trial.answer else "" for trial in self.ordered())]
            lines = [[*cells, verdict] for cells, verdict in zip(lines, verdicts, strict=False)]
        widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
        text = ["  ".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True)) for cells in lines]
        more = len(self.trials) - _SHOWN
        if more > 0:
            text.append(f"and {more} more in {self.folder / 'designs.csv'}")
        failed = self.failures()
        return "\n".join([*text, *([f"{len(failed)} failed; the first, {failed[0]}"] if failed else [])])

    def _cells(self, trial: Trial) -> list[str]:
        cells = [f"{from_si(float(value), of.unit):.6g}"
                 for of, value in zip(self.space.variables, trial.row, strict=True)]  # fmt: skip
        for output in self.outputs:
            if trial.answer is None or trial.answer.failed:
                cells.append("failed")
                continue
            cell = f"{from_si(trial.answer.values[output.name], output.shown):.5g}"
            if output.name in trial.answer.bounds:
                low, high = (from_si(bound, output.shown) for bound in trial.answer.bounds[output.name])
                cell += f" ({low:.5g} to {high:.5g})"
            cells.append(cell)
        return cells


def sweep(
    simulator: Named,
    *,
    vary: Mapping[str, str],
    out: str | os.PathLike[str],
    steps: int | Mapping[str, int | str] = 11,
    outputs: Sequence[str] = (),
    shapes: Named | None = None,
    fixed: Mapping[str, str | float | Quantity] | None = None,
    workers: int | None = None,
    seconds: float | None = 3600.0,
    on: str = "local",
    console: Console | None = None,
) -> Sweep:
    """Answer designs along one or two parameters; call again to resume, or with other steps to refine.

    Args:
        simulator: A saved surrogate, the name or folder of a solver, or a simulator.
        vary: Bounds of one or two parameters, ``{"speed": "20:40 m/s"}``.
        out: Folder for the table of designs, and for the cases of a solver.
        steps: Values from bound to bound, both included, for all or by name.
        outputs: QoIs, or extrema of fields; all QoIs where none is named.
        shapes: A solver that makes shapes for a surrogate, and is not run.
        fixed: Values of the other parameters; those that are not named stay midway.
        workers: Solver runs at once; None takes as many as there is room for.
        seconds: After which a solver run is ended, and counts as failed.
        on: Where the solver runs; see `tramontane.farm.run`.
        console: Where progress is shown.

    Raises:
        TramontaneError: A name is not known, bounds are upside down, there are not one or two parameters to vary, or
            the folder belongs to another study.
    """
    if len(vary) not in (1, 2):
        raise ContractError(f"{len(vary)} parameters vary; a sweep has one or two, such as --vary speed=20:40m/s "
                            "(doe takes more)")  # fmt: skip
    drives = driven(simulator, shapes=shapes)
    wanted = outputs_of(drives.contract, outputs)
    space = Space.of(drives.contract, vary=vary, fixed=fixed, console=console)
    rows = full_factorial(space, levels_of(space, steps, least=2))
    done = carry_out("sweep", simulator, drives, space, wanted, out, functools.partial(fresh, space, rows),
                     origin="sweep", workers=workers, seconds=seconds, on=on, console=console)  # fmt: skip
    swept = Sweep(done.space, done.outputs, done.trials, done.folder)
    report_sweep(swept, f"Sweep of {name_of(simulator)}")
    return swept


STUDY = Study("sweep", "one or two parameters in steps, the others fixed", sweep)
