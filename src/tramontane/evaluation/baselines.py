"""What a model must beat: predictions that need no training.

Each is a weighted sum of training cases whose sites are mapped by bounding box, so that one pass over the training
cases gives them all: the mean (equal weights), the nearest case (one weight), and the regression on the parameters
(linear and squared-exponential kernel, whose prediction is such a sum). Fields are divided by the operating
conditions they are proportional to first, exactly as they are for a network. QoIs have one more: linear least
squares on the parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from tramontane.dataset import Dataset, describe_geometry
from tramontane.models.regression import KernelRegression
from tramontane.training.anchors import to_box
from tramontane.training.normalization import operating_scale

Array = NDArray[np.floating[Any]]
BASELINES = ("mean", "nearest", "parameters")
QOI_BASELINES = (*BASELINES, "linear")  # the last: least squares on the parameters
_NEIGHBOURS = 3
_PROBES = 512  # sites at which the regression's hyperparameters are chosen


class Baselines:
    """The predictions that need no training, for some cases of a dataset, from its training cases.

    Args:
        dataset: The store.
        train: Names of the training cases.
    """

    def __init__(self, dataset: Dataset, train: Sequence[str]) -> None:
        self.dataset, self.train = dataset, list(train)
        self._shapes = np.array([self._shape(name) for name in train])
        self._scale = np.where(self._shapes.std(0) > 1e-12, self._shapes.std(0), np.inf)
        self._inputs = np.array([self._parameters(name) for name in train])

    def weights(self, name: str, regression: KernelRegression) -> Array:
        """Weights ``(baselines, training cases)`` for a case, in the order of `BASELINES`."""
        count = len(self.train)
        distance = np.linalg.norm((self._shapes - self._shape(name)) / self._scale, axis=1)
        nearest = np.zeros(count)
        nearest[int(np.argmin(distance))] = 1.0
        return np.stack([np.full(count, 1 / count), nearest, regression.weights(self._parameters(name))])

    def qoi(self, names: Sequence[str]) -> dict[str, Array]:
        """By QoI, predictions ``(QOI_BASELINES, len(names))`` in SI, from the training cases' QoIs."""
        dataset = self.dataset
        answer: dict[str, Array] = {}
        for qoi, spec in dataset.contract.qoi.items():
            scale = {name: operating_scale(spec, dataset.parameters(name)) for name in [*self.train, *names]}
            outputs = np.array([[dataset.qoi(name)[qoi] / scale[name]] for name in self.train])
            regression = KernelRegression(self._inputs, outputs)
            table = np.column_stack([(self._inputs - regression.mean) / regression.deviation, np.ones(len(outputs))])
            slopes = np.linalg.lstsq(table, outputs[:, 0], rcond=None)[0]
            lines = []
            for name in names:
                line = np.append((self._parameters(name) - regression.mean) / regression.deviation, 1.0) @ slopes
                lines.append(scale[name] * np.append(self.weights(name, regression) @ outputs[:, 0], line))
            answer[qoi] = np.stack(lines, axis=1)
        return answer

    def fields(
        self, names: Sequence[str], domain: str, step: Callable[[], None] = lambda: None
    ) -> dict[str, dict[str, Array]]:
        """By case and field, predictions ``(baselines, n, components)`` in SI at the case's own sites.

        Memory is that of the answer and two cases, whatever the number of training cases. Each of these is read twice,
        and ``step`` called after each time.
        """
        dataset, specs = self.dataset, self.dataset.contract.fields[domain]
        regressions = self._regressions(domain, step)
        positions = {name: self._boxed(name, domain) for name in names}
        weights = {(name, f): self.weights(name, regressions[f]) for name in names for f in specs}
        answer: dict[str, dict[str, Array]] = {
            name: {f: np.zeros((len(BASELINES), len(positions[name]), spec.components)) for f, spec in specs.items()}
            for name in names
        }
        for index, train in enumerate(self.train):
            tree, values = cKDTree(self._boxed(train, domain)), self._scaled(train, domain)
            for name in names:
                indices, shares = _neighbours(tree, positions[name])
                for f in specs:
                    mapped = np.einsum("nk,nkc->nc", shares, values[f][indices])
                    for row, weight in enumerate(weights[name, f][:, index]):
                        if weight:
                            answer[name][f][row] += weight * mapped
            step()
        for name in names:
            for f, spec in specs.items():
                answer[name][f] *= operating_scale(spec, dataset.parameters(name))
        return answer

    def _regressions(self, domain: str, step: Callable[[], None]) -> dict[str, KernelRegression]:
        """A regression for each field, its hyperparameters chosen on some sites of the first training case."""
        boxed = self._boxed(self.train[0], domain)
        probes = boxed[np.random.default_rng(0).permutation(len(boxed))[:_PROBES]]
        outputs: dict[str, list[Array]] = {f: [] for f in self.dataset.contract.fields[domain]}
        for train in self.train:
            tree, values = cKDTree(self._boxed(train, domain)), self._scaled(train, domain)
            indices, shares = _neighbours(tree, probes)
            for f in outputs:
                outputs[f].append(np.einsum("nk,nkc->nc", shares, values[f][indices]).ravel())
            step()
        return {f: KernelRegression(self._inputs, np.array(rows)) for f, rows in outputs.items()}

    def _boxed(self, name: str, domain: str) -> Array:
        return to_box(self.dataset.sites(name, domain).positions, self.dataset.geometry(name))

    def _scaled(self, name: str, domain: str) -> dict[str, Array]:
        sites, parameters = self.dataset.sites(name, domain), self.dataset.parameters(name)
        return {
            f: sites.fields[f].reshape(len(sites.positions), -1) / operating_scale(spec, parameters)
            for f, spec in self.dataset.contract.fields[domain].items()
        }

    def _shape(self, name: str) -> Array:
        if not self.dataset.has_geometry(name):
            return self._parameters(name)
        parameters = self.dataset.parameters(name)
        operating = [parameters[key] for key in self.dataset.contract.operating]
        return np.concatenate([describe_geometry(self.dataset.geometry(name)), operating])

    def _parameters(self, name: str) -> Array:
        parameters = self.dataset.parameters(name)
        return np.array([parameters[key] for key in self.dataset.contract.asked(geometry=False) if key in parameters])


def _neighbours(tree: cKDTree, points: Array) -> tuple[Any, Array]:
    """Indices ``(n, k)`` of the nearest sites and their inverse-distance shares ``(n, k)``."""
    count = min(_NEIGHBOURS, tree.n)
    distances, indices = tree.query(points, k=count, workers=-1)
    distances, indices = distances.reshape(-1, count), indices.reshape(-1, count)
    shares = 1.0 / np.maximum(distances, 1e-9)
    return indices, shares / shares.sum(1, keepdims=True)
