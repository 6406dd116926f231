"""A triangle surface with about as many triangles as asked for, whatever its shape.

The longest edges are bisected first, and every triangle that an edge belongs to is bisected with it; where that edge is
not the triangle's longest, its longest edge is bisected, too (Rivara 1984, Int. J. Numer. Meth. Eng. 20, 745). So a
needle is cut across, where a division of all its edges would make many thinner needles of it. New points are midpoints
of edges: the surface stays the same, closed where it was closed, and its creases stay edges.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tramontane.deadline import check_deadline

Array = NDArray[np.floating[Any]]
Triangles = NDArray[np.int64]
_STEP = 2.0**0.5  # by which the longest edge shrinks in a pass, about
_MOST, _LEAST = 1.3, 0.75  # times the number asked for: what a whole pass may end at
_MORE = 0.35, 0.5  # shares of it by which a surface of many triangles grows, about and at most
_TRIES = 6  # thresholds tried for the last pass
_IDEAL = 2.0  # an edge's length over the root of its triangle's area where triangles are halved squares


def refine(points: Array, triangles: Triangles, cells: int) -> tuple[Array, Triangles]:
    """Bisect longest edges until there are about ``cells`` triangles.

    A surface that has many triangles already gets at most half of ``cells`` more, where its triangles are longer than
    those of an even mesh of that number: a drawing of a large flat face needs them, however fine the fillets are.

    Args:
        points: ``(n, 3)``.
        triangles: ``(m, 3)``, which share the points at their common edges.
        cells: How many triangles are asked for.

    Returns:
        Points, the given ones first, and triangles: 0.7 to 1.5 times as many as asked for, or the given number and at
        most half of ``cells`` more.
    """
    points, triangles = np.asarray(points, dtype=np.float64), np.array(triangles, dtype=np.int64)
    about, most = (
        max(share * cells, len(triangles) + more * cells) for share, more in zip((1, _MOST), _MORE, strict=True)
    )
    sides = [points[triangles[:, end]] - points[triangles[:, start]] for start, end in ((0, 1), (1, 2), (2, 0))]
    # No edge is cut that is short in an even mesh: else all of a sphere's equal triangles would be cut, or none.
    even = _IDEAL * (_area(sides) / cells) ** 0.5 if 2 * len(triangles) > cells else 0.0
    if max(float(np.einsum("nd,nd->n", side, side).max()) for side in sides) <= even**2:
        return points, triangles
    mesh = _Mesh(points, triangles)
    while len(mesh.triangles) < about:
        check_deadline()
        threshold = max(float(mesh.longest.max()) / _STEP, even)
        order = np.flatnonzero(mesh.longest > threshold)
        if not len(order):
            break
        cut, count = mesh.spread(order)
        if count > most and len(mesh.triangles) > _LEAST * about:
            break
        if count > most:
            cut = _part(mesh, order[np.argsort(-mesh.longest[order], kind="stable")], about)
        mesh.bisect(cut)
        if count > about:
            break
    return mesh.points, mesh.triangles


def refine_edges(points: Array, triangles: Triangles, longest: float) -> tuple[Array, Triangles]:
    """Bisect edges until none is longer than ``longest``.

    Args:
        points: ``(n, 3)``.
        triangles: ``(m, 3)``, which share the points at their common edges.
        longest: In the unit of the points.

    Returns:
        Points, the given ones first, and triangles.
    """
    mesh = _Mesh(np.asarray(points, dtype=np.float64), np.array(triangles, dtype=np.int64))
    while len(order := np.flatnonzero(mesh.longest > longest)):
        check_deadline()
        cut, _ = mesh.spread(order)
        mesh.bisect(cut)
    return mesh.points, mesh.triangles


class _Mesh:
    """Triangles and their edges.

    Attributes:
        points: ``(n, 3)``.
        triangles: ``(m, 3)``.
        edges: Of each triangle ``(m, 3)``: from its first point to the second, and so on.
        ends: Points of each edge ``(e, 2)``.
        lengths: Of each edge ``(e,)``.
        place: Which of a triangle's edges is longest ``(m,)``.
        longest: How long that is ``(m,)``.
    """

    def __init__(self, points: Array, triangles: Triangles) -> None:
        self.points, self.triangles = points, triangles
        starts, ends = triangles.ravel(), triangles[:, [1, 2, 0]].ravel()
        keys = np.minimum(starts, ends) * len(points) + np.maximum(starts, ends)
        unique, index = np.unique(keys, return_inverse=True)
        self.ends = np.stack(np.divmod(unique, len(points)), axis=1)
        self.edges = index.reshape(-1, 3)
        self.lengths = self._lengths(self.ends)
        self.place, self.longest = self._longest(self.edges)

    def spread(self, some: NDArray[np.intp]) -> tuple[NDArray[np.bool_], int]:
        """Which edges are cut where the longest of some triangles are, and how many triangles there are then."""
        cut = np.zeros(len(self.ends), np.bool_)
        cut[self.edges[some, self.place[some]]] = True
        while True:
            touched = np.flatnonzero(cut[self.edges].any(axis=1))
            longest = self.edges[touched, self.place[touched]]
            if cut[longest].all():
                return cut, len(self.edges) + int(cut[self.edges[touched]].sum())
            cut[longest] = True

    def bisect(self, cut: NDArray[np.bool_]) -> None:
        """Bisect edges, and the triangles that have any of them, their longest among them."""
        old, new = np.flatnonzero(cut), int(cut.sum())
        middle, second = np.full(len(cut), -1), np.full(len(cut), -1)
        middle[old], second[old] = len(self.points) + np.arange(new), len(cut) + np.arange(new)
        split = np.flatnonzero(cut[self.edges].any(axis=1))
        turn = (self.place[split, None] + np.arange(3)) % 3  # the longest edge first
        a, b, c = np.take_along_axis(self.triangles[split], turn, axis=1).T
        one, two, three = np.take_along_axis(self.edges[split], turn, axis=1).T
        m, p, q = middle[one], middle[two], middle[three]
        near, far = q >= 0, p >= 0
        across = np.cumsum(np.concatenate([np.ones(len(split), np.int64), near, far])) - 1 + len(cut) + new
        cm, mq, mp = np.split(across, 3)

        def half(edge: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.int64]:
            """The half of an edge that ends there, or the whole of one that is not cut."""
            return np.where(cut[edge] & (self.ends[edge, 0] != end), second[edge], edge)

        pieces = [  # corners and edges of each part; where a side is not cut, the first of two parts is all
            ((a, m, np.where(near, q, c)), (half(one, a), np.where(near, mq, cm), half(three, a)), slice(None)),
            ((m, b, np.where(far, p, c)), (half(one, b), half(two, b), np.where(far, mp, cm)), slice(None)),
            ((m, c, q), (cm, half(three, c), mq), near),
            ((m, p, c), (mp, half(two, c), cm), far),
        ]
        corners, edges = ([np.stack(part[kind], axis=1)[part[2]] for part in pieces] for kind in (0, 1))
        ends = np.concatenate([
            np.stack([middle[old], self.ends[old, 1]], axis=1),
            np.stack([c, m], axis=1), np.stack([m, q], axis=1)[near], np.stack([m, p], axis=1)[far],
        ])  # fmt: skip
        starts = self.points[self.ends[old, 0]]
        self.points = np.concatenate([self.points, starts + (self.points[self.ends[old, 1]] - starts) / 2])
        self.ends[old, 1] = middle[old]
        self.lengths[old] /= 2
        self.ends = np.concatenate([self.ends, ends])
        self.lengths = np.concatenate([self.lengths, self.lengths[old], self._lengths(ends[new:])])
        self.triangles[split], self.edges[split] = corners[0], edges[0]
        self.triangles = np.concatenate([self.triangles, *corners[1:]])
        self.edges = np.concatenate([self.edges, *edges[1:]])
        changed = np.concatenate([split, np.arange(len(self.place), len(self.edges))])
        place, longest = self._longest(self.edges[changed])
        grown = len(self.edges) - len(self.place)
        self.place, self.longest = (
            np.concatenate([of, np.zeros(grown, of.dtype)]) for of in (self.place, self.longest)
        )
        self.place[changed], self.longest[changed] = place, longest

    def _lengths(self, ends: NDArray[np.int64]) -> Array:
        along = self.points[ends[:, 1]] - self.points[ends[:, 0]]
        return np.asarray(np.sqrt(np.einsum("ed,ed->e", along, along)))

    def _longest(self, edges: NDArray[np.int64]) -> tuple[NDArray[np.int64], Array]:
        lengths = self.lengths[edges]
        place = lengths.argmax(axis=1)
        return place, lengths[np.arange(len(edges)), place]


def _part(mesh: _Mesh, order: NDArray[np.intp], about: float) -> NDArray[np.bool_]:
    """The cut of so many triangles' longest edges, from the first on, that there are about as many as wished."""
    low, high = 0, len(order)
    best, missed = np.zeros(len(mesh.ends), np.bool_), np.inf
    for _ in range(_TRIES):
        middle = (low + high) // 2
        cut, count = mesh.spread(order[:middle])
        if abs(np.log(count / about)) < missed:
            best, missed = cut, float(abs(np.log(count / about)))
        low, high = (low, middle) if count > about else (middle, high)
    return best


def _area(sides: Sequence[Array]) -> float:
    return float(np.linalg.norm(np.cross(sides[0], sides[1]), axis=1).sum()) / 2
