"""Decks of Abaqus that turn, move or take in what they have: obeyed where it is a rule of geometry, said otherwise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tramontane.errors import FormatError
from tramontane.formats.decks.abaqus import read_abaqus
from tramontane.formats.decks.deck import read_deck
from tramontane.formats.readers import result_files

NODES = "".join(
    f"{number}, {x}., {y}., {z}.\n"
    for number, (x, y, z) in enumerate([(x, y, z) for z in range(3) for x, y in ((0, 0), (1, 0), (1, 1), (0, 1))], 1)
)
CELLS = "*Element, type=C3D8R, elset=EALL\n1, 1, 2, 3, 4, 5, 6, 7, 8\n2, 5, 6, 7, 8, 9, 10, 11, 12\n"


def bounds(tmp_path: Path, text: str) -> list[float]:
    (tmp_path / "deck.inp").write_text(text)
    return np.round(read_abaqus(tmp_path / "deck.inp").meshes["volume"].bounds, 9).tolist()


def warnings(tmp_path: Path, text: str) -> str:
    (tmp_path / "deck.inp").write_text(text)
    return "\n".join(read_abaqus(tmp_path / "deck.inp").warnings)


@pytest.mark.parametrize(
    ("system", "right"),
    [
        ("10., 0., 0., 10., 1., 0.\n-1,0.,0.", [9, 10, 0, 1, 0, 2]),  # a quarter of a turn about z, and 10 along x
        ("10., 0., 0., 10., 1., 0.", [9, 10, 0, 1, 0, 2]),
        ("10., 0., 10., 1.", [9, 10, 0, 1, 0, 2]),
        ("1., 2., 3.", [1, 2, 2, 3, 3, 5]),
        ("0., 0., 0., 0., 0., 5.\n1., 0., 0.", [0, 1, 0, 2, 0, 1]),  # x becomes z, y becomes x, z becomes y
        ("", [0, 1, 0, 1, 0, 2]),
    ],
)
def test_system_turns_and_moves_nodes(tmp_path: Path, system: str, right: list[float]) -> None:
    assert bounds(tmp_path, f"*SYSTEM\n{system}\n*NODE\n{NODES}*SYSTEM\n{CELLS}") == right


def test_a_system_ends_with_its_part_and_with_the_next(tmp_path: Path) -> None:
    moved = f"*SYSTEM\n10., 0., 0.\n*SYSTEM\n*NODE\n{NODES}{CELLS}"
    assert bounds(tmp_path, moved) == [0, 1, 0, 1, 0, 2]
    parts = f"*PART, NAME=A\n*SYSTEM\n10., 0., 0.\n*END PART\n*PART, NAME=B\n*NODE\n{NODES}{CELLS}*END PART\n"
    instance = "*ASSEMBLY, NAME=C\n*INSTANCE, NAME=B-1, PART=B\n0., 0., 7.\n*END INSTANCE\n*END ASSEMBLY\n"
    assert bounds(tmp_path, parts + instance) == [0, 1, 0, 1, 7, 9]


def test_cylindrical_and_spherical_nodes_in_a_system(tmp_path: Path) -> None:
    for kind, line in (("C", "1, 2., 90., 5."), ("S", "1, 2., 90., 30.")):
        (tmp_path / "deck.inp").write_text(
            f"*SYSTEM\n10., 0., 0.\n*NODE, SYSTEM={kind}\n{line}\n*NODE\n2, 1., 1., 1.\n"
        )
        points = read_deck(tmp_path / "deck.inp").points
        assert points[0] == pytest.approx([10, 2, 5] if kind == "C" else [10, 3**0.5, 1])
        assert points[1] == pytest.approx([11, 1, 1])


@pytest.mark.parametrize(
    "system", ["0., 0., 0., 1., 0., 0.\n2., 0., 0.", "0., 0., 0., 0., 0., 0.", "0., 0., 0., 1., 0., 1.", "1."]
)
def test_a_system_that_is_none_is_refused(tmp_path: Path, system: str) -> None:
    with pytest.raises(FormatError, match=r"deck\.inp: \*SYSTEM "):
        bounds(tmp_path, f"*SYSTEM\n{system}\n*NODE\n{NODES}{CELLS}")


@pytest.mark.parametrize(
    "name", [r"mesh\Nodes.inp", "mesh/nodes.inp", r"MESH\NODES.INP", r".\mesh\nodes.inp", r"C:\job\top.inp"]
)
@pytest.mark.parametrize("keyword", ["*INCLUDE, INPUT={}", '*INCLUDE, INPUT="{}"'])
def test_files_are_found_as_windows_names_them(tmp_path: Path, name: str, keyword: str) -> None:
    (tmp_path / "mesh").mkdir()
    for file in ("mesh/Nodes.inp", "top.inp"):
        (tmp_path / file).write_text(f"*NODE\n{NODES}")
    assert bounds(tmp_path, f"{keyword.format(name)}\n{CELLS}") == [0, 1, 0, 1, 0, 2]
    (tmp_path / "top.inp").unlink()
    if "top" not in name:
        assert [file.name for file in result_files([tmp_path / "deck.inp"])] == ["deck.inp"]


def test_lines_of_nodes_and_elements_in_files_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "nodes.txt").write_text(NODES)
    (tmp_path / "cells.txt").write_text("** two cubes\n" + CELLS.split("\n", 1)[1])
    deck = "*NODE, INPUT=nodes.txt\n*ELEMENT, TYPE=C3D8, INPUT=cells.txt\n"
    assert bounds(tmp_path, deck) == [0, 1, 0, 1, 0, 2]
    (tmp_path / "cells.txt").unlink()
    with pytest.raises(
        FormatError, match=r"deck\.inp: \*ELEMENT C3D8 has its lines in 'cells\.txt', which is not there"
    ):
        bounds(tmp_path, deck)


def test_what_is_not_obeyed_is_said(tmp_path: Path) -> None:
    mesh = f"*NODE\n{NODES}{CELLS}*NSET, NSET=TOP\n9, 10, 11, 12\n"
    step = "*STEP\n*STATIC\n{}*END STEP\n"
    load = "*CLOAD\nTOP, 3, -1.\n"
    assert "*TRANSFORM turns the directions" in warnings(
        tmp_path, mesh + "*TRANSFORM, NSET=TOP\n0,1,0,-1,0,0\n" + step.format(load)
    )
    assert "*IMPERFECTION moves nodes" in warnings(tmp_path, mesh + "*IMPERFECTION, FILE=a, STEP=1\n1, 0.1\n")
    assert "*MODEL CHANGE takes elements out" in warnings(tmp_path, mesh + step.format("*MODEL CHANGE, REMOVE\nEALL\n"))
    messages = warnings(tmp_path, mesh + step.format("*TEMPERATURE\nTOP, 400.\n*DFLUX\nEALL, BF, 3.\n"))
    assert "*TEMPERATURE, *DFLUX are no parameters" in messages
    assert "local directions (GLOBAL=NO)" in warnings(tmp_path, mesh + step.format("*EL FILE, GLOBAL=NO\nS\n"))
    assert "has a load of type TRVEC, which is no parameter" in warnings(
        tmp_path, mesh + step.format("*DSLOAD\nS1, TRVEC, 5., 1., 0., 0.\n")
    )
    assert "imaginary part of a load" in warnings(tmp_path, mesh + step.format("*CLOAD, LOAD CASE=2\nTOP, 3, -1.\n"))
    assert "is of type VELOCITY" in warnings(tmp_path, mesh + step.format("*BOUNDARY, TYPE=VELOCITY\nTOP, 3, 3, -1.\n"))
    assert "prescribes direction 5" in warnings(tmp_path, mesh + step.format("*BOUNDARY\nTOP, 5, 5, 0.1\n"))
    assert warnings(tmp_path, mesh + step.format(load)).count("\n") == 0  # the one of units alone


def test_a_prescribed_temperature_is_a_parameter(tmp_path: Path) -> None:
    (tmp_path / "deck.inp").write_text(
        f"*NODE\n{NODES}{CELLS}*NSET, NSET=TOP\n9, 10\n*STEP\n*HEAT TRANSFER\n*BOUNDARY\nTOP, 11, 11, 400.\n"
    )
    assert read_abaqus(tmp_path / "deck.inp").parameters["temperature_TOP"].value == 400.0


@pytest.mark.parametrize("keyword", ["NGEN", "NFILL", "NCOPY, CHANGE NUMBER=9", "ELGEN", "ELCOPY", "NMAP"])
def test_what_makes_nodes_by_a_rule_is_refused(tmp_path: Path, keyword: str) -> None:
    with pytest.raises(FormatError, match="places nodes or elements by a rule"):
        bounds(tmp_path, f"*NODE\n{NODES}*{keyword}\n1, 2, 1\n{CELLS}")
