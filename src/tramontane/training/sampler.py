"""Which case and which points a step sees: a pure function of seed, step and rank.

There is no state to save: a resumed run draws what an uninterrupted one would have drawn. Anchors are drawn as a
prediction draws them, from the geometry alone; what is asked is known at the case's own sites. A network whose anchors
were sites of solvers' meshes is lost among anchors that are spread in another way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import pyvista as pv
import torch
from numpy.typing import NDArray
from torch import Tensor

from tramontane.contract import Contract, DomainSpec
from tramontane.dataset import Dataset, Sites
from tramontane.errors import SurrogateError, TrainingError
from tramontane.models.inputs import Inputs
from tramontane.training.anchors import draw_anchors, geometry_input
from tramontane.training.batch import Batch
from tramontane.training.normalization import Normalization, channel_slices

Array = NDArray[np.floating[Any]]
Drawn = TypeVar("Drawn")
_CACHE_BYTES = 4 << 30
_DRAWN = 4  # sites, for one that is taken by its area or volume
_POOL = 8  # draws of a case's anchors that are kept, and points of its geometry for one that a step sees


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
        self._anchors: dict[tuple[str, str], list[Array]] = {}
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
        """A batch of the given cases; ``key`` and the seed decide which points are drawn. Errors as in `draw`."""
        inputs = self.inputs(names, key=key)
        queries, targets = zip(*(self._queries(name, np.random.default_rng((self.seed, *key, k, 1)))
                                 for k, name in enumerate(names)), strict=True)  # fmt: skip
        # Domains may be smaller than what was asked for: a batch takes what every one of its cases has.
        count = {domain: min(len(target[domain]) for target in targets) for domain in targets[0]}
        inputs.queries, together = (
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
        return Batch(inputs, together, fields, energy, list(names))

    def inputs(self, names: Sequence[str], *, key: tuple[int, ...]) -> Inputs:
        """What a network sees of cases before it is asked for anything: geometry, parameters and anchors.

        Args:
            names: Of the sampler's cases.
            key: Decides, with the seed, which points are drawn.

        Raises:
            TrainingError: The geometry of a case leaves no room for a domain.
        """
        cases = [self._case_inputs(name, np.random.default_rng((self.seed, *key, k))) for k, name in enumerate(names)]
        return Inputs(
            geometry=_stack([geometry for geometry, *_ in cases]),
            normals=_stack([normals for _, normals, *_ in cases]),
            parameters=_stack([parameters for _, _, parameters, _ in cases]),
            points={
                domain: _stack([anchors[domain] for *_, anchors in cases]) for domain in self.dataset.contract.fields
            },
        )

    def _case_inputs(self, name: str, rng: np.random.Generator) -> tuple[Array, Array, Array, dict[str, Array]]:
        """Points on the geometry, normals, parameters and anchors."""
        scales = self.normalization
        if name not in self._geometry:
            self._geometry[name] = self._drawn(
                name, lambda geometry, contract, seed: geometry_input(
                    geometry, contract, count=_POOL * self.geometry_points, seed=seed
                )
            )  # fmt: skip
        points, normals = self._geometry[name]
        chosen = rng.permutation(len(points))[: self.geometry_points]
        anchors = {}
        for domain in self.dataset.contract.fields:
            draws = self._pool(name, domain)
            anchors[domain] = scales.positions(draws[rng.integers(len(draws))])
        vector = scales.parameter_vector(self.dataset.parameters(name))
        return scales.positions(points[chosen]), normals[chosen], vector, anchors

    def _queries(self, name: str, rng: np.random.Generator) -> tuple[dict[str, Array], dict[str, Array]]:
        """By domain, where fields are asked for, and what they are there."""
        contract, parameters = self.dataset.contract, self.dataset.parameters(name)
        queries, targets = {}, {}
        for domain in contract.fields:
            sites = self._draw_sites(name, domain, rng)
            queries[domain] = self.normalization.positions(sites.positions)
            targets[domain] = self.normalization.encode(contract, domain, sites.fields, parameters)
        return queries, targets

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

    def _pool(self, name: str, domain: str) -> list[Array]:
        """Some draws of a case's anchors ``(anchors, 3)``, m, each as a prediction's: points keep their distances."""
        if (name, domain) not in self._anchors:
            template = self.templates[domain]
            self._anchors[name, domain] = self._drawn(
                name, lambda geometry, contract, seed: [
                    draw_anchors(geometry, contract, domain, count=self.anchors, seed=seed + each, template=template)
                    for each in range(_POOL)
                ]
            )  # fmt: skip
        return self._anchors[name, domain]

    def _drawn(self, name: str, draw: Callable[[pv.PolyData, Contract, int], Drawn]) -> Drawn:
        # The seed is one of the sampler's own, so that a prediction's, 0, is one that was not seen.
        seed = int.from_bytes(hashlib.blake2b(f"{self.seed}/{name}".encode(), digest_size=4).digest())
        try:
            return draw(self.dataset.geometry(name), self.dataset.contract, seed)
        except SurrogateError as error:
            raise TrainingError(f"case {name}: {error}") from None


def shuffled(position: int, count: int, seed: int) -> int:
    """Which of ``count`` cases stands at a position when they come round and round, each time in another order."""
    epoch, place = divmod(position, count)
    return int(np.random.default_rng((seed, 1 << 20, epoch)).permutation(count)[place])


def _stack(arrays: Sequence[Array]) -> Tensor:
    return torch.from_numpy(np.stack(arrays))
