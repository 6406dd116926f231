"""Batches of designs at the reference points that all cases share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tramontane.models.local_tokens import Description, LocalInputs
from tramontane.training.batch import Batch
from tramontane.training.sampler import shuffled

Rows = dict[str, NDArray[np.float32]]


class ReferenceSampler:
    """Draws designs and reference points.

    Args:
        names: Cases, for messages.
        descriptions: Each case as the network sees it.
        targets: Each case's targets by domain ``(references, channels)``.
        truth: Each case's fields in the targets' units, by domain ``(references, channels)``.
        fields: Domain and channels of each field, by its name ``domain/field``.
        points: Reference points drawn of each domain.
        batch_size: Designs in a batch (of each process).
        seed: Of all draws.
    """

    def __init__(
        self,
        names: Sequence[str],
        descriptions: Sequence[Description],
        targets: Sequence[Rows],
        truth: Sequence[Rows],
        fields: dict[str, tuple[str, slice]],
        *,
        points: int,
        batch_size: int,
        seed: int,
    ) -> None:
        self.names, self.descriptions, self.targets, self.truth = list(names), descriptions, targets, truth
        self.fields, self.points, self.batch_size, self.seed = fields, points, batch_size, seed

    def draw(self, step: int, *, rank: int = 0, world: int = 1) -> Batch:
        """The batch of a step for one of ``world`` processes."""
        position = (step * world + rank) * self.batch_size
        cases = [shuffled(position + k, len(self.names), self.seed) for k in range(self.batch_size)]
        rng = np.random.default_rng((self.seed, step, rank))
        rows = {}
        for domain, target in self.targets[0].items():
            # Reference points come in random order: a window of them is a uniform sample.
            count = len(target)
            rows[domain] = (int(rng.integers(count)) + np.arange(min(self.points, count))) % count
        return self.batch(cases, rows)

    def batch(self, cases: Sequence[int], rows: Mapping[str, NDArray[np.integer[Any]]]) -> Batch:
        """A batch of the given cases at the given reference points."""
        described = [self.descriptions[case] for case in cases]
        targets, energy = {}, {}
        for domain, chosen in rows.items():
            targets[domain] = torch.from_numpy(np.stack([self.targets[case][domain][chosen] for case in cases]))
        for name, (domain, columns) in self.fields.items():
            truth = np.stack([self.truth[case][domain][rows[domain], columns] for case in cases])
            energy[name] = torch.from_numpy(np.square(truth).sum((1, 2)))
        return Batch(local_inputs(described, rows), targets, self.fields, energy, [self.names[case] for case in cases])


def local_inputs(
    described: Sequence[Description],
    rows: Mapping[str, NDArray[np.integer[Any]]],
) -> LocalInputs:
    """What a network is given of some designs at some reference points."""

    def stacked(arrays: list[NDArray[np.float32]]) -> torch.Tensor:
        return torch.from_numpy(np.stack(arrays))

    return LocalInputs(
        coordinates=stacked([design.coordinates for design in described]),
        tokens={domain: stacked([design.tokens[domain] for design in described]) for domain in described[0].tokens},
        rows={domain: torch.from_numpy(np.asarray(chosen, dtype=np.int64)) for domain, chosen in rows.items()},
        local={
            domain: stacked([design.local[domain][chosen] for design in described]) for domain, chosen in rows.items()
        },
    )
