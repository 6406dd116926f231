"""AB-UPT as one writes it down first: what ``speed.py`` measures our own against.

Queries, keys and values have a matrix each, which are joined anew for every product; rotary positions are a product of
complex numbers in float32, of neighbouring features. All else is shared.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from tramontane.models import ab_upt
from tramontane.models.layers import Block, KeyValue, Modulation, frequencies


class PlainRotation(NamedTuple):
    """Complex numbers of length one, ``(batch, n, 1, 1, pairs)``."""

    by: Tensor

    def split(self, sizes: list[int]) -> list[PlainRotation]:
        """Parts of so many tokens each."""
        return [PlainRotation(part) for part in torch.split(self.by, sizes, dim=1)]


def plain_rotation(positions: Tensor, head_dim: int, scale: float) -> PlainRotation:
    """By what each pair of features turns."""
    count = head_dim // 6
    angles = ((positions.float() * scale).unsqueeze(-1) * frequencies(count, positions.device)).flatten(-2)
    angles = F.pad(angles, (0, head_dim // 2 - 3 * count))[:, :, None, None]
    return PlainRotation(torch.polar(torch.ones_like(angles), angles))


def plain_rotate(x: Tensor, at: PlainRotation) -> Tensor:
    """Turn neighbouring features, as complex numbers."""
    pairs = torch.view_as_complex(x.float().reshape(*x.shape[:-1], -1, 2))
    return torch.view_as_real(pairs * at.by).flatten(-2).type_as(x)


class PlainBlock(Block):
    """A block with three matrices in place of one."""

    def __init__(self, dim: int, heads: int, **options: Any) -> None:
        super().__init__(dim, heads, **options)
        self.qkv = None  # type: ignore[assignment]
        self.parts = nn.ModuleList([nn.Linear(dim, dim) for _ in range(3)])
        self.dim = dim

    def project(self, x: Tensor, at: Any, modulation: Modulation | None) -> tuple[Tensor, KeyValue]:
        """Queries, keys and values of the same tokens."""
        query, key, value = self._product(self._normed(x, modulation), slice(0, 3)).unbind(2)
        query, key = (plain_rotate(part.unsqueeze(2), at).squeeze(2) for part in (query, key))
        return query.transpose(1, 2), KeyValue(key.transpose(1, 2), value.transpose(1, 2))

    def queries(self, x: Tensor, at: Any, modulation: Modulation | None) -> Tensor:
        """Queries alone."""
        query = self._product(self._normed(x, modulation), slice(0, 1))
        return plain_rotate(query, at).squeeze(2).transpose(1, 2)

    def keys_values(self, x: Tensor, at: Any) -> KeyValue:
        """Keys and values alone."""
        key, value = self._product(x, slice(1, 3)).unbind(2)
        key = plain_rotate(key.unsqueeze(2), at).squeeze(2)
        return KeyValue(key.transpose(1, 2), value.transpose(1, 2))

    def _product(self, x: Tensor, which: slice) -> Tensor:
        layers = list(self.parts)[which]
        weight = torch.cat([layer.weight for layer in layers])  # type: ignore[union-attr]
        bias = torch.cat([layer.bias for layer in layers])  # type: ignore[union-attr]
        return F.linear(x, weight, bias).view(*x.shape[:-1], len(layers), self.heads, self.dim // self.heads)


def plain_attend(query: Tensor, to: KeyValue) -> Tensor:
    """PyTorch's own kernel, which is what one calls first."""
    return F.scaled_dot_product_attention(query, to.key, to.value).transpose(1, 2).flatten(2)


@contextmanager
def _plain() -> Iterator[None]:
    ours = {name: getattr(ab_upt, name) for name in ("Block", "rotation", "attend")}
    ab_upt.Block, ab_upt.rotation, ab_upt.attend = PlainBlock, plain_rotation, plain_attend  # type: ignore[misc, assignment]
    try:
        yield
    finally:
        for name, own in ours.items():
            setattr(ab_upt, name, own)


class PlainAbUpt(nn.Module):
    """`tramontane.models.ab_upt.AbUpt` in plain pieces, which take their places while it is made and runs."""

    def __init__(self, **config: Any) -> None:
        super().__init__()
        with _plain():
            self.network = ab_upt.AbUpt(**config)

    def forward(self, inputs: Any) -> Any:
        """Fields at the anchors."""
        with _plain():
            return self.network(inputs)

    def encode(self, inputs: Any) -> Any:
        """What `decode` needs."""
        with _plain():
            return self.network.encode(inputs)

    def decode(self, cache: Any, domain: str, queries: Tensor) -> Any:
        """Fields at any points."""
        with _plain():
            return self.network.decode(cache, domain, queries)
