"""CGNS as code_saturne and the CGNS tools write it; units and boundary conditions are added to these by hand.

Files of other programs (Fluent, STAR-CCM+, ICEM) were never read.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvista as pv

from helpers.formats.cgns_files import structured
from helpers.formats.damage import assert_cut_off_is_said, assert_flips_do_no_harm, assert_others_are_refused
from helpers.formats.programs import need, run, run_saturne
from tramontane.formats import read_case
from tramontane.formats.cgns.reader import read_cgns
from tramontane.formats.readers import file_reader
from tramontane.formats.results import patches_of


@pytest.fixture(scope="session")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """code_saturne's flow through a box; tests that change it work on a copy."""
    return run_saturne(tmp_path_factory.mktemp("saturne"), "cgns") / "results.cgns"


def test_code_saturne(channel: Path) -> None:
    assert file_reader(channel) is read_cgns
    results = read_cgns(channel)
    volume, surface = results.meshes["volume"], results.meshes["surface"]
    assert (volume.n_cells, volume.n_points) == (24, 60)
    assert volume.volume == pytest.approx(2)
    assert surface.area == pytest.approx(10)
    assert volume.cell_data["velocity"].shape == (24, 3)
    assert volume.cell_data["velocity"][:, 0].mean() == pytest.approx(1, rel=0.1)
    x = volume.cell_centers().points[:, 0]
    assert volume.cell_data["pressure"][x < 0.5].mean() > volume.cell_data["pressure"][x > 1.5].mean()
    # Its "Stress" is a force on an area, no tensor, and keeps its name.
    assert surface.cell_data["Stress"].shape == (52, 3)
    assert surface.cell_data["y_plus"].min() >= 0
    assert patches_of(surface)[1] == ["Boundary"]  # type: ignore[index]
    assert results.extra == {"time": {"value": pytest.approx(0.5), "step": 3, "steps": 3}}
    assert results.length_unit is None  # it does not say


def test_a_structured_zone_of_the_cgns_tools(tmp_path: Path) -> None:
    volume = read_cgns(structured(tmp_path)).meshes["volume"]
    assert volume.volume == pytest.approx(3)
    assert set(volume.celltypes.tolist()) == {int(pv.CellType.HEXAHEDRON)}
    x, y, _ = volume.points.T
    assert volume.point_data["density"] == pytest.approx(1 + x)
    assert volume.point_data["momentum"] == pytest.approx(np.stack([0.1 * x, 0.2 * y, 0 * x], axis=1))


def test_the_older_kind_of_file(tmp_path: Path) -> None:
    need("hdf2adf", "cgns-convert")
    structured(tmp_path)
    run(["hdf2adf", "a.cgns", "old.cgns"], tmp_path)
    assert b"ADF" in (tmp_path / "old.cgns").read_bytes()[:32]
    assert read_cgns(tmp_path / "old.cgns").meshes["volume"].volume == pytest.approx(3)


def node(parent: Any, name: str, label: str, data: np.ndarray | None = None) -> Any:
    """A node of CGNS in HDF5."""
    h5py = pytest.importorskip("h5py", reason="h5py is not installed; pip install h5py")
    group = parent.create_group(name)
    kind = "MT" if data is None else {"S1": "C1", "i4": "I4", "i8": "I8", "f4": "R4", "f8": "R8"}[data.dtype.str[1:]]
    for key, text, size in (("name", name, 33), ("label", label, 33), ("type", kind, 3)):
        group.attrs.create(key, np.array(text.encode(), f"S{size}"), dtype=h5py.string_dtype("ascii", size))
    group.attrs["flags"] = np.array([1], np.int32)
    if data is not None:
        group.create_dataset(" data", data=data.view(np.int8) if kind == "C1" else data)
    return group


def text(words: str) -> np.ndarray:
    return np.frombuffer(words.encode(), "S1")


def test_units_are_read_where_the_file_says_them(channel: Path, tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="h5py is not installed; pip install h5py")
    (tmp_path / "case").mkdir()
    file = tmp_path / "case" / "results.cgns"
    shutil.copy(channel, file)
    with h5py.File(file, "r+") as root:
        for base in ("Fluid domain", "Boundary"):
            units = "".join(word.ljust(32) for word in ("Kilogram", "Millimeter", "Second", "Kelvin", "Degree"))
            node(root[base], "DataClass", "DataClass_t", text("Dimensional"))
            node(root[base], "DimensionalUnits", "DimensionalUnits_t", text(units))
    results = read_cgns(file)
    assert results.length_unit == "mm"
    assert results.units["volume/pressure"] == "kg^1*mm^-1*s^-2"
    assert results.units["volume/velocity"] == "mm^1*s^-1"
    case = read_case(file.parent)
    assert case.meshes["volume"].bounds[1] == pytest.approx(2e-3)
    assert case.field_units["velocity"] == "m/s"
    assert case.field_units["pressure"] == "Pa"
    assert case.field_values("volume", "velocity")[:, 0].mean() == pytest.approx(1e-3, rel=0.1)
    assert case.field_values("volume", "pressure") == pytest.approx(1e3 * results.meshes["volume"]["pressure"])


def test_sections_of_faces_are_called_after_their_boundary_conditions(tmp_path: Path) -> None:
    """Two cubes and their faces as Gmsh writes them: a section a group, families that name themselves."""
    h5py = pytest.importorskip("h5py", reason="h5py is not installed; pip install h5py")
    file = tmp_path / "gmsh.cgns"
    grid = pv.ImageData(dimensions=(3, 2, 2)).cast_to_unstructured_grid()
    hexes = np.array([[0, 1, 4, 3, 6, 7, 10, 9], [1, 2, 5, 4, 7, 8, 11, 10]]) + 1
    left, right = np.array([[0, 6, 9, 3]]) + 1, np.array([[2, 5, 11, 8]]) + 1
    with h5py.File(file, "w", libver=("earliest", "v108")) as root:
        write_root(root)
        base = node(root, "Base", "CGNSBase_t", np.array([3, 3], np.int32))
        for family, name in (("S_1", "inlet"), ("S_2", "outlet")):
            node(node(base, family, "Family_t"), name, "FamilyName_t", text(name))
        zone = node(base, "Zone", "Zone_t", np.array([[12], [2], [0]], np.int32))
        node(zone, "ZoneType", "ZoneType_t", text("Unstructured"))
        coordinates = node(zone, "GridCoordinates", "GridCoordinates_t")
        for axis, values in zip("XYZ", grid.points.T.astype(np.float64), strict=True):
            node(coordinates, f"Coordinate{axis}", "DataArray_t", np.ascontiguousarray(values))
        at = 1
        for name, kind, cells in (("cells", 17, hexes), ("3_S_1", 7, left), ("3_S_2", 7, right)):
            section = node(zone, name, "Elements_t", np.array([kind, 0], np.int32))
            node(section, "ElementRange", "IndexRange_t", np.array([at, at + len(cells) - 1], np.int32))
            node(section, "ElementConnectivity", "DataArray_t", cells.ravel().astype(np.int32))
            at += len(cells)
        conditions = node(zone, "ZoneBC", "ZoneBC_t")
        for number, name in ((3, "S_1"), (4, "S_2")):
            condition = node(conditions, f"bc {name}", "BC_t", text("FamilySpecified"))
            node(condition, "PointRange", "IndexRange_t", np.array([[number], [number]], np.int32))
            node(condition, "GridLocation", "GridLocation_t", text("CellCenter"))
            node(condition, "FamilyName", "FamilyName_t", text(name))
    results = read_cgns(file)
    assert results.meshes["volume"].volume == pytest.approx(2)
    surface = results.meshes["surface"]
    assert surface.n_points == 8  # those of the two faces alone
    patches, names = patches_of(surface)  # type: ignore[misc]
    assert [names[index] for index in patches] == ["inlet", "outlet"]
    assert surface.cell_centers().points.tolist() == [[0, 0.5, 0.5], [2, 0.5, 0.5]]


def test_damage(channel: Path, tmp_path: Path) -> None:
    file = tmp_path / "results.cgns"
    shutil.copy(channel, file)
    assert_cut_off_is_said(read_cgns, file, shares=(0.001, 0.3, 0.99))
    assert_flips_do_no_harm(read_cgns, file)
    assert_others_are_refused(read_cgns, tmp_path / "other.cgns")


def write_root(root: Any) -> None:
    """The root is a node, too, and says what kind of numbers the file has."""
    h5py = pytest.importorskip("h5py", reason="h5py is not installed; pip install h5py")
    for key, value, size in (("name", "HDF5 MotherNode", 33), ("label", "Root Node of HDF5 File", 33),
                             ("type", "MT", 3)):  # fmt: skip
        root.attrs.create(key, np.array(value.encode(), f"S{size}"), dtype=h5py.string_dtype("ascii", size))
    root.create_dataset(" format", data=text("IEEE_LITTLE_32\0").view(np.int8))
    root.create_dataset(" hdf5version", data=text("HDF5 Version 1.10.8".ljust(33, "\0")).view(np.int8))
    node(root, "CGNSLibraryVersion", "CGNSLibraryVersion_t", np.array([4.2], np.float32))


# Two cubes side by side along x: 12 points, 11 faces, of which the third lies between both.
FACES = np.array([[1, 7, 10, 4], [3, 6, 12, 9], [2, 5, 11, 8], [1, 2, 8, 7], [2, 3, 9, 8], [4, 10, 11, 5],
                  [5, 11, 12, 6], [1, 4, 5, 2], [2, 5, 6, 3], [7, 8, 11, 10], [8, 9, 12, 11]])  # fmt: skip
CUBES = np.array([[1, 3, 4, 6, 8, 10], [-3, 2, 5, 7, 9, 11]])
HEXES = np.array([[1, 2, 5, 4, 7, 8, 11, 10], [2, 3, 6, 5, 8, 9, 12, 11]])


def write_cubes(
    file: Path, conditions: dict[str, tuple[str, str, list[int]]], *, polyhedra: bool, by_vertices: str = ""
) -> Path:
    """Two cubes with conditions: the name, a kind, a family (or none) and the numbers of the faces, from 1.

    Those of the condition ``by_vertices`` are numbers of vertices.
    """
    h5py = pytest.importorskip("h5py", reason="h5py is not installed; pip install h5py")
    grid = pv.ImageData(dimensions=(3, 2, 2)).cast_to_unstructured_grid()
    with h5py.File(file, "w", libver=("earliest", "v108")) as root:
        write_root(root)
        base = node(root, "Base", "CGNSBase_t", np.array([3, 3], np.int32))
        for family in {family for _, family, _ in conditions.values() if family}:
            node(node(base, family, "Family_t"), "FamilyBC", "FamilyBC_t", text("BCWall"))
        zone = node(base, "Zone", "Zone_t", np.array([[12], [2], [0]], np.int32))
        node(zone, "ZoneType", "ZoneType_t", text("Unstructured"))
        coordinates = node(zone, "GridCoordinates", "GridCoordinates_t")
        for axis, values in zip("XYZ", grid.points.T.astype(np.float64), strict=True):
            node(coordinates, f"Coordinate{axis}", "DataArray_t", np.ascontiguousarray(values))
        cells = CUBES if polyhedra else HEXES
        kinds = (22, 23) if polyhedra else (7, 17)
        for name, kind, first, rows in (("faces", kinds[0], 1, FACES), ("cells", kinds[1], 12, cells)):
            section = node(zone, name, "Elements_t", np.array([kind, 0], np.int32))
            node(section, "ElementRange", "IndexRange_t", np.array([first, first + len(rows) - 1], np.int32))
            node(section, "ElementConnectivity", "DataArray_t", rows.ravel().astype(np.int32))
            if polyhedra:
                offsets = np.arange(0, rows.size + 1, rows.shape[1], dtype=np.int32)
                node(section, "ElementStartOffset", "DataArray_t", offsets)
        solution = node(zone, "FlowSolution", "FlowSolution_t")
        node(solution, "GridLocation", "GridLocation_t", text("CellCenter"))
        node(solution, "Pressure", "DataArray_t", np.array([10.0, 20.0]))
        conditions_node = node(zone, "ZoneBC", "ZoneBC_t") if conditions else None
        for name, (kind, family, faces) in conditions.items():
            condition = node(conditions_node, name, "BC_t", text(kind))
            node(condition, "PointList", "IndexArray_t", np.array([faces], np.int32).T)
            location = "Vertex" if name == by_vertices else "FaceCenter"
            node(condition, "GridLocation", "GridLocation_t", text(location))
            if family:
                node(condition, "FamilyName", "FamilyName_t", text(family))
    return file


def named_faces(file: Path) -> dict[str, list[float]]:
    """The x of the middle of each patch's faces."""
    surface = read_cgns(file).meshes["surface"]
    patches, names = patches_of(surface)  # type: ignore[misc]
    middles = surface.cell_centers().points[:, 0]
    return {name: sorted(middles[patches == index].tolist()) for index, name in enumerate(names)}


@pytest.mark.parametrize("polyhedra", [False, True])
def test_conditions_with_and_without_families(tmp_path: Path, polyhedra: bool) -> None:
    conditions = {
        "bottom": ("FamilySpecified", "Wall", [8, 9]),
        "left": ("BCInflow", "", [1]),
        "right": ("BCOutflow", "", [2]),
    }
    file = write_cubes(tmp_path / "cubes.cgns", conditions, polyhedra=polyhedra)
    faces = named_faces(file)
    assert {name: faces[name] for name in ("Wall", "left", "right")} == {"Wall": [0.5, 1.5], "left": [0], "right": [2]}
    assert faces["faces"] == ([0.5, 0.5, 0.5, 1.5, 1.5, 1.5] if polyhedra else [0.5, 0.5, 0.5, 1, 1.5, 1.5, 1.5])
    assert read_cgns(file).meshes["volume"].volume == pytest.approx(2)


def test_polyhedra_without_conditions_have_their_outer_faces(tmp_path: Path) -> None:
    results = read_cgns(write_cubes(tmp_path / "cubes.cgns", {}, polyhedra=True))
    surface = results.meshes["surface"]
    assert surface.n_cells == 10
    assert surface.area == pytest.approx(10)
    assert results.meshes["volume"].cell_data["pressure"].tolist() == [10, 20]


def test_a_condition_of_faces_that_are_nowhere_is_said(tmp_path: Path) -> None:
    conditions = {"left": ("BCInflow", "", [1]), "lost": ("BCWall", "", [99])}
    results = read_cgns(write_cubes(tmp_path / "cubes.cgns", conditions, polyhedra=False))
    assert "boundary condition lost of zone Zone is left out" in results.warnings[-1]


def test_a_condition_by_vertices_is_said_and_the_others_are_read(tmp_path: Path) -> None:
    conditions = {"bottom": ("FamilySpecified", "Wall", [8, 9]), "right": ("BCOutflow", "", [3, 6, 9, 12])}
    file = write_cubes(tmp_path / "cubes.cgns", conditions, polyhedra=False, by_vertices="right")
    assert named_faces(file)["Wall"] == [0.5, 1.5]
    (warning,) = [text for text in read_cgns(file).warnings if "boundary condition" in text]
    assert "boundary condition right of zone Zone is left out" in warning
    assert "GridLocation FaceCenter" in warning
