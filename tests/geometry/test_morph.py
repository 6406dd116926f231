"""Morphing: displacements that are known exactly, and shapes that are refused."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import pyvista as pv
import tomli_w
from typer.testing import CliRunner
from vtkmodules.vtkCommonDataModel import vtkTriangle

from tramontane import solvers
from tramontane.cli import app
from tramontane.contract import Contract, ParameterSpec, QoiSpec
from tramontane.design import Design
from tramontane.errors import ContractError, GeometryError, TramontaneError
from tramontane.formats.surfaces.geometry import read_geometry
from tramontane.formats.surfaces.morphed import MorphedGeometry
from tramontane.geometry.morph import Morph
from tramontane.geometry.morph_config import MorphConfig, read_morph
from tramontane.geometry.self_intersections import self_intersections
from tramontane.geometry.thickness import thinnest_wall
from tramontane.search import simulators
from tramontane.simulator import Parametric

UNIT_BOX = {"low": [0, 0, 0], "high": [1, 1, 1], "control_points": [2, 2, 2]}
TOP = ["*", "*", 1]


def box_move(points: list[Any], direction: list[float], box: str = "box") -> dict[str, Any]:
    return {"box": box, "control_points": points, "direction": direction}


def handle(place: list[float], direction: list[float], radius: float = 0.5) -> dict[str, Any]:
    return {"handles": [place], "radius": radius, "direction": direction}


def parameter(*moves: dict[str, Any], low: float = -10.0, high: float = 10.0) -> dict[str, Any]:
    return {"low": low, "high": high, "moves": list(moves)}


def config(parameters: dict[str, Any], **rest: Any) -> MorphConfig:
    return MorphConfig.model_validate({"boxes": {"box": UNIT_BOX}, "parameters": parameters} | rest)


def surface(mesh: pv.PolyData, file: Path, *, binary: bool = True) -> Path:
    mesh.triangulate().save(file, binary=binary)
    return file


def cube(file: Path, splits: int = 3) -> Path:
    """A cube from 0 to 1, each face in 2 x 4^splits triangles."""
    return surface(pv.Cube(center=(0.5, 0.5, 0.5)).triangulate().subdivide(splits), file)


def sphere(resolution: int = 24) -> pv.PolyData:
    return pv.Sphere(radius=1, theta_resolution=resolution, phi_resolution=resolution)


def refusal(morphed: MorphedGeometry, **values: float) -> str:
    with pytest.raises(GeometryError) as refused:
        morphed.geometry(Design(**values))
    return str(refused.value)


PLACES = np.random.default_rng(0).random((200, 3))


# --- what moves


def test_a_linear_box_shears_and_stretches_a_cube_exactly(tmp_path: Path) -> None:
    morphed = MorphedGeometry(
        cube(tmp_path / "cube.stl"),
        config({"shear": parameter(box_move([TOP], [1, 0, 0])), "tall": parameter(box_move([TOP], [0, 0, 3]))}),
    )
    as_it_was = np.asarray(morphed.geometry(Design()).points)
    sheared = np.asarray(morphed.geometry(Design(shear=0.5, tall=0.25)).points)
    expected = as_it_was + as_it_was[:, 2:] * [0.5, 0, 0.25]
    np.testing.assert_allclose(sheared, expected, rtol=0, atol=1e-15)
    assert morphed.simulate(Design(shear=0.5)).qoi["volume"] == pytest.approx(1.0, rel=1e-14)
    assert morphed.simulate(Design(shear=0.5, tall=0.25)).qoi["volume"] == pytest.approx(1.25, rel=1e-14)


def test_a_box_whose_control_points_all_move_moves_all_by_it() -> None:
    box = UNIT_BOX | {"control_points": [4, 3, 5]}
    morph = Morph(config({"all": parameter(box_move([["*", "*", "*"]], [1, 2, 2]))}, boxes={"box": box}))
    np.testing.assert_allclose(morph.modes(PLACES)[0], np.tile([1 / 3, 2 / 3, 2 / 3], (200, 1)), rtol=0, atol=1e-14)
    assert not morph.modes(PLACES + 1.01).any()


def test_one_control_point_moves_points_by_its_bernstein_polynomial() -> None:
    box = UNIT_BOX | {"control_points": [3, 4, 2]}
    morph = Morph(config({"one": parameter(box_move([[1, 2, -1]], [0, 0, 1]))}, boxes={"box": box}))
    x, y, z = PLACES.T
    np.testing.assert_allclose(morph.modes(PLACES)[0, :, 2], 2 * x * (1 - x) * 3 * y**2 * (1 - y) * z, atol=1e-15)


def test_handles_are_met_exactly_whichever_others_are_near() -> None:
    places = PLACES[:6]
    moves = {f"p{i}": parameter(handle(place.tolist(), [1, 0, i], 0.9)) for i, place in enumerate(places)}
    modes = Morph(config(moves)).modes(places)
    for number in range(6):  # parameter i moves handle i by one, and no other
        expected = np.zeros((6, 3))
        expected[number] = np.array([1, 0, number]) / np.hypot(1, number)
        np.testing.assert_allclose(modes[number], expected, rtol=0, atol=1e-11)


def test_nothing_moves_beyond_a_radius_nor_in_a_fixed_region() -> None:
    fixed = {"low": [-1, -1, 0], "high": [2, 2, 0.3], "blend": 0.4}
    morph = Morph(config({"p": parameter(handle([0.5, 0.5, 0.6], [0, 0, 1], 0.6))}, fixed=[fixed]))
    modes = morph.modes(PLACES)[0]
    still = (np.linalg.norm(PLACES - [0.5, 0.5, 0.6], axis=1) >= 0.6) | (PLACES[:, 2] <= 0.3)
    assert not modes[still].any()
    assert (modes[~still, 2] > 0).all()
    np.testing.assert_allclose(morph.modes(np.array([[0.5, 0.5, 0.6]]))[0], [[0, 0, 1]], atol=1e-14)


@pytest.mark.parametrize(
    "moves",
    [
        {"p": parameter(handle([0.2, 0.6, 0.7], [1, 2, 3], 0.8)), "q": parameter(handle([0.1, 0, 1], [0, 0, 1], 0.4))},
        {"p": parameter(box_move([[0, 1, 2], [2, 1, 2]], [0, 1, 1]))},
        {"p": parameter(box_move([[0, 2, 2], [1, 1, 0]], [1, 0, 1], "across"))},
    ],
)
def test_what_is_symmetric_stays_symmetric(moves: dict[str, Any]) -> None:
    boxes = {
        "box": {"low": [-1.5, -1.5, -1.5], "high": [1.5, 0, 1.5], "control_points": [3, 3, 3]},  # is turned across
        "across": {"low": [-1.5, -1.5, -1.5], "high": [1.5, 1.5, 1.5], "control_points": [2, 3, 3]},
    }
    morph = Morph(config(moves, symmetry="y", boxes=boxes))
    points, mirror = np.asarray(sphere().points, dtype=np.float64), np.array([1.0, -1.0, 1.0])
    here, there = morph.modes(points), morph.modes(points * mirror)
    assert np.abs(here).max() > 0.05
    np.testing.assert_allclose(there, here * mirror, rtol=0, atol=1e-12)
    on_plane = morph.modes(points * [1, 0, 1])
    assert not on_plane[..., 1].any()
    close = morph.modes(points * [1, 0, 1] + [0, 1e-9, 0])
    np.testing.assert_allclose(close, on_plane, rtol=0, atol=1e-7)  # nothing tears along the plane


def test_large_triangles_are_divided_if_asked(tmp_path: Path) -> None:
    file = surface(pv.Cube(center=(0.5, 0.5, 0.5)), tmp_path / "cube.stl")
    bump = {"bump": parameter(handle([0.5, 0.5, 1], [0, 0, 1], 0.4))}
    with pytest.raises(GeometryError, match=r"parameter bump: moves no point of the surface.*max_edge"):
        MorphedGeometry(file, config(bump))
    morphed = MorphedGeometry(file, config(bump, max_edge=0.05))
    mesh = morphed.geometry(Design(bump=0.1))
    assert mesh.is_manifold
    # The integral of (1 - r)^4 (4 r + 1) over a disk of radius R is 2 pi R^2 / 14.
    assert morphed.simulate(Design(bump=0.1)).qoi["volume"] == pytest.approx(1 + 0.1 * np.pi * 0.4**2 / 7, rel=1e-3)


# --- files


@pytest.mark.parametrize("binary", [True, False])
def test_at_zero_the_file_is_the_same_and_elsewhere_its_names_stay(tmp_path: Path, binary: bool) -> None:
    file = surface(sphere(), tmp_path / "ball.stl", binary=binary)
    data = file.read_bytes()
    if not binary:
        file.write_bytes(data.replace(b"solid Visualization Toolkit generated SLA File", b"solid body of vertex 1"))
        data = file.read_bytes()
    morphed = MorphedGeometry(file, config({"p": parameter(handle([0, 0, 1], [0, 0, 1], 0.7))}, length_unit="mm"))
    morphed.write(Design(p="0 mm"), tmp_path / "same.stl")
    assert (tmp_path / "same.stl").read_bytes() == data
    mesh = morphed.write(Design(p="0.2 mm"), tmp_path / "moved.stl")
    moved = (tmp_path / "moved.stl").read_bytes()
    assert moved[:23] == data[:23]
    written = pv.read(tmp_path / "moved.stl")
    assert written.n_cells == mesh.n_cells
    assert written.volume * 1e-9 == pytest.approx(mesh.volume, rel=1e-6)
    assert written.bounds[5] == pytest.approx(1.2, rel=1e-6)
    assert sum(a == b for a, b in zip(moved, data, strict=False)) > 0.5 * len(data) or not binary


def test_decimal_commas_become_points_where_triangles_move(tmp_path: Path) -> None:
    file = surface(pv.Cube(center=(0.5, 0.5, 0.5)).triangulate().subdivide(2), tmp_path / "cube.stl", binary=False)
    file.write_bytes(file.read_bytes().replace(b".", b","))
    morphed = MorphedGeometry(file, config({"p": parameter(handle([0.5, 0.5, 1], [0, 0, 1], 0.3))}))
    mesh = morphed.write(Design(p=0.1), tmp_path / "out.stl")
    assert read_geometry(tmp_path / "out.stl").volume == pytest.approx(mesh.volume, rel=1e-6)
    assert read_geometry(tmp_path / "out.stl").closed


def test_a_python_class_and_the_command_agree(tmp_path: Path) -> None:
    file, toml = surface(sphere(), tmp_path / "ball.stl"), tmp_path / "morph.toml"
    toml.write_text(
        tomli_w.dumps(
            {
                "length_unit": "cm", "symmetry": "z",
                "parameters": {"nose": parameter(handle([1, 0, 0], [1, 0, 0], 0.8), low=-3, high=3) | {"unit": "mm"}},
            }
        )
    )  # fmt: skip
    morphed = MorphedGeometry(file, toml)
    assert isinstance(morphed, Parametric)
    spec = morphed.contract.parameters["nose"]
    assert (spec.role, spec.low, spec.high, spec.unit) == ("geometry", -0.003, 0.003, "mm")
    run = ["morph", str(file), "--with", str(toml)]
    done = CliRunner().invoke(app, [*run, "--set", "nose=2mm", "-o", str(tmp_path / "out.stl"), "--check"])
    assert done.exit_code == 0, done.output
    assert pv.read(tmp_path / "out.stl").volume == pytest.approx(
        morphed.geometry(Design(nose=2)).volume * 1e6, rel=1e-6
    )
    assert "as given" in done.output
    assert f"{100 * morphed.report(Design(nose='2 mm')).volume_change:+.2f} %" in done.output
    ends = CliRunner().invoke(app, [*run, "--check"])
    assert [text in ends.output for text in ("defaults", "nose = -3 mm", "nose = 3 mm")] == [True] * 3
    far = CliRunner().invoke(app, [*run, "--set", "nose=4mm", "-o", str(tmp_path / "out.stl")])
    assert "nose" in far.output
    assert "3" in far.output  # the end of the range
    bad = CliRunner().invoke(app, [*run, "--set", "nose=-30mm", "--check"])
    assert "parameter nose = -30 mm: " in str(bad.exception)
    toml.write_text(toml.read_text().replace("low = -3", "low = -30"))
    ends = CliRunner().invoke(app, [*run, "--check"])
    assert "parameter nose = -30 mm: " in ends.output
    assert "1 of 3 designs cannot be used (above)" in str(ends.exception)
    nothing = CliRunner().invoke(app, run)
    assert nothing.exit_code == 2


def test_a_morph_makes_the_shapes_of_a_surrogate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cube(tmp_path / "cube.stl")
    tall: dict[str, Any] = {"surface": "cube.stl", "boxes": {"box": UNIT_BOX}}
    tall["parameters"] = {"tall": parameter(box_move([TOP], [0, 0, 1]))}
    file = tmp_path / "morph.toml"
    file.write_text(tomli_w.dumps(tall))
    assert solvers.create(file).simulate(Design(tall="50 cm")).qoi["volume"] == pytest.approx(1.5)
    contract = Contract(
        parameters={"load": ParameterSpec(unit="N", low=1, high=2),
                    "edge": ParameterSpec(unit="m", low=1, high=2, role="geometry")},
        qoi={"mass": QoiSpec(unit="kg")},
    )  # fmt: skip
    surrogate = SimpleNamespace(contract=contract, needs_geometry=True, model="classical", identity="1")
    monkeypatch.setattr(simulators, "_surrogate", lambda named: surrogate)
    drives = simulators.driven("model", shapes=file)
    assert list(drives.contract.parameters) == ["load", "tall"]
    assert list(drives.contract.qoi) == ["mass"]
    assert isinstance(drives.solver, Parametric)
    assert drives.plan["shapes"] == f"cube {MorphedGeometry(tmp_path / 'cube.stl', file).fingerprint}"
    assert drives.solver.geometry(Design(load="1 N", tall="1 m")).volume == pytest.approx(2)
    with pytest.raises(ContractError, match="solves nothing; give it as --shapes"):
        simulators.driven("model", solver=file)
    with pytest.raises(ContractError, match="parameter tall of the morph is an operating condition"):
        solvers.create(file).for_surrogate(Contract(parameters={"tall": contract.parameters["load"]}))  # type: ignore[attr-defined]
    file.write_text(tomli_w.dumps({key: value for key, value in tall.items() if key != "surface"}))
    with pytest.raises(ContractError, match=r'names no surface; write surface = "body\.stl"'):
        solvers.create(file)


# --- what is refused


def test_folds_intersections_and_thin_walls_are_refused(tmp_path: Path) -> None:
    moves = {
        "tall": parameter(box_move([TOP], [0, 0, 1])),
        "dent": parameter(handle([0.5, 0.5, 1], [0, 0, 1], 0.4)),
        "fold": parameter(handle([0.5, 0.5, 1], [1, 0, 0], 0.4)),
    }
    morphed = MorphedGeometry(cube(tmp_path / "cube.stl"), config(moves, checks={"min_thickness": 0.2}))
    assert morphed.report(Design(dent=-0.5)).displacement == pytest.approx(0.5)
    assert refusal(morphed, tall=-1.2).startswith(
        "parameter tall = -1.2 m: 768 triangles are folded over, the first at ("
    )
    assert "moves the surface by more than 1000 times its size" in refusal(morphed, tall=1e300)
    assert "parameter fold = 0.4 m: " in refusal(morphed, fold=0.4)
    text = refusal(morphed, dent=-1.2, tall=0.1)
    assert "parameter dent = -1.2 m: the surface passes through itself at" in text
    assert "parameter tall = -0.85 m: a wall is 0.15 m thin at (" in (text := refusal(morphed, tall=-0.85))
    assert "(bound 0.2 m)" in text


def test_a_triangle_that_loses_its_area_is_refused(tmp_path: Path) -> None:
    moves = {"flat": parameter(box_move([TOP], [0, 0, 1]))}
    morphed = MorphedGeometry(cube(tmp_path / "cube.stl"), config(moves, checks={"min_quality": 0.3}))
    assert refusal(morphed, flat=-0.9).startswith("parameter flat = -0.9 m: ")
    assert "triangles are degenerate" in refusal(morphed, flat=-0.9)
    morphed.geometry(Design(flat=-0.5))


def test_a_box_that_would_tear_the_surface_is_refused(tmp_path: Path) -> None:
    half = {"box": {"low": [-0.1, -0.1, 0.4], "high": [1.1, 1.1, 1.1], "control_points": [2, 2, 3]}}
    with pytest.raises(GeometryError, match=r"parameter p: would tear the surface at \(.*, 0.4\) m.*box 'box'"):
        MorphedGeometry(cube(tmp_path / "cube.stl"), config({"p": parameter(box_move([["*", "*", 0]], [1, 0, 0]))},
                                                            boxes=half))  # fmt: skip
    MorphedGeometry(tmp_path / "cube.stl", config({"p": parameter(box_move([TOP], [1, 0, 0]))}, boxes=half))


def test_an_open_surface_is_refused(tmp_path: Path) -> None:
    file = surface(pv.Plane(i_resolution=4, j_resolution=4), tmp_path / "open.stl")
    with pytest.raises(GeometryError, match=r"open.stl: the surface has holes"):
        MorphedGeometry(file, config({"p": parameter(handle([0, 0, 0], [0, 0, 1]))}))


def test_a_design_with_another_parameter_or_unit_is_refused(tmp_path: Path) -> None:
    morphed = MorphedGeometry(cube(tmp_path / "cube.stl"), config({"p": parameter(box_move([TOP], [0, 0, 1]))}))
    with pytest.raises(ContractError, match="parameter q is not known"):
        morphed.geometry(Design(q=1))
    with pytest.raises(TramontaneError, match="'p'"):
        morphed.geometry(Design(p="1 kg"))


GOOD: dict[str, Any] = {"boxes": {"box": UNIT_BOX}, "parameters": {"p": parameter(box_move([TOP], [1, 0, 0]))}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"paramters": {}}, "paramters: is no key of a morph.toml"),
        ({"parameters": {}}, "parameters: "),
        ({"length_unit": "kg"}, "unit 'kg' is no unit of length"),
        ({"parameters": {"p": parameter(box_move([TOP], [0, 0, 0]))}}, "direction is zero"),
        ({"parameters": {"p": parameter(box_move([TOP], [1, 0, 0], "bx"))}}, "moves.0: box 'bx' is not known"),
        ({"parameters": {"p": parameter(box_move([[0, 0, 2]], [1, 0, 0]))}}, r"point \[0, 0, 2\] is none of 2 x 2"),
        ({"parameters": {"p": parameter(handle([0, 0, 0], [1, 0, 0]), low=3, high=2)}}, r"low \(3\) is above high"),
        ({"parameters": {"p": parameter(handle([0, 0, 0], [1, 0, 0]), low=3)}}, r"default \(0\) is not between"),
        ({"parameters": {"p": parameter({"handles": [[0, 0, 0]], "direction": [1, 0, 0]})}}, "handles have a radius"),
        ({"boxes": {"box": UNIT_BOX | {"low": [0, 2, 0]}}}, r"in y, low \(2\) is not below high \(1\)"),
        ({"symmetry_at": float("nan")}, "symmetry_at is nan"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_file_is_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    file = tmp_path / "morph.toml"
    file.write_text(tomli_w.dumps(GOOD | changes))
    with pytest.raises(ContractError, match=message) as wrong:
        read_morph(file)
    assert str(file) in str(wrong.value)


@pytest.mark.parametrize(
    ("parameters", "rest", "message"),
    [
        ({"p": parameter(handle([0, 0, 0], [0, 1, 0]))}, {"symmetry": "y"}, "across the plane of symmetry"),
        ({"p": parameter(box_move([[0, 0, 0]], [0, 1, 0]))}, {"symmetry": "y"}, "plane of symmetry moves across it"),
        ({"p": parameter(box_move([TOP], [1, 0, 0]))}, {"symmetry": "y", "symmetry_at": 0.4}, "reaches further on one"),
        ({"p": parameter(box_move([TOP], [0, 1, 0]))}, {"symmetry": "y", "symmetry_at": 0.5}, "image move differently"),
        ({"p": parameter(handle([0, 0, 0], [1, 0, 0], 1), handle([0, 0, 0], [1, 0, 0], 2))}, {}, "another radius"),
        ({"p": parameter(handle([0, 0, 0], [1, 0, 0]), handle([0, 0, 0], [0, 1, 0]))}, {}, "moves one handle twice"),
        ({"p": parameter(handle([0, 0, 0], [1, 0, 0]))}, {"fixed": [{"low": [-1] * 3, "high": [1] * 3, "blend": 1}]},
         "lies in a fixed region"),
    ],
)  # fmt: skip
def test_moves_that_contradict_each_other_are_refused(
    parameters: dict[str, Any], rest: dict[str, Any], message: str
) -> None:
    with pytest.raises(ContractError, match=message):
        Morph(config(parameters, **rest))


# --- what is measured


def test_two_spheres_intersect_where_they_cross() -> None:
    ball = sphere(32).clean()
    points, triangles = np.asarray(ball.points, dtype=np.float64), np.asarray(ball.regular_faces, dtype=np.int64)
    assert not len(self_intersections(points, triangles))
    both = np.concatenate([points, points + np.array([1.2, 0.013, 0.017])])
    pairs = self_intersections(both, np.concatenate([triangles, triangles + len(points)]))
    assert (pairs[:, 0] < len(triangles)).all()
    assert (pairs[:, 1] >= len(triangles)).all()
    # The circle where they cross has its middle half way, and lies in the plane between.
    middles = points[triangles[pairs[:, 0]]].mean(axis=1)
    np.testing.assert_allclose(middles @ [1.2, 0.013, 0.017] / 1.2, 0.6, atol=0.12)
    some = self_intersections(both, np.concatenate([triangles, triangles + len(points)]), pairs[:5, 0])
    assert set(map(tuple, pairs[:5].tolist())) <= set(map(tuple, some.tolist()))
    apart = np.concatenate([points, points + np.array([2.01, 0, 0])])
    assert not len(self_intersections(apart, np.concatenate([triangles, triangles + len(points)])))


def test_random_triangles_intersect_where_vtk_says_so() -> None:
    rng = np.random.default_rng(3)
    places = rng.random((150, 1, 3)) + 0.25 * rng.standard_normal((150, 3, 3))
    triangles = np.arange(450).reshape(-1, 3)
    expected = [
        [one, two]
        for one in range(150)
        for two in range(one + 1, 150)
        if vtkTriangle.TrianglesIntersect(*places[one].tolist(), *places[two].tolist())
    ]
    assert len(expected) > 300
    assert self_intersections(places.reshape(-1, 3), triangles).tolist() == expected


def test_the_thinnest_wall_of_a_plate_and_of_a_shell() -> None:
    plate = pv.Box((0, 1, 0, 2, 0, 0.125), level=5).triangulate().clean()
    wall = thinnest_wall(np.asarray(plate.points, np.float64), np.asarray(plate.regular_faces, np.int64))
    assert wall.thickness == pytest.approx(0.125, rel=1e-9)
    ball = sphere(48).clean()
    points, triangles = np.asarray(ball.points, np.float64), np.asarray(ball.regular_faces, np.int64)
    shell = np.concatenate([points, 0.8 * points + [0.1, 0, 0]])  # 0.1 thick at +x, 0.3 at -x
    faces = np.concatenate([triangles, triangles[:, ::-1] + len(points)])
    wall = thinnest_wall(shell, faces)
    assert wall.thickness == pytest.approx(0.1, rel=0.03)
    assert shell[faces[wall.triangle]].mean(axis=0)[0] > 0.85
    assert thinnest_wall(shell, faces, 0.05).triangle == -1


def test_a_hundred_thousand_triangles_take_seconds(tmp_path: Path) -> None:
    ball = surface(sphere(226), tmp_path / "ball.stl")
    morphed = MorphedGeometry(ball, config({"p": parameter(handle([1, 0, 0], [1, 0, 0], 0.8))}))
    started = time.process_time()
    mesh = morphed.geometry(Design(p=0.2))
    assert mesh.n_cells > 100_000
    assert time.process_time() - started < 10  # takes about 0.7
