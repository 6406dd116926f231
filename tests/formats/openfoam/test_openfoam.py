"""OpenFOAM cases, on what OpenFOAM itself wrote: every way of writing gives the same case, and physics holds on it."""

from __future__ import annotations

import gzip
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import pyvista as pv
from numpy.typing import NDArray
from typer.testing import CliRunner
from vtkmodules.vtkIOGeometry import vtkOpenFOAMReader

from helpers.formats import foam_cases as foam
from helpers.formats.published import write_ahmedml
from tramontane.cli import app
from tramontane.errors import FormatError
from tramontane.formats.collection import open_collection
from tramontane.formats.folder import read_case
from tramontane.formats.openfoam import case as openfoam
from tramontane.formats.openfoam.fields import read_field, unit_of
from tramontane.formats.openfoam.mesh import PolyMesh, find_in, read_polymesh
from tramontane.formats.results import Results, patches_of
from tramontane.qoi import QoiDefinition, measure

pytestmark = pytest.mark.skipif(foam.missing() is not None, reason=foam.missing() or "")

FORCE_OBJECTS = foam.FORCES + foam.COEFFICIENTS
PITZ_DENSITY = 1.2


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which cases are run once; tests that change one work on a copy."""
    return tmp_path_factory.mktemp("openfoam")


@pytest.fixture(scope="session")
def cavity(runs: Path) -> Path:
    return foam.cavity(runs / "cavity", writePrecision=12)


@pytest.fixture(scope="session")
def pitz(runs: Path) -> Path:
    walls = "lowerWall upperWall"
    functions = foam.WALL_SHEAR + foam.SOLVER_INFO + foam.AVERAGE
    functions += foam.FORCES % (walls, PITZ_DENSITY) + foam.COEFFICIENTS % (walls, PITZ_DENSITY)
    return foam.pitz_daily(runs / "pitz", functions)


@pytest.fixture(scope="session")
def foil(runs: Path) -> Path:
    return foam.aerofoil(runs / "foil", foam.WALL_SHEAR + foam.FORCES % ("walls", 1) + foam.COEFFICIENTS % ("walls", 1))


@pytest.fixture(scope="session")
def bike(runs: Path) -> Path:
    objects = (FORCE_OBJECTS % ("motorBikeGroup", 1, "motorBikeGroup", 1)) + foam.WALL_SHEAR
    return foam.motor_bike(runs / "bike", objects)


def centres(mesh: pv.DataSet) -> NDArray[np.float64]:
    return np.asarray(mesh.cell_centers().points)


def in_order(mesh: pv.DataSet, like: pv.DataSet) -> NDArray[np.int64]:
    """Which cell of ``mesh`` lies where each cell of ``like`` does."""
    from scipy.spatial import KDTree

    distance, index = KDTree(centres(mesh)).query(centres(like))
    assert distance.max() < 1e-9
    assert len(set(index.tolist())) == len(index)
    return np.asarray(index)


def on_patch(results: Results, name: str, field: str) -> NDArray[np.float64]:
    patches = patches_of(results.meshes["surface"])
    assert patches is not None
    ids, names = patches
    return np.asarray(results.meshes["surface"].cell_data[field][ids == names.index(name)])


def force(results: Results, axis: int) -> float:
    """The force on the surface from its own pressure and wall shear stress."""
    surface = results.meshes["surface"]
    sized = surface.compute_cell_sizes()
    direction = tuple(float(index == axis) for index in range(3))
    definition = QoiDefinition(kind="force", field="pressure", shear="wall_shear_stress", direction=direction)
    fields = {name: np.asarray(surface.cell_data[name]) for name in ("pressure", "wall_shear_stress")}
    return measure(definition, fields, weights=sized.cell_data["Area"], normals=np.asarray(surface.face_normals))


def mesh_of(case: Path) -> PolyMesh:
    return read_polymesh(case, find_in([case / "constant/polyMesh"]))


# --- what a case holds


def test_the_lid_moves_and_the_cells_are_those_of_the_file(cavity: Path) -> None:
    results = openfoam.read(cavity)
    assert results.meshes["volume"].n_cells == 400
    assert results.meshes["volume"].volume == pytest.approx(0.1 * 0.1 * 0.01)
    np.testing.assert_array_equal(on_patch(results, "movingWall", "velocity"), np.tile([1.0, 0.0, 0.0], (20, 1)))
    np.testing.assert_array_equal(on_patch(results, "fixedWalls", "velocity"), np.zeros((60, 3)))
    text = (cavity / "0.5/p").read_text()
    by_hand = [float(line) for line in text.split("(", 1)[1].split(")")[0].split()]
    np.testing.assert_array_equal(results.meshes["volume"].cell_data["kinematic_pressure"], by_hand)
    # A wall has the pressure of the cell beside it (zeroGradient): here the first cell and the first wall face.
    assert on_patch(results, "fixedWalls", "kinematic_pressure")[0] == by_hand[0]
    assert results.solver == "icoFoam"
    assert results.version == "v1912"
    assert results.extra["patches"]["frontAndBack"] == {"type": "empty", "faces": 800}
    assert results.extra["time"] == 0.5
    assert results.extra["left_out"] == {"phi": "surfaceScalarField"}
    assert results.parameters["movingWall_velocity_x"] == (1.0, "m/s")
    assert results.parameters["kinematic_viscosity"] == (0.01, "m^2/s")


def test_normals_point_into_the_fluid(cavity: Path) -> None:
    surface = openfoam.read(cavity).meshes["surface"]
    inwards = np.array([0.05, 0.05, 0.005]) - centres(surface)
    assert (np.einsum("ij,ij->i", np.asarray(surface.face_normals), inwards) > 0).all()


def packed(case: Path) -> None:
    """Compress what version 1912 refuses to compress: binary files."""
    for file in [*(case / "0.5").glob("[Up]"), *(case / "constant/polyMesh").iterdir()]:
        file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()


def widened(case: Path) -> None:
    """Write labels with 64 bits and scalars with 32, as other builds of the program do."""
    for name, old, new in (("points", "<f8", "<f4"), ("owner", "<i4", "<i8"), ("neighbour", "<i4", "<i8"),
                           ("faces", "<i4", "<i8")):  # fmt: skip
        file = case / "constant/polyMesh" / name
        head, mark, body = file.read_bytes().partition(b"// * *")
        head += mark
        for _ in range(2 if name == "faces" else 1):
            match = re.search(rb"\n(\d+)\n\(", body) or re.search(rb"(\d+)\n\(", body)
            assert match is not None
            end = match.end() + int(match[1]) * np.dtype(old).itemsize * (3 if name == "points" else 1)
            head += body[: match.end()] + np.frombuffer(body[match.end() : end], old).astype(new).tobytes()
            body = body[end:]
        file.write_bytes((head + body).replace(b"label=32;scalar=64", b"label=64;scalar=32"))


BINARY, COMPRESSED = {"writeFormat": "binary"}, {"writeCompression": "on"}


@pytest.mark.parametrize(
    ("entries", "change"), [(BINARY, None), (COMPRESSED, None), (BINARY, packed), (BINARY, widened)]
)
def test_every_way_of_writing_gives_the_same_case(
    entries: dict[str, str], change: Callable[[Path], None] | None, cavity: Path, tmp_path: Path
) -> None:
    case = foam.cavity(tmp_path / "other", **entries)
    if change is not None:
        change(case)
    plain, other = openfoam.read(cavity), openfoam.read(case)
    if entries.get("writeCompression") or change is packed:
        assert case / "0.5/U.gz" in other.files
    for domain, mesh in plain.meshes.items():
        np.testing.assert_allclose(other.meshes[domain].points, mesh.points, atol=1e-9)
        for name in ("velocity", "kinematic_pressure"):
            values = other.meshes[domain].cell_data[name]
            np.testing.assert_allclose(values, mesh.cell_data[name], rtol=1e-4, atol=1e-6)
    assert other.units == plain.units == {
        f"{domain}/{name}": unit
        for domain in ("surface", "volume")
        for name, unit in (("velocity", "m/s"), ("kinematic_pressure", "m^2*s^-2"))
    }  # fmt: skip


def test_parts_of_a_parallel_run_become_one_case(cavity: Path, tmp_path: Path) -> None:
    whole, parts = openfoam.read(cavity), openfoam.read(foam.cavity(tmp_path / "parts", parts=4, writePrecision=12))
    assert parts.extra["parts"] == 4
    assert parts.meshes["volume"].n_points == whole.meshes["volume"].n_points == 882
    for domain, mesh in whole.meshes.items():
        order = in_order(parts.meshes[domain], mesh)
        np.testing.assert_allclose(
            parts.meshes[domain].cell_data["velocity"][order], mesh.cell_data["velocity"], atol=1e-4
        )
    np.testing.assert_array_equal(on_patch(parts, "movingWall", "velocity"), np.tile([1.0, 0.0, 0.0], (20, 1)))


def test_a_decomposed_mesh_of_polyhedra_is_the_whole_one(bike: Path, tmp_path: Path) -> None:
    case = foam.copy(bike, tmp_path / "bike")
    foam.decompose(case, 3, "-latestTime")
    shutil.rmtree(case / "10")
    whole, parts = openfoam.read(bike), openfoam.read(case)
    assert parts.extra["parts"] == 3
    for domain, mesh in whole.meshes.items():
        other = parts.meshes[domain]
        assert (other.n_points, other.n_cells) == (mesh.n_points, mesh.n_cells)
        order = in_order(other, mesh)
        for name in mesh.cell_data.keys():  # noqa: SIM118 (PyVista's data does not iterate over its names)
            if name != "patch":
                # A patch cut down to one face has its value as text, with six digits.
                np.testing.assert_allclose(other.cell_data[name][order], mesh.cell_data[name], rtol=1e-5, err_msg=name)
    grid, other = whole.meshes["volume"], parts.meshes["volume"]
    np.testing.assert_array_equal(other.celltypes[in_order(other, grid)], grid.celltypes)
    # Inner faces lie between two cells again: the outside of the merged mesh is its boundary.
    skins = [mesh.extract_surface(algorithm="dataset_surface") for mesh in (other, grid)]
    assert skins[0].area == pytest.approx(skins[1].area)
    assert parts.extra["patches"] == whole.extra["patches"]


def test_cells_are_closed_and_fill_the_domain(bike: Path) -> None:
    mesh = mesh_of(bike)
    vectors = mesh.face_vectors(np.arange(len(mesh.owner)))
    sums = np.zeros((mesh.cells, 3))
    np.add.at(sums, mesh.owner, vectors)
    np.add.at(sums, mesh.neighbour, -vectors[: len(mesh.neighbour)])
    assert np.abs(sums).max() < 1e-12
    grid = openfoam.read(bike).meshes["volume"]
    assert {int(kind) for kind in np.unique(grid.celltypes)} >= {pv.CellType.HEXAHEDRON, pv.CellType.POLYHEDRON}
    box = 20 * 8 * 8
    assert 0.999 * box < grid.volume < box  # less the motorbike
    assert (grid.compute_cell_sizes().cell_data["Volume"] > 0).all()


def test_vtk_reads_the_same_cells_and_values(bike: Path, tmp_path: Path) -> None:
    case = foam.copy(bike, tmp_path / "bike")
    shutil.rmtree(case / "0")  # VTK does not follow its macros
    (case / "case.foam").touch()
    reader = vtkOpenFOAMReader()
    reader.SetFileName(str(case / "case.foam"))
    reader.CreateCellToPointOff()
    reader.UpdateInformation()
    reader.EnableAllPatchArrays()
    reader.UpdateTimeStep(10.0)
    theirs, results = pv.wrap(reader.GetOutput()), openfoam.read(bike)
    grid, ours = theirs["internalMesh"], results.meshes["volume"]
    np.testing.assert_array_equal(grid.celltypes, ours.celltypes)
    np.testing.assert_allclose(grid.points, ours.points, atol=1e-5)
    np.testing.assert_allclose(centres(grid), centres(ours), atol=1e-5)
    for name, ours_name in (("p", "pressure"), ("U", "velocity"), ("omega", "specific_dissipation_rate")):
        np.testing.assert_allclose(grid.cell_data[name], ours.cell_data[ours_name], rtol=1e-5, atol=1e-6)
    patch = theirs["boundary"]["motorBike_rider-body%69"]
    np.testing.assert_allclose(
        patch.cell_data["p"], on_patch(results, "motorBike_rider-body%69", "pressure"), rtol=1e-5
    )
    assert patch.n_cells > 10


def test_the_bodys_patches_are_the_surface(bike: Path) -> None:
    results = openfoam.read(bike)
    patches = patches_of(results.meshes["surface"])
    assert patches is not None
    assert all(name.startswith("motorBike_") for name in patches[1])
    assert sorted(set(patches[0].tolist())) == list(range(len(patches[1])))
    assert results.extra["patches"]["lowerWall"]["type"] == "wall"  # a wall, but no part of the motorbike
    assert results.geometry == bike / "constant/triSurface/motorBike.obj"
    assert results.meshes["surface"].bounds[4] >= -1e-6
    walls = openfoam.read(_without_geometry(bike)).meshes["surface"]
    assert walls.n_cells == results.meshes["surface"].n_cells + results.extra["patches"]["lowerWall"]["faces"]


def _without_geometry(case: Path) -> Path:
    other = foam.copy(case, case.with_name("bare"))
    shutil.rmtree(other / "constant/triSurface")
    return other


# --- physics


@pytest.mark.parametrize("name", ["pitz", "foil", "bike"])
def test_forces_follow_from_pressure_and_wall_shear(name: str, request: pytest.FixtureRequest) -> None:
    results = openfoam.read(request.getfixturevalue(name))
    size = max(abs(results.qoi[f"force_{axis}"].value) for axis in "xyz")
    for index, axis in enumerate("xyz"):
        assert results.qoi[f"force_{axis}"].unit == "N"
        assert force(results, index) == pytest.approx(results.qoi[f"force_{axis}"].value, abs=0.01 * size)
    # Friction alone has the right sign, too: it drags along with the flow.
    surface = results.meshes["surface"]
    shear = surface.cell_data["wall_shear_stress"][:, 0] @ surface.compute_cell_sizes().cell_data["Area"]
    parts = results.extra["forces"]["forces1"]["force"]
    assert shear == pytest.approx(parts["viscous"][0], rel=0.02)
    assert parts["viscous"][0] > 0


def test_published_layouts_have_the_same_sign_of_shear(pitz: Path, tmp_path: Path) -> None:
    """One run in AhmedML's layout, its fields as OpenFOAM writes them: forces are those of its function object."""
    results = openfoam.read(pitz)
    surface, (patches, names) = results.meshes["surface"], patches_of(results.meshes["surface"])  # type: ignore[misc]
    stored = surface.copy()
    stored.clear_data()
    for field, name in (("p", "pMean"), ("wallShearStress", "wallShearStressMean")):
        read = read_field([pitz / "40" / field], [mesh_of(pitz)], names, {}, pitz)
        values = np.zeros((surface.n_cells, *np.shape(read.boundary[names[0]])[1:]))
        for index, patch in enumerate(names):
            values[patches == index] = read.boundary[patch]
        stored.cell_data[name] = values
    root = write_ahmedml(tmp_path / "ahmedml")
    stored.save(root / "run_1" / "boundary_1.vtp")
    (source, *_) = open_collection(root).sources
    again = source.read()
    parts = results.extra["forces"]["forces1"]["force"]
    for axis, name in enumerate("xyz"):  # AhmedML's density is 1
        expected = results.qoi[f"force_{name}"].value / PITZ_DENSITY
        size = abs(results.qoi["force_x"].value) / PITZ_DENSITY
        assert force(again, axis) == pytest.approx(expected, abs=0.01 * size)
    shear = again.meshes["surface"].cell_data["wall_shear_stress"][:, 0] @ surface.compute_cell_sizes()["Area"]
    assert shear == pytest.approx(parts["viscous"][0] / PITZ_DENSITY, rel=0.02)
    assert shear > 0


def test_the_drag_coefficient_is_the_force_over_its_reference(bike: Path) -> None:
    results = openfoam.read(bike)
    assert results.qoi["Cd"].unit == ""
    assert results.qoi["Cd"].value == pytest.approx(results.qoi["force_x"].value / (0.5 * 1 * 20**2 * 0.75), rel=1e-5)
    assert results.qoi["Cl"].value == pytest.approx(
        results.qoi["Cl_front"].value + results.qoi["Cl_rear"].value, rel=1e-4
    )
    assert float(results.extra["reference_values"]["coefficients"]["magUInf"]) == 20
    assert not {"magUInf", "lRef", "Aref"} & set(results.parameters)
    assert results.parameters["inlet_velocity_x"] == (20.0, "m/s")


def test_what_flows_in_flows_out(pitz: Path) -> None:
    mesh = mesh_of(pitz)
    flux = {}
    field = read_field([pitz / "40/U"], [mesh], ["inlet", "outlet", "upperWall"], {}, pitz)
    for patch in mesh.patches:
        if patch.name in field.boundary:
            vectors = mesh.face_vectors(np.arange(patch.start, patch.start + patch.count))
            flux[patch.name] = float((vectors * field.boundary[patch.name]).sum())
    assert flux["inlet"] == pytest.approx(-10 * 0.0254 * 0.001)
    assert flux["outlet"] == pytest.approx(-flux["inlet"], rel=0.01)
    assert flux["upperWall"] == 0


def test_nothing_flows_through_a_slip_wall(bike: Path) -> None:
    mesh = mesh_of(bike)
    field = read_field([bike / "10/U"], [mesh], ["frontAndBack"], {}, bike)
    patch = next(patch for patch in mesh.patches if patch.name == "frontAndBack")
    assert field.conditions["frontAndBack"][0] == "slip"
    faces = np.arange(patch.start, patch.start + patch.count)
    inside = field.cells[mesh.owner[faces]]
    assert np.abs(inside[:, 1]).max() > 1e-3
    np.testing.assert_allclose(field.boundary["frontAndBack"][:, 1], 0, atol=1e-12)
    np.testing.assert_allclose(field.boundary["frontAndBack"][:, [0, 2]], inside[:, [0, 2]], atol=1e-12)


# --- units, times, means


def test_kinematic_pressure_becomes_pascal_where_the_density_is_known(cavity: Path, tmp_path: Path) -> None:
    case = foam.copy(cavity, tmp_path / "water")
    bare = openfoam.read(case)
    assert any("does not state" in warning for warning in bare.warnings)
    with (case / "constant/transportProperties").open("a") as file:
        file.write("rho [1 -3 0 0 0 0 0] 998.2;\n")
    results = openfoam.read(case)
    assert results.units["volume/pressure"] == "Pa"
    kinematic = bare.meshes["volume"].cell_data["kinematic_pressure"]
    np.testing.assert_allclose(results.meshes["volume"].cell_data["pressure"], 998.2 * kinematic)
    assert results.extra["density"]["from"] == "constant/transportProperties"


def test_the_density_of_a_force_function_object_counts(pitz: Path) -> None:
    results = openfoam.read(pitz)
    assert results.extra["density"]["value"] == PITZ_DENSITY
    raw = openfoam.read_field([pitz / "40/p"], [mesh_of(pitz)], [], {}, pitz)
    np.testing.assert_allclose(results.meshes["volume"].cell_data["pressure"], PITZ_DENSITY * raw.cells)
    assert unit_of(raw.dimensions) == "m^2*s^-2"


def test_a_named_time_is_read(cavity: Path) -> None:
    by_name, by_value = openfoam.read(cavity, time="0.2"), openfoam.read(cavity, time=0.2)
    first = float((cavity / "0.2/p").read_text().split("(", 1)[1].split(")")[0].split()[0])
    assert by_name.meshes["volume"].cell_data["kinematic_pressure"][0] == first
    assert by_value.meshes["volume"].cell_data["kinematic_pressure"][0] == first
    assert by_name.extra["residuals"] != openfoam.read(cavity).extra["residuals"]
    start = openfoam.read(cavity, time=0)
    np.testing.assert_array_equal(start.meshes["volume"].cell_data["velocity"], np.zeros((400, 3)))
    with pytest.raises(FormatError, match=r"has no time 7; it has 0, 0.1, 0.2, 0.3, 0.4, 0.5"):
        openfoam.read(cavity, time=7)


def test_means_take_the_place_of_the_last_moment(pitz: Path, cavity: Path) -> None:
    last, mean = openfoam.read(pitz), openfoam.read(pitz, mean=True)
    for name in ("velocity", "pressure"):
        np.testing.assert_array_equal(
            mean.meshes["volume"].cell_data[name], last.meshes["volume"].cell_data[f"{name}_mean"]
        )
        assert mean.units[f"volume/{name}"] == last.units[f"volume/{name}"]
    assert "turbulent_kinetic_energy" not in mean.meshes["volume"].cell_data
    assert mean.extra["left_out"]["k"] == "no mean"
    rows = [line.split() for line in (pitz / "postProcessing/coefficients/0/coefficient.dat").read_text().splitlines()
            if not line.startswith("#")]  # fmt: skip
    assert mean.qoi["Cd"].value == pytest.approx(np.mean([float(row[1]) for row in rows]))
    assert last.qoi["Cd"].value == float(rows[-1][1])
    with pytest.raises(FormatError, match="no time has mean fields"):
        openfoam.read(cavity, mean=True)


def test_residuals_are_those_of_the_last_step(pitz: Path, foil: Path) -> None:
    by_object, by_log = openfoam.read(pitz).extra["residuals"], openfoam.read(foil).extra["residuals"]
    log = (pitz / "log.simpleFoam").read_text()
    for name in ("Ux", "Uy", "p", "k", "epsilon"):
        initial = float(re.findall(rf"Solving for {name}, Initial residual = ([^,]+),", log)[-1])
        assert by_object[name] == pytest.approx(initial, rel=1e-5)
    log = (foil / "log.simpleFoam").read_text()
    assert by_log["nuTilda"] == float(re.findall(r"Solving for nuTilda, Initial residual = ([^,]+),", log)[-1])


# --- as the rest of the package sees it


def test_a_case_in_si_comes_from_the_folder(bike: Path) -> None:
    case = read_case(bike)
    assert set(case.meshes) == {"surface", "volume"}
    assert case.field_units["pressure"] == "Pa"
    assert case.provenance.solver == "simpleFoam"
    assert {"constant/polyMesh/points", "10/U", "system/controlDict", "log.simpleFoam",
            "postProcessing/forces1/0/force.dat"} <= set(case.provenance.sources)  # fmt: skip
    assert "assumed_units" not in case.provenance.extra


def test_inspect_prints_domains_and_fields(cavity: Path) -> None:
    result = CliRunner().invoke(app, ["inspect", str(cavity)])
    assert result.exit_code == 0
    assert "computed by icoFoam v1912" in result.output
    assert "domain volume: 882 points, 400 cells" in result.output
    assert "surface/velocity" in result.output


def test_points_that_moved_are_used(cavity: Path, tmp_path: Path) -> None:
    case = foam.copy(cavity, tmp_path / "case")
    (case / "0.4/polyMesh").mkdir()
    text = (case / "constant/polyMesh/points").read_text()
    (case / "0.4/polyMesh/points").write_text(re.sub(r" 0.01\)", " 0.02)", text))
    assert openfoam.read(case, time=0.3).meshes["volume"].bounds[5] == 0.01
    moved = openfoam.read(case)
    assert moved.meshes["volume"].volume == pytest.approx(2 * 0.1 * 0.1 * 0.01)
    assert case / "0.4/polyMesh/points" in moved.files


def test_parts_that_are_left_over_do_not_hide_the_whole_case(cavity: Path, tmp_path: Path) -> None:
    case = foam.copy(cavity, tmp_path / "case")
    foam.decompose(case, 3, "-time", "0.3")
    assert openfoam.read(case).extra["time"] == 0.5
    shutil.rmtree(case / "processor0")
    results = openfoam.read(case)
    assert "parts" not in results.extra
    assert any("processor0 is missing of 3" in warning for warning in results.warnings)


def test_a_folder_is_a_case_by_its_controls_and_mesh(cavity: Path, tmp_path: Path) -> None:
    assert openfoam.is_case(cavity)
    assert not openfoam.is_case(cavity.parent)
    case = foam.copy(cavity, tmp_path / "case")
    shutil.rmtree(case / "constant/polyMesh")
    assert not openfoam.is_case(case)


def test_a_compressed_geometry_is_unpacked_and_scaled(bike: Path, tmp_path: Path) -> None:
    case = foam.copy(bike, tmp_path / "bike")
    plain = case / "constant/triSurface/motorBike.obj"
    size = pv.read(plain).length
    plain.with_name("motorBike.obj.gz").write_bytes(gzip.compress(plain.read_bytes(), 1))
    plain.unlink()
    control = case / "system/snappyHexMeshDict"
    control.write_text(control.read_text().replace("name motorBike;", "name motorBike; scale 0.5;"))
    results = openfoam.read(case)
    assert isinstance(results.geometry, pv.PolyData)
    assert results.geometry.length == pytest.approx(size / 2, rel=1e-6)
