"""Reference points that all cases of a family share, whatever their meshes: where statistics can begin.

Shapes are registered on a template (`correspondence`). The template's own sites are the reference points, with
midpoints between them where they are few. Mapped onto a shape, at their offsets from its surface (`surface_offset`),
they are where its fields are read off (`neighbours`), which makes a row of a table of every case, and where a predicted
row is interpolated from. A shape's coordinates, its box and how it differs from the template, say which design it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from tramontane.errors import TramontaneError
from tramontane.large_arrays import in_threads
from tramontane.models.correspondence import Correspondence, Registration
from tramontane.models.design_coordinates import DesignCoordinates
from tramontane.models.neighbours import Stencil, in_portions, stencil, weighted, without_spikes
from tramontane.models.recent import Recent, digest
from tramontane.models.shapes import Samples, Shape, Window
from tramontane.models.surface_offset import SurfaceOffset, orient

Array = NDArray[np.floating[Any]]

_KEPT_POSITIONS = 1_000_000  # whose stencil may be remembered, 48 bytes each
_FEW = 8_000  # sites of a template, up to which midpoints join them
_MIDWAY = 6  # neighbours of a site, halfway to which there is a midpoint
_ALIKE = 0.8  # cosine between normals on one face


@dataclass
class MappedShape:
    """A shape with the reference points mapped onto it.

    Attributes:
        coordinates: Which design it is, standard scores ``(d,)``; operating conditions come last.
        points: By domain, where the reference points lie on it ``(references, 3)``, m.
        normals: By domain on the surface, the unit normals there ``(references, 3)``.
        samples: Of its surface.
        registration: How it was matched with the template.
        trees: By domain, the tree of the reference points (and normals), made when first needed.
        surface_features: By domain, `site_correction.surface_features` at the reference points, made when first needed.
        signs: What is unusual about it, measured when first needed.
        stencils: Of the positions of the last predictions, on any shape; None keeps none.
        shape_hash: Of its triangles, where stencils are kept.
    """

    coordinates: Array
    points: dict[str, Array]
    normals: dict[str, Array]
    samples: Samples
    registration: Registration
    trees: dict[str, cKDTree] = field(default_factory=dict)
    surface_features: dict[str, Array] = field(default_factory=dict)
    signs: dict[str, float] = field(default_factory=dict)
    stencils: Recent | None = None
    shape_hash: bytes = b""


class ScatteredField(NamedTuple):
    """A case's fields at its own sites: a tree of what sites are searched by, and values ``(n, c)``."""

    tree: cKDTree
    values: Array


class Family:
    """Shapes, registered on one of them, the template.

    Args:
        window: In which they are sampled.
        samples: Of each one's surface.
        template: Which of them it is.
        registered: Called when one more shape is registered.
    """

    def __init__(
        self, window: Window, samples: Sequence[Samples], template: int, registered: Callable[[], None] = lambda: None
    ) -> None:
        self.samples, self.template = samples, template
        self.correspondence = Correspondence(window, samples[template])

        def register(each: Samples) -> Registration:
            registration = self.correspondence.register(each)
            registered()
            return registration

        self.registrations = in_threads(register, samples)


class ReferenceFrame:
    """The template, its reference points and the coordinates of designs.

    Args:
        family: The training cases' shapes, registered on a template.
        parameters: ``(cases, p)`` operating conditions; ``p`` may be 0.
        sites: By domain, where fields are known on the template ``(n, 3)``, m.
        dimensions: ``(cases, m)`` dimensions by which the geometries were made, where they are known. They are
            estimated for any shape, and then say better than principal components which design it is.
        surfaces: Domains that lie on the shape.
        references: How many reference points to keep in each domain.

    Attributes:
        points: By domain, the reference points in the template's frame ``(references, 3)``.
        surface_offsets: By domain, their offsets from the template's surface.
        oriented: Surfaces on which neighbours are searched by normals, too, when a field is read off. That serves walls
            thinner than the distance of sites, and harms on edges, where a site faces one way or the other.
    """

    def __init__(
        self,
        family: Family,
        parameters: Array,
        sites: dict[str, Array],
        *,
        dimensions: Array | None = None,
        surfaces: Collection[str] = (),
        references: int = 60_000,
    ) -> None:
        self.correspondence = family.correspondence
        self.designs = DesignCoordinates(family.samples, family.registrations, parameters, dimensions)
        template, at = family.samples[family.template], family.registrations[family.template]
        self.surfaces, self.oriented = set(surfaces) & set(sites), set[str]()
        self.points: dict[str, Array] = {}
        self.surface_offsets: dict[str, SurfaceOffset] = {}
        for domain, positions in sites.items():
            # The template's own sites, so that reference points are dense where its mesh is.
            chosen = np.asarray(positions, float)
            if len(chosen) < min(_FEW, references):
                chosen = _with_midpoints(chosen, template if domain in self.surfaces else None)
            chosen = chosen[np.random.default_rng(0).permutation(len(chosen))[:references]]
            self.points[domain] = self.correspondence.to_template(chosen, at)
            offset = SurfaceOffset(chosen, template, self._scale, surface=domain in self.surfaces)
            self.surface_offsets[domain] = offset
        self._prepare()

    def map_shape(self, shape: Shape, parameters: Array, domains: Collection[str] | None = None) -> MappedShape:
        """Register a shape and map the reference points onto it.

        Args:
            shape: The geometry.
            parameters: Its operating conditions ``(p,)``.
            domains: Whose reference points; None takes all.

        Raises:
            TramontaneError: The number of parameters is not that of the training data.
            GeometryError: The shape has no area where fields are known.
        """
        return self.map_registered(*self.register(shape, parameters), domains)

    def register(self, shape: Shape, parameters: Array) -> tuple[Samples, Registration, Array]:
        """A shape's samples, its registration and its coordinates ``(d,)``; errors as in `map_shape`."""
        parameters = np.asarray(parameters, float).reshape(-1)
        if len(parameters) != len(self.designs.log_parameters):
            raise TramontaneError(
                f"{len(parameters)} parameters given; give the {len(self.designs.log_parameters)} of the training cases"
            )
        samples = self.correspondence.window.sample(shape)
        registration = self.correspondence.register(samples)
        return samples, registration, self.designs.transform(samples, registration, parameters)

    def map_registered(
        self,
        samples: Samples,
        registration: Registration,
        coordinates: Array,
        domains: Collection[str] | None = None,
    ) -> MappedShape:
        """Map the reference points onto a shape that is registered.

        Args:
            samples: Of its surface.
            registration: Of the shape.
            coordinates: Which design it is ``(d,)``.
            domains: Whose reference points; None takes all.
        """
        points, normals = {}, {}
        oriented: cKDTree | None = None
        for domain in self.points if domains is None else domains:
            offset = self.surface_offsets[domain]
            points[domain] = self.correspondence.carry(self.points[domain], self.bases[domain], registration)
            if len(offset.near):
                oriented = oriented or cKDTree(orient(samples.points, samples.normals, self._scale))
                points[domain], at_near = offset.restore(points[domain], samples, oriented, self._scale)
                if domain in self.surfaces:
                    normals[domain] = at_near
        return MappedShape(coordinates, points, normals, samples, registration)

    def scattered(self, samples: Samples, domain: str, positions: Array, values: Array) -> ScatteredField:
        """A case's fields at its own sites, ready for `read`.

        Args:
            samples: Of its shape's surface.
            domain: The domain.
            positions: ``(n, 3)``, m.
            values: ``(n, c)``.
        """
        features, values = self._features(domain, samples, np.asarray(positions, float)), np.asarray(values, float)
        if domain in self.surfaces:
            values = without_spikes(features, values)
        return ScatteredField(cKDTree(features), values)

    def read(self, mapped: MappedShape, domain: str, fields: ScatteredField) -> Array:
        """Values ``(references, c)`` of a case at the reference points."""
        references = self._tree(domain, mapped).data
        parts = in_portions(lambda part: stencil(fields.tree, part), references)
        return np.concatenate([weighted(fields.values, part) for part in parts])

    def prepare(self, mapped: MappedShape, domain: str) -> None:
        """Make the tree that `interpolate` searches, which it does itself where it was not done before."""
        self._tree(domain, mapped)

    def interpolate(self, mapped: MappedShape, domain: str, values: Array, positions: Array) -> Array:
        """Values ``(q, c)`` at any positions, m, from those ``(references, c)`` at the reference points."""
        tree = self._tree(domain, mapped)

        def stencil_of(part: Array) -> Stencil:
            return stencil(tree, self._features(domain, mapped.samples, np.asarray(part, float)))

        if mapped.stencils is None or len(positions) > _KEPT_POSITIONS:
            return np.concatenate([weighted(values, part) for part in in_portions(stencil_of, positions)])
        key = mapped.shape_hash, domain, digest(positions)
        return weighted(values, mapped.stencils.get(
            key, lambda: Stencil.joined(in_portions(stencil_of, positions)), size=Stencil.size
        ))  # fmt: skip

    def surroundings(self, mapped: MappedShape, domain: str) -> Array:
        """What the shape is like at each reference point, in diagonals of the mean bounding box.

        Returns:
            ``(references, 6)`` on the surface: the displacement of the point from the template, and its normal;
            ``(references, 7)`` elsewhere: the displacement, the direction to the surface, and the logarithm of the
            distance to it.
        """
        scale = self._scale
        displacement = (mapped.points[domain] - mapped.samples.low - self.points[domain]) / scale
        if domain in self.surfaces:
            return np.concatenate([displacement, mapped.normals[domain]], axis=1)
        distance, index = mapped.samples.tree.query(mapped.points[domain], workers=-1)
        direction = (mapped.samples.points[index] - mapped.points[domain]) / np.maximum(distance, 1e-12)[:, None]
        return np.concatenate([displacement, direction, np.log(distance / scale + 1e-3)[:, None]], axis=1)

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything needed to map shapes and interpolate, as arrays."""
        out = {f"correspondence/{name}": value for name, value in self.correspondence.state().items()}
        out |= {f"designs/{name}": value for name, value in self.designs.state().items()}
        for domain, points in self.points.items():
            kinds = domain in self.surfaces, domain in self.oriented
            out |= {f"points/{domain}": points, f"kinds/{domain}": np.array(kinds)}
            offset = self.surface_offsets[domain].state()
            out |= {f"footing/{domain}/{name}": value for name, value in offset.items()}
        return out

    @classmethod
    def from_state(cls, state: dict[str, NDArray[Any]]) -> ReferenceFrame:
        """The frame that `state` described."""
        self = cls.__new__(cls)
        self.correspondence = Correspondence.from_state(below(state, "correspondence/"))
        self.designs = DesignCoordinates.from_state(below(state, "designs/"))
        self.points = below(state, "points/")
        self.surface_offsets = {
            domain: SurfaceOffset.from_state(below(state, f"footing/{domain}/")) for domain in self.points
        }
        kinds = below(state, "kinds/")
        self.surfaces, self.oriented = ({domain for domain, of in kinds.items() if of[kind]} for kind in range(2))
        self._prepare()
        return self

    def _prepare(self) -> None:
        self.bases = {domain: self.correspondence.basis(points) for domain, points in self.points.items()}

    @property
    def _scale(self) -> float:
        return self.correspondence.window.scale

    def _features(self, domain: str, samples: Samples, positions: Array) -> Array:
        """What neighbours are searched by: positions, beside normals on an oriented surface."""
        if domain not in self.oriented:
            return positions
        return orient(positions, samples.normals[samples.tree.query(positions)[1]], self._scale)

    def _tree(self, domain: str, mapped: MappedShape) -> cKDTree:
        """Of the features of the reference points on a shape."""
        if domain not in mapped.trees:
            points = mapped.points[domain]
            oriented = domain in self.oriented
            mapped.trees[domain] = cKDTree(orient(points, mapped.normals[domain], self._scale) if oriented else points)
        return mapped.trees[domain]


def _with_midpoints(points: Array, surface: Samples | None) -> Array:
    """Points ``(n, 3)``, and those halfway between neighbours; on a surface, between neighbours on one face."""
    near = cKDTree(points).query(points, k=min(_MIDWAY + 1, len(points)), workers=-1)[1].reshape(len(points), -1)
    pairs = np.stack([np.repeat(near[:, 0], near.shape[1] - 1), near[:, 1:].ravel()], 1)
    pairs = np.unique(np.sort(pairs, axis=1), axis=0)
    if surface is not None:
        one, other = (surface.normals[surface.tree.query(points[end])[1]] for end in pairs.T)
        pairs = pairs[np.einsum("nd,nd->n", one, other) > _ALIKE]
    return np.concatenate([points, points[pairs].mean(1)])


def below(state: dict[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    """The entries whose names begin with ``prefix``, without it."""
    return {name[len(prefix) :]: value for name, value in state.items() if name.startswith(prefix)}
