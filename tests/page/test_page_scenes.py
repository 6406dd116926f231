"""What views are told of a case: sections, derived values, iso-surfaces, deformed shapes, lines; against the case."""

from __future__ import annotations

import csv
import io
from typing import Any

import numpy as np
import pytest
import pyvista as pv

from helpers import flow_cases
from helpers.view_buffers import arrays

pytest.importorskip("nicegui", reason="the page needs nicegui: pip install 'tramontane[serve]'")

from tramontane.contract import Contract, ParameterSpec
from tramontane.interval import FieldInterval
from tramontane.page.language.readable_units import number
from tramontane.page.language.words import Words
from tramontane.page.view.bounds import bounded, widths
from tramontane.page.view.buffers import Buffers
from tramontane.page.view.cuts import isosurface, section
from tramontane.page.view.derived import CP, pressure_coefficient
from tramontane.page.view.line_plot import along, chart, through
from tramontane.page.view.scene import (
    Scene,
    bounds_of,
    choices,
    displacement_field,
    round_scale,
    unit_of,
    values_of,
    velocity_field,
)
from tramontane.page.view.solver_case import one_scale
from tramontane.page.view.state import AUTO, View
from tramontane.page.view.unsure import areas_of, least_of_widest

WIND, BENT = flow_cases.WIND, flow_cases.BENT
AXES = (0.5, 0.6, 0.4)
SPEED = 32.0


def wind() -> Any:
    return flow_cases.wind("w", AXES, SPEED)


def bent() -> Any:
    return flow_cases.bent("b", (0.1, 0.02, 0.02), 300.0)


def drawn(case: Any, contract: Contract, *, volume: bool = True, **look: Any) -> tuple[Scene, dict[str, Any]]:
    """What a view of a case is told."""
    scene = Scene(Buffers(), View(model="m", **look), contract, Words("en"))
    scene.surface("key", "place", case, "surface")
    if volume and scene.view.section:
        section(scene, "key", case, "volume")
    if volume and scene.view.iso:
        isosurface(scene, "key", case, "volume")
    return scene, scene.payload()


def test_a_section_goes_through_the_middle_of_a_half_body_not_of_the_domain_beside_it() -> None:
    case = wind()
    _, half = drawn(case, WIND, field="pressure", section="y")
    assert half["section"]["at"] == pytest.approx(np.mean(case.meshes["surface"].bounds[2:4]), abs=0.01)
    assert 0.2 * AXES[1] < half["section"]["at"] < 0.8 * AXES[1]
    assert half["plane"] == [0.0, 1.0, 0.0, -half["section"]["at"]]
    _, placed = drawn(case, WIND, field="pressure", section="y", at=0.75)
    low, high = case.meshes["volume"].bounds[2:4]
    assert placed["section"]["at"] == pytest.approx(low + (high - low) * (0.001 + 0.998 * 0.75))


@pytest.mark.parametrize("smooth", [True, False])
def test_values_of_cells_are_averaged_to_points_or_shown_as_they_are_and_which_is_said(smooth: bool) -> None:
    case = wind()
    scene, shown = drawn(case, WIND, field="velocity.x", section="z", smooth=smooth)
    drawn_arrays = arrays(scene.buffers, shown["slice"])
    sites = len(drawn_arrays["points"]) // 3 if smooth else len(drawn_arrays["triangles"]) // 3
    assert len(drawn_arrays["values"]) == sites
    note = "Cell values averaged to points" if smooth else "Cell values, one colour a cell"
    assert shown["note"] == f"z = {number(shown['section']['at'])} m · {note}"
    if not smooth:
        own = np.asarray(case.meshes["volume"].cell_data["velocity"])[:, 0]
        assert set(np.unique(drawn_arrays["values"])) <= set(own.astype(np.float32))


def test_streamlines_follow_velocities_alone_and_what_has_no_value_there_is_grey() -> None:
    assert velocity_field(WIND, "pressure") == "velocity"
    assert velocity_field(BENT, "displacement") is None
    _, shown = drawn(bent(), BENT, field="displacement", section="y", lines=True, arrows=True)
    assert "lines" not in shown
    assert "arrows" in shown
    only = WIND.model_copy(update={"fields": {"surface": {"shear": WIND.fields["surface"]["pressure"]},
                                              "volume": WIND.fields["volume"]}})  # fmt: skip
    case = wind()
    case.meshes["surface"].cell_data["shear"] = case.meshes["surface"].cell_data.pop("pressure")
    scene, shown = drawn(case, only, field="shear", section="z", lines=True, arrows=True)
    for layer in ("lines", "arrows"):
        assert np.isnan(arrays(scene.buffers, shown[layer])["values"]).all()


def test_the_pressure_coefficient_is_that_of_its_stated_reference() -> None:
    case = wind()
    assert choices(WIND)[CP] == "Cp"
    _, shown = drawn(case, WIND, field=CP)
    assert shown["note"] == "Cp = (p − 0 Pa) / (½ · 1.25 kg/m³ · (32 m/s)²)"
    assert (shown["unit"], shown["title"]) == ("", "Cp")
    values = values_of(case, "surface", CP, WIND)
    pressure = np.asarray(case.meshes["surface"].cell_data["pressure"])
    np.testing.assert_allclose(values, pressure / (0.5 * flow_cases.DENSITY * SPEED**2), rtol=1e-5)


def test_the_coefficient_needs_one_speed_one_density_and_a_pressure() -> None:
    def having(**parameters: ParameterSpec) -> Contract:
        return WIND.model_copy(update={"parameters": parameters})

    speed, density = WIND.parameters["speed"], WIND.parameters["density"]
    assert pressure_coefficient(having(speed=speed)) is None
    assert pressure_coefficient(having(density=density)) is None
    assert pressure_coefficient(having(speed=speed, wheel_speed=speed, density=density)) is None
    assert pressure_coefficient(BENT) is None
    assert CP not in choices(BENT)
    ambient = ParameterSpec(unit="kPa", low=101_325.0, high=101_325.0, role="constant")
    absolute, case = having(speed=speed, density=density, ambient_pressure=ambient), wind()
    gauge = values_of(case, "surface", CP, WIND)
    case.meshes["surface"].cell_data["pressure"] += 101_325.0
    np.testing.assert_allclose(values_of(case, "surface", CP, absolute), gauge, atol=1e-3)
    # Without that reference an absolute pressure has no coefficient, and the picture says so.
    _, shown = drawn(case, WIND, field=CP)
    assert "the pressures are absolute" in shown["note"]
    assert np.isnan(values_of(case, "surface", CP, WIND)).all()


def test_a_pressure_over_the_density_needs_none() -> None:
    fields = {"surface": {"p": WIND.fields["surface"]["pressure"].model_copy(update={"unit": "m^2/s^2"})}}
    kinematic = WIND.model_copy(update={"fields": fields, "parameters": {"speed": WIND.parameters["speed"]}})
    case = wind()
    case.meshes["surface"].cell_data["p"] = np.full(case.meshes["surface"].n_cells, 0.5 * SPEED**2)
    np.testing.assert_allclose(values_of(case, "surface", CP, kinematic), 1.0, rtol=1e-6)


def with_intervals(case: Any) -> Any:
    """A case whose intervals widen along x, on every domain and component."""
    for domain, mesh in case.meshes.items():
        for field, place in case.field_names(domain).items():
            values = np.asarray(case.field_values(domain, field))
            x = mesh.points[:, 0] if place == "point" else mesh.cell_centers().points[:, 0]
            half = (0.1 + np.abs(x)) * np.abs(values).max()
            half = half if values.ndim == 1 else half[:, None] * np.array([1.0, 2.0, 3.0])
            case.field_intervals.setdefault(domain, {})[field] = FieldInterval(half.astype(np.float32), None, 0.9)
    return case


def test_the_width_of_an_interval_is_a_field_of_its_own_with_its_own_scale() -> None:
    options = choices(BENT)
    assert widths(options, {"stress"}) == ["stress.width"]
    assert widths(options, {"displacement"}) == [f"displacement.{axis}.width" for axis in "xyz"]  # of its length none
    assert widths(choices(WIND), ()) == []
    case = bounded(with_intervals(bent()), "stress")
    scene, shown = drawn(case, BENT, field="stress.width")
    half = case.field_intervals["surface"]["stress"].half_width
    drawn_arrays = arrays(scene.buffers, shown["surface"]["values"])["values"]
    np.testing.assert_allclose(drawn_arrays, 2 * half, rtol=1e-5)
    assert shown["range"] == pytest.approx([2 * half.min(), 2 * half.max()], rel=1e-5)
    assert shown["unit"] == unit_of(BENT, "stress", 2 * half.max())[0]
    assert shown["title"] == "stress: interval width (90 %)"
    assert "bounds" not in shown["surface"]
    _, component = drawn(bounded(with_intervals(bent()), "displacement"), BENT, field="displacement.z.width")
    assert component["title"] == "displacement z: interval width (90 %)"


def test_bounds_stand_beside_each_value_of_a_scalar_or_component_and_of_no_length() -> None:
    case = bounded(with_intervals(bent()), "displacement")
    shift, half = (np.asarray(of) for of in (case.field_values("surface", "displacement"),
                                             case.field_intervals["surface"]["displacement"].half_width))  # fmt: skip
    scene, shown = drawn(case, BENT, field="displacement.z", section="y")
    drawn_arrays = arrays(scene.buffers, shown["surface"]["bounds"])
    np.testing.assert_allclose(drawn_arrays["low"], shift[:, 2] - half[:, 2], rtol=1e-4)
    np.testing.assert_allclose(drawn_arrays["high"], shift[:, 2] + half[:, 2], rtol=1e-4)
    cut = arrays(scene.buffers, shown["slice"])
    assert len(cut["low"]) == len(cut["high"]) == len(cut["values"])
    assert (cut["low"] < cut["values"]).all()
    assert (cut["values"] < cut["high"]).all()
    _, length = drawn(case, BENT, field="displacement", section="y")
    assert "bounds" not in length["surface"]
    _, without = drawn(bent(), BENT, field="displacement.z", section="y")
    assert "bounds" not in without["surface"]


def test_bounds_of_a_coefficient_are_those_of_its_pressure() -> None:
    case = bounded(with_intervals(wind()), "pressure")
    low, high = bounds_of(case, "surface", CP, WIND)
    half = case.field_intervals["surface"]["pressure"].half_width
    np.testing.assert_allclose(high - low, 2 * half / (0.5 * flow_cases.DENSITY * SPEED**2), rtol=1e-3)
    np.testing.assert_allclose((low + high) / 2, values_of(case, "surface", CP, WIND), atol=1e-4)


def test_bounds_are_never_below_what_a_field_can_be() -> None:
    case = with_intervals(bent())
    interval = case.field_intervals["surface"]["stress"]
    case.field_intervals["surface"]["stress"] = FieldInterval(interval.half_width, None, 0.9, least=0.0)
    low, _ = bounds_of(bounded(case, "stress"), "surface", "stress", BENT)
    assert low.min() == 0.0


def test_a_tenth_of_the_area_is_marked_not_a_tenth_of_the_places() -> None:
    widths = np.arange(10.0)
    assert least_of_widest(widths, np.ones(10)) == 9.0
    assert least_of_widest(widths, np.array([1.0] * 5 + [0.1] * 5)) == 5.0  # five small places with the widest
    assert least_of_widest(np.append(widths, np.nan), np.ones(11)) == 9.0
    assert least_of_widest(np.ones(10), np.ones(10)) is None
    assert least_of_widest(np.zeros(10), np.ones(10)) is None
    points, triangles = np.array([[0, 0, 0], [2, 0, 0], [2, 2, 0], [0, 1, 0.0]]), np.array([[0, 1, 2], [0, 2, 3]])
    assert areas_of(points, triangles, triangles, 4) == pytest.approx([1, 2 / 3, 1, 1 / 3])
    assert areas_of(points, triangles, np.array([[0], [0]]), 1) == pytest.approx([3])


def test_the_least_sure_tenth_of_a_surface_is_marked_and_said() -> None:
    case = bounded(with_intervals(bent()), "stress")
    scene, shown = drawn(case, BENT, field="stress", unsure=True)
    marks = arrays(scene.buffers, shown["surface"]["marks"])["marks"]
    points = case.meshes["surface"].points
    assert len(marks) == len(points)
    assert points[marks >= 1, 0].min() > points[marks < 1, 0].max()  # intervals widen along the bar
    least = 2 * case.field_intervals["surface"]["stress"].half_width[marks >= 1].min()
    share = 100 * least / np.ptp(np.asarray(case.field_values("surface", "stress")))
    assert shown["note"] == (
        f"Hatched: the tenth of the surface with the widest intervals of stress, {share:.1f} % of its range or wider"
    )
    _, width = drawn(case, BENT, field="stress.width", unsure=True)
    assert width["note"] == shown["note"]
    _, plain = drawn(case, BENT, field="stress")
    assert "marks" not in plain["surface"]
    _, length = drawn(bounded(with_intervals(bent()), "displacement"), BENT, field="displacement", unsure=True)
    assert length["note"].endswith("the widest intervals of the components of |displacement|")
    by_cell = bounded(with_intervals(wind()), "pressure")
    scene, cells = drawn(by_cell, WIND, field="pressure", unsure=True)
    marks = arrays(scene.buffers, cells["surface"]["marks"])["marks"]
    areas = np.asarray(by_cell.meshes["surface"].compute_cell_sizes().cell_data["Area"])
    assert 0.05 < areas[marks >= 1].sum() / areas.sum() <= 0.1 + 1e-6


def test_where_no_interval_stands_out_nothing_is_marked() -> None:
    case = with_intervals(bent())
    one = np.full(case.meshes["surface"].n_points, 5.0, dtype=np.float32)
    case.field_intervals["surface"]["stress"] = FieldInterval(one, None, 0.9)
    _, shown = drawn(bounded(case, "stress"), BENT, field="stress", unsure=True)
    assert "marks" not in shown["surface"]
    assert shown["note"] == "Nothing is hatched: intervals of stress are about as wide everywhere"
    _, without = drawn(bent(), BENT, field="stress", unsure=True)
    assert without["note"] == ""


def test_what_one_of_two_views_has_not_leaves_the_others_scale() -> None:
    _, own = drawn(bounded(with_intervals(bent()), "stress"), BENT, field="stress.width")
    _, none = drawn(bent(), BENT, field="stress.width")
    assert none["blank"]
    assert one_scale(own, none, locked=False)[0]["range"] == own["range"]


def test_on_an_iso_surface_the_field_has_its_value() -> None:
    case = bent()
    scene, shown = drawn(case, BENT, field="displacement", iso="stress", level=2e5)
    drawn_arrays = arrays(scene.buffers, shown["level"])
    points = pv.PolyData(drawn_arrays["points"].reshape(-1, 3).astype(float)).sample(case.meshes["volume"])
    np.testing.assert_allclose(np.asarray(points.point_data["stress"]), 2e5, rtol=0.02)
    lengths = np.linalg.norm(np.asarray(points.point_data["displacement"]), axis=1)
    np.testing.assert_allclose(drawn_arrays["values"], lengths, atol=1e-3 * lengths.max())
    assert shown["note"] == "Iso-surface: stress = 200 kPa"
    assert shown["ghost"]
    _, nowhere = drawn(case, BENT, field="stress", iso="stress", level=9e9)
    assert "level" not in nowhere
    assert nowhere["note"] == "Nowhere: stress = 9.000e+06 kPa"


def test_a_deformed_shape_moves_by_its_displacement_and_says_how_much_larger() -> None:
    case = bent()
    scene, shown = drawn(case, BENT, field="stress", warp=AUTO)
    shift = arrays(scene.buffers, shown["surface"]["shift"])["shift"].reshape(-1, 3)
    np.testing.assert_allclose(shift, np.asarray(case.meshes["surface"].point_data["displacement"]), atol=1e-12)
    bend = shown["warp"]["scale"] * np.linalg.norm(shift, axis=1).max() / case.meshes["surface"].length
    assert 0.03 < bend < 0.09  # of the diagonal: seen, and not grotesque
    assert shown["note"] == f"Deformed × {shown['warp']['scale']:.0f} (automatic)"
    _, true = drawn(case, BENT, field="stress", warp=1.0)
    assert (true["warp"]["scale"], true["note"]) == (1.0, "Deformed × 1 (true scale)")
    _, plain = drawn(case, BENT, field="stress")
    assert "warp" not in plain
    assert displacement_field(WIND, "pressure") is None
    assert [round_scale(x) for x in (0.7, 3.2, 999.0, 1000.0)] == [0.5, 2.0, 500.0, 1000.0]


def test_a_line_has_the_fields_of_the_volume_and_its_table_has_units() -> None:
    case = bent()
    plot = along(case, "volume", BENT, [-0.02, 0.01, 0.015, 0.1, 0.01, 0.015], smooth=True)
    inside = plot.points[:, 0] >= 0
    assert (plot.inside == inside).mean() > 0.99
    expected = 1e6 * 300.0 * (0.1 - plot.points[:, 0]) * (0.015 - 0.01)
    np.testing.assert_allclose(plot.values["stress"][plot.inside], expected[plot.inside], rtol=1e-3, atol=50)
    rows = list(csv.reader(io.StringIO(plot.table(BENT))))
    assert rows[0] == ["distance [m]", "x [m]", "y [m]", "z [m]", "displacement [m]", "displacement.x [m]",
                       "displacement.y [m]", "displacement.z [m]", "stress [Pa]"]  # fmt: skip
    assert len(rows) == len(plot.distances) + 1
    assert rows[1][4:] == [""] * 5  # before the bar
    assert float(rows[-1][1]) == pytest.approx(0.1)
    assert '<path d="M' in chart(plot, "stress", BENT, axis="distance")
    body, domain = (np.asarray(case.meshes[name].bounds).reshape(3, 2) for name in ("surface", "volume"))
    assert through(body, domain, 0) == pytest.approx([0, 0.01, 0.01, 0.1, 0.01, 0.01])


def test_links_keep_the_whole_view() -> None:
    view = View(model="m", geometry="g", field="p", section="y", smooth=False, warp=AUTO, iso="p", level=3.5, line="z")
    query = {name: value for name, value in view.query().items() if value is not None}
    assert "at" not in query  # through the middle, of whatever part is chosen
    assert View.from_query(query) == view
    other = View(model="m", section="x", at=0.25, warp=12.5, line="0,0,0,1,2,3", unsure=True)
    assert View.from_query({name: value for name, value in other.query().items() if value}) == other
    assert View.from_query({"line": "1,2,nonsense", "warp": "nan", "at": "7"}) == View(at=1.0)
