"""What one step of training sees, and how far a network's answer is from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass
class Batch:
    """What one step sees.

    Attributes:
        inputs: For the network; has ``to(device)``.
        targets: Standard scores ``(batch, n, channels)`` by domain.
        fields: Domain and channels of each field, by its name ``domain/field``.
        energy: Sum of squares ``(batch,)`` of each field itself at the same points, in the targets' units.
        cases: Names of the cases, for messages.
    """

    inputs: Any
    targets: dict[str, Tensor]
    fields: dict[str, tuple[str, slice]]
    energy: dict[str, Tensor]
    cases: list[str]

    def errors(self, predicted: dict[str, Tensor]) -> dict[str, Tensor]:
        """Relative L2 error ``(batch,)`` of each field, over its own case."""
        errors = {}
        for name, (domain, columns) in self.fields.items():
            answer = predicted[domain][..., columns].float()
            wrong = (answer - self.targets[domain][..., columns].to(answer.device)).square().sum((1, 2))
            errors[name] = torch.sqrt(wrong / (self.energy[name].to(answer.device) + 1e-12) + 1e-12)
        return errors

    def loss(self, predicted: dict[str, Tensor]) -> Tensor:
        """Mean over cases and fields of the relative L2 error.

        A case whose field is small counts as much as one whose field is large, as in the figures that are reported.
        """
        return torch.stack([error.mean() for error in self.errors(predicted).values()]).mean()
