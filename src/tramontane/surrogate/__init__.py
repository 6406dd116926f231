"""A surrogate: a simulator that was trained."""

from tramontane.surrogate.surrogate import Surrogate

__all__ = ["Surrogate"]
