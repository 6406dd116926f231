"""CGNS: bases and zones of a file at its last time step, boundary conditions as patches, units where it says them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tramontane.errors import FormatError
from tramontane.formats.blocks import Named, domains
from tramontane.formats.cgns.patches import SECTIONS, by_section, skipped
from tramontane.formats.cgns.units import read_stated
from tramontane.formats.format import Format
from tramontane.formats.hdf5_links import check_links
from tramontane.formats.isolation.checks import HDF5, check_head
from tramontane.formats.isolation.isolated import Block, read_isolated
from tramontane.formats.names import component_of
from tramontane.formats.results import Results

SUFFIXES = (".cgns",)
# Files of the older kind start with the name of ADF.
_HEADS = (HDF5, b"\xc0\xa8\xa3\xa9ADF", b"@(#)ADF")
_PATCHES = "Patches"


def read_cgns(file: Path) -> Results:
    """Read a CGNS file.

    Args:
        file: In HDF5, or in the older ADF.

    Returns:
        ``volume`` of all zones of solid cells, ``surface`` of zones of faces and of boundary conditions, where the file
        has none of its sections of faces; a patch is called after its family, or its boundary condition. Units are
        read where h5py is installed.

    Raises:
        FormatError: Damaged, or no CGNS file.
    """
    head = check_head(file, _HEADS, "CGNS")
    tree = read_stated(file) if head.startswith(_HEADS[0]) else None
    blocks, header = read_isolated(load, file)
    conditions = tree.conditions if tree else []
    lost = skipped(blocks, conditions)
    if any(each.faces is not None for each in lost) and not any(SECTIONS in block.path for block in blocks):
        blocks, header = read_isolated(load, file, options=[True])
    if not any(block.mesh.n_cells for block in blocks):
        raise FormatError(f"{file}: holds no mesh; write or copy it again")
    sections, left_out = by_section(file, blocks, conditions, tree.ranges if tree else {})
    parts = domains(file, _named(blocks, sections))
    parts.warnings += left_out if sections else [each.left_out(file) for each in lost]
    units = {}
    for key, unit in (tree.units if tree else {}).items():
        whole = (component_of(key) or (key,))[0]  # VTK's reader puts vectors together itself
        name = parts.renamed.get(key, parts.renamed.get(whole, key))
        for domain, mesh in parts.meshes.items():
            if name in mesh.array_names:
                units[f"{domain}/{name}"] = unit
    return Results(
        meshes=parts.meshes, units=units, length_unit=tree.length_unit if tree else None, files=[file],
        warnings=parts.warnings + (tree.warnings if tree else []),
        extra={"time": header["time"]} if header["time"] else {},
    )  # fmt: skip


def load(file: Path, by_section: bool = False) -> tuple[Any, dict[str, Any]]:
    """Run VTK's reader on all bases and fields, with boundary conditions or else with sections of faces."""
    from tramontane.formats.vtk.files import leaves

    check_links(file)
    if by_section:
        output, time = _run(file, conditions=False)
        return output, {"time": time}
    output, time = _run(file, conditions=True)
    # With both at once VTK's reader crashes on sound files, such as Gmsh's.
    if not any(_PATCHES in path and block.GetNumberOfCells() and block.GetMaxSpatialDimension() == 2
               for path, block in leaves(output, ("",))):  # fmt: skip
        output, time = _run(file, conditions=False)
    return output, {"time": time}


def _run(file: Path, *, conditions: bool) -> tuple[Any, dict[str, Any]]:
    from vtkmodules.vtkIOCGNSReader import vtkCGNSReader

    from tramontane.formats.vtk.files import last_step

    reader = vtkCGNSReader()
    if not reader.CanReadFile(str(file)):
        raise FormatError(f"{file}: is cut off or no CGNS file; write or copy it again")
    reader.SetFileName(str(file))
    reader.UpdateInformation()
    reader.EnableAllBases()
    reader.EnableAllFamilies()
    reader.EnableAllPointArrays()
    reader.EnableAllCellArrays()
    reader.SetDoublePrecisionMesh(1)
    reader.SetLoadBndPatch(conditions)
    reader.SetLoadSurfacePatch(not conditions)
    time = last_step(reader)
    output = reader.GetOutput()
    _call_by_family(output, reader.FAMILY())
    return output, time


def _call_by_family(blocks: Any, family: Any) -> None:
    """Give each block that says its family the family's name."""
    for index in range(blocks.GetNumberOfBlocks()):
        block = blocks.GetBlock(index)
        if block is not None and block.IsA("vtkMultiBlockDataSet"):
            _call_by_family(block, family)
        if blocks.HasMetaData(index) and blocks.GetMetaData(index).Has(family):
            blocks.GetMetaData(index).Set(blocks.NAME(), blocks.GetMetaData(index).Get(family))


def _named(blocks: Sequence[Block], sections: dict[int, list[Named]]) -> list[Named]:
    """Blocks by zone, boundary condition or section; a base of one zone gives it its name."""
    zones: dict[str, set[str]] = {}
    for block in blocks:
        if len(block.path) > 2:
            zones.setdefault(block.path[1], set()).add(block.path[2])
    named = []
    for place, block in enumerate(blocks):
        path = block.path[1:]
        if place in sections:
            named += sections[place]
        elif len(path) > 2 and path[2] == _PATCHES:
            named.append(Named(path[-1], block.mesh))
        elif len(path) > 1:
            named.append(Named(path[0] if len(zones[path[0]]) == 1 else path[1], block.mesh))
        else:
            named.append(Named(block.path[-1], block.mesh))
    return named


FORMATS = (Format("CGNS", SUFFIXES, read_cgns),)
