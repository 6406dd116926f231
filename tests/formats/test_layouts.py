"""Published data sets in their own layouts: what was written comes out in SI, with splits, and what lacks is said."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers import TESTS
from helpers.formats import published
from tramontane.case import Case
from tramontane.dataset import Dataset
from tramontane.dataset.audit.facts import examine
from tramontane.dataset.audit.report import audit
from tramontane.dataset.ingest.inference import ContractInference, contract_facts
from tramontane.dataset.ingest.staging import case_geometry
from tramontane.errors import FormatError
from tramontane.formats import read_geometry
from tramontane.formats.assemble import assemble
from tramontane.formats.collection import open_collection
from tramontane.formats.layouts import cgns_mesh
from tramontane.formats.results import Collection
from tramontane.units import Quantity

PLAID = TESTS / "data" / "plaid"


def cases(collection: Collection) -> Iterator[Case]:
    for source in collection.sources:
        results = pickle.loads(pickle.dumps(source.read))()
        yield assemble(source.name, source.path, results, row=collection.table.get(source.name),
                       length_unit=collection.length_unit)  # fmt: skip


def case(collection: Collection, name: str) -> Case:
    return next(each for each in cases(collection) if each.name == name)


def notes_of(collection: Collection) -> str:
    return " ".join(collection.notes)


# -- the three of caemldatasets.org --------------------------------------------------------------------------------


def test_ahmedml(tmp_path: Path) -> None:
    collection = open_collection(published.write_ahmedml(tmp_path / "ahmed"))
    assert (collection.layout, collection.length_unit) == ("AhmedML", "m")
    assert collection.splits == {"train": ["run_1"], "validation": ["run_2"], "test": ["run_3"]}
    run = case(collection, "run_2")
    surface = run.meshes["surface"]
    # The fields at points, 99 everywhere, are interpolations of those at cells: these are what is kept.
    assert run.field_names("surface") == {"pressure": "cell", "wall_shear_stress": "cell"}
    assert run.field_values("surface", "pressure") == pytest.approx(2 * surface.cell_centers().points[:, 0], abs=1e-6)
    # OpenFOAM's shear points upstream; on the wall, the wind pulls downstream.
    assert run.field_values("surface", "wall_shear_stress")[0].tolist() == [2, 0, 0]
    assert run.field_values("volume", "velocity")[0].tolist() == [2, 0, 0]
    assert run.field_units == {"pressure": "Pa", "wall_shear_stress": "Pa", "velocity": "m/s"}
    assert run.design.parameters["body_length"] == Quantity(1002.0, "mm")
    assert run.design.parameters["slant_angle_degrees"] == Quantity(22.0, "deg")
    assert run.qoi == pytest.approx({"drag_coefficient": 0.2, "lift_coefficient": -0.0945})
    assert run.design.geometry == tmp_path / "ahmed" / "run_2" / "ahmed_2.stl"
    assert "assumed_units" not in run.provenance.extra
    assert sorted(run.provenance.sources) == ["ahmed_2.stl", "boundary_2.vtp", "volume_2.vtu"]
    assert "3 of the 500 published runs are here" in notes_of(collection)


def test_another_family_of_splits_is_chosen_by_name(tmp_path: Path) -> None:
    root = published.write_ahmedml(tmp_path / "ahmed")
    collection = open_collection(root, splits="scarce")
    assert collection.splits == {"train": ["run_1"], "test": ["run_2", "run_3"]}
    assert "'scarce' of full, scarce" in notes_of(collection)
    assert "1 are not here: run_400" in notes_of(collection)
    with pytest.raises(FormatError, match=r"manifest\.json: has no splits 'tiny'; choose one of full, scarce"):
        open_collection(root, splits="tiny")


def test_a_partial_download_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    root = published.write_ahmedml(tmp_path / "ahmed", (1, 3), volume=False)
    (root / "run_3" / "boundary_3.vtp").unlink()
    shutil.rmtree(root / "splits")
    collection = open_collection(root)
    assert "There are no volume files (volume_N.vtu): volume is not read." in collection.notes
    assert "Boundary files (boundary_n.vtp) are not read: 1 of 2 cases have none (run_3)." in collection.notes
    assert "splits/manifest.json is not here" in notes_of(collection)
    assert not collection.splits
    assert [list(run.meshes) for run in cases(collection)] == [[], []]  # what is left: geometry, parameters, QoIs
    assert case(collection, "run_3").qoi["drag_coefficient"] == pytest.approx(0.3)


def test_of_many_runs_the_one_that_lacks_a_file_is_left_out(tmp_path: Path) -> None:
    root = published.write_ahmedml(tmp_path / "ahmed", range(1, 13), volume=False)
    (root / "run_5" / "boundary_5.vtp").unlink()
    (root / "run_7" / "geo_parameters_7.csv").unlink()
    collection = open_collection(root)
    assert [source.name for source in collection.sources] == [f"run_{n}" for n in (1, 2, 3, 4, 6, 8, 9, 10, 11, 12)]
    assert "for want of STL files (ahmed_N.stl) or boundary files (boundary_N.vtp) (1): run_5." in notes_of(collection)
    assert "(1): run_7." in notes_of(collection)


def test_drivaerml_joins_a_volume_in_parts(tmp_path: Path) -> None:
    root = published.write_drivaerml(tmp_path / "drivaer")
    collection = open_collection(root)
    assert collection.splits == {"train": ["run_1", "run_2"], "validation": ["run_4"], "test": ["run_11"]}
    assert "Of the 484 cases of the official splits, 480 are not here" in notes_of(collection)
    run = case(collection, "run_4")
    assert run.field_values("volume", "velocity")[0].tolist() == [4, 0, 0]
    assert run.field_values("surface", "wall_shear_stress")[0].tolist() == [4, 0, 0]
    # force_mom has each car's own reference area here, and 9 in this data; force_mom_constref is what is read.
    assert run.qoi["drag_coefficient"] == pytest.approx(0.34)
    assert run.design.parameters == {"vehicle_length": Quantity(40, "mm"), "vehicle_pitch": Quantity(-0.5, "deg")}
    assert not list((root / "run_4").glob(".*")), "the joined file is removed"
    assert "volume_4.vtu.02.part" in run.provenance.sources


def test_drivaerml_with_a_part_missing(tmp_path: Path) -> None:
    root = published.write_drivaerml(tmp_path / "drivaer", (1, 2))
    (root / "run_1" / "volume_1.vtu.01.part").unlink()
    (root / "run_2" / "volume_2.vtu.02.part").unlink()
    first, second = open_collection(root).sources
    with pytest.raises(FormatError, match=r"run_1/volume_1\.vtu: part 01 is missing; download volume_1\.vtu\.01\.part"):
        first.read()
    with pytest.raises(FormatError, match=r"run_2/volume_2\.vtu: is cut off"):
        second.read()


def test_windsorml(tmp_path: Path) -> None:
    collection = open_collection(published.write_windsorml(tmp_path / "windsor"))
    run = case(collection, "run_2")
    assert run.field_values("surface", "pressure_coefficient").tolist() == [2.0] * run.meshes["surface"].n_points
    # In the file, z stands before y.
    assert run.field_values("surface", "skin_friction_coefficient")[0].tolist() == [2, 4, 6]
    assert run.field_values("volume", "velocity")[0].tolist() == [40, 0, 2]
    assert run.field_values("volume", "pressureavg")[0] == pytest.approx(37330.4)
    assert run.field_units["velocity"] == "m/s"
    assert run.field_units["pressureavg"] == ""
    assert run.qoi == pytest.approx({"drag_coefficient": 0.4, "lift_coefficient": 0.4, "side_force_coefficient": 0.0,
                                     "moment_coefficient_y": 0.01})  # fmt: skip
    assert run.design.parameters["bottom_taper_angle"] == Quantity(12.0, "deg")
    assert "pressureavg in the volume is not documented" in notes_of(collection)


# -- the others ----------------------------------------------------------------------------------------------------


def test_shapenet_car(tmp_path: Path) -> None:
    root = published.write_shapenet_car(tmp_path / "mlcfd_data")
    collection = open_collection(root)
    assert open_collection(root / "training_data").splits == collection.splits
    assert collection.splits == {
        "train": ["param1-b0f00", "param1-b1f00", "param3-a0f00", "param3-a1f00"],
        "test": ["param0-a0f00", "param0-a1f00"],
    }  # fmt: skip
    assert "Left out, folders without meshes (1): param1-empty00." in collection.notes
    for name in ("param3-a0f00", "param3-a1f00"):  # of one, the mesh has the velocity, of the other, velo.npy
        car = case(collection, name)
        level = 30.0 + (name == "param3-a1f00")
        assert car.field_values("surface", "pressure").tolist() == [level] * car.meshes["surface"].n_points
        assert car.field_values("volume", "velocity")[0].tolist() == [0, 0, level]
        assert car.qoi["drag_coefficient"] == pytest.approx(0.3 + 0.01 * level)
        assert car.meshes["surface"].bounds[1] < 2, "the point that belongs to no cell is not part of the car"
    assert open_collection(root, splits="param3").splits["test"] == ["param3-a0f00", "param3-a1f00"]


def test_airfrans(tmp_path: Path) -> None:
    root = published.write_airfrans(tmp_path / "airfrans")
    four, five = published.AEROFOILS[3], published.AEROFOILS[1]
    collection = open_collection(root)
    assert collection.splits == {"train": list(published.AEROFOILS[:3]), "test": [four]}
    flow = case(collection, four)
    # p is divided by density: 1.184 kg/m3 is that of air at 25 degrees Celsius.
    for domain in ("surface", "volume"):
        x = flow.meshes[domain].points[:, 0]
        assert flow.field_values(domain, "pressure") == pytest.approx(1.184 * x, rel=2e-4)
        assert flow.field_values(domain, "velocity")[0].tolist() == [60, 0, 0]
    assert flow.field_names("volume") == dict.fromkeys(("velocity", "pressure", "turbulent_viscosity"), "point")
    assert flow.design.parameters == {
        "inlet_velocity": Quantity(60, "m/s"), "angle_of_attack": Quantity(10, "deg"), "naca_series": Quantity(4, ""),
        "naca_camber": Quantity(1, ""), "naca_position": Quantity(4, ""), "naca_reflex": Quantity(0, ""),
        "naca_thickness": Quantity(10, ""),
    }  # fmt: skip
    reflexed = case(collection, five).design.parameters
    assert (reflexed["naca_series"], reflexed["naca_reflex"]) == (Quantity(5, ""), Quantity(1, ""))
    assert reflexed["naca_thickness"] == Quantity(14.328, "")
    body = read_geometry(flow.design.geometry)
    assert body.closed
    assert body.volume == pytest.approx(
        24 / 2 * np.sin(2 * np.pi / 24) * 0.5 * 0.06, rel=1e-4
    )  # of chord 1, drawn by 1


@pytest.mark.parametrize(
    ("task", "train", "test"),
    [("scarce", [0], [3]), ("reynolds", [0, 1], [2, 3]), ("aoa", [2], [0])],
)
def test_the_tasks_of_airfrans(tmp_path: Path, task: str, train: list[int], test: list[int]) -> None:
    collection = open_collection(published.write_airfrans(tmp_path / "Dataset").parent, splits=task)
    assert collection.splits == {
        "train": [published.AEROFOILS[i] for i in train], "test": [published.AEROFOILS[i] for i in test],
    }  # fmt: skip


def test_a_manifest_of_other_cases(tmp_path: Path) -> None:
    root = published.write_airfrans(tmp_path / "airfrans")
    (root / "manifest.json").write_text(json.dumps({"full_train": ["airFoil2D_SST_1.0_2.0_3.0"], "full_test": []}))
    with pytest.raises(
        FormatError, match=r"manifest\.json: names no case of this folder \(the first is 'airFoil2D_SST_1"
    ):
        open_collection(root)
    (root / "manifest.json").write_text('{"full_train": 3}')
    with pytest.raises(FormatError, match=r"manifest\.json: is no table of lists of case names"):
        open_collection(root)


def test_drivaernet(tmp_path: Path) -> None:
    collection = open_collection(published.write_drivaernet(tmp_path / "cars"))
    assert collection.splits == {
        "train": list(published.DESIGNS[:2]), "validation": [published.DESIGNS[2]], "test": [published.DESIGNS[3]],
    }  # fmt: skip
    car = case(collection, published.DESIGNS[2])
    x = car.meshes["surface"].points[:, 0]
    assert car.field_values("surface", "pressure") == pytest.approx(1.184 * 2 * x, rel=1e-5)
    shear = car.field_values("surface", "wall_shear_stress")  # its file has the points in another order
    assert shear[:, 0] == pytest.approx(1.184 * x, rel=1e-5)
    assert shear[:, 2] == pytest.approx(np.full(len(x), -1.184 * 2))
    assert car.qoi == pytest.approx({"drag_coefficient": 0.27})
    assert not car.design.parameters  # one of four designs has some
    assert "parameter b_ramp_angle is left out: 3 of 4 cases have none" in notes_of(collection)
    assert "CC BY-NC 4.0, rules commercial use out" in notes_of(collection)
    assert car.design.geometry == tmp_path / "cars" / "3DMeshesSTL" / "E_S_WW_WM" / "E_S_WW_WM_075.stl"


def test_shear_of_another_car(tmp_path: Path) -> None:
    root = published.write_drivaernet(tmp_path / "cars")
    places = [root / "WallShearStressVTK_Updated" / "F_D_WM_WW" / f"F_D_WM_WW_000{i}.vtk" for i in (1, 2)]
    shutil.copy(places[0], places[1])
    source = next(source for source in open_collection(root).sources if source.name == "F_D_WM_WW_0002")
    with pytest.raises(FormatError, match=r"000\d\.vtk: lacks \d+ of the 74 points of F_D_WM_WW_0002\.vtk"):
        source.read()


def test_emmi_wing_goes_by_pattern(tmp_path: Path) -> None:
    collection = open_collection(published.write_emmi_wing(tmp_path / "wings"))
    wing = case(collection, "data-scan_1")
    assert wing.field_values("surface", "pressure") == pytest.approx(1e5 + wing.meshes["surface"].points[:, 0])
    assert wing.field_values("volume", "velocity")[0].tolist() == [200, 0, 0]
    assert wing.design.parameters == {
        "sweep_angle": Quantity(21, "deg"), "span": Quantity(1.2, "m"), "inlet_velocity": Quantity(200, "m/s"),
        "angle_of_attack": Quantity(4, "deg"),
    }  # fmt: skip
    assert "Not read: other.npy." in collection.notes
    (tmp_path / "wings" / "data" / "scan_0" / "surface_points.npy").unlink()
    with pytest.raises(FormatError, match=r"scan_0: has fields of the surface, but no points"):
        collection.sources[0].read()


# -- PLAID ---------------------------------------------------------------------------------------------------------


def test_plaid_as_its_library_writes_it() -> None:
    pytest.importorskip("h5py")
    collection = open_collection(PLAID)
    assert collection.layout == "PLAID"
    assert collection.splits == {"train": ["train-sample_000000000"], "test": ["test-sample_000000000"]}
    assert "In none of these splits (2): extrapolation-sample_000000000, train-sample_000000001." in collection.notes
    sample = case(collection, "test-sample_000000000")  # of load 5
    plate, edge = sample.meshes["volume"], sample.meshes["surface"]
    x, y = plate.points[:, 0], plate.points[:, 1]
    assert sample.field_values("volume", "p") == pytest.approx(5 * (x + 2 * y) + 0.5)  # the last of two times, 0.5
    assert sample.field_values("volume", "heat").tolist() == [5.0 + i for i in range(12)]
    assert sample.field_names("volume") == {"p": "point", "heat": "cell"}
    assert sample.field_values("surface", "tau") == pytest.approx(5 * edge.points[:, 0])
    assert sample.design.parameters == {"load": Quantity(5.0, "N")}
    assert sample.qoi == {"mass": 15.0}
    assert sample.provenance.extra["assumed_units"] == {"p": "Pa", "load": "N", "mass": "kg"}
    assert "of 2 time steps, the last is read (mesh_000000001.cgns)" in sample.provenance.extra["warnings"][0]
    body = read_geometry(sample.design.geometry)
    assert body.closed
    assert body.volume == pytest.approx(2 * 1 * 2)  # a plate of 2 x 1, drawn out by 2


def older_plaid(root: Path, *, split: str = "split.json") -> Path:
    """The layout before 1.0, with the meshes that PLAID's library wrote."""
    for index, (load, place) in enumerate(((1.0, "train"), (2.0, "train"), (5.0, "test"))):
        sample = root / "dataset" / "samples" / f"sample_{index:09d}"
        shutil.copytree(PLAID / "data" / place / f"sample_{index % 2:09d}", sample)
        (sample / "scalars.csv").write_text(f"load,mass,room\n{load},{3 * load},20\n")
    problem = root / "problem_definition"
    problem.mkdir()
    (problem / "problem_infos.yaml").write_text(
        "task: regression\ninput_scalars:\n- load\noutput_scalars:\n- mass\noutput_fields:\n- p\n"
    )
    lists = {"train_2": [0, 2], "train_1": [0], "test": [1]}
    if split == "split.json":
        (problem / split).write_text(json.dumps(lists))
    else:
        (problem / split).write_text("".join(f"{name},{','.join(map(str, ids))}\n" for name, ids in lists.items()))
    return root


@pytest.mark.parametrize("split", ["split.json", "split.csv"])
def test_plaid_before_1_0(tmp_path: Path, split: str) -> None:
    pytest.importorskip("h5py")
    root = older_plaid(tmp_path / "old", split=split)
    collection = open_collection(root, splits="train_2")
    assert collection.splits == {"train": ["sample_000000000", "sample_000000002"], "test": ["sample_000000001"]}
    sample = case(collection, "sample_000000002")
    assert sample.design.parameters == {"load": Quantity(5.0, "N")}
    assert sample.qoi == {"mass": 15.0}
    assert sample.provenance.extra["scalars"] == {"room": 20.0}  # the problem neither asks for it nor gives it
    assert sample.field_values("volume", "heat")[0] == 5.0
    default = open_collection(root)
    assert default.splits["train"] == ["sample_000000000"]
    assert "'train_1' is taken for train; there are train_2, too" in notes_of(default)


def test_plaid_of_another_back_end(tmp_path: Path) -> None:
    (tmp_path / "data" / "train").mkdir(parents=True)
    (tmp_path / "infos.yaml").write_text("owner: me\nlicense: none\nstorage_backend: zarr\n")
    with pytest.raises(FormatError, match=r"infos\.yaml: is PLAID data in the back end 'zarr', which is not read"):
        open_collection(tmp_path)


def test_a_damaged_plaid_sample(tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    root = older_plaid(tmp_path / "old")
    first, second, third = open_collection(root).sources
    mesh = first.path / "meshes" / "mesh_000000000.cgns"
    mesh.write_bytes(mesh.read_bytes()[:9000])
    with pytest.raises(FormatError, match=r"mesh_000000000\.cgns"):
        first.read()
    (second.path / "meshes" / "mesh_000000000.cgns").write_bytes(b"# no CGNS")
    with pytest.raises(FormatError, match=r"mesh_000000000\.cgns: cannot be read as CGNS"):
        second.read()
    (third.path / "scalars.csv").write_text("load,mass\nheavy,2\n")
    with pytest.raises(FormatError, match=r"scalars\.csv: column load has 'heavy', which is no finite number"):
        third.read()


def cgns(file: Path, sections: dict[str, tuple[int, int, list[int], list[int] | None]], points: np.ndarray) -> Path:
    """A CGNS file of one zone: sections by name with type, number of cells, points from 1, and offsets."""
    h5py = pytest.importorskip("h5py")

    def node(parent: Any, name: str, label: str, data: Any = None) -> Any:
        made = parent.create_group(name)
        made.attrs["label"] = np.bytes_(label)
        if data is not None:
            made[" data"] = np.frombuffer(data.encode(), np.int8) if isinstance(data, str) else np.asarray(data)
        return made

    with h5py.File(file, "w") as root:
        zone = node(node(root, "Base", "CGNSBase_t", [3, 3]), "Zone", "Zone_t", [[len(points)], [2], [0]])
        node(zone, "ZoneType", "ZoneType_t", "Unstructured")
        grid = node(zone, "GridCoordinates", "GridCoordinates_t")
        for axis, values in zip("XYZ", points.T, strict=True):
            node(grid, f"Coordinate{axis}", "DataArray_t", values)
        start = 1
        for name, (code, count, connectivity, offsets) in sections.items():
            section = node(zone, name, "Elements_t", [code, 0])
            node(section, "ElementRange", "IndexRange_t", [start, start + count - 1])
            node(section, "ElementConnectivity", "DataArray_t", connectivity)
            if offsets is not None:
                node(section, "ElementStartOffset", "DataArray_t", offsets)
            start += count
        fields = node(zone, "Fields", "FlowSolution_t")
        node(fields, "GridLocation", "GridLocation_t", "CellCenter")
        for axis, value in zip("XYZ", (1.0, 2.0, 3.0), strict=True):
            node(fields, f"Velocity{axis}", "DataArray_t", [value, 10 * value])
    return file


def test_cgns_mixed_elements_vectors_and_boundaries(tmp_path: Path) -> None:
    """A unit cube and a wedge of half a cube on top of it, with a section of the cube's floor."""
    corners = [[x, y, z] for z in (0, 1, 2) for x, y in ((0, 0), (1, 0), (1, 1), (0, 1))]
    mixed = [17, 1, 2, 3, 4, 5, 6, 7, 8, 14, 5, 6, 7, 9, 10, 11]
    sections = {"Cells": (20, 2, mixed, [0, 9, 16]), "Floor": (7, 1, [1, 2, 3, 4], None)}
    tree = cgns_mesh.read_bases(cgns(tmp_path / "mesh.cgns", sections, np.array(corners, float)))
    mesh = tree.bases["Base"]
    assert mesh.compute_cell_sizes().cell_data["Volume"] == pytest.approx([1.0, 0.5])
    assert mesh.cell_data["Velocity"].tolist() == [[1, 2, 3], [10, 20, 30]]
    assert tree.skipped == ["section Floor of /Base/Zone has a lower dimension"]


def test_cgns_quadratic_elements_in_the_order_of_vtk(tmp_path: Path) -> None:
    """Two straight quadratic hexahedra: each node on an edge lies half way between the two corners of VTK's edge."""
    low = [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1)]
    edges = [(0, 1), (1, 2), (2, 3), (3, 0), (0, 4), (1, 5), (2, 6), (3, 7), (4, 5), (5, 6), (6, 7), (7, 4)]  # SIDS
    cube = np.array(low, float)
    nodes = np.vstack([cube, [(cube[a] + cube[b]) / 2 for a, b in edges]])
    points = np.vstack([nodes, nodes + np.array([2, 0, 0])])
    tree = cgns_mesh.read_bases(cgns(tmp_path / "mesh.cgns", {"Cells": (18, 2, list(range(1, 41)), None)}, points))
    mesh = tree.bases["Base"]
    assert mesh.compute_cell_sizes().cell_data["Volume"] == pytest.approx([1.0, 1.0])
    second = mesh.get_cell(1)
    for index in range(second.n_edges):
        first, last, middle = second.get_edge(index).points
        assert middle == pytest.approx((first + last) / 2)


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"Cells": (10, 2, [1, 2, 3, 4, 1, 2, 3, 99], None)}, "has a cell of point 99, points are 1 to 12"),
        ({"Cells": (10, 2, [1, 2, 3, 4, 1], None)}, "Cells is cut off"),
        ({"Cells": (23, 2, [1, 2, 3], None)}, "has elements of type 23, which are not read"),
        ({"Cells": (20, 2, [17, 1, 2], [0, 3])}, "has elements that are not known"),
        ({"Cells": (20, 2, [10, 1, 2, 3, 4], [0, 9])}, "has offsets that do not fit its elements"),
        ({"Cells": (10, 1, [1, 2, 3, 4], None)}, "field VelocityX of /Base/Zone has 2 values for 1 places"),
        ({}, "/Base/Zone has points and no elements"),
    ],
)
def test_cgns_that_is_wrong(tmp_path: Path, sections: dict[str, Any], message: str) -> None:
    points = np.array([[x, y, z] for z in (0, 1, 2) for x, y in ((0, 0), (1, 0), (1, 1), (0, 1))], float)
    with pytest.raises(FormatError, match=rf"mesh\.cgns: .*{message}"):
        cgns_mesh.read_bases(cgns(tmp_path / "mesh.cgns", sections, points))


# -- all -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", [*published.WRITERS, "PLAID"])
def test_a_layout_becomes_a_dataset(tmp_path: Path, layout: str) -> None:
    if layout == "PLAID":
        pytest.importorskip("h5py")
    collection = open_collection(PLAID if layout == "PLAID" else published.WRITERS[layout](tmp_path / "data"))
    assert collection.layout == layout
    inference = ContractInference(layout)
    for each in cases(collection):
        inference.add(examine(each), contract_facts(each, case_geometry(each)))
    audit(cases(collection)).raise_if_bad()
    dataset = Dataset.create(tmp_path / "store", inference.contract().in_si())
    for each in cases(collection):
        dataset.add(each, case_geometry(each))
    dataset.set_splits(collection.splits)
    again = Dataset.open(tmp_path / "store")
    assert set(again.names) == {source.name for source in collection.sources}
    assert {split: list(names) for split, names in again.splits.items()} == collection.splits
    first = next(cases(collection))
    stored = again.case(first.name)
    assert stored.field_units == first.field_units
    for domain in first.meshes:
        for name in first.field_names(domain):
            written, read = first.field_values(domain, name), stored.field_values(domain, name)
            assert np.sort(read, axis=None) == pytest.approx(np.sort(written, axis=None), rel=1e-6)


@pytest.mark.parametrize(
    ("layout", "file"),
    [
        ("AhmedML", "run_1/boundary_1.vtp"), ("WindsorML", "run_0/boundary_0.vtu"),
        ("DrivAerML", "run_1/boundary_1.vtp"),
        ("ShapeNet-Car", "training_data/param0/a0f00/hexvelo_smpl.vtk"),
        ("AirfRANS", f"{published.AEROFOILS[0]}/{published.AEROFOILS[0]}_aerofoil.vtp"),
        ("DrivAerNet++", "PressureVTK/E_S_WW_WM/E_S_WW_WM_075.vtk"),
        ("Emmi-Wing", "data/scan_0/surface_pressure.npy"),
    ],
)  # fmt: skip
def test_a_file_that_is_cut_off_is_named(tmp_path: Path, layout: str, file: str) -> None:
    root = published.WRITERS[layout](tmp_path / "data")
    whole = (root / file).read_bytes()
    (root / file).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FormatError, match=Path(file).name):
        open_collection(root).sources[0].read()


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("run_1/force_mom_1.csv", "cl\n0.1\n", r"force_mom_1\.csv: has no column 'cd', it has cl"),
        ("run_1/force_mom_1.csv", "cd, cl\n", r"force_mom_1\.csv: has no line of values"),
        ("run_1/force_mom_1.csv", "cd, cl\n0.1\n", r"force_mom_1\.csv: line 2 has 1 values for 2 columns"),
        ("run_1/force_mom_1.csv", "cd, cl\nnan, 1\n", r"force_mom_1\.csv: column cd has 'nan', which is no finite"),
        ("splits/manifest.json", "{", r"manifest\.json: cannot be read as JSON"),
        ("splits/manifest.json", '{"all": []}', r"manifest\.json: has no list whose name ends in _test"),
    ],
)
def test_a_table_that_is_wrong(tmp_path: Path, file: str, text: str, message: str) -> None:
    root = published.write_ahmedml(tmp_path / "ahmed", volume=False)
    (root / file).write_text(text)
    with pytest.raises(FormatError, match=message):
        open_collection(root)


def test_other_folders_are_no_published_data(tmp_path: Path, family: Path) -> None:
    assert open_collection(family).layout == "folder of cases"
    with pytest.raises(FormatError, match="is no published data set with official splits; leave 'scarce' out"):
        open_collection(family, splits="scarce")
    for name in ("run_1", "param0", "data", "samples"):  # folders that merely are called so
        (tmp_path / name).mkdir()
    with pytest.raises(FormatError, match="holds no case"):
        open_collection(tmp_path)


def test_arrays_that_hold_nothing_are_refused(tmp_path: Path) -> None:
    root = published.write_emmi_wing(tmp_path / "emmi-wing")
    file = root / "data" / "scan_0" / "volume.npz"
    points = np.load(file)["points"]
    np.savez(file, points=points, velocity=np.zeros((len(points), 0)))
    with pytest.raises(FormatError, match=r"volume\.npz: holds no arrays of numbers"):
        open_collection(root).sources[0].read()
