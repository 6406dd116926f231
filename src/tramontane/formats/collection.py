"""A folder of results of any known layout as a collection of cases."""

from __future__ import annotations

import functools
import os
from pathlib import Path

import pyvista as pv

from tramontane.errors import FormatError
from tramontane.formats.folder import find_cases, is_case, read_results
from tramontane.formats.layouts import known_layouts
from tramontane.formats.openfoam import case as openfoam
from tramontane.formats.readers import case_name, file_reader, folder_reader, folders_of_pieces, not_read, result_files
from tramontane.formats.results import CaseSource, Collection, Results
from tramontane.formats.surfaces import geometry
from tramontane.formats.tables.csv_sheet import WORKBOOK
from tramontane.formats.tables.designs import names_geometry, read_designs, table_alone
from tramontane.formats.tables.table import SUFFIXES as TABLE_SUFFIXES
from tramontane.formats.tables.table import WORKBOOKS, Table, read_table
from tramontane.formats.vtk import files as vtk
from tramontane.formats.vtk import series

_DOMAINS = ("surface", "volume", "particles")


def open_collection(
    root: str | os.PathLike[str], *, splits: str | None = None, region: str | None = None
) -> Collection:
    """The cases in a folder: a published data set, a folder of cases, a folder of files, a table, or a single case.

    Args:
        root: The folder, or a file that is a case by itself or a table of designs.
        splits: Which official splits, where a published data set has several (AirfRANS's ``scarce``); None takes the
            main ones.
        region: Which one of several that OpenFOAM's cases have; None takes the only one.

    Raises:
        FormatError: There is none, the folder's table is wrong, or it has no splits or region of that name.
    """
    collection = _open(Path(root), splits, region)
    if region is not None and not any(
        "region" in getattr(source.read, "keywords", {}) for source in collection.sources
    ):
        raise FormatError(f"{root}: holds no case of OpenFOAM, which alone has regions; leave {region!r} out")
    return collection


def _open(folder: Path, splits: str | None, region: str | None) -> Collection:
    if folder.is_file() and file_reader(folder) is not None:
        return Collection(folder, "file", [_file_source(folder)])
    if folder.is_file() and folder.suffix.lower() in TABLE_SUFFIXES:
        return read_designs(folder)
    if folder.is_file() and folder.suffix.lower() in WORKBOOKS:
        raise FormatError(f"{folder}: {WORKBOOK}")
    if folder.is_file():
        raise FormatError(not_read(folder))
    if not folder.exists():
        raise FormatError(f"{folder}: does not exist; check the path")
    if not folder.is_dir():
        raise FormatError(f"{folder}: is no folder; name a folder of cases")
    for layout in known_layouts().values():
        collection = layout.open(folder, splits)
        if collection is not None:
            return collection
    if splits is not None:
        raise FormatError(f"{folder}: is no published data set with official splits; leave {splits!r} out "
                          f"(known are {', '.join(known_layouts())})")  # fmt: skip
    table = _table(folder)
    if table is not None:
        return read_designs(table)
    files = _files_that_are_cases(folder)
    if files:
        sources, rows = [_file_source(file) for file in files], read_table(folder)
        shapes = [
            file.stem for file in folder.iterdir() if file.suffix.lower() in geometry.SUFFIXES and file not in files
        ]
        notes = series.note_of_numbered(files, [*rows, *shapes])
        return Collection(folder, "folder of files", sources, table=rows, notes=notes)
    cases = find_cases(folder)
    options = {case: {} if region is None or not openfoam.is_case(case) else {"region": region} for case in cases}
    sources = [
        CaseSource(case.resolve().name, case, functools.partial(read_results, case, **options[case])) for case in cases
    ]
    if cases == [folder]:
        return Collection(folder, "case", sources, table=_row_beside(folder))
    return Collection(folder, "folder of cases", sources, table=read_table(folder))


def read_file(file: Path) -> Results:
    """A file that is a case by itself: its only mesh is the surface or the volume, a geometry of its name its own."""
    reader = file_reader(file)
    if reader is None:
        raise FormatError(not_read(file))
    results = reader(file)
    if len(results.meshes) == 1:
        (name, mesh), *_ = results.meshes.items()
        domain = name if name in _DOMAINS else "surface" if isinstance(mesh, pv.PolyData) else "volume"
        results.meshes = {domain: mesh}
        results.units = {f"{domain}/{key.removeprefix(f'{name}/')}": unit for key, unit in results.units.items()}
    for suffix in geometry.SUFFIXES:
        beside = file.with_name(case_name(file) + suffix)
        if results.geometry is None and suffix not in vtk.SUFFIXES and beside.is_file():
            results.geometry = beside
            results.files.append(beside)
    return results


def _file_source(file: Path) -> CaseSource:
    return CaseSource(case_name(file), file, functools.partial(read_file, file))


def _table(folder: Path) -> Path | None:
    """The table that is all of a folder but for geometry files; None where there are cases, or other results."""
    table = table_alone(folder)
    entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    if table is None or (folder / "case.json").is_file() or folder_reader(folder) is not None:
        return None
    below = [entry for entry in entries if entry.is_dir() and is_case(entry)]
    beside = result_files(sorted(entry for entry in entries if entry.is_file()))
    if not below and not beside:
        return table
    # A .vtp may be a case's surface, or a geometry: the table says.
    return table if all(_holds_geometry_alone(entry) for entry in below) and names_geometry(table) else None


def _holds_geometry_alone(folder: Path) -> bool:
    return all(entry.suffix.lower() in geometry.SUFFIXES for entry in folder.iterdir())


def _files_that_are_cases(folder: Path) -> list[Path]:
    """The files of a folder in which each file is a case: several of one kind, none named after a domain."""
    files = result_files(sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith(".")))
    if len(files) < 2 or len({file.suffix.lower() for file in files}) != 1 or (folder / "case.json").is_file():
        return []
    subfolders = [entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
    blocks = folders_of_pieces(folder)
    if any(file.stem.lower() in _DOMAINS for file in files) or any(sub.name not in blocks for sub in subfolders):
        return []
    return files


def _row_beside(case: Path) -> Table:
    """The row of a single case in the CSV beside it; files beside it that are something else do not matter."""
    try:
        return read_table(case.resolve().parent)
    except FormatError:
        return {}
