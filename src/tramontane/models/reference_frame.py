"""Reference points that all cases of a family share, whatever their meshes: where statistics can begin.

Shapes are registered on a template (`correspondence`). The template's own sites are the reference points, with
midpoints between them where they are few. Carried onto a shape, at their heights above its surface (`footing`), they
are where its fields are read off (`neighbours`), which makes a row of a table of every case, and where a predicted row
is interpolated from. A shape's coordinates, its box and how it differs from the template, say which design it is.
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
from tramontane.models.footing import Footing, orient
from tramontane.models.neighbours import Stencil, in_portions, stencil, weighted, without_spikes
from tramontane.models.recent import Recent, digest
from tramontane.models.shapes import Samples, Shape, Window

Array = NDArray[np.floating[Any]]

_KEPT_POSITIONS = 1_000_000  # whose stencil may be remembered, 48 bytes each
_FEW = 8_000  # sites of a template, up to which midpoints join them
_MIDWAY = 6  # neighbours of a site, halfway to which there is a midpoint
_ALIKE = 0.8  # cosine between normals on one face


@dataclass
class Placed:
    """A shape with the reference points carried onto it.

    Attributes:
        coordinates: Which design it is, standard scores ``(d,)``; operating conditions come last.
        carried: By domain, where the reference points stand ``(references, 3)``, m.
        normals: By domain on the surface, the unit normals there ``(references, 3)``.
        samples: What is seen of the shape.
        trees: By domain, the tree of the carried points (and normals), made when first asked for.
        lies: By domain, how the surface lies at the reference points, made when first asked for.
        stencils: Of the places that were asked for last, on any shape; None keeps none.
        shape: Tells this shape's from others'.
    """

    coordinates: Array
    carried: dict[str, Array]
    normals: dict[str, Array]
    samples: Samples
    trees: dict[str, cKDTree] = field(default_factory=dict)
    lies: dict[str, Array] = field(default_factory=dict)
    stencils: Recent | None = None
    shape: bytes = b""


class Known(NamedTuple):
    """A case's fields at its own sites: a tree of what sites are searched by, and values ``(n, c)``."""

    tree: cKDTree
    values: Array


class Family:
    """Shapes and how they match one of them, the template.

    Args:
        window: How they are seen.
        samples: What is seen of each.
        template: Which of them it is.
        told: Called when one more shape is matched.
    """

    def __init__(
        self, window: Window, samples: Sequence[Samples], template: int, told: Callable[[], None] = lambda: None
    ) -> None:
        self.samples, self.template = samples, template
        self.correspondence = Correspondence(window, samples[template])

        def register(each: Samples) -> Registration:
            found = self.correspondence.register(each)
            told()
            return found

        self.registrations = in_threads(register, samples)


class ReferenceFrame:
    """The template, its reference points and the coordinates of designs.

    Args:
        family: The training cases' shapes, matched with a template.
        parameters: ``(cases, p)`` operating conditions; ``p`` may be 0.
        sites: By domain, where fields are known on the template ``(n, 3)``, m.
        dimensions: ``(cases, m)`` dimensions by which the geometries were made, where they are known. They are
            estimated for any shape, and then say better than principal components which design it is.
        surfaces: Domains that lie on the shape.
        references: How many reference points to keep in each domain.

    Attributes:
        oriented: Surfaces whose places are told apart by their normals, too, when a field is read off. That serves
            walls thinner than the distance of sites, and harms on edges, where a site faces one way or the other.
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
        self.footings: dict[str, Footing] = {}
        for domain, where in sites.items():
            # The template's own sites, so that reference points are dense where its mesh is.
            chosen = np.asarray(where, float)
            if len(chosen) < min(_FEW, references):
                chosen = _with_midpoints(chosen, template if domain in self.surfaces else None)
            chosen = chosen[np.random.default_rng(0).permutation(len(chosen))[:references]]
            self.points[domain] = self.correspondence.to_template(chosen, at)
            self.footings[domain] = Footing(chosen, template, self._scale, surface=domain in self.surfaces)
        self._prepare()

    def place(self, shape: Shape, parameters: Array, domains: Collection[str] | None = None) -> Placed:
        """Register a shape and carry the reference points onto it.

        Args:
            shape: The geometry.
            parameters: Its operating conditions ``(p,)``.
            domains: Whose reference points; None takes all.

        Raises:
            TramontaneError: The number of parameters is not that of the training data.
            GeometryError: The shape has no area where fields are known.
        """
        return self.put(*self.locate(shape, parameters), domains)

    def locate(self, shape: Shape, parameters: Array) -> tuple[Samples, Registration, Array]:
        """What is seen of a shape, how it matches the template, and its coordinates ``(d,)``; errors as in `place`."""
        parameters = np.asarray(parameters, float).reshape(-1)
        if len(parameters) != len(self.designs.log_parameters):
            raise TramontaneError(
                f"{len(parameters)} parameters given; give the {len(self.designs.log_parameters)} of the training cases"
            )
        samples = self.correspondence.window.sample(shape)
        registration = self.correspondence.register(samples)
        return samples, registration, self.designs.transform(samples, registration, parameters)

    def put(
        self,
        samples: Samples,
        registration: Registration,
        coordinates: Array,
        domains: Collection[str] | None = None,
    ) -> Placed:
        """Carry the reference points onto a shape that is registered.

        Args:
            samples: What is seen of it.
            registration: How it was matched.
            coordinates: Which design it is ``(d,)``.
            domains: Whose reference points; None takes all.
        """
        carried, normals = {}, {}
        oriented: cKDTree | None = None
        for domain in self.points if domains is None else domains:
            footing = self.footings[domain]
            carried[domain] = self.correspondence.carry(self.points[domain], self.bases[domain], registration)
            if len(footing.near):
                oriented = oriented or cKDTree(orient(samples.points, samples.normals, self._scale))
                carried[domain], facing = footing.stand(carried[domain], samples, oriented, self._scale)
                if domain in self.surfaces:
                    normals[domain] = facing
        return Placed(coordinates, carried, normals, samples)

    def known(self, samples: Samples, domain: str, positions: Array, values: Array) -> Known:
        """A case's fields at its own sites, ready to be read off.

        Args:
            samples: What is seen of its shape.
            domain: The domain.
            positions: ``(n, 3)``, m.
            values: ``(n, c)``.
        """
        features, values = self._features(domain, samples, np.asarray(positions, float)), np.asarray(values, float)
        if domain in self.surfaces:
            values = without_spikes(features, values)
        return Known(cKDTree(features), values)

    def read(self, placed: Placed, domain: str, known: Known) -> Array:
        """Values ``(references, c)`` of a case at the reference points."""
        wanted = self._tree(domain, placed).data
        parts = in_portions(lambda part: stencil(known.tree, part), wanted)
        return np.concatenate([weighted(known.values, part) for part in parts])

    def prepare(self, placed: Placed, domain: str) -> None:
        """Make what `answer` will search, which it does itself where it was not done before."""
        self._tree(domain, placed)

    def answer(self, placed: Placed, domain: str, values: Array, positions: Array) -> Array:
        """Values ``(q, c)`` at any positions, m, from those ``(references, c)`` at the reference points."""
        tree = self._tree(domain, placed)

        def seen(part: Array) -> Stencil:
            return stencil(tree, self._features(domain, placed.samples, np.asarray(part, float)))

        if placed.stencils is None or len(positions) > _KEPT_POSITIONS:
            return np.concatenate([weighted(values, part) for part in in_portions(seen, positions)])
        key = placed.shape, domain, digest(positions)
        return weighted(values, placed.stencils.get(
            key, lambda: Stencil.joined(in_portions(seen, positions)), size=Stencil.size
        ))  # fmt: skip

    def surroundings(self, placed: Placed, domain: str) -> Array:
        """What the shape is like at each reference point, in diagonals of the mean bounding box.

        Returns:
            ``(references, 6)`` on the surface: how far the point was carried from the template, and its normal;
            ``(references, 7)`` elsewhere: how far it was carried, the direction to the surface, and the logarithm of
            the distance to it.
        """
        scale = self._scale
        moved = (placed.carried[domain] - placed.samples.low - self.points[domain]) / scale
        if domain in self.surfaces:
            return np.concatenate([moved, placed.normals[domain]], axis=1)
        distance, index = placed.samples.tree.query(placed.carried[domain], workers=-1)
        away = (placed.samples.points[index] - placed.carried[domain]) / np.maximum(distance, 1e-12)[:, None]
        return np.concatenate([moved, away, np.log(distance / scale + 1e-3)[:, None]], axis=1)

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything needed to place and answer, as arrays."""
        out = {f"correspondence/{name}": value for name, value in self.correspondence.state().items()}
        out |= {f"designs/{name}": value for name, value in self.designs.state().items()}
        for domain, points in self.points.items():
            kinds = domain in self.surfaces, domain in self.oriented
            out |= {f"points/{domain}": points, f"kinds/{domain}": np.array(kinds)}
            out |= {f"footing/{domain}/{name}": value for name, value in self.footings[domain].state().items()}
        return out

    @classmethod
    def from_state(cls, state: dict[str, NDArray[Any]]) -> ReferenceFrame:
        """The frame that `state` described."""
        self = cls.__new__(cls)
        self.correspondence = Correspondence.from_state(below(state, "correspondence/"))
        self.designs = DesignCoordinates.from_state(below(state, "designs/"))
        self.points = below(state, "points/")
        self.footings = {domain: Footing.from_state(below(state, f"footing/{domain}/")) for domain in self.points}
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

    def _tree(self, domain: str, placed: Placed) -> cKDTree:
        """Of the features of the carried reference points."""
        if domain not in placed.trees:
            points = placed.carried[domain]
            oriented = domain in self.oriented
            placed.trees[domain] = cKDTree(orient(points, placed.normals[domain], self._scale) if oriented else points)
        return placed.trees[domain]


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
