"""What a model answers to cases that it was fitted without, at some of their own sites: what intervals are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tramontane.contract import Contract
from tramontane.dataset import Dataset, Sites, measure_qoi
from tramontane.qoi import QoiDefinition
from tramontane.surrogate.predictor import Fields, Prediction
from tramontane.surrogate.reference import from_rows
from tramontane.training.normalization import operating_scale
from tramontane.trust.calibration import Answered, LeftOut

if TYPE_CHECKING:
    from tramontane.surrogate.fit_reference import ReferenceFit

Array = NDArray[np.floating[Any]]
_SITES = 1000  # of each domain of a case
EXTREMA = "max", "min"


def left_out_case(
    fitting: ReferenceFit, dataset: Dataset, case: int, rows: Mapping[str, tuple[Array, Array]], *, corrected: bool
) -> LeftOut:
    """A training case, from the rows that a model at reference points has for it without itself.

    Args:
        fitting: Of the training cases.
        dataset: Their store.
        case: Which of them.
        rows: By domain, mean and deviation at the reference points ``(references, columns)``.
        corrected: Whether sites are corrected, as those of kriging alone are.
    """
    classical, contract, scales = fitting.classical, fitting.contract, fitting.scales
    values, mapped, name = fitting.values[case], fitting.classical.mapped[case], fitting.names[case]
    whole = {of.domain for of in _definitions(contract).values() if of.kind not in (*EXTREMA, "volume")}
    sites, means, deviations, at_references = dict[str, Sites](), Fields(), Fields(), Fields()
    for domain, (mean, deviation) in rows.items():
        of = sites[domain] = dataset.sites(name, domain) if domain in whole else dataset.sites(name, domain, 0, _SITES)
        columns = np.concatenate([mean, deviation], axis=1)
        if corrected:
            both = classical.interpolate(mapped, domain, columns, of.positions, left_out=case)
        else:
            both = classical.frame.interpolate(mapped, domain, columns, of.positions)
        width = mean.shape[1]
        means[domain] = from_rows(contract, scales, domain, both[:, :width], values)
        deviations[domain] = from_rows(contract, scales, domain, np.maximum(both[:, width:], 0.0), values)
        at_references[domain] = from_rows(contract, scales, domain, mean, values)
    coordinates = classical.frame.designs.training[case]
    aside = classical.frame.designs.excluded(np.array([values[key] for key in contract.operating]))
    answer = compared(
        name, contract, values, sites, Prediction(means, deviations), np.concatenate([coordinates, aside]),
        truth=dataset.qoi(name), volume=abs(float(dataset.geometry(name).volume)), at_references=at_references,
    )  # fmt: skip
    mapped.trees.clear()  # all cases' would take as much memory as their points
    mapped.surface_features.clear()
    return answer


def compared(
    name: str,
    contract: Contract,
    values: dict[str, float],
    sites: Mapping[str, Sites],
    prediction: Prediction,
    coordinates: Array,
    *,
    truth: Mapping[str, float],
    volume: float | None = None,
    at_references: Fields | None = None,
) -> LeftOut:
    """A prediction beside the truth, over the operating scales of the case.

    Args:
        name: Of the case.
        contract: What comes out.
        values: Its operating conditions, SI.
        sites: By domain, where it was asked, with the true fields.
        prediction: There.
        coordinates: Which design it is.
        truth: Its QoIs.
        volume: Of its geometry, m3; None where it has none.
        at_references: Predicted fields at the reference points, where extrema are taken; None takes the sites.
    """
    some = {domain: _some(len(of.positions)) for domain, of in sites.items()}
    fields = {}
    for domain, of in prediction.mean.items():
        for field, mean in of.items():
            unit = operating_scale(contract.fields[domain][field], values)
            deviation = None if prediction.deviation is None else np.abs(prediction.deviation[domain][field])
            truths = np.asarray(sites[domain].fields[field])
            fields[f"{domain}/{field}"] = Answered(
                _table(mean, some[domain]) / unit,
                None if deviation is None else _table(deviation, some[domain]) / unit,
                _table(truths, some[domain]) / unit,
            )
    qoi = {}
    for key, definition in _definitions(contract).items():
        unit = operating_scale(contract.qoi[key], values)
        if definition.kind == "volume":
            if volume is not None:
                value = measure_qoi(definition, {}, volume=volume, parameters=values)
                qoi[key] = Answered(np.array([[value]]) / unit, None, np.array([[truth[key]]]) / unit)
            continue
        extremum = definition.kind in EXTREMA and at_references is not None
        source = at_references if extremum and at_references is not None else prediction.mean
        if definition.domain not in source or definition.patches:
            continue
        value = measure_qoi(definition, source[definition.domain], sites[definition.domain], parameters=values)
        qoi[key] = Answered(np.array([[value]]) / unit, None, np.array([[truth[key]]]) / unit)
    return LeftOut(name, coordinates, fields, qoi)


def _definitions(contract: Contract) -> dict[str, QoiDefinition]:
    """How QoIs follow from fields, of those that do."""
    return {
        name: spec.definition for name, spec in contract.qoi.items() if spec.from_fields and spec.definition is not None
    }


def _some(count: int) -> NDArray[np.intp]:
    return np.random.default_rng(0).permutation(count)[:_SITES]


def _table(values: Array, some: NDArray[np.intp]) -> Array:
    return np.asarray(values, dtype=np.float64).reshape(len(values), -1)[some]
