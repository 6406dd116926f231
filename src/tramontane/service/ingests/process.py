"""One ingest in its process, and the files in which it says how far it is and what came of it.

Run as ``python -m tramontane.service.ingests.process FOLDER``. It ends with whoever holds the other end of its standard
input.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel

from tramontane.errors import TramontaneError
from tramontane.io.processes import reason_of
from tramontane.service.ingests.schemas import Finding, IngestOutcome, Stage

if TYPE_CHECKING:
    from tramontane.dataset.ingest.staging import Progress

TASK, PROGRESS, OUTCOME, CONTRACT, WORK = "task.json", "progress.json", "outcome.json", "contract.toml", "work"
_OFTEN = 0.3  # s between two words on how far it is
_MOST = 1000  # findings that are kept


class Task(BaseModel):
    """What is asked; a contract stands beside it.

    Attributes:
        source: The folder of results.
        target: The dataset's directory; none only looks.
        test: As for `ingest`.
        validation: As for `ingest`.
    """

    source: Path
    target: Path | None
    test: int | None
    validation: int | None


class Reached(BaseModel):
    """How far it is."""

    stage: Stage = "starting"
    done: int = 0
    count: int = 0


def main(folder: Path) -> None:
    """Do what ``task.json`` in a folder says; whatever happens, ``outcome.json`` says what came of it."""
    _end_with_the_server()
    if hasattr(os, "nice"):
        os.nice(10)  # whoever waits for an answer goes first
    task = Task.model_validate_json((folder / TASK).read_text(encoding="utf-8"))
    last_report = [0.0]

    def progress(stage: str, done: int, count: int) -> None:
        now = time.monotonic()
        if done in (0, count) or now - last_report[0] > _OFTEN:
            last_report[0] = now
            put(folder / PROGRESS, Reached.model_validate({"stage": stage, "done": done, "count": count}))

    try:
        outcome = _run(folder, task, progress)
    except TramontaneError as error:
        outcome = IngestOutcome(reason=str(error))
    except Exception as error:  # a reader's, which nobody else would tell
        outcome = IngestOutcome(reason=reason_of(error))
    for private in (f"{task.source.parent}/", f"{folder}/"):  # the server's own folders concern nobody
        outcome = IngestOutcome.model_validate_json(outcome.model_dump_json().replace(private, ""))
    put(folder / OUTCOME, outcome)


def _run(folder: Path, task: Task, progress: Progress) -> IngestOutcome:
    from tramontane.contract import Contract
    from tramontane.dataset.ingest.run import RECORD, ingest, survey

    file = folder / CONTRACT
    contract = Contract.from_toml(file) if file.is_file() else None
    if task.target is None:
        result = survey(task.source, folder / WORK, contract=contract, progress=progress)
        result.contract.to_toml(folder / "found.toml")
        order = sorted(result.problems, key=lambda problem: (problem.severity != "warning", problem.case))
        findings = [Finding(severity=each.severity, case=each.case, detail=each.message) for each in order[:_MOST]]
        return IngestOutcome(cases=result.cases, left_out=result.left_out, findings=findings,
                             contract=(folder / "found.toml").read_text(encoding="utf-8"))  # fmt: skip
    task.target.parent.mkdir(parents=True, exist_ok=True)
    dataset = ingest(task.source, task.target, contract=contract, test=task.test, validation=task.validation,
                     progress=progress)  # fmt: skip
    record = Record.model_validate_json((task.target / RECORD).read_text(encoding="utf-8"))
    findings = [Finding(severity="warning", case="", detail=each) for each in record.warnings[:_MOST]]
    return IngestOutcome(cases=len(dataset.names), left_out=record.left_out, findings=findings)


class Record(BaseModel):
    """What `ingest` noted beside the dataset."""

    left_out: dict[str, str] = {}
    warnings: list[str] = []


def put(file: Path, document: BaseModel) -> None:
    """Write a file whole or not at all."""
    staged = file.with_suffix(".new")
    staged.write_text(document.model_dump_json(), encoding="utf-8")
    staged.replace(file)


def _end_with_the_server() -> None:
    """Workers end with this process; it ends when its standard input closes, as when the server was killed."""

    def wait() -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stdin.buffer.read()
        os._exit(1)

    for name in ("SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
