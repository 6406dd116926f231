"""Designs from what is at hand: a geometry file, the results of a case, or a case of a dataset."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyvista as pv

from tramontane.contract import Contract
from tramontane.dataset import Dataset
from tramontane.dataset.ingest.run import CONTRACT_FILE
from tramontane.dataset.ingest.staging import case_geometry
from tramontane.design import Design
from tramontane.errors import ContractError, FormatError
from tramontane.formats.assemble import assemble
from tramontane.formats.collection import open_collection
from tramontane.formats.results import CaseSource, Collection
from tramontane.formats.surfaces.geometry import SUFFIXES as GEOMETRY_SUFFIXES
from tramontane.formats.tables.designs import LAYOUT as TABLE
from tramontane.formats.tables.designs import is_table, read_designs
from tramontane.formats.tables.table import QOI
from tramontane.units import Quantity, from_si, parse_quantity

_NAMED = 6  # cases in a message


def find_design(
    source: str | os.PathLike[str] | None,
    contract: Contract,
    settings: Mapping[str, str | Quantity],
    *,
    shapes: bool,
    case: str | None = None,
    length_unit: str | None = None,
) -> Design:
    """The design that a path stands for.

    Args:
        source: A geometry file; a case's results, whose geometry and parameters are taken as `ingest` would read them;
            a folder, table or dataset of many cases; or None where the parameters alone say which design is meant.
        contract: Of what is to be asked: its parameters are looked for, bare numbers and lengths are in its units.
        settings: Parameters that are set; they stand above those that are read.
        shapes: Whether geometries are asked for; where not, that of a case is left out.
        case: Name of the case, where the source holds several.
        length_unit: Of a geometry file, or of those of a table where no header says it; None takes the contract's.

    Returns:
        The design; a geometry that was read is in metres.

    Raises:
        TramontaneError: There is no such case, several and none is named, or it cannot be read.
    """
    given = {name: parse_quantity(value, name=name) for name, value in settings.items()}
    if source is None:
        if case is not None:
            raise ContractError(f"case {case} is of nothing; name the dataset or folder that it is in, too")
        return Design(None, **given)
    path = Path(source)
    if Dataset.is_dataset(source):
        geometry, read = _of_dataset(Dataset.open(source), contract, case)
        return Design(geometry if shapes else None, **(read | given))
    if path.suffix.lower() in GEOMETRY_SUFFIXES and not path.is_dir():
        if case is not None:
            raise ContractError(f"{path}: is a geometry, and holds no case {case}; leave --case out")
        return Design(path, length_unit=length_unit, **given)
    if length_unit is not None and not is_table(path):
        raise ContractError(f"{path}: results state their own unit of length, or a contract.toml beside them does; "
                            f"leave {length_unit!r} out")  # fmt: skip
    collection = (
        read_designs(path, length_unit=length_unit or contract.length_unit) if is_table(path) else open_collection(path)
    )
    geometry, read = _of_results(_chosen(collection, case), collection, contract)
    return Design(geometry if shapes else None, **(read | given))


def settings_text(design: Design, contract: Contract) -> str:
    """A design's parameters as people read them; bare numbers are in the contract's units."""
    units = {name: contract.parameters[name].unit for name in design.parameters if name in contract.parameters}
    shown = (
        f"{name} = {Quantity(value, units.get(name) if unit is None else unit)}"
        for name, (value, unit) in design.parameters.items()
    )
    return ", ".join(shown) or "no parameters"


def _of_dataset(
    dataset: Dataset, contract: Contract, case: str | None
) -> tuple[pv.PolyData | None, dict[str, Quantity]]:
    name = _named(str(dataset.path), dataset.names, case)
    values = {key: value for key, value in dataset.parameters(name).items() if key in contract.parameters}
    units = {key: dataset.contract.parameters[key].unit for key in values if key in dataset.contract.parameters}
    read = {key: Quantity(from_si(values[key], unit), unit) for key, unit in units.items()}
    return (dataset.geometry(name) if dataset.has_geometry(name) else None), read


def _of_results(
    source: CaseSource, collection: Collection, contract: Contract
) -> tuple[pv.PolyData | None, dict[str, Quantity]]:
    """Geometry in metres and parameters of a case; its fields are not looked at."""
    results = source.read()
    for mesh in results.meshes.values():
        mesh.clear_data()
    row = collection.table.get(source.name, {})
    root = collection.root if source.path != collection.root else collection.root.resolve().parent
    file = root / CONTRACT_FILE
    source_contract = Contract.from_toml(file) if file.is_file() else contract
    stated = {*results.parameters, *(key.removeprefix(QOI) for key in row)}
    parameters = {name: spec for name, spec in source_contract.parameters.items()
                  if (spec.source or name) in stated and name in contract.parameters}  # fmt: skip
    results.qoi, results.units, results.absent = {}, {}, {}
    unit = collection.length_unit if collection.layout == TABLE else source_contract.length_unit
    read = assemble(
        source.name, source.path, results, contract=Contract(length_unit=unit, parameters=parameters), row=row
    )
    return case_geometry(read, unit), dict(read.design.parameters)


def _chosen(collection: Collection, case: str | None) -> CaseSource:
    names = [source.name for source in collection.sources]
    return collection.sources[names.index(_named(str(collection.root), names, case))]


def _named(source: str, names: Sequence[str], case: str | None) -> str:
    shown = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    if case is None and len(names) == 1:
        return names[0]
    if case is None:
        raise FormatError(f"{source}: holds {len(names)} cases ({shown}); choose one with --case")
    if case not in names:
        raise FormatError(f"{source}: has no case {case}; it has {shown}")
    return case
