"""DrivAerNet and DrivAerNet++: 8,000 parametric cars, RANS with OpenFOAM (Elrefaie et al., arXiv:2406.09624).

Non-commercial: CC BY-NC 4.0. Where the facts come from:

- ids such as ``F_D_WM_WW_0001`` or ``E_S_WW_WM_075``; ``SurfacePressureVTK/DrivAer_ID.vtk`` on Dataverse,
  ``PressureVTK`` in the authors' instructions; ``train_val_test_splits/{train,val,test}_design_ids.txt``;
  ``ParametricModels/DrivAerNet_ParametricData.csv`` with ``Experiment``, 23 changes against a baseline, ``Average
  Cd``, ``Std Cd``, ``Average Cl``, ...: the authors' repository (MIT) and FluidsBench's
  ``benchmark-specs/drivaernetplusplus``;
- ``WallShearStressVTK`` or ``WallShearStressVTK_Updated``, array ``wallShearStress``, folders by class in between:
  ``DrivAerNetDataset`` of PhysicsNeMo (Apache-2.0) and public projects;
- ``DrivAerNetPlusPlus_Drag_8k.csv`` and ``DrivAerNetPlusPlus_Cd_8k_Updated.csv`` with ``Design`` and ``Average Cd``,
  ``DrivAerNetPlusPlus_CarDesign_Areas.csv``: public projects that read them;
- array ``p`` at points, divided by density, m2/s2, 30 m/s, 1.184 kg/m3; that the shear's points are those of the
  pressure in another order: statements of the data set's owner, kept by FluidsBench.

Not found: names inside ``CFD`` (any VTK file whose path has the id is taken for the volume), the columns of the file
of areas (not read), units of the 23 parameters (stored as they are).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tramontane.errors import FormatError
from tramontane.formats.layouts import shared
from tramontane.formats.layouts.layout import Layout
from tramontane.formats.results import CaseSource, Collection, Results
from tramontane.formats.tables.table import QOI
from tramontane.formats.vtk import files as vtk
from tramontane.formats.vtk.meshes import read_mesh
from tramontane.units import Quantity

DENSITY = 1.184  # kg/m3
_ID = re.compile(r"(?:DrivAer_)?([A-Z]_[A-Z]+(?:_[A-Z]+)*_\d+)")
_PRESSURE = re.compile(r"(surface)?pressurevtk", re.IGNORECASE)
_SHEAR = re.compile(r"wallshearstressvtk(_updated)?", re.IGNORECASE)
_SHAPES = re.compile(r"3d_?meshes(_?stl)?|.*stl.*", re.IGNORECASE)
_VOLUME = re.compile(r"(full_?)?cfd.*", re.IGNORECASE)
_QOI = {
    "Average Cd": "drag_coefficient", "Average Cl": "lift_coefficient", "Average Cl_f": "front_lift_coefficient",
    "Average Cl_r": "rear_lift_coefficient",
}  # fmt: skip
_SPLITS = {"train": "train", "val": "validation", "test": "test"}


def drivaernet(folder: Path, splits: str | None = None) -> Collection | None:
    """DrivAerNet or DrivAerNet++ in a folder, or None where it is something else."""
    entries = {entry.name: entry for entry in sorted(folder.iterdir()) if entry.is_dir()}
    places = {
        kind: [entry for name, entry in entries.items() if pattern.fullmatch(name)]
        for kind, pattern in (("surface", _PRESSURE), ("shear", _SHEAR), ("geometry", _SHAPES), ("volume", _VOLUME))
    }
    tables = sorted(
        file for file in (*folder.glob("*.csv"), *folder.glob("*/*.csv")) if "drivaernet" in file.name.lower()
    )
    if not (places["surface"] or tables):
        return None
    files: dict[str, dict[str, Path]] = {}
    for kind, suffixes in (
        ("surface", vtk.SUFFIXES), ("shear", vtk.SUFFIXES), ("geometry", (".stl",)), ("volume", vtk.SUFFIXES),
    ):  # fmt: skip
        for place in places[kind]:
            for file in sorted(place.rglob("*")):
                if file.suffix.lower() in suffixes and (design := _design(file, place)):
                    files.setdefault(design, {}).setdefault(kind, file)
    if not files:
        return None
    shared.no_other_splits("DrivAerNet++", splits)
    notes = [f"DrivAerNet++: pressure and shear are stored divided by density; they are taken times {DENSITY} kg/m3, "
             "at 30 m/s.",
             "wall_shear_stress is OpenFOAM's with the sign turned: the force of the fluid on the wall.",
             "The licence of the data, CC BY-NC 4.0, rules commercial use out."]  # fmt: skip
    kinds = {
        "geometry": "STL files", "surface": "pressure files (PressureVTK)",
        "shear": "shear files (WallShearStressVTK)", "volume": "volume files (CFD)",
    }  # fmt: skip
    kept, names = shared.common_files(files, kinds, notes)
    sources = [
        CaseSource(name, next(iter(files[name].values())), functools.partial(
            read_design, {kind: file for kind, file in files[name].items() if kind in kept}))
        for name in sorted(names)
    ]  # fmt: skip
    sources, table = shared.in_agreement(sources, _table(tables, notes), notes)
    official = _splits(folder, notes)
    return Collection(
        folder, "DrivAerNet++", sources, splits=shared.present(official, sources, notes) if official else {},
        table=table, length_unit="m", notes=notes,
    )  # fmt: skip


def read_design(files: Mapping[str, Path]) -> Results:
    """One car.

    Args:
        files: ``geometry``, ``surface`` with pressure, ``shear`` on the same points in any order, ``volume``.

    Raises:
        FormatError: A file is damaged, or the shear is of another surface.
    """
    results = Results(length_unit="m", solver="OpenFOAM", geometry=files.get("geometry"), files=list(files.values()))
    for kind in ("surface", "volume"):
        if kind not in files:
            continue
        mesh = shared.read_domain(files[kind], kind)
        if kind == "surface" and "shear" in files:
            _add_shear(mesh, files[kind], files["shear"])
        units = shared.rename_fields(mesh, shared.OPENFOAM, shared.openfoam_base)
        shared.from_kinematic(mesh, DENSITY)
        results.meshes[kind] = mesh
        results.units |= {f"{kind}/{name}": unit for name, unit in units.items()}
    return results


def _design(file: Path, place: Path) -> str | None:
    """The id of a design in a file's name or, for files of a folder a design, in its folder's."""
    for part in reversed(file.relative_to(place).parts):
        if match := _ID.match(part):
            return match[1]
    return None


def _add_shear(surface: shared.Mesh, file: Path, other: Path) -> None:
    """Bring the wall shear stress of another file onto a surface's points."""
    from scipy.spatial import cKDTree

    shear = read_mesh(other)
    name = "wallShearStress"
    if name not in shear.point_data.keys():  # noqa: SIM118 (PyVista's data does not iterate over its names)
        raise FormatError(f"{other}: has no {name} at its points, it has {', '.join(shear.array_names) or 'nothing'}; "
                          "download it again")  # fmt: skip
    distance, index = cKDTree(np.asarray(shear.points)).query(np.asarray(surface.points))
    far = np.flatnonzero(distance > 1e-5 * surface.length)
    if len(far):
        raise FormatError(f"{other}: lacks {len(far)} of the {surface.n_points} points of {file.name}, the first is "
                          f"point {far[0]}; download both of one version")  # fmt: skip
    surface.point_data[name] = np.asarray(shear.point_data[name])[index]


def _table(tables: list[Path], notes: list[str]) -> shared.Rows:
    table: shared.Rows = {}
    for file in tables:
        rows = shared.read_rows(file)
        if "Average Cd" not in rows[0]:
            notes.append(f"{file.name} has no column 'Average Cd' and is not read.")
            continue
        for row in rows:
            match = _ID.match(shared.key_of(row, file, ("Design", "Experiment")))
            if match is None:
                continue
            entries = table.setdefault(match[1], {})
            for name in row:
                if name in _QOI and row[name]:
                    entries[f"{QOI}{_QOI[name]}"] = Quantity(shared.number(file, row, name), "")
                elif name not in _QOI and name not in ("Design", "Experiment") and not name.startswith("Std "):
                    entries[name.lower()] = Quantity(shared.number(file, row, name), "")
    if any(not key.startswith(QOI) for entries in table.values() for key in entries):
        notes.append("Parameters are changes against a baseline car; their units are not documented.")
    return table


def _splits(folder: Path, notes: list[str]) -> dict[str, list[str]]:
    for place in (folder / "train_val_test_splits", folder / "subset_dir", folder):
        lists = {ours: place / f"{theirs}_design_ids.txt" for theirs, ours in _SPLITS.items()}
        if not any(file.is_file() for file in lists.values()):
            continue
        splits = {}
        for split, file in lists.items():
            try:
                lines = file.read_text(encoding="utf-8").split()
            except (OSError, UnicodeDecodeError) as error:
                raise FormatError(f"{file}: cannot be read ({error}); download the three files again") from error
            splits[split] = [match[1] if (match := _ID.fullmatch(line)) else line for line in lines]
        return splits
    notes.append("train_val_test_splits is not here, so there are no official splits; download it for them.")
    return {}


LAYOUT = Layout("DrivAerNet", drivaernet)
