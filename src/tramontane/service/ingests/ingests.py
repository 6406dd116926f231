"""Folders of results that are looked at or become datasets: one at a time, in a process of its own."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from tramontane.contract import Contract
from tramontane.errors import ContractError
from tramontane.service.ingests.process import CONTRACT, OUTCOME, PROGRESS, TASK, Reached, Task, put
from tramontane.service.ingests.schemas import IngestAnswer, IngestOutcome, IngestRequest, IngestsAnswer, IngestState
from tramontane.service.problems import Fault, Problem, at_fault, no_room
from tramontane.service.settings import Settings

_ASKED, _CANCELLED = "asked.json", "cancelled"
_LAST = 20.0  # s in which a process ends that has told its outcome
_KEPT = 100  # that are told of
_DIED = "its process ended without a word ({code}); the server's log may say why"
_STOPPED = "the server ended meanwhile; start it again: cases that were read need not be read again"
Document = TypeVar("Document", bound=BaseModel)
_log = logging.getLogger("tramontane.serve")


class Asked(BaseModel):
    """What was asked, as it is kept."""

    request: IngestRequest
    created: float


class Ingests:
    """The ingests of a server; what is known of one stands in a folder of its own. Every method may block.

    Args:
        settings: Folders of results, and where datasets are put.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.folder = settings.state / "ingests"
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._running: str | None = None
        self._stopping = False

    # -- what there is ---------------------------------------------------------------------------------------------

    def every(self) -> IngestsAnswer:
        """All ingests, the newest first, and what can be ingested."""
        folders = self.folder.iterdir() if self.folder.is_dir() else []
        ingests = [each for folder in folders if (each := self._answer(folder)) is not None]
        ingests.sort(key=lambda each: -each.created)
        return IngestsAnswer(ingests=ingests[:_KEPT], results=list(self.settings.named_results))

    def find(self, identity: str) -> IngestAnswer:
        """One ingest, how far it is, and what came of it.

        Raises:
            Problem: There is none.
        """
        folder = self._home(identity)
        answer = self._answer(folder)
        if answer is None:
            raise _unknown(identity)
        outcome = _read(folder / OUTCOME, IngestOutcome)
        if answer.state == "stopped" and outcome is None:
            outcome = IngestOutcome(reason=_STOPPED)
        return answer.model_copy(update={"outcome": outcome})

    # -- what can be done ------------------------------------------------------------------------------------------

    def begin(self, request: IngestRequest) -> IngestAnswer:
        """Look at a folder of results, or make a dataset of it.

        Raises:
            Problem: An input is at fault, or another ingest runs.
        """
        folders = self.settings.named_results
        if request.results not in folders:
            detail = f"there is no folder of results {request.results!r}; there is {', '.join(folders) or 'none'}"
            raise at_fault(Fault(input="results", detail=detail))
        target = None if request.name is None else self.settings.made_datasets.absolute() / request.name
        if request.name is not None and (request.name in self.settings.named_datasets or (target and target.exists())):
            detail = f"there is a dataset {request.name!r} already; choose another name"
            raise at_fault(Fault(input="name", detail=detail), status=409)
        identity = uuid.uuid4().hex
        folder = self.folder.absolute() / identity
        with self._lock:
            self._need_idle()
            try:
                folder.mkdir(parents=True)
                if request.contract is not None:
                    (folder / CONTRACT).write_text(request.contract, encoding="utf-8")
                    Contract.from_toml(folder / CONTRACT)
                put(folder / TASK, Task(source=folders[request.results].absolute(), target=target, test=request.test,
                                        validation=request.validation))  # fmt: skip
                put(folder / _ASKED, Asked(request=request, created=time.time()))
                self._start(identity)
            except ContractError as error:
                shutil.rmtree(folder, ignore_errors=True)
                raise at_fault(Fault(input="contract", detail=str(error).replace(f"{folder}/", ""))) from error
            except OSError as error:
                shutil.rmtree(folder, ignore_errors=True)
                if no_room(error):
                    raise Problem(507, "the server's disk is full; make room there, and start it again") from error
                raise
        return self.find(identity)

    def cancel(self, identity: str) -> IngestAnswer:
        """End an ingest that runs; cases that were read are taken up by the next into the same dataset.

        Raises:
            Problem: There is none, or it does not run.
        """
        with self._lock:
            answer = self.find(identity)
            if answer.state != "running":
                raise Problem(409, f"ingest {identity} is {answer.state}; only one that runs can be cancelled")
            (self._home(identity) / _CANCELLED).touch()
            self._end()
        return self.find(identity)

    def remove(self, identity: str) -> None:
        """Forget an ingest; one that runs is ended. A dataset that was made stays, what was read for none goes.

        Raises:
            Problem: There is none.
        """
        with self._lock:
            answer = self.find(identity)
            if identity == self._running:
                self._end()
            if answer.name is not None:
                shutil.rmtree(self.settings.made_datasets / f".{answer.name}.partial", ignore_errors=True)
            shutil.rmtree(self._home(identity), ignore_errors=True)

    def close(self) -> None:
        """End what runs."""
        with self._lock:
            self._stopping = True
            self._end()

    # -- behind it -------------------------------------------------------------------------------------------------

    def _home(self, identity: str) -> Path:
        if len(identity) != 32 or not identity.isalnum():
            raise _unknown(identity)
        return self.folder / identity

    def _answer(self, folder: Path) -> IngestAnswer | None:
        begun = _read(folder / _ASKED, Asked)
        if begun is None:
            return None
        outcome = _read(folder / OUTCOME, IngestOutcome)
        state: IngestState
        if (folder / _CANCELLED).exists():
            state = "cancelled"
        elif outcome is not None:
            state = "done" if outcome.reason is None else "failed"
        else:
            state = "running" if folder.name == self._running else "stopped"
        reached = _read(folder / PROGRESS, Reached) or Reached()
        return IngestAnswer(
            id=folder.name, results=begun.request.results, name=begun.request.name, state=state,
            stage="done" if state == "done" else reached.stage, done=reached.done, count=reached.count,
            created=begun.created,
        )  # fmt: skip

    def _need_idle(self) -> None:
        if self._stopping:
            raise Problem(503, "the server is stopping", retry_after=10)
        running, process = self._running, self._process
        if running is not None and process is not None and (self.folder / running / OUTCOME).exists():
            with contextlib.suppress(subprocess.TimeoutExpired):  # it has said its last word
                process.wait(_LAST)
                self._running, self._process = None, None
        if self._running is not None:
            raise Problem(409, f"ingest {self._running} runs; one is done at a time, so cancel it first, or wait")

    def _start(self, identity: str) -> None:
        folder = self.folder.absolute() / identity
        command = [sys.executable, "-m", "tramontane.service.ingests.process", str(folder)]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True)
        self._process, self._running = process, identity
        threading.Thread(target=self._follow, args=(identity, process), name="ingest", daemon=True).start()

    def _follow(self, identity: str, process: subprocess.Popen[bytes]) -> None:
        code = process.wait()
        folder = self.folder / identity
        if not self._stopping and folder.is_dir() and not (folder / OUTCOME).exists() \
                and not (folder / _CANCELLED).exists():  # fmt: skip
            with contextlib.suppress(OSError):
                _log.error("ingest died", extra={"ingest": identity, "said": (folder / "log").read_text()[-2000:]})
                put(folder / OUTCOME, IngestOutcome(reason=_DIED.format(code=code)))
        if self._running == identity:
            self._running, self._process = None, None

    def _end(self) -> None:
        """Kill the process and its workers, which form a group."""
        process = self._process
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            if hasattr(os, "killpg"):
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
        process.wait()
        self._running, self._process = None, None


def _read(file: Path, kind: type[Document]) -> Document | None:
    try:
        return kind.model_validate_json(file.read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return None


def _unknown(identity: str) -> Problem:
    return at_fault(Fault(input="path.ingest", detail=f"there is no ingest {identity[:64]}"), status=404)
