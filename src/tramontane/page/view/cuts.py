"""What is shown of a volume: a section with arrows and streamlines, an iso-surface."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyvista as pv

from tramontane.case import Case
from tramontane.page.language.readable_units import number
from tramontane.page.view.buffers import pack
from tramontane.page.view.scene import (
    Array,
    Scene,
    bounds_of,
    by_cell,
    coloured,
    field_of,
    unit_of,
    values_of,
    vector_field,
    velocity_field,
    volume_choices,
)
from tramontane.page.view.state import AXES
from tramontane.units import from_si

_ARROWS, _SEEDS = 400, 70
_ISO_TRIANGLES = 400_000  # more are gathered into fewer
_ISO_DIVISIONS = 160


def section(scene: Scene, key: str, case: Case, domain: str) -> None:
    """Add a slice through a volume, with arrows and streamlines where the view wants them.

    Args:
        scene: Has its surface already, through whose middle a section goes that the view does not place.
        key: Of the prediction.
        case: Has the volume.
        domain: Which it is.
    """
    view, contract = scene.view, scene.contract
    axis = AXES.index(view.section)
    low, high = np.asarray(case.meshes[domain].bounds, dtype=float).reshape(3, 2)[axis]
    at, share = _place(low, high, view.at, scene.body[axis] if scene.body is not None else None)
    normal = [float(axis == index) for index in range(3)]
    inside = contract.domains[domain].side == "inside"
    # What lies between the eye and the section is taken away.
    scene.spec |= {"plane": [*normal, -at], "clip": inside}
    scene.spec["section"] = {"axis": view.section, "at": at, "share": share, "low": float(low), "high": float(high)}
    unit = contract.length_unit
    scene.note(f"{view.section} = {number(from_si(at, unit))} {unit}")
    mesh, averaged = _smooth(scene, key, case, domain)
    origin = tuple(at if index == axis else 0.0 for index in range(3))
    cut = mesh.slice(normal=normal, origin=origin)
    if cut.n_cells == 0:
        return
    cut = cut.triangulate()
    part = Case("slice", case.design, {"slice": cut}, field_units=case.field_units)
    values = values_of(part, "slice", view.field, contract)
    key_parts = [key, domain, view.section, at, averaged]
    if values is not None and not (view.arrows or view.lines):  # it would hide half of them
        scene.see(values)
        cell = by_cell(part, "slice", view.field, contract)
        if by_cell(case, domain, view.field, contract):
            scene.note(scene.words("view.averaged" if averaged else "view.by_cell"))
        shift, bounds = scene.shift(part, "slice"), bounds_of(part, "slice", view.field, contract)
        scene.spec["slice"] = scene.buffers.put(
            [*key_parts, view.field, shift is not None, "slice"],
            lambda: coloured(cut, values, cell=cell, shift=shift, bounds=bounds),
        )
    vector, velocity = vector_field(contract, view.field), velocity_field(contract, view.field)
    if view.arrows and vector is not None:
        _arrows(scene, key_parts, part, cut, vector)
    if view.lines and velocity is not None:
        _lines(scene, key_parts, case, domain, cut, velocity)


def isosurface(scene: Scene, key: str, case: Case, domain: str) -> None:
    """Add the surface in a volume on which a field has one value.

    Args:
        scene: Its view names the field and the value.
        key: Of the prediction.
        case: Has the volume.
        domain: Which it is.
    """
    view, contract = scene.view, scene.contract
    options = volume_choices(contract)
    if view.iso not in options:
        return
    mesh = case.meshes[domain].copy(deep=False)
    if "cell" in case.field_names(domain).values():
        mesh = mesh.cell_data_to_point_data()
    part = Case("volume", case.design, {"volume": mesh}, field_units=case.field_units)
    levels = values_of(part, "volume", view.iso, contract)
    finite = np.empty(0) if levels is None else levels[np.isfinite(levels)]
    if levels is None or not len(finite):
        return
    low, high = float(finite.min()), float(finite.max())
    level = (low + high) / 2 if view.level is None else view.level
    unit, factor = unit_of(contract, view.iso, max(abs(low), abs(high)))
    scene.spec["iso"] = {"low": low, "high": high, "level": level, "unit": unit, "factor": factor}
    label = f"{options[view.iso]} = {number(level * factor)} {unit}".rstrip()
    mesh.point_data["iso level"] = levels
    surface = mesh.contour([level], scalars="iso level")
    if surface.n_cells == 0:
        scene.note(scene.words("view.no_iso", said=label))
        return
    scene.note(scene.words("view.level", said=label))
    surface = surface.triangulate()
    if surface.n_cells > _ISO_TRIANGLES:
        surface = _gathered(surface)
        scene.note(scene.words("view.coarse"))
    own = Case("iso", case.design, {"iso": surface}, field_units=case.field_units)
    values = values_of(own, "iso", view.field, contract)
    shift, bounds = scene.shift(own, "iso"), bounds_of(own, "iso", view.field, contract)
    if values is None:  # the field that is looked at is one of the surface alone
        values = np.full(surface.n_points, np.nan, dtype=np.float32)
    else:
        scene.see(values)
    scene.spec["ghost"] = contract.domains[domain].side == "inside"
    shown = values
    scene.spec["level"] = scene.buffers.put(
        [key, domain, view.iso, level, view.field, shift is not None, "iso"],
        lambda: coloured(surface, shown, cell=False, shift=shift, bounds=bounds),
    )


def _place(low: float, high: float, share: float | None, body: Array | None) -> tuple[float, float]:
    """Where a section stands, m, and that as a share of the domain; on the very end there is nothing to cut."""
    if share is None:
        middle = float(body.mean()) if body is not None else (low + high) / 2
        share = float(min(max(((middle - low) / ((high - low) or 1.0) - 0.001) / 0.998, 0.0), 1.0))
    return float(low + (high - low) * (0.001 + 0.998 * share)), share


def _smooth(scene: Scene, key: str, case: Case, domain: str) -> tuple[Any, bool]:
    """The volume, its values of cells averaged to points where the view wants that, and whether they were."""
    mesh = case.meshes[domain]
    if not scene.view.smooth or "cell" not in case.field_names(domain).values():
        return mesh, False
    shown = field_of(scene.contract, scene.view.field)  # its bounds are there, too
    averaged = scene.buffers.drawn.get(
        (key, domain, shown, "averaged"), mesh.cell_data_to_point_data, size=lambda made: 1024 * made.actual_memory_size
    )
    return averaged, True


def _gathered(mesh: pv.PolyData) -> pv.PolyData:
    """Fewer triangles of the same surface, fields at the points of the nearest."""
    from vtkmodules.vtkFiltersCore import vtkQuadricClustering

    clusters = vtkQuadricClustering()
    clusters.SetInputData(mesh)
    clusters.SetNumberOfDivisions(_ISO_DIVISIONS, _ISO_DIVISIONS, _ISO_DIVISIONS)
    clusters.CopyCellDataOff()
    clusters.Update()
    coarse = pv.wrap(clusters.GetOutput()).triangulate()
    nearest = np.array([mesh.find_closest_point(point) for point in coarse.points], dtype=int)
    for name in mesh.point_data.keys():  # noqa: SIM118 (PyVista's DataSetAttributes does not iterate over its names)
        coarse.point_data[name] = np.asarray(mesh.point_data[name])[nearest]
    return coarse


def _arrows(scene: Scene, key_parts: list[Any], part: Case, cut: pv.PolyData, vector: str) -> None:
    contract, field = scene.contract, scene.view.field
    at_cells = by_cell(part, "slice", vector, contract)
    sites = cut.cell_centers() if at_cells else cut
    rng = np.random.default_rng(0)
    # By area, so that a refined corner does not take them all.
    areas = np.asarray(cut.compute_cell_sizes(length=False, volume=False).cell_data["Area"])
    if at_cells and areas.sum() > 0:
        keep = rng.choice(len(areas), size=min(_ARROWS, len(areas)), replace=False, p=areas / areas.sum())
    else:
        keep = rng.permutation(sites.n_points)[:_ARROWS]
    vectors = np.asarray(part.field_values("slice", vector), dtype=np.float32)[keep]
    shown = values_of(part, "slice", field, contract)
    # Grey where what is looked at has no value at an arrow: the colours are of that field, and of no other.
    fits = shown is not None and by_cell(part, "slice", field, contract) == at_cells
    values = shown[keep] if shown is not None and fits else np.full(len(keep), np.nan)
    scene.see(values)
    length = 0.08 * float(cut.length)
    scene.spec["arrows"] = scene.buffers.put([*key_parts, field, vector, "arrows"], lambda: pack(
        {"points": np.asarray(sites.points, dtype=np.float32)[keep], "vectors": vectors,
         "values": np.asarray(values, dtype=np.float32)}, {"length": length}))  # fmt: skip


def _lines(scene: Scene, key_parts: list[Any], case: Case, domain: str, cut: pv.PolyData, vector: str) -> None:
    contract, field = scene.contract, scene.view.field
    plain = case.meshes[domain].copy(deep=False)
    if by_cell(case, domain, vector, contract):
        plain = plain.cell_data_to_point_data()
    seeds = cut.points[np.random.default_rng(0).permutation(cut.n_points)[:_SEEDS]]
    streamlines = plain.streamlines_from_source(
        pv.PolyData(np.ascontiguousarray(seeds)), vectors=vector, integration_direction="both",
        max_length=3.0 * float(plain.length), initial_step_length=0.5, step_unit="cl",
    )  # fmt: skip
    if streamlines.n_points == 0 or streamlines.n_lines == 0:
        return
    tubes = streamlines.tube(radius=0.0012 * float(plain.length), n_sides=5, capping=False).triangulate()
    part = Case("lines", case.design, {"lines": tubes}, field_units=case.field_units)
    speeds = values_of(part, "lines", field, contract)
    fits = speeds is not None and len(speeds) == tubes.n_points
    values = speeds if speeds is not None and fits else np.full(tubes.n_points, np.nan)  # grey, as arrows are
    scene.see(values)
    scene.spec["lines"] = scene.buffers.put(
        [*key_parts, field, vector, "lines"], lambda: coloured(tubes, values, cell=False)
    )
