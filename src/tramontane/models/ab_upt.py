"""AB-UPT, the anchored-branched universal physics transformer (Alkin et al. 2025, arXiv:2502.09692).

The geometry becomes tokens of a few hundred supernodes. Each domain is a branch of *anchor* tokens that read the
geometry, attend to each other and to the other branches' anchors, in physics blocks whose weights all branches share.
Blocks and a linear head of each branch's own turn tokens into fields. A *query* is a point that attends to anchors
and to which nothing attends: its fields do not depend on other queries, so any number can follow, in any portions,
from the anchors' keys and values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tramontane.errors import TramontaneError
from tramontane.models.inputs import Inputs
from tramontane.models.layers import (
    Block,
    KeyValue,
    Rotation,
    SupernodePooling,
    attend,
    check_heads,
    embed_positions,
    rotation,
)


@dataclass
class Cache:
    """All that queries need to know of a geometry, its operating conditions and its anchors.

    Attributes:
        condition: Embedded operating conditions, if there are any.
        key_values: By domain, the keys and values that its tokens attend to, block by block.
    """

    condition: Float[Tensor, "batch dim"] | None
    key_values: dict[str, list[KeyValue]]


class AbUpt(nn.Module):
    """Fields on any number of domains from a geometry and operating conditions.

    Args:
        domains: Number of output channels of each domain.
        n_parameters: Number of operating conditions; 0 leaves conditioning out.
        dim: Features of a token.
        heads: Attention heads; None makes one of 48 features each, which three axes of rotary positions fill.
        blocks: One letter a physics block: ``p`` (perceiver) reads the geometry, ``s`` (self) attends within the
            branch, ``c`` (cross) to all other branches; with a single domain ``c`` is a second kind of ``s``.
        geometry_depth: Transformer blocks on the supernodes.
        decoder_depth: Transformer blocks of each branch's own.
        supernodes: Number of supernodes, the first points of `Inputs.geometry`.
        radius: Reach of a supernode in the frame of `Inputs`.
        max_neighbours: A supernode hears its nearest neighbours up to this number.
        mlp_ratio: Width of an MLP's hidden layer over ``dim``.
        qk_norm: Normalise queries and keys of each head.
        position_scale: Units a frame length in position embeddings; 500 makes the frame 1000 wide, as in the paper.

    Raises:
        TramontaneError: The arguments do not go together.
    """

    def __init__(
        self,
        *,
        domains: dict[str, int],
        n_parameters: int,
        dim: int = 192,
        heads: int | None = None,
        blocks: str = "pscscs",
        geometry_depth: int = 1,
        decoder_depth: int = 2,
        supernodes: int = 512,
        radius: float = 0.25,
        max_neighbours: int = 32,
        mlp_ratio: int = 4,
        qk_norm: bool = False,
        position_scale: float = 500.0,
    ) -> None:
        super().__init__()
        heads = heads or max(dim // 48, 1)
        _check(domains, dim=dim, heads=heads, blocks=blocks)
        self.config: dict[str, Any] = {
            "domains": dict(domains), "n_parameters": n_parameters, "dim": dim, "heads": heads, "blocks": blocks,
            "geometry_depth": geometry_depth, "decoder_depth": decoder_depth, "supernodes": supernodes,
            "radius": radius, "max_neighbours": max_neighbours, "mlp_ratio": mlp_ratio, "qk_norm": qk_norm,
            "position_scale": position_scale,
        }  # fmt: skip
        self.dim, self.heads, self.kinds, self.position_scale = dim, heads, blocks, position_scale

        def stack(depth: int) -> nn.ModuleList:
            return nn.ModuleList(
                Block(dim, heads, mlp_ratio=mlp_ratio, conditioned=n_parameters > 0, qk_norm=qk_norm)
                for _ in range(depth)
            )

        self.geometry = None
        if "p" in blocks:
            pooling = SupernodePooling(
                dim, count=supernodes, radius=radius, max_neighbours=max_neighbours, scale=position_scale
            )
            self.geometry = GeometryBranch(pooling, stack(geometry_depth))
        self.physics: Sequence[Block] = cast(Any, stack(len(blocks)))
        # By place in the alphabet, so that the order in which a file lists the domains does not matter.
        self.domains = sorted(domains)
        branches = [Branch(dim, domains[name], stack(decoder_depth)) for name in self.domains]
        self.branches: Sequence[Branch] = cast(Any, nn.ModuleList(branches))
        self.apply(_initialise)
        # Keeps torch's own, larger weights: as small ones would all but silence the few numbers that come in.
        self.condition = None
        if n_parameters:
            self.condition = nn.Sequential(nn.Linear(n_parameters, dim), nn.SiLU(), nn.Linear(dim, dim), nn.SiLU())

    def forward(self, inputs: Inputs) -> dict[str, Float[Tensor, "batch _ _"]]:
        """Fields by domain ``(batch, n, channels)``: at ``inputs.queries``, else at the anchors, ``inputs.points``."""
        tokens, cache = self._anchors(inputs)
        if inputs.queries:
            return {name: self.decode(cache, name, inputs.queries[name]) for name in self.domains}
        return {name: branch.fields(tokens[name]) for name, branch in zip(self.domains, self.branches, strict=True)}

    def encode(self, inputs: Inputs) -> Cache:
        """Everything that `decode` needs, of a size that depends on the anchors and supernodes alone."""
        _, cache = self._anchors(inputs)
        # Views would keep the queries beside them alive; what several domains attend to is kept once.
        pairs = {id(pair): pair for pairs in cache.key_values.values() for pair in pairs}
        own = {key: KeyValue(*(part.contiguous() for part in pair)) for key, pair in pairs.items()}
        key_values = {name: [own[id(pair)] for pair in pairs] for name, pairs in cache.key_values.items()}
        return Cache(cache.condition, key_values)

    def decode(
        self, cache: Cache, domain: str, queries: Float[Tensor, "batch q 3"], *, chunk: int | None = None
    ) -> Float[Tensor, "batch q channels"]:
        """Fields of a domain at any points.

        Args:
            cache: What `encode` made of the anchors.
            domain: Its name.
            queries: Points in the frame of `Inputs`.
            chunk: Queries computed at once, which bounds memory; None takes all.

        Returns:
            The fields; at an anchor's position they are what `forward` says of that anchor.

        Raises:
            TramontaneError: The network has no such domain.
        """
        if domain not in self.domains:
            raise TramontaneError(f"domain {domain!r}: this network predicts {', '.join(self.domains)}; ask for those")
        if chunk is not None and queries.shape[1] > chunk:
            return torch.cat([self.decode(cache, domain, part) for part in torch.split(queries, chunk, dim=1)], dim=1)
        branch = self.branches[self.domains.index(domain)]
        at = rotation(queries, self.dim // self.heads, self.position_scale)
        x = branch.embed(embed_positions(queries, self.dim, self.position_scale))
        for block, key_value in zip([*self.physics, *branch.blocks], cache.key_values[domain], strict=True):
            modulation = block.modulate(cache.condition)
            x = block.update(x, attend(block.queries(x, at, modulation), key_value), modulation)
        return branch.fields(x)

    def _anchors(self, inputs: Inputs) -> tuple[dict[str, Tensor], Cache]:
        """Anchor tokens after all blocks, and the keys and values they attended to."""
        head_dim = self.dim // self.heads
        condition = None if self.condition is None else self.condition(inputs.parameters)
        geometry = None if self.geometry is None else self.geometry(inputs.geometry, condition, head_dim)

        # All branches' tokens lie in one tensor while weights are shared: one matrix product serves them all.
        sizes = [inputs.points[name].shape[1] for name in self.domains]
        positions = torch.cat([inputs.points[name] for name in self.domains], dim=1)
        at = rotation(positions, head_dim, self.position_scale)
        waves = torch.split(embed_positions(positions, self.dim, self.position_scale), sizes, dim=1)
        x = torch.cat([branch.embed(wave) for branch, wave in zip(self.branches, waves, strict=True)], dim=1)

        key_values: dict[str, list[KeyValue]] = {name: [] for name in self.domains}
        for kind, block in zip(self.kinds, self.physics, strict=True):
            modulation = block.modulate(condition)
            if geometry is not None and kind == "p":
                memory = [block.keys_values(*geometry)] * len(sizes)
                gathered = attend(block.queries(x, at, modulation), memory[0])
            else:
                query, keys_values = block.project(x, at, modulation)
                memory = keys_values.split(sizes)
                if kind == "c" and len(sizes) > 1:
                    memory = [KeyValue.join(memory[:i] + memory[i + 1 :]) for i in range(len(sizes))]
                parts = zip(torch.split(query, sizes, dim=2), memory, strict=True)
                gathered = torch.cat([attend(part, to) for part, to in parts], dim=1)
            x = block.update(x, gathered, modulation)
            for name, to in zip(self.domains, memory, strict=True):
                key_values[name].append(to)

        tokens = dict(zip(self.domains, torch.split(x, sizes, dim=1), strict=True))
        for name, branch, own in zip(self.domains, self.branches, at.split(sizes), strict=True):
            for block in branch.blocks:
                modulation = block.modulate(condition)
                query, to = block.project(tokens[name], own, modulation)
                tokens[name] = block.update(tokens[name], attend(query, to), modulation)
                key_values[name].append(to)
        return tokens, Cache(condition, key_values)


class GeometryBranch(nn.Module):
    """Supernodes that attend to each other: the tokens that perceiver blocks read.

    Args:
        pooling: Makes tokens of points.
        blocks: Transformer blocks on them.
    """

    def __init__(self, pooling: SupernodePooling, blocks: nn.ModuleList) -> None:
        super().__init__()
        self.pooling = pooling
        self.blocks: Sequence[Block] = cast(Any, blocks)
        self.norm = nn.LayerNorm(pooling.dim)

    def forward(
        self, points: Float[Tensor, "batch n 3"], condition: Float[Tensor, "batch dim"] | None, head_dim: int
    ) -> tuple[Float[Tensor, "batch supernodes dim"], Rotation]:
        """Normalised tokens, and the rotation at their positions."""
        x, centres = self.pooling(points)
        at = rotation(centres, head_dim, self.pooling.scale)
        for block in self.blocks:
            x = block(x, at, condition)
        return self.norm(x), at


class Branch(nn.Module):
    """What belongs to one domain alone: the embedding of its points, its decoder blocks, its head.

    Args:
        dim: Features of a token.
        channels: Outputs.
        blocks: Decoder blocks, in which the domain's anchors attend to each other.
    """

    def __init__(self, dim: int, channels: int, blocks: nn.ModuleList) -> None:
        super().__init__()
        self.embed = nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, dim))
        self.blocks: Sequence[Block] = cast(Any, blocks)
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, channels)

    def fields(self, x: Float[Tensor, "batch n dim"]) -> Float[Tensor, "batch n channels"]:
        """Fields from tokens that have gone through all blocks."""
        fields: Tensor = self.head(self.norm(x))
        return fields


def _check(domains: dict[str, int], *, dim: int, heads: int, blocks: str) -> None:
    if not domains:
        raise TramontaneError("domains: none given; a network needs at least one, such as {'surface': 4}")
    for name, channels in domains.items():
        if channels < 1:
            raise TramontaneError(f"domains: {name!r} has {channels} channels; give it at least one")
    check_heads(dim, heads)
    if unknown := sorted(set(blocks) - set("psc")):
        raise TramontaneError(f"blocks {blocks!r}: {unknown[0]!r} is not a kind of block; use p, s and c")


def _initialise(module: nn.Module) -> None:
    """Small random weights, no biases; no weight starts at zero, so an untrained network already tells inputs apart."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
