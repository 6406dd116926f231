"""Meshes in input decks of Abaqus and CalculiX: every listed node in its place, sets and surfaces as patches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import pyvista as pv

from helpers.formats.beams import KINDS, Block, node_set
from tramontane.errors import FormatError
from tramontane.formats.decks.abaqus import read_abaqus
from tramontane.formats.decks.deck import read_deck, shape_of
from tramontane.formats.folder import read_results
from tramontane.formats.readers import result_files
from tramontane.formats.results import Results, patches_of

SIZE = (4.0, 2.0, 1.0)


def write(folder: Path, text: str, name: str = "part.inp") -> Path:
    (folder / name).write_text(text)
    return folder / name


def patch(results: Results, name: str) -> pv.UnstructuredGrid:
    surface = results.meshes["surface"]
    patches = patches_of(surface)
    assert patches is not None
    return surface.extract_cells(patches[0] == patches[1].index(name))


@pytest.mark.parametrize("kind", ["C3D8", "C3D20", "C3D4", "C3D10", "C3D6", "C3D15"])
def test_solids(tmp_path: Path, kind: str) -> None:
    block = Block(kind, SIZE, (3, 2, 2), first=5, step=3)
    results = read_abaqus(write(tmp_path, "*HEADING\nA block\n" + block.deck()))
    volume, surface = results.meshes["volume"], results.meshes["surface"]
    assert volume.points == pytest.approx(block.points)
    sizes = volume.compute_cell_sizes()["Volume"]
    assert len(sizes) == len(block.cells)
    assert sizes.min() > 0
    assert sizes.sum() == pytest.approx(8.0)
    triangles = surface.triangulate()
    assert triangles.n_open_edges == 0
    assert triangles.volume == pytest.approx(8.0)
    assert surface.area == pytest.approx(28.0)
    assert results.extra["title"] == "A block"
    assert results.length_unit is None
    assert sum("states no units" in warning for warning in results.warnings) == 1
    if len(block.cells[0]) in (10, 15, 20):
        for edge in volume.get_cell(0).edges:
            assert edge.points[2] == pytest.approx(edge.points[:2].mean(axis=0))
    assert volume.array_names == []


@pytest.mark.parametrize(("kind", "area"), [("S4R", 8), ("S8R", 8), ("S3", 8), ("S6", 8), ("CPS4", 8), ("CPS8", 8)])
def test_shells_and_plane_elements_are_a_surface(tmp_path: Path, kind: str, area: float) -> None:
    results = read_abaqus(write(tmp_path, Block(kind, SIZE, (3, 2), first=5).deck()))
    assert list(results.meshes) == ["surface"]
    assert results.meshes["surface"].area == pytest.approx(area)


@pytest.mark.parametrize("kind", ["B31", "B32", "T3D2"])
def test_beams_are_lines(tmp_path: Path, kind: str) -> None:
    results = read_abaqus(write(tmp_path, Block(kind, SIZE, (3,)).deck()))
    assert results.meshes["volume"].compute_cell_sizes()["Length"].sum() == pytest.approx(4.0)


def test_element_types() -> None:
    for kind in KINDS:
        assert shape_of(kind) is not None
    for kind, cell in (("C3D8RH", 12), ("C3D10MHT", 24), ("DC3D20", 25), ("SC8R", 12), ("COH3D6", 13), ("S8R5", 23),
                       ("STRI65", 22), ("STRI3", 5), ("R3D4", 9), ("R2D2", 3), ("T3D3", 21), ("B33", 3), ("S9R5", 28),
                       ("CAX8RT", 23), ("M3D3", 5), ("C3D5", 14)):  # fmt: skip
        shape = shape_of(kind)
        assert shape is not None, kind
        assert shape[0] == cell, kind
    for kind in ("SPRINGA", "MASS", "CONN3D2", "DCOUP3D", "CIN3D8", "D", "U1", "GAPUNI", "C3D15V", "", "S", "C3D7"):
        assert shape_of(kind) is None, kind


def test_every_face_has_the_number_that_abaqus_gives_it(tmp_path: Path) -> None:
    """Where the faces S1, S2, ... of the unit cube (or of half of it) lie; after the manual's pictures."""
    # centre of each face of the first element of a block of one cell
    faces = {
        "C3D8": {1: (0.5, 0.5, 0), 2: (0.5, 0.5, 1), 3: (0.5, 0, 0.5), 4: (1, 0.5, 0.5), 5: (0.5, 1, 0.5),
                 6: (0, 0.5, 0.5)},
        "C3D6": {1: (2 / 3, 1 / 3, 0), 2: (2 / 3, 1 / 3, 1), 3: (0.5, 0, 0.5), 4: (1, 0.5, 0.5)},
        "C3D4": {1: (2 / 3, 1 / 3, 0), 3: (1, 2 / 3, 1 / 3)},
    }  # fmt: skip
    for kind, second in (("C3D8", "C3D20"), ("C3D6", "C3D15"), ("C3D4", "C3D10")):
        for each in (kind, second):
            block = Block(each, (1, 1, 1), (1, 1, 1))
            names = "".join(f"*SURFACE, NAME=F{face}\n{block.elements[0]}, S{face}\n" for face in faces[kind])
            results = read_abaqus(write(tmp_path, block.deck() + names))
            for face, centre in faces[kind].items():
                mesh = patch(results, f"F{face}")
                areas = mesh.compute_cell_sizes()["Area"]
                mean = (mesh.cell_centers().points * areas[:, None]).sum(axis=0) / areas.sum()
                assert mean == pytest.approx(centre, abs=1e-6), (each, face)


def test_sets_in_every_way_of_writing_them(tmp_path: Path) -> None:
    block = Block("C3D8", SIZE, (4, 2, 1))  # nodes 1 to 30, six at each x
    elements = ", ".join(str(number) for number in block.elements[-2:])
    text = block.deck().replace("\n", "\r\n") + "\n".join([
        "** a comment", "*Nset, nset=Left, GENERATE", "1, 6, 1", "*NSET,NSET=odd,generate", "1,29,2",
        "*NSET, NSET=Both", "left, RIGHT", "*NSET, NSET=Right", "25,26,27,", "28,29,30",
        "*NSET, NSET=of elements, ELSET=last", "*ELSET, ELSET=Last", elements, '*ELSET, ELSET="Last again"', "LAST",
        "*SURFACE, NAME=Tip, TYPE=ELEMENT", "Last, S4", "*SURFACE, NAME=Points, TYPE=NODE", "1,", "Right, 1.0",
        "*SURFACE, NAME=Sum, COMBINE=UNION", "Tip", "",
    ])  # fmt: skip
    file = write(tmp_path, text)
    deck = read_deck(file)
    members = {name: sorted(deck.numbers[index].tolist()) for name, index in deck.node_sets.items()}
    assert members["Left"] == [1, 2, 3, 4, 5, 6]
    assert members["odd"] == list(range(1, 30, 2))
    assert members["Right"] == [25, 26, 27, 28, 29, 30]
    assert members["Both"] == members["Left"] + members["Right"]
    assert members["Points"] == [1, *members["Right"]]
    assert members["NALL"] == list(range(1, 31))
    assert members["of elements"] == list(range(19, 31))
    assert deck.element_numbers[deck.element_sets["Last again"]].tolist() == block.elements[-2:].tolist()
    results = read_abaqus(file)
    assert patch(results, "Tip").area == pytest.approx(2.0)
    assert patch(results, "Tip").points[:, 0] == pytest.approx(np.full(6, 4.0))
    assert patch(results, "Left").area == pytest.approx(2.0)
    assert any("Sum is not made of element faces" in warning for warning in results.warnings)


def test_faces_in_two_surfaces_belong_to_one_and_that_is_said(tmp_path: Path) -> None:
    block = Block("C3D8", SIZE, (2, 1, 1))
    first, last = block.elements
    text = block.deck() + f"*SURFACE, NAME=Large\n{first}, S1\n{last}, S1\n*SURFACE, NAME=Small\n{last}, S1\n"
    results = read_abaqus(write(tmp_path, text))
    assert patch(results, "Small").area == pytest.approx(4.0)
    assert patch(results, "Large").area == pytest.approx(4.0)
    assert any("1 faces of surface Large are in another one" in warning for warning in results.warnings)


def test_shells_on_solids_name_their_faces(tmp_path: Path) -> None:
    """As Gmsh writes its physical surfaces: triangles on the faces of tetrahedra, and lines on their edges."""
    block = Block("C3D4", SIZE, (2, 1, 1))
    low = [cell for cell in block.cells if (block.points[cell][:, 2] == 0).sum() == 3]
    triangles = [[int(block.numbers[node]) for node in cell if block.points[node, 2] == 0] for cell in low]
    text = block.deck() + "*ELEMENT, TYPE=CPS3, ELSET=Ground\n"
    text += "".join(f"{900 + row}, {', '.join(map(str, nodes))}\n" for row, nodes in enumerate(triangles))
    text += "*ELEMENT, TYPE=T3D2, ELSET=Edge\n990, 1, 2\n"
    results = read_abaqus(write(tmp_path, text))
    assert results.meshes["surface"].area == pytest.approx(28.0)  # they are not there twice
    ground = patch(results, "Ground")
    assert ground.area == pytest.approx(8.0)
    assert ground.points[:, 2] == pytest.approx(np.zeros(ground.n_points))
    assert any("1 line elements are left out" in warning for warning in results.warnings)


PARTS = """*HEADING
** as Abaqus/CAE writes a model
*PART, NAME=Plate
{mesh}*ELSET, ELSET=Half
{half}
*END PART
*ASSEMBLY, NAME=Assembly
*INSTANCE, NAME=Plate-1, PART=Plate
*END INSTANCE
*INSTANCE, NAME=Plate-2, PART=Plate
10., 0., 0.
10., 0., 0., 10., 0., 1., 90.
*END INSTANCE
*NODE
1, 50., 0., 0.
*NSET, NSET=Reference
1,
*NSET, NSET=Fixed, INSTANCE=Plate-2
{fixed}
*ELSET, ELSET=_Tip_S4, INTERNAL, INSTANCE=Plate-1
{last}
*SURFACE, TYPE=ELEMENT, NAME=Tip
_Tip_S4, S4
*SURFACE, TYPE=ELEMENT, NAME=Whole second
Plate-2.Half,
*END ASSEMBLY
*MATERIAL, NAME=Steel
*ELASTIC
210000., 0.3
*STEP, NAME=Load
*STATIC
*BOUNDARY
Fixed, ENCASTRE
*END STEP
"""


def test_parts_and_their_instances(tmp_path: Path) -> None:
    block = Block("C3D8", SIZE, (4, 1, 1))
    fixed = ", ".join(str(number) for number in block.nodes_at(block.points[:, 0] == 0))
    text = PARTS.format(mesh=block.deck(), half=block.elements[1], last=block.elements[-1], fixed=fixed)
    results = read_abaqus(write(tmp_path, text))
    volume = results.meshes["volume"]
    assert volume.n_cells == 2 * len(block.cells)
    assert volume.n_points == 2 * len(block.points)  # the reference point belongs to no element
    assert volume.volume == pytest.approx(16.0)
    assert volume.bounds == pytest.approx((0, 10, 0, 4, 0, 1))  # the second is turned about z: it spans x 8 to 10
    tip = patch(results, "Tip")
    assert tip.points[:, 0] == pytest.approx(np.full(4, 4.0))
    assert tip.area == pytest.approx(2.0)
    fixed_faces = patch(results, "Fixed")
    assert fixed_faces.points[:, 1] == pytest.approx(np.zeros(4))
    assert fixed_faces.bounds[:2] == pytest.approx((8, 10))
    for name in ("Plate-1.Half", "Whole second"):  # the free faces of an element of 1 x 2 x 1
        assert patch(results, name).area == pytest.approx(6.0)
    assert results.extra["node_sets"]["Fixed"] == 4
    assert results.extra["materials"] == {"Steel": ["elastic: 210000., 0.3"]}


def test_inclusions(tmp_path: Path) -> None:
    block = Block("C3D20", SIZE, (2, 1, 1))
    nodes, elements = block.deck().split("*ELEMENT")
    lines = nodes.splitlines()
    write(tmp_path, "\n".join(lines[1:]), "nodes.txt")  # goes on with the statement before the inclusion
    write(tmp_path, "*ELEMENT" + elements + "*INCLUDE, INPUT=sets.inp\n", "mesh.inp")
    write(tmp_path, node_set("Left", block.nodes_at(block.points[:, 0] == 0)), "sets.inp")
    file = write(tmp_path, f"{lines[0]}\n*INCLUDE, INPUT=nodes.txt\n*INCLUDE,\nINPUT=mesh.inp\n", "main.inp")
    results = read_abaqus(file)
    assert results.meshes["volume"].volume == pytest.approx(8.0)
    assert patch(results, "Left").area == pytest.approx(2.0)
    assert [each.name for each in results.files] == ["main.inp", "nodes.txt", "mesh.inp", "sets.inp"]
    # The folder is one case, whose included decks are not read by themselves.
    assert [each.name for each in result_files(sorted(tmp_path.iterdir()))] == ["main.inp"]
    assert read_results(tmp_path).meshes["volume"].n_cells == 2


def test_loose_ways_of_writing_numbers(tmp_path: Path) -> None:
    text = """*NODE, NSET=all
      1,  0,   0.D0, 0
      2,  1.0E+00,,
      3,  1., 1.,
      4,  0., 1., 0.
      11, 0., 0., 1.
      12, 1., 0., 1.,
      13, 1., 1., 1.
      14, 0., 1., 1.
    *ELEMENT, TYPE=C3D8
      1, 1, 2, 3, 4, 11,
      12, 13, 14
    ** nothing after this
    """.replace("\n    ", "\n")
    assert read_abaqus(write(tmp_path, text)).meshes["volume"].volume == pytest.approx(1.0)
    polar = (
        text.replace("*NODE,", "*NODE, SYSTEM=C,")
        .replace("1., 1., 1.", "1., 90., 1.")
        .replace("1., 1.,\n", "1., 90.,\n")
    )
    points = read_abaqus(write(tmp_path, polar)).meshes["volume"].points
    assert points[2] == pytest.approx([0, 1, 0], abs=1e-12)


def test_parameters_and_elements_without_a_shape(tmp_path: Path) -> None:
    text = "*PARAMETER\nwidth = 2.5\nangle = width*2\n" + Block("C3D8", SIZE, (1, 1, 1)).deck()
    text += "*ELEMENT, TYPE=SPRINGA, ELSET=Springs\n90, 1, 2\n91, 3, 4\n*ELEMENT, TYPE=MASS\n92, 1\n"
    results = read_abaqus(write(tmp_path, text))
    assert {name: value.value for name, value in results.parameters.items()} == {"width": 2.5}
    warnings = " ".join(results.warnings)
    assert "2 elements of type SPRINGA" in warnings
    assert "1 elements of type MASS" in warnings
    assert "'angle = width*2' is no number" in warnings


def test_an_element_whose_nodes_fall_together(tmp_path: Path) -> None:
    """A hexahedron with an edge of no length is a wedge; its triangle faces its neighbour's."""
    text = """*NODE
1, 0., 0., 0.\n2, 1., 0., 0.\n3, 0., 1., 0.\n5, 0., 0., 1.\n6, 1., 0., 1.\n7, 0., 1., 1.\n8, 0., 0., 2.
9, 1., 0., 2.\n10, 0., 1., 2.
*ELEMENT, TYPE=C3D8\n1, 1, 2, 3, 3, 5, 6, 7, 7
*ELEMENT, TYPE=C3D6\n2, 5, 6, 7, 8, 9, 10\n"""
    surface = read_abaqus(write(tmp_path, text)).meshes["surface"]
    assert surface.n_cells == 8  # two triangles, two times three quadrilaterals: none inside
    assert surface.triangulate().n_open_edges == 0
    assert surface.triangulate().volume == pytest.approx(1.0)


# -- damage ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("*NODE, NSET=NALL\n", "*NODE, NSET=NALL\n1, nan, 0., 0.\n"), "cannot be; mesh again"),
        (("*NODE, NSET=NALL\n", "*NODE, NSET=NALL\n1.5, 0., 0., 0.\n"), "cannot be; mesh again"),
        (("*NODE, NSET=NALL\n", "*NODE, NSET=NALL\nabc, 0., 0., 0.\n"), "'abc' where a number is expected"),
        (("*ELEMENT, TYPE=C3D8, ELSET=EALL\n7, 1,", "*ELEMENT, TYPE=C3D8, ELSET=EALL\n7, 77,"), "element 7 .* node 77"),
        (("TYPE=C3D8", "TYPE=C3D20"), "no multiple of 21"),
        (("TYPE=C3D8", "TYPE=MASS"), "no elements that a mesh can show"),
        (("*ELEMENT", "*NGEN\n1, 9\n*ELEMENT"), "by a rule, which is not read"),
        (("*NODE", "*NODEPRINT"), "has node 1, which is not defined"),
        (("*ELEMENT", "*NSET, NSET=A\nB\n*NSET, NSET=B\nA\n*ELEMENT"), "holds itself"),
        (("*ELEMENT", "*NSET, NSET=A, GENERATE\n1, 5, 0\n*ELEMENT"), "first and last number and a step"),
        (("*ELEMENT", "*INSTANCE, NAME=I, PART=P\n*ELEMENT"), "of part 'P', which is not defined"),
        (("*ELEMENT", "*INCLUDE, INPUT=gone.inp\n*ELEMENT"), "includes 'gone.inp', which is not there"),
        (("*ELEMENT", "*INCLUDE, INPUT=part.inp\n*ELEMENT"), "includes part.inp again"),
        (("*NODE, NSET=NALL\n1, 0.0", "*NODE, NSET=NALL\n1, <width>"), r"uses a \*PARAMETER"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, change: tuple[str, str], reason: str) -> None:
    text = Block("C3D8", SIZE, (1, 1, 1)).deck()
    assert change[0] in text
    file = write(tmp_path, text.replace(*change))
    with pytest.raises(FormatError, match=reason) as error:
        read_abaqus(file)
    assert str(error.value).startswith(f"{file}: ")
    assert "\n" not in str(error.value)


def test_sets_as_large_as_they_say_cost_nothing(tmp_path: Path) -> None:
    text = Block("C3D8", SIZE, (1, 1, 1)).deck() + "*NSET, NSET=Huge, GENERATE\n1, 999999999999999, 1\n"
    assert len(read_deck(write(tmp_path, text)).node_sets["Huge"]) == 8


def test_damage_ends_in_an_error_or_a_mesh(tmp_path: Path) -> None:
    block = Block("C3D10", SIZE, (2, 1, 1))
    content = (block.deck() + node_set("Left", [1, 2, 3]) + "*SURFACE, NAME=A\nEALL, S1\n").encode()
    rng = np.random.default_rng(0)
    spoilt = [content[:place] for place in np.linspace(0, len(content), 200).astype(int)]
    for _ in range(300):
        changed = bytearray(content)
        for place in rng.integers(0, len(content), 3):
            changed[place] = rng.integers(256)
        spoilt.append(bytes(changed))
    spoilt += [rng.bytes(5000), b"*" * 5000, b"*NODE\n" + b"," * 5000, b"*NODE\n*ELEMENT\n", b"\n", b"\x00" * 100]
    file, refused = tmp_path / "part.inp", 0
    for each in spoilt:
        file.write_bytes(each)
        try:
            read_abaqus(file)
        except FormatError as error:
            refused += 1
            reason = str(error)
        else:
            continue
        assert reason.startswith(f"{file}: ")
        assert "\n" not in reason
    assert refused > 100
