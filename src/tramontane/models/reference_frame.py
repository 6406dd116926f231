"""Reference points that all cases of a family share, whatever their meshes: where statistics can begin.

Shapes are registered on a template (`correspondence`). The template's own sites are the reference points: carried onto
a shape, they are where its fields are read off (`neighbours`), which makes a row of a table of every case, and where a
predicted row is interpolated from. A shape's coordinates, its box and how it differs from the template, say which
design it is.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from tramontane.errors import TramontaneError
from tramontane.models.correspondence import Correspondence, Registration
from tramontane.models.design_coordinates import DesignCoordinates
from tramontane.models.neighbours import Stencil, in_portions, stencil, weighted, without_spikes
from tramontane.models.recent import Recent, digest
from tramontane.models.shapes import Samples, Shape, Window

Array = NDArray[np.floating[Any]]

_KEPT_POSITIONS = 1_000_000  # whose stencil may be remembered, 48 bytes each
_NORMAL = 0.1  # what a unit change of the normal counts against distance, in diagonals of the mean bounding box


@dataclass
class Placed:
    """A shape with the reference points carried onto it.

    Attributes:
        coordinates: Which design it is, standard scores ``(d,)``; operating conditions come last.
        carried: By domain, where the reference points lie ``(references, 3)``, m.
        normals: By domain on the surface, the unit normals there ``(references, 3)``.
        samples: What is seen of the shape.
        trees: By domain, the tree of the carried points (and normals), made when first asked for.
        stencils: Of the places that were asked for last, on any shape; None keeps none.
        shape: Tells this shape's from others'.
    """

    coordinates: Array
    carried: dict[str, Array]
    normals: dict[str, Array]
    samples: Samples
    trees: dict[str, cKDTree] = field(default_factory=dict)
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
    """

    def __init__(self, window: Window, samples: Sequence[Samples], template: int) -> None:
        self.samples, self.template = samples, template
        self.correspondence = Correspondence(window, samples[template])
        self.registrations = [self.correspondence.register(each) for each in samples]


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
        self.points: dict[str, Array] = {}
        self.normals: dict[str, Array] = {}
        for domain, where in sites.items():
            # The template's own sites, so that reference points are dense where its mesh is.
            keep = np.random.default_rng(0).permutation(len(where))[:references]
            chosen = np.asarray(where, float)[keep]
            self.points[domain] = self.correspondence.to_template(chosen, at)
            if domain in surfaces:
                self.normals[domain] = template.normals[template.tree.query(chosen)[1]]
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
        return samples, registration, self.designs.of(samples, registration, parameters)

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
        weight = _NORMAL * self.correspondence.window.scale
        carried, normals = {}, {}
        oriented: cKDTree | None = None
        for domain in self.points if domains is None else domains:
            reference = self.points[domain]
            carried[domain] = self.correspondence.carry(reference, self.bases[domain], registration)
            if domain in self.normals:
                # A reference point takes the normal of the nearest place whose normal is like the template's.
                oriented = oriented or cKDTree(np.concatenate([samples.points, weight * samples.normals], 1))
                wanted = np.concatenate([carried[domain], weight * self.normals[domain]], 1)
                normals[domain] = samples.normals[oriented.query(wanted, workers=-1)[1]]
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
        if domain in self.normals:
            values = without_spikes(features, values)
        return Known(cKDTree(features), values)

    def read(self, placed: Placed, domain: str, known: Known) -> Array:
        """Values ``(references, c)`` of a case at the reference points."""
        wanted = self._tree(domain, placed).data
        parts = in_portions(lambda part: weighted(known.values, stencil(known.tree, part)), wanted)
        return np.concatenate(parts)

    def answer(self, placed: Placed, domain: str, values: Array, positions: Array) -> Array:
        """Values ``(q, c)`` at any positions, m, from those ``(references, c)`` at the reference points."""
        tree = self._tree(domain, placed)

        def seen(part: Array) -> Stencil:
            return stencil(tree, self._features(domain, placed.samples, np.asarray(part, float)))

        if placed.stencils is None or len(positions) > _KEPT_POSITIONS:
            return np.concatenate(in_portions(lambda part: weighted(values, seen(part)), positions))
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
        scale = self.correspondence.window.scale
        moved = (placed.carried[domain] - placed.samples.low - self.points[domain]) / scale
        if domain in self.normals:
            return np.concatenate([moved, placed.normals[domain]], axis=1)
        distance, index = placed.samples.tree.query(placed.carried[domain], workers=-1)
        away = (placed.samples.points[index] - placed.carried[domain]) / np.maximum(distance, 1e-12)[:, None]
        return np.concatenate([moved, away, np.log(distance / scale + 1e-3)[:, None]], axis=1)

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything needed to place and answer, as arrays."""
        out = {f"correspondence/{name}": value for name, value in self.correspondence.state().items()}
        out |= {f"designs/{name}": value for name, value in self.designs.state().items()}
        return out | {f"{name}/{domain}": value for name in _BY_DOMAIN for domain, value in getattr(self, name).items()}

    @classmethod
    def from_state(cls, state: dict[str, NDArray[Any]]) -> ReferenceFrame:
        """The frame that `state` described."""
        self = cls.__new__(cls)
        self.correspondence = Correspondence.from_state(below(state, "correspondence/"))
        self.designs = DesignCoordinates.from_state(below(state, "designs/"))
        for name in _BY_DOMAIN:
            setattr(self, name, below(state, f"{name}/"))
        self._prepare()
        return self

    def _prepare(self) -> None:
        self.bases = {domain: self.correspondence.basis(points) for domain, points in self.points.items()}

    def _features(self, domain: str, samples: Samples, positions: Array) -> Array:
        """What neighbours are searched by: positions, beside normals where the domain lies on the shape."""
        if domain not in self.normals:
            return positions
        normals = samples.normals[samples.tree.query(positions)[1]]
        return np.concatenate([positions, _NORMAL * self.correspondence.window.scale * normals], 1)

    def _tree(self, domain: str, placed: Placed) -> cKDTree:
        """The carried reference points, with normals as further features where the domain lies on the shape."""
        if domain not in placed.trees:
            points = placed.carried[domain]
            if domain in self.normals:
                weight = _NORMAL * self.correspondence.window.scale
                points = np.concatenate([points, weight * placed.normals[domain]], axis=1)
            placed.trees[domain] = cKDTree(points)
        return placed.trees[domain]


_BY_DOMAIN = ("points", "normals")


def below(state: dict[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    """The entries whose names begin with ``prefix``, without it."""
    return {name[len(prefix) :]: value for name, value in state.items() if name.startswith(prefix)}
