"""Values along a line through a case: a chart, a table, and the line in the picture."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyvista as pv
from numpy.typing import NDArray

from tramontane.case import Case
from tramontane.contract import Contract
from tramontane.page.language.readable_units import number, readable
from tramontane.page.view.scene import choices, unit_of, values_of
from tramontane.page.view.state import AXES

Array = NDArray[np.floating[Any]]
_STEPS = 300
_WIDE, _HIGH, _LEFT, _BOTTOM = 300, 190, 52, 36


@dataclass(frozen=True)
class LinePlot:
    """What a volume has along a straight line.

    Attributes:
        points: ``(n, 3)``, m.
        distances: ``(n,)`` from the first end, m.
        values: By choice, ``(n,)``, SI; NaN outside the volume.
        averaged: Whether values of cells were averaged to points first.
    """

    points: Array
    distances: Array
    values: dict[str, Array]
    averaged: bool

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Where the volume has values."""
        inside = np.zeros(len(self.distances), dtype=bool)
        for values in self.values.values():
            inside |= np.isfinite(values)
        return inside

    def title(self, choice: str, contract: Contract) -> str:
        """What the chart of a choice shows, with its unit."""
        values = self.values[choice]
        unit, _ = unit_of(contract, choice, float(np.nanmax(np.abs(values), initial=0.0)))
        return f"{choices(contract)[choice]} [{unit or '1'}]"

    def table(self, contract: Contract) -> str:
        """All values as CSV, SI, with units in the heads; outside the volume nothing stands."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        units = {choice: unit_of(contract, choice, 0.0)[0] for choice in self.values}
        heads = [f"{choice} [{unit or '1'}]" for choice, unit in units.items()]
        writer.writerow(["distance [m]", *(f"{axis} [m]" for axis in AXES), *heads])
        for index, (distance, point) in enumerate(zip(self.distances, self.points, strict=True)):
            row = [values[index] for values in self.values.values()]
            writer.writerow([f"{x:.9g}" for x in (distance, *point)]
                            + [f"{x:.9g}" if np.isfinite(x) else "" for x in row])  # fmt: skip
        return text.getvalue()


def along(case: Case, domain: str, contract: Contract, ends: Sequence[float], *, smooth: bool) -> LinePlot:
    """Sample a volume along a line.

    Args:
        case: Has the volume.
        domain: Which it is.
        contract: Of the model.
        ends: Both ends, m, six numbers.
        smooth: Whether values of cells are averaged to points first, as in a section.
    """
    mesh = case.meshes[domain]
    averaged = smooth and "cell" in case.field_names(domain).values()
    if averaged:
        mesh = mesh.cell_data_to_point_data()
    first, last = np.asarray(ends[:3], dtype=float), np.asarray(ends[3:], dtype=float)
    points = first + np.linspace(0.0, 1.0, _STEPS + 1)[:, None] * (last - first)
    sampled = pv.PolyData(points).sample(mesh)
    inside = np.asarray(sampled.point_data["vtkValidPointMask"], dtype=bool)
    part = Case("line", case.design, {"line": sampled}, field_units=case.field_units)
    values = {}
    for choice in choices(contract):
        field_values = values_of(part, "line", choice, contract)
        if field_values is not None:
            values[choice] = np.where(inside, field_values, np.nan)
    return LinePlot(points, np.linalg.norm(points - first, axis=1), values, averaged)


def chart(plot: LinePlot, choice: str, contract: Contract, *, axis: str) -> str:
    """A choice along the line as SVG.

    Args:
        plot: The line.
        choice: Which values.
        contract: Of the model.
        axis: What stands along x, without its unit.
    """
    values = plot.values[choice]
    finite = values[np.isfinite(values)]
    if not len(finite):
        return ""
    unit, factor = unit_of(contract, choice, float(np.abs(finite).max()))
    length_unit, length_factor = readable("m", float(plot.distances[-1]))
    low, high = float(finite.min()), float(finite.max())
    margin = 0.06 * ((high - low) or abs(high) or 1.0)
    bottom, top = low - margin, high + margin
    floor, right = _HIGH - _BOTTOM, _WIDE - 8

    def x(distance: float) -> float:
        return _LEFT + (right - _LEFT) * distance / float(plot.distances[-1] or 1.0)

    def y(value: float) -> float:
        return floor - (floor - 8) * (value - bottom) / (top - bottom)

    pieces, fresh = [], True
    for distance, value in zip(plot.distances.tolist(), values.tolist(), strict=True):
        if np.isfinite(value):
            pieces.append(f"{'M' if fresh else 'L'}{x(distance):.1f} {y(value):.1f}")
        fresh = not np.isfinite(value)
    label = f"{choices(contract)[choice]} [{unit or '1'}]"
    ticks = "".join(
        f'<text x="{_LEFT - 5}" y="{y(value) + 4:.1f}" text-anchor="end">{number(factor * value, 3)}</text>'
        f'<path class="grid" d="M{_LEFT} {y(value):.1f} H{right}"/>'
        for value in dict.fromkeys((low, (low + high) / 2, high))
    )
    far = number(length_factor * float(plot.distances[-1]), 3)
    return (
        f'<svg class="curves" viewBox="0 0 {_WIDE} {_HIGH}" role="img" aria-label="{html.escape(label, quote=True)}" '
        f'data-points="{len(finite)}"><path class="axis" d="M{_LEFT} 8 V{floor} H{right}"/>{ticks}'
        f'<g><path d="{" ".join(pieces)}"/></g><text x="{_LEFT}" y="{floor + 14}">0</text>'
        f'<text x="{right}" y="{floor + 14}" text-anchor="end">{far}</text>'
        f'<text x="{(_LEFT + right) / 2}" y="{_HIGH - 5}" text-anchor="middle">{html.escape(axis)} '
        f"[{html.escape(length_unit)}]</text></svg>"
    )


def through(body: Array, domain: Array, axis: int) -> list[float]:
    """The line along an axis through the middle of a part, from end to end of the domain.

    Args:
        body: Bounds of the part ``(3, 2)``, m.
        domain: Bounds of the domain ``(3, 2)``, m.
        axis: 0, 1 or 2.
    """
    middle = body.mean(axis=1)
    ends = [middle.copy(), middle.copy()]
    ends[0][axis], ends[1][axis] = domain[axis]
    return [float(x) for end in ends for x in end]
