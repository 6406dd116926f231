"""Meshes to predict on: about as many cells as asked for, whatever the shape, and the shape stays what it was."""

from __future__ import annotations

import numpy as np
import pytest
import pyvista as pv

from tramontane.contract import Contract, DomainSpec
from tramontane.deadline import time_limit
from tramontane.errors import TimeLimitError
from tramontane.formats import read_geometry
from tramontane.geometry.refine import refine
from tramontane.surrogate.places import default_mesh


def box(*edges: float) -> pv.PolyData:
    return pv.Box((0, edges[0], 0, edges[1], 0, edges[2])).triangulate()


def askew(*edges: float) -> pv.PolyData:
    return box(*edges).rotate_vector((1, 2, 3), 40)


def shaft(facets: int) -> pv.PolyData:
    return pv.Cylinder(radius=1, height=100, resolution=facets).triangulate()


def ball(steps: int) -> pv.PolyData:
    return pv.Sphere(theta_resolution=steps, phi_resolution=steps)


def fillets() -> pv.PolyData:
    """A cube of twelve triangles beside a small ball of very many."""
    small = pv.Sphere(radius=0.1, center=(3, 3, 3), theta_resolution=120, phi_resolution=120)
    return box(1, 1, 1).merge(small).extract_surface(algorithm="dataset_surface")


SHAPES = {
    "cube": box(1, 1, 1), "rod": box(100, 1, 1), "plate": box(100, 100, 1), "foil": box(100, 100, 0.01),
    "needle": box(1e6, 1, 1), "shaft of 8": shaft(8), "shaft of 60": shaft(60), "shaft of 400": shaft(400),
    "ball": ball(20), "fine ball": ball(150), "finer ball": ball(200), "fillets": fillets(),
    "plate askew": askew(1, 1, 0.05), "foil askew": askew(1, 1, 0.01), "needle askew": askew(10, 0.2, 0.2),
    "ring": pv.ParametricTorus(ringradius=1, crosssectionradius=0.1).triangulate(),
}  # fmt: skip


@pytest.mark.parametrize("cells", [300, 5_000, 50_000])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_surface_has_about_as_many_triangles_as_asked_for(shape: str, cells: int) -> None:
    given = read_geometry(SHAPES[shape]).mesh
    mesh = default_mesh(given, Contract(), "surface", template=np.zeros((1, 3)), cells=cells)
    most = max(1.5 * cells, given.n_cells + 0.5 * cells)
    assert min(0.7 * cells, given.n_cells) <= mesh.n_cells <= most
    assert mesh.n_cells >= given.n_cells
    # The very same body: closed, of the same area and volume, no new corner away from its faces.
    assert mesh.n_open_edges == 0
    assert mesh.is_manifold
    assert mesh.area == pytest.approx(given.area, rel=1e-9)
    assert mesh.volume == pytest.approx(given.volume, rel=1e-5)
    np.testing.assert_array_equal(mesh.points[: given.n_points], given.points)


@pytest.mark.parametrize("cells", [2_000, 50_000])
@pytest.mark.parametrize("shape", [name for name in SHAPES if "f" not in name.split()[0][:1]])
def test_a_volume_has_about_as_many_cells_as_asked_for(shape: str, cells: int) -> None:
    given = read_geometry(SHAPES[shape]).mesh
    contract = Contract(domains={"volume": DomainSpec(side="inside")})
    mesh = default_mesh(given, contract, "volume", template=np.zeros((1, 3)), cells=cells)
    assert 0.5 * cells <= mesh.n_cells <= 1.6 * cells
    assert mesh.volume == pytest.approx(given.volume, rel=0.02 if cells == 50_000 else 0.25)


@pytest.mark.parametrize("shape", ["cube", "foil", "shaft of 60", "needle askew"])
def test_the_space_around_a_body_has_about_as_many_cells_as_asked_for(shape: str) -> None:
    given = read_geometry(SHAPES[shape]).mesh
    contract = Contract(domains={"volume": DomainSpec(side="outside")})
    around = np.random.default_rng(0).uniform(-1, 2, (4000, 3))
    mesh = default_mesh(given, contract, "volume", template=around, cells=20_000)
    assert 0.5 * 20_000 <= mesh.n_cells <= 1.6 * 20_000


def test_half_a_body_has_as_many_cells_as_a_whole_one() -> None:
    given, half = read_geometry(ball(24)).mesh, (0.0, None, None)
    for side, size, whole in (("on", "area", given.area), ("inside", "volume", given.volume)):
        contract = Contract(domains={"part": DomainSpec(side=side, low=half)})
        mesh = default_mesh(given, contract, "part", template=np.zeros((1, 3)), cells=10_000)
        assert 0.6 * 10_000 <= mesh.n_cells <= 1.6 * 10_000
        assert mesh.bounds[0] == pytest.approx(0.0, abs=1e-12)
        assert getattr(mesh, size) == pytest.approx(whole / 2, rel=0.01)


def test_creases_stay_edges_and_long_facets_are_cut_across() -> None:
    given = read_geometry(shaft(12)).mesh
    mesh = pv.PolyData.from_regular_faces(*refine(given.points, given.regular_faces, 20_000))
    creases = mesh.extract_feature_edges(25, boundary_edges=False, non_manifold_edges=False, manifold_edges=False)
    own_creases = given.extract_feature_edges(25, boundary_edges=False, non_manifold_edges=False, manifold_edges=False)
    lengths = [float(edges.compute_cell_sizes()["Length"].sum()) for edges in (creases, own_creases)]
    assert lengths[0] == pytest.approx(lengths[1], rel=1e-6)
    points = mesh.points[mesh.regular_faces]
    longest = np.linalg.norm(points - np.roll(points, 1, axis=1), axis=2).max(1)
    assert longest.max() < 2.0  # of a shaft of the length 100


def test_the_same_surface_gives_the_same_mesh() -> None:
    given = read_geometry(fillets()).mesh
    one, other = (refine(given.points, given.regular_faces, 30_000) for _ in range(2))
    for first, second in zip(one, other, strict=True):
        np.testing.assert_array_equal(first, second)


def test_edges_that_no_or_many_triangles_share_are_no_trouble() -> None:
    strip = pv.PolyData.from_regular_faces(np.array([[0, 0, 0], [9, 0, 0], [0, 1, 0.0]]), [[0, 1, 2]])
    points, triangles = refine(strip.points, strip.regular_faces, 1000)
    assert 700 <= len(triangles) <= 1500
    fan = np.array([[0, 0, 0], [0, 0, 5], [1, 0, 2], [-1, 1, 2], [-1, -1, 2.0]])
    points, triangles = refine(fan, np.array([[0, 1, 2], [0, 1, 3], [0, 1, 4]]), 1000)
    assert 700 <= len(triangles) <= 1500
    mesh = pv.PolyData.from_regular_faces(points, triangles)
    assert mesh.n_points == mesh.clean().n_points


def test_work_ends_when_its_time_is_over_or_nobody_waits() -> None:
    given = read_geometry(box(1, 1, 1)).mesh
    with pytest.raises(TimeLimitError, match=r"longer than 1e-09 s"), time_limit(1e-9):
        refine(given.points, given.regular_faces, 1000)
    with pytest.raises(TimeLimitError, match="nobody waits"), time_limit(None, lambda: True):
        refine(given.points, given.regular_faces, 1000)
    with pytest.raises(TimeLimitError, match=r"1e-09 s"), time_limit(1e-9), time_limit(100.0):
        refine(given.points, given.regular_faces, 1000)
