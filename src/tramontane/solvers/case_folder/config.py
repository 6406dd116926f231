"""What a ``solver.toml`` says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from tramontane.contract import Contract
from tramontane.contract.toml import fault_of
from tramontane.errors import ContractError, UnitError
from tramontane.geometry.morph_config import read_morph
from tramontane.units import dimension, parse_quantity, si_factor, to_si

CONFIG = "solver.toml"
_WRITTEN = (".stl", ".ply", ".vtp")
_CONTRACT_KEYS = ("length_unit", "parameters", "domains", "fields", "qoi")
_BYTES = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_MEMORY = re.compile(rf"\s*(\d+(?:\.\d*)?)\s*({'|'.join(_BYTES)})\s*")


def _inside(path: str) -> str:
    if not path or PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise ValueError(f"{path!r} must be a path below the folder of the run; write one such as 'results/out.csv'")
    return path


def _regular(pattern: str) -> str:
    try:
        re.compile(pattern.encode())
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression ({error}); correct it") from error
    return pattern


def _bytes_of(text: str) -> str:
    if _MEMORY.fullmatch(text) is None:
        raise ValueError(f"{text!r} is no amount of memory; write one such as '4 GB'")
    return text


def _duration(text: str | float) -> str | float:
    try:
        if to_si(parse_quantity(text, name="time limit"), unit="s", name="time limit") > 0:
            return text
    except UnitError as error:
        raise ValueError(str(error)) from error
    raise ValueError(f"{text!r} is no duration; write one such as '30 min'")


InFolder = Annotated[str, AfterValidator(_inside)]
Pattern = Annotated[str, AfterValidator(_regular)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class GeometryTable(_Table):
    """Where a design's geometry goes, or comes from.

    Attributes:
        file: A triangle surface in the folder of the run (STL, OBJ, PLY, VTP).
        command: What makes that file of the parameters.
        morph: A ``morph.toml`` that says how parameters morph that file, see
            `tramontane.geometry.morph_config.MorphConfig`. With neither, the design's own geometry is written there.
        unit: The length unit of the file; None takes the contract's, or that of the ``morph.toml``.
    """

    file: InFolder
    command: str | None = None
    morph: InFolder | None = None
    unit: str | None = None

    @property
    def makes(self) -> bool:
        """Whether the geometry follows from parameters."""
        return self.command is not None or self.morph is not None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.command is None and not self.file.lower().endswith(_WRITTEN):
            raise ValueError(f"file {self.file!r} has a suffix that is not written; give one of {', '.join(_WRITTEN)}")
        if self.command is not None and self.morph is not None:
            raise ValueError("a command makes the geometry, and a morph.toml morphs it; give one of the two")
        if self.unit is not None and dimension(self.unit) != dimension("m"):
            raise ValueError(f"unit {self.unit!r} is no unit of length; write one such as 'mm'")
        return self


class LogTable(_Table):
    """What logs must say, and must not.

    Attributes:
        converged: A regular expression that a log of a run that counts contains.
        diverged: Regular expressions that none of them contains; the first one that is found ends the run.
        files: Logs that a program writes itself, beside what commands print.
    """

    converged: Pattern | None = None
    diverged: tuple[Pattern, ...] = ()
    files: tuple[InFolder, ...] = ()


class QoiTable(_Table):
    """Where one QoI lies.

    Attributes:
        file: A JSON, a CSV, or lines of numbers under a line of names (``#`` before it or not), below the folder of
            the run; may be a pattern (``postProcessing/drag/*/forces.dat``).
        column: The column's name, or its number from 1; of a JSON the key, with dots between those of tables in it.
        rows: Of how many last lines the mean is taken.
    """

    file: InFolder
    column: str | int
    rows: int = Field(default=1, ge=1)


class ResultsTable(_Table):
    """Where results lie, below the folder of the run.

    Attributes:
        path: A folder or file in any format that `tramontane inspect` reads; None where QoIs alone are read.
        tables: JSON and CSV files whose columns are QoIs, by name; of a CSV the last line counts.
        qoi: Single QoIs that lie elsewhere.
    """

    path: InFolder | None = None
    tables: tuple[InFolder, ...] = ()
    qoi: dict[str, QoiTable] = Field(default_factory=dict)


class SolverConfig(_Table):
    """A ``solver.toml``.

    Attributes:
        name: Of the solver, and of its contract.
        title: What it computes, in a few words.
        contract: A file that states parameters, domains, fields and QoIs; None where they stand in this file.
        templates: Text files, or patterns of them, in which ``{{ speed }}`` stands for a value.
        inputs: A JSON to be written for the commands, with every parameter by name.
        commands: Run one after the other, without a shell.
        environment: Variables that they see, beside those of this process.
        cores: How many one run keeps busy; ``{{ cores }}`` in templates and commands.
        memory: Of all its processes together, such as ``"4 GB"``; None sets no limit.
        gpus: That one run takes, where designs run on a cluster that counts them.
        licenses: That one run takes of each, by the name that the cluster counts them under.
        time_limit: Of all commands together.
        keep: Whether the folder of each run is kept.
        ignore: Names, or patterns of them, that are not copied into a run; None leaves out what an earlier run of
            OpenFOAM wrote.
        geometry: Where the geometry goes, or comes from.
        log: What logs must say.
        results: Where results lie.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    title: str = ""
    contract: InFolder | None = None
    length_unit: str | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    domains: dict[str, Any] = Field(default_factory=dict)
    fields: dict[str, Any] = Field(default_factory=dict)
    qoi: dict[str, Any] = Field(default_factory=dict)
    templates: tuple[InFolder, ...] = ()
    inputs: InFolder | None = None
    commands: tuple[str, ...] = Field(min_length=1)
    environment: dict[str, str] = Field(default_factory=dict)
    cores: int = Field(default=1, ge=1)
    memory: Annotated[str, AfterValidator(_bytes_of)] | None = None
    gpus: float = Field(default=0.0, ge=0)
    licenses: dict[str, int] = Field(default_factory=dict)
    time_limit: Annotated[str | float, AfterValidator(_duration)] = "1 h"
    keep: bool = False
    ignore: tuple[str, ...] | None = None
    geometry: GeometryTable | None = None
    log: LogTable = LogTable()
    results: ResultsTable = ResultsTable()

    @property
    def seconds(self) -> float:
        """The time limit in seconds."""
        return to_si(parse_quantity(self.time_limit, name="time limit"), unit="s", name="time limit")

    @property
    def bytes(self) -> int | None:
        """The limit of memory in bytes."""
        match = None if self.memory is None else _MEMORY.fullmatch(self.memory)
        return None if match is None else int(float(match[1]) * _BYTES[match[2]])


def read_config(file: Path) -> tuple[SolverConfig, Contract]:
    """What a ``solver.toml`` says, and the contract in it or beside it.

    Returns:
        The contract's fields, QoIs and domains have the names and units of the solver's files; see `Contract.in_si`.

    Raises:
        ContractError: Not TOML, a key that is unknown or of the wrong type, or a contract that is wrong; file and key
            are named.
    """
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise ContractError(f"{file}: does not exist; `examples/solvers` has folders to copy") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ContractError(f"{file}: cannot be read as TOML ({error}); correct it") from error
    try:
        config = SolverConfig.model_validate(data)
    except UnitError as error:
        raise ContractError(f"{file}: {error}") from error
    except ValidationError as error:
        raise ContractError(f"{file}: {fault_of(error, CONFIG)}") from error
    stated = {key: data[key] for key in _CONTRACT_KEYS if key in data}
    if config.contract is None:
        return config, _with_morph(file, config, Contract.from_document(file, {"name": config.name} | stated))
    if twice := [key for key in stated if key in data]:
        raise ContractError(f"{file}: {twice[0]}: stands in {config.contract}, too; keep one of them")
    contract = Contract.from_toml(file.parent / config.contract).model_copy(update={"name": config.name})
    return config, _with_morph(file, config, contract)


def _with_morph(file: Path, config: SolverConfig, contract: Contract) -> Contract:
    """The contract with the parameters of the ``morph.toml``."""
    if config.geometry is None or config.geometry.morph is None:
        return contract
    morph = read_morph(file.parent / config.geometry.morph)
    if twice := [name for name in morph.parameters if name in contract.parameters]:
        raise ContractError(f"{file}: parameters.{twice[0]}: stands in {config.geometry.morph}, too; keep one of them")
    unit = config.geometry.unit
    if unit is not None and si_factor(unit) != morph.metres:
        raise ContractError(f"{file}: geometry.unit: is {unit}, and length_unit in {config.geometry.morph} is "
                            f"{morph.length_unit}; correct one of them")  # fmt: skip
    return contract.model_copy(update={"parameters": contract.parameters | morph.specs})
