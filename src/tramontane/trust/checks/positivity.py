"""Quantities that cannot be negative."""

from __future__ import annotations

import numpy as np

from tramontane.case import Case
from tramontane.contract import Contract
from tramontane.quantities import NON_NEGATIVE
from tramontane.trust.physics_check import PhysicsCheck, Residual


def _residual(case: Case, contract: Contract) -> Residual | None:
    """Share of the places, over all such fields, whose value is negative."""
    below = places = 0
    for domain in case.meshes:
        for name in NON_NEGATIVE & case.field_names(domain).keys():
            values = np.asarray(case.field_values(domain, name))
            below, places = below + int((values < 0).sum()), places + values.size
    return Residual(below / places, 1.0) if places else None


CHECK = PhysicsCheck("positivity", "density, von Mises stress, turbulent energy and the like are not negative", "",
                     _residual)  # fmt: skip
