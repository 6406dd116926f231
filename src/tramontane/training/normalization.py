"""From SI to what a network sees, and back: one frame for positions, standard scores for parameters and fields.

Input scaling matters more than architecture at a hundred cases or fewer: a field is first divided by the operating
conditions it is proportional to (``scales_with`` in the contract: a pressure by speed squared), then standardised.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from tramontane.contract import Contract, FieldSpec, QoiSpec
from tramontane.dataset import Dataset

Array = NDArray[np.floating[Any]]


class FieldScale(BaseModel):
    """Mean of each component and one deviation for all of them, of the field divided by its operating scale."""

    model_config = ConfigDict(frozen=True)

    mean: tuple[float, ...]
    deviation: float


class ParameterScale(BaseModel):
    """Mean and deviation of a parameter over the training cases, SI."""

    model_config = ConfigDict(frozen=True)

    mean: float
    deviation: float


class Normalization(BaseModel):
    """Everything that was measured on the training cases to scale a network's inputs and outputs.

    Attributes:
        center: Of the frame, metres.
        half_extent: Half the frame's longest side, metres: positions become about -1 to 1, aspect kept.
        parameters: Scale of each operating parameter.
        fields: Scale of each field by domain.
    """

    model_config = ConfigDict(frozen=True)

    center: tuple[float, float, float]
    half_extent: float
    parameters: dict[str, ParameterScale]
    fields: dict[str, dict[str, FieldScale]]

    @classmethod
    def measure(cls, dataset: Dataset, names: Sequence[str], *, sites_per_case: int = 8192) -> Normalization:
        """Measure on the named cases (the training split), on a uniform sample of each domain, in bounded memory."""
        contract = dataset.contract
        low, high = np.full(3, np.inf), np.full(3, -np.inf)
        sums: dict[tuple[str, str], list[Any]] = {}
        for name in names:
            parameters = dataset.parameters(name)
            for domain, specs in contract.fields.items():
                sites = dataset.sites(name, domain, 0, sites_per_case)
                low, high = np.minimum(low, sites.positions.min(0)), np.maximum(high, sites.positions.max(0))
                for field, spec in specs.items():
                    values = sites.fields[field].astype(np.float64) / operating_scale(spec, parameters)
                    entry = sums.setdefault((domain, field), [0, 0.0, 0.0])
                    entry[0] += len(values)
                    entry[1] = entry[1] + values.sum(0)
                    entry[2] = entry[2] + (values**2).sum(0)
        fields: dict[str, dict[str, FieldScale]] = {}
        for (domain, field), (count, total, squares) in sums.items():
            mean = total / count
            variance = float(np.mean(np.maximum(squares / count - mean**2, 0.0)))
            deviation = math.sqrt(variance) or 1.0
            fields.setdefault(domain, {})[field] = FieldScale(mean=tuple(mean.tolist()), deviation=deviation)
        table = {key: np.array([dataset.parameters(name)[key] for name in names]) for key in contract.operating}
        center = (low + high) / 2
        return cls(
            center=(float(center[0]), float(center[1]), float(center[2])),
            half_extent=float((high - low).max() / 2),
            parameters={
                key: ParameterScale(mean=float(column.mean()), deviation=float(column.std()) or 1.0)
                for key, column in table.items()
            },
            fields=fields,
        )

    def positions(self, positions: Array) -> Array:
        """Metres ``(n, 3)`` to the frame, float32."""
        return np.asarray((positions - np.asarray(self.center)) / self.half_extent, dtype=np.float32)

    def parameter_vector(self, values: dict[str, float]) -> Array:
        """Standard scores ``(p,)`` of the operating parameters, float32."""
        scores = [(values[key] - scale.mean) / scale.deviation for key, scale in self.parameters.items()]
        return np.asarray(scores, dtype=np.float32)

    def encode(self, contract: Contract, domain: str, fields: dict[str, Array], parameters: dict[str, float]) -> Array:
        """Fields of a domain in SI, side by side as standard scores ``(n, channels)``, float32."""
        columns = []
        for field, spec in contract.fields[domain].items():
            scale = self.fields[domain][field]
            values = fields[field].reshape(len(fields[field]), -1) / operating_scale(spec, parameters)
            columns.append((values - np.asarray(scale.mean)) / scale.deviation)
        return np.concatenate(columns, axis=1).astype(np.float32)

    def decode(self, contract: Contract, domain: str, scores: Array, parameters: dict[str, float]) -> dict[str, Array]:
        """The inverse of `encode`: ``(n,)`` for a scalar field, ``(n, components)`` else, float32."""
        fields: dict[str, Array] = {}
        for field, columns in channel_slices(contract, domain).items():
            spec, scale = contract.fields[domain][field], self.fields[domain][field]
            values = (scores[:, columns] * scale.deviation + np.asarray(scale.mean)) * operating_scale(spec, parameters)
            fields[field] = (values[:, 0] if spec.components == 1 else values).astype(np.float32)
        return fields


def operating_scale(spec: FieldSpec | QoiSpec, parameters: dict[str, float]) -> float:
    """Product of the operating conditions to which a quantity is proportional, SI; 1 where there are none."""
    return math.prod(abs(parameters[key]) ** exponent for key, exponent in spec.scales_with.items()) or 1.0


def channel_slices(contract: Contract, domain: str) -> dict[str, slice]:
    """Which channels of a network's output on a domain belong to each field, in the contract's order."""
    slices, start = {}, 0
    for field, spec in contract.fields[domain].items():
        slices[field] = slice(start, start + spec.components)
        start += spec.components
    return slices


def channel_count(contract: Contract, domain: str) -> int:
    """Number of channels of a network's output on a domain."""
    return sum(spec.components for spec in contract.fields[domain].values())
