"""The tables of a server: tokens, jobs and their designs. SQLite in a file, or PostgreSQL by its URL."""

from __future__ import annotations

import getpass
import logging
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import ForeignKey, Index, String, create_engine, event, select
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from tramontane.errors import TramontaneError
from tramontane.service.problems import is_busy, no_room
from tramontane.service.schemas import DesignState, JobKind, JobState

VERSION = 1
_LONGEST_PAUSE = 10.0  # s between two tries to write
_log = logging.getLogger("tramontane.serve")


class Base(DeclarativeBase):
    """All tables."""


class SchemaRow(Base):
    """Which version of the tables this is."""

    __tablename__ = "tramontane_schema"
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


class TokenRow(Base):
    """A token; what a client shows is not in here, only its hash.

    Attributes:
        id: The first part of the token, by which it is found and revoked.
        name: Whose it is, in the operator's words.
        hash: SHA-256 of the second part, which has 256 random bits.
        scope: ``read``, ``predict`` or ``admin``.
        rate: Requests a minute; None takes the server's.
        upload_bytes: Largest upload; None takes the server's.
        created: Seconds since 1970.
        revoked: When it was revoked, or None.
    """

    __tablename__ = "tokens"
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    hash: Mapped[str]
    scope: Mapped[str]
    rate: Mapped[int | None]
    upload_bytes: Mapped[int | None]
    created: Mapped[float] = mapped_column(default=time.time)
    revoked: Mapped[float | None]


class JobRow(Base):
    """Many designs for one simulator, or a training.

    Attributes:
        id: Random.
        owner: Id of the token that asked; None where none was needed.
        kind: ``surrogate``, ``solver``, ``check``, or ``training``, of which `TrainingRow` says more.
        model: Its name; of a training, which kind of model is asked for.
        model_hash: Which version of it was asked.
        state: ``queued``, ``running``, ``done``, ``cancelled``, or ``stopped`` for the reason given.
        reason: Why it stopped.
        cells: About how many cells each predicted mesh has.
        domains: Which are predicted, as JSON; None takes all.
        keep: Whether whole cases are kept.
        total: Number of designs.
        created: Seconds since 1970.
    """

    __tablename__ = "jobs"
    id: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str | None]
    kind: Mapped[JobKind] = mapped_column(String)
    model: Mapped[str]
    model_hash: Mapped[str]
    state: Mapped[JobState] = mapped_column(String, default="queued")
    reason: Mapped[str | None]
    cells: Mapped[int]
    domains: Mapped[str | None]
    keep: Mapped[bool]
    total: Mapped[int]
    created: Mapped[float] = mapped_column(default=time.time)


class DesignRow(Base):
    """One design of a job.

    Attributes:
        job: Whose.
        index: Its place in the job, from 0.
        request: The design as JSON.
        state: ``waiting``, ``done`` or ``failed``.
        summary: The answer as JSON, once it is done.
        reason: Why it failed.
    """

    __tablename__ = "designs"
    job: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    request: Mapped[str]
    state: Mapped[DesignState] = mapped_column(String, default="waiting")
    summary: Mapped[str | None]
    reason: Mapped[str | None]


class TrainingRow(Base):
    """What a job of kind ``training`` is about; how far it is stands in its folder.

    Attributes:
        job: Whose.
        dataset: Name of the dataset.
        budget: Seconds.
        seed: Of every random choice.
        ending: Whether it was asked to end with what it has learnt.
        kept: The name under which its model is served, once it was kept.
        chosen: The kind of model that it came to.
        why: In words.
    """

    __tablename__ = "trainings"
    job: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    dataset: Mapped[str]
    budget: Mapped[float]
    seed: Mapped[int]
    ending: Mapped[bool] = mapped_column(default=False)
    kept: Mapped[str | None]
    chosen: Mapped[str | None]
    why: Mapped[str | None]


Index("designs_by_state", DesignRow.job, DesignRow.state)
Sessions = sessionmaker[Session]


def open_database(url: str, *, seconds: float = 10.0) -> tuple[Engine, Sessions]:
    """Connect, and make the tables where there are none.

    Args:
        url: Of SQLAlchemy: ``sqlite:///serve.db``, ``postgresql://user@host/name``.
        seconds: How long is waited for a file that another program holds.

    Raises:
        TramontaneError: The database cannot be reached, its driver is missing, or it is of a newer version.
    """
    try:
        address = make_url(url)
        if address.drivername in ("postgresql", "postgres"):
            # As PostgreSQL's own programs do, the user of this process where none is named.
            address = address.set(drivername="postgresql+pg8000", username=address.username or getpass.getuser())
        engine = create_engine(address, pool_pre_ping=True)
    except (ArgumentError, NoSuchModuleError) as error:
        raise TramontaneError(f"--database: is no URL of a database ({error}); give one such as "
                              "postgresql://user@host/name") from error  # fmt: skip
    except ModuleNotFoundError as error:
        raise TramontaneError(f"--database: needs {error.name}: pip install 'tramontane[postgres]'") from error
    shown = address.render_as_string(hide_password=True)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", lambda connection, _: _prepare_sqlite(connection, seconds))
    sessions = sessionmaker(engine, expire_on_commit=False)
    try:
        Base.metadata.create_all(engine)
        with sessions.begin() as session:
            version = session.scalar(select(SchemaRow.version))
            if version is None:
                session.add(SchemaRow(version=VERSION))
            elif version != VERSION:
                raise TramontaneError(f"{shown}: has version {version} of the tables, this program knows {VERSION}; "
                                      "upgrade tramontane, or give another database")  # fmt: skip
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        hint = "check the URL and that it runs"
        if engine.dialect.name == "sqlite":
            hint = "its folder must be there, and writable by the user that this program runs as"
        raise TramontaneError(f"{shown}: cannot be used ({reason}); {hint}") from error
    return engine, sessions


def patiently(write: Callable[[], None], wait: Callable[[float], object]) -> None:
    """Write what took long to find out: it is not thrown away because the database is held, away or full for a while.

    Args:
        write: One transaction.
        wait: Waits so many seconds; gives something true where there is no more time.

    Raises:
        SQLAlchemyError: The database has another fault, or there is no more time.
    """
    pause = 0.5
    while True:
        try:
            write()
            return
        except SQLAlchemyError as error:
            if not (is_busy(error) or no_room(error)):
                raise
            _log.warning("an answer waits for the database", extra={"reason": str(error).splitlines()[0][:200]})
            if wait(pause):
                raise
            pause = min(2 * pause, _LONGEST_PAUSE)


def _prepare_sqlite(connection: Any, seconds: float) -> None:
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {round(1000 * seconds)}")
    # Readers beside a writer, and nothing that was said to be kept is lost when the power fails.
    for setting in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        cursor.execute(f"PRAGMA {setting}")
    cursor.close()
