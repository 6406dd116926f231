"""Points near a shape's surface keep their offset from it when they are mapped onto another shape.

Registration is smooth: it cannot move the two sides of a thin rib apart, and leaves points of a wall above or below it.
But stress in a plate goes from tension to compression over its thickness, and a flow over its boundary layer, so that a
point off by a few hundredths of either reads off another value.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from tramontane.models.shapes import Samples

Array = NDArray[np.floating[Any]]

_NEAR = 0.002  # offset, in diagonals of the mean bounding box, up to which it is kept
_BESIDE = 0.015  # farthest sample, in the same, from whose tangent plane an offset is measured
_FARTHEST = 0.02  # in the same, beyond which no point is moved: its surface is not there
_NORMAL = 0.1  # what a unit change of the normal counts beside distance, in the same
_NEIGHBOURS = 8  # near points from which the displacement of another one is interpolated
_FADES = 0.05  # in the same diagonals, how far from near points
_SAVED = {
    "near": "near",
    "normals": "normals",
    "heights": "offsets",
    "between": "followers",
    "around": "neighbours",
    "share": "weights",
}
"""By the name of a saved array, the attribute that holds it."""


class SurfaceOffset:
    """Offsets of points from the template's surface, and how to restore them on other shapes.

    Args:
        points: ``(n, 3)``, m, on or about the template.
        template: Samples of its surface.
        scale: Diagonal of the mean bounding box, m.
        surface: Whether they all lie on the surface.

    Attributes:
        near: The points ``(m,)`` whose offset is kept; all on a surface.
        normals: The template's unit normals at these ``(m, 3)``.
        offsets: Signed distances from its tangent planes there ``(m,)``, m.
        followers: Points ``(k,)`` farther away, which move with near points around them.
        neighbours: Which of the near points these are ``(k, j)``.
        weights: Of their displacements ``(k, j)``.
    """

    near: NDArray[np.intp]
    normals: Array
    offsets: Array
    followers: NDArray[np.intp]
    neighbours: NDArray[np.intp]
    weights: Array

    def __init__(self, points: Array, template: Samples, scale: float, *, surface: bool) -> None:
        distance, sample = template.tree.query(points, workers=-1)
        normals = template.normals[sample]
        offsets = np.einsum("nd,nd->n", points - template.points[sample], normals)
        close = (np.abs(offsets) < _NEAR * scale) & (distance < _BESIDE * scale)
        self.near = np.arange(len(points)) if surface else np.flatnonzero(close)
        self.normals, self.offsets = normals[self.near], offsets[self.near]
        others = np.setdiff1d(np.arange(len(points)), self.near)
        count = min(_NEIGHBOURS, len(self.near))
        self.followers, self.neighbours = np.zeros(0, np.intp), np.zeros((0, count), np.intp)
        self.weights = np.zeros((0, count), np.float32)
        if count and len(others):
            distances, neighbours = cKDTree(points[self.near]).query(points[others], k=count, workers=-1)
            distances, neighbours = distances.reshape(-1, count), neighbours.reshape(-1, count)
            weights = 1 / np.maximum(distances, 1e-9 * scale) ** 2
            weights *= np.exp(-((distances[:, :1] / (_FADES * scale)) ** 2)) / weights.sum(1, keepdims=True)
            moved = weights.sum(1) > 0.01
            self.followers, self.neighbours = others[moved], neighbours[moved]
            self.weights = weights[moved].astype(np.float32)

    def restore(self, points: Array, samples: Samples, oriented: cKDTree, scale: float) -> tuple[Array, Array]:
        """Points mapped onto a shape, moved to their offsets from its surface.

        Args:
            points: ``(n, 3)``, m.
            samples: Of the shape's surface.
            oriented: Their tree, by `orient`.
            scale: As above.

        Returns:
            Points ``(n, 3)``, m, and the shape's unit normals ``(m, 3)`` at the near ones.
        """
        moved = np.array(points, float)
        near = moved[self.near]
        # A point belongs to the nearest place whose normal is like the template's.
        sample = oriented.query(orient(near, self.normals, scale), workers=-1)[1]
        normals = samples.normals[sample]
        differences = self.offsets - np.einsum("nd,nd->n", near - samples.points[sample], normals)
        steps = np.clip(differences, -_FARTHEST * scale, _FARTHEST * scale)[:, None] * normals
        moved[self.near] += steps
        moved[self.followers] += np.einsum("nk,nkd->nd", self.weights, steps[self.neighbours])
        return moved, normals

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything needed to restore, as arrays."""
        return {name: getattr(self, attribute) for name, attribute in _SAVED.items()}

    @classmethod
    def from_state(cls, state: dict[str, NDArray[Any]]) -> SurfaceOffset:
        """The offsets that `state` described."""
        self = cls.__new__(cls)
        for name, attribute in _SAVED.items():
            setattr(self, attribute, state[name])
        return self


def orient(points: Array, normals: Array, scale: float) -> Array:
    """What places on a surface are told apart by ``(n, 6)``, m: where they are, and which way they face."""
    return np.concatenate([points, _NORMAL * scale * normals], axis=1)
