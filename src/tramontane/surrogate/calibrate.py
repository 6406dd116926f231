"""What a surrogate's errors are on cases that it was fitted without, and the intervals that follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tramontane.dataset import Dataset
from tramontane.metrics import relative_l2
from tramontane.progress import follow
from tramontane.surrogate.constraints import leader, obey
from tramontane.surrogate.kinds.kind import Fitted
from tramontane.surrogate.left_out import compared
from tramontane.surrogate.predictor import Training
from tramontane.surrogate.resolved import stored_design
from tramontane.surrogate.surrogate import Surrogate
from tramontane.training.normalization import operating_scale
from tramontane.trust.applicability import Applicability
from tramontane.trust.calibration import Answered, Calibration, LeftOut

_SITES = 8192  # of each domain of a validation case


def calibrate(
    surrogate: Surrogate,
    dataset: Dataset,
    names: Sequence[str],
    validation: Sequence[str],
    fitted: Fitted,
    training: Training,
) -> None:
    """Put errors on record, and the calibration of intervals into the surrogate.

    Args:
        surrogate: The model.
        dataset: The store.
        names: Training cases.
        validation: Validation cases, from which nothing was learnt.
        fitted: What came of the training cases.
        training: How it was trained.
    """
    contract, record = surrogate.contract, surrogate.record.calibration
    exact = surrogate.record.training_domain.exact
    left_out = [_obeying(case, {}) for case in fitted.left_out]
    if left_out:
        exact.update({law: leader(law, left_out, contract) for law in exact})  # before anything is asked
        left_out = [_obeying(case, exact) for case in left_out]
    errors: dict[str, dict[str, float]] = {}
    watched: list[LeftOut] = []
    for name in follow(validation, "calibrating", len(validation), training.console, watch=training.watch.case) if (
        validation and contract.fields
    ) else ():  # fmt: skip
        design = stored_design(dataset, name)
        sites = {domain: dataset.sites(name, domain, 0, _SITES) for domain in contract.fields}
        prediction = surrogate.predict(design, {domain: s.positions for domain, s in sites.items()})
        errors[name] = {
            f"{domain}/{field}": relative_l2(predicted, sites[domain].fields[field].reshape(predicted.shape))
            for domain, of in prediction.mean.items()
            for field, predicted in of.items()
        }
        if not fitted.left_out:
            watched.append(compared(
                name, contract, design.values, sites, prediction, np.zeros(0),
                truth=dataset.qoi(name), volume=abs(float(dataset.geometry(name).volume)),
            ))  # fmt: skip
    if errors:
        record["relative_l2"] = errors
    regressed = _regressed(surrogate, dataset, fitted.names or names)
    if regressed:
        record["left_out"] = {
            qoi: {
                name: {"predicted": value * scale, "deviation": deviation * scale, "truth": truth * scale}
                for name, value, deviation, truth, scale in rows
            }
            for qoi, rows in regressed.items()
        }
    answers = {
        qoi: [Answered(np.array([[value]]), np.array([[deviation]]), np.array([[truth]]))
              for _, value, deviation, truth, _ in rows]
        for qoi, rows in regressed.items()
    }  # fmt: skip
    cases = [_without(case, regressed) for case in left_out or watched]
    coordinates = fitted.coordinates
    if coordinates is None:
        coordinates = np.array([surrogate.predictor.coordinates(stored_design(dataset, name)) for name in names])
    labels, proportional = surrogate.coordinate_names()
    surrogate.applicability, widenings = Applicability.learn(coordinates, fitted.signs, labels, proportional)
    by_case = dict(zip(fitted.names or names, widenings, strict=True))
    for case in watched:
        verdict = surrogate.verdict(stored_design(dataset, case.name), list(contract.fields))
        by_case[case.name] = surrogate.widening(verdict)
    surrogate.calibration = Calibration.learn(
        cases, answers, widenings=[by_case[case.name] for case in cases], regressed_widenings=widenings
    )


def _without(case: LeftOut, names: dict[str, list[tuple[str, float, float, float, float]]]) -> LeftOut:
    """A case without QoIs that have a regression of their own."""
    return LeftOut(case.name, case.coordinates, case.fields,
                   {name: of for name, of in case.qoi.items() if name not in names})  # fmt: skip


def _obeying(case: LeftOut, exact: Mapping[str, str]) -> LeftOut:
    """A case that was left out with answers as `Surrogate.predict` changes them; the one that is given stays."""
    fields: dict[str, dict[str, NDArray[np.floating[Any]]]] = {}
    for key, of in case.fields.items():
        domain, _, name = key.rpartition("/")
        fields.setdefault(domain, {})[name] = of.mean
    obey(fields, exact)
    answers = {
        f"{domain}/{name}": replace(case.fields[f"{domain}/{name}"], mean=mean)
        for domain, means in fields.items() for name, mean in means.items()
    }  # fmt: skip
    return replace(case, fields=answers)


def _regressed(
    surrogate: Surrogate, dataset: Dataset, names: Sequence[str]
) -> dict[str, list[tuple[str, float, float, float, float]]]:
    """By QoI that is regressed: case, prediction, deviation and truth over the operating scale, and that scale."""
    out = {}
    for qoi, fit in surrogate.scalars.items():
        spec, rows = surrogate.contract.qoi[qoi], []
        for name, value, deviation in zip(names, fit.left_out, fit.left_out_deviation, strict=True):
            scale = operating_scale(spec, dataset.parameters(name))
            truth = dataset.qoi(name)[qoi] / scale
            rows.append((name, float(value), float(deviation), truth, scale))
        out[qoi] = rows
    return out
