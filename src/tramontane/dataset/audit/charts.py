"""Histograms over a set of cases, as SVG within a page."""

from __future__ import annotations

import html
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

_WIDTH, _HEIGHT, _FLOOR, _TOP = 320, 130, 104, 14
_LOG_FROM = 100.0  # positive values whose ends differ by more than this stand on a logarithmic axis
_WORDS = ("logarithmic", "not finite", "no finite values")


def histogram(
    series: Mapping[str, Mapping[str, float]], *, label: str, unit: str = "", odd: Collection[str] = (),
    say: Callable[[float], str] = "{:.4g}".format, words: tuple[str, str, str] = _WORDS,
) -> str:  # fmt: skip
    """An SVG of how values are spread over the cases, the odd ones marked by name.

    Args:
        series: By name of the series (two at most, drawn over each other), the value of each case; what is not finite
            is left out and counted.
        label: Of the whole, read out in place of the picture.
        unit: Of the values.
        odd: Cases to be marked.
        say: How a number is written.
        words: For a logarithmic axis, for values that are not finite, and for none that is, each after their number.
    """
    finite_values = {key: {case: value for case, value in values.items() if np.isfinite(value)}
             for key, values in series.items()}  # fmt: skip
    every = np.array([value for values in finite_values.values() for value in values.values()])
    left_out = sum(len(values) for values in series.values()) - len(every)
    if len(every) == 0:
        return f'<p class="quiet">{html.escape(label)}: {html.escape(words[2])}</p>'
    low, high = float(every.min()), float(every.max())
    logarithmic = low > 0 and high > _LOG_FROM * low
    scale = np.log10 if logarithmic else np.asarray
    start, end = float(scale(low)), float(scale(high))
    span = (end - start) or 1.0
    bins = int(np.clip(np.sqrt(len(every)) * 2, 6, 24))
    parts, tallest = [], 1
    counted: list[tuple[str, list[list[str]]]] = []
    for key, values in finite_values.items():
        boxes: list[list[str]] = [[] for _ in range(bins)]
        for case, value in values.items():
            boxes[min(bins - 1, int((float(scale(value)) - start) / span * bins))].append(case)
        tallest = max(tallest, *(len(box) for box in boxes))
        counted.append((key, boxes))
    width = _WIDTH / bins
    for number, (key, boxes) in enumerate(counted):
        for place, box in enumerate(boxes):
            if box:
                tall = max(2.0, (_FLOOR - _TOP) * len(box) / tallest)
                title = f"{key + ': ' if key else ''}{_few(box)}"
                parts.append(
                    f'<rect class="bar{number}" x="{place * width + 1:.1f}" y="{_FLOOR - tall:.1f}" '
                    f'width="{width - 2:.1f}" height="{tall:.1f}"><title>{html.escape(title)}</title></rect>'
                )
    for case in sorted(odd):
        for values in finite_values.values():
            if case in values:
                x = (float(scale(values[case])) - start) / span * (_WIDTH - 12) + 6
                title = html.escape(f"{case}: {say(values[case])} {unit}".rstrip())
                parts.append(f'<path class="odd" d="M{x:.1f} {_FLOOR + 1} l-5 9 h10 z"><title>{title}</title></path>')
    ends = f'<text x="0" y="{_HEIGHT - 3}">{say(low)}</text><text x="{_WIDTH}" y="{_HEIGHT - 3}" ' \
           f'text-anchor="end">{say(high)} {html.escape(unit)}</text>'  # fmt: skip
    remarks = [*([words[0]] if logarithmic else []), *([f"{left_out} {words[1]}"] if left_out else [])]
    middle = f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 3}" text-anchor="middle">{", ".join(remarks)}</text>'
    aria_label = html.escape(f"{label}: {say(low)} to {say(high)} {unit}".rstrip(), quote=True)
    floor = f'<line x1="0" x2="{_WIDTH}" y1="{_FLOOR}" y2="{_FLOOR}"/>'
    inner = floor + "".join(parts) + ends + middle
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{aria_label}">{inner}</svg>'


def _few(names: Sequence[str], count: int = 8) -> str:
    return ", ".join(names[:count]) + (f" and {len(names) - count} more" if len(names) > count else "")
