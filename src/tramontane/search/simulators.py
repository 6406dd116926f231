"""What a study drives: a solver, a surrogate, or a surrogate whose answers a solver checks."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from tramontane import solvers
from tramontane.contract import Contract
from tramontane.errors import ContractError, TramontaneError
from tramontane.io.tasks import Resources
from tramontane.search.answers import Answering, AtHand, OnFarm
from tramontane.search.goals import Output
from tramontane.simulator import Parametric, Simulator

if TYPE_CHECKING:
    from tramontane.surrogate import Surrogate

Named = str | os.PathLike[str] | Simulator


@dataclass(frozen=True)
class Driven:
    """What a study drives.

    Attributes:
        surrogate: Predicts; None where there is none.
        solver: Solves, or makes shapes; None where there is none.
        factory: Makes the solver in another process; None where it cannot be made there, and runs here.
        checks: Whether the solver may run: it makes shapes alone otherwise.
        plan: What tells these from others, for the plan of a study: its answers are of no other surrogate or solver.
    """

    surrogate: Surrogate | None
    solver: Simulator | None
    factory: Callable[[], Simulator] | None
    checks: bool
    plan: dict[str, str]

    @property
    def contract(self) -> Contract:
        """Of its designs: the solver's parameters where there is one."""
        if self.surrogate is None:
            assert self.solver is not None
            return self.solver.contract
        if self.solver is None:
            return self.surrogate.contract
        return self.surrogate.contract.model_copy(update={"parameters": self.solver.contract.parameters})

    def predicting(
        self,
        outputs: Sequence[Output] = (),
        domains: Sequence[str] = (),
        *,
        file: Path | None = None,
        console: Console | None = None,
    ) -> Answering:
        """The surrogate, asked for parameters alone.

        Args:
            outputs: Extrema of fields among them need the domains of these.
            domains: Further ones that are needed.
            file: Where answers are kept; None keeps none.
            console: Where progress is shown.
        """
        assert self.surrogate is not None
        if not self.surrogate.needs_geometry:
            return AtHand(self.surrogate, file=file, console=console)
        from tramontane.surrogate.parametric import ParametricSurrogate
        from tramontane.surrogate.tables import qoi_domains

        assert isinstance(self.solver, Parametric)
        of_fields = {of.extremum[1] for of in outputs if of.extremum is not None} - {""}
        needed = qoi_domains(self.surrogate.contract) | of_fields | set(domains)
        return AtHand(ParametricSurrogate(self.surrogate, self.solver, domains=needed), file=file, console=console)

    def solving(
        self,
        folder: Path,
        *,
        workers: int | None = None,
        seconds: float | None = 3600.0,
        on: str = "local",
        console: Console | None = None,
    ) -> Answering:
        """The solver, whose cases are kept in a folder.

        Args:
            folder: Of the cases.
            workers: Designs at once; None takes as many as there is room for.
            seconds: After which a design is ended, and counts as failed.
            on: Where designs run; see `tramontane.farm.run`.
            console: Where progress is shown.
        """
        assert self.solver is not None
        if not (folder / "contract.toml").exists():
            folder.mkdir(parents=True, exist_ok=True)
            self.solver.contract.to_toml(folder / "contract.toml")
        if self.factory is None:
            return AtHand(self.solver, folder, console=console)
        resources: Resources | None = getattr(self.solver, "resources", None)
        return OnFarm(self.factory, folder, self.solver.contract, workers=workers,
                      seconds=limit_of(self.solver, seconds), on=on,
                      resources=resources, console=console)  # fmt: skip


def driven(simulator: Named, *, solver: Named | None = None, shapes: Named | None = None) -> Driven:
    """What a study drives.

    Args:
        simulator: A saved surrogate's folder, the name or folder of a solver, or a simulator.
        solver: Checks a surrogate's answers, and makes its shapes.
        shapes: A solver that makes shapes for a surrogate, and is not run; or a ``morph.toml`` that names its surface.

    Raises:
        TramontaneError: There is no such surrogate or solver, the two do not agree, or the surrogate needs a geometry
            and nothing makes one of the parameters.
    """
    surrogate = _surrogate(simulator)
    if surrogate is None:
        if solver is not None or shapes is not None:
            raise ContractError("a solver needs no second one; leave --solver and --shapes out, or name a surrogate")
        made, factory = _solver(simulator)
        return Driven(None, made, factory, checks=True, plan={"simulator": _identity(simulator, made)})
    other = solver if solver is not None else shapes
    plan = {"simulator": f"{surrogate.model} {surrogate.identity}"}
    if other is None:
        _check_shapes(surrogate, None)
        return Driven(surrogate, None, None, checks=False, plan=plan)
    from tramontane.formats.surfaces.morphed import MorphedGeometry
    from tramontane.surrogate.agreement import check_agreement

    made, factory = _solver(other)
    if isinstance(made, MorphedGeometry):
        if solver is not None:
            raise ContractError("a morph makes shapes and solves nothing; give it as --shapes")
        plan["shapes"] = _identity(other, made)
        return Driven(surrogate, made.for_surrogate(surrogate.contract), None, checks=False, plan=plan)
    check_agreement(surrogate, made.contract)
    _check_shapes(surrogate, made)
    plan["solver" if solver is not None else "shapes"] = _identity(other, made)
    return Driven(surrogate, made, factory, checks=solver is not None, plan=plan)


def _check_shapes(surrogate: Surrogate, solver: Simulator | None) -> None:
    if surrogate.needs_geometry and not isinstance(solver, Parametric):
        raise ContractError("this surrogate needs a geometry, and nothing makes one of the parameters; give "
                            "--solver or --shapes, a solver that makes the shapes")  # fmt: skip


def name_of(simulator: Named) -> str:
    """What people call a simulator."""
    return os.fspath(simulator) if isinstance(simulator, (str, os.PathLike)) else type(simulator).__name__


def _identity(named: Named, solver: Simulator) -> str:
    """What tells a solver from others: its name, or that of a folder with the hash of its files, wherever it lies."""
    fingerprint: str | None = getattr(solver, "fingerprint", None)
    return name_of(named) if fingerprint is None else f"{solver.contract.name} {fingerprint}"


def _surrogate(simulator: Named) -> Surrogate | None:
    """The surrogate that is named; None where it is a solver."""
    if not isinstance(simulator, (str, os.PathLike)):
        from tramontane.surrogate import Surrogate

        return simulator if isinstance(simulator, Surrogate) else None
    path = Path(simulator)
    if str(simulator) in solvers.names() or not path.is_dir() or (path / "solver.toml").is_file():
        return None
    from tramontane.surrogate import Surrogate

    return Surrogate.load(path)


def _solver(named: Named) -> tuple[Simulator, Callable[[], Simulator] | None]:
    if not isinstance(named, (str, os.PathLike)):
        return named, None
    name = os.fspath(named)
    try:
        solver = solvers.create(name)
    except TramontaneError as error:
        if Path(name).exists():
            raise
        raise TramontaneError(f"{name}: is not a saved surrogate, and {error}") from error
    check_samples(name, solver)
    return solver, functools.partial(solvers.create, solvers.absolute(name))


def check_samples(name: str, solver: Simulator) -> None:
    """Raise where a design is more than numbers.

    Raises:
        TramontaneError: The solver needs a geometry for each.
    """
    if getattr(solver, "needs_geometry", False):
        raise TramontaneError(f"{name}: needs a geometry for each design, and a design space has numbers alone; give "
                              "[geometry] in its solver.toml a command that makes one of the parameters")  # fmt: skip


def limit_of(solver: Simulator, seconds: float | None) -> float | None:
    """After how many seconds a run is ended: a solver with a time limit of its own ends it and says why."""
    own: float | None = getattr(solver, "time_limit", None)
    return seconds if seconds is None or own is None else max(seconds, 1.1 * own + 60)
