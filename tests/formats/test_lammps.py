"""Dumps as LAMMPS writes them; LIGGGHTS, which shares the format, was not run."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from helpers.formats.damage import assert_cut_off_is_said, assert_flips_do_no_harm, assert_others_are_refused
from helpers.formats.lammps_files import LEANING
from helpers.formats.programs import need, run
from tramontane.errors import FormatError
from tramontane.formats import find_cases, read_case
from tramontane.formats.lammps import read_lammps
from tramontane.formats.readers import file_reader

# Grains of 3 mm that fall freely for 0.01 s: 250 of them, from rest, 4 mm apart.
FALL = """units si
atom_style sphere
boundary p p f
newton off
comm_modify vel yes
region all block -0.01 0.01 -0.01 0.01 0 0.2 units box
create_box 2 all
neighbor 0.001 bin
pair_style gran/hooke/history 2000.0 NULL 50.0 NULL 0.5 0
pair_coeff * *
timestep 1e-5
fix move all nve/sphere
fix weight all gravity 9.81 vector 0 0 -1
region grains block -0.01 0.01 -0.01 0.01 0.1 0.139 units box
lattice sc 0.004 origin 0.5 0.5 0.5
create_atoms 1 region grains
set group all diameter 0.003 density 2500
set group all type/fraction 2 0.5 7
dump plain all custom 200 dump.fall id type x y z vx vy vz radius
dump scaled all custom 500 scaled.lammpstrj id type element xs ys zs
dump_modify scaled element Si O
dump named all custom 500 each.*.dump id xu yu zu diameter mass
dump_modify named units yes time yes
run 1000
"""


@pytest.fixture(scope="session")
def fall(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which LAMMPS ran; tests that change it work on a copy."""
    need("lmp", "lammps")
    folder = tmp_path_factory.mktemp("lammps")
    (folder / "in.fall").write_text(FALL)
    run(["lmp", "-in", "in.fall"], folder, OMP_NUM_THREADS="1", OMPI_ALLOW_RUN_AS_ROOT="1",
        OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")  # fmt: skip
    return folder


def test_grains_fall_as_newton_says(fall: Path) -> None:
    file = fall / "dump.fall"
    assert file_reader(file) is read_lammps
    first, last = read_lammps(file, step=0), read_lammps(file)
    start, end = first.meshes["particles"], last.meshes["particles"]
    assert start.n_points == end.n_points == end.n_cells == 250
    assert start.point_data["id"].tolist() == end.point_data["id"].tolist() == list(range(1, 251))
    assert end.points[:, 2] - start.points[:, 2] == pytest.approx(-0.5 * 9.81 * 0.01**2, rel=2e-2)
    assert end.point_data["velocity"][:, 2] == pytest.approx(-9.81 * 0.01, rel=1e-3)
    assert np.abs(end.point_data["velocity"][:, :2]).max() < 1e-9
    assert end.point_data["radius"] == pytest.approx(0.0015)
    assert set(end.point_data["type"].tolist()) == {1, 2}
    assert last.extra["time"] == {"step": 6, "steps": 6}
    assert last.extra["timestep"] == 1000
    assert np.allclose(last.extra["box"], [[-0.01, 0.01], [-0.01, 0.01], [0, 0.2]])
    assert last.warnings == [f"{file}: does not say its units (dump_modify units yes); name them in a contract"]


def test_scaled_places_are_places_in_the_box(fall: Path) -> None:
    scaled, plain = read_lammps(fall / "scaled.lammpstrj"), read_lammps(fall / "dump.fall")
    assert scaled.meshes["particles"].points == pytest.approx(plain.meshes["particles"].points, abs=1e-6)
    assert scaled.warnings[0] == f"{fall / 'scaled.lammpstrj'}: column element is text and is left out"


def test_units_and_time_where_the_dump_says_them(fall: Path, tmp_path: Path) -> None:
    results = read_lammps(fall / "each.1000.dump")
    assert results.warnings == []
    assert (results.length_unit, results.extra["units"]) == ("m", "si")
    assert results.units == {"particles/diameter": "m", "particles/mass": "kg"}
    assert results.extra["time"] == {"step": 1, "steps": 1, "value": pytest.approx(0.01)}
    mass = 2500 * np.pi / 6 * 0.003**3
    assert results.meshes["particles"].point_data["mass"] == pytest.approx(mass, rel=1e-5)
    # A file for each step: the last of them is the case.
    (tmp_path / "fall").mkdir()
    for file in fall.glob("each.*.dump"):
        shutil.copy(file, tmp_path / "fall")
    assert find_cases(tmp_path) == [tmp_path / "fall"]
    case = read_case(tmp_path / "fall")
    assert list(case.provenance.sources) == ["each.1000.dump"]
    assert case.field_units == {"diameter": "m", "mass": "kg"}


def test_a_box_that_leans(tmp_path: Path) -> None:
    """Corners of a box from (1, 1, 1) with edges (2, 0, 0), (-1, 4, 0) and (0.5, 1, 3), by the manual's formulas."""
    (tmp_path / "dump.0").write_text(LEANING.format(bounds="0 3.5 -1\n1 6 0.5\n1 4 1"))
    points = read_lammps(tmp_path / "dump.0").meshes["particles"].points
    assert points == pytest.approx(np.array([[1, 1, 1], [1 + 1 - 0.25, 2, 1], [1 + 2 - 1 + 0.5, 6, 4]]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("id xs ys zs", "id a b c"), "has no columns with places"),
        (("2 0.5 0.25 0\n", "2 0.5 0.25\n"), "step 0: its rows do not fit its columns"),
        (("2 0.5", "2 half"), "step 0: its rows do not fit its columns"),
        (("ATOMS\n3", "ATOMS\n99999999999999"), "has 99999999999999 particles, but the file ends before"),
        (("ATOMS\n3", "ATOMS\n-3"), "the head of a step is incomplete"),
        (("ATOMS\n3", "ATOMS\n0"), "'ITEM:' was expected"),
        (("ITEM: TIMESTEP\n0", "ITEM: TIMESTEP\nlast"), "TIMESTEP is no number"),
        (("1 4 1", "1 4"), "the head of a step is incomplete"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    file = tmp_path / "dump.0"
    file.write_text(LEANING.format(bounds="0 3.5 -1\n1 6 0.5\n1 4 1").replace(*change))
    with pytest.raises(FormatError, match=message) as error:
        read_lammps(file)
    assert str(error.value).startswith(f"{file}: ")


def test_damage(fall: Path, tmp_path: Path) -> None:
    file = tmp_path / "dump.fall"
    shutil.copy(fall / "dump.fall", file)
    with pytest.raises(FormatError, match=r"dump\.fall: has no step 7"):
        read_lammps(file, step=7)
    assert_cut_off_is_said(read_lammps, file, shares=tuple(np.linspace(0.01, 0.999, 40)))
    assert_flips_do_no_harm(read_lammps, file, tries=100)
    assert_others_are_refused(read_lammps, tmp_path / "other.lammpstrj")
