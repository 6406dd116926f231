"""Points near a shape's surface keep their height above it when they are carried onto another shape.

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

_NEAR = 0.002  # height, in diagonals of the mean bounding box, up to which it is kept
_BESIDE = 0.015  # farthest sample, in the same, whose tangent plane says how high a point is
_FARTHEST = 0.02  # in the same, beyond which no point is moved: its surface is not there
_NORMAL = 0.1  # what a unit change of the normal counts beside distance, in the same
_AROUND = 8  # near points that say how one between them moves
_FADES = 0.05  # in the same diagonals, how far from near points
_ARRAYS = ("near", "normals", "heights", "between", "around", "share")


class Footing:
    """How points stand above the template's surface.

    Args:
        points: ``(n, 3)``, m, on or about the template.
        template: What is seen of it.
        scale: Diagonal of the mean bounding box, m.
        surface: Whether they all lie on the surface.

    Attributes:
        near: The points ``(m,)`` whose height is kept; all on a surface.
        normals: The template's unit normals at these ``(m, 3)``.
        heights: Above its tangent planes there ``(m,)``, m.
        between: Points ``(k,)`` that follow the near ones around them.
    """

    near: NDArray[np.intp]
    normals: Array
    heights: Array
    between: NDArray[np.intp]

    def __init__(self, points: Array, template: Samples, scale: float, *, surface: bool) -> None:
        distance, sample = template.tree.query(points, workers=-1)
        normals = template.normals[sample]
        heights = np.einsum("nd,nd->n", points - template.points[sample], normals)
        close = (np.abs(heights) < _NEAR * scale) & (distance < _BESIDE * scale)
        self.near = np.arange(len(points)) if surface else np.flatnonzero(close)
        self.normals, self.heights = normals[self.near], heights[self.near]
        others = np.setdiff1d(np.arange(len(points)), self.near)
        count = min(_AROUND, len(self.near))
        self.between, self.around = np.zeros(0, np.intp), np.zeros((0, count), np.intp)
        self.share = np.zeros((0, count), np.float32)
        if count and len(others):
            away, around = cKDTree(points[self.near]).query(points[others], k=count, workers=-1)
            away, around = away.reshape(-1, count), around.reshape(-1, count)
            weight = 1 / np.maximum(away, 1e-9 * scale) ** 2
            weight *= np.exp(-((away[:, :1] / (_FADES * scale)) ** 2)) / weight.sum(1, keepdims=True)
            told = weight.sum(1) > 0.01
            self.between, self.around, self.share = others[told], around[told], weight[told].astype(np.float32)

    def stand(self, points: Array, samples: Samples, oriented: cKDTree, scale: float) -> tuple[Array, Array]:
        """Points carried onto a shape, moved to their heights above it.

        Args:
            points: ``(n, 3)``, m.
            samples: What is seen of the shape.
            oriented: Their tree, by `orient`.
            scale: As above.

        Returns:
            Points ``(n, 3)``, m, and the shape's unit normals ``(m, 3)`` at the near ones.
        """
        moved = np.array(points, float)
        at = moved[self.near]
        # A point belongs to the nearest place whose normal is like the template's.
        sample = oriented.query(orient(at, self.normals, scale), workers=-1)[1]
        normals = samples.normals[sample]
        lacks = self.heights - np.einsum("nd,nd->n", at - samples.points[sample], normals)
        steps = np.clip(lacks, -_FARTHEST * scale, _FARTHEST * scale)[:, None] * normals
        moved[self.near] += steps
        moved[self.between] += np.einsum("nk,nkd->nd", self.share, steps[self.around])
        return moved, normals

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything needed to stand, as arrays."""
        return {name: getattr(self, name) for name in _ARRAYS}

    @classmethod
    def from_state(cls, state: dict[str, NDArray[Any]]) -> Footing:
        """The footing that `state` described."""
        self = cls.__new__(cls)
        for name in _ARRAYS:
            setattr(self, name, state[name])
        return self


def orient(points: Array, normals: Array, scale: float) -> Array:
    """What places on a surface are told apart by ``(n, 6)``, m: where they are, and which way they face."""
    return np.concatenate([points, _NORMAL * scale * normals], axis=1)
