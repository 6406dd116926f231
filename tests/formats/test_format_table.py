"""A format is one file: the table finds it, and everything that asks the table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tramontane import formats
from tramontane.cli import app
from tramontane.formats import readers
from tramontane.formats.format import Format
from tramontane.io.registries import find_entries

_TOY = """
from pathlib import Path
import pyvista as pv
from tramontane.formats.format import Format
from tramontane.formats.results import Results

def read_toy(file: Path) -> Results:
    mesh = pv.Sphere()
    mesh.point_data["pressure"] = mesh.points[:, 0] * float(file.read_text())
    return Results(meshes={"surface": mesh}, units={"surface/pressure": "Pa"}, length_unit="m", files=[file])

FORMATS = (Format("Toy", (".toy",), read_toy),)
"""


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "module").mkdir()
    (tmp_path / "module" / "toy_format.py").write_text(_TOY)
    monkeypatch.setattr(formats, "__path__", [*formats.__path__, str(tmp_path / "module")])
    readers.known_formats.cache_clear()
    yield
    readers.known_formats.cache_clear()


@pytest.mark.usefixtures("toy")
def test_a_format_in_a_file_of_its_own_is_read_and_named(tmp_path: Path) -> None:
    (tmp_path / "run.toy").write_text("3")
    result = CliRunner().invoke(app, ["inspect", str(tmp_path / "run.toy")])
    assert result.exit_code == 0, result.output
    assert "domain surface: 842 points" in result.output
    assert "-1.498" in result.output
    assert ".toy" in readers.not_read(tmp_path / "x.unknown")


def test_every_suffix_has_one_format() -> None:
    formats = readers.known_formats()
    entries = find_entries("tramontane.formats", "FORMATS", Format, skip=readers._NO_FORMATS)
    listed = [suffix for each in entries for suffix in each.suffixes]
    assert len(listed) == len(set(listed)) == len(formats)
    assert {"VTK", "CGNS", "Fluent", "CalculiX", "Tecplot"} <= {each.name for each in formats.values()}
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in formats)


def test_what_is_read_with_a_file_of_the_same_stem_and_what_is_not(tmp_path: Path) -> None:
    plot = "TITLE = a\nVARIABLES = x y z p\nZONE I=2, J=2, K=1\n" + "0 0 0 1\n1 0 0 1\n0 1 0 1\n1 1 0 1\n"
    for name in ("beam.frd", "beam.inp", "beam.dat", "beam.plt"):
        (tmp_path / name).write_text(plot)
    (tmp_path / "beam.rth").write_text("text, and damaged: its reader says so")
    (tmp_path / "beam.rst").write_text("text, so a document")
    read = readers.result_files(sorted(tmp_path.iterdir()))
    assert [file.name for file in read] == ["beam.frd", "beam.plt", "beam.rth"]
