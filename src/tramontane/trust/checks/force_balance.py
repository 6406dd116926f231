"""Static equilibrium: the tractions on a body's whole surface sum to nothing, reactions against loads."""

from __future__ import annotations

import numpy as np

from tramontane.case import Case
from tramontane.contract import Contract
from tramontane.dataset.store.sites import mesh_sites
from tramontane.trust.physics_check import PhysicsCheck, Residual


def _residual(case: Case, contract: Contract) -> Residual | None:
    """The sum of ``stress . n`` over the surface, N, beside half the sum of its magnitudes."""
    if "stress" not in (case.field_names("surface") if "surface" in case.meshes else {}):
        return None
    sites = mesh_sites(case.meshes["surface"], case.field_names("surface")["stress"], ["stress"])
    stress = np.asarray(sites.fields["stress"], dtype=np.float64)
    if sites.normals is None or stress.shape[1] != 6:
        return None
    xx, yy, zz, xy, yz, xz = stress.T
    tensor = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    forces = np.einsum("ijn,nj,n->ni", tensor, sites.normals, sites.weights)
    gross = float(np.linalg.norm(forces, axis=1).sum()) / 2
    return Residual(float(np.linalg.norm(forces.sum(axis=0))), gross)


CHECK = PhysicsCheck("force_balance", "the tractions on a body's surface are in equilibrium", "N", _residual)
