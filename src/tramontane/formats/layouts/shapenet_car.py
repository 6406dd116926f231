"""ShapeNet-Car: 889 cars of ShapeNet in a wind of 20 m/s (Umetani and Bickel, ACM Trans. Graph. 37, 2018).

Where the facts come from:

- archive ``mlcfd_data.zip`` with ``training_data/param0`` to ``param8``, a folder a car with ``quadpress_smpl.vtk``
  (3682 points), ``press.npy``, ``hexvelo_smpl.vtk`` (29498 points), ``velo.npy``, ``cd.txt``, ``param1.txt``,
  ``param2.txt``; four folders are empty: the set-up notes of UPT (``ml-jku/UPT``, MIT) and public projects that read
  it;
- pressure is the scalar of the points of the first mesh, velocity the vector of those of the second (``press.npy``
  and ``velo.npy`` hold the same), a speed of 72
  km/h, ``param0`` held out for test, the others for training: ``thuml/Transolver`` (MIT), ``Car-Design-ShapeNetCar``;
- some of the surface's points belong to no cell and are not part of the car: UPT's preprocessing.

Not found: what the units of pressure and length are (taken for Pa and m: cars are 6.3 across), what ``param1.txt``
and ``param2.txt`` hold (not read), what area ``cd.txt`` refers to, a licence.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tramontane.errors import FormatError
from tramontane.formats.arrays import read_arrays
from tramontane.formats.layouts import shared
from tramontane.formats.layouts.layout import Layout
from tramontane.formats.results import CaseSource, Collection, Results
from tramontane.formats.tables.table import QOI
from tramontane.formats.vtk.meshes import read_mesh
from tramontane.units import Quantity

_FOLD = re.compile(r"param[0-8]")
_SURFACE, _VOLUME = "quadpress_smpl.vtk", "hexvelo_smpl.vtk"


def shapenet_car(folder: Path, splits: str | None = None) -> Collection | None:
    """ShapeNet-Car in a folder (``training_data`` or one above), or None where it is something else.

    Args:
        folder: To look at.
        splits: The fold that is held out for test, ``param0`` unless another is named.
    """
    root = next((place for place in (folder, folder / "training_data", folder / "mlcfd_data" / "training_data")
                 if place.is_dir() and _folds(place)), None)  # fmt: skip
    if root is None:
        return None
    cars = {f"{fold.name}-{car.name}": car for fold in _folds(root) for car in sorted(fold.iterdir()) if car.is_dir()}
    files = {
        name: {
            kind: car / file for kind, file in (("surface", _SURFACE), ("volume", _VOLUME)) if (car / file).is_file()
        }
        for name, car in cars.items()
    }
    if not any(files.values()):
        return None
    notes = [
        "ShapeNet-Car: y points up, the wind blows along z at 20 m/s; pressure is taken to be in Pa, lengths in m.",
        "param1.txt and param2.txt are not documented and not read.",
    ]
    empty = [name for name, of_name in files.items() if not of_name]
    if empty:
        notes.append(f"Left out, folders without meshes ({len(empty)}): {shared.listed(empty)}.")
    files = {name: of_name for name, of_name in files.items() if of_name}
    kinds = {"surface": f"surface files ({_SURFACE})", "volume": f"volume files ({_VOLUME})"}
    kept, names = shared.common_files(files, kinds, notes)
    sources = [CaseSource(name, cars[name], functools.partial(read_car, cars[name], tuple(kept))) for name in names]
    table = {name: {f"{QOI}drag_coefficient": drag} for name in names if (drag := _drag(cars[name])) is not None}
    sources, table = shared.in_agreement(sources, table, notes)
    folds = [fold.name for fold in _folds(root)]
    default = splits or ("param0" if "param0" in folds else folds[0])
    chosen = shared.choose(folder, sorted(folds, key=lambda fold: fold != default), splits, notes, what="test fold")
    official: dict[str, list[str]] = {"train": [], "test": []}
    for source in sources:
        official["test" if source.name.startswith(f"{chosen}-") else "train"].append(source.name)
    return Collection(
        folder, "ShapeNet-Car", sources, splits={split: cases for split, cases in official.items() if cases},
        table=table, length_unit="m", notes=notes,
    )  # fmt: skip


def read_car(folder: Path, kinds: Sequence[str]) -> Results:
    """One car: pressure on its surface, velocity around it.

    Raises:
        FormatError: A file is damaged, or has no such field.
    """
    results = Results(length_unit="m")
    for kind, name, array, field, components in (
        ("surface", _SURFACE, "press.npy", "pressure", 1), ("volume", _VOLUME, "velo.npy", "velocity", 3),
    ):  # fmt: skip
        if kind not in kinds:
            continue
        file, beside = folder / name, folder / array
        mesh = read_mesh(file)
        if mesh.n_cells == 0:
            raise FormatError(f"{file}: has {mesh.n_points} points and no cells; unpack it again")
        results.files.append(file)
        # VTK reads numbers of its own making where an ASCII file is cut off, without a word; an array that is cut off
        # is an error. So the mesh's own field is taken only where there is no array beside it.
        if beside.is_file():
            values = _array(beside, file, mesh.n_points * components)
            results.files.append(beside)
        else:
            values = _own(mesh, file, beside, components)
        mesh.clear_data()
        mesh.point_data[field] = values.reshape((mesh.n_points, components) if components > 1 else mesh.n_points)
        if kind == "surface":  # this drops the points that no cell has
            mesh = mesh.extract_surface(algorithm="dataset_surface", pass_pointid=False, pass_cellid=False)
        results.meshes[kind] = mesh
        results.units[f"{kind}/{field}"] = "Pa" if field == "pressure" else "m/s"
    return results


def _folds(root: Path) -> list[Path]:
    return sorted(entry for entry in root.iterdir() if entry.is_dir() and _FOLD.fullmatch(entry.name))


def _array(file: Path, mesh: Path, size: int) -> NDArray[Any]:
    values = read_arrays(file)[""]
    if not np.issubdtype(values.dtype, np.floating) or values.size != size:
        raise FormatError(f"{file}: has {values.size} values of type {values.dtype}, {mesh.name} needs {size} numbers; "
                          "unpack both again")  # fmt: skip
    return np.asarray(values)


def _own(mesh: shared.Mesh, file: Path, beside: Path, components: int) -> NDArray[Any]:
    """The mesh's only field of so many components, whatever it is called."""
    for name in mesh.point_data.keys():  # noqa: SIM118 (PyVista's data does not iterate over its names)
        if np.asarray(mesh.point_data[name]).size == components * mesh.n_points:
            return np.array(mesh.point_data[name])
    raise FormatError(f"{file}: has no field of {components} components at its points, and there is no {beside.name}; "
                      "unpack the car again")  # fmt: skip


def _drag(folder: Path) -> Quantity | None:
    file = folder / "cd.txt"
    if not file.is_file():
        return None
    try:
        text = file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError as error:
        raise FormatError(f"{file}: cannot be read ({error}); unpack it again") from error
    return Quantity(shared.number(file, {"drag coefficient": text}, "drag coefficient"), "")


LAYOUT = Layout("ShapeNet-Car", shapenet_car)
