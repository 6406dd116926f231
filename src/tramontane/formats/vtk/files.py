"""The VTK family of files, read and written by VTK itself.

VTK's readers print what is wrong with a file and go on with what they have, down to an empty mesh; here, that is an
error.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyvista as pv
from vtkmodules.vtkCommonCore import vtkLogger, vtkOutputWindow, vtkStringOutputWindow
from vtkmodules.vtkCommonDataModel import vtkDataSetAttributes
from vtkmodules.vtkIOHDF import vtkHDFReader, vtkHDFWriter
from vtkmodules.vtkIOLegacy import vtkGenericDataObjectReader, vtkGenericDataObjectWriter
from vtkmodules.vtkIOXML import (
    vtkXMLImageDataReader,
    vtkXMLMultiBlockDataReader,
    vtkXMLMultiBlockDataWriter,
    vtkXMLPImageDataReader,
    vtkXMLPolyDataReader,
    vtkXMLPolyDataWriter,
    vtkXMLPPolyDataReader,
    vtkXMLPRectilinearGridReader,
    vtkXMLPStructuredGridReader,
    vtkXMLPUnstructuredGridReader,
    vtkXMLRectilinearGridReader,
    vtkXMLStructuredGridReader,
    vtkXMLUnstructuredGridReader,
    vtkXMLUnstructuredGridWriter,
)

from tramontane.errors import FormatError
from tramontane.formats.hdf5_links import check_links
from tramontane.formats.isolation.cell_check import check_cells

_READERS = {
    ".vtp": vtkXMLPolyDataReader,
    ".vtu": vtkXMLUnstructuredGridReader,
    ".vtk": vtkGenericDataObjectReader,
    ".vtm": vtkXMLMultiBlockDataReader,
    ".vtkhdf": vtkHDFReader,
    ".vti": vtkXMLImageDataReader,
    ".vtr": vtkXMLRectilinearGridReader,
    ".vts": vtkXMLStructuredGridReader,
    ".pvtp": vtkXMLPPolyDataReader,
    ".pvtu": vtkXMLPUnstructuredGridReader,
    ".pvti": vtkXMLPImageDataReader,
    ".pvtr": vtkXMLPRectilinearGridReader,
    ".pvts": vtkXMLPStructuredGridReader,
}
_WRITERS = {
    ".vtp": vtkXMLPolyDataWriter,
    ".vtu": vtkXMLUnstructuredGridWriter,
    ".vtk": vtkGenericDataObjectWriter,
    ".vtm": vtkXMLMultiBlockDataWriter,
    ".vtkhdf": vtkHDFWriter,
}
SUFFIXES, WRITTEN = tuple(_READERS), tuple(_WRITERS)
# Files that name others, of which they consist.
LISTS = (".vtm", ".pvtp", ".pvtu", ".pvti", ".pvtr", ".pvts")
_XML = tuple(suffix for suffix in SUFFIXES if suffix not in (".vtk", ".vtkhdf"))
# VTK's writers neither escape nor refuse what their format cannot hold in a name.
_BAD_NAMES = {".vtkhdf": re.compile(r"[/.]"), ".vtk": re.compile(r"[{}]")}
_BAD_XML_NAMES = re.compile(r'[<>&"\x00-\x1f]')
_COMPLAINT = re.compile(r"\bERR(?:OR)?\b|\berror\b", re.IGNORECASE)
_PLACE = re.compile(r"^(?:ERROR|Generic Warning|Warning): In .*$|\w+ \(0x[0-9a-f]+\): ?", re.MULTILINE)


def read_blocks(file: Path) -> dict[str, pv.PolyData | pv.UnstructuredGrid]:
    """The meshes of a file by block name; a file of one mesh gives one, under the file's stem.

    Raises:
        FormatError: Cut off, or not of the format that its name says.
    """
    suffix = file.suffix.lower()
    _check_ends(file, suffix)
    reader: Any = _READERS[suffix]()
    if suffix == ".vtk":
        # Otherwise the old format's reader takes the first array of each kind and drops the others.
        for kind in ("Scalars", "Vectors", "Normals", "Tensors", "TCoords", "Fields", "ColorScalars"):
            getattr(reader, f"ReadAll{kind}On")()
    with complaints(file, "cannot be read", "write or copy it again"):
        if suffix == ".vtkhdf" and not reader.CanReadFile(str(file)):
            raise FormatError(f"{file}: is cut off or no VTKHDF file; write or copy it again")
        reader.SetFileName(str(file))
        last_step(reader)
        output = reader.GetOutputDataObject(0)
    if output is None:
        raise FormatError(f"{file}: cannot be read (VTK finds no mesh in it); write or copy it again")
    blocks: dict[str, pv.PolyData | pv.UnstructuredGrid] = {}
    for path, block in leaves(output, (file.stem,)):
        name = path[-1]
        if name in blocks:
            raise FormatError(f"{file}: has two blocks named {name!r}; name each block after its domain")
        wrapped = pv.wrap(block)
        # Casting a grid whose cells are damaged crashes; one that is unstructured already is not cast.
        kept = isinstance(wrapped, (pv.PolyData, pv.UnstructuredGrid))
        blocks[name] = wrapped if kept else wrapped.cast_to_unstructured_grid()
        check_cells(file, blocks[name])
        if suffix in (".pvtu", ".pvtp"):
            blocks[name] = _joined(blocks[name])
        _mend_texts(blocks[name])
    return blocks


def _joined(mesh: Any) -> pv.PolyData | pv.UnstructuredGrid:
    """Pieces as one mesh: cells that stand in several pieces once, points where pieces meet once."""
    ghosts = mesh.cell_data.get(vtkDataSetAttributes.GhostArrayName())
    if ghosts is not None:
        kept = mesh.extract_cells(np.flatnonzero(ghosts & vtkDataSetAttributes.DUPLICATECELL == 0), pass_cell_ids=False,
                                  pass_point_ids=False)  # fmt: skip
        mesh = kept.extract_surface(algorithm="geometry") if isinstance(mesh, pv.PolyData) else kept
        for data in (mesh.point_data, mesh.cell_data):
            data.pop(vtkDataSetAttributes.GhostArrayName(), None)
    if isinstance(mesh, pv.PolyData):
        return mesh.clean(tolerance=0.0, lines_to_points=False, polys_to_lines=False, strips_to_polys=False)
    return mesh.clean(tolerance=0.0, produce_merge_map=False)


def load_and_drop(file: Path) -> tuple[None, dict[str, Any]]:
    """Read a file for nothing but to see whether that goes well; see `tramontane.formats.isolation.isolated.probe`."""
    if file.suffix.lower() == ".vtkhdf":
        check_links(file)
    read_blocks(file)
    return None, {}


def read_time(file: Path) -> dict[str, Any]:
    """Which of its time steps `read_blocks` takes from a ``.vtkhdf`` file, as `last_step` says it."""
    if file.suffix.lower() != ".vtkhdf":
        return {}
    reader = vtkHDFReader()
    with complaints(file, "cannot be read", "write or copy it again"):
        reader.SetFileName(str(file))
        reader.UpdateInformation()
        return _steps(reader)


def write_block(mesh: pv.DataSet | pv.MultiBlock, file: Path, *, target: Path) -> None:
    """Write a mesh, or for ``.vtm`` a set of blocks, in the format of the file's suffix.

    Args:
        mesh: To write.
        file: Where to.
        target: What the file will be called in the end, for messages.

    Raises:
        FormatError: The file cannot be written, or its format cannot hold this mesh.
    """
    _check_names(mesh, target)
    writer: Any = _WRITERS[file.suffix.lower()]()
    if file.suffix.lower() in (".vtp", ".vtu", ".vtm"):
        # Raw appended data is the smallest and quickest of the three modes; 64-bit headers take arrays over 4 GB.
        writer.SetDataModeToAppended()
        writer.EncodeAppendedDataOff()
        writer.SetHeaderTypeToUInt64()
    elif file.suffix.lower() == ".vtk":
        writer.SetFileTypeToBinary()
    else:
        writer.SetCompressionLevel(4)
    with complaints(target, "cannot be written", "check the folder and the space left on the disk"):
        writer.SetInputDataObject(mesh)
        writer.SetFileName(str(file))
        writer.Write()
    if not file.is_file():
        raise FormatError(f"{target}: cannot be written; check the folder and the space left on the disk")


@contextlib.contextmanager
def complaints(file: Path, what: str, cure: str) -> Iterator[None]:
    """Keep VTK's messages off the screen; those that speak of an error become one of ours."""
    window, before = vtkStringOutputWindow(), vtkOutputWindow.GetInstance()
    verbosity = vtkLogger.GetCurrentVerbosityCutoff()
    vtkOutputWindow.SetInstance(window)
    vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_OFF)
    try:
        yield
    finally:
        vtkLogger.SetStderrVerbosity(verbosity)
        vtkOutputWindow.SetInstance(before)
    output = window.GetOutput()
    output = (
        output.decode("utf-8", "replace") if isinstance(output, bytes) else output
    )  # what VTK quotes need not be text
    if _COMPLAINT.search(output):
        lines = [line.strip() for line in _PLACE.sub("", output).splitlines() if line.strip()]
        reason = next(
            (line for line in lines if _COMPLAINT.search(line)), lines[0] if lines else "VTK reports an error"
        )
        raise FormatError(f"{file}: {what} ({reason[:160].rstrip('.! ')}); {cure}")


def _check_ends(file: Path, suffix: str) -> None:
    """Say "empty" or "cut off" where that is plain to see: VTK's own words for it are obscure."""
    size = file.stat().st_size
    if size == 0:
        raise FormatError(f"{file}: is empty; write or copy it again")
    with file.open("rb") as stream:
        head = stream.read(64)
        stream.seek(max(0, size - 64))
        tail = stream.read()
    if suffix in _XML:
        if b"<" not in head:
            raise FormatError(f"{file}: is no VTK XML file; its suffix may be wrong, or write it again")
        if b"</VTKFile>" not in tail:
            raise FormatError(f"{file}: is cut off (no </VTKFile> at its end); write or copy it again")
    elif suffix == ".vtk" and not head.startswith(b"# vtk"):
        raise FormatError(
            f"{file}: is no VTK file (no '# vtk' at its start); its suffix may be wrong, or write it again"
        )
    elif suffix == ".vtkhdf" and not head.startswith(b"\x89HDF"):
        raise FormatError(f"{file}: is no HDF5 file; its suffix may be wrong, or write it again")


def _check_names(mesh: pv.DataSet | pv.MultiBlock, file: Path) -> None:
    bad = _BAD_NAMES.get(file.suffix.lower(), _BAD_XML_NAMES)
    blocks = {"": mesh} if isinstance(mesh, pv.DataSet) else dict(zip(mesh.keys(), mesh, strict=True))
    for block, data in blocks.items():
        for name in (block, *data.array_names):
            if character := bad.search(name):
                raise FormatError(f"{file}: {file.suffix} cannot hold {character[0]!r} in the name {name!r}; "
                                  "rename it or choose another format")  # fmt: skip


def _mend_texts(mesh: Any) -> None:
    """Names and texts that are no UTF-8 would be errors wherever they are looked at."""
    for data in (mesh.GetPointData(), mesh.GetCellData(), mesh.GetFieldData()):
        for index in range(data.GetNumberOfArrays()):
            array = data.GetAbstractArray(index)
            if isinstance(name := array.GetName(), bytes):
                array.SetName(name.decode("utf-8", "replace"))
            for place in range(array.GetNumberOfValues() if array.IsA("vtkStringArray") else 0):
                if isinstance(value := array.GetValue(place), bytes):
                    array.SetValue(place, value.decode("utf-8", "replace"))


def leaves(data: Any, path: tuple[str, ...]) -> list[tuple[tuple[str, ...], Any]]:
    """The data sets in a tree of blocks, each with the names that lead to it.

    Args:
        data: Any data object of VTK.
        path: The names that lead to it; a block that has no name and no siblings takes its parent's.
    """
    if not data.IsA("vtkCompositeDataSet"):
        return [(path, data)] if data.IsA("vtkDataSet") else []
    blocks = []
    partitions = data.IsA("vtkPartitionedDataSet")
    count = data.GetNumberOfBlocks() if data.IsA("vtkMultiBlockDataSet") else (
        data.GetNumberOfPartitions() if partitions else data.GetNumberOfPartitionedDataSets()
    )  # fmt: skip
    for index in range(count):
        if data.IsA("vtkMultiBlockDataSet"):
            part = data.GetBlock(index)
        else:
            part = data.GetPartition(index) if partitions else data.GetPartitionedDataSet(index)
        if part is None:
            continue
        own = data.HasMetaData(index) and data.GetMetaData(index).Get(data.NAME())
        unnamed = path if count == 1 else (*path[:-1], f"{path[-1]}-{index}")
        blocks += leaves(part, (*path, own) if own else unnamed)
    return blocks


def last_step(algorithm: Any) -> dict[str, Any]:
    """Bring a reader to the last of its time steps.

    Returns:
        The time's ``value``, ``step`` (from 1) and ``steps``; empty where the file knows no time.
    """
    algorithm.UpdateInformation()
    steps = _steps(algorithm)
    if steps:
        algorithm.UpdateTimeStep(steps["value"])
    else:
        algorithm.Update()
    return steps


def _steps(algorithm: Any) -> dict[str, Any]:
    information, key = algorithm.GetOutputInformation(0), algorithm.GetExecutive().TIME_STEPS()
    count = information.Length(key) if information.Has(key) else 0
    return {"value": float(information.Get(key, count - 1)), "step": count, "steps": count} if count else {}
