"""Intervals and verdicts of real models: kriging of fields, a network, a table."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import pyvista as pv
from typer.testing import CliRunner

from tramontane.cli import app
from tramontane.dataset import Dataset
from tramontane.design import Design
from tramontane.errors import ContractError
from tramontane.surrogate import Surrogate


@pytest.fixture(scope="module")
def kriging(kriging: Surrogate, tmp_path_factory: pytest.TempPathFactory) -> tuple[Surrogate, Path]:
    place = tmp_path_factory.mktemp("kriging") / "model"
    kriging.save(place)
    return kriging, place


def design_of(dataset: Dataset, name: str) -> Design:
    return Design(dataset.geometry(name), load=f"{dataset.parameters(name)['load']} N")


def test_every_field_and_number_has_an_interval_that_holds(kriging: tuple[Surrogate, Path], dataset: Dataset) -> None:
    model, _ = kriging
    assert model.calibration is not None
    assert model.calibration.names == dataset.splits["train"]  # no test case touched it
    covered: list[float] = []
    for name in dataset.splits["test"]:
        sites = dataset.sites(name, "volume")
        mesh = pv.PolyData(sites.positions).cast_to_unstructured_grid()
        case = model.simulate(design_of(dataset, name), meshes={"volume": mesh})
        interval = case.field_intervals["volume"]["displacement"]
        assert interval.level == 0.9
        low, high = interval.bounds(case.field_values("volume", "displacement"))
        truth = sites.fields["displacement"]
        covered.append(float(np.mean((low <= truth) & (truth <= high))))
        assert set(case.qoi_intervals) == set(case.qoi)
        for key, value in case.qoi.items():
            assert case.qoi_intervals[key].low <= value <= case.qoi_intervals[key].high
    assert np.mean(covered) > 0.75


def test_a_higher_level_is_wider_and_a_silly_one_refused(kriging: tuple[Surrogate, Path], dataset: Dataset) -> None:
    design = design_of(dataset, dataset.splits["test"][0])
    widths = [kriging[0].simulate(design, cells=2000, level=level).field_intervals["surface"]["pressure"].half_width
              for level in (0.5, 0.9, 0.99)]  # fmt: skip
    assert widths[0].mean() < widths[1].mean() < widths[2].mean()
    with pytest.raises(ContractError, match=r"level is 1\.5; give one of"):
        kriging[0].simulate(design, level=1.5)


def test_errors_of_what_follows_from_fields_may_go_any_way_together(
    kriging: tuple[Surrogate, Path], dataset: Dataset
) -> None:
    one, other = (kriging[0].simulate(design_of(dataset, name), cells=2000) for name in dataset.splits["test"][:2])
    differences = kriging[0].differences(one, other)
    assert set(differences) == set(one.qoi)
    fields = [name for name in differences if name not in one.qoi_deviations]
    assert fields
    for name in fields:
        assert differences[name].correlation is None
        assert differences[name].bounded
        widths = [case.qoi_intervals[name].high - case.qoi[name] for case in (one, other)]
        assert differences[name].half_width == pytest.approx(sum(widths))


def test_other_bodies_are_told_from_members(kriging: tuple[Surrogate, Path], dataset: Dataset) -> None:
    model, _ = kriging
    verdicts = [model.simulate(design_of(dataset, name), cells=2000).verdict for name in dataset.splits["test"]]
    assert all(each is not None for each in verdicts)
    own = max(each.score for each in verdicts if each is not None)
    centre = dataset.geometry(dataset.names[0]).center
    cube = pv.Cube(center=centre, x_length=1.2, y_length=1.2, z_length=1.2)
    cylinder = pv.Cylinder(center=centre, direction=(0, 0, 1), radius=0.6, height=1.4)
    cone = pv.Cone(center=centre, direction=(0, 0, 1), height=1.2, radius=0.7)
    for shape in (cube, cylinder, cone):
        verdict = model.simulate(Design(shape.triangulate(), load="200 N"), cells=2000).verdict
        assert verdict is not None
        assert verdict.score > own
        assert verdict.domain == "outside"
        assert verdict.reasons


def test_what_is_saved_answers_alike(kriging: tuple[Surrogate, Path], dataset: Dataset) -> None:
    model, place = kriging
    design = design_of(dataset, dataset.splits["test"][0])
    first, again = (each.simulate(design, cells=2000) for each in (model, Surrogate.load(place)))
    assert again.verdict == first.verdict
    np.testing.assert_allclose(
        again.field_intervals["surface"]["pressure"].half_width,
        first.field_intervals["surface"]["pressure"].half_width, rtol=1e-5,
    )  # fmt: skip
    assert again.qoi_intervals == first.qoi_intervals


def test_the_command_line_says_it_first_and_can_refuse(
    kriging: tuple[Surrogate, Path], dataset: Dataset, tmp_path: Path
) -> None:
    cube = tmp_path / "cube.stl"
    centre = dataset.geometry(dataset.names[0]).center
    pv.Cube(center=centre, x_length=1.2, y_length=1.2, z_length=1.2).triangulate().save(cube)
    words = ["predict", str(kriging[1]), str(cube), "--set", "load=200N", "--unit", "m", "--cells", "2000"]
    end = CliRunner().invoke(app, [*words, "--json", str(tmp_path / "answer.json"), "-o", str(tmp_path / "answer.vtp"),
                                   "--bounds"])  # fmt: skip
    assert end.exit_code == 0, end.output
    assert end.output.startswith("OUTSIDE what the model was trained on")
    assert " (90 %" in end.output
    answer = json.loads((tmp_path / "answer.json").read_text())
    assert answer["verdict"]["domain"] == "outside"
    for value in answer["qoi"].values():
        assert value["low"] <= value["value"] <= value["high"]
    written = [pv.read(file) for file in tmp_path.glob("answer*.vt?")]
    assert any({"pressure", "pressure_lower", "pressure_upper"} <= {*mesh.point_data, *mesh.cell_data}
               for mesh in written)  # fmt: skip
    assert CliRunner().invoke(app, [*words, "--require", "inside"]).exit_code == 3
    assert CliRunner().invoke(app, [*words, "--require", "sure"]).exit_code == 2


def test_a_network_is_calibrated_on_the_cases_that_watched_it(surrogate: Surrogate, dataset: Dataset) -> None:
    assert surrogate.calibration is not None
    assert surrogate.calibration.names == dataset.splits["validation"]
    case = surrogate.simulate(design_of(dataset, dataset.splits["test"][0]), cells=2000)
    assert (case.field_intervals["surface"]["pressure"].half_width > 0).all()
    interval = case.field_intervals["surface"]["pressure"]
    assert interval.band is None  # too few cases to say
    assert interval.cases == len(dataset.splits["validation"]) == 2
    assert case.verdict is not None


def test_bounds_that_rest_on_few_cases_say_so(saved: Path, dataset: Dataset, tmp_path: Path) -> None:
    part = tmp_path / "part.stl"
    dataset.geometry(dataset.splits["test"][0]).save(part)
    result = CliRunner().invoke(app, ["predict", str(saved), str(part), "--set", "load=200N", "--unit", "m", "--cells",
                                      "500", "-o", str(tmp_path / "answer.vtm"), "--bounds"])  # fmt: skip
    assert result.exit_code == 0, result.output
    told_flat = " ".join(result.output.split())
    assert "Bounds rest on 2 cases left out; 9 are needed for 90 %: take them as a rough guide" in told_flat
