"""What a run came to: a case, or the reason why there is none, with the end of its log."""

from __future__ import annotations

import math
import re
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyvista as pv

from tramontane.case import Case
from tramontane.contract import Contract
from tramontane.dataset.ingest.case_qoi import add_defined_qoi
from tramontane.errors import SolverError
from tramontane.formats.assemble import assemble
from tramontane.formats.collection import read_file
from tramontane.formats.folder import read_results
from tramontane.formats.results import Results
from tramontane.io.commands import Command, Ended
from tramontane.solvers.case_folder.config import SolverConfig
from tramontane.solvers.case_folder.numbers import one_number, table_numbers
from tramontane.units import Quantity, from_si

Stamps = Mapping[Path, tuple[int, int]]
"""When each file was changed last (ns), and its size."""

_LINES, _LONGEST = 8, 160  # of the end of a log, in a message
_LOG_END = 1 << 16  # bytes


def stamps_of(folder: Path) -> Stamps:
    """Of all files below a folder."""
    found = {}
    for file in folder.rglob("*"):
        if file.is_file() and not file.is_symlink():
            stat = file.stat()
            found[file] = stat.st_mtime_ns, stat.st_size
    return found


def check_ended(ended: Ended, commands: Sequence[Command], config: SolverConfig) -> None:
    """Raise why commands did not end well.

    Raises:
        SolverError: With the end of the log.
    """
    if ended.how == "done":
        return
    command = commands[ended.command]
    seconds = ended.seconds[-1] if ended.seconds else 0.0
    # A shell, and mpirun, give 128 and the signal's number for a program that was killed.
    number = -ended.code if ended.code < 0 else ended.code - 128
    if ended.how == "exit" and number in set(signal.Signals):
        said = f"was ended by {signal.Signals(number).name} after {seconds:.3g} s"
        if number == signal.SIGKILL:
            said += " (by a person, or by the system for want of memory)"
    else:
        said = {
            "exit": f"ended with exit code {ended.code} after {seconds:.3g} s",
            "missing": f"could not be started ({ended.reason})",
            "time": f"was not done within the time limit of {config.time_limit}; it was ended",
            "memory": f"took {ended.memory / 1e9:.3g} GB of memory, {config.memory} are allowed; it was ended",
            "diverged": f"diverged: its log says {ended.reason!r}",
            "lost": "was ended with the process that watched it",
        }[ended.how]
    raise SolverError(f"command `{' '.join(command.argv)}` {said}{log_end(command.log)}")


def check_converged(logs: Sequence[Path], pattern: str | None) -> None:
    """Raise where no log says what a run that converged says.

    Raises:
        SolverError: With the end of the last log.
    """
    if pattern is None:
        return
    written = [log for log in logs if log.is_file()]
    if not any(re.search(pattern.encode(), log.read_bytes(), re.MULTILINE) for log in written):
        where = f"in {written[0].name}" if len(written) == 1 else "in any of its logs"
        raise SolverError(f"did not converge: {pattern!r} is not {where}{log_end(logs[-1])}")


def log_end(log: Path) -> str:
    """The last lines of a log, as they are added to a message; empty where there are none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _LOG_END))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    lines = [line.strip()[:_LONGEST] for line in text.splitlines() if line.strip()]
    return f"; {log.name} ends: {' | '.join(lines[-_LINES:])}" if lines else f"; {log.name} is empty"


def result_files(run: Path, config: SolverConfig) -> list[Path]:
    """What of a folder is written by a run alone: it is deleted before one."""
    asked = [config.results.path, *config.results.tables, *(table.file for table in config.results.qoi.values())]
    found = [file for pattern in asked if pattern not in (None, ".") for file in run.glob(pattern) if file.is_file()]
    place = run.resolve()  # what a link to a folder elsewhere leads to is not the run's
    return [file for file in found if file.parent.resolve().is_relative_to(place)]


def read_case(
    run: Path,
    config: SolverConfig,
    contract: Contract,
    values: Mapping[str, float],
    geometry: pv.PolyData | None,
    before: Stamps,
) -> Case:
    """The case of a run that ended well.

    Args:
        run: Its folder.
        config: Of the solver.
        contract: In the names and units of its files.
        values: Parameters in SI.
        geometry: Metres.
        before: Of the files that were there before the run.

    Raises:
        TramontaneError: Results are missing, old, damaged or not finite; file and field are named.
    """
    path = config.results.path or ("." if contract.fields else None)
    found = Results() if path is None else _read(run, path, before)
    if not contract.fields:
        found.meshes = {}
    found.geometry = None
    found.parameters = {
        spec.source or name: Quantity(from_si(values[name], spec.unit), spec.unit)
        for name, spec in contract.parameters.items() if name in values
    }  # fmt: skip
    names = {name: spec.source or name for name, spec in contract.qoi.items()}
    for pattern in config.results.tables:
        found.qoi |= table_numbers(_written(run, pattern, "results.tables"), names.values())
    for name, table in config.results.qoi.items():
        found.qoi[names[name]] = one_number(_written(run, table.file, f"results.qoi.{name}"), table)
    for name, source in names.items():
        if source not in found.qoi and contract.qoi[name].definition is None:
            remarks = "".join(f"; {remark}" for remark in found.warnings)
            raise SolverError(f"QoI {name}: no number {source!r} is in the results (they have "
                              f"{', '.join(found.qoi) or 'none'}){remarks}; give its place in [results.qoi.{name}] of "
                              "solver.toml")  # fmt: skip
    given = contract.model_copy(update={
        "parameters": {name: spec for name, spec in contract.parameters.items() if name in values}
    })  # fmt: skip
    case = assemble(config.name, run, found, contract=given)
    add_defined_qoi(case, contract.in_si(), geometry)
    for name, value in case.qoi.items():
        if not math.isfinite(value):
            raise SolverError(f"QoI {name} is {value}; the run diverged")
    case.qoi = {name: case.qoi[name] for name in contract.qoi}
    return case


def _read(run: Path, path: str, before: Stamps) -> Results:
    place = run if path == "." else _written(run, path, "results.path", folder=True)
    found = read_results(place) if place.is_dir() else read_file(place)
    logs = [file for file in found.files if file.name.startswith("log.")]
    changed = [file for file in found.files if file not in logs and file.is_file() and before.get(file) != _stamp(file)]
    if not changed:
        raise SolverError(f"results.path: {path} holds no results of this run; correct it, or "
                          "what the commands write")  # fmt: skip
    return found


def _stamp(file: Path) -> tuple[int, int]:
    stat = file.stat()
    return stat.st_mtime_ns, stat.st_size


def _written(run: Path, pattern: str, key: str, *, folder: bool = False) -> Path:
    """The file that a pattern means; the last one by name where it means several."""
    matching = sorted((file for file in run.glob(pattern) if folder or file.is_file()), key=_by_number)
    if not matching:
        raise SolverError(f"{key}: the commands did not write {pattern}; correct it, or the commands")
    return matching[-1]


def _by_number(path: Path) -> list[tuple[int, float, str]]:
    """Numbers in names count as such: ``out_10.vtu`` comes after ``out_9.vtu``."""
    words = re.findall(r"\d+|\D+", str(path))
    return [(0, float(word), "") if word.isdigit() else (1, 0.0, word) for word in words]
