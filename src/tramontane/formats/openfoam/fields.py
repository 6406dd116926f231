"""OpenFOAM's fields: values in the cells, and on each patch of the boundary."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tramontane.errors import FormatError
from tramontane.formats.openfoam.dictionaries import Dictionary, FoamFile, lookup, numbers, words
from tramontane.formats.openfoam.files import AGAIN, beginning, load
from tramontane.formats.openfoam.mesh import Patch, PolyMesh
from tramontane.formats.openfoam.patches import (
    COMPONENTS,
    MIRRORS,
    PatchShape,
    prescribed,
    read_values,
    values_on,
)

# What the package calls OpenFOAM's fields.
NAMES = {
    "p": "pressure", "U": "velocity", "T": "temperature", "rho": "density", "k": "turbulent_kinetic_energy",
    "omega": "specific_dissipation_rate", "epsilon": "turbulent_dissipation_rate", "nut": "eddy_viscosity",
    "mut": "dynamic_eddy_viscosity", "wallShearStress": "wall_shear_stress", "yPlus": "y_plus",
    "wallHeatFlux": "wall_heat_flux", "D": "displacement", "sigma": "stress", "sigmaEq": "von_mises",
}  # fmt: skip
# Function objects write these on walls alone, with zeros in the cells.
ON_WALLS = ("wallShearStress", "yPlus", "wallHeatFlux")
KINEMATIC_PRESSURE = (0.0, 2.0, -2.0, 0.0, 0.0, 0.0, 0.0)
# In the order of the package (xx, yy, zz, xy, yz, xz); files have xx, xy, xz, yy, yz, zz.
_SYMMETRIC = [0, 3, 5, 1, 4, 2]
_CLASSES = {
    "volScalarField": "scalar", "volVectorField": "vector", "volSphericalTensorField": "sphericalTensor",
    "volSymmTensorField": "symmTensor", "volTensorField": "tensor",
}  # fmt: skip
_BASE_UNITS = ("kg", "m", "s", "K", "mol", "A", "cd")
_UNITS = {
    (0, 1, -1, 0, 0, 0, 0): "m/s", (1, -1, -2, 0, 0, 0, 0): "Pa", (0, 0, 0, 0, 0, 0, 0): "", (0, 0, 0, 1, 0, 0, 0): "K",
    (1, -3, 0, 0, 0, 0, 0): "kg/m^3", (0, 2, -1, 0, 0, 0, 0): "m^2/s", (1, 0, -3, 0, 0, 0, 0): "W/m^2",
}  # fmt: skip
# What may stand between the brackets in place of exponents: units, and the names that newer versions have.
_DIMENSIONS = {
    **{name: tuple(np.eye(7)[index].tolist()) for name, index in (
        ("kg", 0), ("m", 1), ("s", 2), ("K", 3), ("mol", 4), ("kmol", 4), ("A", 5), ("cd", 6),
        ("mass", 0), ("length", 1), ("time", 2), ("temperature", 3), ("moles", 4), ("current", 5))},
    "Hz": (0, 0, -1, 0, 0, 0, 0), "N": (1, 1, -2, 0, 0, 0, 0), "Pa": (1, -1, -2, 0, 0, 0, 0),
    "J": (1, 2, -2, 0, 0, 0, 0), "W": (1, 2, -3, 0, 0, 0, 0), "1": (0,) * 7, "dimensionless": (0,) * 7,
    "velocity": (0, 1, -1, 0, 0, 0, 0), "acceleration": (0, 1, -2, 0, 0, 0, 0), "pressure": (1, -1, -2, 0, 0, 0, 0),
    "kinematicPressure": (0, 2, -2, 0, 0, 0, 0), "density": (1, -3, 0, 0, 0, 0, 0), "force": (1, 1, -2, 0, 0, 0, 0),
    "area": (0, 2, 0, 0, 0, 0, 0), "volume": (0, 3, 0, 0, 0, 0, 0), "energy": (1, 2, -2, 0, 0, 0, 0),
    "power": (1, 2, -3, 0, 0, 0, 0), "kinematicViscosity": (0, 2, -1, 0, 0, 0, 0),
    "dynamicViscosity": (1, -1, -1, 0, 0, 0, 0),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Field:
    """A field as its files have it.

    Attributes:
        name: OpenFOAM's.
        dimensions: Exponents of kg, m, s, K, mol, A and cd.
        cells: ``(cells,)`` or ``(cells, components)`` values.
        boundary: The same of each patch's faces, by patch name; only those that were asked for.
        conditions: Of each patch that the file names: the condition's type, and its value where all faces have one.
        files: Read for it.
        warnings: What was taken instead of a value that the files do not have.
    """

    name: str
    dimensions: tuple[float, ...]
    cells: NDArray[Any]
    boundary: dict[str, NDArray[Any]]
    conditions: dict[str, tuple[str, list[float]]]
    files: tuple[Path, ...]
    warnings: tuple[str, ...]


def kind_of(file: Path) -> str:
    """The class in a file's header, empty where it has none."""
    try:
        return FoamFile(file, beginning(file)).read_header().get("class", [""])[0]  # type: ignore[no-any-return]
    except (FormatError, IndexError, KeyError):
        return ""


def is_field(kind: str) -> bool:
    """Whether a class is that of a field on cells."""
    return kind.removesuffix("::Internal") in _CLASSES


def unit_of(dimensions: Sequence[float]) -> str:
    """The SI unit of exponents of kg, m, s, K, mol, A and cd."""
    unit = _UNITS.get(tuple(int(each) if each == int(each) else each for each in dimensions))  # type: ignore[arg-type]
    if unit is not None:
        return unit
    pairs = zip(_BASE_UNITS, dimensions, strict=True)
    return "*".join(unit if power == 1 else f"{unit}^{power:g}" for unit, power in pairs if power != 0)


def read_field(
    files: Sequence[Path],
    parts: Sequence[PolyMesh],
    wanted: Sequence[str],
    shapes: dict[tuple[int, str], PatchShape],
    root: Path,
) -> Field:
    """Read one field, from as many files as the case has parts.

    Args:
        files: One a part.
        parts: The meshes.
        wanted: Names of the patches whose values are wanted.
        shapes: Of each part's patches, kept for the next field.
        root: Of the case.

    Raises:
        FormatError: Cut off, of another length than the mesh, without dimensions, or of another kind in another part.
    """
    cells: NDArray[Any] | None = None
    boundary: dict[str, list[NDArray[Any]]] = {}
    conditions: dict[str, tuple[str, list[float]]] = {}
    notes: dict[str, None] = {}
    start, first = 0, None
    for number, (file, part) in enumerate(zip(files, parts, strict=True)):
        opened = FoamFile(file, load(file), root=root)
        opened.read_header()
        kind = _CLASSES.get(opened.word("class").removesuffix("::Internal"))
        if kind is None:
            raise FormatError(
                f"{file}: is a {opened.word('class') or 'file without class'}, no field on cells; {AGAIN}"
            )
        entries = opened.entries()
        dimensions = _dimensions(file, entries)
        if first is None:
            first = kind, dimensions
        elif first != (kind, dimensions):
            raise FormatError(f"{file}: has another class or other dimensions than {files[0]}; {AGAIN}")
        inside = entries.get("internalField", entries.get("value"))
        if inside is None:
            left = [note for note in opened.notes if "entry internalField " in note or "entry value " in note]
            raise FormatError(left[0] if left else f"{file}: has no internalField; {AGAIN}")
        notes |= dict.fromkeys(opened.notes)
        own = read_values(file, "internalField", inside, kind, part.cells)
        if cells is None:
            cells = np.empty((sum(mesh.cells for mesh in parts), COMPONENTS[kind]), dtype=own.dtype)
        cells[start : start + part.cells] = own
        start += part.cells
        stated = entries.get("boundaryField")
        if not isinstance(stated, dict):
            if opened.word("class").endswith("::Internal"):
                continue
            raise FormatError(f"{file}: has no boundaryField; {AGAIN}")
        for patch in part.patches:
            condition = _condition(stated, patch)
            if patch.count and condition is not None:
                conditions[patch.name] = prescribed(condition)
            if patch.name in wanted:
                if condition is None:
                    raise FormatError(f"{file}: its boundaryField says nothing of patch {patch.name}; {AGAIN}")
                shape = shapes.setdefault((number, patch.name), PatchShape(part, patch))
                values = values_on(file, condition, patch, kind, own, shape, notes)
                boundary.setdefault(patch.name, []).append(values)
    if cells is None or first is None:
        raise FormatError(f"{root}: has no parts; copy the case whole")
    return Field(
        name=files[0].name.removesuffix(".gz"),
        dimensions=first[1],
        cells=_ordered(cells, first[0]),
        boundary={name: _ordered(np.concatenate(values), first[0]) for name, values in boundary.items()},
        conditions=conditions,
        files=tuple(files),
        warnings=tuple(notes),
    )


def _condition(conditions: Dictionary, patch: Patch) -> Dictionary | None:
    """What a field's file says of a patch: by its name, by one of its groups, or by a pattern; None where nothing."""
    condition = conditions.get(patch.name) if not isinstance(conditions.get(patch.name), list) else None
    for group in reversed(patch.groups):
        condition = condition if condition is not None else conditions.get(group)
    condition = condition if condition is not None else lookup(conditions, patch.name)
    if isinstance(condition, dict):
        return condition
    if patch.type in MIRRORS or patch.type in ("cyclic", "wedge", "empty"):  # the mesh alone says what holds there
        return {"type": [patch.type]}
    return None


def _dimensions(file: Path, entries: Dictionary) -> tuple[float, ...]:
    given = entries.get("dimensions")
    bracketed = next((item for item in given if isinstance(item, tuple)), None) if isinstance(given, list) else None
    if bracketed is None:
        raise FormatError(f"{file}: has no dimensions; add a line such as dimensions [0 1 -1 0 0 0 0]; for m/s")
    exponents = numbers(bracketed)
    if len(exponents) == len(bracketed) in (5, 7) and all(
        math.isfinite(each) and abs(each) < 100 for each in exponents
    ):
        return tuple(exponents + [0.0] * (7 - len(exponents)))
    powers, sign = np.zeros(7), 1
    for word in re.findall(r"[*/]|[^*/\s]+", " ".join(words(bracketed))):
        if word in "*/":
            sign = -1 if word == "/" else 1
            continue
        name, _, power = word.partition("^")
        try:
            powers += sign * np.array(_DIMENSIONS[name]) * float(power or 1)
        except (KeyError, ValueError):
            break
        sign = 1
    else:
        return tuple(powers.tolist())  # [] has no dimension
    raise FormatError(f"{file}: its dimensions are [{' '.join(words(bracketed))[:60]}], 7 exponents were expected, "
                      "such as [0 1 -1 0 0 0 0] for m/s")  # fmt: skip


def _ordered(values: NDArray[Any], kind: str) -> NDArray[Any]:
    """In the package's order of components, a scalar as ``(n,)``."""
    values = values[:, _SYMMETRIC] if kind == "symmTensor" else values
    return np.ascontiguousarray(values[:, 0] if values.shape[1] == 1 else values)
