"""The kinds of models that can be trained: one table, from which help, API, page and documents have their names.

Each module beside this one lists its own as ``KINDS``. A new kind is one file; see `tramontane.surrogate.kinds.kind`.
"""

from __future__ import annotations

from tramontane.io.registries import by_name, find_entries
from tramontane.surrogate.kinds.kind import ModelKind

AUTO = "auto"
"""Asks for the kind that leaves least error on cases left out."""


def known_kinds() -> dict[str, ModelKind]:
    """By name, the kinds that the modules of this package hold as ``KINDS``."""
    return by_name(find_entries(__name__, "KINDS", ModelKind), lambda kind: kind.name)


KINDS = known_kinds()
ASKED = (AUTO, *KINDS)
"""What may be asked for, in the order in which it is shown."""


def title_of(name: str) -> str:
    """What people call a kind; the name itself where it is of no table, as that of a peer in a benchmark."""
    return KINDS[name].title if name in KINDS else name
