"""One training in its process, and the file in which it says how far it is.

The file is a line of JSON an event, so that whatever happens to the process, all that it said is there.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tramontane.errors import TramontaneError
from tramontane.io.lazy_modules import loading
from tramontane.io.processes import parent_is_alive
from tramontane.service.trainings.schemas import CandidateAnswer, ChoiceAnswer, Curve, ErrorCurve, ProgressAnswer
from tramontane.training.watch import Choice, FieldError, Watch

EVENTS, END, PAUSE, MODEL = "events.jsonl", "end", "pause", "surrogate"
_LOOK_EVERY = 0.2  # s between two looks for the files by which it is told to end
_OFTEN, _SHARE = 0.5, 1 / 300  # a loss is told so many seconds apart, or that share of the time so far
_CHECKPOINT_EVERY = 15.0  # s


@dataclass(frozen=True)
class Task:
    """What is trained.

    Attributes:
        folder: Of the training.
        dataset: Its store.
        model: Which kind.
        budget: Seconds.
        seed: Of every random choice.
        threads: That it may use.
    """

    folder: Path
    dataset: Path
    model: str
    budget: float
    seed: int
    threads: int


@dataclass(frozen=True)
class Ended:
    """What came of it: the kind of model and why, or nothing since it was interrupted."""

    paused: bool
    chosen: str | None = None
    why: str | None = None


class Interrupted(KeyboardInterrupt):
    """The training goes on another time."""


class Recorder(Watch):
    """Writes what it is told to a file, and looks for files that say what to do.

    Args:
        folder: Of the training.
    """

    active = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._before = progress(folder).seconds
        self._begun = time.monotonic()
        self._last_told: dict[str, float] = {}
        self._losses: list[float] = []
        self._looked, self._enough = 0.0, False
        self._append("")  # a kill may have cut the last line

    def stage(self, name: str) -> None:
        """See `Watch`."""
        self._write("stage", name=name)

    def case(self, done: int, of: int) -> None:
        """See `Watch`."""
        now = time.monotonic()
        if done == of or now - self._last_told.get("", -1e9) >= _OFTEN:
            self._last_told[""] = now
            self._write("case", done=done, of=of)

    def step(self, network: str, step: int, loss: float) -> None:
        """See `Watch`; the mean since the last line."""
        now = time.monotonic()
        self._losses.append(loss)
        if now - self._last_told.get(network, -1e9) >= max(_OFTEN, _SHARE * (now - self._begun)):
            self._last_told[network] = now
            self._write("loss", network=network, step=step, loss=sum(self._losses) / len(self._losses))
            self._losses.clear()

    def validated(self, network: str, step: int, errors: Mapping[str, FieldError]) -> None:
        """See `Watch`."""
        self._write("errors", network=network, step=step, errors=errors)

    def candidate(self, name: str, cases: int, errors: Mapping[str, float]) -> None:
        """See `Watch`."""
        self._write("candidate", name=name, cases=cases, errors=errors)

    def chose(self, choice: Choice) -> None:
        """See `Watch`."""
        self._write("choice", **asdict(choice))

    def enough(self) -> bool:
        """See `Watch`."""
        now = time.monotonic()
        if now - self._looked > _LOOK_EVERY:
            self._looked = now
            if (self.folder / PAUSE).exists():
                raise Interrupted
            self._enough = (self.folder / END).exists()
        return self._enough

    def _write(self, event: str, **about: Any) -> None:
        seconds = round(self._before + time.monotonic() - self._begun, 2)
        self._append(json.dumps({"event": event, "seconds": seconds, **about}))

    def _append(self, line: str) -> None:
        with (self.folder / EVENTS).open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")


def progress(folder: Path) -> ProgressAnswer:
    """How far a training is, from what it said."""
    answer = ProgressAnswer(loss=[], errors=[], candidates=[])
    try:
        lines = (folder / EVENTS).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return answer
    losses: dict[str, Curve] = {}
    errors: dict[tuple[str, str], ErrorCurve] = {}
    candidates: dict[str, CandidateAnswer] = {}
    for line in filter(None, lines):
        try:
            event = json.loads(line)
        except ValueError:  # the last one, cut by a kill
            continue
        answer.seconds = event["seconds"]
        if event["event"] == "stage":
            answer.stage, answer.done, answer.of = event["name"], None, None
        elif event["event"] == "case":
            answer.done, answer.of = event["done"], event["of"]
        elif event["event"] == "loss":
            name = event["network"]
            curve = losses.setdefault(name, Curve(network=name, steps=[], values=[]))
            _back(event["step"], curve.steps, curve.values)
            curve.steps.append(event["step"])
            curve.values.append(event["loss"])
        elif event["event"] == "errors":
            for field, (relative, absolute, unit) in event["errors"].items():
                key = event["network"], field
                if key not in errors:
                    errors[key] = ErrorCurve(network=key[0], field=field, unit=unit, steps=[], absolute=[], relative=[])
                each = errors[key]
                _back(event["step"], each.steps, each.absolute, each.relative)
                each.steps.append(event["step"])
                each.absolute.append(absolute)
                each.relative.append(relative)
        elif event["event"] == "candidate":
            about = {key: event[key] for key in ("name", "cases", "errors")}
            candidates[event["name"]] = CandidateAnswer.model_validate(about)
        elif event["event"] == "choice":
            answer.choice = ChoiceAnswer.model_validate(event)
    answer.loss, answer.errors, answer.candidates = [*losses.values()], [*errors.values()], [*candidates.values()]
    return answer


def _back(step: int, steps: list[int], *columns: list[float]) -> None:
    """A run that went on from a checkpoint says some steps again: the newer ones count."""
    while steps and steps[-1] >= step:
        steps.pop()
        for column in columns:
            column.pop()


def run(_: None, task: Task) -> Ended:
    """Train, save beside the checkpoints, and say what came of it; runs in a process of its own.

    Args:
        task: What is trained.

    Raises:
        TramontaneError: The dataset cannot be trained on, or a library is missing.
    """
    if hasattr(os, "nice"):
        os.nice(10)  # whoever waits for an answer goes first
    recorder = Recorder(task.folder)
    recorder.stage("starting")
    try:
        with loading():
            import torch

            from tramontane.dataset import Dataset
            from tramontane.surrogate.fit import fit
            from tramontane.training import TrainingOptions
    except ModuleNotFoundError as error:
        raise TramontaneError(f"training needs {error.name}, which this server was installed without: "
                              f"pip install {error.name}") from error  # fmt: skip
    torch.set_num_threads(task.threads)
    try:
        surrogate = fit(
            Dataset.open(task.dataset),
            TrainingOptions(
                model=task.model, budget=task.budget, seed=task.seed, checkpoint_seconds=_CHECKPOINT_EVERY,
                assume_units=True,  # asked for when it began
            ),
            work=task.folder, watch=recorder,
        )  # fmt: skip
    except Interrupted:
        return Ended(paused=True)
    recorder.stage("saving")
    if parent_is_alive():
        surrogate.save(task.folder / MODEL)
    return Ended(paused=False, chosen=surrogate.model, why=surrogate.record.figures.why or None)
