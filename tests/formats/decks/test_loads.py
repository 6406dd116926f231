"""Loads of decks as parameters, against the reactions that CalculiX prints for the same decks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpers.formats.beams import MATERIAL, Block, needs_ccx, node_set, run_ccx
from tramontane.dataset.ingest.run import ingest
from tramontane.formats.calculix.case import read_calculix
from tramontane.formats.collection import open_collection
from tramontane.formats.decks.abaqus import read_abaqus

BAR = Block("C3D8", (10.0, 1.0, 1.0), (4, 1, 1))
TIP = BAR.nodes_at(BAR.points[:, 0] == 10)
MODEL = (
    BAR.deck() + node_set("NFIX", BAR.nodes_at(BAR.points[:, 0] == 0)) + node_set("Tip", TIP)
    + f"*SURFACE, NAME=End\n{BAR.elements[-1]}, S4\n" + MATERIAL + "*SOLID SECTION, ELSET=EALL, MATERIAL=STEEL\n"
    + "*DENSITY\n7.8e-9\n*BOUNDARY\nNFIX, 1, 3\n"
)  # fmt: skip
ASKED = "*NODE PRINT, NSET=NFIX, TOTALS=ONLY\nRF\n*NODE FILE\nU\n*END STEP\n"
STEP = "*STEP\n*STATIC\n"


@needs_ccx
@pytest.mark.parametrize(
    ("loads", "named"),
    [
        ("*CLOAD\nTIP, 3, -2.\nTIP, 1, 1.\n", {"load_x_TIP": 4, "load_y_TIP": 0, "load_z_TIP": -8}),
        ("*CLOAD\nTip, 3, 1.\n*CLOAD\ntip, 3, 2.\n", {"load_z_TIP": 12}),
        (f"*CLOAD\nTIP, 3, 1.\n{TIP[0]}, 3, 5.\n{TIP[1]}, 2, 1d0\n", {"load_z_TIP": 4, "load_z": 5, "load_y": 1}),
        ("*CLOAD\nTIP, 3, 1.\n" + ASKED + STEP + "*CLOAD\nTIP, 3, 3.\n", {"load_z_TIP": 12}),
        ("*CLOAD\nTIP, 3, 1.\n" + ASKED + STEP + "*CLOAD\nTIP, 2, 3.\n", {"load_z_TIP": 4, "load_y_TIP": 12}),
        ("*CLOAD\nTIP, 3, 1.\n" + ASKED + STEP + f"*CLOAD\n{TIP[0]}, 3, 9.\n", {"load_z_TIP": 3, "load_z": 9}),
        ("*CLOAD\nTIP, 3, 1.\n" + ASKED + STEP + "*CLOAD, OP=NEW\nTIP, 2, 3.\n", {"load_z_TIP": 0, "load_y_TIP": 12}),
        ("*CLOAD\nTIP, 3, 1.\n" + ASKED + STEP, {"load_z_TIP": 4}),
    ],
)  # fmt: skip
def test_concentrated_loads_are_what_the_supports_hold(loads: str, named: dict[str, float], tmp_path: Path) -> None:
    results = read_calculix(run_ccx(tmp_path, "bar", MODEL + STEP + loads + ASKED))
    parameters = {name: quantity.value for name, quantity in results.parameters.items()}
    assert named.items() <= parameters.items()
    for axis in "xyz":
        total = sum(value for name, value in parameters.items() if name.startswith(f"load_{axis}"))
        assert total == pytest.approx(-results.qoi[f"force_{axis}_NFIX"].value, abs=1e-4)


@needs_ccx
@pytest.mark.parametrize(
    ("loads", "name", "value", "pull"),
    [
        ("*DSLOAD\nEnd, P, -3.\n", "pressure_END", -3, 3),
        (f"*DLOAD\n{BAR.elements[-1]}, P4, -1.\n{BAR.elements[-1]}, P4, -2.\n", "pressure", -3, 3),
        (f"*DLOAD\n{BAR.elements[-1]}, P4, -1.\n{ASKED}{STEP}*DLOAD\n{BAR.elements[-1]}, P4, -4.\n", "pressure", -4, 4),
        # What acts on the held nodes themselves is not in their reactions.
        ("*DLOAD\nEALL, GRAV, 9810., 2., 0., 0.\n", "gravity_x_EALL", 9810, 9810 * 8.75 * 7.8e-9),
        # Density x area x omega squared x length squared / 2, about the held end.
        (
            "*DLOAD\nEALL, CENTRIF, 1e8, 0., 0., 0., 0., 0., 1.\n",
            "omega_squared_EALL",
            1e8,
            7.8e-9 * 1e8 * (50 - 2.5**2 / 6),
        ),
    ],
)
def test_distributed_loads_are_what_the_supports_hold(
    loads: str, name: str, value: float, pull: float, tmp_path: Path
) -> None:
    results = read_calculix(run_ccx(tmp_path, "bar", MODEL + STEP + loads + ASKED))
    assert results.parameters[name].value == pytest.approx(value)
    assert -results.qoi["force_x_NFIX"].value == pytest.approx(pull, rel=1e-4)


def test_what_is_no_number_is_said(tmp_path: Path) -> None:
    loads = (f"*PARAMETER\npush = 5.\n*STEP\n*STATIC\n*CLOAD\nTIP, 1, <push>\nNOWHERE, 1, 1.\n*CLOAD, AMPLITUDE=Up\n"
             f"{TIP[0]}, 1, many\n*DLOAD\n7, P1, 1.\n9, P1, 2.\nEALL, P2, 1.\nEALL, P3, 4.\n"
             "*CLOAD\n999, 1, 7.\n*BOUNDARY\nTIP, 2, 3, 0.25\nNFIX, 1, 3, 0.\n998, 1, 1, 0.5\n*END STEP\n")  # fmt: skip
    (tmp_path / "bar.inp").write_text(MODEL + loads)
    results = read_abaqus(tmp_path / "bar.inp")
    assert {name: quantity.value for name, quantity in results.parameters.items()} == {
        "load_x_TIP": 20, "load_y_TIP": 0, "load_z_TIP": 0, "pressure_EALL_P2": 1, "pressure_EALL_P3": 4,
        "displacement_y_TIP": 0.25, "displacement_z_TIP": 0.25, "push": 5,
    }  # fmt: skip
    messages = " ".join(results.warnings)
    for words in (
        "*CLOAD loads set NOWHERE, which is not defined", "*CLOAD follows amplitude Up", "many', of which no size",
        "*CLOAD names node 999, which the deck does not have; it is left out",
        "*BOUNDARY names node 998, which the deck does not have; it is left out",
        "bar.inp: pressure differs between 2 places that are given by number",
    ):  # fmt: skip
        assert words in messages


@needs_ccx
def test_a_load_that_varies_is_an_operating_condition_and_one_that_does_not_is_none(tmp_path: Path) -> None:
    for number in range(6):
        loads = f"*CLOAD\nTIP, 3, {-(number + 1) / 4}\n*DLOAD\nEALL, GRAV, 9810., 0., 0., -1.\n"
        run_ccx(tmp_path / "bars" / f"{number}", "bar", MODEL + STEP + loads + ASKED)
    assert len(open_collection(tmp_path / "bars").sources) == 6
    contract = ingest(tmp_path / "bars", tmp_path / "store", test=1, validation=0).contract
    assert list(contract.operating) == ["load_z_TIP"]
    spec = contract.operating["load_z_TIP"]
    assert (spec.unit, spec.low, spec.high) == ("N", -6, -1)
    # It points downwards: what follows from it is in proportion to its size.
    assert contract.fields["volume"]["displacement"].scales_with == {"load_z_TIP": 1.0}
    assert contract.parameters["gravity_z_EALL"].role == "constant"
    assert contract.parameters["gravity_z_EALL"].low == pytest.approx(-9810)
    assert np.isclose(contract.parameters["load_x_TIP"].high, 0)
