"""Fluent: a case and its data in HDF5 (``.cas.h5`` with ``.dat.h5``), or in the older kind (``.cas`` with ``.dat``)."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tramontane.errors import FormatError
from tramontane.formats.blocks import Named, domains
from tramontane.formats.fluent.zones import mend_zones
from tramontane.formats.format import Format
from tramontane.formats.hdf5_links import check_links
from tramontane.formats.isolation.checks import HDF5, check_head
from tramontane.formats.isolation.isolated import Block, read_isolated
from tramontane.formats.results import Results

SUFFIXES = (".cas.h5", ".cas")
_HDF5 = (HDF5,)
_INTERIOR = 2  # Fluent's number for zones of faces between two cells
# Fluent computes and stores in SI, whatever its pages show.
_UNITS = {
    "pressure": "Pa", "total_pressure": "Pa", "velocity": "m/s", "temperature": "K", "density": "kg/m^3",
    "wall_shear_stress": "Pa", "turbulent_kinetic_energy": "m^2/s^2", "specific_dissipation_rate": "1/s",
    "turbulent_dissipation": "m^2/s^3", "eddy_viscosity": "Pa*s", "enthalpy": "J/kg",
}  # fmt: skip


def read_fluent(file: Path) -> Results:
    """Read a case of Fluent with its data.

    Args:
        file: The ``.cas.h5``, or a ``.cas`` in text or binary; the data file of the same name lies beside it.

    Returns:
        ``volume`` of all cell zones, ``surface`` of all zones of boundary faces, each a patch of its zone's name; for a
        case in two dimensions its cells are the surface. Of a ``.cas``, cells alone are read. All in SI.

    Raises:
        FormatError: Damaged, no case of Fluent, or without its data.
    """
    modern = file.name.lower().endswith(".h5")
    check_head(file, _HDF5 if modern else (b"(", b"\n(", b" ("), "Fluent case")
    data = _data_beside(file)
    if modern:
        check_head(data, _HDF5, "Fluent data")
    else:
        _check_text(file)
        _check_text(data)
    blocks, header = read_isolated(load_modern if modern else load_old, file, beside=[data])
    zones = _boundary(blocks, _kinds(file) if modern else {})
    if not zones:
        raise FormatError(f"{file}: holds no zone of cells; write or copy it again")
    parts = domains(file, zones)
    if not modern:
        parts.warnings.append(f"{file}: zones of faces are not read from a .cas; save it as .cas.h5 for a surface")
    parts.warnings += header.get("warnings", [])
    units = {
        f"{domain}/{name}": unit for domain, mesh in parts.meshes.items() for name, unit in _UNITS.items()
        if name in mesh.array_names
    }  # fmt: skip
    return Results(
        meshes=parts.meshes, units=units, length_unit="m", files=[file, data], solver="Fluent",
        warnings=parts.warnings, extra={"time": header["time"]} if header.get("time") else {},
    )  # fmt: skip


def load_modern(file: Path) -> tuple[Any, dict[str, Any]]:
    """Run VTK's reader of cases in HDF5 on cells and faces."""
    from vtkmodules.vtkIOFLUENTCFF import vtkFLUENTCFFReader

    for each in (file, _data_beside(file)):
        check_links(each)
    reader = vtkFLUENTCFFReader()
    reader.SetFileName(str(file))
    reader.SetReadFaces(True)
    reader.SetRenameArrays(False)
    reader.UpdateInformation()
    reader.EnableAllCellArrays()
    reader.EnableAllFaceArrays()
    reader.Update()
    if not reader.GetNumberOfCellArrays():
        raise FormatError(f"{file}: its data hold no field that can be read; write or copy them again")
    output = reader.GetOutput()
    names = [reader.GetCellArrayName(index) for index in range(reader.GetNumberOfCellArrays())]
    return output, {"warnings": mend_zones(file, _data_beside(file), output, names)}


def load_old(file: Path) -> tuple[Any, dict[str, Any]]:
    """Run VTK's reader of cases in text and binary."""
    from vtkmodules.vtkIOGeometry import vtkFLUENTReader

    reader = vtkFLUENTReader()
    reader.SetFileName(str(file))
    reader.UpdateInformation()
    reader.EnableAllCellArrays()
    reader.Update()
    output = reader.GetOutput()
    for index in range(output.GetNumberOfBlocks()):
        # For a zone of faces VTK gives the cells behind it, each as often as it has faces there.
        name, _, kind = output.GetMetaData(index).Get(output.NAME()).rpartition(":")
        output.GetMetaData(index).Set(output.NAME(), name)
        if kind not in ("fluid", "solid"):
            output.SetBlock(index, None)
    return output, {}


def _check_text(data: Path) -> None:
    """A file of the older kind is a list of lists; VTK's reader takes one that ends before for a whole one."""
    size = data.stat().st_size
    if size == 0:
        raise FormatError(f"{data}: is empty; write or copy it again")
    with data.open("rb") as stream:
        stream.seek(max(0, size - 256))
        if not stream.read().rstrip().endswith(b")"):
            raise FormatError(f"{data}: is cut off (no bracket at its end); write or copy it again")


def _data_beside(file: Path) -> Path:
    """The data file that belongs to a case, whatever the case of the letters of its suffix."""
    stem = file.name[: file.name.lower().rindex(".cas")]
    for suffix in (".dat.h5", ".DAT.H5") if file.name.lower().endswith(".h5") else (".dat", ".DAT"):
        if (file.parent / f"{stem}{suffix}").is_file():
            return file.parent / f"{stem}{suffix}"
    wanted = stem + (".dat.h5" if file.name.lower().endswith(".h5") else ".dat")
    raise FormatError(f"{file}: its data are missing ({wanted}); copy that file, too")


def _kinds(file: Path) -> dict[str, int]:
    """Fluent's number for the kind of each zone of faces; nothing where h5py is not installed."""
    try:
        h5py: Any = importlib.import_module("h5py")
    except ImportError:
        return {}
    try:
        with h5py.File(file, "r") as root:
            zones = root["meshes/1/faces/zoneTopology"]
            names = zones["name"][()].ravel()[0].decode("utf-8", "replace").strip("\0;").split(";")
            return dict(zip(names, (int(kind) for kind in zones["zoneType"][()].ravel()), strict=False))
    except (OSError, KeyError, ValueError, RuntimeError, TypeError, IndexError, AttributeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise FormatError(f"{file}: is cut off or damaged ({reason}); write or copy it again") from error


def _boundary(blocks: Sequence[Block], kinds: dict[str, int]) -> list[Named]:
    """Zones of cells, and of those faces that do not lie between two cells."""
    named = []
    for block in blocks:
        name = block.path[-1]
        if not (kinds[name] == _INTERIOR if name in kinds else "interior" in name.lower()):
            named.append(Named(name, block.mesh))
    return named


FORMATS = (Format("Fluent", SUFFIXES, read_fluent),)
