"""A case in SI from what a reader found, a table's row, and a contract."""

from __future__ import annotations

import fnmatch
from collections.abc import Collection as Collection_
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyvista as pv
from numpy.typing import NDArray

from tramontane.case import Case, Provenance
from tramontane.contract import Contract, DomainSpec, FieldSpec
from tramontane.design import Design
from tramontane.errors import ContractError, FormatError, UnitError
from tramontane.formats.results import (
    GEOMETRY_UNIT,
    PATCH,
    SHOWN_UNITS,
    CaseSource,
    Collection,
    Results,
    patches_of,
    set_patches,
)
from tramontane.formats.tables.table import QOI
from tramontane.io.hashes import file_sha256
from tramontane.large_arrays import bad_rows
from tramontane.units import (
    Quantity,
    assumed_unit,
    compatible,
    difference_to_si,
    dimension,
    has_offset,
    in_si,
    one_style,
    si_factor,
    si_unit,
    unit_in_name,
)

_ABSOLUTE = 50.0  # times the largest velocity's square, m^2/s^2: above that, a pressure is absolute and in Pa


def assemble(
    name: str,
    path: Path,
    results: Results,
    *,
    contract: Contract | None = None,
    row: Mapping[str, Quantity] | None = None,
    length_unit: str = "m",
) -> Case:
    """The case in SI.

    A quantity's unit is what its file states, else what the contract says, else what stands behind its name
    (``drag_kN``), else what its name suggests; the last is noted in ``provenance.extra["assumed_units"]``.
    Parameters keep the unit they were written in.

    Args:
        name: Of the case.
        path: Its folder or file, for messages.
        results: What a reader found; its meshes are taken over and changed.
        contract: Obeyed where given: only what it names is kept, under its names, and all of it must be there.
        row: Parameters and QoIs of this case from a table; a QoI's name starts with ``qoi.``.
        length_unit: Of meshes and geometry where neither their files nor a contract say. A geometry file that is not in
            the contract's unit, or without one in this, has its own in ``provenance.extra["geometry_unit"]``.

    Raises:
        FormatError: A field holds numbers that are not finite; file and field are named.
        ContractError: Something that the contract names is missing, or in a unit of another dimension.
    """
    with ThreadPoolExecutor(1) as beside:
        hashes = beside.map(file_sha256, results.files)
        return _assembled(name, path, results, contract, row, length_unit, hashes)


def _assembled(
    name: str,
    path: Path,
    results: Results,
    contract: Contract | None,
    row: Mapping[str, Quantity] | None,
    length_unit: str,
    hashes: Iterable[str],
) -> Case:
    units = _Units(contract)
    meshes = dict(results.meshes) if contract is None else _by_contract(path, results, contract)
    length = si_factor(results.length_unit or (contract.length_unit if contract else length_unit))
    beside = frozenset(name for mesh in results.meshes.values() for name in mesh.array_names)
    for domain, mesh in meshes.items():
        if length != 1.0:
            mesh.points = mesh.points * mesh.points.dtype.type(length)
        file = _file_of(path, results, domain)
        for data in (mesh.point_data, mesh.cell_data):
            for field in list(data.keys()):
                _scale_field(file, domain, field, data, results.units.get(f"{domain}/{field}"), units, beside)
    if contract is not None:
        _check_fields(path, meshes, contract)

    file = next((file for file in results.files if file.suffix.lower() == ".json"), _document(path))
    given, stated_qoi = dict(results.parameters), dict(results.qoi)
    for key, quantity in (row or {}).items():
        bare = key.removeprefix(QOI)
        (stated_qoi if _is_result(key, contract) else given).setdefault(bare, quantity)
    _check_absent(results, contract)
    if contract is not None:
        given = _renamed(file, "parameter", given, contract.parameters)
        stated_qoi = _renamed(file, "QoI", stated_qoi, contract.qoi)
    parameters = {key: units.of_parameter(file, key, quantity) for key, quantity in given.items()}
    qoi = {key: units.of_qoi(file, key, quantity) for key, quantity in stated_qoi.items()}
    extra = dict(results.extra) | ({"assumed_units": units.assumed} if units.assumed else {})
    extra |= {"warnings": list(results.warnings)} if results.warnings else {}
    shown = {key: quantity.unit for key, quantity in qoi.items() if quantity.unit != si_unit(quantity.unit or "")}
    extra |= {SHOWN_UNITS: shown} if shown else {}
    geometry = results.geometry
    if isinstance(geometry, pv.PolyData) and length != 1.0:
        geometry = geometry.copy()
        geometry.points = geometry.points * geometry.points.dtype.type(length)
    elif isinstance(geometry, Path):
        usual = contract.length_unit if contract else length_unit
        stated = extra.pop(GEOMETRY_UNIT, None) or (usual if contract else results.length_unit or usual)
        extra |= {GEOMETRY_UNIT: _length_unit(file, stated)} if stated != usual else {}
    root = path if path.is_dir() else path.parent
    return Case(
        name=name,
        design=Design(geometry, **parameters),
        meshes=meshes,
        qoi={key: in_si(quantity.value, quantity.unit or "") for key, quantity in qoi.items()},
        field_units=units.fields,
        qoi_units={key: si_unit(quantity.unit or "") for key, quantity in qoi.items()},
        provenance=Provenance(
            sources={_relative(file, root): digest for file, digest in zip(results.files, hashes, strict=True)},
            solver=results.solver,
            version=results.version,
            extra=extra,
        ),
    )


class _Units:
    """Which unit each quantity of a case is in, and what was assumed for want of a statement."""

    def __init__(self, contract: Contract | None) -> None:
        self.contract = contract
        self.fields: dict[str, str] = {}
        self.assumed: dict[str, str] = {}

    def of_field(self, file: Path, domain: str, name: str, stated: str | None, beside: Collection_[str], *,
                 kinematic: bool = False) -> str:  # fmt: skip
        spec = self.contract.fields.get(domain, {}).get(name) if self.contract else None
        unit = self._find(file, f"field {domain}/{name}", name, stated, spec.unit if spec else None, beside)
        if kinematic and self.assumed.get(name) == "Pa":
            self.assumed[name] = unit = "m^2/s^2"
        if self.fields.setdefault(name, si_unit(unit)) != si_unit(unit):
            raise FormatError(f"{file}: field {domain}/{name} is in {unit or 'no unit'}, on another domain in "
                              f"{self.fields[name] or 'no unit'}; give the two fields two names")  # fmt: skip
        return unit

    def of_parameter(self, file: Path, name: str, given: Quantity) -> Quantity:
        spec = self.contract.parameters.get(name) if self.contract else None
        return Quantity(
            given.value, self._find(file, f"parameter {name}", name, given.unit, spec.unit if spec else None)
        )

    def of_qoi(self, file: Path, name: str, given: Quantity) -> Quantity:
        spec = self.contract.qoi.get(name) if self.contract else None
        return Quantity(given.value, self._find(file, f"QoI {name}", name, given.unit, spec.unit if spec else None))

    def _find(
        self,
        file: Path,
        label: str,
        name: str,
        stated: str | None,
        declared: str | None,
        beside: Collection_[str] | None = None,
    ) -> str:
        try:
            if stated is not None and declared is not None and not compatible(stated, declared):
                raise ContractError(f"{file}: {label} is in {stated or 'no unit'}, the contract says "
                                    f"{declared or 'no unit'}; correct one of them")  # fmt: skip
            if stated is not None:
                return one_style(stated)
        except UnitError as error:
            raise FormatError(f"{file}: {label}: {error}") from error
        if declared is not None:
            return declared
        if (written := unit_in_name(name)) is not None:
            return written
        guess = assumed_unit(name, beside=beside)
        if guess is not None:
            self.assumed[name] = guess
        return guess or ""


def assemble_source(
    source: CaseSource, results: Results, collection: Collection, *, contract: Contract | None = None
) -> Case:
    """What `assemble` makes of a source's results, with its row of the collection's table and the set's length unit."""
    return assemble(
        source.name, source.path, results, contract=contract, row=collection.table.get(source.name),
        length_unit=contract.length_unit if contract else collection.length_unit,
    )  # fmt: skip


def _by_contract(path: Path, results: Results, contract: Contract) -> dict[str, Any]:
    """The meshes that a contract names, under its names, with the fields that it names and the patches that it wants.

    ``results.units`` is brought to the same names.
    """
    if not contract.fields:
        return dict(results.meshes)
    meshes: dict[str, Any] = {}
    stated = dict(results.units)
    for domain, specs in contract.fields.items():
        spec = contract.domains.get(domain, DomainSpec())
        source = spec.source or domain
        if source not in results.meshes:
            others = f", or name one of {', '.join(results.meshes)}" if results.meshes else ""
            raise ContractError(f"{path}: domain {source} is missing; add {source}.vtu or {source}.vtp{others}")
        mesh = results.meshes[source].copy(deep=False)
        if spec.patches:
            mesh = _only_patches(path, domain, mesh, spec.patches)
        wanted = {field_spec.source or name: name for name, field_spec in specs.items()}
        for location, data in (("point", mesh.point_data), ("cell", mesh.cell_data)):
            for key in list(data.keys()):
                name = wanted.get(key)
                if name is None:
                    if key != PATCH:
                        del data[key]
                elif specs[name].location != location and key in _other(mesh, location):
                    del data[key]
                elif name != key:
                    data[name] = data[key]
                    del data[key]
        for key, name in wanted.items():
            if f"{source}/{key}" in stated:
                results.units[f"{domain}/{name}"] = stated[f"{source}/{key}"]
        meshes[domain] = mesh
    return meshes


def _only_patches(path: Path, domain: str, mesh: Any, patterns: tuple[str, ...]) -> Any:
    patches = patches_of(mesh)
    if patches is None:
        raise ContractError(f"{path}: domain {domain} has no named patches; remove patches from the contract")
    ids, names = patches
    kept = [index for index, name in enumerate(names) if any(fnmatch.fnmatchcase(name, each) for each in patterns)]
    if not kept:
        raise ContractError(f"{path}: domain {domain} has no patch {', '.join(patterns)}; it has {', '.join(names)}")
    chosen = mesh.extract_cells(np.flatnonzero(np.isin(ids, kept)), progress_bar=False)
    surface = chosen.extract_surface(algorithm="dataset_surface") if isinstance(mesh, pv.PolyData) else chosen
    for name in ("vtkOriginalPointIds", "vtkOriginalCellIds"):
        for data in (surface.point_data, surface.cell_data):
            if name in data.keys():  # noqa: SIM118 (PyVista's data does not iterate over its names)
                del data[name]
    new = {old: index for index, old in enumerate(kept)}
    set_patches(surface, np.array([new[old] for old in np.asarray(surface.cell_data[PATCH])]), [names[i] for i in kept])
    return surface


def _other(mesh: pv.DataSet, location: str) -> list[str]:
    data = mesh.cell_data if location == "point" else mesh.point_data
    return list(data.keys())


def _scale_field(file: Path, domain: str, name: str, data: Any, stated: str | None, units: _Units,
                 beside: Collection_[str]) -> None:  # fmt: skip
    """Turn a field into SI in place; whole numbers (identifiers, flags) are not fields and stay."""
    values = np.asarray(data[name])
    if not np.issubdtype(values.dtype, np.floating):
        return
    bad = bad_rows(values)
    if len(bad):
        raise FormatError(f"{file}: field {domain}/{name} is NaN or infinite at {len(bad)} of {len(values)} places, "
                          f"the first is {bad[0]}; run the case again or leave it out")  # fmt: skip
    unit = units.of_field(file, domain, name, stated, beside, kinematic=name == "p" and _is_kinematic(values, data))
    if has_offset(unit):
        absolute = values.astype(np.float64) * difference_to_si(1.0, unit) + in_si(0.0, unit)
        data[name] = absolute.astype(values.dtype)
    elif (factor := si_factor(unit)) != 1.0:
        data[name] = values * values.dtype.type(factor)


def _is_kinematic(pressure: NDArray[Any], data: Any) -> bool:
    """Whether a ``p`` beside OpenFOAM's ``U`` may be over the density, as all of its incompressible solvers write it.

    An absolute pressure in Pa is far above any dynamic one.
    """
    velocity = data["U"] if "U" in data.keys() else None  # noqa: SIM118 (PyVista's data does not iterate over its names)
    if velocity is None or np.ndim(velocity) != 2 or pressure.ndim != 1 or not len(pressure):
        return False
    return not float(pressure.min()) > _ABSOLUTE * float(np.square(np.asarray(velocity, dtype=np.float64)).sum(1).max())


def _check_fields(path: Path, meshes: Mapping[str, pv.DataSet], contract: Contract) -> None:
    """Every field of the contract is there, where the contract says, with the components that it says."""
    for domain, specs in contract.fields.items():
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
                raise ContractError(f"{path}: field {domain}/{_source(name, spec)} is missing; export it, or remove it "
                                    "from the contract")  # fmt: skip


def _length_unit(file: Path, unit: Any) -> str:
    try:
        if dimension(str(unit)) == dimension("m"):
            return str(unit)
    except UnitError as error:
        raise FormatError(f"{file}: {GEOMETRY_UNIT}: {error}") from error
    raise FormatError(f"{file}: {GEOMETRY_UNIT} = {unit} is no unit of length; write one such as 'mm'")


def _source(name: str, spec: FieldSpec) -> str:
    return spec.source or name


def _sources(specs: Mapping[str, Any]) -> dict[str, str]:
    """The contract's name by the files' name."""
    return {spec.source or name: name for name, spec in specs.items()}


def _is_result(key: str, contract: Contract | None) -> bool:
    """Whether a column of a table holds a QoI: as it says, unless a contract knows its name as the other one only."""
    bare, says = key.removeprefix(QOI), key.startswith(QOI)
    if contract is None:
        return says
    as_qoi, as_parameter = bare in _sources(contract.qoi), bare in _sources(contract.parameters)
    return says if as_qoi == as_parameter else as_qoi


def _check_absent(results: Results, contract: Contract | None) -> None:
    """Raise the first reason why a number is not there, of those that a contract asks for."""
    wanted = None if contract is None else {*_sources(contract.parameters), *_sources(contract.qoi)}
    reasons = [reason for name, reason in results.absent.items() if wanted is None or name in wanted]
    if reasons:
        raise FormatError(reasons[0] + (f" (and {len(reasons) - 1} more in this line)" if len(reasons) > 1 else ""))


def _renamed(file: Path, kind: str, has: Mapping[str, Quantity], wanted: Mapping[str, Any]) -> dict[str, Quantity]:
    """What the contract names, under its names, in its order; a QoI that fields define may be missing."""
    missing = [
        spec.source or name
        for name, spec in wanted.items()
        if (spec.source or name) not in has and getattr(spec, "definition", None) is None
    ]
    if missing:
        raise ContractError(f"{file}: {kind} {', '.join(missing)} is missing; add it to the case's JSON or to a CSV "
                            "beside the cases, or remove it from the contract")  # fmt: skip
    return {name: has[spec.source or name] for name, spec in wanted.items() if (spec.source or name) in has}


def _file_of(path: Path, results: Results, domain: str) -> Path:
    """The file that a domain came from, as far as names tell."""
    return next((file for file in results.files if file.stem == domain), path)


def _document(path: Path) -> Path:
    return path / "case.json" if path.is_dir() else path


def _relative(file: Path, root: Path) -> str:
    try:
        return file.relative_to(root).as_posix()
    except ValueError:
        return file.name
