"""A surrogate of shapes, asked for parameters alone: a solver's own shapes stand between."""

from __future__ import annotations

from collections.abc import Collection

from tramontane.case import Case
from tramontane.contract import Contract
from tramontane.design import Design
from tramontane.interval import LEVEL
from tramontane.simulator import Parametric
from tramontane.surrogate.agreement import question_of, with_units
from tramontane.surrogate.surrogate import Surrogate
from tramontane.surrogate.tables import qoi_domains


class ParametricSurrogate:
    """A simulator that answers parameters: the shape is made of them, the surrogate is asked for it.

    Args:
        surrogate: Needs a geometry.
        shapes: Makes it; its parameters are the designs'.
        domains: Which to predict fields on; None takes those that QoIs follow from.
        level: The probability of intervals.
        cells: About how many cells the surrogate predicts on.
    """

    def __init__(
        self,
        surrogate: Surrogate,
        shapes: Parametric,
        *,
        domains: Collection[str] | None = None,
        level: float = LEVEL,
        cells: int = 50_000,
    ) -> None:
        self.surrogate, self.shapes, self.level, self.cells = surrogate, shapes, level, cells
        self.domains = qoi_domains(surrogate.contract) if domains is None else set(domains)

    @property
    def contract(self) -> Contract:
        """The inputs of what makes shapes, the outputs of the surrogate."""
        return self.surrogate.contract.model_copy(update={"parameters": self.shapes.contract.parameters})

    def simulate(self, design: Design) -> Case:
        """The surrogate's case of a design.

        Args:
            design: Parameters alone; bare numbers are in the units of what makes shapes.

        Raises:
            TramontaneError: No such shape can be built, or the surrogate has no answer.
        """
        stated = with_units(design, self.shapes.contract)
        surface = self.shapes.geometry(stated)
        checked = self.surrogate.check(question_of(self.surrogate, stated, surface))
        case = self.surrogate.simulate(checked, cells=self.cells, domains=self.domains,
                                       meshes=None if self.domains else {}, level=self.level)  # fmt: skip
        case.design = stated.with_geometry(surface)
        return case
