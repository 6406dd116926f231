"""Ask surrogates for cases that they never saw, beside what needs no training."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from rich.console import Console

from tramontane.contract import Contract
from tramontane.dataset import Dataset, measure_qoi
from tramontane.errors import ContractError, DatasetError, SurrogateError, TramontaneError
from tramontane.evaluation.baselines import BASELINES, Baselines
from tramontane.evaluation.coverage import RELIABILITY, CaseCoverage, case_coverage, qoi_score
from tramontane.evaluation.fold_models import trained_elsewhere, trained_here
from tramontane.evaluation.folds import make_folds
from tramontane.evaluation.inputs import explained_by_inputs
from tramontane.evaluation.learning import learning_curve
from tramontane.evaluation.physics import LARGEST, Residuals, laws, too_large, with_predictions
from tramontane.evaluation.report import CaseVerdict, Progress, Report, field_figures, qoi_figures
from tramontane.interval import LEVEL
from tramontane.io.tasks import RunTasks
from tramontane.metrics import mean_absolute, relative_l2
from tramontane.progress import follow, stage
from tramontane.surrogate import Surrogate
from tramontane.surrogate.intervals import Intervals
from tramontane.surrogate.kinds import KINDS
from tramontane.surrogate.left_out import EXTREMA
from tramontane.surrogate.resolved import stored_design
from tramontane.training import TrainingOptions
from tramontane.training.normalization import operating_scale
from tramontane.trust.physics_check import residuals_of
from tramontane.verdict import Verdict

ALL = "all"
_LEAST = 3  # cases from which baselines, and surrogates, are made
_NAMED = 12  # training cases that a note names
Fold = tuple[list[str], list[str]]  # cases left out, and those that were learnt from


def evaluate(
    surrogate: Surrogate,
    dataset: Dataset,
    *,
    split: str = "test",
    learning: bool = False,
    baselines: bool = True,
    console: Console | None = None,
    progress: Progress = lambda *_: None,
) -> Report:
    """Ask a surrogate for every case of a split, from its geometry and operating conditions alone.

    Args:
        surrogate: The model.
        dataset: A store under a compatible contract, the one that the model was trained on or another.
        split: Which cases; ``all`` takes every case of the dataset but those that the model was trained on.
        learning: Whether kriging is fitted twice more, to a half and a quarter of its training cases, to see what more
            of them would give.
        baselines: Whether the figures of what needs no training stand beside.
        console: Where progress is shown.
        progress: Told how far it is.

    Returns:
        The report. Its baselines are of the model's training cases where these stand in the dataset, else of its
        training split, else of the other cases that are asked for, a fifth left out at a time.

    Raises:
        ContractError: The dataset's contract differs from the model's; the differences are named.
        DatasetError: The split is empty, or holds cases that the model was trained on.
    """
    contract = fitting_contract(surrogate, dataset)
    trained, notes = trained_cases(surrogate, dataset), []
    if trained is None:
        notes.append("Whether the model was trained on some of these cases cannot be told: this is another dataset, "
                     "and the model is older than the hashes of cases that models keep; train it anew")  # fmt: skip
    if split == ALL and split not in dataset.splits:
        names = [name for name in dataset.names if name not in set(trained or ())]
        if not names:
            raise DatasetError(f"{dataset.path}: the model was trained on all of its {len(dataset.names)} cases; "
                               "evaluate it on others, or cross-validate")  # fmt: skip
        if trained:
            notes.append(f"Left out, since the model was trained on them: {len(trained)} of {len(dataset.names)} cases "
                         f"({', '.join(trained[:_NAMED])}{', ...' if len(trained) > _NAMED else ''})")  # fmt: skip
    else:
        names = dataset.splits.get(split, [])
        if not names:
            raise DatasetError(f"{dataset.path}: split {split!r} has no cases; it has {', '.join(dataset.splits)}, and "
                               f"{ALL}")  # fmt: skip
        if leak := sorted(set(names) & set(trained or ())):
            raise DatasetError(f"{dataset.path}: the model was trained on {', '.join(leak)} of split {split!r}; "
                               f"--split {ALL} leaves such cases out")  # fmt: skip
    # The baselines see the cases that the model saw.
    train = trained or []
    if len(train) < _LEAST:
        train = [name for name in dataset.splits.get("train", []) if name not in set(names)]
    folds: list[Fold] = [(names, train)]
    if len(train) < _LEAST and len(names) > _LEAST:
        folds = make_folds(dataset, names, 5)
        notes.append("The baselines of each case are of the other cases of this dataset, a fifth left out at a time")
    if not baselines:
        folds = [(names, [])]
    scores = _Asked(contract)

    def show_progress(done: int, total: int) -> None:
        progress("cases", done, total)

    show_progress(0, len(names))
    for name in follow(names, "asking", len(names), console, watch=show_progress):
        scores.ask(surrogate, dataset, name)
    report = scores.report(
        dataset, folds, console, progress,
        model=surrogate.model, split=split, training_cases=len(surrogate.record.data.train), notes=notes,
        learnt_from=trained or [],
    )  # fmt: skip
    report.inputs = explained_by_inputs(dataset, [*(trained or ()), *names])
    if learning and trained and len(trained) == len(surrogate.record.data.train):
        try:
            report.learning = learning_curve(surrogate, dataset, names, trained, console)
        except TramontaneError as error:  # the report is worth having without
            report.notes.append(f"No learning curve: {error}")
    return report


def cross_validate(
    dataset: Dataset,
    options: TrainingOptions | None = None,
    *,
    folds: int | str = 5,
    include_test: bool = False,
    console: Console | None = None,
    watch: Callable[[int, int], None] | None = None,
    run_tasks: RunTasks | None = None,
    folder: str | os.PathLike[str] | None = None,
    **changes: Any,
) -> Report:
    """Train a surrogate without each part of the cases in turn, and ask it for that part.

    Args:
        dataset: The store.
        options: How each fold is trained, and by its seed how parts are drawn; as for `tramontane.surrogate.fit.fit`.
            A budget is that of each fold.
        folds: Number of parts, or ``leave-one-out``. Designs that stand in the set twice are in one part.
        include_test: Whether the test cases take part, too; else they stay untouched.
        console: Where progress is shown.
        watch: Told how many folds are done, and of how many.
        run_tasks: Has others train the folds at once, such as `tramontane.farm.connect` of a cluster.
        folder: Where those keep them, on a disk that all machines see.
        **changes: Options by name.

    Returns:
        The report; each case stands in it once, with baselines from the cases that its surrogate learnt from.

    Raises:
        DatasetError: There are too few cases.
    """
    options = replace(options or TrainingOptions(), **changes)
    names = [name for split, cases in dataset.splits.items() if include_test or split != "test" for name in cases]
    if folds == "leave-one-out":
        folds = len(names)
    if not isinstance(folds, int) or folds < 2:
        raise DatasetError(f"folds {folds!r} is no number of parts; give 2 or more, or leave-one-out")
    parts = make_folds(dataset, names, folds, seed=options.seed)
    if not parts or min(len(train) for _, train in parts) < _LEAST:
        raise DatasetError(f"{dataset.path}: {len(names)} cases are too few for {folds} folds; {_LEAST} or more must "
                           "be left to train on")  # fmt: skip
    has_length = options.steps is not None or options.budget is not None
    if not has_length and (options.model not in KINDS or KINDS[options.model].by_steps):
        options = replace(options, budget=600.0)
    scores: _Asked | None = None
    chosen: list[str] = []
    if run_tasks is None or folder is None:
        surrogates = trained_here(dataset, options, parts, console)
    else:
        surrogates = trained_elsewhere(dataset, options, parts, console, run_tasks, folder)
    for count, (surrogate, (left_out, train)) in enumerate(zip(surrogates, parts, strict=True), start=1):
        part = dataset.with_splits({"train": train, "validation": [], "test": left_out})
        scores = scores or _Asked(fitting_contract(surrogate, part))
        chosen.append(surrogate.model)
        for name in left_out:
            scores.ask(surrogate, part, name)
        if watch is not None:
            watch(count, len(parts))
    assert scores is not None
    kinds = {kind: chosen.count(kind) for kind in dict.fromkeys(chosen)}
    called = chosen[0] if len(kinds) == 1 else ", ".join(f"{kind} in {n} folds" for kind, n in kinds.items())
    return scores.report(
        dataset, parts, console, lambda *_: None,
        model=called, split="cross-validation", training_cases=min(len(train) for _, train in parts), notes=[],
        learnt_from=parts[0][1], count=len(parts),
    )  # fmt: skip


def trained_cases(surrogate: Surrogate, dataset: Dataset) -> list[str] | None:
    """The cases of a dataset that a model was trained on, under whatever name; None where that cannot be told."""
    data = surrogate.record.data
    if data.fingerprint == dataset.fingerprint():
        return list(data.train)
    if data.hashes is None:
        return None
    hashes = set(data.hashes.values())
    return [name for name in dataset.names if dataset.case_hash(name) in hashes]


def fitting_contract(surrogate: Surrogate, dataset: Dataset) -> Contract:
    """What of a dataset's contract a model can be compared with.

    Raises:
        ContractError: The dataset's contract differs from the model's; the differences are named.
    """
    # A model of QoIs alone is not asked for the fields that cases may have besides.
    contract = dataset.contract if surrogate.contract.fields else dataset.contract.without_fields()
    differences = surrogate.contract.differences(contract)
    differences += [f"QoI {name!r} is new" for name in contract.qoi if name not in surrogate.contract.qoi]
    if differences:
        raise ContractError(f"{dataset.path}: its contract differs from the model's: {'; '.join(differences)}; "
                            "use the dataset that the model was trained for")  # fmt: skip
    return contract


def _held_at_levels(
    bounds: Intervals,
    values: Mapping[str, float],
    regressed: Mapping[str, tuple[float, float]],
    truth: Mapping[str, float],
) -> dict[str, list[float]]:
    """By QoI, whether the intervals of each level of `RELIABILITY` hold its truth, as 0 or 1."""
    levels = [bounds.at(level).of_qoi(values, regressed) for level in RELIABILITY]
    return {name: [float(of[name].low <= truth[name] <= of[name].high) for of in levels] for name in levels[0]}


class _Asked:
    """What surrogates answered to cases, beside what is stored of them."""

    def __init__(self, contract: Contract) -> None:
        self.contract, self.names, self.seconds = contract, list[str](), 0.0
        self.predicted: dict[str, list[float]] = {name: [] for name in contract.qoi}
        self.within: dict[str, list[bool]] = {name: [] for name in contract.qoi}
        self.intervals_held: dict[tuple[str, str], list[CaseCoverage]] = {}
        self.qoi_held: dict[str, list[bool]] = {}
        self.qoi_scores: dict[str, list[float]] = {}
        self.qoi_reliability: dict[str, list[list[float]]] = {}
        self.verdicts: dict[str, Verdict] = {}
        self.errors: dict[tuple[str, str], list[tuple[float, float]]] = {}
        self.how: dict[str, str] = {}
        self.predicted_laws: Residuals = {}
        self.true_laws: Residuals = {}
        self.unchecked: list[str] = []

    def ask(self, surrogate: Surrogate, dataset: Dataset, name: str) -> None:
        """Ask a surrogate for a case."""
        # How a QoI follows and what it is in proportion to is the model's to say: a dataset of few cases may not tell.
        contract, own, started = self.contract, surrogate.contract, time.monotonic()
        design = stored_design(dataset, name, geometry=surrogate.needs_geometry)
        geometry, values = design.surface, design.values
        sites = {domain: dataset.sites(name, domain) for domain in contract.fields}
        positions = {domain: s.positions for domain, s in sites.items()}
        calibration = surrogate.calibration
        prediction = surrogate.predict(design, positions, deviations=calibration is not None)
        fields = prediction.mean
        if bad := [key for of in fields.values() for key, each in of.items() if not np.isfinite(each).all()]:
            raise SurrogateError(f"case {name}: the model gives no number for {bad[0]} at some places; check the "
                                 "geometry and the parameters, or leave the case out")  # fmt: skip
        verdict = surrogate.verdict(design, list(contract.fields))
        if verdict is not None:
            self.verdicts[name] = verdict
        bounds = Intervals(surrogate, design, LEVEL, surrogate.widening(verdict))
        intervals = bounds.of_fields(prediction)
        for domain, answer in fields.items():
            for f, predicted in answer.items():
                truth = sites[domain].fields[f].reshape(predicted.shape)
                if calibration is not None and f in intervals.get(domain, {}):
                    unit = operating_scale(own.fields[domain][f], values)
                    scores = calibration.fields[f"{domain}/{f}"]
                    each = case_coverage(predicted, truth, intervals[domain][f], scores, unit)
                    self.intervals_held.setdefault((domain, f), []).append(each)
                both = relative_l2(predicted, truth), mean_absolute(predicted, truth)
                self.errors.setdefault((domain, f), []).append(both)
        scalars = surrogate.scalars_of(design)
        regressed = "Gaussian process on " + ("the shape and the operating conditions" if surrogate.needs_geometry
                                              else "the parameters")  # fmt: skip
        for qoi, spec in ((name, own.qoi[name]) for name in contract.qoi):
            if spec.definition is None or qoi in scalars:
                self.predicted[qoi].append(scalars[qoi][0])
                self.within[qoi].append(abs(scalars[qoi][0] - dataset.qoi(name)[qoi]) <= 2 * scalars[qoi][1])
                self.how[qoi] = regressed
                continue
            domain, of = spec.definition.domain, fields.get(spec.definition.domain, {})
            if spec.definition.kind in EXTREMA and not spec.definition.patches and geometry is not None:
                of = surrogate.at_references(design, domain) or of  # as in an answer
            self.predicted[qoi].append(measure_qoi(
                spec.definition, of, sites.get(domain),
                volume=None if geometry is None else geometry.volume, parameters=values,
            ))  # fmt: skip
            self.how.setdefault(qoi, str(spec.definition))
        last_values = {qoi: of[-1] for qoi, of in self.predicted.items()}
        true = dataset.qoi(name)
        for qoi, interval in bounds.of_qoi(last_values, scalars).items():
            self.qoi_held.setdefault(qoi, []).append(interval.low <= true[qoi] <= interval.high)
            self.qoi_scores.setdefault(qoi, []).append(qoi_score(interval, true[qoi]))
        for qoi, held_at in _held_at_levels(bounds, last_values, scalars, true).items():
            self.qoi_reliability.setdefault(qoi, []).append(held_at)
        self.names.append(name)
        self.seconds += time.monotonic() - started
        if not contract.fields:
            return
        if too_large(dataset, name):
            self.unchecked.append(name)
            return
        case = dataset.case(name)
        self.true_laws[name] = residuals_of(case, contract)
        self.predicted_laws[name] = residuals_of(with_predictions(case, dataset, fields), contract)

    def report(
        self,
        dataset: Dataset,
        folds: Sequence[Fold],
        console: Console | None,
        progress: Progress,
        *,
        model: str,
        split: str,
        training_cases: int,
        notes: list[str],
        learnt_from: Sequence[str],
        count: int | None = None,
    ) -> Report:
        """The figures of all cases that were asked for, beside the baselines of each fold's training cases.

        Those of ``learnt_from``, which a model was trained on, say by how much the solver misses laws.
        """
        contract, names = self.contract, self.names
        fields, qoi = _baselines(dataset, contract, names, folds, console, progress)
        if self.unchecked:
            notes = [*notes, f"Laws of physics were not checked on {len(self.unchecked)} of {len(names)} cases, which "
                             f"have more than {LARGEST:,} places"]  # fmt: skip
        return Report(
            model=model,
            data=dataset.fingerprint(),
            split=split,
            cases=names,
            training_cases=training_cases,
            folds=count,
            notes=notes,
            seconds_per_case=self.seconds / len(names),
            laws=laws(contract, self.predicted_laws, self.true_laws, dataset, learnt_from),
            verdicts={name: CaseVerdict(domain=of.domain, score=of.score) for name, of in self.verdicts.items()},
            fields={
                f"{domain}/{f}": field_figures(
                    contract.fields[domain][f].unit,
                    np.array(errors),
                    names,
                    fields.get((domain, f), {}),
                    self.intervals_held.get((domain, f), []),
                )
                for (domain, f), errors in self.errors.items()
            },
            qoi={
                name: qoi_figures(
                    spec,
                    self.how[name],
                    np.array(self.predicted[name]),
                    np.array([dataset.qoi(case)[name] for case in names]),
                    qoi.get(name),
                    self.within[name],
                    self.qoi_held.get(name, []),
                    self.qoi_reliability.get(name, []),
                    self.qoi_scores.get(name, []),
                )
                for name, spec in contract.qoi.items()
            },
        )


def _baselines(
    dataset: Dataset,
    contract: Contract,
    names: Sequence[str],
    folds: Sequence[Fold],
    console: Console | None,
    progress: Progress,
) -> tuple[dict[tuple[str, str], dict[str, float]], dict[str, Any]]:
    """Mean errors of the baselines by field, and their predictions of QoIs ``(baselines, cases)``; none of a few."""
    if min(len(train) for _, train in folds) < _LEAST:
        return {}, {}
    at = {name: column for column, name in enumerate(names)}
    errors: dict[tuple[str, str], Any] = {}
    qoi: dict[str, Any] = {}
    done, steps = 0, sum(2 * len(contract.fields) * len(train) for _, train in folds)
    with stage("baselines", console, size=f"{steps} steps") as tell:

        def step() -> None:
            nonlocal done
            done += 1
            tell(done / steps, f"step {done} of {steps}")
            progress("baselines", done, steps)

        progress("baselines", 0, steps)
        for left_out, train in folds:
            baselines, columns = Baselines(dataset, train), [at[name] for name in left_out]
            for name, rows in baselines.qoi(left_out).items():
                qoi.setdefault(name, np.zeros((len(rows), len(names))))[:, columns] = rows
            for domain, specs in contract.fields.items():
                answer = baselines.fields(left_out, domain, step)
                for f in specs:
                    each = errors.setdefault((domain, f), np.zeros((len(BASELINES), len(names))))
                    for name in left_out:
                        truth = dataset.sites(name, domain).fields[f]
                        for row, values in enumerate(answer[name][f]):
                            each[row, at[name]] = relative_l2(values, truth.reshape(values.shape))
    means = {key: dict(zip(BASELINES, each.mean(1).tolist(), strict=True)) for key, each in errors.items()}
    return means, qoi
