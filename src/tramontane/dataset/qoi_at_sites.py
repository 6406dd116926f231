"""QoIs measured on fields where their domain has its sites: a solver's fields, and a surrogate's."""

from __future__ import annotations

from collections.abc import Mapping

from tramontane.dataset.store.sites import Sites
from tramontane.qoi import Array, QoiDefinition, measure


def measure_qoi(
    definition: QoiDefinition,
    fields: Mapping[str, Array],
    sites: Sites | None = None,
    *,
    volume: float | None = None,
    parameters: Mapping[str, float],
) -> float:
    """Measure a QoI.

    Args:
        definition: What to measure.
        fields: Of its domain, by name, SI.
        sites: Where they are; not needed by extrema and volumes.
        volume: Of the closed geometry, m3; needed by volumes. Its sign does not count.
        parameters: Of the case, SI.

    Returns:
        The QoI in SI.

    Raises:
        KeyError: There is no such field.
        ValueError: Something that the kind needs was not given.
    """
    return measure(
        definition,
        dict(fields),
        weights=None if sites is None else sites.weights,
        normals=None if sites is None else sites.normals,
        positions=None if sites is None else sites.positions,
        volume=None if volume is None else abs(float(volume)),
        parameters=parameters,
    )
