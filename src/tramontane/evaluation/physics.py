"""By how much predictions miss the laws of physics, beside by how much the solver's own cases do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from tramontane.case import Case
from tramontane.contract import Contract
from tramontane.dataset import Dataset
from tramontane.trust.physics_check import Residual, known_checks, residuals_of

LARGEST = 3_000_000
"""Of a case with more places than this the laws are not checked: its mesh would be held in memory as a whole."""
YARDSTICKS = 20
"""Of how many training cases residuals are taken."""

_FAR, _LEAST = 5.0, 0.01  # times the median share, or this share where that is less
Array = NDArray[np.floating[Any]]
Residuals = dict[str, dict[str, Residual]]


class Missed(BaseModel):
    """By how much a set of cases misses a law: residuals in the law's unit, and as shares of their scale."""

    median: float
    worst: float
    median_share: float
    worst_share: float
    worst_case: str


class LawFigures(BaseModel):
    """A law, by how much predictions miss it, and the solver's truth of the same cases and of training cases."""

    title: str
    unit: str
    predicted: Missed
    truth: Missed
    training: Missed | None = None


def suspects(figures: Mapping[str, LawFigures]) -> list[str]:
    """A sentence on each of the solver's cases that misses a law by far more than the others do."""
    sentences = []
    for law in figures.values():
        usual = (law.training or law.truth).median_share
        for of in filter(None, (law.training, law.truth)):
            if of.worst_share > _FAR * max(usual, _LEAST):
                sentences.append(f"Case {of.worst_case} of the solver misses the law that {law.title} by "
                                 f"{100 * of.worst_share:.2g} %, the median of its cases by {100 * usual:.2g} %: check "
                                 "its convergence, mesh and units")  # fmt: skip
    return list(dict.fromkeys(sentences))


def too_large(dataset: Dataset, name: str) -> bool:
    """Whether a case's meshes are too large to be checked."""
    return sum(dataset.size(name, domain) for domain in dataset.contract.fields) > LARGEST


def with_predictions(case: Case, dataset: Dataset, predicted: Mapping[str, Mapping[str, Array]]) -> Case:
    """A case of a dataset whose fields are replaced by what was predicted at its sites, in the dataset's order.

    Sites are all of a domain's points or all of its cells, wherever a file had each field.
    """
    meshes = {}
    for domain, fields in predicted.items():
        mesh = meshes[domain] = case.meshes[domain].copy(deep=False)
        order = dataset.original_order(case.name, domain)
        for name, values in fields.items():
            own = np.empty_like(values)
            own[order] = values
            at_points = dataset.contract.site_location(domain) == "point"
            data, elsewhere = (mesh.point_data, mesh.cell_data) if at_points else (mesh.cell_data, mesh.point_data)
            if name in elsewhere:
                elsewhere.remove(name)  # the truth, which would be taken for the prediction
            data[name] = own
    return Case(case.name, case.design, meshes, field_units=case.field_units)


def laws(
    contract: Contract, predicted: Residuals, truth: Residuals, dataset: Dataset, training: Sequence[str]
) -> dict[str, LawFigures]:
    """By check.

    Args:
        contract: Of the cases.
        predicted: By case and check, of predictions.
        truth: The same of the solver's cases.
        dataset: With the training cases.
        training: Their names, as far as they stand there; a part of them is read.
    """
    some = [name for name in _spread_out(training, YARDSTICKS) if not too_large(dataset, name)]
    yardsticks = {name: residuals_of(dataset.case(name), contract) for name in some} if predicted else {}
    figures = {}
    for name, check in known_checks().items():
        of = [_missed(residuals, name) for residuals in (predicted, truth, yardsticks)]
        if of[0] is not None and of[1] is not None:
            figures[name] = LawFigures(title=check.title, unit=check.unit, predicted=of[0], truth=of[1], training=of[2])
    return figures


def _spread_out(names: Sequence[str], count: int) -> list[str]:
    if not names:
        return []
    places = np.unique(np.linspace(0, len(names) - 1, min(count, len(names))).round().astype(int))
    return [names[place] for place in places.tolist()]


def _missed(residuals: Residuals, name: str) -> Missed | None:
    of = {case: each[name] for case, each in residuals.items() if name in each}
    if not of:
        return None
    worst = max(of, key=lambda case: of[case].share)
    values, shares = [each.value for each in of.values()], [each.share for each in of.values()]
    return Missed(
        median=float(np.median(values)), worst=of[worst].value, median_share=float(np.median(shares)),
        worst_share=of[worst].share, worst_case=worst,
    )  # fmt: skip
