"""QoIs without fields: what tells designs apart, and a Gaussian process for each QoI over it."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tramontane.contract import Contract, QoiSpec
from tramontane.dataset import Dataset
from tramontane.errors import TrainingError
from tramontane.metrics import mean_absolute
from tramontane.models.scalar_kriging import ScalarKriging, as_logarithms
from tramontane.models.shape_coordinates import ShapeCoordinates
from tramontane.surrogate.kinds.kind import Fitted, Task
from tramontane.surrogate.kinds.scalars import NAME as MODEL
from tramontane.surrogate.predictor import Prediction, Predictor
from tramontane.surrogate.record import Figures
from tramontane.surrogate.reference import shape_of
from tramontane.surrogate.resolved import ResolvedDesign, stored_design
from tramontane.training import Run
from tramontane.training.normalization import operating_scale

Array = NDArray[np.floating[Any]]
_LEAST, _MOST = 3, 6000  # cases; a Gaussian process of more takes minutes and gigabytes


class ScalarPredictor:
    """Tells designs apart by the shape and the operating conditions, or by parameters alone; predicts no fields.

    Args:
        contract: What goes in and what comes out.
        shapes: Coordinates of shapes; None where designs have none.
        logarithms: Which parameters are taken as logarithms ``(p,)``, where designs have no shapes.
    """

    model = MODEL

    def __init__(self, contract: Contract, shapes: ShapeCoordinates | None, logarithms: NDArray[np.bool_]) -> None:
        self.contract, self.shapes, self.logarithms = contract, shapes, logarithms

    @classmethod
    def fit(cls, contract: Contract, dataset: Dataset, names: Sequence[str]) -> tuple[ScalarPredictor, Array]:
        """The predictor, and what it says of the training cases ``(cases, d)``."""
        values = [dataset.parameters(name) for name in names]
        if not dataset.has_geometry(names[0]):
            keys = contract.asked(geometry=False)
            table = np.array([[of[key] for key in keys] for of in values]).reshape(len(names), -1)
            self = cls(contract, None, as_logarithms(table))
            return self, np.array([self.coordinates(ResolvedDesign(None, of)) for of in values])
        dimensions = [key for key, spec in contract.parameters.items() if spec.role == "geometry"]
        domains = list(dataset.contract.domains.values())
        shapes = ShapeCoordinates(
            [shape_of(dataset.geometry(name)) for name in names],
            np.array([[of[key] for key in contract.operating] for of in values]).reshape(len(names), -1),
            np.array([[of[key] for key in dimensions if all(key in other for other in values)] for of in values]),
            low=_common([spec.low for spec in domains]),
            high=_common([spec.high for spec in domains]),
        )
        return cls(contract, shapes, np.zeros(0, np.bool_)), shapes.training

    @property
    def views(self) -> list[tuple[int, int]] | None:
        """Sets of columns of `coordinates` between which a regression may choose."""
        return None if self.shapes is None else self.shapes.views

    @property
    def places(self) -> dict[str, list[int]]:
        """In which columns of `coordinates` each parameter stands."""
        if self.shapes is None:
            return {key: [column] for column, key in enumerate(self.contract.asked(geometry=False))}
        keys = list(self.contract.operating)
        return {key: [end - len(keys) + place for _, end in self.shapes.views] for place, key in enumerate(keys)}

    def predict(self, design: ResolvedDesign, positions: Mapping[str, Array], *, deviations: bool = True) -> Prediction:
        """No fields; see `Predictor`."""
        return Prediction({}, {})

    def coordinates(self, design: ResolvedDesign) -> Array:
        """The shape's coordinates and operating conditions, or the parameters; see `Predictor`."""
        values = design.values
        if self.shapes is not None:
            operating = np.array([values[key] for key in self.contract.operating])
            return self.shapes.transform(shape_of(design.surface), operating)
        numbers = np.array([values[key] for key in self.contract.asked(geometry=False)], float)
        return np.where(self.logarithms, np.log(np.maximum(numbers, 1e-30)), numbers)

    def signs(self, design: ResolvedDesign, domains: Sequence[str]) -> dict[str, float]:
        """None beyond its coordinates; see `Predictor`."""
        return {}

    def coordinate_names(self) -> tuple[list[str], list[int]]:
        """What people call the numbers of `coordinates`, where there is a word."""
        if self.shapes is None:
            return list(self.contract.asked(geometry=False)), []
        names = [""] * self.shapes.training.shape[1]
        for key, columns in self.places.items():
            for column in columns:
                names[column] = key
        return names, []

    def tensors(self) -> dict[str, Tensor]:
        """Arrays by name."""
        state = {} if self.shapes is None else self.shapes.state()
        arrays = {f"shapes/{name}": value for name, value in state.items()} | {"logarithms": self.logarithms}
        return {name: torch.from_numpy(np.asarray(value)) for name, value in arrays.items()}

    def document(self) -> dict[str, Any]:
        """Its name."""
        return {"model": self.model}

    @classmethod
    def restore(cls, contract: Contract, tensors: dict[str, Tensor]) -> ScalarPredictor:
        """The predictor that `tensors` described."""
        state = {name.removeprefix("shapes/"): value.numpy() for name, value in tensors.items() if "/" in name}
        shapes = ShapeCoordinates.from_state(state) if state else None
        return cls(contract, shapes, tensors["logarithms"].numpy())


def fit_scalars(
    dataset: Dataset,
    names: Sequence[str],
    predictor: Predictor,
    designs: Any = None,
    contract: Contract | None = None,
    regressed: Collection[str] = (),
) -> dict[str, ScalarKriging]:
    """A regression for each QoI that the contract does not define by fields.

    Args:
        dataset: The store.
        names: Training cases.
        predictor: Tells designs apart.
        designs: What it says of the training cases ``(cases, d)``, where that is at hand.
        contract: Of the surrogate; the dataset's where None.
        regressed: QoIs that are regressed already.
    """
    specs = {
        name: spec
        for name, spec in (contract or dataset.contract).qoi.items()
        if not spec.from_fields and name not in regressed
    }
    if not specs:
        return {}
    inputs = designs
    if inputs is None:
        inputs = np.array([predictor.coordinates(stored_design(dataset, name)) for name in names])
    return regress(dataset, names, inputs, specs, getattr(predictor, "views", None), getattr(predictor, "places", {}))


def regress(
    dataset: Dataset,
    names: Sequence[str],
    inputs: Array,
    specs: Mapping[str, QoiSpec],
    views: Sequence[tuple[int, int]] | None = None,
    places: Mapping[str, Sequence[int]] | None = None,
) -> dict[str, ScalarKriging]:
    """A regression for each QoI, over its operating scale.

    Args:
        dataset: The store.
        names: Training cases.
        inputs: What tells them apart ``(cases, d)``.
        specs: The QoIs.
        views: First and last (exclusive) column of each set of inputs to try; all of them where None.
        places: In which columns parameters stand. A QoI in proportion to one is asked without it, unless cases left
            out clearly say that more depends on it.
    """
    values = [dataset.parameters(name) for name in names]
    targets = [dataset.qoi(name) for name in names]
    fits = {}
    for qoi, spec in specs.items():
        scaled = np.array([of[qoi] / operating_scale(spec, at) for of, at in zip(targets, values, strict=True)])
        whole = [np.arange(*view) for view in views or [(0, np.shape(inputs)[1])]]
        out = [
            column for key, columns in (places or {}).items() if spec.scales_with.get(key) == 1 for column in columns
        ]
        reduced = [np.setdiff1d(view, out) for view in whole] if out else []
        fits[qoi] = ScalarKriging(inputs, scaled, [*reduced, *whole], first=len(reduced) or None)
    return fits


def fit_alone(task: Task) -> Fitted:
    """Everything of a surrogate that predicts QoIs alone.

    Raises:
        TrainingError: Too few cases, or no QoI.
    """
    dataset, contract, names, training = task.dataset, task.contract, task.names, task.training
    training.watch.stage("kriging")
    if len(names) < _LEAST:
        raise TrainingError(f"{dataset.path}: has {len(names)} training cases; give {_LEAST} or more")
    if not contract.qoi:
        raise TrainingError(f"{dataset.path}: has no QoIs to learn; ingest cases that state some")
    started = time.monotonic()
    if len(names) > _MOST:
        training.say(f"Of {len(names)} training cases, {_MOST} drawn at random are learnt from")
        names = sorted(np.random.default_rng(0).choice(names, _MOST, replace=False).tolist())
    predictor, designs = ScalarPredictor.fit(contract, dataset, names)
    fits = fit_scalars(dataset, names, predictor, designs, contract)
    figures: dict[str, Any] = {}
    for qoi, fit in fits.items():
        scale = np.array([operating_scale(contract.qoi[qoi], dataset.parameters(name)) for name in names])
        truth = np.array([dataset.qoi(name)[qoi] for name in names])
        predicted, deviation = fit.left_out * scale, fit.left_out_deviation * scale
        relative = mean_absolute(predicted, truth) / max(float(np.abs(truth).mean()), 1e-300)
        figures[qoi] = {
            "relative": relative,
            "within_two_deviations": float(np.mean(np.abs(predicted - truth) <= 2 * deviation)),
            "logarithm": fit.logarithm,
        }
        training.say(f"{qoi}: {100 * relative:.2g} % of its mean size on training cases left out")
    training.watch.candidate(MODEL, len(names), {qoi: of["relative"] for qoi, of in figures.items()})
    run = Run(steps=0, seconds=time.monotonic() - started, stopped_early=False)
    return Fitted(predictor, run, Figures(left_out=figures), fits, list(names), designs)


def _common(planes: Sequence[tuple[float | None, float | None, float | None]]) -> list[float | None]:
    """The planes at which every domain ends."""
    return [of[0] if len(set(of)) == 1 else None for of in zip(*(planes or [(None, None, None)]), strict=True)]
