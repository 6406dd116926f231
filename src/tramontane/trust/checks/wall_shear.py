"""Wall shear stress lies in the wall."""

from __future__ import annotations

import numpy as np

from tramontane.case import Case
from tramontane.contract import Contract
from tramontane.dataset.store.sites import mesh_sites
from tramontane.trust.physics_check import PhysicsCheck, Residual


def _residual(case: Case, contract: Contract) -> Residual | None:
    """Root mean square of the part normal to the wall, Pa."""
    name = "wall_shear_stress"
    if name not in (case.field_names("surface") if "surface" in case.meshes else {}):
        return None
    sites = mesh_sites(case.meshes["surface"], case.field_names("surface")[name], [name])
    shear, normals = np.asarray(sites.fields[name], dtype=np.float64), sites.normals
    if normals is None or shear.shape[1] != 3:
        return None
    area = np.asarray(sites.weights, dtype=np.float64)
    normal_part = np.einsum("ij,ij->i", shear, normals)
    total = float((shear**2).sum(axis=1) @ area)
    return Residual(float(np.sqrt(normal_part**2 @ area / area.sum())), float(np.sqrt(total / area.sum())))


CHECK = PhysicsCheck("wall_shear", "wall shear stress is tangential to the wall", "Pa", _residual)
