"""The kinds of models that can be trained: one table, from which help, API, page and documents have their names."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelKind:
    """A kind of model.

    Attributes:
        name: As it is asked for.
        title: What people call it.
        by_steps: Whether it is trained step by step, so that a run has a length and a network can be configured.
        needs_fields: Whether cases must have fields.
    """

    name: str
    title: str
    by_steps: bool
    needs_fields: bool = True


AUTO = "auto"
"""Asks for the kind that leaves least error on cases left out."""

CLASSICAL = ModelKind("classical", "kriging of corresponding points", by_steps=False)
CORRECTED = ModelKind("corrected", "kriging corrected by networks", by_steps=True)
TOKENS = ModelKind("tokens", "networks alone", by_steps=True)
AB_UPT = ModelKind("ab-upt", "AB-UPT, a network on points", by_steps=True)
SCALARS = ModelKind("scalars", "kriging of the QoIs alone", by_steps=False, needs_fields=False)

KINDS = {kind.name: kind for kind in (CLASSICAL, CORRECTED, TOKENS, AB_UPT, SCALARS)}
ASKED = (AUTO, *KINDS)
"""What may be asked for, in the order in which it is shown."""


def title_of(name: str) -> str:
    """What people call a kind; the name itself where it is of no table, as that of a peer in a benchmark."""
    return KINDS[name].title if name in KINDS else name
