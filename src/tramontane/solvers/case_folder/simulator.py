"""A solver folder as a simulator: each design is run in a copy of it."""

from __future__ import annotations

import contextlib
import fnmatch
import functools
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyvista as pv

from tramontane.case import Case
from tramontane.contract import Contract
from tramontane.design import Design
from tramontane.errors import ContractError, GeometryError, SolverError, TramontaneError
from tramontane.formats.surfaces.geometry import read_geometry
from tramontane.formats.surfaces.morphed import MorphedGeometry
from tramontane.io.commands import Command, Ended, run_commands
from tramontane.io.hashes import file_sha256
from tramontane.io.tasks import Resources
from tramontane.solvers.case_folder.config import CONFIG, read_config
from tramontane.solvers.case_folder.outcome import (
    check_converged,
    check_ended,
    log_end,
    read_case,
    result_files,
    stamps_of,
)
from tramontane.solvers.case_folder.placeholders import (
    CORES,
    filled,
    names_in,
    read_template,
    template_files,
    words_of,
    written,
)
from tramontane.solvers.common import dimensions_of
from tramontane.units import Quantity, from_si, si_factor

_NEVER_COPIED = (".git", "__pycache__")
_OF_EARLIER_RUNS = ("log.*", "postProcessing", "processor[0-9]*", "[1-9]*", "0.[0-9]*")  # in a case of OpenFOAM
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_ANSWER = {"commands", "environment", "templates", "inputs", "geometry", "log", "results"}  # what it depends on
_INPUTS = "design.json"
_TO_READ = 2**30  # bytes that it takes to read results, beside the commands' own


def open_folder(folder: str | os.PathLike[str]) -> FolderSolver:
    """The solver of a folder with a ``solver.toml``; a `ParametricFolderSolver` where it makes its geometry itself.

    Args:
        folder: Or that file itself.

    Raises:
        ContractError: The file is wrong, a template or a program is missing, or a placeholder and the parameters do not
            agree; file and key are named.
    """
    path = Path(folder)
    path = path.parent if path.name == CONFIG else path
    config, _ = read_config(path / CONFIG)
    makes = config.geometry is not None and config.geometry.makes
    return ParametricFolderSolver(path) if makes else FolderSolver(path)


class FolderSolver:
    """A simulator that copies a folder, writes a design's values into it, runs commands, and reads what they wrote.

    Args:
        folder: Which has a ``solver.toml``, see `tramontane.solvers.case_folder.config.SolverConfig`.

    Attributes:
        config: What that file says.
        folder: Its absolute path.

    Raises:
        ContractError: See `open_folder`.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder).resolve()
        self.file = self.folder / CONFIG
        self.config, self._of_files = read_config(self.file)
        self._contract = self._of_files.in_si()
        self._templates = template_files(self.folder, self.config.templates, self.file)
        self._morphed = self._open_morph()
        self._check_placeholders()
        self._check_results()
        self._check_programs()

    @property
    def contract(self) -> Contract:
        """What goes in and what comes out, in SI."""
        return self._contract

    @property
    def needs_geometry(self) -> bool:
        """Whether each design must come with a geometry."""
        return self.config.geometry is not None and not self.config.geometry.makes

    @property
    def resources(self) -> Resources:
        """What one design takes, with the process that reads its results."""
        config = self.config
        memory = None if config.bytes is None else config.bytes + _TO_READ
        return Resources(config.cores, memory, config.gpus, config.licenses)

    @property
    def time_limit(self) -> float:
        """Seconds after which a design is ended."""
        return self.config.seconds

    @functools.cached_property
    def fingerprint(self) -> str:
        """A hash of all files, and of what ``solver.toml`` says of the answer: whether two runs are of one solver."""
        parts = [self._of_files.model_dump_json(), self.config.model_dump_json(include=_ANSWER)]
        for file in sorted(self.folder.rglob("*")):
            relative = file.relative_to(self.folder)
            if file.is_file() and file != self.file and not _matches(relative.parts, self._ignored()):
                parts.append(f"{relative.as_posix()} {file_sha256(file)}")
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def simulate(self, design: Design) -> Case:
        """The case of one design, run in a folder of its own.

        Raises:
            ContractError: A parameter or the geometry is missing, unknown or in a wrong unit.
            SolverError: The run failed, was ended at a limit, diverged, or left no results that can be used; with the
                end of its log.
        """
        values = self._values(design)
        with self._run_folder() as run:
            return self._simulated(design, values, run)

    @contextlib.contextmanager
    def _run_folder(self) -> Iterator[Path]:
        """A new folder; what fails in it is a `SolverError` that names files relative to it."""
        run = Path(tempfile.mkdtemp(prefix=f"tramontane-{self.config.name}-"))
        kept = f"; its folder is kept: {run}" if self.config.keep else ""
        try:
            yield run
        except TramontaneError as error:
            text = str(error).replace(f"{run}{os.sep}", "")
            raise SolverError(f"{self.config.name}: {text}{kept}") from error
        finally:
            if not self.config.keep:
                shutil.rmtree(run, ignore_errors=True)

    def _simulated(self, design: Design, values: dict[str, float], run: Path) -> Case:
        config = self.config
        self._copy(run, values, whole=True)
        commands = [self._command(text, values, run) for text in config.commands]
        logs = [*(run / file for file in config.log.files), *dict.fromkeys(command.log for command in commands)]
        for file in [*result_files(run, config), *logs]:  # of an earlier run, which may have converged
            file.unlink(missing_ok=True)
        geometry, spent = self._geometry(design, values, run)
        before = stamps_of(run)
        ended = self._run(commands, run, config.seconds - (spent or 0.0))
        check_ended(ended, commands, config)
        check_converged(logs, config.log.converged)
        try:
            case = read_case(run, config, self._of_files, values, geometry, before)
        except TramontaneError as error:
            raise SolverError(f"{error}{log_end(commands[-1].log)}") from error
        case.design = Design(geometry, **{name: Quantity(from_si(value, spec.unit), spec.unit) for name, value in
                                          values.items() for spec in [self._contract.parameters[name]]})  # fmt: skip
        extra = case.provenance.extra
        seconds = {} if spent is None else {"geometry": round(spent, 3)}
        for command, each in zip(commands, ended.seconds, strict=True):
            program = command.log.name.removeprefix("log.")
            seconds[program] = round(seconds.get(program, 0.0) + each, 3)
        extra["seconds"] = seconds
        if "warnings" in extra:
            extra["warnings"] = [warning.replace(f"{run}{os.sep}", "") for warning in extra["warnings"]]
        extra |= {"memory": ended.memory} if ended.memory else {}
        extra |= {"converged": True} if config.log.converged else {}
        extra |= {"run_folder": str(run)} if config.keep else {}
        extra["solver_folder"] = self.fingerprint
        case.provenance.sources = {}  # the files are gone with the folder
        case.provenance.solver = case.provenance.solver or config.name
        return case

    # --- what is checked before the first run

    def _open_morph(self) -> MorphedGeometry | None:
        table = self.config.geometry
        if table is None or table.morph is None:
            return None
        try:
            return MorphedGeometry(self.folder / table.file, self.folder / table.morph)
        except GeometryError as error:
            raise ContractError(f"{self.file}: geometry: {error}") from error

    def _check_placeholders(self) -> None:
        """Raise where a placeholder is no parameter, or a parameter goes nowhere."""
        used: set[str] = set()
        for template in self._templates:
            file = self.folder / template
            used |= set(names_in(read_template(file), str(file), self._contract))
        for key, text in self._texts():
            used |= set(names_in(text, f"{self.file}: {key}", self._contract))
        makes = self.config.geometry is not None and self.config.geometry.command is not None
        for name, spec in self._contract.parameters.items():
            goes = name in used or self.config.inputs is not None or (makes and spec.role == "geometry")
            goes = goes or (self._morphed is not None and name in self._morphed.parameters)
            if not goes and (spec.role == "operating" or (spec.role == "geometry" and self.config.geometry is None)):
                raise ContractError(f"{self.file}: parameters.{name}: {{{{ {name} }}}} stands in no template and no "
                                    "command; write it where the value goes, or give inputs = \"design.json\" for a "
                                    "script that reads it")  # fmt: skip

    def _check_results(self) -> None:
        for name in self.config.results.qoi:
            if name not in self._contract.qoi:
                raise ContractError(f"{self.file}: results.qoi.{name}: is no QoI (known are "
                                    f"{', '.join(self._contract.qoi) or 'none'}); add [qoi.{name}], or correct the "
                                    "name")  # fmt: skip

    def _check_programs(self) -> None:
        """Raise where a program is missing."""
        path = self._environment()["PATH"]
        for key, text in self._texts():
            program = words_of(text, f"{self.file}: {key}")[0]
            if os.sep in program and not os.path.isabs(program):
                found: str | None = program
                if not (self.folder / program).is_file():
                    raise ContractError(f"{self.file}: {key}: {self.folder / program} does not exist; correct the name")
                if not os.access(self.folder / program, os.X_OK):
                    raise ContractError(f"{self.file}: {key}: {self.folder / program} may not be run; "
                                        f"`chmod +x {program}`")  # fmt: skip
            else:
                found = shutil.which(program, path=path)
            if found is None:
                cure = f"write ./{program}" if (self.folder / program).is_file() else "install it, or correct the name"
                raise ContractError(f"{self.file}: {key}: program {program!r} is not on the path; {cure}")

    def _texts(self) -> list[tuple[str, str]]:
        """Commands by the key that states them."""
        geometry = self.config.geometry
        made = [] if geometry is None or geometry.command is None else [("geometry.command", geometry.command)]
        return made + [(f"commands.{index}", text) for index, text in enumerate(self.config.commands, start=1)]

    # --- one run

    def _values(self, design: Design) -> dict[str, float]:
        if not self.needs_geometry:
            return self._contract.values(design.with_geometry(None))
        if design.geometry is None:
            raise ContractError(f"{self.config.name}: each design needs a geometry, and this one has none; give one")
        return self._contract.values(design)

    def _copy(self, run: Path, values: Mapping[str, float], *, whole: bool) -> None:
        """Copy the folder and write values into it; into all of its templates, or those whose values are known."""
        ignored = self._ignored()

        def left_out(place: str, names: list[str]) -> list[str]:
            top = Path(place) == self.folder
            return [name for name in names if _matches((name,) if top else ("", name), ignored)]

        shutil.copytree(self.folder, run, ignore=left_out, dirs_exist_ok=True, symlinks=True)
        for template in self._templates:
            text = read_template(self.folder / template)
            names = {name for name in names_in(text, str(template), self._contract) if name != CORES}
            if lacking := sorted(names - set(values)):
                if whole:
                    raise ContractError(f"{template}: {{{{ {lacking[0]} }}}} has no value; give parameter {lacking[0]}")
                continue
            _write(run, template, filled(text, values, self._contract, self.config.cores))
        inputs = self._inputs()
        if inputs is not None:
            numbers = {name: json.loads(written(value, spec.unit, integer=spec.integer)) for name, value in
                       values.items() for spec in [self._contract.parameters[name]]}  # fmt: skip
            (run / inputs).parent.mkdir(parents=True, exist_ok=True)
            _write(run, Path(inputs), json.dumps(numbers, indent=1) + "\n")

    def _inputs(self) -> str | None:
        makes = self.config.geometry is not None and self.config.geometry.command is not None
        return self.config.inputs or (_INPUTS if makes else None)

    def _geometry(
        self, design: Design, values: Mapping[str, float], run: Path
    ) -> tuple[pv.PolyData | None, float | None]:
        """The geometry, metres, which lies in its place now; and for how many seconds a command ran for it."""
        table = self.config.geometry
        if table is None:
            return None, None
        file, unit = run / table.file, table.unit or self._of_files.length_unit
        if not table.makes:
            assert design.geometry is not None
            shape = read_geometry(design.geometry, length_unit=design.length_unit or self._of_files.length_unit).mesh \
                if isinstance(design.geometry, Path) else design.geometry  # fmt: skip
            file.parent.mkdir(parents=True, exist_ok=True)
            shape.scale(1 / si_factor(unit), inplace=False).triangulate().save(file)
            return shape, None
        if self._morphed is not None:
            return self._morphed.write(self._morphed.design(values), file), None
        assert table.command is not None
        file.unlink(missing_ok=True)
        file.parent.mkdir(parents=True, exist_ok=True)
        command = self._command(table.command, values, run)
        ended = self._run([command], run, self.config.seconds)
        check_ended(ended, [command], self.config)
        if not file.is_file():
            raise SolverError(f"geometry.command wrote no {table.file}; correct geometry.file{log_end(command.log)}")
        try:
            return read_geometry(file, length_unit=unit).mesh, sum(ended.seconds)
        except GeometryError as error:
            raise SolverError(f"{error}{log_end(command.log)}") from error

    def _command(self, text: str, values: Mapping[str, float], run: Path) -> Command:
        argv = tuple(filled(word, values, self._contract, self.config.cores)
                     for word in words_of(text, f"{self.file}: commands"))  # fmt: skip
        return Command(argv, run / f"log.{Path(argv[0]).name}")

    def _run(self, commands: Sequence[Command], run: Path, seconds: float) -> Ended:
        return run_commands(
            commands, run, environment=self._environment(), seconds=max(seconds, 0.0), memory=self.config.bytes,
            diverged=self.config.log.diverged, watched=[run / file for file in self.config.log.files],
            remove=None if self.config.keep else run,
        )  # fmt: skip

    def _environment(self) -> dict[str, str]:
        """That of this process; ``python`` is the Python that runs it, and libraries have as many threads as cores."""
        environment = dict(os.environ) | dict.fromkeys(_THREADS, str(self.config.cores))
        places = [os.path.dirname(sys.executable), environment.get("PATH", os.defpath)]
        environment["PATH"] = os.pathsep.join(filter(None, places))
        return environment | self.config.environment

    def _ignored(self) -> tuple[str, ...]:
        if self.config.ignore is not None:
            return self.config.ignore
        return _OF_EARLIER_RUNS if (self.folder / "system" / "controlDict").is_file() else ()


class ParametricFolderSolver(FolderSolver):
    """A `FolderSolver` that makes, or morphs, its geometry by the parameters; a `tramontane.simulator.Parametric`."""

    def geometry(self, design: Design) -> pv.PolyData:
        """The closed surface of a design, metres, without solving.

        Raises:
            ContractError: A dimension is missing, or in a wrong unit.
            SolverError: The command that makes it failed, with the end of its log; or what is morphed is no body.
        """
        constants = {name: spec.low for name, spec in self._contract.parameters.items() if spec.role == "constant"}
        values = constants | dimensions_of(self._contract, design)
        if self._morphed is not None:
            try:
                return self._morphed.geometry(self._morphed.design(values))
            except GeometryError as error:
                raise SolverError(f"{self.config.name}: {error}") from error
        with self._run_folder() as run:
            self._copy(run, values, whole=False)
            shape, _ = self._geometry(design, values, run)
        assert shape is not None
        return shape


def _write(run: Path, name: Path, text: str) -> None:
    """Write a file of a run; a link in its place is replaced, and what it leads to stays as it is.

    Raises:
        ContractError: It lies behind a link to a folder elsewhere.
    """
    file = run / name
    if file.is_symlink():
        file.unlink()
    if not file.resolve().is_relative_to(run.resolve()):
        raise ContractError(f"{name}: lies in a folder that is a link to another place; put the folder itself there")
    file.write_bytes(text.encode())


def _matches(parts: tuple[str, ...], ignored: Sequence[str]) -> bool:
    """Whether a path, relative to the folder, is left out: its first part by a pattern, any by what is never copied."""
    return any(part in _NEVER_COPIED for part in parts) or any(fnmatch.fnmatchcase(parts[0], each) for each in ignored)
