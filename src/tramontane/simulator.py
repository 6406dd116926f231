"""The one protocol: a simulator maps a design to a case."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from tramontane.case import Case
from tramontane.contract import Contract
from tramontane.design import Design

if TYPE_CHECKING:
    import pyvista as pv


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


@runtime_checkable
class Parametric(Simulator, Protocol):
    """A simulator whose parameters alone say which shape is meant, and which makes that shape without solving."""

    def geometry(self, design: Design) -> pv.PolyData:
        """The closed surface of a design, metres.

        Args:
            design: Every parameter of the contract whose role is ``geometry``; others may be missing.

        Raises:
            ContractError: A dimension is missing, or in the wrong unit.
            SolverError: No such shape can be built.
        """
        ...
