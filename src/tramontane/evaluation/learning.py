"""What fewer cases would have given, and what more of them would."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel
from rich.console import Console

from tramontane.dataset import Dataset
from tramontane.metrics import relative_l2
from tramontane.surrogate import Surrogate
from tramontane.surrogate.fit import fit
from tramontane.surrogate.kinds import KINDS
from tramontane.surrogate.resolved import stored_design
from tramontane.training import TrainingOptions

_SHARES = 0.25, 0.5  # of the training cases that fewer are
_LEAST = 6  # training cases from which a model is made
_ASKED, _SITES = 20, 4000  # cases that are asked for, and sites of each domain of them
MORE = 20
"""Training cases that are thought of in addition."""


class LearningCurve(BaseModel):
    """Errors over the number of training cases.

    Attributes:
        cases: Numbers of training cases, the model's own last.
        errors: By field, mean relative L2 error with so many; by QoI, mean error over mean magnitude.
        more: Number of cases of the next step.
        expected: By field or QoI, the error that the power law through the points has there; never above the last.
        judged: On how many cases that is measured.
    """

    cases: list[int]
    errors: dict[str, list[float]]
    more: int
    expected: dict[str, float]
    judged: int


def can_learn_again(surrogate: Surrogate) -> bool:
    """Whether the model's kind is fitted in about a minute, so that fitting it twice more is no great matter."""
    return not KINDS[surrogate.model].by_steps


def learning_curve(
    surrogate: Surrogate, dataset: Dataset, names: Sequence[str], train: Sequence[str], console: Console | None = None
) -> LearningCurve | None:
    """Fit a model's kind to a half and a quarter of its training cases, and ask all for cases that none has seen.

    Args:
        surrogate: The model.
        dataset: With its training cases.
        names: Cases that it never saw.
        train: Its training cases in the dataset.
        console: Where progress is shown.

    Returns:
        The curve; None where the training cases are too few, are elsewhere, or the kind takes long to train.
    """
    counts = sorted({round(share * len(train)) for share in _SHARES if round(share * len(train)) >= _LEAST})
    if not counts or not can_learn_again(surrogate):
        return None
    order = np.random.default_rng(0).permutation(len(train))
    judged = list(names)[:_ASKED]
    columns = []
    for count in counts:
        if console is not None:
            console.print(f"Learning curve: {count} of {len(train)} training cases", highlight=False)
        part = dataset.with_splits({"train": [train[i] for i in order[:count]], "validation": [], "test": list(names)})
        options = TrainingOptions(model=surrogate.model, seed=0, assume_units=True)
        columns.append(_errors(fit(part, options), dataset, judged))
    columns.append(_errors(surrogate, dataset, judged))
    numbers = [*counts, len(train)]
    errors = {name: [column[name] for column in columns] for name in columns[-1] if all(name in c for c in columns)}
    expected = {name: _extrapolated(numbers, of, len(train) + MORE) for name, of in errors.items()}
    return LearningCurve(cases=numbers, errors=errors, more=len(train) + MORE, expected=expected, judged=len(judged))


def _errors(surrogate: Surrogate, dataset: Dataset, names: Sequence[str]) -> dict[str, float]:
    contract = surrogate.contract
    fields: dict[str, list[float]] = {}
    numbers: dict[str, list[tuple[float, float]]] = {}
    for name in names:
        design = stored_design(dataset, name, geometry=surrogate.needs_geometry)
        sites = {domain: dataset.sites(name, domain, 0, _SITES) for domain in contract.fields}
        mean = surrogate.fields(design, {domain: of.positions for domain, of in sites.items()})
        for domain, of in mean.items():
            for field, predicted in of.items():
                truth = sites[domain].fields[field].reshape(predicted.shape)
                fields.setdefault(f"{domain}/{field}", []).append(relative_l2(predicted, truth))
        for qoi, (value, _) in surrogate.scalars_of(design).items():
            numbers.setdefault(qoi, []).append((value, dataset.qoi(name)[qoi]))
    relative = {qoi: _relative(np.array(pairs)) for qoi, pairs in numbers.items()}
    return {name: float(np.mean(of)) for name, of in fields.items()} | relative


def _relative(pairs: Any) -> float:
    return float(np.abs(pairs[:, 0] - pairs[:, 1]).mean() / max(float(np.abs(pairs[:, 1]).mean()), 1e-300))


def _extrapolated(cases: Sequence[int], errors: Sequence[float], more: int) -> float:
    """A power law through the points, in logarithms by least squares, taken on from the last point."""
    if min(errors) <= 0:
        return min(errors)
    slope = min(float(np.polyfit(np.log(cases), np.log(errors), 1)[0]), 0.0)
    return float(errors[-1] * (more / cases[-1]) ** slope)
