"""Fluent: the older kind as OpenFOAM's converters write it, the kind in HDF5 made here in the layout that VTK reads.

No file of Fluent itself was read.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damage import assert_cut_off_is_said, assert_flips_do_no_harm, assert_others_are_refused
from programs import FOAM, run, run_elbow

from tramontane.errors import FormatError
from tramontane.formats.collection import open_collection
from tramontane.formats.fluent.reader import read_fluent
from tramontane.formats.isolation import isolated
from tramontane.formats.readers import file_reader
from tramontane.formats.results import patches_of


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


@pytest.fixture
def case(tmp_path: Path) -> Path:
    return write_duct(tmp_path)


def test_cells_are_the_volume_and_boundary_zones_the_patches(case: Path) -> None:
    assert file_reader(case) is read_fluent
    assert file_reader(case.with_name("duct.dat.h5")) is None
    found = read_fluent(case)
    volume, surface = found.meshes["volume"], found.meshes["surface"]
    assert volume.volume == pytest.approx(2)
    assert surface.area == pytest.approx(10)
    patches, names = patches_of(surface)  # type: ignore[misc]
    assert names == ["inlet", "outlet", "walls"]  # not what lies between two cells
    assert volume.cell_data["velocity"] == pytest.approx(np.array([[1, 0.1, 0], [2, 0.2, 0.3]]))
    assert volume.cell_data["turbulent_kinetic_energy"].tolist() == [0.5, 0.6]
    assert surface.cell_data["pressure"].tolist() == [9, 21, 0, 1, 2, 3, 4, 5, 6, 7]
    assert surface.cell_data["wall_shear_stress"][patches == 2] == pytest.approx(0.1 * np.arange(1, 9))
    assert surface.cell_data["wall_shear_stress"][patches != 2].tolist() == [0, 0]
    assert found.warnings == [f"{case}: surface/wall_shear_stress is on 1 of 3 patches and 0 on the others"]
    assert found.units["surface/wall_shear_stress"] == "Pa"
    assert found.units["volume/velocity"] == "m/s"
    assert (found.length_unit, found.solver) == ("m", "Fluent")
    assert [file.name for file in found.files] == ["duct.cas.h5", "duct.dat.h5"]


def test_a_folder_of_cases_in_hdf5(case: Path) -> None:
    for suffix in (".cas.h5", ".dat.h5"):
        shutil.copy(case.with_name(f"duct{suffix}"), case.with_name(f"other{suffix}"))
    collection = open_collection(case.parent)
    assert [source.path.name for source in collection.sources] == ["duct.cas.h5", "other.cas.h5"]
    assert collection.sources[1].read().meshes["volume"].n_cells == 2


def test_damage(case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated, "SECONDS", 20.0)
    data = case.with_name("duct.dat.h5")
    for target in (case, data):
        assert_cut_off_is_said(read_fluent, case, target, shares=(0.02, 0.5, 0.99))
        assert_flips_do_no_harm(read_fluent, case, target, tries=3)
    assert_others_are_refused(read_fluent, tmp_path / "other.cas.h5")
    data.unlink()
    with pytest.raises(FormatError, match=r"duct\.cas\.h5: its data are missing \(duct\.dat\.h5\)"):
        read_fluent(case)


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


@pytest.fixture(scope="session")
def elbow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its files; tests that change them work on a copy."""
    return write_elbow(tmp_path_factory.mktemp("fluent"))


def test_the_older_kind(elbow: Path) -> None:
    assert file_reader(elbow) is read_fluent
    found = read_fluent(elbow)
    assert list(found.meshes) == ["volume"]
    volume = found.meshes["volume"]
    assert volume.n_cells == 918
    lines = (elbow.parent / "elbow0.5.dat").read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("(300 (1 1 1"))
    written = np.array(lines[start + 1 : start + 919], float)
    assert volume.cell_data["pressure"] == pytest.approx(written, rel=1e-6)
    assert found.warnings == [f"{elbow}: zones of faces are not read from a .cas; save it as .cas.h5 for a surface"]


def test_damage_of_the_older_kind(elbow: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated, "SECONDS", 20.0)
    file, data = tmp_path / "elbow.cas", tmp_path / "elbow.dat"
    shutil.copy(elbow, file)
    shutil.copy(elbow.with_suffix(".dat"), data)
    for target in (file, data):
        assert_cut_off_is_said(read_fluent, file, target, shares=(0.2, 0.7))
        assert_flips_do_no_harm(read_fluent, file, target, tries=2)
    data.unlink()
    with pytest.raises(FormatError, match=r"elbow\.cas: its data are missing \(elbow\.dat\)"):
        read_fluent(file)


def test_fields_of_several_cell_zones(case: Path) -> None:
    """Air and steel: temperature is stored zone by zone, pressure and velocity of the air alone."""
    h5py = pytest.importorskip("h5py", reason="h5py is not installed; pip install h5py")
    with h5py.File(case, "r+") as root:
        zones = root["meshes/1/cells/zoneTopology"]
        zones.attrs["nZones"] = np.uint64(2)
        for name, values in (("id", [2, 10]), ("minId", [1, 2]), ("maxId", [1, 2]), ("dimension", [3, 3]),
                             ("cellType", [4, 4]), ("childZoneId", [0, 0])):  # fmt: skip
            kind = zones[name].dtype
            del zones[name]
            zones[name] = np.array(values, kind)
        del zones["name"]
        zones["name"] = words("air", "steel")
        root["meshes/1/faces/zoneTopology/zoneType"][0] = 3
    data = case.with_name("duct.dat.h5")
    with h5py.File(data, "r+") as root:
        cells = root["results/1/phase-1/cells"]
        for name, sections in (("SV_T", [(1, [300.0]), (2, [500.0])]), ("SV_P", [(1, [10.0])])):
            del cells[name]
            stored = cells.create_group(name)
            stored.attrs["nSections"] = np.uint64(len(sections))
            for number, (first, values) in enumerate(sections, 1):
                section = stored.create_dataset(str(number), data=np.array(values))
                section.attrs["minId"], section.attrs["maxId"] = np.uint64(first), np.uint64(first + len(values) - 1)
    found = read_fluent(case)
    volume = found.meshes["volume"]
    assert volume.cell_data["temperature"].tolist() == [300.0, 500.0]
    assert volume.cell_data["velocity"] == pytest.approx(np.array([[1, 0.1, 0], [2, 0.2, 0.3]]))
    assert "pressure" not in volume.cell_data.keys()  # noqa: SIM118
    assert f"{case}: volume/pressure is on 1 of 2 blocks and is left out" in found.warnings
    assert patches_of(found.meshes["surface"])[1][0] == "between"  # type: ignore[index]


def test_a_section_that_is_too_short_is_named(case: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="h5py is not installed; pip install h5py")
    with h5py.File(case.with_name("duct.dat.h5"), "r+") as root:
        root["results/1/phase-1/cells/SV_T/1"].attrs["maxId"] = np.uint64(7)
    with pytest.raises(FormatError, match=r"duct\.dat\.h5: section 1 of SV_T has 2 values for 7 cells"):
        read_fluent(case)
