"""What is to be minded of the meshes that a design is answered on: places beyond a domain, parts that a mesh misses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tramontane.contract import Contract, DomainSpec
from tramontane.dataset import Sites
from tramontane.formats.surfaces.geometry import Geometry
from tramontane.interval import FieldInterval
from tramontane.notice import Notice
from tramontane.surrogate.places import misplaced

Array = NDArray[np.floating[Any]]
_HELD = 0.5  # of a geometry's volume, below which a mesh that was made for it is spoken of


def blank_beyond(
    contract: Contract,
    geometry: Geometry,
    sites: Mapping[str, Sites],
    fields: Mapping[str, Mapping[str, Array]],
    intervals: Mapping[str, Mapping[str, FieldInterval]],
) -> list[Notice]:
    """Make fields and intervals NaN where a given mesh reaches beyond its domain, and say of how many places."""
    notices = []
    for domain, of in sites.items():
        spec = contract.domains.get(domain, DomainSpec())
        if spec.side == "on" or not geometry.closed:
            continue
        beyond = misplaced(geometry.mesh, of.positions, keep_inside=spec.side == "inside")
        if not beyond.any():
            continue
        for values in (*fields[domain].values(), *(of.half_width for of in intervals.get(domain, {}).values())):
            values[beyond] = np.nan
        side = "outside" if spec.side == "inside" else "inside"
        notices.append(Notice("blank", f"domains.{domain}", float(beyond.sum()), high=float(len(beyond)), detail=side))
    return notices


def coarse_notices(contract: Contract, geometry: Geometry, sites: Mapping[str, Sites]) -> list[Notice]:
    """Say where a mesh that was made misses most of a geometry."""
    notices = []
    for domain, of in sites.items():
        spec = contract.domains.get(domain, DomainSpec())
        if spec.side != "inside" or not geometry.closed or {*spec.low, *spec.high} != {None}:
            continue
        if (volume := float(of.weights.sum())) < _HELD * geometry.volume:
            notices.append(Notice("coarse", f"domains.{domain}", volume, high=geometry.volume, unit="m^3"))
    return notices
