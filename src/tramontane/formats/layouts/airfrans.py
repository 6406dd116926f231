"""AirfRANS: 1000 plane flows around NACA aerofoils, OpenFOAM (Bonnet et al., NeurIPS 2022, arXiv:2212.07564; ODbL 1.0).

Where the facts come from: the authors' library (``Extrality/airfrans_lib``): ``manifest.json`` with ``full_train``,
``full_test``, ``scarce_train`` (tested on ``full_test``), ``reynolds_train``, ``reynolds_test``, ``aoa_train`` and
``aoa_test``; a folder a case, ``airFoil2D_SST_SPEED_ANGLE_NACA...``, with ``NAME_internal.vtu``, ``NAME_aerofoil.vtp``,
``NAME_freestream.vtp``; point arrays ``U`` (m/s), ``p`` (divided by density, m2/s2), ``nut`` (m2/s),
``implicit_distance``; air at 298.15 K, whose density follows from the ideal gas; angle in degrees. The NACA numbers are
those of its generator: three of a 4-digit aerofoil (camber, its place, thickness) and four of a 5-digit one (lift
number, place of the camber, reflex or not, thickness).

The flow is plane: the geometry is the aerofoil drawn out along z to a body as thick as it is long.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyvista as pv

from tramontane.errors import FormatError
from tramontane.formats.layouts import shared
from tramontane.formats.layouts.layout import Layout
from tramontane.formats.results import CaseSource, Collection, Results
from tramontane.formats.vtk.meshes import read_mesh
from tramontane.units import Quantity

DENSITY = 1.01325e5 * 28.965338e-3 / (8.3144621 * 298.15)  # kg/m3
_CASE = re.compile(r"airFoil2D_SST_(-?[\d.]+)_(-?[\d.]+)((?:_-?[\d.]+){3,4})")
_FIELDS = {"U": ("velocity", "m/s"), "p": ("pressure", "Pa"), "nut": ("turbulent_viscosity", "m^2/s")}


def airfrans(folder: Path, splits: str | None = None) -> Collection | None:
    """AirfRANS in a folder (``Dataset`` or the one above), or None where it is something else.

    Args:
        folder: To look at.
        splits: The task: ``full`` unless ``scarce``, ``reynolds`` or ``aoa`` is named.
    """
    root = next((place for place in (folder, folder / "Dataset") if place.is_dir() and _cases(place)), None)
    if root is None:
        return None
    notes = [
        f"AirfRANS: pressure is stored divided by density; it is taken times {DENSITY:.4f} kg/m3 (air at 298.15 K).",
        "The geometry is the aerofoil drawn out along z. implicit_distance and the outer boundary are not read.",
    ]
    cases = _cases(root)
    files = {
        case.name: {
            kind: file
            for kind, end in (("surface", "_aerofoil.vtp"), ("volume", "_internal.vtu"))
            if (file := case / f"{case.name}{end}").is_file()
        }
        for case in cases
    }
    kinds = {"surface": "aerofoil files (NAME_aerofoil.vtp)", "volume": "flow files (NAME_internal.vtu)"}
    kept, names = shared.common_files(files, kinds, notes)
    sources = [CaseSource(name, root / name, functools.partial(read_case, root / name, tuple(kept))) for name in names]
    official = _splits(root / "manifest.json", splits, notes)
    if official and not {name for every in official.values() for name in every} & set(names):
        first = next((name for every in official.values() for name in every), "")
        raise FormatError(f"{root / 'manifest.json'}: names no case of this folder (the first is {first!r}); "
                          "unpack both from one archive")  # fmt: skip
    return Collection(
        folder, "AirfRANS", sources, splits=shared.present(official, sources, notes),
        table={name: _parameters(root / name) for name in names}, length_unit="m", notes=notes,
    )  # fmt: skip


def read_case(folder: Path, kinds: Sequence[str]) -> Results:
    """One flow: the field around the aerofoil and on it.

    Raises:
        FormatError: A file is damaged, or the aerofoil is no closed line.
    """
    results = Results(length_unit="m", solver="OpenFOAM", version="v2112")
    ends = {"surface": "_aerofoil.vtp", "volume": "_internal.vtu"}
    for kind in kinds:
        file = folder / f"{folder.name}{ends[kind]}"
        mesh = read_mesh(file)
        if kind == "surface":
            results.geometry = shared.extruded(_outline(mesh, file))
        shared.drop(mesh, "implicit_distance", "Normals")
        units = shared.rename_fields(mesh, _FIELDS)
        shared.from_kinematic(mesh, DENSITY)
        results.meshes[kind] = mesh
        results.units |= {f"{kind}/{name}": unit for name, unit in units.items()}
        results.files.append(file)
    return results


def _cases(root: Path) -> list[Path]:
    return sorted(entry for entry in root.iterdir() if _CASE.fullmatch(entry.name) and entry.is_dir())


def _parameters(case: Path) -> dict[str, Quantity]:
    match = _CASE.fullmatch(case.name)
    try:
        if match is None:
            raise ValueError
        speed, angle = float(match[1]), float(match[2])
        naca = [float(part) for part in match[3].split("_")[1:]]
    except ValueError:
        raise FormatError(
            f"{case}: its name has no speed, angle and three or four NACA numbers; unpack it anew"
        ) from None
    reflex = naca[2] if len(naca) == 4 else 0.0
    return {
        "inlet_velocity": Quantity(speed, "m/s"), "angle_of_attack": Quantity(angle, "deg"),
        "naca_series": Quantity(float(len(naca) + 1), ""), "naca_camber": Quantity(naca[0], ""),
        "naca_position": Quantity(naca[1], ""), "naca_reflex": Quantity(reflex, ""),
        "naca_thickness": Quantity(naca[-1], ""),
    }  # fmt: skip


def _splits(file: Path, wanted: str | None, notes: list[str]) -> dict[str, list[str]]:
    if not file.is_file():
        shared.no_other_splits(f"{file.parent}: without manifest.json, AirfRANS", wanted)
        notes.append("manifest.json is not here, so there are no official splits; unpack it for them.")
        return {}
    lists = shared.split_lists(file, shared.read_json(file))
    tasks = sorted(
        (key.removesuffix("_train") for key in lists if key.endswith("_train")), key=lambda key: key != "full"
    )
    if not tasks:
        raise FormatError(f"{file}: has no list whose name ends in _train; unpack it again")
    chosen = shared.choose(file, tasks, wanted, notes, what="task")
    test = lists.get("full_test" if chosen == "scarce" else f"{chosen}_test", [])
    return {"train": lists[f"{chosen}_train"], "test": test}


def _outline(mesh: pv.PolyData | pv.UnstructuredGrid, file: Path) -> pv.PolyData:
    """The aerofoil as one polygon."""
    line = mesh if isinstance(mesh, pv.PolyData) else mesh.extract_surface(algorithm="dataset_surface")
    strips = (
        pv.PolyData(np.asarray(line.points), lines=line.lines).clean().strip(join=True, max_length=len(line.points) + 1)
    )
    loop = np.asarray(strips.lines) if strips.n_lines == 1 else np.zeros(0, dtype=np.int64)
    if len(loop) < 5 or loop[1] != loop[-1]:
        raise FormatError(f"{file}: its lines are not one closed aerofoil; unpack it again")
    corners = np.asarray(strips.points)[loop[1:-1]]
    return pv.PolyData(corners, faces=[len(corners), *range(len(corners))])


LAYOUT = Layout("AirfRANS", airfrans)
