"""A Python function as a simulator.

    from tramontane.solvers.function import solver

    @solver(parameters={"length": "0.4 to 0.6 m", "load": "200 to 900 N"}, qoi={"deflection": "mm"})
    def cantilever(length, load):
        return {"deflection": 1e3 * load * length**3 / (3 * 210e9 * 8e-7)}

``tramontane generate cantilever.py`` then samples it, and everything that takes a `tramontane.Simulator` takes it.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import math
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyvista as pv

from tramontane.case import Case, Provenance
from tramontane.contract import Contract
from tramontane.dataset.ingest.case_qoi import add_defined_qoi
from tramontane.design import Design
from tramontane.errors import ContractError, SolverError, TramontaneError
from tramontane.formats.assemble import assemble
from tramontane.formats.results import Results
from tramontane.units import Quantity, from_si

_RANGE = re.compile(r"\s*(\S+)\s+to\s+(\S+)(?:\s+(.*?))?\s*", re.DOTALL)


def solver(
    contract: Contract | None = None,
    *,
    parameters: Mapping[str, str | Mapping[str, Any]] | None = None,
    qoi: Mapping[str, str] | None = None,
    name: str | None = None,
    geometry: Callable[..., pv.PolyData] | None = None,
) -> Callable[[Callable[..., Any]], FunctionSolver]:
    """Make a function a simulator.

    The function takes each parameter by name, a number in the unit that is stated for it. It gives a table: a number
    for each QoI, in its unit, and a mesh for each domain that the contract has, with the contract's fields on it, in
    their units and its length unit; or a whole `Case`, in SI.

    Args:
        contract: States all inputs and outputs, where there are fields; ``Contract.from_toml("contract.toml")`` reads
            one. Without it, parameters and QoIs are stated here.
        parameters: A range with its unit, ``"5 to 15 m/s"``; or what a contract's table says, as in
            ``{"unit": "", "low": 2, "high": 6, "integer": True, "role": "geometry"}``.
        qoi: The unit of each QoI.
        name: Of the solver; None takes the function's.
        geometry: Makes the closed surface, metres, of the parameters whose role is ``geometry``.

    Raises:
        ContractError: A range or a unit is wrong, or the function takes other parameters.
    """

    def decorate(function: Callable[..., Any]) -> FunctionSolver:
        title = name or function.__name__
        stated = contract or _contract(title, parameters or {}, qoi or {})
        kind = FunctionSolver if geometry is None else ParametricFunctionSolver
        return kind(function, stated, geometry)

    return decorate


class FunctionSolver:
    """A simulator that asks a function; made by `solver`, and called like the function itself.

    Attributes:
        function: What it asks.
    """

    def __init__(
        self, function: Callable[..., Any], contract: Contract, geometry: Callable[..., pv.PolyData] | None = None
    ) -> None:
        self.function = function
        self._of_function = contract
        self._contract = contract.in_si()
        self._geometry = geometry
        self.__doc__, self.__name__, self.__module__ = function.__doc__, function.__name__, function.__module__
        self.__qualname__ = function.__qualname__
        _check_signature(function, contract)

    @property
    def contract(self) -> Contract:
        """What goes in and what comes out, in SI."""
        return self._contract

    @property
    def fingerprint(self) -> str:
        """A hash of the contract and of the function's file: whether two runs are of one solver."""
        text = self._of_function.model_dump_json() + Path(inspect.getfile(self.function)).read_text(encoding="utf-8")
        return hashlib.sha256(text.encode()).hexdigest()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the function gives."""
        return self.function(*args, **kwargs)

    def __reduce__(self) -> tuple[Any, ...]:
        return _find, (self.__module__, getattr(sys.modules.get(self.__module__), "__file__", None), self.__qualname__)

    def simulate(self, design: Design) -> Case:
        """The case of one design.

        Raises:
            ContractError: A parameter is missing, unknown or in a wrong unit.
            SolverError: The function raised an error, or gave something that is missing, unknown or not finite.
        """
        values = self._contract.values(design.with_geometry(None))
        quantities = {name: Quantity(from_si(value, spec.unit), spec.unit) for name, value in values.items()
                      for spec in [self._contract.parameters[name]]}  # fmt: skip
        try:
            answer = self.function(**self._arguments(values))
        except TramontaneError:
            raise
        except Exception as error:  # whatever it raises is the design's reason
            raise SolverError(f"{self.__name__}: {type(error).__name__}: {error}") from error
        shape = self._shape(values)
        if isinstance(answer, Case):
            self._check_case(answer)
            return answer
        if not isinstance(answer, Mapping):
            raise SolverError(f"{self.__name__}: gave a {type(answer).__name__}; return a dict of QoIs and meshes by "
                              "name")  # fmt: skip
        found = self._results(answer)
        found.parameters = dict(quantities)
        try:
            case = assemble(self._contract.name, Path(self.__name__), found, contract=self._of_function)
            case.design = Design(shape, **quantities)
            add_defined_qoi(case, self._contract, shape)
        except TramontaneError as error:
            raise SolverError(f"{self.__name__}: {error}") from error
        case.qoi = {name: case.qoi[name] for name in self._contract.qoi}
        case.provenance = Provenance(solver=self.__name__, extra={"solver_file": self.fingerprint})
        return case

    def _check_case(self, case: Case) -> None:
        """Raise where a case lacks a QoI, or has one that is not finite."""
        for name, spec in self._contract.qoi.items():
            if name in case.qoi:
                _check_finite(self.__name__, name, case.qoi[name])
            elif spec.definition is None:
                raise SolverError(f"{self.__name__}: gave a case without {name}; put it among its QoIs")

    def _arguments(self, values: Mapping[str, float]) -> dict[str, float]:
        """Values in the units that the contract states; whole numbers as such."""
        arguments: dict[str, float] = {}
        for name, value in values.items():
            spec = self._contract.parameters[name]
            number = from_si(value, spec.unit)
            arguments[name] = round(number) if spec.integer else float(f"{number:.15g}")
        return arguments

    def _results(self, answer: Mapping[str, Any]) -> Results:
        contract, found = self._of_function, Results()
        known = [*contract.qoi, *contract.fields]
        if unknown := sorted(set(answer) - set(known)):
            raise SolverError(f"{self.__name__}: gave {unknown[0]!r}, which is no QoI and no domain (known are "
                              f"{', '.join(known)}); state it, or leave it out")  # fmt: skip
        for name, spec in contract.qoi.items():
            if name not in answer:
                if spec.definition is None:
                    raise SolverError(f"{self.__name__}: gave no {name}; return it with the others")
                continue
            try:
                value = float(answer[name])
            except (TypeError, ValueError) as error:
                raise SolverError(f"{self.__name__}: {name} is {answer[name]!r}, and no number") from error
            _check_finite(self.__name__, name, value)
            found.qoi[spec.source or name] = Quantity(value, spec.unit)
        found.meshes = {domain: answer[domain].copy() for domain in contract.fields if domain in answer}
        return found

    def _shape(self, values: Mapping[str, float]) -> pv.PolyData | None:
        if self._geometry is None:
            return None
        roles = {name: spec.role for name, spec in self._contract.parameters.items()}
        arguments = self._arguments({name: value for name, value in values.items() if roles[name] == "geometry"})
        try:
            return self._geometry(**arguments)
        except TramontaneError:
            raise
        except Exception as error:
            raise SolverError(f"{self.__name__}: its geometry: {type(error).__name__}: {error}") from error


class ParametricFunctionSolver(FunctionSolver):
    """A `FunctionSolver` with a function for its geometry; a `tramontane.simulator.Parametric`."""

    def geometry(self, design: Design) -> pv.PolyData:
        """The closed surface of a design, metres.

        Raises:
            ContractError: A dimension is missing, or in a wrong unit.
            SolverError: No such shape can be built.
        """
        from tramontane.solvers.common import dimensions_of

        shape = self._shape(dimensions_of(self._contract, design))
        assert shape is not None
        return shape


def _check_finite(solver: str, name: str, value: float) -> None:
    if not math.isfinite(value):
        raise SolverError(f"{solver}: {name} is {value}; give a finite number, or raise an error")


def open_file(path: Path) -> FunctionSolver:
    """The solver in a Python file.

    Args:
        path: ``beam.py``; or ``beam.py:deflection``, where it has several.

    Raises:
        ContractError: There is no such file, it does not run, or it has no such solver, or several.
    """
    place, _, wanted = str(path).partition(".py:")
    file = Path(f"{place}.py") if wanted else path
    if not file.is_file():
        raise ContractError(f"{file}: does not exist; name a folder with a solver.toml, or a Python file with a "
                            "@solver")  # fmt: skip
    module = _load(file)
    found = {key: value for key, value in vars(module).items() if isinstance(value, FunctionSolver)}
    if wanted and wanted not in found:
        raise ContractError(f"{file}: has no @solver {wanted!r}; it has {', '.join(found) or 'none'}")
    if not wanted and len(found) != 1:
        cure = f"name one, such as {file}:{next(iter(found))}" if found else "put @solver above its function"
        raise ContractError(f"{file}: has {len(found)} functions with @solver; {cure}")
    return found[wanted] if wanted else next(iter(found.values()))


def _load(file: Path) -> Any:
    """A Python file as a module, once."""
    absolute = file.resolve()
    name = f"tramontane_solver_{hashlib.sha256(str(absolute).encode()).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, absolute)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except TramontaneError:
        del sys.modules[name]
        raise
    except Exception as error:
        del sys.modules[name]
        raise ContractError(f"{file}: does not run ({type(error).__name__}: {error}); correct it") from error
    return module


def _find(module: str, file: str | None, name: str) -> Any:
    """A solver by where it stands, in another process."""
    if module.startswith("tramontane_solver_") and file is not None:
        return getattr(_load(Path(file)), name)
    return getattr(importlib.import_module(module), name)


def _contract(name: str, parameters: Mapping[str, str | Mapping[str, Any]], qoi: Mapping[str, str]) -> Contract:
    tables = {key: _range(name, key, value) if isinstance(value, str) else dict(value)
              for key, value in parameters.items()}  # fmt: skip
    outputs = {key: {"unit": unit} for key, unit in qoi.items()}
    return Contract.from_document(f"@solver {name}", {"name": name, "parameters": tables, "qoi": outputs})


def _range(name: str, key: str, text: str) -> dict[str, Any]:
    match = _RANGE.fullmatch(text)
    try:
        if match is not None:
            return {"low": float(match[1]), "high": float(match[2]), "unit": match[3] or ""}
    except ValueError:
        pass
    raise ContractError(f"@solver {name}: parameters.{key}: {text!r} is no range; write one such as '5 to 15 m/s'")


def _check_signature(function: Callable[..., Any], contract: Contract) -> None:
    """Raise where a function does not take the contract's parameters."""
    try:
        inspect.signature(function).bind(**dict.fromkeys(contract.parameters))
    except TypeError as error:
        raise ContractError(f"@solver {function.__name__}: takes other parameters than its contract has ({error}); "
                            "make them agree") from error  # fmt: skip
