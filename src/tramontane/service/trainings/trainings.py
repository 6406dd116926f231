"""Models trained by the server: one at a time, in a process of its own, kept or thrown away by an operator."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import threading
import time
import uuid
from collections.abc import Callable

from sqlalchemy import select, update

from tramontane.dataset import Dataset
from tramontane.dataset.ingest.assumed_units import listed
from tramontane.errors import TramontaneError
from tramontane.io.processes import reason_of, run_each
from tramontane.service.access.caller import Caller
from tramontane.service.database import JobRow, Sessions, TrainingRow, patiently
from tramontane.service.problems import Fault, Problem, at_fault, no_room, without_paths
from tramontane.service.schemas import JobState
from tramontane.service.settings import Settings
from tramontane.service.trainings import process
from tramontane.service.trainings.process import END, MODEL, PAUSE, Task
from tramontane.service.trainings.schemas import (
    DatasetAnswer,
    DatasetsAnswer,
    TrainingAnswer,
    TrainingRequest,
    TrainingsAnswer,
)
from tramontane.surrogate.files import MANIFEST
from tramontane.surrogate.in_place import put_in_place
from tramontane.surrogate.kinds import ASKED
from tramontane.training import parse_budget

_INTERRUPTED = "the server ended meanwhile; resume the training to go on from its last checkpoint"
_PATIENCE = 25.0  # s that a process has to write its checkpoint when the server stops
_log = logging.getLogger("tramontane.serve")


class Trainings:
    """The trainings of a server.

    What is known of them stands in the database, what they write in a folder each. Every method blocks: call it from a
    thread.

    Args:
        settings: Datasets, folders.
        sessions: The database.
        refresh: Looks for models that are new.
    """

    def __init__(self, settings: Settings, sessions: Sessions, refresh: Callable[[], object]) -> None:
        self.settings, self.sessions, self._refresh = settings, sessions, refresh
        self.folder = settings.state / "trainings"
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._running: str | None = None
        self._kill, self._stopping = threading.Event(), False
        with self.sessions.begin() as session:
            left = update(JobRow).where(JobRow.kind == "training", JobRow.state == "running")
            session.execute(left.values(state="stopped", reason=_INTERRUPTED))

    # -- what there is ---------------------------------------------------------------------------------------------

    def datasets(self) -> DatasetsAnswer:
        """The server's datasets."""
        answers, refused = [], {}
        for name, path in self.settings.named_datasets.items():
            try:
                dataset = Dataset.open(path)
            except TramontaneError as error:
                refused[name] = without_paths(str(error).replace(str(path), name))
                continue
            contract = dataset.contract
            answers.append(DatasetAnswer(
                name=name, cases=len(dataset.names), splits={key: len(of) for key, of in dataset.splits.items()},
                parameters=[*contract.parameters], qoi=[*contract.qoi],
                fields=[f"{domain}/{field}" for domain, fields in contract.fields.items() for field in fields],
                assumed_units=dataset.assumed_units,
            ))  # fmt: skip
        return DatasetsAnswer(datasets=answers, refused=refused)

    def every(self) -> TrainingsAnswer:
        """All trainings, the newest first; at most a hundred."""
        with self.sessions() as session:
            wanted = select(JobRow, TrainingRow).join(TrainingRow, TrainingRow.job == JobRow.id)
            rows = session.execute(wanted.order_by(JobRow.created.desc()).limit(100)).all()
        return TrainingsAnswer(trainings=[_answer(job, row) for job, row in rows], models=list(ASKED))

    def find(self, identity: str) -> TrainingAnswer:
        """One training, and how far it is.

        Raises:
            Problem: There is none.
        """
        answer = _answer(*self._rows(identity))
        return answer.model_copy(update={"progress": process.progress(self.folder / answer.id)})

    # -- what can be done ------------------------------------------------------------------------------------------

    def begin(self, caller: Caller, request: TrainingRequest) -> TrainingAnswer:
        """Start a training.

        Raises:
            Problem: An input is at fault, or another training runs.
        """
        folders = self.settings.named_datasets
        if request.dataset not in folders:
            detail = f"dataset {request.dataset!r} is not served; there is {', '.join(folders) or 'none'}"
            raise at_fault(Fault(input="dataset", detail=detail))
        if request.model not in ASKED:
            detail = f"model {request.model!r} is not known; choose one of {', '.join(ASKED)}"
            raise at_fault(Fault(input="model", detail=detail))
        try:
            budget = parse_budget(request.budget)
        except TramontaneError as error:
            raise at_fault(Fault(input="budget", unit="s", detail=str(error))) from error
        try:
            assumed = Dataset.open(folders[request.dataset]).assumed_units
        except TramontaneError as error:
            raise at_fault(Fault(input="dataset", detail=without_paths(str(error)))) from error
        if assumed and not request.assume_units:
            raise at_fault(Fault(input="assume_units", detail=f"units of dataset {request.dataset!r} are assumed from "
                                 f"names: {listed(assumed)}; if they are right, set assume_units"))  # fmt: skip
        with self._lock:
            self._need_idle()
            identity = uuid.uuid4().hex
            (self.folder / identity).mkdir(parents=True)
            with self.sessions.begin() as session:
                session.add(JobRow(
                    id=identity, owner=caller.token, kind="training", model=request.model, model_hash="",
                    state="running", reason=None, cells=0, domains=None, keep=False, total=0,
                ))  # fmt: skip
                session.flush()
                session.add(TrainingRow(
                    job=identity, dataset=request.dataset, budget=budget, seed=request.seed, ending=False, kept=None,
                    chosen=None, why=None,
                ))  # fmt: skip
            self._start(identity)
        return self.find(identity)

    def resume(self, identity: str) -> TrainingAnswer:
        """Go on with a training that stopped, from its last checkpoint.

        Raises:
            Problem: There is none, it has not stopped, its dataset is gone, or another training runs.
        """
        with self._lock:
            job, row = self._rows(identity)
            if job.state != "stopped":
                raise Problem(409, f"training {identity} is {job.state}; only one that is stopped can go on")
            if row.dataset not in self.settings.named_datasets:
                raise Problem(409, f"dataset {row.dataset!r} of training {identity} is not served any more; start the "
                              "server with it")  # fmt: skip
            self._need_idle()
            (self.folder / identity).mkdir(parents=True, exist_ok=True)
            (self.folder / identity / PAUSE).unlink(missing_ok=True)
            self._set(identity, "running")
            self._start(identity)
        return self.find(identity)

    def end(self, identity: str) -> TrainingAnswer:
        """Ask a training to end soon, with what it has learnt.

        Raises:
            Problem: There is none, or it does not run.
        """
        with self._lock:
            job, _ = self._rows(identity)
            if job.state != "running":
                raise Problem(409, f"training {identity} is {job.state}; only one that runs can be ended")
            (self.folder / identity / END).touch()
            with self.sessions.begin() as session:
                session.execute(update(TrainingRow).where(TrainingRow.job == identity).values(ending=True))
        return self.find(identity)

    def keep(self, identity: str, name: str, *, replace: bool) -> TrainingAnswer:
        """Put a finished training's model among those that are served.

        Raises:
            Problem: There is none, it is not done, the name is taken, or the models' folder cannot be written.
        """
        with self._lock:
            job, row = self._rows(identity)
            if job.state != "done" or row.kept is not None:
                state = job.state if row.kept is None else f"kept as {row.kept}"
                raise Problem(409, f"training {identity} is {state}; only one that is done can be kept")
            models = self.settings.models
            if (models / MANIFEST).is_file():
                raise Problem(409, f"the server serves one model alone ({models.resolve().name}); start it on a folder "
                              "of models to add others")  # fmt: skip
            target = models / name
            if target.exists() and not (replace and (target / MANIFEST).is_file()):
                raise at_fault(Fault(input="name", detail=f"there is a model {name!r} already; choose another name, or "
                                     "say that it is to be replaced"), status=409)  # fmt: skip
            staged = models / f".{name}.partial"  # on the models' own disk, where a rename is one step
            try:
                shutil.rmtree(staged, ignore_errors=True)
                staged.mkdir()
                for file in (self.folder / identity / MODEL).iterdir():
                    shutil.copyfile(file, staged / file.name)
                put_in_place(staged, target)
            except OSError as error:
                shutil.rmtree(staged, ignore_errors=True)
                full, why = no_room(error), error.strerror or str(error)
                cure = "make room there" if full else "its operator can allow that"
                detail = f"the model cannot be written to the folder of models, {models.resolve().name} ({why}); {cure}"
                raise Problem(507 if full else 409, f"{detail}, and it can still be kept") from error
            with contextlib.suppress(OSError):  # it is looked at again soon
                self._refresh()  # what is said to be served is
            with self.sessions.begin() as session:
                session.execute(update(TrainingRow).where(TrainingRow.job == identity).values(kept=name))
            self._clear(identity)
        return self.find(identity)

    def remove(self, identity: str) -> None:
        """Throw a training away; one that runs is ended at once. A model that was kept stays.

        Raises:
            Problem: There is none.
        """
        with self._lock:
            self._rows(identity)
            if identity == self._running and self._thread is not None:
                self._kill.set()
                self._thread.join()
            with self.sessions.begin() as session:
                for table, key in ((TrainingRow, identity), (JobRow, identity)):
                    session.delete(session.get_one(table, key))
                    session.flush()
            shutil.rmtree(self.folder / identity, ignore_errors=True)

    def close(self) -> None:
        """Interrupt what runs, once it has written its checkpoint."""
        self._stopping = True
        thread, running = self._thread, self._running
        if thread is None or running is None:
            return
        (self.folder / running / PAUSE).touch()
        thread.join(_PATIENCE)
        self._kill.set()
        thread.join()

    # -- behind it -------------------------------------------------------------------------------------------------

    def _rows(self, identity: str) -> tuple[JobRow, TrainingRow]:
        with self.sessions() as session:
            job, row = session.get(JobRow, identity), session.get(TrainingRow, identity)
            if job is None or row is None:
                raise at_fault(Fault(input="path.training", detail=f"there is no training {identity[:64]}"), status=404)
            return job, row

    def _need_idle(self) -> None:
        if self._stopping:
            raise Problem(503, "the server is stopping", retry_after=10)
        if self._running is not None:
            raise Problem(409, f"training {self._running} runs; one is done at a time, so end it first, or wait")

    def _start(self, identity: str) -> None:
        _, row = self._rows(identity)
        task = Task(
            folder=self.folder.absolute() / identity, dataset=self.settings.named_datasets[row.dataset].absolute(),
            model=self._rows(identity)[0].model, budget=row.budget, seed=row.seed,
            threads=int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1),
        )  # fmt: skip
        self._running, self._kill = identity, threading.Event()
        # A thread of its own: it waits for as long as the training takes.
        self._thread = threading.Thread(target=self._follow, args=(task, self._kill), name="training", daemon=True)
        self._thread.start()

    def _follow(self, task: Task, kill: threading.Event) -> None:
        identity, reason, ended = task.folder.name, _INTERRUPTED, None
        try:
            for outcome in run_each(process.run, [task], workers=1, stop=kill.is_set):
                ended, reason = outcome.answer, outcome.reason or _INTERRUPTED
        except Exception as error:
            _log.error("training failed", exc_info=error, extra={"training": identity})
            reason = reason_of(error)
        self._running = None

        def wait(seconds: float) -> bool:
            time.sleep(seconds)
            return self._stopping

        patiently(lambda: self._end(identity, ended, reason), wait)

    def _end(self, identity: str, ended: process.Ended | None, reason: str) -> None:
        if ended is None or ended.paused:
            self._set(identity, "stopped", without_paths(reason))
            return
        with self.sessions.begin() as session:
            statement = update(TrainingRow).where(TrainingRow.job == identity)
            session.execute(statement.values(chosen=ended.chosen, why=ended.why))
        self._set(identity, "done")

    def _set(self, identity: str, state: JobState, reason: str | None = None) -> None:
        with self.sessions.begin() as session:
            session.execute(update(JobRow).where(JobRow.id == identity).values(state=state, reason=reason))

    def _clear(self, identity: str) -> None:
        """Leave of a training that was kept only what it said."""
        for entry in (self.folder / identity).iterdir():
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            elif entry.name != process.EVENTS:
                entry.unlink(missing_ok=True)


def _answer(job: JobRow, row: TrainingRow) -> TrainingAnswer:
    return TrainingAnswer(
        id=job.id, dataset=row.dataset, model=job.model, budget=row.budget, state=job.state, reason=job.reason,
        ending=row.ending, kept=row.kept, chosen=row.chosen, why=row.why, created=job.created,
    )  # fmt: skip
