"""Names, components and blocks of results: what programs write in many ways is one thing here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvista as pv
from vtkmodules.util.vtkAlgorithm import VTKPythonAlgorithmBase
from vtkmodules.vtkIOHDF import vtkHDFWriter

from tramontane.errors import FormatError
from tramontane.formats.blocks import Named, domains
from tramontane.formats.names import standard_name, standardise
from tramontane.formats.results import patches_of
from tramontane.formats.vtk.reader import read_vtk

FILE = Path("some.file")


def cubes(count: int, *, start: float = 0.0) -> pv.UnstructuredGrid:
    """Cubes in a row along x."""
    image = pv.ImageData(dimensions=(count + 1, 2, 2), origin=(start, 0, 0))
    grid = image.cast_to_unstructured_grid()
    grid.points = grid.points.astype(np.float64)
    return grid


def square(x: float) -> pv.UnstructuredGrid:
    points = np.array([[x, 0, 0], [x, 1, 0], [x, 1, 1], [x, 0, 1]], np.float64)
    return pv.UnstructuredGrid(np.array([4, 0, 1, 2, 3]), [pv.CellType.QUAD], points)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("Pressure", "pressure"), ("static_pressure", "pressure"), ("SV_P", "pressure"), ("Temperature", "temperature"),
        ("TurbulentEnergyKinetic", "turbulent_kinetic_energy"), ("von Mises", "von_mises"), ("U", "U"), ("p", "p"),
        ("WallShearStress", "wall_shear_stress"), ("CoefPressure", "CoefPressure"), ("σ_vM", "σ_vM"),
    ],
)  # fmt: skip
def test_names(given: str, name: str) -> None:
    assert standard_name(given) == name


@pytest.mark.parametrize(
    "names",
    [("VelocityX", "VelocityY", "VelocityZ"), ("velocity_x", "velocity_y", "velocity_z"),
     ("x-velocity", "y-velocity", "z-velocity"), ("X_VELOCITY", "Y_VELOCITY", "Z_VELOCITY"), ("SV_U", "SV_V", "SV_W"),
     ("Velocity:X", "Velocity:Y", "Velocity:Z"), ("Velocity (X)", "Velocity (Y)", "Velocity (Z)")],
)  # fmt: skip
def test_components_become_a_vector(names: tuple[str, ...]) -> None:
    mesh = cubes(2)
    for number, name in enumerate(names):
        mesh.cell_data[name] = np.array([1.0, 10.0]) * (number + 1)
    renamed = standardise(mesh)
    assert mesh.cell_data.keys() == ["velocity"]
    assert mesh.cell_data["velocity"].tolist() == [[1, 2, 3], [10, 20, 30]]
    assert renamed[names[2]] == "velocity"


def test_tensors_in_one_order_and_what_is_none_as_it_was() -> None:
    mesh = cubes(1)
    for number, name in enumerate(("XX", "YY", "ZZ", "XY", "XZ", "ZY")):
        mesh.cell_data[f"Stress{name}"] = np.array([float(number)])
    mesh.cell_data["stress"] = np.array([7.0])  # of that name, but no tensor
    mesh.cell_data["shift_x"] = np.array([1.0])  # no second component
    mesh.cell_data["step_x"], mesh.cell_data["step_y"] = np.array([1.0]), np.array([2.0])
    mesh.cell_data["id_x"], mesh.cell_data["id_y"] = np.array([1]), np.array([2])  # whole numbers are no vector
    standardise(mesh)
    assert mesh.cell_data["Stress"].tolist() == [[0, 1, 2, 3, 5, 4]]  # its standard name is taken
    assert mesh.cell_data["stress"].tolist() == [7]
    assert mesh.cell_data["step"].tolist() == [[1, 2, 0]]
    assert {"shift_x", "id_x", "id_y"} <= set(mesh.cell_data.keys())


def test_blocks_by_the_dimension_of_their_cells() -> None:
    left, right = cubes(2), cubes(1, start=2.0)
    for mesh in (left, right):
        mesh.point_data["Temperature"] = mesh.points[:, 0].copy()
        mesh.cell_data["Density"] = np.full(mesh.n_cells, 2.0)
    line = pv.Line((0, 0, 0), (3, 0, 0)).cast_to_unstructured_grid()
    line.clear_data()
    parts = domains(FILE, [Named("a", left), Named("b", right), Named("in", square(0)), Named("out", square(3)),
                           Named("axis", line)])  # fmt: skip
    volume, surface = parts.meshes["volume"], parts.meshes["surface"]
    assert volume.volume == pytest.approx(3)
    assert volume.n_points == 16  # the four between left and right are there once
    assert volume.point_data["temperature"] == pytest.approx(volume.points[:, 0])
    patches, names = patches_of(surface)  # type: ignore[misc]
    assert [names[index] for index in patches] == ["in", "out"]
    assert surface.area == pytest.approx(2)
    assert parts.warnings == ["some.file: lines are left out (axis)"]


def test_points_of_one_place_with_two_values_stay_two() -> None:
    left, right = cubes(1), cubes(1, start=1.0)
    left.point_data["pressure"], right.point_data["pressure"] = np.full(8, 1.0), np.full(8, 5.0)
    volume = domains(FILE, [Named("a", left), Named("b", right)]).meshes["volume"]
    assert volume.n_points == 16
    assert sorted(np.unique(volume.point_data["pressure"]).tolist()) == [1, 5]


def test_polyhedra_are_merged_too() -> None:
    from helpers.formats.meshes import CUBE, POLYHEDRON

    corners = np.array(CUBE, np.float64)
    first, second = (
        pv.UnstructuredGrid(
            np.array([len(POLYHEDRON), *POLYHEDRON]), [pv.CellType.POLYHEDRON], corners + np.array([shift, 0, 0])
        )
        for shift in (0.0, 1.0)
    )
    volume = domains(FILE, [Named("a", first), Named("b", second)]).meshes["volume"]
    assert (volume.n_points, volume.n_cells) == (12, 2)
    assert volume.volume == pytest.approx(2)
    assert [volume.get_cell(index).n_faces for index in range(2)] == [6, 6]


def test_fields_that_some_blocks_lack_are_named() -> None:
    wall, inlet = square(0), square(1)
    wall.cell_data["wall_shear"], wall.cell_data["pressure"] = np.array([[1.0, 2, 3]]), np.array([4.0])
    inlet.cell_data["pressure"] = np.array([5.0])
    solid, fluid = cubes(1, start=5.0), cubes(1)
    fluid.cell_data["velocity"] = np.ones((1, 3))
    parts = domains(FILE, [Named("wall", wall), Named("in", inlet), Named("s", solid), Named("f", fluid)])
    assert parts.meshes["surface"].cell_data["wall_shear_stress"].tolist() == [[1, 2, 3], [0, 0, 0]]
    assert parts.meshes["surface"].cell_data["pressure"].tolist() == [4, 5]
    assert parts.meshes["volume"].cell_data.keys() == []
    assert parts.warnings == [
        "some.file: volume/velocity is on 1 of 2 blocks and is left out",
        "some.file: surface/wall_shear_stress is on 1 of 2 patches and 0 on the others",
    ]


def test_curved_faces_through_their_corners_and_pixels_in_their_order() -> None:
    points = np.array([[0, 0, 0], [2, 0, 0], [0, 2, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float64)
    curved = pv.UnstructuredGrid(np.array([6, 0, 1, 2, 3, 4, 5]), [pv.CellType.QUADRATIC_TRIANGLE], points)
    corners = np.array([[5, 0, 0], [6, 0, 0], [5, 1, 0], [6, 1, 0]], np.float64)
    pixel = pv.UnstructuredGrid(np.array([4, 0, 1, 2, 3]), [pv.CellType.PIXEL], corners)
    pixel.cell_data["pressure"] = np.array([3.0])
    curved.cell_data["pressure"] = np.array([2.0])
    surface = domains(FILE, [Named("a", curved), Named("b", pixel)]).meshes["surface"]
    assert surface.n_points == 7
    assert surface.compute_cell_sizes()["Area"].tolist() == pytest.approx([2, 1])
    assert surface.cell_data["pressure"].tolist() == [2, 3]


def test_faces_that_stand_in_two_patches_and_files_without_a_mesh() -> None:
    parts = domains(FILE, [Named("all", square(0)), Named("left", square(0)), Named("v", cubes(1))])
    assert parts.warnings[0].startswith("some.file: 1 of 2 faces stand in two patches")
    with pytest.raises(FormatError, match=r"some\.file: holds no mesh"):
        domains(FILE, [Named("a", pv.UnstructuredGrid())])


def test_blocks_of_a_vtkhdf_file(tmp_path: Path) -> None:
    writer = vtkHDFWriter()
    writer.SetInputDataObject(pv.MultiBlock({"surface": pv.Sphere(), "volume": cubes(2)}))
    writer.SetFileName(str(tmp_path / "two.vtkhdf"))
    writer.Write()
    parts = read_vtk(tmp_path / "two.vtkhdf")
    assert {name: mesh.n_cells for name, mesh in parts.meshes.items()} == {"surface": pv.Sphere().n_cells, "volume": 2}
    assert parts.extra == {}


class Steps(VTKPythonAlgorithmBase):
    """Two cubes whose pressure is the time."""

    def __init__(self) -> None:
        super().__init__(nInputPorts=0, nOutputPorts=1, outputType="vtkUnstructuredGrid")

    def RequestInformation(self, request: Any, inputs: Any, outputs: Any) -> int:  # noqa: N802 (VTK calls it so)
        information, key = outputs.GetInformationObject(0), self.GetExecutive()
        information.Set(key.TIME_STEPS(), [0.0, 0.5, 1.5], 3)
        information.Set(key.TIME_RANGE(), [0.0, 1.5], 2)
        return 1

    def RequestData(self, request: Any, inputs: Any, outputs: Any) -> int:  # noqa: N802
        information = outputs.GetInformationObject(0)
        time = information.Get(self.GetExecutive().UPDATE_TIME_STEP())
        mesh = cubes(2)
        mesh.cell_data["pressure"] = np.full(2, time)
        output = self.GetOutputDataObject(0)
        output.ShallowCopy(mesh)
        output.GetInformation().Set(output.DATA_TIME_STEP(), time)
        return 1


def test_the_last_step_of_a_vtkhdf_file(tmp_path: Path) -> None:
    source, writer = Steps(), vtkHDFWriter()
    writer.SetInputConnection(source.GetOutputPort())
    writer.SetFileName(str(tmp_path / "steps.vtkhdf"))
    writer.SetWriteAllTimeSteps(True)
    writer.Write()
    parts = read_vtk(tmp_path / "steps.vtkhdf")
    assert parts.meshes["steps"].cell_data["pressure"].tolist() == [1.5, 1.5]
    assert parts.extra == {"time": {"value": 1.5, "step": 3, "steps": 3}}


def test_the_sign_of_shear_that_openfoam_exported_is_not_known() -> None:
    mesh = square(0.0)
    mesh.cell_data["wallShearStress"] = np.array([[-1.0, 0, 0]])
    parts = domains(FILE, [Named("wall", mesh)])
    assert parts.meshes["surface"].cell_data["wall_shear_stress"].tolist() == [[-1, 0, 0]]
    assert [warning for warning in parts.warnings if "OpenFOAM writes the force of the wall on the fluid" in warning]
    mesh = square(0.0)
    mesh.cell_data["WallShearStress"] = np.array([[1.0, 0, 0]])
    assert domains(FILE, [Named("wall", mesh)]).warnings == []
