"""Pictures of what is wrong with a case: a field, bad numbers, open edges."""

from __future__ import annotations

import io
from typing import Any, NamedTuple

import numpy as np
import pyvista as pv
from vtkmodules.vtkCommonCore import vtkLogger

from tramontane.case import Case
from tramontane.dataset.audit.facts import OPEN_SURFACE, Problem, geometry_unit
from tramontane.formats.surfaces.geometry import read_geometry

SEEN = (
    "geometry",
    "scale",
    "domain surface",
    OPEN_SURFACE,
)  # places, beside fields, of which there is something to see
_SIZE = (960, 640)
_LIGHT = {"ambient": 0.3, "diffuse": 0.7}  # no side is black
_MARKED = 3000  # bad places that are marked in a picture; more of them hide each other
_BAD, _SHAPE, _CROWDED = "#e0245e", "#b9c7d8", "#f0a202"


class Picture(NamedTuple):
    """A PNG and what it shows, in a sentence."""

    png: bytes
    caption: str


def draw(case: Case, problem: Problem, *, length_unit: str = "m") -> Picture | None:
    """What a problem is about; None where that is nothing that can be seen.

    Args:
        case: With the problem.
        problem: About a field or the geometry.
        length_unit: Of the geometry's file.

    Raises:
        TramontaneError: The geometry cannot be read.
        RuntimeError: VTK cannot draw here.
    """
    verbosity = vtkLogger.GetCurrentVerbosityCutoff()
    vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_OFF)  # VTK says so where it draws without a display
    try:
        if problem.place.startswith("field "):
            domain, _, name = problem.place.removeprefix("field ").partition("/")
            return _field(case, domain, name)
        if problem.place in SEEN:
            return _geometry(case, length_unit)
        return None
    finally:
        vtkLogger.SetStderrVerbosity(verbosity)


def _field(case: Case, domain: str, name: str) -> Picture | None:
    if domain not in case.meshes or name not in (places := case.field_names(domain)):
        return None
    mesh = case.meshes[domain].copy(deep=False)
    values = np.asarray(case.field_values(domain, name))
    rows = values.reshape(len(values), -1)
    finite = np.isfinite(rows).all(axis=1)
    sizes = np.where(finite, np.linalg.norm(np.where(finite[:, None], rows, 0.0), axis=1), np.nan)
    shown = sizes if rows.shape[1] > 1 else np.where(finite, rows[:, 0], np.nan)
    if finite.all() and np.ptp(shown) == 0:
        return None
    at_points = places[name] == "point"
    positions = np.asarray(mesh.points if at_points else mesh.cell_centers().points)
    (mesh.point_data if at_points else mesh.cell_data)["shown"] = shown
    surface = mesh if isinstance(mesh, pv.PolyData) else mesh.extract_surface(algorithm="dataset_surface")
    surface = surface if surface.n_points else pv.PolyData(positions)
    bad = np.flatnonzero(~finite)
    plotter = _plotter()
    unit = case.field_units.get(name, "")
    options: dict[str, Any] = {"color": _SHAPE}
    if finite.any() and (surface.n_points == mesh.n_points or surface is not mesh) and "shown" in surface.array_names:
        low, high = float(np.nanmin(shown)), float(np.nanmax(shown))
        bar = {"title": f"{name} [{unit or '-'}]\n", "color": "black", "fmt": "%.3g", "n_labels": 3,
               "width": 0.6, "position_x": 0.2}  # fmt: skip
        limits = (low, high if high > low else low + 1.0)
        options = {"scalars": "shown", "cmap": "viridis", "clim": limits, "nan_color": _BAD, "scalar_bar_args": bar}
    inner = len(bad) > 0 and surface is not mesh
    plotter.add_mesh(surface, opacity=0.4 if inner else 1.0, line_width=4, point_size=6, **_LIGHT, **options)
    if len(bad):
        marked = positions[bad[:: max(1, len(bad) // _MARKED)]]
        plotter.add_points(marked, color=_BAD, point_size=11, render_points_as_spheres=True)
    what = f"{domain}/{name}" + ("" if rows.shape[1] == 1 else ", its magnitude")
    note = f"; {len(bad)} places without a finite number are marked" if len(bad) else ""
    return Picture(_png(plotter), f"{what}{note}")


def _geometry(case: Case, length_unit: str) -> Picture | None:
    shape = case.design.geometry
    if shape is None:
        mesh = case.meshes.get("surface", next(iter(case.meshes.values()), None))
        if mesh is None:
            return None
        surface = mesh.extract_surface(algorithm="dataset_surface")
    else:
        surface = read_geometry(shape, length_unit=geometry_unit(case, length_unit)).mesh
    plotter = _plotter()
    plotter.add_mesh(surface, color=_SHAPE, **_LIGHT, backface_params={"color": _CROWDED}, smooth_shading=False)
    notes = []
    for edges, colour, words in (
        ({"boundary_edges": True, "non_manifold_edges": False}, _BAD, "open edges"),
        ({"boundary_edges": False, "non_manifold_edges": True}, _CROWDED, "edges of more than two triangles"),
    ):
        lines = surface.extract_feature_edges(feature_edges=False, manifold_edges=False, **edges)
        if lines.n_cells:
            plotter.add_mesh(lines, color=colour, line_width=6, render_lines_as_tubes=True)
            notes.append(f"{lines.n_cells} {words} are marked")
    size = " x ".join(f"{value:.4g}" for value in np.ptp(np.asarray(surface.bounds).reshape(3, 2), axis=1))
    return Picture(_png(plotter), "; ".join([f"geometry, {size} m", *notes]))


def _plotter() -> Any:
    plotter = pv.Plotter(off_screen=True, window_size=_SIZE)
    plotter.set_background("white")
    return plotter


def _png(plotter: Any) -> bytes:
    try:
        plotter.view_isometric()
        buffer = io.BytesIO()
        plotter.screenshot(buffer)
        return buffer.getvalue()
    finally:
        plotter.close()
