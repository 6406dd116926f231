"""The VTK family: vtp, vtu, vtk, vtm and vtkhdf, in and out.

Units of fields travel in a mesh's field data as one JSON text, so that ParaView opens what is written.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyvista as pv
from vtkmodules.vtkCommonCore import vtkLogger
from vtkmodules.vtkIOHDF import vtkHDFReader, vtkHDFWriter

from tramontane.errors import FormatError

SUFFIXES = (".vtp", ".vtu", ".vtk", ".vtkhdf", ".vtm")
_UNITS = "tramontane_units"


def read_mesh(path: str | os.PathLike[str]) -> pv.PolyData | pv.UnstructuredGrid:
    """Read the one mesh of a file.

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
        FormatError: As for `read_mesh`.
    """
    file = Path(path)
    if not file.is_file():
        raise FormatError(f"{file}: is no file; check the path")
    if file.suffix.lower() not in SUFFIXES:
        raise FormatError(f"{file}: {file.suffix or 'no suffix'} is not read as a mesh; "
                          f"convert it to one of {', '.join(SUFFIXES)}")  # fmt: skip
    if file.suffix.lower() in (".vtp", ".vtu", ".vtm"):
        _check_end(file)
    try:
        with _strict():
            read: Any = _read_hdf(file) if file.suffix.lower() == ".vtkhdf" else pv.read(file)
    except Exception as error:  # VTK and PyVista raise errors of many kinds for one damaged file
        raise FormatError(f"{file}: cannot be read ({_reason(error)}); write or copy it again") from error
    blocks = dict(_blocks(read, file.stem))
    meshes = {}
    for name, block in blocks.items():
        mesh = block if isinstance(block, pv.PolyData) else block.cast_to_unstructured_grid()
        if mesh.n_points == 0:
            raise FormatError(f"{file}: block {name} has no points; write or copy the file again")
        bad = np.flatnonzero(~np.isfinite(mesh.points).all(axis=1))
        if len(bad):
            raise FormatError(f"{file}: {len(bad)} points are not finite, the first is point {bad[0]}; mend the mesh")
        meshes[name] = mesh
    if not meshes:
        raise FormatError(f"{file}: holds no mesh; write or copy it again")
    return meshes


def write_mesh(mesh: pv.DataSet, path: str | os.PathLike[str], *, units: dict[str, str] | None = None) -> None:
    """Write a mesh, whole or not at all.

    Args:
        mesh: In metres.
        path: Its suffix says the format: ``.vtp`` takes surfaces, ``.vtu`` anything.
        units: SI unit of each field, kept in field data.

    Raises:
        FormatError: The suffix is not known, or cannot hold this mesh.
    """
    file = Path(path)
    suffix = file.suffix.lower()
    out: Any = mesh.copy(deep=False)
    if suffix == ".vtp" and not isinstance(out, pv.PolyData):
        raise FormatError(f"{file}: .vtp holds surfaces only; choose .vtu for this mesh")
    if suffix == ".vtu" and not isinstance(out, pv.UnstructuredGrid):
        out = out.cast_to_unstructured_grid()
    if units:
        out.field_data[_UNITS] = [json.dumps(units, sort_keys=True)]
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".partial-{file.name}")
    try:
        if suffix == ".vtkhdf":
            writer = vtkHDFWriter()
            writer.SetInputData(out)
            writer.SetFileName(str(temporary))
            writer.Write()
        elif suffix in (".vtp", ".vtu", ".vtk"):
            out.save(temporary)
        else:
            raise FormatError(f"{file}: {suffix or 'no suffix'} is not written; choose .vtp, .vtu, .vtk or .vtkhdf")
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


def write_meshes(
    meshes: dict[str, Any], path: str | os.PathLike[str], *, units: dict[str, str] | None = None
) -> list[Path]:
    """Write the meshes of a case: a ``.vtm`` with a folder of blocks, else the mesh that fits the suffix.

    Args:
        meshes: By domain, metres.
        path: ``.vtm`` takes all; ``.vtp`` the surface; others the volume, or the only mesh there is. The meshes that
            do not fit are written beside it, with their domain's name in the file's.
        units: SI unit of each field.

    Returns:
        The files written.
    """
    file = Path(path)
    if file.suffix.lower() == ".vtm":
        blocks = pv.MultiBlock(dict(meshes))
        for block in blocks:
            if units and block is not None:
                block.field_data[_UNITS] = [json.dumps(units, sort_keys=True)]
        file.parent.mkdir(parents=True, exist_ok=True)
        blocks.save(file)
        return [file]
    surfaces = [name for name, mesh in meshes.items() if isinstance(mesh, pv.PolyData)]
    volumes = [name for name in meshes if name not in surfaces]
    order = (surfaces + volumes) if file.suffix.lower() == ".vtp" else (volumes + surfaces)
    written = []
    for name in order:
        target = file if not written else file.with_name(f"{file.stem}-{name}{file.suffix}")
        if target.suffix.lower() == ".vtp" and name in volumes:
            target = target.with_suffix(".vtu")
        write_mesh(meshes[name], target, units=units)
        written.append(target)
    return written


def stored_units(mesh: pv.DataSet) -> dict[str, str]:
    """The units that `write_mesh` left in a mesh, by field name."""
    if _UNITS not in mesh.field_data.keys():  # noqa: SIM118 (PyVista's data does not iterate over its names)
        return {}
    try:
        units = json.loads(str(np.asarray(mesh.field_data[_UNITS]).ravel()[0]))
    except (ValueError, IndexError):
        return {}
    return {str(name): str(unit) for name, unit in units.items()} if isinstance(units, dict) else {}


def _read_hdf(file: Path) -> Any:
    reader = vtkHDFReader()
    reader.SetFileName(str(file))
    if not reader.CanReadFile(str(file)):
        raise FormatError("not a VTKHDF file")
    reader.Update()
    return pv.wrap(reader.GetOutputDataObject(0))


def _blocks(read: Any, name: str) -> list[tuple[str, Any]]:
    if not isinstance(read, pv.MultiBlock):
        return [(name, read)] if isinstance(read, pv.DataSet) else []
    found = []
    for index, block in enumerate(read):
        if block is not None:
            found += _blocks(block, read.get_block_name(index) or f"{name}-{index}")
    return found


@contextlib.contextmanager
def _strict() -> Iterator[None]:
    """What a reader would only print, and then go on with an empty mesh, is an error."""
    verbosity = vtkLogger.GetCurrentVerbosityCutoff()
    vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_OFF)
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            yield
    finally:
        logging.disable(logging.NOTSET)
        vtkLogger.SetStderrVerbosity(verbosity)


def _check_end(file: Path) -> None:
    with file.open("rb") as stream:
        stream.seek(max(0, file.stat().st_size - 64))
        if b"</VTKFile>" not in stream.read():
            raise FormatError(f"{file}: is cut off (no </VTKFile> at its end); write or copy it again")


def _reason(error: Exception) -> str:
    lines = [line.strip().strip('"') for line in str(error).splitlines() if line.strip()]
    return lines[-1][:200] if lines else type(error).__name__
