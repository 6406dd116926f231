"""Tasks on this machine: taken one by one, with cores and memory counted."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from helpers import tasks
from helpers.spring import Spring, springs
from tramontane import farm
from tramontane.cli import app
from tramontane.errors import TramontaneError
from tramontane.farm import local
from tramontane.farm.target import parse


def test_tasks_are_taken_as_they_are_needed_and_each_has_its_outcome() -> None:
    taken: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(11, 31):
            taken.append(number)
            yield number

    ahead, answers, reasons = [], {}, {}
    for outcome in farm.run_tasks(tasks.square, numbers(), workers=1):
        ahead.append(len(taken) - len(ahead))
        answers[outcome.task] = outcome.answer
        reasons[outcome.task] = outcome.reason
    assert max(ahead) == 1, "a task was taken before the one before it was told"
    assert answers == {number: None if number in (13, 14) else number * number for number in range(11, 31)}
    assert {number: reason for number, reason in reasons.items() if reason} == {
        13: "its process was ended by SIGKILL",
        14: "no 14 is taken",
    }


def test_a_task_of_two_cores_takes_two_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "usable_cores", lambda: 4)
    here = functools.partial(Path, tmp_path)
    two = [outcome.answer for outcome in farm.run_tasks(tasks.overlap, range(6), prepare=here, on="local?cores=2")]
    assert max(answer for answer in two if answer) == 2
    (outcome,) = farm.run_tasks(tasks.threads, range(1), resources=farm.Resources(cores=3))
    assert outcome.answer == "3"


def test_room_is_what_cores_and_memory_leave() -> None:
    machine = {"cores": 8, "memory": 16 * 2**30}
    assert local.room_for(farm.Resources(), **machine) == 8
    assert local.room_for(farm.Resources(cores=3), **machine) == 2
    assert local.room_for(farm.Resources(cores=2, memory=6 * 2**30), **machine) == 2
    with pytest.raises(TramontaneError, match="a task takes 9 cores, this machine has 8"):
        local.room_for(farm.Resources(cores=9), **machine)
    with pytest.raises(TramontaneError, match=r"takes 17.0 GiB of memory, this machine has 16.0"):
        local.room_for(farm.Resources(memory=17 * 2**30), **machine)


def test_what_on_says() -> None:
    target = parse("slurm?partition=short&time=2h&cores=4&memory=1.5GB&licenses=abaqus:3,ansys")
    assert (target.name, target.address) == ("slurm", "slurm")
    assert target.options == {"partition": "short", "time": "2h"}
    assert target.resources == {"cores": 4, "memory": 3 * 2**29, "licenses": {"abaqus": 3, "ansys": 1}}
    assert parse("ray://head:10001?gpus=0.5").address == "ray://head:10001"
    for on, message in {
        "local?cores": r"is not NAME\?OPTION=VALUE",
        "local?cores=0": "cores=0 cannot be read; give one such as cores=2",
        "local?memory=much": "memory=much cannot be read",
        "local?partition=short": "'partition' is no option of local; choose of cores, memory",
        "local?gpus=1": "'gpus' is no option of local",
        "moon": "executor 'moon' is not known",
    }.items():
        with pytest.raises(TramontaneError, match=message):
            farm.connect(on)


def test_cases_beyond_the_thousandth_have_longer_names_and_go_on(tmp_path: Path) -> None:
    for index in range(1002):
        if index not in (7, 1000):
            (tmp_path / "out" / f"{index:03d}").mkdir(parents=True)
    designs = springs(1002)
    result = farm.run(functools.partial(Spring, tmp_path / "log"), designs, tmp_path / "out", workers=1)
    assert result.finished == ["007", "1000"]
    assert result.kept[-1] == "1001"
    assert len(result.kept) == 1000


def test_the_command_takes_on_and_what_it_was_called_before(tmp_path: Path) -> None:
    for option in ("--on", "--executor"):
        arguments = ["generate", "bracket", "-n", "1", "-o", str(tmp_path / "out"), option, "local?cores=999"]
        result = CliRunner().invoke(app, arguments)
        assert "a task takes 999 cores" in str(result.exception)
    assert "--executor is now called --on" in result.stderr
