"""Many tasks in processes of their own: one that fails, crashes, hangs or eats memory takes nothing else down."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing as mp
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Generic, TypeVar

from tramontane.errors import TramontaneError
from tramontane.io.interrupts import held

Task = TypeVar("Task")
Answer = TypeVar("Answer")
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_LOOK_EVERY = 0.25  # s between two looks at a worker's memory and time
_PAUSE = 5.0  # s: a longer time between two looks is not the workers': this process was stopped, or the machine slept
_STALLED = 60.0  # s that a worker may be stopped by a signal before its task is given to another
_contained = False


class FatalError(TramontaneError):
    """An error that is not the task's own, such as a full disk: it ends the whole run."""


@dataclass(frozen=True)
class Outcome(Generic[Task, Answer]):
    """What became of a task.

    Attributes:
        task: The task.
        answer: What the function gave back; None where it failed.
        reason: Why it failed, in one line; None where it did not.
    """

    task: Task
    answer: Answer | None
    reason: str | None


@dataclass
class _Given:
    task: Any
    again: bool = False  # since the process that had it first was stopped by a signal


@dataclass
class _Worker:
    process: Any
    channel: Connection
    ready: bool = False
    given: _Given | None = None
    worked: float = 0.0  # s on its task, as far as this process watched
    stalled: float = 0.0  # s of them in which it was stopped by a signal


def run_each(
    function: Callable[[Any, Task], Answer],
    tasks: Iterable[Task],
    *,
    workers: int,
    prepare: Callable[[], Any] | None = None,
    memory: int | None = None,
    seconds: float | None = None,
    threads: int = 1,
    stop: Callable[[], bool] | None = None,
) -> Iterator[Outcome[Task, Answer]]:
    """Run a function on every task, and tell the outcomes as they come.

    Args:
        function: Of what ``prepare`` made and a task; a function of a module, since fresh interpreters run it.
        tasks: Each can be pickled, as can the answers. One is taken when a process has nothing to do, and not before
            what came of earlier ones was told.
        workers: Processes at once.
        prepare: Called once in each process.
        memory: Bytes of resident memory at which a process is ended, with its task.
        seconds: After which a task is ended. A process that was stopped by a signal (SIGSTOP) for a minute is ended
            sooner, and its task given to another, once.
        threads: Of numerical libraries in each process.
        stop: Asked a few times a second; once it is true, the processes are ended and no more outcomes come.

    Raises:
        TramontaneError: The processes cannot start, ``prepare`` fails, or the function raises `FatalError`.
    """
    source = iter(tasks)
    waiting: deque[_Given] = deque()
    watched = memory is not None or seconds is not None or stop is not None
    pool: list[_Worker] = []
    ended: list[_Worker] = []
    looked = time.monotonic()
    try:
        while True:
            free = workers - sum(worker.given is not None for worker in pool)
            waiting.extend(_Given(task) for task in itertools.islice(source, max(free - len(waiting), 0)))
            idle = [worker for worker in pool if worker.given is None and worker.process.is_alive()]
            while len(idle) < len(waiting) and sum(worker.process.is_alive() for worker in pool) < workers:
                idle.append(_start(function, prepare, threads))
                pool.append(idle[-1])
            for worker in [worker for worker in pool if worker.given is None and worker.ready]:
                if waiting and worker in idle:
                    worker.given, worker.worked, worker.stalled = waiting.popleft(), 0.0, 0.0
                    worker.channel.send((worker.given.task,))
                else:
                    worker.channel.close()  # it ends when it hears nothing more
                    pool.remove(worker)
                    ended.append(worker)
            if not pool:
                return
            if stop is not None and stop():
                return
            outcomes = []
            for channel in wait([worker.channel for worker in pool], _LOOK_EVERY if watched else None):
                outcomes.append(_heard(next(worker for worker in pool if worker.channel is channel)))
            passed, looked = time.monotonic() - looked, time.monotonic()
            for worker in [worker for worker in pool if watched]:
                if passed < _PAUSE:
                    worker.worked += passed
                    if seconds is not None:
                        worker.stalled = worker.stalled + passed if _is_stopped(worker.process.pid) else 0.0
                if (reason := _overrun(worker, memory, seconds)) is not None:
                    worker.process.kill()
                    pool.remove(worker)
                    ended.append(worker)
                    if worker.stalled > _STALLED and (worker.given is None or not worker.given.again):
                        if worker.given is not None:
                            waiting.appendleft(_Given(worker.given.task, again=True))
                    elif worker.given is not None:
                        outcomes.append(Outcome(worker.given.task, None, reason))
            yield from (outcome for outcome in outcomes if outcome is not None)
    finally:
        for worker in pool:
            worker.process.kill()
        for worker in pool + ended:
            worker.process.join(_PAUSE)
            worker.process.kill()  # one that was stopped by a signal would never hear that it is over
            worker.process.join()


def contained() -> bool:
    """Whether this process may crash without harm to others, since another one watches it."""
    return _contained


def contain() -> None:
    """Say that this process is such a one."""
    global _contained
    _contained = True


def parent_is_alive() -> bool:
    """Whether the process that started this worker still runs; a new run may otherwise have taken over its folder."""
    parent = mp.parent_process()
    return parent is None or parent.is_alive()


def reason_of(error: BaseException) -> str:
    """An exception in one line, with its kind where it is none of ours."""
    text = " ".join(str(error).split())
    return text if isinstance(error, TramontaneError) else f"{type(error).__name__}: {text}"


def _start(function: Callable[..., Any], prepare: Callable[[], Any] | None, threads: int) -> _Worker:
    # A fresh interpreter: a fork of one that has loaded torch or VTK can hang.
    context = mp.get_context("spawn")
    mine, theirs = context.Pipe()
    process = context.Process(target=_work, args=(function, prepare, theirs), daemon=True)
    # Ctrl-C reaches the whole group: a child must not hear it before it says that it ignores it.
    resource_tracker.ensure_running()  # starting it would let the signal through again
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, str(threads)))  # the processes are the parallelism
    deaf = hasattr(signal, "pthread_sigmask")
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if deaf else None
    try:
        with held():  # a child of which half is told what to do complains
            process.start()
    except (AttributeError, TypeError, ValueError) as error:
        raise TramontaneError(f"this cannot be sent to other processes ({error}); "
                              "give a function of a module") from error  # fmt: skip
    finally:
        if mask is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
    theirs.close()
    return _Worker(process, mine)


def _heard(worker: _Worker) -> Outcome[Any, Any] | None:
    """Take in what a worker has to say, or that it died."""
    try:
        kind, content = worker.channel.recv()
    except (EOFError, ConnectionError):
        worker.process.join()
        kind, content = "died", _cause(worker.process.exitcode)
    if kind == "fatal" or not (worker.ready or kind == "ready"):
        hint = "; a script that starts processes needs `if __name__ == '__main__':`" if kind == "died" else ""
        raise FatalError(f"{content}{hint}")
    worker.ready = True
    if kind == "ready":
        return None
    given, worker.given = worker.given, None
    assert given is not None
    return Outcome(given.task, content if kind == "answer" else None, None if kind == "answer" else content)


def _cause(exitcode: int) -> str:
    if exitcode < 0:
        return f"its process was ended by {signal.Signals(-exitcode).name}"
    return f"its process ended with exit code {exitcode}"


def _overrun(worker: _Worker, memory: int | None, seconds: float | None) -> str | None:
    if worker.stalled > _STALLED:
        return f"its process was stopped by a signal for {worker.stalled:.0f} s, twice; it was ended"
    if worker.given is None:
        return None
    if seconds is not None and worker.worked > seconds:
        return f"was not done after {seconds:.0f} s; its process was ended"
    if memory is not None and (used := _resident(worker.process.pid)) > memory:
        return f"took {used / 2**30:.1f} GiB of memory, {memory / 2**30:.1f} are allowed; its process was ended"
    return None


def _is_stopped(pid: int) -> bool:
    """Whether a process stands still until it is sent SIGCONT; False where the system does not say."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in ("T", "t")
    except (OSError, IndexError):
        return False


def _resident(pid: int) -> int:
    """Bytes of resident memory of a process; 0 where the system does not say."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0


def _work(function: Callable[..., Any], prepare: Callable[[], Any] | None, channel: Connection) -> None:
    """Run the tasks that come through the channel until it closes."""
    contain()
    # These reach the whole group of processes. If a worker obeyed, its parent would take it for a failed task.
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    parent = mp.parent_process()
    assert parent is not None
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # whoever asked was killed
        _obey(function, prepare, channel)


def _obey(function: Callable[..., Any], prepare: Callable[[], Any] | None, channel: Connection) -> None:
    try:
        state = prepare() if prepare is not None else None
    except Exception as error:
        channel.send(("fatal", reason_of(error)))
        return
    channel.send(("ready", None))
    while True:
        try:
            (task,) = channel.recv()
        except EOFError:
            return
        try:
            reply = ("answer", function(state, task))
        except FatalError as error:
            channel.send(("fatal", str(error)))
            return
        except Exception as error:  # whatever it raises is the task's reason
            reply = ("failed", reason_of(error))
        channel.send(reply)


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)
