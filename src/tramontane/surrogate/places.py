"""Meshes on which a surrogate answers when only a geometry is given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyvista as pv
from numpy.typing import NDArray

from tramontane.contract import Contract, DomainSpec
from tramontane.deadline import check_deadline
from tramontane.errors import SurrogateError
from tramontane.geometry.distance import inside, signed_distance
from tramontane.geometry.fill import fill
from tramontane.geometry.holes import Holes
from tramontane.geometry.refine import refine
from tramontane.training.anchors import box

Array = NDArray[np.floating[Any]]
_BESIDE = 2e-3  # of a geometry's length: points so close to its surface are on either side
_AT_ONCE = 20_000  # points whose distance is sought between two looks at the time
_OPEN = 0.1  # of its area: the share of holes from which a geometry has no inside


def default_mesh(geometry: pv.PolyData, contract: Contract, domain: str, *, template: Array, cells: int) -> pv.DataSet:
    """A mesh of about ``cells`` cells on which a domain's fields are predicted when the user gives none.

    A surface is the geometry's own, refined; a volume is a regular grid cut at the geometry's surface, whose spacing
    follows from how much of it is kept.

    Raises:
        SurrogateError: The geometry leaves no room for the domain, or is so open that there is no telling which side of
            it is which.
    """
    spec = contract.domains.get(domain, DomainSpec())
    if spec.side == "on":
        cut = _cut(geometry, spec)
        if cut.n_cells == 0:
            raise SurrogateError(f"domain {domain}: no part of the geometry lies between its planes; check its length "
                                 "unit and place")  # fmt: skip
        return pv.PolyData.from_regular_faces(*refine(cut.points, cut.regular_faces, cells))
    holes = Holes.of(geometry.points, geometry.regular_faces)
    ended = _at_planes(holes, geometry, spec)
    share = float(holes.without(ended).areas().sum()) / float(geometry.area)
    if share > _OPEN:
        raise SurrogateError(f"domain {domain}: the geometry's holes are {100 * share:.0f} % of its area, so that its "
                             "inside cannot be told from its outside, and no mesh can be made for a prediction; close "
                             "it, or give a mesh to predict on (--mesh volume.vtu)")  # fmt: skip
    low, extent = box(geometry)
    if spec.side == "outside":
        quantiles = np.quantile(template, (0.002, 0.998), axis=0)
        low, extent = low + extent * quantiles[0], extent * (quantiles[1] - quantiles[0])
    high = low + extent
    low = np.array([value if plane is None else max(plane, value) for plane, value in zip(spec.low, low, strict=True)])
    high = np.array(
        [value if plane is None else min(plane, value) for plane, value in zip(spec.high, high, strict=True)]
    )
    lids, keep_inside = holes.lids() if holes.count else None, spec.side == "inside"
    cut = fill(geometry, low, high, cells, keep_inside=keep_inside, lids=lids, askew=not ended.any())
    if cut.n_cells == 0:
        raise SurrogateError(f"domain {domain}: no room for it {spec.side} the geometry; check its length unit")
    cut.clear_data()
    return cut


def misplaced(geometry: pv.PolyData, points: Array, *, keep_inside: bool) -> NDArray[np.bool_]:
    """Which points ``(n, 3)``, m, lie on the other side of a closed surface, and not just beside it.

    Meshes follow a curved wall more closely than the triangles of a geometry, or less.
    """
    wrong = np.flatnonzero(inside(geometry, points) != keep_inside)
    wrong_side = np.zeros(len(points), dtype=np.bool_)
    bounds = np.reshape(geometry.bounds, (3, 2))
    near = _BESIDE * geometry.length
    at = np.asarray(points, dtype=np.float64)[wrong]
    far = (at < bounds[:, 0] - near).any(axis=1) | (at > bounds[:, 1] + near).any(axis=1)
    wrong_side[wrong[far]] = True
    for start in range(0, int((~far).sum()), _AT_ONCE):
        check_deadline()
        some = wrong[~far][start : start + _AT_ONCE]
        wrong_side[some] = np.abs(signed_distance(geometry, np.asarray(points)[some])) > near
    return wrong_side


def _at_planes(holes: Holes, geometry: pv.PolyData, spec: DomainSpec) -> NDArray[np.bool_]:
    """Which edges of rims ``(n,)`` lie on a plane that ends the domain: what it cuts off is no hole."""
    in_plane, near = np.zeros(len(holes.ends), dtype=bool), 1e-4 * geometry.length
    for axis, planes in enumerate(zip(spec.low, spec.high, strict=True)):
        for plane in planes:
            if plane is not None:
                in_plane |= (np.abs(holes.ends[:, :, axis] - plane) < near).all(1)
    return in_plane


def _cut(geometry: pv.PolyData, spec: DomainSpec) -> pv.PolyData:
    """The part between the planes that end the domain."""
    mesh: Any = geometry
    for axis, normal in enumerate("xyz"):
        low, high = spec.low[axis], spec.high[axis]
        for plane, invert in ((low, False), (high, True)):
            if plane is not None:
                mesh = mesh.clip(normal=normal, origin=tuple(plane if a == axis else 0.0 for a in range(3)),
                                 invert=invert)  # fmt: skip
    return mesh if mesh is geometry or mesh.is_all_triangles else mesh.triangulate()
