"""Which reader reads which file or folder."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path

from tramontane.errors import FormatError
from tramontane.formats import lammps, tecplot
from tramontane.formats.cgns import reader as cgns
from tramontane.formats.decks.inp import included_files
from tramontane.formats.ensight import reader as ensight
from tramontane.formats.exodus import reader as exodus
from tramontane.formats.fluent import reader as fluent
from tramontane.formats.openfoam import case as openfoam
from tramontane.formats.results import Results
from tramontane.formats.vtk import files as vtk
from tramontane.formats.vtk import series
from tramontane.formats.vtk.meshes import read_meshes, stored_units
from tramontane.formats.vtk.pieces import pieces
from tramontane.formats.xdmf import reader as xdmf

Reader = Callable[[Path], Results]


def read_vtk(file: Path) -> Results:
    """A file of the VTK family: each block is a domain, units are those that `write_mesh` left."""
    meshes = read_meshes(file)
    blocks = [block for block in pieces(file) if block.is_file()]
    units = {f"{key}/{name}": unit for key, mesh in meshes.items() for name, unit in stored_units(mesh).items()}
    time = vtk.read_time(file)
    return Results(meshes=dict(meshes), units=units, files=[file, *blocks], extra={"time": time} if time else {})


def read_frd(file: Path) -> Results:
    """Results of CalculiX, with the deck and the printed values of the same name."""
    from tramontane.formats.calculix.case import read_calculix

    return read_calculix(file)


def read_inp(file: Path) -> Results:
    """The mesh in an input deck of Abaqus or CalculiX."""
    from tramontane.formats.decks.abaqus import read_abaqus

    return read_abaqus(file)


def read_rst(file: Path) -> Results:
    """Results of ANSYS Mechanical."""
    from tramontane.formats.ansys import read_ansys

    return read_ansys(file)


# One line a format. A reader takes a path and gives `Results`; it raises `FormatError` and nothing else.
FILE_READERS: dict[str, Reader] = {
    **dict.fromkeys(vtk.SUFFIXES, read_vtk),
    **dict.fromkeys(series.SUFFIXES, series.read_series),
    ".frd": read_frd,
    ".inp": read_inp,
    **dict.fromkeys((".rst", ".rth"), read_rst),
    **dict.fromkeys(cgns.SUFFIXES, cgns.read_cgns),
    **dict.fromkeys(ensight.SUFFIXES, ensight.read_ensight),
    **dict.fromkeys(exodus.SUFFIXES, exodus.read_exodus),
    **dict.fromkeys(fluent.SUFFIXES, fluent.read_fluent),
    **dict.fromkeys(lammps.SUFFIXES, lammps.read_lammps),
    **dict.fromkeys(tecplot.SUFFIXES, tecplot.read_tecplot),
    **dict.fromkeys(xdmf.SUFFIXES, xdmf.read_xdmf),
}


# Suffixes that other programs use, too: a file has a reader only if it looks like one of its format.
_RECOGNISED: dict[str, Callable[[Path], bool]] = {
    ".dat": tecplot.is_tecplot,
    ".plt": tecplot.is_tecplot,
    ".rst": lambda file: not _is_text(file),  # a README has that suffix, too
}

# A file of the first kind is read with one of the second that has the same stem, and not by itself.
COMPANIONS: dict[str, tuple[str, ...]] = {".inp": (".frd",), ".dat": (".frd",)}


def result_files(files: Sequence[Path]) -> list[Path]:
    """Those of a folder's files that are read by themselves, not with another."""
    names = {(file.parent, file.stem, file.suffix.lower()) for file in files}
    own = [
        file
        for file in lammps.last_of_series(files)
        if file_reader(file) is not None
        and not any((file.parent, file.stem, other) in names for other in COMPANIONS.get(file.suffix.lower(), ()))
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
    found = {file.stem for file in folder.glob("*.vtm")}
    for file in folder.iterdir():
        if series.is_series(file) and file.is_file():
            with contextlib.suppress(FormatError):
                found |= {step.file.relative_to(folder).parts[0] for step in series.steps(file)}
    return found


def file_reader(file: Path) -> Reader | None:
    """The reader of a file by its name and, where that says too little, its first bytes; or None."""
    if lammps.is_dump(file):
        return lammps.read_lammps
    suffix = "".join(file.suffixes[-2:]).lower()
    suffix = suffix if suffix in FILE_READERS else file.suffix.lower()
    return FILE_READERS.get(suffix) if _RECOGNISED.get(suffix, Path.is_file)(file) else None


def case_name(file: Path) -> str:
    """What a case of one file is called: the file's name without its suffix, be it of two parts (``.cas.h5``)."""
    both = "".join(file.suffixes[-2:])
    return file.name.removesuffix(both) if both.lower() in FILE_READERS else file.stem


def not_read(file: Path) -> str:
    """Why a file has no reader, and which ones there are."""
    if file.suffix.lower() in _RECOGNISED:
        return f"{file}: does not look like results in any format with the suffix {file.suffix}; name another file"
    return (f"{file}: {file.suffix or 'a file without a suffix'} is not read as results; convert it to one of "
            f"{', '.join(FILE_READERS)}")  # fmt: skip


def folder_reader(folder: Path) -> Reader | None:
    """The reader of a folder that is one program's case as a whole, such as an OpenFOAM case, or None."""
    return openfoam.read if openfoam.is_case(folder) else None


def _is_text(file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            head = stream.read(400)
    except OSError:
        return False
    return head != b"" and b"\x00" not in head
