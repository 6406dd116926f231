"""Fields of Fluent's cell zones, taken from the data file section by section.

VTK's reader takes the first section of a field for all of it: where zones are stored one by one, or a field is solved
in one zone only, it gives arrays of another length than the zone.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from vtkmodules.util.numpy_support import numpy_to_vtk

from tramontane.errors import FormatError

_RESULTS, _ZONES = "results/1", "meshes/1/cells/zoneTopology"


def mend_zones(case: Path, data: Path, output: Any, names: list[str]) -> list[str]:
    """Give each cell zone its own values.

    Args:
        case: The ``.cas.h5``.
        data: The ``.dat.h5``.
        output: VTK's blocks, of which those of zones of cells come first; changed.
        names: Of the fields at cells.

    Returns:
        What to mind.

    Raises:
        FormatError: Damaged, or h5py is needed and not installed.
    """
    blocks = [output.GetBlock(index) for index in range(output.GetNumberOfBlocks())]
    try:
        h5py: Any = importlib.import_module("h5py")
    except ImportError:
        for block in blocks:
            arrays = block.GetCellData() if block is not None else None
            if arrays is not None and any(arrays.GetArray(index).GetNumberOfTuples() != block.GetNumberOfCells()
                                          for index in range(arrays.GetNumberOfArrays())):  # fmt: skip
                raise FormatError(f"{case}: its fields are stored zone by zone, which needs h5py; "
                                  'pip install "tramontane[hdf5]"') from None  # fmt: skip
        return []
    with _errors_named(case), h5py.File(case, "r") as root:
        zones = root[_ZONES]
        called = zones["name"][()].ravel()[0].decode("utf-8", "replace").strip("\0;").split(";")
        ends = list(zip(zones["minId"][()].ravel().tolist(), zones["maxId"][()].ravel().tolist(), strict=True))
    with _errors_named(data), h5py.File(data, "r") as root:
        warnings: list[str] = []
        if sum(str(phase).startswith("phase-") for phase in root[_RESULTS]) > 1:
            return _without_misfits(data, blocks, called)
        fields = root[f"{_RESULTS}/phase-1/cells"]
        for (first, last), block, zone in zip(ends, blocks, called, strict=False):
            if block is None or block.GetNumberOfCells() != last - first + 1:
                continue
            for name in names:
                block.GetCellData().RemoveArray(name)
                values, filled = _values(data, fields, name, int(first), int(last))
                if filled.all():
                    array = numpy_to_vtk(values, deep=True)
                    array.SetName(name)
                    block.GetCellData().AddArray(array)
                elif filled.any():
                    warnings.append(f"{data}: {name} of zone {zone} has values for {int(filled.sum())} of "
                                    f"{len(filled)} cells; it is left out there")  # fmt: skip
    return warnings


def _without_misfits(data: Path, blocks: list[Any], called: list[str]) -> list[str]:
    """Take arrays of another length than their zone away; gives what to say of them."""
    warnings = []
    for block, zone in zip(blocks, called, strict=False):
        if block is None:
            continue
        arrays = block.GetCellData()
        for array in [arrays.GetArray(index) for index in range(arrays.GetNumberOfArrays())]:
            if array.GetNumberOfTuples() != block.GetNumberOfCells():
                warnings.append(f"{data}: {array.GetName()} of zone {zone} is left out, its phases are stored zone by "
                                "zone, which is not read")  # fmt: skip
                arrays.RemoveArray(array.GetName())
    return warnings


@contextlib.contextmanager
def _errors_named(file: Path) -> Iterator[None]:
    """What h5py raises on a damaged file, as one line that names it."""
    try:
        yield
    except (OSError, KeyError, ValueError, RuntimeError, TypeError, IndexError, AttributeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise FormatError(f"{file}: is cut off or damaged ({reason}); write or copy it again") from error


def _values(data: Path, fields: Any, name: str, first: int, last: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """A field's values at the cells ``first`` to ``last``, and which of them have any."""
    filled = np.zeros(last - first + 1, dtype=bool)
    values = np.zeros(len(filled))
    for key in fields.get(name, ()):
        section = fields[name][key]
        start, end = int(section.attrs["minId"]), int(section.attrs["maxId"])
        if section.shape[0] != end - start + 1:
            raise FormatError(f"{data}: section {key} of {name} has {section.shape[0]} values for {end - start + 1} "
                              "cells; it is damaged, write or copy it again")  # fmt: skip
        low, high = max(first, start), min(last, end)
        if low > high:
            continue
        part = section[low - start : high - start + 1]
        if part.ndim > 1 and values.ndim == 1:
            values = np.zeros((len(filled), part.shape[1]))
        values[low - first : high - first + 1] = part
        filled[low - first : high - first + 1] = True
    return values, filled
