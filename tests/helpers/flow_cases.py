"""Two families for the page's views: half bodies in a wind, with values at cells, and bars that bend."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyvista as pv

from tramontane.case import Case, Provenance
from tramontane.contract import Contract, DomainSpec, FieldSpec, ParameterSpec
from tramontane.dataset import Dataset
from tramontane.dataset.ingest.run import ingest
from tramontane.design import Design
from tramontane.formats import write_case

DENSITY = 1.25
HALF = (None, 0.0, None)
WIND = Contract(
    name="wind",
    length_unit="m",
    parameters={
        "speed": ParameterSpec(unit="m/s", low=20.0, high=40.0),
        "density": ParameterSpec(unit="kg/m^3", low=DENSITY, high=DENSITY, role="constant"),
    },
    domains={"surface": DomainSpec(side="on", low=HALF), "volume": DomainSpec(side="outside", low=HALF)},
    fields={
        "surface": {"pressure": FieldSpec(unit="Pa", location="cell")},
        "volume": {
            "pressure": FieldSpec(unit="Pa", location="cell"),
            "velocity": FieldSpec(unit="m/s", location="cell", components=3),
        },
    },
)
BENT = Contract(
    name="bent",
    length_unit="mm",
    parameters={"load": ParameterSpec(unit="N", low=100.0, high=500.0)},
    domains={"surface": DomainSpec(side="on"), "volume": DomainSpec(side="inside")},
    fields={
        "surface": {"displacement": FieldSpec(unit="m", components=3), "stress": FieldSpec(unit="Pa")},
        "volume": {"displacement": FieldSpec(unit="m", components=3), "stress": FieldSpec(unit="Pa")},
    },
)


def wind(name: str, axes: tuple[float, float, float], speed: float) -> Case:
    """A half ellipsoid, y >= 0, in air that slows down before it: ``v = U (1 - r^-3)`` along x, p by Bernoulli."""
    scale = np.diag([*axes, 1.0])
    body = pv.Sphere(radius=1.0, theta_resolution=24, phi_resolution=16).transform(scale, inplace=False)
    half = (
        body.clip(normal="y", origin=(0, 0, 0), invert=False).triangulate().extract_surface(algorithm="dataset_surface")
    )
    surface = pv.PolyData.from_regular_faces(half.points.astype(np.float64), half.triangulate().regular_faces)
    box = pv.ImageData(dimensions=(26, 9, 15), spacing=(0.2, 0.25, 0.25), origin=(-2.0, 0.0, -1.5))
    grid = box.cast_to_unstructured_grid()
    outer = grid.extract_points(np.linalg.norm(grid.points / axes, axis=1) > 1.05, adjacent_cells=False)
    volume = pv.UnstructuredGrid(outer.cells, outer.celltypes, outer.points.astype(np.float64))

    def flow(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        radius = np.maximum(np.linalg.norm(points / axes, axis=1), 1.0)
        velocity = np.zeros((len(points), 3))
        velocity[:, 0] = speed * (1 - radius**-3)
        return velocity, 0.5 * DENSITY * (speed**2 - velocity[:, 0] ** 2) * np.sign(-points[:, 0])

    surface.cell_data["pressure"] = flow(surface.cell_centers().points)[1]
    volume.cell_data["velocity"], volume.cell_data["pressure"] = flow(volume.cell_centers().points)
    return Case(
        name, Design(body, speed=f"{speed} m/s", density=f"{DENSITY} kg/m^3"), {"surface": surface, "volume": volume},
        field_units={"pressure": "Pa", "velocity": "m/s"}, provenance=Provenance(solver="analytic", version="1"),
    )  # fmt: skip


def bent(name: str, size: tuple[float, float, float], load: float) -> Case:
    """A bar from x = 0 on, bent down by ``1e-9 load x^2`` (m, x in m): a tip of 100 mm moves some micrometres."""
    block = pv.ImageData(
        dimensions=(13, 5, 5), spacing=(size[0] / 12, size[1] / 4, size[2] / 4)
    ).cast_to_unstructured_grid()
    volume = pv.UnstructuredGrid(block.cells, block.celltypes, block.points.astype(np.float64))
    surface = volume.extract_surface(algorithm="dataset_surface").triangulate()
    surface = pv.PolyData.from_regular_faces(surface.points.astype(np.float64), surface.regular_faces)
    for mesh in (surface, volume):
        x, z = mesh.points[:, 0], mesh.points[:, 2]
        shift = np.zeros((mesh.n_points, 3))
        shift[:, 2] = -1e-6 * load * x**2
        mesh.point_data["displacement"] = shift
        mesh.point_data["stress"] = 1e6 * load * (size[0] - x) * (z - size[2] / 2)
    return Case(
        name, Design(surface.copy(), load=f"{load} N"), {"surface": surface, "volume": volume},
        field_units={"displacement": "m", "stress": "Pa"}, provenance=Provenance(solver="analytic", version="1"),
    )  # fmt: skip


def wind_dataset(folder: Path, count: int = 12) -> Dataset:
    """The half bodies, ingested."""
    rng = np.random.default_rng(1)
    for index in range(count):
        axes = tuple(rng.uniform(0.4, 0.7, 3))
        write_case(wind(f"{index:03d}", axes, float(rng.uniform(20, 40))), folder / "cases" / f"{index:03d}")
    return ingest(folder / "cases", folder / "store", contract=WIND, test=2, validation=2)


def bent_dataset(folder: Path, count: int = 12) -> Dataset:
    """The bars, ingested."""
    rng = np.random.default_rng(2)
    for index in range(count):
        size = tuple(rng.uniform((0.09, 0.015, 0.015), (0.12, 0.025, 0.025)))
        write_case(bent(f"{index:03d}", size, float(rng.uniform(100, 500))), folder / "cases" / f"{index:03d}")
    return ingest(folder / "cases", folder / "store", contract=BENT.model_copy(update={"length_unit": "m"}),
                  test=2, validation=2)  # fmt: skip
