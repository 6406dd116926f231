"""Copies of a case are found however they were written, distinct designs are not; copies stay in one split."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import pyvista as pv
from hypothesis import given
from hypothesis import strategies as st

from helpers.ellipsoids import ellipsoid, write_family
from tramontane.case import Case
from tramontane.dataset import make_splits
from tramontane.dataset.audit.consistency import Audit, audit, examine
from tramontane.dataset.audit.duplicates import SAME_SHAPE, shape_numbers
from tramontane.formats import read_case, write_case, write_mesh
from tramontane.units import Quantity


def box(length: float = 2.0) -> pv.PolyData:
    return pv.Box(bounds=(0, length, 0, 1, 0, 0.5)).triangulate()


def apart(one: pv.PolyData, other: pv.PolyData) -> float:
    first, second = shape_numbers(one), shape_numbers(other)
    assert first is not None
    assert second is not None
    return float(np.abs(first - second).max())


# -- shapes --------------------------------------------------------------------------------------------------------


def test_the_numbers_of_a_box_are_its_integrals() -> None:
    numbers = shape_numbers(pv.Box(bounds=(-1, 1, -1, 1, -1, 1)).triangulate())
    assert numbers is not None
    diagonal, area = 2 * np.sqrt(3), 24.0
    np.testing.assert_allclose(numbers[0], np.log(diagonal))
    np.testing.assert_allclose(numbers[1:7], np.array([-1, -1, -1, 1, 1, 1]) / diagonal)
    np.testing.assert_allclose(numbers[7], np.sqrt(area) / diagonal)
    moments = numbers[8:42]
    # The mean of x^2 over the surface of a cube of side 2 is (2 * 1 + 4 * 1/3) / 6 = 5/9, of x^4 (2 + 4/5) / 6 = 7/15;
    # coordinates are divided by half of the diagonal, sqrt(3).
    assert np.isclose(moments, 5 / 9 / 3).sum() == 3
    assert np.isclose(moments, 7 / 15 / 9).sum() == 3
    np.testing.assert_allclose(numbers[42:], [1 / 3, 0, 0, 1 / 3, 0, 1 / 3], atol=1e-12)


@pytest.mark.parametrize(
    "again",
    [
        lambda mesh: mesh.subdivide(2, "linear"),
        lambda mesh: mesh.flip_faces(),
        lambda mesh: pv.PolyData.from_regular_faces(mesh.points.astype(np.float32), mesh.regular_faces[::-1]),
        lambda mesh: mesh.rotate_z(0.0).translate((0, 0, 0)),
        lambda mesh: mesh.merge(pv.PolyData(), merge_points=False).extract_surface(algorithm="dataset_surface"),
    ],
)
def test_a_shape_written_again_is_the_same(again: Callable[[pv.PolyData], pv.PolyData]) -> None:
    for mesh in (box(), pv.Sphere()):
        assert apart(mesh, again(mesh)) < 1e-6


def test_small_changes_are_small_and_designs_are_apart() -> None:
    moved = pv.Sphere()
    moved.points = moved.points + 1e-6 * np.random.default_rng(0).standard_normal(moved.points.shape)
    assert apart(pv.Sphere(), moved) < 1e-5
    fine, coarse = (pv.Sphere(theta_resolution=count, phi_resolution=count) for count in (128, 64))
    assert apart(fine, coarse) < SAME_SHAPE
    assert apart(box(2.0), box(2.02)) > SAME_SHAPE
    assert apart(box(), box().translate((0.02, 0, 0))) > SAME_SHAPE
    assert apart(box(), box().rotate_z(1.0)) > SAME_SHAPE


def test_what_has_no_area_has_no_shape() -> None:
    assert shape_numbers(pv.PolyData()) is None
    assert shape_numbers(pv.PolyData(np.eye(3))) is None
    assert shape_numbers(pv.Line()) is None
    assert shape_numbers(pv.PolyData.from_regular_faces(np.zeros((3, 3)), [[0, 1, 2]])) is None


# -- cases ---------------------------------------------------------------------------------------------------------


def some() -> list[Case]:
    return [ellipsoid(str(index), (1.0 - 0.05 * index, 0.8, 0.6), 100.0 + 10 * index) for index in range(6)]


def copied(spoil: Callable[[Case], object]) -> Audit:
    """Six ellipsoids and a copy of number 2 to which something was done."""
    copy = ellipsoid("copy", (0.9, 0.8, 0.6), 120.0)
    spoil(copy)
    return audit([*some(), copy])


def _remeshed(case: Case) -> None:
    """Every triangle divided: another mesh of the same polyhedron, with the fields interpolated."""
    case.meshes["surface"] = case.meshes["surface"].subdivide(1, "linear")
    assert isinstance(case.design.geometry, pv.PolyData)
    case.design.geometry = case.design.geometry.subdivide(1, "linear")


def _perturbed(case: Case) -> None:
    rng = np.random.default_rng(0)
    assert isinstance(case.design.geometry, pv.PolyData)
    for mesh in (*case.meshes.values(), case.design.geometry):
        mesh.points = mesh.points * (1 + 1e-6 * rng.standard_normal(mesh.points.shape))
    for data in (case.meshes["surface"].point_data["pressure"], case.meshes["volume"].point_data["displacement"]):
        data *= 1 + 1e-6 * rng.standard_normal(data.shape)
    case.design.parameters["load"] = Quantity(120 * (1 + 1e-6), "N")


def _other_load(case: Case) -> None:
    for data in (case.meshes["surface"].point_data["pressure"], case.meshes["volume"].point_data["displacement"]):
        data *= 2
    case.design.parameters["load"] = Quantity(240, "N")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda case: None, "has the shape, the parameters and the results of case 2; leave one of them out"),
        (_perturbed, "case copy: has the shape, the parameters and the results of case 2"),
        (_remeshed, "case copy: has the shape and the parameters of case 2, and other results or another mesh"),
        (lambda case: case.design.parameters.update(load=Quantity(0.12, "kN")), "the results of case 2"),
        (lambda case: case.design.parameters.update(load=Quantity(130, "N")),
         "has the shape and the results of case 2, though its load is 130 N, not 120 N; one of them was copied"),
    ],
)  # fmt: skip
def test_a_copy_is_named_and_grouped(spoil: Callable[[Case], object], message: str) -> None:
    result = copied(spoil)
    (problem,) = result.problems
    assert (problem.severity, problem.case, problem.place) == ("warning", "copy", "copies")
    assert message in problem.message
    assert result.duplicate_groups() == [["2", "copy"]]
    assert result.bad_cases() == {}


def test_one_shape_under_two_loads_is_said_but_not_grouped() -> None:
    result = copied(_other_load)
    (problem,) = result.problems
    assert (problem.case, problem.place) == ("", "shapes")
    assert "2 of 7 cases share their shape with others under other conditions (such as 2, copy)" in problem.message
    assert result.duplicate_groups() == []
    assert result.shape_groups() == [["2", "copy"]]


def test_a_set_of_one_shape_has_nothing_to_say_of_shapes() -> None:
    cases = [ellipsoid(str(load), (0.9, 0.8, 0.6), load) for load in (100.0, 110.0, 125.0)]
    result = audit(cases)
    assert result.problems == []
    assert result.duplicate_groups() == []


def test_cases_of_one_shape_without_parameters_are_copies_by_their_results_alone() -> None:
    cases = [ellipsoid(str(index), (0.9, 0.8, 0.6), load) for index, load in enumerate((100.0, 110.0, 110.0))]
    for case in cases:
        case.design.parameters.clear()
    assert audit(cases).duplicate_groups() == [["1", "2"]]


def test_without_a_surface_the_mesh_and_without_a_mesh_the_parameters_tell() -> None:
    cases = some()
    cases.append(ellipsoid("copy", (0.9, 0.8, 0.6), 120.0))
    for case in cases:
        del case.meshes["surface"]
        case.design.geometry = None
    assert audit(cases).duplicate_groups() == [["2", "copy"]]
    for case in cases:
        case.meshes.clear()
    assert audit(cases).duplicate_groups() == [["2", "copy"]]
    assert audit(some()).duplicate_groups() == []


def test_a_case_written_in_another_format_is_a_copy(tmp_path: Path) -> None:
    root = write_family(tmp_path / "cases", 4)
    first = read_case(root / "002")
    other = root / "again"
    write_case(first, other)
    for domain, mesh in first.meshes.items():
        for file in other.glob(f"{domain}.*"):
            file.unlink()
        write_mesh(mesh, other / f"{domain}.vtk", units=first.field_units)
    surface = pv.read(other / "geometry.stl")
    (other / "geometry.stl").unlink()
    surface.save(other / "geometry.ply")
    result = audit(read_case(folder) for folder in sorted(root.iterdir()))
    assert result.duplicate_groups() == [["002", "again"]]
    assert "the parameters and the results of case 002" in result.problems[-1].message


def test_a_chain_of_small_steps_is_no_single_group() -> None:
    steps = [ellipsoid(f"{index:02d}", (1.0 + 4e-4 * index, 0.8, 0.6), 100.0) for index in range(24)]
    for case in steps:
        case.design.parameters.clear()
    groups = audit(steps).duplicate_groups()
    assert len(groups) == 4
    assert max(map(len, groups)) == 6


def test_what_is_kept_of_a_case_is_small_and_travels() -> None:
    facts = examine(some()[0])
    sent = pickle.dumps(facts)
    assert len(sent) < 8000
    assert b"pyvista" not in sent
    result = Audit()
    result.take(pickle.loads(sent))
    assert result.fields["surface/pressure"]["0"] == facts.fields["surface/pressure"]


# -- splits --------------------------------------------------------------------------------------------------------


@given(count=st.integers(3, 40), data=st.data(), seed=st.integers(0, 5))
def test_groups_stay_together_and_counts_are_as_near_as_they_can_be(count: int, data: st.DataObject, seed: int) -> None:
    names = [f"{index:03d}" for index in range(count)]
    group = data.draw(st.lists(st.sampled_from(names), max_size=count // 2, unique=True))
    test = data.draw(st.integers(0, count // 3))
    validation = data.draw(st.integers(0, count // 3))
    splits = make_splits(names, test=test, validation=validation, seed=seed, groups=[group, ["absent", names[0]]])
    assert sorted(name for cases in splits.values() for name in cases) == names
    assert sum(bool(set(group) & set(cases)) for cases in splits.values()) == bool(group)
    # As many single names as cases held out are left, so the counts are exact.
    if count - len(group) >= test + validation:
        assert (len(splits["test"]), len(splits["validation"])) == (test, validation)
    if len(group) < 2:
        assert splits == make_splits(names, test=test, validation=validation, seed=seed)


def test_groups_that_share_a_case_are_one_and_the_nearest_count_is_taken() -> None:
    names = [f"{index}" for index in range(9)]
    groups = [names[:2], names[1:4], names[4:6], names[5:8]]
    splits = make_splits(names, test=3, validation=0, groups=groups)
    assert splits["test"] in (names[:4], names[4:8])
    assert make_splits(names, test=3, validation=2, groups=[names])["train"] == names
