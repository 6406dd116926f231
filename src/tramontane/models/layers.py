"""Pieces that transformers on points share: positions, attention blocks, conditioning, supernodes.

Positions are in the frame of `Inputs`, about -1 to 1. ``scale`` turns them into the units in which the slowest and
fastest waves of an embedding have their usual lengths: 500 makes the frame 1000 wide, as in UPT and AB-UPT.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.spatial import cKDTree
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (torch's own name for it)

from tramontane.errors import TramontaneError

_ATTENDING = 256  # queries whose scores lie in a CPU's cache at once
_COMPARED = 1024  # centres whose distances to all points are held at once


def check_heads(dim: int, heads: int) -> None:
    """Raise a `TramontaneError` where features cannot be shared out among heads with three axes of rotary positions."""
    if dim % heads or dim // heads % 2 or dim // heads < 6:
        raise TramontaneError(f"dim {dim}, heads {heads}: dim / heads must be an even number of at least 6")


class Rotation(NamedTuple):
    """Angles by which rotary embedding turns the pairs of features of each token, the same for all heads."""

    cos: Float[Tensor, "batch n 1 1 pairs"]
    sin: Float[Tensor, "batch n 1 1 pairs"]

    def split(self, sizes: list[int]) -> list[Rotation]:
        """Parts of so many tokens each."""
        return [Rotation(*part) for part in zip(*(torch.split(table, sizes, dim=1) for table in self), strict=True)]


class Modulation(NamedTuple):
    """What conditioning does to one block: scale and shift after each norm, gate before each residual sum."""

    scale_attention: Float[Tensor, "batch 1 dim"]
    shift_attention: Float[Tensor, "batch 1 dim"]
    gate_attention: Float[Tensor, "batch 1 dim"]
    scale_mlp: Float[Tensor, "batch 1 dim"]
    shift_mlp: Float[Tensor, "batch 1 dim"]
    gate_mlp: Float[Tensor, "batch 1 dim"]


class KeyValue(NamedTuple):
    """Keys (already rotated) and values of tokens that others attend to."""

    key: Float[Tensor, "batch heads n head_dim"]
    value: Float[Tensor, "batch heads n head_dim"]

    def split(self, sizes: list[int]) -> list[KeyValue]:
        """Parts of so many tokens each, as views."""
        return [KeyValue(*part) for part in zip(*(torch.split(tensor, sizes, dim=2) for tensor in self), strict=True)]

    @classmethod
    def join(cls, parts: list[KeyValue]) -> KeyValue:
        """The tokens of all parts; a single part is not copied."""
        if len(parts) == 1:
            return parts[0]
        return cls(torch.cat([part.key for part in parts], 2), torch.cat([part.value for part in parts], 2))


def frequencies(count: int, device: torch.device) -> Float[Tensor, " count"]:
    """Frequencies 1 to 1/10000, geometrically spaced (Vaswani et al. 2017, arXiv:1706.03762, section 3.5)."""
    return 10000.0 ** (-torch.arange(count, dtype=torch.float32, device=device) / count)


def embed_positions(positions: Float[Tensor, "*n axes"], dim: int, scale: float) -> Float[Tensor, "*n {dim}"]:
    """Sines and cosines of each coordinate, side by side, filled up with zeros to ``dim`` features.

    Args:
        positions: Coordinates in the frame; any number of axes.
        dim: Number of features.
        scale: Units a frame length.

    Returns:
        The embedding.
    """
    count = dim // (2 * positions.shape[-1])
    angles = (positions.float() * scale).unsqueeze(-1) * frequencies(count, positions.device)
    waves = torch.cat((angles.sin(), angles.cos()), dim=-1).flatten(-2)
    return F.pad(waves, (0, dim - waves.shape[-1]))


def rotation(positions: Float[Tensor, "batch n 3"], head_dim: int, scale: float) -> Rotation:
    """Rotary embedding of three coordinates (Su et al. 2021, arXiv:2104.09864, for three axes).

    Each axis turns a third of a head's pairs of features; pairs that are left over do not turn.

    Args:
        positions: Coordinates in the frame.
        head_dim: Features of a head, an even number of at least six.
        scale: Units a frame length.

    Returns:
        Cosines and sines, to be computed once and shared by all blocks.
    """
    count = head_dim // 6
    angles = ((positions.float() * scale).unsqueeze(-1) * frequencies(count, positions.device)).flatten(-2)
    angles = F.pad(angles, (0, head_dim // 2 - 3 * count))[:, :, None, None]
    return Rotation(angles.cos(), angles.sin())


def rotate(
    x: Float[Tensor, "batch n kinds heads head_dim"], by: Rotation
) -> Float[Tensor, "batch n kinds heads head_dim"]:
    """Turn the pairs (i, i + head_dim / 2) of each token's features, in real arithmetic."""
    first, second = x.chunk(2, dim=-1)
    turned = torch.cat((first * by.cos - second * by.sin, second * by.cos + first * by.sin), dim=-1)
    return turned.to(x.dtype)


def attend(query: Float[Tensor, "batch heads q head_dim"], to: KeyValue) -> Float[Tensor, "batch q dim"]:
    """Softmax attention, heads side by side again."""
    if query.device.type == "cpu" and query.dtype == torch.bfloat16:
        # Two products and a softmax: in bfloat16 on a CPU, faster than the fused kernel (see the notes on the models).
        keys = to.key.transpose(-1, -2) * query.shape[-1] ** -0.5
        parts = [torch.softmax(part @ keys, -1) @ to.value for part in torch.split(query, _ATTENDING, dim=2)]
        gathered = parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)
    else:
        gathered = F.scaled_dot_product_attention(query, to.key, to.value)
    return gathered.transpose(1, 2).flatten(2)


class Block(nn.Module):
    """Pre-norm transformer block whose attention is left to the caller, who knows which tokens see which.

    ``project``, or ``queries`` and ``keys_values``, come before the attention, ``update`` after it. One fused matrix
    holds the weights of queries, keys and values; parts of it are views.

    Args:
        dim: Features of a token.
        heads: Attention heads.
        mlp_ratio: Width of the hidden layer over ``dim``.
        conditioned: Whether `Modulation` takes the place of the norms' own scale and shift.
        qk_norm: Normalise queries and keys of each head (Dehghani et al. 2023, arXiv:2302.05442).
    """

    def __init__(self, dim: int, heads: int, *, mlp_ratio: int, conditioned: bool, qk_norm: bool) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(dim, elementwise_affine=not conditioned)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.qk_norm = qk_norm
        self.query_norm = nn.RMSNorm(dim // heads, eps=1e-6) if qk_norm else nn.Identity()
        self.key_norm = nn.RMSNorm(dim // heads, eps=1e-6) if qk_norm else nn.Identity()
        self.out = nn.Linear(dim, dim)
        self.mlp_norm = nn.LayerNorm(dim, elementwise_affine=not conditioned)
        hidden = mlp_ratio * dim
        self.mlp = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))
        self.modulation = nn.Linear(dim, 6 * dim) if conditioned else None

    def modulate(self, condition: Float[Tensor, "batch dim"] | None) -> Modulation | None:
        """Scales, shifts and gates of this block (Peebles & Xie 2022, arXiv:2212.09748).

        Gates and scales are one plus what is learned, so that an untrained block acts as an unconditioned one would.
        """
        if self.modulation is None or condition is None:
            return None
        parts = self.modulation(condition).unsqueeze(1).chunk(6, dim=-1)
        return Modulation(1 + parts[0], parts[1], 1 + parts[2], 1 + parts[3], parts[4], 1 + parts[5])

    def project(
        self, x: Float[Tensor, "batch n dim"], at: Rotation, modulation: Modulation | None
    ) -> tuple[Float[Tensor, "batch heads n head_dim"], KeyValue]:
        """Queries, keys and values of the same tokens, in one matrix product."""
        turned, value = torch.split(self._heads(self.qkv(self._normed(x, modulation))), [2, 1], dim=2)
        if self.qk_norm:
            query, key = torch.split(turned, 1, dim=2)
            turned = torch.cat((self.query_norm(query), self.key_norm(key)), dim=2)
        query, key = rotate(turned, at).unbind(2)
        return query.transpose(1, 2), KeyValue(key.transpose(1, 2), value.squeeze(2).transpose(1, 2))

    def queries(
        self, x: Float[Tensor, "batch n dim"], at: Rotation, modulation: Modulation | None
    ) -> Float[Tensor, "batch heads n head_dim"]:
        """Queries alone, of tokens that nothing attends to."""
        dim = x.shape[-1]
        query = F.linear(self._normed(x, modulation), self.qkv.weight[:dim], self.qkv.bias[:dim])
        return rotate(self.query_norm(self._heads(query)), at).squeeze(2).transpose(1, 2)

    def keys_values(self, x: Float[Tensor, "batch n dim"], at: Rotation) -> KeyValue:
        """Keys and values alone, of tokens that were normalised before and attend to nothing."""
        dim = x.shape[-1]
        both = self._heads(F.linear(x, self.qkv.weight[dim:], self.qkv.bias[dim:]))
        key, value = torch.split(both, 1, dim=2)
        key = rotate(self.key_norm(key), at)
        return KeyValue(key.squeeze(2).transpose(1, 2), value.squeeze(2).transpose(1, 2))

    def update(
        self, x: Float[Tensor, "batch n dim"], gathered: Float[Tensor, "batch n dim"], modulation: Modulation | None
    ) -> Float[Tensor, "batch n dim"]:
        """Tokens after the block, from what attention has gathered for them."""
        if modulation is None:
            x = x + self.out(gathered)
            change: Tensor = self.mlp(self.mlp_norm(x))
            return x + change
        x = torch.addcmul(x, modulation.gate_attention, self.out(gathered))
        normed = torch.addcmul(modulation.shift_mlp, modulation.scale_mlp, self.mlp_norm(x))
        return torch.addcmul(x, modulation.gate_mlp, self.mlp(normed))

    def forward(
        self, x: Float[Tensor, "batch n dim"], at: Rotation, condition: Float[Tensor, "batch dim"] | None
    ) -> Float[Tensor, "batch n dim"]:
        """Tokens that all attend to each other."""
        modulation = self.modulate(condition)
        query, keys_values = self.project(x, at, modulation)
        return self.update(x, attend(query, keys_values), modulation)

    def _normed(self, x: Tensor, modulation: Modulation | None) -> Tensor:
        normed: Tensor = self.attention_norm(x)
        if modulation is None:
            return normed
        return torch.addcmul(modulation.shift_attention, modulation.scale_attention, normed)

    def _heads(self, x: Tensor) -> Tensor:
        """``(batch, n, kinds, heads, head_dim)``"""
        return x.view(*x.shape[:-1], -1, self.heads, self.qkv.in_features // self.heads)


class SupernodePooling(nn.Module):
    """Tokens of a point cloud: each supernode takes the mean message of the points around it (UPT, arXiv:2402.12365).

    A message depends on where the point lies relative to the supernode; the supernode's own position joins the mean.

    Args:
        dim: Features of a token.
        count: Number of supernodes, the first of the points, which must come in random order.
        radius: Reach of a supernode in the frame.
        max_neighbours: A supernode hears its nearest neighbours up to this number.
        scale: Units a frame length.
    """

    def __init__(self, dim: int, *, count: int, radius: float, max_neighbours: int, scale: float) -> None:
        super().__init__()
        self.dim, self.count, self.radius, self.max_neighbours, self.scale = dim, count, radius, max_neighbours, scale
        self.message = nn.Linear(dim, dim)
        self.mean = nn.Linear(dim, dim)
        self.merge = nn.Linear(2 * dim, dim)

    def forward(
        self, points: Float[Tensor, "batch n 3"]
    ) -> tuple[Float[Tensor, "batch supernodes dim"], Float[Tensor, "batch supernodes 3"]]:
        """Tokens and positions of the supernodes."""
        centres = points[:, : self.count]
        index, within = radius_graph(points, centres, radius=self.radius, max_neighbours=self.max_neighbours)
        batch = torch.arange(len(points), device=points.device)[:, None, None]
        offset = points[batch, index] - centres[:, :, None]
        relative = torch.cat((offset, offset.norm(dim=-1, keepdim=True)), dim=-1)
        messages = F.gelu(self.message(embed_positions(relative, self.dim, self.scale)))
        # The message's second matrix comes after the mean, with which it commutes: a fraction of the products.
        share = (within / within.sum(-1, keepdim=True)).to(messages.dtype).unsqueeze(-2)
        mean = self.mean((share @ messages).squeeze(-2))
        return self.merge(torch.cat((mean, embed_positions(centres, self.dim, self.scale)), dim=-1)), centres


def radius_graph(
    points: Float[Tensor, "batch n 3"], centres: Float[Tensor, "batch m 3"], *, radius: float, max_neighbours: int
) -> tuple[Int[Tensor, "batch m k"], Bool[Tensor, "batch m k"]]:
    """Points within a radius of each centre, the nearest ones where there are too many.

    On a CPU trees are searched: a few milliseconds for thousands of points, and no matrix of distances anywhere. An
    accelerator compares all distances, some centres at a time, rather than wait for the CPU.

    Args:
        points: Among which neighbours are searched.
        centres: Centres to search around.
        radius: Reach, in the unit of the points.
        max_neighbours: Largest number of points for a centre.

    Returns:
        Index of each neighbour, and whether there is one (where not, the index is 0).
    """
    if points.device.type != "cpu":
        return compare_all(points.detach(), centres.detach(), radius=radius, max_neighbours=max_neighbours)
    nearest = np.arange(1, min(max_neighbours, points.shape[1]) + 1)
    indices = [
        cKDTree(cloud).query(around, k=nearest, distance_upper_bound=radius)[1]
        for cloud, around in zip(points.detach().cpu().numpy(), centres.detach().cpu().numpy(), strict=True)
    ]
    index = torch.from_numpy(np.stack(indices)).to(points.device)
    missing = index == points.shape[1]
    return index.masked_fill(missing, 0), ~missing


def compare_all(
    points: Float[Tensor, "batch n 3"], centres: Float[Tensor, "batch m 3"], *, radius: float, max_neighbours: int
) -> tuple[Int[Tensor, "batch m k"], Bool[Tensor, "batch m k"]]:
    """What `radius_graph` answers, from all distances."""
    count = min(max_neighbours, points.shape[1])
    nearest = [
        torch.cdist(part.float(), points.float(), compute_mode="donot_use_mm_for_euclid_dist").topk(
            count, largest=False
        )
        for part in torch.split(centres, _COMPARED, dim=1)
    ]
    within = torch.cat([distance for distance, _ in nearest], dim=1) < radius
    return torch.cat([index for _, index in nearest], dim=1).masked_fill(~within, 0), within
