"""Sound files of every format, small ones, for `test_fuzz`; programs write them where that takes no second."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import pyvista as pv
from vtkmodules.vtkIOLegacy import vtkGenericDataObjectWriter
from vtkmodules.vtkIOXML import vtkXMLPolyDataWriter, vtkXMLUnstructuredGridWriter

from helpers import TESTS
from helpers.formats.beams import CCX, MATERIAL, Block, node_set, run_ccx
from helpers.formats.loaders import parallel_grid, polyhedron
from helpers.formats.programs import FOAM, run, run_elbow
from helpers.formats.published import WRITERS
from helpers.fuzzing.fuzz import Subject

Builder = Callable[[Path], Subject]
DATA = TESTS / "data"


def alone(path: Path, *, geometry: bool = False) -> Subject:
    """A file that is read by itself."""
    return Subject(path, [path], geometry)


def folder(path: Path) -> Subject:
    """A folder, each of whose files may be spoilt."""
    return Subject(path, sorted(file for file in path.rglob("*") if file.is_file() and file.stat().st_size))


def grid() -> pv.UnstructuredGrid:
    """Cells of several kinds and a polyhedron, fields at points and at cells, a text."""
    cube = polyhedron()
    cube.clear_data()
    box = pv.ImageData(dimensions=(4, 3, 3)).cast_to_unstructured_grid()
    box.points = np.asarray(box.points, np.float64) + np.array([2.0, 0, 0])
    both = pv.merge([cube, box], merge_points=False)
    both.point_data["pressure"] = np.arange(both.n_points, dtype=np.float64)
    both.point_data["velocity"] = np.asarray(both.points, np.float32)
    both.cell_data["heat"] = np.linspace(1, 2, both.n_cells)
    both.field_data["title"] = ["a box"]
    return both


def ball() -> pv.PolyData:
    mesh = pv.Sphere(theta_resolution=8, phi_resolution=8)
    mesh.clear_data()
    mesh.point_data["pressure"] = np.asarray(mesh.points[:, 0], np.float64)
    return mesh


def vtk_xml(mode: str, suffix: str = ".vtu") -> Builder:
    def build(root: Path) -> Subject:
        writer = (vtkXMLUnstructuredGridWriter if suffix == ".vtu" else vtkXMLPolyDataWriter)()
        getattr(writer, f"SetDataModeTo{mode.split('-')[0]}")()
        if "raw" in mode:
            writer.EncodeAppendedDataOff()
        if "plain" in mode:
            writer.SetCompressorTypeToNone()
        writer.SetInputData(grid() if suffix == ".vtu" else ball())
        writer.SetFileName(str(root / f"body{suffix}"))
        assert writer.Write()
        return alone(root / f"body{suffix}")

    return build


def vtk_legacy(binary: bool, version: int, *, surface: bool = False) -> Builder:
    def build(root: Path) -> Subject:
        writer = vtkGenericDataObjectWriter()
        writer.SetFileVersion(version)
        writer.SetFileTypeToBinary() if binary else writer.SetFileTypeToASCII()
        writer.SetInputData(ball() if surface else grid())
        writer.SetFileName(str(root / "body.vtk"))
        assert writer.Write()
        return alone(root / "body.vtk")

    return build


def vtk_blocks(root: Path) -> Subject:
    pv.MultiBlock({"volume": grid(), "surface": ball()}).save(root / "body.vtm")
    return Subject(root / "body.vtm", [file for file in folder(root).targets if file.suffix != ".json"])


def vtk_structured(suffix: str) -> Builder:
    def build(root: Path) -> Subject:
        image = pv.ImageData(dimensions=(4, 3, 3), spacing=(0.1, 0.2, 0.3))
        image.cell_data["pressure"] = np.arange(image.n_cells, dtype=np.float32)
        as_kind = {".vti": image.copy, ".vtr": image.cast_to_rectilinear_grid, ".vts": image.cast_to_structured_grid}
        as_kind[suffix]().save(root / f"flow{suffix}")
        return alone(root / f"flow{suffix}")

    return build


def vtk_parallel(root: Path) -> Subject:
    return Subject(parallel_grid(root), folder(root).targets)


def vtkhdf(root: Path) -> Subject:
    from tramontane.formats import write_mesh

    write_mesh(grid(), root / "body.vtkhdf")
    return alone(root / "body.vtkhdf")


def deck(root: Path) -> Subject:
    block = Block("C3D10", (4.0, 2.0, 1.0), (2, 1, 1))
    text = block.deck() + node_set("Left", [1, 2, 3]) + "*SURFACE, NAME=A\nEALL, S1\n"
    parts = (f"*PART, NAME=P\n{text}*END PART\n*ASSEMBLY, NAME=All\n*INSTANCE, NAME=One, PART=P\n1., 2., 3.\n"
             "0., 0., 0., 0., 0., 1., 90.\n*END INSTANCE\n*END ASSEMBLY\n")  # fmt: skip
    (root / "part.inp").write_text(parts)
    return alone(root / "part.inp")


def calculix(binary: bool) -> Builder:
    def build(root: Path) -> Subject:
        if CCX is None:
            pytest.skip("CalculiX is missing: apt-get install calculix-ccx")
        block = Block("C3D20", (4.0, 1.0, 1.0), (2, 1, 1))
        nodes, elements = ("*NODE OUTPUT", "*ELEMENT OUTPUT") if binary else ("*NODE FILE", "*EL FILE")
        text = (
            block.deck() + node_set("NFIX", block.nodes_at(block.points[:, 0] == 0)) + MATERIAL
            + "*SOLID SECTION, ELSET=EALL, MATERIAL=STEEL\n*BOUNDARY\nNFIX, 1, 3\n*STEP\n*STATIC\n*CLOAD\n5, 3, 1.\n"
            + f"{nodes}\nU, RF\n{elements}\nS, E\n*NODE PRINT, NSET=NFIX, TOTALS=YES\nRF\n*END STEP\n"
        )  # fmt: skip
        frd = run_ccx(root, "beam", text)
        kept = [frd, frd, frd, *(frd.with_suffix(suffix) for suffix in (".inp", ".dat", ".sta", ".cvg"))]
        return Subject(frd, [file for file in kept if file.is_file()])

    return build


def ansys(root: Path) -> Subject:
    examples = pytest.importorskip("ansys.mapdl.reader.examples")
    shutil.copy(examples.rstfile, root / "beam.rst")
    return alone(root / "beam.rst")


def cgns(root: Path) -> Subject:
    files = sorted((DATA / "plaid").rglob("*.cgns"))
    return alone(Path(shutil.copy(files[0], root / "mesh.cgns")))


def cgns_structured(root: Path) -> Subject:
    from helpers.formats.cgns_files import structured

    file = structured(root)
    return alone(file)


def openfoam(root: Path) -> Subject:
    case = run_elbow(root)
    latest = case / "0.5"
    (latest / "p.gz").write_bytes(gzip.compress((latest / "p").read_bytes()))
    (latest / "p").unlink()
    for time in ("0.1", "0.2", "0.3", "0.4"):
        shutil.rmtree(case / time, ignore_errors=True)
    mesh = case / "constant" / "polyMesh"
    names = ("points", "faces", "owner", "neighbour", "boundary")
    targets = [*(mesh / name for name in names), latest / "U", latest / "p.gz", case / "system" / "controlDict",
               case / "constant" / "transportProperties"]  # fmt: skip
    return Subject(case, targets)


def openfoam_binary(root: Path) -> Subject:
    from helpers.formats import foam_cases

    if (reason := foam_cases.missing()) is not None:
        pytest.skip(reason)
    case = foam_cases.cavity(root / "cavity", writeFormat="binary", writeInterval=100)
    mesh = case / "constant" / "polyMesh"
    targets = [*(mesh / name for name in ("points", "faces", "owner")), case / "0.5" / "U", case / "0.5" / "p"]
    return Subject(case, targets)


def ensight(binary: bool) -> Builder:
    def build(root: Path) -> Subject:
        case = run_elbow(root)
        run(["foamToEnsight", "-latestTime", *([] if binary else ["-ascii"]), "-name", "out"], case,
            WM_PROJECT_DIR=str(FOAM))  # fmt: skip
        return Subject(case / "out" / "elbow.case", folder(case / "out").targets)

    return build


def exodus(root: Path) -> Subject:
    from helpers.formats.exodus_files import write_bar

    return alone(write_bar(root / "bar.e"))


def fluent(root: Path) -> Subject:
    from helpers.formats.fluent_files import write_duct

    file = write_duct(root)
    return Subject(file, [file, root / "duct.dat.h5"])


def fluent_old(root: Path) -> Subject:
    from helpers.formats.fluent_files import write_elbow

    file = write_elbow(root)
    return Subject(file, [file, file.with_suffix(".dat")])


def xdmf(kind: str) -> Builder:
    def build(root: Path) -> Subject:
        from helpers.formats import xdmf_files

        if kind == "hdf5":
            xdmf_files.write_with_vtk(root / "grid.xmf")
            return Subject(root / "grid.xmf", [root / "grid.xmf", root / "grid.h5"])
        xdmf_files.write(root / "body.xdmf", xdmf_files.grid(folder=root if kind == "binary" else None))
        return Subject(root / "body.xdmf", [root / "body.xdmf", *root.glob("*.bin")])

    return build


def tecplot(root: Path) -> Subject:
    from helpers.formats.tecplot_files import LATER, WALL

    (root / "plate.dat").write_text(WALL + LATER)
    return alone(root / "plate.dat")


def lammps(root: Path) -> Subject:
    from helpers.formats.lammps_files import LEANING

    bounds = "0 3.5 -1\n1 6 0.5\n1 4 1"
    (root / "box.lammpstrj").write_text(LEANING.format(bounds=bounds) * 2)
    return alone(root / "box.lammpstrj")


def shape(suffix: str, *, text: bool = False) -> Builder:
    def build(root: Path) -> Subject:
        body = ball()
        body.clear_data()
        if suffix in (".stl", ".ply"):
            body.save(root / f"body{suffix}", binary=not text)
        else:
            body.save(root / f"body{suffix}")
        return alone(root / f"body{suffix}", geometry=True)

    return build


def step(root: Path) -> Subject:
    occ = pytest.importorskip("netgen.occ")
    occ.Box((0, 0, 0), (1, 1, 1)).WriteStep(str(root / "part.step"))
    return alone(root / "part.step", geometry=True)


def case_folders(root: Path) -> Subject:
    from helpers.ellipsoids import ellipsoid
    from tramontane.formats import write_case

    for index in range(2):
        write_case(ellipsoid(f"case_{index}", (0.8, 0.7, 0.6), 100.0 + index), root / f"case_{index}")
    (root / "table.csv").write_text("case,speed [m/s],qoi: drag [N]\ncase_0,30,1.5\ncase_1,40,2.5\n")
    return Subject(root, [root / "table.csv", root / "case_0" / "case.json", *root.glob("case_0/*.stl")])


def published(layout: str) -> Builder:
    def build(root: Path) -> Subject:
        made = WRITERS[layout](root / "data")
        small = [file for file in folder(made).targets if file.suffix not in (".vtu", ".vtp", ".stl", ".part")]
        return Subject(made, small + [file for file in folder(made).targets if file.suffix in (".part", ".vtk")][:6])

    return build


def plaid(root: Path) -> Subject:
    pytest.importorskip("h5py")
    return folder(Path(shutil.copytree(DATA / "plaid", root / "plaid")))


SUBJECTS: dict[str, Builder] = {
    "vtu-raw": vtk_xml("Appended-raw-plain"), "vtu-compressed": vtk_xml("Appended-raw"),
    "vtu-base64": vtk_xml("Binary"), "vtu-ascii": vtk_xml("Ascii"), "vtp": vtk_xml("Appended-raw", ".vtp"),
    "vtk-ascii": vtk_legacy(False, 51), "vtk-ascii-old": vtk_legacy(False, 42), "vtk-binary": vtk_legacy(True, 51),
    "vtk-binary-old": vtk_legacy(True, 42), "vtk-surface": vtk_legacy(True, 51, surface=True),
    "vtm": vtk_blocks, "vtkhdf": vtkhdf, "pvtu": vtk_parallel,
    "vti": vtk_structured(".vti"), "vtr": vtk_structured(".vtr"), "vts": vtk_structured(".vts"),
    "inp": deck, "frd": calculix(False), "frd-binary": calculix(True), "rst": ansys,
    "cgns": cgns, "cgns-structured": cgns_structured,
    "openfoam": openfoam, "openfoam-binary": openfoam_binary,
    "ensight": ensight(False), "ensight-binary": ensight(True), "exodus": exodus,
    "fluent": fluent, "fluent-old": fluent_old,
    "xdmf": xdmf("xml"), "xdmf-binary": xdmf("binary"), "xdmf-hdf5": xdmf("hdf5"),
    "tecplot": tecplot, "lammps": lammps,
    "stl": shape(".stl"), "stl-text": shape(".stl", text=True), "ply": shape(".ply"),
    "ply-text": shape(".ply", text=True), "obj": shape(".obj"), "geometry-vtp": shape(".vtp"), "step": step,
    "case-folders": case_folders, **{layout: published(layout) for layout in WRITERS}, "plaid": plaid,
}  # fmt: skip
