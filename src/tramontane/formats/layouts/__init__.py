"""Published data sets in exactly the layouts that people download, one a file.

``docs/reference/published-datasets.md`` lists them.
"""

from __future__ import annotations

import functools

from tramontane.formats.layouts.layout import Layout
from tramontane.io.registries import by_name, find_entries


@functools.cache
def known_layouts() -> dict[str, Layout]:
    """By name, the layouts that the modules of this package hold as ``LAYOUT``."""
    return by_name(find_entries(__name__, "LAYOUT", Layout), lambda layout: layout.name)
