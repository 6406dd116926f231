"""Points of a geometry and of its domains, drawn from the geometry alone.

Training and prediction both call these, so that a network sees in training what it will see when there is no mesh.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyvista as pv
from numpy.typing import NDArray

from tramontane.contract import Contract, DomainSpec
from tramontane.dataset import Dataset, sample_surface
from tramontane.errors import SurrogateError
from tramontane.geometry.distance import inside

Array = NDArray[np.floating[Any]]
_TEMPLATE_POINTS = 16384
_TRIES = 20  # draws, until as many points as were asked for lie where they should


def geometry_input(mesh: pv.PolyData, contract: Contract, *, count: int, seed: int) -> tuple[Array, Array]:
    """Points ``(count, 3)`` in metres and unit normals on the part of a closed surface that the domains cover.

    A network sees the geometry alike, whatever its triangulation.

    Raises:
        SurrogateError: No part of the surface lies there.
    """
    spec = next((spec for spec in contract.domains.values() if spec.side == "on"), DomainSpec())
    return _on_surface(mesh, spec, count=count, seed=seed)


def _onto_domain(points: Array, normals: Array, spec: DomainSpec) -> tuple[Array, Array]:
    """Those of the surface points ``(n, 3)`` and normals that lie between the planes that cut a domain off.

    A domain that is flat along an axis (a two-dimensional flow) takes the points of the walls along that axis, moved
    onto its plane; its caps do not count.
    """
    points = points.copy()
    for axis, (low, high) in enumerate(zip(spec.low, spec.high, strict=True)):
        if low is not None and low == high:
            wall = np.abs(normals[:, axis]) < 0.5
            points, normals = points[wall], normals[wall]
            points[:, axis] = low
            continue
        keep = np.ones(len(points), dtype=bool)
        if low is not None:
            keep &= points[:, axis] >= low
        if high is not None:
            keep &= points[:, axis] <= high
        points, normals = points[keep], normals[keep]
    return points, normals


def fit_template(dataset: Dataset, names: list[str], domain: str, *, seed: int = 0) -> Array:
    """Where training cases have their sites, relative to each geometry's bounding box.

    Args:
        dataset: The store.
        names: Training cases.
        domain: The domain.
        seed: Of the draw.

    Returns:
        ``(n, 3)`` positions in which the bounding box spans 0 to 1 along each axis.
    """
    rng = np.random.default_rng(seed)
    share = -(-_TEMPLATE_POINTS // len(names))
    parts = [to_box(dataset.sample(name, domain, share, rng).positions, dataset.geometry(name)) for name in names]
    points = np.concatenate(parts)
    return points[rng.permutation(len(points))[:_TEMPLATE_POINTS]].astype(np.float32)


def to_box(positions: Array, geometry: pv.PolyData) -> Array:
    """Positions in which a geometry's bounding box spans 0 to 1 along each axis."""
    low, extent = box(geometry)
    return (positions - low) / extent


def box(geometry: pv.PolyData) -> tuple[Array, Array]:
    """Low corner ``(3,)`` and edges ``(3,)`` of a geometry's bounding box, m; a flat one has the edge 1 across."""
    bounds = np.asarray(geometry.bounds, dtype=np.float64).reshape(3, 2)
    extent = bounds[:, 1] - bounds[:, 0]
    return bounds[:, 0], np.where(extent > 0, extent, 1.0)


def draw_anchors(
    geometry: pv.PolyData, contract: Contract, domain: str, *, count: int, seed: int, template: Array
) -> Array:
    """Points ``(count, 3)`` of a domain in metres.

    On a surface by area, inside by volume; outside from the training cases' template mapped by bounding box, which
    follows the solver's meshes, fine where the flow changes fast.

    Args:
        geometry: A closed surface, metres.
        contract: Which side of it the domain is, and where planes cut it off.
        domain: The domain.
        count: How many points.
        seed: Of the draw.
        template: From `fit_template`.

    Raises:
        SurrogateError: The geometry leaves no room for the domain.
    """
    spec = contract.domains.get(domain, DomainSpec())
    if spec.side == "on":
        return _on_surface(geometry, spec, count=count, seed=seed)[0]
    rng = np.random.default_rng((seed, 3))
    low, extent = box(geometry)
    parts: list[Array] = []
    for attempt in range(_TRIES):
        drawn = 4 * count * 2 ** min(attempt, 5)  # a thin body fills little of its box
        unit: Array
        if spec.side == "inside":
            unit = rng.random((drawn, 3))
        else:
            unit = template[rng.integers(len(template), size=drawn)]
        points = (low + extent * unit).astype(np.float32)
        points = _clipped(points, spec)
        points = points[inside(geometry, points) == (spec.side == "inside")]
        parts.append(points)
        if (total := sum(map(len, parts))) >= count:
            return np.concatenate(parts)[:count]
        if _hopeless(total, attempt):
            break
    raise SurrogateError(f"domain {domain}: no room for it {spec.side} the geometry; check the geometry's length unit")


def _on_surface(mesh: pv.PolyData, spec: DomainSpec, *, count: int, seed: int) -> tuple[Array, Array]:
    pairs: list[tuple[Array, Array]] = []
    total = 0
    for attempt in range(_TRIES):
        points, normals = _onto_domain(*sample_surface(mesh, count * 2 ** min(attempt, 5), seed + attempt), spec)
        pairs.append((points, normals))
        total += len(points)
        if total >= count or _hopeless(total, attempt):
            break
    if not total:
        raise SurrogateError("no part of the surface lies between the planes of its domain; check its unit and place")
    points, normals = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    order = np.random.default_rng((seed, 7)).permutation(len(points))
    order = np.resize(order, count)  # where almost nothing lies there, points come again
    return points[order], normals[order]


def _hopeless(total: int, attempt: int) -> bool:
    """Whether nothing was found for so long that nothing is there, as with a geometry in another unit."""
    return not total and attempt >= 4


def _clipped(points: Array, spec: DomainSpec) -> Array:
    for axis in range(3):
        low, high = spec.low[axis], spec.high[axis]
        if low is not None and low == high:
            points[:, axis] = low
            continue
        if low is not None:
            points = points[points[:, axis] >= low]
        if high is not None:
            points = points[points[:, axis] <= high]
    return points
