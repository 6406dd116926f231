"""QoIs of a prediction that follow from its fields, whatever mesh is drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tramontane.dataset import Sites, measure_qoi
from tramontane.surrogate.resolved import CheckedDesign

if TYPE_CHECKING:
    from tramontane.surrogate.surrogate import Surrogate

Array = NDArray[np.floating[Any]]
QOI_CELLS = 50_000
"""Cells of the mesh on which integrals and means are taken; the mesh that is drawn when nobody says otherwise."""


def measured(
    surrogate: Surrogate,
    design: CheckedDesign,
    domains: Sequence[str],
    scalars: Mapping[str, tuple[float, float]],
    drawn: Mapping[str, tuple[Sites, dict[str, Array]]],
) -> dict[str, float]:
    """The QoIs in SI.

    An extremum is taken at the reference points, where the model knows the fields: a mesh finds more of a peak the
    finer it is. Integrals and means are taken on a mesh of its own of `QOI_CELLS` cells.

    Args:
        surrogate: The model.
        design: Checked.
        domains: Those that are predicted; QoIs of others are left out.
        scalars: The regressed QoIs.
        drawn: By domain, sites and fields of the mesh for QoIs, where it was predicted on already.
    """
    on_domain = dict(drawn)
    geometry, values = design.geometry, design.values
    qoi: dict[str, float] = {}
    for name, spec in surrogate.contract.qoi.items():
        definition = spec.definition
        if name in scalars:
            qoi[name] = scalars[name][0]
            continue
        if definition is None or definition.patches:
            continue
        # The answer's surface is the geometry's own, whose normals point outward.
        definition = definition.model_copy(update={"normals": "outward"})
        domain = definition.domain
        if definition.kind == "volume":
            volume = None if geometry is None else geometry.volume
            qoi[name] = measure_qoi(definition, {}, volume=volume, parameters=values)
        elif (
            domain in domains and definition.kind in ("max", "min") and geometry is not None
            and (at_references := surrogate.at_references(design, domain)) is not None
        ):  # fmt: skip
            qoi[name] = measure_qoi(definition, at_references, parameters=values)
        elif domain in domains:
            if domain not in on_domain:
                _, sites = surrogate.default_sites(design, domain, QOI_CELLS)
                on_domain[domain] = sites, surrogate.fields(design, {domain: sites.positions})[domain]
            sites, fields = on_domain[domain]
            qoi[name] = measure_qoi(definition, fields, sites, parameters=values)
    return qoi
