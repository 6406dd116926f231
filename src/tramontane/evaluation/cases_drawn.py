"""The worst cases of a report in pictures: truth, prediction, error, and how wide the interval is."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyvista as pv
from numpy.typing import NDArray
from vtkmodules.vtkCommonCore import vtkLogger

from tramontane.case import Case
from tramontane.dataset import Dataset
from tramontane.evaluation.physics import too_large, with_predictions
from tramontane.evaluation.report import Report
from tramontane.interval import LEVEL
from tramontane.surrogate import Surrogate
from tramontane.surrogate.intervals import Intervals
from tramontane.surrogate.resolved import stored_design

_SIZE = (1280, 860)
_VIEWS = ("truth", "prediction", "error", "interval width")
Array = NDArray[np.floating[Any]]


def draw_worst(report: Report, surrogate: Surrogate, dataset: Dataset, count: int) -> Iterator[tuple[bytes, str, str]]:
    """Of some fields the worst case each, those first whose error is the largest; as PNG, name, and what it shows.

    A case whose mesh is too large to be held whole is left out.

    Raises:
        RuntimeError: VTK cannot draw here.
    """
    order = sorted(report.fields, key=lambda name: -report.fields[name].worst)
    drawn: set[tuple[str, str]] = set()
    verbosity = vtkLogger.GetCurrentVerbosityCutoff()
    vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_OFF)  # VTK says so where it draws without a display
    try:
        for key in order:
            name, (domain, _, field) = report.fields[key].worst_case, key.partition("/")
            if len(drawn) == count or (name, domain) in drawn or too_large(dataset, name):
                continue
            drawn.add((name, domain))
            error = report.fields[key].worst
            yield (
                _draw(surrogate, dataset, name, domain, field),
                f"{key}, case {name}",
                f"{100 * error:.1f} % relative L2",
            )
    finally:
        vtkLogger.SetStderrVerbosity(verbosity)


def _draw(surrogate: Surrogate, dataset: Dataset, name: str, domain: str, field: str) -> bytes:
    case, design = dataset.case(name), stored_design(dataset, name, geometry=surrogate.needs_geometry)
    sites = dataset.sites(name, domain)
    prediction = surrogate.predict(design, {domain: sites.positions}, deviations=surrogate.calibration is not None)
    verdict = surrogate.verdict(design, [domain])
    bounds = Intervals(surrogate, design, LEVEL, surrogate.widening(verdict)).of_fields(prediction)
    true = {domain: {field: sites.fields[field]}}
    truth, predicted = (_rows(with_predictions(case, dataset, of), domain, field) for of in (true, prediction.mean))
    shown = [_size(truth), _size(predicted), np.linalg.norm(predicted - truth, axis=1)]
    if field in bounds.get(domain, {}):
        width = {domain: {field: 2 * bounds[domain][field].half_width}}
        shown.append(_size(_rows(with_predictions(case, dataset, width), domain, field)))
    unit = surrogate.contract.fields[domain][field].unit
    return _four(case.meshes[domain], dict(zip(_VIEWS, shown, strict=False)), field, unit)


def _rows(case: Case, domain: str, field: str) -> Array:
    values = np.asarray(case.field_values(domain, field), dtype=np.float64)
    return values.reshape(len(values), -1)


def _size(rows: Array) -> Array:
    """Values of a scalar, magnitudes of what has components."""
    size: Array = rows[:, 0] if rows.shape[1] == 1 else np.linalg.norm(rows, axis=1)
    return size


def _four(mesh: pv.DataSet, shown: dict[str, Array], field: str, unit: str) -> bytes:
    """Two by two: truth and prediction on one scale, error and interval width on another."""
    plotter = pv.Plotter(off_screen=True, shape=(2, 2), window_size=_SIZE, border=False)
    try:
        plotter.set_background("white")
        both = np.concatenate([shown["truth"], shown["prediction"]])
        errors = np.concatenate([of for name, of in shown.items() if name not in ("truth", "prediction")])
        extent = np.ptp(np.asarray(mesh.bounds).reshape(3, 2), axis=1)
        plane = int(np.argmin(extent)) if extent.min() == 0 else None
        limits = (float(np.nanmin(both)), float(np.nanmax(both))), (0.0, float(np.nanquantile(errors, 0.99)) or 1.0)
        for place, (name, values) in enumerate(shown.items()):
            plotter.subplot(place // 2, place % 2)
            part = _visible(mesh, values)
            bar = {"title": f"{field} [{unit or '-'}]: {name}", "color": "black", "fmt": "%.3g", "n_labels": 3,
                   "title_font_size": 16, "label_font_size": 14}  # fmt: skip
            plotter.add_mesh(part, scalars="shown", cmap="viridis" if place < 2 else "magma", clim=limits[place // 2],
                             scalar_bar_args=bar, copy_mesh=True, line_width=5)  # fmt: skip
            if plane is None:
                plotter.view_isometric()
            else:
                plotter.view_vector(np.eye(3)[plane], viewup=np.eye(3)[plane - 1])
        buffer = io.BytesIO()
        plotter.screenshot(buffer)
        return buffer.getvalue()
    finally:
        plotter.close()


def _visible(mesh: pv.DataSet, values: Array) -> pv.DataSet:
    """A surface as it is; of a volume half, cut open through its middle."""
    mesh = mesh.copy(deep=False)
    mesh.clear_data()
    (mesh.point_data if len(values) == mesh.n_points else mesh.cell_data)["shown"] = values
    low, high = np.asarray(mesh.bounds).reshape(3, 2).T
    extent = high - low
    if isinstance(mesh, pv.PolyData) or extent.min() == 0:
        return mesh
    normal = np.zeros(3)
    normal[int(np.argmin(extent))] = 1.0
    return mesh.clip(normal=normal, origin=(low + high) / 2, crinkle=False)
