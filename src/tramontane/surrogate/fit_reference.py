"""Fit the models at reference points, and choose between them by what they reach on cases they have not seen."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tramontane.contract import Contract
from tramontane.dataset import Dataset
from tramontane.metrics import relative_l2
from tramontane.models.classical import ClassicalModel
from tramontane.models.shape_remainder import shape_remainders
from tramontane.progress import follow, stage
from tramontane.surrogate.kinds import title_of
from tramontane.surrogate.kinds.kind import Fitted, Task
from tramontane.surrogate.left_out import left_out_case
from tramontane.surrogate.network_folds import Candidate, check_config, errors_of, new_candidate, shrink_of, train_fold
from tramontane.surrogate.predictor import Training
from tramontane.surrogate.record import Figures
from tramontane.surrogate.reference import (
    Baseline,
    ReferencePredictor,
    baseline_with_deviation,
    deviation_signs,
    shape_of,
    shape_signs,
    to_rows,
)
from tramontane.training import Choice, Compared, Normalization, Run, channel_slices
from tramontane.trust.calibration import LeftOut

Array = NDArray[np.floating[Any]]
_FOLDS = 4
# With 24 to 60 cases, and 0.16 (brackets) to 0.62 (Ahmed bodies) of the mean's error left on test cases, networks lost.
_MANY, _POOR = 100, 0.8
_GAIN = 0.995  # networks that leave more of the baseline's error than this are not worth their keep


@dataclass(frozen=True)
class Kriged:
    """What kriging makes of a training case that is left out.

    Attributes:
        errors: By ``domain/field``, relative L2 error at the reference points.
        signs: Of the model's own deviation there.
        left_out: Its answer at some of the case's own sites.
    """

    errors: dict[str, float]
    signs: dict[str, float]
    left_out: LeftOut


class ReferenceFit:
    """Fits on a dataset's cases.

    Args:
        dataset: The store.
        contract: With the ranges of the training cases.
        names: Training cases.
        training: How networks are trained.
    """

    def __init__(
        self,
        dataset: Dataset,
        contract: Contract,
        names: Sequence[str],
        training: Training,
    ) -> None:
        self.contract, self.names, self.training = contract, list(names), training
        self.watch, self.started = training.watch, time.monotonic()
        self.scales = Normalization.measure(dataset, names)
        components = {d: tuple(spec.components for spec in specs.values()) for d, specs in contract.fields.items()}
        values = self.values = [dataset.parameters(name) for name in names]
        fields = []
        for name, of in follow(zip(names, values, strict=True), "reading", len(names), training.console,
                               watch=self.watch.case):  # fmt: skip
            sites = {domain: dataset.sites(name, domain) for domain in contract.fields}
            fields.append({d: (s.positions, to_rows(contract, self.scales, d, s.fields, of)) for d, s in sites.items()})
        self.watch.stage("registering")
        with stage("matching shapes", training.console, size=f"{len(names)} cases, several templates") as tell:

            def registered(done: int, count: int) -> None:
                tell(done / count, f"shape {done} of {count}")
                self.watch.case(done, count)
                if done == count:
                    self.watch.stage("kriging")
                    self.say("kriging: begun")

            self.classical = ClassicalModel(components).fit(
                [shape_of(dataset.geometry(name)) for name in names],
                np.array([[of[key] for key in contract.operating] for of in values]),
                fields,
                dimensions=_dimensions(contract, values),
                surfaces=[domain for domain, spec in contract.domains.items() if spec.side == "on"],
                registered=registered,
                proportional=[column for column, key in enumerate(contract.operating) if _proportional(contract, key)],
            )
        self.fields = {
            f"{domain}/{field}": (domain, columns)
            for domain in contract.fields
            for field, columns in channel_slices(contract, domain).items()
        }
        self.truth = [
            {d: table[case] for d, table in self.classical.kriging.tables.items()} for case in range(len(names))
        ]
        every = follow(range(len(names)), "leaving out", len(names), training.console, watch=self.watch.case)
        self.kriged = [self._kriged(dataset, case) for case in every]
        self.kriging_seconds = time.monotonic() - self.started
        self.say(f"Kriging of {len(names)} cases took {self.kriging_seconds:.0f} s")

    def _kriged(self, dataset: Dataset, case: int) -> Kriged:
        """What kriging makes of a training case that is left out."""
        coordinates = self.classical.frame.designs.training[case]
        rows = {
            domain: baseline_with_deviation(self.classical, "kriging", domain, coordinates, left_out=case)
            for domain in self.contract.fields
        }
        errors = {
            name: relative_l2(rows[domain][0][:, columns], self.truth[case][domain][:, columns])
            for name, (domain, columns) in self.fields.items()
        }
        signs = deviation_signs(self.contract, {domain: deviation for domain, (_, deviation) in rows.items()})
        return Kriged(errors, signs, left_out_case(self, dataset, case, rows, corrected=True))

    def left_out(self, dataset: Dataset, candidate: Candidate | None) -> list[LeftOut]:
        """What the model that was chosen makes of each training case that it was fitted without."""
        if candidate is None:
            return [each.left_out for each in self.kriged]
        cases = []
        for case, correction in sorted(candidate.left_out.items()):
            rows = {}
            for domain in self.contract.fields:
                mean, deviation = baseline_with_deviation(
                    self.classical,
                    candidate.baseline,
                    domain,
                    self.classical.frame.designs.training[case],
                    left_out=case,
                )
                rows[domain] = mean + correction[domain] * candidate.shrink[domain], deviation
            cases.append(left_out_case(self, dataset, case, rows, corrected=False))
        return cases

    def fit(
        self,
        model: str,
        *,
        try_networks: bool | None = None,
        ready: Callable[[ReferencePredictor, Figures, Run, Candidate | None], None] = lambda *_: None,
    ) -> tuple[ReferencePredictor, Figures, Run, Candidate | None]:
        """The predictor, figures of every candidate, the run, and what networks have come to where they were chosen.

        Args:
            model: ``classical``, ``corrected``, ``tokens``, or ``auto``, which chooses.
            try_networks: Whether ``auto`` trains networks beside kriging; None tries them where they may win.
            ready: Given the kriging in the same way before ``auto`` goes on to networks.
        """
        figures = {"classical": self._baseline_errors("kriging")}
        self.watch.candidate("classical", len(self.names), figures["classical"])
        candidates: dict[str, Candidate] = {}
        kinds = {"classical": [], "auto": ["corrected", "tokens"]}.get(model, [model])
        networks = ""
        if model == "auto":
            worth_trying, networks = self._networks_may_win(figures["classical"])
            if try_networks is not None:
                worth_trying, networks = try_networks, ""
            if not worth_trying:
                kinds = []
            elif not self.watch.enough():
                ready(*self._result("classical", figures, {}, "networks are still tried"))
        folds = max(min(_FOLDS, len(self.names) // 2), 2)
        # A trial fold of each kind, then the other folds of the better one.
        parts = len(kinds) + folds - 1
        for kind in kinds:
            if model == "auto" and self.watch.enough():
                break
            self.watch.stage("networks")
            candidates[kind] = candidate = new_candidate(self, "mean" if kind == "tokens" else "kriging")
            train_fold(self, candidate, 0, folds, share=1 / parts, kind=kind)
            figures[kind] = errors_of(self, candidate)
            self.watch.candidate(kind, len(candidate.left_out), figures[kind])
            self.say(f"{kind}, first fold: {_percent(figures[kind])}; kriging: {_percent(self._on(candidate))}")
        chosen = model
        if model == "auto":
            chosen = min(candidates, key=lambda kind: _mean(figures[kind]), default="classical")
            if chosen == "classical" or not self._worth_it(figures[chosen], self._on(candidates[chosen])):
                # The length that is left would not change it.
                chosen, kinds = "classical", []
        if kinds:
            candidate = candidates[chosen]
            for fold in range(1, folds):
                if self.watch.enough():
                    break
                train_fold(self, candidate, fold, folds, share=1 / parts, kind=chosen)
            candidate.shrink = shrink_of(self, candidate)
            figures[chosen], kriging = errors_of(self, candidate), self._on(candidate)
            self.watch.candidate(chosen, len(candidate.left_out), figures[chosen])
            self.say(f"{chosen}, all folds: {_percent(figures[chosen])}; kriging: {_percent(kriging)}")
            if model == "auto" and not self._worth_it(figures[chosen], kriging):
                chosen = "classical"
        result = self._result(chosen, figures, candidates, networks)
        self.watch.chose(self._choice(chosen, figures, candidates, networks))
        return result

    def _result(
        self, chosen: str, figures: dict[str, dict[str, float]], candidates: dict[str, Candidate], networks: str
    ) -> tuple[ReferencePredictor, Figures, Run, Candidate | None]:
        choice = self._choice(chosen, figures, candidates, networks)
        record = Figures(chosen, sentence_of(choice), asdict(choice), dict(figures))
        run = Run(
            steps=sum(candidate.steps for candidate in candidates.values()), seconds=time.monotonic() - self.started,
            stopped_early=self.watch.enough(),
        )  # fmt: skip
        if chosen == "classical":
            return ReferencePredictor(self.contract, self.scales, self.classical, model=chosen), record, run, None
        candidate = candidates[chosen]
        trained = [candidate.networks[fold].to("cpu") for fold in sorted(candidate.networks)]
        predictor = ReferencePredictor(
            self.contract, self.scales, self.classical,
            model=chosen, baseline=candidate.baseline, networks=trained, size=candidate.size, shrink=candidate.shrink,
        )  # fmt: skip
        return predictor, record, run, candidate

    def _networks_may_win(self, kriging: dict[str, float]) -> tuple[bool, str]:
        """Whether networks may leave less of the error than kriging does, and why.

        They never did with as few cases as were measured, wherever kriging of registered fields holds: see
        docs/explanation/model-notes.md.
        """
        cases, share = len(self.names), _mean(kriging) / max(_mean(self._baseline_errors("mean")), 1e-30)
        reason = f"{cases} training cases, and kriging leaves {share:.2f} of the mean's error"
        if cases >= _MANY or share > _POOR:
            return True, f"networks were tried: {reason}"
        return False, (f"networks were not tried: {reason}; with fewer than {_MANY} and less than {_POOR} they have "
                       "not won so far (--try-networks tries them)")  # fmt: skip

    def say(self, text: str) -> None:
        """Show a line of progress."""
        self.training.say(text)

    def _baseline_errors(self, baseline: Baseline, cases: Sequence[int] | None = None) -> dict[str, float]:
        cases = range(len(self.names)) if cases is None else cases
        if baseline == "kriging":
            return {name: float(np.mean([self.kriged[case].errors[name] for case in cases])) for name in self.fields}
        errors: dict[str, list[float]] = {name: [] for name in self.fields}
        for case in cases:
            rows = {d: np.delete(table, case, axis=0).mean(0) for d, table in self.classical.kriging.tables.items()}
            for name, (domain, columns) in self.fields.items():
                errors[name].append(relative_l2(rows[domain][:, columns], self.truth[case][domain][:, columns]))
        return {name: float(np.mean(of)) for name, of in errors.items()}

    @staticmethod
    def _worth_it(errors: dict[str, float], kriging: dict[str, float]) -> bool:
        """Whether networks leave less of the error than kriging does, by more than chance."""
        return _mean(errors) < _GAIN * _mean(kriging)

    def _on(self, candidate: Candidate) -> dict[str, float]:
        """What kriging leaves of the same cases that a candidate has been asked for."""
        return self._baseline_errors("kriging", sorted(candidate.left_out))

    def _choice(
        self, chosen: str, figures: dict[str, dict[str, float]], candidates: dict[str, Candidate], networks: str
    ) -> Choice:
        # Figures stand beside each other where they are of the same cases: a kind that was given up has seen one fold.
        kinds_by_cases: dict[tuple[int, ...], list[str]] = {}
        for kind, candidate in candidates.items():
            kinds_by_cases.setdefault(tuple(sorted(candidate.left_out)), []).append(kind)
        everything, compared = tuple(range(len(self.names))), []
        for cases, kinds in sorted(kinds_by_cases.items(), key=lambda entry: -len(entry[0])) or [(everything, [])]:
            errors = {"classical": self._baseline_errors("kriging", cases)} | {kind: figures[kind] for kind in kinds}
            compared.append(Compared(len(cases), {kind: _mean(of) for kind, of in errors.items()}))
        return Choice(chosen, len(self.fields), len(self.names), compared, networks)


def _dimensions(contract: Contract, values: list[dict[str, float]]) -> Array:
    """The parameters ``(cases, m)`` that describe the geometry and that every training case states."""
    keys = [key for key, spec in contract.parameters.items() if spec.role == "geometry"]
    return np.array([[of[key] for key in keys if all(key in other for other in values)] for of in values])


def _proportional(contract: Contract, parameter: str) -> bool:
    """Whether every field is in proportion to an operating condition."""
    return all(spec.scales_with.get(parameter) == 1 for specs in contract.fields.values() for spec in specs.values())


def _mean(errors: dict[str, float]) -> float:
    return float(np.mean(list(errors.values())))


def _percent(errors: dict[str, float]) -> str:
    return ", ".join(f"{name} {100 * error:.1f}" for name, error in errors.items())


def sentence_of(choice: Choice) -> str:
    """The kind of model that a run came to, and why."""
    compared = []
    for each in choice.compared:
        errors = ", ".join(f"{title_of(kind)} {100 * error:.1f} %" for kind, error in each.errors.items())
        cases = "all" if each.cases == choice.cases else f"the same {each.cases}"
        compared.append(f"on {cases} of {choice.cases}: {errors}")
    return (f"{title_of(choice.chosen)}; mean error of {choice.fields} fields on cases left out, {'; '.join(compared)}"
            + (f"; {choice.networks}" if choice.networks else ""))  # fmt: skip


def fit_reference(task: Task) -> Fitted:
    """Fit the kind at reference points that a task's options ask for."""
    from tramontane.surrogate.extrema import fit_extrema

    check_config(task.training.options.config)
    fitting = ReferenceFit(task.dataset, task.contract, task.names, task.training)
    extrema, errors = fit_extrema(task.dataset, fitting)
    for name in extrema:
        fitting.say(f"{name} is regressed: {100 * errors[name]['regressed']:.2g} % of its mean size on cases left out; "
                    f"the field's own: {100 * errors[name]['field']:.2g} %")  # fmt: skip
    # A training case's coordinates without itself, as a new design's are.
    designs = fitting.classical.frame.designs
    operating = [[of[key] for key in task.contract.operating] for of in fitting.values]
    coordinates = np.array([[*coordinates, *designs.excluded(np.array(of))]
                            for coordinates, of in zip(designs.training, operating, strict=True)])  # fmt: skip

    remainders = shape_remainders(designs.features)
    signs = [
        shape_signs(left, *fitting.classical.frame.correspondence.mismatch(mapped.samples, mapped.registration))
        | kriged.signs
        for left, mapped, kriged in zip(remainders, fitting.classical.mapped, fitting.kriged, strict=True)
    ]

    def fitted(predictor: ReferencePredictor, figures: Figures, run: Run, candidate: Candidate | None) -> Fitted:
        left_out = fitting.left_out(task.dataset, candidate)
        return Fitted(predictor, run, replace(figures, extrema=errors), extrema, None, coordinates, signs, left_out)

    options = task.training.options
    result = fitting.fit(
        options.model, try_networks=options.try_networks, ready=lambda *early: task.ready(fitted(*early))
    )
    fitting.say(f"Chosen: {result[1].why}")
    return fitted(*result)
