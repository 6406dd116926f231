"""OpenFOAM's fields: values in the cells, and what each patch of the boundary holds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tramontane.errors import FormatError
from tramontane.formats.openfoam_files import AGAIN, beginning, load
from tramontane.formats.openfoam_mesh import Patch, PolyMesh
from tramontane.formats.openfoam_text import Dictionary, FoamFile, Numbers, lookup, numbers, words

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
_COMPONENTS = {"scalar": 1, "vector": 3, "sphericalTensor": 1, "symmTensor": 6, "tensor": 9}
_MIRRORS = ("slip", "symmetry", "symmetryPlane", "basicSymmetry")
_BASE_UNITS = ("kg", "m", "s", "K", "mol", "A", "cd")
_UNITS = {
    (0, 1, -1, 0, 0, 0, 0): "m/s", (1, -1, -2, 0, 0, 0, 0): "Pa", (0, 0, 0, 0, 0, 0, 0): "", (0, 0, 0, 1, 0, 0, 0): "K",
    (1, -3, 0, 0, 0, 0, 0): "kg/m^3", (0, 2, -1, 0, 0, 0, 0): "m^2/s", (1, 0, -3, 0, 0, 0, 0): "W/m^2",
}  # fmt: skip
_BASE_NAMES = {"kg": 0, "m": 1, "s": 2, "K": 3, "mol": 4, "kmol": 4, "A": 5, "cd": 6}


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
    known = _UNITS.get(tuple(int(each) if each == int(each) else each for each in dimensions))  # type: ignore[arg-type]
    if known is not None:
        return known
    pairs = zip(_BASE_UNITS, dimensions, strict=True)
    return "*".join(unit if power == 1 else f"{unit}^{power:g}" for unit, power in pairs if power != 0)


def read_field(
    files: Sequence[Path],
    parts: Sequence[PolyMesh],
    wanted: Sequence[str],
    normals: dict[tuple[int, str], Any],
    root: Path,
) -> Field:
    """Read one field, from as many files as the case has parts.

    Args:
        files: One a part.
        parts: The meshes.
        wanted: Names of the patches whose values are wanted.
        normals: Unit normals of a part's patch, kept for the next field.
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
            raise FormatError(f"{file}: has no internalField; {AGAIN}")
        own = _values(file, "internalField", inside, kind, part.cells)
        if cells is None:
            cells = np.empty((sum(mesh.cells for mesh in parts), _COMPONENTS[kind]), dtype=own.dtype)
        cells[start : start + part.cells] = own
        start += part.cells
        held = entries.get("boundaryField")
        if not isinstance(held, dict):
            if opened.word("class").endswith("::Internal"):
                continue
            raise FormatError(f"{file}: has no boundaryField; {AGAIN}")
        for patch in part.patches:
            condition = _condition(held, patch)
            if patch.count and condition is not None:
                conditions[patch.name] = _uniform(condition)
            if patch.name in wanted:
                if condition is None:
                    raise FormatError(f"{file}: its boundaryField says nothing of patch {patch.name}; {AGAIN}")
                values = _on_patch(file, condition, patch, kind, own, part, normals, number, notes)
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


def _condition(held: Dictionary, patch: Patch) -> Dictionary | None:
    """What a field's file says of a patch: by its name, by one of its groups, or by a pattern; None where nothing."""
    found = held.get(patch.name) if not isinstance(held.get(patch.name), list) else None
    for group in reversed(patch.groups):
        found = found if found is not None else held.get(group)
    found = found if found is not None else lookup(held, patch.name)
    if isinstance(found, dict):
        return found
    if patch.type in _MIRRORS or patch.type in ("cyclic", "wedge", "empty"):  # the mesh alone says what holds there
        return {"type": [patch.type]}
    return None


def _uniform(condition: Dictionary) -> tuple[str, list[float]]:
    """A condition's type, and the one value that it prescribes on all faces, empty where it prescribes none."""
    name = (words(condition.get("type", [])) or [""])[0]
    key = {"fixedValue": "value", "freestreamVelocity": "freestreamValue", "freestream": "freestreamValue"}.get(
        name, ""
    )
    given = condition.get(key)
    if not isinstance(given, list) or words(given[:1]) != ["uniform"]:
        return name, []
    return name, numbers(given)


def _on_patch(
    file: Path,
    condition: Dictionary,
    patch: Patch,
    kind: str,
    inside: NDArray[Any],
    part: PolyMesh,
    normals: dict[tuple[int, str], Any],
    number: int,
    notes: dict[str, None],
) -> NDArray[Any]:
    """``(faces, components)`` values on a patch: those in the file, or those that its condition means."""
    name = (words(condition.get("type", [])) or [""])[0]
    if condition.get("value"):
        return _values(file, f"patch {patch.name}", condition["value"], kind, patch.count)
    if name == "noSlip":
        return np.zeros((patch.count, _COMPONENTS[kind]))
    chosen = np.arange(patch.start, patch.start + patch.count)
    beside: NDArray[Any] = inside[part.owner[chosen]]
    if name in _MIRRORS:
        if kind in ("scalar", "sphericalTensor") or patch.count == 0:
            return beside
        if (number, patch.name) not in normals:
            vectors = part.face_vectors(chosen)
            normals[number, patch.name] = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-300)
        return _mean_with_mirror(beside, normals[number, patch.name], kind)
    if name not in ("zeroGradient", "cyclic", "calculated", "inletOutlet", "wedge"):
        field = file.name.removesuffix(".gz")
        notes[f"{file}: {field} has no value on patch {patch.name} ({name or 'no type'}); that of the cells beside it "
              "is taken"] = None  # fmt: skip
    return beside


def _mean_with_mirror(values: NDArray[Any], normals: NDArray[np.float64], kind: str) -> NDArray[Any]:
    """The mean of vectors or tensors and their mirror images: what a symmetry plane holds."""
    turn = np.eye(3) - 2 * normals[:, :, None] * normals[:, None, :]
    if kind == "vector":
        return np.asarray((values + np.einsum("nij,nj->ni", turn, values)) / 2)
    places = [0, 1, 2, 1, 3, 4, 2, 4, 5] if kind == "symmTensor" else list(range(9))
    full = values[:, places].reshape(-1, 3, 3)
    mean = ((full + turn @ full @ turn.transpose(0, 2, 1)) / 2).reshape(-1, 9)
    return np.asarray(mean[:, [0, 1, 2, 4, 5, 8]] if kind == "symmTensor" else mean)


def _values(file: Path, where: str, value: Any, kind: str, count: int) -> NDArray[Any]:
    """``(count, components)`` values of an entry: ``uniform v`` or ``nonuniform List<kind> n (...)``."""
    components = _COMPONENTS[kind]
    lists = [item for item in value if isinstance(item, Numbers)] if isinstance(value, list) else []
    if lists:
        held = lists[0]
        if held.count != count or (held.count and held.values.shape[1] != components):
            raise FormatError(f"{file}: {where} has {held.count} values of {held.values.shape[1]} components, the mesh "
                              f"wants {count} of {components}; write the case again, or copy it whole")  # fmt: skip
        return held.expanded() if count else np.zeros((0, components))
    single = numbers(value)
    if count == 0 or (isinstance(value, list) and words(value)[:1] == ["nonuniform"]):
        if count == 0:
            return np.zeros((0, components))
        raise FormatError(f"{file}: {where} has no values, the mesh wants {count}; {AGAIN}")
    if len(single) != components:
        raise FormatError(f"{file}: {where} is {' '.join(words(value))[:60] or 'not a value'!r}, {components} numbers "
                          "were expected; write the case again")  # fmt: skip
    return np.broadcast_to(np.array(single), (count, components))


def _dimensions(file: Path, entries: Dictionary) -> tuple[float, ...]:
    given = entries.get("dimensions")
    found = next((item for item in given if isinstance(item, tuple)), None) if isinstance(given, list) else None
    if found is None:
        raise FormatError(f"{file}: has no dimensions; add a line such as dimensions [0 1 -1 0 0 0 0]; for m/s")
    exponents = numbers(found)
    if len(exponents) == len(found) in (5, 7) and all(math.isfinite(each) and abs(each) < 100 for each in exponents):
        return tuple(exponents + [0.0] * (7 - len(exponents)))
    powers = [0.0] * 7
    for word in words(found):
        name, _, power = word.partition("^")
        try:
            powers[_BASE_NAMES[name]] += float(power or 1)
        except (KeyError, ValueError):
            break
    else:
        if found:
            return tuple(powers)
    raise FormatError(f"{file}: its dimensions are [{' '.join(words(found))[:60]}], 7 exponents were expected, such as "
                      "[0 1 -1 0 0 0 0] for m/s")  # fmt: skip


def _ordered(values: NDArray[Any], kind: str) -> NDArray[Any]:
    """In the package's order of components, a scalar as ``(n,)``."""
    values = values[:, _SYMMETRIC] if kind == "symmTensor" else values
    return np.ascontiguousarray(values[:, 0] if values.shape[1] == 1 else values)
