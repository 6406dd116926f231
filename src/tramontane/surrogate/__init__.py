"""A surrogate: a simulator that was trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tramontane.surrogate.surrogate import Surrogate as Surrogate

__all__ = ["Surrogate"]


def __getattr__(name: str) -> Any:
    # The table of model kinds beside it is read without PyTorch.
    if name == "Surrogate":
        from tramontane.surrogate.surrogate import Surrogate

        return Surrogate
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
