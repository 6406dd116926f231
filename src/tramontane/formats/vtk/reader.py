"""The VTK family of files as results."""

from __future__ import annotations

from pathlib import Path

from tramontane.formats.format import Format
from tramontane.formats.results import Results
from tramontane.formats.vtk.files import SUFFIXES, read_time
from tramontane.formats.vtk.meshes import read_meshes, stored_units
from tramontane.formats.vtk.pieces import pieces


def read_vtk(file: Path) -> Results:
    """A file of the VTK family: each block is a domain, units are those that `write_mesh` left."""
    meshes = read_meshes(file)
    blocks = [block for block in pieces(file) if block.is_file()]
    units = {f"{key}/{name}": unit for key, mesh in meshes.items() for name, unit in stored_units(mesh).items()}
    time = read_time(file)
    return Results(meshes=dict(meshes), units=units, files=[file, *blocks], extra={"time": time} if time else {})


FORMATS = (Format("VTK", SUFFIXES, read_vtk),)
