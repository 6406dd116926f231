"""Tasks on a real Ray cluster of two nodes on loopback: workers, a node and the run itself are killed."""

from __future__ import annotations

import functools
import os
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers import TESTS, tasks
from helpers.spring import Spring, springs
from tramontane import farm
from tramontane.errors import TramontaneError
from tramontane.farm import ray_cluster

pytest.importorskip("ray", reason="Ray is not installed; pip install 'tramontane[cluster]'")
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning", "ignore::UserWarning")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ray.cluster_utils import Cluster

        before = os.environ.get("PYTHONPATH")
        os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"  # with it, the head's process for a client may hang as it starts
        os.environ["PYTHONPATH"] = os.pathsep.join([*sys.path, str(TESTS)])
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        head = {"num_cpus": 2, "resources": {"solver": 1}, "include_dashboard": False, "ray_client_server_port": port}
        made = Cluster(initialize_head=True, head_node_args=head)
        made.second = made.add_node(num_cpus=2)
        made.client_address = f"ray://127.0.0.1:{port}"
        try:
            yield made
        finally:
            made.shutdown()
            del os.environ["GRPC_ENABLE_FORK_SUPPORT"]
            os.environ.pop("PYTHONPATH") if before is None else os.environ.update(PYTHONPATH=before)


@pytest.fixture
def on(cluster: Any) -> str:
    return f"ray?address={cluster.address}"


def until(ready: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.05)


def test_each_task_has_its_outcome_and_they_are_taken_as_they_are_needed(on: str) -> None:
    taken: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(10, 60):
            taken.append(number)
            yield number

    told: dict[int, tuple[int | None, str | None]] = {}
    for outcome in farm.run_tasks(tasks.square, numbers(), on=on, workers=2):
        assert len(taken) <= len(told) + 8
        told[outcome.task] = (outcome.answer, outcome.reason)
    assert told.pop(13) == (None, "its process was ended by SIGKILL")
    assert told.pop(14) == (None, "no 14 is taken")
    assert told == {number: (number * number, None) for number in (10, 11, 12, *range(15, 60))}


def test_a_cluster_that_is_elsewhere_is_asked_through_rays_client(cluster: Any) -> None:
    # In a process of its own: threads that the client leaves behind disturb later connections.
    code = f"""
from helpers import tasks
from tramontane import farm
outcomes = farm.run_tasks(tasks.square, range(20, 30), on={cluster.client_address!r}, workers=1)
print(sorted(outcome.answer for outcome in outcomes))
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)
    assert result.stdout.strip() == str([number**2 for number in range(20, 30)]), result.stderr


def test_cores_and_custom_resources_are_counted_by_the_cluster(on: str, tmp_path: Path) -> None:
    here = functools.partial(Path, tmp_path)
    for more, most in (("cores=2", 2), ("licenses=solver:1", 1)):
        outcomes = farm.run_tasks(tasks.overlap, range(5), on=f"{on}&{more}", prepare=here)
        assert max(outcome.answer or 0 for outcome in outcomes) == most
    (outcome,) = farm.run_tasks(tasks.threads, range(1), on=f"{on}&cores=2")
    assert outcome.answer == "2"


def test_what_the_cluster_cannot_do_is_one_line_before_anything_starts(
    on: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for options, message in {
        "gpus=1": r"no node of the cluster has what a task takes \(GPU 1\)",
        "licenses=abaqus:2": r"no node of the cluster has what a task takes \(abaqus 2\)",
        "cores=3": r"\(CPU 3\)",  # the cluster has four, but no node has three
    }.items():
        with pytest.raises(TramontaneError, match=message) as error:
            list(farm.run_tasks(tasks.square, range(3), on=f"{on}&{options}"))
        assert "\n" not in str(error.value)
    with pytest.raises(TramontaneError, match="'partition' is no option of ray"):
        farm.connect(f"{on}&partition=short")
    for address in ("ray://127.0.0.1:1", "ray?address=127.0.0.1:1", "ray?address=moon"):
        begun = time.monotonic()
        with pytest.raises(TramontaneError, match=r"nobody answers at|there is no cluster at moon") as error:
            farm.run(functools.partial(Spring, tmp_path / "log"), springs(1), tmp_path / "out", on=address)
        assert "\n" not in str(error.value)
        assert time.monotonic() - begun < 10.0
    monkeypatch.setattr(ray_cluster, "__version__", "0.0.0")
    with pytest.raises(TramontaneError, match=r"the cluster has version .* of tramontane, this machine 0\.0\.0"):
        list(farm.run_tasks(tasks.square, range(3), on=on))


def test_a_simulator_that_cannot_be_made_or_a_folder_that_is_not_shared_blames_no_design(
    on: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from helpers.spring import no_simulator

    with pytest.raises(TramontaneError, match="no licence for this solver"):
        farm.run(no_simulator, springs(2), tmp_path / "out", on=on)
    assert not (tmp_path / "out" / "failed").exists()
    monkeypatch.setattr(Path, "touch", lambda *_: None)  # as though the disk were another one
    with pytest.raises(TramontaneError, match=rf"does not see {tmp_path}; choose a folder on a disk"):
        list(farm.run_tasks(tasks.square, range(2), on=on, folder=tmp_path))


def test_a_worker_that_is_killed_costs_no_task(on: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    outcomes = farm.run_tasks(tasks.crash_once, range(6), on=on, prepare=functools.partial(Path, log), workers=2)
    assert sorted(outcome.answer for outcome in outcomes if outcome.answer is not None) == list(range(6))
    begun = log.read_text().split()
    assert begun.count("1") == 2, "the task whose worker was lost runs again"
    assert len(begun) == 7, "no other one does"


def test_a_run_that_is_killed_goes_on_without_loss_or_repetition(on: str, tmp_path: Path) -> None:
    out, log = tmp_path / "out", tmp_path / "log"
    code = f"from helpers import spring; spring.slow_farm({str(out)!r}, {str(log)!r}, {on!r})"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])}
    victim = subprocess.Popen([sys.executable, "-c", code], env=environment, start_new_session=True)
    try:
        until(lambda: len(list(out.glob("0*"))) >= 3)
    finally:
        victim.kill()
        victim.wait()
    time.sleep(1.0)  # its workers end with it
    done = {folder.name: (folder / "case.json").stat().st_mtime_ns for folder in out.glob("0*")}
    begun = len(log.read_text().splitlines())
    time.sleep(1.5)
    assert len(log.read_text().splitlines()) == begun, "a worker outlived whoever asked"
    assert 3 <= len(done) < 12
    assert begun - len(done) <= 4

    result = farm.run(functools.partial(Spring, log), springs(12, "15 N"), out, on=on)
    assert sorted(result.finished + result.kept) == [f"{k:03d}" for k in range(12)]
    assert len(log.read_text().splitlines()) == begun + 12 - len(done), "a finished design was run again"
    assert {name: (out / name / "case.json").stat().st_mtime_ns for name in done} == done


def test_a_failed_design_is_tried_again_as_asked(on: str, tmp_path: Path) -> None:
    designs = springs(3)
    designs[1] = type(designs[1])(load="12 N", stiffness="-1 N/mm")
    factory = functools.partial(Spring, tmp_path / "log")
    result = farm.run(factory, designs, tmp_path / "out", on=on)
    assert result.failed == {"001": "stiffness is not above zero; give one that is"}
    designs[1] = springs(2)[1]
    assert farm.run(factory, designs, tmp_path / "out", on=on).finished == []
    assert farm.run(factory, designs, tmp_path / "out", on=on, retry_failed=True).finished == ["001"]


def test_a_node_that_is_lost_costs_no_task_and_none_runs_twice_that_was_done(
    cluster: Any, on: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    told: dict[int, int] = {}  # how often each had begun when it was told
    prepare = functools.partial(Path, log)
    for outcome in farm.run_tasks(tasks.logged, range(40), on=on, prepare=prepare, workers=4):
        assert outcome.answer == outcome.task
        told[outcome.task] = log.read_text().split().count(str(outcome.task))
        if len(told) == 12:
            cluster.remove_node(cluster.second, allow_graceful=False)
    assert sorted(told) == list(range(40))
    begun = log.read_text().split()
    assert {task: begun.count(str(task)) for task in told} == told, "a task ran again that was done"
    assert len(begun) <= 40 + 4, "no more ran twice than two workers had in hand"
