"""Reference points that all cases of a family share, whatever their meshes: where statistics can begin.

Shapes are registered on a template (`correspondence`). The template's own sites are the reference points: carried onto
a shape, they are where its fields are read off (`neighbours`), which makes a row of a table of every case, and where a
predicted row is interpolated from. A shape's coordinates, its box and how it differs from the template, say which
design it is.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from tramontane.errors import TramontaneError
from tramontane.models.correspondence import Correspondence, Registration, Shape, cut_planes
from tramontane.models.neighbours import stencil, weighted, without_spikes

Array = NDArray[np.floating[Any]]

_NORMAL = 0.1  # what a unit change of the normal counts against distance, in diagonals of the mean bounding box
_AVERAGED = 4  # samples whose mean is a place's normal, so that it hardly depends on where they were drawn
_FACING = 0.8  # cosine between normals of one face
_ON = 0.01  # median distance to the shape, in diagonals, below which a domain lies on it
_SHARE = 0.001  # least share in the variance of shape features that makes a coordinate
_COORDINATES = 14


@dataclass
class Placed:
    """A shape with the reference points carried onto it.

    Attributes:
        coordinates: Which design it is, standard scores ``(d,)``; operating conditions come last.
        low: Corner of the shape's box ``(3,)``, m.
        carried: By domain, where the reference points lie ``(references, 3)``, m.
        normals: By domain on the surface, the unit normals there ``(references, 3)``.
        nearest: Tree of samples of the shape.
        sample_normals: Their unit normals.
        trees: By domain, the tree of the carried points (and normals), made when first asked for.
    """

    coordinates: Array
    low: Array
    carried: dict[str, Array]
    normals: dict[str, Array]
    nearest: cKDTree
    sample_normals: Array
    trees: dict[str, cKDTree] = field(default_factory=dict)


class ReferenceFrame:
    """The template, its reference points and the coordinates of designs.

    Args:
        shapes: Each training case's geometry.
        parameters: ``(cases, p)`` operating conditions; ``p`` may be 0.
        positions: By case and domain, where fields are known ``(n, 3)``, m.
        dimensions: ``(cases, m)`` dimensions by which the geometries were made, where they are known. They are
            estimated for any shape, and then say better than principal components which design it is.
        surfaces: Domains that lie on the shape; found from the data where None.
        planes: By axis, where symmetry or the ground cuts shapes off; found from the data where None.
        references: How many reference points to keep in each domain.

    Raises:
        GeometryError: A shape has no area where fields are known.
    """

    def __init__(
        self,
        shapes: Sequence[Shape],
        parameters: Array,
        positions: Sequence[dict[str, Array]],
        *,
        dimensions: Array | None = None,
        surfaces: Collection[str] | None = None,
        planes: dict[int, float] | None = None,
        references: int = 60_000,
    ) -> None:
        self.correspondence = _correspond(shapes, positions, planes)
        registrations = [self.correspondence.register(shape) for shape in shapes]
        self._describe(registrations, parameters, dimensions)
        case = self.correspondence.template
        points, normals = self.correspondence.sample(shapes[case])
        tree = cKDTree(points)
        self.points: dict[str, Array] = {}
        self.normals: dict[str, Array] = {}
        for domain, where in positions[case].items():
            # The template's own sites, so that reference points are dense where its mesh is.
            keep = np.random.default_rng(0).permutation(len(where))[:references]
            chosen = np.asarray(where, float)[keep]
            self.points[domain] = self.correspondence.to_template(chosen, registrations[case])
            distance, index = tree.query(chosen)
            near = np.median(distance) < _ON * self.correspondence.scale
            if near if surfaces is None else domain in surfaces:
                self.normals[domain] = normals[index]
        self._prepare()

    def place(self, shape: Shape, parameters: Array) -> Placed:
        """Register a shape and carry the reference points onto it.

        Args:
            shape: The geometry.
            parameters: Its operating conditions ``(p,)``.

        Raises:
            TramontaneError: The number of parameters is not that of the training data.
            GeometryError: The shape has no area where fields are known.
        """
        parameters = np.asarray(parameters, float).reshape(-1)
        if len(parameters) != len(self.log_parameters):
            raise TramontaneError(
                f"{len(parameters)} parameters given; give the {len(self.log_parameters)} of the training cases"
            )
        points, sample_normals = samples = self.correspondence.sample(shape)
        registration = self.correspondence.register(shape, samples)
        coordinates = (self._raw(registration, parameters) - self.input_mean) * self.input_scale
        weight = _NORMAL * self.correspondence.scale
        carried, normals = {}, {}
        oriented: cKDTree | None = None
        for domain, reference in self.points.items():
            carried[domain] = self.correspondence.carry(reference, self.bases[domain], registration)
            if domain in self.normals:
                # A reference point takes the normal of the nearest place whose normal is like the template's.
                oriented = oriented or cKDTree(np.concatenate([points, weight * sample_normals], 1))
                wanted = np.concatenate([carried[domain], weight * self.normals[domain]], 1)
                normals[domain] = _mean_normals(sample_normals, oriented.query(wanted, k=_AVERAGED, workers=-1)[1])
        return Placed(coordinates, registration.low, carried, normals, cKDTree(points), sample_normals)

    def read(self, placed: Placed, domain: str, positions: Array, values: Array) -> Array:
        """Values ``(references, c)`` at the reference points, from those ``(n, c)`` at a case's own sites, m."""
        known = self._features(domain, placed, np.asarray(positions, float))
        values = np.asarray(values, float)
        if domain in self.normals:
            values = without_spikes(known, values)
        return weighted(values, *stencil(cKDTree(known), self._tree(domain, placed).data))

    def answer(self, placed: Placed, domain: str, values: Array, positions: Array) -> Array:
        """Values ``(q, c)`` at any positions, m, from those ``(references, c)`` at the reference points."""
        wanted = self._features(domain, placed, np.asarray(positions, float))
        return weighted(values, *stencil(self._tree(domain, placed), wanted))

    def surroundings(self, placed: Placed, domain: str) -> Array:
        """What the shape is like at each reference point, in diagonals of the mean bounding box.

        Returns:
            ``(references, 6)`` on the surface: how far the point was carried from the template, and its normal;
            ``(references, 7)`` elsewhere: how far it was carried, the direction to the surface, and the logarithm of
            the distance to it.
        """
        scale = self.correspondence.scale
        moved = (placed.carried[domain] - placed.low - self.points[domain]) / scale
        if domain in self.normals:
            return np.concatenate([moved, placed.normals[domain]], axis=1)
        distance, index = placed.nearest.query(placed.carried[domain], workers=-1)
        away = (placed.nearest.data[index] - placed.carried[domain]) / np.maximum(distance, 1e-12)[:, None]
        return np.concatenate([moved, away, np.log(distance / scale + 1e-3)[:, None]], axis=1)

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything needed to place and answer, as arrays."""
        out = {f"correspondence/{name}": value for name, value in self.correspondence.state().items()}
        out |= {name: getattr(self, name) for name in _ARRAYS}
        return out | {f"{name}/{domain}": value for name in _BY_DOMAIN for domain, value in getattr(self, name).items()}

    @classmethod
    def from_state(cls, state: dict[str, NDArray[Any]]) -> ReferenceFrame:
        """The frame that `state` described."""
        self = cls.__new__(cls)
        self.correspondence = Correspondence.from_state(below(state, "correspondence/"))
        for name in _ARRAYS:
            setattr(self, name, state[name])
        for name in _BY_DOMAIN:
            setattr(self, name, below(state, f"{name}/"))
        self._prepare()
        return self

    def _prepare(self) -> None:
        self.bases = {domain: self.correspondence.basis(points) for domain, points in self.points.items()}

    def _describe(self, registrations: list[Registration], parameters: Array, dimensions: Array | None) -> None:
        """The coordinates of designs: box, bulk, estimated dimensions or principal components, parameters."""
        features = np.array([_shape_features(registration) for registration in registrations])
        self.feature_mean = features.mean(0)
        _, singular, rows = np.linalg.svd(features - self.feature_mean, full_matrices=False)
        large = singular**2 > max(_SHARE * float((singular**2).sum()), 1e-8 * features.size)
        count = min(int(large.sum()), _COORDINATES, max(len(features) // 4, 1))
        # Each Gaussian process learns a length per coordinate: those that each touch few control points tell it most.
        self.feature_rows = _varimax(rows[:count]) if count else rows[:0]
        left_out = None
        if dimensions is not None and dimensions.shape[1]:
            self.feature_rows, left_out = _regress(features - self.feature_mean, dimensions)
        count = len(self.feature_rows)
        self.log_parameters = (parameters > 0).all(0) & (parameters.max(0) > 1.5 * parameters.min(0))
        raw = np.array([self._raw(*pair) for pair in zip(registrations, parameters, strict=True)])
        if left_out is not None:
            # What a new shape's dimensions would be estimated as, not what fits the training shapes.
            raw[:, 5 : 5 + count] = left_out
        self.input_mean, deviation = raw.mean(0), raw.std(0)
        # A box edge or bulk that changes by less than 0.1 % is noise of the sampling.
        varies = deviation > np.where(np.arange(raw.shape[1]) < 5, 1e-3, 1e-9)
        self.input_scale = np.where(varies, 1 / np.maximum(deviation, 1e-30), 0.0)
        self.coordinates = (raw - self.input_mean) * self.input_scale

    def _raw(self, registration: Registration, parameters: Array) -> Array:
        scores = self.feature_rows @ (_shape_features(registration) - self.feature_mean)
        numbers = np.where(self.log_parameters, np.log(np.maximum(parameters, 1e-30)), parameters)
        return np.concatenate([np.log(registration.extent), np.log(registration.bulk), scores, numbers])

    def _features(self, domain: str, placed: Placed, positions: Array) -> Array:
        """What neighbours are searched by: positions, beside normals where the domain lies on the shape."""
        if domain not in self.normals:
            return positions
        index = placed.nearest.query(positions, k=_AVERAGED, workers=-1)[1]
        normals = _mean_normals(placed.sample_normals, index)
        return np.concatenate([positions, _NORMAL * self.correspondence.scale * normals], 1)

    def _tree(self, domain: str, placed: Placed) -> cKDTree:
        """The carried reference points, with normals as further features where the domain lies on the shape."""
        if domain not in placed.trees:
            points = placed.carried[domain]
            if domain in self.normals:
                weight = _NORMAL * self.correspondence.scale
                points = np.concatenate([points, weight * placed.normals[domain]], axis=1)
            placed.trees[domain] = cKDTree(points)
        return placed.trees[domain]


_ARRAYS = ("feature_mean", "feature_rows", "log_parameters", "input_mean", "input_scale", "coordinates")
_BY_DOMAIN = ("points", "normals")


def below(state: dict[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    """The entries whose names begin with ``prefix``, without it."""
    return {name[len(prefix) :]: value for name, value in state.items() if name.startswith(prefix)}


def _mean_normals(normals: Array, index: NDArray[np.intp]) -> Array:
    """The mean normal ``(n, 3)`` of the samples ``(n, k)`` around each place that face as the nearest does."""
    around = normals[index]
    like = (around * around[:, :1]).sum(-1, keepdims=True) > _FACING
    mean = (around * like).sum(1)
    return np.asarray(mean / np.linalg.norm(mean, axis=1, keepdims=True))


def _shape_features(registration: Registration) -> Array:
    """What a shape's dimensions are estimated from: displacements and normals, box and bulk."""
    return np.concatenate([registration.features, np.log(registration.extent), np.log(registration.bulk)])


def _regress(features: Array, wanted: Array) -> tuple[Array, Array]:
    """Linear estimates of numbers from many features, ridge regression with the penalty that leave-one-out likes best.

    Args:
        features: ``(n, f)``, centred.
        wanted: ``(n, m)``.

    Returns:
        Rows ``(k, f)`` of the estimates that are of use, and their values ``(n, k)`` for each case left out.
    """
    wanted = (wanted - wanted.mean(0)) / np.maximum(wanted.std(0), 1e-30)
    left, singular, right = np.linalg.svd(features, full_matrices=False)
    rows, estimates = [], []
    for target in wanted.T:
        if not np.ptp(target) > 1e-6:
            continue
        best: tuple[float, Array, Array] | None = None
        for penalty in singular[0] ** 2 * 10.0 ** -np.arange(1.0, 9.0):
            share = singular**2 / (singular**2 + penalty)
            hat = (left * share) @ left.T
            residual = (target - hat @ target) / np.maximum(1 - np.diag(hat) - 1 / len(target), 1e-3)
            error = float((residual**2).mean())
            if best is None or error < best[0]:
                slope = right.T @ (share / np.maximum(singular, 1e-30) * (left.T @ target))
                best = (error, slope, target - residual)
        if best is not None and best[0] < 0.5:
            rows.append(best[1])
            estimates.append(best[2])
    if not rows:
        return features[:0], wanted[:, :0]
    return np.array(rows), np.array(estimates).T


def _varimax(rows: Array) -> Array:
    """Rotation of orthonormal rows ``(k, n)`` that makes each large in few places (Kaiser 1958)."""
    loadings, rotation = rows.T, np.eye(len(rows))
    for _ in range(100):
        turned = loadings @ rotation
        left, _, right = np.linalg.svd(loadings.T @ (turned**3 - turned * (turned**2).mean(0)))
        rotation = left @ right
    return np.asarray((loadings @ rotation).T)


def _correspond(
    shapes: Sequence[Shape], positions: Sequence[dict[str, Array]], planes: dict[int, float] | None
) -> Correspondence:
    corners = [(where.min(0), where.max(0)) for item in positions for where in item.values()]
    low, high = np.min([a for a, _ in corners], axis=0), np.max([b for _, b in corners], axis=0)
    planes = cut_planes(shapes, low, high) if planes is None else planes
    margin = 0.01 * (high - low).max()
    nearer_low = {axis: place - low[axis] < high[axis] - place for axis, place in planes.items()}
    low, high = low - margin, high + margin
    for axis, place in planes.items():
        (low if nearer_low[axis] else high)[axis] = place
    return Correspondence(shapes, low, high, planes)
