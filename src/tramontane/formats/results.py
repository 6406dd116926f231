"""What a reader finds: the results of one case in the names and units of its files, and where cases come from."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyvista as pv
from numpy.typing import NDArray

from tramontane.units import Quantity

PATCH, _PATCH_NAMES = "patch", "patch_names"
SHOWN_UNITS = "shown_units"  # in a case's ``extra``: the unit in which each QoI was written, where that is not SI
GEOMETRY_UNIT = "geometry_unit"  # in ``extra``: of a geometry file, where it is stated apart from the meshes'


@dataclass
class Results:
    """What was read of one case: a reader's answer, before a contract and units have been applied.

    Attributes:
        meshes: By domain, in ``length_unit``: ``surface`` for the walls, ``volume`` for what they bound, ``particles``.
        units: The unit of each field where the files state it (``""`` for one without dimension), by ``domain/field``.
        length_unit: Of the meshes and the geometry, where the files state it.
        parameters: Inputs that the files state; a bare number has the unit None.
        qoi: Scalar results that the files state.
        geometry: The geometry that the case was run on, where there is one.
        files: All files that were read.
        solver: The program that wrote them, empty when unknown.
        version: That program's version.
        extra: What else they say: times, residuals (``{"residuals": {"Ux": 1e-5}}``), patches; plain JSON values.
        warnings: One sentence for each thing to mind, naming the file.
        absent: Parameters and QoIs that the files should state and do not: what is wrong, by name.
    """

    meshes: dict[str, pv.PolyData | pv.UnstructuredGrid] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    length_unit: str | None = None
    parameters: dict[str, Quantity] = field(default_factory=dict)
    qoi: dict[str, Quantity] = field(default_factory=dict)
    geometry: Path | pv.PolyData | None = None
    files: list[Path] = field(default_factory=list)
    solver: str = ""
    version: str = ""
    extra: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CaseSource:
    """One case that waits to be read.

    Attributes:
        name: Of the case, unique in its collection.
        path: Its folder or file, for messages and for telling whether it changed.
        read: Reads it; can be pickled (a function of a module, or a `functools.partial` of one).
        files: What it is read from, where that does not follow from its path.
    """

    name: str
    path: Path
    read: Callable[[], Results]
    files: tuple[Path, ...] | None = None


@dataclass(frozen=True)
class Collection:
    """A set of cases on disk, in whatever layout.

    Attributes:
        root: Where it lies.
        layout: What the layout is called, for people: ``folder of cases``, ``AhmedML``.
        sources: The cases, in a fixed order.
        splits: Official splits (``train``, ``validation``, ``test``) by case name; empty where there are none.
        table: Parameters and QoIs by case, beside what the case's own files say; a QoI's name starts with ``qoi.``.
        length_unit: Of the cases whose files do not state one.
        length_assumed: Whether that unit is a mere convention for geometry files that state none.
        notes: Sentences to print: what was understood, what was left out.
    """

    root: Path
    layout: str
    sources: Sequence[CaseSource]
    splits: Mapping[str, Sequence[str]] = field(default_factory=dict)
    table: Mapping[str, Mapping[str, Quantity]] = field(default_factory=dict)
    length_unit: str = "m"
    length_assumed: bool = False
    notes: Sequence[str] = ()


def set_patches(mesh: pv.DataSet, ids: NDArray[Any], names: Sequence[str]) -> None:
    """Mark each cell with the named patch of the boundary that it belongs to.

    Args:
        mesh: A surface.
        ids: ``(cells,)`` index into ``names``.
        names: As the solver has them.
    """
    mesh.cell_data[PATCH] = np.asarray(ids, dtype=np.int32)
    mesh.field_data[_PATCH_NAMES] = [json.dumps(list(names))]


def patches_of(mesh: pv.DataSet) -> tuple[NDArray[np.int32], list[str]] | None:
    """What `set_patches` left in a mesh: index of each cell's patch, and the patches' names; None where it did not."""
    if PATCH not in mesh.cell_data.keys() or _PATCH_NAMES not in mesh.field_data.keys():  # noqa: SIM118
        return None
    names = json.loads(str(np.asarray(mesh.field_data[_PATCH_NAMES]).ravel()[0]))
    return np.asarray(mesh.cell_data[PATCH]), [str(name) for name in names]
