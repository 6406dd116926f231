"""A folder of cases: meshes named after their domains, a geometry, and a JSON of parameters and QoIs in each."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyvista as pv

from tramontane.case import Case, Provenance
from tramontane.contract import Contract
from tramontane.design import Design, file_sha256
from tramontane.errors import ContractError, FormatError
from tramontane.formats import geometry as geometry_format
from tramontane.formats import meshes as mesh_files
from tramontane.formats import vtk
from tramontane.units import Quantity, assumed_unit, parse_quantity, si_factor, si_unit, to_si

Table = dict[str, dict[str, Quantity]]
_GEOMETRY_SUFFIXES = tuple(suffix for suffix in geometry_format.SUFFIXES if suffix not in vtk.SUFFIXES)
_HEADER = re.compile(r"^\s*(?:(qoi)[.:])?\s*(.*?)\s*(?:[\[(]\s*([^\])]*)\s*[\])])?\s*$")


def find_cases(root: str | os.PathLike[str]) -> list[Path]:
    """The case folders below ``root``, sorted, or ``root`` itself where it is one.

    Raises:
        FormatError: There is none.
    """
    folder = Path(root)
    if not folder.is_dir():
        raise FormatError(f"{folder}: is no folder; name a folder of cases")
    found = sorted(sub for sub in folder.iterdir() if sub.is_dir() and not sub.name.startswith(".") and is_case(sub))
    if not found and is_case(folder):
        found = [folder]
    if not found:
        raise FormatError(f"{folder}: holds no case; each case is a folder with meshes such as surface.vtp or "
                          "volume.vtu, a geometry such as body.stl, and a case.json")  # fmt: skip
    return found


def is_case(folder: Path) -> bool:
    """Whether a folder holds a mesh of the VTK family."""
    return any(file.suffix.lower() in vtk.SUFFIXES for file in folder.iterdir())


def read_case(folder: str | os.PathLike[str], *, contract: Contract | None = None, table: Table | None = None) -> Case:
    """Read a case into SI.

    A quantity's unit is what its file states, else what the contract says, else what its name suggests; the last is
    noted in ``provenance.extra["assumed_units"]``.

    Args:
        folder: Of the case.
        contract: Obeyed where given: only what it names is read, and all of it must be there.
        table: Parameters and QoIs of all cases, from `read_table`.

    Raises:
        TramontaneError: A file is damaged, or something that the contract names is missing; both are named.
    """
    path = Path(folder)
    length = si_factor(contract.length_unit) if contract else 1.0
    files = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
    sources = {file.name: file_sha256(file) for file in files}
    assumed: dict[str, str] = {}
    field_units: dict[str, str] = {}
    meshes: dict[str, pv.DataSet] = {}
    for file in files:
        if file.suffix.lower() in vtk.SUFFIXES:
            for domain, mesh in mesh_files.read_meshes(file).items():
                if contract is not None and contract.fields and domain not in contract.fields:
                    continue
                if length != 1.0:
                    mesh.points = mesh.points * length
                meshes[domain] = mesh
    for domain, mesh in meshes.items():
        _scale_fields(path, domain, mesh, contract, field_units, assumed)
    if contract is not None:
        _check_fields(path, meshes, contract)
    geometries = [file for file in files if file.suffix.lower() in _GEOMETRY_SUFFIXES]
    if len(geometries) > 1:
        names = ", ".join(file.name for file in geometries)
        raise FormatError(f"{path}: holds several geometry files ({names}); keep the one that the case was run on")
    document = _read_document(path, files)
    row = (table or {}).get(path.name, {})
    given = {name: _quantity(path, name, value) for name, value in document.pop("parameters", {}).items()}
    given |= {name: value for name, value in row.items() if not name.startswith("qoi.")}
    results = {name: _quantity(path, name, value) for name, value in document.pop("qoi", {}).items()}
    results |= {name.removeprefix("qoi."): value for name, value in row.items() if name.startswith("qoi.")}
    if contract is not None:
        for name in contract.qoi:
            if name in given and name not in results:
                results[name] = given.pop(name)
        _check_scalars(path, given, results, contract)
        given = {name: value for name, value in given.items() if name in contract.parameters}
        results = {name: value for name, value in results.items() if name in contract.qoi}
    units = {} if contract is None else {name: spec.unit for name, spec in contract.parameters.items()}
    parameters = {name: Quantity(q.value, _unit(name, q.unit, units, assumed)) for name, q in given.items()}
    units = {} if contract is None else {name: spec.unit for name, spec in contract.qoi.items()}
    result_units = {name: _unit(name, q.unit, units, assumed) for name, q in results.items()}
    extra = document | ({"assumed_units": assumed} if assumed else {})
    return Case(
        name=path.name,
        design=Design(geometries[0] if geometries else None, **parameters),
        meshes=meshes,
        qoi={name: to_si(Quantity(q.value, result_units[name]), unit=result_units[name], name=f"{path}: QoI {name}")
             for name, q in results.items()},
        field_units=field_units,
        qoi_units={name: si_unit(unit) for name, unit in result_units.items()},
        provenance=Provenance(sources, str(extra.pop("solver", "")), str(extra.pop("version", "")), extra),
    )  # fmt: skip


def read_table(root: str | os.PathLike[str]) -> Table:
    """Parameters and QoIs of a whole folder, from the CSV file in it, by case name; empty where there is none.

    The first column names the case. A header may carry a unit, ``load [N]``, and says ``qoi:`` before what is a
    result.

    Raises:
        FormatError: Several CSV files, a row of the wrong length, or an entry that is no number.
    """
    folder = Path(root)
    files = sorted(folder.glob("*.csv"))
    if not files:
        return {}
    if len(files) > 1:
        raise FormatError(f"{folder}: holds {len(files)} CSV files; keep the one with the parameters of the cases")
    file = files[0]
    try:
        rows = [row for row in csv.reader(file.read_text(encoding="utf-8-sig").splitlines()) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise FormatError(f"{file}: cannot be read as CSV ({error}); save it as UTF-8 with commas") from error
    if len(rows) < 2:
        raise FormatError(f"{file}: has no rows; its first line names the columns, each other line is a case")
    heads = [match.groups() for head in rows[0][1:] if (match := _HEADER.match(head))]
    table: Table = {}
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(rows[0]):
            raise FormatError(f"{file}: line {number} has {len(row)} columns, the first has {len(rows[0])}; mend it")
        entries: dict[str, Quantity] = {}
        for (qoi, name, unit), text in zip(heads, row[1:], strict=True):
            if text.strip() == "":
                continue
            quantity = _quantity(file, f"line {number}, {name}", text)
            entries[f"qoi.{name}" if qoi else name] = Quantity(quantity.value, quantity.unit or unit)
        table[row[0].strip()] = entries
    return table


def write_case(case: Case, folder: str | os.PathLike[str]) -> None:
    """Write a case as a folder that `read_case` reads: whole, or not at all.

    Raises:
        FormatError: The folder exists.
    """
    target = Path(folder)
    if target.exists():
        raise FormatError(f"{target}: exists; a case is not overwritten, choose another folder")
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for domain, mesh in case.meshes.items():
        fields = case.field_names(domain)
        units = {name: case.field_units[name] for name in fields if name in case.field_units}
        suffix = ".vtp" if isinstance(mesh, pv.PolyData) else ".vtu"
        mesh_files.write_mesh(mesh, partial / f"{domain}{suffix}", units=units)
    if isinstance(case.design.geometry, Path):
        shutil.copyfile(case.design.geometry, partial / f"geometry{case.design.geometry.suffix}")
    elif case.design.geometry is not None:
        case.design.geometry.save(partial / "geometry.stl")
    document = {
        "parameters": {key: {"value": q.value, "unit": q.unit} for key, q in case.design.parameters.items()},
        "qoi": {key: {"value": value, "unit": case.qoi_units.get(key, "")} for key, value in case.qoi.items()},
        "solver": case.provenance.solver,
        "version": case.provenance.version,
        **case.provenance.extra,
    }
    (partial / "case.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    partial.replace(target)


def _scale_fields(
    path: Path,
    domain: str,
    mesh: pv.DataSet,
    contract: Contract | None,
    field_units: dict[str, str],
    assumed: dict[str, str],
) -> None:
    """Turn a mesh's fields into SI in place, and drop what a contract does not name."""
    stated = mesh_files.stored_units(mesh)
    specs = contract.fields.get(domain, {}) if contract else {}
    for data in (mesh.point_data, mesh.cell_data):
        for name in list(data.keys()):
            if contract is not None and contract.fields and name not in specs:
                del data[name]
                continue
            declared = {name: specs[name].unit} if name in specs else {}
            unit = _unit(name, stated.get(name), declared, assumed)
            field_units[name] = si_unit(unit)
            values = np.asarray(data[name])
            if not np.issubdtype(values.dtype, np.floating):
                continue
            bad = np.flatnonzero(~np.isfinite(values.reshape(len(values), -1)).all(axis=1))
            if len(bad):
                raise FormatError(f"{path}: field {domain}/{name} is not finite at {len(bad)} of {len(values)} places, "
                                  f"the first is {bad[0]}; run the case again or leave it out")  # fmt: skip
            if (factor := si_factor(unit)) != 1.0:
                data[name] = values * values.dtype.type(factor)


def _check_fields(path: Path, meshes: Mapping[str, pv.DataSet], contract: Contract) -> None:
    for domain, specs in contract.fields.items():
        if domain not in meshes:
            raise ContractError(f"{path}: domain {domain!r} is missing; add {domain}.vtu or {domain}.vtp")
        for name, spec in specs.items():
            data = meshes[domain].point_data if spec.location == "point" else meshes[domain].cell_data
            if name not in data.keys():  # noqa: SIM118 (PyVista's data does not iterate over its names)
                raise ContractError(f"{path}: field {domain}/{name} is missing at {spec.location}s; export it, "
                                    "or remove it from the contract")  # fmt: skip


def _check_scalars(
    path: Path, given: Mapping[str, Quantity], results: Mapping[str, Quantity], contract: Contract
) -> None:
    for kind, wanted, has in (("parameter", contract.parameters, given), ("QoI", contract.qoi, results)):
        if missing := [name for name in wanted if name not in has]:
            raise ContractError(f"{path}: {kind} {', '.join(missing)} is missing; add it to case.json, "
                                "or remove it from the contract")  # fmt: skip


def _read_document(path: Path, files: list[Path]) -> dict[str, Any]:
    documents: dict[str, Any] = {}
    for file in files:
        if file.suffix.lower() != ".json":
            continue
        try:
            document = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise FormatError(f"{file}: cannot be read as JSON ({error}); mend it") from error
        if isinstance(document, dict) and (file.name == "case.json" or {"parameters", "qoi"} & set(document)):
            for key in ("parameters", "qoi"):
                if not isinstance(document.get(key, {}), dict):
                    raise FormatError(f"{file}: {key!r} is not a table of names and numbers; write it as one")
            documents |= document
    return documents


def _quantity(path: Path, name: str, value: Any) -> Quantity:
    stated = value if isinstance(value, dict) else {"value": value}
    number, unit = stated.get("value"), stated.get("unit")
    if isinstance(number, bool) or not isinstance(number, (int, float, str)):
        raise FormatError(f'{path}: {name} = {value!r} is no number; write one, or {{"value": 1.0, "unit": "N"}}')
    try:
        quantity = parse_quantity(number, name=name)
        si_factor(unit or "")
    except Exception as error:
        raise FormatError(f"{path}: {error}") from error
    if not np.isfinite(quantity.value):
        raise FormatError(f"{path}: {name} is not finite; mend it or leave the case out")
    return Quantity(quantity.value, quantity.unit if unit is None else str(unit))


def _unit(name: str, stated: str | None, declared: Mapping[str, str], assumed: dict[str, str]) -> str:
    if stated is not None:
        return stated
    if name in declared:
        return declared[name]
    assumed[name] = assumed_unit(name) or ""
    return assumed[name]
