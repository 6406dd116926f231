"""Results that CalculiX itself wrote, against beam theory, constant stress, and what it printed beside them."""

from __future__ import annotations

import functools
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import pyvista as pv
from typer.testing import CliRunner

from helpers.formats.beams import KINDS, MATERIAL, POISSON, SECOND_ORDER, YOUNG, Block, needs_ccx, node_set, run_ccx
from tramontane.cli import app
from tramontane.errors import FormatError
from tramontane.formats.calculix.case import read_calculix, read_printed
from tramontane.formats.collection import open_collection
from tramontane.formats.elements import index_of
from tramontane.formats.folder import read_case, read_results
from tramontane.formats.results import patches_of
from tramontane.quantities import von_mises

LENGTH, SIDE, LOAD = 100.0, 10.0, 100.0
INERTIA = SIDE**4 / 12
SHEAR = YOUNG / 2 / (1 + POISSON)
# Timoshenko's beam: bending and shear.
DEFLECTION = LOAD * LENGTH**3 / (3 * YOUNG * INERTIA) + LOAD * LENGTH / (5 / 6 * SHEAR * SIDE**2)
SOLID = "*SOLID SECTION, ELSET=EALL, MATERIAL=STEEL\n"
SECTIONS = {"quad": "*SHELL SECTION, ELSET=EALL, MATERIAL=STEEL\n10.\n",
            "tri": "*SHELL SECTION, ELSET=EALL, MATERIAL=STEEL\n10.\n",
            "line": "*BEAM SECTION, ELSET=EALL, MATERIAL=STEEL, SECTION=RECT\n10., 10.\n0., 1., 0.\n"}  # fmt: skip

pytestmark = needs_ccx


@pytest.fixture(scope="session")
def cantilever(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A beam of 100 x 10 x 10, clamped at x = 0 and loaded by 100 downwards at its tip; each is computed once."""
    root = tmp_path_factory.mktemp("cantilever")

    @functools.cache
    def run(
        kind: str = "C3D20R", *, binary: bool = False, flat: bool = False, counts: tuple[int, ...] = (10, 2, 2)
    ) -> Path:
        block = Block(kind, (LENGTH, SIDE, SIDE), counts, first=101, step=3)
        tip = block.nodes_at(block.points[:, 0] == LENGTH)
        nodes, elements = ("*NODE OUTPUT", "*ELEMENT OUTPUT") if binary else ("*NODE FILE", "*EL FILE")
        option = ", OUTPUT=2D" if flat else ""
        deck = (
            block.deck() + node_set("NFIX", block.nodes_at(block.points[:, 0] == 0)) + node_set("NTIP", tip)
            + f"*SURFACE, NAME=Stip\n{block.elements[-1]}, S4\n"
            + MATERIAL + SECTIONS.get(KINDS[kind], SOLID)
            + f"*BOUNDARY\nNFIX, 1, {6 if KINDS[kind] in SECTIONS else 3}\n"
            + f"*STEP\n*STATIC\n*CLOAD\nNTIP, 3, {-LOAD / len(tip)}\n{nodes}{option}\nU, RF\n{elements}{option}\nS, E\n"
            + "*NODE PRINT, NSET=NFIX, TOTALS=YES\nRF\n*NODE PRINT, NSET=NTIP\nU\n"
            + "*EL PRINT, ELSET=EALL, TOTALS=ONLY\nEVOL\n*END STEP\n"
        )  # fmt: skip
        return run_ccx(root / f"{kind}{'b' * binary}{'f' * flat}{counts[0]}", "beam", deck)

    return run


def at(mesh: pv.DataSet, *place: float) -> int:
    """The point at a place."""
    distances = np.linalg.norm(mesh.points - np.array(place), axis=1)
    assert distances.min() < 1e-4
    return int(distances.argmin())


def outward(surface: pv.PolyData) -> np.ndarray:
    """Area vectors of a surface's cells."""
    normals = surface.compute_normals(cell_normals=True, point_normals=False, split_vertices=False,
                                      consistent_normals=False, auto_orient_normals=False)  # fmt: skip
    areas = surface.compute_cell_sizes(length=False, volume=False)["Area"]
    return np.asarray(normals.cell_data["Normals"]) * np.asarray(areas)[:, None]


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("kind", ["C3D20R", "C3D10", "C3D15", "C3D8I", "C3D8", "C3D6", "C3D4"])
def test_a_cantilever_of_solids(cantilever: Callable[..., Path], kind: str, binary: bool) -> None:
    file = cantilever(kind, binary=binary)
    results = read_calculix(file)
    volume, surface = results.meshes["volume"], results.meshes["surface"]
    assert volume.compute_cell_sizes()["Volume"].min() > 0
    assert volume.volume == pytest.approx(LENGTH * SIDE**2, rel=1e-9)
    # The surface is closed, is the beam's, and its normals point outwards (Gauss: the flux of x / 3 is the volume).
    assert surface.triangulate().n_open_edges == 0
    assert surface.area == pytest.approx(4 * LENGTH * SIDE + 2 * SIDE**2, rel=1e-9)
    flux = np.einsum("ij,ij", outward(surface), surface.cell_centers().points) / 3
    assert flux == pytest.approx(LENGTH * SIDE**2, rel=1e-6)

    tip = volume.point_data["displacement"][volume.points[:, 0] == LENGTH]
    low, high = {"C3D8": (0.6, 0.8), "C3D6": (0.6, 0.9), "C3D4": (0.3, 0.5)}.get(kind, (0.97, 1.0))  # the first lock
    assert low < -tip[:, 2].mean() / DEFLECTION < high
    assert volume.point_data["reaction_force"].sum(axis=0) == pytest.approx([0, 0, 0], abs=0.02)  # six digits
    clamped = volume.points[:, 0] == 0
    assert volume.point_data["reaction_force"][clamped].sum(axis=0) == pytest.approx([0, 0, LOAD], abs=0.02)
    assert results.qoi["force_z_NFIX"].value == pytest.approx(LOAD)
    assert results.qoi["volume_EALL"].value == pytest.approx(LENGTH * SIDE**2)
    assert (results.solver, results.version) == ("CalculiX", "2.20")
    assert sum("states no units" in each for each in results.warnings) == 1
    assert results.length_unit is None
    assert results.units == {}
    assert {each.suffix for each in results.files} >= {".frd", ".inp", ".dat"}


def test_every_printed_displacement_is_found_at_its_node(cantilever: Callable[..., Path]) -> None:
    file = cantilever("C3D10")
    volume = read_calculix(file).meshes["volume"]
    block = Block("C3D10", (LENGTH, SIDE, SIDE), (10, 2, 2), first=101, step=3)
    table = re.search(
        r"displacements .* NTIP .*\n\n((?: +\d+(?: +[-+.\dE]+){3}\n)+)", file.with_suffix(".dat").read_text()
    )
    assert table is not None
    rows = np.array([line.split() for line in table[1].splitlines()], dtype=float)
    assert len(rows) == (block.points[:, 0] == LENGTH).sum()
    for number, *printed in rows:
        place = block.points[block.numbers == int(number)][0]
        assert volume.point_data["displacement"][at(volume, *place)] == pytest.approx(printed, rel=1e-5, abs=1e-10)


@pytest.mark.parametrize("kind", ["C3D20R", "C3D10", "C3D15", "S8R", "S6", "B32"])
def test_nodes_amid_edges_lie_amid_edges(cantilever: Callable[..., Path], kind: str) -> None:
    volume = read_calculix(cantilever(kind, flat=kind in ("B32",))).meshes["volume"]
    for index in range(volume.n_cells):
        cell = volume.get_cell(index)
        edges = cell.edges if cell.dimension > 1 else [cell]
        for edge in edges:
            assert edge.points[2] == pytest.approx(edge.points[:2].mean(axis=0), abs=1e-4)


def test_bending_stress(cantilever: Callable[..., Path]) -> None:
    volume = read_calculix(cantilever("C3D20R")).meshes["volume"]
    expected = LOAD * (LENGTH / 2) * (SIDE / 2) / INERTIA  # the upper side is pulled
    for height, sign in ((SIDE, 1), (0, -1)):
        point = at(volume, LENGTH / 2, SIDE / 2, height)
        assert volume.point_data["stress"][point, 0] == pytest.approx(sign * expected, rel=0.01)
        assert volume.point_data["von_mises"][point] == pytest.approx(expected, rel=0.03)
    # The mean shear over a section carries the load.
    middle = at(volume, LENGTH / 2, SIDE / 2, SIDE / 2)
    assert volume.point_data["stress"][middle, 5] == pytest.approx(-1.5 * LOAD / SIDE**2, rel=0.2)


@pytest.mark.parametrize("kind", ["C3D20R", "C3D10", "S8R"])
def test_binary_and_ascii_say_the_same(cantilever: Callable[..., Path], kind: str) -> None:
    flat = kind == "S8R"
    text, binary = (read_calculix(cantilever(kind, binary=each, flat=flat)).meshes for each in (False, True))
    assert list(text) == list(binary)
    for domain, mesh in text.items():
        other = binary[domain]
        assert other.points == pytest.approx(mesh.points, abs=1e-4)
        for name in ("displacement", "stress", "strain", "reaction_force", "von_mises"):
            scale = np.abs(mesh.point_data[name]).max()
            assert other.point_data[name] == pytest.approx(mesh.point_data[name], abs=6e-6 * scale)


GRADIENT = np.array([[1.0, 0.3, -0.2], [0.1, -0.5, 0.7], [0.4, -0.1, 0.8]]) * 1e-3


@pytest.mark.parametrize("kind", ["C3D8", "C3D20", "C3D20R", "C3D4", "C3D10", "C3D6", "C3D15"])
def test_constant_stress_in_every_component(tmp_path: Path, kind: str) -> None:
    """A patch test: a linear displacement at the boundary gives one stress, whose six components all differ."""
    block = Block(kind, (2.0, 2.0, 2.0), (2, 2, 2), first=11, step=7)
    inside = (np.abs(block.points - 1) < 0.9).all(axis=1)
    if kind not in SECOND_ORDER:
        block.points[inside] += [0.13, -0.09, 0.11]  # a distorted mesh
    moved = block.points @ GRADIENT.T
    fixed = "".join(
        f"{number}, {axis + 1}, {axis + 1}, {moved[row, axis]:.12g}\n"
        for row, number in enumerate(block.numbers) if not inside[row] for axis in range(3)
    )  # fmt: skip
    deck = (
        block.deck()
        + MATERIAL
        + SOLID
        + f"*STEP\n*STATIC\n*BOUNDARY\n{fixed}*NODE FILE\nU\n*EL FILE\nS, E\n*END STEP\n"
    )
    volume = read_calculix(run_ccx(tmp_path, "patch", deck)).meshes["volume"]
    strain = (GRADIENT + GRADIENT.T) / 2
    stress = YOUNG / (1 + POISSON) * (strain + POISSON / (1 - 2 * POISSON) * np.trace(strain) * np.eye(3))
    rows, columns = [0, 1, 2, 0, 1, 0], [0, 1, 2, 1, 2, 2]  # xx, yy, zz, xy, yz, xz
    assert len(set(np.round(strain[rows, columns], 9))) == 6
    assert volume.point_data["displacement"] == pytest.approx(volume.points @ GRADIENT.T, abs=2e-8)
    for name, tensor in (("strain", strain), ("stress", stress)):
        values = volume.point_data[name]
        assert values == pytest.approx(np.tile(tensor[rows, columns], (len(values), 1)), rel=2e-4)
    deviator = stress - np.trace(stress) / 3 * np.eye(3)
    expected = np.sqrt(1.5 * (deviator**2).sum())
    assert volume.point_data["von_mises"] == pytest.approx(np.full(volume.n_points, expected), rel=2e-4)


def test_von_mises_of_plain_states() -> None:
    assert von_mises(np.array([[5.0, 0, 0, 0, 0, 0]])) == pytest.approx([5])  # tension
    assert von_mises(np.array([[0, 0, 0, 0, 0, -2.0]])) == pytest.approx([2 * 3**0.5])  # shear
    assert von_mises(np.array([[7.0, 7, 7, 0, 0, 0]])) == pytest.approx([0])  # pressure


@pytest.mark.parametrize(("kind", "counts"), [("S8R", (10, 2)), ("S4", (20, 4)), ("S6", (10, 2)), ("S3", (20, 4))])
def test_plates_of_shells(cantilever: Callable[..., Path], kind: str, counts: tuple[int, ...]) -> None:
    flat = read_calculix(cantilever(kind, flat=True, counts=counts)).meshes
    assert list(flat) == ["surface"]
    assert flat["surface"].area == pytest.approx(LENGTH * SIDE)
    thick = read_calculix(cantilever(kind, counts=counts)).meshes  # CalculiX' own solids of the shells' thickness
    assert thick["volume"].volume == pytest.approx(LENGTH * SIDE**2)
    for mesh in (flat["surface"], thick["surface"], thick["volume"]):
        tip = mesh.point_data["displacement"][np.isclose(mesh.points[:, 0], LENGTH)]
        assert -tip[:, 2].mean() == pytest.approx(DEFLECTION, rel=0.2 if kind == "S3" else 0.05)


def test_lines_of_beams(cantilever: Callable[..., Path]) -> None:
    mesh = read_calculix(cantilever("B32", flat=True)).meshes["volume"]
    assert mesh.compute_cell_sizes()["Length"].sum() == pytest.approx(LENGTH)
    assert -mesh.point_data["displacement"][at(mesh, LENGTH, 0, 0), 2] == pytest.approx(DEFLECTION, rel=0.03)


def test_sets_and_surfaces_name_the_patches(cantilever: Callable[..., Path]) -> None:
    for kind in ("C3D20R", "C3D8"):
        results = read_calculix(cantilever(kind, counts=(10, 1, 1)))
        surface = results.meshes["surface"]
        patches = patches_of(surface)
        assert patches is not None
        ids, names = patches
        assert sorted(names) == ["NFIX", "Stip", "other"]
        for name, x, area in (("Stip", LENGTH, SIDE**2), ("NFIX", 0.0, SIDE**2), ("other", None, 4 * LENGTH * SIDE)):
            patch = surface.extract_cells(ids == names.index(name))
            assert patch.area == pytest.approx(area)
            if x is not None:
                assert patch.points[:, 0] == pytest.approx(np.full(patch.n_points, x), abs=1e-4)
        assert results.extra["node_sets"]["NFIX"] == (20 if kind == "C3D20R" else 4) - 12 * (kind == "C3D20R")
        assert {each["keyword"] for each in results.extra["conditions"]} == {"BOUNDARY", "STATIC", "CLOAD"}
        assert results.extra["materials"] == {"STEEL": [f"elastic: {YOUNG}, {POISSON}"]}


BAR = Block("C3D20R", (LENGTH, SIDE, SIDE), (8, 1, 1))
TIP = BAR.nodes_at(BAR.points[:, 0] == LENGTH)
DECK = (
    BAR.deck() + node_set("NFIX", BAR.nodes_at(BAR.points[:, 0] == 0)) + node_set("NTIP", TIP)
    + f"*SURFACE, NAME=SFIX\n{BAR.elements[0]}, S6\n" + MATERIAL
    + "*DENSITY\n7.8E-9\n*CONDUCTIVITY\n50.\n*SPECIFIC HEAT\n4.E8\n" + SOLID
)  # fmt: skip
CLAMPED = DECK + "*BOUNDARY\nNFIX, 1, 3\n"
ASKED = "*NODE FILE\nU\n*EL FILE\nS\n*END STEP\n"


def test_the_last_step_or_a_named_one(tmp_path: Path) -> None:
    printed = "*SECTION PRINT, SURFACE=SFIX, NAME=SP\nSOF, SOM, SOAREA\n*NODE PRINT, NSET=NFIX, TOTALS=ONLY\nRF\n"
    steps = "".join(f"*STEP\n*STATIC\n*CLOAD\nNTIP, 3, {-load}\n{printed}{ASKED}" for load in (1.0, 3.0))
    file = run_ccx(tmp_path, "two", CLAMPED + steps)
    last = read_calculix(file)
    tips = []
    for results in (read_calculix(file, state=1), last):
        volume = results.meshes["volume"]
        tips.append(volume.point_data["displacement"][at(volume, LENGTH, SIDE, SIDE), 2])
    assert tips[1] / tips[0] == pytest.approx(3, rel=1e-4)
    assert [state["value"] for state in last.extra["states"]] == [1.0, 2.0]
    assert last.extra["state"] == {"number": 2, "step": 2, "value": 2.0}
    load = 3.0 * len(TIP)
    assert last.qoi["force_z_NFIX"].value == pytest.approx(load)
    assert last.qoi["surface_force_z_SFIX"].value == pytest.approx(load, rel=1e-3)
    assert last.qoi["surface_moment_y_SFIX"].value == pytest.approx(-load * LENGTH, rel=1e-3)
    assert last.qoi["area_SFIX"].value == pytest.approx(SIDE**2)
    with pytest.raises(FormatError, match=r"two\.frd: has no state 7; it has 1, 2"):
        read_calculix(file, state=7)


def test_modes_and_natural_frequencies(tmp_path: Path) -> None:
    results = read_calculix(run_ccx(tmp_path, "modes", CLAMPED + f"*STEP\n*FREQUENCY\n4\n{ASKED}"))
    euler = 1.8751**2 / (2 * np.pi * LENGTH**2) * np.sqrt(YOUNG * INERTIA / (7.8e-9 * SIDE**2))
    assert results.qoi["frequency_1"].value == pytest.approx(euler, rel=0.02)
    assert results.qoi["frequency_2"].value == pytest.approx(results.qoi["frequency_1"].value, rel=1e-4)
    assert len(results.extra["states"]) == 4
    assert results.extra["state"]["value"] == pytest.approx(results.qoi["frequency_1"].value, rel=1e-5)
    assert any("holds modes" in warning for warning in results.warnings)


def test_buckling_factors(tmp_path: Path) -> None:
    deck = CLAMPED + f"*STEP\n*BUCKLE\n2\n*DLOAD\n{BAR.elements[-1]}, P4, {1000 / SIDE**2}\n{ASKED}"
    full = deck.replace("C3D20R", "C3D20")  # with the reduced rule, this one row of elements has soft modes
    results = read_calculix(run_ccx(tmp_path, "buckling", full))
    euler = np.pi**2 * YOUNG * INERTIA / (4 * LENGTH**2)
    assert 1000 * results.qoi["buckling_factor_1"].value == pytest.approx(euler, rel=0.02)
    assert results.extra["state"]["value"] == pytest.approx(results.qoi["buckling_factor_1"].value, rel=1e-5)


def test_heat_conduction(tmp_path: Path) -> None:
    steady = (
        f"*STEP\n*HEAT TRANSFER, STEADY STATE\n*DFLUX\n{BAR.elements[-1]}, S4, 0.8\n*NODE FILE\nNT\n*EL FILE\nHFL\n"
    )
    steady += "*NODE PRINT, NSET=NFIX, TOTALS=ONLY\nRFL\n*END STEP\n"
    deck = DECK + f"*BOUNDARY\nNFIX, 11, 11, 20.\n*INITIAL CONDITIONS, TYPE=TEMPERATURE\nNALL, 20.\n{steady}"
    results = read_calculix(run_ccx(tmp_path, "heat", deck))
    volume, heat = results.meshes["volume"], 0.8 * SIDE**2
    middle = at(volume, LENGTH / 2, 0, 0)
    assert volume.point_data["temperature"].shape == (volume.n_points,)
    assert volume.point_data["temperature"][middle] == pytest.approx(20 + heat * LENGTH / 2 / (50 * SIDE**2), abs=1e-3)
    assert volume.point_data["heat_flux"][middle] == pytest.approx([-heat / SIDE**2, 0, 0], abs=1e-3)
    assert results.qoi["heat_generation_NFIX"].value == pytest.approx(-heat)
    assert results.extra["residuals"]["heat_flux"] < 1e-3


def test_contact_carries_the_load(tmp_path: Path) -> None:
    low, high = (Block("C3D8", (1, 1, 1), (3, 3, 3), first=first) for first in (1, 1001))
    high.points[:, 2] += 1.0
    high.elements = low.elements + 1000
    slave, master = (
        [number for number, cell in zip(block.elements, block.cells, strict=True)
         if (block.points[cell][:, 2] == 1).sum() == 4]
        for block in (high, low)
    )  # fmt: skip
    deck = low.deck() + high.deck() + MATERIAL + SOLID
    deck += node_set("NLOW", low.nodes_at(low.points[:, 2] == 0)) + node_set(
        "NHIGH", high.nodes_at(high.points[:, 2] == 2)
    )
    deck += "*SURFACE, NAME=SLAVE\n" + "".join(f"{number}, S1\n" for number in slave)
    deck += "*SURFACE, NAME=MASTER\n" + "".join(f"{number}, S2\n" for number in master)
    deck += "*SURFACE INTERACTION, NAME=SI\n*SURFACE BEHAVIOR, PRESSURE-OVERCLOSURE=LINEAR\n1.E7, 3.\n"
    deck += "*CONTACT PAIR, INTERACTION=SI, TYPE=SURFACE TO SURFACE\nSLAVE, MASTER\n"
    deck += "*BOUNDARY\nNLOW, 1, 3\nNHIGH, 1, 2\nNHIGH, 3, 3, -0.001\n*STEP\n*STATIC\n*NODE FILE\nU\n"
    deck += "*CONTACT FILE\nCDIS, CSTR\n*NODE PRINT, NSET=NLOW, TOTALS=ONLY\nRF\n*END STEP\n"
    results = read_calculix(run_ccx(tmp_path, "contact", deck))
    surface = results.meshes["surface"]
    patches = patches_of(surface)
    assert patches is not None
    face = surface.extract_cells(patches[0] == patches[1].index("SLAVE")).point_data_to_cell_data()
    areas = face.compute_cell_sizes()["Area"]
    assert areas.sum() == pytest.approx(1.0)
    assert face.cell_data["contact_pressure"] @ areas == pytest.approx(results.qoi["force_z_NLOW"].value, rel=0.02)
    assert np.abs(face.cell_data["contact_opening"]).max() < 1e-4


def test_a_field_of_some_nodes_only_is_left_out_and_said(tmp_path: Path) -> None:
    deck = CLAMPED + "*STEP\n*STATIC\n*CLOAD\nNTIP, 3, -1.\n*NODE FILE, NSET=NTIP\nU\n*EL FILE\nS\n*END STEP\n"
    results = read_calculix(run_ccx(tmp_path, "part", deck))
    assert "displacement" not in results.meshes["volume"].point_data
    assert "stress" in results.meshes["volume"].point_data
    assert any("part.frd: dataset DISP is left out" in warning for warning in results.warnings)


def test_a_run_that_did_not_converge_is_said(tmp_path: Path) -> None:
    hinge = "*STEP, NLGEOM, INC=3\n*STATIC\n0.3, 1., 0.1\n*CLOAD\nNTIP, 3, -40000.\n" + ASKED
    file = run_ccx(tmp_path, "far", CLAMPED + hinge, finishes=False)
    assert "9999" not in file.read_text().split()[-1:]
    with pytest.raises(FormatError, match=r"far\.frd: has no 9999 at its end: CalculiX did not finish"):
        read_calculix(file)
    file.write_text(file.read_text() + " 9999\n")  # the last states that were written are whole
    results = read_calculix(file)
    assert any("did not converge" in warning for warning in results.warnings)
    assert results.extra["residuals"]["force"] > 0.01


@pytest.mark.parametrize("binary", [False, True])
def test_elements_of_several_kinds_that_take_turns(tmp_path: Path, binary: bool) -> None:
    parts, decks = [], []
    for index, kind in enumerate(("C3D8", "C3D20R", "C3D10", "C3D6")):
        block = Block(kind, (4.0, 1.0, 1.0), (3, 1, 1), first=1 + 1000 * index)
        block.points[:, 1] += 3.0 * index
        block.elements = index + 1 + 4 * np.arange(len(block.cells))
        parts.append(block)
        decks.append(block.deck() + node_set(f"N{index}", block.nodes_at(block.points[:, 0] == 0)))
    fixed = "".join(f"N{index}, 1, 3\n" for index in range(len(parts)))
    heads = "*NODE OUTPUT\nU\n*ELEMENT OUTPUT\nS\n" if binary else "*NODE FILE\nU\n*EL FILE\nS\n"
    loads = "".join(f"{block.numbers[-1]}, 3, 1.\n" for block in parts)
    deck = "".join(decks) + MATERIAL + SOLID + f"*BOUNDARY\n{fixed}*STEP\n*STATIC\n*CLOAD\n{loads}{heads}*END STEP\n"
    volume = read_calculix(run_ccx(tmp_path, "mixed", deck)).meshes["volume"]
    assert volume.n_cells == sum(len(block.cells) for block in parts)
    assert volume.n_points == sum(len(block.points) for block in parts)
    sizes = volume.compute_cell_sizes()["Volume"]
    for cell, share in ((12, 3), (25, 3), (24, 18), (13, 6)):
        assert sizes[volume.celltypes == cell] == pytest.approx(np.full(share, 4 / share), rel=1e-4)


def test_the_short_format(cantilever: Callable[..., Path], tmp_path: Path) -> None:
    """Old files have node numbers of five digits; CalculiX itself writes ten."""
    file = cantilever("C3D8")
    lines = []
    for line in file.read_text().splitlines():
        if line.startswith(" -1"):
            line = line[:3] + line[8:]
        elif line.startswith(" -2"):
            line = " -2" + "".join(f"{int(line[at : at + 10]):5d}" for at in range(3, len(line), 10))
        elif line.startswith(("    2C", "    3C")):
            line = line[:73] + "0" + line[74:]
        elif line.startswith("  100C"):
            line = line[:73] + " 0" + line[75:]
        lines.append(line)
    short = tmp_path / "short.frd"
    for end in ("\n", "\r\n"):  # and as Windows ends lines
        short.write_bytes((end.join(lines) + end).encode())
        mine, other = (read_calculix(each).meshes["volume"] for each in (short, file))
        assert np.array_equal(mine.cells, other.cells)
        assert np.array_equal(mine.points, other.points)
        for name in ("displacement", "stress", "von_mises"):
            assert np.array_equal(mine.point_data[name], other.point_data[name])


def test_numbers_with_gaps_are_found() -> None:
    rng = np.random.default_rng(0)
    for numbers in (rng.permutation(np.arange(10, 4000, 3)), rng.permutation(10**9 * np.arange(1, 50))):
        index = index_of(numbers, numbers[[5, 0, 17]])
        assert index.tolist() == [5, 0, 17]
        assert index_of(numbers, np.array([numbers[3] + 1, -7, 10**15])).tolist() == [-1, -1, -1]
    assert index_of(np.empty(0, dtype=np.int64), np.array([1])).tolist() == [-1]


# -- a folder, end to end ----------------------------------------------------------------------------------------------


def test_a_folder_with_included_files_is_one_case(cantilever: Callable[..., Path], tmp_path: Path) -> None:
    folder = tmp_path / "beam"
    shutil.copytree(cantilever("C3D20R").parent, folder)
    deck = (folder / "beam.inp").read_text()
    at_sets = deck.index("*NSET")
    (folder / "mesh.inp").write_text(deck[:at_sets])
    (folder / "beam.inp").write_text("*INCLUDE, INPUT=mesh.inp\n" + deck[at_sets:])
    results = read_results(folder)
    assert list(results.meshes) == ["volume", "surface"]
    assert {each.name for each in results.files} >= {"beam.frd", "beam.inp", "mesh.inp", "beam.dat"}
    case = read_case(folder)
    assert case.qoi["force_z_NFIX"] == pytest.approx(LOAD)
    assert case.provenance.solver == "CalculiX"
    assert [source.name for source in open_collection(folder).sources] == ["beam"]
    answer = CliRunner().invoke(app, ["inspect", str(folder)])
    assert answer.exit_code == 0, answer.output
    for word in ("CalculiX", "volume/displacement", "surface/von_mises", "force_z_NFIX"):
        assert word in answer.output


def test_a_deck_that_cannot_be_read_costs_its_names_only(cantilever: Callable[..., Path], tmp_path: Path) -> None:
    file = shutil.copy(cantilever("C3D8"), tmp_path / "beam.frd")
    (tmp_path / "beam.inp").write_text("*INCLUDE, INPUT=gone.inp\n")
    results = read_calculix(Path(file))
    assert results.meshes["volume"].n_cells == 40
    assert any("includes 'gone.inp', which is not there" in warning for warning in results.warnings)
    assert patches_of(results.meshes["surface"]) is None


# -- damage ------------------------------------------------------------------------------------------------------------


def refused(file: Path, content: bytes) -> str:
    """The one line that says why a file with this content is not read; empty where it is read."""
    file.write_bytes(content)
    try:
        read_calculix(file)
    except FormatError as error:
        reason = str(error)
    else:
        return ""
    assert reason.startswith(f"{file}: ")
    assert "\n" not in reason
    return reason


@pytest.mark.parametrize("binary", [False, True])
def test_a_file_that_is_cut_off(cantilever: Callable[..., Path], tmp_path: Path, binary: bool) -> None:
    content = cantilever("C3D10", binary=binary, counts=(2, 1, 1)).read_bytes()
    file = tmp_path / "cut.frd"
    places = np.unique(np.linspace(0, len(content) - 8, 400).astype(int))
    assert all(refused(file, content[:place]) for place in places)
    assert "is empty" in refused(file, b"")


@pytest.mark.parametrize("binary", [False, True])
def test_flipped_bytes_and_garbage_end_in_an_error_or_a_mesh(
    cantilever: Callable[..., Path], tmp_path: Path, binary: bool
) -> None:
    content = cantilever("C3D10", binary=binary, counts=(2, 1, 1)).read_bytes()
    rng = np.random.default_rng(1)
    reasons = []
    for _ in range(300):
        spoilt = bytearray(content)
        for place in rng.integers(0, len(content), 4):
            spoilt[place] = rng.integers(256)
        reasons.append(refused(tmp_path / "spoilt.frd", bytes(spoilt)))
    assert sum(bool(reason) for reason in reasons) > 100
    for garbage in (rng.bytes(5000), b"\n" * 5000, b"x" * 5000, b"    2C\n", b" 9999\n", b"#!/bin/sh\n" * 99):
        assert refused(tmp_path / "garbage.frd", garbage)


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("block", [b"    2C", b"    3C", b"  100CL"])
def test_counts_that_lie(cantilever: Callable[..., Path], tmp_path: Path, binary: bool, block: bytes) -> None:
    content = cantilever("C3D10", binary=binary, counts=(2, 1, 1)).read_bytes()
    place = content.index(block) + 24
    for count in (b"99999999999", b"          0", b"         -5", b"         11", b"        abc", b"           "):
        spoilt = content[:place] + count.rjust(12) + content[place + 12 :]
        assert refused(tmp_path / "lies.frd", spoilt), count


def test_what_is_wrong_is_named(cantilever: Callable[..., Path], tmp_path: Path) -> None:
    text = cantilever("C3D8").read_text()
    file = tmp_path / "bad.frd"

    def message(old: str, new: str) -> str:
        assert text.count(old) >= 1
        return refused(file, text.replace(old, new, 1).encode())

    row = re.search(r"-4  STRESS(?:.*\n)+? -1       101(.{12})", text)
    assert row is not None
    assert "dataset STRESS of state 1 is NaN or infinite at 1 of 99 nodes, the first is node 101" in message(
        f" -1       101{row[1]}", f" -1       101{'NaN':>12}"
    )
    assert "has element 7 of node 999" in message(" -2       101       128", " -2       999       128")
    assert "elements of type 42" in message(" -1         7    1    0    1", " -1         7   42    0    1")
    assert "of type 4 " in message(" -1         7    1    0    1", " -1         7    4    0    1")
    assert "two nodes of one number" in message(" -1       104 0.00000E+00", " -1       101 0.00000E+00")
    assert "coordinates are not finite" in message(" 1.00000E+01\n", f"{'inf':>12}\n")
    head, rest = text.split("  100CL", 1)
    assert "has node 999, which the file does not define" in refused(
        file, (head + "  100CL" + rest.replace(" -1       101", " -1       999", 1)).encode()
    )


def test_printed_values_that_are_damaged(tmp_path: Path) -> None:
    file = tmp_path / "beam.dat"
    head = "\n total force (fx,fy,fz) for set NFIX and time  0.1000000E+01\n\n"
    file.write_text(head + "        1.0  2.0  3.0\n")
    assert {key: each.value for key, each in read_printed(file).items()} == {
        "force_x_NFIX": 1.0, "force_y_NFIX": 2.0, "force_z_NFIX": 3.0
    }  # fmt: skip
    for line, reason in (("NaN 2.0 3.0", "not finite"), ("1.0 oops 3.0", "no line of numbers")):
        file.write_text(head + line + "\n")
        with pytest.raises(FormatError, match=rf"beam\.dat: .*{reason}"):
            read_printed(file)
    file.write_bytes(np.random.default_rng(0).bytes(10_000))
    assert read_printed(file) == {}
