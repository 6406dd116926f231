"""Extrema of fields, regressed on what tells designs apart where that leaves less error than the field's own extremum.

A regression draws every field towards its mean, and takes most from its peaks: on brackets, the largest stress of a
predicted field is too small by a fifth. The largest stress itself is a smooth function of the design.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tramontane.contract import QoiSpec
from tramontane.dataset import Dataset
from tramontane.models.scalar_kriging import ScalarKriging
from tramontane.surrogate.fit_reference import ReferenceFit
from tramontane.surrogate.scalars import regress
from tramontane.training.normalization import operating_scale

_GAIN = 0.8  # of the field's own error: a number that agrees with the field is worth something, too


def fit_extrema(
    dataset: Dataset, fitting: ReferenceFit
) -> tuple[dict[str, ScalarKriging], dict[str, dict[str, float]]]:
    """Regressions of the extrema that are better regressed.

    Args:
        dataset: The store.
        fitting: Of its training cases.

    Returns:
        The regressions by QoI; and for every extremum, the mean absolute error on training cases left out over the mean
        size, ``regressed`` and from the ``field`` that kriging predicts at the reference points.
    """
    contract, names = fitting.contract, fitting.names
    specs = {
        name: spec
        for name, spec in contract.qoi.items()
        if spec.from_fields and spec.definition is not None and spec.definition.kind in ("max", "min")
    }
    if not specs:
        return {}, {}
    designs = fitting.classical.frame.designs.training
    truth = {name: np.array([dataset.qoi(case)[name] for case in names]) for name in specs}
    fits = regress(dataset, names, designs, specs)
    chosen, errors = {}, {}
    for name, spec in specs.items():
        size = max(float(np.abs(truth[name]).mean()), 1e-300)
        scale = np.array([operating_scale(spec, values) for values in fitting.values])
        predicted = {"regressed": fits[name].left_out * scale, "field": _of_fields(fitting, name, spec)}
        of = errors[name] = {how: float(np.abs(each - truth[name]).mean()) / size for how, each in predicted.items()}
        if of["regressed"] < _GAIN * of["field"]:
            chosen[name] = fits[name]
    return chosen, errors


def _of_fields(fitting: ReferenceFit, name: str, spec: QoiSpec) -> Any:
    """The extremum ``(cases,)`` of each training case's field, kriged from all others."""
    scales = [operating_scale(spec, values) for values in fitting.values]
    return np.array([
        float(each.left_out.qoi[name].mean[0, 0]) * scale for each, scale in zip(fitting.kriged, scales, strict=True)
    ])  # fmt: skip
