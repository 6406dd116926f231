"""What works through the jobs beside the requests: predictions in the server's own pool, solvers in processes."""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyvista as pv

from tramontane import solvers
from tramontane.case import Case
from tramontane.design import Design
from tramontane.formats import write_case
from tramontane.io.processes import FatalError, parent_is_alive, reason_of, run_each
from tramontane.service.database import DesignRow, JobRow, patiently
from tramontane.service.jobs.checks import Checks, takes_geometry
from tramontane.service.jobs.store import JobStore
from tramontane.service.metrics import Metrics
from tramontane.service.predictions import answers, designs
from tramontane.service.predictions.predictions import Predictions, stated_qoi
from tramontane.service.predictions.schemas import CheckRequest, DesignRequest, Summary
from tramontane.service.problems import Problem, no_room, without_paths
from tramontane.service.registry import Registry, Served, Solver
from tramontane.service.settings import Settings
from tramontane.service.turns import asker
from tramontane.simulator import Simulator

_log = logging.getLogger("tramontane.serve")
_LOOK_EVERY = 30.0  # s between two looks for jobs when nobody rings
_BLOCK = 8  # designs of a solver between two turns
SolverTask = tuple[int, str, pv.PolyData | None]
_FULL = "the server's disk is full; resume the job once there is room"


class Runner:
    """Runs jobs until it is stopped.

    Args:
        settings: Bounds of a solver's runs.
        jobs: Where they stand.
        registry: Surrogates by name.
        served: Solvers by name.
        predictions: Asks the surrogates.
        checks: Compares both.
        metrics: Where designs are counted.
    """

    def __init__(
        self, settings: Settings, jobs: JobStore, registry: Registry, served: dict[str, Solver],
        predictions: Predictions, checks: Checks, metrics: Metrics,
    ) -> None:  # fmt: skip
        self.settings, self.jobs, self.registry, self.solvers = settings, jobs, registry, served
        self.predictions, self.checks, self.metrics = predictions, checks, metrics
        self._bells = {"surrogate": asyncio.Event(), "solver": asyncio.Event(), "check": asyncio.Event()}
        self._stopping = threading.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def ring(self) -> None:
        """There is something new to do; call it on the event loop."""
        for bell in self._bells.values():
            bell.set()

    async def start(self) -> None:
        """Go on with what is pending, and take what comes."""
        self._tasks = [asyncio.create_task(self._work(kind)) for kind in self._bells]

    async def stop(self, seconds: float) -> None:
        """Finish the predictions that run, end the solvers that run; both kinds' jobs go on at the next start.

        Args:
            seconds: After which a prediction that still runs is given up; it is asked again at the next start.
        """
        self._stopping.set()
        self.ring()
        if self._tasks:
            _, pending = await asyncio.wait(self._tasks, timeout=seconds)
            for task in pending:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self, kind: str) -> None:
        asker.set("jobs")
        turn = {"surrogate": self._predict_some, "solver": self._solve_some, "check": self._check_one}[kind]
        last: str | None = None
        while not self._stopping.is_set():
            self._bells[kind].clear()
            try:
                job = await asyncio.to_thread(self.jobs.next, kind, last)
                if job is not None:
                    last = job.id
                    await turn(job)
                    continue
            except Exception as error:  # a database that is away, a disk that is full: the jobs stay where they are
                _log.error("jobs wait", exc_info=error)
                await self._pause(5.0)
                continue
            await self._pause(_LOOK_EVERY, self._bells[kind])

    async def _pause(self, seconds: float, bell: asyncio.Event | None = None) -> None:
        for _ in range(round(seconds / 0.5)):
            if self._stopping.is_set() or (bell is not None and bell.is_set()):
                return
            await asyncio.sleep(0.5) if bell is None else await _heard(bell, 0.5)

    # -- predictions -----------------------------------------------------------------------------------------------

    async def _predict_some(self, job: JobRow) -> None:
        # One worker is left to those who wait for an answer.
        rows = await asyncio.to_thread(self.jobs.waiting, job.id, max(1, self.settings.workers - 1))
        if not rows:
            await asyncio.to_thread(self.jobs.end, job.id, "done")
            return
        outcomes = await asyncio.gather(*(self._predict(job, row) for row in rows))
        if stop := next((reason for reason in outcomes if reason is not None), None):
            await asyncio.to_thread(self.jobs.end, job.id, "stopped", stop)

    async def _predict(self, job: JobRow, row: DesignRow) -> str | None:
        """Answer one design; gives back the reason for which the whole job has to stop."""
        served = self.registry.models.get(job.model)
        if served is None or served.hash != job.model_hash:
            return f"model {job.model} is no longer served as it was when the job was submitted; submit it again"
        request = DesignRequest.model_validate_json(row.request)
        try:
            question = self.predictions.understand(
                served, request, cells=job.cells, domains=None if job.domains is None else json.loads(job.domains)
            )
            prediction, _ = await self.predictions.ask(question, keep=False)
        except Problem as problem:
            if problem.status_code == 503:  # it waits its turn again
                await asyncio.sleep(1.0)
                return None
            if problem.status_code == 507:
                return _FULL
            await self._settle(job, row.index, reason=str(problem.detail))
            return None
        except Exception as error:
            if no_room(error):
                return _FULL
            _log.error("design failed", exc_info=error, extra={"job": job.id, "design": row.index})
            await self._settle(job, row.index, reason=reason_of(error))
            return None
        if job.keep:
            try:
                await asyncio.to_thread(_write, prediction.case, self.jobs.folder / job.id / str(row.index))
            # Whatever is wrong with the place, it is not the design's fault, and the next one's would fail as well.
            except Exception as error:
                _log.error("case not kept", exc_info=error, extra={"job": job.id, "design": row.index})
                return _not_kept(error)
        await self._settle(job, row.index, summary=prediction.summary)
        return None

    # -- solvers ---------------------------------------------------------------------------------------------------

    async def _solve_some(self, job: JobRow) -> None:
        solver = self.solvers.get(job.model)
        if solver is None or solver.hash != job.model_hash:
            gone = f"solver {job.model} is no longer served as it was when the job was submitted; submit it again"
            await asyncio.to_thread(self.jobs.end, job.id, "stopped", gone)
            return
        rows = await asyncio.to_thread(self.jobs.waiting, job.id, _BLOCK)
        if not rows:
            await asyncio.to_thread(self.jobs.end, job.id, "done")
            return
        try:
            await asyncio.to_thread(self._solve, job, solver, rows)
        except FatalError as error:
            await asyncio.to_thread(self.jobs.end, job.id, "stopped", str(error))

    def _solve(self, job: JobRow, solver: Solver, rows: Any) -> None:
        for outcome in self._solved(job, solver, [(row.index, row.request, None) for row in rows]):
            summary = None if outcome.answer is None else Summary.model_validate_json(outcome.answer)
            self._write_down(job.id, outcome.task[0], summary=summary, reason=outcome.reason)

    def _solved(self, job: JobRow, solver: Solver, tasks: list[SolverTask]) -> Iterator[Any]:
        """Outcomes of a solver's runs, until the job is to end."""

        def ended() -> bool:
            return self._stopping.is_set() or not self.jobs.is_pending(job.id)

        work = functools.partial(solve_one, self.jobs.folder / job.id, solver.name, solver.hash)
        prepare = functools.partial(solvers.create, solver.solver)
        return run_each(
            work, tasks, workers=1, prepare=prepare, memory=self.settings.job_memory, seconds=self.settings.job_seconds,
            stop=ended,
        )  # fmt: skip

    # -- checks ----------------------------------------------------------------------------------------------------

    async def _check_one(self, job: JobRow) -> None:
        rows = await asyncio.to_thread(self.jobs.waiting, job.id, 1)
        if not rows:
            await asyncio.to_thread(self.jobs.end, job.id, "done")
            return
        row, request = rows[0], CheckRequest.model_validate_json(rows[0].request)
        served, solver = self.registry.models.get(job.model), self.solvers.get(request.solver or "")
        gone = None
        if served is None or served.hash != job.model_hash:
            gone = f"model {job.model} is no longer served as it was when the job was submitted; submit it again"
        elif solver is None:
            gone = f"solver {request.solver} is no longer served; submit the job again once it is"
        if served is None or solver is None or gone is not None:
            await asyncio.to_thread(self.jobs.end, job.id, "stopped", gone)
            return
        try:
            stop = await self._check(job, row, served, solver, request)
        except FatalError as error:
            stop = str(error)
        except Exception as error:
            if no_room(error):
                stop = _FULL
            else:
                _log.error("check failed", exc_info=error, extra={"job": job.id, "design": row.index})
                stop = None
                await self._settle(job, row.index, reason=reason_of(error))
        if stop is not None:
            await asyncio.to_thread(self.jobs.end, job.id, "stopped", stop)

    async def _check(
        self, job: JobRow, row: DesignRow, served: Served, solver: Solver, request: CheckRequest
    ) -> str | None:
        """Run the solver, compare, settle; gives back the reason for which the job has to stop."""
        case, seconds = self.jobs.folder / job.id / str(row.index), 0.0
        if not case.is_dir():  # the solver has run where the comparison had to wait
            surface = self.checks.surface(served, request) if takes_geometry(served, solver) else None
            asked = self.checks.solver_request(served, solver, request).model_dump_json()
            task = (row.index, asked, surface)
            outcomes = await asyncio.to_thread(lambda: list(self._solved(job, solver, [task])))
            if not outcomes:  # the job was cancelled, or the server stops
                return None
            if outcomes[0].answer is None:
                await self._settle(job, row.index, reason=outcomes[0].reason)
                return None
            seconds = Summary.model_validate_json(outcomes[0].answer).seconds
        try:
            summary = await self.predictions.run(lambda: self.checks.settle(served, solver, request, case), long=True)
        except Problem as problem:
            if problem.status_code != 503:
                raise
            await asyncio.sleep(1.0)  # it waits its turn again
            return None
        await self._settle(job, row.index, summary=summary.model_copy(update={"seconds": seconds}))
        return None

    async def _settle(self, job: JobRow, index: int, **outcome: Any) -> None:
        await asyncio.to_thread(functools.partial(self._write_down, job.id, index, **outcome))

    def _write_down(self, job: str, index: int, *, summary: Summary | None = None, reason: str | None = None) -> None:
        """Settle a design. What is answered is not thrown away because the database is busy, away or full for a while.

        Raises:
            SQLAlchemyError: The database has another fault, or the server stops before it is back.
        """
        patiently(lambda: self.jobs.settle(job, index, summary=summary, reason=reason), self._stopping.wait)
        self.metrics.settled("failed" if summary is None else "done")


def solve_one(folder: Path, name: str, identity: str, simulator: Simulator, task: SolverTask) -> str:
    """Run a solver on one design, keep the case and give back its summary as JSON; runs in a process of its own.

    Args:
        folder: Where the job's cases are kept.
        name: Under which the solver is served.
        identity: Which version of it.
        simulator: The solver.
        task: The design's place in the job, the design as JSON, and its geometry where the solver takes one.

    Raises:
        FatalError: The case cannot be written.
    """
    import time

    index, request, surface = task
    begun = time.perf_counter()
    asked = DesignRequest.model_validate_json(request)
    values = designs.understand(simulator.contract, asked, geometry=surface is not None)
    plain = designs.design(simulator.contract, None, values, geometry=None, length_unit="m")
    design = plain if surface is None else plain.with_geometry(surface)
    case = simulator.simulate(design)
    case.name = str(index)
    if parent_is_alive():
        try:
            _write(case, folder / str(index))
        except Exception as error:
            raise FatalError(_not_kept(error)) from error
    return Summary(
        model=name, model_hash=identity, geometry=None, parameters=designs.stated(simulator.contract, values),
        qoi=stated_qoi(case), domains=answers.domains(case),
        warnings=[designs.warned(notice) for notice in case.notices],
        seconds=time.perf_counter() - begun,
    ).model_dump_json()  # fmt: skip


def _not_kept(error: Exception) -> str:
    if no_room(error):
        return _FULL
    return f"a case cannot be kept ({without_paths(reason_of(error))}); resume the job once that is mended"


def _write(case: Case, folder: Path) -> None:
    # What is there is of a run that was killed before its design was settled.
    shutil.rmtree(folder, ignore_errors=True)
    plain = Design(case.design.geometry, **case.design.parameters)
    with answers.VTK_MESSAGES:
        kept = Case(case.name, plain, case.meshes, case.qoi, case.field_units, case.qoi_units, case.provenance)
        write_case(kept, folder)


async def _heard(bell: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(bell.wait(), seconds)
    except TimeoutError:
        return
