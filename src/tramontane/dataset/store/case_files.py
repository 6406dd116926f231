"""One case's directory: its arrays, and ``case.json`` that says what they are.

Arrays at the sites of a domain (its points, or its cells) are stored in a `SiteOrder` whose seed depends on the case's
and the domain's name, everything else in the mesh's own order.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Collection, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pyvista as pv
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from tramontane.case import Case, Location, Provenance
from tramontane.contract import Contract, FieldSpec
from tramontane.dataset.store.chunks import ArrayRecord, ArrayWriter, CaseArrays
from tramontane.dataset.store.files import Files, LocalFiles
from tramontane.dataset.store.manifest import CaseEntry
from tramontane.dataset.store.order import SiteOrder
from tramontane.dataset.store.sites import SitesOf, field_arrays, field_specs, mesh_sites
from tramontane.design import Design
from tramontane.errors import ContractError, DatasetError
from tramontane.geometry.mesh_arrays import DataLocation, MeshArrays, arrays_to_mesh, mesh_to_arrays
from tramontane.large_arrays import bad_rows
from tramontane.units import Quantity

CASE_FILE = "case.json"
_PLAIN = re.compile(r"[a-z0-9][a-z0-9_-]{0,47}")
_TAKEN = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)")  # no file's name on Windows


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MeshRecord(_Record):
    """Which array is which part of a mesh; the attributes are those of `MeshArrays`, with paths for arrays."""

    kind: Any
    points: str
    cells: dict[str, str]
    data: dict[DataLocation, dict[str, str]]
    texts: dict[DataLocation, list[str]]
    active: dict[DataLocation, dict[str, str]]


class DomainRecord(_Record):
    """Which array is what at a domain's sites.

    Attributes:
        mesh: The mesh's parts; those at ``location`` are stored in the `SiteOrder` of ``size`` and ``seed``.
        location: Whether sites are points or cells' centres.
        size: Number of sites.
        seed: Of their order.
        positions: Metres.
        weights: Length, area or volume.
        normals: None in volumes.
        fields: Path of each field's values at the sites.
    """

    mesh: MeshRecord
    location: Location
    size: int
    seed: int
    positions: str
    weights: str
    normals: str | None
    fields: dict[str, str]

    @functools.cached_property
    def order(self) -> SiteOrder:
        """How arrays at the sites are stored, and in which order they are drawn."""
        return SiteOrder(self.size, self.seed)


class CaseRecord(_Record):
    """All of ``case.json``."""

    name: str
    parameters: dict[str, tuple[float, str | None]]
    qoi: dict[str, float]
    field_units: dict[str, str]
    qoi_units: dict[str, str]
    provenance: dict[str, Any]
    geometry: MeshRecord | None
    domains: dict[str, DomainRecord]
    arrays: dict[str, ArrayRecord]


def folder_name(name: str) -> str:
    """A name of a case, domain or field as the name of a directory, on any file system, no two alike.

    What is not plain (capitals, which some file systems do not tell apart, blanks, slashes) gets a hash for an ending.
    """
    if _PLAIN.fullmatch(name) and not _TAKEN.fullmatch(name):
        return name
    readable = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:24]
    return f"{readable or 'x'}-{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()[:12]}"


def write_case(
    folder: Path,
    case: Case,
    geometry: pv.PolyData | Future[pv.PolyData | None] | None,
    contract: Contract | None,
    *,
    sites_of: SitesOf = mesh_sites,
) -> CaseEntry:
    """Write a case into a directory that does not exist yet.

    Args:
        folder: The directory.
        case: In SI.
        geometry: Its closed triangle surface, metres; None takes the design's, where that is a mesh. One that is
            still being made is waited for when all else is written.
        contract: What the case must have; None takes all that it has.
        sites_of: What gives the sites of a mesh, where they are known already.

    Returns:
        The manifest's entry, which names the directory that `folder_name` gives the case.

    Raises:
        ContractError: The case does not fit the contract, or has NaN or infinite values in its fields.
        DatasetError: A mesh of another kind than PolyData or an unstructured grid.
    """
    fields: Mapping[str, dict[str, FieldSpec]] = contract.fields if contract else {}
    if contract is None:
        fields = {domain: field_specs(case, domain) for domain in case.meshes}
    _check_numbers(case, contract)
    try:
        with ArrayWriter(folder) as writer:
            domains = {
                name: _write_domain(writer, f"domains/{folder_name(name)}", case, name, fields.get(name, {}), sites_of)
                for name in case.meshes
            }
            mesh = geometry.result() if isinstance(geometry, Future) else geometry
            if mesh is None and isinstance(case.design.geometry, pv.PolyData):
                mesh = case.design.geometry
            shape = None if mesh is None else _write_mesh(writer, "geometry", mesh_to_arrays(mesh))
    except DatasetError as error:
        raise DatasetError(f"case {case.name}: {error}") from None
    record = CaseRecord(
        name=case.name,
        parameters={key: (given.value, given.unit) for key, given in case.design.parameters.items()},
        qoi=case.qoi,
        field_units=case.field_units,
        qoi_units=case.qoi_units,
        provenance=vars(case.provenance),
        geometry=shape,
        domains=domains,
        arrays=writer.records,
    )
    return _write_record(folder, record)


def leave_out(folder: Path, entry: CaseEntry, names: Collection[str]) -> CaseEntry:
    """Take parameters and QoIs out of a case that was written, and give its new entry.

    Raises:
        DatasetError: The case is not as it was written.
    """
    if not set(names) & {*entry.parameters, *entry.qoi}:
        return entry
    record = read_record(LocalFiles(folder), entry)
    kept: dict[str, Any] = {
        kind: {name: value for name, value in getattr(record, kind).items() if name not in names}
        for kind in ("parameters", "qoi", "qoi_units")
    }
    return _write_record(folder, record.model_copy(update=kept))


def _write_record(folder: Path, record: CaseRecord) -> CaseEntry:
    stated = record.model_dump(mode="python")
    text = json.dumps(stated, indent=1, default=_plain)
    (folder / CASE_FILE).write_text(text, encoding="utf-8")
    content = stated | {"arrays": {path: array.sha256 for path, array in record.arrays.items()}}
    return CaseEntry(
        folder=folder_name(record.name),
        case_file=hashlib.sha256(text.encode()).hexdigest(),
        content=hashlib.sha256(json.dumps(content, sort_keys=True, default=_plain).encode()).hexdigest(),
        parameters=record.parameters,
        qoi=record.qoi,
        sites={name: domain.size for name, domain in record.domains.items()},
    )


def read_record(files: Files, entry: CaseEntry) -> CaseRecord:
    """What ``case.json`` says.

    Raises:
        DatasetError: It is missing, or not as it was written.
    """
    try:
        text = files.read(CASE_FILE)
    except OSError as error:
        raise DatasetError(
            f"{files}/{CASE_FILE}: cannot be read; restore the case from a copy or ingest it again"
        ) from error
    if hashlib.sha256(text).hexdigest() != entry.case_file:
        raise DatasetError(
            f"{files}/{CASE_FILE}: is not as it was written; restore the case from a copy or ingest it again"
        )
    return CaseRecord.model_validate_json(text)


def read_case(record: CaseRecord, arrays: CaseArrays) -> Case:
    """The case, its meshes as they were.

    Raises:
        DatasetError: An array is missing or damaged.
    """
    geometry = None if record.geometry is None else read_mesh(record.geometry, arrays)
    return Case(
        name=record.name,
        design=Design(geometry, **{key: Quantity(*given) for key, given in record.parameters.items()}),
        meshes={name: _read_domain(domain, arrays) for name, domain in record.domains.items()},
        qoi=dict(record.qoi),
        field_units=dict(record.field_units),
        qoi_units=dict(record.qoi_units),
        provenance=Provenance(**record.provenance),
    )


def read_mesh(
    record: MeshRecord, arrays: CaseArrays, *, shuffled: Location | None = None, order: SiteOrder | None = None
) -> pv.PolyData | pv.UnstructuredGrid:
    """A mesh; arrays at ``shuffled`` are stored in an order of their own."""

    def read(path: str, location: DataLocation) -> NDArray[Any]:
        return arrays.read(path, order if location == shuffled else None)

    return arrays_to_mesh(
        MeshArrays(
            kind=record.kind,
            points=read(record.points, "point"),
            cells={name: arrays.read(path) for name, path in record.cells.items()},
            data={location: {name: arrays.read(path) if name in record.texts[location] else read(path, location)
                             for name, path in paths.items()} for location, paths in record.data.items()},
            texts=record.texts,
            active=record.active,
        )
    )  # fmt: skip


def _read_domain(record: DomainRecord, arrays: CaseArrays) -> pv.DataSet:
    return read_mesh(record.mesh, arrays, shuffled=record.location, order=record.order)


def _write_domain(
    writer: ArrayWriter, prefix: str, case: Case, domain: str, specs: dict[str, FieldSpec], sites_of: SitesOf
) -> DomainRecord:
    mesh = case.meshes[domain]
    _check_fields(case, domain, specs)
    at_cells = any(spec.location == "cell" for spec in specs.values()) if specs else bool(field_arrays(mesh, "cell"))
    location: Location = "cell" if at_cells else "point"
    taken_apart = mesh_to_arrays(mesh)
    sites = sites_of(mesh, location, specs or None)
    digest = hashlib.sha256(f"{case.name}/{domain}".encode(errors="surrogatepass")).digest()
    size, seed = len(sites.positions), int.from_bytes(digest[:8], "little")
    order = SiteOrder(size, seed)
    parts = _write_mesh(writer, prefix, taken_apart, shuffled=location, order=order)
    own = parts.data[location]
    return DomainRecord(
        mesh=parts,
        location=location,
        size=size,
        seed=seed,
        positions=parts.points if location == "point"
        else writer.write(f"{prefix}/sites/positions", sites.positions, order),
        weights=writer.write(f"{prefix}/sites/weights", sites.weights, order),
        normals=None if sites.normals is None
        else writer.write(f"{prefix}/sites/normals", sites.normals, order),
        # The rare domain that mixes points and cells: what is sampled is the cells' mean, beside the original.
        fields={name: own[name] if name in own
                else writer.write(f"{prefix}/sites/mean/{folder_name(name)}", values, order)
                for name, values in sites.fields.items()},
    )  # fmt: skip


def _write_mesh(
    writer: ArrayWriter,
    prefix: str,
    mesh: MeshArrays,
    *,
    shuffled: Location | None = None,
    order: SiteOrder | None = None,
) -> MeshRecord:
    def write(path: str, values: NDArray[Any], location: DataLocation, text: bool = False) -> str:
        return writer.write(f"{prefix}/{path}", values, order if location == shuffled and not text else None)

    return MeshRecord(
        kind=mesh.kind,
        points=write("points", mesh.points, "point"),
        cells={name: writer.write(f"{prefix}/topology/{name}", values) for name, values in mesh.cells.items()},
        data={location: {name: write(f"{location}_data/{folder_name(name)}", values, location,
                                     name in mesh.texts[location]) for name, values in arrays.items()}
              for location, arrays in mesh.data.items()},
        texts=mesh.texts,
        active=mesh.active,
    )  # fmt: skip


def _check_numbers(case: Case, contract: Contract | None) -> None:
    contract = contract or Contract()
    missing = [f"parameter {name!r}" for name in contract.operating if name not in case.design.parameters]
    missing += [f"QoI {name!r}" for name in contract.qoi if name not in case.qoi]
    missing += [f"domain {name!r}" for name, fields in contract.fields.items() if fields and name not in case.meshes]
    if missing:
        raise ContractError(f"case {case.name}: {', '.join(missing)} is missing; add it or leave the case out")
    given = {name: quantity.value for name, quantity in case.design.parameters.items()} | case.qoi
    if bad := [name for name, value in given.items() if not np.isfinite(value)]:
        raise ContractError(f"case {case.name}: {bad[0]} is {given[bad[0]]}; correct it or leave the case out")


def _check_fields(case: Case, domain: str, specs: dict[str, FieldSpec]) -> None:
    mesh = case.meshes[domain]
    for name, spec in specs.items():
        label = f"case {case.name}: field {domain}/{name}"
        data, other = (mesh.point_data, mesh.cell_data)[:: 1 if spec.location == "point" else -1]
        if name not in data.keys():  # noqa: SIM118 (PyVista's DataSetAttributes does not iterate over its names)
            reason = "lies elsewhere" if name in other.keys() else "is missing"  # noqa: SIM118
            raise ContractError(f"{label} {reason}; the contract wants it at {spec.location}s, as in the other cases")
        values = np.asarray(data[name])
        if values.dtype.kind != "f":
            raise ContractError(f"{label} holds {values.dtype}, not floating-point numbers; convert it")
        if (components := int(np.prod(values.shape[1:]))) != spec.components:
            raise ContractError(f"{label} has {components} components, the contract says {spec.components}; "
                                "correct one of them")  # fmt: skip
        bad = bad_rows(values, np.float32)
        if len(bad):
            raise ContractError(
                f"{label} is NaN, infinite or beyond float32 at {spec.location} {bad[0]} (and {len(bad) - 1} more); "
                "correct it or leave the case out"
            )


def _plain(value: Any) -> Any:
    """NumPy's numbers and arrays, as a reader of results leaves them in a case's provenance, for JSON."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    return str(value)
