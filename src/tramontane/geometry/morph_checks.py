"""A closed surface under a morph: where its points go, and whether what comes out is a body still."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tramontane.errors import GeometryError
from tramontane.geometry.holes import enclosed
from tramontane.geometry.morph import Morph
from tramontane.geometry.self_intersections import self_intersections
from tramontane.geometry.thickness import Wall, thinnest_wall

Array = NDArray[np.floating[Any]]
Index = NDArray[np.int64]
_DEPTH = 0.01  # of a triangle's size: how far under it space is looked at for a fold
_TORN = 1e-9  # of a parameter: a displacement at the face of a box that is none
_WORSE = 0.5  # of a triangle's quality before: a morph has made it worse
_FAR = 1000  # times its size: no surface is meant to be moved so far, and figures lose their digits
_CURE = "bring it closer to 0, or spread the move over a larger box or radius"
_NEEDLE = 1e-4  # quality of triangles whose orientation is rounding


@dataclass(frozen=True)
class MorphReport:
    """What was measured of a morphed surface; lengths in metres.

    Attributes:
        volume: Enclosed volume, m3.
        volume_before: That of the surface as it was, m3.
        thickness: Of the thinnest wall; infinite where there is none.
        thickness_before: That of the surface as it was.
        quality: Of the worst triangle, 1 for an equilateral one.
        quality_before: That of the surface as it was.
        displacement: The largest one.
    """

    volume: float
    volume_before: float
    thickness: float
    thickness_before: float
    quality: float
    quality_before: float
    displacement: float

    @property
    def volume_change(self) -> float:
        """The share by which the volume has grown."""
        return self.volume / self.volume_before - 1


class MorphedSurface:
    """A closed surface and a morph of it.

    Args:
        points: ``(n, 3)``, m.
        triangles: ``(m, 3)``, oriented outward, without open edges.
        morph: What moves it.

    Raises:
        GeometryError: A parameter moves nothing, or would tear the surface at a face of a box.
    """

    def __init__(self, points: Array, triangles: Index, morph: Morph) -> None:
        self.points, self.triangles, self.morph = np.asarray(points, dtype=np.float64), triangles, morph
        self._modes = morph.modes(self.points)
        self._check_moves()
        self._check_boxes()

    def moved(self, values: Mapping[str, float]) -> Array:
        """Points ``(n, 3)`` at parameters in metres; what is not named has its default."""
        return self.points + self._combined(values, self._modes)

    def check(self, values: Mapping[str, float], *, moved: Array | None = None) -> None:
        """Raise where what comes out is no body, or misses a bound of ``[checks]``.

        Args:
            values: Parameters in metres.
            moved: What `moved` says of them, where it is known.

        Raises:
            GeometryError: A fold, a volume that is not positive, an intersection, a thin wall, a degenerate triangle;
                parameter and place are named.
        """
        points = self.moved(values) if moved is None else moved
        changed = np.flatnonzero((points != self.points).any(axis=1)[self.triangles].any(axis=1))
        if not len(changed) and self.morph.config.checks.min_thickness is None:
            return
        if np.abs(points - self.points).max() > _FAR * np.ptp(self.points, axis=0).max():
            raise GeometryError(f"{self._blamed(values, *changed[:1])}: moves the surface by more than {_FAR:g} times "
                                "its size; correct the value or its unit")  # fmt: skip
        self._check_folds(values, points)
        self._check_quality(values, points)
        self._check_intersections(values, points, changed)
        self._check_thickness(values, points)

    def report(self, values: Mapping[str, float]) -> MorphReport:
        """What is measured of the surface at parameters in metres, once it is checked.

        Raises:
            GeometryError: See `check`.
        """
        points = self.moved(values)
        self.check(values, moved=points)
        return MorphReport(
            volume=enclosed(points[self.triangles]),
            volume_before=self._volume,
            thickness=thinnest_wall(points, self.triangles).thickness,
            thickness_before=self._wall.thickness,
            quality=float(_qualities(points[self.triangles]).min()),
            quality_before=float(self._qualities.min()),
            displacement=float(np.linalg.norm(points - self.points, axis=1).max()),
        )

    # --- what is measured of the surface as it was, once

    @functools.cached_property
    def _volume(self) -> float:
        return enclosed(self.points[self.triangles])

    @functools.cached_property
    def _wall(self) -> Wall:
        return thinnest_wall(self.points, self.triangles)

    @functools.cached_property
    def _qualities(self) -> Array:
        return _qualities(self.points[self.triangles])

    @functools.cached_property
    def _intersections(self) -> set[tuple[int, int]]:
        return set(map(tuple, self_intersections(self.points, self.triangles).tolist()))

    @functools.cached_property
    def _inward(self) -> tuple[Array, Array]:
        """A short vector ``(m, 3)`` inward from the middle of each triangle, and what each parameter adds to it."""
        corners = self.points[self.triangles]
        middles, normals = corners.mean(axis=1), _normals(corners)
        doubled = np.linalg.norm(normals, axis=1, keepdims=True)  # the area
        vectors = normals * -_DEPTH / np.sqrt(2 * np.where(doubled > 0, doubled, 1.0))
        return vectors, self.morph.modes(middles + vectors) - self.morph.modes(middles)

    # --- checks

    def _check_moves(self) -> None:
        for name, mode in zip(self.morph.names, self._modes, strict=True):
            if not mode.any():
                raise GeometryError(f"parameter {name}: moves no point of the surface; place what it moves nearer to "
                                    "the surface, or let max_edge divide large triangles")  # fmt: skip

    def _check_boxes(self) -> None:
        """Raise where a box displaces points on a face of it, and the surface goes on beyond."""
        ends = self.triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)  # those of neighbours the other way round
        folded, _ = self.morph.folded(self.points)
        for lattice in self.morph.lattices:
            within = lattice.contains(folded)
            cut = ends[within[ends[:, 0]] != within[ends[:, 1]]]
            if not len(cut):
                continue
            cut = np.where(within[cut[:, :1]], cut, cut[:, ::-1])
            start, along = folded[cut[:, 0]], folded[cut[:, 1]] - folded[cut[:, 0]]
            with np.errstate(divide="ignore", invalid="ignore"):
                reach = np.fmax((lattice.low - start) / along, (lattice.high - start) / along)
            share = np.clip(reach.min(axis=1), 0.0, 1.0)
            places = start + share[:, None] * along
            lengths = np.linalg.norm(lattice.displacements(places), axis=2) * self.morph.freedom(places)
            if lengths.max() > _TORN:
                number, edge = np.unravel_index(int(lengths.argmax()), lengths.shape)
                raise GeometryError(
                    f"parameter {self.morph.names[number]}: would tear the surface at {self._place(places[edge])}, "
                    f"where it leaves box {lattice.name!r} and control points of that face move; let the box reach "
                    "beyond the surface there, or leave the outermost control points where they are"
                )

    def _check_folds(self, values: Mapping[str, float], points: Array) -> None:
        corners = points[self.triangles]
        volume = enclosed(corners)
        vectors, modes = self._inward
        outward = np.einsum("nd,nd->n", _normals(corners), vectors + self._combined(values, modes))
        folded = np.flatnonzero((outward >= 0) & (self._qualities > _NEEDLE))
        if len(folded) or volume <= 0:
            lengths = np.linalg.norm(points - self.points, axis=1)
            worst = int(folded[0] if len(folded) else lengths[self.triangles].sum(axis=1).argmax())
            what = f"{len(folded)} triangles are folded over" if len(folded) else f"the volume is {volume:.3g} m3"
            raise GeometryError(f"{self._blamed(values, worst)}: {what}, the first at "
                                f"{self._place(corners[worst].mean(axis=0))}; {_CURE}")  # fmt: skip

    def _check_quality(self, values: Mapping[str, float], points: Array) -> None:
        least, qualities = self.morph.config.checks.min_quality, _qualities(points[self.triangles])
        poor = np.flatnonzero((qualities < least) & (qualities < _WORSE * self._qualities))
        if len(poor):
            worst = poor[qualities[poor].argmin()]
            raise GeometryError(
                f"{self._blamed(values, worst)}: {len(poor)} triangles are degenerate, the worst at "
                f"{self._place(points[self.triangles[worst]].mean(axis=0))} has quality {qualities[worst]:.2g} (bound "
                f"{least:g}, before {self._qualities[worst]:.2g}); {_CURE}"
            )

    def _check_intersections(self, values: Mapping[str, float], points: Array, changed: Index) -> None:
        if not self.morph.config.checks.self_intersections or not len(changed):
            return
        pairs = self_intersections(points, self.triangles, changed)
        new = [pair for pair in map(tuple, pairs.tolist()) if pair not in self._intersections] if len(pairs) else []
        if new:
            where = self._place(points[self.triangles[list(new[0])]].mean(axis=(0, 1)))
            raise GeometryError(f"{self._blamed(values, *new[0])}: the surface passes through itself at {len(new)} "
                                f"pairs of triangles, the first at {where}; bring it closer to 0")  # fmt: skip

    def _check_thickness(self, values: Mapping[str, float], points: Array) -> None:
        bound = self.morph.config.checks.min_thickness
        if bound is None:
            return
        metres, unit = self.morph.config.metres, self.morph.config.length_unit
        wall = thinnest_wall(points, self.triangles, bound * metres)
        if wall.triangle < 0:
            return
        where = self._place(points[self.triangles[wall.triangle]].mean(axis=0))
        before = thinnest_wall(self.points, self.triangles, bound * metres)
        if before.triangle >= 0 and before.thickness <= wall.thickness:
            raise GeometryError(f"checks.min_thickness: the surface has a wall of {before.thickness / metres:.4g} "
                                f"{unit} as it is, at {where} (bound {bound:g} {unit}); lower the bound")  # fmt: skip
        raise GeometryError(f"{self._blamed(values, wall.triangle, wall.opposite)}: a wall is "
                            f"{wall.thickness / metres:.4g} {unit} thin at {where} (bound {bound:g} {unit}); bring it "
                            "closer to 0, or lower checks.min_thickness")  # fmt: skip

    def _combined(self, values: Mapping[str, float], modes: Array) -> Array:
        return np.tensordot(self._amounts(values), modes, 1)

    def _amounts(self, values: Mapping[str, float]) -> Array:
        merged = self.morph.config.defaults | dict(values)
        return np.array([merged[name] for name in self.morph.names])

    def _blamed(self, values: Mapping[str, float], *triangles: int) -> str:
        """The parameter that moves some triangles most, with its value."""
        near = np.linalg.norm(self._modes[:, self.triangles[list(triangles)]], axis=-1).reshape(len(self._modes), -1)
        amounts = self._amounts(values)
        most = int((abs(amounts) * near.max(axis=1)).argmax())
        return f"parameter {self.morph.config.shown(self.morph.names[most], float(amounts[most]))}"

    def _place(self, place: Array) -> str:
        metres, unit = self.morph.config.metres, self.morph.config.length_unit
        return f"({', '.join(f'{number:.4g}' for number in place / metres)}) {unit}"


def _normals(corners: Array) -> Array:
    """Of triangles of corners ``(n, 3, 3)``, twice their area long."""
    return np.asarray(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))


def _qualities(corners: Array) -> Array:
    """Area over that of an equilateral triangle with sides of the same mean square (Bhatia and Lawrence 1990)."""
    sides = corners - np.roll(corners, 1, axis=1)
    squares = np.einsum("nsd,nsd->n", sides, sides)
    return np.asarray(2 * 3**0.5 * np.linalg.norm(_normals(corners), axis=1) / np.where(squares > 0, squares, 1.0))
