"""OpenFOAM case directories: mesh, fields of one time, walls, forces, residuals.

Fields stay in the cells, and on the surface at its faces, where they have the value that their patch holds. Pressure
and wall shear stress of an incompressible solver, which divides both by the density, are brought to Pa where the case
says the density. OpenFOAM's ``wallShearStress`` is what the wall does to the fluid; the package's
``wall_shear_stress`` is what the fluid does to the wall, so its sign is turned. The surface's normals point into the
fluid.
"""

from __future__ import annotations

import gzip
import math
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tramontane.errors import FormatError, GeometryError
from tramontane.formats.openfoam.cells import surface_of, volume_of
from tramontane.formats.openfoam.collated import stored
from tramontane.formats.openfoam.density import find_density
from tramontane.formats.openfoam.dictionaries import Dictionary, lookup, numbers, read_dictionary, words
from tramontane.formats.openfoam.fields import (
    KINEMATIC_PRESSURE,
    NAMES,
    ON_WALLS,
    Field,
    is_field,
    kind_of,
    read_field,
    unit_of,
)
from tramontane.formats.openfoam.files import beginning, entries_of, existing, version_in
from tramontane.formats.openfoam.mesh import Patch, PolyMesh, find_in, merged, read_polymesh
from tramontane.formats.openfoam.mesh_check import LOG, read_mesh_check
from tramontane.formats.openfoam.outputs import read_log, read_outputs
from tramontane.formats.openfoam.patches import PatchShape
from tramontane.formats.openfoam.times import Time, choose, choose_region, has_mesh, regions, time_folders
from tramontane.formats.results import GEOMETRY_UNIT, Results, set_patches
from tramontane.formats.surfaces.geometry import read_geometry
from tramontane.units import Quantity

_NO_SURFACE = ("empty", "wedge", "cyclic", "cyclicAMI", "cyclicACMI", "cyclicSlip", "processor", "processorCyclic")
_GEOMETRIES = (".stl", ".obj", ".stlb")
_DENSE = ("pressure", "wall_shear_stress")  # what incompressible solvers divide by the density


def is_case(folder: Path) -> bool:
    """Whether a folder is an OpenFOAM case: a ``system/controlDict``, and a mesh, whole or decomposed."""
    if existing(folder / "system" / "controlDict") is None:
        return False
    return has_mesh(folder)


def read(folder: Path, *, time: str | float | None = None, mean: bool = False, region: str | None = None) -> Results:
    """Read one time of a case.

    Args:
        folder: Of the case; it is read from its parts (``processor0``, ``processors4``, ...) where these have the later
            time.
        time: Which one; the last that has fields where None.
        mean: Read mean fields (``UMean``) under the names of the fields themselves, leave out those that have no mean,
            and take QoIs as means over the same time.
        region: Which one of several (``constant/fluid/polyMesh``); the only one that was run where None.

    Returns:
        ``surface`` and ``volume`` in metres, with fields in their cells.

    Raises:
        FormatError: The case has not been run, has several regions, or a file is missing, damaged, or does not fit the
            mesh.
    """
    try:
        return _read(folder, time, mean, region)
    except OSError as error:
        raise FormatError(f"{error.filename or folder}: cannot be read ({error.strerror}); check the folder") from error


def _read(folder: Path, time: str | float | None, mean: bool, wanted_region: str | None) -> Results:
    control_file = existing(folder / "system" / "controlDict")
    if control_file is None:
        raise FormatError(f"{folder}: has no system/controlDict; name the folder of an OpenFOAM case")
    results = Results(length_unit="m", files=[control_file])
    control = read_dictionary(control_file, root=folder, notes=results.warnings)
    results.solver = _word(control, "application")
    region = choose_region(folder, wanted_region, results)
    now = choose(folder, region, time, mean, results)
    parts = [_mesh(part, region, now.value) for part in now.parts]
    mesh = merged(parts, folder)
    results.files += mesh.files
    fields, window = _fields(folder, now, mean, results), None
    if mean:
        window = _window(now, results)
    body, shapes = _body(folder, mesh)
    surface, volume = surface_of(mesh, _faces_of(body)), volume_of(mesh)
    set_patches(
        surface, np.repeat(np.arange(len(body)), [patch.count for patch in body]), [patch.name for patch in body]
    )
    results.meshes = {"surface": surface, "volume": volume}
    results.extra |= {
        "time": now.value,
        "patches": {patch.name: {"type": patch.type, "faces": patch.count} for patch in mesh.patches},
        "sign": {"wall_shear_stress": "force of the fluid on the wall (OpenFOAM writes the opposite)"},
    }
    if len(parts) > 1:
        results.extra["parts"] = len(parts)

    if region:
        results.extra["region"] = region
    density, wanted = find_density(folder, region, control, results), [patch.name for patch in body]
    kept: dict[tuple[int, str], PatchShape] = {}
    for name, (files, shown) in fields.items():
        field = read_field(files, parts, wanted, kept, folder)
        results.files += field.files
        results.warnings += field.warnings
        _place(results, field, shown, density)
        if shown in ("velocity", "temperature"):
            _parameters(results, field, shown)
        del name, field
    if not any(key.endswith("wall_shear_stress") for key in surface.cell_data.keys()):  # noqa: SIM118
        del results.extra["sign"]

    outputs = read_outputs(folder, now.value, window, region)
    version = read_log(folder, results.solver, now.value, now.name, outputs)
    first = next((files[0] for files, _ in fields.values()), control_file)
    results.version = version or version_in(beginning(first)) or version_in(beginning(control_file))
    results.qoi, results.extra = outputs.qoi, results.extra | outputs.extra
    results.files += outputs.files
    results.warnings += outputs.warnings
    if (quality := read_mesh_check(folder)) is not None:
        results.extra["mesh_quality"] = quality
        results.files.append(folder / LOG)
    _geometry(folder, shapes, results)
    results.files = list(dict.fromkeys(stored(file)[0] for file in results.files))
    return results


# --- meshes


def _mesh(part: Path, region: str, time: float) -> PolyMesh:
    """The mesh in force at a time: what a moving or refined mesh wrote last, else the one in ``constant``."""
    folders = [
        folder / region / "polyMesh" for value, folder in sorted(time_folders(part, region).items()) if value <= time
    ]
    mesh_folders = [folder for folder in reversed(folders) if stored(folder)[0].is_dir()]
    # Points that moved before the faces changed belong to older faces.
    last = next(
        (index for index, folder in enumerate(mesh_folders) if existing(folder / "faces") is not None),
        len(mesh_folders),
    )
    return read_polymesh(
        part,
        find_in(
            [
                *mesh_folders[: last + 1],
                *([] if last < len(mesh_folders) else [part / "constant" / region / "polyMesh"]),
            ]
        ),
    )


def _body(folder: Path, mesh: PolyMesh) -> tuple[list[Patch], list[Path]]:
    """The patches that make the surface, and the geometry files that named them, or all there are."""
    shapes = [
        file
        for place in ("triSurface", "geometry")
        if (folder / "constant" / place).is_dir()
        for file in sorted((folder / "constant" / place).iterdir())
        if file.is_file() and Path(_name(file)).suffix.lower() in _GEOMETRIES
    ]
    patches = [patch for patch in mesh.patches if patch.count]
    walls = [patch for patch in patches if patch.type == "wall"]
    named = {shape: [patch for patch in walls if patch.name.startswith(Path(_name(shape)).stem)] for shape in shapes}
    body = [patch for patch in walls if any(patch in patches for patches in named.values())]
    if body:
        return body, [shape for shape in shapes if named[shape]]
    body = walls or [patch for patch in patches if patch.type not in _NO_SURFACE]
    if not body:
        raise FormatError(f"{folder}: no patch of its boundary can be a surface (all are empty, cyclic or between "
                          "parts); name a case with walls")  # fmt: skip
    return body, shapes


def _faces_of(patches: list[Patch]) -> np.ndarray[Any, Any]:
    return np.concatenate([np.arange(patch.start, patch.start + patch.count) for patch in patches])


# --- fields


def _fields(folder: Path, now: Time, mean: bool, results: Results) -> dict[str, tuple[list[Path], str]]:
    """Files, one a part, and the package's name of each field to be read; what is left out is noted."""
    names: dict[str, str] = {}
    known_folders = ("uniform", "polyMesh", *regions(folder))
    for file in entries_of(now.folders[0]):
        place, _ = stored(file)
        if place.is_dir() and file.name not in known_folders:
            results.warnings.append(f"{file}: is left out (a folder within a time is not read)")
        elif place.is_file() and not file.name.startswith("."):
            names[_name(file)] = kind_of(file)
            if not names[_name(file)] and (not place.stat().st_size or _name(file) in NAMES):
                lack = "has no FoamFile header" if place.stat().st_size else "is empty"
                raise FormatError(f"{file}: {lack}; write or copy it again, delete it, or name another time")
    left: dict[str, str] = {}
    fields: dict[str, tuple[list[Path], str]] = {}
    for name, kind in names.items():
        base = name.removesuffix("Mean")
        average = base != name and base in names
        if not is_field(kind):
            left[name] = kind or "no OpenFOAM header"
        elif name.endswith("_0"):
            left[name] = "of the time step before"
        elif mean and not name.endswith("Mean"):
            left[name] = "no mean" if f"{name}Mean" not in names else f"{name}Mean is read in its place"
        else:
            renamed = NAMES.get(base, base) if average and mean else (
                f"{NAMES.get(base, base)}_mean" if average else NAMES.get(name, name)
            )  # fmt: skip
            shown = name if renamed in [each for _, each in fields.values()] else renamed
            files = [existing(part / name) for part in now.folders]
            if None in files:
                raise FormatError(
                    f"{now.folders[files.index(None)]}: has no {name}, other parts have; copy the case whole"
                )
            fields[name] = [file for file in files if file is not None], shown
    if left:
        results.extra["left_out"] = left
    return fields


def _place(results: Results, field: Field, shown: str, density: float | None) -> None:
    """Put a field on its meshes, with its unit."""
    base, unit, factor = shown.removesuffix("_mean"), unit_of(field.dimensions), 1.0
    if base in _DENSE and field.dimensions == KINEMATIC_PRESSURE:
        if density is None:
            shown = f"kinematic_{shown}"
            results.warnings.append(f"{field.files[0]}: {field.name} is divided by a density that the case does not "
                                    "state; give rho in constant/transportProperties to have it in Pa")  # fmt: skip
        else:
            unit, factor = "Pa", density
    factor = -factor if base == "wall_shear_stress" else factor
    on_walls = field.name.removesuffix("Mean") in ON_WALLS and not np.any(field.cells)
    surface = results.meshes["surface"]
    places = [("surface", np.concatenate(list(field.boundary.values())))] if field.boundary else []
    for domain, values in [*places, *([] if on_walls else [("volume", field.cells)])]:
        if len(values) != results.meshes[domain].n_cells:
            raise FormatError(
                f"{field.files[0]}: has {len(values)} values for {surface.n_cells} faces; copy the case whole"
            )
        results.meshes[domain].cell_data[shown] = values if factor == 1 else values * values.dtype.type(factor)
        results.units[f"{domain}/{shown}"] = unit


def _parameters(results: Results, field: Field, shown: str) -> None:
    """What is prescribed on whole patches: a velocity that is not zero, a temperature."""
    for patch, (kind, value) in field.conditions.items():
        patch = "freestream" if kind.startswith("freestream") else patch
        if shown == "temperature" and len(value) == 1:
            results.parameters[f"{patch}_temperature"] = Quantity(value[0], unit_of(field.dimensions))
        elif shown == "velocity" and len(value) == 3 and any(value):
            for axis, component in zip("xyz", value, strict=True):
                results.parameters[f"{patch}_velocity_{axis}"] = Quantity(component, unit_of(field.dimensions))


def _window(now: Time, results: Results) -> float | None:
    """Over how much time the fields were averaged, as their function object notes it."""
    file = existing(now.folders[0] / "uniform/functionObjects/functionObjectProperties")
    spans = []
    if file is not None:
        results.files.append(file)
        for entry in read_dictionary(file).values():
            for each in entry.values() if isinstance(entry, dict) else ():
                if isinstance(each, dict) and len(numbers(each.get("totalTime", []))) == 1:
                    spans += numbers(each["totalTime"])
    if not spans:
        results.warnings.append(f"{now.folders[0]}: does not say over which time fields were averaged; QoIs are those "
                                "of this time, not means")  # fmt: skip
        return None
    results.extra["averaged_over"] = max(spans)
    return max(spans)


# --- geometry


def _geometry(folder: Path, shapes: list[Path], results: Results) -> None:
    """The geometry that the mesh was made from, where it is one file."""
    if len(shapes) > 1:
        names = ", ".join(shape.name for shape in shapes)
        results.warnings.append(f"{folder}: has {len(shapes)} geometry files ({names}); name the one that matters by a "
                                "geometry file beside system")  # fmt: skip
    if len(shapes) != 1:
        return
    (shape,) = shapes
    scale = _scale(folder, shape, results)
    if shape.suffix == ".gz" or scale != 1 or shape.suffix.lower() == ".stlb":
        try:
            results.geometry = _unpacked(shape).scale(scale, inplace=False)
        except (GeometryError, FormatError) as error:
            results.warnings.append(f"{error}; the case has no geometry")
            return
    else:
        results.geometry = shape
        results.extra[GEOMETRY_UNIT] = "m"
    results.files.append(shape)


def _unpacked(shape: Path) -> Any:
    """The triangles of a geometry file that is compressed, or has a suffix of OpenFOAM's own."""
    name = Path(_name(shape))
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / (f"{name.stem}.stl" if name.suffix.lower() == ".stlb" else name.name)
        try:
            with gzip.open(shape) if shape.suffix == ".gz" else shape.open("rb") as packed, copy.open("wb") as plain:
                shutil.copyfileobj(packed, plain)
        except (OSError, EOFError) as error:
            raise FormatError(f"{shape}: cannot be unpacked ({error}); write or copy it again") from error
        return read_geometry(copy).mesh


def _scale(folder: Path, shape: Path, results: Results) -> float:
    """The factor by which snappyHexMesh multiplied a geometry's coordinates."""
    file = existing(folder / "system/snappyHexMeshDict")
    if file is None:
        return 1.0
    try:
        entry = lookup(read_dictionary(file, root=folder).get("geometry", {}), _name(shape))
    except (FormatError, AttributeError) as error:
        results.warnings.append(f"{error}; the geometry is taken to be in metres")
        return 1.0
    factor = numbers(entry.get("scale", [])) if isinstance(entry, dict) else []
    return factor[0] if len(factor) == 1 and math.isfinite(factor[0]) and factor[0] > 0 else 1.0


def _name(file: Path) -> str:
    return file.name.removesuffix(".gz")


def _word(entries: Dictionary, key: str) -> str:
    return (words(entries.get(key, [])) or [""])[0]
