"""How designs of a study are answered: by a solver on the farm, whose cases are kept, or by a simulator at hand."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

from rich.console import Console

from tramontane import farm
from tramontane.case import Case
from tramontane.contract import Contract
from tramontane.design import Design
from tramontane.errors import TramontaneError
from tramontane.formats import read_case, write_case
from tramontane.io.atomic import cannot
from tramontane.io.processes import FatalError
from tramontane.io.tasks import Resources
from tramontane.progress import follow
from tramontane.search.goals import Output
from tramontane.simulator import Simulator

ANSWERS = "answers.jsonl"
"""In the folder of a study, the answers of a surrogate: what it was asked once is not asked again."""


@dataclass(frozen=True)
class Answer:
    """What is known of a design.

    Attributes:
        values: Of each output, SI, by its key and its name; empty where it failed.
        bounds: Lower and upper bound of each output that has an interval, by its name.
        verdict: ``inside``, ``edge`` or ``outside``; empty where nobody judges.
        score: Of the verdict.
        failed: Why there is no answer; empty where there is one.
    """

    values: dict[str, float] = field(default_factory=dict)
    bounds: dict[str, tuple[float, float]] = field(default_factory=dict)
    verdict: str = ""
    score: float = 0.0
    failed: str = ""


def answer_of(case: Case, outputs: Sequence[Output]) -> Answer:
    """What a case says of outputs; a failure where it lacks one."""
    values: dict[str, float] = {}
    bounds: dict[str, tuple[float, float]] = {}
    try:
        for output in outputs:
            value, interval = output.measure(case)
            if interval is not None:
                bounds[output.name] = interval
            side = {"value": value, "low": (interval or (value, value))[0], "high": (interval or (value, value))[1]}
            values[output.key] = side[output.side]
            values[output.name] = value
    except TramontaneError as error:
        return Answer(failed=str(error))
    judged = case.verdict
    return Answer(values, bounds, "" if judged is None else judged.domain, 0.0 if judged is None else judged.score)


class Answering(Protocol):
    """Answers designs, some of which may have been answered before."""

    @property
    def contract(self) -> Contract:
        """Of what answers."""
        ...

    def __call__(self, designs: Sequence[Design], outputs: Sequence[Output]) -> list[Answer]:
        """The answers to all designs of a study so far; those to the first ones are kept from earlier calls."""
        ...


class AtHand:
    """A simulator in this process, one design after the other.

    Args:
        simulator: Such as a surrogate, or a function of a test.
        folder: Where each case is kept, and taken from where it is there; None keeps none.
        file: Where answers alone are kept, a line each, and taken from; None keeps none.
        console: Where progress is shown.
    """

    def __init__(
        self,
        simulator: Simulator,
        folder: Path | None = None,
        *,
        file: Path | None = None,
        console: Console | None = None,
    ) -> None:
        self.simulator, self.folder, self.file, self.console = simulator, folder, file, console
        self._answers = {} if file is None else read_answers(file)

    @property
    def contract(self) -> Contract:
        """Of the simulator."""
        return self.simulator.contract

    def __call__(self, designs: Sequence[Design], outputs: Sequence[Output]) -> list[Answer]:
        """See `Answering`."""
        names = tuple(output.key for output in outputs)
        waiting = [index for index in range(len(designs)) if (index, names) not in self._answers]
        console = self.console if waiting else None
        for index in follow(waiting, "answering", len(waiting), console, thing="design"):
            self._answers[index, names] = self._answer(f"{index:03d}", designs[index], outputs)
            if self.file is not None:
                append_answer(self.file, index, names, self._answers[index, names])
        return [self._answers[index, names] for index in range(len(designs))]

    def _answer(self, name: str, design: Design, outputs: Sequence[Output]) -> Answer:
        if self.folder is not None and (self.folder / name).is_dir():
            return answer_of(read_case(self.folder / name), outputs)
        try:
            case = self.simulator.simulate(design)
        except FatalError:
            raise
        except TramontaneError as error:
            return Answer(failed=str(error))
        if self.folder is not None:
            case.name = name
            write_case(case, self.folder / name)
        return answer_of(case, outputs)


def append_answer(file: Path, index: int, names: tuple[str, ...], answer: Answer) -> None:
    """Add a line to a file of answers."""
    line = json.dumps({"design": index, "outputs": names, "answer": asdict(answer)})
    try:
        with file.open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")
    except OSError as error:
        raise cannot("written", error, file) from error


def read_answers(file: Path) -> dict[tuple[int, tuple[str, ...]], Answer]:
    """What `append_answer` wrote, by the design's index and the outputs that were asked for."""
    answers: dict[tuple[int, tuple[str, ...]], Answer] = {}
    if not file.is_file():
        return answers
    for text in file.read_text(encoding="utf-8").splitlines():
        with contextlib.suppress(ValueError, TypeError, KeyError):  # a line that a kill cut short is asked for again
            line = json.loads(text)
            bounds = {name: (float(low), float(high)) for name, (low, high) in line["answer"]["bounds"].items()}
            answers[int(line["design"]), tuple(line["outputs"])] = Answer(**line["answer"] | {"bounds": bounds})
    return answers


class OnFarm:
    """A solver in processes of its own, which writes a case for each design into a folder; what is there is kept.

    Args:
        factory: Makes the solver in each process; must be picklable.
        folder: Of the cases.
        contract: Of the solver.
        workers: Processes at once; None takes one for each core.
        seconds: After which a design is ended, and counts as failed; None waits for ever.
        on: Where designs run; see `tramontane.farm.run`.
        resources: What each takes.
        console: Where progress is shown.
    """

    def __init__(
        self,
        factory: Callable[[], Simulator],
        folder: str | os.PathLike[str],
        contract: Contract,
        *,
        workers: int | None = None,
        seconds: float | None = 3600.0,
        on: str = "local",
        resources: Resources | None = None,
        console: Console | None = None,
    ) -> None:
        self.factory, self.folder, self.contract = factory, Path(folder), contract
        self.workers, self.seconds, self.on, self.console = workers, seconds, on, console
        self.resources = resources
        self._answers = dict[tuple[str, tuple[str, ...]], Answer]()

    def __call__(self, designs: Sequence[Design], outputs: Sequence[Output]) -> list[Answer]:
        """See `Answering`."""
        result = farm.run(self.factory, designs, self.folder, workers=self.workers, seconds=self.seconds,
                          on=self.on, resources=self.resources, console=self.console)  # fmt: skip
        names = tuple(output.key for output in outputs)
        answers = []
        for index in range(len(designs)):
            name = f"{index:03d}"
            if (name, names) not in self._answers:
                self._answers[name, names] = (
                    Answer(failed=result.failed[name])
                    if name in result.failed
                    else answer_of(read_case(self.folder / name), outputs)
                )
            answers.append(self._answers[name, names])
        return answers
