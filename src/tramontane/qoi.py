"""Quantities of interest defined by fields: force integrals, extrema, means, volumes.

A definition is data (it stands in the contract), `measure` evaluates it on arrays, so that the same line of code
measures a solver's fields and a surrogate's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

Array = NDArray[np.floating[Any]]


class QoiDefinition(BaseModel):
    """How a QoI follows from fields on one domain.

    Attributes:
        kind: ``force`` is the integral of ``-p n + tau`` along ``direction`` (``field`` is p, ``shear`` is tau);
            ``moment`` is that of ``(x - center) x (-p n + tau)`` about ``direction``;
            ``max``, ``min`` and ``mean`` (weighted by area or volume) and ``integral`` are of ``field``;
            ``volume`` is the volume of the closed geometry.
        domain: The domain whose fields are used; not used by ``volume``.
        field: The field's name; its magnitude is meant where it is a vector.
        shear: Name of the wall shear stress, the force of the fluid on the wall; None where pressure acts alone.
        direction: Unit vector of a force, axis of a moment.
        center: Point about which a moment is taken, metres.
        patches: The patches of the boundary that count, by name or pattern; empty takes the whole domain. Patches are
            known of a solver's meshes only, so a surrogate regresses such a QoI.
        normals: Whether the domain's mesh has normals that point out of the body or into it.
        factor: Multiplies the result: 2 for a half model, the density for a mass, 2 / (rho A) for a coefficient.
        per: Exponents of parameters (SI) by whose product the result is divided: ``{"speed": 2}`` for a coefficient.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["force", "moment", "max", "min", "mean", "integral", "volume"]
    domain: str = "surface"
    field: str = ""
    shear: str | None = None
    direction: tuple[float, float, float] = (1.0, 0.0, 0.0)
    normals: Literal["outward", "inward"] = "outward"
    center: tuple[float, float, float] = (0.0, 0.0, 0.0)
    patches: tuple[str, ...] = ()
    factor: float = 1.0
    per: dict[str, float] = Field(default_factory=dict)

    def __hash__(self) -> int:
        return hash(self.model_dump_json())

    def __str__(self) -> str:
        factor = "" if self.factor == 1 else f"{self.factor:.6g} x "
        per = "".join(f" / {name}^{power:g}" for name, power in self.per.items())
        place = f"{self.domain}" + (f" ({', '.join(self.patches)})" if self.patches else "")
        if self.kind == "volume":
            return f"{factor}volume of the geometry{per}"
        if self.kind in ("force", "moment"):
            parts = self.field + (f" and {self.shear}" if self.shear else "")
            way = f"along {self.direction}" if self.kind == "force" else f"about {self.direction} at {self.center}"
            return f"{factor}{self.kind} {way} of {parts} on {place} ({self.normals} normals){per}"
        return f"{factor}{self.kind} of {self.field} on {place}{per}"


def measure(
    definition: QoiDefinition,
    fields: dict[str, Array],
    *,
    weights: Array | None = None,
    normals: Array | None = None,
    volume: float | None = None,
    positions: Array | None = None,
    parameters: Mapping[str, float] | None = None,
) -> float:
    """Evaluate a definition on fields.

    Args:
        definition: What to measure.
        fields: ``(n,)`` or ``(n, components)`` values in SI of each field of ``definition.domain``.
        weights: ``(n,)`` area in m2 or volume in m3 of each value; not needed by ``max`` and ``min``.
        normals: ``(n, 3)`` unit normals of the domain's own mesh; needed by ``force`` and ``moment``.
        volume: Volume of the closed geometry in m3; needed by ``volume``.
        positions: ``(n, 3)`` metres; needed by ``moment``.
        parameters: In SI; needed where the definition has ``per``.

    Returns:
        The QoI in SI.

    Raises:
        ValueError: Something that the kind needs was not given.
    """
    scale = definition.factor
    for name, power in definition.per.items():
        if parameters is None or name not in parameters:
            raise ValueError(f"the QoI is per {name}, which is not among the parameters")
        scale /= parameters[name] ** power
    return scale * _amount(definition, fields, weights, normals, volume, positions)


def _amount(
    definition: QoiDefinition,
    fields: dict[str, Array],
    weights: Array | None,
    normals: Array | None,
    volume: float | None,
    positions: Array | None,
) -> float:
    if definition.kind == "volume":
        if volume is None:
            raise ValueError("a volume QoI needs the geometry's volume")
        return volume
    values = np.asarray(fields[definition.field], dtype=np.float64)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if definition.kind in ("force", "moment"):
        if weights is None or normals is None:
            raise ValueError(f"a {definition.kind} QoI needs areas and normals")
        axis = np.broadcast_to(np.asarray(definition.direction, dtype=np.float64), normals.shape)
        if definition.kind == "moment":
            if positions is None:
                raise ValueError("a moment QoI needs positions")
            # axis . (r x t) = (axis x r) . t: a moment is a force along a direction of each place's own.
            axis = np.cross(axis, np.asarray(positions, dtype=np.float64) - np.asarray(definition.center))
        sign = 1.0 if definition.normals == "outward" else -1.0
        traction = -sign * values * np.einsum("ij,ij->i", normals, axis)
        if definition.shear is not None:
            traction = traction + np.einsum("ij,ij->i", np.asarray(fields[definition.shear], dtype=np.float64), axis)
        return float(traction @ weights)
    if values.ndim == 2:
        values = np.linalg.norm(values, axis=1)
    if definition.kind in ("max", "min"):
        return float(values.max() if definition.kind == "max" else values.min())
    if weights is None:
        raise ValueError(f"a {definition.kind} QoI needs areas or volumes")
    total = float(values @ weights)
    return total / float(weights.sum()) if definition.kind == "mean" else total
