"""Files of one run's time steps: one case, the last time of it, whatever program lists them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import pyvista as pv

from tramontane.errors import FormatError
from tramontane.formats.collection import open_collection
from tramontane.formats.folder import read_results
from tramontane.formats.vtk.series import read_series

TIMES = (0.0, 0.5, 1.0)


def grid(value: float = 0.0, *, at: float = 0.0, cells: int = 2) -> pv.UnstructuredGrid:
    mesh = pv.ImageData(dimensions=(cells + 1, 2, 2), origin=(at, 0, 0)).cast_to_unstructured_grid()
    mesh.point_data["T"] = mesh.points[:, 0] + value
    return mesh


def steps(folder: Path, *, stem: str = "r", suffix: str = ".vtu") -> list[str]:
    """Three steps, T from 0, 100 and 200."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{stem}_{index:03d}{suffix}" for index in range(3)]
    for index, name in enumerate(names):
        mesh = grid(100.0 * index)
        (pv.MultiBlock({"volume": mesh}) if suffix == ".vtm" else mesh).save(folder / name)
    return names


def pvd(file: Path, entries: list[tuple[float, str]]) -> Path:
    lines = "".join(f'<DataSet timestep="{time}" part="0" file="{name}"/>' for time, name in entries)
    file.write_text(f'<?xml version="1.0"?>\n<VTKFile type="Collection" version="0.1"><Collection>{lines}</Collection>'
                    "</VTKFile>\n")  # fmt: skip
    return file


def series(file: Path, entries: list[tuple[float, str]]) -> Path:
    listed = [{"name": name, "time": time} for time, name in entries]
    file.write_text(json.dumps({"file-series-version": "1.0", "files": listed}))
    return file


def lists(folder: Path, kind: str) -> Path:
    suffix = f".{kind.split('.')[0]}" if ".series" in kind else ".vtu"
    entries = list(zip(TIMES, steps(folder, suffix=suffix), strict=True))
    return pvd(folder / "r.pvd", entries) if kind == "pvd" else series(folder / f"r.{kind}", entries)


@pytest.mark.parametrize("kind", ["pvd", "vtu.series", "vtm.series", "vtk.series"])
def test_a_list_of_steps_is_one_case_of_the_last_time(tmp_path: Path, kind: str) -> None:
    file = lists(tmp_path / "run", kind)
    for root in (file, file.parent):
        collection = open_collection(root)
        assert len(collection.sources) == 1
        results = collection.sources[0].read()
        assert results.extra["time"] == {"value": 1.0, "step": 3, "steps": 3}
        (mesh,) = results.meshes.values()
        assert mesh.point_data["T"].min() == 200.0
        assert file in results.files
        assert not results.warnings
    assert next(iter(read_series(file, time=0.4).meshes.values())).point_data["T"].min() == 100.0


@pytest.mark.parametrize("kind", ["pvd", "vtm.series"])
def test_folders_of_steps_are_cases_of_the_same_domain(tmp_path: Path, kind: str) -> None:
    for name in ("one", "two"):
        lists(tmp_path / name, kind)
    collection = open_collection(tmp_path)
    assert [source.name for source in collection.sources] == ["one", "two"]
    domains = [list(source.read().meshes) for source in collection.sources]
    assert domains == [["volume"]] * 2 if kind == "vtm.series" else [["r"]] * 2


def test_lists_in_one_folder_are_cases_and_their_folders_of_steps_are_none(tmp_path: Path) -> None:
    for name in ("one", "two"):
        names = steps(tmp_path / f"{name}_steps")
        pvd(tmp_path / f"{name}.pvd", [(time, f"{name}_steps/{each}") for time, each in zip(TIMES, names, strict=True)])
    collection = open_collection(tmp_path)
    assert [source.name for source in collection.sources] == ["one", "two"]
    assert [list(source.read().meshes) for source in collection.sources] == [["volume"]] * 2


def test_two_lists_of_the_same_steps_are_one_case(tmp_path: Path) -> None:
    entries = list(zip(TIMES, steps(tmp_path), strict=True))
    pvd(tmp_path / "r.pvd", entries)
    series(tmp_path / "r.vtu.series", entries)
    assert len(open_collection(tmp_path).sources) == 1
    assert read_results(tmp_path).extra["time"]["value"] == 1.0


def test_parts_of_one_time_are_one_mesh(tmp_path: Path) -> None:
    entries = []
    for time in (0.0, 1.0):
        for part in range(2):
            name = f"p{int(time)}_{part}.vtu"
            grid(time, at=2.0 * part).save(tmp_path / name)
            entries.append((time, name))
    mesh = read_series(pvd(tmp_path / "p.pvd", entries)).meshes["volume"]
    assert mesh.n_cells == 4
    assert mesh.bounds[:2] == (0.0, 4.0)
    assert mesh.point_data["T"].max() == 5.0


def test_steps_without_a_list_are_one_case_with_a_warning(tmp_path: Path) -> None:
    for name in ("one", "two"):
        steps(tmp_path / name)
    for source in open_collection(tmp_path).sources:
        results = source.read()
        assert list(results.meshes) == ["r"]
        assert results.meshes["r"].point_data["T"].min() == 200.0
        assert "r_002.vtu: is taken for the last of 3 time steps, r_000.vtu and on" in results.warnings[0]


def test_parts_of_one_body_stay_domains_and_are_said(tmp_path: Path) -> None:
    grid().save(tmp_path / "block_0.vtu")
    grid(at=2.0).save(tmp_path / "block_1.vtu")
    results = read_results(tmp_path)
    assert sorted(results.meshes) == ["block_0", "block_1"]
    assert "are called as time steps are; each is read as a domain of its own" in results.warnings[0]


def test_a_folder_of_files_that_may_be_steps_says_so(tmp_path: Path) -> None:
    steps(tmp_path / "r")
    notes = open_collection(tmp_path / "r").notes
    assert "r_000.vtu to r_002.vtu are taken for 3 cases; if they are time steps of one run" in notes[0]
    steps(tmp_path / "cases", stem="design")
    assert not open_collection(tmp_path / "cases").notes
    (tmp_path / "r" / "table.csv").write_text("name,speed [m/s]\nr_000,1\nr_001,2\nr_002,3\n")
    assert not open_collection(tmp_path / "r").notes


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"<VTKFile type='Collection'><Collection>", "is cut off or no list of time steps"),
        (b"<VTKFile type='Collection'><Collection/></VTKFile>", "lists no time step"),
        (b"<VTKFile type='UnstructuredGrid'/>", "no Collection in it"),
        (b"<VTKFile type='Collection'><DataSet file='none.vtu'/></VTKFile>", "time 0: none.vtu is missing"),
        (b"<VTKFile type='Collection'><DataSet file='../r_000.vtu'/></VTKFile>", "outside of its folder"),
        (b"<VTKFile type='Collection'><DataSet file='r.dat'/></VTKFile>", "r.dat is missing"),
        (b"<VTKFile type='Collection'><DataSet timestep='x' file='r.vtu'/></VTKFile>", "no list of time steps"),
        (b"<VTKFile type='Collection'><DataSet timestep='nan' file='r.vtu'/></VTKFile>", "time of r.vtu is not finite"),
    ],
)
def test_a_damaged_list_is_named(tmp_path: Path, content: bytes, reason: str) -> None:
    file = tmp_path / "r.pvd"
    file.write_bytes(content)
    with pytest.raises(FormatError, match=reason) as raised:
        read_series(file)
    assert str(raised.value).startswith(str(file))


def test_a_damaged_series_is_named(tmp_path: Path) -> None:
    for text in ('{"files": [', '{"files": 3}', "[]", '{"files": [{"time": 1}]}'):
        (tmp_path / "r.vtu.series").write_text(text)
        with pytest.raises(FormatError, match=r"r\.vtu\.series: is cut off or no list of time steps"):
            read_series(tmp_path / "r.vtu.series")
