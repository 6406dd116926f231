"""The loop of a search: answer designs, learn from the answers, propose the next designs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tramontane.blas import one_thread
from tramontane.errors import TramontaneError
from tramontane.search.answers import Answer, Answering
from tramontane.search.emulator import Corrected, Emulator, bounded, predicted
from tramontane.search.goals import Goals, Output
from tramontane.search.space import Space, sobol

Array = NDArray[np.floating[Any]]
Emulated = Emulator | Corrected

LEVEL = 0.9
_FAILURE = Output("failure")
_LEAST = 3  # answers from which something is learnt
_CLOSE = 1e-6  # of the unit cube: two such designs are one


@dataclass(eq=False)
class Trial:
    """A design of a search.

    Attributes:
        row: ``(d,)``, SI.
        origin: ``start``, or ``proposed``.
        foretold: By the key of an output: lower bound, value and upper bound that were predicted before the design was
            answered, SI, with a probability of 90 %.
        answer: What came of it; None as long as nobody asked.
    """

    row: Array
    origin: str = "start"
    foretold: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    answer: Answer | None = None

    @property
    def held(self) -> dict[str, bool]:
        """By the key of an output, whether the answer lies within what was predicted."""
        if self.answer is None or self.answer.failed:
            return {}
        return {key: low <= self.answer.values[key] <= high
                for key, (low, _, high) in self.foretold.items() if key in self.answer.values}  # fmt: skip


@dataclass(frozen=True)
class Surrogacy:
    """What a surrogate says of a space, for a search that asks a solver.

    Attributes:
        emulators: Of the surrogate's answers, one for each output.
        deviations: Standard deviation of the surrogate's errors in each, as the emulators have them.
        score: Of its verdict, emulated, and the highest that is inside; None where it does not judge.
    """

    emulators: list[Emulator]
    deviations: list[float]
    score: tuple[Emulator, float] | None = None


class Search:
    """A search for designs that meet goals.

    Args:
        answering: Who answers.
        space: Of the designs.
        goals: What is sought.
        seed: Of every random choice.
        surrogacy: What a surrogate says beforehand; None learns from answers alone.
        require: The worst verdict of an answer that counts; empty where there are none.

    Attributes:
        trials: All designs so far.
    """

    def __init__(
        self,
        answering: Answering,
        space: Space,
        goals: Goals,
        *,
        seed: int = 0,
        surrogacy: Surrogacy | None = None,
        require: str = "",
    ) -> None:
        self.answering, self.space, self.goals, self.seed = answering, space, goals, seed
        self.surrogacy, self.require = surrogacy, require
        self.trials: list[Trial] = []
        self._learnt: tuple[int, list[Emulated]] | None = None

    # -- answers ---------------------------------------------------------------------------------------------------

    def add(self, rows: Array, origin: str) -> None:
        """Take designs ``(n, d)`` up, with what is predicted of them."""
        emulators = self.emulators() if origin == "proposed" else None
        for row in np.atleast_2d(rows):
            trial = Trial(np.asarray(row, float), origin)
            if emulators is not None:
                for output, emulator in zip(self.goals.outputs, emulators, strict=True):
                    low, high = bounded(emulator, row[None], LEVEL)
                    trial.foretold[output.key] = (
                        float(low[0]), float(predicted(emulator, row[None])[0]), float(high[0]),
                    )  # fmt: skip
            self.trials.append(trial)

    def answer(self) -> None:
        """Ask for all designs that were not answered.

        Raises:
            TramontaneError: None of the first ones has an answer.
        """
        designs = self.space.designs(np.array([trial.row for trial in self.trials]))
        for trial, answer in zip(self.trials, self.answering(designs, self.goals.outputs), strict=True):
            trial.answer = answer
        if not self.answered:
            first = next(trial.answer for trial in self.trials if trial.answer is not None)
            raise TramontaneError(f"none of {len(self.trials)} designs has an answer; the first: {first.failed}")

    @property
    def answered(self) -> list[Trial]:
        """The trials that have an answer."""
        return [trial for trial in self.trials if trial.answer is not None and not trial.answer.failed]

    def table(self) -> tuple[Array, Array]:
        """Rows ``(n, d)`` and outputs ``(n, outputs)`` of those with an answer, SI."""
        rows = np.array([trial.row for trial in self.answered]).reshape(-1, len(self.space.variables))
        values = [[trial.answer.values[output.key] for output in self.goals.outputs]
                  for trial in self.answered if trial.answer is not None]  # fmt: skip
        return rows, np.array(values).reshape(len(rows), len(self.goals.outputs))

    # -- what they are worth ---------------------------------------------------------------------------------------

    def counts(self, trial: Trial) -> bool:
        """Whether a trial meets all constraints, and its verdict is good enough."""
        answer = trial.answer
        if answer is None or answer.failed or not self.goals.feasible(answer.values):
            return False
        allowed = {"": ("", "inside", "edge", "outside"), "inside": ("inside", ""), "edge": ("inside", "edge", "")}
        return answer.verdict in allowed[self.require]

    def best(self) -> list[Trial]:
        """The best trial, or those that none beats in all objectives; the best in the first objective first."""
        feasible = [trial for trial in self.answered if self.counts(trial)]
        if not feasible:
            return []
        costs = np.array([self.goals.costs(trial.answer.values) for trial in feasible if trial.answer is not None])
        order = np.lexsort(costs.T[::-1])
        kept = order[:1] if costs.shape[1] == 1 else [k for k in order if not _is_beaten(costs[k], costs)]
        return [feasible[k] for k in kept]

    # -- what is learnt, and asked next ----------------------------------------------------------------------------

    def emulators(self) -> list[Emulated] | None:
        """Of each output; None where too little is known."""
        rows, values = self.table()
        if self.surrogacy is None and len(rows) < _LEAST:
            return None
        if self._learnt is None or self._learnt[0] != len(rows):
            with one_thread():
                self._learnt = (
                    len(rows),
                    [
                        Emulator(self.space, output, rows, values[:, k])
                        if self.surrogacy is None
                        else Corrected(self.surrogacy.emulators[k], rows, values[:, k], self.surrogacy.deviations[k])
                        for k, output in enumerate(self.goals.outputs)
                    ],
                )
        return self._learnt[1]

    def propose(self, count: int) -> Array:
        """The next designs ``(count, d)``, SI."""
        from tramontane.search.acquisition import propose  # BoTorch takes seconds to load

        emulators = self.emulators()
        rows, _ = self.table()
        seed = self.seed + len(self.trials)
        if emulators is None:
            return self.spread(count)
        extra: list[tuple[Emulated, float]] = []
        if self.surrogacy is not None and self.surrogacy.score is not None:
            extra.append(self.surrogacy.score)
        if (failures := self._failures()) is not None:
            extra.append((failures, 0.5))
        if not len(rows):
            rows = self._start_of_surrogate()
        proposed = propose(self.space, self.goals, emulators, rows, count=count, seed=seed, extra=extra)
        return self.unlike(proposed)

    def _start_of_surrogate(self) -> Array:
        """Where a search without checks starts from: what the surrogate was asked."""
        assert self.surrogacy is not None
        return self.space.rows(sobol(len(self.space.variables), 64, seed=self.seed))

    def _failures(self) -> Emulator | None:
        """The chance of a failure, emulated, where some designs have failed and some have not."""
        tried = [trial for trial in self.trials if trial.answer is not None]
        failed = np.array([float(bool(trial.answer and trial.answer.failed)) for trial in tried])
        if not failed.any() or failed.all():
            return None
        return Emulator(self.space, _FAILURE, np.array([trial.row for trial in tried]), failed)

    def unlike(self, rows: Array) -> Array:
        """The rows, each that was tried before replaced by one from all over the space."""
        known = [trial.row for trial in self.trials]
        fresh = iter(self.spread(len(rows)))
        kept: list[Array] = []
        for row in rows:
            other = np.array([*known, *kept]).reshape(-1, len(row))
            distance = np.abs(self.space.unit_rows(other) - self.space.unit_rows(row[None])).max(1)
            kept.append(next(fresh) if distance.size and distance.min() < _CLOSE else row)
        return np.array(kept)

    def spread(self, count: int) -> Array:
        """The next designs ``(count, d)`` of a Sobol sequence."""
        begun = len(self.trials)
        return self.space.rows(sobol(len(self.space.variables), begun + count, seed=self.seed)[begun:])

    def start(self, count: int) -> None:
        """Take up the first designs, where there are none yet."""
        if not self.trials and count:
            self.add(self.space.rows(sobol(len(self.space.variables), count, seed=self.seed)), "start")

    def run(
        self,
        runs: int,
        *,
        batch: int = 2,
        patience: int = 4,
        tolerance: float = 0.002,
        after: Callable[[], None] = lambda: None,
    ) -> str:
        """Answer and propose until there is nothing more to gain.

        Args:
            runs: Designs at most, those that are there included.
            batch: Designs at once.
            patience: Batches without a gain after which it ends; never as long as nothing feasible was found.
            tolerance: Gain in an objective that counts, as a share of its size; 0 goes on to the last run.
            after: Called after each batch.

        Returns:
            Why it ended.
        """
        idle = 0
        while True:
            if any(trial.answer is None for trial in self.trials):
                before = [trial for trial in self.answered if self.counts(trial)]
                asked = [trial for trial in self.trials if trial.answer is None]
                self.answer()
                after()
                idle = 0 if self._gains(before, tolerance) else idle + 1
                if tolerance and idle >= patience and self.best() and _agree(asked):
                    return f"no gain in {patience} batches, and the last answers are as predicted"
            if len(self.trials) >= runs:
                return "the only run is used" if runs == 1 else f"all {runs} runs are used"
            self.add(self.propose(min(batch, runs - len(self.trials))), "proposed")
            after()

    def _gains(self, before: Sequence[Trial], tolerance: float) -> bool:
        """Whether a trial is better in some objective than each earlier one that counts, by a share of its size."""
        costs, earlier = (
            np.array([self.goals.costs(trial.answer.values) for trial in trials if trial.answer is not None])
            for trials in (self.best(), before)
        )
        if not len(earlier):
            return bool(len(costs))
        slack = tolerance * np.abs(np.concatenate([costs, earlier])).mean(0)
        return any(not (earlier <= cost + slack).all(1).any() for cost in costs)


def _agree(trials: Sequence[Trial]) -> bool:
    """Whether something was predicted of trials, and all of it held."""
    held = [of for trial in trials for of in trial.held.values()]
    return bool(held) and all(held)


def _is_beaten(cost: Array, costs: Array) -> bool:
    """Whether some other is at least as good in all objectives and better in one."""
    return bool(((costs <= cost).all(1) & (costs < cost).any(1)).any())


def emulate(space: Space, answering: Answering, goals: Goals, *, count: int, seed: int) -> Surrogacy:
    """What a surrogate says of a space, from its answers to designs spread over it.

    Args:
        space: Of the designs.
        answering: The surrogate.
        goals: What is sought.
        count: Designs that it is asked.
        seed: Of their sequence.

    Raises:
        TramontaneError: It answers hardly any of them.
    """
    rows = space.rows(sobol(len(space.variables), count, seed=seed))
    answers = answering(space.designs(rows), goals.outputs)
    good = [k for k, answer in enumerate(answers) if not answer.failed]
    if len(good) < _LEAST:
        reason = next((answer.failed for answer in answers if answer.failed), "")
        raise TramontaneError(f"the surrogate answers {len(good)} of {count} designs; the first that fails: {reason}")
    emulators, deviations = [], []
    for output in goals.outputs:
        values = np.array([answers[k].values[output.key] for k in good])
        emulator = Emulator(space, output, rows[good], values)
        emulators.append(emulator)
        deviations.append(_deviation(emulator, output, [answers[k] for k in good]))
    judged = [k for k in good if answers[k].verdict]
    score = None
    if judged:
        inside = [answers[k].score for k in judged if answers[k].verdict == "inside"]
        scores = np.array([answers[k].score for k in judged])
        if scores.std() > 0:
            score = Emulator(space, Output("score"), rows[judged], scores), max(inside, default=float(scores.min()))
    return Surrogacy(emulators, deviations, score)


def _deviation(emulator: Emulator, output: Output, answers: Sequence[Answer]) -> float:
    """Standard deviation of a surrogate's errors by its intervals; a tenth of the spread where it has none."""
    bounds = np.array([answer.bounds[output.name] for answer in answers if output.name in answer.bounds])
    if not len(bounds):
        return 0.1 * emulator.spread
    half = (emulator.transformed(bounds[:, 1]) - emulator.transformed(bounds[:, 0])) / 2
    return float(np.median(half)) / 1.645
