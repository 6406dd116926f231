"""Reference points keep their offset from a shape's surface, and lie close enough to read a field off and back."""

from __future__ import annotations

from threading import Thread
from typing import Any

import numpy as np
import pytest
import pyvista as pv
from numpy.typing import NDArray

from tramontane.blas import one_thread
from tramontane.models.classical import ClassicalModel
from tramontane.models.reference_frame import Family, ReferenceFrame
from tramontane.models.shapes import Shape, Window

Array = NDArray[np.float64]
RIBS = (0.03, 0.04, 0.05, 0.06)  # m


def ribbed(thickness: float) -> Shape:
    """A plate of 1 x 1 x 0.1 m with a rib of 0.4 m in the middle."""
    low, high = 0.5 - thickness / 2, 0.5 + thickness / 2
    section = np.array([(0, 0), (1, 0), (1, 0.1), (high, 0.1), (high, 0.5), (low, 0.5), (low, 0.1), (0, 0.1)])
    outline = pv.PolyData(np.insert(section, 1, 0.0, axis=1), faces=[8, *range(8)])
    solid = outline.triangulate().extrude((0.0, 1.0, 0.0), capping=True).triangulate()
    surface = solid.clean().compute_normals(auto_orient_normals=True)
    return Shape(np.asarray(surface.points, float), np.asarray(surface.regular_faces))


def sides(thickness: float, height: float) -> Array:
    """Points of both sides of a rib, at a height above them."""
    y, z = np.meshgrid(np.linspace(0.1, 0.9, 9), np.linspace(0.2, 0.4, 5))
    both = [0.5 + sign * (thickness / 2 + height) + 0 * y for sign in (-1, 1)]
    return np.concatenate([np.stack([x.ravel(), y.ravel(), z.ravel()], 1) for x in both])


def frame_of(sites: dict[str, Array], template: int, surfaces: tuple[str, ...] = ()) -> ReferenceFrame:
    shapes = [ribbed(thickness) for thickness in RIBS]
    window = Window.measure(shapes, np.full(3, -0.1), np.full(3, 1.1), {})
    family = Family(window, [window.sample(shape) for shape in shapes], template)
    return ReferenceFrame(family, np.zeros((len(RIBS), 0)), sites, surfaces=surfaces)


@pytest.mark.parametrize("height", [0.0, 0.001])
def test_points_by_a_wall_keep_their_height_above_it(height: float) -> None:
    frame = frame_of({"volume": sides(RIBS[3], height)}, template=3)
    near = frame.surface_offsets["volume"].near
    assert len(near) > len(sides(RIBS[3], height))  # midpoints on either side, too; those inside the rib are not near
    for thickness in (*RIBS, 0.045):
        carried = frame.map_shape(ribbed(thickness), np.zeros(0)).points["volume"][near]
        np.testing.assert_allclose(np.abs(carried[:, 0] - 0.5), thickness / 2 + height, atol=1e-6)
    # Registration alone is smooth, and cannot move the sides of so thin a rib towards each other.
    registration = frame.register(ribbed(RIBS[0]), np.zeros(0))[1]
    smooth = frame.correspondence.carry(frame.points["volume"], frame.bases["volume"], registration)[near]
    assert np.abs(np.abs(smooth[:, 0] - 0.5) - RIBS[0] / 2 - height).max() > 0.003


def test_points_between_walls_follow_them() -> None:
    inside = sides(RIBS[3], 0.0) * [0, 1, 1] + [0.5, 0, 0]
    frame = frame_of({"volume": np.concatenate([sides(RIBS[3], 0.0), inside])}, template=3)
    mapped = frame.map_shape(ribbed(RIBS[0]), np.zeros(0))
    middle = np.abs(frame.points["volume"][:, 0] - 0.5) < 1e-6
    assert middle.any()
    assert np.abs(mapped.points["volume"][middle, 0] - 0.5).max() < 0.002


def test_midpoints_join_few_sites_and_stay_on_one_face() -> None:
    sites = sides(RIBS[3], 0.0)
    frame = frame_of({"surface": sites}, template=3, surfaces=("surface",))
    points = frame.points["surface"]
    assert 2 * len(sites) < len(points) < 5 * len(sites)
    np.testing.assert_allclose(np.abs(points[:, 0] - 0.5), RIBS[3] / 2, atol=1e-6)


def sheet(sag: float, seed: int) -> tuple[Shape, Array, Array]:
    """A sheet of 1 x 1 x 0.03 m, curved, with some 350 sites on each side, and a field that changes sign across it."""
    top = pv.Plane(center=(0.5, 0.5, 0), i_resolution=30, j_resolution=30).triangulate()
    solid = top.extrude((0, 0, 0.03), capping=True).triangulate().clean().compute_normals(auto_orient_normals=True)
    points = np.asarray(solid.points, float)
    points[:, 2] += sag * np.sin(np.pi * points[:, 0])
    random = np.random.default_rng(seed)
    place = random.random((700, 2)) * 0.98 + 0.01
    upper = random.random(700) < 0.5
    sites = np.column_stack([place, sag * np.sin(np.pi * place[:, 0]) + 0.03 * upper])
    bending = np.where(upper, 1.0, -1.0) * (1 + sag) * (1 + place[:, 0])
    return Shape(points, np.asarray(solid.regular_faces)), sites, bending[:, None]


def test_sides_of_a_sheet_are_told_apart_by_their_normals() -> None:
    def fitted(cases: list[Any]) -> ClassicalModel:
        return ClassicalModel({"surface": (1,)}, templates=1).fit(
            [shape for shape, *_ in cases], np.zeros((len(cases), 0)),
            [{"surface": (sites, values)} for _, sites, values in cases], surfaces=["surface"],
        )  # fmt: skip

    model = fitted([sheet(sag, seed) for seed, sag in enumerate((0.1, 0.15, 0.2, 0.25, 0.3))])
    assert model.frame.oriented == {"surface"}
    shape, sites, values = sheet(0.22, 9)
    predicted = model.predict(shape, np.zeros(0), {"surface": sites})["surface"][0]
    assert np.linalg.norm(predicted - values) < 0.1 * np.linalg.norm(values)
    loaded = ClassicalModel.from_state(model.state())
    assert loaded.frame.oriented == {"surface"} == loaded.frame.surfaces


def test_blas_has_one_thread_until_the_last_has_left() -> None:
    from threadpoolctl import threadpool_info

    def threads() -> list[int]:
        return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]

    before, inside = threads(), []
    first, second = one_thread(), one_thread()
    first.__enter__()
    second.__enter__()
    other = Thread(target=lambda: (first.__exit__(None, None, None), inside.append(threads())))
    other.start()
    other.join()
    assert set(inside[0]) == {1}
    second.__exit__(None, None, None)
    assert threads() == before
