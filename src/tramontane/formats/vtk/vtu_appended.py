"""VTU files of one piece with raw appended data, as ParaView and this package write them, read by all cores.

VTK unpacks the blocks of a compressed file one after the other; here, threads do, with a faster library where there is
one. Whatever is not known for certain here, or looks wrong, is left to VTK, which then says what is wrong.

The format: https://docs.vtk.org/en/latest/vtk_file_formats/vtkxml_file_format.html
"""

from __future__ import annotations

import importlib.util
import os
import threading
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np
import pyvista as pv
from numpy.typing import NDArray
from vtkmodules.util import vtkConstants
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkCommonCore import vtkDataArray, vtkPoints, vtkStringArray
from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkDataSetAttributes, vtkUnstructuredGrid

from tramontane.formats.isolation.isolated import memory_for
from tramontane.large_arrays import in_threads

_zlib: Any = importlib.import_module("isal.isal_zlib" if importlib.util.find_spec("isal") else "zlib")
_HEAD = 1 << 20  # bytes within which the description must end
_BATCH = 1 << 20  # packed bytes that a thread takes at once
_SMALL = 4 << 20  # bytes of a file that is read before threads have started
_TYPES = {
    "Int8": ("<i1", vtkConstants.VTK_SIGNED_CHAR), "UInt8": ("<u1", vtkConstants.VTK_UNSIGNED_CHAR),
    "Int16": ("<i2", vtkConstants.VTK_SHORT), "UInt16": ("<u2", vtkConstants.VTK_UNSIGNED_SHORT),
    "Int32": ("<i4", vtkConstants.VTK_INT), "UInt32": ("<u4", vtkConstants.VTK_UNSIGNED_INT),
    "Int64": ("<i8", vtkConstants.VTK_LONG_LONG), "UInt64": ("<u8", vtkConstants.VTK_UNSIGNED_LONG_LONG),
    "Float32": ("<f4", vtkConstants.VTK_FLOAT), "Float64": ("<f8", vtkConstants.VTK_DOUBLE),
}  # fmt: skip
_CONVERTED = ("vtkGhostLevels",)  # of files of VTK 5
_KNOWN = {"type", "Name", "NumberOfComponents", "NumberOfTuples", "format", "offset", "RangeMin", "RangeMax", "IdType"}
_COMPONENT, _POLYHEDRON = "ComponentName", 42
_CELLS = {"connectivity": "Int64", "offsets": "Int64", "types": "UInt8"}
# What VTK keeps beside values of arrays, and reckons anew when it is asked for.
_RANGES = {"L2_NORM_RANGE", "L2_NORM_FINITE_RANGE"}
_ROLES = {
    vtkDataSetAttributes.GetAttributeTypeAsString(index): index for index in range(vtkDataSetAttributes.NUM_ATTRIBUTES)
}


class _UnknownError(Exception):
    """Something that is for VTK to read, or to refuse."""


class _Batch(NamedTuple):
    """Consecutive blocks in the file, the packed size of each, and the bytes that they become."""

    start: int
    sizes: list[int]
    out: NDArray[np.uint8]
    block: int


def read_vtu(file: Path) -> pv.UnstructuredGrid | None:
    """The mesh of a file; None where VTK should read it. Its cells are not checked to be of points that exist."""
    if not hasattr(os, "preadv"):  # Windows
        return None
    try:
        with open(file, "rb", buffering=0) as stream:
            return _Reading(stream.fileno()).mesh()
    except (_UnknownError, OSError, ValueError, KeyError, OverflowError, MemoryError, ElementTree.ParseError,
            _zlib.error):  # fmt: skip
        return None


class _Reading:
    """One file being read.

    Args:
        file: Its descriptor.
    """

    def __init__(self, file: int) -> None:
        self.file, self.size = file, os.fstat(file).st_size
        self.room = memory_for(self.size)
        self.batches: list[_Batch] = []
        self.own = threading.local()
        self.data, self.root = self._description()
        self.packed = bool(self.root.get("compressor"))
        self.word = np.dtype({"UInt32": "<u4", "UInt64": "<u8"}[self.root.get("header_type", "UInt32")])

    def mesh(self) -> pv.UnstructuredGrid:
        """The mesh."""
        [part] = self.root
        if [each.tag for each in part] not in (["Piece"], ["FieldData", "Piece"]) or part.attrib:
            raise _UnknownError
        piece = part[-1]
        points, cells = int(piece.attrib["NumberOfPoints"]), int(piece.attrib["NumberOfCells"])
        sections = {each.tag: each for each in piece}
        if min(points, cells) < 1 or sorted(sections) != ["CellData", "Cells", "PointData", "Points"]:
            raise _UnknownError
        grid = vtkUnstructuredGrid()
        for data, section, count in (
            (grid.GetPointData(), sections["PointData"], points),
            (grid.GetCellData(), sections["CellData"], cells),
        ):
            for entry in section:
                data.AddArray(self._array(entry, count))
            for role, name in section.attrib.items():
                data.SetActiveAttribute(name, _ROLES[role])
        [entry] = sections["Points"]
        places = vtkPoints()
        places.SetData(self._array(entry, points))
        grid.SetPoints(places)
        if {each.get("Name"): each.get("type") for each in sections["Cells"]} != _CELLS:
            raise _UnknownError
        named = {entry.attrib["Name"]: entry for entry in sections["Cells"]}
        # The file lists where cells end; VTK begins with where the first one starts.
        ends, kinds = self._array(named["offsets"], cells, lead=1), self._array(named["types"], cells)
        ids = self._array(named["connectivity"], None)
        texts = self._field_data(part[0], grid.GetFieldData()) if len(part) == 2 else []
        if self.size < _SMALL:
            for batch in self.batches:
                self._unpack(batch)
        else:
            in_threads(self._unpack, self.batches)
        if vtk_to_numpy(ends)[-1] != ids.GetNumberOfTuples() or _POLYHEDRON in vtk_to_numpy(kinds):
            raise _UnknownError
        cell_array = vtkCellArray()
        cell_array.SetData(ends, ids)
        grid.SetCells(kinds, cell_array)
        for array, text in texts:
            values = text.tobytes().decode().split("\0")
            if len(values) != array.GetNumberOfTuples() + 1 or values.pop():
                raise _UnknownError
            for place, value in enumerate(values):
                array.SetValue(place, value)
        mesh: pv.UnstructuredGrid = pv.wrap(grid)
        return mesh

    def _description(self) -> tuple[int, ElementTree.Element]:
        """Where the appended data start, and what the file says of them."""
        head, tail = os.pread(self.file, _HEAD, 0), os.pread(self.file, 64, max(0, self.size - 64))
        text, _, rest = head.partition(b"<AppendedData")
        encoding, _, rest = rest.partition(b">")
        blank, mark, rest = rest.partition(b"_")
        if not mark or blank.strip() or encoding.strip() != b'encoding="raw"' or b"<!" in text:
            raise _UnknownError
        if b"</VTKFile>" not in tail:
            raise _UnknownError
        root = ElementTree.fromstring(text + b"</VTKFile>")
        kind = (root.get("type"), root.get("byte_order"), root.get("compressor", ""))
        if kind[:2] != ("UnstructuredGrid", "LittleEndian") or kind[2] not in ("", "vtkZLibDataCompressor"):
            raise _UnknownError
        return len(head) - len(rest), root

    def _array(self, entry: ElementTree.Element, count: int | None, lead: int = 0) -> Any:
        """An array of VTK's, to be filled by `_unpack`: as many zeros as ``lead`` says, then the file's tuples.

        ``count`` is how many there must be; None takes all.
        """
        _check(entry)
        kind, number = _TYPES[entry.attrib["type"]]
        at, components = self.data + int(entry.attrib["offset"]), int(entry.get("NumberOfComponents", "1"))
        stated, width = self._bytes(at), max(np.dtype(kind).itemsize * components, 1)
        count = stated // width if count is None else count
        whole = entry.get("IdType") == "1"
        if components < 1 or count * width != stated or (whole and number != vtkConstants.VTK_LONG_LONG):
            raise _UnknownError
        array = vtkDataArray.CreateDataArray(vtkConstants.VTK_ID_TYPE if whole else number)
        array.SetName(entry.attrib["Name"])
        array.SetNumberOfComponents(components)
        for key, name in entry.attrib.items():
            if key.startswith(_COMPONENT):
                array.SetComponentName(int(key.removeprefix(_COMPONENT)), name)
        self._take_room(stated)
        array.SetNumberOfTuples(lead + count)
        values = vtk_to_numpy(array)
        values[:lead] = 0
        self._fill(at, values[lead:].reshape(-1).view(np.uint8))
        return array

    def _field_data(self, section: ElementTree.Element, data: Any) -> list[tuple[Any, NDArray[np.uint8]]]:
        """Add a mesh's own arrays; those of texts, and the bytes from which they are to be filled."""
        texts = []
        for entry in section:
            count = int(entry.attrib["NumberOfTuples"])
            if entry.tag == "DataArray":
                data.AddArray(self._array(entry, count))
                continue
            _check(entry)
            if entry.get("type") != "String" or "NumberOfComponents" in entry.attrib:
                raise _UnknownError
            at = self.data + int(entry.attrib["offset"])
            self._take_room(stated := self._bytes(at))
            array, text = vtkStringArray(), np.empty(stated, np.uint8)
            array.SetName(entry.attrib["Name"])
            array.SetNumberOfTuples(count)
            self._fill(at, text)
            texts.append((array, text))
            data.AddArray(array)
        return texts

    def _take_room(self, size: int) -> None:
        self.room -= size
        if size <= 0 or self.room < 0:
            raise _UnknownError

    def _words(self, at: int, count: int) -> list[int]:
        if count * self.word.itemsize > self.size:
            raise _UnknownError
        values: list[int] = np.frombuffer(os.pread(self.file, count * self.word.itemsize, at), self.word).tolist()
        if len(values) != count:
            raise _UnknownError
        return values

    def _bytes(self, at: int) -> int:
        """How many bytes an array has unpacked, as the file states it."""
        if not self.packed:
            return self._words(at, 1)[0]
        blocks, block, last = self._words(at, 3)
        return blocks * block - (block - last if last else 0)

    def _fill(self, at: int, out: NDArray[np.uint8]) -> None:
        """Note what is to be read into ``out``."""
        if self.packed:
            count, block, _ = self._words(at, 3)
            start, sizes = at + (3 + count) * self.word.itemsize, self._words(at + 3 * self.word.itemsize, count)
        else:
            start, block = at + self.word.itemsize, _BATCH
            sizes = [min(_BATCH, len(out) - begin) for begin in range(0, len(out), _BATCH)]
        # What zlib cannot make smaller, it makes hardly larger.
        if start + sum(sizes) > self.size or max(sizes) > block + block // 1000 + 64:
            raise _UnknownError
        first, place = 0, start
        while first < len(sizes):
            stop, length = first, 0
            while stop < len(sizes) and (stop == first or length + sizes[stop] <= _BATCH):
                length += sizes[stop]
                stop += 1
            self.batches.append(_Batch(place, sizes[first:stop], out[first * block : stop * block], block))
            first, place = stop, place + length

    def _unpack(self, batch: _Batch) -> None:
        if not self.packed:
            self._read_into(batch.out, batch.start)
            return
        # One buffer for each thread: taking and giving back memory would make the threads wait for each other.
        size, place = sum(batch.sizes), 0
        if len(getattr(self.own, "buffer", ())) < size:
            self.own.buffer = np.empty(max(size, _BATCH), np.uint8)
        data = self.own.buffer[:size]
        self._read_into(data, batch.start)
        for number, size in enumerate(batch.sizes):
            part = batch.out[number * batch.block : (number + 1) * batch.block]
            values = np.frombuffer(_zlib.decompress(data[place : place + size], bufsize=len(part) + 1), np.uint8)
            if len(values) != len(part):
                raise _UnknownError
            part[:] = values
            place += size

    def _read_into(self, out: NDArray[np.uint8], start: int) -> None:
        if os.preadv(self.file, [out.data], start) != len(out):
            raise _UnknownError


def _check(entry: ElementTree.Element) -> None:
    """Refuse an array that is described by more than is known here."""
    all_known = all(name in _KNOWN or name.startswith(_COMPONENT) for name in entry.attrib)
    ranges = all(each.tag == "InformationKey" and each.get("name") in _RANGES for each in entry)
    if entry.tag not in ("DataArray", "Array") or entry.get("format") != "appended" or not all_known or not ranges:
        raise _UnknownError
    if entry.get("Name") in _CONVERTED:
        raise _UnknownError
