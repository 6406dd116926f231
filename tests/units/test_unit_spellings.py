"""Units as engineers write them: each read as it is meant, or refused with what to write instead."""

from __future__ import annotations

import math
import re

import pytest

from tramontane.errors import UnitError
from tramontane.units import (
    Quantity,
    assumed_unit,
    compatible,
    difference_from_si,
    dimension,
    from_si,
    in_si,
    one_style,
    parse_quantity,
    si_factor,
    si_unit,
    to_si,
    unit_in_name,
)
from tramontane.units.table import REFUSED, SPELLINGS

MEANT = {
    # spelling: how many SI units, and which
    "Nm": (1, "N*m"), "N m": (1, "N*m"), "N·m": (1, "N*m"), "N-m": (1, "N*m"), "kNm": (1e3, "N*m"),
    "mNm": (1e-3, "N*m"),
    "Nmm": (1e-3, "N*m"), "kN*mm": (1, "N*m"), "daNm": (10, "N*m"), "ft-lb": (1.3558179483314, "N*m"),
    "KNM": (1e3, "N*m"),
    "J": (1, "J"), "Ws": (1, "J"), "kWh": (3.6e6, "J"), "kcal": (4184, "J"),
    "U/min": (math.pi / 30, "rad/s"), "tr/min": (math.pi / 30, "rad/s"), "Upm": (math.pi / 30, "rad/s"),
    "rpm": (math.pi / 30, "rad/s"), "RPM": (math.pi / 30, "rad/s"), "Hz": (1, "1/s"), "1/min": (1 / 60, "1/s"),
    "Grad": (math.pi / 180, "rad"), "°": (math.pi / 180, "rad"), "gon": (math.pi / 200, "rad"),
    "mPas": (1e-3, "Pa*s"), "mPa s": (1e-3, "Pa*s"), "Pa.s": (1, "Pa*s"), "cP": (1e-3, "Pa*s"), "cSt": (1e-6, "m^2/s"),
    "pa": (1, "Pa"), "N/mm2": (1e6, "Pa"), "N/mm²": (1e6, "Pa"), "kp/cm2": (98066.5, "Pa"), "bar": (1e5, "Pa"),
    "mbar": (100, "Pa"), "psi": (6894.757293168361, "Pa"), "ksi": (6894757.293168361, "Pa"), "mmWS": (9.80665, "Pa"),
    "MPA": (1e6, "Pa"), "daN/cm2": (1e5, "Pa"),
    "cfm": (0.0283168466 / 60, "m^3/s"), "l/min": (1e-3 / 60, "m^3/s"), "m3/h": (1 / 3600, "m^3/s"),
    "W/mK": (1, "W/(m*K)"), "W/m K": (1, "W/(m*K)"), "W/(m·K)": (1, "W/(m*K)"), "W/m²K": (1, "W/(m^2*K)"),
    "J/kgK": (1, "J/(kg*K)"), "kJ/(kg K)": (1e3, "J/(kg*K)"),
    "kg/m3": (1, "kg/m^3"), "t/mm^3": (1e12, "kg/m^3"), "lb/ft3": (16.018463374, "kg/m^3"),
    "mm2": (1e-6, "m^2"), "m³": (1, "m^3"), "m/s2": (1, "m/s^2"), "m s-1": (1, "m/s"), "m·s⁻¹": (1, "m/s"),
    "km/h": (1 / 3.6, "m/s"), "KM/H": (1 / 3.6, "m/s"), "mph": (0.44704, "m/s"), "knots": (1852 / 3600, "m/s"),
    "daN": (10, "N"), "KN": (1e3, "N"), "kgf": (9.80665, "N"), "lbf": (4.4482216152605, "N"),
    '"': (0.0254, "m"), "inch": (0.0254, "m"), "Zoll": (0.0254, "m"), "µm": (1e-6, "m"), "μm": (1e-6, "m"),
    "MM": (1e-3, "m"),
    "-": (1, ""), "%": (0.01, ""), "ppm": (1e-6, ""), "PS": (735.49875, "W"), "hp": (745.69987, "W"),
    "MPa√m": (1e6, "kg/m^(1/2)/s^2"),
}  # fmt: skip


@pytest.mark.parametrize("unit", MEANT)
def test_a_spelling_of_engineers_is_read_as_it_is_meant(unit: str) -> None:
    factor, si = MEANT[unit]
    assert si_factor(unit) == pytest.approx(factor, rel=1e-8)
    assert si_unit(unit) == si
    assert si_factor(one_style(unit)) == si_factor(unit)  # what is shown is the same unit
    assert one_style(one_style(unit)) == one_style(unit)


@pytest.mark.parametrize(
    ("unit", "instead"),
    [
        ("F", "degF"), ("grad", "deg or gon"), ("kn", "kN or knot"), ("lb", "lbf or lbm"), ("barg", "write bar"),
        ("psig", "write psi"), ("slpm", "l/min"), ("Nm3/h", "m3/h"), ("NM", "Nm"), ("mpa", "MPa or mPa"),
        ("mw", "MW or mW"), ("ton", "1000 kg"), ("gpm", "l/min"), ("'", "ft"), ("k", "K"), ("M", "write m"),
        ("kg/m*s", r"brackets"), ("lb/in", "lbf or lbm"), ("dB", "logarithm"),
    ],
)  # fmt: skip
def test_what_may_mean_two_things_is_refused_with_what_to_write(unit: str, instead: str) -> None:
    with pytest.raises(UnitError, match=instead):
        si_factor(unit)


@pytest.mark.parametrize(
    ("unit", "near"), [("mh/s", "m/s"), ("Newtn", "Newton"), ("degres", "degrees"),
                        ("kgm3", "kg/m^3")]
)  # fmt: skip
def test_the_nearest_spelling_is_offered(unit: str, near: str) -> None:
    with pytest.raises(UnitError, match=rf"unit '{re.escape(unit)}' is not known; did you mean '{re.escape(near)}'"):
        si_factor(unit)


@pytest.mark.parametrize(
    "unit", ["parsec", "barn", "furlong", "year", "m/kgx", "3", "1000 N", "10^3 N", "(m", "m^", "^2", "mps2", "Nm2"]
)
def test_what_engineers_do_not_write_is_no_unit(unit: str) -> None:
    with pytest.raises(UnitError, match="is not known"):
        si_factor(unit)


def test_every_spelling_of_the_table_is_a_unit_and_none_is_refused() -> None:
    for spelling, unit in SPELLINGS.items():
        assert si_factor(unit) > 0 if unit not in ("degC", "degF") else in_si(0.0, unit) > 0, spelling
        assert spelling not in REFUSED


def test_celsius_reaches_kelvin_and_differences_do_not_move() -> None:
    for spelling in ("C", "°C", "degC", "Celsius"):
        assert to_si(parse_quantity(f"20 {spelling}"), unit="K", name="T") == pytest.approx(293.15)
    assert to_si(Quantity(25.0, None), unit="degC", name="T") == pytest.approx(298.15)
    assert from_si(293.15, "degF") == pytest.approx(68.0)
    assert difference_from_si(2.0, "degC") == 2.0
    assert si_factor("1/degC") == 1.0  # of a thermal expansion
    with pytest.raises(UnitError, match="offset"):
        si_factor("degC")


def test_a_turn_is_no_cycle() -> None:
    assert compatible("rpm", "rad/s")
    assert compatible("1/s", "rad/s")  # a vorticity
    assert not compatible("rpm", "Hz")
    with pytest.raises(UnitError, match="may count turns or radians; give it in rpm"):
        to_si(parse_quantity("50 Hz"), unit="rpm", name="n")


def test_set_takes_a_torque_in_any_spelling() -> None:
    values = [to_si(parse_quantity(each), unit="N*m", name="torque") for each in ("100 N*m", "100 Nm", "0.1 kNm")]
    assert values == pytest.approx([100.0] * 3)
    with pytest.raises(UnitError, match=r"torque = 100 nm has the wrong unit: \[length\] was given"):
        to_si(parse_quantity("100 nm"), unit="N*m", name="torque")


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("width_mm", "mm"), ("speed_m_s", "m/s"), ("drag_kN", "kN"), ("drag_N", "N"), ("length_m", "m"), ("T_K", "K"),
        ("rho_kg_m3", "kg/m^3"), ("stress_N_mm2", "N/mm^2"), ("v_km_h", "km/h"), ("v_m_per_s", "m/s"),
        ("k_W_m_K", "W/(m*K)"), ("T_degC", "degC"), ("torque_N_m", "N*m"), ("pressure_bar", "bar"),
        # no units: an inlet, a smallest value, a mean, an index
        ("T_in", None), ("drag_min", None), ("p_bar", None), ("x_A", None), ("load_N_m", None), ("u_inf", None),
        ("max_von_mises", None), ("load_x_TIP", None), ("mass", None),
    ],
)  # fmt: skip
def test_a_unit_stands_behind_a_name(name: str, unit: str | None) -> None:
    assert unit_in_name(name) == unit


def test_what_a_letter_is_follows_from_what_stands_beside_it() -> None:
    assert assumed_unit("U", beside=("U", "p", "k")) == "m/s"
    assert assumed_unit("U", beside=("U", "S", "E")) == "m"  # a displacement of a structure
    assert assumed_unit("U", beside=("U",)) is None
    assert assumed_unit("u") is None  # a column of a table
    assert assumed_unit("drag_coefficient") is None
    assert dimension("torr") == dimension("Pa")
