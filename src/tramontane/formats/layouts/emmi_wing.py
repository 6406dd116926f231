"""Emmi-Wing: 29,727 half wings in subsonic and transonic flow, RANS with OpenFOAM (Paischer et al., arXiv:2511.21474).

Where the facts come from: the paper (surface pressure and wall shear stress; volume pressure, velocity, vorticity;
rhoSimpleFoam of OpenFOAM v2506, hence Pa, m/s and 1/s; root chord 0.7 to 1.2 m, span 1 to 1.5 m, taper ratio 0.4 to
0.7, sweep 0 to 40 degrees, speed 150 to 300 m/s, angle of attack -10 to 10 degrees; sets for training, validation,
and three for test: random, interpolation, extrapolation) and the README of ``Emmi-AI/Emmi-Wing`` (archives of parameter
scans that are unpacked in a folder).

Not found in what is public and free to read: the names and the format of the files, the ids of the sets, the licence.
So this reader goes by pattern: in a folder that says it is Emmi-Wing, each folder with arrays (``.npy``, ``.npz``,
``.pt``) whose names say ``surface`` or ``volume`` and a quantity is a case; a mesh (STL, VTK) beside them is its
geometry. What is named otherwise is noted, not read. Where the files are VTK's, the general folder of cases does it.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyvista as pv

from tramontane.errors import FormatError
from tramontane.formats.arrays import read_arrays
from tramontane.formats.layouts import shared
from tramontane.formats.layouts.layout import Layout
from tramontane.formats.results import CaseSource, Collection, Results
from tramontane.units import Quantity

_SUFFIXES = (".npy", ".npz", ".pt")
_QUANTITIES = (
    (re.compile(r"position|points|coord|xyz"), "points", "m"),
    (re.compile(r"pressure|(^|_)p($|_)"), "pressure", "Pa"),
    (re.compile(r"shear|friction|wss|(^|_)tau($|_)"), "wall_shear_stress", "Pa"),
    (re.compile(r"vorticity|omega"), "vorticity", "1/s"),
    (re.compile(r"velocity|(^|_)u($|_)"), "velocity", "m/s"),
)
_PARAMETERS = (
    (re.compile(r"root.*chord|chord.*root|(^|_)c_?r(oot)?($|_)"), "root_chord", "m"),
    (re.compile(r"span"), "span", "m"),
    (re.compile(r"taper"), "taper_ratio", ""),
    (re.compile(r"sweep"), "sweep_angle", "deg"),
    (re.compile(r"attack|aoa|alpha"), "angle_of_attack", "deg"),
    (re.compile(r"speed|velocity|u_?inf"), "inlet_velocity", "m/s"),
)


def emmi_wing(folder: Path, splits: str | None = None) -> Collection | None:
    """Emmi-Wing in a folder that is called so, or whose README is, or None where it is something else."""
    if not _says_so(folder):
        return None
    cases = sorted({file.parent for file in folder.rglob("*") if _is_read(file)})
    if not cases:
        return None
    shared.no_other_splits("Emmi-Wing", splits)
    notes = ["Emmi-Wing: the names of its files are not documented; arrays are read by pattern (surface or volume, and "
             "a quantity). Pressure and shear are taken to be in Pa, velocity in m/s, vorticity in 1/s, points in m.",
             "The ids of the official sets are not documented, so there are no official splits."]  # fmt: skip
    names = {case: "-".join(case.relative_to(folder).parts) or folder.name for case in cases}
    sources = [CaseSource(names[case], case, functools.partial(read_wing, case)) for case in cases]
    other = sorted({file.name for case in cases for file in case.iterdir()
                    if file.suffix.lower() in _SUFFIXES and not _is_read(file)})  # fmt: skip
    if other:
        notes.append(f"Not read: {shared.listed(other)}.")
    return Collection(folder, "Emmi-Wing", sources, length_unit="m", notes=notes)


def read_wing(folder: Path) -> Results:
    """One wing: points with fields on its surface and around it.

    Raises:
        FormatError: A file is damaged, or a domain has no points or a field of another length.
    """
    results = Results(length_unit="m", solver="OpenFOAM", version="v2506")
    arrays: dict[str, dict[str, tuple[Path, Any]]] = {}
    for file in sorted(folder.iterdir()):
        if file.suffix.lower() == ".json":
            results.parameters |= _parameters(file)
            results.files.append(file)
        elif file.suffix.lower() in (".stl", ".vtp") and results.geometry is None:
            results.geometry = file
            results.files.append(file)
        elif _is_read(file):
            for name, values in _load(file).items():
                if meaning := _meaning(f"{file.stem}_{name}" if name else file.stem):
                    arrays.setdefault(meaning[0], {})[meaning[1]] = (file, values)
                else:
                    results.warnings.append(
                        f"{file}: {name or 'its array'} is not read, its name says no known quantity"
                    )
            results.files.append(file)
    for domain, fields in arrays.items():
        if "points" not in fields:
            raise FormatError(f"{folder}: has fields of the {domain}, but no points ({domain}_points); add them")
        file, points = fields.pop("points")
        if points.ndim != 2 or points.shape[1] != 3 or not np.isfinite(points).all():
            raise FormatError(
                f"{file}: has shape {points.shape}, points are finite and of shape (n, 3); write it again"
            )
        mesh = pv.PolyData(points)
        for name, (source, values) in fields.items():
            values = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
            if len(values) != len(points):
                raise FormatError(
                    f"{source}: has {len(values)} values, {file.name} has {len(points)} points; write both"
                )
            mesh.point_data[name] = values
            results.units[f"{domain}/{name}"] = next(unit for _, ours, unit in _QUANTITIES if ours == name)
        results.meshes[domain] = mesh if domain == "surface" else mesh.cast_to_unstructured_grid()
    return results


def _is_read(file: Path) -> bool:
    """Whether a file's name speaks of a quantity, or of a domain whose quantities are named inside."""
    if file.suffix.lower() not in _SUFFIXES:
        return False
    inside = file.suffix.lower() != ".npy" and any(domain in file.stem.lower() for domain in ("surface", "volume"))
    return inside or _meaning(file.stem) is not None


def _says_so(folder: Path) -> bool:
    if re.search(r"emmi.?wing", folder.resolve().name, re.IGNORECASE):
        return True
    readme = folder / "README.md"
    if not readme.is_file():
        return False
    try:
        with readme.open("rb") as stream:
            return b"emmi-wing" in stream.read(4096).lower()
    except OSError:
        return False


def _meaning(stem: str) -> tuple[str, str] | None:
    """Domain and quantity that a name speaks of."""
    lowered = re.sub(r"[^a-z0-9]+", "_", stem.lower())
    domain = next((domain for domain in ("surface", "volume") if domain in lowered), None)
    if domain is None or "magnitude" in lowered:
        return None
    rest = lowered.replace(domain, "")
    quantity = next((name for pattern, name, _ in _QUANTITIES if pattern.search(rest)), None)
    return (domain, quantity) if quantity else None


def _load(file: Path) -> dict[str, np.ndarray]:
    """The arrays of a file by name; a file of one array has it under the empty name."""
    arrays = read_arrays(file)
    if not arrays or not all(np.issubdtype(each.dtype, np.floating) and each.size for each in arrays.values()):
        raise FormatError(f"{file}: holds no arrays of numbers; download it again")
    return arrays


def _parameters(file: Path) -> dict[str, Quantity]:
    document = shared.read_json(file)
    parameters: dict[str, Quantity] = {}
    for key, value in document.items() if isinstance(document, dict) else ():
        name = re.sub(r"[^a-z0-9]+", "_", str(key).lower())
        for pattern, ours, unit in _PARAMETERS:
            if ours not in parameters and pattern.search(name):
                parameters[ours] = Quantity(shared.number(file, {str(key): str(value)}, str(key)), unit)
                break
    return parameters


LAYOUT = Layout("Emmi-Wing", emmi_wing)
