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

from tramontane.case import Case, Provenance
from tramontane.contract import Contract
from tramontane.design import Design, file_sha256
from tramontane.errors import ContractError, FormatError, UnitError
from tramontane.formats import geometry, vtk
from tramontane.formats.meshes import read_meshes, stored_units, write_mesh
from tramontane.formats.table import QOI, read_number, read_table
from tramontane.units import Quantity, assumed_unit, dimension, si_factor, si_unit

__all__ = ["find_cases", "is_case", "read_case", "read_table", "write_case"]

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
    if (folder / _DOCUMENT).is_file():
        return [folder]
    blocks = {file.stem for file in folder.glob("*.vtm")}  # the folder beside a .vtm holds its blocks
    subfolders = sorted(sub for sub in folder.iterdir() if sub.is_dir() and not sub.name.startswith("."))
    found = [sub for sub in subfolders if sub.name not in blocks and is_case(sub)]
    if not found and is_case(folder):
        found = [folder]
    if not found:
        raise FormatError(f"{folder}: holds no case; each case is a folder with meshes such as surface.vtp or "
                          "volume.vtu, a geometry such as body.stl, and a case.json")  # fmt: skip
    return found


def is_case(folder: Path) -> bool:
    """Whether a folder holds a mesh of the VTK family or a ``case.json``."""
    return any(file.suffix.lower() in vtk.SUFFIXES or file.name == _DOCUMENT for file in folder.iterdir())


def read_case(
    folder: str | os.PathLike[str], *, contract: Contract | None = None, table: Mapping[str, Any] | None = None
) -> Case:
    """Read a case into SI.

    A quantity's unit is what its file states, else what the contract says, else what its name suggests; the last is
    noted in ``provenance.extra["assumed_units"]``. Parameters keep the unit they were written in.

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
    files = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
    shape = _geometry_file(path, files)
    mesh_files = [file for file in files if file.suffix.lower() in vtk.SUFFIXES and file != shape]
    units = _Units(contract)
    meshes = _read_domains(mesh_files, contract, units)
    if contract is not None:
        _check_fields(path, meshes, contract)

    document, documents = _read_document(files)
    where = documents[0] if documents else path / _DOCUMENT
    given = {
        key: read_number(where, f"parameter {key}", value) for key, value in document.pop("parameters", {}).items()
    }
    results = {key: read_number(where, f"QoI {key}", value) for key, value in document.pop("qoi", {}).items()}
    for key, quantity in (table or {}).get(name, {}).items():
        is_result = key.startswith(QOI) or (contract is not None and key in contract.qoi)
        (results if is_result else given).setdefault(key.removeprefix(QOI), quantity)
    if contract is not None:
        _check_numbers(where, given, results, contract)
        given = {key: given[key] for key in contract.parameters}
        results = {key: results[key] for key in contract.qoi}
    parameters = {key: units.of_parameter(where, key, quantity) for key, quantity in given.items()}
    results = {key: units.of_qoi(where, key, quantity) for key, quantity in results.items()}

    blocks = [
        block for file in mesh_files if file.suffix.lower() == ".vtm" for block in file.with_suffix("").rglob("*")
    ]
    sources = [*mesh_files, *filter(Path.is_file, blocks), *([shape] if shape else []), *documents]
    extra = document | ({"assumed_units": units.assumed} if units.assumed else {})
    return Case(
        name=name,
        design=Design(shape, **parameters),
        meshes=meshes,
        qoi={key: quantity.value * si_factor(quantity.unit or "") for key, quantity in results.items()},
        field_units=units.fields,
        qoi_units={key: si_unit(quantity.unit or "") for key, quantity in results.items()},
        provenance=Provenance(
            sources={str(file.relative_to(path)): file_sha256(file) for file in sources},
            solver=str(extra.pop("solver", "")),
            version=str(extra.pop("version", "")),
            extra=extra,
        ),
    )


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
            text = json.dumps(document | extra, indent=1, allow_nan=False, default=np.ndarray.tolist)
        except (TypeError, ValueError) as error:
            raise FormatError(f"{target}: case {case.name} holds a number that is not finite, or what JSON cannot "
                              f"hold ({error}); correct its parameters, QoIs or provenance") from error  # fmt: skip
        (partial / _DOCUMENT).write_text(text + "\n", encoding="utf-8")
        partial.replace(target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


class _Units:
    """Which unit each quantity of a case is in, and what was assumed for want of a statement."""

    def __init__(self, contract: Contract | None) -> None:
        self.contract = contract
        self.fields: dict[str, str] = {}
        self.assumed: dict[str, str] = {}

    def of_field(self, file: Path, domain: str, name: str, stated: str | None) -> str:
        spec = self.contract.fields.get(domain, {}).get(name) if self.contract else None
        unit = self._find(file, f"field {domain}/{name}", name, stated, spec.unit if spec else None)
        if self.fields.setdefault(name, si_unit(unit)) != si_unit(unit):
            raise FormatError(f"{file}: field {domain}/{name} is in {unit or 'no unit'}, on another domain in "
                              f"{self.fields[name] or 'no unit'}; give the two fields two names")  # fmt: skip
        return unit

    def of_parameter(self, where: Path, name: str, given: Quantity) -> Quantity:
        spec = self.contract.parameters.get(name) if self.contract else None
        return Quantity(
            given.value, self._find(where, f"parameter {name}", name, given.unit, spec.unit if spec else None)
        )

    def of_qoi(self, where: Path, name: str, given: Quantity) -> Quantity:
        spec = self.contract.qoi.get(name) if self.contract else None
        return Quantity(given.value, self._find(where, f"QoI {name}", name, given.unit, spec.unit if spec else None))

    def _find(self, where: Path, label: str, name: str, stated: str | None, declared: str | None) -> str:
        try:
            if stated is not None and declared is not None and dimension(stated) != dimension(declared):
                raise ContractError(f"{where}: {label} is in {stated or 'no unit'}, the contract says "
                                    f"{declared or 'no unit'}; correct one of them")  # fmt: skip
            if stated is not None:
                si_factor(stated)
                return stated
        except UnitError as error:
            raise FormatError(f"{where}: {label}: {error}") from error
        if declared is not None:
            return declared
        guess = assumed_unit(name)
        if guess is not None:
            self.assumed[name] = guess
        return guess or ""


def _read_domains(files: list[Path], contract: Contract | None, units: _Units) -> dict[str, pv.DataSet]:
    meshes: dict[str, pv.DataSet] = {}
    length = si_factor(contract.length_unit) if contract else 1.0
    for file in files:
        for domain, mesh in read_meshes(file).items():
            if contract is not None and contract.fields and domain not in contract.fields:
                continue
            if domain in meshes:
                raise FormatError(f"{file}: domain {domain} stands in another file of this case, too; keep one")
            if length != 1.0:
                mesh.points = mesh.points * mesh.points.dtype.type(length)
            stated = stored_units(mesh)
            for location, data in (("point", mesh.point_data), ("cell", mesh.cell_data)):
                for name in list(data.keys()):
                    if contract is not None and contract.fields:
                        spec = contract.fields[domain].get(name)
                        if spec is None or (spec.location != location and name in _other(mesh, location)):
                            del data[name]
                            continue
                    _scale_field(file, domain, name, data, stated, units)
            meshes[domain] = mesh
    return meshes


def _other(mesh: pv.DataSet, location: str) -> list[str]:
    data = mesh.cell_data if location == "point" else mesh.point_data
    return list(data.keys())


def _scale_field(file: Path, domain: str, name: str, data: Any, stated: Mapping[str, str], units: _Units) -> None:
    """Turn a field into SI in place; whole numbers (identifiers, flags) are not fields and stay."""
    values = np.asarray(data[name])
    if not np.issubdtype(values.dtype, np.floating):
        return
    bad = np.flatnonzero(~np.isfinite(values.reshape(len(values), -1)).all(axis=1))
    if len(bad):
        raise FormatError(f"{file}: field {domain}/{name} is NaN or infinite at {len(bad)} of {len(values)} places, "
                          f"the first is {bad[0]}; run the case again or leave it out")  # fmt: skip
    factor = si_factor(units.of_field(file, domain, name, stated.get(name)))
    if factor != 1.0:
        data[name] = values * values.dtype.type(factor)


def _check_fields(path: Path, meshes: Mapping[str, pv.DataSet], contract: Contract) -> None:
    """Every field of the contract is there, where the contract says, with the components that it says."""
    for domain, specs in contract.fields.items():
        if domain not in meshes:
            raise ContractError(f"{path}: domain {domain} is missing; add {domain}.vtu or {domain}.vtp")
        for name, spec in specs.items():
            mesh = meshes[domain]
            data = mesh.point_data if spec.location == "point" else mesh.cell_data
            if name in data.keys():  # noqa: SIM118 (PyVista's data does not iterate over its names)
                components = 1 if data[name].ndim == 1 else data[name].shape[1]
                if components != spec.components:
                    raise ContractError(f"{path}: field {domain}/{name} has {components} components, the contract says "
                                        f"{spec.components}; export it so, or correct the contract")  # fmt: skip
            elif name in _other(mesh, spec.location):
                raise ContractError(f"{path}: field {domain}/{name} is not {spec.location} data, as the contract says; "
                                    "export it so, or correct the contract")  # fmt: skip
            else:
                raise ContractError(f"{path}: field {domain}/{name} is missing; export it, or remove it from the "
                                    "contract")  # fmt: skip


def _check_numbers(where: Path, given: Mapping[str, Any], results: Mapping[str, Any], contract: Contract) -> None:
    for kind, wanted, has in (("parameter", contract.parameters, given), ("QoI", contract.qoi, results)):
        if missing := [name for name in wanted if name not in has]:
            raise ContractError(f"{where}: {kind} {', '.join(missing)} is missing; add it, or remove it from the "
                                "contract")  # fmt: skip


def _geometry_file(path: Path, files: list[Path]) -> Path | None:
    found = [file for file in files if file.suffix.lower() in _GEOMETRY_SUFFIXES]
    found = found or [file for file in files if file.name.lower() == "geometry.vtp"]
    if len(found) > 1:
        raise FormatError(f"{path}: holds {len(found)} geometry files ({', '.join(file.name for file in found)}); "
                          "keep the one that the case was run on")  # fmt: skip
    return found[0] if found else None


def _read_document(files: list[Path]) -> tuple[dict[str, Any], list[Path]]:
    """What the JSON files with parameters or QoIs say, taken together, and which files these are."""
    merged: dict[str, Any] = {}
    used: list[Path] = []
    for file in files:
        if file.suffix.lower() != ".json":
            continue
        try:
            document = json.loads(file.read_text(encoding="utf-8"))
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
