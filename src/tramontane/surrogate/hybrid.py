"""A surrogate that hands over to the solver where it may not answer."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import pyvista as pv

from tramontane.case import Case
from tramontane.contract import Contract
from tramontane.design import Design
from tramontane.errors import ContractError, GeometryError, SurrogateError
from tramontane.interval import LEVEL
from tramontane.simulator import Simulator
from tramontane.surrogate.agreement import check_agreement, check_made, question_of, shape_of, with_units
from tramontane.surrogate.checks import Checked, compare
from tramontane.surrogate.kept_cases import keep_case
from tramontane.surrogate.surrogate import Surrogate
from tramontane.verdict import REQUIRED, good_enough


class Hybrid:
    """A simulator that answers with a surrogate inside its applicability domain, and with the solver elsewhere.

    What the solver says is kept for the next training, with what the surrogate would have said.

    Args:
        surrogate: Answers where its verdict allows it.
        solver: Runs where the verdict is worse, or the surrogate gives no verdict or no answer.
        require: The worst verdict with which the surrogate answers: ``inside``, or ``edge``.
        keep: Folder of the solver's cases; None keeps none. It can be the folder of the surrogate's own cases.
        level: The probability of intervals.
        cells: About how many cells the surrogate predicts on.

    Attributes:
        predicted: Number of designs that the surrogate answered.
        solved: Number of designs that the solver answered.
        last: What both said of the last design that the solver answered; None where the surrogate had no answer.

    Raises:
        ContractError: ``require`` is neither, or the contracts do not agree; all that differs is named.
    """

    def __init__(
        self,
        surrogate: Surrogate,
        solver: Simulator,
        require: Literal["inside", "edge"] = "inside",
        *,
        keep: str | os.PathLike[str] | None = None,
        level: float = LEVEL,
        cells: int = 50_000,
    ) -> None:
        if require not in REQUIRED:
            raise ContractError(f"require is {require!r}; give inside or edge")
        check_agreement(surrogate, solver.contract)
        self.surrogate, self.solver, self.require = surrogate, solver, require
        self.keep = None if keep is None else Path(keep)
        self.level, self.cells = level, cells
        self.predicted, self.solved = 0, 0
        self.last: Checked | None = None

    @property
    def contract(self) -> Contract:
        """The solver's inputs, in all of its ranges, and what both can answer: the surrogate's outputs."""
        return self.surrogate.contract.model_copy(update={"parameters": self.solver.contract.parameters})

    def simulate(self, design: Design) -> Case:
        """The surrogate's case where its verdict is good enough, else the solver's.

        Args:
            design: As the solver takes it; bare numbers are in its units. Where the surrogate needs a geometry and the
                design has none, it is the solver's own (`tramontane.simulator.Parametric`).

        Raises:
            ContractError: The design lacks what one of the two needs.
            SolverError: The solver failed on this design.
            FileError: The solver's case cannot be kept.
        """
        stated = with_units(design, self.solver.contract)
        geometry = stated.geometry if stated.geometry is not None else shape_of(self.surrogate, self.solver, stated)
        question = self.surrogate.check(question_of(self.surrogate, stated, geometry))
        try:
            answer = self.surrogate.simulate(question, cells=self.cells, level=self.level)
        except (GeometryError, SurrogateError):
            answer = None
        if answer is not None and answer.verdict is not None and good_enough(answer.verdict.domain, self.require):
            self.predicted += 1
            return answer
        check_made(self.surrogate, self.solver, stated, question.surface)
        solved = self.solver.simulate(stated)
        self.solved += 1
        self.last = None if answer is None else self._compared(stated, solved, question.surface)
        if self.keep is not None:
            keep_case(solved, self.keep, contract=self.solver.contract, model=self.surrogate.identity,
                      checked=self.last)  # fmt: skip
        return solved

    def _compared(self, design: Design, solved: Case, surface: pv.PolyData | None) -> Checked | None:
        """What both said; None where the surrogate has no answer on the solver's meshes."""
        try:
            return compare(self.surrogate, design, solved, geometry=surface, level=self.level)
        except (GeometryError, SurrogateError):
            return None
