"""A case as files for ParaView, and back."""

from __future__ import annotations

import os
from pathlib import Path

from tramontane.case import Case
from tramontane.errors import FormatError
from tramontane.formats.assemble import assemble
from tramontane.formats.collection import read_file
from tramontane.formats.folder import add_document, document_of, read_case, write_case
from tramontane.formats.readers import case_name
from tramontane.formats.vtk.meshes import write_meshes

_MESHES = (".vtm", ".vtu", ".vtp")


def save_case(case: Case, path: str | os.PathLike[str]) -> list[Path]:
    """Write a case so that `load_case` reads it back, and ParaView its meshes.

    Args:
        case: In SI.
        path: A new folder, for all that the case has; or a file ``.vtm`` for all meshes, ``.vtu`` or ``.vtp`` for the
            only one, with parameters and QoIs in a JSON of the same name beside it.

    Returns:
        The files written.

    Raises:
        FormatError: The path is taken, its suffix does not fit, or something of the case cannot be written.
    """
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix not in _MESHES:
        write_case(case, target)
        return sorted(file for file in target.rglob("*") if file.is_file())
    if not case.meshes or (suffix != ".vtm" and len(case.meshes) > 1):
        has = ", ".join(case.meshes) or "no meshes"
        raise FormatError(
            f"{target}: {suffix} holds one mesh, case {case.name} has {has}; save it as .vtm or as a folder"
        )
    document = target.with_suffix(".json")
    if taken := [file for file in (target, document) if file.exists()]:
        raise FormatError(f"{taken[0]}: exists; a case is not overwritten, choose another name")
    text = document_of(case, target)
    written = write_meshes(case.meshes, target, units=case.field_units)
    document.write_text(text, encoding="utf-8")
    return [*written, document]


def load_case(path: str | os.PathLike[str]) -> Case:
    """Read what `save_case` wrote, or a file or folder of results of any known format.

    Raises:
        TramontaneError: It cannot be read; file and field are named.
    """
    source = Path(path)
    if source.is_dir():
        return read_case(source)
    if not source.is_file():
        raise FormatError(f"{source}: there is no such file or folder; check the path")
    results, document = read_file(source), source.with_suffix(".json")
    if document.is_file():
        add_document(results, document)
    return assemble(case_name(source), source.parent, results)
