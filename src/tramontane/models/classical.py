"""The classical model: fields of corresponding points, interpolated between cases by Gaussian processes.

For ten to two hundred cases of one family, whatever their meshes: shapes are registered on a template
(`correspondence`), every case's fields are read off at the same reference points carried onto its shape, and a
Gaussian process over the shape's own coordinates and the parameters weighs the cases. In the line of MMGP (Casenave et
al. 2023, arXiv:2305.12871), with registration in place of a morphing by hand, and of kriging with a learned length for
every input (Rasmussen & Williams 2006, ch. 5). The figures behind the choices are in ``docs/model-notes.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize
from scipy.spatial import cKDTree

from tramontane.errors import TramontaneError
from tramontane.models.correspondence import Correspondence, Registration, Shape, cut_planes, sample_surface

Array = NDArray[np.floating[Any]]

_NEIGHBOURS = 6
_NORMAL = 0.1  # what a unit change of the normal counts against distance, in diagonals of the mean bounding box
_DENSE = 60_000  # samples that give a surface point its normal
_ON = 0.01  # median distance to the shape, in diagonals, below which a domain lies on it
_SPIKE = 8.0  # robust deviations from its neighbours beyond which a surface value is one bad face
_SHARE = 0.015  # least share in the variance of shape features that makes a coordinate
_COORDINATES = 8
_FOLDS = 5
_CONSTANT = 0.1  # prior variance of the mean
_NUGGET = 1e-3


class _Place(NamedTuple):
    """A shape's dense samples: their normals, and trees to find them by place, and by place and normal."""

    normals: Array
    nearest: cKDTree
    oriented: cKDTree


class ClassicalModel:
    """Kriging of registered fields.

    Args:
        components: By domain, how its columns of values split into fields, ``{"surface": (1, 3)}``; each field has
            its own Gaussian process. A domain not named is one field.
        references: How many reference points to keep in each domain.
    """

    def __init__(self, components: dict[str, tuple[int, ...]] | None = None, *, references: int = 60_000) -> None:
        self.components = dict(components or {})
        self.references = references

    def fit(
        self,
        shapes: Sequence[Shape],
        parameters: Array,
        fields: Sequence[dict[str, tuple[Array, Array]]],
        *,
        planes: dict[int, float] | None = None,
    ) -> ClassicalModel:
        """Learn from cases.

        Args:
            shapes: Each case's geometry.
            parameters: ``(cases, p)`` operating conditions; ``p`` may be 0.
            fields: By case and domain, positions ``(n, 3)`` in metres and non-dimensional values ``(n, c)`` there.
            planes: By axis, where symmetry or the ground cuts shapes off; found from the data where None.

        Raises:
            TramontaneError: Fewer than three cases, or cases of unequal domains or components.
        """
        if not (len(shapes) == len(parameters) == len(fields) >= 3):
            raise TramontaneError(
                f"classical model: {len(shapes)} shapes, {len(parameters)} rows of parameters and {len(fields)} cases "
                "of fields; give at least three cases, as many of each"
            )
        columns = {domain: values.shape[1] for domain, (_, values) in fields[0].items()}
        for case, item in enumerate(fields):
            if (found := {domain: values.shape[1] for domain, (_, values) in item.items()}) != columns:
                raise TramontaneError(
                    f"classical model: case {case} has columns {found}, the first {columns}; give all"
                )
        for domain, count in columns.items():
            if sum(self.components.setdefault(domain, (count,))) != count:
                raise TramontaneError(
                    f"classical model: domain {domain!r} has {count} columns, not {self.components[domain]}; correct it"
                )
        self.correspondence = _correspond(shapes, fields, planes)
        registrations = [self.correspondence.register(shape) for shape in shapes]
        self._describe(registrations, np.asarray(parameters, float))
        self._choose_references(shapes, fields, registrations)
        self.tables = {domain: np.empty((len(shapes), len(points), columns[domain]), np.float32)
                       for domain, points in self.points.items()}  # fmt: skip
        for case, (shape, registration) in enumerate(zip(shapes, registrations, strict=True)):
            place = self._place(shape)
            for domain, carried in self._carry(place, registration, list(columns)).items():
                positions, values = (np.asarray(part, float) for part in fields[case][domain])
                known = self._features(domain, place, positions)
                if domain in self.normals:
                    values = _without_spikes(known, values)
                self.tables[domain][case] = weighted(values, *stencil(known, carried))
        self._learn()
        return self

    def predict(self, shape: Shape, parameters: Array, positions: dict[str, Array]) -> dict[str, tuple[Array, Array]]:
        """Fields of a new design.

        Args:
            shape: Its geometry.
            parameters: Its operating conditions ``(p,)``.
            positions: By domain, points ``(q, 3)`` in metres.

        Returns:
            By domain, mean and standard deviation ``(q, c)`` of the non-dimensional values there.

        Raises:
            TramontaneError: A domain is not one of the training data.
            GeometryError: The shape has no area where fields are known.
        """
        registration = self.correspondence.register(shape)
        inputs = self._inputs(registration, np.asarray(parameters, float))
        return self._predict(shape, registration, inputs, positions, np.arange(len(self.inputs)), 0)

    def predict_left_out(self, case: int, shape: Shape, positions: dict[str, Array]) -> dict[str, tuple[Array, Array]]:
        """Fields of a training case as predicted from all others, its own values seen by nothing.

        Args:
            case: Which training case.
            shape: Its geometry.
            positions: By domain, points ``(q, 3)`` in metres.

        Returns:
            As `predict`. (Registration and reference points, which see shapes and meshes only, are shared.)
        """
        others = np.delete(np.arange(len(self.inputs)), case)
        fold = 1 + case % self.folds
        return self._predict(shape, self.correspondence.register(shape), self.inputs[case], positions, others, fold)

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything needed to predict, as arrays."""
        out = {f"correspondence/{name}": value for name, value in self.correspondence.state().items()}
        out |= {name: getattr(self, name) for name in _ARRAYS} | {"folds": np.array([self.folds])}
        for domain, table in self.tables.items():
            out |= {f"table/{domain}": table, f"points/{domain}": self.points[domain],
                    f"kriging/{domain}": self.kriging[domain], f"spread/{domain}": self.spread[domain],
                    f"components/{domain}": np.array(self.components[domain])}  # fmt: skip
        return out | {f"normals/{domain}": normals for domain, normals in self.normals.items()}

    @classmethod
    def from_state(cls, state: dict[str, NDArray[Any]]) -> ClassicalModel:
        """The model that `state` described."""

        def part(prefix: str) -> dict[str, NDArray[Any]]:
            return {name[len(prefix) :]: value for name, value in state.items() if name.startswith(prefix)}

        self = cls({name: tuple(int(c) for c in value) for name, value in part("components/").items()})
        self.correspondence = Correspondence.from_state(part("correspondence/"))
        for name in _ARRAYS:
            setattr(self, name, state[name])
        self.folds = int(state["folds"][0])
        self.tables, self.points, self.normals = part("table/"), part("points/"), part("normals/")
        self.kriging, self.spread = part("kriging/"), part("spread/")
        self._prepare()
        return self

    def _describe(self, registrations: list[Registration], parameters: Array) -> None:
        """The coordinates of designs: edges of the box, rotated principal components of the features, parameters."""
        features = np.array([registration.features for registration in registrations])
        self.feature_mean = features.mean(0)
        _, singular, rows = np.linalg.svd(features - self.feature_mean, full_matrices=False)
        large = singular**2 > np.maximum(_SHARE * (singular**2).sum(), 1e-8 * features.size)
        count = min(int(large.sum()), _COORDINATES, max(len(features) // 4, 1))
        # Each Gaussian process learns a length per coordinate, so coordinates that each touch few control points help.
        self.feature_rows = _varimax(rows[:count]) if count else rows[:0]
        self.log_parameters = (parameters > 0).all(0) & (parameters.max(0) > 1.5 * parameters.min(0))
        raw = np.array([self._raw(*pair) for pair in zip(registrations, parameters, strict=True)])
        self.input_mean, deviation = raw.mean(0), raw.std(0)
        shape_count = 3 + count
        # A box edge that changes by less than 0.1 % is noise of the sampling.
        least = np.where(np.arange(raw.shape[1]) < 3, 1e-3, 1e-9)
        self.input_scale = np.where(deviation > least, 1 / np.maximum(deviation, 1e-300), 0.0)
        self.inputs = (raw - self.input_mean) * self.input_scale
        self.powers = np.concatenate([np.zeros(shape_count), self.log_parameters.astype(float)]) * (
            self.input_scale > 0
        )

    def _raw(self, registration: Registration, parameters: Array) -> Array:
        scores = self.feature_rows @ (registration.features - self.feature_mean)
        numbers = np.where(self.log_parameters, np.log(np.maximum(parameters, 1e-300)), parameters)
        return np.concatenate([np.log(registration.extent), scores, numbers])

    def _inputs(self, registration: Registration, parameters: Array) -> Array:
        return np.asarray((self._raw(registration, parameters) - self.input_mean) * self.input_scale)

    def _choose_references(
        self,
        shapes: Sequence[Shape],
        fields: Sequence[dict[str, tuple[Array, Array]]],
        registrations: list[Registration],
    ) -> None:
        """Reference points: the template case's own, so that they are dense where its mesh is."""
        case = self.correspondence.template
        dense, normals = sample_surface(shapes[case], _DENSE)
        self.points, self.normals = {}, {}
        for domain, (positions, _) in fields[case].items():
            keep = np.random.default_rng(0).permutation(len(positions))[: self.references]
            chosen = np.asarray(positions, float)[keep]
            self.points[domain] = self.correspondence.to_template(chosen, registrations[case])
            distance, index = cKDTree(dense).query(chosen)
            if np.median(distance) < _ON * self.correspondence.scale:
                self.normals[domain] = normals[index]
        self._prepare()

    def _prepare(self) -> None:
        self.bases = {domain: self.correspondence.basis(points) for domain, points in self.points.items()}

    def _carry(self, place: _Place, registration: Registration, domains: Sequence[str]) -> dict[str, Array]:
        """By domain, the features of reference points where a shape carries them."""
        weight, out = _NORMAL * self.correspondence.scale, {}
        for domain in domains:
            moved = self.correspondence.carry(self.points[domain], self.bases[domain], registration)
            if domain in self.normals:
                # A reference point takes the normal of the nearest place whose normal is like the template's.
                index = place.oriented.query(np.concatenate([moved, weight * self.normals[domain]], 1), workers=-1)[1]
                moved = np.concatenate([moved, weight * place.normals[index]], 1)
            out[domain] = moved
        return out

    def _place(self, shape: Shape) -> _Place:
        points, normals = sample_surface(shape, _DENSE, self.correspondence.low, self.correspondence.high)
        oriented = np.concatenate([points, _NORMAL * self.correspondence.scale * normals], 1)
        return _Place(normals, cKDTree(points), cKDTree(oriented))

    def _features(self, domain: str, place: _Place, positions: Array) -> Array:
        """What neighbours are searched by: positions, beside normals where the domain lies on the shape."""
        if domain not in self.normals:
            return positions
        normals = place.normals[place.nearest.query(positions, workers=-1)[1]]
        return np.concatenate([positions, _NORMAL * self.correspondence.scale * normals], 1)

    def _learn(self) -> None:
        """Hyperparameters of every field from all cases and without each fold, and spread at the reference points."""
        count = len(self.inputs)
        self.folds = min(_FOLDS, count)
        self.kriging, self.spread = {}, {}
        for domain, table in self.tables.items():
            self.kriging[domain] = np.array(
                [
                    [self._learn_field(table[..., columns], np.flatnonzero((np.arange(count) % self.folds) != fold))
                     for columns in _slices(self.components[domain])]
                    for fold in (-1, *range(self.folds))
                ]
            )  # fmt: skip
            everything = np.arange(count)
            self.spread[domain] = np.concatenate(
                [
                    self._spread(table[..., columns], self.kriging[domain][0, field], everything)
                    for field, columns in enumerate(_slices(self.components[domain]))
                ],
                axis=1,
            )

    def _learn_field(self, values: Array, cases: NDArray[np.intp]) -> Array:
        """Exponents of the parameters, then hyperparameters, of one field from some cases."""
        inputs, flat = self.inputs[cases], values[cases].reshape(len(cases), -1)
        size = np.log(np.maximum(np.sqrt(np.mean(flat.astype(float) ** 2, axis=1)), 1e-300))
        slope = np.linalg.solve(inputs.T @ inputs + np.eye(inputs.shape[1]), inputs.T @ (size - size.mean()))
        exponents = slope * self.powers
        flat = flat * np.exp(-inputs @ exponents).astype(np.float32)[:, None]
        flat = flat - flat.mean(0)
        return np.concatenate([exponents, learn_hyperparameters(inputs, (flat @ flat.T).astype(float))])

    def _weights(self, learnt: Array, inputs: Array, cases: NDArray[np.intp]) -> tuple[Array, float]:
        """Weight of each case in the mean at ``inputs``, and the posterior variance in units of the spread."""
        seen = self.inputs[cases]
        exponents, hyper = learnt[: seen.shape[1]], learnt[seen.shape[1] :]
        noise = _noise(hyper)
        factor = cho_factor(kernel(seen, seen, hyper) + noise * np.eye(len(seen)))
        across = kernel(inputs[None], seen, hyper)[0]
        weights = cho_solve(factor, across)
        variance = float(kernel(inputs[None], inputs[None], hyper)[0, 0] - across @ weights + noise)
        weights = weights + (1 - weights.sum()) / len(weights)
        return weights * np.exp((inputs - seen) @ exponents), max(variance, noise)

    def _spread(self, values: Array, learnt: Array, cases: NDArray[np.intp]) -> Array:
        """Likeliest scale of the process at every reference point, for inputs at their mean (ibid., eq. 5.8)."""
        seen = self.inputs[cases]
        exponents, hyper = learnt[: seen.shape[1]], learnt[seen.shape[1] :]
        factor = np.linalg.cholesky(kernel(seen, seen, hyper) + _noise(hyper) * np.eye(len(seen)))
        flat = values[cases].reshape(len(cases), -1) * np.exp(-seen @ exponents).astype(np.float32)[:, None]
        white = np.linalg.inv(factor).astype(np.float32) @ (flat - flat.mean(0))
        return np.asarray(np.sqrt((white**2).mean(0)).reshape(values.shape[1:]))

    def _predict(
        self,
        shape: Shape,
        registration: Registration,
        inputs: Array,
        positions: dict[str, Array],
        cases: NDArray[np.intp],
        fold: int,
    ) -> dict[str, tuple[Array, Array]]:
        if unknown := sorted(set(positions) - set(self.tables)):
            raise TramontaneError(f"classical model: no domain {unknown[0]!r}; it was trained on {sorted(self.tables)}")
        out = {}
        place = self._place(shape)
        for domain, carried in self._carry(place, registration, list(positions)).items():
            table = self.tables[domain]
            mean, deviation = np.empty(table.shape[1:]), np.empty(table.shape[1:])
            for field, columns in enumerate(_slices(self.components[domain])):
                learnt = self.kriging[domain][fold, field]
                weights, variance = self._weights(learnt, inputs, cases)
                everything = np.zeros(len(table), np.float32)
                everything[cases] = weights
                spread = self.spread[domain][:, columns]
                if len(cases) < len(table):
                    spread = self._spread(table[..., columns], learnt, cases)
                mean[:, columns] = np.tensordot(everything, table, 1)[:, columns]
                scale = np.exp(inputs @ learnt[: len(inputs)]) * np.sqrt(variance)
                deviation[:, columns] = spread * scale
            wanted = self._features(domain, place, np.asarray(positions[domain], float))
            index, weight = stencil(carried, wanted)
            out[domain] = weighted(mean, index, weight), deviation[index[:, 0]]
        return out


_ARRAYS = ("feature_mean", "feature_rows", "log_parameters", "input_mean", "input_scale", "inputs", "powers")


def stencil(known: Array, wanted: Array, *, ridge: float = 0.05) -> tuple[NDArray[np.intp], Array]:
    """Neighbours and their weights in a local, distance-weighted linear fit (moving least squares).

    Args:
        known: Features ``(n, 3 or more)`` of the places where values are known, positions first.
        wanted: Features of the ``q`` places asked for.
        ridge: Penalty on the slope, which is what remains where neighbours lie in a plane.

    Returns:
        Indices ``(q, k)``, nearest first, and weights ``(q, k)`` that sum to one.
    """
    count = min(_NEIGHBOURS, len(known))
    distance, index = cKDTree(known).query(wanted, k=count, workers=-1)
    distance, index = distance.reshape(-1, count), index.reshape(-1, count)
    length = distance.mean(1, keepdims=True) + 1e-300
    weight = 1 / (distance / length + 0.3) ** 2
    weight /= weight.sum(1, keepdims=True)
    x, y, z = ((known[:, axis][index] - wanted[:, axis, None]) / length for axis in range(3))
    middle = [(weight * offset).sum(1) for offset in (x, y, z)]
    x, y, z = (offset - mean[:, None] for offset, mean in zip((x, y, z), middle, strict=True))
    (xx, xy, xz), (yy, yz), zz = (
        [(weight * x * other).sum(1) for other in (x, y, z)],
        [(weight * y * other).sum(1) for other in (y, z)],
        (weight * z * z).sum(1),
    )
    xx, yy, zz = xx + ridge, yy + ridge, zz + ridge
    # Cramer's rule: a hundred thousand 3 x 3 systems are slow in LAPACK.
    a, b, c = yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy
    d, e, f = xx * zz - xz * xz, xy * xz - xx * yz, xx * yy - xy * xy
    determinant = xx * a + xy * b + xz * c
    slopes = [(row[0] * middle[0] + row[1] * middle[1] + row[2] * middle[2]) / determinant
              for row in ((a, b, c), (b, d, e), (c, e, f))]  # fmt: skip
    weight *= 1 - (x * slopes[0][:, None] + y * slopes[1][:, None] + z * slopes[2][:, None])
    return index, weight


def weighted(values: Array, index: NDArray[np.intp], weight: Array) -> Array:
    """Sum ``(q, c)`` of the neighbours' values ``(n, c)`` by a `stencil`."""
    out = weight[:, :1] * values[index[:, 0]]
    for near in range(1, index.shape[1]):
        out += weight[:, near, None] * values[index[:, near]]
    return np.asarray(out)


def learn_hyperparameters(inputs: Array, gram: Array) -> Array:
    """Hyperparameters that make many outputs likeliest under one Gaussian process, by maximum a posteriori.

    The outputs count as many independent ones as their Gram matrix has effective directions.

    Args:
        inputs: ``(n, d)`` standard scores.
        gram: Products ``(n, n)`` of the centred outputs of every two cases.

    Returns:
        Logarithms ``(2 + 2 d,)`` of: variance of the squared-exponential part, noise variance, a length for every
        input, a slope for every input.
    """
    count, size = inputs.shape
    start = np.concatenate([np.log([0.5, 0.2]), np.full(size, np.log(2 * max(size, 1) ** 0.5)),
                            np.full(size, np.log(0.7 / max(size, 1) ** 0.5))])  # fmt: skip
    if np.trace(gram) <= 0:
        return start
    gram = gram * (count / np.trace(gram))
    effective = count**2 / (gram**2).sum()
    squared = (inputs[:, None] - inputs[None]) ** 2

    def cost(hyper: Array) -> tuple[float, Array]:
        lengths, slopes = np.exp(2 * hyper[2 : 2 + size]), np.exp(2 * hyper[2 + size :])
        bend = np.exp(hyper[0] - 0.5 * (squared / lengths).sum(2))
        matrix = bend + (inputs * slopes) @ inputs.T + _CONSTANT + _noise(hyper) * np.eye(count)
        factor = np.linalg.cholesky(matrix)
        inverse = cho_solve((factor, True), np.eye(count))
        value = 0.5 * effective * (np.sum(inverse * gram) + 2 * np.log(np.diag(factor)).sum())
        by_matrix = 0.5 * effective * (inverse - inverse @ gram @ inverse)
        away = hyper - start
        slope = np.concatenate(
            [
                [np.sum(by_matrix * bend), np.trace(by_matrix) * np.exp(hyper[1])],
                np.einsum("ij,ijd->d", by_matrix * bend, squared) / lengths,
                2 * slopes * np.einsum("id,ij,jd->d", inputs, by_matrix, inputs, optimize=True),
            ]
        )
        return float(value + 0.5 * away @ away), slope + away

    bounds = [(value - 5, value + 5) for value in start]
    found = minimize(cost, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 60})
    return np.asarray(found.x)


def kernel(a: Array, b: Array, hyper: Array) -> Array:
    """Constant, linear and squared-exponential covariance ``(n, m)`` of inputs ``(n, d)`` and ``(m, d)``."""
    size = a.shape[1]
    lengths, slopes = np.exp(hyper[2 : 2 + size]), np.exp(2 * hyper[2 + size :])
    squared = ((a[:, None] / lengths - b[None] / lengths) ** 2).sum(2)
    return np.asarray(np.exp(hyper[0] - 0.5 * squared) + (a * slopes) @ b.T + _CONSTANT)


def _noise(hyper: Array) -> float:
    return float(np.exp(hyper[1]) + _NUGGET)


def _slices(components: tuple[int, ...]) -> list[slice]:
    ends = np.cumsum(components)
    return [slice(int(end - count), int(end)) for end, count in zip(ends, components, strict=True)]


def _without_spikes(features: Array, values: Array) -> Array:
    """Values with single bad faces drawn back to within robust deviations of their neighbours' median."""
    neighbours = values[cKDTree(features).query(features, k=min(12, len(values)))[1]]
    middle = np.median(neighbours, axis=1)
    deviation = 1.48 * np.median(np.abs(neighbours - middle[:, None]), axis=1)
    bound = _SPIKE * (deviation + 0.5 * np.median(deviation, axis=0))
    return np.asarray(middle + np.clip(values - middle, -bound, bound))


def _varimax(rows: Array) -> Array:
    """Rotation of orthonormal rows ``(k, n)`` that makes each large in few places (Kaiser 1958)."""
    loadings, rotation = rows.T, np.eye(len(rows))
    for _ in range(100):
        turned = loadings @ rotation
        left, _, right = np.linalg.svd(loadings.T @ (turned**3 - turned * (turned**2).mean(0)))
        rotation = left @ right
    return np.asarray((loadings @ rotation).T)


def _correspond(
    shapes: Sequence[Shape], fields: Sequence[dict[str, tuple[Array, Array]]], planes: dict[int, float] | None
) -> Correspondence:
    corners = [(p.min(0), p.max(0)) for item in fields for p, _ in item.values()]
    low, high = np.min([a for a, _ in corners], axis=0), np.max([b for _, b in corners], axis=0)
    planes = cut_planes(shapes, low, high) if planes is None else planes
    margin = 0.01 * (high - low).max()
    low, high = low - margin, high + margin
    for axis, place in planes.items():
        side = low if place - low[axis] < high[axis] - place else high
        side[axis] = place
    return Correspondence(shapes, low, high, planes)
