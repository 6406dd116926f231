"""The kinds of models that can be trained: one table, from which help, API, page and documents have their names.

Each module beside this one lists its own as ``KINDS``. A new kind is one file; see `tramontane.surrogate.kinds.kind`.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module

from tramontane.surrogate.kinds.kind import ModelKind

AUTO = "auto"
"""Asks for the kind that leaves least error on cases left out."""


def _listed() -> dict[str, ModelKind]:
    modules = sorted(info.name for info in pkgutil.iter_modules(__path__, f"{__name__}."))
    return {kind.name: kind for module in modules for kind in getattr(import_module(module), "KINDS", ())}


KINDS = _listed()
ASKED = (AUTO, *KINDS)
"""What may be asked for, in the order in which it is shown."""


def title_of(name: str) -> str:
    """What people call a kind; the name itself where it is of no table, as that of a peer in a benchmark."""
    return KINDS[name].title if name in KINDS else name
