"""Meshes in files of the VTK family, whole or not at all, with the units of their fields.

Units travel in a mesh's field data as one JSON text, so that ParaView opens what is written.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyvista as pv

from tramontane.errors import FormatError
from tramontane.formats.isolation.cell_check import check_cells
from tramontane.formats.isolation.isolated import probe
from tramontane.formats.vtk import files as vtk
from tramontane.formats.vtk.legacy import check_legacy
from tramontane.formats.vtk.pieces import pieces
from tramontane.formats.vtk.vtu_appended import read_vtu
from tramontane.large_arrays import bad_rows

_UNITS = "tramontane_units"


def read_mesh(path: str | os.PathLike[str]) -> pv.PolyData | pv.UnstructuredGrid:
    """Read the one mesh of a file.

    Args:
        path: Of a ``.vtp``, ``.vtu``, ``.vtk``, ``.vtm`` or ``.vtkhdf`` file.

    Returns:
        Surfaces as they are, any other mesh as an unstructured grid.

    Raises:
        FormatError: Missing, cut off, not of the format its name says, several blocks, or points that are not finite.
    """
    meshes = read_meshes(path)
    if len(meshes) != 1:
        raise FormatError(f"{path}: holds {len(meshes)} blocks ({', '.join(meshes)}), one was expected; "
                          "write each block to a file of its own")  # fmt: skip
    return next(iter(meshes.values()))


def read_meshes(path: str | os.PathLike[str]) -> dict[str, pv.PolyData | pv.UnstructuredGrid]:
    """Read a file's meshes by block name; a file of one mesh gives one, under the file's stem.

    Raises:
        FormatError: Missing, cut off, not of the format its name says, or points that are not finite.
    """
    file = Path(path)
    if file.is_dir():
        raise FormatError(f"{file}: is a folder; name a mesh file in it, such as volume.vtu")
    if not file.is_file():
        raise FormatError(f"{file}: there is no such file; check the path")
    if file.suffix.lower() not in vtk.SUFFIXES:
        raise FormatError(f"{file}: {file.suffix or 'no suffix'} is not read as a mesh; "
                          f"convert it to one of {', '.join(vtk.SUFFIXES)}")  # fmt: skip
    if file.suffix.lower() == ".vtk":
        check_legacy(file)
    fast = read_vtu(file) if file.suffix.lower() == ".vtu" else None
    if fast is None:
        probe(vtk.load_and_drop, file, beside=pieces(file))
        meshes = vtk.read_blocks(file)
    else:
        check_cells(file, fast)
        meshes = {file.stem: fast}
    if not meshes:
        raise FormatError(f"{file}: holds no mesh; write or copy it again")
    for name, mesh in meshes.items():
        if mesh.n_points == 0:
            raise FormatError(f"{file}: mesh {name} has no points; write or copy the file again")
        bad = bad_rows(np.asarray(mesh.points))
        if len(bad):
            raise FormatError(f"{file}: {len(bad)} of {mesh.n_points} points are not finite, the first is point "
                              f"{bad[0]}; mesh the part again")  # fmt: skip
    return meshes


def write_mesh(mesh: pv.DataSet, path: str | os.PathLike[str], *, units: Mapping[str, str] | None = None) -> None:
    """Write a mesh, whole or not at all.

    Args:
        mesh: In metres.
        path: Its suffix says the format: ``.vtp`` takes surfaces, the others anything.
        units: SI unit of each field, kept in field data.

    Raises:
        FormatError: The suffix is not known, or the format cannot hold this mesh.
    """
    file = Path(path)
    suffix = file.suffix.lower()
    if suffix not in vtk.WRITTEN:
        raise FormatError(f"{file}: {suffix or 'no suffix'} is not written as a mesh; "
                          f"choose one of {', '.join(vtk.WRITTEN)}")  # fmt: skip
    if suffix == ".vtm":
        _write_blocks({file.stem: mesh}, file, units)
        return
    if suffix == ".vtp" and not isinstance(mesh, pv.PolyData):
        raise FormatError(f"{file}: .vtp holds surfaces only; choose .vtu for this mesh")
    if suffix == ".vtu" and not isinstance(mesh, pv.UnstructuredGrid):
        mesh = mesh.cast_to_unstructured_grid()
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".partial-{file.name}")
    try:
        vtk.write_block(_with_units(mesh, units), temporary, target=file)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


def write_meshes(
    meshes: Mapping[str, pv.DataSet], path: str | os.PathLike[str], *, units: Mapping[str, str] | None = None
) -> list[Path]:
    """Write the meshes of a case: a ``.vtm`` with a folder of blocks, else the mesh that fits the suffix.

    Args:
        meshes: By domain, metres.
        path: ``.vtm`` takes all; ``.vtp`` the surface; others the volume, or the only mesh there is. The meshes that
            do not fit are written beside it, with their domain's name in the file's.
        units: SI unit of each field.

    Returns:
        The files written.

    Raises:
        FormatError: As for `write_mesh`.
    """
    file = Path(path)
    if file.suffix.lower() == ".vtm":
        _write_blocks(meshes, file, units)
        return [file]
    surfaces = [name for name, mesh in meshes.items() if isinstance(mesh, pv.PolyData)]
    volumes = [name for name in meshes if name not in surfaces]
    order = (surfaces + volumes) if file.suffix.lower() == ".vtp" else (volumes + surfaces)
    written: list[Path] = []
    for name in order:
        target = file if not written else file.with_name(f"{file.stem}-{name}{file.suffix}")
        if target.suffix.lower() == ".vtp" and name in volumes:
            target = target.with_suffix(".vtu")
        write_mesh(meshes[name], target, units=units)
        written.append(target)
    return written


def stored_units(mesh: pv.DataSet) -> dict[str, str]:
    """The units that `write_mesh` left in a mesh, by field name; empty where there are none."""
    if _UNITS not in mesh.field_data.keys():  # noqa: SIM118 (PyVista's data does not iterate over its names)
        return {}
    try:
        units = json.loads(str(np.asarray(mesh.field_data[_UNITS]).ravel()[0]))
    except (ValueError, IndexError):
        return {}
    return {str(name): str(unit) for name, unit in units.items()} if isinstance(units, dict) else {}


def _with_units(mesh: pv.DataSet, units: Mapping[str, str] | None) -> pv.DataSet:
    if not units:
        return mesh
    mesh = mesh.copy(deep=False)
    mesh.field_data[_UNITS] = [json.dumps(dict(units), sort_keys=True)]
    return mesh


def _write_blocks(meshes: Mapping[str, pv.DataSet], file: Path, units: Mapping[str, str] | None) -> None:
    """A ``.vtm`` names the files in the folder beside it; the folder comes first, so that no name leads nowhere."""
    partial, folder = file.with_name(f".partial-{file.stem}"), file.with_suffix("")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        blocks = pv.MultiBlock({name: _with_units(mesh, units) for name, mesh in meshes.items()})
        vtk.write_block(blocks, partial / file.name, target=file)
        file.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        (partial / folder.name).replace(folder)
        (partial / file.name).replace(file)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
