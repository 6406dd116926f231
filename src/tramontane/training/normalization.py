"""From SI to what a network sees, and back: one frame for positions, standard scores for parameters and fields.

Input scaling matters more than architecture at a hundred cases or fewer: a field is first divided by the operating
conditions it is proportional to (``scales_with`` in the contract: a pressure by speed squared), then standardised.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from tramontane.contract import Contract, FieldSpec, QoiSpec
from tramontane.dataset import Dataset
from tramontane.errors import ContractError

Array = NDArray[np.floating[Any]]
# Names of what has no sign; of programs' own: Ansys SEQV, SINT and USUM, Abaqus MISES and Magnitude, Code_Aster VMIS.
_MAGNITUDES = re.compile(
    r"mises|vmis|seqv|eqv|equivalent|tresca|intensity|sint|usum|magnitude"
    r"|(^|[_ ])(mag|norm|abs|resultant|total)($|[_ ])",
    re.IGNORECASE,
)
_LARGEST = re.compile(r"max|largest|peak|highest", re.IGNORECASE)


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
            values = (scores[:, columns] * scale.deviation + np.asarray(scale.mean)) * predicted_scale(
                field, spec, contract, parameters
            )
            fields[field] = (values[:, 0] if spec.components == 1 else values).astype(np.float32)
        return fields


def operating_scale(spec: FieldSpec | QoiSpec, parameters: dict[str, float]) -> float:
    """Product of the operating conditions to which a quantity is proportional, SI; 1 where there are none."""
    return math.prod(abs(parameters[key]) ** exponent for key, exponent in spec.scales_with.items()) or 1.0


def law_of_fields(contract: Contract, spec: QoiSpec) -> dict[str, float]:
    """The power law of a QoI that follows from fields, where these have one: it is seen in them from fewer cases."""
    definition = spec.definition
    if definition is None or definition.kind == "volume":
        return {}
    fields = contract.fields.get(definition.domain, {})
    names = [name for name in (definition.field, definition.shear) if name]
    laws = [fields[name].scales_with for name in names if name in fields]
    if len(laws) < len(names) or any(law != laws[0] for law in laws):
        return {}
    law = {key: laws[0].get(key, 0.0) - definition.per.get(key, 0.0) for key in {**laws[0], **definition.per}}
    return {key: power for key, power in law.items() if power}


def predicted_scale(name: str, spec: FieldSpec | QoiSpec, contract: Contract, values: dict[str, float]) -> float:
    """`operating_scale` of any operating conditions, those beyond the training cases' among them.

    A quantity in proportion to a load is zero where the load is, and changes its sign with the load; a magnitude, such
    as a von Mises stress, does not. What sign a law of the power 1, 3, ... gives is relative to the training cases'.

    Args:
        name: Of the quantity.
        spec: Its law.
        contract: Of the surrogate, with the ranges and fields of the training cases.
        values: Parameters, SI.

    Raises:
        ContractError: A parameter is zero, and the quantity is over a power of it.
    """
    scale = 1.0
    for key, power in spec.scales_with.items():
        if values[key] == 0 and power < 0:
            raise ContractError(f"parameter {key!r} is zero, and {name} is in proportion to a negative power "
                                "of it; give another value")  # fmt: skip
        scale *= abs(values[key]) ** power
    return scale * sign_of_law(name, spec, contract, values)


def sign_of_law(name: str, spec: FieldSpec | QoiSpec, contract: Contract, values: dict[str, float]) -> int:
    """-1 where operating conditions turn a quantity about, against the training cases; see `predicted_scale`."""
    sign = 1
    for key, power in spec.scales_with.items():
        range_of = contract.parameters[key]
        one_way = range_of.low * range_of.high > 0  # else the cases themselves say what the sign does
        if power % 2 == 1 and one_way and values[key] * range_of.low < 0 and not is_magnitude(name, spec, contract):
            sign = -sign
    return sign


def is_magnitude(name: str, spec: FieldSpec | QoiSpec, contract: Contract) -> bool:
    """Whether a quantity has no sign: by what it is, or else by its name."""
    if isinstance(spec, FieldSpec):
        return spec.components == 1 and _MAGNITUDES.search(name) is not None
    definition = spec.definition
    field = None if definition is None else contract.fields.get(definition.domain, {}).get(definition.field)
    if definition is None or field is None:
        return _MAGNITUDES.search(name) is not None or _LARGEST.search(name) is not None
    if definition.kind in ("force", "moment"):
        return False
    return field.components > 1 or is_magnitude(definition.field, field, contract)


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
