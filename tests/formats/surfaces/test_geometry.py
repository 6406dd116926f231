"""Geometry: every format gives the same closed body; what is wrong is said, and mended where that is safe."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import pyvista as pv
import trimesh

from tramontane.errors import GeometryError
from tramontane.formats.surfaces.geometry import read_geometry
from tramontane.geometry.distance import inside, signed_distance

BOX_VOLUME = 0.2 * 0.1 * 0.05


@pytest.fixture
def box() -> trimesh.Trimesh:
    """A closed box of 0.2 x 0.1 x 0.05 m."""
    return trimesh.creation.box((0.2, 0.1, 0.05))


def soup(mesh: trimesh.Trimesh) -> pv.PolyData:
    """The triangles of a mesh, each with corners of its own, as an STL has them."""
    corners = mesh.triangles.reshape(-1, 3)
    return pv.PolyData.from_regular_faces(corners, np.arange(len(corners)).reshape(-1, 3))


@pytest.mark.parametrize(
    ("suffix", "kind"), [("stl", "stl"), ("stl", "stl_ascii"), ("obj", "obj"), ("ply", "ply"), ("vtp", "vtp")]
)
def test_every_format_gives_the_same_body(tmp_path: Path, box: trimesh.Trimesh, suffix: str, kind: str) -> None:
    file = tmp_path / f"box.{suffix}"
    if kind == "vtp":
        soup(box).save(file)
    else:
        box.export(file, file_type=kind)
    geometry = read_geometry(file)
    assert geometry.warnings == ()
    assert geometry.closed
    assert geometry.volume == pytest.approx(BOX_VOLUME, rel=1e-6)
    assert geometry.area == pytest.approx(2 * (0.2 * 0.1 + 0.2 * 0.05 + 0.1 * 0.05), rel=1e-6)
    assert np.allclose(geometry.bounds, [[-0.1, -0.05, -0.025], [0.1, 0.05, 0.025]], rtol=1e-6)
    assert (geometry.mesh.n_points, geometry.mesh.n_cells) == (8, 12)
    assert geometry.mesh.volume == pytest.approx(BOX_VOLUME, rel=1e-6)  # VTK's sign says outward


def test_a_length_unit_scales_to_metres(tmp_path: Path, box: trimesh.Trimesh) -> None:
    box.apply_scale(1000).export(tmp_path / "box.stl")
    assert read_geometry(tmp_path / "box.stl", length_unit="mm").volume == pytest.approx(BOX_VOLUME, rel=1e-6)
    assert read_geometry(soup(box), length_unit="mm").volume == pytest.approx(BOX_VOLUME, rel=1e-6)
    assert read_geometry(soup(box), length_unit="mm").warnings == ()


@pytest.mark.parametrize(("scale", "size"), [(1e4, "2e+03"), (1e-6, "2e-07")])
def test_an_unlikely_size_is_said(box: trimesh.Trimesh, scale: float, size: str) -> None:
    (warning,) = read_geometry(soup(box.apply_scale(scale))).warnings
    assert f"is {size} m long; check the length unit (m)" in warning


def test_holes_are_counted(box: trimesh.Trimesh) -> None:
    box.update_faces(np.arange(len(box.faces)) > 0)
    geometry = read_geometry(soup(box))
    assert not geometry.closed
    assert len(geometry.warnings) == 1
    assert "the surface has holes (3 open edges); close it in CAD" in geometry.warnings[0]


@pytest.mark.parametrize("distance", [0.0, 50.0])
def test_inside_out_is_turned_also_with_a_hole_and_far_away(box: trimesh.Trimesh, distance: float) -> None:
    box.apply_translation([distance, -distance, distance])
    box.invert()
    geometry = read_geometry(soup(box))
    assert geometry.volume == pytest.approx(BOX_VOLUME, rel=1e-6)
    assert geometry.mesh.volume == pytest.approx(BOX_VOLUME, rel=1e-6)
    assert [warning for warning in geometry.warnings if "the surface was inside out and turned" in warning]
    box.update_faces(np.arange(len(box.faces)) > 0)
    open_box = read_geometry(soup(box))
    assert open_box.volume > 0
    assert len(open_box.warnings) == 1  # of the hole: what is open has no inside to speak of


def test_triangles_that_disagree_are_turned(box: trimesh.Trimesh) -> None:
    box.faces[3] = box.faces[3][::-1]
    geometry = read_geometry(soup(box))
    assert geometry.mesh.volume == pytest.approx(BOX_VOLUME, rel=1e-6)
    assert "did not agree on which side is outside" in geometry.warnings[0]


def test_one_of_two_bodies_inside_out_is_turned_and_a_cavity_is_not(box: trimesh.Trimesh) -> None:
    other = box.copy().apply_translation([1, 0, 0])
    other.invert()
    pair = read_geometry(soup(trimesh.util.concatenate([box, other])))
    assert pair.volume == pytest.approx(2 * BOX_VOLUME, rel=1e-6)
    assert "1 of 2 bodies were inside out and turned" in pair.warnings[0]
    assert "holds 2 separate bodies" in pair.warnings[1]

    cavity = box.copy().apply_scale(0.5)
    cavity.invert()
    for _ in range(2):
        hollow = soup(trimesh.util.concatenate([box, cavity]))
        assert read_geometry(hollow).volume == pytest.approx(BOX_VOLUME * (1 - 0.125), rel=1e-6)
        box.invert()
        cavity.invert()


def test_triangles_without_extent_are_left_out_and_the_rest_stays_closed(box: trimesh.Trimesh) -> None:
    corners = np.concatenate([box.triangles, np.repeat(box.vertices[:2, None], 3, axis=1)])
    mesh = pv.PolyData.from_regular_faces(corners.reshape(-1, 3), np.arange(3 * len(corners)).reshape(-1, 3))
    geometry = read_geometry(mesh)
    assert geometry.closed
    assert geometry.mesh.n_cells == 12
    assert "2 triangles have two equal corners; they were left out" in geometry.warnings[0]


def test_triangles_that_do_not_quite_meet_are_joined_and_a_real_gap_is_not() -> None:
    ball = trimesh.creation.icosphere(subdivisions=4, radius=0.1)
    apart = soup(ball)
    apart.points = apart.points + np.random.default_rng(0).uniform(-1, 1, apart.points.shape) * 2e-7
    geometry = read_geometry(apart)
    assert geometry.closed
    assert geometry.mesh.n_points == len(ball.vertices)
    assert geometry.volume == pytest.approx(ball.volume, rel=1e-4)
    assert len(geometry.warnings) == 1
    assert "12798 points at open edges lay within 2e-06 m of others and were joined" in geometry.warnings[0]

    far = ball.copy().apply_translation([0, 0, 0.2001])
    for mesh in (ball, far):
        mesh.update_faces(np.abs(mesh.triangles_center[:, 2] - 0.1) > 0.005)
    pair = read_geometry(soup(trimesh.util.concatenate([ball, far])))
    assert not pair.closed
    assert not [warning for warning in pair.warnings if "joined" in warning]


def test_bodies_that_touch_at_a_common_face_are_one(box: trimesh.Trimesh) -> None:
    mirrored = box.copy()
    mirrored.vertices[:, 0] = 0.2 - mirrored.vertices[:, 0]
    mirrored.invert()
    pair = read_geometry(soup(trimesh.util.concatenate([box, mirrored])))
    assert pair.closed
    assert pair.volume == pytest.approx(2 * BOX_VOLUME, rel=1e-6)
    assert pair.mesh.n_cells == 20
    assert len(pair.warnings) == 1
    assert "bodies touch at 2 common triangles; these were left out" in pair.warnings[0]

    # Where the triangles of the common face differ, both stay, and still they are one.
    other = read_geometry(soup(trimesh.util.concatenate([box, box.copy().apply_translation([0.2, 0, 0])])))
    assert other.volume == pytest.approx(2 * BOX_VOLUME, rel=1e-6)
    assert other.mesh.n_cells == 24
    assert len(other.warnings) == 1
    assert "4 edges belong to more than two triangles" in other.warnings[0]

    turned = box.copy()
    turned.invert()
    sides = read_geometry(soup(trimesh.util.concatenate([box, turned])))
    assert sides.volume == pytest.approx(BOX_VOLUME, rel=1e-6)
    assert "12 triangles are there more than once" in sides.warnings[0]


def test_quadrilaterals_become_triangles() -> None:
    geometry = read_geometry(pv.Cube())
    assert geometry.mesh.is_all_triangles
    assert geometry.volume == pytest.approx(1)


@pytest.mark.parametrize("kind", ["stl", "stl_ascii", "obj", "ply", "vtp"])
def test_a_damaged_file_is_an_error_in_one_line(tmp_path: Path, box: trimesh.Trimesh, kind: str) -> None:
    box = box.subdivide()
    file = tmp_path / f"part.{kind.split('_')[0]}"
    if kind == "vtp":
        soup(box).save(file)
    else:
        box.export(file, file_type=kind)
    content = file.read_bytes()
    # An OBJ says nowhere how long it is: cut between two lines, it is a surface with holes.
    shares = (0.0, 0.1, 0.4) if kind == "obj" else (0.0, 0.1, 0.4, 0.7, 0.99)
    for damaged in [*(content[: int(share * len(content))] for share in shares), b"no geometry\n" * 30]:
        file.write_bytes(damaged)
        with pytest.raises(GeometryError) as error:
            read_geometry(file)
        assert str(error.value).startswith(f"{file}: ")
        assert "\n" not in str(error.value)
        assert "again" in str(error.value) or "export" in str(error.value)


def test_points_of_one_coordinate_are_refused(tmp_path: Path) -> None:
    (tmp_path / "part.obj").write_text("v 1\nv 2\nv 3\nf 1 2 3\n")
    with pytest.raises(GeometryError, match=r"part\.obj: its points have 1 coordinates, not 3; export it again"):
        read_geometry(tmp_path / "part.obj")


@pytest.mark.parametrize("wrong", ["4", "-1", "2000000000"])
def test_triangles_of_points_that_do_not_exist_are_refused(tmp_path: Path, wrong: str) -> None:
    head = "ply\nformat ascii 1.0\nelement vertex 4\nproperty float x\nproperty float y\nproperty float z\n"
    head += "element face 2\nproperty list uchar int vertex_indices\nend_header\n"
    body = "0 0 0\n1 0 0\n0 1 0\n0 0 1\n3 0 1 2\n3 0 1 "
    (tmp_path / "part.ply").write_text(f"{head}{body}3\n")
    assert read_geometry(tmp_path / "part.ply").mesh.n_cells == 2
    (tmp_path / "part.ply").write_text(f"{head}{body}{wrong}\n")
    with pytest.raises(GeometryError, match=rf"part\.ply: a triangle has point {wrong}, points are 0 to 3"):
        read_geometry(tmp_path / "part.ply")


def test_what_has_no_area_or_no_place_is_refused(tmp_path: Path, box: trimesh.Trimesh) -> None:
    with pytest.raises(GeometryError, match="holds no triangles"):
        read_geometry(pv.PolyData())
    with pytest.raises(GeometryError, match="holds no triangles"):
        read_geometry(pv.Line())
    with pytest.raises(GeometryError, match="no triangle with an area"):
        read_geometry(pv.PolyData.from_regular_faces(np.outer([0.0, 1.0, 2.0], [1, 0, 0]), [[0, 1, 2]]))
    mesh = soup(box)
    mesh.points[4] = np.nan
    with pytest.raises(GeometryError, match="geometry: 1 points are not finite, the first is point 4"):
        read_geometry(mesh)
    with pytest.raises(GeometryError, match=r"none\.stl: there is no such file"):
        read_geometry(tmp_path / "none.stl")
    (tmp_path / "part.iges").write_text("x")
    with pytest.raises(GeometryError, match=r"\.iges is not read as a geometry; give one of \.stl"):
        read_geometry(tmp_path / "part.iges")


# -- STEP ----------------------------------------------------------------------------------------------------------


def test_a_step_file_comes_in_metres_whatever_its_unit(tmp_path: Path) -> None:
    occ = pytest.importorskip("netgen.occ")
    part = occ.Box((0, 0, 0), (20, 10, 5)) - occ.Cylinder((10, 5, -1), occ.Z, 2, h=10)
    file = tmp_path / "part.step"
    part.WriteStep(str(file))
    geometry = read_geometry(file, length_unit="inch")  # the file's own unit counts
    assert geometry.closed
    assert geometry.warnings == ()
    assert geometry.volume == pytest.approx((20 * 10 * 5 - np.pi * 4 * 5) * 1e-9, rel=2e-3)
    assert np.allclose(geometry.bounds, [[0, 0, 0], [0.02, 0.01, 0.005]], atol=1e-9)
    file.write_text(file.read_text().replace("SI_UNIT(.MILLI.,.METRE.)", "SI_UNIT($,.METRE.)"))
    assert read_geometry(file).bounds[1][0] == pytest.approx(20)


def test_a_damaged_step_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    occ = pytest.importorskip("netgen.occ")
    file = tmp_path / "part.step"
    occ.Box((0, 0, 0), (1, 1, 1)).WriteStep(str(file))
    content = file.read_text()
    for damaged in (content[: len(content) // 2], "no step", ""):
        file.write_text(damaged)
        with pytest.raises(GeometryError, match=r"part\.step: .*again"):
            read_geometry(file)
    assert capfd.readouterr() == ("", "")


def test_step_without_netgen_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "part.step").write_text("x")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(GeometryError, match=r"part\.step: STEP needs Netgen; .* pip install 'tramontane\[solve\]'"):
        read_geometry(tmp_path / "part.step")


# -- inside --------------------------------------------------------------------------------------------------------


def test_inside_and_distance_of_a_sphere() -> None:
    body = trimesh.creation.icosphere(subdivisions=5, radius=1.0)  # 20,480 triangles
    mesh = pv.PolyData.from_regular_faces(body.vertices, body.faces)
    points = np.random.default_rng(0).uniform(-1.2, 1.2, (20_000, 3))
    radius = np.linalg.norm(points, axis=1)
    clear = np.abs(radius - 1) > 1e-3  # the facets cut the sphere by less
    start = time.perf_counter()
    within = inside(mesh, points)
    assert time.perf_counter() - start < 10  # about half a second when nothing else runs
    assert np.array_equal(within[clear], (radius < 1)[clear])
    assert np.abs(signed_distance(mesh, points[:1000]) - (radius[:1000] - 1)).max() < 1e-3


def test_inside_of_a_box_on_a_grid_aligned_with_its_edges() -> None:
    box = read_geometry(pv.Cube()).mesh
    line = np.linspace(-0.75, 0.75, 25)
    points = np.stack(np.meshgrid(line, line, line), axis=-1).reshape(-1, 3)
    reach = np.abs(points).max(axis=1)
    clear = np.abs(reach - 0.5) > 1e-9
    assert np.array_equal(inside(box, points)[clear], (reach < 0.5)[clear])
    assert inside(box, points[:0]).shape == (0,)
    assert inside(box, [[0, 0, 0], [2, 0, 0]]).tolist() == [True, False]


def test_equal_corners_of_an_stl_are_one_point_in_the_order_in_which_they_come(tmp_path: Path) -> None:
    body = pv.Sphere(theta_resolution=40, phi_resolution=30).triangulate()
    file = tmp_path / "ball.stl"
    body.save(file)
    corners = trimesh.load_mesh(file, process=False).vertices
    mesh = read_geometry(file).mesh
    assert mesh.n_points == len(np.unique(corners, axis=0)) == body.n_points
    np.testing.assert_array_equal(np.asarray(mesh.points)[mesh.regular_faces.ravel()], corners)
    first_used = np.unique(mesh.regular_faces.ravel(), return_index=True)[1]
    assert (np.diff(first_used) > 0).all()
    # The same far from the origin, where the grid that points are rounded to must not run over.
    body.points = np.asarray(body.points, dtype=np.float64)
    far = read_geometry(body.translate((3e7, -2e7, 1e7), inplace=False)).mesh
    assert (far.n_points, far.n_cells) == (body.n_points, body.n_cells)


@pytest.mark.parametrize("kind", ["twice", "twice, back to back", "thrice", "a hair apart"])
def test_a_body_that_is_there_more_than_once_counts_once(kind: str) -> None:
    ball = pv.Sphere(theta_resolution=40, phi_resolution=40)
    points, faces = ball.points.astype(float), ball.regular_faces
    if kind == "a hair apart":
        body = pv.PolyData.from_regular_faces(
            np.vstack([points, points + 1e-5]), np.vstack([faces, faces + len(points)])
        )
    else:
        other = faces[:, ::-1] if "back" in kind else faces
        body = pv.PolyData.from_regular_faces(
            points, np.vstack([faces, other, faces] if kind == "thrice" else [faces, other])
        )
    geometry, once = read_geometry(body), read_geometry(ball)
    assert geometry.closed
    assert geometry.mesh.n_cells == once.mesh.n_cells
    assert geometry.volume == pytest.approx(once.volume, rel=1e-6)
    assert geometry.area == pytest.approx(once.area, rel=1e-6)
    warnings = " ".join(geometry.warnings)
    assert "left out" in warnings if kind == "a hair apart" else "more than once; one of each was kept" in warnings
    assert "bodies" not in warnings or kind == "a hair apart"


def test_a_thin_skin_keeps_its_inner_face() -> None:
    outer, inner = pv.Sphere(radius=1.0), pv.Sphere(radius=0.9999).flip_faces()
    skin = read_geometry(outer.merge(inner, merge_points=False).extract_surface(algorithm="dataset_surface"))
    assert skin.volume == pytest.approx(outer.volume - abs(inner.volume), rel=0.01)


@pytest.mark.parametrize("inverted", [False, True])
def test_thousands_of_bodies_have_their_volume(inverted: bool) -> None:
    one = pv.Sphere(theta_resolution=6, phi_resolution=6)
    points, faces, count = one.points.astype(float), one.regular_faces, 4000
    places = np.stack(np.meshgrid(*[np.arange(20)] * 3), axis=-1).reshape(-1, 3)[:count] * 1.2
    many = pv.PolyData.from_regular_faces(
        (places[:, None] + points).reshape(-1, 3),
        (np.arange(count)[:, None, None] * len(points) + (faces[:, ::-1] if inverted else faces)).reshape(-1, 3),
    )
    geometry = read_geometry(many)
    assert geometry.volume == pytest.approx(count * one.volume, rel=1e-6)
    assert f"{count} separate bodies" in " ".join(geometry.warnings)


@pytest.mark.parametrize("factor", [1e30, 1e200, 1e-30])
def test_coordinates_of_no_part_are_refused(factor: float) -> None:
    ball = pv.Sphere(theta_resolution=12, phi_resolution=12)
    with pytest.raises(GeometryError, match="which no part is"):
        read_geometry(pv.PolyData.from_regular_faces(ball.points.astype(float) * factor, ball.regular_faces))
