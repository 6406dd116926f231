"""The one protocol: a simulator maps a design to a case."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from tramontane.case import Case
from tramontane.contract import Contract
from tramontane.design import Design


@runtime_checkable
class Simulator(Protocol):
    """Anything that answers a design with a case: a solver, a trained network, a hybrid of both."""

    @property
    def contract(self) -> Contract:
        """What goes in and what comes out: names, units, ranges, where."""
        ...

    def simulate(self, design: Design) -> Case:
        """The case of one design.

        Raises:
            ContractError: The design lacks an input, or has one in the wrong unit.
            SolverError: The simulator failed on this design.
        """
        ...
