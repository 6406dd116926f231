"""Parallel coordinates: a vertical axis for each parameter and output, a line for each design.

The figure is complete without a script; with it, a design's numbers are shown when its line is pointed at, and stay
when it is clicked.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from html import escape

import numpy as np

_WIDTH, _HEIGHT, _TOP, _SIDE = 900.0, 340.0, 34.0, 60.0
_MOST = 600  # lines that are drawn

STYLE = """<style>
.parallel polyline { fill: none; stroke: var(--low); stroke-width: 1.2; stroke-opacity: .6; cursor: pointer; }
.parallel polyline.best { stroke: var(--high); stroke-width: 2.2; stroke-opacity: 1; }
.parallel polyline:is(:hover, :focus, .kept) { stroke: var(--error); stroke-width: 3; outline: none; }
.parallel line { stroke: var(--quiet); }
.design { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; min-height: 3.2rem; margin: .5rem 0; }
.design dt { color: var(--quiet); font-size: .85rem; } .design dd { margin: 0; font-variant-numeric: tabular-nums; }
</style>"""

SCRIPT = """
for (const plot of document.querySelectorAll("svg.parallel")) {
  const heads = JSON.parse(plot.dataset.heads), shown = plot.parentElement.querySelector(".design");
  const lines = [...plot.querySelectorAll("polyline")];
  let kept = null;
  const show = line => {
    const cells = JSON.parse(line.dataset.cells);
    shown.replaceChildren(...heads.map((head, place) => {
      const [pair, name, value] = ["div", "dt", "dd"].map(kind => document.createElement(kind));
      name.textContent = head;
      value.textContent = cells[place];
      pair.append(name, value);
      return pair;
    }));
  };
  const keep = line => {
    kept = kept === line ? null : line;
    lines.forEach(other => other.classList.toggle("kept", other === kept));
    show(line);
  };
  for (const line of lines) {
    line.addEventListener("pointerenter", () => kept || show(line));
    line.addEventListener("focus", () => kept || show(line));
    line.addEventListener("click", () => keep(line));
    line.addEventListener("keydown", event => { if (event.key === "Enter") keep(line); });
  }
}
"""


def parallel_coordinates(
    heads: Sequence[str],
    rows: Sequence[Sequence[float | None]],
    labels: Sequence[Sequence[str]],
    label_heads: Sequence[str],
    best: Collection[int] = (),
) -> str:
    """The figure, as markup of a page that has `STYLE` and `SCRIPT`.

    Args:
        heads: Of the axes.
        rows: A number for each axis, or None, of each design.
        labels: What else is shown of each design.
        label_heads: Of these.
        best: Places of the designs that stand out.

    Returns:
        Nothing where there are fewer than two axes or designs.
    """
    table = np.array([[np.nan if value is None else value for value in row] for row in rows], float)
    if len(heads) < 2 or len(rows) < 2:
        return ""
    low, high = (_extreme(table, of) for of in (np.nanmin, np.nanmax))
    across = _SIDE + np.arange(len(heads)) * (_WIDTH - 2 * _SIDE) / (len(heads) - 1)
    order = _chosen(len(rows), best)
    lines = []
    for place in sorted(order, key=lambda place: place in best):
        share = np.where(high > low, (table[place] - low) / np.where(high > low, high - low, 1.0), 0.5)
        points = [f"{x:.1f},{_HEIGHT - 22 - y * (_HEIGHT - 22 - _TOP):.1f}"
                  for x, y in zip(across, share, strict=True) if np.isfinite(y)]  # fmt: skip
        if len(points) < 2:
            continue
        cells = [*labels[place], *("" if value is None else f"{value:.6g}" for value in rows[place])]
        kind = ' class="best"' if place in best else ""
        title = escape(" ".join(labels[place]))
        lines.append(f'<polyline{kind} tabindex="0" data-cells="{escape(json.dumps(cells), quote=True)}" '
                     f'points="{" ".join(points)}"><title>{title}</title></polyline>')  # fmt: skip
    axes = "".join(_axis(x, head, *ends) for x, head, *ends in zip(across, heads, low, high, strict=True))
    shown = f"<p>{len(order)} of {len(rows)} designs are drawn.</p>" if len(order) < len(rows) else ""
    all_heads = escape(json.dumps([*label_heads, *heads]), quote=True)
    return (
        f'<figure><svg class="parallel" role="img" aria-label="parallel coordinates" '
        f'viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}" data-heads="{all_heads}">'
        f'{"".join(lines)}{axes}</svg><dl class="design"></dl>'
        "<figcaption>A line is a design; point at one for its numbers, click to keep them.</figcaption></figure>"
        f"{shown}"
    )


def _extreme(table: np.ndarray, of: object) -> np.ndarray:
    """By column, where a column may hold no number."""
    return np.array([of(column[np.isfinite(column)]) if np.isfinite(column).any() else 0.0  # type: ignore[operator]
                     for column in table.T])  # fmt: skip


def _chosen(count: int, best: Collection[int]) -> list[int]:
    """The places that are drawn: all, or the best and some evenly among the others."""
    if count <= _MOST:
        return list(range(count))
    return sorted({*best, *np.linspace(0, count - 1, _MOST).astype(int).tolist()})


def _axis(x: float, head: str, low: float, high: float) -> str:
    return (
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP:.0f}" y2="{_HEIGHT - 22:.0f}"/>'
        f'<text x="{x:.1f}" y="12" text-anchor="middle">{escape(head)}</text>'
        f'<text x="{x:.1f}" y="{_TOP - 6:.0f}" text-anchor="middle">{high:.4g}</text>'
        f'<text x="{x:.1f}" y="{_HEIGHT - 6:.0f}" text-anchor="middle">{low:.4g}</text>'
    )
