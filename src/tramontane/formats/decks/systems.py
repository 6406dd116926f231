"""Coordinate systems in which Abaqus's decks may give their nodes: ``*SYSTEM`` and ``*NODE, SYSTEM=``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tramontane.formats.decks.inp import Statement, rows_of_numbers


@dataclass(frozen=True)
class System:
    """A Cartesian system in the global one.

    Attributes:
        origin: ``(3,)``.
        axes: ``(3, 3)``, a row each.
    """

    origin: NDArray[np.float64]
    axes: NDArray[np.float64]

    def to_global(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points ``(n, 3)`` of this system in the global one."""
        moved: NDArray[np.float64] = points @ self.axes + self.origin
        return moved


def system_of(statement: Statement) -> System | None:
    """What a ``*SYSTEM`` says; None for one without numbers, which ends the last.

    The first line has the origin and a point on the x axis, the second a point in the plane of x and y, on the side of
    y. An origin alone moves; without the second line, both points lie in the global plane of x and y.

    Raises:
        FormatError: The points lie on a line, or their number is another.
    """
    lines = statement.lines()
    if not lines:
        return None
    counts = [len([entry for entry in line.rstrip(",").split(",") if entry.strip()]) for line in lines]
    rows = rows_of_numbers(statement, 6)
    if len(rows) > 2 or counts[0] not in (2, 3, 4, 6) or not np.isfinite(rows).all():
        raise statement.error(
            "is not given by one, two or three points", "write an origin, a point on x and one near y"
        )
    if counts[0] <= 3:
        return System(rows[0, :3], np.eye(3))
    origin, along = (rows[0, :3], rows[0, 3:]) if counts[0] == 6 else (
        np.append(rows[0, :2], 0.0), np.append(rows[0, 2:4], 0.0)
    )  # fmt: skip
    first = along - origin
    if len(rows) == 2:
        third = np.cross(first, rows[1, :3] - origin)
    else:
        third = np.array([0.0, 0.0, 1.0])
        if first[2] != 0:
            raise statement.error("turns out of the plane of x and y without a third point", "write its second line")
    lengths = np.linalg.norm(first), np.linalg.norm(third)
    if min(lengths) == 0:
        raise statement.error("has its points on one line", "write three points that span a plane")
    first, third = first / lengths[0], third / lengths[1]
    return System(origin, np.stack([first, np.cross(third, first), third]))


def from_kind(statement: Statement, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points of ``*NODE, SYSTEM=`` in Cartesian coordinates; cylindrical (C) and spherical (S) ones are in degrees.

    Raises:
        FormatError: Another kind.
    """
    kind = statement.option("SYSTEM").upper() or "R"
    if kind == "R":
        return points
    radius, angle, last = points.T
    turn = np.deg2rad(angle)
    if kind == "C":
        return np.stack([radius * np.cos(turn), radius * np.sin(turn), last], axis=1)
    if kind == "S":  # longitude, then the angle above the plane of x and y
        rise = np.deg2rad(last)
        flat = radius * np.cos(rise)
        return np.stack([flat * np.cos(turn), flat * np.sin(turn), radius * np.sin(rise)], axis=1)
    raise statement.error(f"is in coordinates of system {kind}, which is not read", "write them in Cartesian ones")
