"""What a field is on a patch of the boundary: as its file states it, or as the patch's condition makes it of the cells.

A condition that OpenFOAM evaluates from the cells alone (a gradient, a symmetry, slip) is evaluated here, too. Where
neither is known, the value of the cells beside the patch is taken, with a note.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tramontane.errors import FormatError
from tramontane.formats.openfoam.dictionaries import Dictionary, Numbers, numbers, words
from tramontane.formats.openfoam.files import AGAIN
from tramontane.formats.openfoam.mesh import Patch, PolyMesh

COMPONENTS = {"scalar": 1, "vector": 3, "sphericalTensor": 1, "symmTensor": 6, "tensor": 9}
MIRRORS = ("slip", "symmetry", "symmetryPlane", "basicSymmetry")
_LIKE_THE_CELLS = ("zeroGradient", "kqRWallFunction", "compressible::kqRWallFunction")
# A file may state another value on these, as a start; OpenFOAM does not look at it.
_EVALUATED = (*MIRRORS, "zeroGradient", "fixedGradient")
_DIAGONAL = {"vector": [], "symmTensor": [0, 1, 2, 1, 3, 4, 2, 4, 5], "tensor": list(range(9))}


class PatchShape:
    """Normals of a patch's faces, and how far the cells beside them are.

    Args:
        part: The mesh.
        patch: Of it.
    """

    def __init__(self, part: PolyMesh, patch: Patch) -> None:
        self.part, self.faces = part, np.arange(patch.start, patch.start + patch.count)

    @cached_property
    def normals(self) -> NDArray[np.float64]:
        """``(faces, 3)`` unit normals, out of the mesh."""
        vectors = self.part.face_vectors(self.faces)
        return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-300))

    @cached_property
    def distances(self) -> NDArray[np.float64]:
        """``(faces,)`` from each cell's centre to the plane of its face, in metres."""
        between = self.part.face_centres(self.faces) - self.part.cell_centres(self.part.owner[self.faces])
        return np.asarray(np.einsum("ij,ij->i", between, self.normals))


def values_on(
    file: Path,
    condition: Dictionary,
    patch: Patch,
    kind: str,
    inside: NDArray[Any],
    shape: PatchShape,
    notes: dict[str, None],
) -> NDArray[Any]:
    """``(faces, components)`` values of a field on a patch.

    Args:
        file: Of the field, for messages.
        condition: What it says of the patch.
        patch: Where.
        kind: The field's: ``scalar``, ``vector``, ...
        inside: ``(cells, components)`` in the cells.
        shape: Of the patch.
        notes: Gets a sentence where the value is not known.

    Raises:
        FormatError: The condition holds something else than values, or not as many as the patch has faces.
    """
    name = (words(condition.get("type", [])) or [""])[0]
    beside: NDArray[Any] = inside[shape.part.owner[shape.faces]]
    if condition.get("value") and name not in _EVALUATED:
        return read_values(file, f"patch {patch.name}", condition["value"], kind, patch.count)
    values = _evaluated(file, name, condition, patch, kind, beside, shape)
    if values is None and condition.get("value"):
        return read_values(file, f"patch {patch.name}", condition["value"], kind, patch.count)
    if values is None:
        field = file.name.removesuffix(".gz")
        notes[f"{file}: {field} has no value on patch {patch.name} ({name or 'no type'}); that of the cells beside it "
              "is taken"] = None  # fmt: skip
        return beside
    return values


def _evaluated(
    file: Path, name: str, condition: Dictionary, patch: Patch, kind: str, beside: NDArray[Any], shape: PatchShape
) -> NDArray[Any] | None:
    """What a condition makes of the values in the cells beside it; None where that takes more than these."""

    def given(key: str, of: str = kind) -> NDArray[Any] | None:
        entry = condition.get(key)
        if not entry:
            return None
        if isinstance(entry, list) and words(entry[:1]) == ["constant"]:
            entry = entry[1:]
        elif isinstance(entry, list) and key.startswith("uniform") and len(numbers(entry[:1])) not in (1, 3, 6, 9):
            return None  # a table over time, an expression, code
        return read_values(file, f"{key} of patch {patch.name}", entry, of, patch.count)

    if name in _LIKE_THE_CELLS:
        return beside
    if name == "noSlip":
        return np.zeros((patch.count, COMPONENTS[kind]))
    if name in MIRRORS:
        return _mirrored(beside, shape, kind)
    if name == "wedge":
        return beside if kind in ("scalar", "sphericalTensor") else None
    if name == "uniformFixedValue":
        return given("uniformValue")
    gradient = given("uniformGradient") if name == "uniformFixedGradient" else given("gradient")
    if gradient is not None:
        return np.asarray(beside + gradient * shape.distances[:, None])
    share = given("valueFraction", "scalar")
    if name == "mixed":
        value, slope = given("refValue"), given("refGradient")
        if share is not None and value is not None and slope is not None:
            return np.asarray(share * value + (1 - share) * (beside + slope * shape.distances[:, None]))
    if name == "partialSlip" and share is not None:
        value = given("refValue")
        along = _without_normal(beside, shape, kind)
        if along is not None:
            return np.asarray((1 - share) * along + (0 if value is None else share * value))
    if name == "fixedNormalSlip":
        value, along = given("fixedValue"), _without_normal(beside, shape, kind)
        if value is not None and along is not None and kind == "vector":
            outward = np.einsum("ij,ij->i", value, shape.normals)[:, None] * shape.normals
            return np.asarray(outward + along)
    return None


def _without_normal(values: NDArray[Any], shape: PatchShape, kind: str) -> NDArray[Any] | None:
    """Vectors along the patch; scalars as they are."""
    if kind != "vector":
        return values if kind == "scalar" else None
    return np.asarray(values - np.einsum("ij,ij->i", values, shape.normals)[:, None] * shape.normals)


def _mirrored(values: NDArray[Any], shape: PatchShape, kind: str) -> NDArray[Any]:
    """The mean of values and their mirror images: what a symmetry plane holds."""
    if kind in ("scalar", "sphericalTensor") or not len(values):
        return values
    if kind == "vector":
        return np.asarray(_without_normal(values, shape, kind))
    normals = shape.normals
    turn = np.eye(3) - 2 * normals[:, :, None] * normals[:, None, :]
    full = values[:, _DIAGONAL[kind]].reshape(-1, 3, 3)
    mean = ((full + turn @ full @ turn.transpose(0, 2, 1)) / 2).reshape(-1, 9)
    return np.asarray(mean[:, [0, 1, 2, 4, 5, 8]] if kind == "symmTensor" else mean)


def prescribed(condition: Dictionary) -> tuple[str, list[float]]:
    """A condition's type, and the one value that it prescribes on all faces, empty where it prescribes none."""
    name = (words(condition.get("type", [])) or [""])[0]
    key = {"fixedValue": "value", "uniformFixedValue": "uniformValue", "freestreamVelocity": "freestreamValue",
           "freestream": "freestreamValue"}.get(name, "")  # fmt: skip
    given = condition.get(key)
    first: Sequence[str] = words(given[:1]) if isinstance(given, list) else ()
    if list(first) != ["uniform"] and not (name == "uniformFixedValue" and list(first) == ["constant"]):
        return name, []
    return name, numbers(given)


def read_values(file: Path, label: str, value: Any, kind: str, count: int) -> NDArray[Any]:
    """``(count, components)`` values of an entry: ``uniform v`` or ``nonuniform List<kind> n (...)``.

    Args:
        file: For messages.
        label: In it, for messages.
        value: Of the entry.
        kind: ``scalar``, ``vector``, ...
        count: How many values the mesh wants.

    Raises:
        FormatError: It is something else, or not as many.
    """
    components = COMPONENTS[kind]
    lists = [item for item in value if isinstance(item, Numbers)] if isinstance(value, list) else []
    if lists:
        stated = lists[0]
        if stated.count != count or (stated.count and stated.values.shape[1] != components):
            raise FormatError(f"{file}: {label} has {stated.count} values of {stated.values.shape[1]} components, "
                              f"the mesh wants {count} of {components}; write the case again, or "
                              "copy it whole")  # fmt: skip
        return stated.expanded() if count else np.zeros((0, components))
    single = numbers(value)
    if count == 0 or (isinstance(value, list) and words(value)[:1] == ["nonuniform"]):
        if count == 0:
            return np.zeros((0, components))
        raise FormatError(f"{file}: {label} has no values, the mesh wants {count}; {AGAIN}")
    if len(single) != components:
        raise FormatError(f"{file}: {label} is {' '.join(words(value))[:60] or 'not a value'!r}, {components} numbers "
                          "were expected; write the case again")  # fmt: skip
    return np.broadcast_to(np.array(single), (count, components))
