"""XDMF: light XML that names heavy data in HDF5 or binary files beside it, at its last time step."""

from __future__ import annotations

import math
import re
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pyvista as pv

from tramontane.errors import FormatError
from tramontane.formats.blocks import Named, domains
from tramontane.formats.format import Format
from tramontane.formats.hdf5_links import check_links
from tramontane.formats.isolation.checks import HDF5, beside, check_head, first_bytes
from tramontane.formats.isolation.isolated import Block, read_isolated
from tramontane.formats.results import Results
from tramontane.formats.xdmf.include import left_out, write_mended

SUFFIXES = (".xdmf", ".xmf")


def read_xdmf(file: Path) -> Results:
    """Read an XDMF file.

    Args:
        file: The XML; its heavy data lie where it says.

    Returns:
        ``volume`` of the grids of solid cells, ``surface`` of the grids of faces.

    Raises:
        FormatError: Damaged, no XDMF file, or heavy data that are missing.
    """
    check_head(file, (b"<", b"\xef\xbb\xbf<", b"\n<", b" "), "XDMF")
    root = _parse(file)
    heavy = _heavy_files(file, root)
    blocks, header = read_isolated(load, file, beside=heavy)
    series = {
        str(grid.get("Name", "")) for grid in root.iter("Grid")
        if grid.get("GridType", "").lower() == "collection" and grid.get("CollectionType", "").lower() == "temporal"
    }  # fmt: skip
    # Beside a series of steps stands the mesh that all of them refer to; it is no part of the results.
    used = [block for block in blocks if not series or not series.isdisjoint(block.path)] or blocks
    parts = domains(file, [Named(block.path[-1], block.mesh) for block in _with_all_fields(used)])
    parts.warnings += [f"{file}: field {name} is left out, its values are neither at points nor at cells (such as a "
                       "checkpoint of FEniCS); write it with write(), too" for name in left_out(root)]  # fmt: skip
    return Results(
        meshes=parts.meshes, files=[file, *heavy], warnings=parts.warnings,
        extra={"time": header["time"]} if header["time"] else {},
    )  # fmt: skip


def _with_all_fields(blocks: list[Block]) -> list[Block]:
    """Blocks of the same points and cells as one: FEniCS writes each function as a series with the mesh of its own."""
    kept: list[Block] = []
    for block in blocks:
        twin = next((each for each in kept if _same_mesh(each.mesh, block.mesh)), None)
        if twin is None:
            kept.append(block)
            continue
        for ours, theirs in (
            (twin.mesh.point_data, block.mesh.point_data),
            (twin.mesh.cell_data, block.mesh.cell_data),
        ):
            for name, values in theirs.items():
                if name in ours.keys() and np.array_equal(ours[name], values):  # noqa: SIM118
                    continue
                ours[f"{block.path[-1]}_{name}" if name in ours.keys() else name] = values  # noqa: SIM118
    return kept


def _same_mesh(one: Any, other: Any) -> bool:
    if type(one) is not type(other) or (one.n_points, one.n_cells) != (other.n_points, other.n_cells):
        return False
    if not np.array_equal(one.points, other.points):
        return False
    if isinstance(one, pv.UnstructuredGrid):
        return np.array_equal(one.celltypes, other.celltypes) and np.array_equal(
            one.cell_connectivity, other.cell_connectivity
        )
    return np.array_equal(one.faces, other.faces) and np.array_equal(one.lines, other.lines)


def load(file: Path) -> tuple[Any, dict[str, Any]]:
    """Run VTK's reader on all grids and attributes."""
    from vtkmodules.vtkIOXdmf2 import vtkXdmfReader

    from tramontane.formats.vtk.files import last_step

    root = _parse(file)
    for heavy in _heavy_files(file, root):
        if first_bytes(heavy, len(HDF5)) == HDF5:
            check_links(heavy)
    with tempfile.TemporaryDirectory(prefix="tramontane-") as folder:
        mended = Path(folder, file.name)
        given = str(mended if write_mended(file, root, mended) else file)
        reader = vtkXdmfReader()
        reader.SetFileName(given)
        if not reader.CanReadFile(given):
            raise FormatError(f"{file}: is no XDMF file that VTK reads; write or copy it again")
        time = last_step(reader)
        return reader.GetOutputDataObject(0), {"time": time}


def _parse(file: Path) -> Any:
    try:
        text = file.read_bytes()
        if b"<!ENTITY" in text:
            raise FormatError(f"{file}: defines XML entities, which are not read; write it without them")
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError, OSError) as error:
        raise FormatError(f"{file}: is cut off or no XML ({error}); write or copy it again") from error
    if root.tag != "Xdmf":
        raise FormatError(f"{file}: is no XDMF file (its XML is {root.tag[:40]!r}); its suffix may be wrong")
    return root


def _heavy_files(file: Path, root: Any) -> list[Path]:
    """The HDF5 and binary files that the XML names; all of them must be there."""
    files: dict[Path, None] = {}
    for item in root.iter("DataItem"):
        kind, text = item.get("Format", "XML").upper(), (item.text or "").strip()
        if kind not in ("HDF", "BINARY") or not text or text.startswith("<"):
            continue
        name = re.split(r":(?=/)", text)[0].strip().removeprefix("File:") if kind == "HDF" else text.split()[0]
        path = beside(file, name)
        if path in files:
            continue
        if not path.is_file():
            raise FormatError(f"{file}: its data are missing ({name}); copy that file, too")
        if kind == "HDF":
            check_head(path, (HDF5,), "HDF5")
        elif path.stat().st_size < _bytes(file, item):
            raise FormatError(f"{path}: is cut off (it has {path.stat().st_size} bytes of {_bytes(file, item)}); "
                              "write or copy it again")  # fmt: skip
        files[path] = None
    return list(files)


def _bytes(file: Path, item: Any) -> int:
    """How long a binary file is at least."""
    try:
        count = math.prod(int(word) for word in item.get("Dimensions", "0").split())
        return count * int(item.get("Precision", "4")) + int(item.get("Seek", "0"))
    except ValueError as error:
        raise FormatError(f"{file}: the size of a DataItem is no number ({error}); write or copy it again") from error


FORMATS = (Format("XDMF", SUFFIXES, read_xdmf),)
