"""Design spaces and goals, as people write them."""

from __future__ import annotations

import io

import numpy as np
import pytest
import pyvista as pv
from rich.console import Console

from helpers.cantilever import CONTRACT, Cantilever
from tramontane.case import Case
from tramontane.contract import Contract, FieldSpec, ParameterSpec, QoiSpec
from tramontane.design import Design
from tramontane.errors import ContractError
from tramontane.interval import FieldInterval
from tramontane.qoi import QoiDefinition
from tramontane.search.emulator import Emulator
from tramontane.search.goals import Goals, Output
from tramontane.search.space import Space, sobol, sobol_designs


def test_bounds_are_read_in_units_and_the_rest_stays_midway() -> None:
    space = Space.of(CONTRACT, vary={"width": "2:5 cm"}, fixed={"load": "1 kN"})
    assert space.names == ["width"]
    assert (space.low, space.high) == (pytest.approx([0.02]), pytest.approx([0.05]))
    design = space.designs(space.rows(np.array([[0.5]])))[0]
    assert CONTRACT.values(design) == pytest.approx({"width": 0.035, "height": 0.055, "load": 1000.0})
    assert space.row(design) == pytest.approx([0.035])


def test_whole_numbers_are_equally_frequent() -> None:
    contract = Contract(parameters={"blades": ParameterSpec(low=3, high=6, integer=True)})
    space = Space.of(contract)
    blades = space.rows(sobol(1, 256))[:, 0]
    numbers, counts = np.unique(blades, return_counts=True)
    assert numbers.tolist() == [3, 4, 5, 6]
    assert set(counts) == {64}
    assert all(design.parameters["blades"].value in (3, 4, 5, 6) for design in sobol_designs(contract, 16))


def test_a_whole_number_that_does_not_vary_stays_whole() -> None:
    numbers = {"blades": ParameterSpec(low=2, high=5, integer=True), "pitch": ParameterSpec(low=1, high=2)}
    space = Space.of(Contract(parameters=numbers), vary={"pitch": "1:2"})
    assert space.fixed["blades"].value in (3, 4)


def test_whole_numbers_stay_between_the_bounds_that_were_given() -> None:
    contract = Contract(parameters={"ribs": ParameterSpec(low=0, high=9, integer=True)})
    ribs = Space.of(contract, vary={"ribs": "1.2:3.7"}).rows(sobol(1, 64))[:, 0]
    assert set(ribs) == {2.0, 3.0}
    with pytest.raises(ContractError, match=r"parameter 'ribs' is 1\.5, and must be a whole number; give 2"):
        Space.of(contract, fixed={"ribs": 1.5})
    with pytest.raises(ContractError, match="parameter 'ribs' is inf; give a finite number"):
        Space.of(contract, fixed={"ribs": "1e400"})
    with pytest.raises(ContractError, match=r"no whole number between 1\.2 and 1\.8; widen"):
        Space.of(contract, vary={"ribs": "1.2:1.8"})


def test_a_law_of_a_fixed_zero_does_not_count() -> None:
    space = Space.of(CONTRACT, fixed={"load": 0.0, "height": "50 mm"})
    rows = space.rows(sobol(1, 12))
    emulator = Emulator(space, Output("time", law=(("load", -1.0),)), rows, 1 + rows[:, 0])
    assert emulator.posterior(rows)[0] == pytest.approx(emulator.transformed(1 + rows[:, 0]), abs=1e-3)


def test_parameters_without_a_range_stay_in_the_order_of_the_contract() -> None:
    names = [f"p{number}" for number in range(12)]
    still = {name: ParameterSpec(low=1, high=1) for name in names}
    assert list(Space.of(Contract(parameters={"x": ParameterSpec(low=1, high=2), **still})).fixed) == names


def test_bounds_beyond_the_contract_are_said() -> None:
    said = io.StringIO()
    Space.of(CONTRACT, vary={"width": "5:20 mm"}, fixed={"load": "3 kN"}, console=Console(file=said, width=200))
    lines = said.getvalue().splitlines()
    assert len(lines) == 2
    assert "load = 3000 N lies outside" in lines[0]
    assert "width = 5 mm lies outside" in lines[1]


@pytest.mark.parametrize(
    ("vary", "fixed", "words"),
    [
        ({"width": "5:2 cm"}, {}, "lower one must be below"),
        ({"width": "5 cm"}, {}, "give LOW:HIGH"),
        ({"width": "1:2 N"}, {}, "give LOW:HIGH in mm"),
        ({"breadth": "1:2 mm"}, {}, "'breadth' is not known"),
        ({"width": "1:2 mm"}, {"width": 1}, "varies and is fixed"),
        ({}, {"width": 20, "height": 20, "load": 500}, "no parameter varies"),
        ({}, {"load": "5 mm"}, "give it in N"),
    ],
)
def test_a_space_that_cannot_be_says_why(vary: dict[str, str], fixed: dict[str, float | str], words: str) -> None:
    with pytest.raises(ContractError, match=words):
        Space.of(CONTRACT, vary=vary, fixed=fixed)


def test_goals_are_read_in_the_units_in_which_people_read_outputs() -> None:
    goals = Goals.of(CONTRACT, minimise=["mass"], subject_to=["stress <= 200", "deflection <= 2 cm", "stress>=1e7 Pa"])
    limits = {of.output.name: (of.low, of.high) for of in goals.constraints}
    assert limits == {"stress": (1e7, 200e6), "deflection": (-np.inf, pytest.approx(0.02))}
    assert goals.feasible({"mass": 1.0, "stress": 1e8, "deflection": 0.01})
    assert not goals.feasible({"mass": 1.0, "stress": 3e8, "deflection": 0.01})
    assert not goals.feasible({"mass": 1.0, "stress": 1e6, "deflection": 0.01})
    twice = Goals.of(
        CONTRACT, minimise=["mass"], subject_to=["stress <= 100", "stress <= 200", "stress >= 20", "stress >= 10"]
    )
    assert [(of.low, of.high) for of in twice.constraints] == [(20e6, 100e6)]
    bounds = goals.on_bounds()
    assert [of.key for of in bounds.outputs] == ["mass high", "stress high", "stress low", "deflection high"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "no objective"),
        ({"minimise": ["weight"]}, "'weight' is not a QoI; known are mass, stress, deflection"),
        ({"minimise": ["mass", "mass"]}, "twice"),
        ({"minimise": ["mass"], "subject_to": ["stress < 5"]}, "write it as 'name <= value unit'"),
        ({"minimise": ["mass"], "subject_to": ["stress <= 5 kg"]}, "another unit"),
        ({"minimise": ["mass"], "subject_to": ["stress <= many"]}, "no value"),
        ({"minimise": ["mass"], "subject_to": ["stress >= 5 MPa", "stress <= 4 MPa"]}, "contradict"),
        ({"minimise": ["max(surface.pressure)"]}, "is not a QoI"),
    ],
)
def test_goals_that_cannot_be_say_why(options: dict[str, list[str]], words: str) -> None:
    with pytest.raises(ContractError, match=words):
        Goals.of(CONTRACT, **options)


def test_an_answer_that_is_no_number_is_none() -> None:
    case = Cantilever().simulate(Space.of(CONTRACT).designs(np.array([[0.05, 0.05, 500.0]]))[0])
    assert Output.of("mass", CONTRACT).measure(case)[0] == pytest.approx(19.625)
    case.qoi["mass"] = float("nan")
    with pytest.raises(ContractError, match="mass is nan"):
        Output.of("mass", CONTRACT).measure(case)


def test_the_volume_of_a_geometry_is_an_output() -> None:
    output = Output.of("volume", CONTRACT)
    design = Space.of(CONTRACT).designs(np.array([[0.05, 0.05, 500.0]]))[0]
    case = Cantilever().simulate(design)
    with pytest.raises(ContractError, match="has no geometry, so no volume"):
        output.measure(case)
    case.design = design.with_geometry(pv.Cube(x_length=1.0, y_length=0.05, z_length=0.05).triangulate())
    assert output.measure(case) == (pytest.approx(0.0025), None)


def test_an_extremum_that_is_a_qoi_has_the_interval_of_that_qoi() -> None:
    # A band of a field holds 99 % of its points: the peak may be among the rest.
    peak = QoiSpec(unit="Pa", definition=QoiDefinition(kind="max", domain="surface", field="stress"))
    fields = {"surface": {"stress": FieldSpec(unit="Pa"), "shear": FieldSpec(unit="Pa")}}
    contract = CONTRACT.model_copy(update={"fields": fields, "qoi": {"peak": peak}})
    assert Output.of("max(surface.stress)", contract).name == "peak"
    mesh = pv.PolyData(np.eye(3))
    mesh.point_data["shear"] = [1.0, 3.0, 2.0]
    case = Case("beam", Design(), meshes={"surface": mesh})
    case.field_intervals = {"surface": {"shear": FieldInterval(np.ones(3), band=2.0, level=0.9)}}
    assert Output.of("max(surface.shear)", contract).measure(case) == (3.0, None)
