"""A physics check as the registry lists it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

from tramontane.case import Case
from tramontane.io.registries import by_name, find_entries


@dataclass(frozen=True)
class PhysicsCheck:
    """A law that a case must obey. A module of `tramontane.trust.checks` that has one holds it as ``CHECK``.

    Attributes:
        name: As it is asked for.
        title: The law, in a few words.
        unit: Of the residual.
        residual: By how much a case misses the law, in SI; None where the case does not have the fields that it needs.
    """

    name: str
    title: str
    unit: str
    residual: Callable[[Case], float | None]


@functools.cache
def known_checks() -> dict[str, PhysicsCheck]:
    """By name, the checks that the modules of `tramontane.trust.checks` hold as ``CHECK``."""
    return by_name(find_entries("tramontane.trust.checks", "CHECK", PhysicsCheck), lambda check: check.name)
