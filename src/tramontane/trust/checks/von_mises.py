"""The equivalent stress against the stress tensor that it is the equivalent of."""

from __future__ import annotations

import numpy as np

from tramontane.case import Case
from tramontane.contract import Contract
from tramontane.quantities import von_mises
from tramontane.trust.physics_check import PhysicsCheck, Residual


def _residual(case: Case, contract: Contract) -> Residual | None:
    """Root mean square over all domains that have both, Pa, beside that of the larger of the two."""
    differences, values = [], []
    for domain in case.meshes:
        if {"stress", "von_mises"} <= case.field_names(domain).keys():
            stated = np.asarray(case.field_values(domain, "von_mises"), dtype=np.float64).ravel()
            stress = np.asarray(case.field_values(domain, "stress"), dtype=np.float64)
            if stress.shape == (len(stated), 6):
                own = von_mises(stress)
                differences.append(own - stated)
                values.append(np.maximum(own, np.abs(stated)))
    if not values:
        return None
    return Residual(*(float(np.sqrt(np.mean(np.concatenate(of) ** 2))) for of in (differences, values)))


CHECK = PhysicsCheck("von_mises", "von Mises stress is that of the stress tensor", "Pa", _residual)
