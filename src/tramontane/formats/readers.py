"""Which reader reads which file or folder."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence
from pathlib import Path

from tramontane.errors import FormatError
from tramontane.formats import lammps
from tramontane.formats.decks.inp import included_files
from tramontane.formats.format import Format, Reader
from tramontane.formats.openfoam import case as openfoam
from tramontane.formats.vtk import files as vtk
from tramontane.formats.vtk import series
from tramontane.formats.vtk.pieces import pieces
from tramontane.io.registries import find_entries

# Data sets of several files, and what reads apart: they are not looked through.
_NO_FORMATS = ("tramontane.formats.layouts", "tramontane.formats.isolation")


@functools.cache
def known_formats() -> dict[str, Format]:
    """By suffix, the formats that the modules of `tramontane.formats` list."""
    entries = find_entries("tramontane.formats", "FORMATS", Format, skip=_NO_FORMATS)
    return {suffix: entry for entry in entries for suffix in entry.suffixes}


def result_files(files: Sequence[Path]) -> list[Path]:
    """Those of a folder's files that are read by themselves, not with another."""
    names = {(file.parent, file.stem, file.suffix.lower()) for file in files}
    own = [
        file
        for file in lammps.last_of_series(files)
        if file_reader(file) is not None
        and not any((file.parent, file.stem, other) in names for other in _read_with(file))
    ]
    decks = [file for file in files if file.suffix.lower() == ".inp"]
    parts: set[Path] = set()  # read with the file that names them
    if len(decks) > 1 and set(decks) & set(own):
        parts |= {part.resolve() for deck in decks for part in included_files(deck)}
    for file in own:
        if series.is_series(file) and file.resolve() not in parts:
            with contextlib.suppress(FormatError):
                listed = {step.file.resolve() for step in series.steps(file)}
                # Several lists may name the same files.
                parts |= {other.resolve() for other in own if other != file and series.is_series(other)
                          and _lists_all(other, listed)}  # fmt: skip
                parts |= listed
        if file.suffix.lower() in vtk.LISTS:
            with contextlib.suppress(FormatError):  # said when the list is read
                parts |= {piece.resolve() for piece in pieces(file)}
    return [file for file in own if file.resolve() not in parts]


def _lists_all(file: Path, listed: set[Path]) -> bool:
    """Whether all that a list of time steps names stands in another one, too."""
    with contextlib.suppress(FormatError):
        return {step.file.resolve() for step in series.steps(file)} <= listed
    return False


def folders_of_pieces(folder: Path) -> set[str]:
    """The subfolders that hold what lists in a folder name: the blocks of a ``.vtm``, the steps of a series."""
    names = {file.stem for file in folder.glob("*.vtm")}
    for file in folder.iterdir():
        if series.is_series(file) and file.is_file():
            with contextlib.suppress(FormatError):
                names |= {step.file.relative_to(folder).parts[0] for step in series.steps(file)}
    return names


def file_reader(file: Path) -> Reader | None:
    """The reader of a file by its name and, where that says too little, its first bytes; or None."""
    formats = known_formats()
    for each in formats.values():
        if each.claims is not None and each.claims(file):
            return each.read
    chosen = formats.get(_suffix(file))
    if chosen is None or not (file.is_file() if chosen.recognises is None else chosen.recognises(file)):
        return None
    return chosen.read


def case_name(file: Path) -> str:
    """What a case of one file is called: the file's name without its suffix, be it of two parts (``.cas.h5``)."""
    both = "".join(file.suffixes[-2:])
    return file.name.removesuffix(both) if both.lower() in known_formats() else file.stem


def not_read(file: Path) -> str:
    """Why a file has no reader, and which ones there are."""
    formats = known_formats()
    if _suffix(file) in formats:
        return f"{file}: does not look like results in any format with the suffix {file.suffix}; name another file"
    best = sorted(formats, key=lambda suffix: formats[suffix].name != "VTK")  # what most programs can write comes first
    return (f"{file}: {file.suffix or 'a file without a suffix'} is not read as results; convert it to one of "
            f"{', '.join(best)}")  # fmt: skip


def _suffix(file: Path) -> str:
    both = "".join(file.suffixes[-2:]).lower()
    return both if both in known_formats() else file.suffix.lower()


def _read_with(file: Path) -> tuple[str, ...]:
    chosen = known_formats().get(file.suffix.lower())
    return () if chosen is None else chosen.read_with


def folder_reader(folder: Path) -> Reader | None:
    """The reader of a folder that is one program's case as a whole, such as an OpenFOAM case, or None."""
    return openfoam.read if openfoam.is_case(folder) else None
