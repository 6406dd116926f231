"""Result files of CalculiX as its Windows builds print them: exponents of three digits, lines of several lengths."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from helpers.formats.beams import MATERIAL, Block, needs_ccx, node_set, run_ccx
from tramontane.errors import FormatError
from tramontane.formats.calculix.case import read_calculix, read_printed
from tramontane.formats.numerals import plain, real

ROD = """    1C
    1UPGM               CalculiX
    2C                            12                                     1
{nodes} -3
    3C                             2                                     1
 -1         1    1    0    1
 -2         1         2         3         4         5         6         7         8
 -1         2    1    0    1
 -2         5         6         7         8         9        10        11        12
 -3
    1PSTEP                         1           1           1
  100CL  101 1.000000000          12                     0    1           1
 -4  NDTEMP      1    1
 -5  T           1    1    0    0
{values} -3
 9999
"""


def windows(number: float) -> str:
    """As C prints ``%12.5E`` there: negative numbers are 13 characters long."""
    mantissa, exponent = f"{number:.5E}".split("E")
    return f"{mantissa}E{int(exponent):+04d}".rjust(12)


def as_on_windows(text: str) -> str:
    """A result file with each number of its blocks of nodes printed as on Windows."""
    lines, elements = [], False
    for line in text.splitlines():
        elements = line.startswith("    3C") or (elements and not line.startswith(" -3"))
        if line.startswith((" -1", " -2")) and not elements:
            line = line[:13] + "".join(windows(float(line[at : at + 12])) for at in range(13, len(line.rstrip()), 12))
        lines.append(line)
    return "\n".join(lines) + "\n"


def rod() -> str:
    """Two cubes in a row along z, from -20 to -10, 293 to 393 K."""
    corners = [(2, 1), (3, 1), (3, 2), (2, 2)]
    points = [(x, y, z) for z in (-20.0, -15.0, -10.0) for x, y in corners]
    nodes = "".join(f" -1{n:10d}{''.join(map(windows, point))}\n" for n, point in enumerate(points, 1))
    values = "".join(f" -1{n:10d}{windows(393 + 10 * point[2] + 100)}\n" for n, point in enumerate(points, 1))
    return ROD.format(nodes=nodes, values=values)


def test_a_negative_coordinate_keeps_its_exponent(tmp_path: Path) -> None:
    file = tmp_path / "rod.frd"
    file.write_text(rod())
    volume = read_calculix(file).meshes["volume"]
    assert volume.bounds == (2.0, 3.0, 1.0, 2.0, -20.0, -10.0)
    assert np.allclose(volume.point_data["temperature"], np.repeat([293.0, 343.0, 393.0], 4))


@needs_ccx
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_every_block_reads_as_it_does_from_linux(tmp_path: Path, end: str) -> None:
    block = Block("C3D20R", (100.0, 10.0, 10.0), (6, 2, 2), first=101, step=3)
    deck = (
        block.deck() + node_set("NFIX", block.nodes_at(block.points[:, 0] == 0)) + MATERIAL
        + "*SOLID SECTION, ELSET=EALL, MATERIAL=STEEL\n*BOUNDARY\nNFIX, 1, 3\n*STEP\n*STATIC\n*CLOAD\n"
        + f"{block.nodes_at(block.points[:, 0] == 100.0)[0]}, 3, -100.\n*NODE FILE\nU, RF\n*EL FILE\nS, E\n*END STEP\n"
    )  # fmt: skip
    file = run_ccx(tmp_path / "run", "beam", deck)
    other = tmp_path / "windows.frd"
    other.write_bytes(as_on_windows(file.read_text()).replace("\n", end).encode())
    mine, right = (read_calculix(each).meshes["volume"] for each in (other, file))
    assert right.point_data["displacement"].min() < 0
    assert np.array_equal(mine.points, right.points)
    assert np.array_equal(mine.cells, right.cells)
    for name in ("displacement", "reaction_force", "stress", "strain", "von_mises"):
        assert np.array_equal(mine.point_data[name], right.point_data[name]), name


def test_what_is_wrong_is_still_named(tmp_path: Path) -> None:
    file = tmp_path / "rod.frd"

    def refused(old: str, new: str) -> str:
        assert old in rod()
        file.write_text(rod().replace(old, new, 1))
        with pytest.raises(FormatError) as raised:
            read_calculix(file)
        return str(raised.value)

    row = " -1         52.00000E+0001.00000E+000-1.50000E+001\n"
    assert "says 12 nodes, but its block does not end there" in refused(row, "")
    assert "3 numbers with an exponent" not in refused(row, row[:-14] + "\n")
    assert "has 35 numbers with an exponent, 36 are expected" in refused(row, row[:-14] + "\n")
    assert "coordinates are not finite, the first is node 5" in refused("-1.50000E+001", "-1.#IND0E+000")
    assert "where a whole number is expected" in refused(" -1         5", " -1         x")
    assert "line of another kind" in refused(" -1         5", " -7         5")
    assert "has something else where a number is expected" in refused("-1.50000E+001", "-1.5oops0E+01")


def test_numbers_as_fortran_prints_them(tmp_path: Path) -> None:
    assert [real(text) for text in ("1.5D+03", "1.25-103", "-.5+100", "2E3")] == [1500.0, 1.25e-103, -0.5e100, 2000.0]
    assert plain("12-15 1-2 3.0E-100") == "12-15 1-2 3.0E-100"
    file = tmp_path / "rod.dat"
    file.write_text("\n total force (fx,fy,fz) for set NFIX and time  0.1000000E+01\n\n  1.0E+01  2.000000-104 -3.0\n")
    assert {key: each.value for key, each in read_printed(file).items()} == {
        "force_x_NFIX": 10.0, "force_y_NFIX": 2e-104, "force_z_NFIX": -3.0
    }  # fmt: skip
    assert re.fullmatch(r"-1\.50000E\+001", windows(-15.0))
