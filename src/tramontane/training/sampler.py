"""Which case and which of its sites a step sees: a pure function of seed, step and rank.

There is no state to save: a resumed run draws what an uninterrupted one would have drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyvista as pv
import torch
from numpy.typing import NDArray
from torch import Tensor

from tramontane.contract import Contract, DomainSpec
from tramontane.dataset import Dataset, Sites, sample_surface
from tramontane.models.inputs import Inputs
from tramontane.training.batch import Batch
from tramontane.training.normalization import Normalization, channel_slices

Array = NDArray[np.floating[Any]]
_CACHE_BYTES = 4 << 30


class Sampler:
    """Draws batches from the named cases of a dataset.

    Args:
        dataset: The store.
        names: Cases to draw from.
        normalization: Measured on the training split.
        points: Sites drawn of each domain.
        geometry_points: Points drawn on the geometry's surface.
        batch_size: Cases in a batch (of each process).
        seed: Of all draws.
    """

    def __init__(
        self,
        dataset: Dataset,
        names: Sequence[str],
        normalization: Normalization,
        *,
        points: int,
        geometry_points: int,
        batch_size: int = 1,
        seed: int = 0,
    ) -> None:
        self.dataset, self.names, self.normalization = dataset, list(names), normalization
        self.points, self.geometry_points, self.batch_size, self.seed = points, geometry_points, batch_size, seed
        rows = sum(dataset.size(name, domain) for name in names for domain in dataset.contract.fields)
        channels = 8 + max(sum(s.components for s in specs.values()) for specs in dataset.contract.fields.values())
        self._cached = rows * channels * 4 < _CACHE_BYTES
        self._sites: dict[tuple[str, str], Sites] = {}
        self._geometry: dict[str, tuple[Array, Array]] = {}

    def draw(self, step: int, *, rank: int = 0, world: int = 1) -> Batch:
        """The batch of a step for one of ``world`` processes."""
        position = (step * world + rank) * self.batch_size
        places = [shuffled(position + k, len(self.names), self.seed) for k in range(self.batch_size)]
        return self.batch([self.names[place] for place in places], key=(step, rank))

    def batch(self, names: Sequence[str], *, key: tuple[int, ...]) -> Batch:
        """A batch of the given cases; ``key`` and the seed decide which sites are drawn."""
        inputs, targets = zip(*(self._one(name, np.random.default_rng((self.seed, *key, k)))
                                for k, name in enumerate(names)), strict=True)  # fmt: skip
        # Domains may be smaller than what was asked for: a batch takes what every one of its cases has.
        count = {domain: min(len(t[domain]) for t in targets) for domain in targets[0]}
        together = {d: _stack([t[d][:n] for t in targets]) for d, n in count.items()}
        fields, energy = {}, {}
        for domain, target in together.items():
            for name, columns in channel_slices(self.dataset.contract, domain).items():
                scale = self.normalization.fields[domain][name]
                zero = target.new_tensor(scale.mean) / scale.deviation
                fields[f"{domain}/{name}"] = (domain, columns)
                energy[f"{domain}/{name}"] = (target[..., columns] + zero).square().sum((1, 2))
        return Batch(
            Inputs(
                geometry=_stack([geometry for geometry, *_ in inputs]),
                normals=_stack([normals for _, normals, *_ in inputs]),
                parameters=_stack([parameters for _, _, parameters, _ in inputs]),
                points={d: _stack([points[d][:n] for *_, points in inputs]) for d, n in count.items()},
            ),
            together,
            fields,
            energy,
            list(names),
        )

    def _one(self, name: str, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Array]]:
        contract, parameters = self.dataset.contract, self.dataset.parameters(name)
        points, targets = {}, {}
        for domain in contract.fields:
            sites = self._draw_sites(name, domain, rng)
            points[domain] = self.normalization.positions(sites.positions)
            targets[domain] = self.normalization.encode(contract, domain, sites.fields, parameters)
        if name not in self._geometry:
            self._geometry[name] = geometry_input(
                self.dataset.geometry(name), contract, count=8 * self.geometry_points, seed=self.seed
            )
        on_surface, normals = self._geometry[name]
        chosen = rng.choice(len(on_surface), size=self.geometry_points, replace=len(on_surface) < self.geometry_points)
        geometry = self.normalization.positions(on_surface[chosen])
        vector = self.normalization.parameter_vector(parameters)
        return (geometry, normals[chosen], vector, points), targets

    def _draw_sites(self, name: str, domain: str, rng: np.random.Generator) -> Sites:
        weighted = weighted_by_measure(self.dataset.contract, domain)
        count = self.points * (4 if weighted else 1)
        if self._cached:
            if (name, domain) not in self._sites:
                self._sites[name, domain] = self.dataset.sites(name, domain)
            sites = self._sites[name, domain]
            size = len(sites.positions)
            sites = take(sites, (rng.integers(size) + np.arange(min(count, size))) % size)
        else:
            sites = self.dataset.sample(name, domain, count, rng)
        # Gumbel's trick: the largest of log w + noise are a draw without replacement in proportion to w.
        noise = rng.gumbel(size=len(sites.positions))
        rank = np.log(np.maximum(sites.weights, 1e-30)) + noise if weighted else noise
        return take(sites, np.argsort(-rank)[: self.points])


def shuffled(position: int, count: int, seed: int) -> int:
    """Which of ``count`` cases stands at a position when they come round and round, each time in another order."""
    epoch, place = divmod(position, count)
    return int(np.random.default_rng((seed, 1 << 20, epoch)).permutation(count)[place])


def weighted_by_measure(contract: Contract, domain: str) -> bool:
    """Whether a domain's anchors are uniform in area or volume, as they are drawn when only the geometry is known.

    Outside a body they follow the solver's mesh instead, which is fine where the flow changes fast; a prediction
    takes them from a template of training cases.
    """
    return contract.domains.get(domain, DomainSpec()).side != "outside"


def geometry_input(mesh: pv.PolyData, contract: Contract, *, count: int, seed: int) -> tuple[Array, Array]:
    """Points ``(count, 3)`` in metres and unit normals on the part of a closed surface that the domains cover.

    Training and prediction both call this, so that a network sees the geometry alike, whatever its triangulation.
    """
    spec = next((spec for spec in contract.domains.values() if spec.side == "on"), DomainSpec())
    found: list[tuple[Array, Array]] = []
    total = 0
    for attempt in range(4):
        points, normals = onto_domain(*sample_surface(mesh, count * 2**attempt, seed + attempt), spec)
        found.append((points, normals))
        total += len(points)
        if total >= count:
            break
    points, normals = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.random.default_rng((seed, 7)).permutation(len(points))[:count]
    return points[order], normals[order]


def onto_domain(points: Array, normals: Array, spec: DomainSpec) -> tuple[Array, Array]:
    """Those of the surface points ``(n, 3)`` and normals that lie between the planes that cut a domain off.

    A domain that is flat along an axis (a two-dimensional flow) takes the points of the walls along that axis, moved
    onto its plane; its caps do not count.
    """
    points = points.copy()
    for axis, (low, high) in enumerate(zip(spec.low, spec.high, strict=True)):
        if low is not None and low == high:
            wall = np.abs(normals[:, axis]) < 0.5
            points, normals = points[wall], normals[wall]
            points[:, axis] = low
            continue
        keep = np.ones(len(points), dtype=bool)
        if low is not None:
            keep &= points[:, axis] >= low
        if high is not None:
            keep &= points[:, axis] <= high
        points, normals = points[keep], normals[keep]
    return points, normals


def take(sites: Sites, index: NDArray[np.integer[Any]]) -> Sites:
    """Some of the sites, in the order of ``index``."""
    return Sites(
        positions=sites.positions[index],
        fields={name: values[index] for name, values in sites.fields.items()},
        weights=sites.weights[index],
        normals=None if sites.normals is None else sites.normals[index],
    )


def _stack(arrays: Sequence[Array]) -> Tensor:
    return torch.from_numpy(np.stack(arrays))
