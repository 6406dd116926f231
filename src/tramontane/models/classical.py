"""The classical model: fields of corresponding points, interpolated between cases by Gaussian processes.

For ten to two hundred cases of one family, whatever their meshes: shapes are registered on a template
(`correspondence`), every case's fields are read off at the same reference points carried onto its shape
(`neighbours`), and Gaussian processes over the shape's own coordinates and the parameters weigh the cases (`kriging`),
each in its own region, for the nose does not feel what the tail does. In the line of MMGP (Casenave et al. 2023,
arXiv:2305.12871), with registration in place of a morphing by hand. Figures are in ``docs/model-notes.md``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from sklearn.cluster import KMeans

from tramontane.errors import TramontaneError
from tramontane.models.correspondence import Correspondence, Registration, Shape, cut_planes, sample_surface
from tramontane.models.kriging import learn_hyperparameters, spread, weights
from tramontane.models.neighbours import stencil, weighted, without_spikes

Array = NDArray[np.floating[Any]]
Fields = dict[str, tuple[Array, Array]]

_NORMAL = 0.1  # what a unit change of the normal counts against distance, in diagonals of the mean bounding box
_DENSE = 60_000  # samples that give a surface point its normal
_ON = 0.01  # median distance to the shape, in diagonals, below which a domain lies on it
_SHARE = 0.015  # least share in the variance of shape features that makes a coordinate
_COORDINATES = 8
_REGIONS = 12
_BLEND = 0.5  # width of the seam between regions, in their median radius
_FOLDS = 5


class _Place(NamedTuple):
    """A shape's dense samples: their normals, and trees to find them by place, and by place and normal."""

    normals: Array
    nearest: cKDTree
    oriented: cKDTree


class ClassicalModel:
    """Kriging of registered fields, region by region.

    Args:
        components: By domain, how its columns of values split into fields, ``{"surface": (1, 3)}``; each field has
            its own Gaussian processes. A domain not named is one field.
        references: How many reference points to keep in each domain.
    """

    def __init__(self, components: dict[str, tuple[int, ...]] | None = None, *, references: int = 60_000) -> None:
        self.components = dict(components or {})
        self.references = references

    def fit(
        self,
        shapes: Sequence[Shape],
        parameters: Array,
        fields: Sequence[Fields],
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
            GeometryError: A shape has no area where fields are known.
        """
        parameters = np.asarray(parameters, float).reshape(len(shapes), -1)
        columns = self._check(len(shapes), fields)
        self.correspondence = _correspond(shapes, fields, planes)
        registrations = [self.correspondence.register(shape) for shape in shapes]
        self._describe(registrations, parameters)
        self._choose_references(shapes, fields, registrations)
        self.tables = {domain: np.empty((len(shapes), len(points), columns[domain]), np.float32)
                       for domain, points in self.points.items()}  # fmt: skip
        for case, (shape, registration) in enumerate(zip(shapes, registrations, strict=True)):
            place = self._place(shape)
            for domain, carried in self._carry(place, registration, columns).items():
                positions, values = (np.asarray(part, float) for part in fields[case][domain])
                known = self._features(domain, place, positions)
                if domain in self.normals:
                    values = without_spikes(known, values)
                self.tables[domain][case] = weighted(values, *stencil(known, carried))
        self._learn()
        return self

    def predict(self, shape: Shape, parameters: Array, positions: dict[str, Array]) -> Fields:
        """Fields of a new design.

        Args:
            shape: Its geometry.
            parameters: Its operating conditions ``(p,)``.
            positions: By domain, points ``(q, 3)`` in metres.

        Returns:
            By domain, mean and standard deviation ``(q, c)`` of the non-dimensional values there.

        Raises:
            TramontaneError: A domain or the number of parameters is not that of the training data.
            GeometryError: The shape has no area where fields are known.
        """
        parameters = np.asarray(parameters, float).reshape(-1)
        if len(parameters) != len(self.log_parameters):
            raise TramontaneError(
                f"classical model: {len(parameters)} parameters given; give the {len(self.log_parameters)} of training"
            )
        registration = self.correspondence.register(shape)
        inputs = (self._raw(registration, parameters) - self.input_mean) * self.input_scale
        return self._predict(shape, registration, inputs, positions, np.arange(len(self.inputs)), 0)

    def predict_left_out(self, case: int, shape: Shape, positions: dict[str, Array]) -> Fields:
        """Fields of a training case from all others: its values touch neither weights nor hyperparameters.

        Args:
            case: Which training case.
            shape: Its geometry.
            positions: By domain, points ``(q, 3)`` in metres.

        Returns:
            As `predict`. (Registration and reference points, which see shapes and meshes only, are shared.)
        """
        others = np.delete(np.arange(len(self.inputs)), case)
        registration = self.correspondence.register(shape)
        return self._predict(shape, registration, self.inputs[case], positions, others, 1 + case % self.folds)

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything needed to predict, as arrays."""
        out = {f"correspondence/{name}": value for name, value in self.correspondence.state().items()}
        out |= {name: getattr(self, name) for name in _ARRAYS} | {"folds": np.array([self.folds])}
        for name in _BY_DOMAIN:
            out |= {f"{name}/{domain}": value for domain, value in getattr(self, name).items()}
        out |= {f"components/{domain}": np.array(self.components[domain]) for domain in self.tables}
        # A writer of raw memory, such as safetensors, would store a transposed view in the wrong order.
        return {name: np.ascontiguousarray(value) for name, value in out.items()}

    @classmethod
    def from_state(cls, state: dict[str, NDArray[Any]]) -> ClassicalModel:
        """The model that `state` described."""

        def part(name: str) -> dict[str, NDArray[Any]]:
            return {key[len(name) + 1 :]: value for key, value in state.items() if key.startswith(name + "/")}

        self = cls({name: tuple(int(count) for count in value) for name, value in part("components").items()})
        self.correspondence = Correspondence.from_state(part("correspondence"))
        for name in _ARRAYS:
            setattr(self, name, state[name])
        for name in _BY_DOMAIN:
            setattr(self, name, part(name))
        self.folds = int(state["folds"][0])
        self._prepare()
        return self

    def _check(self, count: int, fields: Sequence[Fields]) -> dict[str, int]:
        if count < 3 or count != len(fields):
            raise TramontaneError(
                f"classical model: {count} shapes and {len(fields)} cases of fields; give three or more of each"
            )
        columns = {domain: values.shape[1] for domain, (_, values) in fields[0].items()}
        for case, item in enumerate(fields):
            if (found := {domain: values.shape[1] for domain, (_, values) in item.items()}) != columns:
                raise TramontaneError(f"classical model: case {case} has columns {found}, case 0 {columns}; align them")
        for domain, width in columns.items():
            if sum(self.components.setdefault(domain, (width,))) != width:
                raise TramontaneError(
                    f"classical model: domain {domain!r} has {width} columns, not {self.components[domain]}; correct it"
                )
        return columns

    def _describe(self, registrations: list[Registration], parameters: Array) -> None:
        """The coordinates of designs: edges of the box, rotated principal components of the features, parameters."""
        features = np.array([registration.features for registration in registrations])
        self.feature_mean = features.mean(0)
        _, singular, rows = np.linalg.svd(features - self.feature_mean, full_matrices=False)
        large = singular**2 > max(_SHARE * float((singular**2).sum()), 1e-8 * features.size)
        count = min(int(large.sum()), _COORDINATES, max(len(features) // 4, 1))
        # Each Gaussian process learns a length per coordinate: those that each touch few control points tell it most.
        self.feature_rows = _varimax(rows[:count]) if count else rows[:0]
        self.log_parameters = (parameters > 0).all(0) & (parameters.max(0) > 1.5 * parameters.min(0))
        raw = np.array([self._raw(*pair) for pair in zip(registrations, parameters, strict=True)])
        self.input_mean, deviation = raw.mean(0), raw.std(0)
        # A box edge that changes by less than 0.1 % is noise of the sampling.
        varies = deviation > np.where(np.arange(raw.shape[1]) < 3, 1e-3, 1e-9)
        self.input_scale = np.where(varies, 1 / np.maximum(deviation, 1e-30), 0.0)
        self.inputs = (raw - self.input_mean) * self.input_scale
        self.powers = np.concatenate([np.zeros(3 + count), self.log_parameters.astype(float)]) * varies

    def _raw(self, registration: Registration, parameters: Array) -> Array:
        scores = self.feature_rows @ (registration.features - self.feature_mean)
        numbers = np.where(self.log_parameters, np.log(np.maximum(parameters, 1e-30)), parameters)
        return np.concatenate([np.log(registration.extent), scores, numbers])

    def _choose_references(
        self, shapes: Sequence[Shape], fields: Sequence[Fields], registrations: list[Registration]
    ) -> None:
        """Reference points: the template case's own, so that they are dense where its mesh is."""
        case = self.correspondence.template
        place = self._place(shapes[case])
        self.points, self.normals, self.centres = {}, {}, {}
        for domain, (positions, _) in fields[case].items():
            keep = np.random.default_rng(0).permutation(len(positions))[: self.references]
            chosen = np.asarray(positions, float)[keep]
            self.points[domain] = points = self.correspondence.to_template(chosen, registrations[case])
            distance, index = place.nearest.query(chosen)
            if np.median(distance) < _ON * self.correspondence.scale:
                self.normals[domain] = place.normals[index]
            regions = KMeans(min(_REGIONS, len(points)), n_init=1, random_state=0).fit(points[:5000])
            self.centres[domain] = np.asarray(regions.cluster_centers_, float)
        self._prepare()

    def _prepare(self) -> None:
        self.bases = {domain: self.correspondence.basis(points) for domain, points in self.points.items()}
        self.shares = {domain: _shares(points, self.centres[domain]) for domain, points in self.points.items()}

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

    def _carry(self, place: _Place, registration: Registration, domains: Iterable[str]) -> dict[str, Array]:
        """By domain, the features of reference points where a shape carries them."""
        weight, out = _NORMAL * self.correspondence.scale, {}
        for domain in domains:
            moved = self.correspondence.carry(self.points[domain], self.bases[domain], registration)
            if domain in self.normals:
                # A reference point takes the normal of the nearest place whose normal is like the template's.
                wanted = np.concatenate([moved, weight * self.normals[domain]], 1)
                normals = place.normals[place.oriented.query(wanted, workers=-1)[1]]
                moved = np.concatenate([moved, weight * normals], 1)
            out[domain] = moved
        return out

    def _learn(self) -> None:
        """Hyperparameters of every field in every region, from all cases and without each fold, and the spread."""
        count = len(self.inputs)
        self.folds = min(_FOLDS, count)
        folds = [np.arange(count), *(np.flatnonzero(np.arange(count) % self.folds != k) for k in range(self.folds))]
        self.kriging, self.spread = {}, {}
        for domain, table in self.tables.items():
            learnt = [[[self._learn_field(table[:, part, columns], cases) for cases in folds]
                       for part in _parts(self.shares[domain])]
                      for columns in _slices(self.components[domain])]  # fmt: skip
            self.kriging[domain] = np.moveaxis(np.array(learnt), 2, 0)
            self.spread[domain] = self._spread(domain, self.kriging[domain][0], folds[0])

    def _learn_field(self, values: Array, cases: NDArray[np.intp]) -> Array:
        """Exponents of the parameters, then hyperparameters, of one field in one region from some cases."""
        inputs, flat = self.inputs[cases], values[cases].reshape(len(cases), -1)
        size = np.log(np.maximum(np.sqrt(np.mean(flat.astype(float) ** 2, axis=1)), 1e-30))
        slope = np.linalg.solve(inputs.T @ inputs + np.eye(inputs.shape[1]), inputs.T @ (size - size.mean()))
        exponents = slope * self.powers
        flat = flat * np.exp(-inputs @ exponents).astype(np.float32)[:, None]
        flat = flat - flat.mean(0)
        return np.concatenate([exponents, learn_hyperparameters(inputs, (flat @ flat.T).astype(float))])

    def _spread(self, domain: str, learnt: Array, cases: NDArray[np.intp]) -> Array:
        """Scale ``(references, c)`` of the processes, from some cases."""
        seen, table, shares = self.inputs[cases], self.tables[domain], self.shares[domain]
        out = np.zeros(table.shape[1:], np.float32)
        for columns, by_region in zip(_slices(self.components[domain]), learnt, strict=True):
            for region, part in enumerate(_parts(shares)):
                exponents, hyper = np.split(by_region[region], [seen.shape[1]])
                values = table[:, part, columns][cases]
                flat = values.reshape(len(cases), -1) * np.exp(-seen @ exponents).astype(np.float32)[:, None]
                out[part, columns] += shares[part, region, None] * spread(seen, flat, hyper).reshape(values.shape[1:])
        return out

    def _at_references(self, domain: str, inputs: Array, cases: NDArray[np.intp], fold: int) -> tuple[Array, Array]:
        """Mean and standard deviation ``(references, c)`` at the inputs ``(d,)`` of a design."""
        table, seen, shares = self.tables[domain], self.inputs[cases], self.shares[domain]
        learnt = self.kriging[domain][fold]
        scale = self.spread[domain] if len(cases) == len(table) else self._spread(domain, learnt, cases)
        mean, deviation = np.zeros(table.shape[1:], np.float32), np.empty(table.shape[1:], np.float32)
        for columns, by_region in zip(_slices(self.components[domain]), learnt, strict=True):
            by_case, size = np.empty((len(by_region), len(cases))), np.empty(len(by_region))
            for region, numbers in enumerate(by_region):
                exponents, hyper = np.split(numbers, [len(inputs)])
                weight, variance = weights(seen, inputs, hyper)
                by_case[region] = weight * np.exp((inputs - seen) @ exponents)
                size[region] = np.exp(inputs @ exponents) * np.sqrt(variance)
            for case, weight in zip(cases, (shares @ by_case.astype(np.float32)).T, strict=True):
                mean[:, columns] += weight[:, None] * table[case][:, columns]
            deviation[:, columns] = scale[:, columns] * (shares @ size)[:, None]
        return mean, deviation

    def _predict(
        self,
        shape: Shape,
        registration: Registration,
        inputs: Array,
        positions: dict[str, Array],
        cases: NDArray[np.intp],
        fold: int,
    ) -> Fields:
        if unknown := sorted(set(positions) - set(self.tables)):
            raise TramontaneError(f"classical model: no domain {unknown[0]!r}; it was trained on {sorted(self.tables)}")
        place, out = self._place(shape), {}
        for domain, carried in self._carry(place, registration, positions).items():
            mean, deviation = self._at_references(domain, inputs, cases, fold)
            wanted = self._features(domain, place, np.asarray(positions[domain], float))
            index, weight = stencil(carried, wanted)
            out[domain] = weighted(mean, index, weight), deviation[index[:, 0]]
        return out


_ARRAYS = ("feature_mean", "feature_rows", "log_parameters", "input_mean", "input_scale", "inputs", "powers")
_BY_DOMAIN = ("tables", "points", "normals", "centres", "kriging", "spread")


def _shares(points: Array, centres: Array) -> Array:
    """How much each point ``(n, 3)`` belongs to the region of each centre ``(k, 3)``; sums to one over regions."""
    squared = np.stack([((points - centre) ** 2).sum(1) for centre in centres], 1)
    nearest = squared.min(1, keepdims=True)
    share = np.exp((nearest - squared) / (2 * _BLEND**2 * max(float(np.median(nearest)), 1e-30)))
    share[share < 0.05] = 0
    return np.asarray(share / share.sum(1, keepdims=True), np.float32)


def _parts(shares: Array) -> list[NDArray[np.intp]]:
    return [np.flatnonzero(column) for column in shares.T]


def _slices(components: tuple[int, ...]) -> list[slice]:
    ends = np.cumsum(components)
    return [slice(int(end - count), int(end)) for end, count in zip(ends, components, strict=True)]


def _varimax(rows: Array) -> Array:
    """Rotation of orthonormal rows ``(k, n)`` that makes each large in few places (Kaiser 1958)."""
    loadings, rotation = rows.T, np.eye(len(rows))
    for _ in range(100):
        turned = loadings @ rotation
        left, _, right = np.linalg.svd(loadings.T @ (turned**3 - turned * (turned**2).mean(0)))
        rotation = left @ right
    return np.asarray((loadings @ rotation).T)


def _correspond(shapes: Sequence[Shape], fields: Sequence[Fields], planes: dict[int, float] | None) -> Correspondence:
    corners = [(positions.min(0), positions.max(0)) for item in fields for positions, _ in item.values()]
    low, high = np.min([a for a, _ in corners], axis=0), np.max([b for _, b in corners], axis=0)
    planes = cut_planes(shapes, low, high) if planes is None else planes
    margin = 0.01 * (high - low).max()
    nearer_low = {axis: place - low[axis] < high[axis] - place for axis, place in planes.items()}
    low, high = low - margin, high + margin
    for axis, place in planes.items():
        (low if nearer_low[axis] else high)[axis] = place
    return Correspondence(shapes, low, high, planes)
