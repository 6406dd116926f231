"""STL and OBJ files as CAD programs of many countries write them: a cube is a cube."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import trimesh

from tramontane.errors import GeometryError
from tramontane.formats.surfaces.geometry import read_geometry


def cube(at: float = 0.0) -> trimesh.Trimesh:
    return trimesh.creation.box(bounds=[[at, 0, 0], [at + 1, 1, 1]])


def binary(header: bytes, *, trailing: bytes = b"", count: int | None = None) -> bytes:
    raw = bytearray(cube().export(file_type="stl"))
    raw[:80] = header.ljust(80, b"\0")
    raw[80:84] = (12 if count is None else count).to_bytes(4, "little")
    return bytes(raw) + trailing


def text(name: str = "part", at: float = 0.0) -> str:
    mesh = cube(at)
    mesh.metadata["name"] = name
    return str(mesh.export(file_type="stl_ascii")).replace("endsolid", f"endsolid {name}")


def read(tmp_path: Path, content: bytes | str, *, unit: str = "m") -> tuple[float, tuple[str, ...]]:
    file = tmp_path / "part.stl"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    geometry = read_geometry(file, length_unit=unit)
    assert geometry.closed
    return geometry.volume, geometry.warnings


def refused(tmp_path: Path, content: bytes | str) -> str:
    with pytest.raises(GeometryError) as raised:
        read(tmp_path, content)
    return str(raised.value)


@pytest.mark.parametrize(
    "header", [b"solid exported by some CAD", b"", b"COLOR=\xa0\xa0\xa0\xff,MATERIAL=", b"STLB ASM"]
)
@pytest.mark.parametrize("trailing", [b"", b"\0", b"\r\n", b"\x1a" * 49])
def test_a_binary_file_is_told_by_its_bytes(tmp_path: Path, header: bytes, trailing: bytes) -> None:
    volume, warnings = read(tmp_path, binary(header, trailing=trailing))
    assert volume == pytest.approx(1.0)
    assert warnings == ()


def test_a_count_that_does_not_fit_is_said(tmp_path: Path) -> None:
    volume, warnings = read(tmp_path, binary(b"solid", trailing=bytes(100)))
    assert volume == pytest.approx(1.0)
    assert warnings[0].endswith("100 bytes behind its 12 triangles are not read; export it again if it has more")
    assert "is cut off or no STL (684 bytes, 734 expected)" in refused(tmp_path, binary(b"solid", count=13))
    assert "is cut off or no STL (684 bytes, 84 expected)" in refused(tmp_path, binary(b"solid", count=0))
    assert "is cut off or no STL (684 bytes)" in refused(tmp_path, binary(b"solid", count=2**32 - 1))


def test_normals_that_are_no_numbers_say_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    spoilt = re.sub(r"normal .*", "normal -1.#IND -1.#IND -1.#IND", text())
    assert spoilt.count("-1.#IND") == 36
    volume, warnings = read(tmp_path, spoilt)
    assert volume == pytest.approx(1.0)
    assert warnings == ()
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("capitals", [True, False])
def test_a_file_in_text_whatever_its_lines_and_names(tmp_path: Path, end: str, capitals: bool) -> None:
    content = "\n" + text("vertex of a facet, solid, made 1,5 times").replace("\n", end)
    content = content.upper() if capitals else content
    assert read(tmp_path, content)[0] == pytest.approx(1.0)
    assert read(tmp_path, "\ufeff" + content)[0] == pytest.approx(1.0)


def test_numbers_of_other_countries_and_programs(tmp_path: Path) -> None:
    half = text().replace("1.0", "1.5").replace("0.0", "0.25")
    right = 1.25**3
    assert read(tmp_path, half)[0] == pytest.approx(right)
    assert read(tmp_path, half.replace(".", ","))[0] == pytest.approx(right)  # as Germans and French write
    assert read(tmp_path, re.sub(r"(vertex \S+) (\S+) ", r"\1, \2, ", half))[0] == pytest.approx(right)
    assert read(tmp_path, half.replace("1.5", "1.5D+00").replace("0.25", "2.5e-1"))[0] == pytest.approx(right)
    assert "'-1.#ind' where a coordinate" in refused(tmp_path, half.replace("vertex 1.5", "vertex -1.#IND", 1))
    assert "1 points are not finite" in refused(tmp_path, half.replace("vertex 1.5", "vertex nan", 1))
    message = refused(tmp_path, half.replace("vertex 1.5", "vertex", 1))
    assert "has 107 coordinates of 36 corners for 12 triangles" in message
    assert "is cut off (no endsolid at its end)" in refused(tmp_path, half[:-200])
    assert "holds no triangles" in refused(tmp_path, "solid empty\nendsolid empty\n")


def test_several_solids_are_one_geometry(tmp_path: Path) -> None:
    volume, warnings = read(
        tmp_path, text("inlet") + "\n\n" + text("outlet", at=3.0).replace("endsolid outlet", "endsolid")
    )
    assert volume == pytest.approx(2.0)
    assert "holds 2 separate bodies" in warnings[0]


@pytest.mark.parametrize(
    "content", [binary(b"UNITS=mm"), binary(b"STLB ATF 12.1 UNITS= mm"), text("part units: Millimeters")]
)
def test_a_unit_in_the_header_is_obeyed_or_said(tmp_path: Path, content: bytes | str) -> None:
    volume, warnings = read(tmp_path, content, unit="mm")
    assert volume == pytest.approx(1e-9)
    assert warnings == ()
    volume, warnings = read(tmp_path, content, unit="m")
    assert volume == pytest.approx(1.0)
    assert "its header says that it is in mm, it is read in m" in warnings[0]


CORNERS = ((0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1))
QUADS = ((1, 4, 3, 2), (5, 6, 7, 8), (1, 2, 6, 5), (2, 3, 7, 6), (3, 4, 8, 7), (4, 1, 5, 8))


def obj(count_back: int, *, join: str = " ", pattern: str = "{0}") -> str:
    """Two cubes, each followed by its faces; points are counted from the last, or from the first."""
    lines = []
    for number, at in enumerate((0, 5)):
        lines += [f"o cube{number}", *(f"v {x + at} {y} {z}" for x, y, z in CORNERS), *(["vn 0 0 1"] * 8)]
        for quad in QUADS:
            places = [corner - 9 if count_back else corner + 8 * number for corner in quad]
            lines.append(f"f {join.join(pattern.format(place) for place in places)}")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("pattern", ["{0}", "{0}//{0}"])
@pytest.mark.parametrize("join", [" ", " \\\n  ", "\t"])
@pytest.mark.parametrize("count_back", [True, False])
def test_points_of_an_obj_are_counted_from_either_end(
    tmp_path: Path, count_back: bool, join: str, pattern: str
) -> None:
    file = tmp_path / "cubes.obj"
    file.write_text(obj(count_back, join=join, pattern=pattern))
    geometry = read_geometry(file)
    assert geometry.closed
    assert geometry.mesh.n_points == 16
    assert geometry.volume == pytest.approx(2.0)
    assert np.array_equal(geometry.bounds, [[0, 0, 0], [6, 1, 1]])
    assert "holds 2 separate bodies" in geometry.warnings[0]


def test_a_face_before_its_points_is_named(tmp_path: Path) -> None:
    file = tmp_path / "cubes.obj"
    file.write_text(obj(True).replace("f -8", "f -9", 1))
    with pytest.raises(GeometryError, match=r"cubes\.obj: line 18: 'f -9 .* counts back before the first point"):
        read_geometry(file)
