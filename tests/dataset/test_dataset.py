"""The store: what goes in comes out, whole or not at all, and damage never passes for data."""

from __future__ import annotations

import json
import pickle
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvista as pv
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from vtkmodules.vtkIOXML import vtkXMLPolyDataWriter, vtkXMLUnstructuredGridWriter

from helpers import air
from helpers.air import CONTRACT, make_case, make_dataset
from tramontane.case import Case, Provenance
from tramontane.contract import Contract, ParameterSpec
from tramontane.dataset import Dataset, make_splits
from tramontane.dataset.store.statistics import Moments
from tramontane.design import Design
from tramontane.errors import ContractError, DatasetError
from tramontane.units import Quantity

written, dataset = air.written, air.dataset  # pytest finds fixtures among a module's names


def as_file(mesh: pv.DataSet) -> str:
    """The mesh as VTK itself writes it, so that no reading of ours takes part in the comparison."""
    writer = vtkXMLPolyDataWriter() if isinstance(mesh, pv.PolyData) else vtkXMLUnstructuredGridWriter()
    writer.SetInputData(mesh)
    writer.SetDataModeToBinary()
    writer.SetCompressorTypeToNone()
    writer.WriteToOutputStringOn()
    writer.Write()
    # VTK has two classes for one 64-bit integer, and tells them apart by this word alone.
    return str(writer.GetOutputString()).replace(' IdType="1"', "")


# -- exactly what went in ----------------------------------------------------------------------------------------------

_NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)


def _mixed(points: np.ndarray) -> pv.UnstructuredGrid:
    """A tetrahedron, a wedge, a cube of faces (polyhedron), a polygon, a line, a point, an empty cell."""
    faces = [[0, 3, 2, 1], [4, 5, 6, 7], [0, 1, 5, 4], [1, 2, 6, 5], [2, 3, 7, 6], [3, 0, 4, 7]]
    stream = [6] + [entry for face in faces for entry in (4, *face)]
    cells = [4, 0, 1, 2, 5, 6, 0, 1, 2, 4, 5, 6, len(stream), *stream, 5, 0, 1, 6, 7, 3, 2, 3, 4, 1, 7]
    return pv.UnstructuredGrid(np.array(cells), np.array([10, 13, 42, 7, 3, 1]), points)


@st.composite
def meshes(draw: st.DrawFn) -> pv.DataSet:
    precision = draw(st.sampled_from([np.float32, np.float64]))
    points = draw(arrays.arrays(precision, (8, 3), elements=st.floats(-1e3, 1e3, width=32)))
    mesh: pv.DataSet
    kind = draw(st.sampled_from(["mixed", "poly", "flat", "point", "cell", "wide"]))
    if kind == "mixed":
        mesh = _mixed(points)
    elif kind == "poly":
        mesh = pv.PolyData(points, verts=[1, 3, 2, 0, 1], lines=[3, 0, 1, 2], faces=[4, 0, 1, 2, 3, 3, 5, 6, 7],
                           strips=[5, 0, 1, 2, 3, 4])  # fmt: skip
    elif kind == "flat":
        mesh = pv.UnstructuredGrid({pv.CellType.TRIANGLE: np.array([[0, 1, 2], [2, 3, 4]])}, points * [1, 1, 0])
    elif kind == "point":
        mesh = pv.PolyData(points[:1])
    elif kind == "cell":
        mesh = pv.UnstructuredGrid({pv.CellType.HEXAHEDRON: np.arange(8)[None]}, points)
    else:
        mesh = pv.PolyData.from_regular_faces(points, [[0, 1, 2], [5, 6, 7]])
        mesh.GetPolys().ConvertTo32BitStorage()
    for data, count in ((mesh.point_data, mesh.n_points), (mesh.cell_data, mesh.n_cells), (mesh.field_data, 3)):
        for name in draw(st.lists(_NAMES, max_size=2, unique=True)):
            dtype = draw(st.sampled_from([np.float32, np.float64, np.int32, np.int64, np.uint8, np.bool_]))
            shape = (count, *draw(st.sampled_from([(), (2,), (3,), (9,)])))
            data[name] = draw(arrays.arrays(dtype, (count,) if dtype is np.bool_ else shape))
    if draw(st.booleans()):
        mesh.field_data["made by"] = ["solver", "1.2"]
        mesh.point_data["label"] = [f"p{k}" for k in range(mesh.n_points)]
    return mesh


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mesh=meshes(), name=_NAMES, domain=_NAMES)
def test_any_mesh_comes_back_bit_for_bit(mesh: pv.DataSet, name: str, domain: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        before = as_file(mesh)
        Dataset.create(Path(folder, "data"), Contract()).add(Case(name, Design(None), {domain: mesh}))
        dataset = Dataset.open(Path(folder, "data"))
        back = dataset.case(name).meshes[domain]
        assert dataset.names == [name]
        assert type(back) is type(mesh)
        assert as_file(back) == before
        for mine, theirs in ((back.point_data, mesh.point_data), (back.cell_data, mesh.cell_data)):
            assert [mine[key].dtype for key in mine.keys()] == [theirs[key].dtype for key in theirs.keys()]  # noqa: SIM118
        assert dataset.verify() == []


def test_a_case_comes_back_with_all_that_is_known_of_it(dataset: Dataset) -> None:
    case, given = dataset.case("b"), make_case("b", 33, speed=11.0)
    assert case.design.parameters == {"speed": Quantity(11.0, "m/s")}
    assert case.design.geometry == pv.Sphere()
    assert (case.qoi, case.qoi_units, case.field_units) == (given.qoi, given.qoi_units, given.field_units)
    assert case.provenance == Provenance(
        {"surface.vtp": "00ff"}, "simpleFoam", "1912", {"cells": 7, "std": [0.1, None]}
    )
    assert all(case.meshes[domain] == mesh for domain, mesh in given.meshes.items())


def test_parameters_are_in_si_whatever_they_were_given_in(tmp_path: Path) -> None:
    contract = Contract(parameters={"load": ParameterSpec(unit="kN", low=0, high=9)})
    dataset = Dataset.create(tmp_path / "data", contract)
    dataset.add(Case("a", Design(None, angle="180 deg", load=0.5)))
    assert dataset.parameters("a") == {"load": 500.0, "angle": pytest.approx(np.pi)}
    assert dataset.case("a").design.parameters["load"] == Quantity(0.5, None)


def test_sites_are_the_meshs_own_in_the_stored_order(dataset: Dataset) -> None:
    block, order = make_case("a", 33, speed=10.0).meshes["volume"], dataset.original_order("a", "volume")
    sites = dataset.sites("a", "volume", 100, 40_000)
    assert sorted(order) == list(range(dataset.size("a", "volume")))
    assert np.array_equal(sites.positions, block.points[order[100:]].astype(np.float32))
    assert np.array_equal(sites.fields["velocity"], block["velocity"][order[100:]].astype(np.float32))
    assert sites.fields["pressure"].shape == (len(order) - 100, 1)
    assert sites.normals is None
    assert dataset.sites("a", "volume").weights.sum(dtype=np.float64) == pytest.approx(1.0)


def test_only_fields_of_the_contract_are_sites_fields(tmp_path: Path) -> None:
    case = make_case()
    case.meshes["surface"].cell_data["residual"] = np.zeros(case.meshes["surface"].n_cells)
    dataset = Dataset.create(tmp_path / "data", CONTRACT)
    dataset.add(case)
    assert set(dataset.sites("a", "surface").fields) == {"pressure"}
    assert "residual" in dataset.case("a").meshes["surface"].cell_data


def test_a_window_of_any_size_is_a_uniform_sample(dataset: Dataset) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        positions = dataset.sample("a", "volume", 4096, rng).positions
        counts = np.histogramdd(positions, bins=(4, 4, 4), range=[(0, 1)] * 3)[0].ravel()
        all_sites = np.histogramdd(dataset.sites("a", "volume").positions, bins=(4, 4, 4), range=[(0, 1)] * 3)[
            0
        ].ravel()
        expected = 4096 * all_sites / all_sites.sum()
        # 63 degrees of freedom: 63 on average, above 120 once in 50,000.
        assert ((counts - expected) ** 2 / expected).sum() < 120


def test_a_sample_goes_round_the_end_and_takes_no_site_twice(dataset: Dataset) -> None:
    size = dataset.size("a", "surface")
    starts = set()
    for seed in range(30):
        sites = dataset.sample("a", "surface", size - 5, np.random.default_rng(seed))
        starts.add(tuple(sites.positions[0]))
        assert sites.positions.shape == sites.normals.shape == (size - 5, 3)
        assert len(np.unique(sites.positions, axis=0)) == size - 5
    assert len(starts) > 20
    assert len(dataset.sample("a", "surface", size + 1, np.random.default_rng(0)).positions) == size


def test_a_dataset_travels_to_other_processes(dataset: Dataset) -> None:
    dataset.sites("a", "volume")
    again = pickle.loads(pickle.dumps(dataset))
    assert np.array_equal(again.sites("a", "volume", 0, 9).positions, dataset.sites("a", "volume", 0, 9).positions)


# -- what is refused ---------------------------------------------------------------------------------------------------


def _spoil(case: Case, what: str) -> Case:
    pressure = case.meshes["surface"].cell_data["pressure"]
    if what == "nan":
        pressure[7] = np.nan
    elif what == "elsewhere":
        case.meshes["surface"] = case.meshes["surface"].cell_data_to_point_data()
    elif what == "absent":
        case.meshes["surface"].clear_data()
    elif what == "components":
        case.meshes["volume"].point_data["velocity"] = np.zeros((case.meshes["volume"].n_points, 2))
    elif what == "domain":
        del case.meshes["volume"]
    elif what == "parameter":
        case.design = Design(None)
    elif what == "qoi":
        case.qoi = {}
    elif what == "infinite qoi":
        case.qoi["drag"] = np.inf
    return case


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("nan", "surface/pressure is NaN, infinite or beyond float32 at cell 7"),
        ("elsewhere", "surface/pressure lies elsewhere; the contract wants it at cells"),
        ("absent", "surface/pressure is missing"),
        ("components", "volume/velocity has 2 components, the contract says 3"),
        ("domain", "domain 'volume' is missing"),
        ("parameter", "parameter 'speed' is missing"),
        ("qoi", "QoI 'drag' is missing"),
        ("infinite qoi", "drag is inf"),
    ],
)
def test_a_case_that_does_not_fit_is_refused_and_leaves_nothing(tmp_path: Path, what: str, message: str) -> None:
    dataset = Dataset.create(tmp_path / "data", CONTRACT)
    with pytest.raises(ContractError, match=message):
        dataset.add(_spoil(make_case(), what))
    assert Dataset.open(dataset.path).names == []
    assert dataset.verify() == []


def test_a_name_that_is_taken_and_a_mesh_of_another_kind_are_refused(dataset: Dataset) -> None:
    with pytest.raises(DatasetError, match="case a is there already"):
        dataset.add(make_case("a"))
    case = make_case("c")
    case.meshes["extra"] = pv.ImageData(dimensions=(2, 2, 2))
    with pytest.raises(DatasetError, match="case c: a mesh of type ImageData"):
        dataset.add(case)
    with pytest.raises(DatasetError, match="no name"):
        dataset.add(make_case(""))
    assert dataset.names == ["a", "b"]
    assert dataset.verify() == []


def test_names_that_some_file_systems_confuse_are_kept_apart(tmp_path: Path) -> None:
    dataset, names = Dataset.create(tmp_path / "data", Contract()), ["run", "Run", "a/b", "a b", "..", "CON", "x" * 300]
    for name in names:
        dataset.add(Case(name, Design(None), {"Field": pv.PolyData([[float(len(name)), 0, 0]])}))
    folders = [folder.name for folder in (dataset.path / "cases").iterdir()]
    assert len({folder.lower() for folder in folders}) == len(names)
    assert all(dataset.sites(name, "Field").positions[0, 0] == len(name) for name in names)


def test_what_is_not_there_is_named(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="has no case 'z'"):
        dataset.sites("z", "volume")
    with pytest.raises(DatasetError, match="no domain 'wake'; it has surface, volume"):
        dataset.sites("a", "wake")
    dataset.add(make_case("bare"))
    with pytest.raises(DatasetError, match="bare has no geometry"):
        dataset.geometry("bare")
    with pytest.raises(DatasetError, match="is no dataset"):
        Dataset.open(tmp_path)
    with pytest.raises(DatasetError, match="exists"):
        Dataset.create(tmp_path, CONTRACT)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[: len(text) // 2], "cannot be read"),
        (lambda text: text.replace('"drag": 20.0', '"drag": 21.0'), "is not as it was written"),
        (lambda text: text.replace('"format_version": 2', '"format_version": 3'), "format version 3.*upgrade"),
        (lambda text: text.replace('"format_version": 2', '"format_version": 1'), "format version 1.*ingest the cases"),
        (lambda text: "[]", "not a dataset's manifest"),
    ],
)
def test_a_damaged_or_newer_manifest_is_refused(dataset: Dataset, damage: Any, message: str) -> None:
    file = dataset.path / "manifest.json"
    file.write_text(damage(file.read_text()))
    with pytest.raises(DatasetError, match=message):
        Dataset.open(dataset.path)


# -- statistics, splits, fingerprint -----------------------------------------------------------------------------------


def test_statistics_are_numpys_over_the_training_cases_alone(dataset: Dataset) -> None:
    dataset.add(make_case("c", speed=90.0))
    dataset.set_splits({"train": ["a", "b"], "test": ["c"]})
    # Not a byte of the test case is read.
    shutil.rmtree(dataset.path / "cases/c")
    statistics = dataset.statistics()["volume"]["velocity"]
    values = np.concatenate([make_case(n, 33, s).meshes["volume"]["velocity"] for n, s in (("a", 10.0), ("b", 11.0))])
    assert statistics.count == len(values)
    for key, expected in (("mean", values.mean(0)), ("std", values.std(0)), ("min", values.min(0)),
                          ("max", values.max(0)), ("rms", np.sqrt((values**2).mean(0)))):  # fmt: skip
        assert getattr(statistics, key) == pytest.approx(expected, rel=1e-6), key
    assert set(dataset.statistics()["surface"]) == {"pressure"}
    with pytest.raises(DatasetError, match="no split 'calibration'; it has train, test"):
        dataset.statistics("calibration")


_WINDOWS = arrays.arrays(np.float32, st.tuples(st.integers(1, 9), st.just(2)), elements=st.floats(-1e3, 1e3, width=32))


@given(st.lists(_WINDOWS, min_size=1, max_size=5), st.floats(-1e6, 1e6))
def test_moments_merge_to_those_of_the_whole(windows: list[np.ndarray], offset: float) -> None:
    moments, whole = Moments(), np.concatenate(windows).astype(np.float64) + offset
    for window in windows:
        moments.add(window.astype(np.float64) + offset)
    merged = moments.statistics()
    # However large the mean, the deviation keeps its digits.
    assert merged.mean == pytest.approx(whole.mean(0), rel=1e-12, abs=1e-9)
    assert merged.std == pytest.approx(whole.std(0), rel=1e-6, abs=1e-6)


@given(st.integers(3, 60), st.integers(0, 9), st.integers(0, 9), st.integers(0, 99))
def test_a_split_has_exact_counts_and_does_not_depend_on_the_order(
    count: int, test: int, validation: int, seed: int
) -> None:
    names = [f"{place:03d}" for place in range(count)]
    if test + validation >= count:
        with pytest.raises(DatasetError, match="hold out fewer"):
            make_splits(names, test=test, validation=validation, seed=seed)
        return
    splits = make_splits(names, test=test, validation=validation, seed=seed)
    assert [len(splits[split]) for split in ("train", "validation", "test")] == [
        count - test - validation,
        validation,
        test,
    ]
    assert sorted(name for cases in splits.values() for name in cases) == names
    assert splits == make_splits(names[::-1], test=test, validation=validation, seed=seed)


def test_splits_are_checked_fixed_and_stored(dataset: Dataset) -> None:
    with pytest.raises(DatasetError, match="does not have: z"):
        dataset.set_splits({"train": ["a", "z"]})
    with pytest.raises(DatasetError, match="twice in the splits: a"):
        dataset.set_splits({"train": ["a"], "test": ["b", "a"]})
    dataset.set_splits({"train": ["a"], "test": ["b"]})
    dataset.set_splits({"train": ["a"], "test": ["b"]})
    with pytest.raises(DatasetError, match="fixed"):
        dataset.set_splits({"train": ["b"], "test": ["a"]})
    assert Dataset.open(dataset.path).splits == {"train": ["a"], "test": ["b"]}
    dataset.set_splits({"train": ["b"], "test": ["a"]}, force=True)
    assert dataset.splits["test"] == ["a"]


def test_the_fingerprint_is_of_the_values_not_of_the_place(tmp_path: Path) -> None:
    first, same = (make_dataset(tmp_path / name, "ab") for name in ("first", "same"))
    assert first.fingerprint() == same.fingerprint()
    other = Dataset.create(tmp_path / "other", CONTRACT)
    for place, name in enumerate("ab"):
        case = make_case(name, speed=10.0 + place)
        case.meshes["surface"].cell_data["pressure"][0] += 1e-3 * place
        other.add(case, pv.Sphere())
    assert other.fingerprint() != first.fingerprint()
    assert json.loads((tmp_path / "first/manifest.json").read_text())["cases"]["b"]["qoi"] == {"drag": 22.0}
