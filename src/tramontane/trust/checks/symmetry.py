"""Nothing passes a plane of symmetry."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyvista as pv
from numpy.typing import NDArray

from tramontane.case import Case
from tramontane.contract import Contract, DomainSpec
from tramontane.trust.physics_check import PhysicsCheck, Residual

_ON = 1e-6  # a point lies in the plane within this share of the mesh's size


def _residual(case: Case, contract: Contract) -> Residual | None:
    """Root mean square of the velocity normal to the plane at which a half model is cut, m/s, beside the whole's."""
    # The plane that cuts the body itself is one of symmetry; others are where the volume ends.
    body = contract.domains.get("surface", DomainSpec())
    planes = [(axis, at) for ends in (body.low, body.high) for axis, at in enumerate(ends) if at is not None]
    if not planes or "velocity" not in (case.field_names("volume") if "volume" in case.meshes else {}):
        return None
    mesh, location = case.meshes["volume"], case.field_names("volume")["velocity"]
    velocity = np.asarray(case.field_values("volume", "velocity"), dtype=np.float64)
    if velocity.shape[1:] != (3,):
        return None
    through = []
    for axis, at in planes:
        on = np.abs(np.asarray(mesh.points)[:, axis] - at) <= _ON * max(mesh.length, 1e-300)
        rows = on if location == "point" else _touching(mesh, on)
        through.append(velocity[rows, axis])
    normal = np.concatenate(through)
    if len(normal) == 0:
        return None
    speed = np.sqrt(np.mean((velocity**2).sum(axis=1)))
    return Residual(float(np.sqrt(np.mean(normal**2))), float(speed))


def _touching(mesh: pv.DataSet, points: NDArray[np.bool_]) -> NDArray[Any]:
    """Which cells have a point in the plane."""
    grid = mesh.cast_to_unstructured_grid().copy(deep=False)
    grid.clear_data()
    grid.point_data["on"] = points.astype(np.float64)
    touching: NDArray[Any] = np.asarray(grid.point_data_to_cell_data().cell_data["on"]) > 0
    return touching


CHECK = PhysicsCheck("symmetry", "nothing passes a plane of symmetry", "m/s", _residual)
