"""Tasks on a real Slurm cluster of two nodes on loopback: jobs, nodes, the controller and the run itself are killed."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from helpers import TESTS, slurm_cluster, tasks
from helpers.ellipsoids import write_family
from helpers.spring import Spring, no_simulator, springs
from tramontane import farm
from tramontane.cli import app
from tramontane.dataset import Dataset
from tramontane.dataset.ingest.run import ingest
from tramontane.errors import TramontaneError
from tramontane.farm import slurm
from tramontane.io.file_queue import FileQueue, key_of, work_of

_reason = slurm_cluster.missing()
pytestmark = pytest.mark.skipif(_reason is not None, reason=_reason or "")


@pytest.fixture(scope="module")
def cluster() -> Iterator[slurm_cluster.Cluster]:
    with slurm_cluster.cluster(nodes=2, cores=2) as made:
        yield made


@pytest.fixture(autouse=True)
def _patient(cluster: slurm_cluster.Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = cluster.environment() | {"PYTHONPATH": os.pathsep.join(sys.path)}
    for name in ("SLURM_CONF", "PATH", "PYTHONPATH"):
        monkeypatch.setenv(name, environment[name])
    monkeypatch.setattr(slurm, "_ASK_EVERY", 0.3)
    monkeypatch.setattr(slurm, "_GONE", 4.0)  # less, and jobs at work on a busy machine are taken for lost
    cluster.wait_for_nodes()  # one test may leave a node that is on its way back


def until(ready: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.05)


def test_each_task_has_its_outcome_and_nothing_is_left(tmp_path: Path) -> None:
    outcomes = farm.run_tasks(tasks.square, range(10, 30), on="slurm?partition=short&time=5min", folder=tmp_path)
    told = {outcome.task: (outcome.answer, outcome.reason) for outcome in outcomes}
    assert told.pop(13) == (None, "its process was ended by SIGKILL")
    assert told.pop(14) == (None, "no 14 is taken")
    assert told == {number: (number * number, None) for number in (10, 11, 12, *range(15, 30))}
    assert not (tmp_path / slurm.QUEUE).exists()


def test_cores_and_licences_are_counted_by_the_cluster(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    here = functools.partial(Path, tmp_path / "here")
    for on, most in (("slurm?cores=2", 2), ("slurm?licenses=solver:2", 1)):
        outcomes = farm.run_tasks(tasks.overlap, range(6), on=on, folder=tmp_path, prepare=here, workers=4)
        assert max(outcome.answer or 0 for outcome in outcomes) == most
    (outcome,) = farm.run_tasks(tasks.threads, range(1), on="slurm?cores=2", folder=tmp_path)
    assert outcome.answer == "2"


def test_what_slurm_would_not_take_is_one_line_before_anything_starts(tmp_path: Path) -> None:
    for on, message in {
        "slurm?partition=long": "invalid partition specified: long",
        "slurm?licenses=moon:1": r"Invalid license specification \(sbatch\)",
        "slurm?cores=64": "Requested node configuration is not available",
        "slurm?time=soon": "Invalid --time specification",
        "slurm?colour=red": "unrecognized option '--colour=red'",
        "slurm?output=here": "'output' is not for you to give",
        "slurm://head": "Slurm has no address",
    }.items():
        with pytest.raises(TramontaneError, match=message) as error:
            farm.connect(on, tmp_path)
        assert "\n" not in str(error.value)
    with pytest.raises(TramontaneError, match=r"would never start \(PartitionTimeLimit\)"):
        list(farm.run_tasks(tasks.square, range(1), on="slurm?partition=short&time=2h", folder=tmp_path))
    with pytest.raises(TramontaneError, match="no licence for this solver"):
        farm.run(no_simulator, springs(2), tmp_path / "out", on="slurm")
    assert not (tmp_path / "out" / "failed").exists()


def test_a_cluster_that_is_not_reachable_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conf = tmp_path / "slurm.conf"
    lines = Path(os.environ["SLURM_CONF"]).read_text().splitlines()
    conf.write_text("\n".join("SlurmctldPort=1" if line.startswith("SlurmctldPort") else line for line in lines))
    monkeypatch.setenv("SLURM_CONF", str(conf))
    with pytest.raises(TramontaneError, match=r"Unable to contact slurm controller \(connect failure\) \(sbatch\)"):
        farm.run(functools.partial(Spring, tmp_path / "log"), springs(1), tmp_path / "out", on="slurm")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(TramontaneError, match="Slurm's sbatch, squeue, scancel, sinfo is not here"):
        farm.connect("slurm", tmp_path)


def test_a_killed_job_and_a_lost_node_cost_no_task_and_none_runs_twice_that_was_done(
    cluster: slurm_cluster.Cluster, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    outcomes = farm.run_tasks(
        tasks.logged, range(30), on="slurm", folder=tmp_path, prepare=functools.partial(Path, log), workers=3
    )
    told: dict[int, int] = {}  # how often each had begun when it was told
    for outcome in outcomes:
        assert outcome.answer == outcome.task
        told[outcome.task] = log.read_text().split().count(str(outcome.task))
        if len(told) == 3:
            job = next(iter(slurm._Jobs(tmp_path / slurm.QUEUE).states()))
            cluster.output("scancel", job)
            until(lambda job=job: slurm._Jobs(tmp_path).end_of(job) == "CANCELLED")
        if len(told) == 8:
            cluster.kill("n1")
            cluster.start_node("n1")
        if len(told) == 14:
            cluster.kill("slurmctld")
            cluster.start_controller()
    assert sorted(told) == list(range(30))
    begun = log.read_text().split()
    assert {task: begun.count(str(task)) for task in told} == told, "a task ran again that was done"
    assert len(begun) <= 30 + 6, "no more ran twice than jobs of two cores on two nodes had in hand"


def test_a_job_that_waits_to_begin_again_keeps_no_other_from_its_work(tmp_path: Path) -> None:
    class Jobs:
        submitted = 0

        def states(self) -> dict[str, tuple[str, str]]:
            return {"12_0": ("PENDING", "BeginTime")}

        def submit(self, _: list[str], count: int) -> None:
            self.submitted += count

    queue, jobs = FileQueue(tmp_path / "queue"), Jobs()
    queue.begin(work_of(tasks.square, None, None, None, 1))
    queue.put(key_of("0"), b"task")
    watch = slurm._Watch(queue, jobs, [], 4, 1, set())  # type: ignore[arg-type]
    watch.see_to_jobs()
    assert jobs.submitted == 1


def test_a_run_that_is_killed_finds_its_jobs_at_work_and_submits_no_others(
    cluster: slurm_cluster.Cluster, tmp_path: Path
) -> None:
    out, log = tmp_path / "out", tmp_path / "log"
    code = f"from helpers import spring; spring.slow_farm({str(out)!r}, {str(log)!r}, 'slurm')"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])}
    victim = subprocess.Popen([sys.executable, "-c", code], env=environment, start_new_session=True)
    try:
        until(lambda: out.is_dir() and len(list(out.glob("0*"))) >= 2)
    finally:
        victim.kill()
        victim.wait()
    jobs = slurm._Jobs(out / slurm.QUEUE)
    numbers, there = jobs.numbers(), len(list(out.glob("0*")))
    until(lambda: len(list(out.glob("0*"))) > there)  # they need nobody who asked for them
    with pytest.raises(TramontaneError, match=rf"Slurm job {numbers[0]} still works here; go on with --on slurm"):
        farm.run(functools.partial(Spring, log), springs(12, "15 N"), out)
    with pytest.raises(TramontaneError, match=rf"Slurm job {numbers[0]} works here on something else"):
        farm.run(functools.partial(Spring, tmp_path / "other"), springs(12, "15 N"), out, on="slurm")

    submitted: list[str] = []
    watched = pytest.MonkeyPatch()
    watched.setattr(slurm._Jobs, "submit", lambda *_: submitted.append("again"))
    with watched.context():
        result = farm.run(functools.partial(Spring, log), springs(12, "15 N"), out, on="slurm", workers=2)
    watched.undo()
    assert (submitted, result.failed) == ([], {})
    assert sorted(result.finished + result.kept) == [f"{k:03d}" for k in range(12)]
    assert len(log.read_text().splitlines()) == 12, "a design was run twice"
    assert not (out / slurm.QUEUE).exists()


def test_a_failed_design_is_tried_again_as_asked(tmp_path: Path) -> None:
    designs = springs(3)
    designs[1] = type(designs[1])(load="12 N", stiffness="-1 N/mm")
    factory = functools.partial(Spring, tmp_path / "log")
    result = farm.run(factory, designs, tmp_path / "out", on="slurm")
    assert result.failed == {"001": "stiffness is not above zero; give one that is"}
    designs[1] = springs(2)[1]
    assert farm.run(factory, designs, tmp_path / "out", on="slurm").finished == []
    assert farm.run(factory, designs, tmp_path / "out", on="slurm", retry_failed=True).finished == ["001"]


def test_a_run_that_is_stopped_cancels_its_jobs_and_keeps_what_is_done(tmp_path: Path) -> None:
    log = functools.partial(Path, tmp_path / "log")
    outcomes = farm.run_tasks(tasks.logged, range(20), on="slurm", folder=tmp_path, prepare=log, workers=2)
    next(outcomes)
    outcomes.close()  # type: ignore[attr-defined]
    assert farm.known_executors()["slurm"].at_work(tmp_path) is None
    told = [o.answer for o in farm.run_tasks(tasks.logged, range(20), on="slurm", folder=tmp_path, prepare=log)]
    assert sorted(answer for answer in told if answer is not None) == list(range(20))


def test_a_folder_of_results_is_read_by_the_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_family(tmp_path / "cases", 3)
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["ingest", "cases", "-o", "far", "--test", "1", "--on", "slurm?cores=2"])
    assert result.exit_code == 0, result.output
    here = ingest(tmp_path / "cases", tmp_path / "here", test=1)
    far = Dataset.open(tmp_path / "far")
    assert far.names == here.names == ["000", "001", "002"]
    assert far.fingerprint() == here.fingerprint()
    assert not list(tmp_path.glob(".*.partial"))


def test_jobs_that_cannot_work_end_the_run_with_what_they_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(TramontaneError, match=r"jobs ended \d times before .* /nowhere/python: not found; see .*log"):
        list(farm.run_tasks(tasks.square, range(2), on="slurm", folder=tmp_path))


def test_a_task_that_takes_its_worker_along_each_time_is_given_up(tmp_path: Path) -> None:
    queue = FileQueue(tmp_path / "queue")
    queue.begin(work_of(tasks.square, None, None, None, 1))
    queue.put(key_of("part 7/a"), b"task")
    for attempt in range(3):
        claimed = queue.claim(f"12_{attempt}")
        assert claimed is not None
        claim, task = claimed
        assert (claim.attempt, task) == (attempt, b"task")
        assert queue.claim("another") is None
        assert queue.give_back(claim, "NODE_FAIL") is (attempt < 2)
    (claim,) = queue.done()
    assert queue.task(claim) == b"task"
    assert (queue.claims(), queue.waiting()) == ([], False)


def test_a_function_of_the_script_is_refused() -> None:
    function = type(tasks.square)(tasks.square.__code__, {}, "mine")
    function.__module__, function.__qualname__ = "__main__", "mine"
    main = sys.modules["__main__"]
    main.mine = function  # type: ignore[attr-defined]
    try:
        with pytest.raises(TramontaneError, match="a function of the script itself"):
            work_of(function, None, None, None, 1)
    finally:
        del main.mine  # type: ignore[attr-defined]
