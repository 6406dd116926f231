"""A viscous fluid sticks to a wall."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from tramontane.case import Case
from tramontane.contract import Contract
from tramontane.trust.physics_check import PhysicsCheck, Residual

_ON = 1e-6  # a point of the volume is one of the wall within this share of the wall's size


def _residual(case: Case, contract: Contract) -> Residual | None:
    """Root mean square of the speed at points on the body, m/s, beside that of the whole volume."""
    if "surface" not in case.meshes or "volume" not in case.meshes:
        return None
    if case.field_names("volume").get("velocity") != "point":
        return None
    wall = np.asarray(case.meshes["surface"].points, dtype=np.float64)
    speed = np.linalg.norm(np.asarray(case.field_values("volume", "velocity"), dtype=np.float64), axis=1)
    if len(wall) == 0:
        return None
    reach = _ON * float(np.ptp(wall, axis=0).max())
    distance = cKDTree(wall).query(np.asarray(case.meshes["volume"].points), distance_upper_bound=reach)[0]
    on = np.isfinite(distance)
    if not on.any():
        return None
    return Residual(float(np.sqrt(np.mean(speed[on] ** 2))), float(np.sqrt(np.mean(speed**2))))


CHECK = PhysicsCheck("no_slip", "a viscous fluid is at rest at a wall", "m/s", _residual)
