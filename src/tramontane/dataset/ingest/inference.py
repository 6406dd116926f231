"""A contract inferred from cases, one at a time: only a few numbers of each are kept."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Literal

import numpy as np
import pyvista as pv
from numpy.typing import NDArray

from tramontane.case import Case, Location
from tramontane.contract import Contract, DomainSpec, FieldSpec, ParameterSpec, QoiSpec, Role
from tramontane.dataset.audit.facts import CaseFacts
from tramontane.dataset.audit.outliers import round_off
from tramontane.dataset.store.sites import Sites, SitesOf, field_specs, mesh_sites
from tramontane.errors import ContractError
from tramontane.geometry.distance import inside
from tramontane.qoi import QoiDefinition
from tramontane.units import Quantity, dimension, si_unit, to_si

Array = NDArray[np.floating[Any]]
_MATCH = 0.01  # a definition is taken when it reproduces a QoI to this share of its size, in the median case
_EQUAL = 1e-9  # two numbers are one to this share
_AXES = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


@dataclass
class ContractFacts:
    """What a contract's inference keeps of a case beside its `CaseFacts`; small, and can be sent to another process.

    Attributes:
        fields: By domain and name.
        geometry_bounds: Lowest and highest coordinate ``(3, 2)`` of its closed surface, metres; None without one.
        sides: By domain, on which side of the geometry it lies.
        candidates: Definitions that its QoIs may have, and what they give.
    """

    fields: dict[str, dict[str, FieldSpec]]
    geometry_bounds: Array | None
    sides: dict[str, str] = field(default_factory=dict)
    candidates: dict[QoiDefinition, float] = field(default_factory=dict)


def contract_facts(case: Case, geometry: pv.PolyData | None, sites_of: SitesOf = mesh_sites) -> ContractFacts:
    """What a contract's inference keeps of a case.

    Args:
        case: In SI.
        geometry: Its closed triangle surface, metres.
        sites_of: What gives the sites of a mesh, where they are known already.
    """
    specs = {domain: field_specs(case, domain) for domain in case.meshes}
    facts = ContractFacts(specs, None if geometry is None else np.asarray(geometry.bounds).reshape(3, 2))
    for domain, fields in specs.items():
        location: Location = "cell" if any(spec.location == "cell" for spec in fields.values()) else "point"
        sites = sites_of(case.meshes[domain], location)
        facts.sides[domain] = _side(case.meshes[domain], sites, geometry)
        if case.qoi:  # else there is nothing that a definition could reproduce
            facts.candidates |= _candidates(domain, fields, sites)
    if geometry is not None:
        facts.candidates[QoiDefinition(kind="volume", domain="")] = abs(float(geometry.volume))
    return facts


class ContractInference:
    """Collects the facts of cases with `add`, then `contract` says what they have in common.

    Args:
        name: Of the contract.
    """

    def __init__(self, name: str = "cases") -> None:
        self.name = name
        self._cases: list[CaseFacts] = []
        self._more: list[ContractFacts] = []

    def add(self, facts: CaseFacts, more: ContractFacts) -> None:
        """Take a case into account; see `contract_facts`."""
        self._cases.append(facts)
        self._more.append(more)

    @property
    def _fields(self) -> dict[str, dict[str, FieldSpec]]:
        return self._more[0].fields

    @property
    def _qoi_units(self) -> dict[str, str]:
        return {name: unit for case in self._cases for name, unit in case.qoi_units.items()}

    def contract(self) -> Contract:
        """The contract of all cases seen.

        Raises:
            ContractError: No case was added.
        """
        if not self._cases:
            raise ContractError("a contract cannot be inferred from no case; name a folder that has some")
        parameters = self._parameters()
        return Contract(
            name=self.name,
            parameters=parameters,
            domains={domain: self._domain(domain) for domain in self._fields},
            fields={
                domain: {
                    name: spec.model_copy(
                        update={
                            "scales_with": self._scales(
                                [_rms(case, f"{domain}/{name}") for case in self._cases], parameters
                            )
                        }
                    )
                    for name, spec in specs.items()
                }
                for domain, specs in self._fields.items()
            },
            qoi={
                name: self._qoi(name).model_copy(
                    update={
                        "scales_with": self._scales([abs(case.qoi.get(name, 0.0)) for case in self._cases], parameters)
                    }
                )
                for name in self._in_most("qoi")
            },
        )

    def _in_most(self, kind: Literal["parameters", "qoi"]) -> list[str]:
        """The names that half of the cases have, or more, but for QoIs that are round-off."""
        counts = Counter(name for case in self._cases for name in getattr(case, kind))
        often = [name for name, count in counts.items() if 2 * count >= len(self._cases)]
        if kind == "parameters" or len(self._cases) < 2:
            return often
        nothing = round_off({name: [case.qoi[name] for case in self._cases if name in case.qoi] for name in often})
        return [name for name in often if name not in nothing]

    def _parameters(self) -> dict[str, ParameterSpec]:
        # Where there is no geometry, a length is as much asked for as a speed.
        shapes = any(case.domains for case in self._cases) or any(of.geometry_bounds is not None for of in self._more)
        specs = {}
        for name in self._in_most("parameters"):
            having = [case.parameters[name] for case in self._cases if name in case.parameters]
            unit = having[0].unit or ""
            values = [_si(given, unit, name) for given in having]
            # What is the same everywhere is not asked: of a single case, nothing can be told.
            same = len(values) > 1 and math.isclose(min(values), max(values), rel_tol=_EQUAL)
            role: Role = "constant" if same else _role(name, unit) if shapes else "operating"
            if same:
                values = values[:1]
            specs[name] = ParameterSpec(unit=unit, low=min(values), high=max(values), role=role)
        return specs

    def _domain(self, domain: str) -> DomainSpec:
        """The side most cases say, and the planes on which every case's domain ends though the geometry goes on."""
        sides = [of.sides[domain] for of in self._more if domain in of.sides]
        side: Any = max(set(sides), key=sides.count)
        meshes = [case.domains[domain] for case in self._cases if domain in case.domains]
        bounds = np.array([np.stack([mesh.low, mesh.high], axis=1) for mesh in meshes])
        extent = float((bounds[:, :, 1] - bounds[:, :, 0]).max())
        geometry = [of.geometry_bounds for of in self._more if of.geometry_bounds is not None]
        planes: dict[str, Any] = {"low": [None] * 3, "high": [None] * 3}
        for axis, (end, key) in product(range(3), enumerate(("low", "high"))):
            values = bounds[:, axis, end]
            if np.ptp(values) > 1e-3 * extent or not geometry:
                continue
            reach = np.array([g[axis, end] for g in geometry])
            beyond = (reach < values.min() - 1e-3 * extent) if end == 0 else (reach > values.max() + 1e-3 * extent)
            if side == "outside" or beyond.all():
                # Solvers write coordinates with a few digits: minus zero and its like are zero.
                planes[key][axis] = 0.0 if abs(values.mean()) < 1e-5 * extent else float(values.mean())
        return DomainSpec(side=side, low=tuple(planes["low"]), high=tuple(planes["high"]))

    def _scales(self, sizes: list[float], parameters: dict[str, ParameterSpec]) -> dict[str, float]:
        """Exponents of the operating conditions in a power law for the size of a quantity, where they are clear.

        The geometry's parameters stand in the same regression, so that their effect is not taken for an operating one.
        """
        # A load that always points downwards is as good as one upwards: of one sign, and not nearly constant.
        positive = [
            key
            for key, spec in parameters.items()
            for low, high in [sorted((abs(spec.low), abs(spec.high)))]
            if spec.low * spec.high > 0 and high > 1.1 * low
        ]
        operating = [key for key in positive if parameters[key].role == "operating"]
        others = [key for key in positive if key not in operating]
        full = [
            (case, size)
            for case, size in zip(self._cases, sizes, strict=True)
            if size > 0 and all(key in case.parameters for key in positive)
        ]
        if not operating or len(full) < 2 * len(operating) + 4:
            return {}
        keys = operating + (others if len(full) >= 2 * len(positive) + 4 else [])
        table = np.array(
            [[math.log(abs(_si(case.parameters[key], parameters[key].unit, key))) for key in keys] for case, _ in full]
        )
        table = np.column_stack([table - table.mean(0), np.ones(len(table))])
        target = np.log([size for _, size in full])
        solution, *_ = np.linalg.lstsq(table, target, rcond=None)
        spread = float(np.std(target - table @ solution)) * math.sqrt(len(full) / (len(full) - len(solution)))
        error = spread * np.sqrt(np.diag(np.linalg.inv(table.T @ table)))
        exponents: dict[str, float] = {}
        for index, key in enumerate(operating):
            # Most laws of similarity have whole exponents, some half ones; what is left is for the model to learn.
            exponent, whole, half = float(solution[index]), round(solution[index]), round(2 * solution[index]) / 2
            if error[index] < 0.15:
                chosen = half if abs(exponent - half) < 0.1 else whole if abs(exponent - whole) < 0.3 else 0
                exponents |= {key: float(chosen)} if chosen else {}
        return exponents

    def _qoi(self, name: str) -> QoiSpec:
        """The unit, and the simplest definition by fields that reproduces the QoI in the cases."""
        unit = self._qoi_units.get(name, "")
        having = [number for number, case in enumerate(self._cases) if name in case.qoi]
        cases = [self._cases[number] for number in having]
        candidates = [self._more[number].candidates for number in having]
        truth = np.array([case.qoi[name] for case in cases])
        size = np.abs(truth).mean() or 1.0
        best: tuple[float, QoiDefinition] | None = None
        for definition in candidates[0]:
            values = np.array([of.get(definition, np.nan) for of in candidates])
            if not _same_dimension(definition, unit, self._fields) or not np.all(np.isfinite(values)):
                continue
            for factor in _factors(definition, values, truth):
                error = float(np.median(np.abs(factor * values - truth)) / size)
                if error < _MATCH and (best is None or error < 0.5 * best[0]):
                    best = (error, definition.model_copy(update={"factor": factor}))
        shown, _ = Counter(case.qoi_shown.get(name) for case in cases).most_common(1)[0]
        return QoiSpec(unit=unit, display_unit=shown, definition=best[1] if best else None)


def _side(mesh: pv.DataSet, sites: Sites, geometry: pv.PolyData | None) -> str:
    if isinstance(mesh, pv.PolyData):
        return "on"
    if geometry is None:
        return "inside"
    step = max(1, len(sites.positions) // 500)
    return "inside" if inside(geometry, sites.positions[::step]).mean() > 0.5 else "outside"


def _role(name: str, unit: str) -> Role:
    """A length or an angle describes the geometry, unless its name says how the flow comes in."""
    if any(word in name.lower() for word in ("attack", "incidence", "yaw", "sideslip", "aoa")):
        return "operating"
    if dimension(unit) in ("[length]", "[length] ** 2", "[length] ** 3"):
        return "geometry"
    return "geometry" if si_unit(unit) == "rad" else "operating"


def _candidates(domain: str, fields: dict[str, FieldSpec], sites: Sites) -> dict[QoiDefinition, float]:
    """Every definition worth trying on a domain, with its value in this case (factor one)."""
    candidates: dict[QoiDefinition, float] = {}
    weights = np.asarray(sites.weights, dtype=np.float64)
    values = {name: np.asarray(sites.fields[name], dtype=np.float64) for name in fields}
    stresses = [name for name, spec in fields.items() if dimension(spec.unit) == dimension("Pa")]
    pressures = [name for name in stresses if fields[name].components == 1]
    shears = [name for name in stresses if fields[name].components == 3]
    if sites.normals is not None and domain == "surface":
        sides: tuple[Literal["outward", "inward"], ...] = ("outward", "inward")
        # `measure` of each of these, by one integral for each field and axis.
        pushed = {name: (values[name].reshape(-1) * weights) @ sites.normals for name in pressures}
        dragged = {name: weights @ values[name] for name in shears}
        for pressure, shear, axis, normals in product(pressures, [*shears, None], range(3), sides):
            definition = QoiDefinition(kind="force", domain=domain, field=pressure, shear=shear,
                                       direction=_AXES[axis], normals=normals)  # fmt: skip
            sign = -1.0 if normals == "outward" else 1.0
            candidates[definition] = float(sign * pushed[pressure][axis] + (dragged[shear][axis] if shear else 0.0))
    for name, spec in fields.items():
        if spec.components <= 3:
            sizes = values[name].reshape(len(weights), -1)
            sizes = sizes[:, 0] if sizes.shape[1] == 1 else np.sqrt(np.einsum("ij,ij->i", sizes, sizes))
            mean = sizes @ weights / weights.sum()
            candidates[QoiDefinition(kind="max", domain=domain, field=name)] = float(sizes.max())
            candidates[QoiDefinition(kind="min", domain=domain, field=name)] = float(sizes.min())
            candidates[QoiDefinition(kind="mean", domain=domain, field=name)] = float(mean)
    return candidates


def _factors(definition: QoiDefinition, values: Array, truth: Array) -> list[float]:
    if definition.kind == "force":
        return [1.0, 2.0, 4.0, -1.0, -2.0, -4.0]
    if definition.kind == "volume":
        # A mass is a volume times a density that is the same in every case.
        ratios = truth / np.where(values == 0, np.nan, values)
        ratio = float(np.median(ratios))
        return [ratio] if len(ratios) > 1 and np.nanstd(ratios) < 2e-3 * abs(ratio) else []
    return [1.0]


def _same_dimension(definition: QoiDefinition, unit: str, fields: dict[str, dict[str, FieldSpec]]) -> bool:
    if definition.kind == "volume":
        return dimension(unit) in ("[mass]", "[length] ** 3")
    if definition.kind == "force":
        return dimension(unit) == dimension("N")
    return dimension(unit) == dimension(fields[definition.domain][definition.field].unit)


def _si(given: Quantity, unit: str, name: str) -> float:
    return to_si(Quantity(given.value, given.unit or ""), unit=unit, name=name)


def _rms(case: CaseFacts, field: str) -> float:
    return case.fields[field].rms if field in case.fields else 0.0
