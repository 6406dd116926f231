"""Tasks on a Slurm cluster, by its own commands.

Tasks lie in a queue in the folder of the run (`tramontane.io.file_queue`), and an array of jobs takes them from there,
each as long as there are any. So many small tasks cost one allocation; and the jobs need nobody who asked for them: a
run that was killed, with its machine or without, finds them at work when it is started again.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import math
import pickle
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from tramontane.errors import TramontaneError
from tramontane.farm.executor import Executor
from tramontane.farm.target import Target
from tramontane.io.atomic import write_json
from tramontane.io.file_queue import FileQueue, Work, key_of, work_of
from tramontane.io.processes import FatalError, Outcome
from tramontane.io.tasks import Answer, Resources, RunTasks, Task

QUEUE = ".slurm"
_JOBS = "jobs.json"
_PROGRAMS = ("sbatch", "squeue", "scancel", "sinfo")
_OURS = ("array", "wrap", "output", "error", "job-name", "parsable", "test-only", "cpus-per-task", "mem", "ntasks")
_LOOK_EVERY = 0.2  # s between two looks for what is done
_ASK_EVERY = 5.0  # s between two questions to Slurm
_GONE = 10.0  # s after which a job that Slurm no longer names is gone, and what it wrote has been seen
_MOST = 1000  # jobs of an array; Slurm's own default
_ROUNDS = 3  # of jobs that may end before anything is done
_SPARE = 256 * 2**20  # bytes of a job beside its task
_UNITS = {"s": 1 / 60, "min": 1.0, "m": 1.0, "h": 60.0, "d": 1440.0}
_NEVER = ("PartitionTimeLimit", "PartitionNodeLimit", "BadConstraints", "InvalidAccount", "InvalidQOS", "JobHeldAdmin")


def _connect(target: Target) -> RunTasks:
    if target.address != "slurm":
        raise TramontaneError(f"--on {target.address}: Slurm has no address; say 'slurm?partition=short&time=2h'")
    if absent := [program for program in _PROGRAMS if shutil.which(program) is None]:
        raise TramontaneError(f"--on slurm: Slurm's {', '.join(absent)} is not here; give the command where "
                              "jobs are submitted")  # fmt: skip
    if target.folder is None:
        raise TramontaneError("--on slurm: needs a folder that all machines of the cluster see; name one")
    _try(_arguments(target, replace(Resources(), **target.resources)))
    return functools.partial(_run, target)


def _arguments(target: Target, resources: Resources) -> list[str]:
    """What sbatch is told of a job."""
    arguments = [f"--cpus-per-task={resources.cores}", "--ntasks=1", "--requeue"]
    if resources.memory is not None:
        arguments.append(f"--mem={math.ceil((resources.memory + _SPARE) / 2**20)}M")
    if resources.gpus:
        arguments.append(f"--gpus={math.ceil(resources.gpus)}")
    if resources.licenses:
        counts = ",".join(f"{name}:{count}" for name, count in sorted(resources.licenses.items()))
        arguments.append(f"--licenses={counts}")
    for option, value in target.options.items():
        flag = option.replace("_", "-")
        if flag in _OURS:
            raise TramontaneError(
                f"--on slurm: {option!r} is not for you to give; cores and memory are what a task takes"
            )
        arguments.append(f"--{flag}={_minutes(value) if flag == 'time' else value}" if value else f"--{flag}")
    return arguments


def _minutes(text: str) -> str:
    """A time limit as Slurm reads it; it reads its own kind, and ``2h`` or ``90min`` are ours."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|min|m|h|d)", text)
    return text if match is None else str(math.ceil(float(match[1]) * _UNITS[match[2]]))


def _try(arguments: list[str]) -> None:
    """Have Slurm say whether it would take such a job.

    Raises:
        TramontaneError: It would not, or it is not reachable.
    """
    _call("sbatch", "--test-only", *arguments, "--wrap=true")


def _call(*command: str) -> str:
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60.0)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TramontaneError(
            f"--on slurm: {command[0]} does not answer ({error}); ask who runs the cluster"
        ) from error
    if result.returncode == 0:
        return result.stdout
    lines = (line.partition("error: ")[2] or line for line in result.stderr.splitlines() if not line.startswith("Try "))
    text = "; ".join(line.strip().removeprefix("allocation failure: ").rstrip(".") for line in lines if line.strip())
    raise TramontaneError(f"--on slurm: {text or 'no reason given'} ({command[0]}); mend the options, or ask who runs "
                          "the cluster")  # fmt: skip


class _Jobs:
    """The jobs of a run, which Slurm knows by a name of the run's own; their numbers are kept in the folder, too."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / _JOBS
        self.name = "tramontane-" + hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]

    def states(self) -> dict[str, tuple[str, str]]:
        """State and reason of each job that is not over, such as ``12_3: (PENDING, Resources)``."""
        lines = _call("squeue", "-h", "-r", f"--name={self.name}", "-o", "%i|%T|%r").splitlines()
        return {job: (state, reason) for job, state, reason in (line.split("|", 2) for line in lines)}

    def submit(self, arguments: list[str], count: int) -> None:
        worker = shlex.join([sys.executable, "-m", "tramontane.io.queue_worker", str(self.folder.resolve())])
        first = _call(
            "sbatch", "--parsable", f"--array=0-{count - 1}", f"--job-name={self.name}",
            f"--output={self.folder.resolve()}/log/%A_%a.txt", *arguments,
            f'--wrap=exec {worker} "${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}"',
        )  # fmt: skip
        write_json(self.file, {"name": self.name, "jobs": [*self.numbers(), first.strip().partition(";")[0]]})

    def numbers(self) -> list[str]:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            return [str(number) for number in json.loads(self.file.read_text(encoding="utf-8"))["jobs"]]
        return []

    def cancel(self) -> None:
        with contextlib.suppress(TramontaneError):
            _call("scancel", f"--name={self.name}")
            self.file.unlink(missing_ok=True)

    def end_of(self, job: str) -> str:
        """How a job ended, such as ``NODE_FAIL`` or ``TIMEOUT``, as far as Slurm says."""
        for command, pattern in (
            (("sacct", "-X", "-n", "-P", "-j", job, "-o", "State"), r"(\w+)"),
            (("scontrol", "-o", "show", "job", job), r"JobState=(\w+)"),  # where nothing keeps accounts
        ):
            with contextlib.suppress(TramontaneError):
                if match := re.search(pattern, _call(*command)):
                    return match[1]
        return "an unknown cause"

    def last_words(self) -> str:
        """The last line that a job wrote."""
        logs = sorted((self.folder / "log").glob("*.txt"), key=lambda file: file.stat().st_mtime)
        lines = [line for log in logs[-1:] for line in log.read_text(errors="replace").splitlines() if line.strip()]
        return f"the last one says: {lines[-1].strip()}" if lines else "they say nothing (do all nodes see it?)"


def _at_work(folder: Path) -> str | None:
    jobs = _Jobs(folder / QUEUE)
    if not jobs.file.exists():
        return None
    with contextlib.suppress(TramontaneError):
        if not jobs.states():
            return None
    return f"Slurm job {', '.join(jobs.numbers())}"


def _run(
    target: Target,
    function: Callable[[Any, Task], Answer],
    tasks: Iterable[Task],
    *,
    prepare: Callable[[], Any] | None = None,
    name: Callable[[Task], str] | None = None,
    workers: int | None = None,
    resources: Resources | None = None,
    seconds: float | None = None,
) -> Iterator[Outcome[Task, Answer]]:
    assert target.folder is not None
    each = resources or Resources()
    arguments = _arguments(target, each)
    _try(arguments)
    queue, jobs = FileQueue(target.folder / QUEUE), _Jobs(target.folder / QUEUE)
    work = work_of(function, prepare, seconds, each.memory, each.cores)
    count, ignored = _enqueue(queue, jobs, work, tasks, name)
    room = workers or _room(target, each)
    try:
        yield from _Watch(queue, jobs, arguments, min(room, _MOST), count, ignored).outcomes()
    finally:
        jobs.cancel()
    queue.remove()


def _enqueue(
    queue: FileQueue, jobs: _Jobs, work: Work, tasks: Iterable[Any], name: Callable[[Any], str] | None
) -> tuple[int, set[str]]:
    """Put the tasks into the queue but for those that jobs of an earlier run have in hand, or have done.

    Returns:
        How many outcomes are to come, and keys of which none is asked for.
    """
    states = jobs.states()
    before = queue.work()
    if before is not None and before.call != work.call:
        if states:
            raise _busy(queue, jobs)
        queue.remove()
    queue.begin(work)
    queue.withdraw()
    done = {claim.key: claim for claim in queue.done()}
    in_hand = {}
    for claim in queue.claims():
        if claim.key not in done and claim.worker in states and states[claim.worker][0] != "PENDING":
            in_hand[claim.key] = claim
        elif claim.key not in done:
            queue.forget(claim)
    asked: set[str] = set()
    count = 0
    for number, task in enumerate(tasks):
        key = key_of(str(number) if name is None else name(task))
        content = pickle.dumps(task)
        count += 1
        if key in done and queue.task(done[key]) != content:
            queue.forget(done.pop(key))
        if key in in_hand and queue.task(in_hand[key]) not in (content, None):
            raise _busy(queue, jobs)
        if key in done or key in in_hand:
            asked.add(key)
        else:
            queue.put(key, content)
    return count, {*done, *in_hand} - asked


def _busy(queue: FileQueue, jobs: _Jobs) -> TramontaneError:
    return TramontaneError(f"{queue.folder.parent}: Slurm job {', '.join(jobs.numbers())} works here on something "
                           "else; wait until it ends, or scancel it")  # fmt: skip


def _room(target: Target, resources: Resources) -> int:
    """How many jobs the cluster's cores have room for."""
    partition = target.options.get("partition", "")
    lines = _call("sinfo", "-h", "-o", "%P|%C", *([f"--partition={partition}"] if partition else [])).splitlines()
    pairs = [line.split("|") for line in lines]
    cores = [int(counts.split("/")[3]) for name, counts in pairs if partition or name.endswith("*")]
    return max(sum(cores) // resources.cores, 1)


class _Watch:
    """Tells what is done, while it sees to it that as many jobs are at work as there is work for."""

    def __init__(
        self, queue: FileQueue, jobs: _Jobs, arguments: list[str], room: int, count: int, ignored: set[str]
    ) -> None:
        self.queue, self.jobs, self.arguments, self.room, self.left, self.ignored = (
            queue, jobs, arguments, room, count, ignored,
        )  # fmt: skip
        self.given_again: set[str] = set()
        self.seen: dict[str, float] = {}  # when Slurm named each job last
        self.rounds = 0  # of submitting since something was done

    def outcomes(self) -> Iterator[Outcome[Any, Any]]:
        asked = -math.inf
        while self.left:
            if (message := self.queue.fatal()) is not None:
                raise FatalError(message)
            done = self.queue.done()
            for claim in done:
                if claim.key in self.ignored:
                    self.queue.forget(claim)
                    continue
                task, answer, reason = self.queue.outcome(claim)
                yield Outcome(task, answer, reason)
                self.queue.forget(claim)
                self.left -= 1
                self.rounds = 0
                if claim.key in self.given_again:  # the job that was thought gone may still come back with it
                    self.ignored.add(claim.key)
            if self.left and time.monotonic() - asked > _ASK_EVERY:
                self.see_to_jobs()
                asked = time.monotonic()
            if not done:
                time.sleep(_LOOK_EVERY)

    def see_to_jobs(self) -> None:
        """Give back what jobs had that are gone, and submit as many as are wanting.

        Raises:
            TramontaneError: Slurm does not take jobs, or they end one after the other without doing anything.
        """
        try:
            states = self.jobs.states()
        except TramontaneError:
            return  # Slurm is restarted; jobs go on meanwhile
        for state, reason in states.values():
            if state == "PENDING" and reason in _NEVER:
                raise TramontaneError(f"--on slurm: the jobs would never start ({reason}); mend the options")
        now = time.monotonic()
        self.seen |= dict.fromkeys(states, now)
        for claim in self.queue.claims():
            last = self.seen.setdefault(claim.worker, now)
            pending = claim.worker in states and states[claim.worker][0] == "PENDING"  # its node was lost
            lost = pending or now - last > _GONE
            if lost and self.queue.give_back(claim, self.jobs.end_of(claim.worker)):
                self.given_again.add(claim.key)
        if not self.queue.waiting():
            return
        # Slurm lets a job of a lost node wait for minutes before it starts again: others do its work meanwhile.
        here = sum(reason != "BeginTime" for _, reason in states.values())
        if not here and self.rounds >= _ROUNDS:
            raise TramontaneError(f"--on slurm: jobs ended {self.rounds} times before they had done anything; "
                                  f"{self.jobs.last_words()}; see {self.jobs.folder / 'log'}")  # fmt: skip
        if (wanting := min(self.room, self.left) - here) > 0:
            self.jobs.submit(self.arguments, wanting)
            self.rounds += 1


EXECUTOR = Executor("slurm", "jobs on a Slurm cluster", _connect, _at_work)
