"""Published data sets in exactly the layouts that people download, one a file.

``docs/reference/published-datasets.md`` lists them.

A layout is a function of a folder and, for data sets that come with several, the name of a set of official splits. It
looks at names alone, and answers with the folder's cases or None.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tramontane.formats.layouts.ahmedml import ahmedml
from tramontane.formats.layouts.airfrans import airfrans
from tramontane.formats.layouts.drivaerml import drivaerml
from tramontane.formats.layouts.drivaernet import drivaernet
from tramontane.formats.layouts.emmi_wing import emmi_wing
from tramontane.formats.layouts.plaid import plaid
from tramontane.formats.layouts.shapenet_car import shapenet_car
from tramontane.formats.layouts.windsorml import windsorml
from tramontane.formats.results import Collection

__all__ = ["LAYOUTS", "Layout"]

Layout = Callable[[Path, str | None], Collection | None]
LAYOUTS: tuple[Layout, ...] = (
    ahmedml, windsorml, drivaerml, shapenet_car, airfrans, plaid, drivaernet, emmi_wing,
)  # fmt: skip
