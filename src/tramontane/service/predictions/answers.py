"""A case as a client gets it: a summary in JSON, or a domain as a file."""

from __future__ import annotations

import json
import math
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyvista as pv

from tramontane.case import Case
from tramontane.errors import TramontaneError
from tramontane.formats.vtk.meshes import write_mesh
from tramontane.interval import FieldInterval
from tramontane.service.predictions.pieces import Pieces, npz
from tramontane.service.predictions.schemas import DomainSummary, FieldIntervalSummary, FieldSummary, Format, Summary
from tramontane.service.problems import Fault, at_fault

MEDIA_TYPES: dict[str, str] = {
    "vtp": "application/octet-stream", "vtu": "application/octet-stream", "vtkhdf": "application/octet-stream",
    "npz": "application/octet-stream", "arrow": "application/vnd.apache.arrow.stream",
}  # fmt: skip
MeshArrays = dict[str, np.ndarray[Any, Any]]
VTK_MESSAGES = threading.Lock()
"""Held while a mesh is written: VTK's messages pass through one window of the whole process meanwhile."""


def finite(value: float) -> float | None:
    """A number as JSON can hold it."""
    return float(value) if math.isfinite(value) else None


def domains(case: Case) -> dict[str, DomainSummary]:
    """The meshes of a case and the ranges of their fields."""
    return {
        name: DomainSummary(
            mesh="surface" if isinstance(mesh, pv.PolyData) else "volume",
            points=mesh.n_points,
            cells=mesh.n_cells,
            fields={
                field: _field(
                    np.asarray(case.field_values(name, field)),
                    case.field_units.get(field, ""),
                    location,
                    case.field_intervals.get(name, {}).get(field),
                )
                for field, location in case.field_names(name).items()
            },
        )
        for name, mesh in case.meshes.items()
    }


def encode(
    case: Case, summary: Summary, domain: str, form: Format, fields: Sequence[str] | None = None,
    *, mesh_arrays: Callable[[pv.DataSet], MeshArrays] | None = None,
) -> Pieces:  # fmt: skip
    """A domain of a case as a file.

    Args:
        case: In SI.
        summary: Of the case; every format but those of VTK carries it.
        domain: Which.
        form: VTP (surfaces only), VTU and VTKHDF are for ParaView. NPZ has ``points``, cells as VTK has them
            (``connectivity``, ``offsets``, ``types``), and ``point_data/NAME`` or ``cell_data/NAME``. Arrow has one
            row a site: ``x``, ``y``, ``z`` and the fields, with units in their metadata.
        fields: Which; None takes all.
        mesh_arrays: Gives what `mesh_arrays_of` gives, for a mesh of which it was asked before.

    Returns:
        The file; pieces of it are the case's own arrays.

    Raises:
        Problem: The domain, a field, or the format for it does not exist.
    """
    if domain not in case.meshes:
        raise at_fault(Fault(input="domains", detail=f"there is no domain {domain!r}; there is {_list(case.meshes)}"))
    places = case.field_names(domain)
    if unknown := sorted(set(fields or ()) - set(places)):
        raise at_fault(Fault(input="fields", detail=f"domain {domain} has no field {unknown[0]!r}; it has "
                                                    f"{_list(places)}"))  # fmt: skip
    mesh, kept = case.meshes[domain], {name: places[name] for name in (places if fields is None else fields)}
    if form == "vtp" and not isinstance(mesh, pv.PolyData):
        raise at_fault(Fault(input="format", detail=f"domain {domain} is no surface, so not VTP; ask for vtu"))
    if form == "npz":
        arrays = {"summary": np.array(summary.model_dump_json()), **(mesh_arrays or mesh_arrays_of)(mesh)}
        for name, location in kept.items():
            arrays[f"{location}_data/{name}"] = np.asarray(case.field_values(domain, name))
        return npz(arrays)
    if form == "arrow":
        return _arrow(case, summary, domain, kept)
    plain = mesh.copy(deep=False)
    for name in set(places) - set(kept):
        (plain.point_data if places[name] == "point" else plain.cell_data).remove(name)
    with VTK_MESSAGES, tempfile.TemporaryDirectory(prefix="tramontane-") as folder:
        file = Path(folder) / f"{domain}.{form}"
        write_mesh(plain, file, units={name: case.field_units[name] for name in kept if name in case.field_units})
        return (file.read_bytes(),)


def mesh_arrays_of(mesh: pv.DataSet) -> MeshArrays:
    """A mesh as NPZ has it: ``points (n, 3)``, and cells in VTK's ways as ``connectivity``, ``offsets``, ``types``."""
    arrays: MeshArrays = {"points": np.asarray(mesh.points)}
    if isinstance(mesh, pv.PolyData) and mesh.is_all_triangles:
        triangles = np.asarray(mesh.regular_faces, dtype=np.int32)
        return arrays | {
            "connectivity": triangles.ravel(),
            "offsets": np.arange(0, 3 * len(triangles) + 1, 3, dtype=np.int32),
            "types": np.full(len(triangles), int(pv.CellType.TRIANGLE), dtype=np.uint8),
        }
    grid = mesh if isinstance(mesh, pv.UnstructuredGrid) else mesh.cast_to_unstructured_grid()
    return arrays | {
        "connectivity": np.asarray(grid.cell_connectivity),
        "offsets": np.asarray(grid.offset),
        "types": np.asarray(grid.celltypes),
    }


def _field(values: np.ndarray[Any, Any], unit: str, location: Any, interval: FieldInterval | None) -> FieldSummary:
    table = values.reshape(len(values), -1) if len(values) else np.full((1, 1), np.nan)
    columns = np.ascontiguousarray(table.T)  # NumPy takes five times as long over short rows
    length = np.sqrt((columns * columns).sum(axis=0)) if len(columns) == 3 else None
    return FieldSummary(
        unit=unit,
        location=location,
        components=len(columns),
        low=[finite(value) for value in columns.min(axis=1).tolist()],
        high=[finite(value) for value in columns.max(axis=1).tolist()],
        magnitude=None if length is None else (finite(length.min()), finite(length.max())),
        interval=None if interval is None else _interval(interval),
    )


def _interval(interval: FieldInterval) -> FieldIntervalSummary:
    half = interval.half_width
    finite = half[np.isfinite(half)]
    median, largest = (float(np.median(finite)), float(finite.max())) if len(finite) else (None, None)
    return FieldIntervalSummary(median=median, largest=largest, band=interval.band, cases=interval.cases)


def _arrow(case: Case, summary: Summary, domain: str, kept: dict[str, Any]) -> Pieces:
    try:
        import pyarrow as pa
    except ImportError:
        raise TramontaneError("format arrow needs pyarrow on the server: pip install 'tramontane[serve]'") from None
    mesh = case.meshes[domain]
    if len(set(kept.values())) > 1:
        raise at_fault(Fault(input="fields", detail=f"domain {domain} has fields at points and at cells, an Arrow "
                             "table only one of them; name fields of one kind"))  # fmt: skip
    sites = mesh.points if "cell" not in kept.values() else mesh.cell_centers().points
    columns: list[Any] = [np.ascontiguousarray(column) for column in np.asarray(sites).T]
    schema = [pa.field(axis, pa.from_numpy_dtype(columns[0].dtype), metadata={"unit": "m"}) for axis in "xyz"]
    for name in kept:
        values = np.ascontiguousarray(case.field_values(domain, name))
        flat = pa.array(values.ravel())
        column = flat if values.ndim == 1 else pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
        columns.append(column)
        schema.append(pa.field(name, column.type, metadata={"unit": case.field_units.get(name, "")}))
    batch = pa.record_batch(
        [pa.array(column) if isinstance(column, np.ndarray) else column for column in columns],
        schema=pa.schema(schema, metadata={"domain": domain, "summary": json.dumps(summary.model_dump(mode="json"))}),
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return (memoryview(sink.getvalue()),)


def _list(names: Any) -> str:
    return ", ".join(names) or "none"
