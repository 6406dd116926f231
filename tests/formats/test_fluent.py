"""Fluent: the older kind as OpenFOAM's converters write it, the kind in HDF5 made here in the layout that VTK reads.

No file of Fluent itself was read.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from helpers.formats.damage import assert_cut_off_is_said, assert_flips_do_no_harm, assert_others_are_refused
from helpers.formats.fluent_files import words, write_duct, write_elbow
from tramontane.errors import FormatError
from tramontane.formats.collection import open_collection
from tramontane.formats.fluent.reader import read_fluent
from tramontane.formats.isolation import isolated
from tramontane.formats.readers import file_reader
from tramontane.formats.results import patches_of


@pytest.fixture
def case(tmp_path: Path) -> Path:
    return write_duct(tmp_path)


def test_cells_are_the_volume_and_boundary_zones_the_patches(case: Path) -> None:
    assert file_reader(case) is read_fluent
    assert file_reader(case.with_name("duct.dat.h5")) is None
    results = read_fluent(case)
    volume, surface = results.meshes["volume"], results.meshes["surface"]
    assert volume.volume == pytest.approx(2)
    assert surface.area == pytest.approx(10)
    patches, names = patches_of(surface)  # type: ignore[misc]
    assert names == ["inlet", "outlet", "walls"]  # not what lies between two cells
    assert volume.cell_data["velocity"] == pytest.approx(np.array([[1, 0.1, 0], [2, 0.2, 0.3]]))
    assert volume.cell_data["turbulent_kinetic_energy"].tolist() == [0.5, 0.6]
    assert surface.cell_data["pressure"].tolist() == [9, 21, 0, 1, 2, 3, 4, 5, 6, 7]
    assert surface.cell_data["wall_shear_stress"][patches == 2] == pytest.approx(0.1 * np.arange(1, 9))
    assert surface.cell_data["wall_shear_stress"][patches != 2].tolist() == [0, 0]
    assert results.warnings == [f"{case}: surface/wall_shear_stress is on 1 of 3 patches and 0 on the others"]
    assert results.units["surface/wall_shear_stress"] == "Pa"
    assert results.units["volume/velocity"] == "m/s"
    assert (results.length_unit, results.solver) == ("m", "Fluent")
    assert [file.name for file in results.files] == ["duct.cas.h5", "duct.dat.h5"]


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


@pytest.fixture(scope="session")
def elbow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its files; tests that change them work on a copy."""
    return write_elbow(tmp_path_factory.mktemp("fluent"))


def test_the_older_kind(elbow: Path) -> None:
    assert file_reader(elbow) is read_fluent
    results = read_fluent(elbow)
    assert list(results.meshes) == ["volume"]
    volume = results.meshes["volume"]
    assert volume.n_cells == 918
    lines = (elbow.parent / "elbow0.5.dat").read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("(300 (1 1 1"))
    written = np.array(lines[start + 1 : start + 919], float)
    assert volume.cell_data["pressure"] == pytest.approx(written, rel=1e-6)
    assert results.warnings == [f"{elbow}: zones of faces are not read from a .cas; save it as .cas.h5 for a surface"]


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
    results = read_fluent(case)
    volume = results.meshes["volume"]
    assert volume.cell_data["temperature"].tolist() == [300.0, 500.0]
    assert volume.cell_data["velocity"] == pytest.approx(np.array([[1, 0.1, 0], [2, 0.2, 0.3]]))
    assert "pressure" not in volume.cell_data.keys()  # noqa: SIM118
    assert f"{case}: volume/pressure is on 1 of 2 blocks and is left out" in results.warnings
    assert patches_of(results.meshes["surface"])[1][0] == "between"  # type: ignore[index]


def test_a_section_that_is_too_short_is_named(case: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="h5py is not installed; pip install h5py")
    with h5py.File(case.with_name("duct.dat.h5"), "r+") as root:
        root["results/1/phase-1/cells/SV_T/1"].attrs["maxId"] = np.uint64(7)
    with pytest.raises(FormatError, match=r"duct\.dat\.h5: section 1 of SV_T has 2 values for 7 cells"):
        read_fluent(case)
