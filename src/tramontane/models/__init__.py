"""Networks by name, plain torch modules with plain arguments, one architecture a file.

Each maps `Inputs` to fields by domain, and has ``config`` (the keyword arguments that rebuild it), ``encode`` and
``decode`` (fields at any number of points from a geometry that was read once).
"""

from __future__ import annotations

from typing import Any

from tramontane.errors import TramontaneError
from tramontane.models.ab_upt import AbUpt
from tramontane.models.inputs import Inputs

NETWORKS = {"ab-upt": AbUpt}


def build(name: str, config: dict[str, Any]) -> AbUpt:
    """An untrained network.

    Args:
        name: One of `NETWORKS`.
        config: Its keyword arguments.

    Returns:
        The network; its weights come from torch's random generator.

    Raises:
        TramontaneError: There is no such network, or it has no such argument.
    """
    if name not in NETWORKS:
        raise TramontaneError(f"model {name!r} is not known; choose one of {', '.join(NETWORKS)}")
    try:
        return NETWORKS[name](**config)
    except TypeError as error:
        raise TramontaneError(f"model {name!r}: {str(error).split('() ')[-1]}; correct its configuration") from error


__all__ = ["NETWORKS", "AbUpt", "Inputs", "build"]
