"""Colour maps as bytes."""

from __future__ import annotations

import base64
import functools

import numpy as np

MAPS = ("viridis", "cividis", "magma", "coolwarm")
"""Perceptually uniform ones, the default first; the last is for signed fields, about zero."""


@functools.cache
def colour_maps() -> dict[str, str]:
    """256 RGB colours of each map in base64."""
    import matplotlib

    shares = np.linspace(0.0, 1.0, 256)
    return {
        name: base64.b64encode(
            (255 * matplotlib.colormaps[name](shares)[:, :3] + 0.5).astype(np.uint8).tobytes()
        ).decode()
        for name in MAPS
    }
