"""Predicted against true values, and curves of what is learnt, as SVG."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

import numpy as np

from tramontane.page.language.numerals import Numerals
from tramontane.page.language.readable_units import readable

_SIZE, _LEFT, _BOTTOM = 260, 46, 34
_LOW_SIZE = 170
Line = tuple[str, Sequence[int], Sequence[float]]


def scatter(
    numerals: Numerals, true: Sequence[float], predicted: Sequence[float], names: Sequence[str], *, label: str,
    unit: str, factor: float, axes: tuple[str, str],
) -> str:  # fmt: skip
    """A point for each case; those on the diagonal are predicted as they are.

    Args:
        numerals: How numbers are written.
        true: SI.
        predicted: SI.
        names: Of the cases, shown where the pointer rests.
        label: Of the whole, read out in place of the picture.
        unit: In which the values are shown.
        factor: Into that unit.
        axes: What stands along x and y.
    """
    both = np.array([true, predicted], dtype=float)
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
        f"{html.escape(name)}: {numerals.number(factor * t)} → {numerals.number(factor * p)} "
        f"{html.escape(unit)}</title></circle>"
        for t, p, name in zip(true, predicted, names, strict=True)
    )
    first, last = numerals.number(factor * (low + margin), 3), numerals.number(factor * (high - margin), 3)
    floor = _SIZE - _BOTTOM
    return (
        f'<svg class="scatter" viewBox="0 0 {_SIZE} {_SIZE}" role="img" aria-label="{html.escape(label, quote=True)}">'
        f'<path class="axis" d="M{_LEFT} 8 V{floor} H{_SIZE - 8}"/>'
        f'<path class="diagonal" d="M{_LEFT} {floor} L{_SIZE - 8} 8"/>{points}'
        f'<text x="{_LEFT}" y="{floor + 14}">{first}</text>'
        f'<text x="{_SIZE - 8}" y="{floor + 14}" text-anchor="end">{last} {html.escape(unit)}</text>'
        f'<text x="{(_LEFT + _SIZE) / 2}" y="{_SIZE - 5}" text-anchor="middle">{html.escape(axes[0])}</text>'
        f'<text x="{_LEFT - 5}" y="{floor}" text-anchor="end">{first}</text>'
        f'<text x="{_LEFT - 5}" y="16" text-anchor="end">{last}</text>'
        f'<text transform="translate(12 {floor / 2}) rotate(-90)" text-anchor="middle">{html.escape(axes[1])}</text>'
        "</svg>"
    )


def curves(numerals: Numerals, lines: Sequence[Line], *, label: str, unit: str, axis: str) -> str:
    """Numbers that fall while something is learnt, on a logarithmic scale; the last line is the one that grows.

    Args:
        numerals: How numbers are written.
        lines: Each a name, steps and values (SI, above zero).
        label: Of the whole, read out in place of the picture.
        unit: Of the values.
        axis: What stands along x.
    """
    drawn = [(name, steps, values) for name, steps, values in lines if steps]
    positive = [value for _, _, values in drawn for value in values if value > 0]
    if not positive:
        return ""
    shown, factor = readable(unit, max(positive))
    low, high = math.log10(min(positive)), math.log10(max(positive))
    margin = max(0.04 * (high - low), 0.02)
    low, high = low - margin, high + margin
    most = max(max(steps) for _, steps, _ in drawn)
    floor, right = _LOW_SIZE - _BOTTOM, _SIZE - 8

    def x(step: float) -> float:
        return _LEFT + (right - _LEFT) * step / most

    def y(value: float) -> float:
        share = (math.log10(max(value, 10.0**low)) - low) / (high - low)
        return floor - (floor - 8) * share

    parts = [
        f'<text x="{_LEFT - 5}" y="{y(tick) + 4:.1f}" text-anchor="end">{numerals.number(factor * tick, 3)}</text>'
        f'<path class="grid" d="M{_LEFT} {y(tick):.1f} H{right}"/>'
        for tick in _ticks(10.0**low, 10.0**high)
    ]
    for index, (name, steps, values) in enumerate(drawn):
        kind = "is-now" if index == len(drawn) - 1 else "is-before"
        path = " L".join(f"{x(s):.1f} {y(v):.1f}" for s, v in zip(steps, values, strict=True))
        parts.append(
            f'<g class="{kind}" data-network="{html.escape(name, quote=True)}" data-points="{len(steps)}">'
            f"<title>{html.escape(name)}</title>"
            f'<path d="M{path}"/><circle cx="{x(steps[-1]):.1f}" cy="{y(values[-1]):.1f}" r="3"/></g>'
        )
    return (
        f'<svg class="curves" viewBox="0 0 {_SIZE} {_LOW_SIZE}" role="img" '
        f'aria-label="{html.escape(label, quote=True)}"><path class="axis" d="M{_LEFT} 8 V{floor} H{right}"/>'
        f'{"".join(parts)}<text x="{_LEFT}" y="{_LOW_SIZE - 18}">0</text>'
        f'<text x="{right}" y="{_LOW_SIZE - 18}" text-anchor="end">{numerals.count(most)}</text>'
        f'<text x="{(_LEFT + right) / 2}" y="{_LOW_SIZE - 5}" text-anchor="middle">{html.escape(axis)}</text>'
        f'<text x="{_LEFT - 5}" y="{floor + 14}" text-anchor="end">{html.escape(shown)}</text></svg>'
    )


def _ticks(low: float, high: float) -> list[float]:
    """A few round numbers between two others."""
    if high < 5 * low:
        power = 10.0 ** math.floor(math.log10(high - low))
        step = next(head * power for head in (0.2, 0.5, 1.0, 2.0, 5.0) if (high - low) / (head * power) < 5)
        return [step * k for k in range(math.ceil(low / step), math.floor(high / step) + 1)]
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    heads = (1,) if high > 1e3 * low else (1, 3) if high > 30 * low else (1, 2, 5)
    ticks = [head * 10.0**power for power in powers for head in heads if low <= head * 10.0**power <= high]
    return ticks[:: math.ceil(len(ticks) / 5)]
