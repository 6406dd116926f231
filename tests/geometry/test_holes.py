"""Holes: a body with some is measured and filled as if flat lids closed them."""

from __future__ import annotations

import numpy as np
import pytest
import pyvista as pv

from tramontane.contract import Contract, DomainSpec
from tramontane.errors import SurrogateError
from tramontane.formats import read_geometry
from tramontane.geometry.holes import Holes
from tramontane.surrogate.places import default_mesh

INSIDE = Contract(domains={"volume": DomainSpec(side="inside")})
BOX = pv.Box((0, 3, 0, 2, 0, 1)).triangulate()
SHAFT = pv.Cylinder(radius=0.5, height=40, resolution=60).triangulate().rotate_vector((1, 2, 3), 40)


def without(surface: pv.PolyData, *some: int) -> pv.PolyData:
    return pv.PolyData.from_regular_faces(surface.points, np.delete(surface.regular_faces, some, axis=0))


def with_a_finer_face() -> pv.PolyData:
    """A box whose lowest face has small triangles, which share but four corners with the others."""
    fine = BOX.subdivide(3)
    flat = fine.points[fine.regular_faces][:, :, 2].max(axis=1) == 0
    coarse = BOX.points[BOX.regular_faces][:, :, 2].max(axis=1) > 0
    points = np.concatenate([BOX.points, fine.points])
    return pv.PolyData.from_regular_faces(
        points, np.concatenate([BOX.regular_faces[coarse], fine.regular_faces[flat] + BOX.n_points])
    )


@pytest.mark.parametrize("away", [0.0, 50.0])
@pytest.mark.parametrize("missing", range(12))
def test_the_volume_is_that_of_the_body_without_its_hole(missing: int, away: float) -> None:
    geometry = read_geometry(without(BOX, missing).translate((away, -away, 0)))
    assert not geometry.closed
    assert geometry.volume == pytest.approx(6.0, rel=1e-6)


@pytest.mark.parametrize("shape", ["box", "shaft", "ball", "finer face"])
def test_a_body_with_a_missing_triangle_has_as_many_cells_as_a_whole_one(shape: str) -> None:
    ball = pv.Sphere(radius=1.0, theta_resolution=60, phi_resolution=60)
    given, whole = {
        "box": (without(BOX, 5), 6.0), "shaft": (without(SHAFT, 17), SHAFT.volume),
        "ball": (without(ball, *range(0, 6000, 250)), ball.volume), "finer face": (with_a_finer_face(), 6.0),
    }[shape]  # fmt: skip
    geometry = read_geometry(given)
    assert not geometry.closed
    mesh = default_mesh(geometry.mesh, INSIDE, "volume", template=np.zeros((1, 3)), cells=20_000)
    assert 0.5 * 20_000 <= mesh.n_cells <= 1.6 * 20_000
    assert mesh.volume == pytest.approx(whole, rel=0.03)


def test_the_flow_around_a_body_with_a_hole_leaves_out_the_body() -> None:
    given, around = read_geometry(without(BOX, 5)).mesh, np.random.default_rng(0).uniform(-1, 2, (4000, 3))
    contract = Contract(domains={"volume": DomainSpec(side="outside")})
    mesh = default_mesh(given, contract, "volume", template=around, cells=20_000)
    bounds = np.reshape(mesh.bounds, (3, 2))
    assert mesh.volume == pytest.approx(float(np.prod(bounds[:, 1] - bounds[:, 0])) - 6.0, rel=0.005)


def test_half_a_body_open_at_the_plane_that_ends_it() -> None:
    ball = pv.Sphere(radius=1.0, theta_resolution=60, phi_resolution=60).clip("x", invert=False).triangulate()
    contract = Contract(domains={"volume": DomainSpec(side="inside", low=(0.0, None, None))})
    given = read_geometry(ball).mesh
    mesh = default_mesh(given, contract, "volume", template=np.zeros((1, 3)), cells=20_000)
    assert mesh.bounds[0] == pytest.approx(0.0, abs=1e-9)
    assert mesh.volume == pytest.approx(2 / 3 * np.pi, rel=0.02)
    assert 0.5 * 20_000 <= mesh.n_cells <= 1.6 * 20_000


def test_what_is_mostly_hole_has_no_inside() -> None:
    for surface, share in ((without(BOX, 4, 5), 16), (pv.Plane(i_resolution=4, j_resolution=4).triangulate(), 100)):
        given = read_geometry(surface).mesh
        with pytest.raises(SurrogateError, match=f"holes are {share} % of its area"):
            default_mesh(given, INSIDE, "volume", template=np.zeros((1, 3)), cells=2_000)


def test_each_hole_has_its_area_and_where_faces_only_meet_there_is_none() -> None:
    merged = read_geometry(without(BOX, 0, 2)).mesh
    holes = Holes.of(merged.points, merged.regular_faces)
    assert holes.areas() == pytest.approx([1.0, 1.0])
    finer = read_geometry(with_a_finer_face()).mesh
    assert Holes.of(finer.points, finer.regular_faces).areas() == pytest.approx([0.0], abs=1e-9)


def test_a_million_holes_are_found_at_once() -> None:
    corners = np.random.default_rng(0).uniform(0, 1, (300_000, 3))
    holes = Holes.of(corners, np.arange(300_000).reshape(-1, 3))
    assert holes.count == 100_000
    assert holes.areas().shape == (100_000,)
