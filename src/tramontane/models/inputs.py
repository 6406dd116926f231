"""What every network is given."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass
class Inputs:
    """One batch of what is asked of a network, in a frame where the training cases span about -1 to 1.

    Attributes:
        geometry: Points drawn by area on the closed surface, in random order.
        normals: Outward unit normals at them.
        parameters: Operating conditions as standard scores; may have no columns.
        points: By domain, points that stand for it (AB-UPT's anchors).
        queries: By domain, the points whose fields are wanted; none where they are those of ``points``.
    """

    geometry: Float[Tensor, "batch geometry 3"]
    normals: Float[Tensor, "batch geometry 3"]
    parameters: Float[Tensor, "batch parameters"]
    points: dict[str, Float[Tensor, "batch _ 3"]]
    queries: dict[str, Float[Tensor, "batch _ 3"]] = field(default_factory=dict)

    def to(self, device: str | torch.device) -> Inputs:
        """The same on another device."""
        return Inputs(
            geometry=self.geometry.to(device),
            normals=self.normals.to(device),
            parameters=self.parameters.to(device),
            points={domain: points.to(device) for domain, points in self.points.items()},
            queries={domain: points.to(device) for domain, points in self.queries.items()},
        )
