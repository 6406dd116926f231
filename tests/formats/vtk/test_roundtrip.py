"""Read, stored, written, read again: the same mesh and fields, bit for bit, and files that plain VTK opens."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvista as pv
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from vtkmodules.vtkIOHDF import vtkHDFReader
from vtkmodules.vtkIOXML import vtkXMLPolyDataReader, vtkXMLUnstructuredGridReader

from helpers.formats.meshes import CUBE, CUBE_FACES, NAMES, assert_same, fields, grids
from tramontane.case import Case
from tramontane.contract import Contract
from tramontane.dataset import Dataset
from tramontane.design import Design
from tramontane.formats import read_case, read_mesh, stored_units, write_case, write_mesh

READERS: dict[str, Any] = {
    ".vtp": vtkXMLPolyDataReader,
    ".vtu": vtkXMLUnstructuredGridReader,
    ".vtkhdf": vtkHDFReader,
}


@st.composite
def surfaces(draw: st.DrawFn) -> pv.PolyData:
    """Triangles and polygons on the corners of a cube, a cloud without cells, or a single point."""
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    points = np.array(CUBE, dtype) + draw(arrays.arrays(dtype, (8, 3), elements=st.floats(-9, 9, width=32)))
    kind = draw(st.sampled_from(["faces", "triangle", "cloud", "point", "no cells"]))
    if kind in ("faces", "triangle"):
        chosen = draw(st.lists(st.sampled_from(CUBE_FACES), min_size=1, max_size=6)) if kind == "faces" else [[0, 1, 2]]
        mesh = pv.PolyData(points, faces=[entry for face in chosen for entry in (len(face), *face)])
    elif kind == "no cells":
        mesh = pv.PolyData()
        mesh.points = points
    else:
        mesh = pv.PolyData(points[: 8 if kind == "cloud" else 1])
    for data, count in ((mesh.point_data, mesh.n_points), (mesh.cell_data, mesh.n_cells)):
        for name, values in draw(fields(count)).items() if count else ():
            data[name] = values
    return mesh


def plain_vtk(file: Path) -> Any:
    """What VTK's own reader makes of a file."""
    reader = READERS[file.suffix]()
    reader.SetFileName(str(file))
    reader.Update()
    return pv.wrap(reader.GetOutputDataObject(0))


def floating(mesh: pv.DataSet) -> list[str]:
    return sorted(
        {name for data in (mesh.point_data, mesh.cell_data) for name in data.keys() if data[name].dtype.kind == "f"}  # noqa: SIM118
    )


@pytest.mark.parametrize("suffix", [".vtp", ".vtu", ".vtkhdf"])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), name=NAMES, domain=NAMES)
def test_a_mesh_survives_file_store_and_file(suffix: str, data: st.DataObject, name: str, domain: str) -> None:
    mesh = data.draw(surfaces() if suffix == ".vtp" else grids() if suffix == ".vtu" else surfaces() | grids())
    units = dict.fromkeys(floating(mesh), "N/m²")
    with tempfile.TemporaryDirectory() as folder:
        first, second = Path(folder, f"first{suffix}"), Path(folder, f"second{suffix}")
        write_mesh(mesh, first)
        dataset = Dataset.create(Path(folder, "data"), Contract())
        dataset.add(Case(name, Design(None), {domain: read_mesh(first)}, field_units=units))
        stored = Dataset.open(dataset.path).case(name)
        write_mesh(stored.meshes[domain], second, units=stored.field_units)
        read = read_mesh(second)
        assert_same(read, mesh)
        assert stored_units(read) == units
        read_back = plain_vtk(second)
        assert_same(read_back, mesh)
        if units:
            assert json.loads(read_back.field_data["tramontane_units"][0]) == units
        assert dataset.verify() == []


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(surface=surfaces(), volume=grids(), speed=st.floats(-1e3, 1e3), drag=st.floats(-1e3, 1e3))
def test_a_case_survives_folder_store_and_folder(
    surface: pv.PolyData, volume: pv.UnstructuredGrid, speed: float, drag: float
) -> None:
    for mesh in (surface, volume):
        for data in (mesh.point_data, mesh.cell_data):
            for name in list(data.keys()):
                if data[name].dtype.kind == "f":
                    data[name] = np.nan_to_num(data[name])  # fields that are not finite are refused
    units = dict.fromkeys([*floating(surface), *floating(volume)], "Pa")
    case = Case("näme 1", Design(None, speed=f"{speed!r} m/s"), {"surface": surface, "volume": volume},
                qoi={"drag": drag}, qoi_units={"drag": "N"}, field_units=units)  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        write_case(case, Path(folder, "first"))
        dataset = Dataset.create(Path(folder, "data"), Contract())
        dataset.add(read_case(Path(folder, "first")))
        stored = dataset.case(dataset.names[0])
        write_case(stored, Path(folder, "second"))
        back = read_case(Path(folder, "second"))
    assert back.qoi == {"drag": drag}
    assert back.design.parameters["speed"].value == speed
    assert back.field_units == units
    for domain, mesh in (("surface", surface), ("volume", volume)):
        assert_same(back.meshes[domain], mesh)


@pytest.mark.parametrize("mesh", [pv.PolyData(), pv.UnstructuredGrid(), pv.PolyData(np.eye(3)[:1])],
                         ids=["no surface", "no volume", "one point"])  # fmt: skip
def test_an_empty_boundary_and_a_single_point_are_domains_too(tmp_path: Path, mesh: pv.DataSet) -> None:
    dataset = Dataset.create(tmp_path / "data", Contract())
    full = pv.Sphere()
    full.cell_data["pressure"] = np.arange(full.n_cells, dtype=np.float32)
    dataset.add(Case("a", Design(None), {"wall": full, "outlet": mesh}))
    back = dataset.case("a")
    assert type(back.meshes["outlet"]) is type(mesh)
    assert_same(back.meshes["outlet"], mesh)
    assert_same(back.meshes["wall"], full)
    sites = dataset.sample("a", "outlet", 16, np.random.default_rng(0))
    assert sites.positions.shape == (mesh.n_points, 3)
    assert dataset.verify() == []
    dataset.set_splits({"train": ["a"]})
    assert set(dataset.statistics()) == {"wall"}
