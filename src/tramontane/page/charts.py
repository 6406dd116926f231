"""Predicted against true values, as SVG."""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np

from tramontane.page.colours import number, readable

_SIZE, _LEFT, _BOTTOM = 260, 46, 34


def scatter(
    true: Sequence[float], predicted: Sequence[float], names: Sequence[str], *, label: str, unit: str,
    axes: tuple[str, str],
) -> str:  # fmt: skip
    """A point for each case; those on the diagonal are predicted as they are.

    Args:
        true: SI.
        predicted: SI.
        names: Of the cases, shown where the pointer rests.
        label: Of the whole, read out in place of the picture.
        unit: Of the values.
        axes: What stands along x and y.
    """
    both = np.array([true, predicted], dtype=float)
    shown, factor = readable(unit, float(np.abs(both).max(initial=0.0)))
    low, high = float(both.min()), float(both.max())
    margin = 0.06 * ((high - low) or abs(high) or 1.0)
    low, high = low - margin, high + margin
    room = _SIZE - _LEFT - 8

    def x(value: float) -> float:
        return _LEFT + room * (value - low) / (high - low)

    def y(value: float) -> float:
        return _SIZE - _BOTTOM - (_SIZE - _BOTTOM - 8) * (value - low) / (high - low)

    points = "".join(
        f'<circle cx="{x(t):.1f}" cy="{y(p):.1f}" r="5"><title>'
        f"{html.escape(name)}: {number(factor * t)} → {number(factor * p)} {html.escape(shown)}</title></circle>"
        for t, p, name in zip(true, predicted, names, strict=True)
    )
    first, last = number(factor * (low + margin), 3), number(factor * (high - margin), 3)
    floor = _SIZE - _BOTTOM
    return (
        f'<svg class="scatter" viewBox="0 0 {_SIZE} {_SIZE}" role="img" aria-label="{html.escape(label, quote=True)}">'
        f'<path class="axis" d="M{_LEFT} 8 V{floor} H{_SIZE - 8}"/>'
        f'<path class="diagonal" d="M{_LEFT} {floor} L{_SIZE - 8} 8"/>{points}'
        f'<text x="{_LEFT}" y="{floor + 14}">{first}</text>'
        f'<text x="{_SIZE - 8}" y="{floor + 14}" text-anchor="end">{last} {html.escape(shown)}</text>'
        f'<text x="{(_LEFT + _SIZE) / 2}" y="{_SIZE - 5}" text-anchor="middle">{html.escape(axes[0])}</text>'
        f'<text x="{_LEFT - 5}" y="{floor}" text-anchor="end">{first}</text>'
        f'<text x="{_LEFT - 5}" y="16" text-anchor="end">{last}</text>'
        f'<text transform="translate(12 {floor / 2}) rotate(-90)" text-anchor="middle">{html.escape(axes[1])}</text>'
        "</svg>"
    )
