"""Many designs at once, in local processes, one process a design.

A finished case is written at once and whole; a design that fails, or whose process dies, is recorded with its reason
and takes nothing else down. Whatever has been finished or recorded is not run again.
"""

from __future__ import annotations

import json
import multiprocessing as mp
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tramontane.design import Design
from tramontane.formats import write_case
from tramontane.simulator import Simulator

Factory = Callable[[], Simulator]
FAILED = "failed"


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
        return "\n".join(lines + [f"  {name}: {reason}" for name, reason in self.failed.items()])


def run(
    factory: Factory,
    designs: Sequence[Design],
    out: Path,
    *,
    workers: int | None = None,
    console: Console | None = None,
) -> Result:
    """Simulate designs and write each case as a folder ``NNN`` below ``out``.

    Args:
        factory: Makes the simulator in each process; must be picklable, such as a function of a module.
        designs: The k-th becomes the case ``NNN`` with NNN = k.
        out: Where the folders are; those that exist are kept, failures recorded there are not tried again.
        workers: Processes at once; None takes one for each core.
        console: Where progress is shown.
    """
    out.mkdir(parents=True, exist_ok=True)
    result, waiting = Result(), []
    for index, design in enumerate(designs):
        name = f"{index:03d}"
        if (out / name).is_dir():
            result.kept.append(name)
        elif (reason := _failure(out, name)) is not None:
            result.failed[name] = reason
        else:
            waiting.append((name, design))
    context = mp.get_context("spawn")
    running: dict[Any, tuple[str, Connection, Any]] = {}
    columns = (TextColumn("simulating"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=console is None) as bar:
        task = bar.add_task("simulating", total=len(designs), completed=len(designs) - len(waiting))
        try:
            while waiting or running:
                while waiting and len(running) < (workers or os.cpu_count() or 1):
                    name, design = waiting.pop(0)
                    receiver, sender = context.Pipe(duplex=False)
                    process = context.Process(target=_simulate, args=(factory, design, out / name, sender), daemon=True)
                    process.start()
                    sender.close()
                    running[process.sentinel] = (name, receiver, process)
                for sentinel in wait(list(running)):
                    name, receiver, process = running.pop(sentinel)
                    process.join()
                    try:
                        reason = receiver.recv() if receiver.poll() else None
                    except EOFError:  # it ended without a word: finished, or killed
                        reason = None
                    if (out / name).is_dir():
                        result.finished.append(name)
                    else:
                        result.failed[name] = reason or f"the process ended with exit code {process.exitcode}"
                        _record(out, name, result.failed[name])
                    bar.advance(task)
        finally:
            for _, _, process in running.values():
                process.terminate()
                process.join()
    return result


def _simulate(factory: Factory, design: Design, folder: Path, sender: Any) -> None:
    """Run one design in a process of its own."""
    try:
        case = factory().simulate(design)
        case.name = folder.name
        write_case(case, folder)
    except KeyboardInterrupt:
        os._exit(130)
    except Exception as error:  # whatever a solver raises is the design's reason
        sender.send(f"{type(error).__name__}: {' '.join(str(error).split())}")


def _failure(out: Path, name: str) -> str | None:
    file = out / FAILED / f"{name}.json"
    return str(json.loads(file.read_text(encoding="utf-8"))["reason"]) if file.is_file() else None


def _record(out: Path, name: str, reason: str) -> None:
    (out / FAILED).mkdir(exist_ok=True)
    temporary = out / FAILED / f".{name}.partial"
    temporary.write_text(json.dumps({"reason": reason}) + "\n", encoding="utf-8")
    temporary.replace(out / FAILED / f"{name}.json")
