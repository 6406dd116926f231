"""What solvers say of the models' answers: asked as a job each, kept for the next training, counted by model."""

from __future__ import annotations

from pathlib import Path

import pyvista as pv

from tramontane.bundle import split_name
from tramontane.contract import Contract
from tramontane.deadline import time_limit
from tramontane.formats import read_case, read_geometry
from tramontane.service.geometries.uploads import Geometries
from tramontane.service.predictions import answers, designs
from tramontane.service.predictions.predictions import Predictions, stated_qoi
from tramontane.service.predictions.schemas import (
    CheckRequest,
    CheckSummary,
    DesignRequest,
    FieldCheckAnswer,
    QoiCheckAnswer,
    Summary,
)
from tramontane.service.problems import Fault, at_fault
from tramontane.service.registry import Served, Solver
from tramontane.service.schemas import ChecksAnswer
from tramontane.service.settings import Settings
from tramontane.surrogate.agreement import disagreements
from tramontane.surrogate.checks import Checked, compare
from tramontane.surrogate.kept_cases import keep_case, read_tally
from tramontane.units import from_si, in_si


class Checks:
    """Which solver can check which model, what each is asked, and what came of it.

    Args:
        settings: Where the server's files are, and how long a prediction may take.
        solvers: By the name under which they are served.
        geometries: Stored geometries.
    """

    def __init__(self, settings: Settings, solvers: dict[str, Solver], geometries: Geometries) -> None:
        self.settings, self.solvers, self.geometries = settings, solvers, geometries

    def folder(self, model: str) -> Path:
        """Where the cases of checks of a model are kept, of all its versions: a folder that can be trained on."""
        return self.settings.state / "checks" / split_name(model)[0]

    def tally(self, served: Served) -> ChecksAnswer:
        """How many checks of a model held, by its hash: one that is trained again begins anew."""
        counts = read_tally([self.folder(served.name)], served.hash)
        return ChecksAnswer(checks=counts.checks, held=counts.held, qoi=counts.qoi)

    def solvers_of(self, served: Served) -> list[Solver]:
        """The solvers whose contracts agree with a model's."""
        return [solver for solver in self.solvers.values() if not disagreements(served.surrogate, solver.contract)]

    def understand(self, predictions: Predictions, served: Served, request: CheckRequest) -> CheckRequest:
        """Check a request before a job is made of it.

        Returns:
            The same, with the solver that is meant.

        Raises:
            Problem: No solver can check this model, the one that is named cannot, or the design lacks what one of the
                two is asked with.
        """
        fitting = self.solvers_of(served)
        names = ", ".join(solver.name for solver in fitting) or "none"
        if request.solver is None and fitting:
            solver = fitting[0]
        elif request.solver in self.solvers:
            solver = self.solvers[request.solver]
            if lines := disagreements(served.surrogate, solver.contract):
                raise at_fault(Fault(input="solver", detail=f"{solver.name} does not agree with model {served.name}: "
                                                            f"{'; '.join(lines)}"))  # fmt: skip
        else:
            said = f"solver {request.solver!r} is not served" if request.solver else "no solver is served that agrees"
            raise at_fault(Fault(input="solver", detail=f"{said}; model {served.name} can be checked by {names}"),
                           status=409)  # fmt: skip
        unknown = sorted(set(request.parameters) - set(served.contract.parameters) - set(solver.contract.parameters))
        if unknown:
            raise at_fault(*(Fault(input=f"parameters.{name}", detail=f"parameter {name} is not known")
                             for name in unknown))  # fmt: skip
        if request.geometry is not None or not served.surrogate.needs_geometry:
            predictions.understand(served, _known(request, served.contract, served.contract), level=request.level)
        self.values(served, solver, request)
        return request.model_copy(update={"solver": solver.name})

    def values(self, served: Served, solver: Solver, request: CheckRequest) -> dict[str, float]:
        """What the solver is asked with, SI.

        Raises:
            Problem: A parameter is missing, or in a wrong unit.
        """
        return designs.understand(solver.contract, self.solver_request(served, solver, request),
                                  geometry=takes_geometry(served, solver))  # fmt: skip

    def solver_request(self, served: Served, solver: Solver, request: CheckRequest) -> DesignRequest:
        """What the solver is asked: numbers are in its units, the geometry is left out where it makes its own."""
        plain = _known(request, solver.contract, served.contract)
        return plain if takes_geometry(served, solver) else plain.model_copy(update={"geometry": None})

    def surface(self, served: Served, request: CheckRequest) -> pv.PolyData | None:
        """The stored geometry that is asked with, metres."""
        if request.geometry is None:
            return None
        return self.geometries.mesh(request.geometry, request.length_unit or served.contract.length_unit)

    def settle(self, served: Served, solver: Solver, request: CheckRequest, case: Path) -> Summary:
        """Compare a solver's case with the model's answer, and keep it; takes a worker of the predictions.

        Args:
            served: The model.
            solver: The solver.
            request: What was asked.
            case: Folder of the solver's case.

        Returns:
            The solver's numbers, with ``check``.

        Raises:
            TramontaneError: The model cannot answer this design, or the case cannot be kept.
        """
        values = self.values(served, solver, request)
        design = designs.design(solver.contract, None, values, geometry=None, length_unit="m")
        solved, shape = read_case(case), self.surface(served, request)
        if isinstance(solved.design.geometry, Path):
            solved.design.geometry = read_geometry(solved.design.geometry, length_unit="m").mesh
        with time_limit(self.settings.predict_seconds):
            checked = compare(served.surrogate, design, solved, geometry=shape, level=request.level)
        keep_case(checked.solved, self.folder(served.name), contract=solver.contract, model=served.hash,
                  checked=checked)  # fmt: skip
        return Summary(
            model=solver.name, model_hash=solver.hash, geometry=request.geometry,
            parameters=designs.stated(solver.contract, values), qoi=stated_qoi(checked.solved),
            domains=answers.domains(checked.solved), warnings=[], level=request.level, seconds=0.0,
            check=summary_of(checked),
        )  # fmt: skip


def takes_geometry(served: Served, solver: Solver) -> bool:
    """Whether a solver is asked with the model's geometry; one with dimensions among its parameters makes its own."""
    dimensions = any(spec.role == "geometry" for spec in solver.contract.parameters.values())
    return served.surrogate.needs_geometry and not dimensions


def summary_of(checked: Checked) -> CheckSummary:
    """What both said, for an answer."""
    units = checked.predicted.qoi_units

    def shown(name: str, value: float | None) -> float | None:
        return None if value is None else answers.finite(from_si(value, units.get(name, "")))

    return CheckSummary(
        held=checked.held,
        level=checked.level,
        verdict=designs.verdict(checked.predicted.verdict),
        qoi={
            name: QoiCheckAnswer(
                unit=units.get(name, ""), predicted=shown(name, of.predicted), solved=shown(name, of.solved),
                low=shown(name, of.low), high=shown(name, of.high), held=of.held,
            )
            for name, of in checked.qoi.items()
        },
        fields={
            f"{domain}/{name}": FieldCheckAnswer(relative_l2=answers.finite(each.relative_l2), inside=each.inside)
            for domain, fields in checked.fields.items()
            for name, each in fields.items()
        },
    )  # fmt: skip


def _known(request: CheckRequest, contract: Contract, numbers: Contract) -> DesignRequest:
    """The part of a request that one contract knows; bare numbers in another's units are converted."""
    parameters = {}
    for name, value in request.parameters.items():
        if name not in contract.parameters:
            continue
        unit = contract.parameters[name].unit
        other = numbers.parameters[name].unit if name in numbers.parameters else unit
        converts = isinstance(value, float | int) and unit != other
        parameters[name] = from_si(in_si(float(value), other), unit) if converts else value
    return DesignRequest(geometry=request.geometry, length_unit=request.length_unit, parameters=parameters)
