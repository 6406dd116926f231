"""A study as the registry lists it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Study:
    """What drives simulators over designs. A module of `tramontane.studies` that has one holds it as ``STUDY``.

    Attributes:
        name: As it is asked for: also its command.
        title: What comes out, in a few words.
        run: Runs it.
    """

    name: str
    title: str
    run: Callable[..., Any]
