"""Dumps of LAMMPS and LIGGGHTS in text: the particles of one step, with the fields that their columns name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyvista as pv
from numpy.typing import NDArray

from tramontane.errors import FormatError
from tramontane.formats.format import Format
from tramontane.formats.isolation.checks import first_bytes
from tramontane.formats.results import Results

SUFFIXES = (".lammpstrj", ".dump")
_HEAD = b"ITEM: "
_LONGEST_LINE = 1 << 16
# What the names of columns are called here, or what they are a component of.
_VECTORS = {
    "velocity": ("vx", "vy", "vz"), "force": ("fx", "fy", "fz"), "angular_velocity": ("omegax", "omegay", "omegaz"),
    "torque": ("tqx", "tqy", "tqz"), "angular_momentum": ("angmomx", "angmomy", "angmomz"),
    "dipole_moment": ("mux", "muy", "muz"), "image": ("ix", "iy", "iz"),
}  # fmt: skip
# Positions, best first: in the box, unwrapped, scaled by the box, and both.
_PLACES = (("x", "y", "z", False), ("xu", "yu", "zu", False), ("xs", "ys", "zs", True), ("xsu", "ysu", "zsu", True))
_UNITS = {  # of the styles of units whose numbers are plain units
    "si": {"length": "m", "velocity": "m/s", "force": "N", "mass": "kg", "density": "kg/m^3", "time": "s",
           "angular_velocity": "1/s", "torque": "N*m"},
    "cgs": {"length": "cm", "velocity": "cm/s", "force": "dyn", "mass": "g", "density": "g/cm^3", "time": "s",
            "angular_velocity": "1/s", "torque": "dyn*cm"},
    "real": {"length": "angstrom", "velocity": "angstrom/femtosecond", "mass": "g/mol", "density": "g/cm^3",
             "time": "femtosecond"},
    "metal": {"length": "angstrom", "velocity": "angstrom/picosecond", "mass": "g/mol", "density": "g/cm^3",
              "time": "picosecond"},
    "micro": {"length": "um", "velocity": "um/us", "mass": "picogram", "density": "picogram/um^3", "time": "us"},
    "nano": {"length": "nm", "velocity": "nm/ns", "mass": "attogram", "density": "attogram/nm^3", "time": "ns"},
}  # fmt: skip
_LENGTHS = ("radius", "diameter")


def is_dump(file: Path) -> bool:
    """Whether a file is a dump by its name, ``dump.*`` or with one of the suffixes, and starts as one does."""
    name = file.name.lower()
    if not (name.startswith("dump.") or name.endswith(SUFFIXES)):
        return False
    return file.is_file() and first_bytes(file, len(_HEAD)) in (_HEAD, b"")


def last_of_series(files: Sequence[Path]) -> list[Path]:
    """Files without the earlier steps of a simulation that wrote each step to a file of its own (``dump.1000``)."""
    last: dict[tuple[Path, str], tuple[int, Path]] = {}
    others = []
    for file in files:
        match = re.fullmatch(r"(.*?)(\d+)((?:\.[A-Za-z]\w*)?)", file.name)
        if match is None or not is_dump(file):
            others.append(file)
            continue
        key, step = (file.parent, f"{match[1]}*{match[3]}"), int(match[2])
        if key not in last or last[key][0] < step:
            last[key] = step, file
    return sorted([*others, *(file for _, file in last.values())])


def read_lammps(file: Path, *, step: int | None = None) -> Results:
    """Read the particles of one step.

    Args:
        file: A dump in text, with as many steps as there are.
        step: The time step wanted; the last one if None.

    Returns:
        ``particles`` in their places in the box. Units are those that the dump names (``dump_modify units yes``).

    Raises:
        FormatError: Cut off, no dump, or without such a step.
    """
    if not file.is_file():
        raise FormatError(f"{file}: there is no such file; check the path")
    if file.stat().st_size == 0:
        raise FormatError(f"{file}: is empty; write or copy it again")
    with file.open("rb") as stream:
        if stream.read(len(_HEAD)) != _HEAD:
            raise FormatError(f"{file}: is no dump in text (no 'ITEM:' at its start); write it with dump custom")
        stream.seek(0)
        frame, steps = _find(file, stream, step)
        values = _table(file, stream, frame)
    return _results(file, frame, steps, values)


class _Frame:
    """The head of one step, and where its table starts."""

    def __init__(self) -> None:
        self.step, self.count, self.start, self.number = -1, -1, -1, 0
        self.units, self.shape = "", ""
        self.box: list[list[float]] = []
        self.columns: list[str] = []
        self.time: float | None = None


def _find(file: Path, stream: IO[bytes], step: int | None) -> tuple[_Frame, int]:
    """Go from head to head; rows are skipped as bytes, and counted."""
    chosen, steps, units, line = None, 0, "", 0
    size = file.stat().st_size
    while True:
        frame, line, units = _head(file, stream, line, units)
        if frame is None:
            break
        steps += 1
        frame.start, frame.number = stream.tell(), steps
        if frame.count * 2 * len(frame.columns) > size - frame.start + 1:
            raise FormatError(f"{file}: step {frame.step} has {frame.count} particles, but the file ends before; "
                              "it is cut off, write or copy it again")  # fmt: skip
        if step is None or frame.step == step:
            chosen = frame
        _skip(file, stream, frame)
        line += frame.count
    if chosen is None:
        raise FormatError(f"{file}: has no step {step}; leave the step out for the last one" if steps else
                          f"{file}: is cut off before its first step; write or copy it again")  # fmt: skip
    return chosen, steps


def _head(file: Path, stream: IO[bytes], line: int, units: str) -> tuple[_Frame | None, int, str]:
    frame = _Frame()
    any_read = False
    while True:
        text = _line(stream)
        line += 1
        if not text and not any_read:
            return None, line, units
        if not text.startswith(_HEAD) or len(text) >= _LONGEST_LINE:
            raise FormatError(f"{file}: line {line}: 'ITEM:' was expected, found {_shown(text)}; "
                              "it is cut off or damaged, write or copy it again")  # fmt: skip
        any_read = True
        item = text[len(_HEAD) :].decode("ascii", "replace").strip()
        if item.startswith(("ATOMS", "ENTRIES")):
            frame.columns = item.split()[1:]
            break
        count = 3 if item.startswith("BOX BOUNDS") else 1
        rows = [_line(stream) for _ in range(count)]
        line += count
        try:
            if item == "UNITS":
                units = rows[0].decode("ascii", "replace").strip()
            elif item == "TIME":
                frame.time = float(rows[0])
            elif item == "TIMESTEP":
                frame.step = int(rows[0])
            elif item.startswith("NUMBER OF"):
                frame.count = int(rows[0])
            elif item.startswith("BOX BOUNDS"):
                frame.shape = item.removeprefix("BOX BOUNDS").strip()
                frame.box = [[float(word) for word in row.split()] for row in rows]
        except ValueError as error:
            raise FormatError(f"{file}: line {line}: {item} is no number; it is cut off or damaged, write or copy it "
                              "again") from error  # fmt: skip
    widths = {len(row) for row in frame.box}
    if frame.count < 0 or frame.step < 0 or not frame.columns or len(widths) > 1 or not widths <= {2, 3, 4}:
        raise FormatError(f"{file}: line {line}: the head of a step is incomplete; write or copy the dump again")
    frame.units = units
    return frame, line, units


def _line(stream: IO[bytes]) -> bytes:
    return stream.readline(_LONGEST_LINE)


def _shown(text: bytes) -> str:
    return repr(text[:40].decode("ascii", "replace").strip()) if text else "the end"


def _skip(file: Path, stream: IO[bytes], frame: _Frame) -> None:
    """Pass over the rows of a step, a megabyte at a time."""
    left = frame.count
    while left > 0:
        at = stream.tell()
        block = stream.read(1 << 20)
        if not block:
            raise FormatError(f"{file}: step {frame.step} ends after {frame.count - left} of {frame.count} particles; "
                              "it is cut off, write or copy it again")  # fmt: skip
        ends = np.flatnonzero(np.frombuffer(block, np.uint8) == 10)
        if len(ends) >= left:
            stream.seek(at + int(ends[left - 1]) + 1)
            return
        left -= len(ends)


def _table(file: Path, stream: IO[bytes], frame: _Frame) -> dict[str, NDArray[Any]]:
    """The columns of a step, words (the names of elements) as text."""
    stream.seek(frame.start)
    if frame.count == 0:
        raise FormatError(f"{file}: step {frame.step} has no particles; leave the case out")
    first = stream.readline(_LONGEST_LINE).split()
    width = len(frame.columns)
    stream.seek(frame.start)
    numeric = [index for index, word in enumerate(first[:width]) if _is_number(word)]
    try:
        table = np.loadtxt(
            stream, dtype=np.float64, max_rows=frame.count, ndmin=2, comments=None,
            usecols=numeric if len(numeric) < width else None,
        )  # fmt: skip
    except (ValueError, OverflowError) as error:
        reason = " ".join(str(error).split())[:120]
        raise FormatError(f"{file}: step {frame.step}: its rows do not fit its columns ({reason}); "
                          "write or copy the dump again") from error  # fmt: skip
    if len(table) != frame.count or table.shape[1] != len(numeric) or len(first) != width:
        raise FormatError(f"{file}: step {frame.step} names {width} columns and {frame.count} particles and has "
                          f"{len(first)} and {len(table)}; write or copy the dump again")  # fmt: skip
    return {frame.columns[index]: np.ascontiguousarray(table[:, place]) for place, index in enumerate(numeric)}


def _is_number(word: bytes) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _results(file: Path, frame: _Frame, steps: int, values: dict[str, NDArray[Any]]) -> Results:
    left = [name for name in frame.columns if name not in values]
    warnings = [f"{file}: column {name} is text and is left out" for name in left]
    mesh = pv.PolyData(_points(file, frame, values))
    order = np.argsort(values["id"], kind="stable") if "id" in values else None
    for name, parts in _VECTORS.items():
        if set(parts) <= set(values):
            values[name] = np.stack([values.pop(part) for part in parts], axis=1)
    for name in [each for each in values if re.fullmatch(r"[xyz](u|s|su)?", each)]:
        del values[name]
    for name, column in values.items():
        whole = np.isfinite(column).all() and name in ("id", "type", "mol", "proc", "image")
        mesh.point_data[name] = column.astype(np.int64) if whole else column
    if order is not None:  # processors write in any order, which changes from step to step
        mesh = _ordered(mesh, order)
    units = _UNITS.get(frame.units, {})
    if frame.units and not units:
        warnings.append(f"{file}: units {frame.units} have no dimension here; name the units in a contract")
    elif not frame.units:
        warnings.append(f"{file}: does not say its units (dump_modify units yes); name them in a contract")
    stated = {**units, **{name: units["length"] for name in _LENGTHS if units}}
    extra: dict[str, Any] = {"timestep": frame.step, "box": frame.box, "boundaries": frame.shape}
    extra["time"] = {"step": frame.number, "steps": steps} | ({} if frame.time is None else {"value": frame.time})
    if frame.units:
        extra["units"] = frame.units
    return Results(
        meshes={"particles": mesh}, length_unit=units.get("length"), files=[file], extra=extra, warnings=warnings,
        units={f"particles/{name}": stated[name] for name in mesh.point_data.keys() if name in stated},  # noqa: SIM118
    )  # fmt: skip


def _ordered(mesh: pv.PolyData, order: NDArray[np.int64]) -> pv.PolyData:
    ordered = pv.PolyData(np.asarray(mesh.points)[order])
    for name in mesh.point_data.keys():  # noqa: SIM118 (PyVista's data does not iterate over its names)
        ordered.point_data[name] = np.asarray(mesh.point_data[name])[order]
    return ordered


def _points(file: Path, frame: _Frame, values: dict[str, NDArray[Any]]) -> NDArray[np.float64]:
    """Where the particles are; scaled places are undone with the box."""
    for x, y, z, scaled in _PLACES:
        if x in values and y in values:
            flat = np.zeros_like(values[x])
            places = np.stack([values[x], values[y], values.get(z, flat)], axis=1)
            return _unscaled(file, frame, places) if scaled else places
    raise FormatError(f"{file}: has no columns with places (x y z, xu yu zu or xs ys zs); dump them, too")


def _unscaled(file: Path, frame: _Frame, places: NDArray[np.float64]) -> NDArray[np.float64]:
    if len(frame.box) != 3 or len(frame.box[0]) > 3:
        raise FormatError(f"{file}: has scaled places and no box by its bounds; dump x y z")
    low, high = (np.array([row[side] for row in frame.box]) for side in (0, 1))
    if len(frame.box[0]) < 3:
        return np.asarray(low + places * (high - low))
    # A box that leans: the bounds are those of the box around it.
    xy, xz, yz = (row[2] for row in frame.box)
    low = low - [min(0.0, xy, xz, xy + xz), min(0.0, yz), 0.0]
    high = high - [max(0.0, xy, xz, xy + xz), max(0.0, yz), 0.0]
    edges = np.array([[high[0] - low[0], 0, 0], [xy, high[1] - low[1], 0], [xz, yz, high[2] - low[2]]])
    return np.asarray(low + places @ edges)


FORMATS = (Format("LAMMPS dump", SUFFIXES, read_lammps, claims=is_dump),)
