"""The next version of a model: trained with new cases, promoted where frozen test cases say that it is not worse."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from tramontane.bundle.history import Figure, Version
from tramontane.bundle.versions import (
    adopt,
    changing,
    history_of,
    next_number,
    plain,
    promote,
    record_of,
    version_path,
)
from tramontane.dataset import Dataset
from tramontane.errors import ContractError, DatasetError
from tramontane.evaluation.judge import evaluate, trained_cases
from tramontane.evaluation.report import Report
from tramontane.surrogate import Surrogate
from tramontane.surrogate.fit import fit

TOLERANCE = 0.05
"""By which share of it a figure may be worse; a coverage by so much."""
LEAST_TEST = 3
"""Test cases that it takes to decide."""
_EQUAL = 5e-4  # errors below are as good as none
_NAMED = 6  # cases in a message


@dataclass(frozen=True)
class NextVersion:
    """What the next version of a model is trained on, and where it goes.

    Attributes:
        model: The plain path.
        number: Of the version.
        dataset: With the frozen cases in its test split, and in no other.
        test: Hash of each frozen test case, by name.
        parent: The promoted version; None where there is none.
        tolerance: By how much a figure may be worse.
    """

    model: Path
    number: int
    dataset: Dataset
    test: dict[str, str]
    parent: int | None
    tolerance: float

    @property
    def path(self) -> Path:
        """Where the version is saved."""
        return version_path(self.model, self.number)

    def settle(self, *, reason: str = "", console: Console | None = None) -> Version:
        """Compare the version, saved at ``path``, with the promoted one; record it, and promote it if it is not worse.

        Args:
            reason: Why it was trained, in words.
            console: Where progress is shown.

        Returns:
            What is on record of it.
        """
        candidate = Surrogate.load(self.path)
        version = record_of(self.model, self.number, candidate, reason=reason)
        version.parent, version.data, version.test = self.parent, str(self.dataset.path), self.test
        version.tolerance = self.tolerance
        own = evaluate(candidate, self.dataset, baselines=False, console=console)
        before: Report | None = None
        if self.parent is not None:
            parent = Surrogate.load(version_path(self.model, self.parent))
            known = set((parent.record.data.hashes or {}).values())
            version.new = sorted(name for name, identity in version.cases.items() if identity not in known)
            try:
                before = evaluate(parent, self.dataset, baselines=False, console=console)
            except (ContractError, DatasetError) as error:
                version.note = str(error)
        version.figures = compare_reports(before, own, self.tolerance)
        with changing(self.model) as history:
            # Of a version that was saved but not settled before, this is the newer record.
            history.versions = [each for each in history.versions if each.number != self.number] + [version]
        if self.parent is None:
            return promote(self.model, self.number, "the first version")
        if not version.note and not version.worse:
            return promote(self.model, self.number, f"not worse than @{self.parent} on {len(self.test)} test cases")
        return version


def next_version(
    model: str | os.PathLike[str], dataset: Dataset, *, tolerance: float = TOLERANCE, refreeze: bool = False
) -> NextVersion:
    """Prepare the next version of a model.

    The test cases that decide are frozen with the first version: those of the dataset's test split that the standing
    model was not trained on. Later datasets must hold the same cases, under whatever name; of their other cases, those
    of the test split are trained on, too.

    Args:
        model: The plain path, where a model or nothing stands.
        dataset: With the old cases and the new ones.
        tolerance: By which share of it a figure may be worse than the promoted version's.
        refreeze: Whether other test cases are frozen from now on.

    Raises:
        DatasetError: Frozen test cases are missing, or there are too few.
        SurrogateError: The path names a version, or something else stands there.
    """
    path = plain(Path(model))
    parent = adopt(path)
    history = history_of(path)
    loaded = None if parent is None else Surrogate.load(version_path(path, parent))
    # Those of the newest version that has any.
    frozen = {} if refreeze else next((each.test for each in reversed(history.versions) if each.test), {})
    hashes = {name: dataset.case_hash(name) for name in dataset.names}
    names = _same_cases(dataset, frozen, hashes) if frozen else _new_test(dataset, loaded)
    test = {name: hashes[name] for name in names}
    kept = {name for name, identity in hashes.items() if identity in set(test.values())}  # their copies, too
    splits = {
        "train": [*dataset.splits.get("train", []), *dataset.splits.get("test", [])],
        "validation": dataset.splits.get("validation", []),
    }
    view = dataset.with_splits({split: [name for name in cases if name not in kept] for split, cases in splits.items()}
                               | {"test": list(names)})  # fmt: skip
    return NextVersion(path, next_number(history), view, test, parent, tolerance)


def train_version(
    model: str | os.PathLike[str],
    dataset: Dataset,
    *,
    reason: str = "",
    tolerance: float = TOLERANCE,
    refreeze: bool = False,
    licence: str = "unspecified",
    console: Console | None = None,
    **options: Any,
) -> Version:
    """Train the next version of a model, and promote it if it is not worse.

    Args:
        model: Its plain path, such as ``models/bracket``.
        dataset: As for `next_version`; so are ``tolerance`` and ``refreeze``.
        reason: Why, in words that are kept.
        tolerance: By how much a figure may be worse.
        refreeze: Whether other test cases are frozen.
        licence: Under which the weights may be used.
        console: Where progress is shown.
        **options: Of `tramontane.surrogate.fit.fit`.

    Returns:
        What is on record of the version; its ``promotions`` say whether it was promoted.
    """
    following = next_version(model, dataset, tolerance=tolerance, refreeze=refreeze)
    fit(following.dataset, console=console, **options).save(following.path, licence=licence)
    return following.settle(reason=reason, console=console)


def compare_reports(before: Report | None, own: Report, tolerance: float = TOLERANCE) -> list[Figure]:
    """Field by field and interval by interval: what two reports on the same cases say.

    An error or an interval score is worse where it is larger by more than ``tolerance`` of it; a coverage where it is
    below what is stated, and below the one before, by more than ``tolerance`` and, of QoIs, by more than one case.

    Args:
        before: Of the promoted version; None where there is none to compare with.
        own: Of the new one.
        tolerance: As a share.
    """
    figures = []
    for name in dict.fromkeys([*own.fields, *(before.fields if before else ())]):
        of = [None if report is None else report.fields.get(name) for report in (before, own)]
        errors = [None if each is None else each.relative_l2 for each in of]
        held = [None if each is None else each.coverage for each in of]
        scores = [None if each is None else each.relative_score for each in held]
        shares = [None if each is None else each.points for each in held]
        level = next((each.level for each in held if each is not None), None)
        figures += _figures(name, errors, scores, shares, level, tolerance, slack=tolerance)
    for name in dict.fromkeys([*own.qoi, *(before.qoi if before else ())]):
        numbers = [None if report is None else report.qoi.get(name) for report in (before, own)]
        figures += _figures(
            name,
            [None if each is None else each.relative for each in numbers],
            [None if each is None else each.interval_score for each in numbers],
            [None if each is None else each.coverage for each in numbers],
            0.9, tolerance, slack=max(tolerance, 1.001 / len(own.cases)),
        )  # fmt: skip
    return figures


def _figures(
    name: str, errors: Sequence[float | None], scores: Sequence[float | None], shares: Sequence[float | None],
    level: float | None, tolerance: float, *, slack: float,
) -> list[Figure]:  # fmt: skip
    """Of pairs, before and own; what neither has is left out."""
    found = []
    for kind, (before, value) in (("error", errors), ("interval score", scores)):
        if before is None and value is None:
            continue
        worse = before is not None and (value is None or value > max(before * (1 + tolerance), _EQUAL))
        found.append(Figure(name=name, kind=kind, before=before, value=value, is_worse=worse))
    before, value = shares
    if before is not None or value is not None:
        least = 0.0 if before is None else min(before, level or 1.0) - slack
        worse = before is not None and (value is None or value < least)
        found.append(Figure(name=name, kind="coverage", before=before, value=value, level=level, is_worse=worse))
    return found


def _same_cases(dataset: Dataset, frozen: dict[str, str], hashes: dict[str, str]) -> list[str]:
    """The names that the frozen test cases have in a dataset."""
    by_hash = {identity: name for name, identity in hashes.items()}
    if missing := [name for name, identity in frozen.items() if identity not in by_hash]:
        shown = ", ".join(missing[:_NAMED]) + (", ..." if len(missing) > _NAMED else "")
        raise DatasetError(f"{dataset.path}: lacks {len(missing)} of the {len(frozen)} frozen test cases ({shown}), or "
                           "they have changed; ingest them with the others, or freeze new ones with --refreeze"
                           )  # fmt: skip
    return [by_hash[identity] for identity in frozen.values()]


def _new_test(dataset: Dataset, parent: Surrogate | None) -> list[str]:
    """The cases of a dataset's test split that the standing model was not trained on."""
    names = list(dataset.splits.get("test", []))
    if parent is not None:
        seen = trained_cases(parent, dataset)
        if seen is None:
            raise DatasetError(f"{dataset.path}: whether the standing model was trained on its test cases cannot be "
                               "told, since it is older than the hashes of cases that models keep; train it anew"
                               )  # fmt: skip
        names = [name for name in names if name not in set(seen)]
    if len(names) < LEAST_TEST:
        raise DatasetError(f"{dataset.path}: has {len(names)} test cases that no version was trained on, {LEAST_TEST} "
                           "or more are needed to decide; ingest it with more (--test)")  # fmt: skip
    return names
