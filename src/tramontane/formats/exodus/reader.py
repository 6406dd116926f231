"""Exodus II, the files of Cubit, MOOSE, Sierra and Trilinos: element blocks, side sets, results of the last step."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tramontane.errors import FormatError
from tramontane.formats.blocks import Named, domains
from tramontane.formats.exodus import netcdf
from tramontane.formats.format import Format
from tramontane.formats.hdf5_links import check_links
from tramontane.formats.isolation.checks import HDF5, check_head
from tramontane.formats.isolation.isolated import read_isolated
from tramontane.formats.results import Results

SUFFIXES = (".e", ".exo", ".ex2", ".exii")
_HEADS = (*netcdf.MAGIC, HDF5)


def read_exodus(file: Path) -> Results:
    """Read an Exodus II file.

    Args:
        file: One file, not one of the parts that a parallel run wrote.

    Returns:
        ``volume`` of the blocks of solid elements, ``surface`` of shells and side sets, at the last time step.

    Raises:
        FormatError: Damaged, or no Exodus file.
    """
    last = _last_mesh(file)
    moved = (
        [] if last == file else [f"{file}: its mesh changes with time, the last mesh is in {last.name}, which is read"]
    )
    file = last
    check_head(file, _HEADS, "Exodus (netCDF)")
    blocks, header = read_isolated(load, file)
    kept = [block for block in blocks if len(block.path) > 1 and block.path[1] in ("Element Blocks", "Side Sets")]
    if not any(block.mesh.n_cells for block in kept):
        raise FormatError(f"{file}: holds no elements; write or copy it again")
    parts = domains(file, [Named(block.path[-1].removeprefix("Unnamed "), block.mesh) for block in kept])
    return Results(
        meshes=parts.meshes, files=[file], warnings=moved + parts.warnings,
        extra={key: header[key] for key in ("time", "title") if header.get(key)},
    )  # fmt: skip


def _last_mesh(file: Path) -> Path:
    """The last of the files that a run with an adaptive mesh writes: ``out.e``, ``out.e-s002``, ``out.e-s003``."""
    pattern = re.compile(re.escape(file.name) + r"-s(\d+)")
    if not file.is_file():
        return file
    later = [(int(match[1]), each) for each in file.parent.iterdir() if (match := pattern.fullmatch(each.name))]
    return max(later)[1] if later else file


def load(file: Path) -> tuple[Any, dict[str, Any]]:
    """Run VTK's reader on element blocks and side sets with all their fields."""
    from vtkmodules.vtkIOExodus import vtkExodusIIReader

    from tramontane.formats.vtk.files import last_step

    check_links(file)
    reader = vtkExodusIIReader()
    if not reader.CanReadFile(str(file)):
        raise FormatError(f"{file}: is cut off or no Exodus file; write or copy it again")
    reader.SetFileName(str(file))
    reader.UpdateInformation()
    for kind in (reader.ELEM_BLOCK, reader.SIDE_SET):
        for index in range(reader.GetNumberOfObjects(kind)):
            reader.SetObjectStatus(kind, index, 1)
        reader.SetAllArrayStatus(kind, 1)
    reader.SetAllArrayStatus(reader.NODAL, 1)
    # Displacements are a field here; VTK would move the points by them.
    reader.SetApplyDisplacements(0)
    reader.GenerateObjectIdCellArrayOff()
    time = last_step(reader)
    return reader.GetOutput(), {"time": time, "title": reader.GetTitle() or ""}


FORMATS = (Format("Exodus", SUFFIXES, read_exodus),)
