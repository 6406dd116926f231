"""Files of Fluent."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.formats.programs import FOAM, run, run_elbow


def corner(i: int, j: int, k: int) -> int:
    return 1 + i + 3 * j + 6 * k


def faces_of_two_cubes() -> list[tuple[list[int], int, int]]:
    """Corners of each face, and the cells on its two sides (0: none).

    The inner face comes first, then inlet, outlet and walls.
    """
    faces = [([corner(1, 0, 0), corner(1, 1, 0), corner(1, 1, 1), corner(1, 0, 1)], 1, 2)]
    faces += [([corner(0, 0, 0), corner(0, 0, 1), corner(0, 1, 1), corner(0, 1, 0)], 1, 0)]
    faces += [([corner(2, 0, 0), corner(2, 1, 0), corner(2, 1, 1), corner(2, 0, 1)], 2, 0)]
    for cell, i in ((1, 0), (2, 1)):
        faces += [
            ([corner(i, 0, 0), corner(i + 1, 0, 0), corner(i + 1, 0, 1), corner(i, 0, 1)], cell, 0),
            ([corner(i, 1, 0), corner(i, 1, 1), corner(i + 1, 1, 1), corner(i + 1, 1, 0)], cell, 0),
            ([corner(i, 0, 0), corner(i, 1, 0), corner(i + 1, 1, 0), corner(i + 1, 0, 0)], cell, 0),
            ([corner(i, 0, 1), corner(i + 1, 0, 1), corner(i + 1, 1, 1), corner(i, 1, 1)], cell, 0),
        ]
    return [(face[::-1], inner, outer) for face, inner, outer in faces]


def words(*names: str) -> np.ndarray:
    joined = ";".join(names).encode()
    return np.array([joined + b";"], f"S{len(joined) + 2}")


def write_duct(tmp_path: Path) -> Path:
    """Two cubes in a row, an inlet, an outlet and walls: a ``.cas.h5`` with its ``.dat.h5``."""
    h5py = pytest.importorskip("h5py", reason="h5py is not installed; pip install h5py")
    faces = faces_of_two_cubes()
    points = np.array([(i, j, k) for k in (0, 1) for j in (0, 1) for i in (0, 1, 2)], float)

    def numbered(parent: Any, name: str, values: np.ndarray, first: int) -> None:
        stored = parent.create_dataset(name, data=values)
        stored.attrs["minId"], stored.attrs["maxId"] = np.uint64(first), np.uint64(first + len(values) - 1)

    with h5py.File(tmp_path / "duct.cas.h5", "w") as root:
        mesh = root.create_group("meshes/1")
        mesh.attrs["dimension"] = np.int32(3)
        for name, count in (("node", 12), ("cell", 2), ("face", len(faces))):
            mesh.attrs[f"{name}Offset"], mesh.attrs[f"{name}Count"] = np.uint64(1), np.uint64(count)

        def zones(path: str, rows: list[tuple[int, int, int, int, str]], **kinds: list[int]) -> None:
            group = mesh.create_group(f"{path}/zoneTopology")
            group.attrs["nZones"] = np.uint64(len(rows))
            for place, (name, kind) in enumerate((("id", "i4"), ("minId", "u8"), ("maxId", "u8"), ("dimension", "u8"))):
                group[name] = np.array([row[place] for row in rows], kind)
            group["name"] = words(*(row[4] for row in rows))
            for name, values in kinds.items():
                group[name] = np.array(values, np.int32)

        zones("nodes", [(1, 1, 12, 3, "nodes")])
        numbered(mesh, "nodes/coords/1", points, 1)
        zones("cells", [(2, 1, 2, 3, "fluid")], cellType=[4], childZoneId=[0])
        zones(
            "faces", [(3, 1, 1, 2, "between"), (4, 2, 2, 2, "inlet"), (5, 3, 3, 2, "outlet"), (6, 4, 11, 2, "walls")],
            zoneType=[2, 10, 5, 3], faceType=[4] * 4, childZoneId=[0] * 4, shadowZoneId=[0] * 4, flags=[0] * 4,
        )  # fmt: skip
        for path in ("faces/nodes", "faces/c0", "faces/c1", "cells/ctype"):
            mesh.create_group(path).attrs["nSections"] = np.uint64(1)
        section = mesh.create_group("faces/nodes/1")
        section.attrs["minId"], section.attrs["maxId"] = np.uint64(1), np.uint64(len(faces))
        section["nnodes"] = np.full(len(faces), 4, np.int16)
        section["nodes"] = np.array([face for face, _, _ in faces], np.uint32).ravel()
        numbered(mesh, "faces/c0/1", np.array([inner for _, inner, _ in faces], np.uint32), 1)
        numbered(mesh, "faces/c1/1", np.array([2], np.uint32), 1)
        root.create_group("settings")["Version"] = words("23.1")
    with h5py.File(tmp_path / "duct.dat.h5", "w") as root:
        fields = {
            "cells": {"SV_P": [(1, [10.0, 20.0])], "SV_U": [(1, [1.0, 2.0])], "SV_V": [(1, [0.1, 0.2])],
                      "SV_W": [(1, [0.0, 0.3])], "SV_T": [(1, [300.0, 310.0])], "SV_K": [(1, [0.5, 0.6])]},
            "faces": {"SV_P": [(2, [9.0]), (3, [21.0]), (4, np.arange(8.0))],
                      "SV_WALL_SHEAR": [(4, 0.1 * np.arange(1.0, 9.0))]},
        }  # fmt: skip
        for place, arrays in fields.items():
            group = root.create_group(f"results/1/phase-1/{place}")
            group["fields"] = words(*arrays)
            for name, sections in arrays.items():
                stored = group.create_group(name)
                stored.attrs["nSections"] = np.uint64(len(sections))
                for number, (first, values) in enumerate(sections, 1):
                    numbered(stored, str(number), np.asarray(values), first)
    return tmp_path / "duct.cas.h5"


def write_elbow(folder: Path) -> Path:
    """OpenFOAM's elbow as a ``.cas`` with its ``.dat``."""
    foam = run_elbow(folder)
    head = "FoamFile { version 2.0; format ascii; class dictionary; object foamDataToFluentDict; }\n"
    (foam / "system" / "foamDataToFluentDict").write_text(f"{head}p 1;\n")
    for program in ("foamMeshToFluent", "foamDataToFluent"):
        run([program], foam, WM_PROJECT_DIR=str(FOAM))
    written = foam / "fluentInterface"
    shutil.copy(written / "elbow.msh", written / "elbow.cas")
    shutil.copy(written / "elbow0.5.dat", written / "elbow.dat")
    return written / "elbow.cas"
