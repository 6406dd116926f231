"""Predictions: few at once, each question once, answers kept."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from tramontane.case import Case
from tramontane.errors import TramontaneError
from tramontane.serve import answers, designs
from tramontane.serve.cache import ByteCache
from tramontane.serve.metrics import Metrics
from tramontane.serve.problems import Fault, Problem, at_fault
from tramontane.serve.registry import Served
from tramontane.serve.schemas import DesignRequest, PredictRequest, QoiValue, Summary
from tramontane.serve.settings import Settings
from tramontane.serve.uploads import Geometries
from tramontane.units import from_si

Result = TypeVar("Result")


@dataclass(frozen=True)
class Question:
    """What is asked of a model, in SI; equal questions have equal answers.

    Attributes:
        served: The model.
        geometry: Hash of the geometry; None where the model was trained on parameters alone.
        length_unit: Of the geometry.
        values: Parameters, SI.
        cells: About how many cells each mesh has.
        domains: Which are predicted.
    """

    served: Served
    geometry: str | None
    length_unit: str
    values: dict[str, float]
    cells: int
    domains: tuple[str, ...]

    def key(self, domains: tuple[str, ...] | None = None) -> str:
        """The same for equal questions, and for no others."""
        parts = [self.served.hash, self.geometry, self.length_unit, self.values, self.cells, domains or self.domains]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@dataclass(frozen=True)
class Prediction:
    """An answer: the case, and what is said of it."""

    key: str
    case: Case
    summary: Summary


class Predictions:
    """Asks surrogates in a pool of threads, so that the event loop stays free.

    Args:
        settings: Limits.
        geometries: Stored geometries.
        metrics: Where work is counted.
    """

    def __init__(self, settings: Settings, geometries: Geometries, metrics: Metrics) -> None:
        self.settings, self.geometries, self.metrics = settings, geometries, metrics
        self.cases: ByteCache[Prediction] = ByteCache(settings.cache_bytes)
        self.files: ByteCache[bytes] = ByteCache(settings.cache_bytes)
        self._pool = ThreadPoolExecutor(settings.workers, thread_name_prefix="predict")
        self._running: dict[str, asyncio.Future[Any]] = {}
        self._waiting = 0

    def close(self) -> None:
        """Take nothing more; what runs is finished."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def understand(self, served: Served, request: DesignRequest, *, cells: int = 50_000,
                   domains: list[str] | None = None, where: str = "") -> Question:  # fmt: skip
        """Check a request.

        Raises:
            Problem: It names what the model does not know, or lacks what it asks.
        """
        contract = served.contract
        values = designs.understand(contract, request, geometry=served.surrogate.needs_geometry, where=where)
        known = tuple(contract.fields)
        if unknown := sorted(set(domains or ()) - set(known)):
            raise at_fault(Fault(input=f"{where}domains", detail=f"domain {unknown[0]!r} is not predicted; there is "
                                                                 f"{', '.join(known)}"))  # fmt: skip
        if cells > self.settings.cells:
            raise at_fault(Fault(input="cells", detail=f"{cells} cells are over the most that is predicted on, "
                                                       f"{self.settings.cells}"))  # fmt: skip
        unit = request.length_unit or contract.length_unit
        if request.geometry is None or self.geometries.find(request.geometry).metric:
            unit = "m"
        picked = tuple(name for name in known if domains is None or name in domains)
        return Question(served, request.geometry, unit, values, cells, picked)

    async def ask(self, question: Question, *, keep: bool = True, more: bool = False) -> tuple[Prediction, bool]:
        """The answer to a question, and whether it was there already.

        Args:
            question: Checked.
            keep: Whether the answer is kept for the next time.
            more: Whether an answer with further domains will do, as it does for a file of one.

        Raises:
            Problem: Too many wait, or the design cannot be predicted.
        """
        everything = tuple(question.served.contract.fields)
        for key in (question.key(), question.key(everything)) if more else (question.key(),):
            if (found := self.cases.get(key)) is not None:
                self.metrics.cached("prediction", hit=True)
                return found, True
        self.metrics.cached("prediction", hit=False)
        key = question.key()

        def work() -> Prediction:
            prediction = self._predict(question, key)
            if keep:
                size = sum(1024 * mesh.actual_memory_size for mesh in prediction.case.meshes.values())
                self.cases.put(key, prediction, size)
            return prediction

        return await self._once(key, work), False

    async def file(self, prediction: Prediction, request: PredictRequest) -> tuple[bytes, bool]:
        """One domain of an answer as a file, and whether it was there already.

        Raises:
            Problem: The request does not name one domain, or the format does not fit.
        """
        named = request.domains or list(prediction.case.meshes)
        if len(named) != 1:
            raise at_fault(Fault(input="domains", detail="a file holds one domain; name one of "
                                                         f"{', '.join(named)}"))  # fmt: skip
        parts = [prediction.key, named[0], request.format, request.fields]
        key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
        if (found := self.files.get(key)) is not None:
            self.metrics.cached("file", hit=True)
            return found, True
        self.metrics.cached("file", hit=False)

        def work() -> bytes:
            content = answers.encode(prediction.case, prediction.summary, named[0], request.format, request.fields)
            self.files.put(key, content, len(content))
            return content

        return await self._once(key, work), False

    async def run(self, work: Callable[[], Result]) -> Result:
        """Do some work among the predictions.

        Raises:
            Problem: Too much waits already.
        """
        if self._waiting >= self.settings.queue + self.settings.workers:
            raise Problem(503, f"{self._waiting} predictions wait already; try again in a moment", retry_after=2)
        self._waiting += 1
        self.metrics.waiting.set(self._waiting)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1
            self.metrics.waiting.set(self._waiting)

    async def _once(self, key: str, work: Callable[[], Result]) -> Result:
        """Several clients that ask the same at the same time share one answer."""
        if key not in self._running:
            task = asyncio.ensure_future(self.run(work))
            self._running[key] = task

            def done(task: asyncio.Task[Any]) -> None:
                self._running.pop(key, None)
                if not task.cancelled():
                    task.exception()  # looked at, even where every client that asked has left

            task.add_done_callback(done)
        return await asyncio.shield(self._running[key])

    def _predict(self, question: Question, key: str) -> Prediction:
        begun = time.perf_counter()
        surrogate = question.served.surrogate
        contract = surrogate.contract
        asked = designs.design(
            contract, self.geometries, question.values, geometry=question.geometry, length_unit=question.length_unit
        )
        try:
            case = surrogate.simulate(asked, cells=question.cells, domains=question.domains)
        except TramontaneError as error:
            raise at_fault(Fault(input="design", detail=str(error))) from error
        seconds = time.perf_counter() - begun
        self.metrics.predicted(question.served.name, seconds)
        summary = Summary(
            model=question.served.name,
            model_hash=question.served.hash,
            geometry=question.geometry,
            parameters=designs.stated(contract, question.values),
            qoi=stated_qoi(case),
            domains=answers.domains(case),
            warnings=designs.warned(surrogate, asked, case.provenance.extra["warnings"]),
            seconds=seconds,
        )
        return Prediction(key, case, summary)


def stated_qoi(case: Case) -> dict[str, QoiValue]:
    """A case's QoIs in their units, for an answer; with deviations where the simulator states any."""
    deviations = case.provenance.extra.get("deviations", {})

    return {
        name: QoiValue(
            value=answers.finite(from_si(value, case.qoi_units.get(name, ""))),
            unit=case.qoi_units.get(name, ""),
            deviation=from_si(deviations[name], case.qoi_units.get(name, "")) if name in deviations else None,
        )
        for name, value in case.qoi.items()
    }
