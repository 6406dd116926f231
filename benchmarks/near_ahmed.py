"""Bodies near the Ahmed-type family, by the family's own set-up of OpenFOAM, to measure verdicts with.

    python benchmarks/near_ahmed.py near/ahmed
    python benchmarks/near_ahmed.py again --like ../shared/data/ahmed/000

Of twelve, four have one dimension 10 to 40 % of its range beyond an end of it, four a feature that no member has (no
slant, a box on the roof, a step in place of the slant, a diffuser), four a speed beyond its range. ``near_ahmed_case``
holds OpenFOAM's dictionaries: half a body in a channel of 7 x 1.2 x 1.2 m, cells of 125 mm that are halved four times
at the body, wall functions, k-omega SST, 300 iterations, fields averaged over the last hundred. ``--like`` solves a
member's parameters again and says how far its fields are from the member's. ``kind.json`` in each case's folder says
what it is; ``failures.json`` beside them what could not be solved. OpenFOAM's programs must be on the path.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import netgen.meshing as meshing
import netgen.occ as occ
import numpy as np
import pyvista as pv
from scipy.spatial import cKDTree

from tramontane.io.atomic import write_json

RANGES = {
    "length": (0.9, 1.2), "width": (0.3, 0.45), "height": (0.25, 0.33), "front_radius": (0.06, 0.12),
    "clearance": (0.03, 0.08), "slant_angle": (5.0, 40.0), "slant_length": (0.15, 0.26), "speed": (20.0, 60.0),
}  # fmt: skip
FEATURES = ("no slant", "a box on the roof", "a step in place of the slant", "a diffuser")
_BEYOND = 0.1, 0.4  # of a range
_DENSITY, _VISCOSITY = 1.2, 1.5e-5
_ENERGY, _VISCOSITY_RATIO = 0.0125, 10.0  # m2/s2; of the turbulence that flows in, fitted to members' wall shear
_LEG_RADIUS, _LEG_DEPTH, _EDGE = 0.015, 0.05, 0.025
_ITERATIONS, _AVERAGED = 300, 100
_KEPT = ((-0.5, 2.625), (0.0, 0.6), (0.0, 0.72))
_DICTIONARIES = Path(__file__).parent / "near_ahmed_case"


def body(d: dict[str, float], feature: str = "") -> Any:
    """The closed body on its legs, metres: nose at x = 0, flow along +x, ground at z = 0."""
    length, half, bottom = d["length"], d["width"] / 2, d["clearance"]
    top, back = bottom + d["height"], length + 0.1
    solid = occ.Box(occ.Pnt(0, -half, bottom), occ.Pnt(length, half, top))
    solid = solid.MakeFillet(solid.faces.Min(occ.X).edges, d["front_radius"])
    angle = math.radians(d["slant_angle"])
    start, drop = length - d["slant_length"] * math.cos(angle), d["slant_length"] * math.sin(angle)
    if feature == "a step in place of the slant":
        solid = solid - occ.Box(occ.Pnt(start, -1, top - 0.09), occ.Pnt(back, 1, top + 0.1))
    elif feature != "no slant":
        solid = solid - _wedge((start, top), (length, top - drop), (back, top + 0.1))
    if feature == "a box on the roof":
        solid = solid + occ.Box(occ.Pnt(0.35 * length, -0.6 * half, top - 0.01),
                                occ.Pnt(0.35 * length + 0.22, 0.6 * half, top + 0.05))  # fmt: skip
    if feature == "a diffuser":
        run = 0.25
        solid = solid - _wedge((length - run, bottom), (length, bottom + run * math.tan(math.radians(12))),
                               (back, bottom - 0.1))  # fmt: skip
    for x in (0.19 * length, 0.65 * length):
        for y in (-0.84 * half, 0.84 * half):
            solid = solid + occ.Cylinder(occ.Pnt(x, y, -_LEG_DEPTH), occ.Z, _LEG_RADIUS, bottom + _LEG_DEPTH + 0.01)
    return solid


def _wedge(edge: tuple[float, float], lower: tuple[float, float], far: tuple[float, float]) -> Any:
    """What lies behind the plane through two edges along y, (x, z) each, as far as a third point."""
    slope = (lower[1] - edge[1]) / (lower[0] - edge[0])
    points = [edge, (far[0], edge[1] + slope * (far[0] - edge[0])), far, (edge[0], far[1])]
    wires = [occ.Segment(occ.Pnt(a[0], -1, a[1]), occ.Pnt(b[0], -1, b[1]))
             for a, b in zip(points, points[1:] + points[:1], strict=True)]  # fmt: skip
    return occ.Face(occ.Wire(wires)).Extrude(2 * occ.Y)


def triangles(solid: Any) -> pv.PolyData:
    """The surface of a solid, meshed."""
    mesh = occ.OCCGeometry(solid).GenerateMesh(maxh=_EDGE, perfstepsend=meshing.MeshingStep.MESHSURFACE)
    corners = np.array([[vertex.nr - 1 for vertex in element.vertices] for element in mesh.Elements2D()])
    return pv.PolyData.from_regular_faces(np.array([point.p for point in mesh.Points()]), corners).clean()


def solve(d: dict[str, float], feature: str, work: Path, target: Path) -> None:
    """Solve one body and write it as the family's cases are written.

    Raises:
        RuntimeError: A program of OpenFOAM failed, or the forces are no numbers.
    """
    started, surface = time.monotonic(), triangles(body(d, feature))
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(_DICTIONARIES, work)
    (work / "constant" / "triSurface").mkdir()
    surface.save(work / "constant" / "triSurface" / "body.stl")
    area, omega = d["width"] * d["height"] / 2, _ENERGY / (_VISCOSITY_RATIO * _VISCOSITY)
    conditions = {"speed": d["speed"], "area": area, "k": _ENERGY, "omega": omega}
    (work / "constant" / "conditions").write_text("".join(f"{key} {value!r};\n" for key, value in conditions.items()))
    environment = {"WM_PROJECT_DIR": "/usr/share/openfoam", **os.environ}
    for command in ("blockMesh", "surfaceFeatureExtract", "snappyHexMesh -overwrite", "simpleFoam"):
        log = work / f"log.{command.split()[0]}"
        with log.open("w") as out:
            ended = subprocess.run(command.split(), cwd=work, env=environment, stdout=out, stderr=subprocess.STDOUT)
        if ended.returncode:
            raise RuntimeError(f"{command}: exit code {ended.returncode}; {' '.join(log.read_text().split()[-30:])}")
    case = work / "case.foam"
    case.touch()
    reader = pv.OpenFOAMReader(case)
    reader.cell_to_point_creation = False
    reader.enable_all_patch_arrays()
    reader.set_active_time_value(float(_ITERATIONS))
    read = reader.read()
    volume, wall = read["internalMesh"], read["boundary"]["body"]
    forces = np.loadtxt(work / "postProcessing" / "forces" / "0" / "coefficient.dat")[-_AVERAGED:, [1, 3]]
    scale = 0.5 * _DENSITY * d["speed"] ** 2 * area
    if not np.isfinite(forces).all():
        raise RuntimeError("simpleFoam: the forces are no numbers")
    centres = np.asarray(volume.cell_centers().points)
    kept = np.all([(centres[:, axis] > low) & (centres[:, axis] < high) for axis, (low, high) in enumerate(_KEPT)], 0)
    part = volume.extract_cells(np.flatnonzero(kept))
    out_volume = pv.UnstructuredGrid()
    out_volume.copy_structure(part)
    out_volume.cell_data["velocity"] = np.asarray(part["UMean"], np.float32)
    out_volume.cell_data["pressure"] = np.asarray(_DENSITY * part["pMean"], np.float32)
    out_surface = pv.PolyData(wall.points, wall.faces)
    pressure, shear = _DENSITY * np.asarray(wall["pMean"]), -_DENSITY * np.asarray(wall["wallShearStressMean"])
    out_surface.cell_data["pressure"] = pressure.astype(np.float32)
    out_surface.cell_data["wall_shear_stress"] = shear.astype(np.float32)
    normals = out_surface.compute_normals(
        point_normals=False, auto_orient_normals=False, consistent_normals=False, inplace=False
    )
    areas = out_surface.compute_cell_sizes(length=False, volume=False)["Area"]
    document = {
        "parameters": d,
        "qoi": {name: 2 * scale * float(value) for name, value in zip(("drag", "lift"), forces.mean(0), strict=True)},
        "integrated": {
            "Fp": (-(pressure * areas)[:, None] * normals["Normals"]).sum(0).tolist(),
            "Fw": (shear * areas[:, None]).sum(0).tolist(),
        },
        "density": _DENSITY, "cells": volume.n_cells, "kept": part.n_cells, "faces": wall.n_cells,
        "std": dict(zip(("Cd", "Cl"), forces.std(0).tolist(), strict=True)),
        "seconds": time.monotonic() - started,
    }  # fmt: skip
    target.mkdir(parents=True)
    surface.save(target / "body.stl")
    out_surface.save(target / "surface.vtp")
    out_volume.save(target / "volume.vtu")
    write_json(target / "case.json", document)


def apart(member: Path, again: Path) -> dict[str, Any]:
    """How far a member solved again is from the member: relative L2 errors at the member's cells, forces, counts."""
    found: dict[str, Any] = {}
    for name in ("surface.vtp", "volume.vtu"):
        truth, mesh = pv.read(member / name), pv.read(again / name)
        nearest = cKDTree(mesh.cell_centers().points).query(truth.cell_centers().points)[1]
        for field in truth.cell_data:
            expected, had = np.asarray(truth.cell_data[field]), np.asarray(mesh.cell_data[field])[nearest]
            found[f"{name.split('.')[0]}/{field}"] = float(np.linalg.norm(had - expected) / np.linalg.norm(expected))
    documents = [json.loads((folder / "case.json").read_text()) for folder in (member, again)]
    for key in ("qoi", "cells", "kept", "faces", "std", "seconds"):
        found[key] = [document[key] for document in documents]
    return found


def drawn(number: int, seed: int) -> tuple[str, str, dict[str, float], str]:
    """Kind, what is unusual, parameters (metres, degrees, m/s) and feature of one near body."""
    order = np.random.default_rng(seed).permutation([name for name in RANGES if name != "speed"])
    rng = np.random.default_rng([seed, number])
    values = {name: float(rng.uniform(*span)) for name, span in RANGES.items()}
    kind, which = ("dimension", "feature", "condition")[number % 3], number // 3
    if kind == "feature":
        feature = FEATURES[which % len(FEATURES)]
        return kind, feature, values, feature
    name = str(order[which % len(order)]) if kind == "dimension" else "speed"
    (low, high), share, upper = RANGES[name], float(rng.uniform(*_BEYOND)), which % 2 == 0
    values[name] = high + share * (high - low) if upper else low - share * (high - low)
    return kind, f"{name} {100 * share:.0f} % of its range {'above' if upper else 'below'}", values, ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--like", type=Path, help="a member to solve again, in place of near bodies")
    given = parser.parse_args()
    work = given.out.with_name(given.out.name + ".work")
    if given.like:
        parameters = json.loads((given.like / "case.json").read_text())["parameters"]
        solve(parameters, "", work, given.out / given.like.name)
        print(json.dumps(apart(given.like, given.out / given.like.name), indent=1))
        return
    failures = {}
    for number in range(given.count):
        folder = given.out / f"near-{number:03d}"
        if (folder / "kind.json").exists():
            continue
        kind, said, values, feature = drawn(number, given.seed)
        shutil.rmtree(folder, ignore_errors=True)
        try:
            solve(values, feature, work, folder)
        except Exception as error:  # whatever a geometry kernel, a mesher or a solver fails with
            failures[folder.name] = f"{said}: {error}"
            write_json(given.out / "failures.json", failures)
            print(folder.name, failures[folder.name], flush=True)
            continue
        write_json(folder / "kind.json", {"kind": kind, "said": said})
        print(folder.name, kind, said, flush=True)


if __name__ == "__main__":
    main()
