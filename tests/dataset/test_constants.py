"""What is the same in all cases is no parameter: the contract says its value, and nobody is asked for it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from tramontane.cli import main
from tramontane.contract import Contract, ParameterSpec
from tramontane.dataset.ingest.run import infer_contract, ingest
from tramontane.design import Design
from tramontane.surrogate.fit import fit


@pytest.fixture(scope="module")
def pipes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pressure losses in a pipe of one diameter with one fluid, in proportion to length and speed squared."""
    file = tmp_path_factory.mktemp("pipes") / "pipes.csv"
    rng = np.random.default_rng(0)
    lines = ["speed [m/s],length [m],diameter [mm],density [kg/m^3],qoi:loss [Pa]"]
    for _ in range(24):
        speed, length = rng.uniform(1, 4), rng.uniform(2, 9)
        lines.append(f"{speed},{length},50,998.2,{0.02 * length / 0.05 * 998.2 / 2 * speed**2}")
    file.write_text("\n".join(lines))
    return file


def test_a_constant_is_filled_in_and_another_value_is_warned_of(pipes: Path, tmp_path: Path) -> None:
    dataset = ingest(pipes, tmp_path / "store", test=4, validation=0)
    roles = {name: spec.role for name, spec in dataset.contract.parameters.items()}
    assert roles == {"speed": "operating", "length": "operating", "diameter": "constant", "density": "constant"}
    assert dataset.contract.parameters["diameter"].low == dataset.contract.parameters["diameter"].high == 0.05
    surrogate = fit(dataset)
    case = surrogate.simulate(Design(None, speed="2 m/s", length="5 m"))
    assert case.qoi["loss"] == pytest.approx(0.02 * 100 * 998.2 / 2 * 4, rel=1e-3)
    assert [*map(str, case.notices)] == []
    stated = surrogate.simulate(Design(None, speed="2 m/s", length="5 m", diameter="5 cm", density="0.9982 kg/l"))
    assert (stated.qoi, [*map(str, stated.notices)]) == (case.qoi, [])
    other = surrogate.simulate(Design(None, speed="2 m/s", length="5 m", diameter="80 mm"))
    assert other.qoi == case.qoi
    assert [*map(str, other.notices)] == ["diameter = 80 mm is not followed: it was 50 mm in all cases"]


def test_a_constant_can_be_edited_and_read_back(pipes: Path, tmp_path: Path) -> None:
    contract = infer_contract(pipes)
    contract.to_toml(tmp_path / "contract.toml")
    assert Contract.from_toml(tmp_path / "contract.toml") == contract
    text = (tmp_path / "contract.toml").read_text().replace('role = "constant"', 'role = "operating"')
    (tmp_path / "contract.toml").write_text(text)
    edited = Contract.from_toml(tmp_path / "contract.toml")
    assert list(edited.asked(geometry=False)) == ["speed", "length", "diameter", "density"]


def test_what_differs_in_other_data_is_a_difference_and_what_is_constant_there_is_none() -> None:
    asks = Contract(parameters={"speed": ParameterSpec(unit="m/s", low=1, high=2)})
    knows = Contract(parameters={"speed": ParameterSpec(unit="m/s", low=1, high=1, role="constant")})
    assert asks.differences(knows) == []
    assert knows.differences(asks) == ["parameter 'speed' is new"]
    assert asks.differences(Contract()) == ["parameter 'speed' is missing"]


def test_a_set_whose_parameters_never_differ_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ["speed [m/s],qoi:drag [N]", *(f"12,{number}" for number in range(8))]
    (tmp_path / "runs.csv").write_text("\n".join(lines))
    monkeypatch.setattr(sys, "argv", ["tramontane", "ingest", str(tmp_path / "runs.csv")])
    with pytest.raises(SystemExit):
        main()
    output = capsys.readouterr().out
    assert "the parameters are the same in all cases" in output
    assert "constant speed = 12 m/s in all cases, not asked" in output
