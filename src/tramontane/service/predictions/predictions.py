"""Predictions: few at once, each question once, answers kept."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from tramontane.case import Case
from tramontane.deadline import time_limit
from tramontane.errors import TimeLimitError, TramontaneError
from tramontane.interval import LEVEL
from tramontane.models.recent import BUDGET, Recent
from tramontane.service.cache import ByteCache
from tramontane.service.geometries.uploads import Geometries
from tramontane.service.metrics import Metrics
from tramontane.service.predictions import answers, designs
from tramontane.service.predictions.answers import mesh_arrays_of
from tramontane.service.predictions.pieces import Pieces, size_of
from tramontane.service.predictions.schemas import DesignRequest, Format, QoiValue, Summary
from tramontane.service.problems import Fault, Problem, at_fault, without_paths
from tramontane.service.registry import Served
from tramontane.service.settings import Settings
from tramontane.service.turns import Turns
from tramontane.units import difference_from_si, from_si

Result = TypeVar("Result")
_LONG = 300_000  # cells of all meshes


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
        level: The probability of the intervals.
    """

    served: Served
    geometry: str | None
    length_unit: str
    values: dict[str, float]
    cells: int
    domains: tuple[str, ...]
    level: float = LEVEL

    def key(self, domains: tuple[str, ...] | None = None) -> str:
        """The same for equal questions, and for no others."""
        parts = [self.served.name, self.served.hash, self.geometry, self.length_unit, self.values, self.cells,
                 domains or self.domains, self.level]  # fmt: skip
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    @property
    def surface_hash(self) -> bytes | None:
        """Of the surface in metres: the geometry was hashed when it came, and follows from its unit."""
        return None if self.geometry is None else f"{self.geometry} {self.length_unit}".encode()

    def on(self, domains: Collection[str]) -> Question:
        """The same question for other domains of the model."""
        return replace(self, domains=tuple(name for name in self.served.contract.fields if name in domains))

    @property
    def is_long(self) -> bool:
        """Whether the answer takes much longer than most."""
        return self.cells * len(self.domains) > _LONG

    def place(self) -> str:
        """The same for questions that are answered on the same meshes."""
        values = self.values if self.geometry is None else None
        return json.dumps([self.served.hash, self.geometry, self.length_unit, values, self.cells])


@dataclass(frozen=True)
class Prediction:
    """An answer.

    Attributes:
        key: Of the question.
        place: Of the question.
        case: Fields and QoIs.
        summary: What is said of it.
    """

    key: str
    place: str
    case: Case
    summary: Summary


@dataclass
class _Shared:
    """A question that is being answered, and how many wait for it."""

    task: asyncio.Future[Any]
    given_up: threading.Event
    askers: int = 0


class Predictions:
    """Asks surrogates in a pool of threads, so that the event loop stays free.

    Args:
        settings: Limits.
        geometries: Stored geometries.
        metrics: Where work is counted.
    """

    def __init__(self, settings: Settings, geometries: Geometries, metrics: Metrics) -> None:
        self.settings, self.geometries, self.metrics = settings, geometries, metrics
        BUDGET.limit = settings.cache_bytes
        self.cases: ByteCache[Prediction] = ByteCache(settings.cache_bytes)
        self.files: ByteCache[Pieces] = ByteCache(settings.cache_bytes)
        self._mesh_arrays = Recent(8, room=settings.cache_bytes // 4)
        self._turns = Turns(settings.workers, "predict")
        self._running: dict[str, _Shared] = {}
        self._waiting = 0

    def close(self, seconds: float) -> bool:
        """Take nothing more, and wait so long for what runs; whether it has ended then."""
        return self._turns.close(seconds)

    def understand(self, served: Served, request: DesignRequest, *, cells: int = 50_000,
                   domains: list[str] | None = None, level: float = LEVEL, prefix: str = "") -> Question:  # fmt: skip
        """Check a request.

        Raises:
            Problem: It names what the model does not know, or lacks what it asks.
        """
        contract = served.contract
        values = designs.understand(contract, request, geometry=served.surrogate.needs_geometry, prefix=prefix)
        available = tuple(contract.fields)
        if unknown := sorted(set(domains or ()) - set(available)):
            raise at_fault(Fault(input=f"{prefix}domains", detail=f"domain {unknown[0]!r} is not predicted; there is "
                                 f"{', '.join(available)}"))  # fmt: skip
        if cells > self.settings.cells:
            raise at_fault(Fault(input="cells", detail=f"{cells} cells are over the most that is predicted on, "
                                                       f"{self.settings.cells}"))  # fmt: skip
        unit = request.length_unit or contract.length_unit
        if request.geometry is None or self.geometries.find(request.geometry).metric:
            unit = "m"
        picked = tuple(name for name in available if domains is None or name in domains)
        return Question(served, request.geometry, unit, values, cells, picked, level)

    async def ask(self, question: Question, *, keep: bool = True) -> tuple[Prediction, bool]:
        """The answer to a question, and whether it was there already.

        Args:
            question: Checked.
            keep: Whether the answer is kept for the next time.

        Raises:
            Problem: Too many wait, or the design cannot be predicted.
        """
        if (kept := self._kept(question)) is not None:
            return kept, True

        def work(given_up: Callable[[], bool]) -> Prediction:
            return self._answer(question, keep=keep, given_up=given_up)

        return await self._once(question.key(), work, long=question.is_long), False

    async def file(
        self, question: Question, form: Format, fields: list[str] | None, *, bounds: bool = False
    ) -> tuple[Pieces, bool]:
        """One domain of an answer as a file, and whether it was there already.

        Args:
            question: Checked; it names the domain.
            form: Not JSON.
            fields: Which the file holds; None takes all.
            bounds: Whether it holds the fields' bounds, too.

        Raises:
            Problem: The question does not name one domain, the format does not fit, too many wait, or the design cannot
                be predicted.
        """
        if len(question.domains) != 1:
            raise at_fault(Fault(input="domains", detail="a file holds one domain; name one of "
                                                         f"{', '.join(question.domains)}"))  # fmt: skip
        domain, prediction = question.domains[0], self._kept(question, more=True)
        if prediction is None and (running := self._running.get(question.key())) is not None:
            prediction = await self._share(question.key(), running)
        parts = [prediction.key if prediction else question.key(), domain, form, fields, bounds]
        key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
        if (file := self.files.get(key)) is not None:
            self.metrics.cached("file", hit=True)
            return file, True
        self.metrics.cached("file", hit=False)

        # Predicted and written in one go: going back and forth between threads costs as much as either's small parts.
        def work(given_up: Callable[[], bool]) -> Pieces:
            answered = prediction or self._answer(question, keep=True, given_up=given_up)
            content = answers.encode(
                answered.case.with_bounds(fields) if bounds else answered.case, answered.summary, domain, form,
                None if bounds else fields,
                mesh_arrays=lambda mesh: self._mesh_arrays.get(
                    (answered.place, domain),
                    lambda: mesh_arrays_of(mesh),
                    size=lambda made: sum(array.nbytes for array in made.values()),
                ),
            )  # fmt: skip
            self.files.put(key, content, size_of(content))
            return content

        return await self._once(key, work, long=prediction is None and question.is_long), False

    async def run(self, work: Callable[[], Result], *, long: bool = False) -> Result:
        """Do some work among the predictions, of which everybody who asks has a turn.

        Args:
            work: Blocks.
            long: Whether it may take much longer than what others ask.

        Raises:
            Problem: Too much waits already.
        """
        if self._waiting >= self.settings.queue + self.settings.workers:
            raise Problem(503, f"{self._waiting} predictions wait already; try again in a moment", retry_after=2)
        self._waiting += 1
        self.metrics.waiting.set(self._waiting)
        try:
            return await self._turns.run(work, long=long)
        finally:
            self._waiting -= 1
            self.metrics.waiting.set(self._waiting)

    def _kept(self, question: Question, *, more: bool = False) -> Prediction | None:
        """The answer that is in the cache; with ``more``, one with further domains will do, as for a file of one."""
        everything = tuple(question.served.contract.fields)
        keys = (question.key(), question.key(everything)) if more else (question.key(),)
        prediction = next((kept for key in keys if (kept := self.cases.get(key)) is not None), None)
        self.metrics.cached("prediction", hit=prediction is not None)
        return prediction

    def _answer(self, question: Question, *, keep: bool, given_up: Callable[[], bool]) -> Prediction:
        prediction = self._predict(question, given_up)
        if keep:
            size = sum(1024 * mesh.actual_memory_size for mesh in prediction.case.meshes.values())
            self.cases.put(prediction.key, prediction, size)
        return prediction

    async def _once(self, key: str, work: Callable[[Callable[[], bool]], Any], *, long: bool) -> Any:
        """Several clients that ask the same at the same time share one answer; it ends when all of them have gone.

        Args:
            key: The same for the same question.
            work: Answers it; is given what says whether nobody waits any more.
            long: As for `run`.
        """
        shared = self._running.get(key)
        if shared is None:
            given_up = threading.Event()
            task = asyncio.ensure_future(self.run(lambda: work(given_up.is_set), long=long))
            shared = self._running[key] = _Shared(task, given_up)
            task.add_done_callback(lambda _: self._forget(key, shared))
        return await self._share(key, shared)

    async def _share(self, key: str, shared: _Shared) -> Any:
        shared.askers += 1
        try:
            return await asyncio.shield(shared.task)
        finally:
            shared.askers -= 1
            if shared.askers == 0 and not shared.task.done():
                self._forget(key, shared)  # whoever asks the same from now on is not given up with it
                shared.given_up.set()
                shared.task.cancel()

    def _forget(self, key: str, shared: _Shared) -> None:
        if self._running.get(key) is shared:
            del self._running[key]
        if shared.task.done() and not shared.task.cancelled():
            shared.task.exception()  # looked at, even where every client that asked has left

    def _predict(self, question: Question, given_up: Callable[[], bool]) -> Prediction:
        if given_up():
            raise Problem(503, "nobody waits for this answer any more", retry_after=1)
        begun = time.perf_counter()
        surrogate = question.served.surrogate
        contract = surrogate.contract
        design = designs.design(
            contract, self.geometries, question.values, geometry=question.geometry, length_unit=question.length_unit
        )
        try:
            with time_limit(self.settings.predict_seconds, given_up):
                checked = surrogate.check(design, values=question.values, surface_hash=question.surface_hash)
                case = surrogate.simulate(checked, cells=question.cells, domains=question.domains, level=question.level)
        except TramontaneError as error:
            if isinstance(error, TimeLimitError) and given_up():
                raise Problem(503, "nobody waits for this answer any more", retry_after=1) from error
            raise at_fault(Fault(input="design", detail=without_paths(str(error)))) from error
        seconds = time.perf_counter() - begun
        self.metrics.predicted(question.served.name, seconds)
        summary = Summary(
            model=question.served.name,
            model_hash=question.served.hash,
            geometry=question.geometry,
            parameters=designs.stated(contract, question.values),
            qoi=stated_qoi(case),
            domains=answers.domains(case),
            warnings=[designs.warned(notice) for notice in case.notices],
            level=question.level,
            verdict=designs.verdict(case.verdict),
            seconds=seconds,
        )
        return Prediction(question.key(), question.place(), case, summary)


def stated_qoi(case: Case) -> dict[str, QoiValue]:
    """A case's QoIs in their units, for an answer; with deviations where the simulator states any."""
    deviations, intervals = case.qoi_deviations, case.qoi_intervals
    return {
        name: QoiValue(
            value=answers.finite(from_si(value, case.qoi_units.get(name, ""))),
            unit=case.qoi_units.get(name, ""),
            deviation=difference_from_si(deviations[name], case.qoi_units.get(name, ""))
            if name in deviations
            else None,
            low=answers.finite(from_si(intervals[name].low, case.qoi_units.get(name, "")))
            if name in intervals
            else None,
            high=answers.finite(from_si(intervals[name].high, case.qoi_units.get(name, "")))
            if name in intervals
            else None,
            assumed=name in intervals and intervals[name].assumed,
        )
        for name, value in case.qoi.items()
    }
