"""A format is one file: the table finds it, and everything that asks the table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tramontane import formats
from tramontane.cli import app
from tramontane.formats import readers

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
    told = CliRunner().invoke(app, ["inspect", str(tmp_path / "run.toy")])
    assert told.exit_code == 0, told.output
    assert "domain surface: 842 points" in told.output
    assert "-1.498" in told.output
    assert ".toy" in readers.not_read(tmp_path / "x.unknown")


def test_every_suffix_has_one_format() -> None:
    known = readers.known_formats()
    assert {"VTK", "CGNS", "Fluent", "CalculiX", "Tecplot"} <= {each.name for each in known.values()}
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in known)
