"""What the published layouts have in common: small CSV files, names of fields, official splits, what is missing."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyvista as pv

from tramontane.errors import FormatError
from tramontane.formats.results import CaseSource
from tramontane.formats.tables.table import QOI
from tramontane.formats.vtk.meshes import read_mesh
from tramontane.units import Quantity

Mesh: TypeAlias = pv.PolyData | pv.UnstructuredGrid
Rows = dict[str, dict[str, Quantity]]

# Names of OpenFOAM's fields, less "Mean" and a suffix of the data set: ours, and the unit once the density is in.
OPENFOAM = {
    "p": ("pressure", "Pa"),
    "U": ("velocity", "m/s"),
    "wallShearStress": ("wall_shear_stress", "Pa"),
    "static(p)_coeff": ("pressure_coefficient", ""),
    "total(p)_coeff": ("total_pressure_coefficient", ""),
    "Cp": ("pressure_coefficient", ""),
    "Cpt": ("total_pressure_coefficient", ""),
    "CpT": ("total_pressure_coefficient", ""),
    "nut": ("turbulent_viscosity", "m^2/s"),
    "k": ("turbulent_kinetic_energy", "m^2/s^2"),
    "omega": ("specific_dissipation_rate", "1/s"),
    "vorticity": ("vorticity", "1/s"),
    "yPlus": ("y_plus", ""),
    "UPrime2": ("reynolds_stress", "m^2/s^2"),
    "pPrime2": ("pressure_variance", "Pa^2"),
}
_FACTOR = {"pressure": 1, "wall_shear_stress": 1, "pressure_variance": 2}  # powers of the density
_MISSING = 0.1  # up to this share of the cases, it is the case that is left out, not what it lacks


# -- meshes ---------------------------------------------------------------------------------------------------------


def read_domain(file: Path, domain: str) -> Mesh:
    """The one mesh of a file; a surface comes as polygons, whatever its file holds it as.

    Raises:
        FormatError: The file is damaged.
    """
    mesh = read_mesh(file)
    drop(mesh, "Normals")  # no field: whoever needs them takes them from the mesh
    if domain == "surface" and isinstance(mesh, pv.UnstructuredGrid):
        mesh = mesh.extract_surface(algorithm="dataset_surface", pass_pointid=False, pass_cellid=False)
    return mesh


def drop(mesh: Mesh, *names: str) -> None:
    """Remove fields where they are."""
    for data in (mesh.point_data, mesh.cell_data):
        for name in names:
            if name in data.keys():  # noqa: SIM118 (PyVista's data does not iterate over its names)
                del data[name]


def rename_fields(
    mesh: Mesh, names: Mapping[str, tuple[str, str]], base: Callable[[str], str] = lambda name: name
) -> dict[str, str]:
    """Give known fields our names; one that stands at points and at cells is kept at cells, where it was computed.

    Args:
        mesh: Changed in place.
        names: Our name and unit, by what ``base`` makes of the file's name.
        base: Takes off what a data set adds to names.

    Returns:
        Units by field, of those that were known.
    """
    at_cells = set(mesh.cell_data.keys())
    for name in list(mesh.point_data.keys()):
        if name in at_cells:
            del mesh.point_data[name]
    units: dict[str, str] = {}
    for data in (mesh.cell_data, mesh.point_data):
        # A mean comes before what is left of the last time step, should both be there.
        for name in sorted(data.keys(), key=lambda name: "Mean" not in name):
            target, unit = names.get(base(name), ("", ""))
            if not target or target in units:
                continue
            if target != name:
                data[target] = data[name]
                del data[name]
            units[target] = unit
    return units


def openfoam_base(name: str) -> str:
    """The name of an OpenFOAM field without "Mean" and the "Trim" that DrivAerML adds."""
    return name.removesuffix("Trim").removesuffix("Mean")


def from_kinematic(mesh: Mesh, density: float) -> None:
    """Pressure and shear divided by density, as incompressible OpenFOAM has them, into Pa; shear acts on the wall.

    OpenFOAM's ``wallShearStress`` points against the flow along the wall; ours is the force of the fluid on the wall.
    """
    for data in (mesh.point_data, mesh.cell_data):
        for name, power in _FACTOR.items():
            if name in data.keys():  # noqa: SIM118 (PyVista's data does not iterate over its names)
                values = np.asarray(data[name])
                factor = density**power * (-1.0 if name == "wall_shear_stress" else 1.0)
                if factor != 1.0:
                    values *= values.dtype.type(factor)


def extruded(outline: pv.PolyData) -> pv.PolyData:
    """A closed body of the thickness of its length, of a plane surface: 2D data needs a geometry as 3D data does."""
    length = float(np.ptp(np.asarray(outline.points), axis=0).max())
    bare = pv.PolyData(np.asarray(outline.points), faces=outline.faces)
    body = bare.extrude((0.0, 0.0, length), capping=True).triangulate().clean()
    body.points = body.points - np.array([0.0, 0.0, length / 2], dtype=body.points.dtype)
    return body


# -- tables ---------------------------------------------------------------------------------------------------------


def read_rows(file: Path) -> list[dict[str, str]]:
    """The lines of a CSV file by the names of its columns; blanks around both are taken off.

    Raises:
        FormatError: Not a CSV file, no lines, or a line of another length than the first.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
        rows = [[cell.strip() for cell in row] for row in csv.reader(text.splitlines())]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FormatError(f"{file}: cannot be read as CSV ({error}); download it again") from error
    lines = [(number, row) for number, row in enumerate(rows, start=1) if any(row)]
    if len(lines) < 2:
        raise FormatError(f"{file}: has no line of values below its names; download it again")
    names = lines[0][1]
    while names and not names[-1]:
        names = names[:-1]
    for number, row in lines[1:]:
        if len(row) < len(names) or any(row[len(names) :]):
            raise FormatError(
                f"{file}: line {number} has {len(row)} values for {len(names)} columns; download it again"
            )
    return [dict(zip(names, row, strict=False)) for _, row in lines[1:]]


def number(file: Path, row: Mapping[str, str], column: str) -> float:
    """A finite number of a row.

    Raises:
        FormatError: The column is missing, or its entry is no finite number.
    """
    if column not in row:
        raise FormatError(f"{file}: has no column {column!r}, it has {', '.join(row)}; download it again")
    try:
        value = float(row[column])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise FormatError(f"{file}: column {column} has {row[column]!r}, which is no finite number; download it again")
    return value


def key_of(row: Mapping[str, str], file: Path, columns: Sequence[str]) -> str:
    """What names a row: the entry of the first of some columns that there is, whatever its case.

    Raises:
        FormatError: There is none.
    """
    lower = {name.lower(): value for name, value in row.items()}
    for column in columns:
        if column.lower() in lower:
            return lower[column.lower()]
    raise FormatError(f"{file}: has no column {columns[0]!r}, it has {', '.join(row)}; download it again")


# -- cases ----------------------------------------------------------------------------------------------------------


def listed(names: Iterable[str], most: int = 4) -> str:
    """A few names, and how many more there are."""
    every = list(names)
    rest = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + rest


def in_agreement(
    sources: Sequence[CaseSource], table: Rows, notes: list[str]
) -> tuple[list[CaseSource], dict[str, dict[str, Quantity]]]:
    """Cases that all have the same parameters and QoIs, as a contract needs them.

    What more than a tenth of the cases lack is left out of the table; a case that lacks what the others have is left
    out itself. Both are noted.
    """
    columns = sorted({column for source in sources for column in table.get(source.name, {})})
    kept: list[str] = []
    without: dict[str, list[str]] = {}
    for column in columns:
        lacking = [source.name for source in sources if column not in table.get(source.name, {})]
        if len(lacking) > _MISSING * len(sources):
            label = f"QoI {column.removeprefix(QOI)}" if column.startswith(QOI) else f"parameter {column}"
            notes.append(f"{label} is left out: {len(lacking)} of {len(sources)} cases have none ({listed(lacking)}).")
        else:
            kept.append(column)
            for name in lacking:
                without.setdefault(name, []).append(column.removeprefix(QOI))
    if without:
        lacked = sorted({column for missing in without.values() for column in missing})
        notes.append(f"Left out for want of {listed(lacked)} ({len(without)}): {listed(without)}.")
    sources = [source for source in sources if source.name not in without]
    return sources, {source.name: {key: table.get(source.name, {})[key] for key in kept} for source in sources}


def common_files(
    sources: Mapping[str, Mapping[str, Path]], kinds: Mapping[str, str], notes: list[str]
) -> tuple[list[str], list[str]]:
    """Which kinds of files nearly all cases have, and which cases have all of these.

    Args:
        sources: By case, the files there are by kind.
        kinds: What each kind is called, in words, by kind; ``surface`` is "boundary files".
        notes: Gets a sentence for each kind and for the cases that are left out.

    Returns:
        Kinds that are read, and names of the cases.
    """
    kept: list[str] = []
    for kind, words in kinds.items():
        lacking = [name for name, files in sources.items() if kind not in files]
        if len(lacking) == len(sources):
            notes.append(f"There are no {words}: {kind} is not read.")
        elif len(lacking) > _MISSING * len(sources):
            notes.append(f"{words.capitalize()} are not read: {len(lacking)} of {len(sources)} cases have none "
                         f"({listed(lacking)}).")  # fmt: skip
        else:
            kept.append(kind)
    names = [name for name, files in sources.items() if all(kind in files for kind in kept)]
    if out := [name for name in sources if name not in names]:
        words = " or ".join(kinds[kind] for kind in kept)
        notes.append(f"Left out for want of {words} ({len(out)}): {listed(out)}.")
    return kept, names


# -- splits ---------------------------------------------------------------------------------------------------------


def read_json(file: Path) -> Any:
    """A JSON document.

    Raises:
        FormatError: It cannot be read.
    """
    try:
        return json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise FormatError(f"{file}: cannot be read as JSON ({error}); download it again") from error


def split_lists(file: Path, document: Any) -> dict[str, list[str]]:
    """The lists of case names in a manifest of splits, by key.

    Raises:
        FormatError: It is something else.
    """
    if not isinstance(document, dict) or not all(
        isinstance(names, list) and all(isinstance(name, str) for name in names) for names in document.values()
    ):
        raise FormatError(f"{file}: is no table of lists of case names; download it again")
    return document


def choose(
    file: Path | str, names: Sequence[str], wanted: str | None, notes: list[str], *, what: str = "splits"
) -> str:
    """The set of official splits that is asked for, else the first.

    Raises:
        FormatError: There is none of that name.
    """
    if wanted is not None and wanted not in names:
        raise FormatError(f"{file}: has no {what} {wanted!r}; choose one of {', '.join(names)}")
    chosen = wanted or names[0]
    if len(names) > 1:
        notes.append(f"Official {what}: {chosen!r} of {', '.join(names)}.")
    return chosen


def present(
    splits: Mapping[str, Sequence[str]], sources: Sequence[CaseSource], notes: list[str]
) -> dict[str, list[str]]:
    """Official splits of the cases that are here; which are not here and which are in none is noted."""
    names = {source.name for source in sources}
    kept = {split: [name for name in cases if name in names] for split, cases in splits.items()}
    absent = [name for cases in splits.values() for name in cases if name not in names]
    if absent:
        every = sum(len(cases) for cases in splits.values())
        notes.append(f"Of the {every} cases of the official splits, {len(absent)} are not here: {listed(absent)}.")
    loose = sorted(names - {name for cases in kept.values() for name in cases})
    if loose and any(kept.values()):
        notes.append(f"In none of these splits ({len(loose)}): {listed(loose)}.")
    return {split: cases for split, cases in kept.items() if cases}


def no_other_splits(layout: str, wanted: str | None) -> None:
    """Refuse a set of splits by name where the data set has none, or one only.

    Raises:
        FormatError: One was asked for.
    """
    if wanted is not None:
        raise FormatError(f"{layout}: has no sets of splits to choose from; leave {wanted!r} out")
