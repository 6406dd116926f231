"""Local tokens: a few hundred tokens see the whole design, a cheap decoder looks at the nearest ones.

AB-UPT sends every query through every block against every anchor. Here only tokens, some of the reference points that
all cases share, attend to each other; a point gathers its few nearest tokens, whose offsets are known beforehand, adds
its own local description and ends in a small perceptron. It predicts standard scores, or what a baseline that is part
of the description leaves of them. The decoder is that of a point transformer with fixed neighbours (Zhao et al. 2021,
arXiv:2012.09164), the token stage a plain transformer (Vaswani et al. 2017, arXiv:1706.03762).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (torch's own name for it)

from tramontane.geometry.sampling import farthest_points
from tramontane.models.layers import Block, check_heads, embed_positions, rotation
from tramontane.models.reference_frame import MappedShape, ReferenceFrame

_CANDIDATES = 4  # tokens are the farthest from each other of so many times their number of random reference points


@dataclass
class LocalInputs:
    """One batch of designs described at the reference points.

    Attributes:
        coordinates: Which designs they are, standard scores.
        tokens: By domain, the description of each token's surroundings.
        rows: By domain, which reference points are asked for, the same of all designs.
        local: By domain, the description of each of them.
    """

    coordinates: Float[Tensor, "batch coordinates"]
    tokens: dict[str, Float[Tensor, "batch _ _"]]
    rows: dict[str, Int[Tensor, " _"]]
    local: dict[str, Float[Tensor, "batch _ _"]]

    def to(self, device: str | torch.device) -> LocalInputs:
        """The same on another device."""
        return LocalInputs(
            self.coordinates.to(device),
            *({d: t.to(device) for d, t in part.items()} for part in (self.tokens, self.rows, self.local)),
        )


class TokenLayout:
    """Which reference points are tokens, and which tokens each reference point looks at.

    Args:
        points: Reference points in the template's frame ``(references, 3)``, in random order.
        count: Number of tokens.
        neighbours: How many of them a reference point looks at.
    """

    def __init__(self, points: NDArray[np.floating[Any]], count: int, neighbours: int) -> None:
        count = min(count, len(points))
        self.tokens = farthest_points(points[: _CANDIDATES * count], count)
        tree = cKDTree(points[self.tokens])
        distance, index = tree.query(points, k=min(neighbours, count), workers=-1)
        self.nearest = index.reshape(len(points), -1)
        self.spacing = float(np.median(distance.reshape(len(points), -1)[:, -1])) or 1.0
        self.offsets = (points[:, None] - points[self.tokens][self.nearest]) / self.spacing

    def gather(self, description: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Each token's own description beside the mean of those whose nearest token it is: ``(tokens, 2 f)``."""
        owner = self.nearest[:, 0]
        count = np.bincount(owner, minlength=len(self.tokens))[:, None]
        total = np.stack(
            [np.bincount(owner, weights=column, minlength=len(self.tokens)) for column in description.T], 1
        )
        mean = total / np.maximum(count, 1)
        return np.concatenate([description[self.tokens], mean], axis=1).astype(np.float32)


@dataclass
class Description:
    """One design as the network sees it, at all reference points.

    Attributes:
        coordinates: Which design it is ``(d,)``.
        tokens: By domain, ``(tokens, 2 f)``.
        local: By domain, ``(references, f)``: the baseline's mean and deviation, and the shape around the point.
    """

    coordinates: NDArray[np.float32]
    tokens: dict[str, NDArray[np.float32]]
    local: dict[str, NDArray[np.float32]]


def describe(
    frame: ReferenceFrame,
    layouts: dict[str, TokenLayout],
    mapped: MappedShape,
    baseline: dict[str, tuple[NDArray[Any], NDArray[Any]]],
) -> Description:
    """The description of a design that a network is given.

    Args:
        frame: The reference points.
        layouts: By domain, its tokens.
        mapped: The design's shape.
        baseline: By domain, mean and standard deviation ``(references, c)`` of what another model predicts.
    """
    local = {
        domain: np.concatenate([*baseline[domain], frame.surroundings(mapped, domain)], axis=1).astype(np.float32)
        for domain in layouts
    }
    tokens = {domain: layout.gather(local[domain]) for domain, layout in layouts.items()}
    return Description(mapped.coordinates.astype(np.float32), tokens, local)


class LocalTokens(nn.Module):
    """Standard scores, or corrections of a baseline's, at the reference points.

    Args:
        layouts: By domain, its tokens.
        points: By domain, the reference points in the template's frame ``(references, 3)``.
        channels: By domain, number of outputs.
        features: By domain, width of the description.
        coordinates: Number of design coordinates.
        dim: Features of a token.
        depth: Transformer blocks.
        heads: Attention heads; None makes one of 32 features each.
        hidden: Width of the decoder.
        dropout: Share of the decoder's hidden features dropped in training.
        waves: Features of a position's embedding.

    Raises:
        TramontaneError: ``dim`` and ``heads`` do not go together.
    """

    def __init__(
        self,
        layouts: dict[str, TokenLayout],
        points: dict[str, NDArray[np.floating[Any]]],
        *,
        channels: dict[str, int],
        features: dict[str, int],
        coordinates: int,
        dim: int = 128,
        depth: int = 3,
        heads: int | None = None,
        hidden: int = 96,
        dropout: float = 0.1,
        waves: int = 24,
    ) -> None:
        super().__init__()
        heads = heads or max(dim // 32, 1)
        check_heads(dim, heads)
        self.config = {"channels": channels, "features": features, "coordinates": coordinates, "dim": dim,
                       "depth": depth, "heads": heads, "hidden": hidden, "dropout": dropout,
                       "waves": waves}  # fmt: skip
        self.heads, self.domains = heads, sorted(channels)
        unit = max(float(np.ptp(positions, axis=0).max()) for positions in points.values()) / 2
        for domain in self.domains:
            positions = torch.from_numpy(np.asarray(points[domain] / unit, dtype=np.float32))
            # Buffers that the constructor rebuilds; they need not be saved.
            self.register_buffer(f"waves_{domain}", embed_positions(positions, waves, 16.0), persistent=False)
            self.register_buffer(f"sites_{domain}", positions[layouts[domain].tokens], persistent=False)
            self.register_buffer(f"token_{domain}", torch.from_numpy(layouts[domain].tokens), persistent=False)
            self.register_buffer(f"nearest_{domain}", torch.from_numpy(layouts[domain].nearest), persistent=False)
            offsets = np.asarray(layouts[domain].offsets, dtype=np.float32)
            self.register_buffer(f"offsets_{domain}", torch.from_numpy(offsets), persistent=False)
        self.embed = nn.ModuleDict({d: nn.Linear(2 * features[d] + waves, dim) for d in self.domains})
        self.condition = nn.Sequential(nn.Linear(coordinates, dim), nn.GELU(), nn.Linear(dim, dim))
        blocks = [Block(dim, self.heads, mlp_ratio=3, conditioned=False, qk_norm=True) for _ in range(depth)]
        self.blocks: Sequence[Block] = cast(Any, nn.ModuleList(blocks))
        decoders = {d: LocalDecoder(dim, features[d] + waves, channels[d], hidden, dropout) for d in self.domains}
        self.decoders = nn.ModuleDict(decoders)

    def forward(self, inputs: LocalInputs) -> dict[str, Float[Tensor, "batch _ _"]]:
        """Outputs ``(batch, rows, channels)`` by domain."""
        tokens = self.encode(inputs)
        return {domain: self.decode(tokens, inputs, domain) for domain in self.domains if domain in inputs.rows}

    def encode(self, inputs: LocalInputs) -> dict[str, Float[Tensor, "batch _ dim"]]:
        """Tokens after all blocks, by domain."""
        parts, sites = [], []
        for domain in self.domains:
            described, waves = inputs.tokens[domain], self._of("waves", domain)[self._of("token", domain)]
            waves = waves.expand(len(described), -1, -1)
            parts.append(self.embed[domain](torch.cat((described, waves), dim=-1)))
            sites.append(self._of("sites", domain))
        x = torch.cat(parts, dim=1) + self.condition(inputs.coordinates)[:, None]
        at = rotation(torch.cat(sites)[None].expand(len(x), -1, -1), x.shape[-1] // self.heads, 16.0)
        for block in self.blocks:
            x = block(x, at, None)
        return dict(zip(self.domains, torch.split(x, [part.shape[1] for part in parts], dim=1), strict=True))

    def decode(
        self, tokens: dict[str, Tensor], inputs: LocalInputs, domain: str
    ) -> Float[Tensor, "batch rows channels"]:
        """Outputs at the rows asked for, from tokens that `encode` made."""
        rows, local = inputs.rows[domain], inputs.local[domain]
        waves = self._of("waves", domain)[rows].expand(len(local), -1, -1)
        answer: Tensor = self.decoders[domain](
            tokens[domain],
            self._of("nearest", domain)[rows],
            self._of("offsets", domain)[rows],
            torch.cat((local, waves), dim=-1),
        )
        return answer

    def _of(self, name: str, domain: str) -> Tensor:
        return cast(Tensor, getattr(self, f"{name}_{domain}"))


class LocalDecoder(nn.Module):
    """A point's outputs from its nearest tokens and its own description.

    Args:
        dim: Features of a token.
        features: Width of the description.
        channels: Outputs.
        hidden: Width of the perceptron.
        dropout: Share of hidden features dropped in training.
    """

    def __init__(self, dim: int, features: int, channels: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.token = nn.Linear(dim, hidden)
        self.offset = nn.Linear(4, hidden, bias=False)
        self.own = nn.Linear(features, hidden)
        self.mix = nn.Linear(hidden, hidden)
        self.middle = nn.Linear(hidden, hidden)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, channels)
        # An untrained network changes nothing: its baseline stands.
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(
        self,
        tokens: Float[Tensor, "batch tokens dim"],
        nearest: Int[Tensor, "rows k"],
        offsets: Float[Tensor, "rows k 3"],
        described: Float[Tensor, "batch rows features"],
    ) -> Float[Tensor, "batch rows channels"]:
        """Outputs of each point."""
        distance = offsets.norm(dim=-1, keepdim=True)
        share = torch.softmax(-3 * distance, dim=1)
        # What depends on the token alone is computed once a token, not once a point and neighbour.
        message = self.token(self.norm(tokens))[:, nearest] + self.offset(torch.cat((offsets, distance), dim=-1))
        gathered = (F.gelu(message) * share).sum(2)
        x = F.gelu(self.own(described) + self.mix(gathered))
        x = x + F.gelu(self.middle(self.dropout(x)))
        answer: Tensor = self.head(self.dropout(x))
        return answer
