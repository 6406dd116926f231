"""Many designs at once, in local processes.

A finished case is written at once and whole. A design that fails, or whose process dies, is recorded with its reason
and takes nothing else down. What is finished or recorded is not run again, so a run that was stopped or killed goes on
where it was.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing as mp
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tramontane.design import Design
from tramontane.errors import TramontaneError
from tramontane.formats import write_case
from tramontane.simulator import Simulator

Factory = Callable[[], Simulator]
FAILED = "failed"
_LOCK = ".running"
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass
class Result:
    """What a run of the farm came to; names are those of the case folders.

    Attributes:
        finished: Cases written by this run.
        kept: Cases that were there before.
        failed: Reason of each design that failed, now or before.
    """

    finished: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [f"{len(self.finished)} cases finished, {len(self.kept)} kept, {len(self.failed)} failed"]
        return "\n".join(lines + [f"  {name}: {reason}" for name, reason in sorted(self.failed.items())])


@dataclass
class _Worker:
    process: Any
    channel: Connection
    ready: bool = False
    task: tuple[str, Design] | None = None


def run(
    factory: Factory,
    designs: Sequence[Design],
    out: str | os.PathLike[str],
    *,
    workers: int | None = None,
    retry_failed: bool = False,
    console: Console | None = None,
) -> Result:
    """Simulate designs and write each case as a folder ``NNN`` below ``out``.

    Args:
        factory: Makes the simulator in each process; must be picklable, such as a function of a module.
        designs: The k-th becomes the case ``NNN`` with NNN = k.
        out: Where the folders are; those that exist are kept.
        workers: Processes at once, of one thread each; None takes one for each core.
        retry_failed: Whether designs whose failure is recorded in ``out/failed`` are tried again.
        console: Where progress is shown.

    Raises:
        TramontaneError: Another run is writing to ``out``, the processes cannot start, or a case cannot be written.
    """
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    with _claimed(folder):
        result, waiting = Result(), []
        for index, design in enumerate(designs):
            name = f"{index:03d}"
            if (folder / name).is_dir():
                result.kept.append(name)
            elif not retry_failed and (reason := _recorded(folder, name)) is not None:
                result.failed[name] = reason
            else:
                waiting.append((name, design))
        count = min(workers or os.cpu_count() or 1, len(waiting))
        columns = (TextColumn("simulating"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True, disable=console is None) as bar:
            task = bar.add_task("simulating", total=len(designs), completed=len(designs) - len(waiting))
            pool: list[_Worker] = []
            ended: list[_Worker] = []
            try:
                for _ in range(count):
                    pool.append(_start(factory, folder))
                while pool:
                    for channel in wait([worker.channel for worker in pool]):
                        worker = next(worker for worker in pool if worker.channel is channel)
                        bar.advance(task, _heard(worker, folder, result))
                        if waiting and worker.process.is_alive():
                            worker.task = waiting.pop(0)
                            worker.channel.send(worker.task)
                            continue
                        worker.channel.close()  # it ends when it hears nothing more
                        pool.remove(worker)
                        ended.append(worker)
                        if waiting:
                            pool.append(_start(factory, folder))
            finally:
                for worker in pool:
                    worker.process.kill()
                for worker in pool + ended:
                    worker.process.join()
    result.finished.sort()
    return result


def _start(factory: Factory, folder: Path) -> _Worker:
    # A fresh interpreter: a fork of one that has loaded torch or VTK can hang.
    context = mp.get_context("spawn")
    mine, theirs = context.Pipe()
    process = context.Process(target=_work, args=(factory, folder, theirs), daemon=True)
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))  # the processes are the parallelism
    try:
        process.start()
    except (AttributeError, TypeError, ValueError) as error:
        raise TramontaneError(f"the simulator cannot be sent to other processes ({error}); "
                              "give a function of a module that makes it") from error  # fmt: skip
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
    theirs.close()
    return _Worker(process, mine)


def _heard(worker: _Worker, folder: Path, result: Result) -> int:
    """Take in what a worker has to say, or that it died; how many designs that settles."""
    try:
        kind, reason = worker.channel.recv()
    except (EOFError, ConnectionError):
        worker.process.join()
        kind, reason = "died", _cause(worker.process.exitcode)
    if kind == "fatal" or not (worker.ready or kind == "ready"):
        hint = "; a script that runs a farm needs `if __name__ == '__main__':`" if kind == "died" else ""
        raise TramontaneError(f"{folder}: {reason}{hint}")
    worker.ready = True
    if worker.task is None:
        return 0
    name, design = worker.task
    worker.task = None
    if (folder / name).is_dir():
        result.finished.append(name)
        (folder / FAILED / f"{name}.json").unlink(missing_ok=True)
    else:
        result.failed[name] = reason
        _record(folder, name, design, reason)
    return 1


def _cause(exitcode: int) -> str:
    if exitcode < 0:
        return f"its process was ended by {signal.Signals(-exitcode).name}"
    return f"its process ended with exit code {exitcode}"


def _work(factory: Factory, folder: Path, channel: Connection) -> None:
    """Run the designs that come through the channel until it closes."""
    # These reach the whole group of processes. If a worker obeyed, its parent would take it for a failed design.
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    parent = mp.parent_process()
    assert parent is not None
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    try:
        simulator = factory()
    except Exception as error:
        channel.send(("fatal", _reason(error)))
        return
    channel.send(("ready", ""))
    while True:
        try:
            name, design = channel.recv()
        except EOFError:
            return
        try:
            case = simulator.simulate(design)
        except Exception as error:  # whatever a simulator raises is the design's reason
            channel.send(("failed", _reason(error)))
            continue
        case.name = name
        if not parent.is_alive():  # a new run may have taken over the folder
            return
        try:
            write_case(case, folder / name)
        except Exception as error:  # a full disk is not the design's fault
            channel.send(("fatal", f"case {name} cannot be written: {_reason(error)}"))
            return
        channel.send(("finished", ""))


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, TramontaneError) else f"{type(error).__name__}: {text}"


@contextlib.contextmanager
def _claimed(folder: Path) -> Iterator[None]:
    """Keep a second run out; the system frees the claim of a process that was killed."""
    try:
        import fcntl
    except ImportError:  # no such lock on Windows
        yield
        return
    with (folder / _LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise TramontaneError(f"{folder}: another run is writing here; wait until it ends, or stop it") from error
        yield


def _recorded(folder: Path, name: str) -> str | None:
    file = folder / FAILED / f"{name}.json"
    try:
        return str(json.loads(file.read_text(encoding="utf-8"))["reason"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise TramontaneError(f"{file}: is damaged; delete it, and the design runs again") from error


def _record(folder: Path, name: str, design: Design, reason: str) -> None:
    (folder / FAILED).mkdir(exist_ok=True)
    parameters = {key: {"value": q.value, "unit": q.unit} for key, q in design.parameters.items()}
    temporary = folder / FAILED / f".{name}.partial"
    temporary.write_text(json.dumps({"reason": reason, "parameters": parameters}, indent=1) + "\n", encoding="utf-8")
    temporary.replace(folder / FAILED / f"{name}.json")
