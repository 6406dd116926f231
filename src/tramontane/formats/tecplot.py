"""Tecplot in text (``.dat``, ``.tec``, ``.plt``): ordered and finite-element zones, of the last solution time.

Written from Tecplot's Data Format Guide: VTK's reader takes a file that is cut off for a whole one and keeps single
precision only.
"""

from __future__ import annotations

import contextlib
import math
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyvista as pv
from numpy.typing import NDArray

from tramontane.errors import FormatError, UnitError
from tramontane.formats.blocks import Named, domains
from tramontane.formats.format import Format
from tramontane.formats.isolation.checks import first_bytes
from tramontane.formats.numerals import plain, real
from tramontane.formats.results import Results
from tramontane.units import one_style

SUFFIXES = (".tec", ".plt", ".dat")
_BINARY = b"#!TDV"
_STARTS = re.compile(rb"^\s*(TITLE\s*=|VARIABLES\s*=|ZONE\b|FILETYPE\s*=)", re.IGNORECASE | re.MULTILINE)
# A record begins with one of these words; after them come key and value, in any order, over several lines.
_RECORD = re.compile(r"^\s*(TITLE|VARIABLES|ZONE|FILETYPE|TEXT|GEOMETRY|CUSTOMLABELS|DATASETAUXDATA|VARAUXDATA)\b",
                     re.IGNORECASE)  # fmt: skip
_PAIR = re.compile(r'([A-Z_]+)\s*=\s*("(?:[^"\\]|\\.)*"|\((?:[^()]|\([^()]*\))*\)|[^\s,()]+)', re.IGNORECASE)
_NUMBER = re.compile(r"^\s*[-+]?(?:\d|\.\d|nan|inf)", re.IGNORECASE)
_ELEMENTS = {  # Tecplot's kinds, and the names of older files
    "FELINESEG": (2, pv.CellType.LINE), "FETRIANGLE": (3, pv.CellType.TRIANGLE),
    "FEQUADRILATERAL": (4, pv.CellType.QUAD), "FETETRAHEDRON": (4, pv.CellType.TETRA),
    "FEBRICK": (8, pv.CellType.HEXAHEDRON),
    "LINESEG": (2, pv.CellType.LINE), "TRIANGLE": (3, pv.CellType.TRIANGLE), "QUADRILATERAL": (4, pv.CellType.QUAD),
    "TETRAHEDRON": (4, pv.CellType.TETRA), "BRICK": (8, pv.CellType.HEXAHEDRON),
}  # fmt: skip
Floats = NDArray[np.float64]


@dataclass
class _Zone:
    """A zone's header, and its numbers."""

    number: int
    line: int
    header: dict[str, str]
    values: dict[int, Floats] = field(default_factory=dict)
    cells: NDArray[np.int64] | None = None
    centred: set[int] = field(default_factory=set)
    time: float | None = None

    @property
    def name(self) -> str:
        return self.header.get("T", "").strip('" ') or f"zone {self.number}"


def is_tecplot(file: Path) -> bool:
    """Whether a file is one of Tecplot's by its content: other programs write ``.dat`` and ``.plt``, too."""
    head = first_bytes(file, 4096)
    return head.startswith(_BINARY) or _STARTS.match(re.sub(rb"^(\s*#[^\n]*\n)*", b"", head)) is not None


def read_tecplot(file: Path) -> Results:
    """Read a Tecplot file in text.

    Args:
        file: In text; the binary kind is refused.

    Returns:
        ``volume`` of the zones of solid cells, ``surface`` of the zones of faces, each a patch of its zone's name.

    Raises:
        FormatError: Cut off, binary, or with zones of polyhedra.
    """
    if not file.is_file():
        raise FormatError(f"{file}: there is no such file; check the path")
    if file.stat().st_size == 0:
        raise FormatError(f"{file}: is empty; write or copy it again")
    if first_bytes(file, len(_BINARY)) == _BINARY:
        raise FormatError(f"{file}: is Tecplot's binary kind, which is not read; export it as text (.dat)")
    if not is_tecplot(file):
        raise FormatError(f"{file}: is no Tecplot file (no TITLE, VARIABLES or ZONE); its suffix may be wrong")
    names, zones = _read(file)
    static = _static(zones)
    times = sorted({zone.time for zone in zones if zone.time is not None and zone.number not in static})
    last = [zone for zone in zones if zone.number in static or zone.time is None or zone.time == times[-1]]
    bare = _bare_names(names)
    parts = domains(file, [Named(zone.name, _mesh(file, list(bare), zone)) for zone in last])
    present = {zone.name for zone in last} | {_strand(zone) for zone in last}
    for zone in zones:
        if _strand(zone) and not {zone.name, _strand(zone)} & present:
            present.add(zone.name)
            parts.warnings.append(f"{file}: zone {zone.name} has no values at the last time, {times[-1]:g}; it is left "
                                  "out")  # fmt: skip
    units = {
        f"{domain}/{parts.renamed[name]}": unit for name, unit in bare.items() for domain, mesh in parts.meshes.items()
        if unit is not None and parts.renamed.get(name) in mesh.array_names
    }  # fmt: skip
    length = next((unit for name, unit in bare.items() if name.lower() == "x"), None)
    extra = {"time": {"value": times[-1], "step": len(times), "steps": len(times)}} if times else {}
    return Results(
        meshes=parts.meshes, units=units, length_unit=length, files=[file], warnings=parts.warnings, extra=extra
    )


def _strand(zone: _Zone) -> str:
    return zone.header.get("STRANDID", "")


def _static(zones: list[_Zone]) -> set[int]:
    """Numbers of the zones that belong to every time: those of strand 0, where others are of strands of their own."""
    if not any(_strand(zone) not in ("", "0", "-1") for zone in zones):
        return set()
    return {zone.number for zone in zones if _strand(zone) == "0"}


def _bare_names(names: list[str]) -> dict[str, str | None]:
    """The variables' names without their units, and these, in the file's order; none twice, for they name fields."""
    units: dict[str, str | None] = {}
    for name in names:
        bare, unit = _bare(name)
        while bare in units:
            bare = name if name not in units else f"{bare} again"
        units[bare] = unit
    return units


def _bare(name: str) -> tuple[str, str | None]:
    """A variable's name without the unit that stands in brackets behind it, and that unit."""
    match = re.fullmatch(r"\s*(.*?)\s*[\[(]\s*([^\[\]()]+?)\s*[\])]\s*", name)
    if match is None or not match[1]:
        return name, None
    try:
        return match[1], one_style(match[2])
    except UnitError:
        return name, None


def _read(file: Path) -> tuple[list[str], list[_Zone]]:
    """The variables' names, and the zones."""
    names: list[str] = []
    zones: list[_Zone] = []
    try:
        text = file.read_bytes().decode("utf-8", "replace")
    except OSError as error:
        raise FormatError(f"{file}: cannot be read ({error})") from error
    for line, header, start, end in _records(text):
        word = header.split(None, 1)[0].split("=")[0].upper()
        if word == "VARIABLES":
            names = [quoted or bare for quoted, bare in re.findall(r'"([^"]*)"|([^\s,="]+)', header.partition("=")[2])]
        elif word == "ZONE":
            entries = {key.upper(): value for key, value in _PAIR.findall(header)}
            zone = _Zone(len(zones) + 1, line, entries)
            zone.time = _time(file, zone)
            if not names:
                raise FormatError(f"{file}: line {line}: a zone before the names of VARIABLES; write them first")
            _fill(file, names, zone, zones, text[start:end])
            zones.append(zone)
    if not zones:
        raise FormatError(f"{file}: holds no zone; it is cut off, write or copy it again")
    return names, zones


def _records(text: str) -> Iterator[tuple[int, str, int, int]]:
    """Line, header, and where in the text the numbers after the header are, of each record."""
    starts = [match for match in re.finditer(r"^[ \t]*[A-Za-z]+", text, re.MULTILINE) if _RECORD.match(match[0] + " ")]
    for index, match in enumerate(starts):
        end = starts[index + 1].start() if index + 1 < len(starts) else len(text)
        stop = match.start()
        while stop < end:  # the header's lines
            newline = text.find("\n", stop, end)
            newline = end if newline < 0 else newline + 1
            if stop > match.start() and _NUMBER.match(text[stop : min(newline, stop + 64)]):
                break
            stop = newline
        header = re.sub(r"^\s*#.*$", "", text[match.start() : stop], flags=re.MULTILINE)
        yield text.count("\n", 0, match.start()) + 1, header.strip(), stop, end


def _fill(file: Path, names: list[str], zone: _Zone, before: list[_Zone], text: str) -> None:
    """Take a zone's numbers apart."""
    points, cells, corners = _sizes(file, zone)
    header = zone.header
    old = header.get("F", "").upper()
    block = header.get("DATAPACKING", "BLOCK" if old.endswith("BLOCK") else "POINT").upper() == "BLOCK"
    centred = _listed(file, zone, header.get("VARLOCATION", ""), "CELLCENTERED", len(names))
    shared = _shared(file, zone, before, len(names))
    passive = _listed(file, zone, header.get("PASSIVEVARLIST", ""), None, len(names))
    stored = [index for index in range(len(names)) if index not in shared and index not in passive]
    if centred and not block:
        raise FormatError(f"{file}: line {zone.line}: zone {zone.name} has cell values in DATAPACKING=POINT; "
                          "write it with BLOCK")  # fmt: skip
    lengths = [cells if index in centred else points for index in stored]
    needed = sum(lengths) if block else points * len(stored)
    own_cells = corners > 0 and "CONNECTIVITYSHAREZONE" not in header
    wanted = needed + (cells * corners if own_cells else 0)
    numbers = _numbers(file, zone, text, wanted)
    if len(numbers) != wanted:
        raise FormatError(f"{file}: line {zone.line}: zone {zone.name} has {len(numbers)} numbers, {wanted} belong to "
                          "it; the file is cut off or damaged, write or copy it again")  # fmt: skip
    if block:
        for index, part in zip(stored, np.split(numbers[:needed], np.cumsum(lengths)[:-1]) if stored else (),
                               strict=True):  # fmt: skip
            zone.values[index] = part
    else:
        table = numbers[:needed].reshape(points, len(stored))
        zone.values |= {index: np.ascontiguousarray(table[:, place]) for place, index in enumerate(stored)}
    zone.values |= shared
    zone.centred = centred
    if own_cells:
        zone.cells = numbers[needed:].astype(np.int64).reshape(cells, corners) - 1
    elif corners:
        zone.cells = _zone_of(file, zone, before, header["CONNECTIVITYSHAREZONE"]).cells


def _time(file: Path, zone: _Zone) -> float | None:
    try:
        time = real(zone.header["SOLUTIONTIME"]) if "SOLUTIONTIME" in zone.header else 0.0
    except ValueError:
        time = math.nan
    if not math.isfinite(time):
        raise FormatError(f"{file}: line {zone.line}: zone {zone.name}: its time is no number; write it again")
    return time if "SOLUTIONTIME" in zone.header else None


def _sizes(file: Path, zone: _Zone) -> tuple[int, int, int]:
    """Points, cells, and corners of a cell; no corners for an ordered zone."""
    header, kind = zone.header, _kind(zone)
    try:
        if kind == "ORDERED":
            size = [max(1, int(header.get(key, "1"))) for key in ("I", "J", "K")]
            return size[0] * size[1] * size[2], int(np.prod([max(1, each - 1) for each in size])), 0
        points, cells = (
            int(header.get("NODES", header.get("N", "-1"))),
            int(header.get("ELEMENTS", header.get("E", "-1"))),
        )
    except ValueError as error:
        raise FormatError(f"{file}: line {zone.line}: zone {zone.name}: a size is no number; write it again") from error
    if kind not in _ELEMENTS:
        raise FormatError(f"{file}: line {zone.line}: zone {zone.name} is of kind {kind[:30]}, which is not read; "
                          "export triangles, quadrilaterals, tetrahedra or bricks")  # fmt: skip
    if points < 1 or cells < 0:
        raise FormatError(f"{file}: line {zone.line}: zone {zone.name} does not say its nodes and elements; "
                          "write it again")  # fmt: skip
    return points, cells, _ELEMENTS[kind][0]


def _kind(zone: _Zone) -> str:
    header = zone.header
    finite = header.get("F", "").upper().startswith("FE")
    return header.get("ZONETYPE", header.get("ET", "") if finite or "ET" in header else "ORDERED").upper() or "ORDERED"


def _numbers(file: Path, zone: _Zone, text: str, wanted: int) -> Floats:
    """All numbers of a text; ``3*0.5`` stands for three, and is not spread out where that makes more than wanted."""
    text = re.sub(r"(?m)#.*$", "", text) if "#" in text else text
    if "*" in text:
        if sum(int(count) for count in re.findall(r"(\d{1,18})\*", text)) > wanted:
            raise FormatError(f"{file}: line {zone.line}: zone {zone.name} has more numbers than the {wanted} that "
                              "belong to it; it is damaged, write or copy it again")  # fmt: skip
        text = re.sub(r"(\d{1,18})\*(\S+)", lambda match: f"{match[2]} " * int(match[1]), text)
    text = text.replace(",", " ") if "," in text else text
    for mend in (str, plain):
        with contextlib.suppress(ValueError, DeprecationWarning), warnings.catch_warnings():
            warnings.simplefilter("error")  # NumPy warns of text that is no number, and stops there
            return np.fromstring(mend(text), dtype=np.float64, sep=" ")
    raise FormatError(f"{file}: line {zone.line}: zone {zone.name} holds text that is no number; it is damaged, "
                      "write or copy it again")  # fmt: skip


def _listed(file: Path, zone: _Zone, text: str, word: str | None, count: int) -> set[int]:
    """The variables in brackets before ``=word``, as in ``([4-6,8]=CELLCENTERED)``; all in brackets without a word."""
    indices: set[int] = set()
    if not text:
        return indices
    groups = re.findall(r"\[([\d,\s-]+)\](?:\s*=\s*(\w+))?", text)
    if not groups and word is not None and "," in text:  # one word for each variable
        words = [each.strip(" ()").upper() for each in text.split(",")]
        return {index for index, each in enumerate(words) if each == word}
    for numbers, value in groups:
        if word is not None and value.upper() != word:
            continue
        for part in numbers.split(","):
            first, _, last = part.strip().partition("-")
            if first.isdigit():
                indices |= set(range(int(first) - 1, min(int(last or first), count)))
    if any(index < 0 for index in indices):
        raise FormatError(f"{file}: line {zone.line}: zone {zone.name} lists a variable 0; write it again")
    return indices


def _shared(file: Path, zone: _Zone, before: list[_Zone], count: int) -> dict[int, Floats]:
    """Values that a zone takes from an earlier one: ``VARSHARELIST=([1-3]=1)``."""
    shared: dict[int, Floats] = {}
    for numbers, source in re.findall(r"(\[[\d,\s-]+\])\s*=\s*(\d+)", zone.header.get("VARSHARELIST", "")):
        other = _zone_of(file, zone, before, source)
        for index in _listed(file, zone, numbers, None, count):
            if index in other.values:
                shared[index] = other.values[index]
    return shared


def _zone_of(file: Path, zone: _Zone, before: list[_Zone], number: str) -> _Zone:
    if not number.isdigit() or not 0 < int(number) <= len(before):
        raise FormatError(f"{file}: line {zone.line}: zone {zone.name} shares with zone {number[:20]}, which does not "
                          "come before it; write it again")  # fmt: skip
    return before[int(number) - 1]


def _mesh(file: Path, names: list[str], zone: _Zone) -> pv.UnstructuredGrid:
    kind = _kind(zone)
    places = _coordinates(file, names, zone)
    points = np.stack([zone.values[index] if index is not None else 0 * zone.values[places[0] or 0]
                       for index in places], axis=1)  # fmt: skip
    if kind == "ORDERED":
        size = [max(1, int(zone.header.get(key, "1"))) for key in ("I", "J", "K")]
        grid = pv.StructuredGrid()
        grid.points = points
        grid.dimensions = size
        mesh = grid.cast_to_unstructured_grid()
    else:
        corners, cell = _ELEMENTS[kind]
        cells = zone.cells if zone.cells is not None else np.zeros((0, corners), np.int64)
        if cells.size and (cells.min() < 0 or cells.max() >= len(points)):
            raise FormatError(f"{file}: line {zone.line}: zone {zone.name}: an element has node "
                              f"{int(cells.max()) + 1}, nodes are 1 to {len(points)}; write it again")  # fmt: skip
        mesh = _grid(cells, cell, points)
    for index, values in zone.values.items():
        if index in places:
            continue
        if len(values) not in (mesh.n_points, mesh.n_cells):
            raise FormatError(f"{file}: zone {zone.name}: {names[index]} has {len(values)} values; write it again")
        (mesh.cell_data if index in zone.centred else mesh.point_data)[names[index]] = values
    return mesh


def _grid(cells: NDArray[np.int64], kind: Any, points: Floats) -> pv.UnstructuredGrid:
    """Cells, of which Tecplot writes those with fewer corners by naming a corner twice."""
    shapes = {
        pv.CellType.QUAD: (([0, 1, 2], [3, 2], pv.CellType.TRIANGLE),),
        pv.CellType.HEXAHEDRON: (
            ([0, 1, 2, 4], [3, 2, 5, 4, 6, 4, 7, 4], pv.CellType.TETRA),
            ([0, 1, 2, 3, 4], [5, 4, 6, 4, 7, 4], pv.CellType.PYRAMID),
            ([0, 1, 2, 4, 5, 6], [3, 2, 7, 6], pv.CellType.WEDGE),
        ),
    }.get(kind, ())
    left = np.ones(len(cells), bool)
    connectivity, kinds, order = [], [], []
    for corners, pairs, shape in shapes:
        twins = left.copy()
        for one, other in zip(pairs[::2], pairs[1::2], strict=True):
            twins &= cells[:, one] == cells[:, other]
        if twins.any():
            rows = cells[twins][:, corners]
            connectivity.append(rows)
            kinds.append(np.full(len(rows), int(shape), np.uint8))
            order.append(np.flatnonzero(twins))
            left &= ~twins
    connectivity.append(cells[left])
    kinds.append(np.full(int(left.sum()), int(kind), np.uint8))
    order.append(np.flatnonzero(left))
    flat = np.concatenate([np.column_stack([np.full(len(rows), rows.shape[1]), rows]).ravel() for rows in connectivity])
    grid = pv.UnstructuredGrid(flat, np.concatenate(kinds), points)
    back = np.argsort(np.concatenate(order), kind="stable")
    return grid if np.array_equal(back, np.arange(len(back))) else grid.extract_cells(back, progress_bar=False)


def _coordinates(file: Path, names: list[str], zone: _Zone) -> list[int | None]:
    """Which variables are x, y and z."""
    lowered = [re.sub(r"\s*[\[(].*", "", name).strip().lower() for name in names]
    columns: list[int | None] = []
    for axis in "xyz":
        spellings = (axis, f"coordinate{axis}", f"{axis}-coordinate", f"{axis}_coordinate", f"coordinate_{axis}")
        columns.append(next((index for index, name in enumerate(lowered) if name in spellings), None))
    if (
        columns[0] is None
        or columns[1] is None
        or any(index is not None and index not in zone.values for index in columns)
    ):
        raise FormatError(f"{file}: zone {zone.name} has no variables X and Y (it has {', '.join(names[:8])}); "
                          "export the coordinates, too")  # fmt: skip
    return columns


FORMATS = (
    Format("Tecplot", (".tec",), read_tecplot),
    # Other programs have these suffixes, too; CalculiX prints a ``.dat`` beside its results.
    Format("Tecplot", (".plt",), read_tecplot, recognises=is_tecplot),
    Format("Tecplot", (".dat",), read_tecplot, recognises=is_tecplot, read_with=(".frd",)),
)
