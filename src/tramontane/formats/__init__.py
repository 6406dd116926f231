"""One file format a file: read a path into a case, write a case to a path."""

from __future__ import annotations

import os
from pathlib import Path

from tramontane.case import Case
from tramontane.formats.folder import find_cases, read_case, read_table, write_case
from tramontane.formats.surfaces.geometry import Geometry, read_geometry
from tramontane.formats.vtk.meshes import read_mesh, read_meshes, stored_units, write_mesh, write_meshes

__all__ = [
    "Geometry",
    "find_cases",
    "read_case",
    "read_geometry",
    "read_mesh",
    "read_meshes",
    "read_table",
    "stored_units",
    "write_case",
    "write_case_mesh",
    "write_mesh",
    "write_meshes",
]


def write_case_mesh(case: Case, path: str | os.PathLike[str]) -> list[Path]:
    """Write a case's meshes with their units; see `tramontane.formats.vtk.files.write_meshes`."""
    return write_meshes(case.meshes, path, units=case.field_units)
