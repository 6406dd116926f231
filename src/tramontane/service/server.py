"""The parts of a server, put together, started and stopped in order."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from pathlib import Path

from filelock import FileLock, Timeout

from tramontane.errors import TramontaneError
from tramontane.service.access.tokens import Access
from tramontane.service.database import open_database
from tramontane.service.geometries.uploads import Geometries
from tramontane.service.ingests.ingests import Ingests
from tramontane.service.jobs.checks import Checks
from tramontane.service.jobs.runner import Runner
from tramontane.service.jobs.store import JobStore
from tramontane.service.memory import give_back
from tramontane.service.metrics import Metrics
from tramontane.service.predictions.predictions import Predictions
from tramontane.service.problems import Fault, at_fault, keep_to_ourselves
from tramontane.service.registry import Registry, Served, Solver, find_solvers
from tramontane.service.settings import Settings
from tramontane.service.trainings.trainings import Trainings

_TRIM_EVERY = 15.0  # s
_LAST = 20.0  # s that jobs' predictions may go on once requests have ended; trainings have about as long
_log = logging.getLogger("tramontane.serve")


class Server:
    """What stands behind the routes.

    Args:
        settings: Where its files are, and its limits.

    Raises:
        TramontaneError: A folder is missing, cannot be written, or another server uses it.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        keep_to_ourselves(settings.models, settings.state, *settings.datasets)
        self.metrics = Metrics()
        self.registry = Registry(settings.models)
        self.solvers = find_solvers(settings.solvers)
        self._claim = _claim(settings.state)
        try:
            self.engine, self.sessions = open_database(settings.database_url, seconds=settings.database_seconds)
            self.access = Access(settings, self.sessions)
        except TramontaneError:
            self._claim.release()
            raise
        self.geometries = Geometries(settings)
        self.predictions = Predictions(settings, self.geometries, self.metrics)
        self.jobs = JobStore(self.sessions, settings.state / "jobs")
        self.checks = Checks(settings, self.solvers, self.geometries)
        self.runner = Runner(
            settings, self.jobs, self.registry, self.solvers, self.predictions, self.checks, self.metrics
        )
        self.trainings = Trainings(settings, self.sessions, self.refresh)
        self.ingests = Ingests(settings)
        self._watcher: asyncio.Task[None] | None = None
        try:
            self.refresh()
        except OSError as error:
            self._claim.release()
            raise TramontaneError(f"{settings.models}: cannot be looked into ({error.strerror or error}); allow it to "
                                  "the user that this program runs as") from error  # fmt: skip

    def refresh(self) -> list[str]:
        """Look for models that are new, changed or gone; their names."""
        changed = self.registry.refresh()
        self.metrics.models.set(len(self.registry.models))
        return changed

    def model(self, name: str) -> Served:
        """A served surrogate.

        Raises:
            Problem: There is none of this name.
        """
        models = self.registry.models
        if name in self.solvers:
            raise at_fault(Fault(input="path.model", detail=f"{name} is a solver and is asked by a job: POST /v1/jobs"),
                           status=409)  # fmt: skip
        if name not in models:
            names = ", ".join(models) or "none"
            raise at_fault(Fault(input="path.model", detail=f"model {name!r} is not served; there is {names}"),
                           status=404)  # fmt: skip
        return models[name]

    def find(self, name: str) -> Served | Solver:
        """A served surrogate or solver.

        Raises:
            Problem: There is none of this name.
        """
        return self.solvers[name] if name in self.solvers else self.model(name)

    async def start(self) -> None:
        """Begin what goes on beside requests."""
        self._watcher = asyncio.create_task(self._watch())
        await self.runner.start()
        threading.Thread(target=self.geometries.prepare, daemon=True).start()  # a stop does not wait for it

    async def stop(self) -> bool:
        """End it; what is finished is kept.

        Returns:
            Whether nothing runs any more. A prediction that takes longer than is waited for goes on in its thread until
            the process ends.
        """
        if self._watcher is not None:
            self._watcher.cancel()
        await asyncio.gather(
            self.runner.stop(_LAST), asyncio.to_thread(self.trainings.close), asyncio.to_thread(self.ingests.close)
        )
        ended = await asyncio.to_thread(self.predictions.close, 1.0)
        ended = await asyncio.to_thread(self.geometries.close, 1.0) and ended
        self.engine.dispose()
        self._claim.release()
        return ended

    async def _watch(self) -> None:
        trimmed = time.monotonic()
        while True:
            await asyncio.sleep(self.settings.poll_seconds)
            if time.monotonic() - trimmed > _TRIM_EVERY:
                await asyncio.to_thread(give_back)
                trimmed = time.monotonic()
            try:
                await asyncio.to_thread(self.refresh)
            except OSError:  # a folder that is away for a moment
                continue
            except Exception as error:  # nobody would see that it is looked at no more
                _log.error("the folder of models cannot be looked at", exc_info=error)


def _claim(folder: Path) -> FileLock:
    """Keep a second server off the same files; the system frees the claim of one that was killed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError("it cannot be written")
        lock = FileLock(folder / ".running")
        lock.acquire(timeout=0)
    except Timeout:
        raise TramontaneError(f"{folder}: another server runs on it; stop it, or give another folder with --state"
                              ) from None  # fmt: skip
    except OSError as error:
        raise TramontaneError(f"{folder}: cannot hold the server's files ({error}); give a folder with --state"
                              ) from error  # fmt: skip
    return lock
