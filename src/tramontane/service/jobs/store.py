"""Many designs as one job: what is finished is kept whatever happens, the rest goes on when the server does."""

from __future__ import annotations

import json
import shutil
import uuid
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from tramontane.service.access.caller import Caller
from tramontane.service.database import DesignRow, JobRow, Sessions
from tramontane.service.jobs.schemas import DesignAnswer, JobAnswer
from tramontane.service.predictions.schemas import DesignRequest, Summary
from tramontane.service.problems import Fault, Problem, at_fault, without_paths
from tramontane.service.schemas import DesignsKind, JobState

PENDING: tuple[JobState, ...] = ("queued", "running")


class JobStore:
    """Jobs and their designs in the database, kept cases on the disk.

    Every method is one transaction, and blocks: call it from a thread.

    Args:
        sessions: The database.
        folder: Of kept cases.
    """

    def __init__(self, sessions: Sessions, folder: Path) -> None:
        self.sessions, self.folder = sessions, folder
        folder.mkdir(parents=True, exist_ok=True)

    # -- for clients -----------------------------------------------------------------------------------------------

    def submit(
        self, caller: Caller, *, kind: DesignsKind, model: str, model_hash: str, designs: Sequence[DesignRequest],
        cells: int, domains: list[str] | None, keep: bool,
    ) -> JobAnswer:  # fmt: skip
        """Write down a job whose designs were checked."""
        job = JobRow(
            id=uuid.uuid4().hex, owner=caller.token, kind=kind, model=model, model_hash=model_hash, state="queued",
            reason=None, cells=cells, domains=None if domains is None else json.dumps(domains), keep=keep,
            total=len(designs),
        )  # fmt: skip
        with self.sessions.begin() as session:
            session.add(job)
            session.flush()
            session.add_all(
                DesignRow(job=job.id, index=index, request=design.model_dump_json(), state="waiting")
                for index, design in enumerate(designs)
            )
        return _answer(job, Counter(waiting=len(designs)))

    def every(self, caller: Caller) -> list[JobAnswer]:
        """The caller's jobs, or with scope admin all, the newest first; at most a thousand."""
        with self.sessions() as session:
            wanted = select(JobRow).where(JobRow.kind != "training").order_by(JobRow.created.desc()).limit(1000)
            rows = session.scalars(wanted if caller.may("admin") else wanted.where(JobRow.owner == caller.token)).all()
            counts: dict[str, Counter[str]] = {row.id: Counter() for row in rows}
            grouped = select(DesignRow.job, DesignRow.state, func.count()).where(DesignRow.job.in_(list(counts)))
            for job, state, count in session.execute(grouped.group_by(DesignRow.job, DesignRow.state)):
                counts[job][state] = count
            return [_answer(row, counts[row.id]) for row in rows]

    def find(self, caller: Caller, identity: str) -> JobAnswer:
        """One job.

        Raises:
            Problem: There is none, or it is another token's.
        """
        with self.sessions() as session:
            row = _own(session, caller, identity)
            return _answer(row, _counts(session, identity))

    def designs(self, caller: Caller, identity: str, *, start: int, count: int) -> list[DesignAnswer]:
        """Some of a job's designs, in order.

        Raises:
            Problem: As for `find`.
        """
        with self.sessions() as session:
            _own(session, caller, identity)
            wanted = select(DesignRow).where(DesignRow.job == identity, DesignRow.index >= start)
            return [_design(row) for row in session.scalars(wanted.order_by(DesignRow.index).limit(count))]

    def design(self, caller: Caller, identity: str, index: int) -> tuple[DesignAnswer, Path]:
        """One design of a job, and where its case is if it was kept.

        Raises:
            Problem: As for `find`, or there is no such design.
        """
        with self.sessions() as session:
            _own(session, caller, identity)
            row = session.get(DesignRow, (identity, index))
            if row is None:
                raise at_fault(Fault(input="path.index", detail=f"the job has no design {index}"), status=404)
            return _design(row), self.folder / identity / str(index)

    def cancel(self, caller: Caller, identity: str) -> JobAnswer:
        """Stop a job; what is finished is kept.

        Raises:
            Problem: As for `find`, or it has ended already.
        """
        return self._turn(caller, identity, PENDING, "cancelled")

    def resume(self, caller: Caller, identity: str, *, retry_failed: bool) -> JobAnswer:
        """Go on with a job that was cancelled or stopped; with ``retry_failed`` also with one that is done.

        Raises:
            Problem: As for `find`, or it runs.
        """
        ended: tuple[JobState, ...] = ("cancelled", "stopped", "done") if retry_failed else ("cancelled", "stopped")
        return self._turn(caller, identity, ended, "queued", retry_failed=retry_failed)

    def remove(self, caller: Caller, identity: str) -> None:
        """Forget a job that does not run, with its cases.

        Raises:
            Problem: As for `find`, or it runs.
        """
        with self.sessions.begin() as session:
            row = _own(session, caller, identity)
            if row.state in PENDING:
                raise Problem(409, f"job {identity} is {row.state}; cancel it first")
            session.execute(delete(DesignRow).where(DesignRow.job == identity))
            session.delete(row)
        shutil.rmtree(self.folder / identity, ignore_errors=True)

    def _turn(
        self, caller: Caller, identity: str, from_: Sequence[JobState], to: JobState, *, retry_failed: bool = False
    ) -> JobAnswer:
        with self.sessions.begin() as session:
            row = _own(session, caller, identity)
            if row.state not in from_:
                raise Problem(409, f"job {identity} is {row.state}; this can be done while it is {' or '.join(from_)}")
            row.state, row.reason = to, None
            if retry_failed:
                failed = DesignRow.job == identity, DesignRow.state == "failed"
                session.execute(update(DesignRow).where(*failed).values(state="waiting", reason=None))
            return _answer(row, _counts(session, identity))

    # -- for what runs them ----------------------------------------------------------------------------------------

    def next(self, kind: str, after: str | None) -> JobRow | None:
        """The job whose turn it is, so that a long one does not hold up the others.

        Args:
            kind: ``surrogate``, ``solver`` or ``check``.
            after: Id of the job that had its turn.
        """
        with self.sessions() as session:
            wanted = select(JobRow).where(JobRow.kind == kind, JobRow.state.in_(PENDING))
            rows = list(session.scalars(wanted.order_by(JobRow.created)))
            ids = [row.id for row in rows]
            return rows[(ids.index(after) + 1) % len(rows) if after in ids else 0] if rows else None

    def waiting(self, identity: str, count: int) -> Sequence[DesignRow]:
        """The next designs that wait; the job is running from now on."""
        with self.sessions.begin() as session:
            wanted = select(DesignRow).where(DesignRow.job == identity, DesignRow.state == "waiting")
            rows = session.scalars(wanted.order_by(DesignRow.index).limit(count)).all()
            queued = update(JobRow).where(JobRow.id == identity, JobRow.state == "queued")
            session.execute(queued.values(state="running"))
            return rows

    def settle(self, identity: str, index: int, *, summary: Summary | None = None, reason: str | None = None) -> None:
        """A design is done, or failed for a reason."""
        values = {
            "state": "failed" if summary is None else "done",
            "summary": None if summary is None else summary.model_dump_json(),
            "reason": None if reason is None else without_paths(reason),
        }
        with self.sessions.begin() as session:
            this_design = DesignRow.job == identity, DesignRow.index == index
            session.execute(update(DesignRow).where(*this_design).values(**values))

    def end(self, identity: str, state: str, reason: str | None = None) -> None:
        """A job that was pending is ``done`` or ``stopped``."""
        with self.sessions.begin() as session:
            pending = JobRow.id == identity, JobRow.state.in_(PENDING)
            session.execute(
                update(JobRow)
                .where(*pending)
                .values(state=state, reason=None if reason is None else without_paths(reason))
            )

    def asking_for(self, geometry: str) -> str | None:
        """The id of a job that has yet to ask for a geometry, or None."""
        with self.sessions() as session:
            wanted = select(JobRow.id).join(DesignRow, DesignRow.job == JobRow.id).where(
                JobRow.state.in_(PENDING), DesignRow.state == "waiting", DesignRow.request.contains(geometry)
            )  # fmt: skip
            return session.scalar(wanted.limit(1))

    def is_pending(self, identity: str) -> bool:
        """Whether a job is still to be run."""
        with self.sessions() as session:
            return session.scalar(select(JobRow.state).where(JobRow.id == identity)) in PENDING


def _own(session: Session, caller: Caller, identity: str) -> JobRow:
    row = session.get(JobRow, identity)
    if row is None or row.kind == "training" or not (caller.may("admin") or row.owner == caller.token):
        raise at_fault(Fault(input="path.job", detail=f"there is no job {identity[:64]}"), status=404)
    return row


def _counts(session: Session, identity: str) -> Counter[str]:
    grouped = select(DesignRow.state, func.count()).where(DesignRow.job == identity).group_by(DesignRow.state)
    return Counter({row[0]: row[1] for row in session.execute(grouped)})


def _answer(row: JobRow, counts: Counter[str]) -> JobAnswer:
    assert row.kind != "training"
    return JobAnswer(
        id=row.id, model=row.model, model_hash=row.model_hash, kind=row.kind, state=row.state, reason=row.reason,
        total=row.total, done=counts["done"], failed=counts["failed"], waiting=counts["waiting"], keep=row.keep,
        created=row.created,
    )  # fmt: skip


def _design(row: DesignRow) -> DesignAnswer:
    given: dict[str, Any] = json.loads(row.request)
    return DesignAnswer(
        index=row.index, geometry=given["geometry"], length_unit=given.get("length_unit"),
        parameters=given["parameters"], state=row.state,
        summary=None if row.summary is None else Summary.model_validate_json(row.summary), reason=row.reason,
    )  # fmt: skip
