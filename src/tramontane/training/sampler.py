"""Which case and which points a step sees: a pure function of seed, step and rank.

There is no state to save: a resumed run draws what an uninterrupted one would have drawn. Anchors are drawn as a
prediction draws them, from the geometry alone; what is asked is known at the case's own sites. A network whose anchors
were sites of solvers' meshes is lost among anchors that are spread in another way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tramontane.contract import DomainSpec
from tramontane.dataset import Dataset, Sites
from tramontane.errors import SurrogateError, TrainingError
from tramontane.models.inputs import Inputs
from tramontane.training.anchors import draw_anchors, geometry_input
from tramontane.training.batch import Batch
from tramontane.training.normalization import Normalization, channel_slices

Array = NDArray[np.floating[Any]]
_CACHE_BYTES = 4 << 30
_DRAWN = 4  # sites, for one that is taken by its area or volume
_POOL = 8  # points of a case's geometry, and anchors of a domain, that are kept for one drawn in a step


class Sampler:
    """Draws batches from the named cases of a dataset.

    Args:
        dataset: The store.
        names: Cases to draw from.
        normalization: Measured on the training split.
        templates: By domain, where training cases have their sites; see `fit_template`.
        points: Sites drawn of each domain, where fields are asked for.
        anchors: Anchors drawn of each domain.
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
        templates: Mapping[str, Array],
        points: int,
        anchors: int,
        geometry_points: int,
        batch_size: int = 1,
        seed: int = 0,
    ) -> None:
        self.dataset, self.names, self.normalization, self.templates = dataset, list(names), normalization, templates
        self.points, self.anchors, self.geometry_points = points, anchors, geometry_points
        self.batch_size, self.seed = batch_size, seed
        rows = sum(dataset.size(name, domain) for name in names for domain in dataset.contract.fields)
        channels = 8 + max(sum(s.components for s in specs.values()) for specs in dataset.contract.fields.values())
        self._cached = rows * channels * 4 < _CACHE_BYTES
        self._sites: dict[tuple[str, str], Sites] = {}
        self._anchors: dict[tuple[str, str], Array] = {}
        self._geometry: dict[str, tuple[Array, Array]] = {}

    def draw(self, step: int, *, rank: int = 0, world: int = 1) -> Batch:
        """The batch of a step for one of ``world`` processes.

        Raises:
            TrainingError: The geometry of a case leaves no room for a domain.
        """
        position = (step * world + rank) * self.batch_size
        places = [shuffled(position + k, len(self.names), self.seed) for k in range(self.batch_size)]
        return self.batch([self.names[place] for place in places], key=(step, rank))

    def batch(self, names: Sequence[str], *, key: tuple[int, ...]) -> Batch:
        """A batch of the given cases; ``key`` and the seed decide which points are drawn."""
        drawn = [self._one(name, np.random.default_rng((self.seed, *key, k))) for k, name in enumerate(names)]
        inputs, queries, targets = zip(*drawn, strict=True)
        # Domains may be smaller than what was asked for: a batch takes what every one of its cases has.
        count = {domain: min(len(target[domain]) for target in targets) for domain in targets[0]}
        asked, together = (
            {domain: _stack([case[domain][:n] for case in of]) for domain, n in count.items()}
            for of in (queries, targets)
        )
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
                points={domain: _stack([anchors[domain] for *_, anchors in inputs]) for domain in count},
                queries=asked,
            ),
            together,
            fields,
            energy,
            list(names),
        )

    def _one(
        self, name: str, rng: np.random.Generator
    ) -> tuple[tuple[Array, Array, Array, dict[str, Array]], dict[str, Array], dict[str, Array]]:
        """Geometry, normals, parameters and anchors; queries; targets there."""
        contract, parameters, scales = self.dataset.contract, self.dataset.parameters(name), self.normalization
        around, queries, targets = {}, {}, {}
        for domain in contract.fields:
            sites = self._draw_sites(name, domain, rng)
            queries[domain] = scales.positions(sites.positions)
            targets[domain] = scales.encode(contract, domain, sites.fields, parameters)
            pool = self._pool(name, domain)
            around[domain] = scales.positions(pool[rng.permutation(len(pool))[: self.anchors]])
        on_surface, normals = self._on_geometry(name)
        chosen = rng.choice(len(on_surface), size=self.geometry_points, replace=len(on_surface) < self.geometry_points)
        geometry = scales.positions(on_surface[chosen])
        return (geometry, normals[chosen], scales.parameter_vector(parameters), around), queries, targets

    def _draw_sites(self, name: str, domain: str, rng: np.random.Generator) -> Sites:
        """On a surface and inside a body in proportion to area or volume, on which forces and mass hang.

        Outside they follow the solver's mesh, which is fine where the flow changes fast.
        """
        weighted = self.dataset.contract.domains.get(domain, DomainSpec()).side != "outside"
        count = self.points * (_DRAWN if weighted else 1)
        if self._cached:
            if (name, domain) not in self._sites:
                self._sites[name, domain] = self.dataset.sites(name, domain)
            sites = self._sites[name, domain]
            size = len(sites.positions)
            # They lie in random order: a window of them is a sample.
            window = (rng.integers(size) + np.arange(min(count, size))) % size
        else:
            sites = self.dataset.sample(name, domain, count, rng)
            window = np.arange(len(sites.positions))
        if weighted:
            # Gumbel's trick: the largest of log w + noise are a draw without replacement in proportion to w.
            rank = np.log(np.maximum(sites.weights[window], 1e-30)) + rng.gumbel(size=len(window))
            window = window[np.argsort(-rank)[: self.points]]
        return Sites(sites.positions[window], {field: values[window] for field, values in sites.fields.items()},
                     sites.weights[window], None)  # fmt: skip

    def _on_geometry(self, name: str) -> tuple[Array, Array]:
        if name not in self._geometry:
            count = _POOL * max(self.geometry_points, self.anchors)
            self._geometry[name] = geometry_input(
                self.dataset.geometry(name), self.dataset.contract, count=count, seed=self._seed_of(name)
            )
        return self._geometry[name]

    def _pool(self, name: str, domain: str) -> Array:
        """Points of a case's domain ``(n, 3)``, m, from which its anchors are drawn."""
        if (name, domain) not in self._anchors:
            contract, count = self.dataset.contract, _POOL * self.anchors
            if contract.domains.get(domain, DomainSpec()).side == "on":
                found = self._on_geometry(name)[0][:count]
            else:
                try:
                    found = draw_anchors(
                        self.dataset.geometry(name), contract, domain,
                        count=count, seed=self._seed_of(name), template=self.templates[domain],
                    )  # fmt: skip
                except SurrogateError as error:
                    raise TrainingError(f"case {name}: {error}") from None
            self._anchors[name, domain] = found
        return self._anchors[name, domain]

    def _seed_of(self, name: str) -> int:
        return int(np.random.default_rng((self.seed, 1 << 21, self.names.index(name))).integers(1 << 31))


def shuffled(position: int, count: int, seed: int) -> int:
    """Which of ``count`` cases stands at a position when they come round and round, each time in another order."""
    epoch, place = divmod(position, count)
    return int(np.random.default_rng((seed, 1 << 20, epoch)).permutation(count)[place])


def _stack(arrays: Sequence[Array]) -> Tensor:
    return torch.from_numpy(np.stack(arrays))
