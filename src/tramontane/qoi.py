"""Quantities of interest defined by fields: force integrals, extrema, means, volumes.

A definition is data (it stands in the contract), `measure` evaluates it on arrays, so that the same line of code
measures a solver's fields and a surrogate's.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

Array = NDArray[np.floating[Any]]


class QoiDefinition(BaseModel):
    """How a QoI follows from fields on one domain.

    Attributes:
        kind: ``force`` is the integral of ``-p n + tau`` along ``direction`` (``field`` is p, ``shear`` is tau);
            ``max``, ``min`` and ``mean`` (weighted by area or volume) and ``integral`` are of ``field``;
            ``volume`` is the volume of the closed geometry.
        domain: The domain whose fields are used; not used by ``volume``.
        field: The field's name; its magnitude is meant where it is a vector.
        shear: Name of the wall shear stress, the force of the fluid on the wall; None where pressure acts alone.
        direction: Unit vector of a force.
        normals: Whether the domain's mesh has normals that point out of the body or into it.
        factor: Multiplies the result (2 for a half model, density for a mass).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["force", "max", "min", "mean", "integral", "volume"]
    domain: str = "surface"
    field: str = ""
    shear: str | None = None
    direction: tuple[float, float, float] = (1.0, 0.0, 0.0)
    normals: Literal["outward", "inward"] = "outward"
    factor: float = 1.0

    def __str__(self) -> str:
        factor = "" if self.factor == 1 else f"{self.factor:.6g} x "
        if self.kind == "volume":
            return f"{factor}volume of the geometry"
        if self.kind == "force":
            parts = self.field + (f" and {self.shear}" if self.shear else "")
            return f"{factor}force along {self.direction} of {parts} on {self.domain} ({self.normals} normals)"
        return f"{factor}{self.kind} of {self.field} on {self.domain}"


def measure(
    definition: QoiDefinition,
    fields: dict[str, Array],
    *,
    weights: Array | None = None,
    normals: Array | None = None,
    volume: float | None = None,
) -> float:
    """Evaluate a definition on fields.

    Args:
        definition: What to measure.
        fields: ``(n,)`` or ``(n, components)`` values in SI of each field of ``definition.domain``.
        weights: ``(n,)`` area in m2 or volume in m3 of each value; not needed by ``max`` and ``min``.
        normals: ``(n, 3)`` unit normals of the domain's own mesh; needed by ``force``.
        volume: Volume of the closed geometry in m3; needed by ``volume``.

    Returns:
        The QoI in SI.

    Raises:
        ValueError: Something that the kind needs was not given.
    """
    if definition.kind == "volume":
        if volume is None:
            raise ValueError("a volume QoI needs the geometry's volume")
        return definition.factor * volume
    values = np.asarray(fields[definition.field], dtype=np.float64)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if definition.kind == "force":
        if weights is None or normals is None:
            raise ValueError("a force QoI needs areas and normals")
        sign = 1.0 if definition.normals == "outward" else -1.0
        direction = np.asarray(definition.direction)
        traction = -sign * values * (normals @ direction)
        if definition.shear is not None:
            traction = traction + np.asarray(fields[definition.shear], dtype=np.float64) @ direction
        return definition.factor * float(traction @ weights)
    if values.ndim == 2:
        values = np.linalg.norm(values, axis=1)
    if definition.kind in ("max", "min"):
        return definition.factor * float(values.max() if definition.kind == "max" else values.min())
    if weights is None:
        raise ValueError(f"a {definition.kind} QoI needs areas or volumes")
    total = float(values @ weights)
    return definition.factor * (total / float(weights.sum()) if definition.kind == "mean" else total)
