"""Tasks on a Ray cluster that runs already.

Each of a number of actors watches a process of its own in which the tasks run, so that a task that crashes costs that
task alone, and an actor that is lost was lost with its machine: its tasks are given to others.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import logging
import math
import os
import pickle
import socket
import time
import uuid
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tramontane import __version__
from tramontane.errors import TramontaneError
from tramontane.farm.executor import Executor
from tramontane.farm.target import Target
from tramontane.io.file_queue import Work, work_of
from tramontane.io.one_by_one import OneByOne
from tramontane.io.processes import FatalError, Outcome
from tramontane.io.tasks import Answer, Resources, RunTasks, Task

_REACH = 5.0  # s
_ATTEMPTS = 3  # actors that a task may lose before it counts as failed
_LOSSES = 5  # actors more than there is room for that may be lost before anything is done
_SHORT = 1.0  # s: where tasks take less, an actor has the next one before it is asked for
_SPARE = 256 * 2**20  # bytes of an actor beside its task
_WAIT = 1.0  # s


def _connect(target: Target) -> RunTasks:
    target.allow("address")
    if importlib.util.find_spec("ray") is None:
        raise TramontaneError("--on ray: Ray is not installed; pip install 'tramontane[cluster]'")
    given = target.address if "://" in target.address else target.options.get("address")
    address = given or os.environ.get("RAY_ADDRESS", "auto")
    _reach(address)
    ours = _init(address)
    return functools.partial(_run, target, address, ours)


def _reach(address: str) -> None:
    """See whether somebody answers there: Ray itself tries for half a minute, or ends the process."""
    host, _, port = address.rpartition("://")[2].partition("/")[0].rpartition(":")
    if not host:
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_REACH).close()
    except (OSError, ValueError) as error:
        raise TramontaneError(f"--on ray: nobody answers at {address} ({error}); give that of a "
                              "cluster that runs, such as ray://head:10001") from error  # fmt: skip


def _init(address: str) -> bool:
    """Connect with a cluster; False where somebody did before."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import ray

        if ray.is_initialized():
            return False
        connect = functools.partial(ray.init, address, logging_level=logging.ERROR, log_to_driver=False)
        try:
            try:
                connect()
            except ConnectionError:
                if not address.startswith("ray://"):
                    raise
                connect()  # the process that the head forks for each client now and then does not start
        except Exception as error:  # whatever Ray raises, there is no cluster
            text = " ".join(str(error).split()).partition(". ")[0] or type(error).__name__
            raise TramontaneError(f"--on ray: there is no cluster at {address} ({text.rstrip('.')}); start one with "
                                  "`ray start --head`, or give its address") from error  # fmt: skip
    return True


def _room(resources: Resources, nodes: Iterable[dict[str, float]]) -> int:
    """How many tasks the nodes have room for at once.

    Raises:
        TramontaneError: None has room for one.
    """
    wanted = {"CPU": float(resources.cores), "GPU": resources.gpus, **resources.licenses}
    if resources.memory is not None:
        wanted["memory"] = float(resources.memory + _SPARE)
    wanted = {name: amount for name, amount in wanted.items() if amount}
    counts = [dict(node) for node in nodes]
    room = sum(min(int(node.get(name, 0.0) // amount) for name, amount in wanted.items()) for node in counts)
    if room == 0:
        lacking = [name for name, amount in wanted.items() if all(node.get(name, 0.0) < amount for node in counts)]
        stated = ", ".join(f"{name} {wanted[name]:g}" for name in lacking or wanted)
        raise TramontaneError(f"--on ray: no node of the cluster has what a task takes ({stated}); ask for "
                              "less, or add a node")  # fmt: skip
    return room


@dataclass
class _Item:
    task: Any
    attempt: int = 0
    begun: float = 0.0


@dataclass
class _Actor:
    handle: Any
    hello: Any
    ready: bool = False
    items: deque[tuple[Any, _Item]] = field(default_factory=deque)  # with what each will come as; the first runs

    @property
    def next(self) -> Any:
        return self.items[0][0] if self.ready else self.hello


def _run(
    target: Target,
    address: str,
    ours: bool,
    function: Callable[[Any, Task], Answer],
    tasks: Iterable[Task],
    *,
    prepare: Callable[[], Any] | None = None,
    name: Callable[[Task], str] | None = None,
    workers: int | None = None,
    resources: Resources | None = None,
    seconds: float | None = None,
) -> Iterator[Outcome[Task, Answer]]:
    import ray

    each = resources or Resources()
    token = None if target.folder is None else target.folder / f".ray-{uuid.uuid4().hex}"
    try:
        room = _room(each, [node["Resources"] for node in ray.nodes() if node["Alive"]])
        work = work_of(function, prepare, seconds, each.memory, each.cores)
        if token is not None:
            token.parent.mkdir(parents=True, exist_ok=True)
            token.touch()
        with contextlib.closing(_Pool(tasks, work, each, workers or room, token)) as pool:
            yield from pool.outcomes()
    except ConnectionError as error:
        raise TramontaneError(f"--on ray: the connection with {address} was lost ({error}); what was finished is "
                              "kept, give the same command again") from error  # fmt: skip
    finally:
        if token is not None:
            token.unlink(missing_ok=True)
        if ours:
            ray.shutdown()


class _Pool:
    """Actors, and the tasks that they have in hand."""

    def __init__(
        self, tasks: Iterable[Any], work: Work, resources: Resources, workers: int, token: Path | None
    ) -> None:
        self.source = iter(tasks)
        self.waiting: deque[_Item] = deque()
        self.actors: list[_Actor] = []
        self.workers = workers
        self.arguments = (work, None if token is None else str(token))
        self.options = {
            "num_cpus": resources.cores, "num_gpus": resources.gpus, "resources": dict(resources.licenses),
            "memory": None if resources.memory is None else resources.memory + _SPARE,
        }  # fmt: skip
        self.took = math.inf  # s, that tasks took of late
        self.losses = 0  # actors lost since something was done

    def outcomes(self) -> Iterator[Outcome[Any, Any]]:
        import ray

        while True:
            self._fill()
            if not self.actors:
                return
            done, _ = ray.wait([actor.next for actor in self.actors], num_returns=1, timeout=_WAIT)
            for ref in done:
                actor = next(actor for actor in self.actors if actor.next == ref)
                outcome = self._heard(actor, ref)
                if outcome is not None:
                    self.losses = 0
                    yield outcome

    def close(self) -> None:
        for actor in list(self.actors):
            self._end(actor)

    def _fill(self) -> None:
        """Start actors, give tasks to those that wait for one, and end those for which there is none."""
        import ray

        ready = [actor for actor in self.actors if actor.ready]
        self._take(self.workers - len(ready))
        starting = len(self.actors) - len(ready)
        while len(self.actors) < self.workers and starting < len(self.waiting):
            handle = ray.remote(**self.options)(OneByOne).remote(*self.arguments)
            self.actors.append(_Actor(handle, handle.hello.remote()))
            starting += 1
        for depth in (1, 2) if self.took < _SHORT else (1,):
            for actor in ready:
                if len(actor.items) < depth and self._take(1):
                    item = self.waiting.popleft()
                    item.begun = time.monotonic()
                    actor.items.append((actor.handle.run.remote(pickle.dumps(item.task)), item))
        for actor in ready:
            if not actor.items:
                self._end(actor)

    def _take(self, count: int) -> bool:
        """Have so many tasks wait, where there are as many; False where none is left."""
        while len(self.waiting) < count:
            for task in self.source:
                self.waiting.append(_Item(task))
                break
            else:
                break
        return bool(self.waiting)

    def _heard(self, actor: _Actor, ref: Any) -> Outcome[Any, Any] | None:
        import ray
        from ray.exceptions import RayError

        try:
            answer = ray.get(ref)
        except RayError as error:
            return self._lost(actor, error)
        if not actor.ready:
            version, trouble = answer
            if version != __version__:
                trouble = (
                    f"the cluster has version {version} of tramontane, this machine {__version__}; install the same"
                )
            if trouble is not None:
                raise FatalError(f"--on ray: {trouble}")
            actor.ready = True
            return None
        content, reason, fatal = answer
        if fatal is not None:
            raise FatalError(fatal)
        _, item = actor.items.popleft()
        now = time.monotonic()
        self.took = now - item.begun if self.took == math.inf else 0.8 * self.took + 0.2 * (now - item.begun)
        if actor.items:
            actor.items[0][1].begun = now
        return Outcome(item.task, None if content is None else pickle.loads(content), reason)

    def _lost(self, actor: _Actor, error: Exception) -> Outcome[Any, Any] | None:
        """Give what an actor had to others, unless that one task has lost as many as it may."""
        text = " ".join(str(error).split())
        items = [item for _, item in actor.items]
        self._end(actor)
        self.losses += 1
        if self.losses > self.workers + _LOSSES:
            raise TramontaneError(
                f"--on ray: {self.losses} workers were lost before they had done anything; the last: {text}"
            )
        failed: Outcome[Any, Any] | None = None
        if items:
            items[0].attempt += 1
            if items[0].attempt >= _ATTEMPTS:
                failed = Outcome(
                    items.pop(0).task, None, f"its worker was lost {_ATTEMPTS} times, the last one: {text}"
                )
        self.waiting.extendleft(reversed(items))
        return failed

    def _end(self, actor: _Actor) -> None:
        import ray

        self.actors.remove(actor)
        with contextlib.suppress(Exception):  # it is gone already, or the cluster is
            ray.kill(actor.handle)


EXECUTOR = Executor("ray", "a Ray cluster that runs already", _connect)
