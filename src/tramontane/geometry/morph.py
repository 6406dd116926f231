"""Morphing: displacements of points, linear in parameters.

A box displaces what is in it by trivariate Bernstein polynomials of its control points (free-form deformation:
Sederberg and Parry 1986, SIGGRAPH Comput. Graph. 20, 151). Handles displace what is around them by radial functions of
compact support (Wendland 1995, Adv. Comput. Math. 4, 389), which interpolate all handles exactly: one that a parameter
does not move stays where it is. A displacement follows from a point's place alone, so that points which are one stay
one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import comb

from tramontane.errors import ContractError
from tramontane.geometry.morph_config import BoxTable, MorphConfig

Array = NDArray[np.floating[Any]]
_AT_ONCE = 4096  # points, so that what they make of control points stays small
_NEAR = 1e-6  # of a box: so far outside, a point is in it; coordinates of an STL have seven digits
_SAME = 1e-9  # of all lengths: places so close to each other are one
_EXACT = 1e-9  # by which handles may be missed: more, and the system is singular


@dataclass(frozen=True)
class Lattice:
    """A box and its control points.

    Attributes:
        name: Of the box.
        low: Its lowest corner ``(3,)``, m.
        high: Its highest corner ``(3,)``, m.
        controls: Displacements ``(parameters, l, m, n, 3)`` of control points, per metre of each parameter.
    """

    name: str
    low: Array
    high: Array
    controls: Array

    def contains(self, points: Array) -> NDArray[np.bool_]:
        """Which of the points ``(n, 3)`` are in the box."""
        slack = _NEAR * (self.high - self.low)
        return np.asarray(((points >= self.low - slack) & (points <= self.high + slack)).all(axis=1))

    def displacements(self, points: Array) -> Array:
        """Displacements ``(parameters, n, 3)`` of points ``(n, 3)``, by the box's polynomials in it and beyond it."""
        moved = np.zeros((len(self.controls), *points.shape))
        for start in range(0, len(points), _AT_ONCE):
            some = slice(start, start + _AT_ONCE)
            places = (points[some] - self.low) / (self.high - self.low)
            x, y, z = (_bernstein(places[:, axis], self.controls.shape[1 + axis]) for axis in range(3))
            moved[:, some] = np.einsum("ni,nj,nk,pijkd->pnd", x, y, z, self.controls, optimize=True)
        return moved


class Morph:
    """The displacements that a ``morph.toml`` describes.

    Args:
        config: What it says.

    Attributes:
        config: The same.
        names: Parameters, in the order of all arrays here.
        lattices: The boxes; with a plane of symmetry, on its upper side or across it.

    Raises:
        ContractError: A move that symmetry forbids, or handles that no function interpolates.
    """

    def __init__(self, config: MorphConfig) -> None:
        self.config = config
        self.names = tuple(config.parameters)
        self._axis = None if config.symmetry is None else "xyz".index(config.symmetry)
        self._plane = config.symmetry_at * config.metres
        self._regions = self._fixed_regions()
        self.lattices = [self._lattice(name, table) for name, table in config.boxes.items()]
        self._centres, self._radii, self._weights = self._handles()

    def modes(self, points: Array) -> Array:
        """Displacements ``(parameters, n, 3)`` of points ``(n, 3)``, per metre of each parameter."""
        points = np.asarray(points, dtype=np.float64)
        folded, side = self.folded(points)
        modes = np.zeros((len(self.names), *points.shape))
        for lattice in self.lattices:
            some = np.flatnonzero(lattice.contains(folded))
            modes[:, some] += lattice.displacements(folded[some])
        for centre, radius, weights in zip(self._centres, self._radii, self._weights, strict=True):
            shares = np.linalg.norm(folded - centre, axis=1) / radius
            some = np.flatnonzero(shares < 1)
            modes[:, some] += _wendland(shares[some])[:, None] * weights[:, None, :]
        modes *= self.freedom(folded)[:, None]
        if self._axis is not None:
            modes[:, :, self._axis] *= side
        return modes

    def freedom(self, points: Array) -> Array:
        """The share ``(n,)`` of displacements that points ``(n, 3)`` take part in: 0 in fixed regions, 1 far away."""
        free = np.ones(len(points))
        for low, high, blend in self._regions:
            share = np.linalg.norm(np.maximum(np.maximum(low - points, points - high), 0.0), axis=1) / blend
            share = np.minimum(share, 1.0)
            free *= share**3 * (10 - 15 * share + 6 * share**2)
        return free

    def folded(self, points: Array) -> tuple[Array, Array]:
        """Points ``(n, 3)`` turned to the upper side of the plane of symmetry, and the side ``(n,)`` of each."""
        if self._axis is None:
            return points, np.ones(len(points))
        off = points[:, self._axis] - self._plane
        folded = points.copy()
        folded[:, self._axis] = self._plane + abs(off)
        return folded, np.sign(off)

    def _mirrored(self, places: Array) -> Array:
        mirrored = np.array(places)
        if self._axis is not None:
            mirrored[..., self._axis] = 2 * self._plane - mirrored[..., self._axis]
        return mirrored

    def _fixed_regions(self) -> list[tuple[Array, Array, float]]:
        metres, regions = self.config.metres, list[tuple[Array, Array, float]]()
        for table in self.config.fixed:
            ends = np.array([table.low, table.high]) * metres
            regions.append((*ends, table.blend * metres))
            other = np.sort(self._mirrored(ends), axis=0)
            if np.abs(other - ends).max() > _SAME * np.abs(ends).max():
                regions.append((*other, table.blend * metres))
        return regions

    def _lattice(self, name: str, table: BoxTable) -> Lattice:
        """The box with what all parameters do to it; one below the plane of symmetry is turned above it."""
        low, high = np.array([table.low, table.high]) * self.config.metres
        controls = np.zeros((len(self.names), *table.control_points, 3))
        moved = np.zeros(controls.shape[:-1], np.bool_)
        for number, parameter in enumerate(self.config.parameters.values()):
            for move in parameter.moves:
                if move.box == name:
                    some = np.zeros(table.control_points, np.bool_)
                    for index in move.control_points:
                        some[tuple(slice(None) if place == "*" else place for place in index)] = True
                    controls[number, some] += move.factor * _unit(move.direction)
                    moved[number] |= some
        if self._axis is None:
            return Lattice(name, low, high, controls)
        slack = _SAME * float(max(abs(low).max(), abs(high).max()))
        below, above = (float(end[self._axis]) - self._plane for end in (low, high))
        other = np.flip(controls, 1 + self._axis).copy()
        other[..., self._axis] *= -1
        if above <= slack:  # wholly below
            low, high, controls = *np.sort(self._mirrored(np.array([low, high])), axis=0), other
            below, above = -above, -below
        elif below < -slack:
            if abs(above + below) > slack:
                raise ContractError(f"boxes.{name}: lies across the plane of symmetry, and reaches further on one "
                                    "side; let it end at the plane, or reach as far on both")  # fmt: skip
            twice = moved & np.flip(moved, 1 + self._axis)
            if not np.allclose(controls[twice], other[twice], rtol=0, atol=_SAME):
                raise ContractError(f"boxes.{name}: a control point and its mirror image move differently, or one on "
                                    "the plane of symmetry moves across it; name those of one side alone")  # fmt: skip
            return Lattice(name, low, high, np.where(moved[..., None], controls, other))
        if below <= slack and np.abs(np.take(controls, 0, 1 + self._axis)[..., self._axis]).max() > 0:
            raise ContractError(f"boxes.{name}: a control point on the plane of symmetry moves across it; leave it "
                                "out, or give it a direction within the plane")  # fmt: skip
        return Lattice(name, low, high, controls)

    def _handles(self) -> tuple[Array, Array, Array]:
        """Centres ``(n, 3)`` and radii ``(n,)`` of radial functions, and their weights ``(n, parameters, 3)``."""
        places, radii, targets = list[Array](), list[float](), list[dict[int, Array]]()

        def put(where: str, place: Array, radius: float, parameter: int, vector: Array) -> None:
            near = [index for index, other in enumerate(places) if np.abs(other - place).max() <= _SAME * radius]
            if not near:
                places.append(place)
                radii.append(radius)
                targets.append({})
            index = near[0] if near else len(places) - 1
            if radii[index] != radius:
                raise ContractError(f"{where}: a handle at the same place has another radius; give both the same")
            given = targets[index].setdefault(parameter, vector)
            if np.abs(given - vector).max() > _SAME:
                raise ContractError(f"{where}: moves one handle twice, or across the plane of symmetry that it is on; "
                                    "name each once, and let one on the plane move within it")  # fmt: skip

        for parameter, (name, table) in enumerate(self.config.parameters.items()):
            for move in table.moves:
                vector = move.factor * _unit(move.direction)
                for handle in move.handles:
                    assert move.radius is not None
                    where = f"parameters.{name}: handle {list(handle)}"
                    place, radius = np.array(handle) * self.config.metres, move.radius * self.config.metres
                    if self.freedom(self.folded(place[None])[0])[0] <= _SAME:
                        raise ContractError(f"{where}: lies in a fixed region; move one of the two")
                    put(where, place, radius, parameter, vector)
                    if self._axis is not None:
                        other = vector.copy()
                        other[self._axis] *= -1
                        put(where, self._mirrored(place), radius, parameter, other)
        if not places:
            return np.zeros((0, 3)), np.zeros(0), np.zeros((0, len(self.names), 3))
        centres, widths = np.array(places), np.array(radii)
        wanted = np.zeros((len(places), len(self.names), 3))
        for index, entry in enumerate(targets):
            for parameter, vector in entry.items():
                wanted[index, parameter] = vector
        shares = np.linalg.norm(centres[:, None] - centres[None], axis=2) / widths
        system = self.freedom(self.folded(centres)[0])[:, None] * _wendland(np.minimum(shares, 1.0))
        right = wanted.reshape(len(places), -1)
        weights = np.linalg.lstsq(system, right)[0]
        if np.abs(system @ weights - right).max() > _EXACT:
            raise ContractError("parameters: no smooth function moves all handles as they say, since some are too "
                                "close to each other or to a fixed region; remove some")  # fmt: skip
        return centres, widths, weights.reshape(wanted.shape)


def _bernstein(place: Array, count: int) -> Array:
    """Bernstein polynomials ``(n, count)`` of degree ``count - 1`` at places ``(n,)`` from 0 to 1."""
    power = np.arange(count)
    return np.asarray(comb(count - 1, power) * place[:, None] ** power * (1 - place[:, None]) ** (count - 1 - power))


def _wendland(share: Array) -> Array:
    """Wendland's function of smoothness C2, positive definite in three dimensions: 1 at 0, and 0 from 1 on."""
    return np.asarray((1 - share) ** 4 * (4 * share + 1))


def _unit(direction: tuple[float, float, float]) -> Array:
    return np.asarray(np.array(direction) / np.linalg.norm(direction))
