"""What a view shows, as it stands in a link."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tramontane.page.view.colours import MAPS

AXES = "xyz"
CELLS = 50_000
AUTO = 0.0
"""In place of the factor of a deformed shape: one that shows it well."""
_CELLS_MOST = 1_000_000
_PART = ("model", "geometry", "unit", "set", "case")
_SLIDDEN = ("parameters", "at", "warp", "level")


@dataclass
class View:
    """A design, and how it is looked at; everything that a link restores.

    Attributes:
        model: Name of the model.
        geometry: Hash of the geometry.
        unit: Length unit of the geometry, where it is not the model's own.
        set: Name of a dataset, where one of its cases is meant in place of a geometry and parameters.
        case: Name of that case.
        parameters: By name, in the model's units.
        field: Which field, with a component after a dot: ``pressure``, ``velocity``, ``velocity.x``.
        map: Name of the colour map.
        low: Lower end of the colours where they are locked, SI.
        high: Upper end.
        section: Axis that a section is normal to, or empty.
        at: Where the section stands, as a share of the domain; None puts it through the middle of the part.
        smooth: Whether a section through cells shows values averaged to points; else a cell has one colour.
        lines: Whether streamlines are shown.
        arrows: Whether arrows are shown.
        warp: The factor of a deformed shape, `AUTO` for one that shows it well; None shows the shape as it is.
        unsure: Whether the tenth of the surface with the widest intervals is marked.
        iso: Field of an iso-surface, as ``field``, or empty.
        level: Its value, SI; None takes the middle of the field's range.
        line: The line along which values are plotted: an axis, which goes through the middle of the part, or both ends
            as six numbers, m, with commas; or empty.
        cells: About how many cells the surface has.
        camera: Position and target, m.
    """

    model: str = ""
    geometry: str = ""
    unit: str = ""
    set: str = ""
    case: str = ""
    parameters: dict[str, float] = dataclasses.field(default_factory=dict)
    field: str = ""
    map: str = MAPS[0]
    low: float | None = None
    high: float | None = None
    section: str = ""
    at: float | None = None
    smooth: bool = True
    lines: bool = False
    arrows: bool = False
    warp: float | None = None
    unsure: bool = False
    iso: str = ""
    level: float | None = None
    line: str = ""
    cells: int = CELLS
    camera: list[float] | None = dataclasses.field(default=None, compare=False)

    def snapshot(self) -> View:
        """The view as it is now: what a question is made of, while the reader goes on changing this one."""
        return copy.deepcopy(self)

    def same_design(self, other: View) -> bool:
        """Whether two views are of one model and one part, or one stored case."""
        return all(getattr(self, name) == getattr(other, name) for name in _PART)

    @property
    def is_plain(self) -> bool:
        """Whether the part alone is shown, as a model's card has it."""
        return not (self.section or self.iso or self.warp is not None or self.line or self.unsure)

    def on_the_way(self, other: View) -> bool:
        """Whether two views differ by what sliders move alone, so that one is a picture on the way to the other."""
        moved = {name: getattr(other, name) for name in _SLIDDEN}
        return replace(self, **moved) == other

    @classmethod
    def from_query(cls, query: Mapping[str, str], prefix: str = "") -> View:
        """The view that a link names; what it says wrongly is left at its default.

        Args:
            query: The link's parameters.
            prefix: Before those that only one of two designs has.
        """

        def text(name: str) -> str:
            return query.get(prefix + name, query.get(name, ""))[:200]

        def numbers(name: str) -> list[float] | None:
            limits = [number(part) for part in text(name).split(",")]
            return [x for x in limits if x is not None] if len(limits) == 6 and None not in limits else None

        section, at = text("section"), number(text("at"))
        return cls(
            model=text("model"), geometry=text("geometry"), unit=text("unit")[:20], field=text("field"),
            set=text("set"), case=text("case"),
            parameters={key[len(prefix) + 2:]: value for key, given in query.items()
                        if key.startswith(f"{prefix}p.") and (value := number(given)) is not None},
            map=text("map") if text("map") in MAPS else MAPS[0],
            low=number(text("low")), high=number(text("high")),
            section=section if len(section) == 1 and section in AXES else "",
            at=None if at is None else min(max(at, 0.0), 1.0), smooth=text("smooth") != "0",
            lines=text("lines") == "1", arrows=text("arrows") == "1",
            warp=AUTO if text("warp") == "auto" else number(text("warp")),
            unsure=text("unsure") == "1", iso=text("iso"), level=number(text("level")),
            line=text("line") if text("line") in tuple(AXES) or numbers("line") is not None else "",
            cells=int(min(max(_or(number(text("cells")), CELLS), 1000), _CELLS_MOST)),
            camera=numbers("camera"),
        )  # fmt: skip

    def query(self, prefix: str = "") -> dict[str, str | None]:
        """The link's parameters; None takes one out. The camera is kept by the browser itself."""

        def plain(value: float | None) -> str | None:
            return None if value is None else f"{value:.8g}"

        own: dict[str, Any] = {"model": self.model, "geometry": self.geometry, "unit": self.unit or None}
        own |= {"set": self.set or None, "case": self.case or None}
        own |= {f"p.{name}": plain(value) for name, value in self.parameters.items()}
        shared = {
            "field": self.field or None, "map": self.map if self.map != MAPS[0] else None, "low": plain(self.low),
            "high": plain(self.high), "section": self.section or None,
            "at": plain(self.at) if self.section else None, "smooth": None if self.smooth else "0",
            "lines": "1" if self.lines else None, "warp": "auto" if self.warp == AUTO else plain(self.warp),
            "iso": self.iso or None, "level": plain(self.level) if self.iso else None,
            "line": self.line or None, "unsure": "1" if self.unsure else None,
            "arrows": "1" if self.arrows else None, "cells": str(self.cells) if self.cells != CELLS else None,
        }  # fmt: skip
        return {f"{prefix}{name}": value for name, value in own.items()} | shared


def number(text: str) -> float | None:
    """A finite number, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _or(value: float | None, default: float) -> float:
    return default if value is None else value
