"""Bounds of a predicted field as arrays of its mesh, so that sections and outer surfaces have them, too."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from tramontane.case import Case

WIDTH = ".width"
"""After a scalar or a component: how wide its interval is, as a field of its own."""
LOWER, UPPER = ".lower", ".upper"
"""After a field's name, that of its bounds in a mesh; no field's own name has a dot."""


def bounded(case: Case, field: str) -> Case:
    """A case whose meshes have the bounds of a field beside it, where it has an interval."""
    meshes = dict(case.meshes)
    for domain, intervals in case.field_intervals.items():
        if field not in intervals:
            continue
        mesh = meshes[domain] = case.meshes[domain].copy(deep=False)
        data = mesh.point_data if case.field_names(domain)[field] == "point" else mesh.cell_data
        bounds = intervals[field].bounds(np.asarray(case.field_values(domain, field)))
        data[field + LOWER], data[field + UPPER] = (np.asarray(bound, dtype=np.float32) for bound in bounds)
    return replace(case, meshes=meshes)


def measured_of(choice: str) -> str:
    """What a choice is the interval's width of; of any other, the choice itself."""
    return choice.removesuffix(WIDTH)


def widths(choices: Collection[str], intervals: Collection[str]) -> list[str]:
    """The choices of interval widths.

    Args:
        choices: Fields and components that can be looked at.
        intervals: Fields that have an interval of each of their components: a vector's length has none of its own.
    """
    parts = {choice.partition(".")[0] for choice in choices if "." in choice}
    return [choice + WIDTH for choice in choices if choice.partition(".")[0] in intervals and choice not in parts]
