"""Grids cut at a surface: the very cells that VTK's own cut at the surface gives."""

from __future__ import annotations

import numpy as np
import pytest
import pyvista as pv

from tramontane.formats import read_geometry
from tramontane.geometry.cut_grid import cut_grid
from tramontane.geometry.holes import Holes


def shell() -> pv.PolyData:
    """A ball with a cavity, and a rod beside it."""
    ball = pv.Sphere(radius=1.0, theta_resolution=24, phi_resolution=20)
    hole = pv.Sphere(radius=0.5, theta_resolution=16, phi_resolution=12).flip_faces()
    rod = pv.Cylinder(center=(1.6, 0, 0), radius=0.2, height=0.9, resolution=20).triangulate()
    return read_geometry(ball.merge([hole, rod], merge_points=False).extract_surface(algorithm="dataset_surface")).mesh


def grid(
    *steps: int, low: tuple[float, ...] = (-1.2, -1.1, -1.0), extent: tuple[float, ...] = (3.2, 2.2, 2.0)
) -> pv.ImageData:
    counts = np.array(steps)
    return pv.ImageData(
        dimensions=tuple(counts + 1), spacing=tuple(np.array(extent) / np.maximum(counts, 1)), origin=low
    )


@pytest.mark.parametrize("keep_inside", [True, False])
@pytest.mark.parametrize("steps", [(23, 17, 14), (31, 22, 0)])
def test_the_cells_are_those_of_the_surfaces_own_cut(steps: tuple[int, ...], keep_inside: bool) -> None:
    low = (-1.2, -1.1, -1.0) if steps[2] else (-1.2, -1.1, 0.03)
    grid_cut, surface = grid(*steps, low=low), shell()
    ours = cut_grid(grid_cut, surface, keep_inside=keep_inside)
    theirs = grid_cut.cast_to_unstructured_grid().clip_surface(surface, invert=keep_inside)
    assert ours.n_cells > 100
    np.testing.assert_array_equal(ours.cells, theirs.cells)
    np.testing.assert_array_equal(ours.celltypes, theirs.celltypes)
    np.testing.assert_allclose(ours.points, theirs.points, rtol=0, atol=1e-12)


def test_what_is_kept_has_the_bodys_volume() -> None:
    surface = shell()
    inner, outer = (cut_grid(grid(40, 32, 28), surface, keep_inside=kept) for kept in (True, False))
    assert inner.volume == pytest.approx(surface.volume, rel=0.02)
    assert inner.volume + outer.volume == pytest.approx(3.2 * 2.2 * 2.0, rel=1e-6)


@pytest.mark.parametrize("apart", [(0.5, 0.3, 0.1), (1.0, 0.5, 0.25)])
def test_bodies_that_overlap_or_touch_are_filled_without_a_gap(apart: tuple[float, float, float]) -> None:
    one = pv.Box((0, 1, 0, 1, 0, 1), level=4).triangulate()
    pair = read_geometry(one.append_polydata(one.translate(apart))).mesh
    both = 2.0 - np.prod(1 - np.array(apart))
    around = grid(31, 27, 25, low=(0, 0, 0), extent=tuple(1 + np.array(apart)))
    inner, outer = (cut_grid(around, pair, keep_inside=kept) for kept in (True, False))
    assert inner.volume == pytest.approx(both, rel=0.01)
    # Points of the grid that lie on the surface belong to what is kept, in both.
    assert inner.volume + outer.volume == pytest.approx(np.prod(1 + np.array(apart)), rel=1e-3)


def with_lids(surface: pv.PolyData) -> tuple[pv.PolyData, np.ndarray]:
    return surface, Holes.of(surface.points, surface.regular_faces).lids()


def test_a_surface_with_a_hole_is_cut_as_if_a_flat_lid_closed_it() -> None:
    ball = pv.Sphere(radius=0.9, theta_resolution=24, phi_resolution=20, end_phi=150)
    surface, lids = with_lids(ball)
    closed = pv.PolyData(np.concatenate([ball.points[ball.regular_faces], lids]).reshape(-1, 3),
                         np.insert(np.arange(3 * (ball.n_cells + len(lids))).reshape(-1, 3), 0, 3, axis=1))  # fmt: skip
    inner, outer = (cut_grid(grid(40, 32, 28), surface, keep_inside=kept, lids=lids) for kept in (True, False))
    assert inner.volume == pytest.approx(closed.volume, rel=0.02)
    assert inner.volume + outer.volume == pytest.approx(3.2 * 2.2 * 2.0, rel=1e-6)
