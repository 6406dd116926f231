"""Many designs at once: failures, deaths, kills and resumption, on a simulator that answers at once."""

from __future__ import annotations

import functools
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from helpers import TESTS
from helpers.spring import CONTRACT, Spring, no_simulator, springs
from tramontane import farm
from tramontane.contract import Contract
from tramontane.design import Design
from tramontane.errors import TramontaneError
from tramontane.farm import designs
from tramontane.formats import find_cases, read_case
from tramontane.io import processes
from tramontane.solvers import create
from tramontane.studies import generate, sobol_designs


def test_a_design_that_fails_or_kills_its_process_is_recorded_and_takes_nothing_else_down(tmp_path: Path) -> None:
    log, out = tmp_path / "log", tmp_path / "out"
    designs = springs(5)
    designs[1] = Design(load="12 N", stiffness="-1 N/mm")
    designs[2] = Design(load="13 N", stiffness="3 N/mm")
    designs[3] = Design(load="14 N", stiffness="4 N/mm")
    factory = functools.partial(Spring, log)

    result = farm.run(factory, designs, out, workers=1)

    assert result.finished == ["000", "004"]
    assert result.failed["001"] == "stiffness is not above zero; give one that is"
    assert "SIGSEGV" in result.failed["002"]
    assert result.failed["003"] == "ZeroDivisionError: no compliance"
    assert [folder.name for folder in find_cases(out)] == ["000", "004"]
    assert read_case(out / "004").qoi["deflection"] == pytest.approx(12.0 / 5e3)
    assert json.loads((out / "failed" / "001.json").read_text())["parameters"]["stiffness"]["value"] == -1.0

    again = farm.run(factory, designs, out, workers=1)
    assert (again.finished, again.kept, again.failed) == ([], ["000", "004"], result.failed)
    assert len(log.read_text().splitlines()) == 5, "a failed design is not tried again unasked"

    designs[1], designs[2], designs[3] = springs(4)[1:]
    retried = farm.run(factory, designs, out, workers=1, retry_failed=True)
    assert retried.finished == ["001", "002", "003"]
    assert not list((out / "failed").iterdir())


def test_a_run_that_is_stopped_or_killed_goes_on_without_loss_or_repetition(tmp_path: Path) -> None:
    out, log = tmp_path / "out", tmp_path / "log"
    # Whoever runs the tests in a shell's background has their children ignore SIGINT.
    heeding = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from helpers import spring; "
    command = [sys.executable, "-c", f"{heeding}spring.slow_farm({str(out)!r}, {str(log)!r})"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])}
    before: dict[str, int] = {}
    for blow in (signal.SIGINT, signal.SIGKILL):
        victim = subprocess.Popen(command, env=environment, start_new_session=True, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while len(_cases(out)) < len(before) + 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        os.killpg(victim.pid, blow)
        victim.wait(timeout=30)
        done = _cases(out)
        assert len(before) + 3 <= len(done) < 12, "the blow was meant to fall in the middle"
        assert {name: done[name] for name in before} == before, "a finished case was written again"
        before = done
    begun = len(log.read_text().splitlines())
    assert begun - len(before) <= 4, "no more is lost than what the two workers had in hand, twice"

    subprocess.run(command, env=environment, check=True, timeout=60)

    after = _cases(out)
    assert sorted(after) == [f"{k:03d}" for k in range(12)]
    assert {name: after[name] for name in before} == before, "a finished case was written again"
    assert len(log.read_text().splitlines()) == begun + 12 - len(before), "a finished design was run again"
    assert not (out / "failed").exists()
    for name in after:
        assert read_case(out / name).qoi["deflection"] == pytest.approx(15.0 / (1e3 * (int(name) + 1)))


def _cases(out: Path) -> dict[str, int]:
    names = (f"{k:03d}" for k in range(12))
    return {name: (out / name / "case.json").stat().st_mtime_ns for name in names if (out / name).is_dir()}


def test_a_second_run_is_kept_out_of_a_folder_in_use(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with designs._claimed(tmp_path / "out"), pytest.raises(TramontaneError, match="another run is writing"):
        farm.run(functools.partial(Spring, tmp_path / "log"), springs(1), tmp_path / "out")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says which processes stand still")
def test_a_worker_that_is_stopped_by_a_signal_does_not_hang_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The design that it had in hand is given to another, once; one that stops every process is recorded."""
    monkeypatch.setattr("tramontane.io.processes._STALLED", 1.0)
    monkeypatch.setattr("tramontane.io.processes._PAUSE", 60.0)
    designs = springs(4)
    designs[1] = Design(load="16 N", stiffness="6 N/mm")  # stops its process the first time
    designs[2] = Design(load="17 N", stiffness="7 N/mm")  # stops its process each time
    result = farm.run(functools.partial(Spring, tmp_path / "log"), designs, tmp_path / "out", workers=1)
    assert result.finished == ["000", "001", "003"]
    assert "was stopped by a signal for" in result.failed["002"]
    assert len((tmp_path / "log").read_text().splitlines()) == 6


def test_a_design_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    designs = springs(2)
    designs[0] = Design(load="18 N", stiffness="3 N/mm")  # sleeps
    result = farm.run(functools.partial(Spring, tmp_path / "log"), designs, tmp_path / "out", workers=1, seconds=20.0)
    assert result.finished == ["001"]
    assert result.failed["000"] == "was not done after 20 s; its process was ended"


def test_a_simulator_that_cannot_be_made_ends_the_run_and_blames_no_design(tmp_path: Path) -> None:
    with pytest.raises(TramontaneError, match="no licence"):
        farm.run(no_simulator, springs(2), tmp_path / "out", workers=1)
    assert not (tmp_path / "out" / "failed").exists()


def test_sobol_designs_fill_the_ranges_evenly_and_a_set_can_grow() -> None:
    few, many = sobol_designs(CONTRACT, 11, seed=4), sobol_designs(CONTRACT, 64, seed=4)
    assert [design.parameters for design in few] == [design.parameters for design in many[:11]]
    loads = np.array([CONTRACT.values(design)["load"] for design in many])
    # 64 points of a Sobol sequence have one in each of 64 equal strips.
    assert sorted(((loads - 10.0) / 10.0 * 64).astype(int)) == list(range(64))
    assert many[0].parameters["stiffness"].unit == "N/mm"
    assert sobol_designs(CONTRACT, 1, seed=5)[0].parameters != many[0].parameters
    with pytest.raises(TramontaneError, match="n = 0"):
        sobol_designs(CONTRACT, 0)


def test_generate_writes_brackets_with_their_contract_and_keeps_to_its_plan(tmp_path: Path) -> None:
    out = tmp_path / "bracket"
    result = generate("bracket", 1, 3, out, workers=1)
    assert (result.finished, result.failed) == (["000"], {})
    contract = Contract.from_toml(out / "contract.toml")
    bracket = create("bracket").contract
    assert contract.differences(bracket) == []
    case = read_case(out / "000", contract=contract)
    values = bracket.values(sobol_designs(bracket, 1, seed=3)[0])
    assert contract.values(case.design.with_geometry(None)) == pytest.approx(values)
    assert case.qoi["max_von_mises"] == pytest.approx(case.field_values("volume", "von_mises").max())

    assert generate("bracket", 1, 3, out).kept == ["000"]
    with pytest.raises(TramontaneError, match="begun with seed 3, not 4"):
        generate("bracket", 1, 4, out)
    with pytest.raises(TramontaneError, match="begun with simulator bracket, not cylinder"):
        generate("cylinder", 1, 3, out)
    with pytest.raises(TramontaneError, match=r"not empty and has no plan\.json"):
        generate("bracket", 1, 3, tmp_path)


def test_a_worker_whose_parent_was_killed_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    worker = context.Process(target=processes._work, args=(len, None, theirs))
    worker.start()
    ours.close()
    theirs.close()
    worker.join(60)
    assert worker.exitcode == 0
    assert capfd.readouterr().err == ""
