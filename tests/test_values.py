"""Units, designs, contracts and QoIs."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import pyvista as pv

from tramontane import units
from tramontane.contract import Contract, DomainSpec, FieldSpec, ParameterSpec, QoiSpec
from tramontane.dataset import mesh_sites
from tramontane.design import Design
from tramontane.errors import ContractError, UnitError
from tramontane.qoi import QoiDefinition, measure
from tramontane.units import (
    Quantity,
    assumed_unit,
    one_style,
    parse_quantity,
    si_factor,
    si_unit,
    to_si,
)

CONTRACT = Contract(
    parameters={
        "load": ParameterSpec(unit="N", low=100.0, high=900.0),
        "angle": ParameterSpec(unit="deg", low=0.0, high=math.pi / 2, role="geometry"),
    },
    domains={"surface": DomainSpec(side="on", low=(None, 0.0, None))},
    fields={"surface": {"pressure": FieldSpec(unit="Pa", scales_with={"load": 1.0})}},
    qoi={"drag": QoiSpec(unit="N", definition=QoiDefinition(kind="force", field="pressure", factor=2.0))},
)


@pytest.mark.parametrize(
    ("given", "si"),
    [("500 N", 500.0), ("0.5kN", 500.0), ("5e2", 500.0), (500, 500.0), (Quantity(0.5, "kN"), 500.0)],
)
def test_quantities_reach_si(given: object, si: float) -> None:
    assert to_si(parse_quantity(given), unit="N", name="load") == pytest.approx(si)  # type: ignore[arg-type]


@pytest.mark.parametrize(("given", "word"), [("abc", "not a number"), ("3 blubs", "not known"), ("nan m", "number")])
def test_bad_quantities_are_refused(given: str, word: str) -> None:
    with pytest.raises(UnitError, match=word):
        to_si(parse_quantity(given, name="load"), unit="m", name="load")


def test_the_example_of_a_bad_quantity_can_be_written_as_it_stands() -> None:
    with pytest.raises(
        UnitError, match="parameter speed = 'fast' is not a number with a unit; write for example '500 N'"
    ):
        parse_quantity("fast", name="parameter speed")


def test_units_are_written_in_one_style() -> None:
    assert si_unit("m**2/s**3") == si_unit("cm^2/s^3") == "m^2/s^3"
    assert one_style("kg * m ** -1 / s**2") == "kg*m^-1/s^2"
    old = Contract(fields={"volume": {"epsilon": FieldSpec(unit="m**2/s**3")}})
    assert old.differences(Contract(fields={"volume": {"epsilon": FieldSpec(unit="m^2/s^3")}})) == []


def test_si_units_stand_for_themselves() -> None:
    for unit in ("N*m", *units._SI_UNITS):
        assert si_factor(unit) == 1.0
        assert si_unit(unit) == one_style(unit) == unit


def test_si_units_are_the_fields_own() -> None:
    assert [si_unit(u) for u in ("kPa", "mm", "deg", "", "kN", "percent")] == ["Pa", "m", "rad", "", "N", ""]


def test_a_name_may_suggest_a_unit() -> None:
    names = ("slant_length", "slant_angle", "speed", "front_radius", "drag", "reynolds")
    assert [assumed_unit(n) for n in names] == ["m", "deg", "m/s", "m", "N", None]


def test_a_bare_number_is_in_the_contracts_unit() -> None:
    values = CONTRACT.values(Design(None, load=500, angle=90))
    assert values == pytest.approx({"load": 500.0, "angle": math.pi / 2})


def test_geometry_parameters_are_not_asked_when_a_geometry_is_given() -> None:
    assert CONTRACT.values(Design("part.stl", load="500 N")) == {"load": 500.0}
    with pytest.raises(ContractError, match="'angle' is missing"):
        CONTRACT.values(Design(None, load="500 N"))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "parameter 'load' is missing; give it in N"),
        ({"load": "5 m"}, r"parameter 'load' = 5 m has the wrong unit"),
        ({"load": 1, "laod": 2}, "parameter laod is not known; known are load, angle"),
    ],
)
def test_a_design_that_does_not_fit_is_refused_by_name(parameters: dict[str, object], message: str) -> None:
    with pytest.raises(ContractError, match=message):
        CONTRACT.values(Design("part.stl", **parameters))  # type: ignore[arg-type]


def test_range_is_said_with_how_far() -> None:
    assert CONTRACT.outside_range(Design("x.stl", load="980 N")) == [
        "load = 980 N lies outside 100 to 900 N by 10 % of the range"
    ]


def test_contract_survives_toml_and_a_persons_edit(tmp_path: Path) -> None:
    file = tmp_path / "contract.toml"
    CONTRACT.to_toml(file)
    assert Contract.from_toml(file) == CONTRACT
    file.write_text(file.read_text().replace('unit = "N"\nlow = 100.0', 'unit = "kN"\nlow = 0.2'))
    assert Contract.from_toml(file).parameters["load"].low == pytest.approx(200.0)


def test_a_qoi_is_shown_in_the_unit_that_a_person_wrote(tmp_path: Path) -> None:
    file = tmp_path / "contract.toml"
    Contract(qoi={"tip": QoiSpec(unit="mm"), "mass": QoiSpec(unit="kg")}).to_toml(file)
    read = Contract.from_toml(file).in_si()
    assert {name: (spec.unit, spec.shown) for name, spec in read.qoi.items()} == {
        "tip": ("m", "mm"),
        "mass": ("kg", "kg"),
    }
    assert read.in_si() == read
    read.to_toml(file)
    assert Contract.from_toml(file) == read
    file.write_text(file.read_text().replace('display_unit = "mm"', 'display_unit = "MPa"'))
    with pytest.raises(ContractError, match=r"qoi\.tip\.display_unit: MPa is no unit for m"):
        Contract.from_toml(file)


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ('role = "geometry"', 'role = "shape"', "role"),
        ('unit = "N"', 'unit = "blub"', "blub"),
        ("\n[", "\n[[[", "contract"),
    ],
)
def test_a_broken_contract_names_the_place(tmp_path: Path, old: str, new: str, word: str) -> None:
    file = tmp_path / "contract.toml"
    CONTRACT.to_toml(file)
    file.write_text(file.read_text().replace(old, new, 1))
    with pytest.raises(ContractError, match=word):
        Contract.from_toml(file)


def test_what_refers_to_a_parameter_follows_its_new_name(tmp_path: Path) -> None:
    file = tmp_path / "contract.toml"
    coefficient = QoiDefinition(kind="force", field="pressure", per={"load": 2.0})
    law = {"load": 1.0, "angle": 0.5}
    CONTRACT.model_copy(
        update={
            "fields": {"surface": {"pressure": FieldSpec(unit="Pa", scales_with=law)}},
            "qoi": {"drag": QoiSpec(unit="N", scales_with=law, definition=coefficient)},
        }
    ).to_toml(file)
    file.write_text(file.read_text().replace("[parameters.load]", '[parameters.load]\nname = "thrust"'))
    contract = Contract.from_toml(file)
    assert contract.parameters["thrust"].source == "load"
    assert contract.fields["surface"]["pressure"].scales_with == {"thrust": 1.0, "angle": 0.5}
    assert contract.qoi["drag"].scales_with == {"thrust": 1.0, "angle": 0.5}
    assert contract.qoi["drag"].definition == coefficient.model_copy(update={"per": {"thrust": 2.0}})
    file.write_text(file.read_text().replace('"thrust"', '"thrust"\nroll = "operating"'))
    with pytest.raises(ContractError, match=r"parameters\.thrust\.roll: is no key of a contract"):
        Contract.from_toml(file)


@pytest.mark.parametrize(
    ("field", "qoi", "message"),
    [
        ({"lod": 1.0}, {}, r"fields\.surface\.pressure\.scales_with: lod is no parameter"),
        ({}, {"lod": 1.0}, r"qoi\.drag\.scales_with: lod is no parameter of the contract \(it has load, angle\)"),
    ],
)
def test_a_power_law_of_a_parameter_that_is_gone_is_refused(
    tmp_path: Path, field: dict[str, float], qoi: dict[str, float], message: str
) -> None:
    file = tmp_path / "contract.toml"
    CONTRACT.model_copy(
        update={
            "fields": {"surface": {"pressure": FieldSpec(unit="Pa", scales_with=field)}},
            "qoi": {"drag": QoiSpec(unit="N", scales_with=qoi)},
        }
    ).to_toml(file)
    with pytest.raises(ContractError, match=message):
        Contract.from_toml(file)


def test_an_extreme_without_a_unit_is_in_its_fields_unit(tmp_path: Path) -> None:
    file = tmp_path / "contract.toml"
    file.write_text(
        '[fields.wall.p]\nunit = "MPa"\nname = "pressure"\n[domains.wall]\nname = "surface"\n'
        '[qoi.peak]\ndefinition = { kind = "max", field = "pressure" }\n'
        '[qoi.share]\ndefinition = { kind = "max", field = "pressure", factor = 1e-5 }\n'
    )
    contract = Contract.from_toml(file)
    assert contract.qoi["peak"].unit == "MPa"
    assert contract.in_si().qoi["peak"].unit == "Pa"
    assert contract.qoi["share"].unit == ""


def test_a_contract_that_does_not_exist_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"no\.toml: does not exist; `tramontane inspect RESULTS --write-contract"):
        Contract.from_toml(tmp_path / "no.toml")


def test_differences_are_named() -> None:
    other = CONTRACT.model_copy(update={"fields": {"surface": {"temperature": FieldSpec(unit="K")}}})
    assert CONTRACT.differences(CONTRACT) == []
    assert CONTRACT.differences(other) == ["field surface/pressure is missing", "field surface/temperature is new"]


def test_hydrostatic_pressure_lifts_by_the_displaced_weight() -> None:
    # Archimedes: p = -rho g z on a closed surface gives the upward force rho g V.
    body = pv.Sphere(radius=0.5, theta_resolution=80, phi_resolution=80).compute_normals(cell_normals=True)
    centres = body.cell_centers().points
    mesh = pv.PolyData.from_regular_faces(body.points, body.regular_faces)
    mesh.cell_data["pressure"] = -1000 * 9.81 * centres[:, 2].astype(np.float64)
    sites = mesh_sites(mesh, "cell")
    lift = QoiDefinition(kind="force", field="pressure", direction=(0, 0, 1))
    force = measure(lift, sites.fields, weights=sites.weights, normals=sites.normals)
    assert force == pytest.approx(1000 * 9.81 * mesh.volume, rel=1e-3)


def test_means_and_extrema_weigh_as_they_should() -> None:
    fields = {"t": np.array([[1.0], [3.0]])}
    weights = np.array([3.0, 1.0])
    kinds = {"max": 3.0, "min": 1.0, "mean": 1.5, "integral": 6.0}
    assert {k: measure(QoiDefinition(kind=k, field="t"), fields, weights=weights) for k in kinds} == kinds  # type: ignore[arg-type]
    assert measure(QoiDefinition(kind="volume", factor=7850), {}, volume=2e-3) == pytest.approx(15.7)


@pytest.mark.parametrize("unit", ["m**9**9**9**9", "9**9**9**9 m", "((10**99)**99)**99", "(" * 90 + "m" + ")" * 90])
def test_a_unit_that_would_take_for_ever_is_refused(unit: str) -> None:
    with pytest.raises(UnitError, match="is not known"):
        to_si(Quantity(1.0, unit), unit="m", name="length")


@pytest.mark.parametrize("unit", ["kg/m^3", "(m/s)**2", "m^(1/2)", "W/(m^2*K)", "1/s", "m²"])
def test_powers_in_units_are_understood(unit: str) -> None:
    assert si_factor(unit) == 1.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "names no field and no QoI, so that there is nothing to learn"),
        ('name = "x"\n[parameters.load]\nunit = "N"\nlow = 1.0\nhigh = 2.0\n', "names no field and no QoI"),
        ("[parameters.load]\nlow = nan\nhigh = 2.0\n", "parameters.load.low is nan; give a finite number"),
        ("[parameters.load]\nlow = 0.0\nhigh = inf\n", "parameters.load.high is inf; give a finite number"),
        (
            '[parameters.load]\nunit = "kN"\nlow = 3.0\nhigh = 2.0\n[qoi.mass]\nunit = "kg"\n',
            r"parameters.load: low \(3\) is above high \(2\)",
        ),
        (
            '[domains.surface]\nlow = ["free", 1.0, "free"]\nhigh = ["free", 0.5, "free"]\n[qoi.mass]\nunit = "kg"\n',
            r"domains.surface: in y, low \(1\) is above high \(0.5\)",
        ),
        ("[fields.surface.p]\nscales_with = { speed = nan }\n", "fields.surface.p.scales_with.speed is nan"),
        ("a = " + "[" * 5000, "nested too deeply"),
    ],
)
def test_a_contract_that_says_nothing_or_the_impossible_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "contract.toml"
    file.write_text('name = "part"\n' + text if "name" not in text else text)
    with pytest.raises(ContractError, match=message) as caught:
        Contract.from_toml(file)
    assert str(file) in str(caught.value)
