"""What a view shows, as it stands in a link."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tramontane.page.colours import MAPS

AXES = "xyz"
CELLS = 50_000
_CELLS_MOST = 1_000_000


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
        at: Where the section stands, as a share of the domain.
        lines: Whether streamlines are shown.
        arrows: Whether arrows are shown.
        cells: About how many cells the surface has.
        camera: Position and target, m.
    """

    model: str = ""
    geometry: str = ""
    unit: str = ""
    set: str = ""
    case: str = ""
    parameters: dict[str, float] = field(default_factory=dict)
    field: str = ""
    map: str = MAPS[0]
    low: float | None = None
    high: float | None = None
    section: str = ""
    at: float = 0.5
    lines: bool = False
    arrows: bool = False
    cells: int = CELLS
    camera: list[float] | None = None

    @classmethod
    def from_query(cls, query: Mapping[str, str], prefix: str = "") -> View:
        """The view that a link names; what it says wrongly is left at its default.

        Args:
            query: The link's parameters.
            prefix: Before those that only one of two designs has.
        """

        def text(name: str) -> str:
            return query.get(prefix + name, query.get(name, ""))[:200]

        camera = [number(part) for part in text("camera").split(",")]
        section = text("section")
        return cls(
            model=text("model"), geometry=text("geometry"), unit=text("unit")[:20], field=text("field"),
            set=text("set"), case=text("case"),
            parameters={key[len(prefix) + 2:]: value for key, given in query.items()
                        if key.startswith(f"{prefix}p.") and (value := number(given)) is not None},
            map=text("map") if text("map") in MAPS else MAPS[0],
            low=number(text("low")), high=number(text("high")),
            section=section if len(section) == 1 and section in AXES else "",
            at=min(max(_or(number(text("at")), 0.5), 0.0), 1.0),
            lines=text("lines") == "1", arrows=text("arrows") == "1",
            cells=int(min(max(_or(number(text("cells")), CELLS), 1000), _CELLS_MOST)),
            camera=[x for x in camera if x is not None] if len(camera) == 6 and None not in camera else None,
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
            "at": plain(self.at) if self.section else None, "lines": "1" if self.lines else None,
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
