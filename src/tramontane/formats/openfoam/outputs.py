"""What an OpenFOAM run says beside its fields: forces and coefficients, residuals, whether it converged, its version.

Function objects write tables below ``postProcessing/NAME/START``; their names and columns differ between OpenFOAM v1912
and later (openfoam.com), and the versions of the OpenFOAM Foundation (openfoam.org).
"""

from __future__ import annotations

import math
import mmap
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tramontane.errors import FormatError
from tramontane.formats.openfoam.files import AGAIN
from tramontane.units import Quantity

_COEFFICIENTS = re.compile(r"(coefficient|forceCoeffs)(_[\d.e+-]+)?\.dat")
_FORCES = re.compile(r"(forces?)(_[\d.e+-]+)?\.dat")
_MOMENTS = re.compile(r"moment(_[\d.e+-]+)?\.dat")
_RESIDUALS = re.compile(r"(solverInfo|residuals)(_[\d.e+-]+)?\.dat")
_AXLES = {"(f)": "_front", "(r)": "_rear"}
_AXES = "xyz"
_BLOCK = 1 << 22  # bytes of a log that one time step may take
_RESIDUAL = re.compile(rb"Solving for ([\w.:]+), Initial residual = ([^\s,]+),")
_CONVERGED = re.compile(rb"(?:SIMPLE|PIMPLE|PISO) solution converged in (\d+) iterations")
_BUILD = re.compile(rb"Build\s*:\s*(?:OPENFOAM=)?([^\s]+)")


@dataclass
class Outputs:
    """What was found.

    Attributes:
        qoi: Coefficients without unit, forces in N and moments in N m; the mean over a window where one was given.
        extra: Residuals, reference values, parts of the forces.
        files: Read for it.
        warnings: What to mind.
    """

    qoi: dict[str, Quantity] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Table:
    """Columns by the words of the header's last line, the header's other entries, and rows of numbers."""

    columns: list[str]
    header: dict[str, str]
    rows: NDArray[np.float64]


def read_outputs(folder: Path, time: float, window: float | None = None, region: str = "") -> Outputs:
    """Forces, coefficients and residuals at a time.

    Args:
        folder: Of the case.
        time: The last row up to it counts.
        window: Where given, QoIs are means over so much time before ``time``.
        region: Whose outputs are meant, where the case has several.

    Raises:
        FormatError: A table is damaged.
    """
    outputs = Outputs()
    folder = folder / "postProcessing" / region
    coefficients, forces = _tables(folder, _COEFFICIENTS), _tables(folder, _FORCES)
    for name, files in coefficients.items():
        table = _joined(files, _read_named)
        picked = _picked(outputs, files[-1], table, time, window)
        if picked is None:
            continue
        prefix = "" if len(coefficients) == 1 else f"{name}_"
        for column, value in zip(table.columns[1:], picked[1:], strict=True):
            ending = column[-3:]
            key = prefix + (column[:-3] + _AXLES[ending] if ending in _AXLES else column)
            _add(outputs, files[-1], key, value, "")
        if table.header:
            outputs.extra.setdefault("reference_values", {})[name] = table.header
    for name, files in forces.items():
        prefix = "" if len(forces) == 1 else f"{name}_"
        both = files[-1].name.startswith("forces")
        moments = [] if both else [file.with_name(file.name.replace("force", "moment", 1)) for file in files]
        for label, tables in (("force", files), ("moment", [file for file in moments if file.is_file()])):
            if not tables:
                continue
            table = _joined(tables, _read_bare)
            picked = _picked(outputs, tables[-1], table, time, window)
            if picked is None:
                continue
            for each, parts in _vectors(tables[-1], table, picked[1:], both, label).items():
                outputs.extra.setdefault("forces", {}).setdefault(name, {})[each] = {
                    part: vector.tolist() for part, vector in parts.items()
                }
                for axis, value in zip(_AXES, parts["total"], strict=True):
                    _add(outputs, tables[-1], f"{prefix}{each}_{axis}", value, "N" if each == "force" else "N*m")
    for files in _tables(folder, _RESIDUALS).values():
        table = _joined(files, _read_named)
        picked = _picked(outputs, files[-1], table, time, None)
        if picked is None:
            continue
        initial = any(column.endswith("_initial") for column in table.columns)
        for column, value in zip(table.columns[1:], picked[1:], strict=True):
            if math.isfinite(value) and (column.endswith("_initial") or not initial):
                outputs.extra.setdefault("residuals", {})[column.removesuffix("_initial")] = float(value)
    return outputs


def read_log(folder: Path, application: str, time: float, time_name: str, outputs: Outputs) -> str:
    """Residuals, convergence and the version from a run's log, into what was found before.

    Args:
        folder: Of the case.
        application: The solver's name.
        time: Whose residuals are wanted.
        time_name: The same as OpenFOAM writes it.
        outputs: Residuals in it are kept: a function object writes them with more digits.

    Returns:
        The program's version, empty where no log says.
    """
    logs = [file for file in (folder / f"log.{application}", *sorted(folder.glob("log.*Foam"))) if file.is_file()]
    logs = [file for file in dict.fromkeys(logs) if file.name != "log.potentialFoam" and file.stat().st_size]
    if not logs:
        return ""
    log = logs[0]
    outputs.files.append(log)
    try:
        with log.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as text:
            build = _BUILD.search(text[:4096])
            block, number = _step(text, time_name.encode(), time)
            # A variable that is solved for several times in a step starts with the first one's residual.
            residuals: dict[str, float] = {}
            for name, value in _RESIDUAL.findall(block):
                try:
                    residuals.setdefault(name.decode("ascii", "replace"), float(value))
                except ValueError:
                    continue
            if residuals:
                outputs.extra["residuals"] = residuals | outputs.extra.get("residuals", {})
            end = text[max(0, len(text) - _BLOCK) :]
            if (done := _CONVERGED.search(end)) is not None:
                outputs.extra["converged"] = True
                outputs.extra["iterations"] = int(done[1])
            if b"FOAM FATAL" in end:
                outputs.warnings.append(f"{log}: the run ended in a FATAL error; check it before you rely on this case")
            if not residuals and number is None:
                outputs.warnings.append(f"{log}: has no time {time_name}; residuals of this case are not known")
    except (OSError, ValueError) as error:
        raise FormatError(f"{log}: cannot be read ({error}); {AGAIN}") from error
    if build is None:
        return ""
    version = build[1].decode("ascii", "replace")
    return f"v{version}" if re.fullmatch(r"\d{4}", version) else version


def _step(text: Any, name: bytes, time: float) -> tuple[bytes, float | None]:
    """What a log says of one time step, from the last ``Time = `` of that time to the next."""
    position = len(text)
    while True:
        position = text.rfind(b"\nTime = " + name, 0, position)
        if position < 0:
            return b"", None
        after = text[position + 8 + len(name) : position + 10 + len(name)]
        if after[:1] in (b"\n", b"\r", b" ", b"") or after[:1] == b"s":
            break
    end = text.find(b"\nTime = ", position + 1)
    end = end if end >= 0 else len(text)
    return text[position : min(end, position + _BLOCK)], time


def _tables(folder: Path, pattern: re.Pattern[str]) -> dict[str, list[Path]]:
    """Files of one kind by function object, in the order in which runs were started."""
    tables: dict[str, list[tuple[float, Path]]] = {}
    for start in sorted(folder.glob("*/*/")) if folder.is_dir() else ():
        try:
            begin = float(start.name)
        except ValueError:
            continue
        if math.isfinite(begin):
            for file in sorted(start.iterdir()):
                if pattern.fullmatch(file.name) and file.is_file():
                    tables.setdefault(start.parent.name, []).append((begin, file))
    return {name: [file for _, file in sorted(files)] for name, files in tables.items()}


def _read_named(file: Path) -> _Table:
    return _read(file, lambda line: line)


def _read_bare(file: Path) -> _Table:
    return _read(file, lambda line: line.replace("(", " ").replace(")", " "))


def _read(file: Path, cleaned: Callable[[str], str]) -> _Table:
    columns: list[str] = []
    header: dict[str, str] = {}
    rows: list[list[float]] = []
    try:
        with file.open(encoding="utf-8", errors="replace") as stream:
            for line in stream:
                if line.startswith("#"):
                    body = line[1:].strip()
                    key, colon, value = body.partition(":")
                    if body.startswith("Time"):
                        columns = cleaned(body).split()
                    elif colon:
                        header[key.strip()] = value.strip()
                elif line.strip():
                    rows.append([_number(word) for word in line.replace("(", " ").replace(")", " ").split()])
    except OSError as error:
        raise FormatError(f"{file}: cannot be read ({error.strerror}); {AGAIN}") from error
    # A run that was killed leaves half a line.
    while len(rows) > 1 and len(rows[-1]) != len(rows[0]):
        rows.pop()
    if len({len(row) for row in rows}) > 1:
        wrong = next(index for index, row in enumerate(rows) if len(row) != len(rows[0]))
        raise FormatError(
            f"{file}: row {wrong + 1} has {len(rows[wrong])} numbers, the first has {len(rows[0])}; {AGAIN}"
        )
    width = len(rows[0]) if rows else 0
    return _Table(columns, header, np.array(rows, dtype=np.float64).reshape(len(rows), width))


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return math.nan  # names of linear solvers, N/A, true


def _joined(files: Sequence[Path], read: Callable[[Path], _Table]) -> _Table:
    """The tables of several starts of one run, later ones over earlier ones."""
    tables = [read(file) for file in files]
    last = next((table for table in reversed(tables) if len(table.rows)), tables[-1])
    fitting = [table.rows for table in tables if len(table.rows) and table.rows.shape[1] == last.rows.shape[1]]
    kept: list[NDArray[np.float64]] = []
    for rows in fitting:
        kept = [before[before[:, 0] < rows[0, 0]] for before in kept] + [rows]
    return _Table(last.columns, last.header, np.concatenate(kept) if kept else last.rows)


def _picked(
    outputs: Outputs, file: Path, table: _Table, time: float, window: float | None
) -> NDArray[np.float64] | None:
    """The last row up to a time, or the mean of those in the window before it, each weighted by its step."""
    outputs.files.append(file)
    if table.columns and len(table.rows) and not file.name.startswith("forces") and (
        len(table.columns) != table.rows.shape[1]
    ):  # fmt: skip
        raise FormatError(f"{file}: has {table.rows.shape[1]} columns, its header names {len(table.columns)}; {AGAIN}")
    slack = 1e-6 * abs(time) + 1e-12
    rows = table.rows[table.rows[:, 0] <= time + slack] if table.rows.size else table.rows
    if len(rows) == 0 or not table.columns:
        what = f"says nothing of time {time:g} or before" if len(table.rows) and table.columns else (
            "has no rows of numbers" if table.columns else "has no line that names its columns"
        )  # fmt: skip
        outputs.warnings.append(f"{file}: {what}; it is left out")
        return None
    if window is None:
        if rows[-1, 0] < time - slack:
            outputs.warnings.append(f"{file}: ends at time {rows[-1, 0]:g}, the fields are of time {time:g}")
        return np.asarray(rows[-1])
    rows = rows[rows[:, 0] > time - window - slack]
    if len(rows) == 0:
        outputs.warnings.append(f"{file}: has no row in the time over which fields were averaged; it is left out")
        return None
    steps = np.diff(np.concatenate([[time - window], rows[:, 0]]))
    steps = steps if steps.sum() > 0 and (steps >= 0).all() else np.ones(len(rows))
    return np.asarray(steps @ rows / steps.sum())


def _vectors(
    file: Path, table: _Table, values: NDArray[np.float64], both: bool, label: str
) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Forces and moments by part (``pressure``, ``viscous``, ``porous``, ``total``)."""
    if both:  # forces.dat: all parts of the force, then all parts of the moment
        if len(values) not in (12, 18):
            raise FormatError(f"{file}: has {len(values)} numbers a row, 12 or 18 were expected; {AGAIN}")
        vectors = values.reshape(2, -1, 3)
        parts = ("pressure", "viscous", "porous")[: vectors.shape[1]]
        return {
            each: {"total": part.sum(axis=0)} | dict(zip(parts, part, strict=True))
            for each, part in zip(("force", "moment"), vectors, strict=True)
        }
    by_name = dict(zip(table.columns[1:], values, strict=True))
    sums = {
        part: np.array([by_name[f"{part}_{axis}"] for axis in _AXES])
        for part in ("total", "pressure", "viscous", "porous", "internal")
        if all(f"{part}_{axis}" in by_name for axis in _AXES)
    }
    if "total" not in sums:
        raise FormatError(f"{file}: has no columns total_x, total_y and total_z; write it anew, or delete it")
    return {label: sums}


def _add(outputs: Outputs, file: Path, name: str, value: float, unit: str) -> None:
    if math.isfinite(value):
        outputs.qoi[name] = Quantity(float(value), unit)
    else:
        outputs.warnings.append(f"{file}: {name} is {value}; it is left out")
