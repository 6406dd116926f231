"""A folder of cases: meshes named after their domains, a geometry, and a JSON of parameters and QoIs in each."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyvista as pv

from tramontane.case import Case
from tramontane.contract import Contract
from tramontane.errors import FormatError
from tramontane.formats.assemble import assemble
from tramontane.formats.openfoam import case as openfoam
from tramontane.formats.readers import file_reader, folder_reader, folders_of_pieces, result_files
from tramontane.formats.results import GEOMETRY_UNIT, Results
from tramontane.formats.surfaces import geometry
from tramontane.formats.tables.csv_sheet import WORKBOOK
from tramontane.formats.tables.table import WORKBOOKS, read_number, read_table
from tramontane.formats.vtk import files as vtk
from tramontane.formats.vtk import series
from tramontane.formats.vtk.meshes import write_mesh

__all__ = ["find_cases", "is_case", "read_case", "read_results", "read_table", "write_case"]

_GEOMETRY_SUFFIXES = tuple(suffix for suffix in geometry.SUFFIXES if suffix not in vtk.SUFFIXES)
_DOCUMENT = "case.json"


def find_cases(root: str | os.PathLike[str]) -> list[Path]:
    """The case folders in ``root``, sorted by name, or ``root`` itself where it is one.

    Raises:
        FormatError: There is none.
    """
    folder = Path(root)
    if not folder.is_dir():
        raise FormatError(f"{folder}: is no folder; name a folder of cases")
    if (folder / _DOCUMENT).is_file() or folder_reader(folder) is not None:
        return [folder]
    blocks = folders_of_pieces(folder)
    subfolders = sorted(sub for sub in folder.iterdir() if sub.is_dir() and not sub.name.startswith("."))
    cases = [sub for sub in subfolders if sub.name not in blocks and is_case(sub)]
    if not cases and is_case(folder):
        cases = [folder]
    if not cases:
        if book := next((file for file in folder.iterdir() if file.suffix.lower() in WORKBOOKS), None):
            raise FormatError(f"{book}: {WORKBOOK}")
        raise FormatError(f"{folder}: holds no case; each case is a folder with meshes such as surface.vtp or "
                          "volume.vtu, a geometry such as body.stl, and a case.json")  # fmt: skip
    return cases


def is_case(folder: Path) -> bool:
    """Whether a folder is one program's case, or holds a file that a reader knows or a ``case.json``."""
    if folder_reader(folder) is not None:
        return True
    return any(file.name == _DOCUMENT or file_reader(file) is not None for file in folder.iterdir() if file.is_file())


def read_case(
    folder: str | os.PathLike[str], *, contract: Contract | None = None, table: Mapping[str, Any] | None = None
) -> Case:
    """Read a case into SI; see `tramontane.formats.assemble` for units and what a contract changes.

    Args:
        folder: Of the case.
        contract: Obeyed where given: only what it names is read, and all of it must be there.
        table: Parameters and QoIs of all cases, from `read_table`.

    Raises:
        FormatError: A file is damaged or holds numbers that are not finite; file and field are named.
        ContractError: Something that the contract names is missing, or in a unit of another dimension.
    """
    path = Path(folder)
    if not path.is_dir():
        raise FormatError(f"{path}: there is no such folder; check the path")
    name = path.resolve().name
    return assemble(name, path, read_results(path), contract=contract, row=(table or {}).get(name))


def read_results(folder: Path, *, region: str | None = None) -> Results:
    """What the files of a case's folder hold: one program's case, or meshes named after their domains.

    A JSON with parameters or QoIs, and a geometry beside them, are read in both.

    Args:
        folder: Of the case.
        region: Which one of several that an OpenFOAM case has; None takes what the JSON names, else the only one.

    Raises:
        FormatError: A file is damaged, or two files hold the same.
    """
    files = sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))
    document, documents = _read_document(files)
    document_file = documents[0] if documents else folder / _DOCUMENT
    whole = folder_reader(folder)
    if whole is not None:
        stated = document.pop("region", None)
        region = region or stated
        results = whole(folder) if region is None else openfoam.read(folder, region=str(region))
    else:
        results = Results()
    shape = _geometry_file(folder, files)
    own = [file for file in result_files(files) if file != shape] if whole is None else []
    shared = _without_earlier_steps(own, results.warnings)
    for file in own:
        reader = file_reader(file)
        if reader is not None:
            _join(results, _called(reader(file), file.stem, shared.get(file)), file)
    if shape is not None:
        results.extra.pop(GEOMETRY_UNIT, None)  # of the one that it takes the place of
    _take_document(results, document, document_file)
    results.geometry = shape or results.geometry
    results.files += [*([shape] if shape else []), *documents]
    return results


def add_document(results: Results, file: Path) -> None:
    """Take what a JSON of parameters and QoIs says into a case's results.

    Raises:
        FormatError: Damaged.
    """
    document, documents = _read_document([file])
    _take_document(results, document, file)
    results.files += documents


def _take_document(results: Results, document: dict[str, Any], file: Path) -> None:
    for label, key, numbers in (("parameter", "parameters", results.parameters), ("QoI", "qoi", results.qoi)):
        # What a person wrote beside a program's results is meant to correct them.
        numbers |= {name: read_number(file, f"{label} {name}", value) for name, value in document.pop(key, {}).items()}
    results.solver = str(document.pop("solver", "")) or results.solver
    results.version = str(document.pop("version", "")) or results.version
    results.extra |= document


def _without_earlier_steps(files: list[Path], warnings: list[str]) -> dict[Path, str]:
    """Take the earlier of numbered time steps out of a case's files; gives what each last step is called by."""
    kept: dict[Path, str] = {}
    for shared, group in series.numbered(files).items():
        if series.one_run(group):
            warnings.append(f"{group[-1]}: is taken for the last of {len(group)} time steps, {group[0].name} and on; "
                            f"a list of them ({shared}.pvd) says their times")  # fmt: skip
            kept[group[-1]] = shared
            files[:] = [file for file in files if file not in group[:-1]]
        else:
            warnings.append(f"{group[0]}: and {len(group) - 1} more files are called as time steps are; each is read "
                            "as a domain of its own, since their meshes differ")  # fmt: skip
    return kept


def _called(results: Results, stem: str, name: str | None) -> Results:
    """Results whose only mesh is called after its file, under another name."""
    if name is not None and list(results.meshes) == [stem]:
        results.meshes = {name: results.meshes[stem]}
        results.units = {f"{name}/{key.removeprefix(f'{stem}/')}": unit for key, unit in results.units.items()}
    return results


def _join(results: Results, more: Results, file: Path) -> None:
    """Take another file's results into a case's."""
    for domain, mesh in more.meshes.items():
        if domain in results.meshes:
            raise FormatError(f"{file}: domain {domain} stands in another file of this case, too; keep one")
        results.meshes[domain] = mesh
    if results.length_unit and more.length_unit and results.length_unit != more.length_unit:
        raise FormatError(f"{file}: is in {more.length_unit}, another file of this case in {results.length_unit}; "
                          "export both in one unit")  # fmt: skip
    results.length_unit = results.length_unit or more.length_unit
    results.geometry = results.geometry if results.geometry is not None else more.geometry
    results.solver, results.version = results.solver or more.solver, results.version or more.version
    for name in ("units", "parameters", "qoi", "extra"):
        getattr(results, name).update(getattr(more, name))
    results.files += more.files
    results.warnings += more.warnings


def write_case(case: Case, folder: str | os.PathLike[str]) -> None:
    """Write a case as a folder that `read_case` reads: whole, or not at all.

    Args:
        case: In SI.
        folder: Must not exist.

    Raises:
        FormatError: The folder exists, or something of the case cannot be written.
    """
    target = Path(folder)
    if target.exists():
        raise FormatError(f"{target}: exists; a case is not overwritten, choose another folder")
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        for domain, mesh in case.meshes.items():
            units = {field: case.field_units[field] for field in case.field_names(domain) if field in case.field_units}
            write_mesh(mesh, partial / f"{domain}{'.vtp' if isinstance(mesh, pv.PolyData) else '.vtu'}", units=units)
        _write_geometry(case.design.geometry, partial)
        (partial / _DOCUMENT).write_text(document_of(case, target), encoding="utf-8")
        partial.replace(target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def document_of(case: Case, target: Path) -> str:
    """What a case says beside its meshes and geometry, as `read_results` reads it from a JSON file.

    Args:
        case: In SI.
        target: For messages.

    Raises:
        FormatError: A number is not finite, or something else is no JSON.
    """
    document = {
        "parameters": {
            key: {"value": quantity.value} | ({} if quantity.unit is None else {"unit": quantity.unit})
            for key, quantity in case.design.parameters.items()
        },
        "qoi": {key: {"value": value, "unit": case.qoi_units.get(key, "")} for key, value in case.qoi.items()},
        "solver": case.provenance.solver,
        "version": case.provenance.version,
    }
    # What was assumed on reading is stated from now on.
    extra = {key: value for key, value in case.provenance.extra.items() if key not in {*document, "assumed_units"}}
    try:
        return json.dumps(document | extra, indent=1, allow_nan=False, default=np.ndarray.tolist) + "\n"
    except (TypeError, ValueError) as error:
        raise FormatError(f"{target}: case {case.name} holds a number that is not finite, or what JSON cannot "
                          f"hold ({error}); correct its parameters, QoIs or provenance") from error  # fmt: skip


def _geometry_file(path: Path, files: list[Path]) -> Path | None:
    shapes = [file for file in files if file.suffix.lower() in _GEOMETRY_SUFFIXES]
    shapes = shapes or [file for file in files if file.name.lower() == "geometry.vtp"]
    if len(shapes) > 1:
        raise FormatError(f"{path}: holds {len(shapes)} geometry files ({', '.join(file.name for file in shapes)}); "
                          "keep the one that the case was run on")  # fmt: skip
    return shapes[0] if shapes else None


def _read_document(files: list[Path]) -> tuple[dict[str, Any], list[Path]]:
    """What the JSON files with parameters or QoIs say, taken together, and which files these are."""
    merged: dict[str, Any] = {}
    used: list[Path] = []
    for file in files:
        if file.suffix.lower() != ".json":
            continue
        try:
            document = json.loads(file.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError, RecursionError) as error:
            raise FormatError(f"{file}: cannot be read as JSON ({error}); mend it or write it again") from error
        if not isinstance(document, dict) or (file.name != _DOCUMENT and not {"parameters", "qoi"} & set(document)):
            continue
        for key in ("parameters", "qoi"):
            if not isinstance(document.get(key, {}), dict):
                raise FormatError(f"{file}: {key!r} is not a table of names and numbers; write it as one")
        if twice := sorted(set(merged) & set(document)):
            raise FormatError(f"{file}: {twice[0]!r} stands in {used[-1].name}, too; keep one of the two files")
        merged |= document
        used.append(file)
    return merged, used


def _write_geometry(shape: Path | pv.PolyData | None, folder: Path) -> None:
    if isinstance(shape, Path):
        if not shape.is_file():
            raise FormatError(f"{shape}: there is no such file; the case's design names it as its geometry")
        shutil.copyfile(shape, folder / f"geometry{shape.suffix.lower()}")
    elif shape is not None:
        triangles = shape.triangulate()
        if triangles.n_cells == 0:
            write_mesh(shape, folder / "geometry.vtp")
        else:
            triangles.save(folder / "geometry.stl", binary=True)
