"""Many designs at once: on this machine, or where another executor runs them."""

from tramontane.farm.designs import FAILED, Result, run
from tramontane.farm.executors import known_executors

__all__ = ["FAILED", "Result", "known_executors", "run"]
