"""A small family of cases whose fields are known exactly: loaded ellipsoids."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyvista as pv

from tramontane.case import Case, Provenance
from tramontane.design import Design
from tramontane.formats import write_case

TINY = {"dim": 32, "heads": 2, "blocks": "psc", "decoder_depth": 1, "supernodes": 32}


def ellipsoid(name: str, axes: tuple[float, float, float], load: float) -> Case:
    """A loaded ellipsoid: pressure ``load (x/a + 2 (z/c)^2)`` on its surface, displacement ``1e-6 load x`` inside."""
    scale = np.diag([*axes, 1.0])
    body = pv.Sphere(radius=1.0, theta_resolution=16, phi_resolution=12).transform(scale, inplace=False)
    grid = pv.ImageData(dimensions=(7, 7, 7), spacing=(2 / 6,) * 3, origin=(-1, -1, -1)).cast_to_unstructured_grid()
    inner = grid.extract_points(np.linalg.norm(grid.points, axis=1) < 0.95, adjacent_cells=False)
    inner = inner.transform(scale, inplace=False)
    surface = pv.PolyData.from_regular_faces(body.points.astype(np.float64), body.regular_faces)
    volume = pv.UnstructuredGrid(inner.cells, inner.celltypes, inner.points.astype(np.float64))
    a, _, c = axes
    surface.point_data["pressure"] = load * (surface.points[:, 0] / a + 2 * (surface.points[:, 2] / c) ** 2)
    volume.point_data["displacement"] = 1e-6 * load * volume.points
    lengths = dict(zip(("half_length", "half_width", "half_height"), axes, strict=True))
    return Case(
        name=name,
        design=Design(surface.copy(), load=f"{load} N", **{key: f"{value} m" for key, value in lengths.items()}),
        meshes={"surface": surface, "volume": volume},
        qoi={
            "peak_pressure": float(surface.point_data["pressure"].max()),
            "mass": 1000.0 * float(surface.volume),
            "charge": 3.0 * load * a,
        },
        field_units={"pressure": "Pa", "displacement": "m"},
        qoi_units={"peak_pressure": "Pa", "mass": "kg", "charge": "N*m"},
        provenance=Provenance(solver="analytic", version="1"),
    )


def write_family(root: Path, count: int = 16) -> Path:
    """A folder of ``count`` ellipsoids."""
    rng = np.random.default_rng(0)
    for index in range(count):
        axes = tuple(rng.uniform(0.5, 1.0, 3))
        write_case(ellipsoid(f"{index:03d}", axes, float(rng.uniform(100, 500))), root / f"{index:03d}")
    return root
